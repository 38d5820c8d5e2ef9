"""Toy data, distances and modes against what is known by hand."""

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import make_swiss_roll

from gancompare.toys.points import TOYS, modes, sample, wasserstein

SLANT = torch.tensor([3.0, -4.0])  # of length 5


class TestData:
    def test_eight_gaussians_lie_on_a_circle(self, rng):
        centres = TOYS["8gaussians"].centres
        torch.testing.assert_close(centres.norm(dim=1), torch.full((8,), 2 / 1.414))
        assert torch.pdist(centres).min().item() == pytest.approx(2 / 1.414 * 2 * math.sin(math.pi / 8), rel=1e-5)

    def test_twenty_five_gaussians_form_a_square_grid(self):
        centres = TOYS["25gaussians"].centres
        assert centres.shape == (25, 2)
        assert centres.max().item() == pytest.approx(4 / 2.828)
        assert torch.pdist(centres).min().item() == pytest.approx(2 / 2.828, rel=1e-5)

    @pytest.mark.parametrize(("toy", "spread"), [("8gaussians", 0.02 / 1.414), ("25gaussians", 0.05 / 2.828)])
    def test_modes_are_equally_likely_and_as_wide_as_said(self, toy, spread, rng):
        samples, centres = sample(toy, 20_000, rng), TOYS[toy].centres
        distance, nearest = torch.cdist(samples, centres).min(dim=1)
        assert TOYS[toy].spread == pytest.approx(spread)
        assert distance.square().mean().div(2).sqrt().item() == pytest.approx(spread, rel=0.02)  # 2 dimensions
        share = 1 / len(centres)
        np.testing.assert_allclose(nearest.bincount() / 20_000, share, atol=5 * math.sqrt(share / 20_000))

    def test_swiss_roll_is_the_one_of_scikit_learn(self, rng):
        theirs = torch.tensor(make_swiss_roll(400, noise=0.25, random_state=0)[0][:, [0, 2]] / 7.5)
        ours = sample("swissroll", 400, rng)
        floor = wasserstein(ours, sample("swissroll", 400, rng))
        assert wasserstein(ours, theirs) < 1.5 * floor

    def test_another_name_is_an_error(self, rng):
        with pytest.raises(ValueError, match=r"toy '9gaussians': choose one of 8gaussians, 25gaussians, swissroll"):
            sample("9gaussians", 1, rng)


class TestDistance:
    def test_of_two_points_is_the_line_between_them(self):
        assert wasserstein(torch.zeros(1, 2), SLANT[None]) == pytest.approx(5)

    def test_of_a_translated_sample_is_the_translation(self, rng):
        samples = sample("swissroll", 100, rng).double()
        assert wasserstein(samples, samples + SLANT) == pytest.approx(5)
        assert wasserstein(samples, samples.flip(0)) == pytest.approx(0, abs=1e-9)

    def test_weighs_points_equally_also_where_sets_differ_in_size(self):
        line = torch.tensor([[0.0, 0.0], [4.0, 0.0]])
        assert wasserstein(line, torch.zeros(3, 2)) == pytest.approx(2)

    def test_refuses_samples_that_are_not_finite(self):
        with pytest.raises(ValueError, match="another clip"):
            wasserstein(torch.zeros(1, 2), torch.tensor([[math.nan, 0]]))


class TestModes:
    centres, spread = TOYS["8gaussians"].centres, 0.1

    def test_all(self):
        samples = self.centres + 0.29 * torch.tensor([1.0, 0.0])
        assert modes(samples, self.centres, self.spread) == (8, 1)

    def test_one(self):
        samples = torch.cat([self.centres[:1].repeat(3, 1), torch.zeros(1, 2)])
        assert modes(samples, self.centres, self.spread) == (1, 0.75)

    def test_none(self):
        samples = 1.5 * self.centres
        assert modes(samples, self.centres, self.spread) == (0, 0)
