"""Statements about stability over seeds and in training: functions (evidence, claim, level) → finding."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
from scipy import stats

from gancompare.arms import name
from gancompare.verdicts.comparisons import by_ranks, compare_by_all, describe_failures
from gancompare.verdicts.curves import rebound
from gancompare.verdicts.differences import spread_ratio
from gancompare.verdicts.evidence import Evidence
from gancompare.verdicts.intervals import too_few
from gancompare.verdicts.shares import proportion_difference
from gancompare.verdicts.statement import Claim
from gancompare.verdicts.words import (
    CONTRADICTED,
    MOST_SEEDS,
    NO_DIFFERENCE,
    SUPPORTED,
    UNDECIDED,
    Finding,
    Scale,
    judge,
    missing,
    seeds_needed,
)

SPREAD = Scale("standard deviation of final log FD over seeds")
REBOUND = Scale("final / lowest FD")
FAILURES = Scale("share of failed runs", ratio=False, smallest=0.1)


def less_spread(evidence: Evidence, claim: Claim, level: float) -> Finding:
    """Standard deviation of final log FD over seeds, with the F interval. Where runs failed, the distances of log FD
    from the arm's median are compared by ranks."""
    lacking = [name(arm) for arm in claim.arms if not evidence.fd.get(arm)]
    if lacking:
        return missing(f"no final FD of {' and '.join(lacking)}")
    ours, theirs = (np.array([*evidence.fd[arm].values()]) for arm in claim.arms)
    n, failures = min(len(ours), len(theirs)), describe_failures(evidence.fd, *claim.arms)
    if few := too_few(n):
        return missing(few)
    if failures:
        apart = {arm: _distances_from_median(evidence.fd[arm]) for arm in claim.arms}
        finding = by_ranks(apart, *claim.arms, SPREAD, level=level).with_note(failures)
    else:
        effect = spread_ratio(theirs, ours, level)
        with np.errstate(divide="ignore"):
            f = stats.f(len(theirs) - 1, len(ours) - 1).cdf(np.exp(2 * effect.estimate))
        # a log standard deviation has a standard error of about √(1 / 2n), the ratio of two √(1 / n)
        needed = partial(seeds_needed, effect.estimate, 1.0, SPREAD, n=n, level=level)
        finding = judge(effect, SPREAD, p=float(2 * min(f, 1 - f)), needed=needed).with_note("log FD taken as normal")
    finding = replace(finding, phrase=f"the spread of {name(claim.arms[1])} is {{}} that of {name(claim.arms[0])}")
    falling = evidence.still_falling(claim.arms)
    return finding.but(UNDECIDED, falling) if falling else finding


def _distances_from_median(values: dict[int, float]) -> dict[int, float]:
    finite = np.log([x for x in values.values() if math.isfinite(x)])
    middle = float(np.median(finite)) if len(finite) else 0.0
    return {seed: abs(math.log(x) - middle) if math.isfinite(x) else math.inf for seed, x in values.items()}


def falls_back_less(evidence: Evidence, claim: Claim, level: float) -> Finding:
    """Final FD over the lowest during training, by all extractors; inf for a failed run."""
    by_extractor = {}
    for extractor, by_arm in evidence.curves.items():
        values = {arm: dict.fromkeys(evidence.failed(arm), math.inf) for arm in claim.arms}
        for arm in claim.arms:
            for seed, curve in by_arm.get(arm, {}).items():
                values[arm].setdefault(seed, 1 + rebound(np.exp(curve["fd"])))
        by_extractor[extractor] = values
    return compare_by_all(by_extractor, *claim.arms, REBOUND, level=level)


def fails_less(evidence: Evidence, claim: Claim, level: float) -> Finding:
    """Share of runs that diverged or collapsed: Fisher's exact test decides whether there is a difference, Newcombe's
    interval whether it is too small to matter."""
    counts = [(len(evidence.failed(arm)), len(evidence.fd.get(arm, {}))) for arm in claim.arms]
    if few := too_few(min(runs for _, runs in counts)):
        return missing(few)
    ours, theirs = counts
    effect = proportion_difference(theirs, ours, level)
    word, p = _word_of_shares(ours, theirs, level)
    needed = _runs_needed(ours, theirs, level) if word == UNDECIDED else None
    ends = {key: getattr(effect, key) for key in ("estimate", "low", "high", "n")}
    phrase = f"the share of failed runs of {name(claim.arms[1])} minus that of {name(claim.arms[0])} is {{}}"
    finding = Finding(word, **ends, p=p, needed=needed, phrase=phrase, ratio=False, smallest=FAILURES.smallest)
    return finding.with_note(describe_failures(evidence.fd, *claim.arms) or "no run of either failed")


def _word_of_shares(ours: tuple[int, int], theirs: tuple[int, int], level: float) -> tuple[str, float]:
    """The word, and the p-value of Fisher's exact test, for (failed, all) runs of two arms."""
    p = float(stats.fisher_exact([[k, n - k] for k, n in (theirs, ours)]).pvalue)
    effect = proportion_difference(theirs, ours, level)
    if max(-effect.low, effect.high) <= FAILURES.margin:
        return NO_DIFFERENCE, p
    if p > 1 - level:
        return UNDECIDED, p
    return (SUPPORTED if effect.estimate > 0 else CONTRADICTED), p


def _runs_needed(ours: tuple[int, int], theirs: tuple[int, int], level: float) -> int | None:
    """About how many runs of each arm would decide, if the shares stay as they are."""
    for n in np.unique(np.geomspace(max(ours[1], theirs[1]) + 1, MOST_SEEDS, 60).astype(int)):
        at_n = [(round(k / runs * n), int(n)) for k, runs in (ours, theirs)]
        if _word_of_shares(*at_n, level)[0] != UNDECIDED:
            return int(n)
    return None
