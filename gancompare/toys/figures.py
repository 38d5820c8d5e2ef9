"""The figures of the 2-D toys, in the style of ``plots``. Runs are keyed by (method, seed); every seed is drawn."""

import base64
import html
from collections.abc import Sequence

import ipywidgets as widgets
import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator
from PIL import Image

from gancompare.arms import color
from gancompare.base.streams import stream
from gancompare.explore.widgets import Picture, gif, jpeg, with_twin
from gancompare.report.style import STYLE
from gancompare.toys import toys

DATA = "#999999"


def _panels(rows: int, columns: int, width: float, height: float, **shared: bool) -> tuple[Figure, np.ndarray]:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **shared)
    return figure, axes


def _bare(axis, extent: float) -> None:
    axis.set(xlim=(-extent, extent), ylim=(-extent, extent), xticks=[], yticks=[], aspect="equal")
    axis.grid(False)


def _data(toy: str, count: int = 400) -> np.ndarray:
    return toys.sample(toy, count, stream(0, "figure")).numpy()


def _legend(figure: Figure) -> None:
    named = {}
    for axis in figure.axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    figure.legend(list(named.values()), list(named), loc="outside upper center", ncols=5, frameon=False)


def surfaces(values: dict[tuple[str, str], tuple[np.ndarray, float]], extent: float = 3.0) -> Figure:
    """Level lines of the critic's score, from ``toys.surfaces``: a row per objective, a column per toy.

    In each panel how near the critic is to optimal.
    """
    names, shown = list(dict.fromkeys(name for _, name in values)), list(dict.fromkeys(toy for toy, _ in values))
    figure, axes = _panels(len(names), len(shown), 2.5, 2.5)
    for row, name in zip(axes, names, strict=True):
        for axis, toy in zip(row, shown, strict=True):
            surface, share = values[toy, name]
            line = np.linspace(-extent, extent, len(surface))
            axis.contourf(line, line, surface, levels=24, cmap="viridis", alpha=0.35)
            axis.contour(line, line, surface, levels=24, cmap="viridis", linewidths=0.7)
            axis.plot(*_data(toy).T, ".", color="#222222", markersize=1.5)
            _bare(axis, extent)
            axis.set_title(f"{toy}: {share:.0%} of W₁")
        row[0].set_ylabel(name)
    return figure


def over_steps(runs: dict[tuple[str, int], toys.ToyRun]) -> Figure:
    """Modes, high quality, exact distance and the critic's estimate of it, over generator steps; a line per seed.

    The first two are left out for a toy that has no modes.
    """
    first = next(iter(runs.values()))
    titles = {
        "w1": "exact Wasserstein-1\ndistance to fresh data",
        "share": "critic's estimate / exact;\nsolid: also / Lipschitz",
    }
    if toys.toy_named(first.toy).centres is not None:
        titles = {"modes": "modes recovered", "high_quality": "share of samples\nof high quality"} | titles
    figure, axes = _panels(1, len(titles), 2.9, 2.8)
    panels = dict(zip(titles, axes[0], strict=True))
    for (name, _), run in runs.items():
        look = {"color": color(name), "linewidth": 1.2, "label": name}
        steps = run.rows["generator_steps"]
        for column in [*titles][:-1]:
            panels[column].plot(steps, run.rows[column], **look)
        if "estimate" in run.rows:
            panels["share"].plot(steps, run.rows["estimate"] / run.rows["w1"], ":", **look | {"label": None})
            panels["share"].plot(steps, run.rows["scaled"] / run.rows["w1"], **look)
    panels["w1"].axhline(
        np.mean([run.floor for run in runs.values()]), color=DATA, linestyle="--", label="data on data"
    )
    panels["w1"].set_ylim(bottom=0)
    panels["share"].axhline(1, color=DATA, linestyle="--")
    panels["share"].set_yscale("symlog", linthresh=1)
    panels["share"].yaxis.set_major_locator(FixedLocator([-100, -10, -1, 0, 1, 10, 100]))
    panels["share"].yaxis.set_major_formatter("{x:g}")
    for column, axis in panels.items():
        axis.set_title(titles[column])
        axis.set_xlabel("generator steps")
    figure.suptitle(first.toy, x=0.01, ha="left")
    _legend(figure)
    return figure


def final_samples(runs: dict[tuple[str, int], toys.ToyRun], extent: float = 2.2) -> Figure:
    """The last samples over the data: a row per seed, a column per method, each with its exact distance."""
    names, seeds = list(dict.fromkeys(name for name, _ in runs)), sorted({seed for _, seed in runs})
    figure, axes = _panels(len(seeds), len(names), 2.5, 2.7)
    for row, seed in zip(axes, seeds, strict=True):
        for axis, name in zip(row, names, strict=True):
            run = runs[name, seed]
            axis.plot(*_data(run.toy).T, ".", color=DATA, markersize=3)
            axis.plot(*run.snapshots[-1].samples.T, ".", color=color(name), markersize=2.5)
            axis.set_title(f"{name}, seed {seed}: W₁ = {run.rows['w1'].iloc[-1]:.2f}")
            _bare(axis, extent)
    return figure


