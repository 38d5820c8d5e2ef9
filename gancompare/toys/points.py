"""The toy data, and what can be measured on it exactly: the distance between two sets of points, and the modes."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


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

    centres = None  # it has no modes

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
    """``count`` points (count, 2) of the toy ``name``, drawn with ``rng``. Raises ValueError for an unknown toy."""
    return toy_named(name).sample(count, rng)


def noisy(name: str, count: int, rng: torch.Generator) -> Tensor:
    """The fixed generator of Gulrajani et al. 2017, §3: the data plus noise from N(0, 1) in both dimensions."""
    return sample(name, count, rng) + torch.randn(count, 2, generator=rng)


def wasserstein(a: Tensor, b: Tensor) -> float:
    """The exact Wasserstein-1 distance between two sets of points, (N, 2) and (M, 2), all points of a set alike.

    Solved as a linear programme by POT. Raises ValueError if a point is not finite.
    """
    import ot

    if not (a.isfinite().all() and b.isfinite().all()):
        raise ValueError("a sample is not finite: the training diverged; try another clip or penalty_weight")
    cost = ot.dist(a.detach().double().numpy(), b.detach().double().numpy(), metric="euclidean")
    return float(ot.emd2([], [], cost))


def modes(samples: Tensor, centres: Tensor, spread: float) -> tuple[int, float]:
    """Modes recovered, and the share of high-quality samples (Srivastava et al. 2017, §4).

    A sample is of high quality within three standard deviations of its nearest centre; a mode is recovered by one such
    sample.
    """
    distance, nearest = torch.cdist(samples, centres).min(dim=1)
    good = distance <= 3 * spread
    return len(nearest[good].unique()), good.float().mean().item()
