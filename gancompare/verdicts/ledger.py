"""The ledger: a row per claim and data set, with its word, the numbers behind it, and what would decide it."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from gancompare.arms import in_order
from gancompare.data.builtin import STACKED
from gancompare.runs.layout import place_of
from gancompare.runs.reading import Study
from gancompare.verdicts.claims import CLAIMS
from gancompare.verdicts.differences import holm
from gancompare.verdicts.evidence import Evidence
from gancompare.verdicts.finals import finished
from gancompare.verdicts.statement import Claim
from gancompare.verdicts.sweep import settings_table
from gancompare.verdicts.words import CONTRADICTED, DECIDED, NO_DIFFERENCE, NOT_TESTED, SUPPORTED, Finding

SEEDS = 5  # the fewest that a new study should have
NUMBERS = ["effect", "estimate", "low", "high", "no_effect", "n", "word", "p", "p_holm", "needed"]
LEDGER = ["key", "who", "statement", "dataset", "clock", "arms", *NUMBERS, "sentence", "note", "command", "hours"]


def ledger(study: Study | None, sweep: pd.DataFrame | None = None, *, level: float = 0.95) -> pd.DataFrame:
    """A row per claim and data set of ``study`` and of ``sweep`` (``sweep.read_sweep``); without a study, only those
    claims that take a sweep.

    ``estimate``, ``low`` and ``high`` are ratios where ``no_effect`` is 1, differences where it is 0; above it favours
    the statement. ``p`` is of the row alone, ``p_holm`` after Holm over all rows. ``command`` would train what is
    missing or undecided, in about ``hours`` of one process.
    """
    settings = settings_table(sweep) if sweep is not None else pd.DataFrame()
    datasets = dict.fromkeys([*(study.datasets if study else ()), *settings.get("dataset", ())])
    rows = []
    for dataset in datasets:
        own = _finished(study.of(dataset)) if study else _no_study()
        evidence = Evidence(own, settings[settings["dataset"] == dataset] if len(settings) else settings)
        for claim in CLAIMS:
            if study or claim.sweep:
                rows.append(row_of(claim, dataset, evidence, level=level))
    table = pd.DataFrame(rows, columns=LEDGER).astype({"needed": "Int64"})
    tested = table["p"].notna()
    table.loc[tested, "p_holm"] = holm(table.loc[tested, "p"].astype(float))
    return table


def row_of(claim: Claim, dataset: str, evidence: Evidence, *, level: float = 0.95) -> dict:
    """The row of one claim on one data set, without ``p_holm``."""
    finding = claim.measure(evidence, claim, level)
    command, hours = _remedy(claim, finding, dataset, evidence)
    row = {key: getattr(claim, key) for key in ("key", "who", "statement", "clock")}
    row |= {"dataset": dataset, "arms": " ".join(claim.arms), "no_effect": float(finding.ratio), "p_holm": math.nan}
    row |= {key: getattr(finding, key) for key in NUMBERS if hasattr(finding, key)}
    return row | {"sentence": sentence(claim, finding), "note": finding.note, "command": command, "hours": hours}


def sentence(claim: Claim, finding: Finding) -> str:
    """What the row says, as a student would read it."""
    if finding.word == NOT_TESTED:
        return f"These runs cannot say: {finding.note}."
    numbers = f"{finding.effect} ({finding.bounds})" if finding.bounds else finding.effect
    measured = f"over {finding.n} seeds {finding.phrase.format(numbers)}"
    if finding.word == SUPPORTED:
        return f"These runs agree: {measured}."
    if finding.word == CONTRADICTED:
        return f"These runs say the opposite: {measured}."
    if finding.word == NO_DIFFERENCE:
        smallest = f"{finding.smallest:g}×" if finding.ratio else f"{finding.smallest:g}"
        return f"It makes no difference that matters (less than {smallest}): {measured}."
    more = f"about {finding.needed:,} seeds would decide it" if finding.needed else ""
    return f"These runs leave it open: {measured}; {more or finding.note or 'no number of seeds up to 1,000 would do'}."


def _remedy(claim: Claim, finding: Finding, dataset: str, evidence: Evidence) -> tuple[str, float]:
    """The command that would decide a claim, and its hours; ("", NaN) where it is decided or no command would."""
    longer = "still falling" in finding.note
    if finding.word in DECIDED or not claim.arms or not (finding.word == NOT_TESTED or finding.needed or longer):
        return "", math.nan
    if claim.metric == "modes":  # are counted on stacked digits alone
        dataset = next((stacked for stacked, (digits, *_) in STACKED.items() if digits == dataset), "")
        if not dataset:
            return "", math.nan
    runs = evidence.study.runs
    seeds = max([SEEDS, finding.needed or 0, *(runs["seed"] + 1 if "seed" in runs else ())])
    if claim.sweep:
        return f"`gancompare sensitivity --dataset {dataset} --seeds {seeds} --parts settings`", math.nan
    place = place_of(runs["directory"].iloc[0]).study if "directory" in runs and len(runs) else "NAME"
    words = [f"gancompare study --name {place} --datasets {dataset}", f"--arms {' '.join(in_order(claim.arms))}"]
    words.append(f"--seeds {seeds}")
    for field in ("profile", "recipe", "generator_steps"):
        if field in runs and runs[field].nunique() == 1:
            value = runs[field].iloc[0] * (2 if longer and field == "generator_steps" else 1)
            words.append(f"--{field.replace('_', '-')} {value}")
    missing_runs = seeds if longer or finding.word == NOT_TESTED else seeds - finding.n
    return f"`{' '.join(filter(None, [*words, claim.flags]))}`", _hours(claim, runs, missing_runs) * (1 + longer)


def _hours(claim: Claim, runs: pd.DataFrame, seeds: int) -> float:
    """Hours of training of ``seeds`` runs of each arm, as long as those that there are; an arm that was never trained
    is taken to cost as much as the others do on average."""
    if not {"seconds", "arm"} <= {*runs.columns} or runs["seconds"].notna().sum() == 0:
        return math.nan
    cost = finished(runs).groupby("arm")["seconds"].mean()
    return float(seeds * np.sum([cost.get(arm, cost.mean()) for arm in claim.arms]) / 3600)


def _finished(study: Study) -> Study:
    """The study without the histories, distances and diagnostics of runs that are no results yet."""
    done = finished(study.runs)
    keys = set(zip(done["arm"], done["seed"], strict=True)) if len(done) else set()

    def of_done(table: pd.DataFrame) -> pd.DataFrame:
        return table[[key in keys for key in zip(table["arm"], table["seed"], strict=True)]] if len(table) else table

    growing = {name: of_done(getattr(study, name)) for name in ("histories", "distances", "diagnostics")}
    return replace(study, **growing)


def _no_study() -> Study:
    return Study(*(pd.DataFrame() for _ in range(5)))
