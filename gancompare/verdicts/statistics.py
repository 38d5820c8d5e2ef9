"""From one number per seed to an interval, and from an interval to a word; scipy underneath.

Functions take an array with one number per run, in the metric's units, smaller is better unless ``lower_is_better`` is
False. NaN and ±inf mark a diverged run: it is worse than any finite one and never dropped. What is random takes a
``numpy.random.Generator``; no default is random. Errors are ValueErrors that name the argument and its value.
"""

import functools
import itertools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import optimize, stats

MIN_SEEDS = 3  # below it there is no interval
RESAMPLES = 9999  # of a bootstrap, and of a sign-flip test of more than 15 pairs
KINDS = ("iqm", "mean")
# "t" is the default: only its 95 % intervals cover 95 % from 3 seeds on; bootstraps of 3 cover 72-75 %. If 10 % of runs
# diverge, its IQM still does, with finite bounds in 92 % of studies of 5 or 10 (bootstraps: 60 and 36 %); no interval
# of the mean copes with those. Skewed data (lognormal, σ = 1) cost it about 2 points. See coverage_table().
METHODS = ("t", "percentile", "bca")
Rng = np.random.Generator | None


@dataclass(frozen=True)
class Interval:
    """An estimate from n runs with its confidence bounds: NaN if there are none, ±inf if nothing is excluded there."""

    estimate: float
    low: float
    high: float
    n: int
    note: str = ""  # what a reader must know beside the numbers


class Paired(NamedTuple):
    """The advantage of a over b, its p-value in [0, 1], and how many pairs a won, tied and lost."""

    advantage: Interval
    p_value: float
    wins: int
    ties: int
    losses: int


def interval(values: ArrayLike, level=0.95, kind="iqm", method="t", lower_is_better=True, rng: Rng = None) -> Interval:
    """Confidence interval of the mean or interquartile mean (IQM) over seeds; values (n,).

    The IQM leaves out the ⌊n/4⌋ smallest and largest runs (as rliable does; at n = 3 it is the mean), so it is finite
    unless more diverged. "t" is Student's, for the IQM Tukey & McLaughlin's (1963) with the winsorised standard error;
    the bootstraps "percentile" and "bca" need ``rng``. Where a method gives no bounds (an infinite estimate), the exact
    interval of the median stands in: without bounds below n = 6. NaN bounds below MIN_SEEDS.
    """
    runs = _costs(values, "values", lower_is_better) * (1 if lower_is_better else -1)
    return Interval(*map(float, _bounds(runs, level, kind, method, rng)), len(runs), _note(runs))


def coverage(method: str, n: int, diverged_share=0.0, rng: Rng = None, studies=2000, kind="iqm", level=0.95) -> tuple:
    """(covered, finite): shares of simulated studies whose interval of n ≥ 3 runs holds the truth, and is finite.

    Runs are standard normal, but for ``diverged_share`` in [0, 0.25) of them, which are +inf. The truth is the IQM or
    mean of that mixture; the mean is then infinite. Monte-Carlo error √(c(1−c)/studies). Without ``rng``: seed 0.
    """
    _require(0 <= diverged_share < 0.25, f"diverged_share must lie in [0, 0.25), got {diverged_share}")
    _require(n >= MIN_SEEDS, f"n must be at least {MIN_SEEDS}, got {n}")
    rng = np.random.default_rng(0) if rng is None else rng
    values = rng.standard_normal((studies, n))
    values[rng.random((studies, n)) < diverged_share] = np.inf
    z = stats.norm.ppf(np.array([0.25, 0.75]) / (1 - diverged_share))  # IQM: 2 ∫ F⁻¹(u) du over the middle half
    truth = 2 * (1 - diverged_share) * (stats.norm.pdf(z[0]) - stats.norm.pdf(z[1]))
    truth = truth if kind == "iqm" else np.inf if diverged_share else 0.0
    _, low, high = _bounds(values, level, kind, method, rng, resamples=999)
    finite = np.isfinite(low) & np.isfinite(high)
    return float(np.mean((low <= truth) & (truth <= high))), float(np.mean(finite))


