import math
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from gancompare import train
from gancompare.base import streams
from gancompare.base.device import DeviceError
from gancompare.config import ConfigError, RunConfig
from gancompare.data.datasets import load_splits
from gancompare.models import critic_for, generator_for, initialize
from gancompare.objectives import GAN, METHODS, WGANGP
from gancompare.runs import history, layout, record
from gancompare.runs.weights import classes_of, load_generator
from gancompare.scoring.monitor import make_monitor, measure

CPU = torch.device("cpu")


@pytest.fixture
def smoke(image_folder):
    """A function from fields to a config of a tiny run on 27 images (30 less the held-out ones)."""
    return lambda **fields: RunConfig(
        **{"profile": "smoke", "dataset": str(image_folder), "image_size": 28, "channels": 1} | fields
    )


def run(config, directory):
    return list(train.train(config, directory))


def stop_at(step, config, directory):
    """Train until the row of ``step`` and turn away."""
    rows = train.train(config, directory)
    while next(rows)["generator_steps"] < step:
        pass
    rows.close()


def weights(directory):
    return load_file(directory / "generator.safetensors")


def assert_same_bits(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


def images_of(config):
    return load_splits(config.dataset, config.image_size, config.channels)


def prepared(config, device=CPU):
    """(nets, feed) of a run at its start."""
    return train.prepare(config, images_of(config).train, device)


def after_steps(config, count, device=CPU):
    """(nets, feed, progress) after ``count`` generator steps."""
    nets, feed = prepared(config, device)
    progress = train.Progress()
    step_once = train.stepper(config, nets, feed, progress=progress)
    for _ in range(count):
        step_once()
    return nets, feed, progress


def checkpoint_of(directory):
    return torch.load(directory / "checkpoint.pt", weights_only=True)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_and_records(smoke, tmp_path, method):
    config = smoke(method=method)
    rows = run(config, tmp_path)
    assert [row["generator_steps"] for row in rows] == [1, 2, 3, 4]
    assert record.read_status(tmp_path)["status"] == "complete"
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["generator_steps"].tolist() == [1, 2, 3, 4]
    assert history["images_seen"].iloc[-1] == 4 * config.n_critic * config.batch_size
    assert history["seconds"].is_monotonic_increasing
    assert history["pixel_std"].notna().tolist() == [True, True, False, True]  # three measurements, log-spaced
    parts = [name for name in history if name.startswith("loss_")]
    np.testing.assert_allclose(history["critic_loss"], history[parts].sum(axis=1), rtol=1e-6)  # six printed digits
    is_wasserstein = method in ("wgan", "wgan-gp")
    assert history["wasserstein_estimate"].notna().all() == is_wasserstein
    if is_wasserstein:  # E[D(real)] - E[D(fake)], the penalty left out
        estimate = -history["loss_real"] - history["loss_fake"]
        np.testing.assert_allclose(history["wasserstein_estimate"], estimate, rtol=1e-6)
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == [
        "step0000000.png",
        "step0000002.png",
        "step0000004.png",
    ]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"method": "gan"}, 4),
        ({"method": "wgan"}, 20),
        ({"method": "wgan-gp", "n_critic": 3}, 12),
        ({"method": "gan", "n_critic": 2, "warmup_generator_steps": 1, "warmup_critic_steps": 7}, 7 + 3 * 2),
    ],
)
def test_critic_steps_per_generator_step(smoke, tmp_path, fields, expected):
    config = smoke(**fields)
    run(config, tmp_path)
    content = checkpoint_of(tmp_path)
    steps = {who: int(content[f"{who}_optimizer"]["state"][0]["step"]) for who in ("critic", "generator")}
    assert steps == {"critic": expected, "generator": 4}
    assert history.read_history(tmp_path)["images_seen"].iloc[-1] == expected * config.batch_size


def moved(nets, start, who):
    weights = dict(getattr(nets, who).named_parameters())
    return [name for name, before in getattr(start, who).named_parameters() if not torch.equal(before, weights[name])]


