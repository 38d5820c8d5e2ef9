"""The critic's gradients by images, and its Lipschitz estimate."""

import numpy as np
import pytest
import torch
from torch import nn

from gancompare.scoring.diagnostics.slopes import QUANTILES, distribution, input_gradient_norms, lipschitz_estimate


def test_slopes_of_images_are_told_apart(images, chain):
    critic = chain(nn.Linear(12, 1), nn.Softplus())  # slope sigmoid(w·x) ‖w‖
    w, b = critic[1].weight.detach().flatten(), critic[1].bias.item()
    x = images()
    expected = torch.sigmoid(x.flatten(1) @ w + b) * w.norm()
    torch.testing.assert_close(input_gradient_norms(critic, x), expected)


def test_distribution_is_numpys(seeded):
    values = torch.rand(37, generator=seeded(), dtype=torch.float64)
    measured = distribution(values)
    for name, q in QUANTILES.items():
        assert measured[name] == pytest.approx(np.quantile(values.numpy(), q))
    assert measured["mean"] == pytest.approx(values.numpy().mean())


def test_lipschitz_estimate_of_a_linear_critic_is_exact_along_its_weights(images, linear):
    critic, w = linear
    fake = images(seed=1)
    along = fake + torch.tensor([0.1, -0.2, 0.3, 0.01, 1, 2], dtype=torch.float64).view(-1, 1, 1, 1) * w.view(1, 3, 4)
    assert lipschitz_estimate(critic, along, fake) == pytest.approx(w.norm().item(), rel=1e-9)
    other = images(seed=2)
    apart = (other - fake).flatten(1)
    expected = ((apart @ w).abs() / apart.norm(dim=1)).max().item()
    assert lipschitz_estimate(critic, other, fake) == pytest.approx(expected, rel=1e-9)


def test_lipschitz_estimate_sees_a_part_of_a_line_that_is_steeper_than_the_whole(chain):
    critic = chain(nn.Linear(12, 1, bias=False), nn.ReLU())
    w = critic[1].weight.detach().flatten()
    real = (w / w.norm()).view(1, 1, 3, 4)  # from -w to w the critic is flat for the first half
    assert lipschitz_estimate(critic, real, -real) == pytest.approx(w.norm().item(), rel=1e-9)
    assert lipschitz_estimate(critic, real, -real, points=2) == pytest.approx(w.norm().item() / 2, rel=1e-9)


def test_lipschitz_estimate_of_equal_images_is_zero(images, linear):
    critic, w = linear
    x = images()
    assert lipschitz_estimate(critic, x, x) == 0
    one_apart = x.clone()
    one_apart[2] += w.view(1, 3, 4)
    assert lipschitz_estimate(critic, one_apart, x) == pytest.approx(w.norm().item(), rel=1e-9)
