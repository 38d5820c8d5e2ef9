import pytest
import torch

from gancompare.objectives import METHODS
from gancompare.toys.training import train_toy


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def runs():
    """Two methods, two seeds: short trainings with three snapshots."""
    return {
        (name, seed): train_toy(METHODS[name](), "8gaussians", seed, generator_steps=4, width=4, measured=3, count=32)
        for name in ("gan", "wgan")
        for seed in range(2)
    }
