"""The objectives on 2-D data whose truth is known: where the modes are, and exactly how far samples are from the data.

Data, nets and the fixed generator follow Gulrajani et al. 2017, §3, and their published toy code. The objectives are
those that train on images: nothing here asks which one it was given.
"""

import itertools
import math
from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from gancompare.objectives import METHODS, interpolate, per_sample_norm
from gancompare.streams import stream

LATENT_DIM = 2
BATCH = 128
LEARNING_RATE = 1e-3  # ten times that of WGAN-GP's images: hundreds of steps have to do here
BETAS = (0.5, 0.9)


@dataclass(frozen=True)
class Mixture:
    """Equally likely round Gaussians: ``centres`` (K, 2), one standard deviation ``spread`` for all."""

    centres: Tensor
    spread: float

    def sample(self, count: int, rng: torch.Generator) -> Tensor:
        chosen = torch.randint(len(self.centres), (count,), generator=rng)
        return self.centres[chosen] + self.spread * torch.randn(count, 2, generator=rng)


@dataclass(frozen=True)
class SwissRoll:
    """(t cos t, t sin t), t uniform in [1.5 π, 4.5 π], plus noise of standard deviation 0.25, all divided by 7.5."""

    centres = None

    def sample(self, count: int, rng: torch.Generator) -> Tensor:
        t = 1.5 * math.pi * (1 + 2 * torch.rand(count, generator=rng))
        roll = torch.stack([t * t.cos(), t * t.sin()], dim=1)
        return (roll + 0.25 * torch.randn(count, 2, generator=rng)) / 7.5


_ANGLES = torch.arange(8) * (math.pi / 4)
_GRID = torch.arange(-2.0, 3.0)
TOYS = {
    "8gaussians": Mixture(2 * torch.stack([_ANGLES.cos(), _ANGLES.sin()], dim=1) / 1.414, 0.02 / 1.414),
    "25gaussians": Mixture(2 * torch.cartesian_prod(_GRID, _GRID) / 2.828, 0.05 / 2.828),
    "swissroll": SwissRoll(),
}


def toy_named(name: str) -> Mixture | SwissRoll:
    """The toy of that name. Raises ValueError for any other."""
    if name not in TOYS:
        raise ValueError(f"toy {name!r}: choose one of {', '.join(TOYS)}")
    return TOYS[name]


def sample(name: str, count: int, rng: torch.Generator) -> Tensor:
    """``count`` points (count, 2) of the toy ``name``, drawn with ``rng``."""
    return toy_named(name).sample(count, rng)


def mlp(inputs: int, outputs: int, width: int, depth: int, rng: torch.Generator) -> nn.Sequential:
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
    critic = mlp(2, 1, width, depth, rng).append(nn.Flatten(0))
    critic.scores_each_alone = True
    return critic


def objective_named(method: str, clip: float, penalty_weight: float):
    """The objective of that name with those of the two settings that it has."""
    of, given = METHODS[method], {"clip": clip, "penalty_weight": penalty_weight}
    return of(**{field.name: given[field.name] for field in fields(of) if field.name in given})


def _adam(net: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam(net.parameters(), lr=LEARNING_RATE, betas=BETAS, fused=True)


def _critic_step(objective, critic, optimizer, real: Tensor, fake: Tensor, rng: torch.Generator) -> None:
    loss = sum(objective.critic_loss(critic, real, fake, rng).values())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    objective.constrain(critic)


# A critic near its optimum, the generator held fixed


def noisy(name: str, count: int, rng: torch.Generator) -> Tensor:
    """The fixed generator of Gulrajani et al. 2017, §3: the data plus noise from N(0, 1) in both dimensions."""
    return sample(name, count, rng) + torch.randn(count, 2, generator=rng)


def fit_critic(objective, toy: str, seed: int, steps: int, width: int = 128, depth: int = 3) -> nn.Sequential:
    """A critic (B, 2) -> (B,) after ``steps`` steps of ``objective`` on the data against ``noisy`` data.

    The critic is constrained before the first step too: under clipping, gradients met outside the bounds are far
    larger than those inside, and Adam's memory of them would move the weights. The learning rate falls linearly
    towards 0, so that the critic settles.
    """
    rng, data = stream(seed, "interpolation"), stream(seed, "data")
    critic = mlp_critic(width, depth, stream(seed, "weights"))
    objective.constrain(critic)
    optimizer = _adam(critic)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / steps)
        _critic_step(objective, critic, optimizer, sample(toy, BATCH, data), noisy(toy, BATCH, data), rng)
    return critic


