import subprocess
import sys

import pytest
import torch
from torch import nn

from gancompare import objectives, train
from gancompare.bench import profiling
from gancompare.config import RunConfig
from gancompare.objectives import METHODS


@pytest.fixture
def smoke(image_folder):
    return lambda **fields: RunConfig(
        **{"profile": "smoke", "dataset": str(image_folder), "image_size": 28, "channels": 1} | fields
    )


def some_images(config, count=16):
    shape = (count, config.channels, config.image_size, config.image_size)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def layer_flops(net, argument):
    """Floating-point operations of each convolution and linear layer in one forward pass, by hand."""
    found = {}

    def count(layer, inputs, output):
        weight = layer.weight.numel()
        if isinstance(layer, nn.Linear):
            found[layer] = 2 * len(output) * weight
        else:  # a transposed convolution multiplies every input pixel, a convolution makes every output pixel
            pixels = (inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output)[0, 0].numel()
            found[layer] = 2 * len(output) * weight * pixels

    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    net(argument)
    for hook in hooks:
        hook.remove()
    return list(found.values())


@pytest.mark.parametrize("method", METHODS)
def test_flops_are_those_counted_by_hand(smoke, method):
    config = smoke(method=method, n_critic=2, precision="float32")
    images = some_images(config)
    state = train.prepare(config, images)
    g = layer_flops(state.generator, torch.zeros(8, config.latent_dim))
    c = layer_flops(state.critic, torch.zeros(8, 1, 28, 28))
    forward_g, forward_c = sum(g), sum(c)
    backward_c = 2 * forward_c - c[0]  # to the weights and to all inputs but the images
    critic_step = forward_g + 2 * (forward_c + backward_c)
    generator_step = forward_g + forward_c + forward_c + 2 * forward_g - g[0]  # through the critic, not to its weights
    if "penalty_weight" in METHODS[method].__dataclass_fields__:
        # forward; gradient by x_hat; back through that gradient to the weights and to what came before it, where none
        # comes before the score; and back through the forward pass below the score, to x_hat too as it is a leaf
        below_score = forward_c - c[-1]
        critic_step += forward_c + forward_c + (2 * below_score + c[-1]) + 2 * below_score
    assert profiling.flops(config, images) == 2 * critic_step + generator_step


def test_the_matmul_ceiling_is_a_rate():
    for bf16 in (False, True):
        assert profiling.matmul_ceiling(torch.device("cpu"), bf16, sizes=(64,), repeats=2) > 1e6
    assert torch.get_float32_matmul_precision() == "highest"


def test_peak_memory_sees_an_allocation():
    # in a new process: one that has trained keeps memory, and takes an allocation from it
    code = (
        "import torch; from gancompare.profiling import peak_memory\n"
        "with peak_memory(torch.device('cpu')) as used: torch.ones(2**26)\n"
        "print(used['bytes'], used['of'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found, of = done.stdout.split(maxsplit=1)
    if "VmHWM" in of:
        assert int(found) == pytest.approx(2**28, rel=0.2)
    assert int(found) >= 0


def test_laps_give_time_to_the_innermost_part(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(profiling.time, "perf_counter", lambda: now[0])
    laps = profiling.Laps(torch.device("cpu"))

    def wait(seconds):
        now[0] += seconds

    inner = laps.timed("data", wait)

    def outer():
        wait(1)
        inner(2)
        wait(4)

    laps.timed("generator", outer)()
    wait(8)
    laps.switch("critic")
    assert laps.spent == {"generator": 5, "data": 2, "critic": 8}


def test_timing_the_parts_leaves_no_timer_behind(smoke):
    before = (train.accumulate, train.real_images, objectives.gradient_penalty, METHODS["wgan-gp"].constrain)
    config = smoke()
    found = profiling.shares(config, some_images(config), steps=1)
    assert set(found) == set(profiling.PARTS)
    assert found["critic"] > 0
    assert found["data"] > 0
    assert before == (train.accumulate, train.real_images, objectives.gradient_penalty, METHODS["wgan-gp"].constrain)


def test_a_method_without_a_penalty_spends_nothing_on_it(smoke):
    config = smoke(method="gan")
    found = profiling.shares(config, some_images(config), steps=1)
    assert found["penalty"] == 0
    assert sum(found.values()) == pytest.approx(1)


def test_a_conditional_run_is_measured_as_one_without_classes(smoke):
    config = smoke(conditional=True)
    state = profiling.eager(config, some_images(config))  # of random images, which have none
    train.iteration(state, {})
    assert state.labels is None
