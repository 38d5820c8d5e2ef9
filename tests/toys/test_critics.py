"""Critics of points against gradients, constants and optima that are known by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from gancompare.base.streams import stream
from gancompare.objectives import METHODS, interpolate
from gancompare.scoring.diagnostics.slopes import input_gradient
from gancompare.toys.critics import (
    empirical_lipschitz,
    fit_critic,
    generator_gradients,
    mlp_critic,
    objective_named,
    surfaces,
    value_surface,
)
from gancompare.toys.deep import weights_of
from gancompare.toys.points import TOYS, noisy, sample

SLANT = torch.tensor([3.0, -4.0])  # of length 5


def linear_critic(slope=SLANT):
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(slope)
    return nn.Sequential(layer, nn.Flatten(0))


def test_an_objective_takes_the_settings_that_it_has():
    assert objective_named("gan", 0.1, 2.0) == METHODS["gan"]()
    assert objective_named("wgan", 0.1, 2.0) == METHODS["wgan"](clip=0.1)
    assert objective_named("gan-gp", 0.1, 2.0) == METHODS["gan-gp"](penalty_weight=2.0)


def test_an_arm_sets_its_own_critic_steps_and_its_settings_win():
    assert objective_named("gan-5", 0.1, 2.0) == METHODS["gan"](n_critic=5)
    assert objective_named("wgan:clip=0.5,n_critic=2", 0.1, 2.0) == METHODS["wgan"](clip=0.5, n_critic=2)


@pytest.mark.parametrize(
    ("arm", "message"), [("vae", "'vae': choose one of gan, "), ("gan:clip=1", "only n_critic can be set")]
)
def test_an_arm_that_cannot_be_trained_on_points_is_an_error(arm, message):
    with pytest.raises(ValueError, match=message):
        objective_named(arm, 0.1, 2.0)


class TestCritic:
    def test_a_linear_one_has_its_weight_as_gradient_and_as_lipschitz_constant(self, rng):
        real, fake = torch.randn(2, 50, 2, generator=rng)
        torch.testing.assert_close(input_gradient(linear_critic(), real), SLANT.repeat(50, 1))
        assert empirical_lipschitz(linear_critic(), real, fake, rng=rng) == pytest.approx(5)

    def test_the_surface_of_a_linear_one_has_x_along_the_columns_and_y_along_the_rows(self):
        surface = value_surface(linear_critic(), points=7)
        np.testing.assert_allclose(np.diff(surface, axis=1), 3, rtol=1e-5)
        np.testing.assert_allclose(np.diff(surface, axis=0), -4, rtol=1e-5)

    def test_scores_of_one_pass_are_those_of_two(self, rng):
        critic, points = mlp_critic(16, 3, rng), torch.randn(6, 2, generator=rng)
        torch.testing.assert_close(critic(points), torch.cat([critic(points[:2]), critic(points[2:])]))

    def test_clipping_leaves_weights_at_the_bound_and_the_penalty_leaves_gradients_of_norm_one(self):
        critic = mlp_critic(16, 3, stream(0, "weights"))
        weights = weights_of(fit_critic(METHODS["wgan"](clip=0.05), critic, "8gaussians", seed=0, steps=5))
        assert np.abs(weights).max() == np.float32(0.05)
        penalised = mlp_critic(32, 3, stream(0, "weights"))
        with torch.no_grad():
            for parameter in penalised[-2].parameters():
                parameter *= 5  # slopes far above 1
        fit_critic(METHODS["wgan-gp"](), penalised, "8gaussians", seed=0, steps=400)
        held = stream(1, "evaluation")
        real, fake = sample("8gaussians", 256, held), noisy("8gaussians", 256, held)
        between = interpolate(real, fake, held)
        norms = input_gradient(penalised, between).norm(dim=1)
        assert norms.mean().item() == pytest.approx(1, abs=0.3)

    def test_a_fit_brings_the_estimate_nearer_to_the_exact_distance_and_never_above(self):
        objective, shares = {"wgan-gp": METHODS["wgan-gp"](penalty_weight=1.0)}, []
        for steps in (0, 150):
            fitted = surfaces(objective, seed=0, steps=steps, width=32)
            assert set(fitted) == {(toy, "wgan-gp") for toy in TOYS}
            shares.append(np.array([share for _, share in fitted.values()]))
        assert (shares[0] + 0.2 < shares[1]).all()
        assert (shares[1] < 1.05).all()  # the largest slope that is met is a little below the largest there is


class TestSaturation:
    """Data and samples two apart, with a critic near its optimum."""

    def norms(self, method):
        return generator_gradients(METHODS[method](), seed=0, critic_steps=[0, 300], width=32)["norm"]

    def test_the_minimax_gradient_vanishes_and_the_wasserstein_gradient_does_not(self):
        start, end = self.norms("gan-minimax")
        assert end < 0.01 * start
        _, wasserstein = self.norms("wgan-gp")
        assert wasserstein == pytest.approx(1.1, abs=0.2)  # its value at the optimum
        assert end < 0.01 * wasserstein

    def test_the_non_saturating_gradient_does_not_vanish(self):
        start, end = self.norms("gan")
        assert end > start
