"""Training both nets on a toy."""

import numpy as np
import pytest

from gancompare.objectives import METHODS
from gancompare.toys.training import train_arms, train_toy


class TestTraining:
    @pytest.fixture(scope="class")
    def run(self):
        return train_toy(METHODS["wgan-gp"](), "25gaussians", 0, generator_steps=6, width=8, measured=3, count=64)

    def test_a_row_and_a_snapshot_for_each_measured_step(self, run):
        assert run.rows["generator_steps"].tolist() == [s.step for s in run.snapshots] == [0, 3, 6]
        last = run.snapshots[-1]
        assert last.samples.shape == last.gradient.shape == (64, 2)
        np.testing.assert_allclose(run.rows["scaled"], run.rows["estimate"] / run.rows["lipschitz"])

    def test_the_scaled_estimate_never_exceeds_the_distance_of_the_same_two_sets_by_much(self, run):
        """Kantorovich and Rubinstein: no function of Lipschitz constant 1 has a larger difference of means."""
        assert (run.rows["scaled"] < 1.05 * run.rows["w1"]).all()

    def test_one_seed_gives_one_result(self, run):
        again = train_toy(METHODS["wgan-gp"](), "25gaussians", 0, generator_steps=6, width=8, measured=3, count=64)
        assert again.rows.equals(run.rows)
        np.testing.assert_array_equal(again.snapshots[-1].samples, run.snapshots[-1].samples)
        other = train_toy(METHODS["wgan-gp"](), "25gaussians", 1, generator_steps=6, width=8, measured=3, count=64)
        assert not other.rows.equals(run.rows)

    def test_measuring_more_often_changes_nothing(self, run):
        often = train_toy(METHODS["wgan-gp"](), "25gaussians", 0, generator_steps=6, width=8, measured=7, count=64)
        np.testing.assert_array_equal(often.snapshots[-1].samples, run.snapshots[-1].samples)

    def test_only_a_wasserstein_objective_has_an_estimate_and_only_modes_are_counted(self):
        rows = train_toy(METHODS["gan"](), "swissroll", 0, generator_steps=1, width=8, measured=2, count=16).rows
        assert not {"estimate", "scaled"} & set(rows)
        assert rows["modes"].isna().all()
        assert (rows["w1"] > 0).all()

    def test_training_brings_samples_closer(self):
        rows = train_toy(
            METHODS["wgan-gp"](penalty_weight=0.1), "swissroll", 0, generator_steps=100, width=32, measured=2, count=128
        ).rows
        assert rows["w1"].iloc[-1] < 0.7 * rows["w1"].iloc[0]

    def test_arms_are_trained_toy_by_toy_with_every_seed(self):
        objectives = {"a": METHODS["gan"](), "b": METHODS["gan"](n_critic=2)}
        trained = train_arms(objectives, ["swissroll", "8gaussians"], 2, generator_steps=1, width=4)
        assert list(trained) == ["swissroll", "8gaussians"]
        assert all(list(runs) == [("a", 0), ("a", 1), ("b", 0), ("b", 1)] for runs in trained.values())
        alone = train_toy(objectives["b"], "8gaussians", 1, generator_steps=1, width=4)
        assert trained["8gaussians"]["b", 1].rows.equals(alone.rows)
