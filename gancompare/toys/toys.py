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
from scipy import stats
from torch import Tensor, nn

from gancompare.base.streams import stream
from gancompare.objectives import METHODS, interpolate
from gancompare.scoring.diagnostics.layers import layer_gradient_norms
from gancompare.scoring.diagnostics.slopes import input_gradient, input_gradient_norms

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
    return mlp(2, 1, width, depth, rng).append(nn.Flatten(0))


def objective_named(method: str, clip: float, penalty_weight: float):
    """The objective of that name with those of the two settings that it has. Raises ValueError for another name."""
    if method not in METHODS:
        raise ValueError(f"method {method!r}: choose one of {', '.join(METHODS)}")
    of, given = METHODS[method], {"clip": clip, "penalty_weight": penalty_weight}
    return of(**{field.name: given[field.name] for field in fields(of) if field.name in given})


def _adam(net: nn.Module, learning_rate: float = LEARNING_RATE) -> torch.optim.Adam:
    weights = list(net.parameters())
    # in float64 gradients may be so small that the usual 1e-8 would stop all training
    eps = 1e-60 if weights[0].dtype == torch.float64 else 1e-8
    return torch.optim.Adam(weights, lr=learning_rate, betas=BETAS, eps=eps, fused=True)


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


def fit_critic(
    objective, critic: nn.Sequential, toy: str, seed: int, steps: int, learning_rate: float = LEARNING_RATE
) -> nn.Sequential:
    """``critic`` (B, 2) -> (B,) itself, after ``steps`` steps of ``objective`` on the data against ``noisy`` data.

    It is constrained before the first step too: under clipping, gradients met outside the bounds are far larger than
    those inside, and Adam's memory of them would move the weights. The learning rate falls linearly towards 0, so that
    the critic settles.
    """
    rng, data, kind = stream(seed, "interpolation"), stream(seed, "data"), next(critic.parameters()).dtype
    objective.constrain(critic)
    optimizer = _adam(critic, learning_rate)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = learning_rate * (1 - step / steps)
        real, fake = sample(toy, BATCH, data).to(kind), noisy(toy, BATCH, data).to(kind)
        _critic_step(objective, critic, optimizer, real, fake, rng)
    return critic


@torch.no_grad()
def value_surface(critic: nn.Module, points: int = 128, extent: float = 3.0) -> np.ndarray:
    """Scores on a square grid over [-extent, extent]², (points, points); rows are y upwards, columns x."""
    line = torch.linspace(-extent, extent, points)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return critic(torch.stack([x.flatten(), y.flatten()], dim=1)).reshape(points, points).numpy()


def surfaces(
    objectives: dict, seed: int, steps: int, width: int = 128
) -> dict[tuple[str, str], tuple[np.ndarray, float]]:
    """For each (toy, name of a Wasserstein objective) the value surface of a fitted critic, and how good it is.

    That is the share of the exact distance which its estimate, over its empirical Lipschitz constant, reaches on fresh
    points: 1 at the optimum (Kantorovich and Rubinstein).
    """
    found = {}
    for toy, (name, objective) in itertools.product(TOYS, objectives.items()):
        critic, held = mlp_critic(width, 3, stream(seed, "weights")), stream(seed, "evaluation")
        fit_critic(objective, critic, toy, seed, steps)
        real, fake = sample(toy, 512, held), noisy(toy, 512, held)
        scaled = estimate(critic, real, fake) / empirical_lipschitz(critic, real, fake, held)
        found[toy, name] = value_surface(critic), scaled / wasserstein(real, fake)
    return found


@torch.no_grad()
def estimate(critic: nn.Module, real: Tensor, fake: Tensor) -> float:
    """The critic's own estimate of the Wasserstein-1 distance, up to its Lipschitz constant."""
    return (critic(real).mean() - critic(fake).mean()).item()


