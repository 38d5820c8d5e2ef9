"""The tables of a report, as HTML: a value with its interval in one cell, words that wrap, columns that sort."""

import html
import math
import re
from collections.abc import Mapping, Sequence

import pandas as pd
from IPython.display import HTML

# name of a score -> its heading; the arrow points to what is better
HEADINGS = {
    "fd": "FD ↓",
    "kid": "KID ↓",
    "precision": "precision ↑",
    "recall": "recall ↑",
    "density": "density ↑",
    "coverage": "coverage ↑",
    "inception_score": "Inception Score",  # looks at no real image: not for ranking
    "modes_tenth": "classes ↑",
    "kl_uniform": "KL to uniform ↓",
    "ms_ssim": "MS-SSIM",
    "lpips": "LPIPS",
}


def number(value: float) -> str:
    """Three significant digits, all before the point; – where there is no number."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def overview(study: pd.DataFrame) -> pd.DataFrame:
    """What was trained, a row per data set and method."""
    cells = study.rename(columns=lambda name: name.replace("_", " ")).groupby(["dataset", "method"], sort=False)
    columns = ["num images", "image size", "base channels", "generator steps", "processor"]
    return cells[columns].first().assign(seeds=cells.size())


def seeds(study: pd.DataFrame) -> tuple[dict[str, int], str]:
    """Of each data set, how many seeds were trained; and the same in words, for a caption."""
    found = study.groupby("dataset", sort=False)["seed"].nunique().to_dict()
    return found, ", ".join(f"{n} seeds of {name}" for name, n in found.items())


def distances(scores: pd.DataFrame) -> tuple[dict[str, str], dict[str, str]]:
    """Of each data set, the name of its primary distance; and that name with what real images score."""
    if scores.empty:
        return {}, {}
    named = scores[scores["primary"]].groupby("dataset")[["label", "floor"]].first()
    return dict(named["label"]), {name: f"{row.label}; real: {row.floor:.2g}" for name, row in named.iterrows()}


def ledger(claims: pd.DataFrame) -> HTML:
    """``claims.ledger``: the verdict of each claim on each data set, and, folded, every part with its numbers."""
    if claims.empty:
        return HTML("<p>No claim was tested.</p>")
    whole = claims[claims["part"] == "overall"].drop_duplicates(["number", "dataset"])
    datasets = list(whole["dataset"].unique())
    words = [
        [rank, _wrapped(claim, 12), *(_verdict(found.get(name, "–")) for name in datasets), _wrapped(source, 9)]
        for (rank, claim, source), rows in whole.groupby(["number", "claim", "source"])
        for found in [dict(zip(rows["dataset"], rows["verdict"], strict=True))]
    ]
    parts = [
        [row.number, "" if row.part == "overall" else row.part, html.escape(row.dataset), _verdict(row.verdict)]
        + [
            _wrapped(row.quantity, 13),
            _with_bounds(html.escape(row.effect), row.low, row.high),
            row.n,
            _wrapped(row.note, 22),
        ]
        for row in claims.itertuples()
    ]
    head = ["claim", "part", "data set", "verdict", "quantity", "effect [95 %]", "n", "note"]
    fold = "<summary>Every part: effect, interval, number of seeds, and why</summary>" + table(head, parts)
    return HTML(
        table(["", "claim", *datasets, "source"], words) + f'<details style="margin-top:.75rem">{fold}</details>'
    )


def comparison(frame: pd.DataFrame, labels: Mapping[str, str]) -> HTML:
    """``ranking.comparison_table``: a row per data set and method, a score with its interval below it in each cell.

    ``labels``: the name of the distance on each data set. The best score is bold; scores that no run has are left out,
    and – stands where failed runs leave no finite mean.
    """
    if frame.empty:
        return HTML("<p>Nothing was scored.</p>")
    metrics = [name for name in dict.fromkeys(frame.columns.get_level_values(0)) if frame[name, "mean"].notna().any()]
    rows = [
        [f"{html.escape(dataset)} <br><small>{html.escape(labels.get(dataset, ''))}</small>", html.escape(method)]
        + [int(row[metrics[0], "n"]), int(row[metrics[0], "failed"])]
        + [_score(row[name]) for name in metrics]
        for (dataset, method), row in frame.iterrows()
    ]
    names = [HEADINGS.get(name, name.replace("_", " ")) for name in metrics]
    return HTML(table(["data set", "method", "seeds", "failed", *names], rows))


def pairs(frame: pd.DataFrame) -> HTML:
    """``ranking.pair_table``: a row per data set and pair of methods."""
    if frame.empty:
        return HTML("<p>No two methods were scored.</p>")
    rows = [
        [html.escape(row.dataset), f"{row.a} against {row.b}", row.n, f"{row.won} – {row.tied} – {row.lost}"]
        + [
            _with_bounds(number(row.ratio_estimate), row.ratio_low, row.ratio_high),
            number(row.p_value),
            number(row.p_holm),
        ]
        + [_with_bounds(number(row.chance_estimate), row.chance_low, row.chance_high)]
        for row in frame.itertuples()
    ]
    head = ["data set", "first against second", "seeds", "won – tied – lost", "FD of second / first", "p", "p, Holm"]
    return HTML(table([*head, "chance that a run of the first is better"], rows))


def plain(frame: pd.DataFrame, estimate: str = "") -> HTML:
    """Any table, numbers to three digits; the column ``estimate`` with the interval of columns ``low`` and ``high``."""
    if frame.empty:
        return HTML("<p>Nothing of this was run.</p>")
    names = [name for name in frame if not (estimate and name in ("low", "high"))]
    rows = [
        [
            _with_bounds(number(row[name]), row["low"], row["high"]) if name == estimate else _plain(row[name])
            for name in names
        ]
        for row in frame.to_dict("records")
    ]
    heads = [f"{name} [95 %]" if name == estimate else name.replace("_", " ") for name in names]
    return HTML(table(heads, rows))


def _plain(value) -> str:
    if isinstance(value, bool | str):
        return html.escape(str(value))
    return "" if pd.isna(value) else number(value)


def table(head: Sequence[str], rows: Sequence[Sequence]) -> str:
    """HTML of a table; ``rows`` hold HTML. No merged cells: the page's script can sort it by each column."""
    top = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>\n{body}</tbody></table>"


def _with_bounds(text: str, low: float, high: float) -> str:
    return text if pd.isna(low) else f"{text} <br><small>[{number(low)}, {number(high)}]</small>"


def _score(cell: pd.Series) -> str:
    if not math.isfinite(cell["mean"]):
        return "–"
    text = number(cell["mean"])
    text = f"<strong>{text}</strong>" if cell["best"] is True else text
    return _with_bounds(text, cell["low"], cell["high"])


def _verdict(word: str) -> str:
    decided = word in ("supported", "contradicted")
    return f"<strong>{word}</strong>" if decided else html.escape(word)


def _wrapped(text: str, width: float) -> str:
    """``text`` in lines of at least ``width`` rem where there is room for them, `code` set as such."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(str(text)))
    return f'<div style="white-space:normal;min-width:{min(width, 0.5 * len(str(text)) + 1):g}rem">{marked}</div>'
