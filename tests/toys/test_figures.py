import numpy as np
import pandas as pd
import pytest

from gancompare import arms
from gancompare.objectives import METHODS
from gancompare.toys import figures
from gancompare.toys.deep import DeepCritic
from gancompare.toys.points import TOYS
from gancompare.toys.training import train_toy


def test_surfaces_have_a_panel_per_toy_and_objective():
    values = {
        (toy, name): (np.eye(5) + index, 0.5 + index / 4) for toy in TOYS for index, name in enumerate(("a", "b"))
    }
    figure = figures.surfaces(values)
    assert [axis.get_title() for axis in figure.axes] == [
        f"{toy}: {share} of W₁" for share in ("50%", "75%") for toy in TOYS
    ]
    assert [axis.get_ylabel() for axis in figure.axes] == ["a", "", "", "b", "", ""]


def test_over_steps_draws_what_was_measured(runs):
    axes = figures.over_steps(runs).axes
    gan = runs["gan", 1]
    np.testing.assert_array_equal(axes[2].lines[1].get_ydata(), gan.rows["w1"])
    assert [len(axis.lines) for axis in axes] == [4, 4, 4 + 1, 2 * 2 + 1]  # a line across; only wgan estimates


def test_arms_of_one_method_share_a_colour_and_differ_in_their_dashes():
    short = {"generator_steps": 1, "width": 4, "measured": 2, "count": 16}
    drawn = {(arm, 0): train_toy(METHODS["gan"](), "swissroll", 0, **short) for arm in ("gan", "gan-5")}
    one, five = figures.over_steps(drawn).axes[0].lines[:2]
    assert one.get_color() == five.get_color() == arms.color("gan")
    assert [one.is_dashed(), five.is_dashed()] == [True, False]
    assert [one.get_label(), five.get_label()] == ["GAN", "GAN-5"]


def test_a_toy_without_modes_has_no_panels_for_them():
    run = train_toy(METHODS["wgan"](), "swissroll", 0, generator_steps=2, width=4, measured=2, count=16)
    axes = figures.over_steps({("wgan", 0): run}).axes
    assert [axis.get_title().split()[0] for axis in axes] == ["exact", "critic's"]
    np.testing.assert_array_equal(axes[0].lines[0].get_ydata(), run.rows["w1"])


def test_final_samples_name_method_seed_and_distance(runs):
    axes = figures.final_samples(runs).axes
    assert [axis.get_title()[:11] for axis in axes] == ["GAN, seed 0", "WGAN, seed ", "GAN, seed 1", "WGAN, seed "]
    np.testing.assert_array_equal(axes[2].lines[1].get_xydata(), runs["gan", 1].snapshots[-1].samples)
    assert axes[2].get_title().endswith(f"{runs['gan', 1].rows['w1'].iloc[-1]:.2f}")


def test_saturation_has_a_log_axis_and_a_line_per_seed():
    rows = pd.DataFrame({"critic_steps": [0, 10, 100], "norm": [1, 1e-3, 1e-9]})
    (axis,) = figures.saturation({("gan-minimax", 0): rows, ("gan-minimax", 1): rows, ("wgan-gp", 0): rows}).axes
    assert axis.get_yscale() == "log"
    assert len(axis.lines) == 3


def test_deep_draws_every_seed_and_the_whole_range_of_weights():
    weights = np.array([-0.1, 0.1, 0.02, 0.1], dtype=np.float32)
    critics = [
        DeepCritic(arm, seed, np.ones(6), 2.0 ** np.arange(6), weights, 0) for arm in ("c", "p") for seed in (0, 1)
    ]
    norms, clipped, _ = figures.deep(critics, "p").axes
    assert [line.get_color() for line in norms.lines[::2]] == [arms.color("wgan"), arms.color("wgan-gp")]
    assert len({line.get_marker() for line in norms.lines}) == 2
    assert len(norms.lines) == 4
    heights = clipped.patches[0].get_data().values
    assert heights[0] == pytest.approx(0.25)
    assert heights[-1] == pytest.approx(0.5)
    assert sum(heights) == pytest.approx(1)