def test_a_critic_step_leaves_the_generator_alone(smoke):
    config = smoke(lr_generator=0.0)
    nets, start = after_steps(config, 2)[0], prepared(config)[0]
    assert moved(nets, start, "generator") == []
    assert moved(nets, start, "critic")


def test_a_generator_step_leaves_the_critic_alone(smoke):
    config = smoke(lr_critic=0.0)
    nets, start = after_steps(config, 2)[0], prepared(config)[0]
    assert moved(nets, start, "critic") == []
    assert moved(nets, start, "generator")
    assert all(p.requires_grad for p in nets.critic.parameters())


def test_clipped_weights_stay_in_bounds_and_reach_them(smoke):
    nets, _, _ = after_steps(smoke(method="wgan", clip=0.003, lr_critic=0.1), 3)
    largest = max(p.abs().max().item() for p in nets.critic.parameters())
    assert largest == pytest.approx(0.003)  # never beyond; and a rate this high must have reached it


def textbook_iteration(config, images):
    """The nets after one iteration of Algorithm 1 (Gulrajani et al.), nothing fused or channels-last."""
    generator = initialize(generator_for(config.to_dict()), streams.stream(config.seed, "generator"))
    critic = initialize(critic_for(config.to_dict()), streams.stream(config.seed, "critic"))
    betas = (config.beta1, config.beta2)
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=config.lr_critic, betas=betas, foreach=False)
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=config.lr_generator, betas=betas, foreach=False)
    latent, epsilon_rng = streams.stream(config.seed, "latent"), streams.stream(config.seed, "interpolation")
    order = torch.cat(
        [torch.randperm(len(images), generator=streams.stream(config.seed, f"order/{e}")) for e in range(9)]
    )
    for step in range(config.n_critic):
        real = images[order[step * config.batch_size :][: config.batch_size]].float() / 127.5 - 1
        z = torch.randn(config.batch_size, config.latent_dim, generator=latent)
        fake = generator(z).detach()
        epsilon = torch.rand(config.batch_size, 1, 1, 1, generator=epsilon_rng)
        x_hat = (epsilon * real + (1 - epsilon) * fake).requires_grad_(True)
        gradient = torch.autograd.grad(critic(x_hat).sum(), x_hat, create_graph=True)[0]
        penalty = ((gradient.reshape(config.batch_size, -1).norm(dim=1) - 1) ** 2).mean()
        loss = critic(fake).mean() - critic(real).mean() + config.penalty_weight * penalty
        critic_optimizer.zero_grad()
        loss.backward()
        critic_optimizer.step()
    z = torch.randn(config.batch_size, config.latent_dim, generator=latent)
    generator_optimizer.zero_grad()
    (-critic(generator(z)).mean()).backward()
    generator_optimizer.step()
    return generator, critic


def relative_error(ours, expected):
    return ((ours - expected).norm() / (expected.norm() + 1e-12)).item()  # the score's bias has no gradient


def textbook_losses(config, critic, real, fake, epsilon):
    """The critic's and the generator's loss of a method, as its paper writes them: sigmoids, logarithms and norms."""
    d_real, d_fake = critic(real), critic(fake)
    ones, zeros = torch.ones_like(d_real), torch.zeros_like(d_real)
    bce = torch.nn.functional.binary_cross_entropy_with_logits  # -log D for a target of 1, -log(1 - D) for 0
    if "wgan" in config.method:
        critic_loss, generator_loss = d_fake.mean() - d_real.mean(), -d_fake.mean()
    else:
        critic_loss, generator_loss = bce(d_real, ones) + bce(d_fake, zeros), bce(d_fake, ones)
    if config.method == "gan-minimax":
        generator_loss = -bce(d_fake, zeros)
    if config.method.endswith("-gp"):
        x_hat = (epsilon * real + (1 - epsilon) * fake).detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(critic(x_hat).sum(), x_hat, create_graph=True)
        norm = gradient.reshape(len(real), -1).norm(dim=1)
        critic_loss = critic_loss + config.penalty_weight * ((norm - 1) ** 2).mean()
    return critic_loss, generator_loss