def coverage_table(seeds: Sequence[int] = (3, 5, 10), shares: Sequence[float] = (0, 0.1), studies=2000) -> pd.DataFrame:
    """``coverage`` of each (kind, method) by (share diverged, n) at 95 %; in brackets the share with finite bounds."""
    table: dict = {}
    for kind, method, share, n in itertools.product(KINDS, METHODS, shares, seeds):
        covered, finite = coverage(method, n, share, np.random.default_rng(n), studies, kind)
        cell = f"{covered:.2f}" + f" ({finite:.2f})" * (finite < 1)
        table.setdefault((kind, method), {})[f"{share:.0%} diverged", f"n = {n}"] = cell
    return pd.DataFrame(table).T.rename_axis(index=["kind", "method"])


def paired_difference(
    a: ArrayLike, b: ArrayLike, level=0.95, kind="iqm", lower_is_better=True, rng: Rng = None
) -> Paired:
    """By how much a beats b seed by seed; a and b (n,), the same seed at the same index. Swapped, all signs flip.

    The advantage in a pair is b − a (a − b if higher is better): positive favours a. A diverged run loses to a finite
    one by an infinite advantage, two diverged runs tie at 0; the interval is ``interval``'s "t" over pairs. The
    two-sided p-value flips all 2ⁿ signs (RESAMPLES random ones beyond 15 pairs, with ``rng``) of the mean, or of
    Wilcoxon's signed ranks if an advantage is infinite; it cannot be below 2/2ⁿ (0.25 at n = 3).
    """
    a, b = _costs(a, "a", lower_is_better), _costs(b, "b", lower_is_better)
    _require(len(a) == len(b), f"a and b must hold the same seeds, got {len(a)} and {len(b)} runs")
    advantage = np.zeros(len(a))
    np.subtract(b, a, out=advantage, where=np.isfinite(a) | np.isfinite(b))
    wins, losses = int((advantage > 0).sum()), int((advantage < 0).sum())
    p_value = _sign_flip(advantage, rng) if len(a) >= MIN_SEEDS else np.nan
    found = Interval(*map(float, _bounds(advantage, level, kind, "t")), len(a), _note(a, b))
    return Paired(found, p_value, wins, len(a) - wins - losses, losses)


def probability_of_improvement(a: ArrayLike, b: ArrayLike, level=0.95, lower_is_better=True) -> Interval:
    """P(a run of a beats a run of b) + ½ P(tie), in [0, 1], over all pairs; a (m,), b (n,). Two diverged runs tie.

    Newcombe's method 5 (2006): Hanley & McNeil's variance solved for the probability, with Student's t of m + n − 2
    degrees of freedom. It covers ≥ 95 % for m = n ≥ 3, but 91 % if the method with half as many runs spreads 3 times as
    much. (rliable's bootstrap gives [1, 1] if a wins every pair: chance 1 in 20 at n = 3.) ``verdict`` wants 0.5.
    """
    a, b = _costs(a, "a", lower_is_better), _costs(b, "b", lower_is_better)
    _require(0 < level < 1, f"level must lie in (0, 1), got {level}")
    m, n = len(a), len(b)
    estimate = float((a[:, None] < b).mean() + (a[:, None] <= b).mean()) / 2 if m * n else np.nan
    if min(m, n) < MIN_SEEDS:
        return Interval(estimate, np.nan, np.nan, min(m, n), _note(a, b))
    quantile = _t_quantile(m + n - 1, level, "mean")

    def excess(q: float, p: float) -> float:
        variance = q * (1 - q) / (m * n) * (1 + ((m + n) / 2 - 1) * ((1 - q) / (2 - q) + q / (1 + q)))
        return p - q - quantile * variance**0.5

    low, high = (optimize.brentq(excess, 0, min(p, 1 - 1e-9), (p,)) if p else 0.0 for p in (estimate, 1 - estimate))
    return Interval(estimate, float(low), float(1 - high), min(m, n), _note(a, b))


