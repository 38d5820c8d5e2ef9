"""The table: both loops timed in turn, several runs at a time, and where the time of a step goes."""

import statistics
from typing import Any, NamedTuple

import pandas as pd
import torch

from gancompare.base import device as machine
from gancompare.bench.profiling import flops, matmul_ceiling, shares
from gancompare.bench.textbook import LOOPS, random_images
from gancompare.bench.workers import Loop, WarmUp, throughput, workers
from gancompare.config import RunConfig
from gancompare.study.pool import automatic_jobs


class Timed(NamedTuple):
    """Both loops by name: seconds per generator step in each round, and what they reported when they were warm."""

    seconds: dict[str, list[float]]
    warm_ups: dict[str, WarmUp]

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])


def compare(configs: list[RunConfig], *, rounds: int = 5, steps: int = 1, jobs: int | None = None) -> pd.DataFrame:
    """Time both loops in turn (textbook, ours, textbook, ours, …), ``rounds`` times ``steps`` generator steps each.

    Returns one row per config with these columns:

    - of either loop, in a process of its own: ``_ms`` (median per generator step), ``_steps_per_s``, ``_images_per_s``
      (real images) and ``_memory_mb`` (see ``peak_memory``);
    - ``ratio``: median of the ratios of neighbouring timings, with its lowest and highest value;
    - ``study_jobs`` runs of ours at a time (``jobs``; None: as many as a study would take) make ``study_steps_per_s``
      together, which is ``study_ratio`` times what one textbook loop makes with all cores;
    - ``gflop`` of one generator step of ours (``flops``), ``ceiling_tflops`` of the device's fastest matmul
      (``matmul_ceiling``), and ``ceiling_share``, the part of it that ours reaches;
    - ``share_…`` of the time of ours by part (``shares``);
    - device, precision, threads, batch size, and whether a CUDA graph was replayed.
    """
    rows: list[dict[str, Any]] = []
    ceilings: dict[str, float] = {}
    for config in configs:
        device = machine.choose_device(config.device)
        bf16 = machine.choose_bf16(config.precision, device)
        timed = time_loops(config, rounds, steps)
        row = {"method": config.method, "image_size": config.image_size, "base_channels": config.base_channels}
        row |= speed_columns(config, timed) | study_columns(config, timed, steps=rounds * steps, jobs=jobs)
        images, precision = random_images(config), "bf16" if bf16 else "float32"
        ceiling = matmul_ceiling(device, bf16)
        ceilings[precision] = max(ceilings.get(precision, 0.0), ceiling)  # a busy moment hides it
        row |= {"gflop": flops(config, images) / 1e9}
        row |= {"ceiling_tflops": 0.0, "ceiling_share": 0.0}  # known at the end
        row |= {f"share_{part}": share for part, share in shares(config, images).items()}
        row |= {"memory_of": timed.warm_ups["ours"].memory_kind, "device": machine.device_name(device)}
        row |= {"precision": precision, "threads": torch.get_num_threads()}
        row |= {"cuda_graph": timed.warm_ups["ours"].cuda_graph, "torch": torch.__version__, "rounds": rounds}
        rows.append(row | {"batch_size": config.batch_size})
        print(
            "{method} {image_size}×{image_size}: {textbook_ms:.1f} ms to {ours_ms:.1f} ms a generator step, "
            "ratio {ratio:.2f}, in a study {study_ratio:.2f}".format(**row),
            flush=True,
        )
    table = pd.DataFrame(rows)
    table["ceiling_tflops"] = [ceilings[precision] / 1e12 for precision in table["precision"]]
    table["ceiling_share"] = table["gflop"] / table["ours_ms"] / table["ceiling_tflops"]
    return table


def time_loops(config: RunConfig, rounds: int, steps: int) -> Timed:
    """Both loops in turn, ``rounds`` times ``steps`` generator steps each, in processes with all threads."""
    seconds: dict[str, list[float]] = {name: [] for name in LOOPS}
    with workers([[Loop(name, config)] for name in LOOPS], torch.get_num_threads()) as started:
        for _ in range(rounds):
            for name, worker in zip(LOOPS, started, strict=True):
                worker.ask("steps", steps)
                timing = worker.answer()
                seconds[name].append(timing.seconds / timing.steps)
        return Timed(seconds, {name: worker.warm_up for name, worker in zip(LOOPS, started, strict=True)})


def speed_columns(config: RunConfig, timed: Timed) -> dict[str, float]:
    columns = {}
    for name in LOOPS:
        median = timed.median(name)
        columns |= {
            f"{name}_ms": 1000 * median,
            f"{name}_steps_per_s": 1 / median,
            f"{name}_images_per_s": config.n_critic * config.batch_size / median,
            f"{name}_memory_mb": timed.warm_ups[name].memory / 1e6,
        }
    pairs = zip(timed.seconds["textbook"], timed.seconds["ours"], strict=True)
    ratios = [slow / fast for slow, fast in pairs]
    return columns | {"ratio": statistics.median(ratios), "ratio_low": min(ratios), "ratio_high": max(ratios)}


def study_columns(config: RunConfig, timed: Timed, *, steps: int, jobs: int | None) -> dict[str, float]:
    """What ``jobs`` runs of ours at a time make in the time of ``steps`` steps of one."""
    gpus = torch.cuda.device_count() if machine.choose_device(config.device).type == "cuda" else 0
    jobs = jobs or automatic_jobs(1000, gpus)
    threads = max(1, machine.usable_cores() // jobs)
    together = throughput(config, jobs=jobs, threads=threads, seconds=steps * timed.median("ours"))
    ratio = together * timed.median("textbook")
    return {"study_jobs": jobs, "study_steps_per_s": together, "study_ratio": ratio}
