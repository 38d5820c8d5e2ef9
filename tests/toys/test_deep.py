"""Deep critics against nets whose gradients are known by hand, and against made-up ones."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from gancompare.objectives import METHODS
from gancompare.scoring.diagnostics.layers import layer_gradient_norms
from gancompare.toys.deep import (
    DeepCritic,
    against_the_paper,
    deep_critics,
    factor_per_layer,
    share_at_extremes,
    verdict,
)


@pytest.mark.parametrize("weights", [[-0.1, 0.1, 0.05, 0], [-0.01, 0.01, 0.005, 0]])
def test_share_at_extremes_by_hand(weights):
    assert share_at_extremes(np.array(weights)) == 0.5


class TestDepth:
    def deep_linear(self, factor, depth):
        """Each layer turns and scales by ``factor``; the ReLUs see only positive numbers, so they change nothing."""
        layers = []
        for _ in range(depth):
            layer = nn.Linear(2, 2, bias=False)
            nn.init.constant_(layer.weight, factor / 2)  # the all-halves matrix maps (1, 1) onto itself
            layers += [layer, nn.ReLU()]
        last = nn.Linear(2, 1, bias=False)
        nn.init.constant_(last.weight, 1.0)
        return nn.Sequential(*layers, last, nn.Flatten(0))

    @pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
    def test_the_factor_per_layer_of_a_net_that_scales_by_it(self, factor, rng):
        real, fake = torch.rand(2, 8, 2, generator=rng) + 0.1
        net = self.deep_linear(factor, 6)
        norms = layer_gradient_norms(net, METHODS["wgan"](), real=real, fake=fake, rng=rng)
        norms = np.array([*norms.values()][1:])
        np.testing.assert_allclose(norms[-1], math.sqrt(2), rtol=1e-5)  # of (1, 1)
        fitted, r_squared = factor_per_layer(norms)
        assert fitted == pytest.approx(factor, rel=1e-5)
        assert factor == 1 or r_squared == pytest.approx(1)

    def test_the_law_and_its_agreement_with_the_paper(self):
        """Norms and weights made up: one arm grows, one decays, one is flat though clipped, one is penalised."""
        flat, depth = np.array([0.1, -0.1, 0.05, 0.0]), np.arange(12)
        made = [("grows", 2.0), ("decays", 0.5), ("flat", 1.01), ("penalty", 0.95)]
        weights = {"grows": np.array([0.1, -0.1, 0.1, 0.0]), "penalty": np.linspace(-1, 1, 1001)}
        critics = [
            DeepCritic(arm, seed, 3.0**-depth, factor ** -(depth + seed), weights.get(arm, flat), 0.5)
            for arm, factor in made
            for seed in range(2)
        ]
        table = against_the_paper(critics, "penalty").set_index("arm")
        np.testing.assert_allclose(table["factor"], [factor for _, factor in made])
        assert table["law"].tolist() == ["grows", "decays", "neither", "neither"]
        assert table["law_as_published"].tolist() == [True, True, False, True]
        assert table["weights_as_published"].tolist() == [True, False, False, True]
        assert table["pushed"].tolist() == [True, False, False, False]
        np.testing.assert_allclose(table["factor_at_start"], 3)
        assert table["seeds"].tolist() == [2] * 4
        grows, _, flat_arm, penalty = verdict(table.reset_index()).splitlines()
        assert grows.startswith("- grows: towards the input the gradient grows (×2 per layer, 2 to 2 over 2 seeds")
        assert "before training ×3)" in grows
        assert grows.endswith("50.00% before training, 75.0% after it: as published.")
        assert flat_arm.count("**not** as published") == 2
        assert penalty.count(" as published") == 2
        assert "**not**" not in penalty

    def test_a_layer_without_gradient_is_no_law(self):
        dead = DeepCritic("p", 0, np.ones(3), np.array([0.0, 1, 1]), np.ones(2), 1)
        table = against_the_paper([dead], "p")
        assert table["law"].item() == "vanishes"
        assert not table["law_as_published"].item()
        assert "the gradient vanishes (×nan" in verdict(table)

    def test_seeds_that_disagree_have_no_law(self):
        critics = [
            DeepCritic("a", seed, np.ones(12), f ** np.arange(12.0), np.ones(2), 0) for seed, f in enumerate((0.5, 2))
        ]
        assert against_the_paper(critics, "p")["law"].item() == "mixed"

    def test_a_penalised_arm_that_is_flat_in_one_seed_only_is_not_as_published(self):
        critics = [
            DeepCritic("p", seed, np.ones(12), f ** np.arange(12.0), np.linspace(-1, 1, 999), 0)
            for seed, f in enumerate((1.0, 1.5))
        ]
        table = against_the_paper(critics, "p")
        assert table["law"].item() == "mixed"
        assert not table["law_as_published"].item()

    def test_training_alone_makes_the_law_and_pushes_the_weights(self):
        """At c = 0.001 gradients are so small that in float32 no weight would move."""
        arms = {"clip": METHODS["wgan"](clip=0.001), "penalty": METHODS["wgan-gp"]()}
        clipped, penalised = deep_critics(arms, seeds=1, steps=150, width=16, depth=8)
        assert clipped.norms_at_start[0] < 1e-12 * clipped.norms_at_start[-1]
        assert clipped.extreme_at_start < 0.01  # one weight a layer
        assert np.abs(clipped.weights).max() <= 0.001
        assert share_at_extremes(clipped.weights) > 0.05
        assert factor_per_layer(clipped.norms)[0] > 2 * factor_per_layer(clipped.norms_at_start)[0]
        assert factor_per_layer(penalised.norms)[0] == pytest.approx(1, abs=0.3)