def failure_rate(k: int, n: int, level=0.95, method="wilson") -> Interval:
    """The share k/n of runs that failed, in [0, 1], with Wilson's or ("exact") Clopper & Pearson's interval."""
    _require(0 < level < 1, f"level must lie in (0, 1), got {level}")
    _require(0 <= k <= n, f"k must lie in [0, n = {n}], got {k}")
    _require(method in ("wilson", "exact"), f"method must be 'wilson' or 'exact', got {method!r}")
    if n == 0:
        return Interval(np.nan, np.nan, np.nan, 0, "no runs")
    low, high = stats.binomtest(k, n).proportion_ci(level, method)
    return Interval(k / n, float(low), float(high), n)


def performance_profile(
    values_by_task: Mapping[str, ArrayLike], thresholds: ArrayLike, lower_is_better=True
) -> np.ndarray:
    """Share (T,) of runs at least as good as each of T thresholds, averaged over tasks (Agarwal et al. 2021, §4.2).

    One array of runs per task, in units in which a threshold means the same for each. Diverged runs reach none.
    """
    _require(len(values_by_task) > 0, f"values_by_task must hold a task, got {values_by_task}")
    limits, shares = np.asarray(thresholds, float) * (1 if lower_is_better else -1), []
    for task, values in values_by_task.items():
        costs = _costs(values, f"values_by_task[{task!r}]", lower_is_better)[:, None]
        _require(len(costs) > 0, f"values_by_task[{task!r}] must hold runs, got {values}")
        shares.append(((costs <= limits) & np.isfinite(costs)).mean(axis=0))
    return np.mean(shares, axis=0)


def verdict(effect: Interval | None, smallest_effect_of_interest: float = 0.0) -> str:
    """The word for the claim "the effect exceeds ``smallest_effect_of_interest``"; nothing else chooses words.

    "supported" or "contradicted" if the whole interval lies above or below it, "inconclusive" if it lies inside or at
    an end, "not tested" without an interval. Effects are positive in the direction of the claim.
    """
    if effect is None or np.isnan(effect.low) or np.isnan(effect.high):
        return "not tested"
    if effect.low > smallest_effect_of_interest:
        return "supported"
    return "contradicted" if effect.high < smallest_effect_of_interest else "inconclusive"


def holm(p_values: ArrayLike) -> np.ndarray:
    """p-values (m,) adjusted for m comparisons (Holm 1979): the largest (m − rank + 1) p so far, at most 1."""
    p = np.asarray(p_values, float)
    _require(np.all((p >= 0) & (p <= 1)), f"p_values must lie in [0, 1], got {p_values}")
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(np.arange(len(p), 0, -1) * p[order]).clip(max=1)
    return adjusted[np.argsort(order)]


def spearman_within(x: ArrayLike, y: ArrayLike) -> tuple[float, float]:
    """Spearman's ρ in [−1, 1] of two quantities over the checkpoints of one run, and ρ of their changes from one to the
    next: two trends always correlate. Checkpoints where either is not finite are left out; NaN below 3 or if constant.
    """
    x, y = _series(x, "x"), _series(y, "y")
    _require(len(x) == len(y), f"x and y must have the same checkpoints, got {len(x)} and {len(y)}")
    levels = np.stack([x, y])[:, np.isfinite(x) & np.isfinite(y)]

    def rho(pair: np.ndarray) -> float:
        defined = pair.shape[1] >= 3 and np.ptp(pair, axis=1).all()
        return float(stats.spearmanr(*pair).statistic) if defined else np.nan

    return rho(levels), rho(np.diff(levels))


