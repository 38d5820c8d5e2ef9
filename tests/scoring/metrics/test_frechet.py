"""The Fréchet distance against closed forms and five other implementations."""

import inspect
import math

import numpy as np
import pytest
import torch
from pytorch_fid import fid_score
from scipy import linalg
from torch_fidelity import metric_fid
from torchmetrics.image.fid import FrechetInceptionDistance

from gancompare.scoring.metrics.frechet import (
    frechet_distance,
    frechet_distance_of_statistics,
    frechet_infinity,
)

FEATURES = 8


def test_frechet_distance_of_shifted_and_scaled_gaussians_is_the_closed_form():
    mean, identity = np.linspace(-1, 2, FEATURES), np.eye(FEATURES)
    shifted = frechet_distance_of_statistics(np.zeros(FEATURES), identity, mean, identity)
    assert shifted == pytest.approx(mean @ mean, rel=1e-14)
    scaled = frechet_distance_of_statistics(mean, identity, mean, 9 * identity)
    assert scaled == pytest.approx(FEATURES * (3 - 1) ** 2, rel=1e-14)


@pytest.mark.parametrize("n", [3, 5, 500])  # the first two have singular covariances
def test_frechet_distance_is_symmetric_and_follows_rotations(n, normal):
    real, fake = normal(0, n), normal(1, n, scale=2) + 1
    rotation = np.linalg.qr(normal(2, FEATURES))[0]
    expected = frechet_distance(real, fake)
    assert frechet_distance(fake, real) == pytest.approx(expected, rel=1e-13)
    assert frechet_distance(real @ rotation, fake @ rotation) == pytest.approx(expected, rel=1e-12)
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-12)


def frechet_by_square_root(real, fake):
    means, covariances = (real.mean(0), fake.mean(0)), (np.cov(real.T), np.cov(fake.T))
    root = linalg.sqrtm(covariances[0] @ covariances[1])
    return float(np.sum((means[0] - means[1]) ** 2) + np.trace(covariances[0] + covariances[1] - 2 * root.real))


def frechet_by_eigenvalues(real, fake):
    s1, s2 = torch.cov(torch.tensor(real.T)), torch.cov(torch.tensor(fake.T))
    shared = torch.linalg.eigvals(s1 @ s2).real.clip(0).sqrt().sum()
    return float(np.sum((real.mean(0) - fake.mean(0)) ** 2) + s1.trace() + s2.trace() - 2 * shared)


def frechet_by_torchmetrics(real, fake):
    module = torch.nn.Identity()
    module.num_features = real.shape[1]  # without it torchmetrics would try an image on the module
    metric = FrechetInceptionDistance(feature=module)
    metric.update(torch.tensor(real), real=True)
    metric.update(torch.tensor(fake), real=False)
    return metric.compute().item()


def frechet_by_pytorch_fid(real, fake):
    if "disp" not in inspect.signature(linalg.sqrtm).parameters:
        pytest.skip("no oracle: pytorch-fid passes sqrtm a flag that this scipy no longer has")
    return fid_score.calculate_frechet_distance(real.mean(0), np.cov(real.T), fake.mean(0), np.cov(fake.T))


def frechet_by_torch_fidelity(real, fake):
    statistics = [metric_fid.fid_features_to_statistics(torch.tensor(x)) for x in (real, fake)]
    return metric_fid.fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]


@pytest.mark.parametrize(
    "oracle",
    [
        frechet_by_square_root,
        frechet_by_eigenvalues,
        frechet_by_torchmetrics,
        frechet_by_pytorch_fid,
        frechet_by_torch_fidelity,
    ],
)
@pytest.mark.parametrize("n", [1000, 40])
def test_frechet_distance_agrees_with_other_implementations(oracle, n, record_property, normal):
    real = normal(0, n, 64) @ normal(3, 64, 64) + 5
    fake = normal(1, n, 64) @ normal(4, 64, 64)
    ours, theirs = frechet_distance(real, fake), oracle(real, fake)
    record_property("relative_difference", float(abs(ours / theirs - 1)))
    # 40 rows of 64 columns: the square roots of eigenvalues that should be 0 but are 1e-16 cost half of the digits
    assert ours == pytest.approx(theirs, rel=1e-12 if n > 64 else 1e-6)


def test_frechet_infinity_removes_the_bias_and_knows_its_error(rng, normal):
    shift, draws = 0.25, 20
    closed_form = FEATURES * shift**2
    plain, fitted = [], []
    for i in range(draws):
        real, fake = normal(i, 400), normal(1000 + i, 400, shift=shift)
        plain.append(frechet_distance(real, fake))
        fitted.append(frechet_infinity(real, fake, rng))
    values, errors = np.transpose(fitted)
    spread = values.std(ddof=1) / math.sqrt(draws)
    assert abs(values.mean() - closed_form) < 3 * spread < 0.2 * closed_form
    assert np.mean(plain) - closed_form > 5 * spread
    assert 0.7 < errors.mean() / values.std(ddof=1) < 1.5  # 20 draws know a spread to 16 %


def test_frechet_infinity_of_equal_distributions_is_zero_within_its_error(rng, normal):
    values, errors = np.transpose([frechet_infinity(normal(i, 256), normal(1000 + i, 256), rng) for i in range(20)])
    assert abs(values.mean()) < 3 * values.std(ddof=1) / math.sqrt(20)
    assert (np.abs(values) < 2 * errors).mean() >= 0.9
    assert values.min() < 0  # not clipped


def test_frechet_infinity_repeats_with_its_generator(normal):
    real, fake = normal(0, 100), normal(1, 90)
    first, again, other = (frechet_infinity(real, fake, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert first == again != other
