"""A blind test: is this image real or generated? One at a time, in random order, each answer kept as it is given."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import ipywidgets as widgets
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from gancompare import arms
from gancompare.base.streams import fixed_latents, stream
from gancompare.data.errors import DataError
from gancompare.explore.answers import GENERATED, REAL, Trial, append_answer, plan, rates, read_answers
from gancompare.explore.elements import Picture, Status
from gancompare.explore.finished import find_finished, images_of, open_generators, runs_of
from gancompare.explore.pictures import encoded, render
from gancompare.runs.grids import to_image
from gancompare.runs.layout import RunError, results_directory

HEIGHT = 192  # pixels of the screen that an image is shown at, at least


class BlindTest(widgets.VBox):
    """Images of all methods of one training seed, and as many real ones that no run was trained on, asked one by one.

    ``answers``: a CSV file (default: in the folder ``explored``), written at each answer; a test on the same file goes
    on where it was left. ``fastest``: seconds; an answer sooner than that is taken for the second click of a double
    one. ``clock`` returns seconds; they run from sending an image to receiving the answer. Nothing is loaded before
    *begin* is pressed. Raises RunError if there is no such run.
    """

    def __init__(
        self,
        study: str | None = None,
        results: str | Path | None = None,
        dataset: str | None = None,
        *,
        per_method: int = 20,
        seed: int = 0,
        answers: str | Path | None = None,
        fastest: float = 0.15,
        clock: Callable[[], float] = time.perf_counter,
    ):
        super().__init__()
        if per_method < 1:
            raise RunError(f"per_method {per_method}: must be at least 1 image of each method")
        runs = find_finished(results or results_directory())
        self.study, self.dataset, self.run_seed, self._directories = runs_of(runs, study, dataset)
        self.path = Path(answers or f"explored/blind-{self.study}-{self.dataset}.csv")
        self._per_method, self._seed, self._fastest, self._clock = per_method, seed, fastest, clock
        self.trials: list[Trial] = []
        self.number = 0  # of the trial that is asked now
        self._images: dict[str, Tensor] = {}  # source -> uint8 (N, C, H, W)
        self._shown = 0.0
        self.begin = widgets.Button(description="begin", tooltip="load the images and ask")
        self.real = widgets.Button(description=REAL, tooltip="this is a photograph or drawing from the data set")
        self.generated = widgets.Button(description=GENERATED, tooltip="this was made by a generator")
        self.image = Picture(format="png", tooltip="the image to judge", layout={"display": "none"})
        self.status = Status()
        self.begin.on_click(lambda _: self._begin())
        self.real.on_click(lambda _: self.answer(REAL))
        self.generated.on_click(lambda _: self.answer(GENERATED))
        self.real.disabled = self.generated.disabled = True
        self.children = [self.begin, self.image, widgets.HBox([self.real, self.generated]), self.status]
        self.status.say(f"{self.dataset}: real or generated? Answers go to {self.path}.")

    def _begin(self) -> None:
        try:
            self._load()
            self.number = len(read_answers(self.path, self.trials))
        except (RunError, DataError, OSError) as error:
            self.status.say(f"no test: {error}")
            return
        self.begin.disabled = True
        self._ask()

    def _load(self) -> None:
        """Images by source. Raises RunError without a generator or enough real images, DataError without data."""
        nets = open_generators(self._directories)
        if not nets:
            raise RunError("none of these runs has weights")
        trials, count = plan(list(nets), self._per_method, self._seed), self._per_method * len(nets)
        held_out = images_of(self._directories[next(iter(nets))]).test
        available = len(held_out.images) if held_out else 0
        if available < count:
            most = available // len(nets)
            raise RunError(f"{count} real images are needed, {available} are held out: per_method up to {most}")
        chosen = torch.randperm(available, generator=stream(self._seed, "blind real"))[:count]
        images = {REAL: held_out.images[chosen]}
        for method, net in nets.items():
            images[method] = render(net, fixed_latents(self._seed, "blind", self._per_method, net.latent_dim))
        self.trials, self._images = trials, images

    def answer(self, answer: str) -> None:
        """Keep the answer to the image that is shown, and show the next; an answer sooner than ``fastest`` is ignored.

        If another widget or session answered in the same file meanwhile, nothing is kept, and the test goes on there.
        """
        seconds = self._clock() - self._shown
        if seconds < self._fastest or self.number == len(self.trials):
            return
        try:
            there = len(read_answers(self.path, self.trials))
            if there == self.number:
                append_answer(self.path, there, self.trials[there], answer=answer, seconds=seconds)
        except (OSError, RunError) as error:
            self.status.say(f"the answer could not be kept: {error}")
            return
        elsewhere = there != self.number
        self.number = there if elsewhere else self.number + 1
        self._ask("not kept, as the test went on elsewhere; " if elsewhere else "")

    def _ask(self, before: str = "") -> None:
        left = self.number < len(self.trials)
        self.real.disabled = self.generated.disabled = not left
        self.image.layout.display = None if left else "none"
        if not left:
            text = f"{before}all {len(self.trials)} images are answered, in {self.path}"
            self.status.say(text, self.table().to_html())
            return
        trial = self.trials[self.number]
        picture = to_image(self._images[trial.source][trial.image])
        factor = max(1, math.ceil(HEIGHT / picture.height))  # whole, so that no method's pixels are smoothed
        size = factor * picture.width, factor * picture.height
        self.image.value = encoded(picture.resize(size, Image.Resampling.NEAREST), "PNG")
        self.status.say(f"{before}image {self.number + 1} of {len(self.trials)}: real or generated?")
        self._shown = self._clock()

    def table(self) -> pd.DataFrame:
        """``rates`` of the answers so far, by the names that readers know. Empty before *begin* was pressed."""
        if not self.trials:
            return pd.DataFrame()
        return rates(read_answers(self.path, self.trials), [*self._images]).rename(index=arms.name)
