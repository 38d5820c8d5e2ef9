"""Final scores by arm with their intervals, and which arm is best, if that can be said at all."""

import itertools
import math
from collections.abc import Sequence

import pandas as pd

from gancompare.runs.reading import Study
from gancompare.scoring.catalogue import METRICS
from gancompare.verdicts.comparisons import compare, compare_by_all, shared_level
from gancompare.verdicts.evidence import Evidence
from gancompare.verdicts.finals import final_scores
from gancompare.verdicts.intervals import interval
from gancompare.verdicts.words import FD, SUPPORTED, Scale

CELLS = {"mean": float, "low": float, "high": float, "n": int, "failed": int, "best": bool}


def comparison_table(
    study: Study, metrics: Sequence[str] = ("fd", "recall", "coverage"), checkpoint: str = "last", *, level=0.95
) -> pd.DataFrame:
    """Rows (dataset, arm), columns (metric, mean | low | high | n | failed | best), by the primary extractor.

    ``metrics`` are keys of METRICS. ``mean`` is the IQM over seeds with its interval. ``best``: see ``best``.
    """
    cells: dict[tuple, dict] = {}
    for dataset, metric in itertools.product(study.datasets, metrics):
        evidence = Evidence(study.of(dataset))
        by_extractor = final_scores(evidence.study.scores, metric, checkpoint)
        winner = best(evidence, metric, level) if checkpoint == "last" else None
        for arm, seeds in next(iter(by_extractor.values()), {}).items():
            center = interval(list(seeds.values()), level, lower_is_better=METRICS[metric].better != "higher")
            row = {"mean": center.estimate, "low": center.low, "high": center.high, "n": center.n}
            row |= {"failed": sum(map(math.isinf, seeds.values())), "best": arm == winner}
            cells.setdefault((dataset, arm), {}).update({(metric, key): value for key, value in row.items()})
    index = pd.MultiIndex.from_tuples(cells, names=["dataset", "arm"])
    table = pd.DataFrame(
        list(cells.values()), index=index, columns=pd.MultiIndex.from_product([metrics, CELLS]), dtype=object
    )
    for metric, (key, kind) in itertools.product(metrics, CELLS.items()):
        table[metric, key] = [kind(x) if x == x else kind("nan" if kind is float else 0) for x in table[metric, key]]
    return table


def best(evidence: Evidence, metric: str, level: float = 0.95) -> str | None:
    """The arm whose final score beats that of every other, at a level that holds for all of them at once, by an
    extractor and by another one where extractors measure it; None if there is none, if the metric has no better end, or
    if an arm had not flattened. The best checkpoint is never ranked: it was chosen by what it would be ranked by.
    """
    by_extractor = evidence.scores(metric)
    arms = list(next(iter(by_extractor.values()), {}))
    better = METRICS[metric].better
    if len(arms) < 2 or not better or evidence.still_falling(arms):
        return None
    scale = FD if metric == "fd" else Scale(metric, lower=better == "lower", ratio=False, smallest=0.0)
    each = shared_level(level, len(arms) - 1)  # enough: a wrong winner of m must beat m − 1, so m(m − 1)⁻¹ α/2 ≤ α
    counted = not METRICS[metric].by_features  # one classifier counts, so there is no second opinion
    values = next(iter(by_extractor.values())) if counted else by_extractor
    judged = compare if counted else compare_by_all

    def wins(arm: str) -> bool:
        return all(judged(values, arm, other, scale, level=each).word == SUPPORTED for other in arms if other != arm)

    return next(filter(wins, arms), None)
