import contextlib

import pytest
import torch

from gancompare import train
from gancompare.base import graphs, streams
from gancompare.config import RunConfig
from gancompare.data.datasets import load_dataset
from gancompare.objectives import METHODS, WGANGP

cuda = [pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


@pytest.fixture
def smoke(image_folder):
    return lambda **fields: RunConfig(
        **{"profile": "smoke", "dataset": str(image_folder), "image_size": 28, "channels": 1} | fields
    )


def prepared(config):
    return train.prepare(config, load_dataset(config.dataset, config.image_size, config.channels).images)


def capturing(state):
    """``state`` with the buffers of a capture, which on a CPU stays eager."""
    shape = (state.objective.n_critic, state.config.batch_size)
    work = lambda indices, weight, sums: train.update(state, indices, weight, sums)  # noqa: E731
    nets = (state.generator, state.critic)
    state.capture = graphs.to_capture(work, state.streams, nets, shape, state.device)
    return state


def tensors(state):
    nets = {"generator": state.generator, "critic": state.critic, "sampler": state.sampler}
    return {f"{name}.{key}": tensor for name, net in nets.items() for key, tensor in net.state_dict().items()}


@pytest.mark.parametrize("method", METHODS)
def test_an_iteration_on_buffers_equals_the_plain_one_to_the_bit(smoke, method):
    config = smoke(method=method, n_critic=2, horizontal_flip=True, lr_schedule="cosine", batch_size=10)
    plain, buffered = prepared(config), capturing(prepared(config))
    for _ in range(3):  # 60 of 27 images: over the ends of epochs
        losses, losses_buffered = {}, {}
        train.iteration(plain, losses)
        train.iteration(buffered, losses_buffered)
        assert losses == losses_buffered
    assert plain.images_seen == buffered.images_seen
    ours, expected = tensors(buffered), tensors(plain)
    for name in expected:
        assert torch.equal(ours[name], expected[name]), name


def test_buffers_are_fed_the_images_that_next_real_gives(smoke):
    config = smoke(batch_size=10, horizontal_flip=True)
    plain, buffered = prepared(config), prepared(config)
    expected = [train.next_real(plain) for _ in range(6)]
    indices = train.next_indices(buffered, 60).view(6, 10)
    for chosen, batch in zip(indices, expected, strict=True):
        assert torch.equal(train.real_images(buffered, chosen), batch)
    assert plain.images_seen == buffered.images_seen == 60


def test_staying_eager_is_said_once_for_each_reason(smoke, capsys):
    state = capturing(prepared(smoke(warmup_generator_steps=2, warmup_critic_steps=7)))
    for _ in range(4):
        train.iteration(state, {})
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert "7 critic steps per generator step run eagerly; the CUDA graph is for 5" in said[0]
    assert "no CUDA graphs on a CPU" in said[1]
    assert state.images_seen == (2 * 7 + 2 * 5) * 8


def test_a_run_on_a_cpu_has_nothing_to_capture(smoke):
    assert prepared(smoke(device="cpu")).capture is None


def test_losses_of_replays_add_up_and_do_not_share_memory():
    found = {"a": torch.tensor(1.0), "b": torch.tensor(2.0)}
    sums = {}
    graphs.add(sums, found)
    found["a"].fill_(10.0)  # a replay
    found["b"].fill_(20.0)
    graphs.add(sums, found)
    assert {name: value.item() for name, value in sums.items()} == {"a": 11.0, "b": 22.0}
    graphs.add(sums, {"b": torch.tensor(1.0), "c": torch.tensor(3.0)})
    assert {name: value.item() for name, value in sums.items()} == {"a": 11.0, "b": 23.0, "c": 3.0}


def test_learning_rates_on_the_device_are_filled_in_place(smoke):
    state = prepared(smoke(lr_schedule="linear", lr_critic=2e-3, generator_steps=100))
    rate = state.critic_optimizer.param_groups[0]["lr"] = torch.zeros(())
    state.generator_steps = 50
    train.set_learning_rates(state)
    assert state.critic_optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == pytest.approx(1e-3)


class FakeGraph:
    """Stands in for a CUDA graph where there is none: its capture fails, as that of a syncing objective does."""

    def register_generator_state(self, rng):
        pass


def test_a_failed_capture_leaves_everything_as_it_was(smoke, monkeypatch, capsys):
    config = smoke(n_critic=2)
    plain, state = prepared(config), capturing(prepared(config))
    state.capture.refused, state.capture.eager_left = "", 0
    monkeypatch.setattr(torch.cuda, "CUDAGraph", FakeGraph)
    monkeypatch.setattr(torch.cuda, "stream", lambda side: contextlib.nullcontext())

    @contextlib.contextmanager
    def fails(graph, stream):
        state.critic.requires_grad_(False)
        torch.rand(3, generator=state.streams["latent"])
        raise RuntimeError("operation not permitted when stream is capturing\nmore")
        yield

    monkeypatch.setattr(torch.cuda, "graph", fails)
    for _ in range(2):
        train.iteration(plain, {})
        train.iteration(state, {})
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "note: training step by step, without a CUDA graph: capturing it failed "
        "(RuntimeError: operation not permitted when stream is capturing)"
    ]
    ours, expected = tensors(state), tensors(plain)
    for name in expected:
        assert torch.equal(ours[name], expected[name]), name


