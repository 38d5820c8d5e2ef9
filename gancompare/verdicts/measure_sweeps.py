"""Statements that take a sweep: functions (evidence, claim, level) → finding, from ``evidence.settings``."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gancompare.arms import name
from gancompare.verdicts.comparisons import compare, shared_level
from gancompare.verdicts.evidence import Evidence
from gancompare.verdicts.intervals import Interval
from gancompare.verdicts.statement import Claim
from gancompare.verdicts.words import DECIDED, FD, UNDECIDED, Finding, Scale, judge, missing

MARKED = 1.25  # the factor by which FD must change to change markedly
STEADY = 1.02  # of final / lowest FD: a run below it did not fall back
CHANGE = FD._replace(least=MARKED)
INSTABILITY = Scale("final / lowest FD")


def setting_matters(evidence: Evidence, claim: Claim, level: float) -> Finding:
    """By how much final FD changes, up or down, between the base and the setting that changes it most.

    The interval is that of the largest change: if those of all settings hold at once, so does the one from their
    largest lower to their largest upper end. Supported above MARKED, contradicted below it, and no difference below
    the smallest effect of interest.
    """
    (arm,), field = claim.arms, claim.metric
    values, base = _by_setting(evidence, field, arm, "fd")
    others = [value for value in values if value not in base]
    if not base or not others:
        return missing(f"no runs of {name(arm)} at several values of {field.replace('_', ' ')}")
    each = shared_level(level, len(others))
    findings = [compare(values, base[0], other, FD, level=each) for other in others]
    changes = [_size(finding) for finding in findings]
    largest = max(range(len(others)), key=lambda i: np.nan_to_num(changes[i].estimate, nan=-1.0))
    low = float(np.max([change.low for change in changes]))  # NaN if one is, as is the upper end
    high = float(np.max([change.high for change in changes]))
    effect = Interval(changes[largest].estimate, low, high, min(change.n for change in changes))
    p = float(np.min([finding.p for finding in findings])) * len(others)
    finding = judge(effect, CHANGE, p=min(p, 1.0), needed=lambda: findings[largest].needed)
    failed = {value: sum(map(math.isinf, runs.values())) for value, runs in values.items()}
    note = [f"{k} of {len(values[v])} runs failed at {v}" for v, k in failed.items() if k]
    phrase = f"FD changes by {{}} between {field.replace('_', ' ')} {base[0]} and {others[largest]}"
    return replace(finding, phrase=phrase).with_note(*note)


def falls_back_less_with(evidence: Evidence, claim: Claim, level: float) -> Finding:
    """Final / lowest FD without any norm in the critic, over that with the norm ``claim.metric``."""
    (arm,) = claim.arms
    values, _ = _by_setting(evidence, "critic_norm", arm, "instability")
    if not {"none", claim.metric} <= {*values}:
        return missing(f"no runs of {name(arm)} with and without {claim.metric} normalisation")
    finding = compare(values, claim.metric, "none", INSTABILITY, level=level)
    finding = replace(finding, phrase=f"final / lowest FD without it is {{}} that with it, for {name(arm)}")
    if finding.word in DECIDED and not any(_fell_back(values[norm]) for norm in ("none", claim.metric)):
        return finding.but(UNDECIDED, "runs were still improving when they ended: too short to tell")
    return finding


def _by_setting(evidence: Evidence, field: str, arm: str, quantity: str) -> tuple[dict, list]:
    """Value of ``field`` → seed → ``quantity``, inf for a failed run; and the base's values (one, if any)."""
    settings = evidence.settings
    if settings.empty:
        return {}, []
    rows = settings[(settings["field"] == field) & (settings["arm"] == arm)]
    rows = rows.assign(value_of=rows[quantity].astype(float).mask(rows["failed"].astype(bool), math.inf))
    rows = rows.dropna(subset="value_of")
    values = {v: dict(zip(runs["seed"], runs["value_of"], strict=True)) for v, runs in rows.groupby("value")}
    return values, [*rows.loc[rows["is_base"].astype(bool), "value"].unique()]


def _size(change: Finding) -> Interval:
    """The interval of the size of a ratio, up or down, in logarithms."""
    with np.errstate(divide="ignore"):
        estimate, *ends = np.abs(np.log([change.estimate, change.low, change.high]))
    low = 0.0 if change.low <= 1 <= change.high else min(ends)
    return Interval(float(estimate), float(low), float(max(ends)), change.n)


def _fell_back(runs: Mapping[int, float]) -> bool:
    """Whether half of the runs ended above their best, or failed."""
    return bool(np.median([*runs.values()]) >= STEADY)
