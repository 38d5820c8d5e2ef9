"""Real images as an extractor sees them."""

import numpy as np
import pytest
import torch

from gancompare.config import RunConfig
from gancompare.data.datasets import Dataset, load_splits
from gancompare.scoring.features.extraction import extract
from gancompare.scoring.features.extractors import load_extractor
from gancompare.scoring.metrics.frechet import frechet_distance
from gancompare.scoring.metrics.kernel import kid
from gancompare.scoring.reference import Reference, references, see_real


@pytest.fixture(scope="module")
def discs(many_images):
    return load_splits(many_images, 28, 1)


def test_distances_are_those_of_the_metrics_on_all_features(discs):
    extractor = load_extractor("random-init", discs)
    reference = see_real(extractor, discs.train, 400)
    assert reference.features.shape == (400, extractor.num_features)
    features = reference.see(discs.test.images[:90])
    real = reference.features[:90]
    for _ in range(2):  # the second time from the statistics that were kept
        assert reference.fd(features) == pytest.approx(frechet_distance(real, features), rel=1e-12)
    assert reference.fd(features, 400) == pytest.approx(frechet_distance(reference.features, features), rel=1e-12)
    assert reference.kid(features) == kid(real, features).value


def test_real_images_are_a_fixed_draw_of_which_a_larger_one_begins_with_the_smaller(discs):
    extractor = load_extractor("random-init", discs)
    few, many = see_real(extractor, discs.train, 50), see_real(extractor, discs.train, 5000)
    torch.testing.assert_close(few.features, many.features[:50], rtol=1e-4, atol=1e-4)
    assert len(many.features) == len(discs.train.images)
    assert len({tuple(row) for row in many.features.tolist()}) == len(many.features)  # each image once
    head = extract(extractor, discs.train.images[:50])
    assert not torch.allclose(few.features, head, atol=1e-2)


def test_the_floor_is_the_bias_at_equal_n(normal):
    """For equal standard Gaussians, to first order in 1/n: 2d/n from the means, |S1 − S2|²/4 from the covariances."""
    d, dataset = 8, Dataset("none", torch.empty(0), None, (), "none", "nowhere")
    draws = [Reference(None, dataset, torch.from_numpy(normal(seed, 200, d))) for seed in range(50)]
    expected = (2 * d + d * (d + 1) / 2) / 100
    assert np.mean([reference.floor(100) for reference in draws]) == pytest.approx(expected, rel=0.15)
    assert draws[0].floor(100) < draws[0].floor(20)
    assert draws[0].floor(5000) == draws[0].floor(100)  # half of all, as there are no more


@pytest.mark.parametrize(
    ("channels", "extractor", "names"),
    [
        (1, "random-init", ["random-init", "pixel-pca"]),
        (3, "auto", ["efficientnet-lite0", "efficientnet-early", "random-init"]),
    ],
)
def test_a_run_is_measured_by_the_primary_extractor_and_second_opinions(channels, extractor, names, image_folder):
    config = RunConfig(
        dataset=str(image_folder), image_size=28, channels=channels, profile="smoke", extractor=extractor
    )
    real = references(config, load_splits(image_folder, 28, channels), "cpu")
    assert [reference.extractor.name for reference in real] == names
    unscored = RunConfig(dataset=str(image_folder), extractor="none")
    assert references(unscored, load_splits(image_folder, 28, channels), "cpu") == []
