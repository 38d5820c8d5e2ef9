"""Random streams: one of its own for each seed and purpose, so that no draw moves another."""

import hashlib

import torch
from torch import Tensor


def stream(seed: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """The random stream of ``purpose`` under ``seed``, at its start."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def fixed_latents(seed: int, purpose: str, count: int, latent_dim: int) -> Tensor:
    """The first ``count`` latents (count, latent_dim) of ``purpose``, on the CPU: the same for every method and device.

    Purposes in use: "grid" for pictures of training, "evaluation" for scores, "generate" for images on demand,
    "explore" and "blind" for the widgets, "export 1" and so on for checking exported files.
    """
    rng = stream(seed, purpose)
    # in blocks of one size: torch draws a prefix of fewer numbers otherwise
    blocks = [torch.randn(64, latent_dim, generator=rng) for _ in range(0, count, 64)]
    return torch.cat(blocks)[:count]
