import subprocess
import sys
import time

import pytest
import torch
from torch import nn

from gancompare import train
from gancompare.bench import profiling
from gancompare.objectives import METHODS, WGAN

cuda = [pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


def layer_flops(net, argument):
    """Floating-point operations of each convolution and linear layer in one forward pass, by hand."""
    counted = {}

    def count(layer, inputs, output):
        weight = layer.weight.numel()
        if isinstance(layer, nn.Linear):
            counted[layer] = 2 * len(output) * weight
        else:  # a transposed convolution multiplies every input pixel, a convolution makes every output pixel
            pixels = (inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output)[0, 0].numel()
            counted[layer] = 2 * len(output) * weight * pixels

    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    net(argument)
    for hook in hooks:
        hook.remove()
    return list(counted.values())


@pytest.mark.parametrize("method", METHODS)
def test_flops_are_those_counted_by_hand(smoke, some_images, method):
    config = smoke(method=method, n_critic=2)
    images = some_images(config)
    nets, _ = train.prepare(config, images, torch.device("cpu"))
    g = layer_flops(nets.generator, torch.zeros(8, config.latent_dim))
    c = layer_flops(nets.critic, torch.zeros(8, 1, 28, 28))
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


@pytest.mark.slow
def test_peak_memory_sees_an_allocation():
    # in a new process: one that has trained keeps memory, and takes an allocation from it
    code = (
        "import torch; from gancompare.bench.profiling import peak_memory\n"
        "with peak_memory(torch.device('cpu')) as used: torch.ones(2**26)\n"
        "print(used.bytes, used.kind)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    measured, kind = done.stdout.split(maxsplit=1)
    if "VmHWM" in kind:
        assert int(measured) == pytest.approx(2**28, rel=0.2)
    assert int(measured) >= 0


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=cuda)])
@pytest.mark.parametrize("method", METHODS)
def test_shares_sum_to_one_and_only_a_penalty_takes_time_for_one(smoke, some_images, method, device):
    config = smoke(method=method, device=device)
    shares = profiling.shares(config, some_images(config), steps=1)
    assert tuple(shares) == profiling.PARTS
    assert sum(shares.values()) == pytest.approx(1)
    assert all(share > 0 for part, share in shares.items() if part != "penalty")
    assert (shares["penalty"] > 0) == ("penalty_weight" in METHODS[method].__dataclass_fields__)


class SlowLoss(WGAN):
    def critic_loss(self, critic, real, fake, rng):
        time.sleep(0.3)
        return super().critic_loss(critic, real, fake, rng)


class SlowConstraint(WGAN):
    def constrain(self, critic):
        time.sleep(0.3)
        super().constrain(critic)


@pytest.mark.parametrize(("objective", "part"), [(SlowLoss, "critic"), (SlowConstraint, "optimizer")])
def test_the_share_of_a_slow_part_is_large(smoke, some_images, monkeypatch, objective, part):
    monkeypatch.setitem(METHODS, "slow", objective)
    config = smoke(method="slow", n_critic=1)
    shares = profiling.shares(config, some_images(config), steps=1)
    assert max(shares, key=shares.get) == part
    assert shares[part] > 0.5  # the rest is milliseconds


def test_a_conditional_run_is_measured_as_one_without_classes(smoke, some_images):
    config = smoke(conditional=True)  # the random images have no classes
    assert profiling.flops(config, some_images(config)) == profiling.flops(smoke(), some_images(config))