@pytest.mark.parametrize("method", METHODS)
def test_first_gradients_equal_the_textbook(smoke, method):
    still = {"n_critic": 1, "lr_critic": 0.0, "lr_generator": 0.0, "clip": 100.0}  # the nets stay as they are
    config = smoke(method=method, precision="float32", **still)
    generator = initialize(generator_for(config.to_dict()), streams.stream(config.seed, "generator"))
    critic = initialize(critic_for(config.to_dict()), streams.stream(config.seed, "critic"))
    images, size = images_of(config).train.images, config.batch_size
    order = torch.randperm(len(images), generator=streams.stream(config.seed, "order/0"))
    real = images[order[:size]].float() / 127.5 - 1
    latent = streams.stream(config.seed, "latent")
    z_of_critic, z_of_generator = (torch.randn(size, config.latent_dim, generator=latent) for _ in range(2))
    epsilon = torch.rand(size, 1, 1, 1, generator=streams.stream(config.seed, "interpolation"))
    critic_loss, _ = textbook_losses(config, critic, real, generator(z_of_critic).detach(), epsilon)
    _, generator_loss = textbook_losses(config, critic, real, generator(z_of_generator), epsilon)
    nets, _, _ = after_steps(config, 1)
    for ours, net, loss in ((nets.critic, critic, critic_loss), (nets.generator, generator, generator_loss)):
        weights = dict(net.named_parameters())
        expected = dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))
        for name, parameter in ours.named_parameters():
            # float32 keeps 7 digits, sums lose some
            assert relative_error(parameter.grad, expected[name]) < 1e-5, (type(net).__name__, name)


def test_one_iteration_equals_the_textbook(smoke, tmp_path):
    config = smoke(generator_steps=1, ema_decay=0.0, n_critic=2, precision="float32")
    start, feed = prepared(config)
    initial = {"generator": start.generator.state_dict(), "critic": start.critic.state_dict()}
    generator, critic = textbook_iteration(config, feed.images)
    run(config, tmp_path)
    ours = checkpoint_of(tmp_path)
    for net, name in ((generator, "generator"), (critic, "critic")):
        for key, _ in net.named_parameters():
            moved = net.state_dict()[key] - initial[name][key]
            # Adam turns a gradient of rounding size into a full step of either sign: a few entries may disagree
            assert relative_error(ours[name][key] - initial[name][key], moved) < 0.1, key


MEASURED = [{"critic_norm": "batch"}, {"method": "wgan-gp"}, {"method": "gan", "critic_norm": "batch"}]


@pytest.mark.parametrize("fields", [*MEASURED, {"critic_norm": "spectral"}], ids=str)
def test_drawing_and_measuring_do_not_move_training(smoke, tmp_path, fields):
    for name, every in (("rarely", 99), ("often", 1)):
        intervals = dict.fromkeys(("log_every", "sample_every", "checkpoint_every"), every)
        run(smoke(**fields, **intervals, measurements=1 if name == "rarely" else 9), tmp_path / name)
    rows = {name: len(pd.read_csv(tmp_path / name / "diagnostics.csv")) for name in ("rarely", "often")}
    assert rows["often"] == 4 * rows["rarely"]
    assert_same_bits(weights(tmp_path / "rarely"), weights(tmp_path / "often"))
    assert_same_bits(*(checkpoint_of(tmp_path / name)["critic"] for name in ("rarely", "often")))


def test_what_is_measured_of_the_critic_stands_in_both_files(smoke, tmp_path):
    run(smoke(method="wgan"), tmp_path)
    history = pd.read_csv(tmp_path / "history.csv").dropna(subset="gradient_slope_over_depth")
    found = pd.read_csv(tmp_path / "diagnostics.csv")
    assert history["generator_steps"].tolist() == [1, 2, 4]
    mean = found[(found["quantity"] == "gradient_norm_mean") & (found["where"] == "interpolated")]["value"]
    np.testing.assert_allclose(history["critic_gradient_norm"], mean, rtol=1e-12)
    for step, slope in zip((1, 2, 4), history["gradient_slope_over_depth"], strict=True):
        norms = found[(found["quantity"] == "layer_gradient_norm") & (found["generator_steps"] == step)]["value"]
        np.testing.assert_allclose(np.polyfit(range(len(norms)), np.log(norms), 1)[0], slope, rtol=1e-9)
    assert {"real", "fake", "held-out"} == set(found.loc[found["quantity"] == "score", "where"])


