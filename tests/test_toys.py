"""toys.py against distances, gradients and counts that are known by hand."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from gancompare.base.streams import stream
from gancompare.objectives import METHODS
from gancompare.toys import toys

SLANT = torch.tensor([3.0, -4.0])  # of length 5


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(0)


def linear_critic(slope=SLANT):
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(slope)
    return nn.Sequential(layer, nn.Flatten(0))


def test_an_objective_takes_the_settings_that_it_has():
    assert toys.objective_named("gan", 0.1, 2.0) == METHODS["gan"]()
    assert toys.objective_named("wgan", 0.1, 2.0) == METHODS["wgan"](clip=0.1)
    assert toys.objective_named("gan-gp", 0.1, 2.0) == METHODS["gan-gp"](penalty_weight=2.0)


class TestData:
    def test_eight_gaussians_lie_on_a_circle(self, rng):
        centres = toys.TOYS["8gaussians"].centres
        torch.testing.assert_close(centres.norm(dim=1), torch.full((8,), 2 / 1.414))
        assert torch.pdist(centres).min().item() == pytest.approx(2 / 1.414 * 2 * math.sin(math.pi / 8), rel=1e-5)

    def test_twenty_five_gaussians_form_a_square_grid(self):
        centres = toys.TOYS["25gaussians"].centres
        assert centres.shape == (25, 2)
        assert centres.max().item() == pytest.approx(4 / 2.828)
        assert torch.pdist(centres).min().item() == pytest.approx(2 / 2.828, rel=1e-5)

    @pytest.mark.parametrize(("toy", "spread"), [("8gaussians", 0.02 / 1.414), ("25gaussians", 0.05 / 2.828)])
    def test_modes_are_equally_likely_and_as_wide_as_said(self, toy, spread, rng):
        samples, centres = toys.sample(toy, 20_000, rng), toys.TOYS[toy].centres
        distance, nearest = torch.cdist(samples, centres).min(dim=1)
        assert toys.TOYS[toy].spread == pytest.approx(spread)
        assert distance.square().mean().div(2).sqrt().item() == pytest.approx(spread, rel=0.02)  # 2 dimensions
        share = 1 / len(centres)
        np.testing.assert_allclose(nearest.bincount() / 20_000, share, atol=5 * math.sqrt(share / 20_000))

    def test_swiss_roll_is_the_one_of_scikit_learn(self, rng):
        datasets = pytest.importorskip("sklearn.datasets")
        theirs = torch.tensor(datasets.make_swiss_roll(400, noise=0.25, random_state=0)[0][:, [0, 2]] / 7.5)
        ours = toys.sample("swissroll", 400, rng)
        floor = toys.wasserstein(ours, toys.sample("swissroll", 400, rng))
        assert toys.wasserstein(ours, theirs) < 1.5 * floor

    def test_another_name_is_an_error(self, rng):
        with pytest.raises(ValueError, match=r"toy '9gaussians': choose one of 8gaussians, 25gaussians, swissroll"):
            toys.sample("9gaussians", 1, rng)


class TestDistance:
    def test_of_two_points_is_the_line_between_them(self):
        assert toys.wasserstein(torch.zeros(1, 2), SLANT[None]) == pytest.approx(5)

    def test_of_a_translated_sample_is_the_translation(self, rng):
        samples = toys.sample("swissroll", 100, rng).double()
        assert toys.wasserstein(samples, samples + SLANT) == pytest.approx(5)
        assert toys.wasserstein(samples, samples.flip(0)) == pytest.approx(0, abs=1e-9)

    def test_weighs_points_equally_also_where_sets_differ_in_size(self):
        line = torch.tensor([[0.0, 0.0], [4.0, 0.0]])
        assert toys.wasserstein(line, torch.zeros(3, 2)) == pytest.approx(2)

    def test_refuses_samples_that_are_not_finite(self):
        with pytest.raises(ValueError, match="another clip"):
            toys.wasserstein(torch.zeros(1, 2), torch.tensor([[math.nan, 0]]))


class TestModes:
    centres, spread = toys.TOYS["8gaussians"].centres, 0.1

    def test_all(self):
        samples = self.centres + 0.29 * torch.tensor([1.0, 0.0])
        assert toys.modes(samples, self.centres, self.spread) == (8, 1)

    def test_one(self):
        samples = torch.cat([self.centres[:1].repeat(3, 1), torch.zeros(1, 2)])
        assert toys.modes(samples, self.centres, self.spread) == (1, 0.75)

    def test_none(self):
        samples = 1.5 * self.centres
        assert toys.modes(samples, self.centres, self.spread) == (0, 0)


class TestCritic:
    def test_a_linear_one_has_its_weight_as_gradient_and_as_lipschitz_constant(self, rng):
        real, fake = torch.randn(2, 50, 2, generator=rng)
        torch.testing.assert_close(toys.input_gradient(linear_critic(), real), SLANT.repeat(50, 1))
        assert toys.empirical_lipschitz(linear_critic(), real, fake, rng) == pytest.approx(5)

    def test_the_surface_of_a_linear_one_has_x_along_the_columns_and_y_along_the_rows(self):
        surface = toys.value_surface(linear_critic(), points=7)
        np.testing.assert_allclose(np.diff(surface, axis=1), 3, rtol=1e-5)
        np.testing.assert_allclose(np.diff(surface, axis=0), -4, rtol=1e-5)

    def test_scores_of_one_pass_are_those_of_two(self, rng):
        critic, points = toys.mlp_critic(16, 3, rng), torch.randn(6, 2, generator=rng)
        torch.testing.assert_close(critic(points), torch.cat([critic(points[:2]), critic(points[2:])]))

    def test_clipping_leaves_weights_at_the_bound_and_the_penalty_leaves_gradients_of_norm_one(self):
        critic = toys.mlp_critic(16, 3, stream(0, "weights"))
        weights = toys.weights_of(toys.fit_critic(METHODS["wgan"](clip=0.05), critic, "8gaussians", seed=0, steps=5))
        assert np.abs(weights).max() == np.float32(0.05)
        penalised = toys.mlp_critic(32, 3, stream(0, "weights"))
        with torch.no_grad():
            for parameter in penalised[-2].parameters():
                parameter *= 5  # slopes far above 1
        toys.fit_critic(METHODS["wgan-gp"](), penalised, "8gaussians", seed=0, steps=400)
        held = stream(1, "evaluation")
        real, fake = toys.sample("8gaussians", 256, held), toys.noisy("8gaussians", 256, held)
        between = toys.interpolate(real, fake, held)
        norms = toys.input_gradient(penalised, between).norm(dim=1)
        assert norms.mean().item() == pytest.approx(1, abs=0.3)

    def test_a_fit_brings_the_estimate_nearer_to_the_exact_distance_and_never_above(self):
        objective, shares = {"wgan-gp": METHODS["wgan-gp"](penalty_weight=1.0)}, []
        for steps in (0, 150):
            found = toys.surfaces(objective, seed=0, steps=steps, width=32)
            assert set(found) == {(toy, "wgan-gp") for toy in toys.TOYS}
            shares.append(np.array([share for _, share in found.values()]))
        assert (shares[0] + 0.2 < shares[1]).all()
        assert (shares[1] < 1.05).all()  # the largest slope that is met is a little below the largest there is


@pytest.mark.parametrize("weights", [[-0.1, 0.1, 0.05, 0], [-0.01, 0.01, 0.005, 0]])
def test_share_at_extremes_by_hand(weights):
    assert toys.share_at_extremes(np.array(weights)) == 0.5


class TestSaturation:
    """Data and samples two apart, with a critic near its optimum."""

    def norms(self, method):
        return toys.generator_gradients(METHODS[method](), seed=0, at=[0, 300], width=32)["norm"]

    def test_the_minimax_gradient_vanishes_and_the_wasserstein_gradient_does_not(self):
        start, end = self.norms("gan-minimax")
        assert end < 0.01 * start
        _, wasserstein = self.norms("wgan-gp")
        assert wasserstein == pytest.approx(1.1, abs=0.2)  # its value at the optimum
        assert end < 0.01 * wasserstein

    def test_the_non_saturating_gradient_does_not_vanish(self):
        start, end = self.norms("gan")
        assert end > start


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
        points = torch.rand(2, 8, 2, generator=rng) + 0.1
        norms = toys.layer_gradient_norms(self.deep_linear(factor, 6), METHODS["wgan"](), *points, rng)
        norms = np.array([*norms.values()][1:])
        np.testing.assert_allclose(norms[-1], math.sqrt(2), rtol=1e-5)  # of (1, 1)
        found, r_squared = toys.factor_per_layer(norms)
        assert found == pytest.approx(factor, rel=1e-5)
        assert factor == 1 or r_squared == pytest.approx(1)

    def test_the_law_and_its_agreement_with_the_paper(self):
        """Norms and weights made up: one arm grows, one decays, one is flat though clipped, one is penalised."""
        flat, depth = np.array([0.1, -0.1, 0.05, 0.0]), np.arange(12)
        made = [("grows", 2.0), ("decays", 0.5), ("flat", 1.01), ("penalty", 0.95)]
        weights = {"grows": np.array([0.1, -0.1, 0.1, 0.0]), "penalty": np.linspace(-1, 1, 1001)}
        critics = [
            toys.DeepCritic(arm, seed, 3.0**-depth, factor ** -(depth + seed), weights.get(arm, flat), 0.5)
            for arm, factor in made
            for seed in range(2)
        ]
        table = toys.against_the_paper(critics, "penalty").set_index("arm")
        np.testing.assert_allclose(table["factor"], [factor for _, factor in made])
        assert table["law"].tolist() == ["grows", "decays", "neither", "neither"]
        assert table["law_as_published"].tolist() == [True, True, False, True]
        assert table["weights_as_published"].tolist() == [True, False, False, True]
        assert table["pushed"].tolist() == [True, False, False, False]
        np.testing.assert_allclose(table["factor_at_start"], 3)
        assert table["seeds"].tolist() == [2] * 4
        grows, _, flat_arm, penalty = toys.verdict(table.reset_index()).splitlines()
        assert grows.startswith("- grows: towards the input the gradient grows (×2 per layer, 2 to 2 over 2 seeds")
        assert "before training ×3)" in grows
        assert grows.endswith("50.00% before training, 75.0% after it: as published.")
        assert flat_arm.count("**not** as published") == 2
        assert penalty.count(" as published") == 2
        assert "**not**" not in penalty

    def test_a_layer_without_gradient_is_no_law(self):
        dead = toys.DeepCritic("p", 0, np.ones(3), np.array([0.0, 1, 1]), np.ones(2), 1)
        table = toys.against_the_paper([dead], "p")
        assert table["law"].item() == "vanishes"
        assert not table["law_as_published"].item()
        assert "the gradient vanishes (×nan" in toys.verdict(table)

    def test_seeds_that_disagree_have_no_law(self):
        critics = [
            toys.DeepCritic("a", seed, np.ones(12), f ** np.arange(12.0), np.ones(2), 0)
            for seed, f in enumerate((0.5, 2))
        ]
        assert toys.against_the_paper(critics, "p")["law"].item() == "mixed"

    def test_a_penalised_arm_that_is_flat_in_one_seed_only_is_not_as_published(self):
        critics = [
            toys.DeepCritic("p", seed, np.ones(12), f ** np.arange(12.0), np.linspace(-1, 1, 999), 0)
            for seed, f in enumerate((1.0, 1.5))
        ]
        table = toys.against_the_paper(critics, "p")
        assert table["law"].item() == "mixed"
        assert not table["law_as_published"].item()

    def test_training_alone_makes_the_law_and_pushes_the_weights(self):
        """At c = 0.001 gradients are so small that in float32 no weight would move."""
        arms = {"clip": METHODS["wgan"](clip=0.001), "penalty": METHODS["wgan-gp"]()}
        clipped, penalised = toys.deep_critics(arms, seeds=1, steps=150, width=16, depth=8)
        assert clipped.norms_at_start[0] < 1e-12 * clipped.norms_at_start[-1]
        assert clipped.extreme_at_start < 0.01  # one weight a layer
        assert np.abs(clipped.weights).max() <= 0.001
        assert toys.share_at_extremes(clipped.weights) > 0.05
        assert toys.factor_per_layer(clipped.norms)[0] > 2 * toys.factor_per_layer(clipped.norms_at_start)[0]
        assert toys.factor_per_layer(penalised.norms)[0] == pytest.approx(1, abs=0.3)


class TestTraining:
    @pytest.fixture(scope="class")
    def run(self):
        return toys.train_toy(METHODS["wgan-gp"](), "25gaussians", 0, 6, width=8, measured=3, count=64)

    def test_a_row_and_a_snapshot_for_each_measured_step(self, run):
        assert run.rows["generator_steps"].tolist() == [s.step for s in run.snapshots] == [0, 3, 6]
        last = run.snapshots[-1]
        assert last.samples.shape == last.gradient.shape == (64, 2)
        np.testing.assert_allclose(run.rows["scaled"], run.rows["estimate"] / run.rows["lipschitz"])

    def test_the_scaled_estimate_never_exceeds_the_distance_of_the_same_two_sets_by_much(self, run):
        """Kantorovich and Rubinstein: no function of Lipschitz constant 1 has a larger difference of means."""
        assert (run.rows["scaled"] < 1.05 * run.rows["w1"]).all()

    def test_one_seed_gives_one_result(self, run):
        again = toys.train_toy(METHODS["wgan-gp"](), "25gaussians", 0, 6, width=8, measured=3, count=64)
        assert again.rows.equals(run.rows)
        np.testing.assert_array_equal(again.snapshots[-1].samples, run.snapshots[-1].samples)
        other = toys.train_toy(METHODS["wgan-gp"](), "25gaussians", 1, 6, width=8, measured=3, count=64)
        assert not other.rows.equals(run.rows)

    def test_measuring_more_often_changes_nothing(self, run):
        often = toys.train_toy(METHODS["wgan-gp"](), "25gaussians", 0, 6, width=8, measured=7, count=64)
        np.testing.assert_array_equal(often.snapshots[-1].samples, run.snapshots[-1].samples)

    def test_only_a_wasserstein_objective_has_an_estimate_and_only_modes_are_counted(self):
        rows = toys.train_toy(METHODS["gan"](), "swissroll", 0, 1, width=8, measured=2, count=16).rows
        assert not {"estimate", "scaled"} & set(rows)
        assert rows["modes"].isna().all()
        assert (rows["w1"] > 0).all()

    def test_training_brings_samples_closer(self):
        rows = toys.train_toy(
            METHODS["wgan-gp"](penalty_weight=0.1), "swissroll", 0, 100, width=32, measured=2, count=128
        ).rows
        assert rows["w1"].iloc[-1] < 0.7 * rows["w1"].iloc[0]
