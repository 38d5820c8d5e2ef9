"""Sliders over finished runs: the same latents through every method, side by side. Trains nothing, scores nothing."""

import html
import time
from pathlib import Path

import ipywidgets as widgets
import pandas as pd
from PIL import Image
from torch import Tensor

from gancompare import arms
from gancompare.explore.controls import WIDE, RunMenus, latent_controls
from gancompare.explore.elements import Status, close_all, with_twin
from gancompare.explore.films import gif, mp4
from gancompare.explore.finished import find_finished
from gancompare.explore.latents import Point
from gancompare.explore.latest import LatestWins
from gancompare.explore.nearest import NearestControls
from gancompare.explore.pictures import jpeg, sheet
from gancompare.explore.saving import Product, SavingControls, png
from gancompare.explore.views import Screen, View, open_screen
from gancompare.runs.layout import results_directory

GROWTH_MS = 700  # for each sample grid of a time-lapse
LOADING_SECONDS = 600.0  # to wait for the first pictures of newly opened runs


class Explorer(widgets.VBox):
    """Latents and training time of finished runs, all methods of a training seed at once.

    Every control is an attribute and can be set from code too, e.g. ``explorer.along[0].value = 2``; pictures follow in
    a thread of their own, and ``wait()`` waits for them. ``screen`` holds the runs that are shown, ``views`` what each
    method shows. Raises RunError if there is no finished run, or none of what was asked for.
    """

    def __init__(self, study: str | None = None, results: str | Path | None = None, dataset: str | None = None):
        super().__init__()
        self.finished = find_finished(results or results_directory())
        self.status, self.pictures = Status(), widgets.HBox(layout={"flex_flow": "row wrap"})
        self._latest, self._loading = LatestWins(self._draw), False
        self._trained: tuple = (None, None)  # the screen and the step whose sample grids are shown

        self.menus, self.controls = RunMenus(self.finished, study, dataset), latent_controls()
        self.near = NearestControls()
        self.saving = SavingControls(_products(self), self.status.say)
        self.study, self.dataset, self.run_seed = self.menus.study, self.menus.dataset, self.menus.run_seed
        vars(self).update(vars(self.controls))  # seed, truncation, along and so on, each an attribute
        self.snapshot = widgets.IntSlider(0, min=0, max=0, description="training, picture", readout=False, **WIDE)
        self.sample, self.nearest = self.near.sample, self.near.nearest
        self.folder = self.saving.folder
        self.save_png, self.save_gif, self.save_mp4, self.save_growth = self.saving.buttons.values()

        self.menus.observe(self.load)
        self.controls.observe(self._changed)
        self.snapshot.observe(self._changed, "value")
        self.nearest.on_click(lambda _: self.status.say(self.near.show(self.screen, self.point())))
        self.children = [_panel(self), self.status, self.pictures]
        self.load()

    def load(self) -> None:
        """Open the runs that the menus name, and draw them before it returns."""
        self._latest.wait(LOADING_SECONDS)  # for pictures of the runs before
        before = self.pictures.children
        self.screen = open_screen(self.menus.directories())
        self.views, self.steps = self.screen.views, self.screen.steps
        self._loading = True
        self.controls.offer(self.screen)
        self.snapshot.max = max(0, len(self.steps) - 1)
        self.snapshot.value = self.snapshot.max
        self.snapshot.disabled = len(self.steps) < 2
        self._loading = False
        self.pictures.children = [_column(method, view) for method, view in self.views.items()]
        for column in before:
            close_all(column)
        self._changed()
        self._latest.wait(LOADING_SECONDS)

    def point(self) -> Point:
        """Where in latent space the controls are set to."""
        return self.controls.point()

    def latents(self, point: Point | None = None) -> Tensor:
        """(16, latent_dim): what all methods are shown at."""
        return self.screen.latents(point or self.point())

    def picture(self, point: Point | None = None) -> Image.Image | None:
        """All methods side by side at ``point``, by default that of the controls; None if no run has weights."""
        return self.screen.picture(point or self.point())

    def shares(self) -> pd.DataFrame:
        """Per cent of the variance of the first activations along each direction that has a slider, by method."""
        return self.screen.shares()

    def wait(self, seconds: float = 60.0) -> bool:
        """Wait until the pictures show what the controls say; False if that takes longer than ``seconds``."""
        return self._latest.wait(seconds)

    def close(self) -> None:
        self._latest.close()
        super().close()

    def _changed(self, _change=None) -> None:
        if self._loading:
            return
        for view in self.views.values():
            view.near.layout.display = "none"  # it belonged to other latents
        self._latest.ask(self.screen, self.point(), self.steps[self.snapshot.value] if self.steps else None)

    def _draw(self, screen: Screen, point: Point, step: int | None) -> None:
        """Show all methods at ``point``, and the sample grids saved up to ``step``, if there are any."""
        begun = time.perf_counter()
        try:
            z, label = screen.latents(point), screen.label(point)
            for view in screen.usable.values():
                view.picture.value = jpeg(sheet(view.net, z, label))
            seconds = time.perf_counter() - begun
            if self._trained != (screen, step):  # sample grids do not change with the latents
                for view in screen.views.values():
                    if step is not None and view.snapshots:
                        view.training.value = jpeg(view.saved(step))
                self._trained = screen, step
            text = f"{point.text()}; drawn in {1000 * seconds:.0f} ms"
            text += f". Below: after {step:,} generator steps of training" if step is not None else ""
        except Exception as error:  # nobody would see it in a thread
            text = f"cannot be drawn: {error}"
        self.status.say(text)


