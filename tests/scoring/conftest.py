"""Features and images with known distributions."""

import numpy as np
import pytest
import torch


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def normal():
    """A function (seed, n, d, shift, scale) → normal features (n, d)."""

    def draw(seed, n, d=8, shift=0.0, scale=1.0):
        return shift + scale * np.random.default_rng(seed).standard_normal((n, d))

    return draw


@pytest.fixture(scope="session")
def pictures():
    """A function (seed, n, side, channels) → blurred noise: smooth like images, so that structure survives scaling."""

    def draw(seed, n, side=16, channels=1):
        noise = torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(seed))
        smooth = torch.nn.functional.avg_pool2d(noise, 3, stride=1, padding=1)
        return ((smooth - 0.2) / 0.6 * 255).clamp(0, 255).to(torch.uint8)

    return draw
