"""Every figure, in one style, with one colour per method everywhere. Functions return a ``Figure`` and draw no data
of their own; ``show`` puts one into a notebook with a caption and a text for those who cannot see it.

Those that draw what may not have been measured return None then, and ``show`` says so.
"""

import base64
import html
import io
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from PIL import Image

from gancompare.objectives import METHODS
from gancompare.runs.grids import COLUMNS as GRID_COLUMNS
from gancompare.runs.grids import PADDING as GRID_PADDING
from gancompare.verdicts import curves, finals, shares
from gancompare.verdicts.intervals import MIN_SEEDS, interval

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


def show(figure: Figure | Image.Image | None, caption: str, alt: str = "", photo: bool = False) -> None:
    """Display ``figure`` with its caption; ``alt`` says in words what it shows (the caption where empty).

    None, a figure for which nothing was measured, is said in words.
    """
    from IPython.display import HTML, display

    missing = f'<p style="max-width:46rem">Not measured in these runs: {html.escape(alt or caption)}</p>'
    display(HTML(missing if figure is None else figure_html(figure, caption, alt, photo)))


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


def _per_dataset(frame: pd.DataFrame, height: float = 3.0) -> tuple[Figure, Iterator]:
    """A figure with a titled panel per data set, and (axis, data set's rows) for each."""
    datasets = list(frame["dataset"].unique())
    columns = min(len(datasets), 3)
    figure, axes = _panels(math.ceil(len(datasets) / columns), columns, width=max(3.4, 6.8 / columns), height=height)
    for axis in axes.flat[len(datasets) :]:
        axis.axis("off")
    for axis, name in zip(axes.flat, datasets, strict=False):
        axis.set_title(name)
    return figure, ((axis, frame[frame["dataset"] == name]) for axis, name in zip(axes.flat, datasets, strict=False))


def _log(axis, which: str = "y") -> None:
    """A logarithmic axis with numbers that are read at a glance, also where it spans less than a decade."""
    getattr(axis, f"set_{which}scale")("log", nonpositive="clip")
    scale = getattr(axis, f"{which}axis")
    scale.set_major_locator(LogLocator(subs=(1, 2, 5)))
    scale.set_major_formatter(StrMethodFormatter("{x:g}"))
    scale.set_minor_formatter(NullFormatter())


def _legend(figure: Figure) -> None:
    """One legend above all panels, each name once."""
    named: dict = {}
    for axis in figure.axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    figure.legend(list(named.values()), list(named), loc="outside upper center", ncols=5, frameon=False)


def _final(scores: pd.DataFrame) -> pd.DataFrame | None:
    """The primary extractor's scores of each run as it ended; None if nothing was scored."""
    if scores.empty or "fd" not in scores:
        return None
    final = scores[scores["primary"].astype(bool) & (scores["checkpoint"] == "last")]
    return None if final["fd"].isna().all() else final


def _has(frame: pd.DataFrame, name: str) -> bool:
    return name in frame and frame[name].notna().any()


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


