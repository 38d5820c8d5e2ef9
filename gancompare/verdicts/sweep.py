"""A sweep as tables: its finished runs, and how far results depend on one setting at a time.

``runs.sweeps`` says what a sweep is; ``architectures`` and ``modes`` read its other two parts from the same table.
"""

import math
from pathlib import Path

import numpy as np
import pandas as pd

from gancompare.runs.layout import HISTORY
from gancompare.runs.reading import load_rows, load_runs, load_scores
from gancompare.runs.sweeps import BASE, VARIATIONS, cells_of, part_of
from gancompare.verdicts.comparisons import compare
from gancompare.verdicts.curves import rebound
from gancompare.verdicts.finals import failed, finished
from gancompare.verdicts.words import FD

KEYS = ["dataset", "arm", "seed"]
SCORES = ["fd", "variance", "floor", "label", "n_fake", "modes", "modes_tenth", "kl_uniform", "kl_uniform_floor"]


def read_sweep(results: str | Path, name: str) -> pd.DataFrame:
    """A row per finished run of the sweep ``results/<name>``; empty where there is no such sweep.

    Columns: ``cell`` and ``part`` of the sweep; config fields, status and cost as in ``load_runs``; SCORES, the final
    ones by the primary extractor; ``failed``, diverged or collapsed; ``instability``, final FD over the lowest on the
    way, inf for a failed run and NaN where FD was not measured.
    """
    tables = [_read_cell(results, name, cell) for cell in cells_of(results, name)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _read_cell(results: str | Path, name: str, cell: str) -> pd.DataFrame:
    runs = finished(load_runs(Path(results) / name, cell))
    scores = load_scores(runs)
    if len(scores):
        scores = scores[scores["primary"] & (scores["checkpoint"] == "last")]
    runs = runs.merge(scores.reindex(columns=KEYS + SCORES), "left", KEYS).assign(cell=cell, part=part_of(cell))
    runs["failed"] = failed(runs)
    histories = load_rows(runs, HISTORY)
    curves = {} if histories.empty else dict(iter(histories.groupby(KEYS)))
    keys = runs[KEYS].itertuples(index=False, name=None)
    ratios = [
        math.inf if lost else _instability(curves.get(key)) for key, lost in zip(keys, runs["failed"], strict=True)
    ]
    return runs.assign(instability=np.array(ratios, float))


def _instability(history: pd.DataFrame | None) -> float:
    measured = history["fd"].dropna() if history is not None and "fd" in history else ()
    return 1 + rebound(np.maximum(measured, 1e-12)) if len(measured) else math.nan


def describe_sweep(sweep: pd.DataFrame, results: str | Path, name: str) -> str:
    """In Markdown: budget of a sweep and how its runs ended, or, where there is none, the command that makes one."""
    if sweep.empty:
        return (
            f"**There is no sweep `{name}` in `{results}`.** Make one with `gancompare sensitivity --name {name}` "
            f"(add `--results DIR` to put it elsewhere; `--help` lists size and parts), then run this notebook again."
        )
    lines = []
    for part, rows in sweep.groupby("part", sort=False):
        diverged = (rows["status"] == "diverged").sum()
        width = ", ".join(map(str, sorted(rows["base_channels"].unique())))
        steps = " to ".join(f"{x:,}" for x in sorted({rows["generator_steps"].min(), rows["generator_steps"].max()}))
        lines.append(
            f"- {part} on {', '.join(rows['dataset'].unique())}: runs {len(rows)}, cells {rows['cell'].nunique()}, "
            f"seeds {rows['seed'].nunique()}; {steps} generator steps, width {width}; "
            f"{diverged} diverged, {rows['failed'].sum() - diverged} collapsed"
        )
    return "\n".join(lines)


def settings_table(sweep: pd.DataFrame) -> pd.DataFrame:
    """The rows of ``read_sweep`` with one change, in long form: a row per ``field``, ``value``, method and seed.

    Rows of the base (``is_base``) stand once under every field that is varied for their method.
    """
    columns = ["field", "value", "is_base", *KEYS, "fd", "failed", "instability"]
    if sweep.empty:
        return pd.DataFrame(columns=columns)
    tables = []
    for variation in VARIATIONS:
        own = sweep["cell"].map(variation.varies) | (sweep["cell"] == BASE)
        rows = sweep[own & sweep["arm"].isin(variation.methods)]
        values = rows[variation.column].astype(object)
        tables.append(rows.assign(field=variation.name, value=values, is_base=rows["cell"] == BASE))
    return pd.concat(tables, ignore_index=True)[columns]


def effects(settings: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """A row per change and method: FD with it / FD without it, paired by seed, above 1 where the change makes it worse.

    ``settings``: a ``settings_table``. Each interval holds at ``level``, not all at once. Where a run failed, the
    comparison is by ranks; below three seeds there is no interval. The word "supported" is for "the change does harm".
    """
    rows = []
    settings = settings[settings["failed"].astype(bool) | settings["fd"].notna()]  # the others were not scored
    for (field, method), group in settings.groupby(["field", "arm"], sort=False):
        base = group[group["is_base"]].set_index("seed")
        for value, changed in group[~group["is_base"]].groupby("value", sort=True):
            changed = changed.set_index("seed")
            both = sorted({*base.index} & {*changed.index})
            if both:
                row = {"field": field, "arm": method, "base": base["value"].iloc[0], "value": value}
                rows.append(row | _effect(base.loc[both], changed.loc[both], level))
    return pd.DataFrame(rows)


def _effect(base: pd.DataFrame, changed: pd.DataFrame, level: float) -> dict:
    """Ratio of FDs with its interval and word, number of seeds, and failures of both sides."""
    sides = {"base": base, "changed": changed}
    values = {
        side: dict(rows["fd"].astype(float).mask(rows["failed"].astype(bool), np.inf)) for side, rows in sides.items()
    }
    finding = compare(values, "base", "changed", FD, level=level)
    row = {key: getattr(finding, key) for key in ("estimate", "low", "high", "word", "n")}
    return row | {"failed": int(changed["failed"].sum()), "base_failed": int(base["failed"].sum())}
