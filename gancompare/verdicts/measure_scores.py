"""Statements about distance, coverage and cost: functions (evidence, claim, level) → finding.

``claim.arms`` begins with the arm that the statement favours, then the one that it is compared with.
"""

import math
from dataclasses import replace

import numpy as np

from gancompare.arms import name
from gancompare.scoring.catalogue import METRICS
from gancompare.verdicts import clocks
from gancompare.verdicts.comparisons import Values, compare, compare_by_all
from gancompare.verdicts.evidence import Evidence
from gancompare.verdicts.finals import finished
from gancompare.verdicts.statement import Claim
from gancompare.verdicts.words import DECIDED, NOT_TESTED, SUPPORTED, UNDECIDED, Finding, Scale, missing

CEILING = 0.95  # of the largest possible value; above it in both arms nothing can be told apart
COMPARABLE = 0.1  # the largest difference in precision at which recall, coverage and modes are compared
SCALES = {
    "recall": Scale("recall", lower=False, ratio=False, smallest=0.05),
    "coverage": Scale("coverage", lower=False, ratio=False, smallest=0.05),
    "modes_tenth": Scale("number of classes", lower=False),
    "modes": Scale("number of modes", lower=False),
}


def nearer(evidence: Evidence, claim: Claim, level: float) -> Finding:
    """FD at equal ``claim.clock``, by all extractors."""
    return clocks.nearer(evidence, *claim.arms, claim.clock, level=level)


def most_of_the_gain(evidence: Evidence, claim: Claim, level: float) -> Finding:
    """Whether the first arm lies nearer than half way, in log FD, from the second arm to the third.

    Without a gain of the third over the second there is nothing to have a share in, and the word is undecided.
    """
    part, none, whole = claim.arms
    by_extractor = evidence.at_equal(claim.clock, claim.arms)
    lacking = [name(arm) for arm in claim.arms if not any(values.get(arm) for values in by_extractor.values())]
    if lacking or not by_extractor:
        return missing(f"no FD in training of {' and '.join(lacking) or 'any arm'}")
    half_way = "half of the gain"
    halves: dict[str, Values] = {
        extractor: {part: values[part], half_way: _middle(values[none], values[whole])}
        for extractor, values in by_extractor.items()
    }
    gain = compare_by_all(by_extractor, whole, none, level=level)
    finding = compare_by_all(halves, part, half_way, level=level)
    if finding.word in DECIDED and gain.word != SUPPORTED:
        return finding.but(UNDECIDED, f"{name(whole)} has no gain over {name(none)} to share ({gain.word})")
    phrase = f"half way from {name(none)} to {name(whole)} FD is {{}} that of {name(part)}"
    return replace(finding, phrase=phrase).with_note(f"{name(none)} / {name(whole)}: {gain.effect}" * bool(gain.effect))


def _middle(a: dict[int, float], b: dict[int, float]) -> dict[int, float]:
    return {seed: math.sqrt(a[seed] * b[seed]) for seed in sorted(a.keys() & b.keys())}


def covers_more(evidence: Evidence, claim: Claim, level: float) -> Finding:
    """Final recall, coverage, classes or modes, of arms that had flattened and whose precision is comparable: an arm
    whose images are bad has a low recall without having dropped a mode. Nothing is decided at a ceiling.
    """
    metric = claim.metric
    by_extractor = evidence.scores(metric)
    if not any(by_extractor.values()):
        return missing(f"no {SCALES[metric].label} was measured")
    if METRICS[metric].by_features:
        finding = compare_by_all(by_extractor, *claim.arms, SCALES[metric], level=level)
    else:
        finding = compare(next(iter(by_extractor.values())), *claim.arms, SCALES[metric], level=level)
    if finding.word == NOT_TESTED:
        return finding
    reasons = [_at_ceiling(by_extractor, claim), _precision_apart(evidence, claim), evidence.still_falling(claim.arms)]
    reason = "; ".join(filter(None, reasons))
    return finding.but(UNDECIDED, reason) if reason else finding


def _at_ceiling(by_extractor: dict[str, Values], claim: Claim) -> str:
    values = next(iter(by_extractor.values()))
    finite = [[x for x in values[arm].values() if math.isfinite(x)] for arm in claim.arms]
    if not all(finite):
        return ""
    both = [*finite[0], *finite[1]]
    counts = not METRICS[claim.metric].by_features  # the largest possible count is not known here
    full = np.ptp(both) == 0 if counts else min(both) >= CEILING
    return f"both at the ceiling ({min(both):.3g} or more)" if full else ""


def _precision_apart(evidence: Evidence, claim: Claim) -> str:
    values = next(iter(evidence.scores("precision").values()), {})
    means = [np.mean([x for x in values.get(arm, {}).values() if math.isfinite(x)] or [math.nan]) for arm in claim.arms]
    if math.isnan(means[0] - means[1]):
        return "precision was not measured"
    if abs(means[0] - means[1]) <= COMPARABLE:
        return ""
    return "precision is not comparable: " + " against ".join(f"{mean:.2f}" for mean in means)


def costlier_steps(evidence: Evidence, claim: Claim, level: float) -> Finding:
    """Seconds per generator step of finished runs, diverged ones included, as each run measured them: a calibrated cost
    is one number for all seeds of an arm, and would pass for certainty."""
    values: dict[str, dict[int, float]] = {}
    runs = finished(evidence.study.runs)
    measured = "measured_seconds" if "measured_seconds" in runs else "seconds"
    if {measured, "steps_done"} <= {*runs.columns}:
        ran = runs[(runs[measured] > 0) & (runs["steps_done"] > 0)]
        for arm, seed, seconds, steps in ran[["arm", "seed", measured, "steps_done"]].itertuples(index=False):
            values.setdefault(arm, {})[seed] = seconds / steps
    return compare(values, *claim.arms, Scale("seconds per generator step", lower=False), level=level)