def bands(
    histories: pd.DataFrame, name: str, label: str, reference: tuple[float, str] | None = None, log: bool = False
) -> Figure | None:
    """``name`` against each of the three clocks: the interquartile mean over seeds at equal steps, with its 95 %
    interval.

    Where there are too few seeds for an interval, or a run of the method ended early (×), each seed is a thin line too:
    the mean and the band stop where the first run does, as a band of survivors would flatter the method. ``reference``
    is a value and its name, drawn as a dotted line; ``log``: a logarithmic axis if all values are positive.
    """
    if not _has(histories, name):
        return None
    histories = histories.assign(images_seen=histories["images_seen"] / 1000)
    measured = histories.dropna(subset=[name])
    log = log and bool((measured[name] > 0).all())
    reference = reference if reference and pd.notna(reference[0]) else None
    figure, axes = _panels(1, 3, height=3)
    for method, runs_of_method in histories.groupby("method", sort=False):
        runs_of_method, seeds = runs_of_method.dropna(subset=[name]), runs_of_method["seed"].unique()
        values = runs_of_method.pivot_table(index="generator_steps", columns="seed", values=name).reindex(columns=seeds)
        whole = values.dropna()
        found = [interval(row) for row in whole.to_numpy()]
        center, low, high = ([getattr(each, part) for each in found] for part in ("estimate", "low", "high"))
        for axis, clock in zip(axes[0], CLOCKS, strict=True):
            at = runs_of_method.groupby("generator_steps", as_index=False)[list(CLOCKS)].mean()
            at = at.set_axis(at["generator_steps"])[clock].reindex(whole.index)
            axis.plot(at, center, color=color(method), linewidth=2.2, label=method)
            if len(seeds) >= MIN_SEEDS:
                axis.fill_between(at, low, high, color=color(method), alpha=0.2, linewidth=0)
            if len(seeds) < MIN_SEEDS or len(whole) < len(values):
                for _, run in runs_of_method.groupby("seed"):
                    early = run["generator_steps"].max() < values.index.max()
                    axis.plot(
                        run[clock], run[name], color=color(method), linewidth=0.8, alpha=0.6,
                        marker="x" if early else "", markevery=[-1],
                    )  # fmt: skip
    drawn = [*measured[name], *([reference[0]] if reference else [])]
    for axis, clock_label in zip(axes[0], CLOCKS.values(), strict=True):
        if reference:
            axis.axhline(reference[0], color="#333333", linestyle=":", label=reference[1])
        axis.set_xlabel(clock_label)
        axis.xaxis.set_major_locator(MaxNLocator(5))
        if log:
            _log(axis)
            axis.set_ylim(bottom=min(drawn) / 1.3)  # the lower end of an interval may be negative
    axes[0, 0].set_ylabel(label)
    _legend(figure)
    return figure


def pixel_spread(history: pd.DataFrame, study: pd.DataFrame) -> Figure | None:
    """``bands`` of the pixel spread of one data set's runs, beside that of its real images."""
    real = study.loc[study["dataset"] == history["dataset"].iloc[0], "real_pixel_std"].iloc[0]
    return bands(history, "pixel_std", "pixel spread", (real, "real images"))


def critic_slope(history: pd.DataFrame) -> Figure | None:
    """``bands`` of the mean gradient norm between real and fake images, beside what a penalty aims at."""
    return bands(history, "critic_gradient_norm", "gradient norm", (1.0, "target of the penalty"), log=True)


def gradient_norms(diagnostics: pd.DataFrame) -> Figure | None:
    """Norm of the critic's gradient by its input, a row per data set, a panel per kind of images.

    Line: the median image, a band to the 5 % and 95 % quantiles, both averaged over seeds; thin lines: the median of
    each seed. Dotted: 1, if a method here has a penalty that aims at it. Dashed: ``diagnostics.lipschitz_estimate``.
    """
    if not len(_measured(diagnostics, "gradient_norm_q50")):
        return None
    kinds, datasets = ("real", "fake", "interpolated"), list(diagnostics["dataset"].unique())
    figure, axes = _panels(len(datasets), 3, height=2.7)
    for row, name in zip(axes, datasets, strict=True):
        rows_here = diagnostics[diagnostics["dataset"] == name]
        for axis, where in zip(row, kinds, strict=True):
            for method, rows in rows_here[rows_here["where"] == where].groupby("method", sort=False):
                tables = {cut: _by_seed(rows, f"gradient_norm_{cut}") for cut in ("q05", "q50", "q95")}
                low, median, high = (values.mean(axis=1) for values in tables.values())
                axis.plot(median.index, median, color=color(method), linewidth=2, label=method)
                axis.fill_between(median.index, low, high, color=color(method), alpha=0.15, linewidth=0)
                axis.plot(tables["q50"], color=color(method), linewidth=0.7, alpha=0.6)
                if where == "interpolated":
                    steepest = _by_seed(rows_here[rows_here["method"] == method], "lipschitz").mean(axis=1)
                    axis.plot(steepest, "--", color=color(method), linewidth=1.2)
            if where == "interpolated" and len(_measured(rows_here, "lipschitz")):
                axis.plot([], [], "--", color="#333333", label="steepest on the lines")
            if any(hasattr(METHODS.get(method), "penalty_weight") for method in rows_here["method"].unique()):
                axis.axhline(1, color="#333333", linestyle=":", label="target of the penalty")
            axis.set_title(f"{name}: {where} images")
            axis.set_xlabel("generator steps")
            axis.xaxis.set_major_locator(MaxNLocator(4))
            _log(axis)
        ends = [axis.get_ylim() for axis in row]
        for axis in row:  # one scale, so that the three kinds can be compared
            axis.set_ylim(min(low for low, _ in ends), max(high for _, high in ends))
        row[0].set_ylabel("gradient norm")
    _legend(figure)
    return figure


