"""The generators' losses, against the slopes of the papers."""

import numpy as np

from gancompare.report.figures import objectives


def test_generator_losses_have_the_slopes_of_the_papers():
    slopes = {line.get_label(): line for line in objectives.generator_losses().axes[1].lines}
    scores = slopes["GAN"].get_xdata()
    sigmoid = 1 / (1 + np.exp(-np.asarray(scores)))
    np.testing.assert_allclose(slopes["minimax GAN"].get_ydata(), sigmoid, atol=1e-12)
    np.testing.assert_allclose(slopes["GAN"].get_ydata(), 1 - sigmoid, atol=1e-12)
    np.testing.assert_allclose(slopes["WGAN and WGAN-GP"].get_ydata(), 1)