@torch.no_grad()
def value_surface(critic: nn.Module, points: int = 128, extent: float = 3.0) -> np.ndarray:
    """Scores on a square grid over [-extent, extent]², (points, points); rows are y upwards, columns x."""
    line = torch.linspace(-extent, extent, points)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return critic(torch.stack([x.flatten(), y.flatten()], dim=1)).reshape(points, points).numpy()


def surfaces(objectives: dict, seed: int, steps: int, width: int = 128) -> dict[tuple[str, str], np.ndarray]:
    """The value surface of a fitted critic for each (toy, name of the objective)."""
    return {
        (toy, name): value_surface(fit_critic(objective, toy, seed, steps, width))
        for toy in TOYS
        for name, objective in objectives.items()
    }


def input_gradient(critic: nn.Module, points: Tensor) -> Tensor:
    """The gradient of the score at each point, (B, 2)."""
    leaf = points.detach().clone().requires_grad_(True)
    return torch.autograd.grad(critic(leaf).sum(), leaf)[0]


def empirical_lipschitz(critic: nn.Module, real: Tensor, fake: Tensor, rng: torch.Generator) -> float:
    """The largest gradient norm at real and fake points and at one point between each pair.

    The true constant is at least that, so an estimate divided by this number may still be too large.
    """
    points = torch.cat([real, fake, interpolate(real, fake, rng)])
    return per_sample_norm(input_gradient(critic, points)).max().item()


# Training both nets


def wasserstein(a: Tensor, b: Tensor) -> float:
    """The exact Wasserstein-1 distance between two sets of points, (N, 2) and (M, 2), each point weighing the same.

    Solved as a linear programme by POT. Raises ValueError where a point is not finite.
    """
    import ot

    if not (a.isfinite().all() and b.isfinite().all()):
        raise ValueError("a sample is not finite: the training diverged; lower the learning rate or the steps")
    cost = ot.dist(a.detach().double().numpy(), b.detach().double().numpy(), metric="euclidean")
    return float(ot.emd2([], [], cost))


def modes(samples: Tensor, centres: Tensor, spread: float) -> tuple[int, float]:
    """Modes recovered and the share of high-quality samples (Srivastava et al. 2017, §4).

    A sample is of high quality within three standard deviations of its nearest centre; a mode is recovered by one.
    """
    distance, nearest = torch.cdist(samples, centres).min(dim=1)
    good = distance <= 3 * spread
    return len(nearest[good].unique()), good.float().mean().item()


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
    objective, toy: str, seed: int, generator_steps: int, width: int = 128, measured: int = 16, count: int = 512
) -> ToyRun:
    """Train a generator and a critic, measuring ``count`` samples at ``measured`` evenly spaced steps.

    Columns of ``rows``: generator_steps; modes and high_quality (NaN without modes); w1, the exact distance to fresh
    data; for a Wasserstein objective also estimate, the critic's own one for the same two sets, the critic's
    empirical lipschitz constant, and scaled = estimate / lipschitz.
    """
    generator = mlp(LATENT_DIM, 2, width, 3, stream(seed, "generator weights"))
    critic = mlp_critic(width, 3, stream(seed, "critic weights"))
    objective.constrain(critic)
    of_generator, of_critic = _adam(generator), _adam(critic)
    data, latents, rng = (stream(seed, purpose) for purpose in ("data", "latents", "interpolation"))
    fresh, z = sample(toy, count, held := stream(seed, "evaluation")), torch.randn(count, LATENT_DIM, generator=held)
    floor = wasserstein(fresh, sample(toy, count, held))
    due = {round(step) for step in np.linspace(0, generator_steps, measured)}
    rows, snapshots = [], []
    for step in range(generator_steps + 1):
        if step in due:
            samples = generator(z).detach()
            rows.append({"generator_steps": step} | _measures(objective, critic, toy, fresh, samples, held))
            snapshots.append(Snapshot(step, samples.numpy(), input_gradient(critic, samples).numpy()))
        if step == generator_steps:
            break
        for _ in range(objective.n_critic):
            fake = generator(torch.randn(BATCH, LATENT_DIM, generator=latents)).detach()
            _critic_step(objective, critic, of_critic, sample(toy, BATCH, data), fake, rng)
        loss = objective.generator_loss(critic, generator(torch.randn(BATCH, LATENT_DIM, generator=latents)))
        of_generator.zero_grad()
        loss.backward()
        of_generator.step()
    return ToyRun(toy, pd.DataFrame(rows), snapshots, floor)


