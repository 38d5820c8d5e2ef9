"""The training loop: update schedule, precision, device, log rows, samples, checkpoints and resume.

One loop serves every objective and reads top to bottom in ``train``. Randomness is explicit: weights, data order,
latents and interpolation each have a stream of their own, so methods with one seed see the same real images in the
same order, and drawing samples never moves training. On a CPU with a fixed number of threads one seed gives the same
bits, also across a kill and a resume; on CUDA, convolution kernels may sum in another order from run to run, which
training amplifies.
"""

import contextlib
import functools
import math
import os
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.utils import make_grid

from gancompare.base import files, graphs
from gancompare.base.device import choose_bf16, choose_device, device_name, keep_freed_memory
from gancompare.base.streams import fixed_latents, stream
from gancompare.config import ConfigError, RunConfig
from gancompare.data.datasets import DataError, Dataset, load_dataset, to_uint8, to_unit_range
from gancompare.models import Critic, Generator, initialize
from gancompare.objectives import METHODS
from gancompare.runs import runs
from gancompare.scoring import diagnostics, evaluation

GRID_IMAGES = runs.GRID_COLUMNS**2  # images in a sample grid, and in the fixed batch that is measured


@dataclass
class Training:
    """What one run holds in memory; plain data, the functions below do the work."""

    config: RunConfig
    device: torch.device
    bf16: bool
    objective: Any  # one of objectives.METHODS
    generator: Generator
    critic: Critic
    sampler: Generator  # the moving average of the generator, or the generator itself
    generator_optimizer: torch.optim.Optimizer
    critic_optimizer: torch.optim.Optimizer
    streams: dict[str, torch.Generator]  # random numbers by purpose
    images: Tensor  # uint8 (N, C, H, W), all real images, on the device
    labels: Tensor | None  # int64 (N,), their classes, on the device; None: the nets are not told
    reference: evaluation.Reference | None = None  # what samples are compared with on the way; None: nothing is scored
    held_out: Tensor | None = None  # uint8, real images that are never trained on, as many as are measured
    best_fd: float = math.inf  # the lowest so far
    generator_steps: int = 0
    images_seen: int = 0  # real images, over all critic steps
    seconds: float = 0.0  # of training alone: drawing, measuring and saving do not count
    order: Tensor | None = None  # of the current epoch
    epoch: int = -1
    capture: graphs.Capture | None = None  # on a GPU: the iteration as a CUDA graph; None: always eager

    def autocast(self) -> torch.autocast:
        # One short context per net: autocast caches its bf16 copies of the weights until the context ends, and a copy
        # made under no_grad would cut the graph of a later use.
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)


def train(config: RunConfig, directory: Path) -> Iterator[dict[str, Any]]:
    """Train ``config`` in ``directory``, yielding each row of ``history.csv`` as it is written.

    A finished run yields nothing; an interrupted one goes on from its checkpoint. A non-finite loss ends the run with
    status "diverged" and keeps everything up to there, which in a study is a result. Raises DataError for data that
    cannot be had, ConfigError for a device that is not there, and RunError for a directory in use or of another run.
    """
    directory = Path(directory)
    keep_freed_memory()
    data = load_dataset(config.dataset, config.image_size, config.channels)
    with runs.hold(directory, "this run", runs.PATIENCE):
        if not runs.begin(directory, config, describe(data, config)):
            score_if_due(config, directory, data)
            return
        try:
            state = prepare(config, data.images, data.labels, len(data.classes))
            state.reference = evaluation.monitor(config, data, state.device)
            state.held_out = held_out_images(config)
            sums = resume(state, directory)
            runs.write_status(directory, "running", pid=os.getpid(), machine=machine(state), **clocks(state))
            rows = loop(state, directory, sums)
            yield from to_tensorboard(rows, directory) if config.tensorboard else rows
            score_if_due(config, directory, data)
        except (KeyboardInterrupt, GeneratorExit):
            if runs.read_status(directory)["status"] == "running":  # a reader may turn away after the last row
                runs.write_status(directory, "interrupted", message="stopped by the user; the same command resumes it")
            raise
        except Exception as error:
            memory_ran_out = isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
            message = f"{type(error).__name__}: {error}"
            if memory_ran_out:
                message = (
                    f"out of memory on {config.device} with batch_size={config.batch_size}, "
                    f"base_channels={config.base_channels}, image_size={config.image_size}: lower one of them"
                )
            runs.write_status(directory, "failed", message=message)
            if memory_ran_out:
                raise runs.RunFailed(message) from error
            raise


