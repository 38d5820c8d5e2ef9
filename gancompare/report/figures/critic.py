"""The critic's diagnostics: how steep it is and where, what its layers pass on, and whether it overfits."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gancompare import arms
from gancompare.objectives import METHODS
from gancompare.report.figures.seeds import draw_mean, needs_each_seed
from gancompare.report.style import DARK, by_method, legend, log_axis, panels, steps_axis

KINDS = ("real", "fake", "interpolated")  # of images that the norm of the gradient is taken at
LAYER_QUANTITIES = {"layer_gradient_norm": "gradient of the loss", "spectral_norm": "operator norm"}
HEALTH_QUANTITIES = {
    "gap": "gap, training − held-out",
    "accuracy": "accuracy of the sign",
    "generator_gradient": "gradient at the generator / its first",
}


def gradient_norms(diagnostics: pd.DataFrame) -> Figure | None:
    """Norm of the critic's gradient by its input, a row per data set, a panel per kind of images.

    The line is the median image and the band reaches from the 5 % to the 95 % quantile, both averaged over seeds; thin
    lines are the medians of the seeds. Dotted: 1, if a method here has a penalty that aims at it. Dashed:
    ``diagnostics.lipschitz_estimate``. None if no gradient norm was measured.
    """
    if _measured(diagnostics, "gradient_norm_q50").empty:
        return None
    datasets = list(diagnostics["dataset"].unique())
    figure, axes = panels(len(datasets), len(KINDS), height=2.7)
    for row, dataset in zip(axes, datasets, strict=True):
        rows = diagnostics[diagnostics["dataset"] == dataset]
        for axis, where in zip(row, KINDS, strict=True):
            _draw_norms(axis, rows, where)
            axis.set_title(f"{dataset}: {where} images")
            steps_axis(axis)
            log_axis(axis)
        _share_limits(row)
        row[0].set_ylabel("gradient norm")
    legend(figure)
    return figure


def _draw_norms(axis: Axes, rows: pd.DataFrame, where: str) -> None:
    for method, of_method in by_method(rows):
        look, here = {"color": arms.color(method)}, of_method[of_method["where"] == where]
        if here.empty:
            continue
        low, median, high = (_by_seed(here, f"gradient_norm_{cut}") for cut in ("q05", "q50", "q95"))
        axis.plot(median.mean(axis=1), linewidth=2, label=arms.name(method), **look)
        axis.fill_between(median.index, low.mean(axis=1), high.mean(axis=1), alpha=0.15, linewidth=0, **look)
        axis.plot(median, linewidth=0.7, alpha=0.6, **look)
        if where == "interpolated":
            axis.plot(_by_seed(of_method, "lipschitz").mean(axis=1), "--", linewidth=1.2, **look)
    if where == "interpolated" and len(_measured(rows, "lipschitz")):
        axis.plot([], [], "--", color=DARK, label="steepest on the lines")
    if any(hasattr(METHODS.get(arms.method_of(arm)), "penalty_weight") for arm in rows["arm"].unique()):
        axis.axhline(1, color=DARK, linestyle=":", label="target of the penalty")


def _share_limits(axes: Sequence[Axes]) -> None:
    """One scale, so that the panels can be compared."""
    lows, highs = zip(*(axis.get_ylim() for axis in axes), strict=True)
    for axis in axes:
        axis.set_ylim(min(lows), max(highs))


def critic_layers(diagnostics: pd.DataFrame) -> Figure | None:
    """By layer, from image to score, at each run's last step: a row per data set, a panel per quantity.

    The quantities are the norm of the gradient of the critic's loss by the layer's input, and the layer's operator
    norm. The line is the mean over seeds, the band reaches from the lowest to the highest. None if neither was
    measured.
    """
    if all(_measured(diagnostics, name).empty for name in LAYER_QUANTITIES):
        return None
    last = diagnostics.groupby(["dataset", "arm", "seed"])["generator_steps"].transform("max")
    last = diagnostics[diagnostics["generator_steps"] == last]
    datasets = list(last["dataset"].unique())
    figure, axes = panels(len(datasets), len(LAYER_QUANTITIES), width=4.4, height=2.8)
    for row, dataset in zip(axes, datasets, strict=True):
        for axis, (quantity, title) in zip(row, LAYER_QUANTITIES.items(), strict=True):
            _draw_layers(axis, _measured(last[last["dataset"] == dataset], quantity))
            axis.set_title(f"{dataset}: {title}")
    legend(figure)
    return figure


def _draw_layers(axis: Axes, rows: pd.DataFrame) -> None:
    layers = list(rows["where"].unique())
    at = range(len(layers))
    for method, of_method in by_method(rows):
        seeds = of_method.groupby("where", sort=False)["value"].agg(["mean", "min", "max"]).reindex(layers)
        axis.plot(at, seeds["mean"], "o-", color=arms.color(method), markersize=4, label=arms.name(method))
        axis.fill_between(at, seeds["min"], seeds["max"], color=arms.color(method), alpha=0.2, linewidth=0)
    crowded = {"rotation": 45, "ha": "right"} if len(layers) > 6 else {}
    axis.set_xticks(at, layers, **crowded)
    axis.set_xlabel("layer, from image to score")
    log_axis(axis)


def critic_health(diagnostics: pd.DataFrame) -> Figure | None:
    """Overfitting gap, accuracy and the gradient that reaches the generator over generator steps, a row per data set.

    The gradient is relative to its first measurement, because its size depends on the scale of a critic's scores. Lines
    are interquartile means over seeds with 95 % intervals; each seed is drawn if there are too few for an interval.
    Dotted, without interval: accuracy with held-out images in place of training images. None if nothing was measured.
    """
    if all(_measured(diagnostics, name).empty for name in HEALTH_QUANTITIES):
        return None
    datasets = list(diagnostics["dataset"].unique())
    figure, axes = panels(len(datasets), len(HEALTH_QUANTITIES), height=2.8)
    for row, dataset in zip(axes, datasets, strict=True):
        rows = diagnostics[diagnostics["dataset"] == dataset]
        for axis, title in zip(row, HEALTH_QUANTITIES.values(), strict=True):
            axis.set_title(f"{dataset}: {title}")
            steps_axis(axis)
        _draw_gap(row[0], _measured(rows, "gap"))
        _draw_accuracy(row[1], _measured(rows, "accuracy"))
        _draw_generator_gradient(row[2], _measured(rows, "generator_gradient"))
    legend(figure)
    return figure


def _draw_gap(axis: Axes, rows: pd.DataFrame) -> None:
    for method, of_method in by_method(rows):
        _draw_seeds(axis, _by_seed(of_method, "gap"), method)
    axis.axhline(0, color=DARK, linestyle=":")
    axis.set_ylabel("standard deviations")


def _draw_accuracy(axis: Axes, rows: pd.DataFrame) -> None:
    for method, of_method in by_method(rows):
        for where, here in of_method.groupby("where", sort=False):
            _draw_seeds(axis, _by_seed(here, "accuracy"), method, line=":" if where == "held-out" else "-")
    if rows.empty:
        text = "no method here\nscores in logits"
        axis.text(0.5, 0.5, text, ha="center", va="center", transform=axis.transAxes)
    elif rows["where"].eq("held-out").any():
        axis.plot([], [], ":", color=DARK, label="held-out images")
    axis.set_ylim(0.45 if len(rows) and rows["value"].min() > 0.47 else 0, 1.02)


def _draw_generator_gradient(axis: Axes, rows: pd.DataFrame) -> None:
    lowest = math.inf
    for method, of_method in by_method(rows):
        values = _by_seed(of_method, "generator_gradient")
        values = values / values.iloc[0].mask(values.iloc[0] == 0)
        lowest = min(lowest, values.min(axis=None))
        _draw_seeds(axis, values, method)
    if 0 < lowest < math.inf:
        log_axis(axis)
        axis.set_ylim(bottom=lowest / 1.3)  # the lower end of an interval may be negative


def _draw_seeds(axis: Axes, values: pd.DataFrame, method: str, *, line: str = "-") -> None:
    """The mean over seeds, with an interval if the line is solid, and each seed if the mean alone would mislead."""
    draw_mean(axis, values, method, line=line, band=line == "-")
    if needs_each_seed(values):
        axis.plot(values, line, color=arms.color(method), linewidth=0.8, alpha=0.6)


def _measured(diagnostics: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """The rows of ``quantity`` that hold a finite number."""
    if diagnostics.empty:
        return diagnostics
    return diagnostics[(diagnostics["quantity"] == quantity) & np.isfinite(diagnostics["value"])]


def _by_seed(rows: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Values of ``quantity`` by generator step (index) and seed (columns)."""
    return _measured(rows, quantity).pivot_table(index="generator_steps", columns="seed", values="value")
