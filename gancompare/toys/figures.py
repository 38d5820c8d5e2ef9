"""The figures of the toys: runs are keyed by (arm, seed), every seed is drawn, and ``arms`` sets colours and dashes.

What the figures show is put into words by ``findings``.
"""

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from gancompare import arms
from gancompare.base.streams import stream
from gancompare.report.style import STYLE, legend, panels
from gancompare.toys.critics import Surface
from gancompare.toys.deep import DeepCritic
from gancompare.toys.points import sample, toy_named
from gancompare.toys.training import ToyRun

DATA = "#999999"  # for the data, and for lines that show what is known


def bare(axis: Axes, extent: float) -> None:
    """A square without ticks, from -extent to extent."""
    axis.set(xlim=(-extent, extent), ylim=(-extent, extent), xticks=[], yticks=[], aspect="equal")
    axis.grid(False)


def draw_data(axis: Axes, toy: str, *, color: str = DATA, size: float = 3) -> None:
    """Some points of the toy, the same in every figure."""
    axis.plot(*sample(toy, 400, stream(0, "figure")).numpy().T, ".", color=color, markersize=size)


def line_of(arm: str) -> dict[str, Any]:
    """How the lines of an arm look: its name, its colour, and its dashes, which say how many critic steps it makes."""
    return {"label": arms.name(arm), "color": arms.color(arm), "dashes": arms.dashes(arm), "linewidth": 1.2}


def surfaces(fitted: dict[tuple[str, str], Surface], extent: float = 3.0) -> Figure:
    """Level lines of the critic's score, from ``critics.surfaces``: a row per objective, a column per toy.

    The title of each panel says how near the critic is to its optimum.
    """
    names, toys = list(dict.fromkeys(name for _, name in fitted)), list(dict.fromkeys(toy for toy, _ in fitted))
    figure, axes = panels(len(names), len(toys), 2.5, 2.5)
    for row, name in zip(axes, names, strict=True):
        for axis, toy in zip(row, toys, strict=True):
            scores, share = fitted[toy, name]
            line = np.linspace(-extent, extent, len(scores))
            axis.contourf(line, line, scores, levels=24, cmap="viridis", alpha=0.35)
            axis.contour(line, line, scores, levels=24, cmap="viridis", linewidths=0.7)
            draw_data(axis, toy, color="#222222", size=1.5)
            bare(axis, extent)
            axis.set_title(f"{toy}: {share:.0%} of W₁")
        row[0].set_ylabel(arms.name(name))
    return figure


def over_steps(runs: dict[tuple[str, int], ToyRun]) -> Figure:
    """Modes, high quality, exact distance and the critic's estimate of it, over generator steps; a line per seed.

    The first two are left out for a toy that has no modes.
    """
    first = next(iter(runs.values()))
    titles = {
        "w1": "exact Wasserstein-1\ndistance to fresh data",
        "share": "critic's estimate / exact;\nsolid: also / Lipschitz",
    }
    if toy_named(first.toy).centres is not None:
        titles = {"modes": "modes recovered", "high_quality": "share of samples\nof high quality"} | titles
    figure, axes = panels(1, len(titles), 2.9, 2.8)
    panel = dict(zip(titles, axes[0], strict=True))
    for (arm, _), run in runs.items():
        steps, look = run.rows["generator_steps"], line_of(arm)
        for column in [*titles][:-1]:
            panel[column].plot(steps, run.rows[column], **look)
        if "estimate" in run.rows:
            panel["share"].plot(steps, run.rows["estimate"] / run.rows["w1"], ":", color=arms.color(arm))
            panel["share"].plot(steps, run.rows["scaled"] / run.rows["w1"], **look)
    floor = np.mean([run.floor for run in runs.values()])
    panel["w1"].axhline(floor, color=DATA, linestyle="-.", label="data on data")
    panel["w1"].set_ylim(bottom=0)
    panel["share"].axhline(1, color=DATA, linestyle="-.")
    panel["share"].set_yscale("symlog", linthresh=1)
    panel["share"].yaxis.set_major_locator(FixedLocator([-100, -10, -1, 0, 1, 10, 100]))
    panel["share"].yaxis.set_major_formatter("{x:g}")
    for column, axis in panel.items():
        axis.set(title=titles[column], xlabel="generator steps")
    axes[0, 0].set_ylabel(first.toy)
    legend(figure)
    return figure


