import pytest
import torch

from gancompare.bench.compare import compare
from gancompare.config import RunConfig
from gancompare.data.datasets import Dataset


@pytest.fixture(scope="session")
def smoke(image_folder):
    """A function (fields) → tiny config on the folder of squares, in float32."""
    fields = {"profile": "smoke", "dataset": str(image_folder), "image_size": 28, "channels": 1, "precision": "float32"}
    return lambda **others: RunConfig(**fields | others)


@pytest.fixture
def some_images():
    """A function (config, count) → a data set of random images of the config's shape."""

    def make(config, count=16):
        shape = (count, config.channels, config.image_size, config.image_size)
        images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        return Dataset(name="random", images=images, labels=None, classes=(), fingerprint="", source="")

    return make


@pytest.fixture(scope="session")
def table(smoke):
    """``compare`` of one tiny config; one run at a time, as each process costs the seconds of importing torch."""
    return compare([smoke(method="wgan-gp")], rounds=2, jobs=1)
