"""The questions of a blind test, and the file that keeps their answers."""

import contextlib
import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch

from gancompare.base.files import sync, write_atomically
from gancompare.base.streams import stream
from gancompare.runs.layout import RunError
from gancompare.verdicts.shares import proportion

REAL, GENERATED = "real", "generated"  # answers; REAL is also the source of real images
FIELDS = ("trial", "source", "image", "answer", "seconds")  # of an answers file
REMEDY = "choose another file or delete this one"


@dataclass(frozen=True)
class Trial:
    """One question: image number ``image`` of those of ``source``, a method or ``REAL``."""

    source: str
    image: int


def plan(methods: Sequence[str], per_method: int, seed: int) -> list[Trial]:
    """``per_method`` images of each method and as many real ones as generated, in an order drawn from the seed."""
    trials = [Trial(method, i) for method in methods for i in range(per_method)]
    trials += [Trial(REAL, i) for i in range(len(trials))]
    return [trials[i] for i in torch.randperm(len(trials), generator=stream(seed, "blind order"))]


def read_answers(path: Path, trials: list[Trial]) -> pd.DataFrame:
    """The answers in ``path`` so far, a row per trial in its order; empty if there is no file.

    A last line that was cut off in writing is dropped. Raises RunError for answers to other trials, and for lines that
    are not answers.
    """
    rows = []
    if path.exists():
        lines = path.read_text(errors="replace").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        if len(whole) < len(lines):
            write_atomically(path, "".join(whole).encode())
        try:
            rows = list(csv.DictReader(whole))
        except csv.Error as error:
            raise RunError(f"{path} cannot be read ({error}); {REMEDY}") from error
    for number, row in enumerate(rows):
        trial = trials[number] if number < len(trials) else None
        if problem := _problem(row, number, trial):
            raise RunError(f"{path}: line {number + 2} {problem}; {REMEDY}")
    return pd.DataFrame(rows, columns=list(FIELDS)).astype({"trial": int, "image": int, "seconds": float})


def _problem(row: dict[str, str], number: int, trial: Trial | None) -> str:
    """What is wrong with a line of an answers file; empty if nothing is."""
    asked = (str(number), trial.source, str(trial.image)) if trial else None
    if asked != (row.get("trial"), row.get("source"), row.get("image")):
        return "answers another test"
    if row.get("answer") not in (REAL, GENERATED):
        return f"has the answer {row.get('answer')!r}"
    try:
        float(row.get("seconds"))
    except (TypeError, ValueError):
        return f"has {row.get('seconds')!r} for seconds, not a number"
    return ""


def append_answer(path: Path, number: int, trial: Trial, *, answer: str, seconds: float) -> None:
    """Add one line and wait until it is on the disk. After an OSError the file is as long as it was."""
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    size = path.stat().st_size if path.exists() else 0
    try:
        with open(path, "a", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            if not size:
                writer.writerow(FIELDS)
            writer.writerow((number, trial.source, trial.image, answer, f"{seconds:.3f}"))
        sync(path)
    except OSError:
        with contextlib.suppress(OSError):
            os.truncate(path, size)
        raise


def rates(answers: pd.DataFrame, sources: Sequence[str]) -> pd.DataFrame:
    """A row per source: images shown, called real, their share with Wilson's 95 % interval, and median seconds.

    For a method the share is its fooling rate. It has a meaning only beside the share of real images: someone who calls
    all images real is fooled by all methods. Generated images are as good as real ones if the two shares are alike.
    """
    rows = {}
    for source in sources:
        mine = answers[answers["source"] == source]
        called = int((mine["answer"] == REAL).sum())
        share = proportion(called, len(mine))
        counts = {"shown": len(mine), "called real": called}
        rows[source] = counts | {"share": share.estimate, "low": share.low, "high": share.high}
        rows[source]["median seconds"] = mine["seconds"].median()
    return pd.DataFrame.from_dict(rows, "index").round(3)
