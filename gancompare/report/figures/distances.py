"""How near runs come to the real images: at what price, with how many images, how reliably."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gancompare import arms
from gancompare.report.style import DARK, by_method, dataset_panels, has_numbers, legend, line_of, log_axis, panels
from gancompare.verdicts import curves, finals, shares


def _final_scores(scores: pd.DataFrame) -> pd.DataFrame | None:
    """The primary extractor's scores of each run as it ended; None if nothing was scored."""
    if scores.empty or "fd" not in scores:
        return None
    final = scores[scores["primary"].astype(bool) & (scores["checkpoint"] == "last")]
    return None if final["fd"].isna().all() else final


def frontier(scores: pd.DataFrame, histories: pd.DataFrame) -> Figure | None:
    """Final FD against training time: a point per run, a panel per data set, and the runs that none beats in both.

    Thin lines are FD during training where it was measured; it uses fewer images and so lies slightly above the points.
    """
    final = _final_scores(scores)
    if final is None:
        return None
    figure, datasets = dataset_panels(final)
    for axis, rows in datasets:
        for method, runs in by_method(rows):
            label = arms.name(method)
            axis.plot(runs["seconds"], runs["fd"], "o", color=arms.color(method), label=label, zorder=3)
        if has_numbers(histories, "fd"):
            during = histories[histories["dataset"] == rows["dataset"].iloc[0]].dropna(subset=["fd"])
            for (method, _), run in during.groupby(["arm", "seed"], sort=False):
                axis.plot(run["seconds"], run["fd"], linewidth=0.7, alpha=0.5, **line_of(method))
        done = rows.dropna(subset=["fd", "seconds"]).sort_values(["seconds", "fd"])
        best = done[done["fd"] < done["fd"].cummin().shift(fill_value=np.inf)]
        axis.step(best["seconds"], best["fd"], "--", where="post", color=DARK, label="best FD by that time")
        if has_numbers(rows, "floor"):
            axis.axhline(rows["floor"].mean(), color=DARK, linestyle=":", label="real images against real ones")
        axis.set_xlabel("training time, seconds")
        axis.set_ylabel(rows["label"].iloc[0])
        log_axis(axis)
    legend(figure)
    return figure


def sample_size(scores: pd.DataFrame) -> Figure | None:
    """FD of each run, and of real images against real ones, by the number of images: a panel per data set."""
    final = _final_scores(scores)
    if final is None or not has_numbers(final, "fd_by_n"):
        return None
    figure, datasets = dataset_panels(final.dropna(subset=["fd_by_n"]))
    for axis, rows in datasets:
        floors: dict[int, float] = {}
        for method, runs in by_method(rows):
            look = {"color": arms.color(method), "label": arms.name(method), "markersize": 3, "linewidth": 1}
            for sizes in runs["fd_by_n"]:
                images, distances, floor = zip(*sorted(sizes), strict=True)
                axis.plot(images, distances, "o-", **look)
                floors |= dict(zip(images, floor, strict=True))
        axis.plot(*zip(*sorted(floors.items()), strict=True), "o:", color=DARK, label="real images", markersize=3)
        log_axis(axis)
        log_axis(axis, "x")
        axis.set_xticks(sorted(floors))
        axis.set_xlabel("images compared")
        axis.set_ylabel(rows["label"].iloc[0])
    legend(figure)
    return figure


