"""Sheets of generated images: as training goes on, as it ended, and beside their nearest training images."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from gancompare import arms
from gancompare.report.style import by_method, frameless, panels
from gancompare.runs.grids import read_grid, saved_grids
from gancompare.runs.layout import NEIGHBOURS

MOMENTS, LATENTS = 6, 12  # rows and columns of samples over time
ROWS, COLUMNS = 4, 8  # images of a run as it ended


def samples_over_time(directory: Path) -> Figure:
    """A row per saved step, evenly chosen; each column is one latent as training goes on."""
    saved = saved_grids(directory)
    steps = list(saved)
    chosen = [steps[i] for i in np.unique(np.linspace(0, len(steps) - 1, MOMENTS).round().astype(int))]
    figure, axes = panels(len(chosen), 1, width=9, height=0.8)
    for axis, step in zip(axes[:, 0], chosen, strict=True):
        axis.imshow(_sheet(read_grid(saved[step])[:LATENTS], LATENTS), interpolation="nearest")
        axis.set_ylabel(f"{step:,}", rotation=0, ha="right", va="center")
        frameless(axis)
    return figure


def final_samples(runs: pd.DataFrame) -> Figure:
    """The last grid of every run of one data set: a column per method, a row per seed, the first latents of each."""
    methods, seeds = by_method(runs), sorted(runs["seed"].unique())
    figure, axes = panels(len(seeds), len(methods), width=3.3, height=3.3 * ROWS / COLUMNS + 0.25)
    for column, (method, of_method) in enumerate(methods):
        for run in of_method.itertuples():
            axis = axes[seeds.index(run.seed), column]
            saved = saved_grids(run.directory)
            if saved:
                images = read_grid(saved[max(saved)])[: ROWS * COLUMNS]
                axis.imshow(_sheet(images, COLUMNS), interpolation="nearest")
            state = "" if run.status == "complete" else f" ({run.status} at step {run.steps_done:,})"
            axis.set_title(f"{arms.name(method)}, seed {run.seed}{state}")
    for axis in axes.flat:
        frameless(axis)
    return figure


def neighbours(runs: pd.DataFrame) -> Figure | None:
    """A sheet per method, of its first seed: generated images of the first latents, below each its nearest training
    image. A method without a sheet is left out; None if there is none at all.
    """
    sheets = []
    for method, of_method in by_method(runs):
        first = of_method.loc[of_method["seed"].idxmin()]
        path = first["directory"] / NEIGHBOURS
        if path.exists():
            sheets.append((f"{arms.name(method)}, seed {first['seed']}", np.asarray(Image.open(path).convert("RGB"))))
    if not sheets:
        return None
    height = 7.0 * sheets[0][1].shape[0] / sheets[0][1].shape[1] + 0.3
    figure, axes = panels(len(sheets), 1, width=7, height=height)
    for axis, (title, sheet) in zip(axes[:, 0], sheets, strict=True):
        axis.imshow(sheet, interpolation="nearest")
        axis.set_title(title, loc="left")
        frameless(axis)
    return figure


def _sheet(images: Tensor, columns: int) -> np.ndarray:
    """uint8 (N, 3, H, W), N a multiple of ``columns`` → one picture (N/columns·H, columns·W, 3) without gaps."""
    count, _, height, width = images.shape
    tiled = images.reshape(count // columns, columns, 3, height, width).permute(0, 3, 1, 4, 2)
    return tiled.reshape(count // columns * height, columns * width, 3).numpy()
