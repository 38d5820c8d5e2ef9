"""Class histograms, against shares by hand."""

import numpy as np
import pandas as pd

from gancompare.report.figures import classes


def test_class_histograms_are_shares_beside_the_real_ones(scored):
    scores = scored(
        class_histogram=[[1, 3], [4, 0], [5, 5]],
        real_histogram=[[10, 30]] * 3,
        classes=[["cat", "dog"]] * 3,
        arm=["gan", "gan", "wgan"],
    )
    later = scored(class_histogram=[[0, 1]], checkpoint=["best"])
    figure = classes.class_histograms(pd.concat([scores, later, scored(dataset=["without classes"])]))
    (axis,) = figure.axes
    heights = {bars.get_label(): [bar.get_height() for bar in bars] for bars in axis.containers}
    assert heights == {"real images": [0.25, 0.75], "GAN": [0.625, 0.375], "WGAN": [0.5, 0.5]}
    assert [label.get_text() for label in axis.get_xticklabels()] == ["cat", "dog"]
    dots = np.sort(np.concatenate([dots.get_offsets()[:, 1] for dots in axis.collections]))
    np.testing.assert_allclose(dots, np.sort([0.25, 0.75, 0.25, 0.75, 1, 0, 0.5, 0.5]))
    plain = classes.class_histograms(scored(class_histogram=[[1, 3]])).axes[0]
    assert [bars.get_label() for bars in plain.containers] == ["GAN"]
