"""A small labelled data set, an unlabelled one, noise, and extractors for them."""

import os
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

from gancompare.data.datasets import Dataset, Splits, load_splits
from gancompare.scoring.features.extractors import load_extractor


@pytest.fixture(scope="session")
def labelled_folder(tmp_path_factory):
    """Three classes of 60 noisy grey 16×16 images: stripes across, stripes down, and a square in the middle."""
    folder = tmp_path_factory.mktemp("labelled")
    rng = np.random.default_rng(0)
    patterns = np.zeros((3, 16, 16))
    patterns[0, ::4], patterns[1, :, ::4], patterns[2, 4:12, 4:12] = 1, 1, 1
    for name, pattern in zip(("across", "down", "square"), patterns, strict=True):
        (folder / name).mkdir()
        for i in range(60):
            pixels = 60 + 120 * pattern + rng.normal(0, 40, (16, 16))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name / f"{i:02d}.png")
    return folder


@pytest.fixture(scope="session")
def labelled(labelled_folder):
    """Its images, 162 to train on and 18 held out."""
    return load_splits(labelled_folder, 16, 1)


@pytest.fixture(scope="session")
def unlabelled(noise):
    """A function (image size, channels) → a data set of four noisy images."""

    def splits(image_size, channels):
        images = noise(4, channels, image_size)
        return Splits(Dataset("noise", images, None, (), f"noise-{image_size}-{channels}", "nowhere"), None)

    return splits


@pytest.fixture(scope="session")
def classifier(labelled):
    return load_extractor("classifier", labelled)


@pytest.fixture(scope="session")
def efficientnet(unlabelled):
    return load_extractor("efficientnet-lite0", unlabelled(64, 3))


@pytest.fixture(scope="session")
def noise():
    """A function (n, channels, size, seed) → random uint8 images."""

    def draw(n, channels=1, size=16, seed=0):
        rng = torch.Generator().manual_seed(seed)
        return torch.randint(256, (n, channels, size, size), generator=rng, dtype=torch.uint8)

    return draw


class _Makes:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture(scope="session")
def unpickled_makes():
    """A function: path → bytes that make a folder there if they are unpickled without restrictions."""

    def packed(path):
        return pickle.dumps(_Makes(path), 2)

    return packed
