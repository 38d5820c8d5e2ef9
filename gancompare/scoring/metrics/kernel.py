"""Kernel distance (KID) between two sets of features."""

import math

import numpy as np
from torch import Tensor

from gancompare.scoring.metrics.checks import feature_pair
from gancompare.scoring.metrics.distances import CHUNK
from gancompare.scoring.metrics.estimates import Estimate


def kid(real, fake, *, blocks: int = 10, chunk: int = CHUNK) -> Estimate:
    """Squared kernel (MMD) distance of features (N, d) and (M, d) under k = (x·y/d + 1)³: about 0 (equal) to ∞.

    Bińkowski et al. 2018, sec. 4. It is unbiased, so negative about half of the time for equal distributions, and never
    clipped. The standard error is that of the mean over disjoint ``blocks``; it is too large for equal distributions.
    ``chunk``: rows of the kernel matrix held at once. Raises ValueError below 4 rows, or for unequal d or NaN.
    """
    real, fake = feature_pair(real, fake, least=4)
    blocks = min(blocks, len(real) // 2, len(fake) // 2)
    parts = [_squared_mmd(real[block::blocks], fake[block::blocks], chunk) for block in range(blocks)]
    return Estimate(_squared_mmd(real, fake, chunk), float(np.std(parts, ddof=1)) / math.sqrt(blocks))


def _squared_mmd(x: Tensor, y: Tensor, chunk: int) -> float:
    def kernel(products: Tensor) -> float:
        return (products / x.shape[1] + 1).pow(3).sum().item()

    def total(a: Tensor, b: Tensor) -> float:
        return sum(kernel(part @ b.T) for part in a.split(chunk))

    within = [(total(a, a) - kernel(a.square().sum(1))) / (len(a) * (len(a) - 1)) for a in (x, y)]
    return sum(within) - 2 * total(x, y) / (len(x) * len(y))
