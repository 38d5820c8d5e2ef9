"""What each ingredient contributes: the main effects of the factorial arms, on each clock.

A row compares two arms that differ in one ingredient. The effect is FD without / FD with it: above 1, it helps.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
import pandas as pd

from gancompare.arms import name
from gancompare.runs.layout import CLOCKS
from gancompare.runs.reading import Study
from gancompare.verdicts.clocks import nearer
from gancompare.verdicts.comparisons import Values, compare_by_all
from gancompare.verdicts.evidence import Evidence
from gancompare.verdicts.words import Finding

EFFECTS = ["dataset", "factor", "with_it", "without_it", "pooled", "clock"]
EFFECTS += ["ratio", "low", "high", "n", "word", "needed", "note"]
WITH, WITHOUT = "with it", "without it"


class Factor(NamedTuple):
    """An ingredient, and the pairs of arms (without it, with it) that differ in it alone."""

    name: str
    pairs: tuple[tuple[str, str], ...]
    pooled: bool = True  # over the pairs, which are the levels of the other factors


FACTORS = (
    Factor("Wasserstein loss", (("gan-gp-1", "wgan-gp-1"), ("gan-gp", "wgan-gp"))),
    Factor("gradient penalty on a GAN", (("gan", "gan-gp-1"), ("gan-5", "gan-gp"))),
    Factor("penalty instead of clipping", (("wgan-1", "wgan-gp-1"), ("wgan", "wgan-gp"))),
    Factor(
        "five critic steps instead of one",
        (("gan", "gan-5"), ("gan-gp-1", "gan-gp"), ("wgan-1", "wgan"), ("wgan-gp-1", "wgan-gp")),
    ),
)


def main_effects(study: Study, level: float = 0.95) -> pd.DataFrame:
    """A row per data set, factor, clock and pair of arms, then one pooled over the pairs (``pooled``).

    The pooled effect of a seed is the mean of its log ratios over the pairs, each pair at its own largest common value
    of the clock; its interval is Student's over seeds. That is the main effect of the balanced additive model
    log FD = seed + levels of all factors; nothing is assumed about interactions, over which it averages. Where a run
    failed, the seed's mean is infinite and the comparison is by ranks. Each interval holds on its own.
    """
    rows = []
    for dataset in study.datasets:
        evidence = Evidence(study.of(dataset))
        for factor, clock in itertools.product(FACTORS, CLOCKS):
            head = {"dataset": dataset, "factor": factor.name, "clock": clock}
            for without, with_it in factor.pairs:
                finding = nearer(evidence, with_it, without, clock, level=level)
                row = head | {"with_it": name(with_it), "without_it": name(without), "pooled": False}
                rows.append(row | _numbers(finding))
            finding = pooled(evidence, factor, clock, level=level)
            rows.append(head | {"with_it": "", "without_it": "", "pooled": True} | _numbers(finding))
    return pd.DataFrame(rows, columns=EFFECTS).astype({"needed": "Int64"})


def pooled(evidence: Evidence, factor: Factor, clock: str, *, level: float = 0.95) -> Finding:
    """The effect of ``factor`` over those of its pairs that were trained; see ``main_effects``."""
    at_equal = [evidence.at_equal(clock, pair) for pair in factor.pairs]
    trained = [
        (pair, values)
        for pair, values in zip(factor.pairs, at_equal, strict=True)
        if values and all(next(iter(values.values()))[arm] for arm in pair)
    ]
    by_extractor: dict[str, Values] = {
        extractor: {
            side: _geometric_means([values[extractor][pair[i]] for pair, values in trained])
            for i, side in enumerate((WITHOUT, WITH))
        }
        for extractor in evidence.curves
        if trained
    }
    finding = compare_by_all(by_extractor, WITH, WITHOUT, level=level)
    lacking = [f"{name(b)} against {name(a)}" for a, b in factor.pairs if (a, b) not in [pair for pair, _ in trained]]
    return finding.with_note(f"without {', '.join(lacking)}" if lacking and trained else "")


def _geometric_means(levels: list[dict[int, float]]) -> dict[int, float]:
    """Seed → geometric mean over levels, for the seeds that all levels have; inf if a run of the seed failed."""
    seeds = set.intersection(*(set(values) for values in levels))
    return {seed: math.exp(np.mean([math.log(values[seed]) for values in levels])) for seed in sorted(seeds)}


def _numbers(finding: Finding) -> dict:
    return {"ratio": finding.estimate} | {key: getattr(finding, key) for key in EFFECTS[7:]}
