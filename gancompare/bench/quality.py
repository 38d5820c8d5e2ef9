"""The question behind a step's cost: how long until samples are good."""

import math
import time
from dataclasses import replace
from typing import Any, NamedTuple

import pandas as pd
import torch

from gancompare.base import device as machine
from gancompare.bench.textbook import LOOPS
from gancompare.config import RunConfig
from gancompare.data.datasets import Dataset, load_splits
from gancompare.scoring.reference import Reference, references
from gancompare.scoring.sampling import evaluation_samples
from gancompare.train import prepare


class Reached(NamedTuple):
    """Where a loop got to."""

    seconds: float | None  # of training until the threshold; None if it was not reached
    steps: int
    fd: float  # the last distance


def time_to_quality(config: RunConfig, *, threshold: float, limit_seconds: float, every: int = 50) -> dict[str, Any]:
    """Seconds of training until the FD of samples falls below ``threshold``: ours against the textbook loop.

    Both start from the same weights and are measured after each ``every`` generator steps, by the extractor and on
    the images of ``config``, from the generator itself and not from its moving average, which the textbook loop lacks.
    Measuring does not count. A loop that does not get there within ``limit_seconds`` of training has None for seconds.
    ``ratio``: textbook over ours, or None. Raises ValueError for a config whose samples are not scored, DataError and
    FeatureError for what cannot be had.
    """
    data = load_splits(config.dataset, config.image_size, config.channels)
    real = references(config, data, machine.choose_device(config.device))
    if not real:
        raise ValueError(f"extractor={config.extractor!r}: time to quality needs one")
    reference = real[0]
    row = {"dataset": config.dataset, "method": config.method, "seed": config.seed}
    limits = {"threshold": threshold, "limit_seconds": limit_seconds}
    row |= {"extractor": reference.extractor.name} | limits
    reached = {
        name: train_until(name, config, data.train, reference=reference, every=every, **limits) for name in LOOPS
    }
    for name, end in reached.items():
        row |= {f"{name}_{column}": value for column, value in end._asdict().items()}
    both = all(end.seconds is not None for end in reached.values())
    return row | {"ratio": reached["textbook"].seconds / reached["ours"].seconds if both else None}


def train_until(
    name: str,
    config: RunConfig,
    images: Dataset,
    *,
    reference: Reference,
    threshold: float,
    limit_seconds: float,
    every: int,
) -> Reached:
    """Train with the loop ``name`` until the distance is below ``threshold`` or not finite, or time is up."""
    device = machine.choose_device(config.device)
    config = replace(config, conditional=False)  # the textbook loop knows no classes
    count = min(config.monitor_images, len(reference.features))
    # the textbook loop draws from the global stream
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(config.seed)
        nets, feed = prepare(config, images, device)
        loop, steps, seconds, distance = LOOPS[name](config, nets, feed), 0, 0.0, math.inf
        while distance >= threshold and seconds < limit_seconds:
            started = time.perf_counter()
            for _ in range(every):
                next(loop)
            seconds += time.perf_counter() - started
            steps += every
            distance = reference.fd(reference.see(evaluation_samples(nets.generator, config.seed, count)))
            if not math.isfinite(distance):
                break
    return Reached(seconds if distance < threshold else None, steps, distance)


def with_quality(table: pd.DataFrame, quality: list[dict[str, Any]]) -> pd.DataFrame:
    """The table of ``compare`` with rows of ``time_to_quality``, where it was measured (28×28), as ``quality_…``."""
    if not quality:
        return table
    columns = ["method", "threshold", "limit_seconds", "ratio"]
    columns += [f"{name}_{column}" for name in LOOPS for column in Reached._fields]
    measured = pd.DataFrame(quality)[columns].add_prefix("quality_").rename(columns={"quality_method": "method"})
    return table.merge(measured.assign(image_size=28), on=["method", "image_size"], how="left")
