import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image
from torchvision.utils import save_image

from gancompare.config import RunConfig
from gancompare.report import plots
from gancompare.runs import layout, reading
from gancompare.train import train


@pytest.fixture(scope="module")
def study(tmp_path_factory, image_folder):
    results = tmp_path_factory.mktemp("results")
    for method in ("gan", "wgan"):
        config = RunConfig(dataset=str(image_folder), method=method, profile="smoke", image_size=28, extractor="none")
        list(train(config, layout.run_directory(results, "s", config)))
    return reading.load_runs(results, "s")


def test_every_main_method_has_a_colour_of_its_own():
    assert len(set(plots.COLORS.values())) == len(plots.COLORS) == 5
    assert plots.color("mine") not in plots.COLORS.values()


def test_tiles_takes_a_saved_grid_apart(tmp_path):
    images = torch.rand(64, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    save_image(images, tmp_path / "grid.png", nrow=8, padding=plots.GRID_PADDING)
    expected = images.mul(255).add(0.5).clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()  # save_image's rounding
    np.testing.assert_array_equal(plots.tiles(tmp_path / "grid.png"), expected)


def test_samples_over_time_has_a_row_per_saved_step(study):
    figure = plots.samples_over_time(study["directory"].iloc[0], rows=6)
    assert [axis.get_ylabel() for axis in figure.axes] == ["0", "2", "4"]


def test_final_samples_has_a_panel_per_run_and_says_how_it_ended(study):
    ended = study.assign(status=["complete", "diverged"])
    titles = [axis.get_title() for axis in plots.final_samples(ended).axes]
    assert titles == ["gan, seed 0", "wgan, seed 0 (diverged at step 4)"]


def history(method, seed, fd, dataset="d"):
    """A run that is scored every 10 steps and makes 2 images and 0.5 s (and a bit more per seed) a step."""
    steps = 5 * np.arange(1, 2 * len(fd) + 1)
    values = np.full(2 * len(fd), np.nan)
    values[1::2] = fd
    row = {"dataset": dataset, "method": method, "seed": seed, "generator_steps": steps, "images_seen": 2000 * steps}
    return pd.DataFrame(row | {"seconds": (0.5 + 0.1 * seed) * steps, "fd": values})


def scored(**columns):
    """Final scores of runs, a row each: the columns given, and the plainest of all others."""
    n = len(next(iter(columns.values())))
    plain = {"dataset": "d", "method": "gan", "seed": range(n), "status": "complete", "checkpoint": "last"}
    plain |= {"extractor": "classifier", "primary": True, "label": "FD-classifier", "seconds": 10.0}
    return pd.DataFrame(plain | {"fd": 2.0, "floor": 0.1, "variance": 50.0} | columns)


def drawn(axis, label):
    """(x, y) of the line called ``label``."""
    (line,) = [line for line in axis.lines if line.get_label() == label]
    return np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)


def thin(axis):
    return [line for line in axis.lines if line.get_linewidth() < 1 and len(line.get_xdata())]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_bands_of_two_seeds_are_a_line_each_and_their_mean_on_three_clocks():
    table = pd.concat([history("gan", 0, [8, 4]), history("gan", 1, [4, 2])])
    figure = plots.bands(table, "fd", "FD", reference=(0.5, "real"))
    assert [axis.get_xlabel() for axis in figure.axes] == list(plots.CLOCKS.values())
    assert legend(figure) == ["gan", "real"]
    for axis, x in zip(figure.axes, ([10, 20], [20, 40], [5.5, 11]), strict=True):  # images in thousands, mean seconds
        np.testing.assert_allclose(drawn(axis, "gan"), (x, [6, 3]))
        assert len(thin(axis)) == 2
        assert not axis.collections  # two seeds have no interval


def test_bands_of_three_seeds_are_students_interval():
    table = pd.concat([history("gan", seed, [fd, 2 * fd]) for seed, fd in enumerate((1.0, 2.0, 3.0))])
    axis = plots.bands(table, "fd", "FD", log=True).axes[0]
    assert axis.get_yscale() == "log"
    assert thin(axis) == []
    (band,) = axis.collections
    corners = band.get_paths()[0].vertices
    half = 4.302653 / np.sqrt(3)  # t of 2 degrees of freedom; the standard deviation is 1
    for x, middle, width in ((10, 2, half), (20, 4, 2 * half)):
        ends = corners[corners[:, 0] == x, 1]
        np.testing.assert_allclose([ends.min(), ends.max()], [middle - width, middle + width], rtol=1e-6)
    assert 0 < axis.get_ylim()[0] < 1  # although the band reaches below 0


