"""What a generator step costs: the textbook loop against this package's, same nets, same machine, one run.

``compare`` times both in turn and says where the time goes and how near it comes to what the device can do.
``time_to_quality`` asks the question behind it: how long until samples are good. ``bookkeeping`` times what a study of
many runs costs apart from training.
"""

import contextlib
import json
import math
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode
from torchvision import transforms

from gancompare import evaluation, graphs, objectives, runs, study, train
from gancompare.config import MAIN_METHODS, RunConfig
from gancompare.data import load_dataset
from gancompare.streams import stream
from gancompare.train import Training, iteration, prepare, processor_name

if TYPE_CHECKING:  # a run starts faster without it
    from matplotlib.figure import Figure

IMAGES = 2048  # random images; their content does not change the time
PARTS = ("data", "critic", "penalty", "generator", "optimizer", "logging")
_PART_COLORS = ("#999999", "#0072B2", "#56B4E9", "#009E73", "#E69F00", "#CC79A7")


class TextbookImages(Dataset):
    """Images as most tutorials read them: one PIL image at a time, scaled to [-1, 1]."""

    def __init__(self, images: Tensor):
        self.images = images
        middle = (0.5,) * images.shape[1]
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(middle, middle)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.transform(Image.fromarray(self.images[index].permute(1, 2, 0).squeeze(-1).numpy()))


def textbook(state: Training) -> Iterator[tuple[float, float]]:
    """The usual loop, one generator step per ``next``: float32, a DataLoader, ``.backward()`` through both nets and
    ``.item()`` at every step. The nets, losses and learning rates are those of ``state``, whose nets it trains; random
    numbers are torch's global ones. Raises ValueError for a method that it has no loss for.
    """
    config = state.config
    if config.method not in MAIN_METHODS:
        raise ValueError(f"method={config.method!r}: the textbook loop knows {', '.join(MAIN_METHODS)}")
    generator = state.generator.to(memory_format=torch.contiguous_format)
    critic = state.critic.to(memory_format=torch.contiguous_format)
    betas = (config.beta1, config.beta2)
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=config.lr_generator, betas=betas)
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=config.lr_critic, betas=betas)
    images = TextbookImages(state.images.cpu())
    loader = DataLoader(images, batch_size=config.batch_size, shuffle=True, drop_last=True)
    batches = iter(())
    while True:
        for _ in range(config.n_critic):
            if (real := next(batches, None)) is None:
                batches = iter(loader)
                real = next(batches)
            real = real.to(state.device)
            fake = generator(torch.randn(len(real), config.latent_dim, device=state.device))
            if config.method == "gan":
                bce = nn.functional.binary_cross_entropy_with_logits
                score_real, score_fake = critic(real), critic(fake)
                critic_loss = bce(score_real, torch.ones_like(score_real)) + bce(
                    score_fake, torch.zeros_like(score_fake)
                )
            else:
                critic_loss = critic(fake).mean() - critic(real).mean()
            if config.method == "wgan-gp":
                epsilon = torch.rand(len(real), 1, 1, 1, device=state.device)
                x_hat = (epsilon * real + (1 - epsilon) * fake.detach()).requires_grad_(True)
                score = critic(x_hat)
                gradient = torch.autograd.grad(score, x_hat, torch.ones_like(score), create_graph=True)[0]
                norm = gradient.view(len(real), -1).norm(2, dim=1)
                critic_loss = critic_loss + config.penalty_weight * ((norm - 1) ** 2).mean()
            critic_optimizer.zero_grad()
            critic_loss.backward()
            critic_optimizer.step()
            if config.method == "wgan":
                for parameter in critic.parameters():
                    parameter.data.clamp_(-config.clip, config.clip)
            shown = critic_loss.item()
        score = critic(generator(torch.randn(config.batch_size, config.latent_dim, device=state.device)))
        if config.method == "gan":
            generator_loss = nn.functional.binary_cross_entropy_with_logits(score, torch.ones_like(score))
        else:
            generator_loss = -score.mean()
        generator_optimizer.zero_grad()
        generator_loss.backward()
        generator_optimizer.step()
        yield shown, generator_loss.item()


