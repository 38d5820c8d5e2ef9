"""The shared style: panels, the order of methods, one legend."""

import pandas as pd

from gancompare.report import style


def test_panels_share_axes_where_asked():
    figure, axes = style.panels(2, 3, width=2, height=1.5, sharex=True)
    assert axes.shape == (2, 3)
    assert tuple(figure.get_size_inches()) == (6, 3)
    assert axes[0, 0].get_shared_x_axes().joined(axes[0, 0], axes[1, 2])


def test_methods_come_in_the_order_of_the_arms_with_all_their_rows():
    frame = pd.DataFrame({"arm": ["mine", "wgan-gp", "gan", "wgan-gp"], "x": range(4)})
    assert [(method, list(rows["x"])) for method, rows in style.by_method(frame)] == [
        ("gan", [2]),
        ("wgan-gp", [1, 3]),
        ("mine", [0]),
    ]


def test_the_legend_names_each_line_once(legend):
    figure, axes = style.panels(1, 2)
    for axis in axes.flat:
        axis.plot([1, 2], label="GAN")
    axes[0, 1].plot([2, 1], label="WGAN")
    style.legend(figure)
    assert legend(figure) == ["GAN", "WGAN"]
