"""Principal components against numpy."""

import numpy as np
import pytest
import torch

from gancompare.scoring.features.extraction import extract
from gancompare.scoring.features.extractors import load_extractor
from gancompare.scoring.features.network import FeatureError
from gancompare.scoring.features.pca import fit_pca


def test_pca_agrees_with_numpy():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(200, 12)) @ rng.normal(size=(12, 12)) + 5, rng.normal(size=(30, 12))
    pca = fit_pca(torch.from_numpy(real), dims=4)
    mean = real.mean(0)
    _, spread, rows = np.linalg.svd(real - mean, full_matrices=False)
    expected = (fake - mean) @ rows[:4].T
    coordinates = pca.apply(torch.from_numpy(fake)).numpy()
    assert coordinates.dtype == np.float32
    signs = np.sign((coordinates * expected).sum(0))
    np.testing.assert_allclose(coordinates, expected * signs, atol=1e-4)  # float32 of numbers around 10
    assert pca.explained == pytest.approx((spread[:4] ** 2).sum() / (spread**2).sum())
    np.testing.assert_allclose((pca.components @ pca.components.T).numpy(), np.eye(4), atol=1e-5)


def test_pca_keeps_distances_where_it_keeps_all_dimensions():
    values = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    pca = fit_pca(values)  # at most 6 of the 128
    assert pca.components.shape == (6, 6)
    assert pca.explained == pytest.approx(1)
    torch.testing.assert_close(torch.pdist(pca.apply(values)), torch.pdist(values))
    torch.testing.assert_close(pca.apply(values).mean(0), torch.zeros(6), atol=1e-5, rtol=0)
    assert fit_pca(values[:4]).components.shape == (3, 6)  # four points span three dimensions


def test_pca_does_not_depend_on_the_order_of_the_images():
    values = torch.randn(60, 8, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 9)
    torch.testing.assert_close(fit_pca(values.flip(0), 3).components, fit_pca(values, 3).components)


@pytest.mark.parametrize(
    ("values", "dims"),
    [(torch.ones(1, 4), 2), (torch.ones(5, 4), 0), (torch.ones(5), 2), (torch.tensor([[0.0, 1], [np.nan, 1]]), 1)],
)
def test_pca_refuses(values, dims):
    with pytest.raises(FeatureError, match="no PCA with"):
        fit_pca(values, dims)


def test_pixel_pca_is_the_projection_of_the_pixels(labelled):
    extractor = load_extractor("pixel-pca", labelled)
    assert extractor.num_features == 64
    images = labelled.train.images
    pixels = images.flatten(1).double().numpy() / 127.5 - 1
    rows = np.linalg.svd(pixels - pixels.mean(0), full_matrices=False)[2][:64]
    expected = (pixels - pixels.mean(0)) @ rows.T
    # lengths and angles within the subspace do not depend on signs; float32
    np.testing.assert_allclose(
        (lambda f: f @ f.T)(extract(extractor, images).double().numpy()), expected @ expected.T, atol=1e-3
    )
