"""Where in latent space pictures are taken: points, directions, ways between latents, truncation."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from gancompare.base.streams import fixed_latents
from gancompare.runs.layout import RunError

IMAGES = 16  # latents at every point
MASK = 0xFFFFFFFF
GOLDEN = 0x9E3779B9  # 2³² over the golden ratio, odd: its multiples visit every number below 2³²


@dataclass(frozen=True)
class Point:
    """Where in latent space the pictures are taken."""

    seed: int = 0  # of the latents
    other: int = 1  # seed that the interpolation leads to
    percent: int = 0  # of the way there
    truncation: float | None = None  # as in ``truncate``
    along: tuple[float, ...] = ()  # how far along each principal direction
    directions_of: str | None = None  # method whose generator these directions belong to
    coordinates: tuple[tuple[int, float], ...] = ()  # (index, how far)
    class_name: str | None = None  # class that conditional generators draw; None: their classes in turn

    def latents(self, latent_dim: int, directions: Tensor) -> Tensor:
        """(IMAGES, latent_dim): the same shift for each image. ``directions``: rows of at most ``latent_dim``."""
        ends = (fixed_latents(seed, "explore", IMAGES, latent_dim) for seed in (self.seed, self.other))
        z = truncate(slerp(*ends, self.percent / 100), self.truncation)
        for amount, direction in zip(self.along, directions, strict=False):
            z[:, : len(direction)] += amount * direction
        for index, amount in self.coordinates:
            z[:, index] += amount
        return z

    def text(self) -> str:
        """What is shown, in words."""
        parts = [f"latents of seed {self.seed}"]
        parts += [f"{self.percent} % of the way to seed {self.other}"] if self.percent else []
        parts += [f"cut at ±{self.truncation:.2f}"] if self.truncation is not None else []
        parts += [f"direction {i} {a:+.2f}" for i, a in enumerate(self.along, 1) if a]
        parts += [f"coordinate {i} {a:+.2f}" for i, a in self.coordinates if a]
        parts += [f"class {self.class_name}"] if self.class_name is not None else []
        return ", ".join(parts)


@torch.no_grad()
def principal_directions(net: nn.Module) -> tuple[Tensor, Tensor]:
    """Directions in latent space that move the first layer's activations most, and the share of variance of each.

    As in GANSpace (Härkönen et al. 2020, §2): principal components of the first activations over latents from N(0, 1),
    mapped back to latents. Before its nonlinearity the first layer is affine here, so no sampling is needed.
    Returns unit rows (latent_dim, latent_dim), largest first, and shares (latent_dim,) that sum to 1.
    """
    norm = [layer for layer in net.layers[:1] if isinstance(layer, nn.BatchNorm2d)]  # else it is the nonlinearity

    def activations(z: Tensor) -> Tensor:
        return nn.Sequential(*norm)(net.unflatten(net.project(z))).flatten(1).double()

    origin = torch.zeros(1, net.latent_dim)
    slopes = activations(torch.eye(net.latent_dim)) - activations(origin)  # (latent_dim, features)
    strengths, vectors = torch.linalg.eigh(slopes @ slopes.T)
    vectors, strengths = vectors.T.flip(0), strengths.flip(0).clamp(min=0)
    largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
    return (vectors * largest.sign()).float(), (strengths / strengths.sum()).float()  # fixes each sign


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """From ``a`` (N, d) at t = 0 to ``b`` at 1, row by row along the great circle, lengths in proportion.

    A straight line would pass nearer to the origin than latents from N(0, 1) ever lie.
    """
    lengths = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    cosine = ((a / lengths[0]) * (b / lengths[1])).sum(dim=1, keepdim=True).clamp(-1, 1)
    angle = cosine.double().acos()
    straight = angle.sin() < 1e-4  # the same or opposite direction: there is no one circle
    safe = torch.where(straight, torch.ones_like(angle), angle)
    part_a = torch.where(straight, torch.full_like(angle, 1 - t), ((1 - t) * safe).sin() / safe.sin())
    part_b = torch.where(straight, torch.full_like(angle, t), (t * safe).sin() / safe.sin())
    length = (1 - t) * lengths[0] + t * lengths[1]
    return ((part_a * a / lengths[0] + part_b * b / lengths[1]) * length).to(a.dtype)


def truncate(z: Tensor, limit: float | None) -> Tensor:
    """Values of N(0, 1) → values of N(0, 1) cut off at ±``limit`` (the truncation trick), each moved monotonically.

    Each value keeps its quantile, so that one latent stays recognisable as the limit changes. None: as they are.
    Raises RunError unless ``limit`` is positive and finite.
    """
    if limit is None:
        return z
    if not 0 < limit < math.inf:
        raise RunError(f"--truncation {limit}: must be a positive number; small is typical, large is varied")
    edge = torch.special.ndtr(torch.tensor(-float(limit), dtype=torch.float64))
    negative = torch.special.ndtr(-z.double().abs())  # the lower tail alone keeps its digits
    cut = torch.special.ndtri(edge + negative * (1 - 2 * edge))
    return torch.copysign(cut.abs().clamp(max=limit), z.double()).to(z.dtype)


def portable(seed: int, count: int, latent_dim: int) -> Tensor:
    """Latents (count, latent_dim) from N(0, 1) that any language can draw: those of a page's explorer.

    Uniforms are 32-bit counters through the finaliser of MurmurHash3, made normal by Box and Muller (1958) in float64;
    ``live.js`` does the same. For pictures only: training and scores draw from ``streams``.
    """
    pairs = (count * latent_dim + 1) // 2
    counters = (
        int(_mixed(np.array([seed & MASK], np.uint64))[0]) + GOLDEN * np.arange(2 * pairs, dtype=np.uint64)
    ) & MASK
    uniform = _mixed(counters).reshape(-1, 2) / 2**32
    length = np.sqrt(-2 * np.log(uniform[:, 0] + 2.0**-32))  # + 2⁻³²: no logarithm of 0
    angle = 2 * np.pi * uniform[:, 1]
    normal = np.stack([length * np.cos(angle), length * np.sin(angle)], axis=1).ravel()[: count * latent_dim]
    return torch.from_numpy(normal.astype(np.float32)).reshape(count, latent_dim)


def _mixed(x: np.ndarray) -> np.ndarray:
    """The finaliser of MurmurHash3: 32-bit numbers (in uint64) → such numbers, each bit depending on all."""
    x = ((x ^ (x >> np.uint64(16))) * np.uint64(0x85EBCA6B)) & np.uint64(MASK)
    x = ((x ^ (x >> np.uint64(13))) * np.uint64(0xC2B2AE35)) & np.uint64(MASK)
    return x ^ (x >> np.uint64(16))