def critic_layers(diagnostics: pd.DataFrame) -> Figure | None:
    """By layer, from image to score, at each run's last step: norm of the gradient of the critic's loss by what enters
    the layer, and the layer's operator norm. A row per data set; mean over seeds, a band from lowest to highest.
    """
    quantities = {"layer_gradient_norm": "gradient of the loss", "spectral_norm": "operator norm"}
    if not any(len(_measured(diagnostics, name)) for name in quantities):
        return None
    last = diagnostics.groupby(["dataset", "method", "seed"])["generator_steps"].transform("max")
    last = diagnostics[diagnostics["generator_steps"] == last]
    datasets = list(last["dataset"].unique())
    figure, axes = _panels(len(datasets), 2, width=4.4, height=2.8)
    for row, name in zip(axes, datasets, strict=True):
        for axis, (quantity, title) in zip(row, quantities.items(), strict=True):
            found = _measured(last[last["dataset"] == name], quantity)
            layers = list(found["where"].unique())
            for method, rows in found.groupby("method", sort=False):
                of = rows.groupby("where", sort=False)["value"].agg(["mean", "min", "max"]).reindex(layers)
                axis.plot(range(len(of)), of["mean"], "o-", color=color(method), markersize=4, label=method)
                axis.fill_between(range(len(of)), of["min"], of["max"], color=color(method), alpha=0.2, linewidth=0)
            axis.set_title(f"{name}: {title}")
            crowded = {"rotation": 45, "ha": "right"} if len(layers) > 6 else {}
            axis.set_xticks(range(len(layers)), layers, **crowded)
            axis.set_xlabel("layer, from image to score")
            _log(axis)
    _legend(figure)
    return figure


def critic_health(diagnostics: pd.DataFrame) -> Figure | None:
    """Overfitting gap, accuracy and the gradient that reaches the generator over generator steps, a row per data set.

    The gradient is over that of the first measurement, as its size depends on the scale of a critic's scores. Lines are
    interquartile means over seeds with 95 % intervals, and each seed where there are too few for one. Dashed,
    without interval: accuracy with held-out images in place of training images.
    """
    panels = {"gap": "gap, training − held-out", "accuracy": "accuracy of the sign"}
    panels |= {"generator_gradient": "gradient at the generator / its first"}
    if not any(len(_measured(diagnostics, name)) for name in panels):
        return None
    datasets = list(diagnostics["dataset"].unique())
    figure, axes = _panels(len(datasets), 3, height=2.8)
    for row, name in zip(axes, datasets, strict=True):
        rows_here, least = diagnostics[diagnostics["dataset"] == name], math.inf
        for axis, (quantity, title) in zip(row, panels.items(), strict=True):
            for (method, where), rows in _measured(rows_here, quantity).groupby(["method", "where"], sort=False):
                dashed = quantity == "accuracy" and where == "held-out"
                values = _by_seed(rows, quantity)
                if quantity == "generator_gradient":
                    values = values / values.iloc[0].mask(values.iloc[0] == 0)
                    least = min(least, values.min(axis=None))
                _over_seeds(axis, values, method, "--" if dashed else "-")
            axis.set_title(f"{name}: {title}")
            axis.set_xlabel("generator steps")
            axis.xaxis.set_major_locator(MaxNLocator(4))
        if _measured(rows_here, "accuracy").empty:
            row[1].text(
                0.5, 0.5, "no method here\nscores in logits", ha="center", va="center", transform=row[1].transAxes
            )
        row[0].axhline(0, color="#333333", linestyle=":")
        row[0].set_ylabel("standard deviations")
        if _measured(rows_here, "accuracy")["where"].eq("held-out").any():
            row[1].plot([], [], "--", color="#333333", label="held-out images")
        row[1].set_ylim(0.45 if _least(rows_here, "accuracy") > 0.47 else 0, 1.02)
        if 0 < least < math.inf:
            _log(row[2])
            row[2].set_ylim(bottom=least / 1.3)  # the lower end of an interval may be negative
    _legend(figure)
    return figure