def ours(state: Training) -> Iterator[None]:
    """The package's loop, one generator step per ``next``, with the losses read every ``log_every`` steps."""
    sums: dict[str, Tensor] = {}
    while True:
        iteration(state, sums)
        if state.generator_steps % state.config.log_every == 0:
            train.averages(sums, state.objective)
            sums.clear()
        synchronize(state.device)
        yield


LOOPS = {"textbook": textbook, "ours": ours}
QUALITY = ("seconds", "steps", "fd")  # what time_to_quality says of either loop


def compare(
    configs: list[RunConfig], rounds: int = 5, steps: int = 1, report: Callable[[str], None] = print
) -> pd.DataFrame:
    """Time both loops in turn (textbook, ours, textbook, ours, …), ``rounds`` times ``steps`` generator steps each.

    A row per config. Of either loop: ``_ms`` (median per generator step), ``_steps_per_s``, ``_images_per_s`` (real
    images) and ``_memory_mb`` (see ``peak_memory``). ``ratio``: median of the ratios of neighbouring timings, with its
    lowest and highest value. ``gflop``: of one generator step of ours (``flops``); ``ceiling_tflops``: the device's
    fastest matmul (``matmul_ceiling``); ``ceiling_share``: the part of it that ours reaches. ``share_``: of ours' time
    by part (``shares``). Then device, precision, threads, and whether a CUDA graph was replayed.
    """
    rows: list[dict] = []
    ceilings: dict[bool, float] = {}
    for config in configs:
        shape = (IMAGES, config.channels, config.image_size, config.image_size)
        images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=stream(0, "bench"))
        states, memory, loops = {}, {}, {}
        for name, loop in LOOPS.items():
            with peak_memory(train.choose_device(config.device)) as memory[name]:
                states[name] = prepare(config, images)
                loops[name] = loop(states[name])
                captured = name == "ours" and states[name].capture is not None
                for _ in range(graphs.EAGER_STEPS + 1 if captured else 1):
                    next(loops[name])
        state = states["ours"]
        times: dict[str, list[float]] = {name: [] for name in loops}
        for turn in range(1 + rounds):
            for name, loop in loops.items():
                started = time.perf_counter()
                for _ in range(steps):
                    next(loop)
                if turn:  # the first turn warms up caches and kernels
                    times[name].append((time.perf_counter() - started) / steps)
        ratios = [slow / fast for slow, fast in zip(times["textbook"], times["ours"], strict=True)]
        if state.bf16 not in ceilings:
            ceilings[state.bf16] = matmul_ceiling(state.device, state.bf16)
        row = {"method": config.method, "image_size": config.image_size, "base_channels": config.base_channels}
        for name in loops:
            median = statistics.median(times[name])
            row |= {
                f"{name}_ms": 1000 * median,
                f"{name}_steps_per_s": 1 / median,
                f"{name}_images_per_s": config.n_critic * config.batch_size / median,
                f"{name}_memory_mb": memory[name]["bytes"] / 1e6,
            }
        row |= {"ratio": statistics.median(ratios), "ratio_low": min(ratios), "ratio_high": max(ratios)}
        operations = flops(config, images)
        row["gflop"] = operations / 1e9
        row["ceiling_tflops"] = ceilings[state.bf16] / 1e12
        row["ceiling_share"] = operations / statistics.median(times["ours"]) / ceilings[state.bf16]
        row |= {f"share_{part}": share for part, share in shares(config, images).items()}
        rows.append(
            row
            | {
                "memory_of": memory["ours"]["of"],
                "device": torch.cuda.get_device_name() if state.device.type == "cuda" else processor_name(),
                "precision": "bf16" if state.bf16 else "float32",
                "threads": torch.get_num_threads(),
                "cuda_graph": state.capture is not None and state.capture.graph is not None,
                "torch": torch.__version__,
            }
        )
        report(
            "{method} {image_size}×{image_size}: {textbook_ms:.1f} ms to {ours_ms:.1f} ms a generator step, "
            "ratio {ratio:.2f}, {ceiling_share:.0%} of the matmul ceiling".format(**rows[-1])
        )
    return pd.DataFrame(rows)


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def flops(config: RunConfig, images: Tensor) -> int:
    """Floating-point operations of one generator step of ours with its critic steps: matmuls and convolutions, forward
    and backward, the penalty's second derivative among them; a multiply-add counts 2. Counted, not computed.
    """
    state = eager(config, images)
    counter = FlopCounterMode(display=False)
    # Counts by module come from hooks that torch.autograd.grad, in a penalty, refuses; the total needs none.
    counter.mod_tracker = contextlib.nullcontext()
    counter.mod_tracker.parents = {"Global"}
    with counter:
        iteration(state, {})
    return counter.get_total_flops()