def performance_profile(scores: pd.DataFrame) -> Figure | None:
    """Share of runs whose FD is at most a multiple of that of real images, averaged over data sets."""
    final = _final_scores(scores)
    if final is None or not has_numbers(final, "floor"):
        return None
    final = final.assign(times=final["fd"] / final.groupby("dataset")["floor"].transform("mean"))
    thresholds = np.geomspace(1, max(10, 1.1 * final["times"].max()), 200)
    figure, axes = panels(1, 1, width=6.8, height=3)
    axis = axes[0, 0]
    for method, runs in by_method(final):
        by_dataset = {name: rows["times"] for name, rows in runs.groupby("dataset")}
        reached = shares.performance_profile(by_dataset, thresholds)
        look = line_of(method) | {"label": arms.name(method), "linewidth": 2}
        axis.plot(thresholds, reached, drawstyle="steps-post", **look)
    log_axis(axis, "x")
    axis.set_xlabel("FD in multiples of the FD of real images")
    axis.set_ylabel("share of runs at or below")
    axis.set_ylim(-0.02, 1.02)
    legend(figure)
    return figure


def stability(scores: pd.DataFrame, histories: pd.DataFrame) -> Figure | None:
    """A row per data set: final FD, rebound, oscillation and the share of failed runs, a line per method.

    Rebound is measured from the best FD during training, oscillation by ``curves.oscillation``. A run failed if it
    diverged or ended no nearer to the real images than one of them, repeated; its share has Wilson's 95 % interval.
    """
    final = _final_scores(scores)
    if final is None:
        return None
    datasets = list(final["dataset"].unique())
    most = max(final.groupby("dataset")["arm"].nunique())
    figure, axes = panels(len(datasets), 4, width=2.9, height=0.9 + 0.35 * most)
    rebounds, swings = (_during_training(histories, how) for how in (curves.rebound, curves.oscillation))
    for row, dataset in zip(axes, datasets, strict=True):
        rows = final[final["dataset"] == dataset]
        methods = by_method(rows)
        for y, (method, runs) in enumerate(methods):
            key = (dataset, method)
            for axis, values in zip(
                row, (runs["fd"].dropna(), rebounds.get(key, []), swings.get(key, [])), strict=False
            ):
                look = {"color": arms.color(method), "alpha": 0.7, "linewidth": 1.2, "markersize": 5}
                axis.plot(values, [y] * len(values), "o-", **look)
            _draw_failures(row[3], runs, y=y, method=method)
        _finish_stability(
            row, f"{dataset}: final {rows['label'].iloc[0]}", [arms.name(method) for method, _ in methods]
        )
    return figure


def _draw_failures(axis: Axes, runs: pd.DataFrame, *, y: int, method: str) -> None:
    failed = finals.failed(runs)
    share = shares.proportion(int(failed.sum()), len(failed))
    axis.plot([share.low, share.high], [y, y], linewidth=2, color=arms.color(method))
    axis.plot(share.estimate, y, "o", markersize=6, color=arms.color(method))
    text = f"{failed.sum()} of {len(failed)}"
    axis.annotate(text, (1, y), (1.04, y), va="center", annotation_clip=False, fontsize=9)


def _finish_stability(row: np.ndarray, title: str, methods: list[str]) -> None:
    log_axis(row[0], "x")
    row[0].set_title(title)
    for axis, words in ((row[1], "rebound from the best"), (row[2], "oscillation, log FD per step")):
        axis.set_title(words)
        axis.xaxis.set_major_locator(MaxNLocator(4))
        axis.set_xlim(left=min(0, axis.get_xlim()[0]))
    row[3].set_title("share of runs that failed")
    row[3].set_xlim(-0.03, 1.03)
    for axis in row:
        axis.set_yticks(range(len(methods)), methods if axis is row[0] else [""] * len(methods))
        axis.set_ylim(len(methods) - 0.5, -0.5)


def _during_training(histories: pd.DataFrame, measure: Callable) -> dict[tuple[str, str], list[float]]:
    """``measure`` of each run's FD in training, by (data set, method); runs without a positive FD are left out."""
    values: dict = {}
    if has_numbers(histories, "fd"):
        for (dataset, method, _), run in histories.dropna(subset=["fd"]).groupby(["dataset", "arm", "seed"]):
            if (run["fd"] > 0).all():
                values.setdefault((dataset, method), []).append(measure(run["fd"]))
    return values
