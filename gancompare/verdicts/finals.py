"""Values by run, picked from the tables of a study: final scores, which runs are results, and which of them failed."""

import math

import numpy as np
import pandas as pd

from gancompare.runs.layout import FINISHED
from gancompare.runs.reading import Study
from gancompare.scoring.catalogue import METRICS
from gancompare.verdicts.comparisons import Values

COLLAPSED = 2.0  # times the variance of real features: what a generator that repeats one real image scores on average


def finished(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of runs that are results: complete or diverged."""
    return rows[rows["status"].isin(FINISHED)] if "status" in rows else rows.iloc[:0]


def may_rank(scores: pd.DataFrame) -> pd.DataFrame:
    """The rows of extractors that order the ladders of controls on these data (see ``scoring.admission``).

    Empty if the primary extractor does not: then nothing is ranked.
    """
    if "admitted" not in scores or "extractor" not in scores:
        return scores
    barred = set(scores.loc[scores["admitted"].eq(False), "extractor"])
    primary = set(scores.loc[scores["primary"].astype(bool), "extractor"]) if "primary" in scores else set()
    return scores.iloc[:0] if primary & barred else scores[~scores["extractor"].isin(barred)]


def failed(rows: pd.DataFrame) -> pd.Series:
    """Which of the scored runs in ``rows`` diverged or collapsed: their final FD reaches COLLAPSED times the variance
    of the real features.
    """
    fd, variance = (rows.get(c, pd.Series(np.nan, rows.index)).astype(float) for c in ("fd", "variance"))
    return (rows["status"] == "diverged") | np.isinf(fd) | (fd >= COLLAPSED * variance)


def final_scores(scores: pd.DataFrame, metric: str, checkpoint: str = "last") -> dict[str, Values]:
    """Label → method → seed → ``metric`` on one data set, primary extractor first; inf for a failed run.

    ``metric`` is a key of METRICS. Extractors that cannot measure it are left out. So are runs that were scored at
    other steps or on another number of images than most: their FDs are not comparable.
    """
    rows = may_rank(finished(scores))
    if rows.empty or metric not in rows or "extractor" not in rows:
        return {}
    if "checkpoint" in rows:
        rows = rows[(rows["checkpoint"] == checkpoint) | (rows["status"] == "diverged")]
    if "primary" in rows:
        rows = rows.sort_values("primary", ascending=False, kind="stable")
    by_label: dict[str, dict] = {}
    for extractor, group in rows.groupby("extractor", sort=False):
        group = group.assign(value=group[metric].astype(float).mask(failed(group), np.inf))
        group = _comparable(group, checkpoint)
        labels = group["label"].dropna() if metric == "fd" and "label" in group else ()
        label = labels.iloc[0] if len(labels) else f"{metric} ({extractor})"
        group = group.dropna(subset="value")
        if METRICS[metric].by_features or np.isfinite(group["value"]).any():
            by_method = by_label.setdefault(label, {})
            for row in group.itertuples():
                by_method.setdefault(row.arm, {})[row.seed] = row.value
    return by_label


def _comparable(rows: pd.DataFrame, checkpoint: str) -> pd.DataFrame:
    """The rows at the most common number of steps (if they are the last) and of images; diverged runs stay."""
    for column in ("generator_steps", "n_fake") if checkpoint == "last" else ("n_fake",):
        diverged = rows["status"] == "diverged"
        common = rows.loc[~diverged, column].mode() if column in rows else []
        if len(common):
            rows = rows[diverged | rows[column].isin([common.iloc[-1], np.nan])]
    return rows


def final_fd(study: Study) -> Values:
    """Method → seed → final FD by the primary extractor; inf for a failed run. Complete runs without one are absent."""
    primary = next(iter(final_scores(study.scores, "fd").values()), {})
    values = {method: dict(seeds) for method, seeds in primary.items()}
    for run in finished(study.runs).itertuples():
        if run.status == "diverged":
            values.setdefault(run.arm, {})[run.seed] = math.inf
    return values


def failed_seeds(values: Values, method: str) -> set[int]:
    """The seeds of ``method`` whose value is infinite."""
    return {seed for seed, value in values.get(method, {}).items() if math.isinf(value)}


def runs_of(histories: pd.DataFrame, method: str, *columns: str) -> dict[int, pd.DataFrame]:
    """Seed → the rows of that run in which all of ``columns`` are measured, in order."""
    if not {"arm", *columns} <= set(histories.columns):
        return {}
    rows = histories[histories["arm"] == method].dropna(subset=list(columns)).sort_values("generator_steps")
    return dict(iter(rows.groupby("seed")))