def matmul_ceiling(device: torch.device, bf16: bool, sizes: tuple[int, ...] = (), repeats: int = 5) -> float:
    """Operations per second of the fastest of some square matmuls in the precision of training.

    In float32 on a GPU they may use TF32, as convolutions do.
    """
    sizes = sizes or ((4096, 8192) if device.type == "cuda" else (1024, 2048))
    allowed = torch.get_float32_matmul_precision()
    best = 0.0
    try:
        if device.type == "cuda":
            torch.set_float32_matmul_precision("high")
        for size in sizes:
            a, b = (torch.ones(size, size, device=device, dtype=torch.bfloat16 if bf16 else None) for _ in range(2))
            out = a @ b
            for _ in range(repeats):
                synchronize(device)
                started = time.perf_counter()
                torch.matmul(a, b, out=out)
                synchronize(device)
                best = max(best, 2 * size**3 / (time.perf_counter() - started))
    finally:
        torch.set_float32_matmul_precision(allowed)
    return best


@contextlib.contextmanager
def peak_memory(device: torch.device) -> Iterator[dict[str, Any]]:
    """``bytes`` that the work within takes at its peak beyond what was in use before, and ``of`` what; filled at exit.

    On a GPU: what torch allocated there. On Linux: resident memory of the process, whose high-water mark is reset
    first. Elsewhere that mark cannot be reset, so work that needs less than earlier work shows 0.
    """
    used: dict[str, Any] = {}
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield used
        used |= {"bytes": torch.cuda.max_memory_allocated(device) - before, "of": "allocated on the GPU (torch.cuda)"}
        return
    try:
        Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark VmHWM to VmRSS
        mark, before, of = (lambda: status_bytes("VmHWM")), status_bytes("VmRSS"), "resident growth (VmHWM)"
    except (OSError, StopIteration):
        mark, before, of = high_water, high_water(), "resident growth (ru_maxrss)"
    yield used
    used |= {"bytes": max(0, mark() - before), "of": of}


def status_bytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def high_water() -> int:
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


# ---- where the time goes ----


@dataclass
class Laps:
    """A stopwatch with one hand: at any time exactly one part is running."""

    device: torch.device
    spent: Counter = field(default_factory=Counter)
    part: str = "critic"
    since: float = 0.0

    def switch(self, part: str) -> str:
        """Let ``part`` run from now on; returns the one that ran."""
        synchronize(self.device)
        now, before = time.perf_counter(), self.part
        self.spent[before] += now - self.since
        self.part, self.since = part, now
        return before

    def timed(self, part: str, function: Callable) -> Callable:
        """``function``, with its time given to ``part`` and not to the part that called it."""

        def run(*arguments, **named):
            before = self.switch(part)
            try:
                return function(*arguments, **named)
            finally:
                self.switch(before)

        return run


def shares(config: RunConfig, images: Tensor, steps: int = 2) -> dict[str, float]:
    """Share of an iteration's time by part, from timers around the functions that ``train.iteration`` calls.

    The generator's forward pass counts as generator also where it makes fakes for the critic. The penalty is the
    difference to critic steps whose penalty is replaced by a zero, since one backward pass serves the whole loss.
    Optimizer: zero_grad, step, clipping and the moving average. Logging: the sums of the losses, and reading them every
    ``log_every`` steps. On a GPU the parts run eagerly here, each waited for.
    """
    full = parts_ms(config, images, steps, with_penalty=True)
    penalty = 0.0
    if hasattr(objectives.METHODS[config.method], "penalty_weight"):
        penalty = max(0.0, full["critic"] - parts_ms(config, images, steps, with_penalty=False)["critic"])
    full["critic"] -= penalty
    full["penalty"] = penalty
    total = sum(full.values())
    return {part: full[part] / total for part in PARTS}


