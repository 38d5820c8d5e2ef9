"""The command ``evaluate``: a run, or any images, against any others."""

import json

import pytest
from PIL import Image

from gancompare.__main__ import main
from gancompare.data.datasets import load_splits
from gancompare.data.errors import DataError
from gancompare.runs import record
from gancompare.scoring.compare import compare


def evaluate(*arguments):
    return main(["evaluate", "--extractor=random-init", "--image-size=28", "--channels=1", *map(str, arguments)])


def test_evaluate_scores_a_run_like_the_run_itself(scored, many_images, tmp_path, capsys):
    directory, _ = scored
    out = tmp_path / "scores.json"
    assert evaluate(f"--real={many_images}", f"--fake={directory}", "--num-images=64", f"--json={out}") == 0
    scores = json.loads(out.read_text())["extractors"]["random-init"]
    itself = record.read_json(directory / "metrics.json")["checkpoints"]["last"]["extractors"]["random-init"]
    assert scores == itself
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