def score_if_due(config: RunConfig, directory: Path, data: Dataset) -> None:
    """Score a complete run that has no scores yet; one whose weights were left behind stays as it is."""
    if evaluation.due(config, directory):
        print(f"{config.dataset} {config.method} seed {config.seed}: scoring", flush=True)
        evaluation.score_run(config, directory, data, choose_device(config.device))


def loop(state: Training, directory: Path, sums: dict[str, Tensor]) -> Iterator[dict[str, Any]]:
    """The update schedule. Everything that reads a value off the device happens every ``log_every`` steps or rarer.

    ``sums`` are of the losses since the last row, on the device.
    """
    config = state.config
    if state.generator_steps == 0:
        save_samples(state, directory)
    started = time.perf_counter()

    while state.generator_steps < config.generator_steps:
        iteration(state, sums)
        step, last = state.generator_steps, state.generator_steps == config.generator_steps
        measure_now = last or step % config.evaluate_every == 0
        row_now = measure_now or step % config.log_every == 0
        sample_now = last or step % config.sample_every == 0
        checkpoint_now = last or step % config.checkpoint_every == 0
        if not (row_now or sample_now or checkpoint_now):
            continue

        if state.device.type == "cuda":
            torch.cuda.synchronize(state.device)
        state.seconds += time.perf_counter() - started
        broken = []
        if row_now:
            measured, panel = measure(state) if measure_now else (NOT_MEASURED, [])
            row = clocks(state) | averages(sums, state.objective) | measured
            sums.clear()
            runs.append_history(directory, row)
            runs.append_diagnostics(directory, step, panel)
            broken = [name for name, value in row.items() if value is not None and not math.isfinite(value)]
        if (checkpoint_now or sample_now) and not broken and not weights_are_finite(state):
            broken = ["weights"]
        if broken:  # leaves the last good checkpoint and generator in place
            message = f"{', '.join(broken)} not finite at generator step {step}"
            runs.write_status(directory, "diverged", message=message, **clocks(state))
            if row_now:
                yield row
            return
        if row_now and row["fd"] is not None and row["fd"] < state.best_fd:
            state.best_fd = row["fd"]
            runs.save_generator(directory, state.sampler, "best")
        if sample_now:
            save_samples(state, directory)
        if checkpoint_now:
            save_checkpoint(state, directory, sums)
        if row_now:
            runs.write_status(directory, "complete" if last else "running", **clocks(state))
            yield row
        started = time.perf_counter()
    runs.write_status(directory, "complete", **clocks(state))  # again, for a kill between the last checkpoint and it


def iteration(state: Training, sums: dict[str, Tensor]) -> None:
    """The critic steps of one generator step, then that step; losses are added to ``sums``, on the device."""
    set_learning_rates(state)
    warming_up = state.generator_steps < state.config.warmup_generator_steps
    critic_steps = state.config.warmup_critic_steps if warming_up else state.objective.n_critic
    indices = next_indices(state, critic_steps * state.config.batch_size).view(critic_steps, -1)
    if state.capture is None:
        update(state, indices, average_weight(state), sums)
    else:
        graphs.advance(state.capture, indices, average_weight(state), sums)
    state.generator_steps += 1


