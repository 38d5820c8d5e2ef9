"""Spread of two arms over seeds, and p-values of many comparisons."""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from gancompare.verdicts.intervals import Interval, require


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
