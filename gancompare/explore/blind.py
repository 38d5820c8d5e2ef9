"""A blind test: is this image real or generated? One at a time, in random order, each answer kept as it is given."""

import contextlib
import csv
import html
import io
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ipywidgets as widgets
import pandas as pd
import torch
from torch import Tensor

from gancompare.base.files import sync, write_atomically
from gancompare.base.streams import fixed_latents, stream
from gancompare.data.errors import DataError
from gancompare.explore import generate
from gancompare.explore.widgets import Picture, find_finished, images_of, runs_of
from gancompare.runs import layout
from gancompare.verdicts import statistics

REAL, GENERATED = "real", "generated"  # answers; REAL is also the source of real images
FIELDS = ("trial", "source", "image", "answer", "seconds")  # of an answers file
HEIGHT = 192  # pixels of the screen that an image is shown at, at least
UNSEEN = 0.15  # seconds in which nobody judges an image: an answer this soon is the second click of a double one


@dataclass(frozen=True)
class Trial:
    """One question: the image numbered ``image`` among those of ``source``, a method or ``REAL``."""

    source: str
    image: int


def plan(methods: Sequence[str], per_method: int, seed: int) -> list[Trial]:
    """``per_method`` images of each method and as many real ones as generated, in an order of the seed's own."""
    trials = [Trial(method, i) for method in methods for i in range(per_method)]
    trials += [Trial(REAL, i) for i in range(len(trials))]
    return [trials[i] for i in torch.randperm(len(trials), generator=stream(seed, "blind order"))]


def read_answers(path: Path, trials: list[Trial]) -> pd.DataFrame:
    """The answers in ``path`` so far, a row per trial in its order; empty if there is no file.

    A last line that was cut off in writing is dropped. Raises RunError for answers to other trials, and lines that are
    no answers.
    """
    rows, remedy = [], "choose another file or delete this one"
    if path.exists():
        lines = path.read_text(errors="replace").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        if len(whole) < len(lines):
            write_atomically(path, "".join(whole).encode())
        try:
            rows = list(csv.DictReader(whole))
        except csv.Error as error:
            raise layout.RunError(f"{path} cannot be read ({error}); {remedy}") from error
    for i, row in enumerate(rows):
        asked = (str(i), trials[i].source, str(trials[i].image)) if i < len(trials) else None
        if asked != (row.get("trial"), row.get("source"), row.get("image")):
            raise layout.RunError(f"{path}: line {i + 2} answers another test; {remedy}")
        if row.get("answer") not in (REAL, GENERATED):
            raise layout.RunError(f"{path}: line {i + 2} has the answer {row.get('answer')!r}; {remedy}")
        try:
            float(row.get("seconds"))
        except (TypeError, ValueError):
            raise layout.RunError(
                f"{path}: line {i + 2} has {row.get('seconds')!r} for seconds, not a number; {remedy}"
            ) from None
    return pd.DataFrame(rows, columns=list(FIELDS)).astype({"trial": int, "image": int, "seconds": float})


