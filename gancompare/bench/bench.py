"""What a generator step costs: the textbook loop against this package's, same nets, same machine, one run.

``compare`` times both in turn and says where the time goes and how near it comes to what the device can do.
``time_to_quality`` asks the question behind it: how long until samples are good. ``bookkeeping`` times what a study of
many runs costs apart from training.
"""

import contextlib
import json
import math
import multiprocessing.process
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from gancompare import train
from gancompare.base import device as machine
from gancompare.base import graphs
from gancompare.base.device import device_name
from gancompare.base.files import write_atomically
from gancompare.base.streams import stream
from gancompare.bench.profiling import PARTS, flops, matmul_ceiling, peak_memory, shares, synchronize
from gancompare.config import RunConfig
from gancompare.data.datasets import cache_directory, load_dataset
from gancompare.recipes import MAIN_METHODS
from gancompare.runs import layout, reading, record
from gancompare.scoring import evaluation
from gancompare.scoring.sampling import evaluation_samples
from gancompare.study import study
from gancompare.train import Training, iteration, prepare

if TYPE_CHECKING:  # a run starts faster without it
    from matplotlib.figure import Figure

IMAGES = 2048  # random ones
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
    machine.keep_freed_memory()
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


# ---- loops in processes of their own ----


@dataclass
class Worker:
    """A loop in a process of its own, as a user would run it: it shares neither memory nor settings with another."""

    process: multiprocessing.process.BaseProcess
    pipe: Connection
    about: dict[str, Any] = field(default_factory=dict)  # see ``serve``

    def ask(self, what: str, amount: float) -> None:
        self.pipe.send((what, amount))

    def answer(self) -> tuple[int, float]:
        """Steps made and seconds taken. Raises RuntimeError if the process has died, as it does out of memory."""
        try:
            return self.pipe.recv()
        except EOFError:
            self.process.join()
            raise RuntimeError(f"a timed process ended with exit code {self.process.exitcode}") from None


@contextlib.contextmanager
def workers(names: Sequence[str], config: RunConfig, threads: int) -> Iterator[list[Worker]]:
    """A process with ``threads`` threads for each of the loops ``names``, warmed up one after another."""
    context, started = multiprocessing.get_context("spawn"), []
    try:
        for name in names:
            near, far = context.Pipe()
            process = context.Process(target=serve, args=(far, name, config, threads), daemon=True)
            process.start()
            far.close()
            started.append(Worker(process, near))
            started[-1].about = started[-1].answer()
        yield started
    finally:
        for worker in started:
            worker.process.terminate()
        for worker in started:
            worker.process.join()


def serve(pipe: Connection, name: str, config: RunConfig, threads: int) -> None:
    """Warm the loop ``name`` up, say what that took, then make steps on request: ("steps", n) or ("seconds", s)."""
    torch.set_num_threads(threads)
    config = replace(config, conditional=False)  # random images have no classes, which cost next to nothing
    with peak_memory(machine.choose_device(config.device)) as memory:
        state = prepare(config, random_images(config))
        loop = LOOPS[name](state)
        captured = name == "ours" and state.capture is not None
        for _ in range(graphs.EAGER_STEPS + 1 if captured else 2):
            next(loop)
    graph = captured and state.capture.graph is not None
    pipe.send({"memory": memory["bytes"], "memory_of": memory["of"], "cuda_graph": graph})
    while True:
        what, amount = pipe.recv()
        steps, started = 0, time.perf_counter()
        while steps < amount if what == "steps" else time.perf_counter() - started < amount:
            next(loop)
            steps += 1
        pipe.send((steps, time.perf_counter() - started))


def random_images(config: RunConfig) -> Tensor:
    """uint8 (IMAGES, C, H, W); their content does not change the time."""
    shape = (IMAGES, config.channels, config.image_size, config.image_size)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=stream(0, "bench"))


def throughput(config: RunConfig, jobs: int, threads: int, seconds: float) -> float:
    """Generator steps per second of ``jobs`` runs of ours at a time, together, each with ``threads`` threads."""
    with workers(["ours"] * jobs, config, threads) as started:
        for worker in started:
            worker.ask("seconds", seconds)
        return sum(steps / took for steps, took in [worker.answer() for worker in started])


