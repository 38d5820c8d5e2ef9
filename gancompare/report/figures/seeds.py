"""How several seeds become one line: the interquartile mean with its interval, and when each seed is drawn as well."""

import pandas as pd
from matplotlib.axes import Axes

from gancompare import arms
from gancompare.report.style import line_of
from gancompare.verdicts.intervals import MIN_SEEDS, interval


def intervals(values: pd.DataFrame) -> pd.DataFrame:
    """estimate, low and high of the interquartile mean at every step at which all seeds were measured.

    ``values``: (steps, seeds). The table stops where the first run does: the mean of the survivors would flatter the
    method.
    """
    whole = values.dropna()
    rows = [interval(row) for row in whole.to_numpy()]
    ends = [(row.estimate, row.low, row.high) for row in rows]
    return pd.DataFrame(ends, index=whole.index, columns=["estimate", "low", "high"], dtype=float)


def enough_for_interval(values: pd.DataFrame) -> bool:
    """Whether (steps, seeds) has enough seeds for an interval."""
    return values.shape[1] >= MIN_SEEDS


def needs_each_seed(values: pd.DataFrame) -> bool:
    """Whether each seed is drawn too: there are too few for an interval, or a run ended early."""
    return not enough_for_interval(values) or len(values.dropna()) < len(values)


def draw_mean(
    axis: Axes, values: pd.DataFrame, method: str, *, x: pd.Series | None = None, line: str = "-", band: bool = True
) -> None:
    """Draw ``intervals(values)`` in the method's colour, against its steps or against ``x`` at those steps.

    A line that is not solid gets no name in the legend.
    """
    center = intervals(values)
    at = center.index if x is None else x.reindex(center.index)
    label = arms.name(method) if line == "-" else None
    look = line_of(method) if line == "-" else {"color": arms.color(method), "linestyle": line}
    axis.plot(at, center["estimate"], linewidth=2, label=label, **look)
    if band and enough_for_interval(values):
        axis.fill_between(at, center["low"], center["high"], color=arms.color(method), alpha=0.2, linewidth=0)