def empirical_lipschitz(critic: nn.Module, real: Tensor, fake: Tensor, rng: torch.Generator) -> float:
    """The largest gradient norm at real and fake points and at one point between each pair.

    The true constant is at least that, so an estimate divided by this number may still be too large.
    """
    points = torch.cat([real, fake, interpolate(real, fake, rng)])
    return input_gradient_norms(critic, points).max().item()


# Training both nets


def wasserstein(a: Tensor, b: Tensor) -> float:
    """The exact Wasserstein-1 distance between two sets of points, (N, 2) and (M, 2), each point weighing the same.

    Solved as a linear programme by POT. Raises ValueError where a point is not finite.
    """
    import ot

    if not (a.isfinite().all() and b.isfinite().all()):
        raise ValueError("a sample is not finite: the training diverged; try another clip or penalty_weight")
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
            real = sample(toy, BATCH, data)
            _critic_step(objective, critic, of_critic, real, fake, rng)
        loss = objective.generator_loss(critic, generator(torch.randn(BATCH, LATENT_DIM, generator=latents)), real, rng)
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
        measures["estimate"] = estimate(critic, fresh, samples)
        measures["lipschitz"] = empirical_lipschitz(critic, fresh, samples, rng)
        measures["scaled"] = measures["estimate"] / measures["lipschitz"]
    return measures


# What the generator learns from a critic that is nearly optimal


def generator_gradients(
    objective, seed: int, at: list[int], distance: float = 2.0, spread: float = 0.1, width: int = 128
) -> pd.DataFrame:
    """The gradient of the generator's loss after each number of critic steps in ``at``: columns critic_steps, norm.

    Real and fake points are two round Gaussians ``distance`` apart, by default twenty standard deviations, so their
    Jensen-Shannon divergence is all but at its maximum (Arjovsky & Bottou 2017, Theorem 2.3). The generator has one
    parameter, the shift of its points, and stays where it is; the gradient is with respect to that. The Wasserstein
    distance grows by one per unit of shift. WGAN-GP's optimum lies a little above: of all slopes s between the sets,
    s · distance - penalty_weight · (s - 1)² is largest at 1 + distance / (2 · penalty_weight), by default 1.1.
    """
    shift = torch.tensor([-distance / 2, 0.0], requires_grad=True)
    data, rng = stream(seed, "data"), stream(seed, "interpolation")
    held = spread * torch.randn(512, 2, generator=stream(seed, "evaluation"))
    critic = mlp_critic(width, 3, stream(seed, "weights"))
    optimizer = _adam(critic)
    rows = []
    for step in range(max(at) + 1):
        if step in at:
            loss = objective.generator_loss(critic, shift + held, held - shift.detach(), rng)
            (gradient,) = torch.autograd.grad(loss, shift)
            rows.append({"critic_steps": step, "norm": gradient.double().norm().item()})  # squares leave float32
        real, fake = spread * torch.randn(2, BATCH, 2, generator=data)
        _critic_step(objective, critic, optimizer, real - shift.detach(), fake + shift.detach(), rng)
    return pd.DataFrame(rows)


# Deep critics: Figure 1 (b) of Gulrajani et al. 2017


@dataclass(frozen=True)
class DeepCritic:
    """A deep critic: the gradient's norm by ReLU, that next to the input first, before and after training; all weights
    without the biases, and the share of them that was at the extremes before.
    """

    arm: str
    seed: int
    norms_at_start: np.ndarray
    norms: np.ndarray
    weights: np.ndarray
    extreme_at_start: float


def factor_per_layer(norms: np.ndarray) -> tuple[float, float]:
    """What one layer further from the score multiplies the gradient with, and R² of that exponential law.

    A least-squares line through log(norm) over the layer's number; both NaN where some layer has no gradient at all.
    """
    if not (norms > 0).all():
        return math.nan, math.nan
    log, layer = np.log(norms), np.arange(len(norms))
    line = stats.linregress(layer, log)
    return float(np.exp(-line.slope)), float(line.rvalue**2)