def parts_ms(config: RunConfig, images: Tensor, steps: int, with_penalty: bool) -> Counter:
    """Median milliseconds per generator step by part; see ``shares``."""
    state, sums, laps = eager(config, images), {}, Laps(train.choose_device(config.device))
    inside = {
        "data": [(train, "next_indices"), (train, "real_images")],
        "generator": [(train, "generator_step"), (state.generator, "forward")],
        "optimizer": [
            *((optimizer, name) for optimizer in optimizers(state) for name in ("zero_grad", "step")),
            *((train, name) for name in ("set_learning_rates", "update_average")),
        ],
        "logging": [(train, "accumulate"), (train, "averages")],
    }
    rounds: list[Counter] = []
    with contextlib.ExitStack() as patches:
        for part, places in inside.items():
            for owner, name in places:
                timed = laps.timed(part, getattr(owner, name))
                patches.enter_context(mock.patch.object(owner, name, timed))
        constrain = laps.timed("optimizer", type(state.objective).constrain)
        patches.enter_context(mock.patch.object(type(state.objective), "constrain", constrain))
        if not with_penalty:
            zero = lambda critic, real, fake, rng: torch.zeros((), device=state.device)  # noqa: E731
            patches.enter_context(mock.patch.object(objectives, "gradient_penalty", zero))
        for _ in range(1 + steps):
            laps.spent.clear()
            laps.switch("critic")
            laps.spent.clear()
            iteration(state, sums)
            laps.switch("critic")
            rounds.append(laps.spent.copy())
        laps.spent.clear()
        train.averages(sums, state.objective)
        reading = laps.spent["logging"] / config.log_every
    median = {part: 1000 * statistics.median(r[part] for r in rounds[1:]) for part in PARTS}  # the first warms up
    median["logging"] += 1000 * reading
    return Counter(median)


def optimizers(state: Training) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    return state.critic_optimizer, state.generator_optimizer


def eager(config: RunConfig, images: Tensor) -> Training:
    """A fresh state whose iterations are not captured, so that what happens within them can be seen."""
    state = prepare(config, images)
    state.capture = None
    return state


# ---- time to quality ----


def time_to_quality(config: RunConfig, threshold: float, limit_seconds: float) -> dict:
    """Seconds of training until the FD of samples falls below ``threshold``: ours against the textbook loop.

    Both start from the same weights and are measured every ``evaluate_every`` generator steps, by the extractor and on
    the images of ``config``, from the generator itself and not from its moving average, which the textbook loop lacks.
    Measuring does not count. A loop that does not get there within ``limit_seconds`` of training has None for seconds.
    ``ratio``: textbook over ours, or None. Raises ValueError for a config whose samples are not scored, DataError and
    FeatureError for what cannot be had.
    """
    data = load_dataset(config.dataset, config.image_size, config.channels)
    device = train.choose_device(config.device)
    reference = evaluation.monitor(config, data, device)
    if reference is None:
        raise ValueError(f"extractor={config.extractor!r}: time to quality needs one")
    count = min(config.monitor_images, len(reference.features))
    found = {"dataset": config.dataset, "method": config.method, "seed": config.seed}
    found |= {"extractor": reference.extractor.name, "threshold": threshold, "limit_seconds": limit_seconds}
    for name, loop in LOOPS.items():
        # the textbook loop draws from the global stream
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(config.seed)
            state = prepare(config, data.images)
            running, steps, seconds, distance = loop(state), 0, 0.0, math.inf
            while distance >= threshold and seconds < limit_seconds:
                started = time.perf_counter()
                for _ in range(config.evaluate_every):
                    next(running)
                seconds += time.perf_counter() - started
                steps += config.evaluate_every
                distance = reference.distances(evaluation.fakes(state.generator, config.seed, count))["fd"]
                if not math.isfinite(distance):
                    break
        reached = distance < threshold
        found |= {f"{name}_seconds": seconds if reached else None, f"{name}_steps": steps, f"{name}_fd": distance}
    reached = found["textbook_seconds"] is not None and found["ours_seconds"] is not None
    return found | {"ratio": found["textbook_seconds"] / found["ours_seconds"] if reached else None}