def test_bands_stop_where_the_first_run_ends():
    whole = [history("gan", seed, [8, 4, 2]) for seed in (0, 1)]
    axis = plots.bands(pd.concat([*whole, history("gan", 2, [8])]), "fd", "FD").axes[0]
    np.testing.assert_allclose(drawn(axis, "gan"), ([10], [8]))  # not the mean of those that survived
    assert [line.get_marker() for line in thin(axis)] == ["", "", "x"]
    never = pd.concat([*whole, history("gan", 2, [np.nan] * 3)])  # diverged before it was measured
    axis = plots.bands(never, "fd", "FD").axes[0]
    assert drawn(axis, "gan")[0].size == 0
    assert len(thin(axis)) == 2


def test_bands_have_a_linear_axis_where_a_value_is_not_positive():
    assert plots.bands(history("gan", 0, [3, -1]), "fd", "KID", log=True).axes[0].get_yscale() == "linear"


def test_frontier_is_what_no_run_beats_in_both():
    points = {"seconds": [1, 2, 3, 4, 5], "fd": [9.0, 9.5, 4.0, np.nan, 3.0], "method": ["gan"] * 3 + ["wgan"] * 2}
    scores = scored(**points)
    scores = pd.concat([scores, scored(seconds=[0.5], fd=[0.1], checkpoint=["best"])])  # not how a run ended
    figure = plots.frontier(scores, history("gan", 0, [30, 9]))
    (axis,) = figure.axes
    np.testing.assert_allclose(drawn(axis, "best FD by that time"), ([1, 3, 5], [9, 4, 3]))
    np.testing.assert_allclose(drawn(axis, "gan"), ([1, 2, 3], [9, 9.5, 4]))
    (trajectory,) = thin(axis)
    np.testing.assert_allclose(trajectory.get_xydata(), [[5, 30], [10, 9]])
    assert axis.get_ylabel() == "FD-classifier"
    assert axis.get_yscale() == "log"
    assert legend(figure) == ["gan", "wgan", "best FD by that time", "real images against real ones"]


def test_panels_are_one_per_data_set():
    names = ["a", "b", "c", "d"]
    figure = plots.frontier(scored(dataset=names), pd.DataFrame())
    assert [axis.get_title() for axis in figure.axes if axis.get_title()] == names


def test_sample_size_draws_fd_and_floor_against_n():
    scores = scored(fd_by_n=[[[100, 5.0, 0.4], [50, 6.0, 0.8]], np.nan], method=["gan", "wgan"])
    (axis,) = plots.sample_size(scores).axes
    np.testing.assert_allclose(drawn(axis, "gan"), ([50, 100], [6, 5]))
    np.testing.assert_allclose(drawn(axis, "real images"), ([50, 100], [0.8, 0.4]))
    assert list(axis.get_xticks()) == [50, 100]


def test_stability_shows_seeds_rebounds_and_failures():
    scores = scored(
        method=["gan"] * 4 + ["wgan"],
        seed=[0, 1, 2, 3, 0],
        status=["complete"] * 3 + ["diverged", "complete"],
        fd=[1.0, 2.0, 120.0, np.nan, 5.0],  # the third ended above twice the variance of 50: collapsed
    )
    table = pd.concat([history("gan", 0, [4, 2, 3]), history("wgan", 0, [4, 3])])
    final, rebound, swing, failed = plots.stability(scores, table).axes
    np.testing.assert_allclose(final.lines[0].get_xdata(), [1, 2, 120])
    np.testing.assert_allclose(rebound.lines[0].get_xdata(), [0.5])
    np.testing.assert_allclose(rebound.lines[1].get_xdata(), [0])
    # up by log(3/2), down by log(4/2), in two steps: the smaller of the two, per step
    np.testing.assert_allclose(swing.lines[0].get_xdata(), [np.log(1.5) / 2])
    assert [text.get_text() for text in failed.texts] == ["2 of 4", "0 of 1"]
    center, margin = (2 + 1.96**2 / 2) / (4 + 1.96**2), 1.96 / (4 + 1.96**2) * np.sqrt(1 + 1.96**2 / 4)  # Wilson 1927
    np.testing.assert_allclose(failed.lines[0].get_xdata(), [center - margin, center + margin], atol=1e-4)
    assert [label.get_text() for label in final.get_yticklabels()] == ["gan", "wgan"]


