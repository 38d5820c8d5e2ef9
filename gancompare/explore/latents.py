"""Ways through latent space, for the widgets and for the pages that run without Python."""

import numpy as np
import torch
from torch import Tensor, nn

MASK = 0xFFFFFFFF
GOLDEN = 0x9E3779B9  # 2³² over the golden ratio, odd: its multiples visit every number below 2³²


@torch.no_grad()
def principal_directions(net: nn.Module) -> tuple[Tensor, Tensor]:
    """Directions in latent space that move the first layer's activations most, and the share of variance of each.

    As in GANSpace (Härkönen et al. 2020): principal components of the first activations over latents from N(0, 1),
    led back to latents. Before its nonlinearity the first layer is affine here, so that no sampling is needed.
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
    return (vectors * largest.sign()).float(), (strengths / strengths.sum()).float()  # a sign of its own to each


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


def portable(seed: int, count: int, latent_dim: int) -> Tensor:
    """Latents (count, latent_dim) from N(0, 1) that any language can draw: those of a page's explorer.

    Uniforms are 32-bit counters through the finaliser of MurmurHash3, led to normals by Box and Muller (1958) in
    float64; ``live.js`` does the same. For pictures only: training and scores draw from ``streams``.
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
