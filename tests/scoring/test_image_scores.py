"""Modes of stacked digits, on images of known modes."""

import numpy as np
import pytest
import torch

from gancompare.scoring.features.classifier import stacked
from gancompare.scoring.features.extractors import Extractor
from gancompare.scoring.features.network import FeatureNet
from gancompare.scoring.image_scores import NEIGHBOURS, neighbours, stacked_modes


class Brightness(torch.nn.Module):
    """Grey images (N, 1, H, W) → (N, 1): their mean pixel in units of 25."""

    def forward(self, images):
        return images.mean(dim=(1, 2, 3))[:, None] / 25


class NearestDigit(torch.nn.Module):
    """Takes a brightness of about k for the digit k."""

    def __init__(self):
        super().__init__()
        self.register_buffer("digits", torch.arange(10.0))

    def forward(self, features):
        return -(features - self.digits).square()


def brightness_classifier():
    """The classifier of stacked digits, but for images of one brightness a channel: k · 25 is the digit k."""
    single = FeatureNet(Brightness(), NearestDigit(), num_features=1, channels=1, prepare=lambda images: images.float())
    return Extractor("classifier", "FD-classifier", 3, "0" * 16, 1.0, stacked(single))


def test_modes_and_their_divergence_are_counted_on_images_of_known_modes():
    digits = torch.tensor([[1, 2, 3]] * 50 + [[9, 0, 0]] * 30 + [[3, 2, 1]] * 20)
    images = (25 * digits + 3).to(torch.uint8)[:, :, None, None].expand(-1, -1, 8, 8)
    scores = stacked_modes(images, brightness_classifier())
    shares = np.array([0.5, 0.3, 0.2])
    assert (scores["modes"], scores["mode_images"]) == (3, 100)
    assert scores["kl_uniform"] == pytest.approx((shares * np.log(1000 * shares)).sum())
    assert scores["kl_uniform_floor"] == pytest.approx(999 / 200)


def test_a_generator_of_all_modes_alike_has_no_divergence():
    digits = torch.cartesian_prod(*[torch.arange(10)] * 3)
    images = (25 * digits).to(torch.uint8)[:, :, None, None].expand(-1, -1, 8, 8)
    scores = stacked_modes(images, brightness_classifier())
    assert (scores["modes"], scores["modes_tenth"]) == (1000, 1000)
    assert scores["kl_uniform"] == pytest.approx(0, abs=1e-12)
    expected = [int(f"{r}{g}{b}") for r, g, b in digits.tolist()]
    assert brightness_classifier().module.logits(images).argmax(dim=1).tolist() == expected


def test_the_sheet_shows_each_fake_above_its_nearest_training_image():
    train = torch.randint(0, 256, (40, 1, 12, 12), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    fake = train[torch.tensor([7, 3, 7, 20, 0, 39, 11, 5, 8])]
    sheet, nearness = neighbours(fake, train)
    assert sheet.size == (NEIGHBOURS * 14 + 2, 2 * 14 + 2)
    pixels = np.asarray(sheet)
    np.testing.assert_array_equal(pixels[2:14], pixels[16:28])  # copies: both rows are the same
    np.testing.assert_array_equal(pixels[2:14, 2:14], train[7, 0].numpy())
    assert nearness == {"neighbour_psnr": 100, "neighbour_ssim": pytest.approx(1)}
