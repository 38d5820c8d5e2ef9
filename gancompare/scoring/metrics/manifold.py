"""Precision and recall, density and coverage: how the balls around one set's points hold the other set's."""

import torch
from torch import Tensor

from gancompare.scoring.metrics.checks import feature_pair
from gancompare.scoring.metrics.distances import CHUNK, squared_distances


def precision_recall(real, fake, k: int = 3, *, chunk: int = CHUNK) -> tuple[float, float]:
    """Share of fakes in the real manifold and of reals in the fake one, each in [0, 1].

    Kynkäänniemi et al. 2019, eqs. 1 and 2. A manifold is the union of open balls around its points that reach the k-th
    neighbour other than the point itself. Features (N, d) and (M, d). ``chunk``: rows of the distance matrix held at
    once. Raises ValueError unless both hold more than k rows; for unequal d or NaN.
    """
    real, fake = feature_pair(real, fake, least=k + 1)
    real_radii, fake_radii = _squared_radii(real, k, chunk), _squared_radii(fake, k, chunk)
    precise = torch.zeros(len(fake), dtype=torch.bool, device=fake.device)
    recalled = 0
    for rows, squared in squared_distances(real, fake, chunk):
        precise |= (squared < real_radii[rows, None]).any(0)
        recalled += (squared < fake_radii).any(1).sum().item()
    return precise.double().mean().item(), recalled / len(real)


def density_coverage(real, fake, k: int = 5, *, chunk: int = CHUNK) -> tuple[float, float]:
    """How many real balls hold a fake, over k (0 to ∞; 1 for equal), and the share of real balls with a fake ([0, 1]).

    Naeem et al. 2020, sec. 3; balls and ``chunk`` as in ``precision_recall``. Raises ValueError unless both hold more
    than k rows; for unequal d or NaN.
    """
    real, fake = feature_pair(real, fake, least=k + 1)
    radii = _squared_radii(real, k, chunk)
    held = covered = 0
    for rows, squared in squared_distances(real, fake, chunk):
        inside = squared < radii[rows, None]
        held += inside.sum().item()
        covered += inside.any(1).sum().item()
    return held / (k * len(fake)), covered / len(real)


def _squared_radii(x: Tensor, k: int, chunk: int) -> Tensor:
    """Squared distance of each row to its k-th neighbour, itself not counted; shrunk, so that ties are outside."""
    nearest = [squared.topk(k + 1, largest=False).values[:, k] for _, squared in squared_distances(x, x, chunk)]
    return torch.cat(nearest) * (1 - 1e-9)
