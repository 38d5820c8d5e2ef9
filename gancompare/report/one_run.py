"""What one run shows, as plain sentences made from its files."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from gancompare.runs import history, record
from gancompare.runs.layout import DISTANCES

FLAT = 0.05  # a curve has flattened if FD fell by less over the last fifth of the steps
FEWEST = 5  # measurements for a correlation


def findings(directory: Path) -> list[str]:
    """How the run in ``directory`` ended, how near it came to the real images, and how its losses relate to that."""
    rows = history.read_history(directory)
    measured = rows[rows["fd"].notna()]
    return [ending(record.read_status(directory)), *nearness(directory, measured), *losses(measured)]


def ending(status: dict) -> str:
    """How far the run came, and why no further."""
    steps, seconds = status["generator_steps"], status.get("seconds", 0)
    reached = f"{steps:,} generator steps, {status.get('images_seen', 0):,} real images seen, {seconds:.0f} seconds"
    why = f" ({status['message']})" if status.get("message") else ""
    return f"The run is {status['status']}{why}: {reached} of training."


def nearness(directory: Path, measured: pd.DataFrame) -> list[str]:
    """FD at its first and last measurement and at its lowest, beside the floor; whether the curve had flattened."""
    if len(measured) < 2:
        return ["The distance to the real images was not measured on the way."]
    steps, fd = measured["generator_steps"].to_numpy(), measured["fd"].to_numpy()
    low = fd.argmin()
    change = (
        f"FD, the distance to the real images, went from {fd[0]:.3g} at step {steps[0]:,} to {fd[-1]:.3g} at the end"
    )
    at_end = low == len(fd) - 1
    lowest = "where it is lowest" if at_end else f"after a lowest value of {fd[low]:.3g} at step {steps[low]:,}"
    sentences = [f"{change}, {lowest}.{beside_floor(directory, fd[-1])}"]
    earlier = np.exp(np.interp(np.log(0.8 * steps[-1]), np.log(steps), np.log(np.maximum(fd, 1e-12))))
    fell = 1 - fd[-1] / earlier
    word = f"fell by {fell:.0%}" if fell >= 0 else f"rose by {-fell:.0%}"
    state = "had flattened" if abs(fell) < FLAT else "had not flattened, so more steps would change the result"
    return [*sentences, f"Over the last fifth of the steps FD {word}: the curve {state}."]


def beside_floor(directory: Path, fd: float) -> str:
    """The last FD as a multiple of what two sets of real images score; "" where that was not measured."""
    path = directory / DISTANCES
    floor = pd.read_csv(path)["floor"].iloc[0] if path.exists() else 0  # rows begin with the primary extractor
    return f" Two sets of real images score {floor:.3g}, {fd / floor:.2g} times less." if floor > 0 else ""


def losses(measured: pd.DataFrame) -> list[str]:
    """How closely the losses moved with FD over the measurements."""
    if len(measured) < FEWEST:
        return []
    parts = []
    for column in ("critic_loss", "generator_loss", "wasserstein_estimate"):
        if column in measured and measured[column].notna().all() and measured[column].nunique() > 1:
            correlation = stats.spearmanr(measured[column], measured["fd"]).statistic
            parts.append(f"{correlation:.2f} for the {column.replace('_', ' ').replace('wasserstein', 'Wasserstein')}")
    scale = "1: they rise and fall together, 0: they are unrelated, -1: one rises as the other falls"
    return (
        [f"Rank correlation with FD over {len(measured)} measurements ({scale}): {', '.join(parts)}."] if parts else []
    )
