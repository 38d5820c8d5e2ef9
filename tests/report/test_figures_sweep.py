"""The figures of a sweep, from settings and architectures by hand."""

import numpy as np
import pandas as pd
import pytest

from gancompare.report.figures import sweep


@pytest.fixture
def settings():
    """Three seeds of WGAN at three clips, the middle one the base; at the smallest two runs failed."""
    fds = {0.001: [4.0, np.nan, np.nan], 0.01: [10.0, 11.0, 12.0], 0.1: [20.0, 21.0, 22.0]}
    rows = [
        {"field": "clip", "arm": "wgan", "value": clip, "seed": seed, "fd": fd, "failed": bool(np.isnan(fd))}
        | {"is_base": clip == 0.01}
        for clip, values in fds.items()
        for seed, fd in enumerate(values)
    ]
    one = {"field": "n_critic", "arm": "gan", "value": 3, "seed": 0, "fd": 5.0, "failed": False, "is_base": True}
    return pd.DataFrame([*rows, one])


def texts(axis):
    return [text.get_text() for text in axis.texts]


def test_heat_maps_name_every_cell(settings):
    figure = sweep.heat_maps(settings, "fd", "FD-test")
    clip, steps, scale = figure.axes
    assert (clip.get_title(), steps.get_title()) == ("clip", "n critic")
    assert texts(clip) == ["–", "n = 3, 2 failed", "11", "n = 3", "21", "n = 3"]
    assert texts(steps) == ["5", "n = 1"]
    assert [label.get_text() for label in clip.get_xticklabels()] == ["0.001", "0.01", "0.1"]
    assert [label.get_text() for label in clip.get_yticklabels()] == ["WGAN"]
    (frame,) = clip.patches  # around the base
    assert frame.get_x() < 1 < frame.get_x() + frame.get_width()
    shown = clip.images[0].get_array()
    assert shown.mask.tolist() == [[True, False, False]]
    np.testing.assert_allclose(shown.compressed(), [11, 21])
    assert clip.images[0].norm is steps.images[0].norm  # one scale
    assert scale.get_ylabel() == "FD-test (lower is better)"
    figure.canvas.draw()


def test_heat_maps_of_failures_alone_have_no_scale(settings):
    figure = sweep.heat_maps(settings[settings["value"] == 0.001], "fd", "FD")
    assert texts(figure.axes[0]) == ["–", "n = 3, 2 failed"]
    assert len(figure.axes) == 2  # the second panel of the row, and no scale
    figure.canvas.draw()


def test_what_is_not_there_is_not_drawn(settings):
    assert sweep.heat_maps(settings.iloc[:0], "fd", "FD") is None
    assert sweep.heat_maps(settings.assign(fd=np.nan), "fd", "FD") is None
    cells = pd.DataFrame(
        {"cell": ["base"], "part": ["settings"], "arm": ["gan"], "fd": [1.0], "variance": [1.0], "failed": [False]}
    )
    for table in (pd.DataFrame(), cells, cells.assign(cell="architecture-000", part="architectures", fd=np.nan)):
        assert sweep.architectures(table, (0.5,), 0.5) is None


def test_architectures_are_in_order_of_their_median_and_failed_ones_on_top(drawn, legend):
    shares = {"gan": [0.6, np.nan], "wgan": [0.4, 0.1], "wgan-gp": [0.2, 0.3]}
    rows = [
        {"cell": f"architecture-{i:03d}", "part": "architectures", "arm": method, "fd": 50 * share}
        | {"variance": 50.0, "failed": bool(np.isnan(share))}
        for method, values in shares.items()
        for i, share in enumerate(values)
    ]
    figure = sweep.architectures(pd.DataFrame(rows), (0.5, 1.0), 1.0)
    (axis,) = figure.axes
    assert legend(figure) == ["GAN", "WGAN", "WGAN-GP"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["001", "000"]  # medians 0.3 and 0.4
    np.testing.assert_allclose(drawn(axis, "WGAN-GP")[1], [0.3, 0.2])
    np.testing.assert_allclose(drawn(axis, "GAN")[1], [2.0, 0.6])  # the failed one: twice the highest of all
    lines = {line.get_ydata()[0]: line.get_linestyle() for line in axis.lines if len(set(line.get_ydata())) == 1}
    assert (lines[0.5], lines[1.0]) == (":", "-")
