import base64
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gancompare.objectives import METHODS
from gancompare.toys import figures as toy_plots
from gancompare.toys import toys


@pytest.fixture(scope="module")
def runs():
    return {
        (name, seed): toys.train_toy(METHODS[name](), "8gaussians", seed, 4, width=4, measured=3, count=32)
        for name in ("gan", "wgan")
        for seed in range(2)
    }


def test_surfaces_have_a_panel_per_toy_and_objective():
    values = {
        (toy, name): (np.eye(5) + index, 0.5 + index / 4) for toy in toys.TOYS for index, name in enumerate(("a", "b"))
    }
    figure = toy_plots.surfaces(values)
    assert [axis.get_title() for axis in figure.axes] == [
        f"{toy}: {share} of W₁" for share in ("50%", "75%") for toy in toys.TOYS
    ]
    assert [axis.get_ylabel() for axis in figure.axes] == ["a", "", "", "b", "", ""]


def test_over_steps_draws_what_was_measured(runs):
    axes = toy_plots.over_steps(runs).axes
    gan = runs["gan", 1]
    np.testing.assert_array_equal(axes[2].lines[1].get_ydata(), gan.rows["w1"])
    assert [len(axis.lines) for axis in axes] == [4, 4, 4 + 1, 2 * 2 + 1]  # a line across; only wgan estimates


def test_a_toy_without_modes_has_no_panels_for_them():
    run = toys.train_toy(METHODS["wgan"](), "swissroll", 0, 2, width=4, measured=2, count=16)
    axes = toy_plots.over_steps({("wgan", 0): run}).axes
    assert [axis.get_title().split()[0] for axis in axes] == ["exact", "critic's"]
    np.testing.assert_array_equal(axes[0].lines[0].get_ydata(), run.rows["w1"])


def test_final_samples_name_method_seed_and_distance(runs):
    axes = toy_plots.final_samples(runs).axes
    assert [axis.get_title()[:11] for axis in axes] == ["gan, seed 0", "wgan, seed ", "gan, seed 1", "wgan, seed "]
    np.testing.assert_array_equal(axes[2].lines[1].get_xydata(), runs["gan", 1].snapshots[-1].samples)
    assert axes[2].get_title().endswith(f"{runs['gan', 1].rows['w1'].iloc[-1]:.2f}")


def test_saturation_has_a_log_axis_and_a_line_per_seed():
    rows = pd.DataFrame({"critic_steps": [0, 10, 100], "norm": [1, 1e-3, 1e-9]})
    (axis,) = toy_plots.saturation({("gan-minimax", 0): rows, ("gan-minimax", 1): rows, ("wgan-gp", 0): rows}).axes
    assert axis.get_yscale() == "log"
    assert len(axis.lines) == 3


def test_deep_draws_every_seed_and_the_whole_range_of_weights():
    weights = np.array([-0.1, 0.1, 0.02, 0.1], dtype=np.float32)
    critics = [
        toys.DeepCritic(arm, seed, np.ones(6), 2.0 ** np.arange(6), weights, 0) for arm in ("c", "p") for seed in (0, 1)
    ]
    norms, clipped, _ = toy_plots.deep(critics, "p").axes
    assert len(norms.lines) == 4
    heights = clipped.patches[0].get_data().values
    assert heights[0] == pytest.approx(0.25)
    assert heights[-1] == pytest.approx(0.5)
    assert sum(heights) == pytest.approx(1)


def test_the_animation_has_a_frame_per_snapshot(runs):
    pictures = toy_plots.frames({key: run for key, run in runs.items() if key[1] == 0})
    data = toy_plots.small_gif(pictures)
    animation = Image.open(io.BytesIO(data))
    assert animation.n_frames == len(pictures) == 3
    assert animation.info["loop"] == 0
    assert len(data) < 1_000_000
    shown = toy_plots.animation(pictures, "a < b", 'a "word"')
    assert base64.b64encode(data).decode() in shown
    assert "a &lt; b</figcaption>" in shown
    assert 'alt="a &quot;word&quot;"' in shown


def test_the_slider_shows_the_picture_that_it_says():
    pictures = [Image.new("RGB", (40, 30), color) for color in ("red", "blue")]
    box = toy_plots.slider(pictures)
    (control, number), shown = box.children[0].children, box.children[1]
    assert np.asarray(Image.open(io.BytesIO(shown.value)))[5, 5].argmax() == 0
    number.value = 1
    assert control.value == 1
    assert np.asarray(Image.open(io.BytesIO(shown.value)))[5, 5].argmax() == 2