def best_jobs(configs: list[RunConfig], seconds: float = 10.0, report: Callable[[str], None] = print) -> int:
    """How many of ``configs`` to run at a time on this machine: what gives the most generator steps per second.

    Measured with the longest run, at 1, 2, 4, … up to one per core (on GPUs: up to eight per GPU), where memory
    allows; then remembered in the cache, for the number of threads decides the last bits of a result on a CPU.
    """
    config = max(configs, key=study.cost)
    device = machine.choose_device(config.device)
    gpus = torch.cuda.device_count() if device.type == "cuda" else 0
    most = study.automatic_jobs(len(configs), gpus, per_gpu=8)
    nets = f"{config.method} {config.image_size}×{config.image_size}×{config.channels} width {config.base_channels}"
    key = f"{device_name(device)}, torch {torch.__version__}, {nets}, batch {config.batch_size}, up to {most}"
    path = cache_directory() / "jobs.json"
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        known = {}
    if key not in known:
        rates = {}
        for jobs in sorted({most, *(2**k for k in range(most.bit_length()))}):
            try:
                rates[jobs] = throughput(config, jobs, max(1, machine.usable_cores() // jobs), seconds)
            except RuntimeError:  # out of memory, most likely; more at a time would be, too
                break
            report(f"measuring this machine: {jobs} at a time make {rates[jobs]:.2f} generator steps/s ({nets})")
        known[key] = max(rates, key=rates.get, default=1)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(known, indent=1).encode())
    return known[key]


def compare(
    configs: list[RunConfig], rounds: int = 5, steps: int = 1, report: Callable[[str], None] = print
) -> pd.DataFrame:
    """Time both loops in turn (textbook, ours, textbook, ours, …), ``rounds`` times ``steps`` generator steps each.

    A row per config. Of either loop, in a process of its own: ``_ms`` (median per generator step), ``_steps_per_s``,
    ``_images_per_s`` (real images) and ``_memory_mb`` (see ``peak_memory``). ``ratio``: median of the ratios of
    neighbouring timings, with its lowest and highest value. ``study_jobs`` runs of ours at a time make
    ``study_steps_per_s`` together, ``study_ratio`` times as many as one textbook loop with all cores. ``gflop``: of one
    generator step of ours (``flops``); ``ceiling_tflops``: the device's fastest matmul (``matmul_ceiling``);
    ``ceiling_share``: the part of it that ours reaches. ``share_``: of ours' time by part (``shares``). Then device,
    precision, threads, and whether a CUDA graph was replayed.
    """
    rows: list[dict] = []
    ceilings: dict[bool, float] = {}
    for config in configs:
        device = machine.choose_device(config.device)
        times: dict[str, list[float]] = {name: [] for name in LOOPS}
        with workers(list(LOOPS), config, torch.get_num_threads()) as started:
            about = {name: worker.about for name, worker in zip(LOOPS, started, strict=True)}
            for _ in range(rounds):
                for name, worker in zip(LOOPS, started, strict=True):
                    worker.ask("steps", steps)
                    made, took = worker.answer()
                    times[name].append(took / made)
        ratios = [slow / fast for slow, fast in zip(times["textbook"], times["ours"], strict=True)]
        median = {name: statistics.median(values) for name, values in times.items()}
        gpus = torch.cuda.device_count() if device.type == "cuda" else 0
        jobs = study.automatic_jobs(1000, gpus)
        together = throughput(config, jobs, max(1, machine.usable_cores() // jobs), rounds * steps * median["ours"])
        bf16 = machine.choose_bf16(config.precision, device)
        ceilings[bf16] = max(ceilings.get(bf16, 0.0), matmul_ceiling(device, bf16))  # a busy moment hides it
        row = {"method": config.method, "image_size": config.image_size, "base_channels": config.base_channels}
        for name in LOOPS:
            row |= {
                f"{name}_ms": 1000 * median[name],
                f"{name}_steps_per_s": 1 / median[name],
                f"{name}_images_per_s": config.n_critic * config.batch_size / median[name],
                f"{name}_memory_mb": about[name]["memory"] / 1e6,
            }
        row |= {"ratio": statistics.median(ratios), "ratio_low": min(ratios), "ratio_high": max(ratios)}
        row |= {"study_jobs": jobs, "study_steps_per_s": together, "study_ratio": together * median["textbook"]}
        operations = flops(config, random_images(config))
        row["gflop"] = operations / 1e9
        row["ceiling_share"] = operations / median["ours"] / ceilings[bf16]
        row |= {f"share_{part}": share for part, share in shares(config, random_images(config)).items()}
        rows.append(
            row
            | {
                "memory_of": about["ours"]["memory_of"],
                "device": device_name(device),
                "precision": "bf16" if bf16 else "float32",
                "threads": torch.get_num_threads(),
                "cuda_graph": about["ours"]["cuda_graph"],
                "torch": torch.__version__,
                "rounds": rounds,
                "batch_size": config.batch_size,
            }
        )
        report(
            "{method} {image_size}×{image_size}: {textbook_ms:.1f} ms to {ours_ms:.1f} ms a generator step, "
            "ratio {ratio:.2f}, in a study {study_ratio:.2f}, {ceiling_share:.0%} of the matmul ceiling".format(
                **rows[-1]
            )
        )
    table = pd.DataFrame(rows)
    table["ceiling_tflops"] = [ceilings[precision == "bf16"] / 1e12 for precision in table["precision"]]
    table["ceiling_share"] = table["gflop"] / table["ours_ms"] / table["ceiling_tflops"]
    return table


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
    device = machine.choose_device(config.device)
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
            state = prepare(replace(config, conditional=False), data.images)  # the textbook loop knows no classes
            running, steps, seconds, distance = loop(state), 0, 0.0, math.inf
            while distance >= threshold and seconds < limit_seconds:
                started = time.perf_counter()
                for _ in range(config.evaluate_every):
                    next(running)
                seconds += time.perf_counter() - started
                steps += config.evaluate_every
                distance = reference.distances(evaluation_samples(state.generator, config.seed, count))["fd"]
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
            place = layout.run_directory(directory, f"runs{count}", config)
            place.mkdir(parents=True)
            content = {"format": record.FORMAT, "version": "", "hash": config.hash(), "config": config.to_dict()}
            (place / "config.json").write_text(json.dumps(content | {"data": data}))
            (place / "status.json").write_text(json.dumps({"status": "complete", "generator_steps": 1}))
        started = time.perf_counter()
        assert len(reading.load_runs(directory, f"runs{count}")) == count
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
    study = ["study_jobs", "study_steps_per_s", "study_ratio"]
    blocks = [
        key + speed + ["ratio", "ratio_low", "ratio_high", *study],
        key + bounds,
        key + [f"share_{p}" for p in PARTS],
    ]
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

    from gancompare import arms
    from gancompare.report.style import STYLE

    with rc_context(STYLE):
        figure = Figure(figsize=(9, 1.2 + 0.45 * len(table)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        labels = [f"{row.method} {row.image_size}×{row.image_size}" for row in table.itertuples()]
        spread = [table["ratio"] - table["ratio_low"], table["ratio_high"] - table["ratio"]]
        left.barh(labels, table["ratio"], xerr=spread, color=[arms.color(m) for m in table["method"]], capsize=3)
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
