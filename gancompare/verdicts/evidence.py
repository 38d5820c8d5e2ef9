"""What a data set's runs say, picked from the tables of a study: curves on three clocks, final values, failures."""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from gancompare.arms import name
from gancompare.runs.layout import CLOCKS
from gancompare.runs.reading import Study
from gancompare.verdicts.comparisons import Values
from gancompare.verdicts.finals import failed_seeds, final_fd, final_scores, may_rank

FLAT = 0.05  # FD that falls by less than this share over the last fifth of a run's steps has flattened
Curve = Mapping[str, np.ndarray]  # each of CLOCKS and "fd" → logarithms (k,), in the order of steps


@dataclass(frozen=True)
class Evidence:
    """The runs of one data set, and the settings of a sweep on it (``sweep.settings_table``), where there is one."""

    study: Study
    settings: pd.DataFrame = field(default_factory=pd.DataFrame)

    @functools.cached_property
    def fd(self) -> Values:
        """Arm → seed → final FD by the primary extractor; inf for a failed run."""
        return final_fd(self.study)

    @functools.cached_property
    def curves(self) -> dict[str, dict[str, dict[int, Curve]]]:
        """Extractor, the primary first → arm → seed → FD of the averaged weights at each measurement."""
        return curves_of(self.study)

    @functools.cached_property
    def falls(self) -> dict[str, dict[int, float]]:
        """Arm → seed → the share by which FD fell over the last fifth of the run's steps, by the primary extractor."""
        primary = next(iter(self.curves.values()), {})
        return {arm: {seed: _last_fall(curve) for seed, curve in runs.items()} for arm, runs in primary.items()}

    def failed(self, arm: str) -> set[int]:
        """The seeds whose runs of ``arm`` diverged or collapsed."""
        return failed_seeds(self.fd, arm)

    def scores(self, metric: str) -> dict[str, Values]:
        """Label → arm → seed → a final score, primary extractor first; see ``finals.final_scores``."""
        return final_scores(self.study.scores, metric)

    def beyond_landmark(self, values: Mapping[str, Values], arms: Sequence[str]) -> str:
        """Why nothing is ranked where all ``arms`` are further from the real images than these are with their patches
        shuffled, by the primary extractor; or "". ``values``: as ``at_equal`` gives them.
        """
        extractor, by_arm = next(iter(values.items()), ("", {}))
        mark = _landmark(self.study.scores, extractor)
        medians = [np.median([value for value in by_arm.get(arm, {}).values()] or [0.0]) for arm in arms]
        return "no arm is nearer than real images whose patches are shuffled" if min(medians) >= mark else ""

    def still_falling(self, arms: Sequence[str]) -> str:
        """Why final values of ``arms`` are not ranked: those of which half the runs had not flattened; or ""."""
        texts = []
        for arm in arms:
            falls = [fall for seed, fall in self.falls.get(arm, {}).items() if seed not in self.failed(arm)]
            if falls and np.median(falls) >= FLAT:
                texts.append(f"still falling: {name(arm)} ({np.median(falls):.0%} over the last fifth)")
            elif not falls and len(self.failed(arm)) < len(self.fd.get(arm, ())):
                texts.append(f"not known whether {name(arm)} had flattened")
        return "; ".join(texts)

    def at_equal(self, clock: str, arms: Sequence[str]) -> dict[str, Values]:
        """Extractor → arm → seed → FD at the largest value of ``clock`` that all runs of ``arms`` reach; inf for a
        failed run. Log FD is interpolated over the log of the clock between measurements; runs that were first
        measured later are left out.
        """
        values: dict[str, Values] = {}
        for extractor, by_arm in self.curves.items():
            runs = {
                (arm, seed): curve
                for arm in arms
                for seed, curve in by_arm.get(arm, {}).items()
                if seed not in self.failed(arm)
            }
            ends = [curve[clock][-1] for curve in runs.values()]
            own: dict[str, dict[int, float]] = {arm: dict.fromkeys(self.failed(arm), math.inf) for arm in arms}
            for (arm, seed), curve in runs.items():
                if curve[clock][0] <= min(ends):
                    own[arm][seed] = float(np.exp(np.interp(min(ends), curve[clock], curve["fd"])))
            values[extractor] = own
        return values


def curves_of(study: Study) -> dict[str, dict[str, dict[int, Curve]]]:
    """See ``Evidence.curves``; clocks are those of the histories at the steps that were measured."""
    rows, histories = study.distances, study.histories
    if rows.empty or histories.empty:
        return {}
    rows = rows[(rows["weights"] == "ema") & (rows["generator_steps"] > 0) & np.isfinite(rows["fd"])]
    clocks = {key: own.sort_values("generator_steps") for key, own in histories.groupby(["arm", "seed"])}
    curves: dict[str, dict] = {extractor: {} for extractor in _primary_first(study)}
    for (extractor, arm, seed), own in rows.groupby(["extractor", "arm", "seed"], sort=False):
        if (arm, seed) not in clocks or extractor not in curves:
            continue
        own, clock = own.sort_values("generator_steps"), clocks[arm, seed]
        steps = own["generator_steps"].to_numpy(float)
        times = {c: np.interp(steps, clock["generator_steps"], clock[c]) for c in CLOCKS}
        curve = {c: np.log(np.maximum(time, 1e-9)) for c, time in times.items()}
        curves[extractor].setdefault(arm, {})[seed] = curve | {"fd": np.log(np.maximum(own["fd"].to_numpy(), 1e-12))}
    return curves


def flattened(study: Study) -> pd.DataFrame:
    """A row per run: the share by which FD ``fell`` over the last fifth of its steps, and whether it had flattened."""
    rows = []
    for dataset in study.datasets:
        for arm, runs in Evidence(study.of(dataset)).falls.items():
            rows += [{"dataset": dataset, "arm": arm, "seed": seed, "fell": fall} for seed, fall in runs.items()]
    table = pd.DataFrame(rows, columns=["dataset", "arm", "seed", "fell"])
    return table.assign(flattened=table["fell"].astype(float) < FLAT)


def _primary_first(study: Study) -> list[str]:
    """The extractors of the distances that may rank; the primary is that of the scores, else the first measured."""
    extractors = list(dict.fromkeys(study.distances["extractor"]))
    scores = study.scores
    primary = set(scores.loc[scores["primary"], "extractor"]) if "primary" in scores else {}
    if "admitted" in scores:
        ranking = set(may_rank(scores)["extractor"])
        extractors = [extractor for extractor in extractors if extractor in ranking]
    return sorted(extractors, key=lambda extractor: extractor not in primary)


def _landmark(scores: pd.DataFrame, extractor: str) -> float:
    """FD of real images whose patches are shuffled, at the number of images measured in training; inf if not known."""
    if "monitor_landmarks" not in scores:
        return math.inf
    marks = scores.loc[scores["extractor"] == extractor, "monitor_landmarks"].dropna()
    return marks.iloc[0].get("patch_shuffled", math.inf) if len(marks) else math.inf


def _last_fall(curve: Curve) -> float:
    steps, fd = curve["generator_steps"], curve["fd"]
    before = np.interp(steps[-1] + math.log(0.8), steps, fd)
    return float(1 - np.exp(fd[-1] - before)) if steps[0] <= steps[-1] + math.log(0.8) else math.inf
