"""The training loop. ``train`` is the schedule, ``update`` one generator step with its critic steps.

One loop serves every objective. Randomness is explicit: weights, data order, latents and interpolation each have a
stream of their own, so methods with one seed see the same real images in the same order, and drawing samples never
moves training. On a CPU with a fixed number of threads one seed gives the same bits, also across a kill and a resume;
on CUDA, convolution kernels may sum in another order from run to run, which training amplifies.
"""

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.profiler import record_function

from gancompare.base import device as machine
from gancompare.base import graphs
from gancompare.base.progress import progress_bar
from gancompare.base.streams import stream
from gancompare.config import ConfigError, RunConfig
from gancompare.data.datasets import Dataset, Splits, load_splits, summary
from gancompare.data.pixels import to_uint8, to_unit_range
from gancompare.models import Critic, Generator, critic_for, generator_for, initialize
from gancompare.objectives import METHODS
from gancompare.runs import checkpoint, grids, history, record, weights
from gancompare.runs.layout import RunFailed
from gancompare.runs.tensorboard import event_writer
from gancompare.scoring import evaluation
from gancompare.scoring.monitor import NOT_MEASURED, make_monitor, measure
from gancompare.scoring.sampling import fixed_samples, settle_batch_norm


@dataclass
class Nets:
    """What is trained, and how."""

    objective: Any  # one of objectives.METHODS
    generator: Generator
    critic: Critic
    average: Generator  # moving average of the generator's weights; the generator itself where there is none
    generator_optimizer: torch.optim.Optimizer
    critic_optimizer: torch.optim.Optimizer
    bf16: bool  # autocast to it


@dataclass
class Feed:
    """What the nets are trained on: real images, and random numbers by purpose."""

    seed: int
    images: Tensor  # uint8 (N, C, H, W), all training images, on the device
    labels: Tensor | None  # int64 (N,), their classes, on the device; None: the nets are unconditional
    streams: dict[str, torch.Generator]
    horizontal_flip: bool
    order: Tensor | None = None  # of the current epoch
    epoch: int = -1


@dataclass
class Progress:
    """How far a run is, and its losses since the last row of the history."""

    generator_steps: int = 0
    images_seen: int = 0  # real images, over all critic steps
    seconds: float = 0.0  # of training alone: drawing, measuring and saving do not count
    best_fd: float = math.inf  # the lowest so far
    sums: dict[str, Tensor] = field(default_factory=dict)  # on the device

    def clocks(self) -> dict[str, Any]:
        steps, images, seconds = self.generator_steps, self.images_seen, round(self.seconds, 3)
        return {"generator_steps": steps, "images_seen": images, "seconds": seconds}


