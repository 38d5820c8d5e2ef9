"""How often an interval holds the truth, by simulation: why ``intervals`` uses Student's bounds of the IQM."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from gancompare.verdicts.intervals import BOUNDS, KINDS, MIN_SEEDS, Rng, interval_ends, require


def simulated_coverage(
    bounds: str, n: int, diverged_share: float = 0.0, *, kind="iqm", level=0.95, studies=2000, rng: Rng = None
) -> tuple[float, float]:
    """(covered, finite): shares of simulated studies whose interval of n ≥ 3 runs holds the truth, and is finite.

    Runs are standard normal, except that ``diverged_share`` in [0, 0.25) of them are +inf. The truth is the IQM or mean
    of that mixture; its mean is infinite. The Monte-Carlo error is √(c(1−c)/studies). Without ``rng`` the seed is 0.
    """
    require(0 <= diverged_share < 0.25, f"diverged_share must lie in [0, 0.25), got {diverged_share}")
    require(n >= MIN_SEEDS, f"n must be at least {MIN_SEEDS}, got {n}")
    rng = np.random.default_rng(0) if rng is None else rng
    values = rng.standard_normal((studies, n))
    values[rng.random((studies, n)) < diverged_share] = np.inf
    z = stats.norm.ppf(np.array([0.25, 0.75]) / (1 - diverged_share))  # IQM: 2 ∫ F⁻¹(u) du over the middle half
    truth = 2 * (1 - diverged_share) * (stats.norm.pdf(z[0]) - stats.norm.pdf(z[1]))
    truth = truth if kind == "iqm" else np.inf if diverged_share else 0.0
    _, low, high = interval_ends(values, level, kind=kind, bounds=bounds, rng=rng, resamples=999)
    finite = np.isfinite(low) & np.isfinite(high)
    return float(np.mean((low <= truth) & (truth <= high))), float(np.mean(finite))


def coverage_table(seeds: Sequence[int] = (3, 5, 10), shares: Sequence[float] = (0, 0.1), studies=2000) -> pd.DataFrame:
    """``simulated_coverage`` at 95 %: a row per (kind, bounds), a column per (share diverged, n); in brackets the share
    of studies with finite bounds, where it is not all."""
    table: dict = {}
    for kind, bounds, share, n in itertools.product(KINDS, BOUNDS, shares, seeds):
        covered, finite = simulated_coverage(bounds, n, share, kind=kind, studies=studies, rng=np.random.default_rng(n))
        cell = f"{covered:.2f}" + f" ({finite:.2f})" * (finite < 1)
        table.setdefault((kind, bounds), {})[f"{share:.0%} diverged", f"n = {n}"] = cell
    return pd.DataFrame(table).T.rename_axis(index=["kind", "bounds"])
