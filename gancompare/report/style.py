"""The style that all figures share: panels, axes and legends; methods are named and coloured as ``arms`` says."""

import math
from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from gancompare import arms

STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "legend.frameon": False,
    "figure.dpi": 150,
}
DARK = "#333333"  # of what belongs to no method: references, frontiers


def panels(
    rows: int, columns: int, width: float = 3.4, height: float = 2.6, **shared: Any
) -> tuple[Figure, np.ndarray]:
    """A figure and its axes (rows, columns); width and height are those of one panel, in inches.

    ``shared`` goes to ``Figure.subplots``: sharex, sharey and the like.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **shared)
    return figure, axes


def dataset_panels(frame: pd.DataFrame, height: float = 3.0) -> tuple[Figure, Iterator[tuple[Axes, pd.DataFrame]]]:
    """A figure with one titled panel per data set, and (axis, rows of that data set) for each."""
    datasets = list(frame["dataset"].unique())
    columns = min(len(datasets), 3)
    figure, axes = panels(math.ceil(len(datasets) / columns), columns, max(3.4, 6.8 / columns), height)
    for axis in axes.flat[len(datasets) :]:
        axis.axis("off")
    for axis, name in zip(axes.flat, datasets, strict=False):
        axis.set_title(name)
    return figure, ((axis, frame[frame["dataset"] == name]) for axis, name in zip(axes.flat, datasets, strict=False))


def by_method(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """(method, its rows) in the order of ``arms``."""
    groups = dict(iter(frame.groupby("arm")))
    return [(method, groups[method]) for method in arms.in_order(groups)]


def line_of(arm: str) -> dict[str, Any]:
    """The colour of an arm's loss and constraint, and the line style of its critic steps, as matplotlib takes them."""
    dashes = arms.dashes(arm)
    return {"color": arms.color(arm), "linestyle": (0, dashes) if dashes else "-"}


def log_axis(axis: Axes, which: str = "y") -> None:
    """Make the axis logarithmic, with readable numbers even if it spans less than a decade."""
    getattr(axis, f"set_{which}scale")("log", nonpositive="clip")
    scale = getattr(axis, f"{which}axis")
    scale.set_major_locator(LogLocator(subs=(1, 2, 5)))
    scale.set_major_formatter(StrMethodFormatter("{x:g}"))
    scale.set_minor_formatter(NullFormatter())


def steps_axis(axis: Axes) -> None:
    """Label the x axis as generator steps."""
    axis.set_xlabel("generator steps")
    axis.xaxis.set_major_locator(MaxNLocator(4))


def frameless(axis: Axes) -> None:
    """Remove everything around a picture."""
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)


def legend(figure: Figure) -> None:
    """Put one legend above all panels, with each name once."""
    handles: dict = {}
    for axis in figure.axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(list(handles.values()), list(handles), loc="outside upper center", ncols=5, frameon=False)


def has_numbers(frame: pd.DataFrame, column: str) -> bool:
    """Whether the table has the column and at least one value in it."""
    return column in frame and bool(frame[column].notna().any())