def _measured(diagnostics: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """The rows of ``quantity`` that hold a number."""
    if diagnostics.empty:
        return diagnostics
    return diagnostics[(diagnostics["quantity"] == quantity) & np.isfinite(diagnostics["value"])]


def _least(diagnostics: pd.DataFrame, quantity: str) -> float:
    return _measured(diagnostics, quantity)["value"].min()  # NaN, above nothing, where there are none


def _by_seed(rows: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """``quantity`` by step (index) and seed (columns)."""
    return _measured(rows, quantity).pivot_table(index="generator_steps", columns="seed", values="value")


def _over_seeds(axis, values: pd.DataFrame, method: str, line: str = "-") -> None:
    """The interquartile mean of ``values`` (steps × seeds) while all runs last, with its 95 % interval if ``line`` is
    solid; each seed where there are too few for an interval or a run ended early."""
    whole = values.dropna()
    found = [interval(row) for row in whole.to_numpy()]
    center, low, high = ([getattr(each, part) for each in found] for part in ("estimate", "low", "high"))
    axis.plot(whole.index, center, line, color=color(method), linewidth=2, label=method if line == "-" else None)
    if values.shape[1] >= MIN_SEEDS and line == "-":
        axis.fill_between(whole.index, low, high, color=color(method), alpha=0.2, linewidth=0)
    if values.shape[1] < MIN_SEEDS or len(whole) < len(values):
        axis.plot(values, line, color=color(method), linewidth=0.8, alpha=0.6)


def frontier(scores: pd.DataFrame, histories: pd.DataFrame) -> Figure | None:
    """Final FD against training time: a point per run, a panel per data set, and the runs that none beats in both.

    Thin lines are FD during training where it was measured: on fewer images, so slightly above the points.
    """
    final = _final(scores)
    if final is None:
        return None
    figure, panels = _per_dataset(final)
    for axis, runs_here in panels:
        for method, runs_of_method in runs_here.groupby("method", sort=False):
            axis.plot(runs_of_method["seconds"], runs_of_method["fd"], "o", color=color(method), label=method, zorder=3)
        if _has(histories, "fd"):
            during = histories[histories["dataset"] == runs_here["dataset"].iloc[0]].dropna(subset=["fd"])
            for (method, _), run in during.groupby(["method", "seed"], sort=False):
                axis.plot(run["seconds"], run["fd"], color=color(method), linewidth=0.7, alpha=0.5)
        done = runs_here.dropna(subset=["fd", "seconds"]).sort_values(["seconds", "fd"])
        best = done[done["fd"] < done["fd"].cummin().shift(fill_value=np.inf)]
        axis.step(best["seconds"], best["fd"], "--", where="post", color="#333333", label="best FD by that time")
        _reference(axis, runs_here)
        axis.set_xlabel("training time, seconds")
        axis.set_ylabel(runs_here["label"].iloc[0])
        _log(axis)
    _legend(figure)
    return figure


def _reference(axis, runs_here: pd.DataFrame) -> None:
    """The FD between two sets of real images, dotted."""
    if _has(runs_here, "floor"):
        axis.axhline(runs_here["floor"].mean(), color="#333333", linestyle=":", label="real images against real ones")


def sample_size(scores: pd.DataFrame) -> Figure | None:
    """FD of each run, and of real images against real ones, by the number of images: a panel per data set."""
    final = _final(scores)
    if final is None or not _has(final, "fd_by_n"):
        return None
    figure, panels = _per_dataset(final.dropna(subset=["fd_by_n"]))
    for axis, runs_here in panels:
        floors = {}
        for run in runs_here.itertuples():
            images, distances, floor = zip(*sorted(run.fd_by_n), strict=True)
            axis.plot(images, distances, "o-", color=color(run.method), label=run.method, markersize=3, linewidth=1)
            floors |= dict(zip(images, floor, strict=True))
        axis.plot(*zip(*sorted(floors.items()), strict=True), "o:", color="#333333", label="real images", markersize=3)
        _log(axis)
        _log(axis, "x")
        axis.set_xticks(sorted(floors))
        axis.set_xlabel("images compared")
        axis.set_ylabel(runs_here["label"].iloc[0])
    _legend(figure)
    return figure


def performance_profile(scores: pd.DataFrame) -> Figure | None:
    """Share of runs whose FD is at most so many times that of real images, averaged over data sets."""
    final = _final(scores)
    if final is None or not _has(final, "floor"):
        return None
    final = final.assign(times=final["fd"] / final.groupby("dataset")["floor"].transform("mean"))
    thresholds = np.geomspace(1, max(10, 1.1 * final["times"].max()), 200)
    figure, axes = _panels(1, 1, width=6.8, height=3)
    for method, runs_of_method in final.groupby("method", sort=False):
        by_dataset = {name: runs_here["times"] for name, runs_here in runs_of_method.groupby("dataset")}
        reached = shares.performance_profile(by_dataset, thresholds)
        axes[0, 0].plot(thresholds, reached, color=color(method), linewidth=2, label=method, drawstyle="steps-post")
    _log(axes[0, 0], "x")
    axes[0, 0].set_xlabel("FD in multiples of the FD of real images")
    axes[0, 0].set_ylabel("share of runs at or below")
    axes[0, 0].set_ylim(-0.02, 1.02)
    _legend(figure)
    return figure


def stability(scores: pd.DataFrame, histories: pd.DataFrame) -> Figure | None:
    """A row per data set: final FD of each seed, its rebound from the best FD during training and its back-and-forth
    there (``curves.oscillation``), and the share of runs that failed (diverged, or no nearer to the real images
    than one of them, repeated, is) with Wilson's 95 % interval.
    """
    final = _final(scores)
    if final is None:
        return None
    datasets = list(final["dataset"].unique())
    rows = max(final.groupby("dataset")["method"].nunique())
    figure, axes = _panels(len(datasets), 4, width=2.9, height=0.9 + 0.35 * rows)
    rebounds, swings = (_during(histories, measure) for measure in (curves.rebound, curves.oscillation))
    for row, name in zip(axes, datasets, strict=True):
        runs_here = final[final["dataset"] == name]
        methods = list(runs_here["method"].unique())
        for y, method in enumerate(methods):
            runs_of_method, style = runs_here[runs_here["method"] == method], {"color": color(method)}
            finite = runs_of_method["fd"].dropna()
            measured = (finite, rebounds.get((name, method), []), swings.get((name, method), []))
            for axis, values in zip(row, measured, strict=False):
                axis.plot(values, [y] * len(values), "o-", alpha=0.7, linewidth=1.2, markersize=5, **style)
            failed = finals.failed(runs_of_method)
            share = shares.proportion(int(failed.sum()), len(failed))
            row[3].plot([share.low, share.high], [y, y], linewidth=2, **style)
            row[3].plot(share.estimate, y, "o", markersize=6, **style)
            row[3].annotate(
                f"{failed.sum()} of {len(failed)}", (1, y), (1.04, y), va="center", annotation_clip=False, fontsize=9
            )
        _log(row[0], "x")
        row[0].set_title(f"{name}: final {runs_here['label'].iloc[0]}")
        for axis, title in ((row[1], "rebound from the best"), (row[2], "oscillation, log FD per step")):
            axis.set_title(title)
            axis.xaxis.set_major_locator(MaxNLocator(4))
            axis.set_xlim(left=min(0, axis.get_xlim()[0]))
        row[3].set_title("share of runs that failed")
        row[3].set_xlim(-0.03, 1.03)
        for axis in row:
            axis.set_yticks(range(len(methods)), methods if axis is row[0] else [""] * len(methods))
            axis.set_ylim(len(methods) - 0.5, -0.5)
    return figure


def _during(histories: pd.DataFrame, measure: Callable) -> dict[tuple[str, str], list[float]]:
    """``measure`` of each run's FD in training, by data set and method; runs that lack it are left out."""
    found: dict = {}
    if _has(histories, "fd"):
        for (dataset, method, _), run in histories.dropna(subset=["fd"]).groupby(["dataset", "method", "seed"]):
            if (run["fd"] > 0).all():
                found.setdefault((dataset, method), []).append(measure(run["fd"]))
    return found


def class_histograms(scores: pd.DataFrame) -> Figure | None:
    """Share of images per class beside that of real ones, a panel per data set: bars are means over seeds, dots seeds.

    The histogram is the primary extractor's, or that of the first one which has classes.
    """
    if not _has(scores, "class_histogram"):
        return None
    import seaborn

    told = scores[scores["class_histogram"].notna() & (scores["checkpoint"] == "last")]
    told = told.sort_values("primary", ascending=False, kind="stable").drop_duplicates(["dataset", "method", "seed"])
    told = told.sort_index()
    datasets = list(told["dataset"].unique())
    figure, axes = _panels(len(datasets), 1, width=9, height=2.4)
    for axis, name in zip(axes[:, 0], datasets, strict=True):
        runs_here = told[told["dataset"] == name]
        shares = {
            m: np.stack([np.array(h) / max(sum(h), 1) for h in g])
            for m, g in runs_here.groupby("method", sort=False)["class_histogram"]
        }
        classes = next(iter(shares.values())).shape[1]
        real = runs_here["real_histogram"].dropna() if "real_histogram" in runs_here else []
        bars = {"real images": np.array(real.iloc[0])[None] / sum(real.iloc[0])} if len(real) else {}
        bars |= shares
        cells = [(who, label, value) for who, share in bars.items() for row in share for label, value in enumerate(row)]
        long = pd.DataFrame(cells, columns=["who", "class", "share"])
        palette = {who: "#bbbbbb" if who == "real images" else color(who) for who in bars}
        common = {"data": long, "x": "class", "y": "share", "hue": "who", "ax": axis}
        seaborn.barplot(**common, palette=palette, errorbar=None, saturation=1, legend=False)
        for drawn, who in zip(axis.containers, palette, strict=True):
            drawn.set_label(who)  # for the legend above all panels
        if (long.groupby("who").size() > classes).any():
            dots = dict.fromkeys(palette, "#111111")
            seaborn.stripplot(**common, palette=dots, dodge=True, jitter=False, size=1.8, legend=False)
        axis.set_xlabel("")
        names = runs_here["classes"].dropna() if "classes" in runs_here else []
        axis.set_xticks(range(classes), names.iloc[0] if len(names) else range(classes))
        axis.grid(False, axis="x")
        axis.set_axisbelow(True)
        axis.set_title(name)
        axis.set_ylabel("share of images")
    _legend(figure)
    return figure


def saved_grids(directory: Path) -> dict[int, Path]:
    """The sample grids of a run: generator step -> file, in order."""
    found = {path.stem.removeprefix("step"): path for path in sorted((directory / "samples").glob("step*.png"))}
    return {int(step): path for step, path in found.items() if step.isdigit()}


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


def neighbours(study: pd.DataFrame) -> Figure | None:
    """A sheet per method, of its first seed: generated images of the first latents, below each its nearest training
    image. A method whose sheet was not made is left out.
    """
    first = study.sort_values("seed", kind="stable").drop_duplicates("method").sort_index()
    sheets = [(run, run.directory / "neighbours.png") for run in first.itertuples()]
    sheets = [(run, np.asarray(Image.open(path).convert("RGB"))) for run, path in sheets if path.exists()]
    if not sheets:
        return None
    height = 7.0 * sheets[0][1].shape[0] / sheets[0][1].shape[1] + 0.3
    figure, axes = _panels(len(sheets), 1, width=7, height=height)
    for axis, (run, sheet) in zip(axes[:, 0], sheets, strict=True):
        axis.imshow(sheet, interpolation="nearest")
        axis.set_title(f"{run.method}, seed {run.seed}", loc="left")
        _frameless(axis)
    return figure


def heat_maps(settings: pd.DataFrame, column: str, label: str) -> Figure | None:
    """A panel per field of ``sweep.settings_table``: methods down, values across, one colour scale for all of them.

    In each cell ``column`` (interquartile mean over seeds, – where failed runs leave it no bound), the number of seeds
    and of failed runs. The base has a frame.
    """
    if settings.empty or not settings[column].notna().any():
        return None
    cells = settings.assign(shown=settings[column].astype(float).mask(settings["failed"].astype(bool), np.inf))
    groups = {key: rows for key, rows in cells.dropna(subset="shown").groupby(["field", "method", "value"], sort=False)}
    means = {key: interval(list(rows["shown"])).estimate for key, rows in groups.items()}
    finite = [mean for mean in means.values() if math.isfinite(mean)]
    norm = mpl.colors.LogNorm(min(finite), max(max(finite), 1.25 * min(finite))) if finite else None
    fields = list(settings["field"].unique())
    figure, axes = _panels(math.ceil(len(fields) / 2), 2, width=4.8, height=2.5)
    for axis in axes.flat[len(fields) :]:
        axis.axis("off")
    for axis, field in zip(axes.flat, fields, strict=False):
        here = cells[cells["field"] == field]
        methods, values = [m for m in COLORS if (here["method"] == m).any()], sorted(here["value"].unique())
        shown = [[means.get((field, m, value), math.nan) for value in values] for m in methods]
        image = axis.imshow(np.ma.masked_invalid(np.array(shown, float)), norm=norm, cmap="viridis_r", aspect="auto")
        for (down, m), (across, value) in itertools.product(enumerate(methods), enumerate(values)):
            rows = groups.get((field, m, value))
            if rows is not None:
                mean = shown[down][across]
                dark = math.isfinite(mean) and image.norm(mean) > 0.55
                text = f"{mean:.3g}" if math.isfinite(mean) else "–"
                small = f"n = {len(rows)}" + f", {rows['failed'].sum()} failed" * bool(rows["failed"].any())
                color = "white" if dark else "black"
                place = {"xy": (across, down), "textcoords": "offset points", "ha": "center", "color": color}
                axis.annotate(text, xytext=(0, 1), weight="bold", **place)
                axis.annotate(small, xytext=(0, -9), size=7, **place)
                if rows["is_base"].any():
                    corner = (across - 0.47, down - 0.47)
                    axis.add_patch(mpl.patches.Rectangle(corner, 0.94, 0.94, fill=False, color="#D55E00", linewidth=2))
        names = [f"{v:g}" if isinstance(v, float) else str(v) for v in values]
        axis.set_xticks(range(len(values)), names)
        axis.set_yticks(range(len(methods)), methods)
        axis.grid(False)
        axis.set_facecolor("#eeeeee")
        axis.set_title(field.replace("_", " "))
    if finite:
        scale = mpl.cm.ScalarMappable(norm, "viridis_r")
        bar = figure.colorbar(scale, ax=axes, shrink=0.6, label=f"{label} (lower is better)")
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 1.1, 1.2, 1.5, 2, 3, 5, 7)))
        bar.ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        bar.ax.yaxis.set_minor_formatter(NullFormatter())
    return figure


