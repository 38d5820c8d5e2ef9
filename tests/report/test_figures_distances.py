"""How near runs come to the real images, as drawn, against values by hand."""

import numpy as np
import pandas as pd
import pytest

from gancompare.report.figures import classes, curves, distances


def test_frontier_is_what_no_run_beats_in_both(drawn, thin, legend, history, scored):
    points = {"seconds": [1, 2, 3, 4, 5], "fd": [9.0, 9.5, 4.0, np.nan, 3.0], "arm": ["gan"] * 3 + ["wgan"] * 2}
    scores = scored(**points)
    scores = pd.concat([scores, scored(seconds=[0.5], fd=[0.1], checkpoint=["best"])])  # not how a run ended
    figure = distances.frontier(scores, history("gan", 0, [30, 9]))
    (axis,) = figure.axes
    np.testing.assert_allclose(drawn(axis, "best FD by that time"), ([1, 3, 5], [9, 4, 3]))
    np.testing.assert_allclose(drawn(axis, "GAN"), ([1, 2, 3], [9, 9.5, 4]))
    (trajectory,) = thin(axis)
    np.testing.assert_allclose(trajectory.get_xydata(), [[5, 30], [10, 9]])
    assert axis.get_ylabel() == "FD-classifier"
    assert axis.get_yscale() == "log"
    assert legend(figure) == ["GAN", "WGAN", "best FD by that time", "real images against real ones"]


def test_panels_are_one_per_data_set(scored):
    names = ["a", "b", "c", "d"]
    figure = distances.frontier(scored(dataset=names), pd.DataFrame())
    assert [axis.get_title() for axis in figure.axes if axis.get_title()] == names


def test_sample_size_draws_fd_and_floor_against_n(drawn, scored):
    scores = scored(fd_by_n=[[[100, 5.0, 0.4], [50, 6.0, 0.8]], np.nan], arm=["gan", "wgan"])
    (axis,) = distances.sample_size(scores).axes
    np.testing.assert_allclose(drawn(axis, "GAN"), ([50, 100], [6, 5]))
    np.testing.assert_allclose(drawn(axis, "real images"), ([50, 100], [0.8, 0.4]))
    assert list(axis.get_xticks()) == [50, 100]


def test_stability_shows_seeds_rebounds_and_failures(history, scored):
    scores = scored(
        arm=["gan"] * 4 + ["wgan"],
        seed=[0, 1, 2, 3, 0],
        status=["complete"] * 3 + ["diverged", "complete"],
        fd=[1.0, 2.0, 120.0, np.nan, 5.0],  # the third ended above twice the variance of 50: collapsed
    )
    table = pd.concat([history("gan", 0, [4, 2, 3]), history("wgan", 0, [4, 3])])
    final, rebound, swing, failed = distances.stability(scores, table).axes
    np.testing.assert_allclose(final.lines[0].get_xdata(), [1, 2, 120])
    np.testing.assert_allclose(rebound.lines[0].get_xdata(), [0.5])
    np.testing.assert_allclose(rebound.lines[1].get_xdata(), [0])
    # up by log(3/2), down by log(4/2), in two steps: the smaller of the two, per step
    np.testing.assert_allclose(swing.lines[0].get_xdata(), [np.log(1.5) / 2])
    assert [text.get_text() for text in failed.texts] == ["2 of 4", "0 of 1"]
    center, margin = (2 + 1.96**2 / 2) / (4 + 1.96**2), 1.96 / (4 + 1.96**2) * np.sqrt(1 + 1.96**2 / 4)  # Wilson 1927
    np.testing.assert_allclose(failed.lines[0].get_xdata(), [center - margin, center + margin], atol=1e-4)
    assert [label.get_text() for label in final.get_yticklabels()] == ["GAN", "WGAN"]


def test_performance_profile_counts_a_diverged_run_as_never(drawn, scored):
    scores = scored(fd=[0.2, np.nan, 1.0, 1.0], dataset=["a", "a", "b", "b"])
    (axis,) = distances.performance_profile(scores).axes
    x, y = drawn(axis, "GAN")
    np.testing.assert_allclose(y, np.where(x < 2, 0, 0.25) + np.where(x < 10, 0, 0.5))


@pytest.mark.parametrize("diverged", [False, True], ids=["no scores", "all diverged"])
def test_what_was_not_measured_is_not_drawn(diverged, history, scored):
    scores = scored(status=["diverged"], fd=[np.nan]) if diverged else pd.DataFrame()
    unscored = history("gan", 0, [np.nan, np.nan])
    assert curves.bands(unscored, "fd", "FD") is None
    assert curves.bands(unscored.drop(columns="fd"), "fd", "FD") is None
    assert curves.bands(pd.DataFrame(), "fd", "FD") is None
    assert distances.frontier(scores, unscored) is None
    assert distances.sample_size(scores) is None
    assert distances.stability(scores, unscored) is None
    assert classes.class_histograms(scores) is None
    assert distances.performance_profile(scores) is None


def test_scores_without_the_optional_columns_are_drawn(scored):
    scores = scored(fd=[2.0]).drop(columns=["floor", "variance"])
    assert distances.frontier(scores, pd.DataFrame()) is not None
    assert distances.stability(scores, pd.DataFrame()) is not None
    assert distances.sample_size(scores) is None
    assert distances.performance_profile(scores) is None