def spearman_over_runs(runs: Sequence[tuple], rng: Rng = None, level=0.95, method="t") -> tuple[Interval, Interval]:
    """Means over runs of the two ρ of ``spearman_within``, with ``interval`` over runs, as checkpoints of a run are
    not independent; bounds cut to [−1, 1]. A run without a ρ (too short, constant) counts as 0: it showed none."""

    def over(rho: np.ndarray) -> Interval:
        found, missing = interval(np.nan_to_num(rho), level, "mean", method, rng=rng), int(np.isnan(rho).sum())
        note = "; ".join(filter(None, [found.note, f"{missing} without a correlation count as 0" * bool(missing)]))
        return Interval(found.estimate, *np.clip([found.low, found.high], -1, 1).tolist(), found.n, note)

    levels, changes = np.array([spearman_within(x, y) for x, y in runs], float).reshape(-1, 2).T
    return over(levels), over(changes)


def rebound(series: ArrayLike) -> float:
    """final / minimum − 1 of a positive metric over checkpoints: 1 if it ends at twice its best; inf if not finite."""
    values = _series(series, "series", positive=True)
    return float(values[-1] / values[np.isfinite(values)].min() - 1) if np.isfinite(values[-1]) else np.inf


def oscillation(series: ArrayLike) -> float:
    """Back-and-forth of a positive metric in log units per step: the smaller of all rises and all falls of its log over
    the number of steps. 0 if it only falls or only rises, 0.1 if it worsens and recovers by some 10 % per step; inf if
    a value is not finite, NaN for a single value."""
    values = _series(series, "series", positive=True)
    if not np.isfinite(values).all():
        return np.inf
    steps = np.diff(np.log(values))
    return float(min(steps.clip(min=0).sum(), -steps.clip(max=0).sum()) / len(steps)) if len(steps) else np.nan


def diverged(series: ArrayLike, threshold: float) -> bool:
    """Whether a metric over checkpoints, smaller is better, ended not finite or above ``threshold``."""
    final = _series(series, "series")[-1]
    return bool(not np.isfinite(final) or final > threshold)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _series(values: ArrayLike, name: str, positive: bool = False) -> np.ndarray:
    array = np.asarray(values, float)
    _require(array.ndim == 1 and len(array), f"{name} must hold one number per checkpoint, got shape {array.shape}")
    _require(not positive or not (array <= 0).any(), f"{name} must be positive, got {values}")
    return array


def _costs(values: ArrayLike, name: str, lower_is_better: bool) -> np.ndarray:
    array = np.asarray(values, float)
    _require(array.ndim == 1, f"{name} must hold one number per run, got shape {array.shape}")
    return np.where(np.isfinite(array), array if lower_is_better else -array, np.inf)  # (n,), smaller is better


def _note(*arms: np.ndarray) -> str:
    n, failed = min(map(len, arms)), [int(np.isinf(runs).sum()) for runs in arms]
    counts = " and ".join(f"{k} of {len(runs)}" for k, runs in zip(failed, arms, strict=True))
    few = f"not enough seeds: {n} of at least {MIN_SEEDS}"
    return "; ".join([few] * (n < MIN_SEEDS) + [f"{counts} runs diverged"] * any(failed))


