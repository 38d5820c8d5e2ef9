"""Two arms compared by the ranks of their runs, exactly: for comparisons in which runs failed.

A failed run is +inf, worse than any other. The test is Mann and Whitney's, its interval Hodges and Lehmann's: the
quantiles of all m × n differences. Ties count against whichever arm would profit, so the null distribution is that
without ties, and every quantity is monotone in every run: more failures never weaken the evidence against an arm.

Runs are not paired here: n pairs can be permuted in only 2ⁿ ways, so at five seeds no p-value would lie below 1/16,
however many runs fail; the C(10, 5) = 252 ways to split ten runs go down to 1/126. Runs of one seed share weights and
data, and what they share makes the unpaired test err on the safe side.
"""

import functools
import math

import numpy as np
from scipy import stats

from gancompare.verdicts.words import MOST_SEEDS, POWER


def shift(a: np.ndarray, b: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimate, low and high of how far b (…, n) lies above a (…, m), over the last axis; ±inf where unbounded.

    The interval excludes 0 exactly where ``p_value`` is at most 1 − ``level``. How far apart two failed runs lie is not
    known: they tie in the estimate and are unbounded in the interval, so arms that only fail show no equivalence.
    """
    ordered, lowest, highest = (np.sort(_differences(a, b, tie), axis=-1) for tie in (0.0, -np.inf, np.inf))
    size = ordered.shape[-1]
    k = int((_cumulative(a.shape[-1], b.shape[-1]) <= (1 - level) / 2 * (1 + 1e-12)).sum())
    unbounded = np.full(ordered.shape[:-1], np.inf)
    low, high = (lowest[..., k - 1], highest[..., size - k]) if k else (-unbounded, unbounded)
    with np.errstate(invalid="ignore"):
        middle = ordered[..., (size - 1) // 2], ordered[..., size // 2]
        estimate = np.where(middle[0] == middle[1], middle[0], (middle[0] + middle[1]) / 2)
    return np.nan_to_num(estimate, nan=0.0, posinf=np.inf, neginf=-np.inf), low, high


def p_value(a: np.ndarray, b: np.ndarray) -> float:
    """Two-sided p-value in (0, 1] of no difference between runs a (m,) and b (n,)."""
    differences = _differences(a, b)
    wins = max((differences > 0).sum(), (differences < 0).sum())
    return float(min(1.0, 2 * _cumulative(len(a), len(b))[differences.size - wins]))


def seeds_needed(a: np.ndarray, b: np.ndarray, level: float) -> int | None:
    """Runs of each arm at which the test would decide with probability POWER, if a run of a beats one of b as often as
    it did here (Noether 1987, a little too many); at least as many as a decision takes. None above MOST_SEEDS.
    """
    differences = _differences(a, b)
    excess = abs(((differences > 0).mean() + (differences >= 0).mean()) / 2 - 0.5)
    fewest = next(n for n in range(1, 99) if 2 / math.comb(2 * n, n) <= 1 - level)
    least = max(fewest, min(len(a), len(b)) + 1)
    quantiles = stats.norm.ppf((1 + level) / 2) + stats.norm.ppf(POWER)
    if excess == 0.5:  # every run of one beats every run of the other
        return least
    needed = math.ceil(quantiles**2 / (6 * excess**2)) if excess else MOST_SEEDS + 1
    return None if needed > MOST_SEEDS else max(needed, least)


def _differences(a: np.ndarray, b: np.ndarray, tie: float = 0.0) -> np.ndarray:
    """All b − a (…, m·n); ``tie`` where both failed."""
    a, b = np.broadcast_arrays(a[..., :, None], b[..., None, :])
    differences = np.full(a.shape, tie)
    np.subtract(b, a, out=differences, where=np.isfinite(a) | np.isfinite(b))
    return differences.reshape(*a.shape[:-2], -1)


@functools.cache
def _cumulative(m: int, n: int) -> np.ndarray:
    """P(U ≤ u) for u = 0 … m·n of Mann and Whitney's U without ties: Gaussian binomial coefficients."""
    counts = np.zeros(m * n + 1)
    counts[0] = 1
    for i in range(1, m + 1):  # times (1 − q^(n + i)) / (1 − q^i)
        counts[n + i :] -= counts[: max(len(counts) - n - i, 0)].copy()
        for u in range(i, len(counts)):
            counts[u] += counts[u - i]
    return np.cumsum(counts) / math.comb(m + n, n)
