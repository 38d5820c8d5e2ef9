"""Every pair of arms at equal generator steps, equal real images and equal seconds."""

import itertools

import pandas as pd

from gancompare.arms import in_order, name
from gancompare.runs.layout import CLOCKS
from gancompare.runs.reading import Study
from gancompare.verdicts.comparisons import compare_by_all
from gancompare.verdicts.evidence import Evidence
from gancompare.verdicts.words import DECIDED, UNDECIDED, Finding, missing

PAIRS = ["dataset", "a", "b", "clock", "ratio", "low", "high", "n", "word", "needed", "extractors", "note"]


def pairs_at_clocks(study: Study, level: float = 0.95) -> pd.DataFrame:
    """A row per data set, pair of arms and clock: FD of b / FD of a (above 1 favours a) where both have used equally
    much of the clock, with its interval, word and the word of each extractor. Each interval holds on its own.
    """
    rows = []
    for dataset in study.datasets:
        evidence = Evidence(study.of(dataset))
        arms = in_order({arm for by_arm in evidence.curves.values() for arm in by_arm} | {*evidence.fd})
        for (a, b), clock in itertools.product(itertools.combinations(arms, 2), CLOCKS):
            finding = nearer(evidence, a, b, clock, level=level)
            row = {"dataset": dataset, "a": a, "b": b, "clock": clock, "ratio": finding.estimate}
            row |= {key: getattr(finding, key) for key in ("low", "high", "n", "word", "needed", "note")}
            rows.append(row | {"extractors": ", ".join(f"{key}: {word}" for key, word in finding.words.items())})
    return pd.DataFrame(rows, columns=PAIRS).astype({"needed": "Int64"})


def nearer(evidence: Evidence, ours: str, theirs: str, clock: str, *, level: float = 0.95) -> Finding:
    """Whether ``ours`` has the lower FD at equal ``clock``, by all extractors. The note says which arm still fell."""
    if not evidence.curves:
        return missing("no distances were measured during training by an extractor that may rank these data")
    lacking = [arm for arm in (ours, theirs) if not (_has_curves(evidence, arm) or evidence.failed(arm))]
    if lacking:
        return missing(f"no runs of {' and '.join(map(name, lacking))}")
    values = evidence.at_equal(clock, (ours, theirs))
    finding = compare_by_all(values, ours, theirs, level=level)
    if (beyond := evidence.beyond_landmark(values, (ours, theirs))) and finding.word in DECIDED:
        finding = finding.but(UNDECIDED, beyond)
    return finding.with_note(evidence.still_falling((ours, theirs)))


def _has_curves(evidence: Evidence, arm: str) -> bool:
    return any(by_arm.get(arm) for by_arm in evidence.curves.values())