def _measures(objective, critic, toy: str, fresh: Tensor, samples: Tensor, rng: torch.Generator) -> dict[str, float]:
    measures = {"w1": wasserstein(samples, fresh), "modes": math.nan, "high_quality": math.nan}
    known = TOYS[toy]
    if known.centres is not None:
        measures["modes"], measures["high_quality"] = modes(samples, known.centres, known.spread)
    if objective.wasserstein:
        with torch.no_grad():
            measures["estimate"] = (critic(fresh).mean() - critic(samples).mean()).item()
        measures["lipschitz"] = empirical_lipschitz(critic, fresh, samples, rng)
        measures["scaled"] = measures["estimate"] / measures["lipschitz"]
    return measures


# What the generator learns from a critic that is nearly optimal


def generator_gradients(
    objective, seed: int, at: list[int], distance: float = 2.0, spread: float = 0.1, width: int = 128
) -> pd.DataFrame:
    """The gradient of the generator's loss after each number of critic steps in ``at``: columns critic_steps, norm.

    Real and fake points are two round Gaussians ``distance`` apart, by default twenty standard deviations, so their
    Jensen-Shannon divergence is all but at its maximum (Arjovsky & Bottou 2017, Theorem 2.4). The generator has one
    parameter, the shift of its points, and stays where it is; the gradient is with respect to that. The Wasserstein
    distance grows by one per unit of shift, so the gradient of a Wasserstein objective should have norm one.
    """
    shift = torch.tensor([-distance / 2, 0.0], requires_grad=True)
    data, rng = stream(seed, "data"), stream(seed, "interpolation")
    held = spread * torch.randn(512, 2, generator=stream(seed, "evaluation"))
    critic = mlp_critic(width, 3, stream(seed, "weights"))
    optimizer = _adam(critic)
    rows = []
    for step in range(max(at) + 1):
        if step in at:
            (gradient,) = torch.autograd.grad(objective.generator_loss(critic, shift + held), shift)
            rows.append({"critic_steps": step, "norm": gradient.double().norm().item()})  # squares leave float32
        real, fake = spread * torch.randn(2, BATCH, 2, generator=data)
        _critic_step(objective, critic, optimizer, real - shift.detach(), fake + shift.detach(), rng)
    return pd.DataFrame(rows)


# Deep critics: Figure 1 (b) of Gulrajani et al. 2017


@dataclass(frozen=True)
class DeepCritic:
    """A fitted deep critic: the gradient's norm by layer, first layer first, and all weights without the biases."""

    arm: str
    seed: int
    norms: np.ndarray
    weights: np.ndarray
    extreme_at_start: float


def gradients_by_layer(objective, critic: nn.Module, real: Tensor, fake: Tensor, rng: torch.Generator) -> np.ndarray:
    """The norm of the gradient of the critic's loss with respect to what each ReLU puts out, first layer first."""
    passes: dict[nn.Module, list[Tensor]] = {module: [] for module in critic if isinstance(module, nn.ReLU)}
    hooks = [module.register_forward_hook(lambda module, _, out: passes[module].append(out)) for module in passes]
    loss = sum(objective.critic_loss(critic, real, fake, rng).values())
    for hook in hooks:
        hook.remove()
    norms = []
    for outputs in passes.values():
        gradients = torch.autograd.grad(loss, outputs, retain_graph=True, allow_unused=True)
        norms.append(math.sqrt(sum(g.double().square().sum().item() for g in gradients if g is not None)))
    return np.array(norms)


def factor_per_layer(norms: np.ndarray) -> tuple[float, float]:
    """What one layer further from the score multiplies the gradient with, and R² of that exponential law.

    A least-squares line through log(norm) over the layer's number; both NaN where some layer has no gradient at all.
    """
    if not (norms > 0).all():
        return math.nan, math.nan
    log, layer = np.log(norms), np.arange(len(norms))
    slope, _ = np.polyfit(layer, log, 1)
    return float(np.exp(-slope)), float(np.corrcoef(layer, log)[0, 1] ** 2)


