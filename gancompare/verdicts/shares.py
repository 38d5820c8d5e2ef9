"""Shares in [0, 1]: of runs that failed, of pairs that one method wins, of runs below a threshold.

Conventions as in ``intervals``.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from gancompare.verdicts.intervals import Interval, as_costs, require


def proportion(k: int, n: int, level: float = 0.95) -> Interval:
    """The share k/n in [0, 1] with Wilson's (1927) interval; NaN for n = 0."""
    require(0 < level < 1, f"level must lie in (0, 1), got {level}")
    require(0 <= k <= n, f"k must lie in [0, n = {n}], got {k}")
    if n == 0:
        return Interval(np.nan, np.nan, np.nan, 0, "no runs")
    low, high = stats.binomtest(k, n).proportion_ci(level, "wilson")
    return Interval(k / n, float(low), float(high), n)


def proportion_difference(first: tuple[int, int], second: tuple[int, int], level: float = 0.95) -> Interval:
    """k/n of the first (k, n) minus k/n of the second, in [−1, 1].

    The interval is Newcombe's (1998, method 10): Wilson's bounds of both shares, combined.
    """
    a, b = proportion(*first, level), proportion(*second, level)
    difference = a.estimate - b.estimate
    low = difference - math.hypot(a.estimate - a.low, b.high - b.estimate)
    return Interval(difference, low, difference + math.hypot(a.high - a.estimate, b.estimate - b.low), min(a.n, b.n))


def performance_profile(
    values_by_task: Mapping[str, ArrayLike], thresholds: ArrayLike, *, lower_is_better=True
) -> np.ndarray:
    """Share (T,) of runs at least as good as each of T thresholds, averaged over tasks (Agarwal et al. 2021, §4.2).

    One array of runs per task, in units in which a threshold means the same for each. Diverged runs reach none.
    """
    require(len(values_by_task) > 0, f"values_by_task must hold a task, got {values_by_task}")
    limits, shares = np.asarray(thresholds, float) * (1 if lower_is_better else -1), []
    for task, values in values_by_task.items():
        costs = as_costs(values, f"values_by_task[{task!r}]", lower_is_better)[:, None]
        require(len(costs) > 0, f"values_by_task[{task!r}] must hold runs, got {values}")
        shares.append(((costs <= limits) & np.isfinite(costs)).mean(axis=0))
    return np.mean(shares, axis=0)
