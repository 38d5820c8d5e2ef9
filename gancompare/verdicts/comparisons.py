"""Which arm beats which, and when that may be said. The rules, fixed before any result:

- Effects are positive (ratios above 1) in the direction of the statement. Arms are compared seed by seed, by Student's
  interval of the mean; of logarithms where the effect is a ratio.
- A run that diverged or collapsed (``finals.failed``) is worse than any other and is never dropped. Where any run of a
  comparison failed, it is made by ranks (``ranks``).
- A ranking by image features needs the primary extractor decided, one other that agrees, and none that is decided
  otherwise.
- Several intervals of one statement share its error (Bonferroni).
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
from scipy import stats

from gancompare.arms import name
from gancompare.verdicts import ranks
from gancompare.verdicts.intervals import MIN_SEEDS, Interval
from gancompare.verdicts.words import DECIDED, FD, UNDECIDED, Finding, Scale, judge, missing, seeds_needed

Values = Mapping[str, Mapping[int, float]]  # arm → seed → value; inf: the run failed, absent: not measured
LABELS = {"generator_steps": "generator steps", "images_seen": "real images", "seconds": "seconds"}  # of clocks


def compare(values: Values, ours: str, theirs: str, scale: Scale = FD, *, level: float = 0.95) -> Finding:
    """By how much ``ours`` beats ``theirs``: theirs / ours if less is better, ours / theirs if more is."""
    lacking = [name(arm) for arm in (ours, theirs) if not values.get(arm)]
    if lacking:
        return missing(f"no {scale.label} of {' and '.join(lacking)}")
    first, second = (ours, theirs) if not scale.lower else (theirs, ours)
    phrase = f"{name(first)}'s {scale.label} is {{}} that of {name(second)}"
    if not scale.ratio:
        phrase = f"the {scale.label} of {name(first)} minus that of {name(second)} is {{}}"
    failures = describe_failures(values, ours, theirs)
    finding = (by_ranks if failures else by_seed)(values, ours, theirs, scale, level=level)
    return replace(finding, phrase=phrase).with_note(failures)


def by_seed(values: Values, ours: str, theirs: str, scale: Scale, *, level: float) -> Finding:
    """The mean over the seeds that both have, with Student's interval."""
    seeds = sorted(values[ours].keys() & values[theirs].keys())
    a, b = (_units([values[arm][seed] for seed in seeds], scale) for arm in (ours, theirs))
    return judge_mean(b - a, scale, level=level)


def by_ranks(values: Values, ours: str, theirs: str, scale: Scale, *, level: float) -> Finding:
    """The median ratio or difference over all pairs of runs, with the interval that the exact rank-sum test inverts."""
    a, b = (_units([*values[arm].values()], scale) for arm in (ours, theirs))
    n = min(len(a), len(b))
    if n < MIN_SEEDS:
        return judge(Interval(math.nan, math.nan, math.nan, n), scale)
    effect = Interval(*map(float, ranks.shift(a, b, level)), n)
    finding = judge(effect, scale, p=ranks.p_value(a, b), needed=partial(ranks.seeds_needed, a, b, level))
    return finding.with_note("compared by ranks")


def judge_mean(effects: np.ndarray, scale: Scale, *, level: float) -> Finding:
    """The finding of one effect per seed (n,), finite, in the units of ``scale``."""
    n = len(effects)
    estimate = float(effects.mean()) if n else math.nan
    if n < MIN_SEEDS:
        return judge(Interval(estimate, math.nan, math.nan, n), scale)
    if np.ptp(effects) <= 1e-9 * (1 + np.abs(effects).max()):
        return _without_spread(effects, scale, level=level)
    test = stats.ttest_1samp(effects, scale.threshold)
    ends = stats.ttest_1samp(effects, 0).confidence_interval(level)
    effect = Interval(estimate, float(ends.low), float(ends.high), n)
    needed = partial(seeds_needed, estimate, float(effects.std(ddof=1)), scale, n=n, level=level)
    return judge(effect, scale, p=float(test.pvalue), needed=needed)


def _without_spread(effects: np.ndarray, scale: Scale, *, level: float) -> Finding:
    """Student's t takes equal effects, common where values are counts, for certainty; the sign test does not."""
    n, estimate = len(effects), float(effects.mean())
    chance = 2.0 ** (1 - n)  # that n signs are all the same; where it is small, the interval of the median has ends
    ends = (estimate, estimate) if chance <= 1 - level else (-math.inf, math.inf)
    seeds = 1 - math.floor(math.log2(1 - level))  # 2 / 2ⁿ ≤ 1 − level
    finding = judge(Interval(estimate, *ends, n), scale, p=chance if estimate else 1.0, needed=lambda: seeds)
    note = "differences without spread: too few seeds for an interval"
    return finding.with_note(note) if finding.word == UNDECIDED else finding


def compare_by_all(
    by_extractor: Mapping[str, Values], ours: str, theirs: str, scale: Scale = FD, *, level: float = 0.95
) -> Finding:
    """``compare`` by the first (primary) extractor, decided only if another says the same and none says otherwise.

    ``by_extractor``: name of an extractor → values. Words that are decided and differ contradict each other: "no
    difference" by one extractor is no support for a difference by another.
    """
    if not by_extractor:
        return missing(f"no {scale.label} was measured")
    findings = {key: compare(values, ours, theirs, scale, level=level) for key, values in by_extractor.items()}
    words = {key: finding.word for key, finding in findings.items()}
    (primary, finding), *_ = findings.items()
    finding = replace(finding, words=words)
    if finding.word not in DECIDED:
        return finding
    others = {key: word for key, word in words.items() if key != primary and word in DECIDED}
    against = [f"{key} says {word}" for key, word in others.items() if word != finding.word]
    if against:
        return finding.but(UNDECIDED, f"extractors disagree: {primary} says {finding.word}, {', '.join(against)}")
    if not others:
        alone = "no other extractor is decided" if len(words) > 1 else "there is only one extractor"
        return finding.but(UNDECIDED, f"by {primary} alone {finding.word}, but {alone}")
    return finding


def _units(values: list[float], scale: Scale) -> np.ndarray:
    """Values so that less is better, in logarithms if the effect is a ratio; +inf for failed runs."""
    array = np.asarray(values, float)
    units = np.log(np.maximum(array, 1e-12)) if scale.ratio else array  # log 0 = −inf would read as diverged
    return np.where(np.isfinite(array), units if scale.lower else -units, np.inf)


def shared_level(level: float, parts: int) -> float:
    """The level of each of ``parts`` intervals at which all hold at once with ``level`` (Bonferroni)."""
    return 1 - (1 - level) / parts


def describe_failures(values: Values, *arms: str) -> str:
    """ "1 of 3 GAN runs diverged or collapsed", for each of the arms that has any; or ""."""
    counts = {arm: sum(not math.isfinite(value) for value in values.get(arm, {}).values()) for arm in arms}
    texts = [f"{k} of {len(values[arm])} {name(arm)} runs diverged or collapsed" for arm, k in counts.items() if k]
    return "; ".join(texts)