def train(
    config: RunConfig, directory: Path, data: Splits | None = None, *, patience: float = record.PATIENCE
) -> Iterator[dict[str, Any]]:
    """Train ``config`` in ``directory``, yielding each row of ``history.csv`` as it is written, then score the run.

    ``data``: the images, if they have been loaded already; ``patience``: seconds to wait for the directory. A finished
    run yields nothing; an interrupted one goes on from its checkpoint. A non-finite loss ends the run with status
    "diverged" and keeps everything up to there, which in a study is a result. Raises DataError for data that cannot be
    had, DeviceError for a device that is not there, ConfigError for a conditional run without labels, and RunError for
    a directory in use or of another run.
    """
    directory, device = Path(directory), machine.choose_device(config.device)
    data = data or load_splits(config.dataset, config.image_size, config.channels)
    with contextlib.ExitStack() as held:
        held.enter_context(record.hold(directory, "this run", patience))
        if not record.begin(directory, config, summary(data.train, with_classes=config.conditional)):
            evaluation.score_if_due(config, directory, data, device)
            return
        held.enter_context(record.outcome_recorded(directory, partial(explain, config)))
        machine.keep_freed_memory()
        nets, feed = prepare(config, data.train, device)
        progress, monitor = Progress(), make_monitor(config, data, device)
        measured_steps = {*config.measured_steps()}
        step_once = stepper(config, nets, feed, progress=progress)
        write_event = event_writer(directory) if config.tensorboard else lambda row: None
        about = {"hash": config.hash(), "device": device.type, "bf16": nets.bf16}
        saved = checkpoint.Contents(about, stateful(nets), feed.streams, progress)
        if checkpoint.load_checkpoint(directory, saved, device):
            weights.save_generator(directory, nets.average)  # a kill may have come between the checkpoint and this file
        history.cut_history(directory, progress.generator_steps)
        host = machine.describe(device, nets.bf16)
        record.write_status(directory, "running", pid=os.getpid(), machine=host, **progress.clocks())
        if progress.generator_steps == 0:
            save_samples(config, directory, nets, step=0)

        started = time.perf_counter()
        while progress.generator_steps < config.generator_steps:
            step_once()
            step, last = progress.generator_steps, progress.generator_steps == config.generator_steps
            measure_now = step in measured_steps
            row_now = measure_now or step % config.log_every == 0
            sample_now = last or step % config.sample_every == 0
            checkpoint_now = last or step % config.checkpoint_every == 0
            if not (row_now or sample_now or checkpoint_now):
                continue  # nothing above reads a value off the device, so a GPU is never waited for

            machine.synchronize(device)
            progress.seconds += time.perf_counter() - started
            broken = []
            if nets.average is not nets.generator and (measure_now or sample_now or checkpoint_now):
                settle_batch_norm(nets.average, config.seed)
            if row_now:
                measured = measure(monitor, nets) if measure_now else NOT_MEASURED
                row = progress.clocks() | mean_losses(progress.sums, nets.objective) | measured.row
                progress.sums.clear()
                history.append_history(directory, row)
                history.append_distances(directory, step, measured.distances)
                history.append_diagnostics(directory, step, measured.panel)
                broken = [name for name, value in row.items() if value is not None and not math.isfinite(value)]
            if (checkpoint_now or sample_now) and not broken and not all_finite(nets.generator, nets.critic):
                broken = ["weights"]
            if broken:  # leaves the last good checkpoint and generator in place
                message = f"{', '.join(broken)} not finite at generator step {step}"
                record.write_status(directory, "diverged", message=message, **progress.clocks())
                if row_now:
                    write_event(row)
                    yield row
                return
            if row_now and row["fd"] is not None and row["fd"] < progress.best_fd:
                progress.best_fd = row["fd"]
                weights.save_generator(directory, nets.average, "best")
            if sample_now:
                save_samples(config, directory, nets, step=step)
            if checkpoint_now:
                checkpoint.save_checkpoint(directory, saved)
                weights.save_generator(directory, nets.average)
            if row_now:
                record.write_status(directory, "complete" if last else "running", **progress.clocks())
                write_event(row)
                yield row
            started = time.perf_counter()
        record.write_status(directory, "complete", **progress.clocks())  # again, for a kill after the last checkpoint
        evaluation.score_if_due(config, directory, data, device)


def update(nets: Nets, feed: Feed, indices: Tensor, average_weight: float | Tensor, sums: dict[str, Tensor]) -> None:
    """One generator step: a critic step for each row of ``indices`` (n_critic, B), the generator, its moving average.

    Adds the losses to ``sums``, on the device. On a GPU this is captured and replayed as a CUDA graph, so nothing here
    may wait for the device or depend on how far training is.
    """
    objective, generator, critic = nets.objective, nets.generator, nets.critic
    device, noise, rng = indices.device, feed.streams["latent"], feed.streams["interpolation"]
    for chosen in indices:
        with record_function("data"):
            real, labels = real_images(feed, chosen), None if feed.labels is None else feed.labels[chosen]
        critic.labels = labels
        with record_function("generator"), torch.no_grad(), autocast(nets, device):  # the generator is not trained here
            fake = generator(torch.randn(len(real), generator.latent_dim, generator=noise, device=device), labels)
        with record_function("critic"), autocast(nets, device):
            losses = objective.critic_loss(critic, real, fake, rng)
        with record_function(
            "critic backward"
        ):  # one for the whole loss: parts would desynchronise data-parallel ranks
            nets.critic_optimizer.zero_grad()
            sum(losses.values()).backward()
        with record_function("optimizer"):
            nets.critic_optimizer.step()
            objective.constrain(critic)
        with record_function("logging"):
            accumulate(sums, {f"loss_{name}": part.detach() for name, part in losses.items()}, count="critic_steps")

    critic.requires_grad_(False)  # the gradient passes through the critic, none is computed for its weights
    with record_function("generator"), autocast(nets, device):
        fake = generator(torch.randn(len(real), generator.latent_dim, generator=noise, device=device), labels)
        loss = objective.generator_loss(critic, fake, real, rng)
    with record_function("generator backward"):
        nets.generator_optimizer.zero_grad()
        loss.backward()
    critic.requires_grad_(True)
    with record_function("optimizer"):
        nets.generator_optimizer.step()
        if nets.average is not generator:
            move_average(nets.average, generator, average_weight)
    with record_function("logging"):
        accumulate(sums, {"generator_loss": loss.detach()}, count="steps")


