"""Small helpers, and studies whose results are known, for the tests of verdicts."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from gancompare.runs.reading import Study
from gancompare.verdicts import claims

VARIANCE = 500.0
STEADY = np.array([1.0, 1.1, 0.9, 1.05, 0.95, 1.02])  # a method's spread over six seeds
LEVELS = {"gan": 40.0, "wgan": 20.0, "wgan-gp": 10.0, "gan-gp": 20.0}
SPREAD = {"gan": [0, 3, 1, 4, 2, 5], "wgan": [5, 1, 4, 0, 3, 2], "wgan-gp": [1, 0, 5, 3, 2, 4], "gan-gp": range(6)}


@pytest.fixture
def ends_of():
    """A function: Interval → its two bounds."""
    return lambda interval: (interval.low, interval.high)


@pytest.fixture
def with_diverged():
    """A function (rng, shape, share) → normal numbers, that share of them NaN."""

    def draw(rng, shape, share):
        values = rng.standard_normal(shape)
        values[rng.random(shape) < share] = math.nan
        return values

    return draw


@pytest.fixture
def known():
    """A study with known results: ``study(...)`` makes one, ``verdicts(study, number)`` judges a claim on it; and the
    numbers it is made of.
    """
    return SimpleNamespace(
        study=_study,
        swapped=_swapped,
        verdicts=_verdicts,
        VARIANCE=VARIANCE,
        STEADY=STEADY,
        LEVELS=LEVELS,
        SPREAD=SPREAD,
    )


def _study(fd=None, seeds=6, second="agrees", **metrics):
    """A ``Study`` with known results; a NaN or infinite FD is a diverged run.

    ``fd``: method → FDs by seed. ``second``: what a second extractor says: "agrees", "swapped", or None if there is
    none. Other keywords: metric → method → values by seed.
    """
    fd = fd or {m: LEVELS[m] * STEADY[SPREAD[m]] for m in LEVELS}
    runs, scores, histories = [], [], []
    for method, values in fd.items():
        for seed, value in enumerate(values[:seeds]):
            run = {"dataset": "mnist", "arm": method, "seed": seed}
            ended = "complete" if math.isfinite(value) else "diverged"
            cost = {"gan": 1, "gan-gp": 4, "wgan": 2.5, "wgan-gp": 5}[method] * STEADY[SPREAD[method][seed % 6]] ** 0.2
            runs.append(run | {"status": ended, "seconds": 400 * cost, "steps_done": 400, "clip": 0.01})
            finite = math.isfinite(value)
            row = run | {"status": ended, "checkpoint": "last", "generator_steps": 400, "n_fake": 1000, "floor": 0.52}
            row |= {"variance": VARIANCE if finite else math.nan}
            row |= {key: by[method][seed] if finite and method in by else math.nan for key, by in metrics.items()}
            fds = {"classifier": value, "random-init": value**-1 if second == "swapped" else 7 * value}
            for extractor, number in itertools.islice(fds.items(), 1 if second is None else 2):
                names = {"extractor": extractor, "primary": extractor == "classifier", "label": f"FD-{extractor}"}
                scores.append(row | names | {"fd": number if finite else math.nan})
            n_critic = 1 if method == "gan" else 5
            for step in range(0, 401, 10):
                estimate = (500 - step) / 50 if method.startswith("wgan") else math.nan
                measured = step > 0 and step % 50 == 0
                curve = value * (400 / step) ** 1.5 if measured and finite else math.nan
                clocks = {"generator_steps": step, "images_seen": step * n_critic * 64, "seconds": step * cost}
                histories.append(run | clocks | {"wasserstein_estimate": estimate, "fd": curve})
                histories[-1] |= {"critic_loss": 1.0, "generator_loss": 1.0}
    return Study(*map(pd.DataFrame, (runs, histories, scores, [])))


def _swapped(a="gan", b="wgan-gp"):
    """FDs with those of two methods exchanged, so that the claim is wrong."""
    fd = {m: LEVELS[m] * STEADY[SPREAD[m]] for m in LEVELS}
    return fd | {a: fd[b], b: fd[a]}


def _verdicts(study, number):
    """Part → verdict of the claim of that number on a study, and its rows of the ledger by part."""
    rows = claims.ledger(study)
    rows = rows[rows["number"] == number].set_index("part")
    return rows["verdict"].to_dict(), rows
