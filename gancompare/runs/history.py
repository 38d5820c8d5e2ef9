"""The files that grow while a run trains: a row per log interval, and rows of critic diagnostics."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import pandas as pd

from gancompare.base.files import sync, write_atomically
from gancompare.runs.layout import DIAGNOSTICS, DISTANCES, HISTORY

GROWING = (HISTORY, DISTANCES, DIAGNOSTICS)  # both begin with the column generator_steps


def append_history(directory: Path, row: dict[str, Any]) -> None:
    """Add one row to ``history.csv``; all rows of a run have the same columns, ``generator_steps`` first."""
    _append(directory / HISTORY, [row])


def append_diagnostics(directory: Path, generator_steps: int, measured: list) -> None:
    """Add a row to ``diagnostics.csv`` for each (quantity, where, value) of ``measured``."""
    columns = ("generator_steps", "quantity", "where", "value")
    _append(directory / DIAGNOSTICS, [dict(zip(columns, (generator_steps, *each), strict=True)) for each in measured])


def append_distances(directory: Path, generator_steps: int, rows: list[dict[str, Any]]) -> None:
    """Add ``rows`` to ``distances.csv``, each after the step that it was measured at."""
    _append(directory / DISTANCES, [{"generator_steps": generator_steps} | row for row in rows])


def read_history(directory: Path) -> pd.DataFrame:
    return pd.read_csv(directory / HISTORY)


def _append(path: Path, rows: list[dict[str, Any]]) -> None:
    """Append ``rows``; a column that is new to the file, as of a loss part that is not always there, joins it."""
    if not rows:
        return
    columns, earlier = list(rows[0]), []
    if path.exists():
        with open(path, newline="") as file:
            reader = csv.DictReader(file)
            columns = [*(reader.fieldnames or []), *(name for name in columns if name not in (reader.fieldnames or []))]
            if columns != reader.fieldnames:
                earlier = list(reader)
    if earlier or not path.exists():
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(earlier)
        write_atomically(path, text.getvalue().encode(), durable=False)
    with open(path, "a", newline="") as file:
        csv.DictWriter(file, columns, lineterminator="\n", restval="").writerows(rows)


def sync_history(directory: Path) -> None:
    """Wait until all rows are on the disk: a checkpoint must not outlive the rows before it."""
    for path in filter(Path.exists, (directory / name for name in GROWING)):
        sync(path)


def cut_history(directory: Path, generator_steps: int) -> None:
    """Drop rows past ``generator_steps``, and a last line that a kill left unfinished, so that a resume can go on."""
    for path in filter(Path.exists, (directory / name for name in GROWING)):
        header, *lines = path.read_text(errors="replace").splitlines(keepends=True) or [""]
        whole = [line for line in lines if re.match(r"\d+,.*\n", line)]
        kept = [line for line in whole if int(line.split(",", 1)[0]) <= generator_steps]
        if kept:
            write_atomically(path, "".join([header, *kept]).encode())
        else:
            path.unlink()
