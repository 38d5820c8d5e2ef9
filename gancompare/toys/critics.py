"""Critics of points: fitted near their optimum with the generator held still, and what a generator learns from one."""

import itertools
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from gancompare.arms import arm_of
from gancompare.base.streams import stream
from gancompare.objectives import METHODS, interpolate
from gancompare.scoring.diagnostics.slopes import input_gradient_norms
from gancompare.toys.points import TOYS, noisy, sample, wasserstein

BATCH = 128
LEARNING_RATE = 1e-3  # ten times that of WGAN-GP's images, because hundreds of steps have to do here
BETAS = (0.5, 0.9)


# ---- nets and objectives ----


def mlp(inputs: int, outputs: int, *, width: int, depth: int, rng: torch.Generator) -> nn.Sequential:
    """``depth`` ReLU layers of ``width`` units and a linear one; He initialisation drawn with ``rng``, biases 0.

    The papers' toys have 3 layers of 512 units.
    """
    sizes = [inputs, *[width] * depth]
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))
    for layer in net[::2]:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=rng)
        nn.init.zeros_(layer.bias)
    return net


def mlp_critic(width: int, depth: int, rng: torch.Generator) -> nn.Sequential:
    """A critic of points: (B, 2) -> raw scores (B,)."""
    return mlp(2, 1, width=width, depth=depth, rng=rng).append(nn.Flatten(0))


def objective_named(arm: str, clip: float, penalty_weight: float) -> Any:
    """The objective of that arm, ``arms.arm_of(arm)``, with those of the two settings that it has.

    Raises ValueError for an arm that is not known, or with settings that an objective does not have.
    """
    _, method, settings = arm_of(arm)
    known = {field.name for field in fields(METHODS[method])}
    if not known >= set(settings):
        raise ValueError(f"arm {arm!r}: on points only {', '.join(sorted(known))} can be set")
    shared = {"clip": clip, "penalty_weight": penalty_weight}
    return METHODS[method](**{name: value for name, value in shared.items() if name in known} | settings)


def adam(net: nn.Module, learning_rate: float = LEARNING_RATE) -> torch.optim.Adam:
    weights = list(net.parameters())
    # gradients in float64 may be so small that the usual 1e-8 would stop all training
    eps = 1e-60 if weights[0].dtype == torch.float64 else 1e-8
    return torch.optim.Adam(weights, lr=learning_rate, betas=BETAS, eps=eps, fused=True)


def critic_step(
    objective: Any,
    critic: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    real: Tensor,
    fake: Tensor,
    rng: torch.Generator,
) -> None:
    """Move the critic once, on points (B, 2)."""
    loss = sum(objective.critic_loss(critic, real, fake, rng).values())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    objective.constrain(critic)


# ---- a critic near its optimum ----


def fit_critic(
    objective: Any,
    critic: nn.Sequential,
    toy: str,
    *,
    seed: int,
    steps: int,
    learning_rate: float = LEARNING_RATE,
) -> nn.Sequential:
    """``critic`` (B, 2) -> (B,) itself, after ``steps`` steps of ``objective`` on the data against ``noisy`` data.

    It is constrained before the first step too: under clipping, gradients outside the bounds are far larger than those
    inside, and Adam's memory of them would move the weights. The learning rate falls linearly towards 0, so that the
    critic settles.
    """
    rng, data, dtype = stream(seed, "interpolation"), stream(seed, "data"), next(critic.parameters()).dtype
    objective.constrain(critic)
    optimizer = adam(critic, learning_rate)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = learning_rate * (1 - step / steps)
        real, fake = sample(toy, BATCH, data).to(dtype), noisy(toy, BATCH, data).to(dtype)
        critic_step(objective, critic, optimizer, real=real, fake=fake, rng=rng)
    return critic