def with_quality(table: pd.DataFrame, quality: list[dict]) -> pd.DataFrame:
    """The table of ``compare`` with ``time_to_quality``, where it was measured, in columns ``quality_…`` at 28×28."""
    if not quality:
        return table
    columns = ["method", "threshold", "limit_seconds", "ratio", *(f"{n}_{w}" for n in LOOPS for w in QUALITY)]
    found = pd.DataFrame(quality)[columns].add_prefix("quality_").rename(columns={"quality_method": "method"})
    return table.merge(found.assign(image_size=28), on=["method", "image_size"], how="left")


# ---- a study apart from its training ----


def bookkeeping(counts: list[int], directory: Path) -> pd.DataFrame:
    """Seconds to plan ``counts`` runs, and to read as many finished runs, made up for this in ``directory``, into one
    table. Linear where the last columns, microseconds per run, stay the same.
    """
    rows = []
    for count in counts:
        started = time.perf_counter()
        configs = study.plan(["mnist5k"], ["gan"], range(count))
        planned = time.perf_counter() - started
        data = {"fingerprint": "0" * 16, "num_images": 1}
        for config in configs:
            place = runs.run_directory(directory, f"runs{count}", config)
            place.mkdir(parents=True)
            content = {"format": runs.FORMAT, "version": "", "hash": config.hash(), "config": config.to_dict()}
            (place / "config.json").write_text(json.dumps(content | {"data": data}))
            (place / "status.json").write_text(json.dumps({"status": "complete", "generator_steps": 1}))
        started = time.perf_counter()
        assert len(runs.load_study(directory, f"runs{count}")) == count
        read = time.perf_counter() - started
        per_run = {"plan_us_per_run": 1e6 * planned / count, "read_us_per_run": 1e6 * read / count}
        rows.append({"runs": count, "plan_s": planned, "read_s": read} | per_run)
    return pd.DataFrame(rows)


# ---- what is shown ----


def summary(table: pd.DataFrame) -> str:
    """The table of ``compare`` for a terminal: speed, then what bounds it, then where the time goes."""
    key = ["method", "image_size"]
    speed = [f"{loop}_{what}" for what in ("ms", "steps_per_s", "images_per_s") for loop in LOOPS]
    bounds = ["gflop", "ceiling_tflops", "ceiling_share", "textbook_memory_mb", "ours_memory_mb"]
    blocks = [key + speed + ["ratio", "ratio_low", "ratio_high"], key + bounds, key + [f"share_{p}" for p in PARTS]]
    first = table.iloc[0]
    about = f"{first.device}, {first.precision}, {first.threads} threads, torch {first.torch}"
    if "quality_threshold" in table:
        of_loops = [f"quality_{loop}_{what}" for loop in LOOPS for what in QUALITY]
        blocks.append([*key, "quality_threshold", *of_loops, "quality_ratio"])
    memory = f"memory: {first.memory_of}; shares: timers around the parts of one iteration, run eagerly"
    shown = [table[names].to_string(index=False, float_format=_short) for names in blocks]
    return "\n\n".join([about, *shown, memory])


def _short(number: float) -> str:
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def chart(table: pd.DataFrame) -> "Figure":
    """The ratio of textbook to our time per method and size, and where our time goes, as bars."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from gancompare import plots

    with rc_context(plots.STYLE):
        figure = Figure(figsize=(9, 1.2 + 0.45 * len(table)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        labels = [f"{row.method} {row.image_size}×{row.image_size}" for row in table.itertuples()]
        spread = [table["ratio"] - table["ratio_low"], table["ratio_high"] - table["ratio"]]
        left.barh(labels, table["ratio"], xerr=spread, color=[plots.color(m) for m in table["method"]], capsize=3)
        left.axvline(1, color="black", linewidth=0.8)
        left.invert_yaxis()
        left.set_xlabel("textbook time / our time (bar: median, line: range)")
        offset = pd.Series(0.0, index=table.index)
        for part, color in zip(PARTS, _PART_COLORS, strict=True):
            share = 100 * table[f"share_{part}"]
            right.barh(labels, share, left=offset, color=color, label=part)
            offset = offset + share
        right.set_xlabel("our time, %")
        right.grid(False)
        figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=len(PARTS))
    return figure