def test_class_histograms_are_shares_beside_the_real_ones():
    scores = scored(
        class_histogram=[[1, 3], [4, 0], [5, 5]],
        real_histogram=[[10, 30]] * 3,
        classes=[["cat", "dog"]] * 3,
        method=["gan", "gan", "wgan"],
    )
    later = scored(class_histogram=[[0, 1]], checkpoint=["best"])
    figure = plots.class_histograms(pd.concat([scores, later, scored(dataset=["without classes"])]))
    (axis,) = figure.axes
    heights = {bars.get_label(): [bar.get_height() for bar in bars] for bars in axis.containers}
    assert heights == {"real images": [0.25, 0.75], "gan": [0.625, 0.375], "wgan": [0.5, 0.5]}
    assert [label.get_text() for label in axis.get_xticklabels()] == ["cat", "dog"]
    dots = np.sort(np.concatenate([dots.get_offsets()[:, 1] for dots in axis.collections]))
    np.testing.assert_allclose(dots, np.sort([0.25, 0.75, 0.25, 0.75, 1, 0, 0.5, 0.5]))
    plain = plots.class_histograms(scored(class_histogram=[[1, 3]])).axes[0]
    assert [bars.get_label() for bars in plain.containers] == ["gan"]


def test_performance_profile_counts_a_diverged_run_as_never():
    scores = scored(fd=[0.2, np.nan, 1.0, 1.0], dataset=["a", "a", "b", "b"])
    (axis,) = plots.performance_profile(scores).axes
    x, y = drawn(axis, "gan")
    np.testing.assert_allclose(y, np.where(x < 2, 0, 0.25) + np.where(x < 10, 0, 0.5))


def test_neighbours_is_a_sheet_per_method_of_its_first_seed(tmp_path):
    rows = [("gan", 1, "red"), ("gan", 0, "blue"), ("wgan", 0, "lime"), ("wgan-gp", 0, None)]
    for method, seed, fill in rows:
        directory = tmp_path / f"{method}{seed}"
        directory.mkdir()
        if fill:
            Image.new("RGB", (80, 20), fill).save(directory / "neighbours.png")
    table = pd.DataFrame([{"method": m, "seed": s, "directory": tmp_path / f"{m}{s}"} for m, s, _ in rows])
    figure = plots.neighbours(table)
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["gan, seed 0", "wgan, seed 0"]
    assert [axis.images[0].get_array()[0, 0].tolist() for axis in figure.axes] == [[0, 0, 255], [0, 255, 0]]
    assert plots.neighbours(table[table["method"] == "wgan-gp"]) is None


