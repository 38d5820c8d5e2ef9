"""A quantity over the checkpoints of a run: does it move with another, does it fall back, does it swing?"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from gancompare.verdicts.intervals import require


def spearman_within(x: ArrayLike, y: ArrayLike) -> tuple[float, float]:
    """Spearman's ρ in [−1, 1] of two quantities over the checkpoints of one run, and ρ of their changes from one
    checkpoint to the next: two trends always correlate, so the second says more.

    Checkpoints where either is not finite are left out. NaN below 3 checkpoints or if a quantity is constant.
    """
    x, y = _series(x, "x"), _series(y, "y")
    require(len(x) == len(y), f"x and y must have the same checkpoints, got {len(x)} and {len(y)}")
    levels = np.stack([x, y])[:, np.isfinite(x) & np.isfinite(y)]

    def rho(pair: np.ndarray) -> float:
        defined = pair.shape[1] >= 3 and np.ptp(pair, axis=1).all()
        return float(stats.spearmanr(*pair).statistic) if defined else np.nan

    return rho(levels), rho(np.diff(levels))


def rebound(series: ArrayLike) -> float:
    """final / minimum − 1 of a positive metric over checkpoints: 1 if it ends at twice its best; inf if not finite."""
    values = _series(series, "series", positive=True)
    return float(values[-1] / values[np.isfinite(values)].min() - 1) if np.isfinite(values[-1]) else np.inf


def oscillation(series: ArrayLike) -> float:
    """Back-and-forth of a positive metric in log units per step: the smaller of all rises and all falls of its log over
    the number of steps. 0 if it only falls or only rises, 0.1 if it worsens and recovers by some 10 % per step; inf if
    a value is not finite, NaN for a single value.
    """
    values = _series(series, "series", positive=True)
    if not np.isfinite(values).all():
        return np.inf
    steps = np.diff(np.log(values))
    return float(min(steps.clip(min=0).sum(), -steps.clip(max=0).sum()) / len(steps)) if len(steps) else np.nan


def _series(values: ArrayLike, name: str, positive: bool = False) -> np.ndarray:
    array = np.asarray(values, float)
    require(array.ndim == 1 and len(array), f"{name} must hold one number per checkpoint, got shape {array.shape}")
    require(not positive or not (array <= 0).any(), f"{name} must be positive, got {values}")
    return array