def saturation(norms: dict[tuple[str, int], pd.DataFrame]) -> Figure:
    """The norm of the generator's gradient, from ``toys.generator_gradients``, by critic steps; a line per seed."""
    figure, axes = _panels(1, 1, 6.2, 3.2)
    for (name, _), rows in norms.items():
        axes[0, 0].plot(rows["critic_steps"], rows["norm"], "o-", markersize=3, color=color(name), label=name)
    at = sorted({step for rows in norms.values() for step in rows["critic_steps"]})
    axes[0, 0].set_xscale("symlog", linthresh=1)
    axes[0, 0].xaxis.set_major_locator(FixedLocator(at))
    axes[0, 0].xaxis.set_minor_locator(NullLocator())
    axes[0, 0].xaxis.set_major_formatter("{x:g}")
    axes[0, 0].set_yscale("log")
    axes[0, 0].set(xlabel="critic steps with the generator held still", ylabel="norm of the generator's gradient")
    _legend(figure)
    return figure


def deep(critics: list[toys.DeepCritic], penalised: str) -> Figure:
    """Left the gradient's norm by layer, a line per seed; then a histogram per arm of all weights of all seeds."""
    arms = list(dict.fromkeys(critic.arm for critic in critics))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 3.6), layout="constrained")
        grid = figure.add_gridspec(2, 2 + (len(arms) + 1) // 2)
        norms = figure.add_subplot(grid[:, :2])
        histograms = [figure.add_subplot(grid[i % 2, 2 + i // 2]) for i in range(len(arms))]
    blues = mpl.colormaps["Blues"](np.linspace(0.95, 0.5, len(arms)))
    for index, (arm, axis) in enumerate(zip(arms, histograms, strict=True)):
        look = color("wgan-gp") if arm == penalised else blues[index]
        mine = [critic for critic in critics if critic.arm == arm]
        for critic in mine:
            norms.plot(np.arange(1, len(critic.norms) + 1), critic.norms, "o-", markersize=3, color=look, label=arm)
        weights = np.concatenate([critic.weights for critic in mine])
        bound = np.abs(weights).max()
        heights, edges = np.histogram(weights, bins=np.linspace(-bound, bound, 42))
        axis.stairs(heights / len(weights), edges, fill=True, color=look)
        axis.set(title=arm, xticks=[-bound, 0, bound], xlabel="weight" if index % 2 or len(arms) == 1 else "")
        axis.xaxis.set_major_formatter("{x:.2g}")
    norms.set_yscale("log")
    norms.set(xlabel="ReLU layer, from input to score", ylabel="gradient of the critic's loss, norm")
    norms.xaxis.set_major_locator(FixedLocator(range(1, max(len(critic.norms) for critic in critics) + 1)))
    histograms[0].set_ylabel("share of weights")
    _legend(figure)
    return figure


# Moving samples


def frames(runs: dict[tuple[str, int], toys.ToyRun], arrows: int = 64, extent: float = 2.2) -> list[Image.Image]:
    """A picture per snapshot, a panel per run: samples over the data, arrows along the critic's gradient at some.

    Arrows show the direction in which the critic sees more real points; all have one length, because the size of a
    gradient under clipping says nothing.
    """
    pictures = []
    for moment in zip(*(run.snapshots for run in runs.values()), strict=True):
        figure, axes = _panels(1, len(runs), 2.4, 2.6)
        for axis, ((name, seed), run), snapshot in zip(axes[0], runs.items(), moment, strict=True):
            axis.plot(*_data(run.toy).T, ".", color=DATA, markersize=3)
            axis.plot(*snapshot.samples.T, ".", color=color(name), markersize=2)
            gradient = snapshot.gradient[:arrows]
            unit = gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-30)
            axis.quiver(
                *snapshot.samples[:arrows].T, *unit.T, scale=12, width=0.005, headwidth=4, color="#222222", zorder=3
            )
            axis.set_title(f"{name}, seed {seed}: step {snapshot.step}")
            _bare(axis, extent)
        canvas = FigureCanvasAgg(figure)
        figure.set_dpi(100)
        canvas.draw()
        pictures.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]))
    return pictures


def small_gif(pictures: Sequence[Image.Image], milliseconds: int = 350) -> bytes:
    """The pictures as an animation that starts over; 32 colours, which keeps it small. The last is held longer."""
    small = [picture.quantize(32, dither=Image.Dither.NONE) for picture in pictures]
    return gif(small, [milliseconds] * (len(small) - 1) + [4 * milliseconds])


def slider(pictures: Sequence[Image.Image]) -> widgets.VBox:
    """The pictures one at a time, under a slider with a box for its number; needs a running kernel."""
    control = widgets.IntSlider(0, min=0, max=len(pictures) - 1, description="picture", readout=False)
    shown = Picture(
        value=jpeg(pictures[0]), format="jpeg", tooltip="samples and the directions of the critic's gradient"
    )
    control.observe(lambda change: setattr(shown, "value", jpeg(pictures[change.new])), "value")
    return widgets.VBox([with_twin(control), shown])


def animation(pictures: Sequence[Image.Image], caption: str, alt: str) -> str:
    """A ``<figure>`` with the moving pictures inside, so that no file stands beside the page."""
    data = base64.b64encode(small_gif(pictures)).decode()
    return (
        f'<figure><img src="data:image/gif;base64,{data}" alt="{html.escape(alt, quote=True)}" style="max-width:100%">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )
