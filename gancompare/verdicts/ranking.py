"""Which method scores better than which, seed by seed, if it can be said at all.

Pure functions on ``scores`` (``tables.load_scores``: a row per run × checkpoint × extractor). Intervals and words are
those of ``statistics``. Rules, fixed before any result:

- Effects are positive (ratios above 1) in the direction of what is asked. Methods are compared seed by seed.
- Complete and diverged runs are results; a run is failed if it diverged or its final FD reaches COLLAPSED times the
  variance of the real features (collapsed). Failed runs count as worse than any other and are never dropped.
- A ranking by image features needs two extractors, the primary and a second, that say the same.
- Several comparisons made at once share their error (Bonferroni).
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from gancompare.recipes import MAIN_METHODS
from gancompare.runs.layout import FINISHED
from gancompare.verdicts import statistics
from gancompare.verdicts.statistics import MIN_SEEDS, Interval

NAMES = {"gan": "GAN", "wgan": "WGAN", "wgan-gp": "WGAN-GP", "gan-minimax": "minimax GAN", "gan-gp": "GAN-GP"}
MAIN = MAIN_METHODS[::-1]  # in the order in which the claims name them
COLLAPSED = 2.0  # times the variance of real features: what repeating one real image scores on average
DECIDED = ("supported", "contradicted")
HIGHER = ("precision", "recall", "density", "coverage", "modes", "modes_tenth")  # is better
LOWER = ("fd", "kid", "kl_uniform", "copy_flagged")  # is better; MS-SSIM is neither: noise has a low one
BY_FEATURES = ("fd", "kid", "precision", "recall", "density", "coverage")  # an extractor of its own can contradict them
DISAGREE, ALONE = "extractors disagree", "there is only one extractor"
Values = Mapping[str, Mapping[int, float]]  # method → seed → value; inf: failed, absent: not measured


@dataclass(frozen=True)
class Part:
    """One comparison of a claim. ``estimate``, ``low`` and ``high`` are ratios if ``ratio``, else differences."""

    quantity: str
    verdict: str = "not tested"
    estimate: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    note: str = ""
    ratio: bool = False
    decides: bool = True  # False: shown, but with nothing to compare it has no say in the claim

    @property
    def effect(self) -> str:
        if math.isnan(self.estimate):
            return ""
        text = f"{self.estimate:.3g}×" if self.ratio else f"{self.estimate:+.3g}"
        return text.replace("inf", "∞")


# ---- parts -----------------------------------------------------------------------------------------------------------


def judge(quantity: str, found: Interval, note="", ratio=False, least=0.0, decides=True) -> Part:
    """A Part from an interval (of logs if ``ratio``) for the claim that the effect exceeds ``least``."""
    word = statistics.verdict(found, least)
    few = found.n < MIN_SEEDS and "not enough seeds" not in note
    few = f"not enough seeds: {found.n} of at least {MIN_SEEDS}" if few else ""
    with np.errstate(over="ignore"):
        ends = [float(np.exp(x)) if ratio else x for x in (found.estimate, found.low, found.high)]
    return Part(quantity, word, *ends, found.n, "; ".join(filter(None, [few, note])), ratio, decides)


def compare(values: Values, ours: str, theirs: str, level: float, label: str, lower=True, log=False) -> Part:
    """By how much ``ours`` beats ``theirs``, paired by seed; with ``log`` as the ratio of positive values."""
    sides = (theirs, ours) if lower else (ours, theirs)
    quantity = f"{label}, {name(sides[0])} {'/' if log else '−'} {name(sides[1])}"
    missing = [name(method) for method in (ours, theirs) if not values.get(method)]
    if missing:
        return Part(quantity, note=f"no {label} of {' and '.join(missing)}", ratio=log)
    pair = statistics.paired_difference(*paired(values, ours, theirs, log), level, lower_is_better=lower)
    found, note = pair.advantage, failures(values, ours, theirs)
    if np.isclose(found.low, found.high, 1e-9, 1e-12) and pair.p_value > 1 - level:
        # Student's t takes equal differences, common where values are counts, for certainty; the sign test does not
        found = replace(found, low=-math.inf, high=math.inf)
        note = "; ".join(filter(None, ["differences without spread: too few seeds for an interval", note]))
    return judge(quantity, found, note, log)


def paired(values: Values, ours: str, theirs: str, log: bool) -> np.ndarray:
    """(2, n): values, or their logs, of the seeds that both methods have."""
    seeds = sorted(values[ours].keys() & values[theirs].keys())
    arms = np.array([[values[method][seed] for seed in seeds] for method in (ours, theirs)], float)
    return np.log(np.maximum(arms, 1e-12)) if log else arms  # log 0 = −inf would read as diverged


def rank(
    by_extractor: Mapping[str, Values], ours: str, theirs: str, level: float, lower=True, log=True, second=True
) -> Part:
    """``compare`` by the first (primary) extractor; decided only if a second one says the same, where ``second``."""
    if not by_extractor:
        return Part(f"{name(ours)} against {name(theirs)}", note="no scores", ratio=log)
    (label, values), *others = by_extractor.items()
    part = compare(values, ours, theirs, level, label, lower, log)
    if not second or part.verdict not in DECIDED:
        return part
    heard = {other: compare(values, ours, theirs, level, other, lower, log).verdict for other, values in others}
    heard = {other: word for other, word in heard.items() if word != "not tested"}
    agreeing = [other for other, word in heard.items() if word == part.verdict]
    if agreeing:
        return with_note(part, f"{agreeing[0]} agrees")
    why = f"{DISAGREE}: " + ", ".join(f"{k} {v}" for k, v in heard.items()) if heard else ALONE
    return with_note(replace(part, verdict="inconclusive"), f"by {label} alone {part.verdict}, but {why}")


def overall(parts: Sequence[Part]) -> str:
    """The word for a claim from the words of those of its parts that decide."""
    words = [part.verdict for part in parts if part.decides]
    if "contradicted" in words:
        return "contradicted"
    if set(words) == {"supported"}:
        return "supported"
    return "not tested" if set(words) <= {"not tested"} else "inconclusive"


def shared_level(level: float, parts: int) -> float:
    return 1 - (1 - level) / parts


def name(method: str) -> str:
    return NAMES.get(method, method)


def failures(values: Values, *methods: str) -> str:
    """ "1 of 3 GAN runs diverged or collapsed", for each of the methods with any, or ""."""
    counts = {m: sum(not math.isfinite(value) for value in values.get(m, {}).values()) for m in methods}
    texts = [f"{k} of {len(values[m])} {name(m)} runs diverged or collapsed" for m, k in counts.items() if k]
    return "; ".join(texts)


def with_note(part: Part, *more: str) -> Part:
    return replace(part, note="; ".join(filter(None, [part.note, *more])))


# ---- from tables to values -------------------------------------------------------------------------------------------


def finals(scores: pd.DataFrame, metric: str, checkpoint="last") -> dict[str, Values]:
    """Label → method → seed → ``metric`` of one dataset, primary extractor first; inf for a failed run.

    Runs scored at other steps or on another number of images than most are left out: their FDs are not comparable.
    """
    rows = finished(scores)
    if rows.empty or metric not in rows or "extractor" not in rows:
        return {}
    if "checkpoint" in rows:
        rows = rows[(rows["checkpoint"] == checkpoint) | (rows["status"] == "diverged")]
    found: dict[str, dict] = {}
    order = rows.sort_values("primary", ascending=False, kind="stable") if "primary" in rows else rows
    for extractor, group in order.groupby("extractor", sort=False):
        diverged = group["status"] == "diverged"
        group = group.assign(value=group[metric].astype(float).mask(failed(group), np.inf))
        for clock in ("generator_steps", "n_fake") if checkpoint == "last" else ("n_fake",):
            common = group.loc[~diverged, clock].mode() if clock in group else []
            if len(common):
                group = group[(group["status"] == "diverged") | group[clock].isin([common.iloc[-1], np.nan])]
        labels = group["label"].dropna() if metric == "fd" and "label" in group else ()
        label = labels.iloc[0] if len(labels) else f"{metric} ({extractor})"
        group = group.dropna(subset="value")
        if metric in BY_FEATURES or np.isfinite(group["value"]).any():  # else not what this extractor can tell
            by_method = found.setdefault(label, {})
            for row in group.itertuples():
                by_method.setdefault(row.method, {})[row.seed] = row.value
    return found


def failed(rows: pd.DataFrame) -> pd.Series:
    """Which of the scored runs in ``rows`` diverged or collapsed."""
    fd, variance = (rows.get(c, pd.Series(np.nan, rows.index)).astype(float) for c in ("fd", "variance"))
    return (rows["status"] == "diverged") | np.isinf(fd) | (fd >= COLLAPSED * variance)


def outcomes(table: pd.DataFrame, scores: pd.DataFrame) -> Values:
    """Method → seed → final FD by the primary extractor, inf for a failed run; complete runs without one are absent."""
    found = {m: dict(seeds) for m, seeds in next(iter(finals(scores, "fd").values()), {}).items()}
    for run in finished(table).itertuples():
        if run.status == "diverged":
            found.setdefault(run.method, {})[run.seed] = math.inf
    return found


def finished(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["status"].isin(FINISHED)] if "status" in rows else rows.iloc[:0]


def ordering(by_extractor: Mapping[str, Values], pairs: Sequence[tuple[str, str]], level: float) -> list[Part]:
    """Parts "the first of each pair has the lower FD"."""
    return [rank(by_extractor, *pair, shared_level(level, len(pairs))) for pair in pairs]


def datasets_of(*frames: pd.DataFrame) -> list:
    return list(dict.fromkeys(x for frame in frames if "dataset" in frame for x in frame["dataset"]))


def rows_of(frame: pd.DataFrame, dataset: str) -> pd.DataFrame:
    return frame[frame["dataset"] == dataset] if "dataset" in frame else frame.iloc[:0]


# ---- for a busy reader -----------------------------------------------------------------------------------------------


def summary(table: pd.DataFrame, scores: pd.DataFrame, level=0.95) -> list[str]:
    """One sentence per dataset: which of the main methods has a lower final FD than which, by two extractors."""
    return [f"{dataset}: {_sentence(rows_of(scores, dataset), level)}" for dataset in datasets_of(table, scores)]


def _sentence(scores: pd.DataFrame, level: float) -> str:
    by_extractor = finals(scores, "fd")
    values = next(iter(by_extractor.values()), {})
    methods = [method for method in MAIN if values.get(method)]
    if len(methods) < 2:
        return "nothing is ranked, as fewer than two methods have been scored."
    label, pairs = next(iter(by_extractor)), list(itertools.combinations(methods, 2))
    parts = pairwise(by_extractor, methods, level)
    most = max(part.n for part in parts.values())
    broken = failures(values, *methods)
    ending = f"; {broken}." if broken else "."
    if most < MIN_SEEDS:
        return f"nothing is ranked: {most} seeds in common, and an interval needs at least {MIN_SEEDS}{ending}"
    rows = finished(scores)
    rows = rows[(rows["status"] == "complete") & (rows.get("label", label) == label)]
    shown = {column: rows[column].median() if column in rows else math.nan for column in _SCALE}
    budget = [text.format(shown[column]) for column, text in _SCALE.items() if not math.isnan(shown[column])]
    ns = sorted({part.n for part in parts.values()})
    seeds = f"{ns[0]} seeds each" if len(ns) == 1 else f"{ns[0]} to {ns[-1]} seeds in common"
    texts = [
        _clause(label, *pair, parts[pair]) for pair in sorted(pairs, key=lambda p: parts[p].verdict not in DECIDED)
    ]
    joint = (
        f" (intervals hold at {100 * level:g} %, all {len(pairs)} at once)"
        if len(pairs) > 1
        else f" ({100 * level:g} % interval)"
    )
    return ", ".join([*budget[:1], seeds, *budget[1:]]) + ": " + "; ".join(texts) + joint + ending


_SCALE = {
    "generator_steps": "at {:,.0f} generator steps",
    "n_fake": "{:,.0f} images per run",
    "floor": "real against real images {:.3g}",
}


def pairwise(by_extractor: Mapping[str, Values], methods: Sequence[str], level: float) -> dict[tuple, Part]:
    """(a, b) → Part "a has a lower FD than b", for all pairs, at a level that holds for all of them at once."""
    pairs = list(itertools.combinations(methods, 2))
    return {pair: rank(by_extractor, *pair, shared_level(level, len(pairs))) for pair in pairs}


def _clause(label: str, a: str, b: str, part: Part) -> str:
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


def comparison_table(
    scores: pd.DataFrame, metrics: Sequence[str] = ("fd", "recall", "coverage"), checkpoint="last", level=0.95
) -> pd.DataFrame:
    """Rows (dataset, method), columns (metric, mean | low | high | n | failed | best), by the primary extractor.

    ``mean`` is the IQM over seeds with its interval. ``best`` means: beats every other method by ``rank``, at a level
    that holds for all of them at once; never for a metric that has no better end.
    """
    cells: dict[tuple, dict] = {}
    for dataset, metric in itertools.product(datasets_of(scores), metrics):
        by_extractor = finals(rows_of(scores, dataset), metric, checkpoint)
        winner = best(by_extractor, metric, level)
        for method, seeds in next(iter(by_extractor.values()), {}).items():
            found = statistics.interval(list(seeds.values()), level, lower_is_better=metric not in HIGHER)
            row = {"mean": found.estimate, "low": found.low, "high": found.high, "n": found.n}
            row |= {"failed": sum(map(math.isinf, seeds.values())), "best": method == winner}
            cells.setdefault((dataset, method), {}).update({(metric, key): value for key, value in row.items()})
    index = pd.MultiIndex.from_tuples(cells, names=["dataset", "method"])
    columns = pd.MultiIndex.from_product([metrics, ["mean", "low", "high", "n", "failed", "best"]])
    table = pd.DataFrame(list(cells.values()), index=index, columns=columns)
    for metric, (key, kind) in itertools.product(metrics, {"n": int, "failed": int, "best": bool}.items()):
        table[metric, key] = [kind(x) if x == x else kind() for x in table[metric, key]]  # NaN: not measured
    return table


def pair_table(scores: pd.DataFrame, level=0.95) -> pd.DataFrame:
    """Each pair of methods of a dataset by final FD, primary extractor: the ratio FD of b / FD of a (above 1 favours
    a), seeds won, tied and lost by a, the sign-flip p-value as it is and after Holm over the dataset's pairs, and the
    probability that a run of a beats a run of b. Every interval is its own: 95 % each, not at once.
    """
    rows: list[dict] = []
    for dataset in datasets_of(scores):
        values = next(iter(finals(rows_of(scores, dataset), "fd").values()), {})
        found = []
        for a, b in itertools.combinations(values, 2):
            pair = statistics.paired_difference(*paired(values, a, b, log=True), level)
            chance = statistics.probability_of_improvement(*(list(values[m].values()) for m in (a, b)), level)
            about = {"dataset": dataset, "a": a, "b": b, "n": pair.advantage.n, "p_value": pair.p_value}
            about |= {"won": pair.wins, "tied": pair.ties, "lost": pair.losses}
            with np.errstate(over="ignore"):
                ends = {end: float(np.exp(getattr(pair.advantage, end))) for end in ("estimate", "low", "high")}
            found.append(about | {f"ratio_{end}": value for end, value in ends.items()})
            found[-1] |= {f"chance_{end}": getattr(chance, end) for end in ("estimate", "low", "high")}
        p_values = [row["p_value"] for row in found]
        adjusted = statistics.holm(p_values) if np.isfinite(p_values).all() else [math.nan] * len(found)
        rows += [row | {"p_holm": float(p)} for row, p in zip(found, adjusted, strict=True)]
    return pd.DataFrame(rows)


def best(by_extractor: Mapping[str, Values], metric: str, level: float) -> str | None:
    """The method that beats every other by ``metric``, or None."""
    methods = list(next(iter(by_extractor.values()), {}))
    if len(methods) < 2 or metric not in HIGHER + LOWER:
        return None
    options = {"lower": metric in LOWER, "log": metric == "fd", "second": metric in BY_FEATURES}
    each = shared_level(level, len(methods) - 1)  # enough: a wrong winner of m must beat m − 1, so m(m − 1)⁻¹ α/2 ≤ α

    def wins(method: str) -> bool:
        others = (other for other in methods if other != method)
        return all(rank(by_extractor, method, other, each, **options).verdict == "supported" for other in others)

    return next(filter(wins, methods), None)
