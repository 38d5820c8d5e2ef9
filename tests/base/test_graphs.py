"""Steps through the buffers of a capture against plain ones; on a GPU, replayed steps against eager ones."""

import contextlib
from functools import partial

import pytest
import torch

from gancompare import train
from gancompare.base import graphs
from gancompare.config import RunConfig
from gancompare.data.datasets import load_dataset
from gancompare.objectives import METHODS, WGANGP

cuda = [pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


@pytest.fixture
def smoke(image_folder):
    fields = {"profile": "smoke", "dataset": str(image_folder), "image_size": 28, "channels": 1}
    fields |= {"device": "cpu", "precision": "float32"}
    return lambda **others: RunConfig(**fields | others)


def prepared(config):
    return train.prepare(
        config,
        load_dataset(config.dataset, config.image_size, config.channels),
        torch.device(config.device),
    )


def capture_of(config, nets, feed):
    return graphs.Capture(
        update=partial(train.update, nets, feed),
        streams=feed.streams,
        nets=(nets.generator, nets.critic),
        indices=torch.zeros(nets.objective.n_critic, config.batch_size, dtype=torch.int64, device=feed.images.device),
    )


def run(config, nets, feed, *, steps, advance):
    """Make ``steps`` with ``advance(indices, average_weight, sums)``; returns the losses of each."""
    losses, count = [], config.n_critic * config.batch_size
    for step in range(steps):
        train.set_learning_rates(config, nets, step)
        indices = train.next_indices(feed, step * count, count).view(config.n_critic, -1)
        advance(indices, 1 / (2 + step), sums := {})
        losses.append({name: value.item() for name, value in sums.items()})
    return losses


def assert_same_bits(ours, expected):
    for name in ("generator", "critic", "average"):
        theirs = getattr(expected, name).state_dict()
        for key, tensor in getattr(ours, name).state_dict().items():
            assert torch.equal(tensor, theirs[key]), f"{name}.{key}"


@pytest.mark.parametrize("method", METHODS)
def test_a_step_on_buffers_equals_the_plain_one_to_the_bit(smoke, method):
    config = smoke(method=method, n_critic=2, horizontal_flip=True, lr_schedule="cosine", batch_size=10)
    (plain, plain_feed), (buffered, feed) = prepared(config), prepared(config)
    expected = run(config, plain, plain_feed, steps=3, advance=partial(train.update, plain, plain_feed))
    # 60 of 27 images: over the ends of epochs
    losses = run(
        config,
        buffered,
        feed,
        steps=3,
        advance=partial(graphs.advance, capture_of(config, buffered, feed)),
    )
    assert losses == expected
    assert_same_bits(buffered, plain)


def test_the_images_of_a_step_are_those_of_one_batch_after_another(smoke):
    config = smoke(batch_size=10, horizontal_flip=True)
    (_, one_by_one), (_, at_once) = prepared(config), prepared(config)
    expected = [train.real_images(one_by_one, train.next_indices(one_by_one, 10 * i, 10)) for i in range(6)]
    for chosen, batch in zip(train.next_indices(at_once, 0, 60).view(6, 10), expected, strict=True):
        assert torch.equal(train.real_images(at_once, chosen), batch)


def test_each_reason_for_staying_eager_is_printed_once(smoke, capsys):
    config = smoke()
    nets, feed = prepared(config)
    capture = capture_of(config, nets, feed)
    for critic_steps in (7, 7, 5, 5):  # as in a warm-up
        indices = train.next_indices(feed, 0, critic_steps * config.batch_size).view(critic_steps, -1)
        graphs.advance(capture, indices, 0.1, sums := {})
        assert sums["critic_steps"].item() == critic_steps
    warm_up, eager = capsys.readouterr().out.splitlines()
    assert "7 critic steps per generator step run eagerly; the CUDA graph is for 5" in warm_up
    assert "no CUDA graphs on a CPU" in eager


def test_a_run_on_a_cpu_has_nothing_to_capture(smoke, capsys):
    config = smoke()
    step_once = train.stepper(config, *prepared(config), progress=train.Progress())
    step_once()
    assert capsys.readouterr().out == ""


def test_losses_of_replays_add_up_and_do_not_share_memory():
    losses = {"a": torch.tensor(1.0), "b": torch.tensor(2.0)}
    sums = {}
    graphs.add_losses(sums, losses)
    losses["a"].fill_(10.0)  # a replay
    losses["b"].fill_(20.0)
    graphs.add_losses(sums, losses)
    assert {name: value.item() for name, value in sums.items()} == {"a": 11.0, "b": 22.0}
    graphs.add_losses(sums, {"b": torch.tensor(1.0), "c": torch.tensor(3.0)})
    assert {name: value.item() for name, value in sums.items()} == {"a": 11.0, "b": 23.0, "c": 3.0}


def test_learning_rates_on_the_device_are_filled_in_place(smoke):
    config = smoke(lr_schedule="linear", lr_critic=2e-3, generator_steps=100)
    nets, _ = prepared(config)
    rate = nets.critic_optimizer.param_groups[0]["lr"] = torch.zeros(())
    train.set_learning_rates(config, nets, 50)
    assert nets.critic_optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == pytest.approx(1e-3)


class FakeGraph:
    """Stands in for a CUDA graph where there is none: its capture fails, as that of a syncing objective does."""

    def register_generator_state(self, rng):
        pass


def test_a_failed_capture_leaves_everything_as_it_was(smoke, monkeypatch, capsys):
    config = smoke(n_critic=2)
    (plain, plain_feed), (nets, feed) = prepared(config), prepared(config)
    capture = capture_of(config, nets, feed)
    capture.refused, capture.eager_left = "", 0  # as on a GPU after the eager steps
    monkeypatch.setattr(torch.cuda, "CUDAGraph", FakeGraph)
    monkeypatch.setattr(torch.cuda, "stream", lambda side: contextlib.nullcontext())

    @contextlib.contextmanager
    def fails(graph, stream):
        nets.critic.requires_grad_(False)
        torch.rand(3, generator=feed.streams["latent"])
        raise RuntimeError("operation not permitted when stream is capturing\nmore")
        yield

    monkeypatch.setattr(torch.cuda, "graph", fails)
    run(config, plain, plain_feed, steps=2, advance=partial(train.update, plain, plain_feed))
    run(config, nets, feed, steps=2, advance=partial(graphs.advance, capture))
    assert capsys.readouterr().out.splitlines() == [
        "note: training step by step, without a CUDA graph: capturing a step failed "
        "(RuntimeError: operation not permitted when stream is capturing)"
    ]
    assert_same_bits(nets, plain)


# ---- on a GPU ----


def counted(objective):
    """A subclass of ``objective``, and a list with an entry for each time that Python runs its critic loss."""
    calls = []

    class Counted(objective):
        def critic_loss(self, critic, real, fake, rng):
            calls.append(len(real))
            return super().critic_loss(critic, real, fake, rng)

    return Counted, calls


def by_stepper(config, steps):
    """Nets and feed after ``steps`` of ``train.stepper``, and the losses of each step."""
    nets, feed = prepared(config)
    progress, losses = train.Progress(), []
    step_once = train.stepper(config, nets, feed, progress=progress)
    for _ in range(steps):
        step_once()
        losses.append({name: value.item() for name, value in progress.sums.items()})
        progress.sums.clear()
    return nets, feed, losses


@pytest.mark.parametrize("method", [pytest.param(method, marks=cuda) for method in METHODS])
def test_replays_train_as_eager_code_does(smoke, monkeypatch, method):
    objective, calls = counted(METHODS[method])
    monkeypatch.setitem(METHODS, method, objective)
    config = smoke(method=method, device="cuda", horizontal_flip=True, generator_steps=50)
    eager, eager_feed = prepared(config)
    eager_losses = run(config, eager, eager_feed, steps=8, advance=partial(train.update, eager, eager_feed))
    assert len(calls) == 8 * config.n_critic
    _, feed, losses = by_stepper(config, 8)
    assert len(calls) == (8 + graphs.EAGER_STEPS + 1) * config.n_critic  # no Python in a replay
    for name in ("latent", "interpolation", "flip"):  # random streams are where they would be
        assert torch.equal(eager_feed.streams[name].get_state(), feed.streams[name].get_state()), name
    for ours, expected in zip(losses, eager_losses, strict=True):
        # kernels may sum in another order, and Adam turns the rounding of a small gradient into a full step
        assert ours == pytest.approx(expected, rel=0.05, abs=0.05)


@pytest.mark.parametrize("fields", [pytest.param(f, marks=cuda) for f in ({"recipe": "paper"}, {"precision": "bf16"})])
def test_rmsprop_and_bf16_are_captured(smoke, monkeypatch, capsys, fields):
    objective, calls = counted(METHODS["wgan"])
    monkeypatch.setitem(METHODS, "wgan", objective)
    config = smoke(method="wgan", device="cuda", warmup_generator_steps=2, warmup_critic_steps=7, **fields)
    _, _, losses = by_stepper(config, 8)
    assert len(calls) == 2 * 7 + (graphs.EAGER_STEPS + 1) * config.n_critic
    assert "without a CUDA graph" not in capsys.readouterr().out
    assert all(torch.isfinite(torch.tensor(list(row.values()))).all() for row in losses)


class Waits(WGANGP):
    """Reads its loss off the device in every step."""

    def generator_loss(self, critic, fake, real, rng):
        loss = super().generator_loss(critic, fake, real, rng)
        return loss if loss.item() < 1e9 else 0 * loss


class WaitsInCapture(WGANGP):
    """Reads its loss off the device only during a capture, so that the check before it sees nothing."""

    def generator_loss(self, critic, fake, real, rng):
        loss = super().generator_loss(critic, fake, real, rng)
        return loss if not torch.cuda.is_current_stream_capturing() or loss.item() < 1e9 else 0 * loss


@pytest.mark.parametrize("method", [pytest.param("waits", marks=cuda)])
def test_an_objective_that_waits_for_the_device_trains_eagerly(smoke, monkeypatch, capsys, method):
    monkeypatch.setitem(METHODS, method, Waits)
    _, _, losses = by_stepper(smoke(method=method, device="cuda"), 6)
    assert "waits for the device" in capsys.readouterr().out
    assert len(losses) == 6


@pytest.mark.parametrize("method", [pytest.param("waits", marks=cuda)])
def test_a_capture_that_fails_on_the_gpu_falls_back(smoke, monkeypatch, capsys, method):
    monkeypatch.setitem(METHODS, method, WaitsInCapture)
    _, feed, losses = by_stepper(smoke(method=method, device="cuda"), 6)
    assert "capturing a step failed" in capsys.readouterr().out
    assert len(losses) == 6
    _, eager, _ = by_stepper(smoke(method="wgan-gp", device="cuda"), 6)
    states = [f.streams["latent"].get_state() for f in (feed, eager)]
    assert torch.equal(*states)  # the stream goes on where the failed capture found it