def architectures(sweep: pd.DataFrame, bounds: Sequence[float], decides: float) -> Figure | None:
    """Final FD over the variance of real features: a column per architecture, a mark per method, failed runs on top.

    ``bounds``: horizontal lines; the one that ``decides`` is solid.
    """
    rows = sweep[sweep["cell"].str.startswith("architecture")] if len(sweep) else sweep
    if rows.empty or not rows["fd"].notna().any():
        return None
    rows = rows.assign(share=(rows["fd"].astype(float) / rows["variance"].astype(float)).mask(rows["failed"], np.inf))
    order = rows.groupby("cell")["share"].median().sort_values(kind="stable").index
    top = 2 * max([*bounds, *rows.loc[np.isfinite(rows["share"]), "share"]])
    figure, axes = _panels(1, 1, width=9, height=3.6)
    axis = axes[0, 0]
    for (method, marker), offset in zip({"gan": "o", "wgan": "s", "wgan-gp": "D"}.items(), (-0.2, 0, 0.2), strict=True):
        ours = rows[rows["method"] == method].set_index("cell")["share"].reindex(order)
        x, y = np.arange(len(order)) + offset, np.where(np.isinf(ours), top, ours)
        axis.plot(x, y, marker, color=color(method), label=method, markersize=5)
        axis.plot(x[np.isinf(ours)], y[np.isinf(ours)], "x", color="black", markersize=9)
    _log(axis)
    for bound in bounds:
        line = "-" if bound == decides else ":"
        axis.axhline(bound, color="#555555", linestyle=line, linewidth=1.2)
    axis.set_xticks(range(len(order)), [cell.rsplit("-", 1)[1] for cell in order], rotation=90, fontsize=7)
    axis.set_xlabel("architecture, by its number in the grid; × failed")
    axis.set_ylabel("FD / variance of real features")
    axis.grid(False, axis="x")
    _legend(figure)
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