def append_answer(path: Path, number: int, trial: Trial, answer: str, seconds: float) -> None:
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

    Of a method the share is its fooling rate. It says something beside that of real images only: who calls all images
    real is fooled by all. Generated images are as good as real ones where the two shares are alike.
    """
    rows = {}
    for source in sources:
        of_source = answers[answers["source"] == source]
        called = int((of_source["answer"] == REAL).sum())
        share = statistics.failure_rate(called, len(of_source))  # a share with its interval, whatever it is of
        counts = {"shown": len(of_source), "called real": called}
        rows[source] = counts | {"share": share.estimate, "low": share.low, "high": share.high}
        rows[source]["median seconds"] = of_source["seconds"].median()
    return pd.DataFrame.from_dict(rows, "index").round(3)


class BlindTest(widgets.VBox):
    """Images of all methods of one training seed, and as many real ones that no run was trained on, asked one by one.

    ``answers``: a CSV file (default: in the folder ``explored``), written at each answer; a test on the same file goes
    on where it was left. Nothing is loaded before *begin* is pressed. Seconds run from sending an image to receiving
    the answer.
    Raises RunError if there is no such run.
    """

    def __init__(
        self,
        study: str | None = None,
        results: str | Path | None = None,
        dataset: str | None = None,
        per_method: int = 20,
        seed: int = 0,
        answers: str | Path | None = None,
    ):
        super().__init__()
        if per_method < 1:
            raise layout.RunError(f"per_method {per_method}: must be at least 1 image of each method")
        found = find_finished(results or layout.results_directory())
        self.study, self.dataset, self.run_seed, self._directories = runs_of(found, study, dataset)
        self.path = Path(answers or f"explored/blind-{self.study}-{self.dataset}.csv")
        self._per_method, self._seed = per_method, seed
        self.trials: list[Trial] = []
        self._images: dict[str, Tensor] = {}
        self._number, self._shown = 0, 0.0
        self.begin = widgets.Button(description="begin", tooltip="load the images and ask")
        self.real = widgets.Button(description="real", tooltip="this is a photograph or drawing from the data set")
        self.generated = widgets.Button(description="generated", tooltip="this was made by a generator")
        self.image = Picture(format="png", tooltip="the image to judge", layout={"display": "none"})
        self.status = widgets.HTML()
        self.begin.on_click(lambda _: self._begin())
        self.real.on_click(lambda _: self.answer(REAL))
        self.generated.on_click(lambda _: self.answer(GENERATED))
        self.real.disabled = self.generated.disabled = True
        self.children = [self.begin, self.image, widgets.HBox([self.real, self.generated]), self.status]
        self._say(f"{self.dataset}: real or generated? Answers go to {self.path}.")

    def _begin(self) -> None:
        try:
            self._load()
            self._number = len(read_answers(self.path, self.trials))
        except (layout.RunError, DataError, OSError) as error:
            self._say(f"no test: {error}")
            return
        self.begin.disabled = True
        self._ask()

    def _load(self) -> None:
        """Images by source. Raises RunError without a generator or enough real images, DataError without data."""
        nets = {}
        for method, directory in self._directories.items():
            try:
                nets[method] = generate.load(directory)
            except layout.RunError:
                continue  # without weights: its images cannot be shown
        if not nets:
            raise layout.RunError("none of these runs has weights")
        trials, count = plan(list(nets), self._per_method, self._seed), self._per_method * len(nets)
        held_out = images_of(next(self._directories[method] for method in nets), "test").images
        if len(held_out) < count:
            most = len(held_out) // len(nets)
            raise layout.RunError(
                f"{count} real images are needed, {len(held_out)} are held out: per_method up to {most}"
            )
        chosen = torch.randperm(len(held_out), generator=stream(self._seed, "blind real"))[:count]
        images = {REAL: held_out[chosen]}
        for method, net in nets.items():
            images[method] = generate.render(net, fixed_latents(self._seed, "blind", self._per_method, net.latent_dim))
        self.trials, self._images = trials, images

    def answer(self, answer: str) -> None:
        """Keep the answer to the image that is shown, and show the next. An answer within ``UNSEEN`` is none.

        Where another widget or session answered in the same file meanwhile, nothing is kept, and the test goes on
        there.
        """
        seconds = time.perf_counter() - self._shown
        if seconds < UNSEEN or self._number == len(self.trials):
            return
        try:
            there = len(read_answers(self.path, self.trials))
            if there == self._number:
                append_answer(self.path, self._number, self.trials[self._number], answer, seconds)
        except (OSError, layout.RunError) as error:
            self._say(f"the answer could not be kept: {error}")
            return
        elsewhere = there != self._number
        self._number = there if elsewhere else self._number + 1
        self._ask("not kept, as the test went on elsewhere; " if elsewhere else "")

    def _ask(self, before: str = "") -> None:
        left = self._number < len(self.trials)
        self.real.disabled = self.generated.disabled = not left
        self.image.layout.display = None if left else "none"
        if not left:
            self._say(f"{before}all {len(self.trials)} images are answered, in {self.path}", self.table().to_html())
            return
        trial = self.trials[self._number]
        self.image.value = _png(self._images[trial.source][trial.image])
        self._say(f"{before}image {self._number + 1} of {len(self.trials)}: real or generated?")
        self._shown = time.perf_counter()

    def table(self) -> pd.DataFrame:
        """``rates`` of the answers so far. Empty before *begin* was pressed."""
        if not self.trials:
            return pd.DataFrame()
        return rates(read_answers(self.path, self.trials), [*self._images])

    def _say(self, text: str, more: str = "") -> None:
        self.status.value = f'<div role="status" aria-live="polite">{html.escape(text)}</div>{more}'


def _png(image: Tensor) -> bytes:
    """uint8 (C, H, W) → PNG, blown up by a whole factor so that no method's pixels are smoothed."""
    picture, buffer = generate.to_image(image.permute(1, 2, 0).numpy()), io.BytesIO()
    factor = max(1, math.ceil(HEIGHT / picture.height))
    picture.resize((factor * picture.width, factor * picture.height), 0).save(buffer, format="PNG")
    return buffer.getvalue()
