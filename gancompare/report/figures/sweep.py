"""A sweep: results by setting as heat maps, and by architecture as points against the bounds of a success."""

import itertools
import math
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from gancompare import arms
from gancompare.recipes import MAIN_METHODS
from gancompare.report.style import legend, log_axis, panels
from gancompare.verdicts.intervals import interval

COLORMAP, FRAME = "viridis_r", "#D55E00"


def heat_maps(settings: pd.DataFrame, column: str, label: str) -> Figure | None:
    """A panel per field of ``sweep.settings_table``: methods down, values across, one colour scale for all of them.

    Each cell shows the interquartile mean of ``column`` over seeds (– if failed runs leave it without a bound), the
    number of seeds and the number of failed runs. The base has a frame. None if there are no values.
    """
    if settings.empty or not settings[column].notna().any():
        return None
    cells = settings.assign(shown=settings[column].astype(float).mask(settings["failed"].astype(bool), np.inf))
    cells = cells.dropna(subset="shown")
    groups = dict(iter(cells.groupby(["field", "arm", "value"], sort=False)))
    means = {cell: interval(list(rows["shown"])).estimate for cell, rows in groups.items()}
    finite = [mean for mean in means.values() if math.isfinite(mean)]
    norm = LogNorm(min(finite), max(max(finite), 1.25 * min(finite))) if finite else None
    fields = list(settings["field"].unique())
    figure, axes = panels(math.ceil(len(fields) / 2), 2, width=4.8, height=2.5)
    for axis in axes.flat[len(fields) :]:
        axis.axis("off")
    for axis, field in zip(axes.flat, fields, strict=False):
        here = settings[settings["field"] == field]
        methods, values = arms.in_order(here["arm"].unique()), sorted(here["value"].unique())
        shown = [[means.get((field, method, value), math.nan) for value in values] for method in methods]
        axis.imshow(np.ma.masked_invalid(np.array(shown, float)), norm=norm, cmap=COLORMAP, aspect="auto")
        for (y, method), (x, value) in itertools.product(enumerate(methods), enumerate(values)):
            if (field, method, value) in groups:
                mean = shown[y][x]
                dark = math.isfinite(mean) and norm(mean) > 0.55
                _draw_cell(axis, (x, y), groups[field, method, value], mean=mean, color="white" if dark else "black")
        axis.set_xticks(range(len(values)), [f"{v:g}" if isinstance(v, float) else str(v) for v in values])
        axis.set_yticks(range(len(methods)), [arms.name(method) for method in methods])
        axis.grid(False)
        axis.set_facecolor("#eeeeee")
        axis.set_title(field.replace("_", " "))
    if norm:
        _draw_scale(figure, axes, norm=norm, label=f"{label} (lower is better)")
    return figure


def _draw_cell(axis: Axes, at: tuple[int, int], rows: pd.DataFrame, *, mean: float, color: str) -> None:
    """Write the mean and the number of seeds into the cell at (x, y), and frame the base."""
    failed = int(rows["failed"].sum())
    place = {"xy": at, "textcoords": "offset points", "ha": "center", "color": color}
    axis.annotate(f"{mean:.3g}" if math.isfinite(mean) else "–", xytext=(0, 1), weight="bold", **place)
    text = f"n = {len(rows)}, {failed} failed" if failed else f"n = {len(rows)}"
    axis.annotate(text, xytext=(0, -9), size=7, **place)
    if rows["is_base"].any():
        corner = (at[0] - 0.47, at[1] - 0.47)
        axis.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, color=FRAME, linewidth=2))


def _draw_scale(figure: Figure, axes: np.ndarray, *, norm: LogNorm, label: str) -> None:
    bar = figure.colorbar(mpl.cm.ScalarMappable(norm, COLORMAP), ax=axes, shrink=0.6, label=label)
    bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 1.1, 1.2, 1.5, 2, 3, 5, 7)))
    bar.ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    bar.ax.yaxis.set_minor_formatter(NullFormatter())


def architectures(sweep: pd.DataFrame, bounds: Sequence[float], decides: float) -> Figure | None:
    """Final FD over the variance of real features: a column per architecture, a mark per method, failed runs on top.

    ``bounds`` are horizontal lines; the one that ``decides`` is solid. None without scored architectures.
    """
    rows = sweep[sweep["part"] == "architectures"] if len(sweep) else sweep
    if rows.empty or not rows["fd"].notna().any():
        return None
    rows = rows.assign(share=(rows["fd"].astype(float) / rows["variance"].astype(float)).mask(rows["failed"], np.inf))
    order = rows.groupby("cell")["share"].median().sort_values(kind="stable").index
    top = 2 * max([*bounds, *rows.loc[np.isfinite(rows["share"]), "share"]])
    figure, axes = panels(1, 1, width=9, height=3.6)
    axis = axes[0, 0]
    for method, marker, offset in zip(MAIN_METHODS, "osD", (-0.2, 0, 0.2), strict=True):
        shares = rows[rows["arm"] == method].set_index("cell")["share"].reindex(order)
        x, y = np.arange(len(order)) + offset, np.where(np.isinf(shares), top, shares)
        axis.plot(x, y, marker, color=arms.color(method), label=arms.name(method), markersize=5)
        axis.plot(x[np.isinf(shares)], y[np.isinf(shares)], "x", color="black", markersize=9)
    log_axis(axis)
    for bound in bounds:
        axis.axhline(bound, color="#555555", linestyle="-" if bound == decides else ":", linewidth=1.2)
    axis.set_xticks(range(len(order)), [cell.rsplit("-", 1)[1] for cell in order], rotation=90, fontsize=7)
    axis.set_xlabel("architecture, by its number in the grid; × failed")
    axis.set_ylabel("FD / variance of real features")
    axis.grid(False, axis="x")
    legend(figure)
    return figure
