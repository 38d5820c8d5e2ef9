"""Input that no number describes is refused with a message that says what to change."""

import numpy as np
import pytest

from gancompare.scoring.feature_scores import score_features
from gancompare.scoring.metrics.classes import class_report, inception_score
from gancompare.scoring.metrics.copies import copy_score
from gancompare.scoring.metrics.frechet import frechet_distance, frechet_distance_of_statistics, frechet_infinity
from gancompare.scoring.metrics.kernel import kid
from gancompare.scoring.metrics.manifold import density_coverage, precision_recall
from gancompare.scoring.metrics.similarity import ms_ssim_pairs, nearest_neighbours

HOLED = np.where(np.arange(20)[:, None] == 3, np.nan, np.random.default_rng(0).standard_normal((20, 8)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: frechet_distance(x(0, 20), HOLED), "fake features: 1 of 20 rows hold NaN .* diverged"),
        (lambda x: frechet_distance(x(0, 20), np.full((20, 8), np.inf)), "20 of 20 rows"),
        (lambda x: kid(HOLED, x(0, 20)), "real features: 1 of 20"),
        (lambda x: precision_recall(x(0, 20), HOLED), "fake features: 1 of 20"),
        (lambda x: density_coverage(x(0, 20), HOLED), "fake features: 1 of 20"),
        (lambda x: frechet_distance(x(0, 1), x(1, 9)), "real features: 1 rows, .* at least 2"),
        (lambda x: frechet_distance(x(0, 9), x(1, 0)), "fake features: 0 rows"),
        (lambda x: frechet_distance(x(0, 9, 3), x(1, 9, 4)), "3 columns, fake 4: use one extractor"),
        (lambda x: frechet_distance(np.zeros(5), x(1, 9)), "one row per image"),
        (lambda x: frechet_distance_of_statistics([0], [[1]], [0, 0], [[1]]), "use one extractor"),
        (lambda x: kid(x(0, 3), x(1, 9)), "at least 4"),
        (lambda x: precision_recall(x(0, 9), x(1, 3), k=3), "fake features: 3 rows, .* at least 4"),
        (lambda x: density_coverage(x(0, 5), x(1, 9), k=5), "real features: 5 rows, .* at least 6"),
        (lambda x: copy_score(HOLED, x(0, 50), x(1, 150)), "fake images: 1 of 20"),
        (lambda x: copy_score(x(0, 9), x(0, 50), x(1, 99)), "held-out images: 99 .* at least 100"),
        (lambda x: copy_score(x(0, 9, 3), x(0, 50), x(1, 150)), "differ in size"),
        (lambda x: copy_score(x(0, 9), x(1, 150), x(1, 150)), "remove duplicates"),
    ],
)
def test_features(call, message, normal):
    with pytest.raises(ValueError, match=message):
        call(normal)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, rng: frechet_infinity(x(0, 63), x(1, 90), rng), "needs 64 images for 8 features, not 63"),
        (lambda x, rng: score_features(x(0, 5), x(1, 9), rng=rng), "at least 6"),
        (lambda x, rng: inception_score(x(0, 20), 2, rng), "softmax of the logits"),
        (lambda x, rng: inception_score(np.eye(2)[[0, 1, 0]], 2, rng), "at least 4"),
        (lambda x, rng: inception_score(np.eye(2)[[0, 1, 0]], 1, rng), "splits is 1: take 2"),
    ],
)
def test_features_and_probabilities_that_are_shuffled(call, message, normal, rng):
    with pytest.raises(ValueError, match=message):
        call(normal, rng)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1, 5], 3), "0 to 5 do not fit 3 classes"),
        (([0.5, 1], 3), "pass integers"),
        ((np.zeros(0, int), 3), "pass integers"),
        (([0, 1], 2, [0, 0]), "real images per class"),
        (([0, 1], 2, [1, np.nan]), "real images per class"),
    ],
)
def test_labels(arguments, message):
    with pytest.raises(ValueError, match=message):
        class_report(*arguments)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, rng: ms_ssim_pairs(x(0, 1), 2, rng), "at least 2"),
        (lambda x, rng: ms_ssim_pairs(x(0, 3, side=7), 2, rng), "8 × 8 pixels"),
        (lambda x, rng: ms_ssim_pairs(x(0, 3), 0, rng), "pairs is 0"),
        (lambda x, rng: ms_ssim_pairs(x(0, 3) / 255, 2, rng), "pass uint8"),
        (lambda x, rng: nearest_neighbours(x(0, 3), x(1, 3, 12)), "resize one set"),
        (lambda x, rng: nearest_neighbours(x(0, 3), x(1, 3), k=4), "at least 4"),
    ],
)
def test_images(call, message, pictures, rng):
    with pytest.raises(ValueError, match=message):
        call(pictures, rng)
