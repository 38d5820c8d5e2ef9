"""Curves over training, against values by hand."""

import numpy as np
import pandas as pd

from gancompare.report.figures import curves


def test_bands_of_two_seeds_are_a_line_each_and_their_mean_on_three_clocks(drawn, thin, legend, history):
    table = pd.concat([history("gan", 0, [8, 4]), history("gan", 1, [4, 2])])
    figure = curves.bands(table, "fd", "FD", reference=(0.5, "real"))
    assert [axis.get_xlabel() for axis in figure.axes] == list(curves.CLOCK_LABELS.values())
    assert legend(figure) == ["GAN", "real"]
    for axis, x in zip(figure.axes, ([10, 20], [20, 40], [5.5, 11]), strict=True):  # images in thousands, mean seconds
        np.testing.assert_allclose(drawn(axis, "GAN"), (x, [6, 3]))
        assert len(thin(axis)) == 2
        assert not axis.collections  # two seeds have no interval


def test_bands_of_three_seeds_are_students_interval(thin, history):
    table = pd.concat([history("gan", seed, [fd, 2 * fd]) for seed, fd in enumerate((1.0, 2.0, 3.0))])
    axis = curves.bands(table, "fd", "FD", log=True).axes[0]
    assert axis.get_yscale() == "log"
    assert thin(axis) == []
    (band,) = axis.collections
    corners = band.get_paths()[0].vertices
    half = 4.302653 / np.sqrt(3)  # t of 2 degrees of freedom; the standard deviation is 1
    for x, middle, width in ((10, 2, half), (20, 4, 2 * half)):
        ends = corners[corners[:, 0] == x, 1]
        np.testing.assert_allclose([ends.min(), ends.max()], [middle - width, middle + width], rtol=1e-6)
    assert 0 < axis.get_ylim()[0] < 1  # although the band reaches below 0


def test_bands_stop_where_the_first_run_ends(drawn, thin, history):
    whole = [history("gan", seed, [8, 4, 2]) for seed in (0, 1)]
    axis = curves.bands(pd.concat([*whole, history("gan", 2, [8])]), "fd", "FD").axes[0]
    np.testing.assert_allclose(drawn(axis, "GAN"), ([10], [8]))  # not the mean of those that survived
    assert [line.get_marker() for line in thin(axis)] == ["", "", "x"]
    never = pd.concat([*whole, history("gan", 2, [np.nan] * 3)])  # diverged before it was measured
    axis = curves.bands(never, "fd", "FD").axes[0]
    assert drawn(axis, "GAN")[0].size == 0
    assert len(thin(axis)) == 2


def test_bands_have_a_linear_axis_where_a_value_is_not_positive(history):
    assert curves.bands(history("gan", 0, [3, -1]), "fd", "KID", log=True).axes[0].get_yscale() == "linear"


def test_losses_of_two_methods_never_share_an_axis(trained):
    figure = curves.loss_panels(trained.histories)
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles == [
        "GAN: critic loss",
        "GAN: generator loss",
        "WGAN: critic loss",
        "WGAN: generator loss",
        "WGAN: wasserstein estimate",  # the GAN has none
    ]
    assert all(len({line.get_color() for line in axis.lines}) <= 1 for axis in figure.axes)


def test_losses_of_one_run(trained):
    history = pd.read_csv(trained.runs["directory"].iloc[0] / "history.csv")
    figure = curves.losses(history, "gan")
    assert [line.get_label() for line in figure.axes[0].lines] == ["real", "fake"]
    assert len(figure.axes) == 4
