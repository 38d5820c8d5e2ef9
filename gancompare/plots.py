"""Every figure, in one style, with one colour per method everywhere. Functions return a ``Figure`` and draw no data
of their own; ``show`` puts one into a notebook with a caption and a text for those who cannot see it.
"""

import base64
import html
import io
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from gancompare.objectives import METHODS
from gancompare.runs import GRID_COLUMNS, GRID_PADDING

# Okabe and Ito's palette, which stays apart under the common colour blindnesses
COLORS = {"gan": "#D55E00", "wgan": "#0072B2", "wgan-gp": "#009E73", "gan-minimax": "#E69F00", "gan-gp": "#CC79A7"}
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
CLOCKS = {
    "generator_steps": "generator steps",
    "images_seen": "real images seen, thousands",
    "seconds": "training time, seconds",
}


def color(method: str) -> str:
    """The method's colour; a method added by a reader gets a grey of its own."""
    return COLORS.get(method, "#555555")


def show(figure: Figure | Image.Image, caption: str, alt: str = "", photo: bool = False) -> None:
    """Display ``figure`` with its caption; ``alt`` says in words what it shows (the caption where empty)."""
    from IPython.display import HTML, display

    display(HTML(figure_html(figure, caption, alt, photo)))


def figure_html(figure: Figure | Image.Image, caption: str, alt: str = "", photo: bool = False) -> str:
    """A ``<figure>`` with the picture inside, so that no file stands beside the page.

    A drawing is PNG; an image, and a figure that is a ``photo`` (a sheet of samples), is JPEG and far smaller.
    """
    buffer = io.BytesIO()
    if isinstance(figure, Image.Image):
        kind, width = "jpeg", figure.width
        figure.convert("RGB").save(buffer, format="JPEG", quality=90)
    else:
        kind, width = "jpeg" if photo else "png", int(figure.get_figwidth() * 100)
        figure.savefig(buffer, format=kind, bbox_inches="tight")
    data = base64.b64encode(buffer.getvalue()).decode()
    text = html.escape(alt or caption, quote=True)
    return (
        f'<figure><img src="data:image/{kind};base64,{data}" alt="{text}" style="width:{width}px;max-width:100%">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def _panels(rows: int, columns: int, width: float = 3.4, height: float = 2.6) -> tuple[Figure, np.ndarray]:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
    return figure, axes


def losses(history: pd.DataFrame, method: str) -> Figure:
    """One run: loss parts, generator loss, and two measures that can be compared between methods."""
    figure, axes = _panels(1, 4, width=2.9)
    steps = history["generator_steps"]
    parts = [name for name in history if name.startswith("loss_")]
    for name, style in zip(parts, ("-", "--", ":"), strict=False):
        axes[0, 0].plot(steps, history[name], style, color=color(method), label=name.removeprefix("loss_"))
    axes[0, 0].set_title("critic loss, by part")
    axes[0, 0].legend()
    axes[0, 1].plot(steps, history["generator_loss"], color=color(method))
    axes[0, 1].set_title("generator loss")
    for axis, name, title in (
        (axes[0, 2], "critic_gradient_norm", "critic gradient norm\nbetween real and fake"),
        (axes[0, 3], "pixel_std", "pixel spread of 64 samples"),
    ):
        measured = history.dropna(subset=[name])
        axis.plot(measured["generator_steps"], measured[name], "o-", markersize=3, color=color(method))
        axis.set_title(title)
    for axis in axes.flat:
        axis.set_xlabel("generator steps")
        axis.xaxis.set_major_locator(MaxNLocator(4))
    return figure


def loss_panels(histories: pd.DataFrame) -> Figure:
    """Losses of all seeds, a row per method: scales differ by objective, so methods never share an axis."""
    methods = list(dict.fromkeys(histories["method"]))
    columns = ("critic_loss", "generator_loss", "wasserstein_estimate")
    figure, axes = _panels(len(methods), 3, height=2.1)
    for row, method in zip(axes, methods, strict=True):
        for axis, name in zip(row, columns, strict=True):
            runs_of_method = histories[histories["method"] == method].dropna(subset=[name])
            if runs_of_method.empty:  # no Wasserstein estimate for this objective
                axis.axis("off")
                continue
            for _, run in runs_of_method.groupby("seed"):
                axis.plot(run["generator_steps"], run[name], color=color(method), linewidth=1, alpha=0.8)
            axis.set_title(f"{method}: {name.replace('_', ' ')}")
            axis.set_xlabel("generator steps")
            axis.xaxis.set_major_locator(MaxNLocator(4))
    return figure


def curves(histories: pd.DataFrame, name: str, label: str, reference: tuple[float, str] | None = None) -> Figure:
    """``name`` against each of the three clocks: a thin line per seed, a thick one for their mean at equal steps.

    ``reference`` is a value and its name, drawn as a dotted line.
    """
    import seaborn as sns

    measured = histories.dropna(subset=[name]).copy()
    measured["images_seen"] /= 1000
    palette = {method: color(method) for method in measured["method"]}
    figure, axes = _panels(1, 3, height=3)
    common = {"data": measured, "y": name, "hue": "method", "palette": palette}
    for axis, (clock, clock_label) in zip(axes[0], CLOCKS.items(), strict=True):
        sns.lineplot(**common, x=clock, units="seed", estimator=None, linewidth=0.8, alpha=0.5, ax=axis, legend=False)
        means = measured.groupby(["method", "generator_steps"], sort=False)[[name, clock]].mean()
        means = means.drop(columns="generator_steps", errors="ignore").reset_index()
        sns.lineplot(
            data=means,
            x=clock,
            y=name,
            hue="method",
            palette=palette,
            linewidth=2.2,
            ax=axis,
            legend=axis is axes[0, 0],
        )
        if reference:
            axis.axhline(reference[0], color="#333333", linestyle=":", label=reference[1])
        axis.set_xlabel(clock_label)
        axis.set_ylabel(label)
        axis.xaxis.set_major_locator(MaxNLocator(5))
    axes[0, 0].legend(title=None)
    return figure


def saved_grids(directory: Path) -> dict[int, Path]:
    """The sample grids of a run: generator step -> file, in order."""
    return {int(path.stem.removeprefix("step")): path for path in sorted((directory / "samples").glob("step*.png"))}


def tiles(path: Path) -> np.ndarray:
    """A saved sample grid of 8 × 8 images as (64, H, W, 3) uint8."""
    grid = np.asarray(Image.open(path).convert("RGB"))
    side = GRID_COLUMNS
    pitch_y, pitch_x = ((length - GRID_PADDING) // side for length in grid.shape[:2])
    images = grid[GRID_PADDING:, GRID_PADDING:].reshape(side, pitch_y, side, pitch_x, 3).transpose(0, 2, 1, 3, 4)
    return images.reshape(side * side, pitch_y, pitch_x, 3)[:, :-GRID_PADDING, :-GRID_PADDING]


def samples_over_time(directory: Path, rows: int = 6, columns: int = 12) -> Figure:
    """A row per saved step, evenly chosen; each column is one latent as training goes on."""
    grids = saved_grids(directory)
    steps = list(grids)
    chosen = [steps[i] for i in np.unique(np.linspace(0, len(steps) - 1, rows).round().astype(int))]
    figure, axes = _panels(len(chosen), 1, width=9, height=0.8)
    for axis, step in zip(axes[:, 0], chosen, strict=True):
        axis.imshow(np.concatenate(list(tiles(grids[step])[:columns]), axis=1), interpolation="nearest")
        axis.set_ylabel(f"{step:,}", rotation=0, ha="right", va="center")
        _frameless(axis)
    return figure


def final_samples(study: pd.DataFrame, rows: int = 4, columns: int = 8) -> Figure:
    """The last grid of every run of one data set: a column per method, a row per seed, the first latents of each."""
    methods, seeds = list(dict.fromkeys(study["method"])), sorted(study["seed"].unique())
    figure, axes = _panels(len(seeds), len(methods), width=3.3, height=3.3 * rows / columns + 0.25)
    for run in study.itertuples():
        axis = axes[seeds.index(run.seed), methods.index(run.method)]
        grids = saved_grids(run.directory)
        if grids:
            images = tiles(grids[max(grids)])[: rows * columns]
            height, width = images.shape[1:3]
            sheet = images.reshape(rows, columns, height, width, 3).transpose(0, 2, 1, 3, 4)
            axis.imshow(sheet.reshape(rows * height, columns * width, 3), interpolation="nearest")
        state = "" if run.status == "complete" else f" ({run.status} at step {run.steps_done:,})"
        axis.set_title(f"{run.method}, seed {run.seed}{state}")
    for axis in axes.flat:
        _frameless(axis)
    return figure


def _frameless(axis) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)


class _Score(torch.nn.Module):
    """A critic whose score is its input, so that an objective can be drawn as a function of the score."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1).mean(dim=1)


def generator_losses(methods: tuple[str, ...] = ("gan-minimax", "gan", "wgan")) -> Figure:
    """What each generator minimises as a function of a fake image's score, and the slope that it learns from."""
    scores = torch.linspace(-8, 8, 161, dtype=torch.float64)
    figure, axes = _panels(1, 2, width=4.2, height=3)
    for method in methods:
        objective, leaf = METHODS[method](), scores.clone().requires_grad_(True)
        values = torch.stack([objective.generator_loss(_Score(), score.reshape(1, 1, 1, 1)) for score in leaf])
        (slopes,) = torch.autograd.grad(values.sum(), leaf)
        label = "wgan and wgan-gp" if method == "wgan" else method
        axes[0, 0].plot(scores, values.detach(), color=color(method), label=label)
        axes[0, 1].plot(scores, slopes.abs(), color=color(method), label=label)
    axes[0, 0].set_title("generator loss")
    axes[0, 0].legend()
    axes[0, 1].set_title("size of its slope")
    for axis in axes.flat:
        axis.set_xlabel("critic's score of a fake image")
    return figure
