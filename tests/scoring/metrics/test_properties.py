"""What holds for every metric of real and fake features."""

import numpy as np
import pytest
import torch

from gancompare.scoring.feature_scores import score_features
from gancompare.scoring.metrics.frechet import frechet_distance
from gancompare.scoring.metrics.kernel import kid
from gancompare.scoring.metrics.manifold import density_coverage, precision_recall

FEATURES = 8
PAIRED = {  # every metric of real and fake features, as one number
    "fd": frechet_distance,
    "kid": lambda real, fake: kid(real, fake).value,
    "precision": lambda real, fake: precision_recall(real, fake)[0],
    "recall": lambda real, fake: precision_recall(real, fake)[1],
    "density": lambda real, fake: density_coverage(real, fake)[0],
    "coverage": lambda real, fake: density_coverage(real, fake)[1],
}
CHUNKED = {  # those that hold a part of a large matrix at once
    "kid": lambda real, fake, chunk: kid(real, fake, chunk=chunk).value,
    "precision": lambda real, fake, chunk: precision_recall(real, fake, chunk=chunk)[0],
    "recall": lambda real, fake, chunk: precision_recall(real, fake, chunk=chunk)[1],
    "density": lambda real, fake, chunk: density_coverage(real, fake, chunk=chunk)[0],
    "coverage": lambda real, fake, chunk: density_coverage(real, fake, chunk=chunk)[1],
}


@pytest.mark.parametrize(
    ("name", "ideal"), [("fd", 0), ("precision", 1), ("recall", 1), ("density", 1), ("coverage", 1)]
)
@pytest.mark.parametrize("offset", [0, 1e4])
def test_identity_gives_the_ideal_value(name, ideal, offset, normal):
    real = normal(0, 200) + offset
    assert PAIRED[name](real, real) == pytest.approx(ideal, abs=1e-9)
    # a copy in another order: what lies on the border of a ball must still count as outside
    assert PAIRED[name](real, real[::-1].copy()) == pytest.approx(ideal, abs=1e-9)


@pytest.mark.parametrize("name", PAIRED)
def test_order_of_images_does_not_matter(name, rng, normal):
    real, fake = normal(0, 150), normal(1, 120, shift=0.3)
    shuffled = PAIRED[name](rng.permutation(real), rng.permutation(fake))
    assert shuffled == pytest.approx(PAIRED[name](real, fake), rel=1e-10)


@pytest.mark.parametrize("name", CHUNKED)
def test_chunks_do_not_matter(name, normal):
    real, fake = normal(0, 150), normal(1, 120, shift=0.3)
    assert CHUNKED[name](real, fake, 7) == pytest.approx(PAIRED[name](real, fake), rel=1e-10)


@pytest.mark.parametrize("name", PAIRED)
def test_arrays_and_tensors_of_any_float_type_score_alike(name, normal):
    real, fake = normal(0, 60).astype(np.float32), normal(1, 60).astype(np.float32)
    expected = PAIRED[name](real, fake)
    assert PAIRED[name](torch.from_numpy(real).requires_grad_(), torch.from_numpy(fake)) == expected
    assert PAIRED[name](real.astype(np.float64), fake) == expected


@pytest.mark.parametrize(
    ("name", "sign"), [("fd", 1), ("kid", 1), ("precision", -1), ("density", -1), ("coverage", -1)]
)
def test_more_noise_scores_worse(name, sign, normal):
    real, clean, noise = normal(0, 500), normal(1, 500), normal(2, 500)
    values = [sign * PAIRED[name](real, clean + level * noise) for level in (0, 0.5, 1, 2, 4)]
    assert values == sorted(values)
    assert values[-1] > values[0]


@pytest.mark.parametrize(("name", "sign"), [("fd", 1), ("kid", 1), ("recall", -1), ("coverage", -1)])
def test_dropping_modes_scores_worse(name, sign, normal):
    centres = 6 * np.eye(FEATURES)[:5]  # equally far apart, so that it does not matter which one goes
    real = centres[np.arange(500) % 5] + normal(0, 500)
    values = [sign * PAIRED[name](real, centres[np.arange(500) % modes] + normal(1, 500)) for modes in (5, 4, 3, 2, 1)]
    assert values == sorted(values)
    assert values[-1] > values[0]


@pytest.mark.parametrize("value", [0.0, 3.3])
def test_constant_features_have_finite_scores(value, rng, normal):
    constant, varied = np.full((100, FEATURES), value), normal(0, 100)
    for real, fake in ((constant, constant), (constant, varied), (varied, constant)):
        scores = score_features(real, fake, rng=rng)
        assert all(np.isfinite(number) for number in scores.values())
    assert frechet_distance(constant, constant) == pytest.approx(0, abs=1e-12)
    assert precision_recall(varied, constant)[1] == 0  # a collapsed generator covers nothing
