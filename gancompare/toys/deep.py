"""Deep critics, as in Figure 1 (b) of Gulrajani et al. 2017, and whether they agree with what is published there."""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import nn

from gancompare.base.streams import stream
from gancompare.scoring.diagnostics.layers import layer_gradient_norms
from gancompare.toys.critics import LEARNING_RATE, fit_critic, mlp_critic
from gancompare.toys.points import noisy, sample


@dataclass(frozen=True)
class DeepCritic:
    """A fitted deep critic."""

    arm: str
    seed: int
    norms_at_start: np.ndarray  # of the gradient by ReLU, the one next to the input first; before training
    norms: np.ndarray  # the same after training
    weights: np.ndarray  # all but the biases, after training
    extreme_at_start: float  # ``share_at_extremes`` before training


def deep_critics(
    objectives: dict[str, Any], seeds: int, steps: int, *, width: int = 128, depth: int = 12, toy: str = "swissroll"
) -> list[DeepCritic]:
    """A fitted critic of ``depth`` ReLU layers for each named objective and seed, in float64.

    A clipped critic starts inside its bounds, each layer scaled so that its largest weight is at the bound, and learns
    at a hundredth of the clip per step, so that in every arm a weight can cross its range in the same number of steps.
    Its gradients can be as small as 1e-30, which float32 and the usual epsilon of Adam would take for 0: then nothing
    trains, and what looks like an effect of clipping is that of the initial weights alone.
    """
    fitted = []
    for (arm, objective), seed in itertools.product(objectives.items(), range(seeds)):
        critic, clip = mlp_critic(width, depth, stream(seed, "weights")).double(), getattr(objective, "clip", None)
        if clip is not None:
            scale_weights(critic, clip)
        before, extreme = norms_by_relu(objective, critic, toy, seed=seed), share_at_extremes(weights_of(critic))
        learning_rate = LEARNING_RATE if clip is None else clip / 100
        fit_critic(objective, critic, toy, seed=seed, steps=steps, learning_rate=learning_rate)
        after = norms_by_relu(objective, critic, toy, seed=seed)
        fitted.append(DeepCritic(arm, seed, before, after, weights_of(critic), extreme))
    return fitted


@torch.no_grad()
def scale_weights(critic: nn.Module, largest: float) -> None:
    """Scale each layer so that its largest weight has the size ``largest``."""
    for weight in critic.parameters():
        if weight.dim() > 1:
            weight *= largest / weight.abs().max()


def norms_by_relu(objective: Any, critic: nn.Module, toy: str, *, seed: int) -> np.ndarray:
    """``diagnostics.layer_gradient_norms`` by what each ReLU puts out, on fresh points, first layer first."""
    held_out, dtype = stream(seed, "evaluation"), next(critic.parameters()).dtype
    real, fake = sample(toy, 512, held_out).to(dtype), noisy(toy, 512, held_out).to(dtype)
    return np.array([*layer_gradient_norms(critic, objective, real=real, fake=fake, rng=held_out).values()][1:])


def weights_of(critic: nn.Module) -> np.ndarray:
    """All weights but the biases, in one row."""
    return torch.cat([p.detach().flatten() for p in critic.parameters() if p.dim() > 1]).numpy()


def share_at_extremes(weights: np.ndarray) -> float:
    """Share of the weights whose size is that of the largest, to a hundredth: under clipping, those at the bound."""
    size = np.abs(weights)
    return float((size >= 0.99 * size.max()).mean())


# ---- against the paper ----


def factor_per_layer(norms: np.ndarray) -> tuple[float, float]:
    """What one layer further from the score multiplies the gradient with, and R² of that exponential law.

    A least-squares line through log(norm) over the layer's number; both are NaN if some layer has no gradient at all.
    """
    if not (norms > 0).all():
        return math.nan, math.nan
    log, layer = np.log(norms), np.arange(len(norms))
    line = stats.linregress(layer, log)
    return float(np.exp(-line.slope)), float(line.rvalue**2)


def against_the_paper(critics: list[DeepCritic], penalised: str) -> pd.DataFrame:
    """A line per arm: the gradient's law over depth, the weights at the extremes, and whether both are the paper's.

    ``factor`` (median; lowest and highest of the seeds) is ``factor_per_layer``; ``factor_at_start`` before training;
    ``law`` see ``law_over_depth``. Published is "grows" or "decays" under clipping, "neither" in the arm ``penalised``;
    and under clipping only, weights pushed to the extremes: in every seed more than before, and more than a tenth of
    all, where evenly spread weights would leave a hundredth.
    """
    table = pd.DataFrame(
        {
            "arm": critic.arm,
            "factor": (fit := factor_per_layer(critic.norms))[0],
            "factor_at_start": factor_per_layer(critic.norms_at_start)[0],
            "r_squared": fit[1],
            "change": fit[0] ** (len(critic.norms) - 1),
            "extreme_at_start": critic.extreme_at_start,
            "extreme_at_end": share_at_extremes(critic.weights),
        }
        for critic in critics
    )
    lines = []
    for arm, seeds in table.groupby("arm", sort=False):
        law, factor, clipped = law_over_depth(seeds), seeds["factor"], arm != penalised
        end = seeds["extreme_at_end"]
        pushed = ((end > seeds["extreme_at_start"]) & (end > 0.1)).all()
        lines.append(
            {"arm": arm, "seeds": len(seeds), "factor": factor.median(), "lowest": factor.min()}
            | {"highest": factor.max(), "r_squared": seeds["r_squared"].min(), "law": law}
            | {"factor_at_start": seeds["factor_at_start"].median()}
            | {"law_as_published": law in (("grows", "decays") if clipped else ("neither",))}
            | seeds[["extreme_at_start", "extreme_at_end"]].mean().to_dict()
            | {"pushed": pushed, "weights_as_published": pushed == clipped}
        )
    return pd.DataFrame(lines)


def law_over_depth(seeds: pd.DataFrame) -> str:
    """The law that the gradient of one arm follows from the score towards the input, in all its seeds.

    "grows" or "decays": the fitted line says so by a factor of more than ten over the whole depth, with an R² of at
    least 0.9. "vanishes": a layer has no gradient at all, as when all its ReLUs are off. "neither": the whole depth
    changes the gradient by a factor of at most ten, up or down. "mixed": anything else.
    """
    straight, change = (seeds["r_squared"] >= 0.9).all(), seeds["change"]
    if seeds["factor"].isna().any():
        return "vanishes"
    if straight and (change < 0.1).all():
        return "decays"
    if straight and (change > 10).all():
        return "grows"
    return "neither" if change.between(0.1, 10).all() else "mixed"


def verdict(table: pd.DataFrame) -> str:
    """The lines of ``against_the_paper`` as a Markdown list that says where they agree with what was published."""
    agreement = {True: "as published", False: "**not** as published"}
    words = {"neither": "neither grows nor decays", "mixed": "follows no single law"}
    return "\n".join(
        f"- {row.arm}: towards the input the gradient {words.get(row.law, row.law)}"
        f" (×{row.factor:.3g} per layer, {row.lowest:.3g} to {row.highest:.3g} over {row.seeds} seeds,"
        f" R² ≥ {np.floor(100 * row.r_squared) / 100:.2f}; before training ×{row.factor_at_start:.3g}):"
        f" {agreement[row.law_as_published]}. Weights at the extremes: {row.extreme_at_start:.2%} before training,"
        f" {row.extreme_at_end:.1%} after it: {agreement[row.weights_as_published]}."
        for row in table.itertuples()
    )
