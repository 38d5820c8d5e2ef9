"""How a generator's images spread over the classes of the data."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gancompare import arms
from gancompare.report.style import by_method, has_numbers, legend, panels

REAL = "real images"


def class_histograms(scores: pd.DataFrame) -> Figure | None:
    """Share of images per class beside that of real ones, a panel per data set: bars are means over seeds, dots seeds.

    The histogram is the primary extractor's, or else that of the first extractor with classes.
    """
    if not has_numbers(scores, "class_histogram"):
        return None
    rows = scores[scores["class_histogram"].notna() & (scores["checkpoint"] == "last")]
    rows = rows.sort_values("primary", ascending=False, kind="stable").drop_duplicates(["dataset", "arm", "seed"])
    rows = rows.sort_index()
    datasets = list(rows["dataset"].unique())
    figure, axes = panels(len(datasets), 1, width=9, height=2.4)
    for axis, dataset in zip(axes[:, 0], datasets, strict=True):
        here = rows[rows["dataset"] == dataset]
        shares = _shares(here)
        _draw_shares(axis, shares, {REAL: "#bbbbbb"} | {arms.name(m): arms.color(m) for m in here["arm"].unique()})
        classes = next(iter(shares.values())).shape[1]
        names = here["classes"].dropna() if "classes" in here else []
        axis.set_xticks(range(classes), names.iloc[0] if len(names) else range(classes))
        axis.set_title(dataset)
    legend(figure)
    return figure


def _shares(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """(seeds, classes) by display name, real images (1, classes) first if their histogram is known."""
    real = rows["real_histogram"].dropna() if "real_histogram" in rows else []
    shares = {REAL: np.array(real.iloc[0])[None] / sum(real.iloc[0])} if len(real) else {}
    for method, runs in by_method(rows):
        counts = [np.array(histogram) for histogram in runs["class_histogram"]]
        shares[arms.name(method)] = np.stack([count / max(count.sum(), 1) for count in counts])
    return shares


def _draw_shares(axis: Axes, shares: dict[str, np.ndarray], colors: dict[str, str]) -> None:
    import seaborn

    cells = [(who, label, value) for who, rows in shares.items() for row in rows for label, value in enumerate(row)]
    long = pd.DataFrame(cells, columns=["who", "class", "share"])
    common = {"data": long, "x": "class", "y": "share", "hue": "who", "ax": axis, "legend": False}
    seaborn.barplot(**common, palette={who: colors[who] for who in shares}, errorbar=None, saturation=1)
    for bars, who in zip(axis.containers, shares, strict=True):
        bars.set_label(who)  # for the legend above all panels
    if any(len(rows) > 1 for rows in shares.values()):
        seaborn.stripplot(**common, palette=dict.fromkeys(shares, "#111111"), dodge=True, jitter=False, size=1.8)
    axis.set_xlabel("")
    axis.set_ylabel("share of images")
    axis.grid(False, axis="x")
    axis.set_axisbelow(True)
