"""What the explorer shows of the runs of one training seed: a view of each method, and pictures of all together."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn

from gancompare import arms
from gancompare.explore.elements import Picture
from gancompare.explore.finished import open_generator
from gancompare.explore.latents import IMAGES, Point, principal_directions
from gancompare.explore.pictures import sheet, side_by_side
from gancompare.runs.grids import saved_grids
from gancompare.runs.layout import RunError
from gancompare.runs.weights import classes_of

DIRECTIONS = 6  # principal directions that can be moved along
FRAMES = 30  # from one seed of latents to another


@dataclass(frozen=True, eq=False)
class View:
    """One method on the screen; ``net`` is None if the run left no usable weights, and ``problem`` says why."""

    directory: Path
    net: nn.Module | None
    directions: Tensor | None  # (latent_dim, latent_dim), unit rows
    shares: Tensor | None  # (latent_dim,), of the variance of the first activations
    problem: str
    snapshots: dict[int, Path]  # generator step -> sample grid
    picture: Picture  # of the latents
    training: Picture  # a sample grid
    near: Picture  # an image above the training image nearest to it

    def saved(self, step: int) -> Image.Image:
        """The last sample grid that was saved up to ``step`` of training, otherwise the first."""
        nearest = max((s for s in self.snapshots if s <= step), default=min(self.snapshots))
        with Image.open(self.snapshots[nearest]) as picture:
            return picture.convert("RGB")


def open_view(method: str, directory: Path) -> View:
    net, directions, shares, problem = None, None, None, ""
    try:
        net = open_generator(directory)
        directions, shares = principal_directions(net)
    except RunError as error:
        problem = str(error)
    name = arms.name(method)
    snapshots = saved_grids(directory)
    picture = Picture(format="jpeg", tooltip=f"{IMAGES} images by {name}")
    training = Picture(format="jpeg", tooltip=f"images by {name} while it trained")
    near = Picture(format="jpeg", tooltip=f"an image by {name} above the nearest training image")
    near.layout.display = "none"
    picture.layout.display = None if net else "none"
    training.layout.display = None if snapshots else "none"
    return View(directory, net, directions, shares, problem, snapshots, picture, training, near)


@dataclass(frozen=True, eq=False)
class Screen:
    """The views of one training seed, by method; pictures leave out methods without weights."""

    views: dict[str, View]
    usable: dict[str, View]  # those that have a generator
    classes: tuple[str, ...]  # names, by label; empty if no generator is conditional
    steps: list[int]  # generator steps at which sample grids were saved

    @property
    def latent_dim(self) -> int:
        """The largest latent dimension; a narrower generator takes the first part of each latent."""
        return max((view.net.latent_dim for view in self.usable.values()), default=1)

    def label(self, point: Point) -> int | None:
        return None if point.class_name is None else self.classes.index(point.class_name)

    def latents(self, point: Point) -> Tensor:
        """(16, latent_dim): what all methods are shown at."""
        view = self.usable.get(point.directions_of)
        return point.latents(self.latent_dim, view.directions if view else torch.empty(0, self.latent_dim))

    def sheets(self, point: Point) -> dict[str, Image.Image]:
        """method → its 16 images at ``point``."""
        z, label = self.latents(point), self.label(point)
        return {method: sheet(view.net, z, label) for method, view in self.usable.items()}

    def picture(self, point: Point) -> Image.Image | None:
        """All methods side by side at ``point``; None if no run has weights."""
        sheets = self.sheets(point)
        return side_by_side({arms.name(method): picture for method, picture in sheets.items()}) if sheets else None

    def way(self, point: Point) -> list[Image.Image]:
        """All methods side by side on the way to the other seed and back. Raises RunError if no run has weights."""
        if not self.usable:
            raise RunError("none of these runs has weights: there is nothing to animate")
        percents = [round(100 * i / FRAMES) for i in range(FRAMES + 1)]
        frames = [self.picture(replace(point, percent=percent)) for percent in percents]
        return frames + frames[-2:0:-1]

    def time_lapse(self) -> list[Image.Image]:
        """All methods side by side as training goes on, except those whose first grid is later than that of others.

        Raises RunError if grids of fewer than two steps were saved.
        """
        if len(self.steps) < 2:
            raise RunError("a time-lapse needs sample grids of two steps of training, and there are fewer")
        begun = {m: view for m, view in self.views.items() if min(view.snapshots, default=math.inf) <= self.steps[0]}
        return [
            side_by_side({f"{arms.name(method)}, {step:,} steps": view.saved(step) for method, view in begun.items()})
            for step in self.steps
        ]

    def shares(self) -> pd.DataFrame:
        """Per cent of the variance of the first activations along each direction that has a slider, by method."""
        rows = {arms.name(m): (100 * view.shares[:DIRECTIONS]).tolist() for m, view in self.usable.items()}
        count = max(map(len, rows.values()), default=0)
        return pd.DataFrame.from_dict(rows, "index", columns=[f"direction {i + 1}" for i in range(count)]).round(1)


def open_screen(directories: dict[str, Path]) -> Screen:
    """Open the runs of one training seed, method → directory."""
    views = {method: open_view(method, directory) for method, directory in directories.items()}
    usable = {method: view for method, view in views.items() if view.net}
    classes = max((classes_of(view.directory) for view in usable.values()), key=len, default=())
    return Screen(views, usable, classes, sorted({step for view in views.values() for step in view.snapshots}))
