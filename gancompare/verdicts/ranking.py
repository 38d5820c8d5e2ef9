"""Which method has the lower final FD on a data set, in a sentence and in tables, if it can be said at all."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from gancompare.arms import name
from gancompare.recipes import MAIN_METHODS
from gancompare.runs.reading import Study
from gancompare.scoring.catalogue import METRICS
from gancompare.verdicts.comparisons import (
    ALONE,
    DECIDED,
    DISAGREE,
    Part,
    Values,
    describe_failures,
    outranks,
    paired_by_seed,
    shared_level,
)
from gancompare.verdicts.differences import holm, paired_difference
from gancompare.verdicts.finals import final_scores, finished
from gancompare.verdicts.intervals import MIN_SEEDS, interval
from gancompare.verdicts.shares import probability_of_improvement

ENDS = ("estimate", "low", "high")

# ---- in sentences ----------------------------------------------------------------------------------------------------


def summary(study: Study, level: float = 0.95) -> list[str]:
    """One sentence per data set: which of the main methods has a lower final FD than which, by two extractors."""
    return [f"{dataset}: {_sentence(study.of(dataset).scores, level)}" for dataset in study.datasets]


def _sentence(scores: pd.DataFrame, level: float) -> str:
    by_extractor = final_scores(scores, "fd")
    values = next(iter(by_extractor.values()), {})
    methods = [method for method in reversed(MAIN_METHODS) if values.get(method)]  # as the claims name them
    if len(methods) < 2:
        return "nothing is ranked, as fewer than two methods have been scored."
    label, parts = next(iter(by_extractor)), pairwise(by_extractor, methods, level)
    failures = describe_failures(values, *methods)
    ending = f"; {failures}." if failures else "."
    ns = sorted({part.n for part in parts.values()})
    if ns[-1] < MIN_SEEDS:
        return f"nothing is ranked: {ns[-1]} seeds in common, and an interval needs at least {MIN_SEEDS}{ending}"
    seeds = f"{ns[0]} seeds each" if len(ns) == 1 else f"{ns[0]} to {ns[-1]} seeds in common"
    steps, *sizes = _scale(scores, label)
    pairs = sorted(parts, key=lambda pair: parts[pair].verdict not in DECIDED)
    clauses = [_clause(*pair, parts[pair], label=label) for pair in pairs]
    joint = f"intervals hold at {100 * level:g} %, all {len(pairs)} at once" if len(pairs) > 1 else ""
    budget = ", ".join(filter(None, [steps, seeds, *sizes]))
    return f"{budget}: {'; '.join(clauses)} ({joint or f'{100 * level:g} % interval'}){ending}"


def _scale(scores: pd.DataFrame, label: str) -> list[str]:
    """Budget, number of images and floor of the complete runs, in words; "" where one was not recorded."""
    rows = finished(scores)
    rows = rows[(rows["status"] == "complete") & (rows.get("label", label) == label)]
    texts = {
        "generator_steps": "at {:,.0f} generator steps",
        "n_fake": "{:,.0f} images per run",
        "floor": "real against real images {:.3g}",
    }
    medians = {column: rows[column].median() if column in rows else math.nan for column in texts}
    return ["" if math.isnan(medians[column]) else text.format(medians[column]) for column, text in texts.items()]


def _clause(a: str, b: str, part: Part, *, label: str) -> str:
    if part.verdict == "not tested":
        return f"{name(a)} and {name(b)} are not ranked ({part.note})"
    ends = [part.estimate, part.low, part.high]
    if part.verdict == "contradicted":
        a, b, ends = b, a, [1 / x if x else math.inf for x in (part.estimate, part.high, part.low)]
    numbers = "{:.3g}×, {:.3g} to {:.3g}".format(*ends).replace("inf", "∞")
    if not 0 < ends[0] < math.inf:
        numbers = "as a failed run has no FD, no ratio"
    if part.verdict in DECIDED:
        return f"{name(a)} has a lower {label} than {name(b)} ({numbers})"
    why = next((f", {text}" for text in (DISAGREE, ALONE) if text in part.note), "")
    return f"between {name(a)} and {name(b)} no difference in {label} could be shown ({numbers}{why})"


def pairwise(by_extractor: Mapping[str, Values], methods: Sequence[str], level: float) -> dict[tuple, Part]:
    """(a, b) → Part "a has a lower FD than b", for all pairs, at a level that holds for all of them at once."""
    pairs = list(itertools.combinations(methods, 2))
    return {pair: outranks(by_extractor, *pair, level=shared_level(level, len(pairs))) for pair in pairs}


# ---- in tables -------------------------------------------------------------------------------------------------------


def comparison_table(
    study: Study, metrics: Sequence[str] = ("fd", "recall", "coverage"), checkpoint: str = "last", *, level=0.95
) -> pd.DataFrame:
    """Rows (dataset, method), columns (metric, mean | low | high | n | failed | best), by the primary extractor.

    ``metrics`` are keys of METRICS. ``mean`` is the IQM over seeds with its interval. ``best`` means that the method
    ``outranks`` every other, at a level that holds for all of them at once; never for a metric without a better end.
    """
    cells: dict[tuple, dict] = {}
    for dataset, metric in itertools.product(study.datasets, metrics):
        by_extractor = final_scores(study.of(dataset).scores, metric, checkpoint)
        winner, lower = best(by_extractor, metric, level), METRICS[metric].better != "higher"
        for method, seeds in next(iter(by_extractor.values()), {}).items():
            center = interval(list(seeds.values()), level, lower_is_better=lower)
            row = {"mean": center.estimate, "low": center.low, "high": center.high, "n": center.n}
            row |= {"failed": sum(map(math.isinf, seeds.values())), "best": method == winner}
            cells.setdefault((dataset, method), {}).update({(metric, key): value for key, value in row.items()})
    index = pd.MultiIndex.from_tuples(cells, names=["dataset", "arm"])
    columns = pd.MultiIndex.from_product([metrics, ["mean", "low", "high", "n", "failed", "best"]])
    table = pd.DataFrame(list(cells.values()), index=index, columns=columns)
    for metric, (key, kind) in itertools.product(metrics, {"n": int, "failed": int, "best": bool}.items()):
        table[metric, key] = [kind(x) if x == x else kind() for x in table[metric, key]]  # NaN: not measured
    return table


def best(by_extractor: Mapping[str, Values], metric: str, level: float) -> str | None:
    """The method that outranks every other by ``metric``, or None."""
    methods = list(next(iter(by_extractor.values()), {}))
    better = METRICS[metric].better
    if len(methods) < 2 or not better:
        return None
    options = {"lower": better == "lower", "log": metric == "fd", "second": METRICS[metric].by_features}
    each = shared_level(level, len(methods) - 1)  # enough: a wrong winner of m must beat m − 1, so m(m − 1)⁻¹ α/2 ≤ α

    def wins(method: str) -> bool:
        others = (other for other in methods if other != method)
        return all(
            outranks(by_extractor, method, other, level=each, **options).verdict == "supported" for other in others
        )

    return next(filter(wins, methods), None)


def pair_table(study: Study, level: float = 0.95) -> pd.DataFrame:
    """A row per data set and pair of methods, by final FD with the primary extractor.

    The ratio FD of b / FD of a (above 1 favours a); seeds won, tied and lost by a; the sign-flip p-value as it is and
    after Holm over the data set's pairs; and the probability that a run of a beats a run of b. Every interval is its
    own: each holds at ``level``, not all at once.
    """
    rows: list[dict] = []
    for dataset in study.datasets:
        values = next(iter(final_scores(study.of(dataset).scores, "fd").values()), {})
        own = [{"dataset": dataset} | _pair(values, *pair, level=level) for pair in itertools.combinations(values, 2)]
        p_values = [row["p_value"] for row in own]
        adjusted = holm(p_values) if np.isfinite(p_values).all() else [math.nan] * len(own)
        rows += [row | {"p_holm": float(p)} for row, p in zip(own, adjusted, strict=True)]
    return pd.DataFrame(rows)


def _pair(values: Values, a: str, b: str, *, level: float) -> dict:
    rng = np.random.default_rng(0)  # the same runs get the same p-value
    pair = paired_difference(*paired_by_seed(values, a, b, log=True), level, rng=rng)
    chance = probability_of_improvement(*(list(values[method].values()) for method in (a, b)), level)
    row = {"a": a, "b": b, "n": pair.advantage.n, "p_value": pair.p_value}
    row |= {"won": pair.wins, "tied": pair.ties, "lost": pair.losses}
    with np.errstate(over="ignore"):
        row |= {f"ratio_{end}": float(np.exp(getattr(pair.advantage, end))) for end in ENDS}
    return row | {f"chance_{end}": getattr(chance, end) for end in ENDS}
