"""Two methods, one number per seed each: by how much one beats the other. Conventions as in ``intervals``."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from gancompare.verdicts.intervals import (
    MIN_SEEDS,
    RESAMPLES,
    Interval,
    Rng,
    as_costs,
    describe_runs,
    interval_ends,
    require,
)

EXACT_PAIRS = 15  # up to so many pairs, all 2ⁿ signs are tried


class Paired(NamedTuple):
    """The advantage of a over b, its p-value in [0, 1], and how many pairs a won, tied and lost."""

    advantage: Interval
    p_value: float
    wins: int
    ties: int
    losses: int


def paired_difference(
    a: ArrayLike, b: ArrayLike, level: float = 0.95, *, kind="iqm", lower_is_better=True, rng: Rng = None
) -> Paired:
    """By how much a beats b seed by seed; a and b (n,), the same seed at the same index. Swapped, all signs flip.

    See ``paired_advantage``, and ``sign_flip_p_value``, which needs ``rng`` beyond EXACT_PAIRS.
    """
    differences = _differences(a, b, lower_is_better)
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    advantage = paired_advantage(a, b, level, kind=kind, lower_is_better=lower_is_better)
    p_value = sign_flip_p_value(a, b, rng, lower_is_better=lower_is_better)
    return Paired(advantage, p_value, wins, len(differences) - wins - losses, losses)


def paired_advantage(a: ArrayLike, b: ArrayLike, level: float = 0.95, *, kind="iqm", lower_is_better=True) -> Interval:
    """The interval of the advantage of a over b, with bounds "t" as of ``interval``, over pairs (n,) of the same seed.

    The advantage in a pair is b − a (a − b if higher is better), so positive favours a. A diverged run loses to a
    finite one by an infinite advantage; two diverged runs tie at 0.
    """
    ends = interval_ends(_differences(a, b, lower_is_better), level, kind=kind, bounds="t")
    sides = [as_costs(side, "", lower_is_better) for side in (a, b)]
    return Interval(*map(float, ends), len(sides[0]), describe_runs(*sides))


def sign_flip_p_value(a: ArrayLike, b: ArrayLike, rng: Rng = None, *, lower_is_better=True) -> float:
    """Two-sided p-value in [0, 1] of no difference within pairs (n,) of the same seed; NaN below MIN_SEEDS pairs.

    The signs of the differences are flipped, all 2ⁿ up to EXACT_PAIRS, else RESAMPLES random ones, which needs ``rng``.
    The statistic is the mean, or Wilcoxon's signed ranks if a difference is infinite. It cannot be below 2/2ⁿ (0.25 at
    n = 3).
    """
    differences = _differences(a, b, lower_is_better)
    n, size = len(differences), np.abs(differences)
    require(
        n <= EXACT_PAIRS or rng is not None, f"rng must be a Generator beyond {EXACT_PAIRS} pairs, got None for {n}"
    )
    if n < MIN_SEEDS:
        return math.nan
    scores = np.sign(differences) * (size if np.isfinite(size).all() else stats.rankdata(size))
    scale = np.abs(scores).sum() or 1.0

    def statistic(flipped: np.ndarray, axis: int) -> np.ndarray:
        return np.abs(np.round(flipped.sum(axis=axis) / scale, 9))  # rounded: equal sums in another order tie

    options = (
        {"n_resamples": np.inf, "batch": 2**20 // n} if n <= EXACT_PAIRS else {"n_resamples": RESAMPLES, "rng": rng}
    )
    test = stats.permutation_test((scores,), statistic, permutation_type="samples", alternative="greater", **options)
    return float(test.pvalue)


def _differences(a: ArrayLike, b: ArrayLike, lower_is_better: bool) -> np.ndarray:
    """By how much a is better than b in each pair; 0 where both diverged."""
    a, b = as_costs(a, "a", lower_is_better), as_costs(b, "b", lower_is_better)
    require(len(a) == len(b), f"a and b must hold the same seeds, got {len(a)} and {len(b)} runs")
    differences = np.zeros(len(a))
    np.subtract(b, a, out=differences, where=np.isfinite(a) | np.isfinite(b))
    return differences


def spread_ratio(a: ArrayLike, b: ArrayLike, level: float) -> Interval:
    """Log ratio of the standard deviations of log a and log b, with the F interval of independent normal samples.

    If runs of one seed move together, the interval is wider than need be, not narrower. Unbounded if a side has no
    spread at all.
    """
    variances = [np.var(np.log(np.maximum(values, 1e-12)), ddof=1) for values in (a, b)]
    n = min(len(a), len(b))
    if not min(variances):
        return Interval(math.nan, -math.inf, math.inf, n)
    quantiles = stats.f.ppf([(1 + level) / 2, (1 - level) / 2], len(a) - 1, len(b) - 1)
    ratio = variances[0] / variances[1]
    return Interval(*(float(x) / 2 for x in np.log([ratio, *(ratio / quantiles)])), n)


def holm(p_values: ArrayLike) -> np.ndarray:
    """p-values (m,) adjusted for m comparisons (Holm 1979): the largest (m − rank + 1) p so far, at most 1."""
    p = np.asarray(p_values, float)
    require(np.all((p >= 0) & (p <= 1)), f"p_values must lie in [0, 1], got {p_values}")
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(np.arange(len(p), 0, -1) * p[order]).clip(max=1)
    return adjusted[np.argsort(order)]