def final_samples(runs: dict[tuple[str, int], ToyRun], extent: float = 2.2) -> Figure:
    """The last samples over the data: a row per seed, a column per arm, each with its exact distance."""
    columns, seeds = list(dict.fromkeys(arm for arm, _ in runs)), sorted({seed for _, seed in runs})
    figure, axes = panels(len(seeds), len(columns), 2.5, 2.7)
    for row, seed in zip(axes, seeds, strict=True):
        for axis, arm in zip(row, columns, strict=True):
            run = runs[arm, seed]
            draw_data(axis, run.toy)
            axis.plot(*run.snapshots[-1].samples.T, ".", color=arms.color(arm), markersize=2.5)
            axis.set_title(f"{arms.name(arm)}, seed {seed}: W₁ = {run.rows['w1'].iloc[-1]:.2f}")
            bare(axis, extent)
    return figure


def saturation(norms: dict[tuple[str, int], pd.DataFrame]) -> Figure:
    """The norm of the generator's gradient, from ``critics.generator_gradients``, by critic steps; a line per seed."""
    figure, ((axis,),) = panels(1, 1, 6.2, 3.2)
    for (method, _), rows in norms.items():
        axis.plot(rows["critic_steps"], rows["norm"], marker="o", markersize=3, **line_of(method))
    measured = sorted({step for rows in norms.values() for step in rows["critic_steps"]})
    axis.set_xscale("symlog", linthresh=1)
    axis.xaxis.set_major_locator(FixedLocator(measured))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_yscale("log")
    axis.set(xlabel="critic steps with the generator held still", ylabel="norm of the generator's gradient")
    legend(figure)
    return figure


def deep(critics: list[DeepCritic], penalised: str) -> Figure:
    """Left the gradient's norm by layer, a line per seed; then a histogram per arm of all weights of all seeds.

    Clipped critics have the colour of WGAN and a marker of their own, the penalised one has the colour of WGAN-GP.
    """
    names = list(dict.fromkeys(critic.arm for critic in critics))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 3.6), layout="constrained")
        grid = figure.add_gridspec(2, 2 + (len(names) + 1) // 2)
        norms = figure.add_subplot(grid[:, :2])
        histograms = [figure.add_subplot(grid[i % 2, 2 + i // 2]) for i in range(len(names))]
    for index, (arm, axis) in enumerate(zip(names, histograms, strict=True)):
        look = {"color": arms.color("wgan-gp" if arm == penalised else "wgan"), "marker": "os^vDP"[index % 6]}
        mine = [critic for critic in critics if critic.arm == arm]
        for critic in mine:
            norms.plot(np.arange(1, len(critic.norms) + 1), critic.norms, markersize=4, label=arm, **look)
        weights = np.concatenate([critic.weights for critic in mine])
        bound = np.abs(weights).max()
        heights, edges = np.histogram(weights, bins=np.linspace(-bound, bound, 42))
        axis.stairs(heights / len(weights), edges, fill=True, color=look["color"])
        axis.set(title=arm, xticks=[-bound, 0, bound], xlabel="weight" if index % 2 or len(names) == 1 else "")
        axis.xaxis.set_major_formatter("{x:.2g}")
    norms.set_yscale("log")
    norms.set(xlabel="ReLU layer, from input to score", ylabel="gradient of the critic's loss, norm")
    norms.xaxis.set_major_locator(FixedLocator(range(1, max(len(critic.norms) for critic in critics) + 1)))
    histograms[0].set_ylabel("share of weights")
    legend(figure)
    return figure