def measured(values, method="gan", seed=0, steps=(10, 20), dataset="d"):
    """Rows of ``diagnostics.csv``: (quantity, where) → a value per step."""
    run = {"dataset": dataset, "method": method, "seed": seed}
    rows = [
        run | {"generator_steps": step, "quantity": quantity, "where": where, "value": value}
        for (quantity, where), of in values.items()
        for step, value in zip(steps, of, strict=True)
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


def band(axis, x):
    """Lowest and highest point of the axis' first filled area at ``x``."""
    corners = axis.collections[0].get_paths()[0].vertices
    ends = corners[np.isclose(corners[:, 0], x), 1]
    return [ends.min(), ends.max()]


def test_gradient_norms_are_the_median_image_between_its_quantiles():
    table = pd.concat([slopes(1.0), slopes(3.0, seed=1), slopes(5.0, method="wgan-gp", dataset="e")])
    figure = plots.gradient_norms(table)
    kinds = ("real", "fake", "interpolated")
    assert [axis.get_title() for axis in figure.axes] == [f"{d}: {kind} images" for d in "de" for kind in kinds]
    for k, axis in enumerate(figure.axes[:3], 1):
        np.testing.assert_allclose(drawn(axis, "gan"), ([10, 20], [2 * k, 20 * k]))  # mean of the seeds' 1 and 3
        np.testing.assert_allclose(band(axis, 10), [k, 4 * k])
        assert [line.get_ydata()[0] for line in thin(axis)] == [k, 3 * k]
        assert axis.get_yscale() == "log"
        assert axis.get_ylim() == figure.axes[0].get_ylim()
    steepest = [[line for line in axis.lines if line.get_linestyle() == "--"] for axis in figure.axes[:3]]
    assert [len(lines) for lines in steepest] == [0, 0, 2]  # the line, and an empty one for the legend
    np.testing.assert_allclose(steepest[2][0].get_ydata(), [14, 140])
    assert legend(figure) == ["gan", "steepest on the lines", "wgan-gp", "target of the penalty"]
    assert "target of the penalty" not in [line.get_label() for line in figure.axes[0].lines]  # no penalty there


def test_critic_layers_are_those_of_each_runs_last_step_from_image_to_score():
    def layers(scale, **run):
        places = {"layers.0": 1, "layers.2": 2, "score": 4}
        gradients = {("layer_gradient_norm", where): [99.0, scale * k] for where, k in places.items()}
        return measured(gradients | {("spectral_norm", where): [99.0, 7.0] for where in places}, **run)

    early = layers(5.0, seed=2, steps=(10, 15))  # ended before the others
    figure = plots.critic_layers(pd.concat([layers(1.0), layers(3.0, seed=1), early, layers(2.0, method="wgan")]))
    gradients, operators = figure.axes
    assert [label.get_text() for label in gradients.get_xticklabels()] == ["layers.0", "layers.2", "score"]
    np.testing.assert_allclose(drawn(gradients, "gan")[1], [3, 6, 12])
    np.testing.assert_allclose(drawn(gradients, "wgan")[1], [2, 4, 8])
    np.testing.assert_allclose(band(gradients, 2), [4, 20])
    np.testing.assert_allclose(drawn(operators, "gan")[1], [7, 7, 7])
    assert legend(figure) == ["gan", "wgan"]


def health(gap, seed, method="gan", accuracy=True):
    values = {("gap", "held-out"): [gap, 2 * gap], ("generator_gradient", "fake"): [0.1, 0.01]}
    values |= {("accuracy", "real"): [0.5, 0.9], ("accuracy", "held-out"): [0.5, 0.6]} if accuracy else {}
    return measured(values, method, seed)


def test_critic_health_over_three_seeds_has_students_interval():
    table = pd.concat([health(gap, seed) for seed, gap in enumerate((1.0, 2.0, 3.0))])
    figure = plots.critic_health(pd.concat([table, health(0.5, 0, "wgan", accuracy=False)]))
    gap, accuracy, gradient = figure.axes
    np.testing.assert_allclose(drawn(gap, "gan"), ([10, 20], [2, 4]))
    half = 4.302653 / np.sqrt(3)  # t of 2 degrees of freedom; the standard deviation is 1
    np.testing.assert_allclose(band(gap, 10), [2 - half, 2 + half], rtol=1e-6)
    np.testing.assert_allclose(drawn(accuracy, "gan"), ([10, 20], [0.5, 0.9]))
    (dashed,) = [line for line in accuracy.lines if line.get_linestyle() == "--" and len(line.get_xdata())]
    np.testing.assert_allclose(dashed.get_ydata(), [0.5, 0.6])
    np.testing.assert_allclose(drawn(gradient, "gan")[1], [1, 0.1])  # over the first
    assert gradient.get_yscale() == "log"
    assert legend(figure) == ["gan", "wgan", "held-out images"]
    assert not accuracy.texts


def test_critic_health_stops_where_the_first_run_ends_and_says_where_scores_are_no_logits():
    early = measured({("gap", "held-out"): [3.0]}, "wgan", 1, steps=(10,))
    figure = plots.critic_health(pd.concat([health(1.0, 0, "wgan", accuracy=False), early]))
    gap, accuracy, _ = figure.axes
    np.testing.assert_allclose(drawn(gap, "wgan"), ([10], [2]))
    assert len(thin(gap)) == 2
    (said,) = accuracy.texts
    assert "logits" in said.get_text()


def test_what_was_not_measured_of_a_critic_is_not_drawn():
    nothing = measured({("score", "real"): [1.0, 2.0]})
    infinite = measured({("gradient_norm_q50", "real"): [np.nan, np.inf], ("gap", "held-out"): [np.nan, np.nan]})
    for draw in (plots.gradient_norms, plots.critic_layers, plots.critic_health):
        for table in (pd.DataFrame(), nothing, infinite):
            assert draw(table) is None


def test_the_panel_of_real_runs_is_drawn(study):
    diagnostics = reading.load_rows(study, layout.DIAGNOSTICS)
    for draw in (plots.gradient_norms, plots.critic_layers, plots.critic_health):
        figure = draw(diagnostics)
        figure.savefig(io.BytesIO())
        assert {"gan", "wgan"} <= set(legend(figure))


DIVERGED = scored(status=["diverged"], fd=[np.nan])


@pytest.mark.parametrize("scores", [pd.DataFrame(), DIVERGED], ids=["no scores", "all diverged"])
def test_what_was_not_measured_is_not_drawn(scores):
    unscored = history("gan", 0, [np.nan, np.nan])
    assert plots.bands(unscored, "fd", "FD") is None
    assert plots.bands(unscored.drop(columns="fd"), "fd", "FD") is None
    assert plots.bands(pd.DataFrame(), "fd", "FD") is None
    assert plots.frontier(scores, unscored) is None
    assert plots.sample_size(scores) is None
    assert plots.stability(scores, unscored) is None
    assert plots.class_histograms(scores) is None
    assert plots.performance_profile(scores) is None


def test_scores_without_the_optional_columns_are_drawn():
    scores = scored(fd=[2.0]).drop(columns=["floor", "variance"])
    assert plots.frontier(scores, pd.DataFrame()) is not None
    assert plots.stability(scores, pd.DataFrame()) is not None
    assert plots.sample_size(scores) is None
    assert plots.performance_profile(scores) is None


def test_show_says_what_was_not_measured(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda page: shown.append(page.data))
    plots.show(None, "a caption", alt="FD <by> method")
    plots.show(Figure(), "a caption", alt="FD <by> method")
    assert "Not measured in these runs: FD &lt;by&gt; method" in shown[0]
    assert "<figure>" not in shown[0]
    assert 'alt="FD &lt;by&gt; method"' in shown[1]


def test_losses_of_two_methods_never_share_an_axis(study):
    histories = reading.load_rows(study, layout.HISTORY)
    figure = plots.loss_panels(histories)
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles == [
        "gan: critic loss",
        "gan: generator loss",
        "wgan: critic loss",
        "wgan: generator loss",
        "wgan: wasserstein estimate",  # the GAN has none
    ]
    assert all(len({line.get_color() for line in axis.lines}) <= 1 for axis in figure.axes)


def test_losses_of_one_run(study):
    history = pd.read_csv(study["directory"].iloc[0] / "history.csv")
    figure = plots.losses(history, "gan")
    assert [line.get_label() for line in figure.axes[0].lines] == ["real", "fake"]
    assert len(figure.axes) == 4


def test_generator_losses_have_the_slopes_of_the_papers():
    slopes = {line.get_label(): line for line in plots.generator_losses().axes[1].lines}
    scores = slopes["gan"].get_xdata()
    sigmoid = 1 / (1 + np.exp(-np.asarray(scores)))
    np.testing.assert_allclose(slopes["gan-minimax"].get_ydata(), sigmoid, atol=1e-12)
    np.testing.assert_allclose(slopes["gan"].get_ydata(), 1 - sigmoid, atol=1e-12)
    np.testing.assert_allclose(slopes["wgan and wgan-gp"].get_ydata(), 1)


@pytest.mark.parametrize(
    ("figure", "photo", "kind"),
    [(Figure(), False, "png"), (Figure(), True, "jpeg"), (Image.new("RGB", (9, 7), "red"), False, "jpeg")],
)
def test_figure_html_holds_the_picture_its_caption_and_its_alt_text(figure, photo, kind):
    page = plots.figure_html(figure, 'caption <b> & "quotes"', alt='words "in" quotes', photo=photo)
    found = re.search(r'<img src="data:image/(\w+);base64,([^"]+)" alt="([^"]*)"', page)
    assert found[1] == kind
    assert Image.open(io.BytesIO(base64.b64decode(found[2]))).format.lower() == kind
    assert found[3] == "words &quot;in&quot; quotes"
    assert "caption &lt;b&gt; &amp;" in page
    assert 'alt="caption' in plots.figure_html(figure, "caption")