def stepper(config: RunConfig, nets: Nets, feed: Feed, *, progress: Progress) -> Callable[[], None]:
    """A function that makes one generator step and moves ``progress`` on; replayed as a CUDA graph where possible."""
    work, device = partial(update, nets, feed), feed.images.device
    advance = work
    if device.type == "cuda":
        indices = torch.zeros(nets.objective.n_critic, config.batch_size, dtype=torch.int64, device=device)
        trained = (nets.generator, nets.critic)
        capture = graphs.Capture(update=work, streams=feed.streams, nets=trained, indices=indices)
        advance = partial(graphs.advance, capture)

    def step_once() -> None:
        set_learning_rates(config, nets, progress.generator_steps)
        warming_up = progress.generator_steps < config.warmup_generator_steps
        critic_steps = config.warmup_critic_steps if warming_up else nets.objective.n_critic
        indices = next_indices(feed, progress.images_seen, critic_steps * config.batch_size)
        short_memory = (1 + progress.generator_steps) / (10 + progress.generator_steps)  # as usual, early on
        average_weight = 1 - min(config.ema_decay, short_memory)
        advance(indices.view(critic_steps, -1), average_weight, progress.sums)
        progress.images_seen += indices.numel()
        progress.generator_steps += 1

    return step_once


# ---- setting up ----


def prepare(config: RunConfig, images: Dataset, device: torch.device) -> tuple[Nets, Feed]:
    """Nets, optimisers and random streams for ``config`` at step 0, with all ``images`` on the device.

    Raises ConfigError for a conditional run without labels.
    """
    labels = images.labels if config.conditional else None
    if config.conditional and labels is None:
        raise ConfigError(
            f"conditional=True: the images of {config.dataset} have no labels; choose labelled data, or put each class "
            "into a sub-folder of its own"
        )
    num_classes = len(images.classes) if config.conditional else 0
    with torch.random.fork_rng(devices=[]):  # constructors draw weights that `initialize` replaces
        generator = generator_for(config.to_dict(), num_classes)
        critic = critic_for(config.to_dict(), num_classes)
    initialize(generator, stream(config.seed, "generator"))
    initialize(critic, stream(config.seed, "critic"))
    generator.to(device).to(memory_format=torch.channels_last)
    critic.to(device).to(memory_format=torch.channels_last)
    objective = METHODS[config.method]
    settings = {f.name: getattr(config, f.name) for f in fields(objective) if hasattr(config, f.name)}
    nets = Nets(
        objective=objective(**settings),
        generator=generator,
        critic=critic,
        average=deepcopy(generator).requires_grad_(False) if config.ema_decay else generator,
        generator_optimizer=make_optimizer(config, generator, config.lr_generator),
        critic_optimizer=make_optimizer(config, critic, config.lr_critic),
        bf16=machine.choose_bf16(config.precision, device),
    )
    feed = Feed(
        seed=config.seed,
        images=images.images.to(device),
        labels=None if labels is None else labels.to(device),
        streams={name: stream(config.seed, name, device) for name in ("latent", "interpolation", "flip")},
        horizontal_flip=config.horizontal_flip,
    )
    return nets, feed


def stateful(nets: Nets) -> dict[str, Any]:
    """The parts of ``nets`` that a checkpoint holds."""
    names = ("generator", "critic", "average", "generator_optimizer", "critic_optimizer")
    return {name: getattr(nets, name) for name in names}


def make_optimizer(config: RunConfig, net: nn.Module, lr: float) -> torch.optim.Optimizer:
    parameters = list(net.parameters())
    on_gpu = parameters[0].is_cuda  # a CUDA graph reads the learning rate and the step count from the device
    options: dict[str, Any] = {
        "lr": torch.tensor(lr, device=parameters[0].device) if on_gpu else lr,
        "capturable": on_gpu,
    }
    if config.optimizer == "adam":
        return torch.optim.Adam(parameters, betas=(config.beta1, config.beta2), fused=True, **options)
    return torch.optim.RMSprop(parameters, foreach=True, **options)  # torch: alpha 0.99, eps 1e-8, starts at 0


def set_learning_rates(config: RunConfig, nets: Nets, generator_steps: int) -> None:
    progress = generator_steps / config.generator_steps  # in [0, 1)
    factors = {"constant": 1.0, "linear": 1 - progress, "cosine": (1 + math.cos(math.pi * progress)) / 2}
    for optimizer, lr in ((nets.generator_optimizer, config.lr_generator), (nets.critic_optimizer, config.lr_critic)):
        for group in optimizer.param_groups:
            now = lr * factors[config.lr_schedule]
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(now)
            else:
                group["lr"] = now


# ---- parts of a step ----


def autocast(nets: Nets, device: torch.device) -> torch.autocast:
    # One short context per net: autocast caches its bf16 copies of the weights until the context ends, and a copy made
    # under no_grad would cut the graph of a later use.
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=nets.bf16)