@torch.no_grad()
def value_surface(critic: nn.Module, points: int = 128, extent: float = 3.0) -> np.ndarray:
    """Scores on a square grid over [-extent, extent]², (points, points); rows are y upwards, columns x."""
    line = torch.linspace(-extent, extent, points)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return critic(torch.stack([x.flatten(), y.flatten()], dim=1)).reshape(points, points).numpy()


class Surface(NamedTuple):
    """A fitted critic on a grid, and how good it is."""

    scores: np.ndarray  # see ``value_surface``
    share: float  # of the exact distance that its estimate reaches; 1 at the optimum


def surfaces(objectives: dict[str, Any], *, seed: int, steps: int, width: int = 128) -> dict[tuple[str, str], Surface]:
    """The surface of a fitted critic for each (toy, name of a Wasserstein objective).

    Its share of the exact distance is that of its estimate over its empirical Lipschitz constant, on fresh points
    (Kantorovich and Rubinstein).
    """
    fitted = {}
    for toy, (name, objective) in itertools.product(TOYS, objectives.items()):
        critic, held_out = mlp_critic(width, 3, stream(seed, "weights")), stream(seed, "evaluation")
        fit_critic(objective, critic, toy, seed=seed, steps=steps)
        real, fake = sample(toy, 512, held_out), noisy(toy, 512, held_out)
        scaled = estimate(critic, real, fake) / empirical_lipschitz(critic, real, fake, rng=held_out)
        fitted[toy, name] = Surface(value_surface(critic), scaled / wasserstein(real, fake))
    return fitted


@torch.no_grad()
def estimate(critic: nn.Module, real: Tensor, fake: Tensor) -> float:
    """The critic's own estimate of the Wasserstein-1 distance, up to its Lipschitz constant."""
    return (critic(real).mean() - critic(fake).mean()).item()


def empirical_lipschitz(critic: nn.Module, real: Tensor, fake: Tensor, *, rng: torch.Generator) -> float:
    """The largest gradient norm at real and fake points and at one point between each pair.

    The true constant is at least that, so an estimate divided by this number may still be too large.
    """
    points = torch.cat([real, fake, interpolate(real, fake, rng)])
    return input_gradient_norms(critic, points).max().item()


# ---- what the generator learns from a critic that is nearly optimal ----


def generator_gradients(
    objective: Any,
    seed: int,
    critic_steps: list[int],
    *,
    distance: float = 2.0,
    spread: float = 0.1,
    width: int = 128,
) -> pd.DataFrame:
    """The gradient of the generator's loss after each number of ``critic_steps``: columns critic_steps, norm.

    Real and fake points are two round Gaussians ``distance`` apart, by default twenty standard deviations, so their
    Jensen-Shannon divergence is all but at its maximum (Arjovsky & Bottou 2017, Theorem 2.3). The generator has one
    parameter, the shift of its points, and stays where it is; the gradient is with respect to that. The Wasserstein
    distance grows by one per unit of shift. WGAN-GP's optimum lies a little above: of all slopes s between the sets,
    s · distance - penalty_weight · (s - 1)² is largest at 1 + distance / (2 · penalty_weight), by default 1.1.
    """
    shift = torch.tensor([-distance / 2, 0.0], requires_grad=True)
    data, rng = stream(seed, "data"), stream(seed, "interpolation")
    held_out = spread * torch.randn(512, 2, generator=stream(seed, "evaluation"))
    critic = mlp_critic(width, 3, stream(seed, "weights"))
    optimizer = adam(critic)
    rows = []
    for step in range(max(critic_steps) + 1):
        if step in critic_steps:
            loss = objective.generator_loss(critic, shift + held_out, held_out - shift.detach(), rng)
            (gradient,) = torch.autograd.grad(loss, shift)
            rows.append({"critic_steps": step, "norm": gradient.double().norm().item()})  # squares underflow in float32
        real, fake = spread * torch.randn(2, BATCH, 2, generator=data)
        real, fake = real - shift.detach(), fake + shift.detach()
        critic_step(objective, critic, optimizer, real=real, fake=fake, rng=rng)
    return pd.DataFrame(rows)