def _centre(values: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean or IQM over the last axis (where +inf and −inf would cancel, the median, NaN if they meet there), and its
    standard error √(Σ(w − w̄)² / (h(h − 1))), w winsorised, h runs not cut: NaN where an end of w is infinite."""
    n = values.shape[-1]
    cut = n // 4 if kind == "iqm" else 0
    inner, ordered = n - 2 * cut, np.sort(values, axis=-1)
    kept = ordered[..., cut : n - cut]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = kept.mean(axis=-1)
        winsorised = np.clip(ordered, kept[..., :1], kept[..., -1:])
        error = np.sqrt(winsorised.var(axis=-1) * n / (inner * (inner - 1.0)))
        mean = np.where(np.isnan(mean), np.median(kept, axis=-1), mean) if np.isnan(mean).any() else mean
    return mean, error


@functools.cache
def _t_quantile(n: int, level: float, kind: str) -> float:
    """Student's quantile for the mean; for the IQM its own under normality, simulated with a fixed seed, as Student's
    with n − 2⌊n/4⌋ − 1 degrees of freedom, the usual approximation, errs in up to 6.5 % of studies instead of 5 %."""
    if kind == "mean" or n < 4:
        return float(stats.t.ppf((1 + level) / 2, n - 1))
    centre, error = _centre(np.random.default_rng(0).standard_normal((max(2_000_000 // n, 1), n)), kind)
    return float(np.quantile(np.abs(centre) / error, level))


def _bounds(values: np.ndarray, level, kind, method, rng: Rng = None, resamples=RESAMPLES) -> tuple[np.ndarray, ...]:
    """Estimate, low and high over the last axis of (…, n) values, for one study or for thousands at once."""
    _require(0 < level < 1, f"level must lie in (0, 1), got {level}")
    _require(kind in KINDS, f"kind must be one of {KINDS}, got {kind!r}")
    _require(method in METHODS, f"method must be one of {METHODS}, got {method!r}")
    n = values.shape[-1]
    if n < MIN_SEEDS:
        return _centre(values, kind)[0] if n else np.array(np.nan), np.array(np.nan), np.array(np.nan)
    estimate, error = _centre(values, kind)
    if method == "t":
        low, high = estimate - _t_quantile(n, level, kind) * error, estimate + _t_quantile(n, level, kind) * error
    else:
        _require(rng is not None, f"rng must be a numpy.random.Generator for method {method!r}, got None")
        statistic = np.mean if kind == "mean" else functools.partial(stats.trim_mean, proportiontocut=0.25)
        huge = 1e60 * (1 + np.abs(values[np.isfinite(values)]).max(initial=0))  # inf − inf would spoil the quantiles
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # identical runs have no BCa bounds: the median's stand in below
            finite = np.nan_to_num(values, posinf=huge, neginf=-huge)
            ends = stats.bootstrap(
                (finite,), statistic, axis=-1, vectorized=True, rng=rng,
                n_resamples=resamples, batch=max(1, 2**21 // values.size), confidence_level=level,
                method={"bca": "BCa"}.get(method, method),
            ).confidence_interval  # fmt: skip
        low, high = (np.where(np.abs(end) > huge / 1e20, np.copysign(np.inf, end), end) for end in ends)
    unknown = np.isnan(low) | np.isnan(high)
    if unknown.any():
        rank, ordered = int(stats.binom.ppf((1 - level) / 2, n, 0.5)), np.sort(values, axis=-1)
        median = (ordered[..., rank - 1], ordered[..., n - rank]) if rank else (-np.inf, np.inf)
        low = np.where(unknown, np.fmin(median[0], estimate), low)
        high = np.where(unknown, np.fmax(median[1], estimate), high)
    return estimate, low, high


def _sign_flip(advantage: np.ndarray, rng: Rng) -> float:
    n, size = len(advantage), np.abs(advantage)
    _require(n <= 15 or rng is not None, f"rng must be a numpy.random.Generator beyond 15 pairs, got None for {n}")
    score = np.sign(advantage) * (size if np.isfinite(size).all() else stats.rankdata(size))
    signs = np.array(np.meshgrid(*[[-1, 1]] * n)).reshape(n, -1) if n <= 15 else rng.choice([-1, 1], (n, RESAMPLES))
    reached = np.abs(score @ signs) >= abs(score.sum()) - 1e-9 * np.abs(score).sum()  # ties up to rounding
    return float(reached.mean() if n <= 15 else (reached.sum() + 1) / (RESAMPLES + 1))