def next_indices(feed: Feed, images_seen: int, count: int) -> Tensor:
    """The indices of the next ``count`` real images, int64 on the device.

    The images come in a new random order each epoch, and a batch that reaches the end of one goes on in the next, so
    none is dropped and any batch size works. The order depends on the seed and the position alone: nothing to save.
    """
    pieces = []
    while count:
        epoch, offset = divmod(images_seen, len(feed.images))
        if feed.order is None or epoch != feed.epoch:
            order = torch.randperm(len(feed.images), generator=stream(feed.seed, f"order/{epoch}"))
            feed.order, feed.epoch = order.to(feed.images.device), epoch
        pieces.append(feed.order[offset : offset + count])
        count -= len(pieces[-1])
        images_seen += len(pieces[-1])
    return torch.cat(pieces)


def real_images(feed: Feed, indices: Tensor) -> Tensor:
    """The real images at ``indices`` (B,), some mirrored if so configured, as float32 (B, C, H, W) in [-1, 1]."""
    batch = feed.images[indices]
    if feed.horizontal_flip:
        mirrored = torch.rand(len(batch), 1, 1, 1, generator=feed.streams["flip"], device=batch.device) < 0.5
        batch = torch.where(mirrored, batch.flip(3), batch)
    return to_unit_range(batch.contiguous(memory_format=torch.channels_last))


@torch.no_grad()
def move_average(average: nn.Module, net: nn.Module, weight: float | Tensor) -> None:
    """Move the weights of ``average`` towards those of ``net`` by ``weight``.

    BatchNorm statistics are not averaged: ``settle_batch_norm`` estimates those of the averaged weights.
    """
    kept: list[Tensor] = list(average.parameters())
    latest: list[Tensor] = list(net.parameters())
    if isinstance(weight, Tensor):  # a CUDA graph reads it from the device
        torch._foreach_lerp_(kept, latest, [weight] * len(kept))
    else:
        torch._foreach_lerp_(kept, latest, weight)


# ---- what is kept ----


def accumulate(sums: dict[str, Tensor], values: dict[str, Tensor], count: str) -> None:
    """Add ``values``, and 1 to ``count``, on the device."""
    one = torch.ones((), device=next(iter(values.values())).device)  # float32: bf16 would stop counting at 256
    for name, value in (values | {count: one}).items():
        sums[name] = sums[name] + value if name in sums else value


def mean_losses(sums: dict[str, Tensor], objective: Any) -> dict[str, float | None]:
    """Mean losses since the last row; the one place where the loop waits for the device."""
    total = dict(zip(sums, torch.stack([value.float() for value in sums.values()]).tolist(), strict=True))
    critic_steps, steps = total.pop("critic_steps"), total.pop("steps")
    generator_loss = total.pop("generator_loss") / steps
    parts = {name: value / critic_steps for name, value in total.items()}
    # score(real) - score(fake) estimates a distance for the Wasserstein objectives alone, up to the critic's scale
    estimate = -(parts["loss_real"] + parts["loss_fake"]) if objective.wasserstein else None
    losses = {"critic_loss": sum(parts.values()), "generator_loss": generator_loss}
    return losses | parts | {"wasserstein_estimate": estimate}


def save_samples(config: RunConfig, directory: Path, nets: Nets, *, step: int) -> None:
    images = fixed_samples(nets.average, config.seed, grids.IMAGES, bf16=nets.bf16)
    grids.save_grid(directory, step, to_uint8(images).cpu())


def all_finite(*modules: nn.Module) -> bool:
    return all(bool(parameter.isfinite().all()) for module in modules for parameter in module.parameters())


def explain(config: RunConfig, error: Exception) -> str | RunFailed:
    """Why a run failed, for its status; a RunFailed with a remedy where memory ran out."""
    if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return RunFailed(
            f"out of memory on {config.device} with batch_size={config.batch_size}, "
            f"base_channels={config.base_channels}, image_size={config.image_size}: lower one of them"
        )
    return f"{type(error).__name__}: {error}"


def with_progress(rows: Iterator[dict[str, Any]], config: RunConfig) -> Iterator[dict[str, Any]]:
    """Pass ``rows`` on, showing step, speed and time left."""
    bar = None
    for row in rows:
        step = row["generator_steps"]
        if bar is None:  # speed is measured from the first row on, so that a resume does not flatter it
            label = f"{config.dataset} {config.arm} seed {config.seed}"
            bar = progress_bar(config.generator_steps, label, "steps", initial=step)
        bar.update(step - bar.n)
        yield row
    if bar is not None:
        bar.close()
