"""Studies and sweeps whose results are known."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from gancompare.arms import critic_steps, method_of
from gancompare.runs.reading import Study

SEEDS = 6
STEPS, POINTS, BATCH = (
    1000,
    20,
    64,
)  # one critic step: five times as many steps
EXTRACTORS = ("classifier", "random-init", "pixel-pca")


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
def synthetic():
    """``study(...)`` and ``settings(...)`` make tables, ``around`` and ``scattered`` values by seed."""
    return SimpleNamespace(study=_study, settings=_settings, around=_around, scattered=_scattered, SEEDS=SEEDS)


def _around(center, seeds=SEEDS, *, spread=0.01, shift=0):
    """Values that lie ``spread`` (relative) around ``center``, in another order for another ``shift``."""
    z = np.linspace(-1, 1, seeds)
    return center * np.exp(spread * np.roll(z[np.random.default_rng(shift).permutation(seeds)], shift))


def _scattered(center, seeds=SEEDS, shift=0):
    """Values so far apart that nothing can be decided from them."""
    return _around(center, seeds, spread=0.7, shift=shift + 1)


def _study(fd, **known):
    """A ``Study`` on one data set.

    ``fd``: arm → final FD by seed; NaN or infinite: the run diverged. All arms see equally many images, so an arm with
    one critic step makes five times as many generator steps. FD reaches its final value early and stays. Keywords, all
    by arm and then by seed: ``opinions`` (extractor → factor of its FD, by arm), ``falling`` (arms whose FD never
    flattens), ``rebound`` (final / lowest FD), ``history`` (column → values along a run, given the seed), ``scores``
    (metric → final values), ``gradients`` (largest / smallest norm over five layers), ``seconds`` (per step), ``runs``
    (column → value by arm).
    """
    tables = {"runs": [], "histories": [], "scores": [], "distances": [], "diagnostics": []}
    for arm, values in fd.items():
        for seed, value in enumerate(values):
            _run(tables, arm, seed, value, known)
    return Study(**{key: pd.DataFrame(rows) for key, rows in tables.items()})


def _run(tables, arm, seed, final, known):
    lost = not math.isfinite(final)
    ratio = (5 if method_of(arm) != "gan" else 1) if critic_steps(arm) is None else critic_steps(arm)
    total, key = STEPS * 5 // ratio, {"dataset": "mnist", "arm": arm, "seed": seed}
    status = "diverged" if lost else "complete"
    pace = known.get("seconds", {}).get(arm, np.full(seed + 1, ratio / 100))[seed]
    run = {"status": status, "steps_done": total, "seconds": total * pace, "profile": "quick", "generator_steps": STEPS}
    tables["runs"].append(key | run | {column: own[arm] for column, own in known.get("runs", {}).items()})

    steps = np.unique(np.geomspace(total / 200, total, POINTS).astype(int))
    shape = 1 + 9 * np.exp(-60 * steps / total)
    if arm in known.get("falling", ()):
        shape = (total / steps) ** 0.5
    if "rebound" in known:
        shape[-5] = 1 / known["rebound"][arm][seed]
    clocks = {"generator_steps": steps, "images_seen": steps * ratio * BATCH, "seconds": steps * pace}
    history = pd.DataFrame(clocks)
    for column, of_seed in known.get("history", {}).get(arm, {}).items():
        values = of_seed(seed)
        history = history if len(values) == len(history) else pd.DataFrame(_longer(clocks, len(values)))
        history[column] = values
    tables["histories"] += (history.assign(**key)).to_dict("records")
    for extractor in known.get("extractors", EXTRACTORS):
        factor = known.get("opinions", {}).get(extractor, {}).get(arm, 1.0)
        curve = np.full(len(steps), 9.0) if lost else final * factor * shape
        about = key | {"weights": "ema", "extractor": extractor, "n": 1000, "floor": 0.1}
        tables["distances"] += [about | {"generator_steps": s, "fd": v} for s, v in zip(steps, curve, strict=True)]
        about = key | {"status": status, "checkpoint": "last", "extractor": extractor, "n_fake": 1000}
        about |= {"primary": extractor == EXTRACTORS[0], "label": f"FD-{extractor}", "variance": 1e6}
        final_scores = {metric: math.nan if lost else own[arm][seed] for metric, own in known.get("scores", {}).items()}
        tables["scores"].append(about | {"fd": math.nan if lost else final * factor} | final_scores)
    for layer, norm in enumerate(known["gradients"][arm][seed] ** np.linspace(0, 1, 5) if "gradients" in known else ()):
        about = key | {"generator_steps": total, "quantity": "layer_gradient_norm"}
        tables["diagnostics"].append(about | {"where": f"layer{layer}", "value": norm})


def _longer(clocks, points):
    return {clock: np.geomspace(values[0], values[-1], points) for clock, values in clocks.items()}


def _settings(field, arm, by_value, quantity="fd"):
    """Settings of a sweep; ``by_value``: value of ``field`` → ``quantity`` by seed, the base first."""
    base, rows = next(iter(by_value)), []
    for value, numbers in by_value.items():
        for seed, number in enumerate(numbers):
            row = {"field": field, "value": value, "is_base": value == base, "dataset": "mnist", "arm": arm}
            row |= {"seed": seed, "failed": math.isinf(number), "fd": 1.0, "instability": 1.0}
            rows.append(row | {quantity: number})
    return pd.DataFrame(rows)
