"""Curves over training: losses, the distance to real images, pixel spread and the critic's slope."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gancompare import arms
from gancompare.report.figures.seeds import draw_mean, needs_each_seed
from gancompare.report.style import DARK, by_method, has_numbers, legend, line_of, log_axis, panels, steps_axis
from gancompare.runs.layout import CLOCKS

_CLOCK_LABELS = ("generator steps", "real images seen, thousands", "training time, seconds")
CLOCK_LABELS = dict(zip(CLOCKS, _CLOCK_LABELS, strict=True))


def losses(history: pd.DataFrame, method: str) -> Figure:
    """One run: its critic loss by part, its generator loss, and two measures that compare between methods."""
    figure, axes = panels(1, 4, width=2.9)
    steps, style = history["generator_steps"], {"color": arms.color(method)}
    parts = [name for name in history if name.startswith("loss_")]
    for name, line in zip(parts, ("-", "--", ":"), strict=False):
        axes[0, 0].plot(steps, history[name], line, label=name.removeprefix("loss_"), **style)
    axes[0, 0].set_title("critic loss, by part")
    axes[0, 0].legend()
    axes[0, 1].plot(steps, history["generator_loss"], **style)
    axes[0, 1].set_title("generator loss")
    titles = {"critic_gradient_norm": "critic gradient norm\nbetween real and fake"}
    titles |= {"pixel_std": "pixel spread of 64 samples"}
    for axis, (name, title) in zip(axes[0, 2:], titles.items(), strict=True):
        measured = history.dropna(subset=[name])
        axis.plot(measured["generator_steps"], measured[name], "o-", markersize=3, **style)
        axis.set_title(title)
    for axis in axes.flat:
        steps_axis(axis)
    return figure


def loss_panels(histories: pd.DataFrame) -> Figure:
    """Losses of all seeds, a row per method: scales differ by objective, so methods never share an axis."""
    methods = by_method(histories)
    columns = ("critic_loss", "generator_loss", "wasserstein_estimate")
    figure, axes = panels(len(methods), len(columns), height=2.1)
    for row, (method, runs) in zip(axes, methods, strict=True):
        for axis, name in zip(row, columns, strict=True):
            measured = runs.dropna(subset=[name])
            if measured.empty:  # this objective has no Wasserstein estimate
                axis.axis("off")
                continue
            for _, run in measured.groupby("seed"):
                axis.plot(run["generator_steps"], run[name], linewidth=1, alpha=0.8, **line_of(method))
            axis.set_title(f"{arms.name(method)}: {name.replace('_', ' ')}")
            steps_axis(axis)
    return figure


def bands(
    histories: pd.DataFrame, name: str, label: str, *, reference: tuple[float, str] | None = None, log: bool = False
) -> Figure | None:
    """Column ``name`` against each of the three clocks: the interquartile mean over seeds with its 95 % interval.

    Means are taken at equal generator steps. If there are too few seeds for an interval, or a run of the method ended
    early (×), each seed is also a thin line; the mean and the band stop where the first run does, because a band of
    survivors would flatter the method. ``reference`` is a value and its name, drawn as a dotted line. ``log`` asks for
    a logarithmic axis, which is used if all values are positive. None if ``name`` was not measured.
    """
    if not has_numbers(histories, name):
        return None
    histories = histories.assign(images_seen=histories["images_seen"] / 1000)
    figure, axes = panels(1, len(CLOCKS), height=3)
    for method, runs in by_method(histories):
        _draw_method(axes[0], runs, name=name, method=method)
    reference = reference if reference and pd.notna(reference[0]) else None
    values = histories[name].dropna()
    lowest = min([values.min(), *([reference[0]] if reference else [])])
    for axis, clock_label in zip(axes[0], CLOCK_LABELS.values(), strict=True):
        if reference:
            axis.axhline(reference[0], color=DARK, linestyle=":", label=reference[1])
        axis.set_xlabel(clock_label)
        axis.xaxis.set_major_locator(MaxNLocator(5))
        if log and (values > 0).all():
            log_axis(axis)
            axis.set_ylim(bottom=lowest / 1.3)  # the lower end of an interval may be negative
    axes[0, 0].set_ylabel(label)
    legend(figure)
    return figure


def _draw_method(axes: list[Axes], runs: pd.DataFrame, *, name: str, method: str) -> None:
    """Draw one method on every clock; a seed that was never measured still counts as one that ended early."""
    seeds, measured = runs["seed"].unique(), runs.dropna(subset=[name])
    values = measured.pivot_table(index="generator_steps", columns="seed", values=name).reindex(columns=seeds)
    clocks = measured.groupby("generator_steps", as_index=False)[list(CLOCKS)].mean()
    clocks = clocks.set_axis(clocks["generator_steps"])
    for axis, clock in zip(axes, CLOCKS, strict=True):
        draw_mean(axis, values, method, x=clocks[clock])
        if not needs_each_seed(values):
            continue
        for _, run in measured.groupby("seed"):
            marker = "x" if run["generator_steps"].max() < values.index.max() else ""
            look = line_of(method) | {"linewidth": 0.8, "alpha": 0.6}
            axis.plot(run[clock], run[name], marker=marker, markevery=[-1], **look)


def pixel_spread(histories: pd.DataFrame, runs: pd.DataFrame) -> Figure | None:
    """``bands`` of the pixel spread of one data set's runs, beside that of its real images."""
    real = runs.loc[runs["dataset"] == histories["dataset"].iloc[0], "real_pixel_std"].iloc[0]
    return bands(histories, "pixel_std", "pixel spread", reference=(real, "real images"))


def critic_slope(histories: pd.DataFrame) -> Figure | None:
    """``bands`` of the mean gradient norm between real and fake images, beside the value that a penalty aims at."""
    target = (1.0, "target of the penalty")
    return bands(histories, "critic_gradient_norm", "gradient norm", reference=target, log=True)
