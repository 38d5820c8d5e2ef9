"""How often intervals hold the truth and words are wrong or right, by simulation."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from gancompare.verdicts import ranks
from gancompare.verdicts.intervals import BOUNDS, KINDS, MIN_SEEDS, Rng, interval_ends, require
from gancompare.verdicts.words import CONTRADICTED, DECIDED, FD, NO_DIFFERENCE, SUPPORTED, UNDECIDED, word_of


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


# ---- words -----------------------------------------------------------------------------------------------------------


def simulated_words(
    ratio: float, n: int, *, spread=0.2, failing: tuple[float, float] = (0.0, 0.0), studies=1000, rng: Rng = None
) -> np.ndarray:
    """The word (studies,) of "a has the lower FD" in simulated studies of ``n`` seeds whose true FD ratio b / a is
    ``ratio``, by the rule of three extractors at 95 %.

    Log FD is normal, with standard deviation ``spread`` over seeds. A quarter of its variance is the seed's, the same
    for both arms, a half is the run's, the same for all extractors, and a quarter is each extractor's. ``failing``:
    shares of runs of a and of b that fail. Without ``rng`` the seed is 0.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    of_seed, of_run, of_extractor = ((studies, 1, 1, n), (studies, 2, 1, n), (studies, 2, 3, n))
    parts = [
        share**0.5 * rng.standard_normal(shape)
        for share, shape in ((0.25, of_seed), (0.5, of_run), (0.25, of_extractor))
    ]
    fd = spread * sum(parts)
    fd[:, 1] += np.log(ratio)
    lost = rng.random((studies, 2, 1, n)) < np.reshape(failing, (2, 1, 1))
    fd = np.where(lost, np.inf, fd)
    words = np.stack([_words_of(fd[:, 0, i], fd[:, 1, i]) for i in range(3)])
    decided = np.isin(words, DECIDED)
    others = decided[1:] & (words[1:] != words[0])
    agreeing = decided[1:] & (words[1:] == words[0])
    return np.where(decided[0] & agreeing.any(axis=0) & ~others.any(axis=0), words[0], UNDECIDED)


def _words_of(a: np.ndarray, b: np.ndarray, level: float = 0.95) -> np.ndarray:
    """The word of each study from log FDs a and b (studies, n): Student's interval, or by ranks where a run failed."""
    with np.errstate(invalid="ignore"):
        _, low, high = interval_ends(b - a, level, kind="mean", bounds="t")
    _, rank_low, rank_high = ranks.shift(a, b, level)
    failed = ~np.isfinite(a + b).all(axis=-1)
    ends = np.where(failed, rank_low, low), np.where(failed, rank_high, high)
    return word_of(*ends, margin=FD.margin)


Truth = tuple[float, tuple[float, float], tuple[str, ...]]  # ratio, shares failing, words that are counted
WRONG: dict[str, Truth] = {
    "no difference": (1.0, (0.0, 0.0), (SUPPORTED, CONTRADICTED)),
    "no difference, 20 % of runs fail": (1.0, (0.2, 0.2), (SUPPORTED, CONTRADICTED)),
    "1.1×": (1.1, (0.0, 0.0), (NO_DIFFERENCE, CONTRADICTED)),
}
RIGHT: dict[str, Truth] = {
    "1.3×": (1.3, (0.0, 0.0), (SUPPORTED,)),
    "2×": (2.0, (0.0, 0.0), (SUPPORTED,)),
    "2×, 20 % of runs of the worse arm fail": (2.0, (0.0, 0.2), (SUPPORTED,)),
    "2×, all runs of the worse arm fail": (2.0, (0.0, 1.0), (SUPPORTED,)),
    "no difference": (1.0, (0.0, 0.0), (NO_DIFFERENCE,)),
}


def error_table(seeds: Sequence[int] = (3, 5, 10), studies=1000, *, spread=0.2) -> pd.DataFrame:
    """Shares of simulated studies that get a wrong word: a row per truth, a column per number of seeds.

    Without a difference a direction is wrong (in at most 5 %); at 1.1×, the smallest effect of interest, "no
    difference" and the opposite direction are (in at most 5 %).
    """
    return _shares_of(WRONG, seeds, studies, spread=spread)


def power_table(seeds: Sequence[int] = (3, 5, 10), studies=1000, *, spread=0.2) -> pd.DataFrame:
    """Shares of simulated studies that get the right word: a row per truth, a column per number of seeds."""
    return _shares_of(RIGHT, seeds, studies, spread=spread)


def words_table(seeds: Sequence[int] = (3, 5, 10), studies=1000, *, spread=0.2) -> pd.DataFrame:
    """``error_table`` above ``power_table``."""
    parts = [table(seeds, studies, spread=spread) for table in (error_table, power_table)]
    return pd.concat(parts, keys=["wrong word", "right word"], names=["word"])


def _shares_of(truths: dict[str, Truth], seeds: Sequence[int], studies: int, *, spread: float) -> pd.DataFrame:
    table: dict[str, dict] = {truth: {} for truth in truths}
    for (truth, (ratio, failing, counted)), n in itertools.product(truths.items(), seeds):
        options = {"spread": spread, "failing": failing, "studies": studies, "rng": np.random.default_rng(n)}
        table[truth][f"n = {n}"] = float(np.isin(simulated_words(ratio, n, **options), counted).mean())
    return pd.DataFrame(table).T.rename_axis(index="truth")
