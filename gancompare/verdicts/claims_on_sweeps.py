"""Claims that take a sweep: functions from its settings on one data set and a level to parts.

The settings come from ``sweep.settings_table``. What is compared is ``instability``, final / lowest FD of a run. The
parts of a claim share its error.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from gancompare.arms import name
from gancompare.recipes import MAIN_METHODS
from gancompare.verdicts.comparisons import DECIDED, Part, beats, judge, paired_by_seed, shared_level
from gancompare.verdicts.differences import paired_advantage
from gancompare.verdicts.intervals import Interval

MARKED = 1.25  # the factor by which final / lowest FD must change to change markedly
STEADY = 1.02  # of final / lowest FD: a run below it did not fall back
CASES = (("n_critic", "wgan"), ("n_critic", "wgan-gp"), ("clip", "wgan"), ("penalty_weight", "wgan-gp"))


def settings_matter(settings: pd.DataFrame, level: float) -> list[Part]:
    """By how much final / lowest FD changes, up or down, between the base and the setting that changes it most.

    The claim wants a factor above MARKED for every field and method of CASES. The interval is that of the largest of
    the changes: if those of all settings hold at once, so does the one from their largest lower to their largest upper
    end.
    """
    return [_largest_change(settings, *case, level=shared_level(level, len(CASES))) for case in CASES]


def spectral_norm_stabilises(settings: pd.DataFrame, level: float) -> list[Part]:
    """Final / lowest FD without any norm in the critic, over that with spectral normalisation, per method."""
    parts = []
    for method in reversed(MAIN_METHODS):
        values, _ = _instability(settings, "critic_norm", method)
        options = {"level": shared_level(level, len(MAIN_METHODS)), "label": f"final / lowest FD, {name(method)}"}
        part = beats(values, "spectral", "none", log=True, **options)
        improving = part.verdict in DECIDED and not any(_fell_back(values[norm]) for norm in ("none", "spectral"))
        parts.append(_undecided(part) if improving else part)
    return parts


def _largest_change(settings: pd.DataFrame, field: str, method: str, *, level: float) -> Part:
    label = f"largest change of final / lowest FD by {field.replace('_', ' ')}, {name(method)}"
    values, base = _instability(settings, field, method)
    others = [value for value in values if value not in base]
    if not base or not others:
        return Part(label, note="no runs", ratio=True)
    each = shared_level(level, len(others))
    changes = [_size(paired_advantage(*paired_by_seed(values, value, base[0], log=True), each)) for value in others]
    largest = max(range(len(others)), key=lambda i: np.nan_to_num(changes[i].estimate, nan=-1.0))
    low = float(np.max([change.low for change in changes]))  # NaN if one is, as is the upper end
    high = float(np.max([change.high for change in changes]))
    effect = Interval(changes[largest].estimate, low, high, min(change.n for change in changes))
    note = f"{field} {base[0]:g} → {others[largest]:g}; wanted: above {MARKED:g}×"
    failed = {value: sum(map(math.isinf, runs.values())) for value, runs in values.items()}
    note += "".join(f"; {k} of {len(values[v])} runs failed at {v:g}" for v, k in failed.items() if k)
    part = judge(label, effect, note=note, ratio=True, least=math.log(MARKED))
    # a run that still improves has no instability that could change
    return part if part.verdict != "contradicted" or all(map(_fell_back, values.values())) else _undecided(part)


def _instability(settings: pd.DataFrame, field: str, method: str) -> tuple[dict, list]:
    """Value of ``field`` → seed → instability, and the values that the base has (one, if any)."""
    rows = settings[(settings["field"] == field) & (settings["arm"] == method)].dropna(subset="instability")
    values = {v: dict(zip(runs["seed"], runs["instability"], strict=True)) for v, runs in rows.groupby("value")}
    return values, [*rows.loc[rows["is_base"].astype(bool), "value"].unique()]


def _size(change: Interval) -> Interval:
    """The interval of |change|."""
    low, high = sorted((abs(change.low), abs(change.high)))
    low = 0.0 if change.low <= 0 <= change.high else low
    return replace(change, estimate=abs(change.estimate), low=low, high=high)


def _fell_back(runs: Mapping[int, float]) -> bool:
    """Whether half of the runs ended above their best (final / lowest FD), or failed."""
    return bool(np.median([*runs.values()]) >= STEADY)


def _undecided(part: Part) -> Part:
    note = "runs of some setting were still improving when they ended: too short to tell"
    return replace(part, verdict="inconclusive").with_note(note)
