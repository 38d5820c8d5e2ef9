"""The command ``evaluate``: a run, or any images, against any others."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from gancompare.__main__ import main
from gancompare.data.datasets import load_dataset, load_splits
from gancompare.data.errors import DataError
from gancompare.runs import record
from gancompare.scoring.compare import compare, summary
from gancompare.scoring.features.extractors import load_extractor
from gancompare.scoring.metrics.frechet import frechet_distance


def evaluate(*arguments):
    return main(["evaluate", "--extractor=random-init", "--image-size=28", "--channels=1", *map(str, arguments)])


def test_evaluate_scores_a_run_like_the_run_itself(scored, many_images, tmp_path, capsys):
    directory, _ = scored
    out = tmp_path / "scores.json"
    assert evaluate(f"--real={many_images}", f"--fake={directory}", "--num-images=64", f"--json={out}") == 0
    scores = json.loads(out.read_text())["extractors"]["random-init"]
    itself = record.read_json(directory / "metrics.json")["checkpoints"]["last"]["extractors"]["random-init"]
    assert scores == itself  # against the training part, as the run was
    assert "FD-random-init" in capsys.readouterr().out


@pytest.mark.slow
def test_evaluate_scores_any_images_and_catches_copies(many_images, tmp_path, capsys):
    data = load_splits(many_images, 28, 1)
    for name, images in {"copies": data.train.images[:150], "fresh": data.test.images}.items():
        (tmp_path / name).mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image[0].numpy()).save(tmp_path / name / f"{i}.png")
        assert evaluate(f"--real={many_images}", f"--fake={tmp_path / name}", f"--json={tmp_path / name}.json") == 0
        scores = json.loads((tmp_path / f"{name}.json").read_text())
        assert scores["copy_flagged"] == (name == "copies")
        assert ("some images are copies" in capsys.readouterr().out) == (name == "copies")
    assert scores["extractors"]["random-init"]["n_fake"] == 120


@pytest.fixture(scope="module")
def few(many_images, tmp_path_factory):
    """The first 40 of the discs, in a folder of their own."""
    folder = tmp_path_factory.mktemp("few")
    for path in sorted(many_images.iterdir())[:40]:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_a_folder_is_at_no_distance_from_itself(many_images, few, capsys):
    for folder, arguments in [(few, []), (many_images, ["--num-images=50"])]:
        assert evaluate(f"--real={folder}", f"--fake={folder}", *arguments) == 0
        out = capsys.readouterr().out
        assert "WARNING: all of the first are among the second" in out
        assert float(re.search(r"FD-random-init +(\S+)", out)[1]) == pytest.approx(0, abs=1e-9)


def test_two_folders_are_compared_whole(many_images, few):
    size = {"extractor": "random-init", "image_size": 28, "channels": 1}
    result = compare(many_images, few, **size)
    scores = result["extractors"]["random-init"]
    assert (scores["n_real"], scores["n_fake"]) == (1200, 40)
    assert result["identical"] == 1
    assert not scores["full_rank"]  # 40 images, 128 features
    pixels = [load_dataset(folder, 28, 1, split="all").images for folder in (many_images, few)]
    body = load_extractor("random-init", load_splits(many_images, 28, 1)).module
    assert scores["fd"] == pytest.approx(frechet_distance(*map(body, pixels)), rel=1e-3)
    assert compare(few, many_images, **size)["identical"] == pytest.approx(40 / 1200)


def test_a_subset_is_a_random_draw_and_not_the_first_by_name(tmp_path):
    """Names are in the order of brightness, so that the first 100 are dark and a fair draw is not."""
    rng = np.random.default_rng(0)
    for level in range(200):
        pixels = (level + rng.integers(0, 40, (28, 28))).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{level:03d}.png")
    size = {"extractor": "pixel-pca", "image_size": 28, "channels": 1}
    (drawn,) = compare(tmp_path, tmp_path, n=100, **size)["extractors"].values()
    images = load_dataset(tmp_path, 28, 1, split="all").images
    body = load_extractor("pixel-pca", load_splits(tmp_path, 28, 1)).module
    dark, whole = body(images[:100]).double().var(dim=0).sum(), body(images).double().var(dim=0).sum()
    assert drawn["fd"] == pytest.approx(0, abs=1e-9)
    assert drawn["variance"] == pytest.approx(whole.item(), rel=0.2)
    assert dark < 0.4 * whole


def test_six_images_are_enough(many_images, tmp_path):
    for path in sorted(many_images.iterdir())[:6]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    result = compare(tmp_path, tmp_path, extractor="random-init", image_size=28, channels=1)
    assert result["extractors"]["random-init"]["real_precision"] is None  # of three images against three
    assert "images" in "\n".join(summary(result))


def test_evaluate_says_what_is_wrong(scored, image_folder, tmp_path, capsys):
    directory, _ = scored
    for arguments, message in [
        ([f"--real={image_folder}", "--fake=/nowhere"], "/nowhere"),
        ([f"--real={image_folder}", f"--fake={directory}", "--image-size=64"], "28×28 images of 1 channels"),
        ([f"--real={image_folder}", f"--fake={image_folder}", "--num-images=3"], "at least 6"),
        ([f"--real={image_folder}", f"--fake={image_folder}", "--extractor=classifier"], "no labels"),
    ]:
        assert evaluate(*arguments) == 2
        assert message in capsys.readouterr().err.splitlines()[-1]


def test_too_few_held_out_images_are_said_not_guessed(image_folder):
    scores = compare(image_folder, image_folder, extractor="random-init", image_size=28, channels=1)
    assert "not tested for copies" in scores["copy_note"]
    assert "copy_flagged" not in scores


def test_too_few_images_are_an_error(image_folder):
    with pytest.raises(DataError, match="at least 6"):
        compare(image_folder, image_folder, extractor="random-init", n=2, image_size=28, channels=1)
