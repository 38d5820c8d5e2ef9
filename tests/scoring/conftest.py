"""Features and images with known distributions, and a run that is scored."""

import numpy as np
import pytest
import torch
from PIL import Image

from gancompare import train
from gancompare.config import RunConfig


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GANCOMPARE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


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


@pytest.fixture(scope="session")
def many_images(tmp_path_factory):
    """1,200 images of a bright disc on a dark ground: enough of them held out to look for copies."""
    folder = tmp_path_factory.mktemp("discs")
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:28, :28]
    for i in range(1200):
        centre, radius = rng.uniform(8, 20, 2), rng.uniform(3, 8)
        disc = ((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2) * rng.integers(120, 230)
        pixels = (disc + rng.integers(0, 25, (28, 28))).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:04d}.png")
    return folder


@pytest.fixture(scope="session")
def scored(many_images, tmp_path_factory):
    """(directory, config) of a run of four generator steps."""
    fields = {"dataset": str(many_images), "image_size": 28, "channels": 1}
    config = RunConfig(**fields, profile="smoke", method="gan", precision="float32")
    directory = tmp_path_factory.mktemp("run")
    list(train.train(config, directory))
    return directory, config
