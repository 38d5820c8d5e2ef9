"""Resizing and normalising."""

import numpy as np
import pytest
import torch
from PIL import Image

from gancompare.scoring.features.network import Resize


def test_resizing_is_antialiased_as_in_pillow():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (50, 50), dtype=np.uint8)  # white noise: without antialiasing some pixels are skipped
    expected = np.asarray(Image.fromarray(pixels).resize((16, 16), Image.Resampling.BILINEAR), np.float32)
    measured = Resize(16, 0, 1)(torch.from_numpy(pixels)[None, None])[0, 0]
    assert np.abs(measured.numpy() - expected).max() <= 1.0  # Pillow rounds to whole grey levels, once per axis


def test_normalising_maps_the_grey_levels_as_stated():
    levels = torch.tensor([0, 127, 255], dtype=torch.uint8).view(3, 1, 1, 1).expand(-1, 1, 8, 8)
    assert Resize(8)(levels)[:, 0, 0, 0].tolist() == pytest.approx([-1, -0.5 / 127.5, 1])
    assert Resize(8, 127, 128)(levels)[:, 0, 0, 0].tolist() == [-127 / 128, 0, 1]