def test_held_out_images_are_not_trained_on_and_do_not_depend_on_the_method(smoke):
    data = images_of(smoke())
    one, other = (make_monitor(smoke(method=method), data, CPU).held_out for method in ("gan", "wgan"))
    assert torch.equal(one, other)
    trained = prepared(smoke())[1].images
    assert len(one) == 3  # a tenth of 30
    assert not any(torch.equal(a, b) for a in one for b in trained)


def test_a_single_image_leaves_none_to_hold_out_and_can_be_trained_on(tmp_path):
    Image.new("RGB", (28, 28), "red").save(tmp_path / "image.png")
    config = RunConfig(profile="smoke", dataset=str(tmp_path), image_size=28, extractor="none")
    assert make_monitor(config, images_of(config), CPU).held_out is None
    assert len(run(config, tmp_path / "run")) == 4
    assert "held-out" not in (tmp_path / "run" / "diagnostics.csv").read_text()


def test_the_global_random_state_plays_no_part(smoke, tmp_path):
    torch.manual_seed(1)
    run(smoke(), tmp_path / "one")
    torch.manual_seed(2)
    state = torch.get_rng_state()
    run(smoke(), tmp_path / "two")
    assert_same_bits(weights(tmp_path / "one"), weights(tmp_path / "two"))
    assert torch.equal(state, torch.get_rng_state())


def test_another_seed_is_another_run(smoke, tmp_path):
    run(smoke(), tmp_path / "one")
    run(smoke(seed=1), tmp_path / "two")
    assert not torch.equal(weights(tmp_path / "one")["project.weight"], weights(tmp_path / "two")["project.weight"])


RESUMABLE = [
    {"method": "wgan-gp", "horizontal_flip": True, "lr_schedule": "cosine"},
    {"method": "wgan", "optimizer": "rmsprop", "critic_norm": "batch", "ema_decay": 0.0},
]


