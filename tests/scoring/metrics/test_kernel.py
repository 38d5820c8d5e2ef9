"""KID against its expectation and two other implementations."""

import math
import warnings

import numpy as np
import pytest
import torch
from torch_fidelity.metric_kid import kernel_mmd
from torchmetrics.image.kid import KernelInceptionDistance

from gancompare.scoring.metrics.kernel import kid

FEATURES = 8


def test_kid_is_unbiased_and_keeps_negatives(normal):
    values, errors = np.transpose([kid(normal(i, 60), normal(1000 + i, 60)) for i in range(300)])
    assert abs(values.mean()) < 3 * values.std(ddof=1) / math.sqrt(300)
    assert 0.3 < (values < 0).mean() < 0.8
    assert errors.mean() > values.std(ddof=1)  # cautious under equality, as its docstring says


def test_kid_of_unequal_distributions_has_the_stated_error(normal):
    values, errors = np.transpose([kid(normal(i, 200), normal(1000 + i, 200, shift=0.5)) for i in range(60)])
    # E k(x, x') + E k(y, y') − 2 E k(x, y) for k = (1 + x·y/d)³, by drawing
    draws = normal(5, 200_000), normal(6, 200_000), normal(7, 200_000, shift=0.5), normal(8, 200_000, shift=0.5)
    kernel = [((a * b).sum(1) / FEATURES + 1) ** 3 for a, b in ((draws[0], draws[1]), (draws[2], draws[3]))]
    cross = [((a * b).sum(1) / FEATURES + 1) ** 3 for a, b in ((draws[0], draws[2]), (draws[1], draws[3]))]
    expected = kernel[0].mean() + kernel[1].mean() - cross[0].mean() - cross[1].mean()
    assert values.mean() == pytest.approx(expected, rel=0.05)
    assert 0.7 < errors.mean() / values.std(ddof=1) < 1.5


def test_error_of_kid_is_that_of_disjoint_blocks(normal):
    real, fake = normal(0, 200), normal(1, 150, shift=0.5)
    blocks = [kid(real[block::10], fake[block::10]).value for block in range(10)]
    assert kid(real, fake).standard_error == pytest.approx(np.std(blocks, ddof=1) / math.sqrt(10))


def test_kid_agrees_with_other_implementations(record_property, normal):
    real, fake = normal(0, 300, 32), normal(1, 300, 32, shift=0.2)
    module = torch.nn.Identity()
    module.num_features = 32  # without it torchmetrics would try an image on the module
    with warnings.catch_warnings(action="ignore"):
        metric = KernelInceptionDistance(feature=module, subsets=1, subset_size=300)
    metric.update(torch.tensor(real), real=True)
    metric.update(torch.tensor(fake), real=False)
    theirs = metric.compute()[0].item()
    options = {"kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1}
    fidelity_value = kernel_mmd(real, fake, kid_kernel="poly", **options)
    ours = kid(real, fake).value
    record_property("relative_difference", float(max(abs(ours / theirs - 1), abs(ours / fidelity_value - 1))))
    assert ours == pytest.approx(theirs, rel=1e-10)
    assert ours == pytest.approx(fidelity_value, rel=1e-10)