def _products(explorer: Explorer) -> dict[str, Product]:
    """What can be saved, in the order of the buttons."""

    def of_latents() -> str:
        return f"{explorer.dataset.value}-seed{explorer.seed.value}"

    def of_training() -> str:
        return f"{explorer.dataset.value}-training"

    def frames() -> list[Image.Image]:
        return explorer.screen.way(explorer.point())

    def growth() -> bytes:
        return gif(explorer.screen.time_lapse(), GROWTH_MS)

    png_hint, gif_hint = "save the pictures as they are", "save the interpolation to the other seed"
    return {
        "png": Product("save PNG", png_hint, "png", of_latents, lambda: png(explorer.picture())),
        "gif": Product("save GIF", gif_hint, "gif", of_latents, lambda: gif(frames())),
        "mp4": Product("save MP4", "the same as a film", "mp4", of_latents, lambda: mp4(frames())),
        "growth": Product("save time-lapse", "save training as a GIF", "gif", of_training, growth),
    }


def _panel(explorer: Explorer) -> widgets.HBox:
    """All controls in two columns, which stand below each other on a narrow screen."""
    left, right = explorer.controls.columns()
    left = [explorer.study, explorer.dataset, explorer.run_seed, *left, with_twin(explorer.snapshot)]
    left += [widgets.HBox([explorer.sample, explorer.nearest]), explorer.folder]
    left += [widgets.HBox([explorer.save_png, explorer.save_gif])]
    left += [widgets.HBox([explorer.save_mp4, explorer.save_growth])]
    return widgets.HBox([widgets.VBox(left), widgets.VBox(right)], layout={"flex_flow": "row wrap"})


def _column(method: str, view: View) -> widgets.VBox:
    """A method's name above its pictures."""
    border = f"border-left:.3em solid {arms.color(method)};padding-left:.5em"  # as text the colour would be too pale
    head = f'<b style="{border}">{html.escape(arms.name(method))}</b>'
    head += f"<br>{html.escape(view.problem)}" if view.problem else ""
    shown = [widgets.HTML(head), view.picture, view.near, view.training]
    return widgets.VBox(shown, layout={"margin": "0 1em 0 0", "max_width": "28em"})
