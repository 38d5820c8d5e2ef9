"""Sheets of samples, from saved grids."""

import pandas as pd
from PIL import Image

from gancompare.report.figures import samples


def test_samples_over_time_has_a_row_per_saved_step(trained):
    figure = samples.samples_over_time(trained.runs["directory"].iloc[0])
    assert [axis.get_ylabel() for axis in figure.axes] == ["0", "2", "4"]


def test_final_samples_has_a_panel_per_run_and_says_how_it_ended(trained):
    ended = trained.runs.assign(status=["complete", "diverged"])
    titles = [axis.get_title() for axis in samples.final_samples(ended).axes]
    assert titles == ["GAN, seed 0", "WGAN, seed 0 (diverged at step 4)"]


def test_neighbours_is_a_sheet_per_method_of_its_first_seed(tmp_path):
    rows = [("gan", 1, "red"), ("gan", 0, "blue"), ("wgan", 0, "lime"), ("wgan-gp", 0, None)]
    for method, seed, fill in rows:
        directory = tmp_path / f"{method}{seed}"
        directory.mkdir()
        if fill:
            Image.new("RGB", (80, 20), fill).save(directory / "neighbours.png")
    table = pd.DataFrame([{"arm": m, "seed": s, "directory": tmp_path / f"{m}{s}"} for m, s, _ in rows])
    figure = samples.neighbours(table)
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["GAN, seed 0", "WGAN, seed 0"]
    assert [axis.images[0].get_array()[0, 0].tolist() for axis in figure.axes] == [[0, 0, 255], [0, 255, 0]]
    assert samples.neighbours(table[table["arm"] == "wgan-gp"]) is None