def update(state: Training, indices: Tensor, weight: float | Tensor, sums: dict[str, Tensor]) -> None:
    """The device's part of an iteration: a critic step for each row of ``indices``, a generator step, its average.

    On a GPU this is captured and replayed, so nothing here may wait for the device or depend on how far training is.
    """
    for chosen in indices:
        parts = critic_step(state, real_images(state, chosen), labels_of(state, chosen))
        for name, value in parts.items():
            accumulate(sums, f"loss_{name}", value)
        accumulate(sums, "critic_steps", torch.ones((), device=state.device))
    accumulate(sums, "generator_loss", generator_step(state))
    accumulate(sums, "steps", torch.ones((), device=state.device))
    if state.sampler is not state.generator:
        update_average(state, weight)


def critic_step(state: Training, real: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
    """One update of the critic on ``real`` (B, C, H, W) and as many fakes, of the same classes if ``labels`` (B,) are
    given; returns the loss parts, on the device.
    """
    state.critic.labels = labels
    with torch.no_grad(), state.autocast():  # no graph: a critic step never reaches the generator
        fake = state.generator(latents(state, len(real)), labels)
    with state.autocast():
        parts = state.objective.critic_loss(state.critic, real, fake, state.streams["interpolation"])
        loss = sum(parts.values())
    state.critic_optimizer.zero_grad()
    loss.backward()  # one backward for the whole loss: a separate one for the penalty breaks data-parallel training
    state.critic_optimizer.step()
    state.objective.constrain(state.critic)
    return {name: value.detach() for name, value in parts.items()}


def generator_step(state: Training) -> Tensor:
    """One update of the generator; returns the loss, still on the device."""
    state.critic.requires_grad_(False)  # the gradient passes through the critic, none is computed for its weights
    state.critic.labels = labels = random_labels(state)
    with state.autocast():
        fake = state.generator(latents(state, state.config.batch_size), labels)
        loss = state.objective.generator_loss(state.critic, fake)
    state.generator_optimizer.zero_grad()
    loss.backward()
    state.generator_optimizer.step()
    state.critic.requires_grad_(True)
    return loss.detach()


@torch.no_grad()
def update_average(state: Training, weight: float | Tensor) -> None:
    """Move the average of the generator's weights towards them by ``weight``; BatchNorm buffers are copied."""
    average, current = list(state.sampler.parameters()), list(state.generator.parameters())
    if isinstance(weight, Tensor):
        torch._foreach_lerp_(average, current, [weight] * len(average))
    else:
        torch._foreach_lerp_(average, current, weight)
    for kept, latest in zip(state.sampler.buffers(), state.generator.buffers(), strict=True):
        kept.copy_(latest)


def average_weight(state: Training) -> float:
    """Of the latest weights in the exponential moving average, with the usual short memory early on."""
    step = state.generator_steps
    return 1 - min(state.config.ema_decay, (1 + step) / (10 + step))


def next_real(state: Training) -> Tensor:
    """The next batch of real images as float32 (B, C, H, W) in [-1, 1]."""
    return real_images(state, next_indices(state, state.config.batch_size))


def next_indices(state: Training, count: int) -> Tensor:
    """Which real images are the next ``count``, int64 on the device.

    The images come in a new random order each epoch, and a batch that reaches the end of one goes on in the next, so
    none is dropped and any batch size works. The order depends on the seed and the position alone: nothing to save.
    """
    pieces = []
    while count:
        epoch, offset = divmod(state.images_seen, len(state.images))
        if epoch != state.epoch:
            rng = stream(state.config.seed, f"order/{epoch}")
            order = torch.randperm(len(state.images), generator=rng)
            state.order, state.epoch = order.to(state.device), epoch
        pieces.append(state.order[offset : offset + count])
        count -= len(pieces[-1])
        state.images_seen += len(pieces[-1])
    return torch.cat(pieces)


def real_images(state: Training, indices: Tensor) -> Tensor:
    """The real images at ``indices`` (B,), some mirrored if so configured, as float32 (B, C, H, W) in [-1, 1]."""
    batch = state.images[indices]
    if state.config.horizontal_flip:
        mirrored = torch.rand(len(batch), 1, 1, 1, generator=state.streams["flip"], device=state.device) < 0.5
        batch = torch.where(mirrored, batch.flip(3), batch)
    return to_unit_range(batch.contiguous(memory_format=torch.channels_last))


def labels_of(state: Training, indices: Tensor) -> Tensor | None:
    """The classes of the real images at ``indices`` (B,); None where the nets are not told them."""
    return None if state.labels is None else state.labels[indices]


def latents(state: Training, count: int) -> Tensor:
    shape = (count, state.config.latent_dim)
    return torch.randn(shape, generator=state.streams["latent"], device=state.device)


def random_labels(state: Training) -> Tensor | None:
    """A batch of labels, as frequent as among the real images; None where the nets are not told classes."""
    if state.labels is None:
        return None
    shape, rng = (state.config.batch_size,), state.streams["latent"]
    return state.labels[torch.randint(len(state.labels), shape, generator=rng, device=state.device)]


# ---- setting up ----


def prepare(config: RunConfig, images: Tensor, labels: Tensor | None = None, num_classes: int = 0) -> Training:
    """Nets, optimisers and random streams for ``config``, at step 0, with ``images`` (uint8) moved to the device, and,
    if it is conditional, their ``labels`` (int64, below ``num_classes``).

    Raises ConfigError if the device is not there, or for a conditional run without labels.
    """
    device = choose_device(config.device)
    if not config.conditional:
        labels, num_classes = None, 0
    elif labels is None:
        raise ConfigError(
            f"conditional=True: the images of {config.dataset} have no labels; choose labelled data, or put each class "
            "into a sub-folder of its own"
        )
    with torch.random.fork_rng(devices=[]):  # constructors draw weights that `initialize` replaces
        size, inner = (config.image_size, config.channels), (config.activation, config.extra_layers)
        generator = Generator(
            *size, config.latent_dim, config.base_channels, config.generator_norm, *inner, num_classes
        )
        critic = Critic(*size, config.base_channels, config.critic_norm, *inner, num_classes)
    initialize(generator, stream(config.seed, "generator"))
    initialize(critic, stream(config.seed, "critic"))
    generator, critic = (net.to(device, memory_format=torch.channels_last) for net in (generator, critic))
    objective_class = METHODS[config.method]
    settings = {f.name: getattr(config, f.name) for f in fields(objective_class) if hasattr(config, f.name)}
    state = Training(
        config=config,
        device=device,
        bf16=choose_bf16(config.precision, device),
        objective=objective_class(**settings),
        generator=generator,
        critic=critic,
        sampler=deepcopy(generator).requires_grad_(False) if config.ema_decay else generator,
        generator_optimizer=make_optimizer(config, generator, config.lr_generator),
        critic_optimizer=make_optimizer(config, critic, config.lr_critic),
        streams={name: stream(config.seed, name, device) for name in ("latent", "interpolation", "flip")},
        images=images.to(device),
        labels=None if labels is None else labels.to(device),
    )
    if device.type == "cuda":
        work, shape = functools.partial(update, state), (state.objective.n_critic, config.batch_size)
        state.capture = graphs.to_capture(work, state.streams, (generator, critic), shape, device)
    return state


def make_optimizer(config: RunConfig, net: nn.Module, lr: float) -> torch.optim.Optimizer:
    weights = list(net.parameters())
    on_gpu = weights[0].is_cuda  # a CUDA graph reads the learning rate and the step count from the device
    options = {"lr": torch.tensor(lr, device=weights[0].device) if on_gpu else lr, "capturable": on_gpu}
    if config.optimizer == "adam":
        return torch.optim.Adam(weights, betas=(config.beta1, config.beta2), fused=True, **options)
    return torch.optim.RMSprop(weights, foreach=True, **options)  # torch: alpha 0.99, eps 1e-8, starts at 0


def set_learning_rates(state: Training) -> None:
    config = state.config
    progress = state.generator_steps / config.generator_steps  # in [0, 1)
    factors = {"constant": 1.0, "linear": 1 - progress, "cosine": (1 + math.cos(math.pi * progress)) / 2}
    for optimizer, lr in ((state.generator_optimizer, config.lr_generator), (state.critic_optimizer, config.lr_critic)):
        for group in optimizer.param_groups:
            now = lr * factors[config.lr_schedule]
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(now)
            else:
                group["lr"] = now


def machine(state: Training) -> dict[str, Any]:
    """What a measured time depends on."""
    return {
        "processor": device_name(state.device),
        "threads": torch.get_num_threads(),
        "arithmetic": "bf16" if state.bf16 else "float32",
        "torch": torch.__version__,
    }


def describe(data: Dataset, config: RunConfig) -> dict[str, Any]:
    """What a run records of its data. ``pixel_std`` is the diversity measure of ``measure`` on real images; ``classes``
    are the names of the labels, where the nets are told them.
    """
    some = to_unit_range(data.images[torch.randperm(len(data.images), generator=stream(0, "describe"))[:2000]])
    return {
        "name": data.name,
        "fingerprint": data.fingerprint,
        "num_images": len(data.images),
        "shape": list(data.images.shape[1:]),
        "skipped": len(data.skipped),
        "pixel_std": some.std(dim=0).mean().item() if len(some) > 1 else 0.0,
    } | ({"classes": list(data.classes)} if config.conditional else {})


# ---- what is written ----

NOT_MEASURED = dict.fromkeys(
    ("fd", "kid", "critic_gradient_norm", "gradient_slope_over_depth", "pixel_std", "share_at_clip")
)


def clocks(state: Training) -> dict[str, Any]:
    return {
        "generator_steps": state.generator_steps,
        "images_seen": state.images_seen,
        "seconds": round(state.seconds, 3),
    }


def accumulate(sums: dict[str, Tensor], name: str, value: Tensor) -> None:
    sums[name] = sums[name] + value if name in sums else value


def averages(sums: dict[str, Tensor], objective: Any) -> dict[str, float | None]:
    """Mean losses since the last row; the one place where the loop waits for the device."""
    names, values = list(sums), torch.stack([value.float() for value in sums.values()]).tolist()
    total = dict(zip(names, values, strict=True))
    critic_steps, steps = total.pop("critic_steps"), total.pop("steps")
    generator_loss = total.pop("generator_loss") / steps
    parts = {name: value / critic_steps for name, value in total.items()}
    # score(real) - score(fake) estimates a distance for the Wasserstein objectives alone, up to the critic's scale
    estimate = -(parts["loss_real"] + parts["loss_fake"]) if objective.wasserstein else None
    losses = {"critic_loss": sum(parts.values()), "generator_loss": generator_loss}
    return losses | parts | {"wasserstein_estimate": estimate}


def measure(state: Training) -> tuple[dict[str, float | None], list[diagnostics.Measurement]]:
    """What is measured of the nets as they stand, in eval mode and with streams of its own: training is not disturbed.

    For the history: ``critic_gradient_norm``: mean norm of the critic's gradient between real and fake images.
    ``gradient_slope_over_depth``: see ``diagnostics.slope_over_depth``. ``pixel_std``: standard deviation over 64
    images from fixed latents, averaged over pixels, 0 when all images are the same. ``share_at_clip``: of the critic's
    weights, within 1 % of the bound, where there is one. ``fd`` and ``kid``: distance of ``monitor_images`` samples
    from as many real images, by the run's extractor. Then ``diagnostics.panel``, computed in float32.
    """
    chosen = torch.randperm(len(state.images), generator=stream(state.config.seed, "measured"))[:GRID_IMAGES]
    real = to_unit_range(state.images[chosen.to(state.device)])
    state.critic.labels = labels_of(state, chosen.to(state.device))
    fake = sample(state, state.generator, state.critic.labels)  # as in training: the critic never meets the average's
    held_out = None if state.held_out is None else to_unit_range(state.held_out.to(state.device))
    rng = stream(state.config.seed, "measured", state.device)
    with in_eval_mode(state.critic):
        panel = diagnostics.panel(state.critic, state.objective, real, fake[: len(real)], held_out, rng)
    distances = {"fd": None, "kid": None}
    if state.reference is not None:
        count = min(state.config.monitor_images, len(state.reference.features))
        distances = state.reference.distances(evaluation.fakes(state.sampler, state.config.seed, count))
    clip = getattr(state.objective, "clip", None)
    weights = torch.cat([p.detach().flatten() for p in state.critic.parameters()]) if clip else None
    samples = sample(state, state.sampler)
    return distances | {
        "critic_gradient_norm": {(q, where): v for q, where, v in panel}["gradient_norm_mean", "interpolated"],
        "gradient_slope_over_depth": diagnostics.slope_over_depth(panel),
        "pixel_std": samples.std(dim=0).mean().item(),
        "share_at_clip": (weights.abs() >= 0.99 * clip).float().mean().item() if clip else None,
    }, panel


def held_out_images(config: RunConfig) -> Tensor | None:
    """Up to 64 images (uint8) that are not trained on, the same for every run of a seed; None if there are none.

    And for conditional runs, whose critic would have to be told other classes than of the training images beside them.
    """
    if config.conditional:
        return None
    try:
        images = load_dataset(config.dataset, config.image_size, config.channels, split="test").images
    except DataError:  # a single image, or no test files: what is measured of the critic needs none to go on
        return None
    chosen = torch.randperm(len(images), generator=stream(config.seed, "measured/held-out"))[:GRID_IMAGES]
    return images[chosen]


@torch.no_grad()
def sample(state: Training, net: Generator, labels: Tensor | None = None) -> Tensor:
    """GRID_IMAGES images (N, C, H, W) in [-1, 1] from this seed's fixed latents, always the same ones; or as many as
    ``labels``, of these classes. By default a conditional generator shows its classes in turn.
    """
    count = GRID_IMAGES if labels is None else len(labels)
    with in_eval_mode(net), state.autocast():
        latents = fixed_latents(state.config.seed, "grid", count, state.config.latent_dim)
        return net(latents.to(state.device), labels)


@contextlib.contextmanager
def in_eval_mode(net: nn.Module) -> Iterator[None]:
    training = net.training
    net.eval()
    try:
        yield
    finally:
        net.train(training)


def samples_path(directory: Path, step: int) -> Path:
    return directory / "samples" / f"step{step:07d}.png"


def save_samples(state: Training, directory: Path) -> None:
    path = samples_path(directory, state.generator_steps)
    path.parent.mkdir(exist_ok=True)
    images = to_uint8(sample(state, state.sampler)).cpu()
    grid = make_grid(images, nrow=runs.GRID_COLUMNS, padding=runs.GRID_PADDING, pad_value=255)
    with files.atomic_path(path) as temporary:
        Image.fromarray(grid.permute(1, 2, 0).numpy()).save(temporary, format="PNG")


def to_tensorboard(rows: Iterator[dict[str, Any]], directory: Path) -> Iterator[dict[str, Any]]:
    """Pass ``rows`` on, writing each and the sample grid of its step as TensorBoard events."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError("tensorboard=True needs the package tensorboard: pip install tensorboard") from error
    writer = None
    for row in rows:
        step = row["generator_steps"]
        # after a resume, events past the checkpoint are superseded
        writer = writer or SummaryWriter(directory / "tensorboard", purge_step=step)
        for name, value in row.items():
            if value is not None:
                writer.add_scalar(name, value, step)
        if (grid := samples_path(directory, step)).exists():
            writer.add_image("samples", np.asarray(Image.open(grid)), step, dataformats="HWC")
        writer.flush()
        yield row


_SAVED = ("generator", "critic", "sampler", "generator_optimizer", "critic_optimizer")


def save_checkpoint(state: Training, directory: Path, sums: dict[str, Tensor]) -> None:
    """All that a resume needs, in one file that is either the old or the new one, whenever the process dies."""
    content = {
        "hash": state.config.hash(),
        "device": state.device.type,
        "bf16": state.bf16,
        "sums": sums,
        "best_fd": state.best_fd,
        "streams": {name: rng.get_state() for name, rng in state.streams.items()},
        **clocks(state),
        **{name: getattr(state, name).state_dict() for name in _SAVED},
    }
    for path in filter(Path.exists, (directory / name for name in runs.GROWING)):
        files.sync(path)  # a checkpoint must not outlive the rows before it
    with files.atomic_path(directory / "checkpoint.pt") as temporary:
        torch.save(content, temporary)
    runs.save_generator(directory, state.sampler)


def resume(state: Training, directory: Path) -> dict[str, Tensor]:
    """Load the checkpoint, if there is one, into ``state`` and cut the history back to it; returns the unfinished sums.

    Raises RunError for a checkpoint that cannot be read, or belongs to another config or kind of device.
    """
    path = directory / "checkpoint.pt"
    if not path.exists():
        runs.cut_history(directory, 0)
        return {}
    try:
        content = torch.load(path, map_location=state.device, weights_only=True)
        belongs = content["hash"] == state.config.hash()
        device, bf16 = content["device"], content["bf16"]
        if belongs and device == state.device.type:
            for name in _SAVED:
                getattr(state, name).load_state_dict(content[name])
            for name, rng in state.streams.items():
                rng.set_state(content["streams"][name].cpu())
    except Exception as error:  # a corrupt file raises whatever its parser stumbles over
        raise runs.RunError(f"{path} cannot be read ({error}); delete it to train this run from the start") from error
    if not belongs:
        raise runs.RunError(f"{path} belongs to another config; delete it to train this run from the start")
    if device != state.device.type:  # the random streams of one kind of device cannot go on on another
        raise runs.RunError(
            f"{path} was written on {device}, this is {state.device.type}: resume with device={device}, "
            "or delete it to train this run from the start"
        )
    if bf16 != state.bf16:
        names = {True: "bf16", False: "float32"}
        print(f"note: resumed in {names[state.bf16]}, begun in {names[bf16]} on another machine", flush=True)
    for name in ("best_fd", *clocks(state)):
        setattr(state, name, content[name])
    runs.cut_history(directory, state.generator_steps)
    runs.save_generator(directory, state.sampler)  # a kill may have come between the checkpoint and this file
    return content["sums"]


def weights_are_finite(state: Training) -> bool:
    nets = (state.generator, state.critic)
    return all(bool(torch.isfinite(parameter).all()) for net in nets for parameter in net.parameters())


def with_progress(rows: Iterator[dict[str, Any]], config: RunConfig, every: float = 5.0) -> Iterator[dict[str, Any]]:
    """Pass ``rows`` on, printing step, speed and time left at most once in ``every`` seconds, and at the end."""
    first, printed = None, 0.0
    for row in rows:
        now, step = time.monotonic(), row["generator_steps"]
        first = first or (step, now)
        done = step == config.generator_steps
        if done or now - printed >= every:
            print(progress_line(config, step, step - first[0], now - first[1]), flush=True)
            printed = now
        yield row


def progress_line(config: RunConfig, step: int, steps: int, seconds: float) -> str:
    """One line for a person: where a run is, at the speed of its last ``steps`` steps in ``seconds``."""
    line = f"{config.dataset} {config.method} seed {config.seed}: step {step:,}/{config.generator_steps:,}"
    if steps and seconds:
        left = (config.generator_steps - step) * seconds / steps
        line += f"  {steps / seconds:.2f} steps/s  {int(left) // 60}:{int(left) % 60:02d} left"
    return line
