"""Both nets trained on a toy, with samples and exact distances on the way."""

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from gancompare.base.streams import stream
from gancompare.scoring.diagnostics.slopes import input_gradient
from gancompare.toys.critics import BATCH, adam, critic_step, empirical_lipschitz, estimate, mlp, mlp_critic
from gancompare.toys.points import modes, sample, toy_named, wasserstein

LATENT_DIM = 2


@dataclass(frozen=True)
class Snapshot:
    """Samples (N, 2) of the fixed latents and the gradient (N, 2) of the critic's score at them."""

    step: int
    samples: np.ndarray
    gradient: np.ndarray


@dataclass(frozen=True)
class ToyRun:
    """A training: ``rows`` has a line per snapshot, ``floor`` is the distance between two sets of data of that size."""

    toy: str
    rows: pd.DataFrame
    snapshots: list[Snapshot]
    floor: float


def train_toy(
    objective: Any,
    toy: str,
    seed: int,
    *,
    generator_steps: int,
    width: int = 128,
    measured: int = 16,
    count: int = 512,
) -> ToyRun:
    """Train a generator and a critic, measuring ``count`` samples at ``measured`` evenly spaced steps.

    Columns of ``rows``: generator_steps, and those of ``measures``. Raises ValueError for an unknown toy, and if a
    sample is not finite.
    """
    generator = mlp(LATENT_DIM, 2, width=width, depth=3, rng=stream(seed, "generator weights"))
    critic = mlp_critic(width, 3, stream(seed, "critic weights"))
    objective.constrain(critic)
    generator_optimizer, critic_optimizer = adam(generator), adam(critic)
    data, latents, rng = (stream(seed, purpose) for purpose in ("data", "latents", "interpolation"))
    held_out = stream(seed, "evaluation")
    fresh, z = sample(toy, count, held_out), torch.randn(count, LATENT_DIM, generator=held_out)
    floor = wasserstein(fresh, sample(toy, count, held_out))
    due = {round(step) for step in np.linspace(0, generator_steps, measured)}
    rows, snapshots = [], []
    for step in range(generator_steps + 1):
        if step in due:
            samples = generator(z).detach()
            row = measures(objective, critic, toy, fresh=fresh, samples=samples, rng=held_out)
            rows.append({"generator_steps": step} | row)
            snapshots.append(Snapshot(step, samples.numpy(), input_gradient(critic, samples).numpy()))
        if step == generator_steps:
            break
        for _ in range(objective.n_critic):
            fake = generator(torch.randn(BATCH, LATENT_DIM, generator=latents)).detach()
            real = sample(toy, BATCH, data)
            critic_step(objective, critic, critic_optimizer, real=real, fake=fake, rng=rng)
        fake = generator(torch.randn(BATCH, LATENT_DIM, generator=latents))
        loss = objective.generator_loss(critic, fake, real, rng)
        generator_optimizer.zero_grad()
        loss.backward()
        generator_optimizer.step()
    return ToyRun(toy, pd.DataFrame(rows), snapshots, floor)


def train_arms(
    objectives: dict[str, Any], toys: Iterable[str], seeds: int, *, generator_steps: int, width: int = 128
) -> dict[str, dict[tuple[str, int], ToyRun]]:
    """``train_toy`` for each named objective and each seed from 0: toy → (name, seed) → run."""
    trained: dict[str, dict[tuple[str, int], ToyRun]] = {toy: {} for toy in toys}
    for (toy, runs), (name, objective), seed in itertools.product(trained.items(), objectives.items(), range(seeds)):
        runs[name, seed] = train_toy(objective, toy, seed, generator_steps=generator_steps, width=width)
    return trained


def measures(
    objective: Any, critic: nn.Module, toy: str, *, fresh: Tensor, samples: Tensor, rng: torch.Generator
) -> dict[str, float]:
    """What is known of ``samples`` (N, 2) beside ``fresh`` data (N, 2).

    w1: exact distance; modes and high_quality: NaN without modes. For a Wasserstein objective also estimate: the
    critic's own one for the same two sets, lipschitz: its empirical constant, and scaled = estimate / lipschitz.
    """
    row = {"w1": wasserstein(samples, fresh), "modes": math.nan, "high_quality": math.nan}
    data = toy_named(toy)
    if data.centres is not None:
        row["modes"], row["high_quality"] = modes(samples, data.centres, data.spread)
    if objective.wasserstein:
        row["estimate"] = estimate(critic, fresh, samples)
        row["lipschitz"] = empirical_lipschitz(critic, fresh, samples, rng=rng)
        row["scaled"] = row["estimate"] / row["lipschitz"]
    return row
