"""The critic's diagnostics as drawn, against values by hand."""

import io

import numpy as np
import pandas as pd

from gancompare.report.figures import critic

FIGURES = (critic.gradient_norms, critic.critic_layers, critic.critic_health)


def measured(values, method="gan", seed=0, steps=(10, 20), dataset="d"):
    """Rows of ``diagnostics.csv``: (quantity, where) → a value per step."""
    run = {"dataset": dataset, "arm": method, "seed": seed}
    rows = [
        run | {"generator_steps": step, "quantity": quantity, "where": where, "value": value}
        for (quantity, where), of_step in values.items()
        for step, value in zip(steps, of_step, strict=True)
    ]
    return pd.DataFrame(rows)


def slopes(middle, **run):
    kinds = {"real": 1, "fake": 2, "interpolated": 3}
    cuts = {"q05": 0.5, "q50": 1, "q95": 2}
    values = {
        (f"gradient_norm_{cut}", where): [middle * by * k, 10 * middle * by * k]
        for where, k in kinds.items()
        for cut, by in cuts.items()
    }
    return measured(values | {("lipschitz", "lines"): [7 * middle, 70 * middle]}, **run)


def health(gap, seed, method="gan", accuracy=True):
    values = {("gap", "held-out"): [gap, 2 * gap], ("generator_gradient", "fake"): [0.1, 0.01]}
    values |= {("accuracy", "real"): [0.5, 0.9], ("accuracy", "held-out"): [0.5, 0.6]} if accuracy else {}
    return measured(values, method, seed)


def test_gradient_norms_are_the_median_image_between_its_quantiles(drawn, thin, band, legend):
    table = pd.concat([slopes(1.0), slopes(3.0, seed=1), slopes(5.0, method="wgan-gp", dataset="e")])
    figure = critic.gradient_norms(table)
    kinds = ("real", "fake", "interpolated")
    assert [axis.get_title() for axis in figure.axes] == [f"{d}: {kind} images" for d in "de" for kind in kinds]
    for k, axis in enumerate(figure.axes[:3], 1):
        np.testing.assert_allclose(drawn(axis, "GAN"), ([10, 20], [2 * k, 20 * k]))  # mean of the seeds' 1 and 3
        np.testing.assert_allclose(band(axis, 10), [k, 4 * k])
        assert [line.get_ydata()[0] for line in thin(axis)] == [k, 3 * k]
        assert axis.get_yscale() == "log"
        assert axis.get_ylim() == figure.axes[0].get_ylim()
    steepest = [[line for line in axis.lines if line.get_linestyle() == "--"] for axis in figure.axes[:3]]
    assert [len(lines) for lines in steepest] == [0, 0, 2]  # the line, and an empty one for the legend
    np.testing.assert_allclose(steepest[2][0].get_ydata(), [14, 140])
    assert legend(figure) == ["GAN", "steepest on the lines", "WGAN-GP", "target of the penalty"]
    assert "target of the penalty" not in [line.get_label() for line in figure.axes[0].lines]  # no penalty there


def test_critic_layers_are_those_of_each_runs_last_step_from_image_to_score(drawn, band, legend):
    def layers(scale, **run):
        places = {"layers.0": 1, "layers.2": 2, "score": 4}
        gradients = {("layer_gradient_norm", where): [99.0, scale * k] for where, k in places.items()}
        return measured(gradients | {("spectral_norm", where): [99.0, 7.0] for where in places}, **run)

    early = layers(5.0, seed=2, steps=(10, 15))  # ended before the others
    figure = critic.critic_layers(pd.concat([layers(1.0), layers(3.0, seed=1), early, layers(2.0, method="wgan")]))
    gradients, operators = figure.axes
    assert [label.get_text() for label in gradients.get_xticklabels()] == ["layers.0", "layers.2", "score"]
    np.testing.assert_allclose(drawn(gradients, "GAN")[1], [3, 6, 12])
    np.testing.assert_allclose(drawn(gradients, "WGAN")[1], [2, 4, 8])
    np.testing.assert_allclose(band(gradients, 2), [4, 20])
    np.testing.assert_allclose(drawn(operators, "GAN")[1], [7, 7, 7])
    assert legend(figure) == ["GAN", "WGAN"]


def test_critic_health_over_three_seeds_has_students_interval(drawn, band, legend):
    table = pd.concat([health(gap, seed) for seed, gap in enumerate((1.0, 2.0, 3.0))])
    figure = critic.critic_health(pd.concat([table, health(0.5, 0, "wgan", accuracy=False)]))
    gap, accuracy, gradient = figure.axes
    np.testing.assert_allclose(drawn(gap, "GAN"), ([10, 20], [2, 4]))
    half = 4.302653 / np.sqrt(3)  # t of 2 degrees of freedom; the standard deviation is 1
    np.testing.assert_allclose(band(gap, 10), [2 - half, 2 + half], rtol=1e-6)
    np.testing.assert_allclose(drawn(accuracy, "GAN"), ([10, 20], [0.5, 0.9]))
    (dotted,) = [line for line in accuracy.lines if line.get_linestyle() == ":" and len(line.get_xdata())]
    np.testing.assert_allclose(dotted.get_ydata(), [0.5, 0.6])
    np.testing.assert_allclose(drawn(gradient, "GAN")[1], [1, 0.1])  # over the first
    assert gradient.get_yscale() == "log"
    assert legend(figure) == ["GAN", "WGAN", "held-out images"]
    assert not accuracy.texts


def test_critic_health_stops_where_the_first_run_ends_and_says_where_scores_are_no_logits(drawn, thin):
    early = measured({("gap", "held-out"): [3.0]}, "wgan", 1, steps=(10,))
    figure = critic.critic_health(pd.concat([health(1.0, 0, "wgan", accuracy=False), early]))
    gap, accuracy, _ = figure.axes
    np.testing.assert_allclose(drawn(gap, "WGAN"), ([10], [2]))
    assert len(thin(gap)) == 2
    (said,) = accuracy.texts
    assert "logits" in said.get_text()


def test_what_was_not_measured_of_a_critic_is_not_drawn():
    nothing = measured({("score", "real"): [1.0, 2.0]})
    infinite = measured({("gradient_norm_q50", "real"): [np.nan, np.inf], ("gap", "held-out"): [np.nan, np.nan]})
    for draw in FIGURES:
        for table in (pd.DataFrame(), nothing, infinite):
            assert draw(table) is None


def test_the_panel_of_real_runs_is_drawn(trained, legend):
    for draw in FIGURES:
        figure = draw(trained.diagnostics)
        figure.savefig(io.BytesIO())
        assert {"GAN", "WGAN"} <= set(legend(figure))
