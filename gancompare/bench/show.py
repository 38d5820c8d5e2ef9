"""The table of ``compare`` for a terminal, and as a chart."""

from typing import TYPE_CHECKING

import pandas as pd

from gancompare import arms
from gancompare.bench.profiling import PARTS
from gancompare.bench.quality import Reached
from gancompare.bench.textbook import LOOPS

if TYPE_CHECKING:  # matplotlib takes a second to import, and only the chart needs it
    from matplotlib.figure import Figure

# penalty and backward passes are tints of the net that they belong to
PART_COLORS = {
    "data": "#999999",
    "generator": "#009E73",
    "generator_backward": "#80CEB9",
    "critic": "#0072B2",
    "critic_backward": "#80B8D8",
    "penalty": "#56B4E9",
    "optimizer": "#E69F00",
    "logging": "#CC79A7",
}


def summary(table: pd.DataFrame) -> str:
    """The table of ``compare`` for a terminal: speed, then what bounds it, then where the time goes."""
    key = ["method", "image_size"]
    speed = [f"{name}_{unit}" for unit in ("ms", "steps_per_s", "images_per_s") for name in LOOPS]
    speed += ["ratio", "ratio_low", "ratio_high", "study_jobs", "study_steps_per_s", "study_ratio"]
    bounds = ["gflop", "ceiling_tflops", "ceiling_share", "textbook_memory_mb", "ours_memory_mb"]
    blocks = [key + speed, key + bounds, key + [f"share_{part}" for part in PARTS]]
    if "quality_threshold" in table:
        reached = [f"quality_{name}_{column}" for name in LOOPS for column in Reached._fields]
        blocks.append([*key, "quality_threshold", *reached, "quality_ratio"])
    first = table.iloc[0]
    machine = f"{first.device}, {first.precision}, {first.threads} threads, torch {first.torch}"
    notes = f"memory: {first.memory_of}; shares: by torch's profiler, of a step that runs eagerly"
    shown = [table[names].to_string(index=False, float_format=_short) for names in blocks]
    return "\n\n".join([machine, *shown, notes])


def _short(number: float) -> str:
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def chart(table: pd.DataFrame) -> "Figure":
    """The ratio of textbook to our time per method and size, and where our time goes, as bars."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from gancompare.report.style import STYLE

    with rc_context(STYLE):
        figure = Figure(figsize=(9, 1.4 + 0.45 * len(table)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        labels = [f"{arms.name(row.method)} {row.image_size}×{row.image_size}" for row in table.itertuples()]
        spread = [table["ratio"] - table["ratio_low"], table["ratio_high"] - table["ratio"]]
        left.barh(labels, table["ratio"], xerr=spread, color=[arms.color(m) for m in table["method"]], capsize=3)
        left.axvline(1, color="black", linewidth=0.8)
        left.invert_yaxis()
        left.set_xlabel("textbook time / our time (bar: median, line: range)")
        offset = pd.Series(0.0, index=table.index)
        for part in PARTS:
            share = 100 * table[f"share_{part}"]
            right.barh(labels, share, left=offset, color=PART_COLORS[part], label=part.replace("_", " "))
            offset = offset + share
        right.set_xlabel("our time, %")
        right.grid(False)
        figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=len(PARTS) // 2)
    return figure