def weights_of(critic: nn.Module) -> np.ndarray:
    return torch.cat([p.detach().flatten() for p in critic.parameters() if p.dim() > 1]).numpy()


def share_at_extremes(weights: np.ndarray) -> float:
    """Share of the weights whose size is that of the largest, to a hundredth: under clipping, those at the bound."""
    size = np.abs(weights)
    return float((size >= 0.99 * size.max()).mean())


def deep_critics(
    objectives: dict, seeds: int, steps: int, width: int = 128, depth: int = 12, toy: str = "swissroll"
) -> list[DeepCritic]:
    """A fitted critic of ``depth`` ReLU layers for each named objective and seed; see ``fit_critic``."""
    fitted = []
    for arm, objective in objectives.items():
        for seed in range(seeds):
            critic, held = fit_critic(objective, toy, seed, steps, width, depth), stream(seed, "evaluation")
            real, fake = sample(toy, 512, held), noisy(toy, 512, held)
            norms = gradients_by_layer(objective, critic, real, fake, held)
            start = share_at_extremes(weights_of(fit_critic(objective, toy, seed, 0, width, depth)))
            fitted.append(DeepCritic(arm, seed, norms, weights_of(critic), start))
    return fitted


def against_the_paper(critics: list[DeepCritic], penalised: str) -> pd.DataFrame:
    """A line per arm: the gradient's law over depth, the weights at the extremes, and whether both are the paper's.

    ``factor`` (median; lowest and highest of the seeds) is ``factor_per_layer``. The law is "grows" or "decays", from
    the score towards the input, where the fitted line says so by more than a factor of ten over the whole depth in
    every seed with R² of at least 0.9; "vanishes" where a layer has no gradient at all, as when all its ReLUs are off;
    else "neither". Published: one of the first two under clipping, neither in the arm ``penalised``; and under clipping
    only, most weights at the extremes. ``pushed``: in every seed more of them are there at the end than at the start,
    where the clip of the initial weights alone put some.
    """
    table = pd.DataFrame(
        {
            "arm": critic.arm,
            "factor": (fit := factor_per_layer(critic.norms))[0],
            "r_squared": fit[1],
            "change": fit[0] ** (len(critic.norms) - 1),
            "extreme_at_start": critic.extreme_at_start,
            "extreme_at_end": share_at_extremes(critic.weights),
        }
        for critic in critics
    )
    lines = []
    for arm, seeds in table.groupby("arm", sort=False):
        straight = (seeds["r_squared"] >= 0.9).all()
        law = "grows" if straight and (seeds["change"] > 10).all() else "neither"
        law = "decays" if straight and (seeds["change"] < 0.1).all() else law
        law = "vanishes" if seeds["factor"].isna().any() else law
        factor, clipped = seeds["factor"], arm != penalised
        pushed = (seeds["extreme_at_end"] > seeds["extreme_at_start"]).all()
        gathered = (seeds["extreme_at_end"] > 0.5).all()
        lines.append(
            {"arm": arm, "seeds": len(seeds), "factor": factor.median(), "lowest": factor.min()}
            | {"highest": factor.max(), "r_squared": seeds["r_squared"].min(), "law": law}
            | {"law_as_published": law in (("grows", "decays") if clipped else ("neither",))}
            | seeds[["extreme_at_start", "extreme_at_end"]].mean().to_dict()
            | {"pushed": pushed, "weights_as_published": gathered == clipped}
        )
    return pd.DataFrame(lines)


def verdict(table: pd.DataFrame) -> str:
    """The lines of ``against_the_paper`` as a Markdown list that says where they agree with what was published."""
    said = {True: "as published", False: "**not** as published"}
    by = {True: "more than before", False: "no more than before"}
    return "\n".join(
        f"- {row.arm}: towards the input the gradient {row.law.replace('neither', 'neither grows nor decays')}"
        f" (×{row.factor:.3g} per layer, {row.lowest:.3g} to {row.highest:.3g} over {row.seeds} seeds,"
        f" R² ≥ {np.floor(100 * row.r_squared) / 100:.2f}): {said[row.law_as_published]}."
        f" Weights at the extremes: {row.extreme_at_start:.1%} before training, {row.extreme_at_end:.1%} after it"
        f" ({by[row.pushed]}): {said[row.weights_as_published]}."
        for row in table.itertuples()
    )