def weights_of(critic: nn.Module) -> np.ndarray:
    return torch.cat([p.detach().flatten() for p in critic.parameters() if p.dim() > 1]).numpy()


def share_at_extremes(weights: np.ndarray) -> float:
    """Share of the weights whose size is that of the largest, to a hundredth: under clipping, those at the bound."""
    size = np.abs(weights)
    return float((size >= 0.99 * size.max()).mean())


def deep_critics(
    objectives: dict, seeds: int, steps: int, width: int = 128, depth: int = 12, toy: str = "swissroll"
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
            scale_to(clip, critic)
        start, extreme = norms_by_relu(objective, critic, toy, seed), share_at_extremes(weights_of(critic))
        fit_critic(objective, critic, toy, seed, steps, LEARNING_RATE if clip is None else clip / 100)
        norms = norms_by_relu(objective, critic, toy, seed)
        fitted.append(DeepCritic(arm, seed, start, norms, weights_of(critic), extreme))
    return fitted


@torch.no_grad()
def scale_to(largest: float, critic: nn.Module) -> None:
    for weight in critic.parameters():
        if weight.dim() > 1:
            weight *= largest / weight.abs().max()


def norms_by_relu(objective, critic: nn.Module, toy: str, seed: int) -> np.ndarray:
    """``diagnostics.layer_gradient_norms`` by what each ReLU puts out, on fresh points, first layer first."""
    held, kind = stream(seed, "evaluation"), next(critic.parameters()).dtype
    real, fake = sample(toy, 512, held).to(kind), noisy(toy, 512, held).to(kind)
    return np.array([*layer_gradient_norms(critic, objective, real=real, fake=fake, rng=held).values()][1:])


def against_the_paper(critics: list[DeepCritic], penalised: str) -> pd.DataFrame:
    """A line per arm: the gradient's law over depth, the weights at the extremes, and whether both are the paper's.

    ``factor`` (median; lowest and highest of the seeds) is ``factor_per_layer``; ``factor_at_start`` before training.
    The law is "grows" or "decays", from the score towards the input, where the fitted line says so by over ten over
    the whole depth in every seed with R² of at least 0.9; "vanishes" where a layer has no gradient at all, as when all
    its ReLUs are off; "neither" where the whole depth changes the gradient by at most ten, up or down, in every
    seed; else "mixed". Published: one of the first two under clipping, "neither" in the arm ``penalised``; and
    under clipping only, weights pushed to the extremes: in every seed more than before, and more than a tenth of all,
    where evenly spread weights would leave a hundredth.
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
        straight, change = (seeds["r_squared"] >= 0.9).all(), seeds["change"]
        law = "neither" if change.between(0.1, 10).all() else "mixed"
        law = "grows" if straight and (change > 10).all() else law
        law = "decays" if straight and (change < 0.1).all() else law
        law = "vanishes" if seeds["factor"].isna().any() else law
        factor, clipped, end = seeds["factor"], arm != penalised, seeds["extreme_at_end"]
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


def verdict(table: pd.DataFrame) -> str:
    """The lines of ``against_the_paper`` as a Markdown list that says where they agree with what was published."""
    said = {True: "as published", False: "**not** as published"}
    words = {"neither": "neither grows nor decays", "mixed": "follows no one law"}
    return "\n".join(
        f"- {row.arm}: towards the input the gradient {words.get(row.law, row.law)}"
        f" (×{row.factor:.3g} per layer, {row.lowest:.3g} to {row.highest:.3g} over {row.seeds} seeds,"
        f" R² ≥ {np.floor(100 * row.r_squared) / 100:.2f}; before training ×{row.factor_at_start:.3g}):"
        f" {said[row.law_as_published]}. Weights at the extremes: {row.extreme_at_start:.2%} before training,"
        f" {row.extreme_at_end:.1%} after it: {said[row.weights_as_published]}."
        for row in table.itertuples()
    )
