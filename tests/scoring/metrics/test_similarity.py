"""MS-SSIM, LPIPS and nearest training images."""

import math

import numpy as np
import pytest
import torch
import torchvision
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from gancompare.scoring.metrics.similarity import lpips_diversity, ms_ssim_pairs, nearest_neighbours


@pytest.mark.parametrize("side", [8, 11, 21, 28, 64, 128, 176])
def test_ms_ssim_is_one_for_equal_images_and_low_for_varied_ones_at_any_size(side, rng, pictures):
    images = pictures(0, 6, side)
    assert ms_ssim_pairs(images[:1].repeat(4, 1, 1, 1), 3, rng) == pytest.approx((1, 0), abs=1e-5)
    varied = ms_ssim_pairs(images, 6, rng)
    assert 0 <= varied.value < 0.7
    assert varied.standard_error > 0


def test_ms_ssim_rises_as_images_become_alike(rng, pictures):
    base, varied = pictures(0, 1, 28, 3).float(), pictures(1, 60, 28, 3).float()
    values = [
        ms_ssim_pairs((base * share + varied * (1 - share)).to(torch.uint8), 50, np.random.default_rng(0)).value
        for share in (0, 0.3, 0.6, 0.9)
    ]
    assert values == sorted(values)


def test_ms_ssim_agrees_with_the_published_settings_where_they_fit(rng, pictures):
    images = pictures(0, 2, 176)
    expected = multiscale_structural_similarity_index_measure(images[:1] / 255, images[1:] / 255, data_range=1.0)
    assert ms_ssim_pairs(images, 3, rng).value == pytest.approx(expected.item(), abs=1e-4)  # float32, either order


def test_lpips_says_why_it_is_missing_and_downloads_nothing(tmp_path, rng, monkeypatch, pictures):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *a, **k: pytest.fail("downloaded"))
    value, reason = lpips_diversity(pictures(0, 4), 2, rng)
    assert value is None
    assert "torch.hub.get_dir()/checkpoints" in reason
    assert "alexnet" in reason


@pytest.mark.parametrize("channels", [1, 3])
def test_lpips_measures_with_weights_that_are_there(tmp_path, rng, monkeypatch, channels, pictures):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = torchvision.models.squeezenet1_1(weights=None)  # random weights stand in for ImageNet's
    (tmp_path / "checkpoints").mkdir()
    torch.save(network.state_dict(), tmp_path / "checkpoints" / "squeezenet1_1-b8a52dc0.pth")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    state = torch.get_rng_state()
    images = pictures(0, 5, 28, channels)
    value, reason = lpips_diversity(images, 4, rng, net="squeeze")
    same, _ = lpips_diversity(images[:1].repeat(3, 1, 1, 1), 1, rng, net="squeeze")
    assert reason == ""
    assert value.value > same.value == 0
    assert torch.equal(torch.get_rng_state(), state)  # a score during training must not change the training


@pytest.mark.parametrize("chunk", [1024, 4])
def test_nearest_neighbours_finds_copies_and_rates_each_pair(chunk, pictures):
    train = pictures(0, 40, 12)
    fake = torch.cat([train[[7, 3]], pictures(1, 8, 12)])
    near = nearest_neighbours(fake, train, k=3, chunk=chunk)
    assert near["index"][:2, 0].tolist() == [7, 3]
    assert near["distance"][:2, 0].tolist() == [0, 0]
    assert near["psnr"][:2, 0].tolist() == [math.inf, math.inf]
    assert near["ssim"][:2, 0].tolist() == pytest.approx([1, 1])
    difference = fake.double()[:, None] - train.double()
    brute = difference.flatten(2).norm(dim=2)
    torch.testing.assert_close(near["distance"], brute.topk(3, largest=False).values)
    squared_error = difference.square().flatten(2).mean(2)[5, near["index"][5, 1]]
    assert near["psnr"][5, 1].item() == pytest.approx(20 * math.log10(255) - 10 * math.log10(squared_error), rel=1e-5)
    assert bool((near["ssim"][2:] < 0.9).all())