# ---- on a GPU ----


def on_gpu(config, steps, graph):
    """The state after ``steps`` iterations and the losses of each."""
    state = prepared(config)
    if not graph:
        state.capture = None
    losses = []
    for _ in range(steps):
        sums = {}
        train.iteration(state, sums)
        losses.append({name: value.item() for name, value in sums.items()})
    return state, losses


@pytest.mark.parametrize("method", [pytest.param(method, marks=cuda) for method in METHODS])
def test_replays_train_as_eager_code_does(smoke, method):
    config = smoke(method=method, device="cuda", precision="float32", horizontal_flip=True, generator_steps=50)
    eager, eager_losses = on_gpu(config, 8, graph=False)
    replayed, losses = on_gpu(config, 8, graph=True)
    assert replayed.capture.graph is not None, replayed.capture.refused
    for name in ("latent", "interpolation", "flip"):  # random streams are where they would be
        assert torch.equal(eager.streams[name].get_state(), replayed.streams[name].get_state()), name
    for ours, expected in zip(losses, eager_losses, strict=True):
        # kernels may sum in another order, and Adam turns the rounding of a small gradient into a full step
        assert ours == pytest.approx(expected, rel=0.05, abs=0.05)
    assert replayed.images_seen == eager.images_seen


@pytest.mark.parametrize("fields", [pytest.param(f, marks=cuda) for f in ({"recipe": "paper"}, {"precision": "bf16"})])
def test_rmsprop_and_bf16_are_captured(smoke, fields):
    state, losses = on_gpu(smoke(method="wgan", device="cuda", warmup_generator_steps=2, **fields), 8, graph=True)
    assert state.capture.graph is not None, state.capture.refused
    assert all(torch.isfinite(torch.tensor(list(row.values()))).all() for row in losses)


class Syncs(WGANGP):
    def generator_loss(self, critic, fake):
        loss = super().generator_loss(critic, fake)
        return loss if loss.item() < 1e9 else 0 * loss


@pytest.mark.parametrize("method", [pytest.param("syncs", marks=cuda)])
def test_an_objective_that_waits_for_the_device_trains_eagerly(smoke, monkeypatch, capsys, method):
    monkeypatch.setitem(METHODS, method, Syncs)
    state, losses = on_gpu(smoke(method=method, device="cuda"), 6, graph=True)
    assert state.capture.graph is None
    assert "waits for the device" in capsys.readouterr().out
    assert len(losses) == 6


@pytest.mark.parametrize("eager_steps", [pytest.param(2, marks=cuda)])
def test_a_capture_that_fails_on_the_gpu_falls_back(smoke, monkeypatch, capsys, eager_steps):
    monkeypatch.setitem(METHODS, "syncs", Syncs)
    monkeypatch.setattr(graphs, "waits", lambda: contextlib.nullcontext([]))  # the check before it sees nothing
    state, losses = on_gpu(smoke(method="syncs", device="cuda"), 6, graph=True)
    assert "capturing it failed" in capsys.readouterr().out
    assert len(losses) == 6
    torch.rand(3, generator=state.streams["latent"], device="cuda")
    assert streams.stream(0, "latent", "cuda").device.type == "cuda"