@pytest.mark.parametrize("fields", RESUMABLE, ids=lambda fields: fields["method"])
def test_an_interrupted_run_resumes_to_the_same_bits(smoke, tmp_path, fields):
    config = smoke(generator_steps=12, checkpoint_every=5, log_every=3, **fields)
    run(config, tmp_path / "whole")
    stop_at(8, config, tmp_path / "parts")  # past the checkpoint at 5, so steps 6 to 8 are made twice
    assert record.read_status(tmp_path / "parts")["status"] == "interrupted"
    run(config, tmp_path / "parts")
    assert_same_bits(weights(tmp_path / "whole"), weights(tmp_path / "parts"))
    whole, parts = (pd.read_csv(tmp_path / name / "history.csv").drop(columns="seconds") for name in ("whole", "parts"))
    pd.testing.assert_frame_equal(whole, parts)
    whole, parts = ((tmp_path / name / "diagnostics.csv").read_text() for name in ("whole", "parts"))
    assert whole == parts
    steps = [line.split(",")[0] for line in whole.splitlines()[1:]]
    assert list(dict.fromkeys(steps)) == ["1", "3", "12"]  # three measurements, log-spaced


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills a process with SIGKILL")
def test_a_killed_run_resumes_to_the_same_bits(smoke, tmp_path):
    config = smoke(generator_steps=150, n_critic=2, checkpoint_every=7, log_every=2, measurements=3)
    fields = [f"--{n.replace('_', '-')}={v}" for n, v in config.to_dict().items() if not isinstance(v, bool)]
    command = [sys.executable, "-m", "gancompare", "run", "--no-notebook", "--study=s", *fields]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}

    def start(results):
        return subprocess.Popen(
            [*command, f"--results={results}"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    directory = layout.run_directory(tmp_path / "killed", "s", config)
    process = start(tmp_path / "killed")
    deadline = time.monotonic() + 120
    while record.read_status(directory)["generator_steps"] < 16 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert record.read_status(directory)["status"] == "running"  # it had no chance to say otherwise
    for results in ("killed", "whole"):
        process = start(tmp_path / results)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output.decode()
    assert_same_bits(weights(directory), weights(layout.run_directory(tmp_path / "whole", "s", config)))


def test_a_kill_between_the_last_checkpoint_and_its_status_is_mended(smoke, tmp_path):
    run(smoke(), tmp_path / "whole")
    run(smoke(), tmp_path / "cut")
    record.write_status(tmp_path / "cut", "running")  # as it was until the checkpoint had been written
    (tmp_path / "cut" / "metrics.json").unlink()
    (tmp_path / "cut" / "generator.safetensors").write_bytes(b"of an earlier step")
    assert run(smoke(), tmp_path / "cut") == []
    assert record.read_status(tmp_path / "cut")["status"] == "complete"
    assert_same_bits(weights(tmp_path / "whole"), weights(tmp_path / "cut"))


def test_a_finished_run_is_not_trained_again(smoke, tmp_path):
    run(smoke(), tmp_path)
    before = (tmp_path / "generator.safetensors").stat().st_mtime_ns
    assert run(smoke(), tmp_path) == []
    assert (tmp_path / "generator.safetensors").stat().st_mtime_ns == before


def test_asking_a_finished_run_for_another_config_leaves_it_as_it_was(smoke, tmp_path):
    run(smoke(), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    with pytest.raises(layout.RunError, match="another config"):
        run(smoke(batch_size=4), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()} == before
    assert run(smoke(), tmp_path) == []


def breaking(monkeypatch, at, trouble):
    """The name of an objective that calls ``trouble(critic, fake)`` in the generator step number ``at``."""
    calls = []

    class Breaks(WGANGP):
        def generator_loss(self, critic, fake, real, rng):
            calls.append(1)
            extra = trouble(critic, fake) if len(calls) == at else 0.0
            return super().generator_loss(critic, fake, real, rng) + extra

    monkeypatch.setitem(METHODS, "breaks", Breaks)
    return {"method": "breaks", "measurements": 1}  # at the end alone, as measuring would call it too


def test_a_non_finite_loss_ends_the_run_as_diverged(smoke, tmp_path, monkeypatch):
    config = smoke(**breaking(monkeypatch, 5, lambda critic, fake: float("nan")), generator_steps=50)
    rows = run(config, tmp_path)
    status = record.read_status(tmp_path)
    assert status["status"] == "diverged"
    assert "generator_loss not finite at generator step 5" in status["message"]
    assert [row["generator_steps"] for row in rows] == [1, 2, 3, 4, 5]
    assert math.isnan(pd.read_csv(tmp_path / "history.csv")["generator_loss"].iloc[-1])
    assert all(torch.isfinite(tensor).all() for tensor in weights(tmp_path).values())  # of the checkpoint at step 4
    assert run(config, tmp_path) == []  # a result, not something to try again


def test_poisoned_weights_do_not_replace_a_good_checkpoint(smoke, tmp_path, monkeypatch):
    # the root of 0 is 0, but its derivative is infinite, and times 0 it is NaN: the loss is fine, the gradient is not
    fields = breaking(monkeypatch, 4, lambda critic, fake: (critic(fake).sum() * 0).abs().sqrt())
    rows = run(smoke(**fields, generator_steps=6), tmp_path)
    assert all(math.isfinite(row["generator_loss"]) for row in rows)
    status = record.read_status(tmp_path)
    assert (status["status"], status["message"]) == ("diverged", "weights not finite at generator step 4")
    assert all(torch.isfinite(tensor).all() for tensor in weights(tmp_path).values())


def raises(error):
    def trouble(critic, fake):
        raise error

    return trouble


def test_an_error_is_recorded_and_raised(smoke, tmp_path, monkeypatch):
    fields = breaking(monkeypatch, 1, raises(ZeroDivisionError("on purpose")))
    with pytest.raises(ZeroDivisionError):
        run(smoke(**fields), tmp_path)
    status = record.read_status(tmp_path)
    assert (status["status"], status["message"]) == ("failed", "ZeroDivisionError: on purpose")


def test_out_of_memory_names_what_to_lower(smoke, tmp_path, monkeypatch):
    fields = breaking(monkeypatch, 1, raises(torch.OutOfMemoryError()))
    with pytest.raises(layout.RunFailed, match="batch_size=8"):
        run(smoke(**fields), tmp_path)
    assert "batch_size=8" in record.read_status(tmp_path)["message"]


def test_a_corrupt_checkpoint_is_named(smoke, tmp_path):
    config = smoke(generator_steps=6)
    stop_at(4, config, tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(layout.RunError, match=r"checkpoint\.pt cannot be read"):
        run(config, tmp_path)


def test_a_checkpoint_of_another_kind_of_device_is_named(smoke, tmp_path):
    config = smoke(generator_steps=6)
    stop_at(4, config, tmp_path)
    content = checkpoint_of(tmp_path)
    content["about"]["device"] = "cuda"
    torch.save(content, tmp_path / "checkpoint.pt")
    with pytest.raises(layout.RunError, match="written on cuda, this is cpu"):
        run(config, tmp_path)


def test_leftovers_of_a_killed_write_are_removed(smoke, tmp_path):
    (tmp_path / ".checkpoint.pt.123.tmp").write_bytes(b"half")
    run(smoke(), tmp_path)
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_run_in_use_is_refused(smoke, tmp_path):
    rows = train.train(smoke(), tmp_path)
    next(rows)
    with pytest.raises(layout.RunError, match=f"process {os.getpid()}"):
        next(train.train(smoke(), tmp_path, patience=0.1))
    rows.close()


def real_batches(config, count):
    """The first ``count`` batches of real images, (B, C, H, W) each."""
    _, feed = prepared(config)
    positions = range(0, count * config.batch_size, config.batch_size)
    return [train.real_images(feed, train.next_indices(feed, seen, config.batch_size)) for seen in positions]


def test_each_epoch_shows_every_image_once_in_the_same_order_for_all_methods(smoke):
    order = {}
    for method in ("gan", "wgan-gp"):  # 27 images: batches of 10 run over the ends of epochs
        order[method] = torch.cat([batch.flatten(1) for batch in real_batches(smoke(method=method, batch_size=10), 27)])
        assert order[method].shape[0] == 10 * 27
    assert torch.equal(order["gan"], order["wgan-gp"])
    epochs = order["gan"].reshape(10, 27, -1)
    images = prepared(smoke())[1].images.flatten(1).float() / 127.5 - 1
    expected = sorted(map(tuple, images.tolist()))
    for epoch in epochs:
        assert sorted(map(tuple, epoch.tolist())) == expected
    assert not torch.equal(epochs[0], epochs[1])


def test_a_batch_larger_than_the_data_works(smoke):
    (batch,) = real_batches(smoke(batch_size=100), 1)
    assert batch.shape == (100, 1, 28, 28)


def test_mirrored_images_are_the_images_or_their_mirrors(smoke):
    (a,), (b,) = (real_batches(smoke(batch_size=27, horizontal_flip=flip), 1) for flip in (False, True))
    same, flipped = (a == b).flatten(1).all(1), (a.flip(3) == b).flatten(1).all(1)
    assert (same | flipped).all()
    assert same.any()
    assert flipped.any()


@pytest.mark.parametrize("decay", [0.2, 0.999])
def test_the_moving_average_is_the_formula(smoke, decay):
    config = smoke(ema_decay=decay, precision="float32")
    nets, feed = prepared(config)
    step_once = train.stepper(config, nets, feed, progress=train.Progress())
    expected = {name: p.detach().clone().double() for name, p in nets.generator.named_parameters()}
    for step in range(6):
        step_once()
        kept = min(decay, (1 + step) / (10 + step))  # a short memory early on
        for name, p in nets.generator.named_parameters():
            expected[name] = kept * expected[name] + (1 - kept) * p.detach().double()
    for name, p in nets.average.named_parameters():
        torch.testing.assert_close(p.double(), expected[name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("schedule", "factors"), [("constant", (1, 1, 1)), ("linear", (1, 0.5, 0.25)), ("cosine", (1, 0.5, 0.146447))]
)
def test_learning_rate_schedules(smoke, schedule, factors):
    config = smoke(lr_schedule=schedule, lr_critic=2e-3, generator_steps=100)
    nets, _ = prepared(config)
    for step, factor in zip((0, 50, 75), factors, strict=True):
        train.set_learning_rates(config, nets, step)
        assert nets.critic_optimizer.param_groups[0]["lr"] == pytest.approx(2e-3 * factor, rel=1e-5)


def test_measures_have_their_closed_forms(smoke):
    config = smoke()
    nets, _ = prepared(config)
    monitor = make_monitor(config, images_of(config), CPU)
    weight = torch.randn(28 * 28, generator=torch.Generator().manual_seed(0))
    nets.critic.forward = lambda x: x.flatten(1) @ weight  # its gradient is the weight, everywhere
    nets.average.forward = lambda z, labels: torch.full((len(z), 1, 28, 28), 0.3)  # a collapsed generator
    measured = measure(monitor, nets).row
    assert measured["critic_gradient_norm"] == pytest.approx(weight.norm().item(), rel=1e-5)
    assert measured["pixel_std"] == pytest.approx(0, abs=1e-7)
    halves = torch.where(torch.arange(64) % 2 == 0, 1.0, -1.0).reshape(-1, 1, 1, 1).expand(64, 1, 28, 28)
    nets.average.forward = lambda z, labels: halves[: len(z)]
    assert measure(monitor, nets).row["pixel_std"] == pytest.approx(math.sqrt(64 / 63))  # half at 1, half at -1


def test_bf16_trains_on_any_processor(smoke, tmp_path):
    rows = run(smoke(precision="bf16"), tmp_path)
    assert record.read_status(tmp_path)["machine"]["arithmetic"] == "bf16"
    assert all(math.isfinite(row["critic_loss"]) for row in rows)
    assert all(tensor.dtype == torch.float32 for name, tensor in weights(tmp_path).items() if name.endswith("weight"))


def test_bf16_penalty_gradients_agree_with_float32(smoke):
    gradients = {}
    for precision in ("float32", "bf16"):
        nets, _, _ = after_steps(smoke(precision=precision, base_channels=16, n_critic=1), 1)
        gradients[precision] = torch.cat([p.grad.flatten() for p in nets.critic.parameters()])
    # bf16 keeps 8 bits, errors of single entries reach 10 %; the direction must agree
    assert torch.cosine_similarity(gradients["float32"], gradients["bf16"], dim=0) > 0.98


def test_a_missing_cuda_device_is_named(smoke, tmp_path):
    with pytest.raises(DeviceError, match="cuda:99"):
        run(smoke(device="cuda:99"), tmp_path)


def test_tensorboard_events_hold_the_history(smoke, tmp_path):
    from tensorboard.backend.event_processing import event_accumulator

    rows = run(smoke(tensorboard=True), tmp_path)
    events = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [e.value for e in events.Scalars("critic_loss")] == pytest.approx([row["critic_loss"] for row in rows])
    assert [e.step for e in events.Images("samples")] == [2, 4]


def test_with_progress_passes_rows_on_and_prints_few_lines(smoke, capsys):
    rows = [{"generator_steps": step} for step in range(1, 51)]
    assert list(train.with_progress(iter(rows), smoke(generator_steps=50))) == rows
    lines = capsys.readouterr().out.splitlines()
    assert 1 <= len(lines) <= 3
    assert "50/50" in lines[-1]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("method", METHODS)
def test_cuda_takes_the_same_first_step_as_the_cpu(smoke, tmp_path, method):
    losses = {}
    for device in ("cpu", "cuda"):
        nets, feed = prepared(smoke(method=method, precision="float32"), torch.device(device))
        real = train.real_images(feed, train.next_indices(feed, 0, 8))
        z = torch.randn(8, 16, generator=torch.Generator().manual_seed(0)).to(device)
        losses[device] = (real.cpu(), nets.critic(nets.generator(z)).detach().cpu())
    torch.testing.assert_close(losses["cpu"][0], losses["cuda"][0])
    torch.testing.assert_close(losses["cpu"][1], losses["cuda"][1], rtol=1e-3, atol=1e-4)  # TF32 convolutions
    rows = run(smoke(method=method, device="cuda"), tmp_path)
    assert all(math.isfinite(row["critic_loss"]) for row in rows)
    shutil.rmtree(tmp_path)


# conditional runs


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    """40 images of two classes that no one can mistake: one half is nearly black, the other nearly white."""
    folder, rng = tmp_path_factory.mktemp("sides"), np.random.default_rng(0)
    for name, columns in (("left", slice(0, 14)), ("right", slice(14, 28))):
        (folder / name).mkdir()
        for i in range(20):
            pixels = rng.integers(0, 30, (28, 28), np.uint8)
            pixels[:, columns] += 220
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    return folder


def left_less_right(images):
    """How much brighter the left half is, an image each."""
    return images[..., :14].float().mean(dim=(1, 2, 3)) - images[..., 14:].float().mean(dim=(1, 2, 3))


@pytest.mark.parametrize("method", METHODS)
def test_a_conditional_run_trains_with_every_method(sides, smoke, tmp_path, method):
    config = smoke(dataset=str(sides), method=method, conditional=True)
    rows = run(config, tmp_path / "whole")
    assert all(math.isfinite(value) for row in rows for value in row.values() if value is not None)
    assert record.read_status(tmp_path / "whole")["status"] == "complete"
    assert classes_of(tmp_path / "whole") == ("left", "right")
    net = load_generator(tmp_path / "whole")
    z = torch.randn(4, net.latent_dim, generator=streams.stream(0, "z"))
    assert not torch.equal(net(z, torch.zeros(4, dtype=int)), net(z, torch.ones(4, dtype=int)))
    stop_at(2, config, tmp_path / "stopped")
    run(config, tmp_path / "stopped")
    assert_same_bits(weights(tmp_path / "whole"), weights(tmp_path / "stopped"))


def test_a_conditional_run_learns_which_class_is_which(sides, smoke, tmp_path):
    every = dict.fromkeys(("generator_steps", "sample_every", "checkpoint_every"), 40)
    config = smoke(dataset=str(sides), conditional=True, ema_decay=0.0, extractor="none", base_channels=8, **every)
    run(config, tmp_path)
    net = load_generator(tmp_path)
    z = torch.randn(64, net.latent_dim, generator=streams.stream(0, "z"))
    assert (left_less_right(net(z, torch.zeros(64, dtype=int))) > 0).all()
    assert (left_less_right(net(z, torch.ones(64, dtype=int))) < 0).all()


def test_classes_reach_the_critic_as_those_of_the_real_images(sides, smoke, monkeypatch):
    seen = []

    class Watches(GAN):
        def critic_loss(self, critic, real, fake, rng):
            seen.append((critic.labels, real))
            return super().critic_loss(critic, real, fake, rng)

        def generator_loss(self, critic, fake, real, rng):
            seen.append((critic.labels, real))
            return super().generator_loss(critic, fake, real, rng)

    monkeypatch.setitem(METHODS, "watches", Watches)
    after_steps(smoke(dataset=str(sides), method="watches", conditional=True, n_critic=5), 1)
    assert len(seen) == 5 + 1
    for labels, images in seen:
        assert torch.equal(labels == 0, left_less_right(images) > 0)


def test_the_generator_loss_is_given_the_last_real_batch(smoke, monkeypatch):
    batches = []

    class Watches(WGANGP):
        def critic_loss(self, critic, real, fake, rng):
            batches.append(real)
            return super().critic_loss(critic, real, fake, rng)

        def generator_loss(self, critic, fake, real, rng):
            assert torch.equal(real, batches[-1])
            assert torch.isfinite(torch.rand(1, generator=rng)).all()
            return super().generator_loss(critic, fake, real, rng)

    monkeypatch.setitem(METHODS, "watches", Watches)
    after_steps(smoke(method="watches"), 2)
    assert len(batches) == 10


def test_a_conditional_run_needs_labels(smoke, tmp_path):
    with pytest.raises(ConfigError, match=r"conditional=True.*no labels.*sub-folder"):
        run(smoke(conditional=True), tmp_path)
