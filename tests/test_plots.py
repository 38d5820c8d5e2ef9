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

from gancompare import plots, runs
from gancompare.config import RunConfig
from gancompare.train import train


@pytest.fixture(scope="module")
def study(tmp_path_factory, image_folder):
    results = tmp_path_factory.mktemp("results")
    for method in ("gan", "wgan"):
        config = RunConfig(dataset=str(image_folder), method=method, profile="smoke", image_size=28)
        list(train(config, runs.run_directory(results, "s", config)))
    return runs.load_study(results, "s")


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


def test_curves_draw_each_seed_and_the_mean_on_three_clocks():
    table = pd.DataFrame(
        {
            "method": ["gan"] * 4,
            "seed": [0, 0, 1, 1],
            "generator_steps": [1, 2, 1, 2],
            "images_seen": [1000, 2000, 1000, 2000],
            "seconds": [1.0, 2.0, 3.0, 4.0],
            "pixel_std": [0.1, 0.2, 0.3, 0.6],
        }
    )
    figure = plots.curves(table, "pixel_std", "spread", reference=(0.5, "real"))
    assert [axis.get_xlabel() for axis in figure.axes] == list(plots.CLOCKS.values())
    for axis, x in zip(figure.axes, ([1, 2], [1, 2], [2, 3]), strict=True):  # images in thousands, mean seconds
        thick = [line for line in axis.lines if line.get_linewidth() > 2 and len(line.get_xdata())]
        assert len(thick) == 1
        np.testing.assert_allclose(thick[0].get_xdata(), x)
        np.testing.assert_allclose(thick[0].get_ydata(), [0.2, 0.4])


def test_losses_of_two_methods_never_share_an_axis(study):
    histories = runs.load_histories(study)
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
