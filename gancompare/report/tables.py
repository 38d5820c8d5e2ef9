"""The tables of a report: a value with its interval in one cell, words that wrap, columns that the page can sort.

Functions that return ``HTML`` fill ``template/table.html.j2``, which escapes all text; those that return a table leave
its layout to pandas.
"""

import functools
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
from IPython.display import HTML
from markupsafe import Markup, escape

from gancompare import arms
from gancompare.config import FIELDS
from gancompare.scoring.catalogue import METRICS

ARROWS = {"lower": " ↓", "higher": " ↑", "": ""}  # point to what is better
COMPARED = tuple(name for name in METRICS if name not in ("modes", "copy_flagged"))  # the columns of ``comparison``
METHOD_COLUMNS = ("arm", "first", "second")  # of the tables that ``plain`` shows
BOUNDED = Markup("{} <br><small>[{}, {}]</small>")
STRONG = Markup("<strong>{}</strong>")
FOLD = Markup('<details style="margin-top:.75rem"><summary>{}</summary>{}</details>')
WRAPPED = Markup('<div style="white-space:normal;min-width:{:g}rem">{}</div>')


def number(value: float) -> str:
    """Three significant digits, and all digits before the point; – if there is no number."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def heading(metric: str) -> str:
    """What a column of the scores is called, with an arrow to what is better."""
    if metric not in METRICS:
        return metric.replace("_", " ")
    return METRICS[metric].heading + ARROWS[METRICS[metric].better]


# ---- what was run ----------------------------------------------------------------------------------------------------


def overview(runs: pd.DataFrame) -> pd.DataFrame:
    """What was trained, a row per data set and method."""
    runs = _in_order(runs).rename(columns=lambda name: name.replace("_", " "))
    cells = runs.groupby(["dataset", "arm"], sort=False)
    columns = ["num images", "image size", "base channels", "generator steps", "processor"]
    return cells[columns].first().assign(seeds=cells.size()).rename(index=arms.name, level="arm")


def seeds(runs: pd.DataFrame) -> tuple[dict[str, int], str]:
    """Number of seeds by data set; and the same in words, for a caption."""
    counts = runs.groupby("dataset", sort=False)["seed"].nunique().to_dict()
    return counts, ", ".join(f"{n} seed{'s' * (n != 1)} of {name}" for name, n in counts.items())


def distances(scores: pd.DataFrame) -> tuple[dict[str, str], dict[str, str]]:
    """The name of the primary distance by data set; and that name with what real images score."""
    if scores.empty:
        return {}, {}
    named = scores[scores["primary"]].groupby("dataset")[["label", "floor"]].first()
    return dict(named["label"]), {name: f"{row.label}; real: {row.floor:.2g}" for name, row in named.iterrows()}


def endings(runs: pd.DataFrame) -> pd.DataFrame:
    """Number of runs by data set and method (rows) and by how they ended (columns)."""
    counts = _in_order(runs).groupby(["dataset", "arm", "status"], sort=False).size().unstack(fill_value=0)
    return counts.rename(index=arms.name, level="arm").rename_axis(columns=None)


def differing_fields(runs: pd.DataFrame) -> pd.DataFrame:
    """What is not the same in all runs of a data set, except for method and seed: config, images and machine.

    A row per field, a column per (dataset, method); a cell whose seeds differ lists all its values.
    """
    shaping = [name for name, field in FIELDS.items() if field.metadata["affects_training"]]
    candidates = [*shaping, "fingerprint", "version", "processor", "threads", "arithmetic", "torch"]
    candidates = [name for name in candidates if name in runs and name not in ("dataset", "arm", "method", "seed")]
    values = runs.groupby("dataset", sort=False)[candidates].nunique().max()
    differing = [name for name in candidates if values[name] > 1]
    cells = {
        (dataset, arms.name(method)): {
            name: ", ".join(sorted({f"{v:g}" if isinstance(v, float) else str(v) for v in rows[name]}))
            for name in differing
        }
        for (dataset, method), rows in _in_order(runs).groupby(["dataset", "arm"], sort=False)
    }
    return pd.DataFrame(cells, index=differing, columns=pd.MultiIndex.from_tuples(cells, names=["dataset", "arm"]))


def cost_table(runs: pd.DataFrame) -> pd.DataFrame:
    """Milliseconds per generator step by data set and method: the mean, the fastest and the slowest seed.

    ``ratio`` is the mean over that of the data set's first method. Runs that made no step are left out.
    """
    ran = _in_order(runs[runs["seconds"].notna() & (runs["steps_done"] > 0)])
    ran["ms"] = 1000 * ran["seconds"].astype(float) / ran["steps_done"]
    ran["images"] = ran["images_seen"] / ran["steps_done"]
    cells = ran.groupby(["dataset", "arm"], sort=False)
    table = cells["ms"].agg(["mean", "min", "max"])
    table.insert(0, "ratio", table["mean"] / table["mean"].groupby(level="dataset", sort=False).transform("first"))
    table = table.rename(columns={"mean": "ms per step", "min": "fastest", "max": "slowest"})
    table["real images per step"] = cells["images"].mean()
    table["seeds"] = cells.size()
    return table.round(2).rename(index=arms.name, level="arm")


def _in_order(runs: pd.DataFrame) -> pd.DataFrame:
    """A copy whose data sets keep their order and whose methods are in the order of ``arms``."""
    rank = {method: i for i, method in enumerate(arms.in_order(runs["arm"].unique()))}
    return runs.iloc[np.lexsort((runs["arm"].map(rank), pd.factorize(runs["dataset"])[0]))].copy()


# ---- what came out ---------------------------------------------------------------------------------------------------


def ledger(claims: pd.DataFrame) -> HTML:
    """``verdicts.ledger.ledger``: the word for each statement on each data set, and, folded, all rows with numbers."""
    if claims.empty:
        return HTML("<p>No claim was tested.</p>")
    datasets = list(claims["dataset"].unique())
    rows = []
    for _, own in claims.groupby("key", sort=False):
        words = dict(zip(own["dataset"], own["word"], strict=True))
        verdicts = [_verdict(words.get(dataset, "–")) for dataset in datasets]
        rows.append([_wrapped(own["statement"].iloc[0], 16), *verdicts, _wrapped(own["who"].iloc[0], 9)])
    short = table(["statement", *datasets, "who said it"], rows, "The verdict on each statement, by data set.")
    head = ["statement", "data set", "verdict", "effect [95 %]", "n", "what it means, and what would decide it"]
    parts = [
        [_wrapped(row.statement, 16), row.dataset, _verdict(row.word)]
        + [_with_bounds(row.effect, row.low, row.high), row.n, _wrapped(_meaning(row), 22)]
        for row in claims.itertuples()
    ]
    long = table(head, parts, "Every statement with its numbers; above 1× or 0 favours the statement.")
    return HTML(
        short + FOLD.format("Every statement: effect, interval, number of seeds, and what would decide it", long)
    )


def _meaning(row) -> str:
    note = row.note if row.note and row.note not in row.sentence else ""
    command = f"Run {row.command}." if row.command else ""
    return " ".join(filter(None, [row.sentence, f"({note})" if note else "", command]))


def comparison(frame: pd.DataFrame, labels: Mapping[str, str]) -> HTML:
    """``ranking.comparison_table``: a row per data set and arm, a score with its interval below it in each cell.

    ``labels`` holds the name of the distance by data set. The best score is bold. Scores that no run has are left out,
    and – means that failed runs leave no finite mean.
    """
    if frame.empty:
        return HTML("<p>Nothing was scored.</p>")
    frame = frame.loc[_in_order(frame.index.to_frame()).index]
    metrics = [name for name in dict.fromkeys(frame.columns.get_level_values(0)) if frame[name, "mean"].notna().any()]
    rows = []
    for (dataset, method), row in frame.iterrows():
        where = Markup("{} <br><small>{}</small>").format(dataset, labels.get(dataset, ""))
        counts = [int(row[metrics[0], name]) for name in ("n", "failed")]
        rows.append([where, arms.name(method), *counts, *(_score(row[name]) for name in metrics)])
    head = ["data set", "arm", "seeds", "failed", *map(heading, metrics)]
    return HTML(table(head, rows, "Scores with 95 % intervals, by data set and method.", row_head=1))


def pairs(frame: pd.DataFrame) -> HTML:
    """``clocks.pairs_at_clocks``: a row per data set and pair of arms, a clock in each column."""
    if frame.empty:
        return HTML("<p>No two arms were measured.</p>")
    clocks = list(frame["clock"].unique())
    rows = []
    for (dataset, a, b), own in frame.groupby(["dataset", "a", "b"], sort=False):
        cells = []
        for row in own.itertuples():
            numbers = _with_bounds(number(row.ratio), row.low, row.high)
            cells.append(Markup("{} <br>{}").format(numbers, _verdict(_nearer(row))))
        rows.append([dataset, f"{arms.name(b)} / {arms.name(a)}", *cells])
    head = ["data set", "FD of", *(f"at equal {clock.replace('_', ' ')}" for clock in clocks)]
    return HTML(table(head, rows, "Arms compared in pairs on three clocks, with 95 % intervals.", row_head=1))


def _nearer(row) -> str:
    """The verdict on a pair as a reader wants it: which arm is nearer."""
    nearer = {"supported": row.a, "contradicted": row.b}.get(row.word)
    return f"{arms.name(nearer)} nearer" if nearer else row.word


def plain(frame: pd.DataFrame, estimate: str = "", caption: str = "") -> HTML:
    """Any table, numbers to three digits; the column ``estimate`` has the interval of columns ``low`` and ``high``."""
    if frame.empty:
        return HTML("<p>Nothing of this was run.</p>")
    names = [name for name in frame if not (estimate and name in ("low", "high"))]
    rows = []
    for row in frame.to_dict("records"):
        cells = {name: _plain(name, row[name]) for name in names}
        if estimate:
            cells[estimate] = _with_bounds(number(row[estimate]), row["low"], row["high"])
        rows.append(list(cells.values()))
    heads = [f"{name} [95 %]" if name == estimate else str(name).replace("_", " ") for name in names]
    return HTML(table(heads, rows, caption))


# ---- cells -----------------------------------------------------------------------------------------------------------


@functools.cache
def _template() -> jinja2.Template:
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "template")
    return jinja2.Environment(loader=loader, autoescape=True).get_template("table.html.j2")


def table(head: Sequence[str], rows: Sequence[Sequence], caption: str, *, row_head: int = 0) -> Markup:
    """HTML of a table; column ``row_head`` names its rows. Cells are text, which is escaped, numbers or ``Markup``."""
    return Markup(_template().render(head=head, rows=rows, caption=caption, row_head=row_head))


def _plain(name: str, value) -> str:
    if isinstance(value, bool | str):
        return arms.name(value) if name in METHOD_COLUMNS else str(value)
    return "" if pd.isna(value) else number(value)


def _with_bounds(text: str, low: float, high: float) -> str:
    return text if pd.isna(low) else BOUNDED.format(text, number(low), number(high))


def _score(cell: pd.Series) -> str:
    if not math.isfinite(cell["mean"]):
        return "–"
    text = number(cell["mean"])
    return _with_bounds(STRONG.format(text) if cell["best"] is True else text, cell["low"], cell["high"])


def _verdict(word: str) -> str:
    return STRONG.format(word) if word in ("supported", "contradicted") else word


def _wrapped(text: str, width: float) -> Markup:
    """``text`` in lines of at least ``width`` rem if there is room for them, `code` set as such."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(str(text))))
    return WRAPPED.format(min(width, 0.5 * len(str(text)) + 1), Markup(marked))
