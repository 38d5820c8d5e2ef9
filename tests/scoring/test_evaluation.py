"""Scoring a run: what is written, that it belongs to the saved weights, and which runs are due."""

import math
import shutil
from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest
import torch
from PIL import Image

from gancompare import train
from gancompare.base.streams import stream
from gancompare.config import RunConfig
from gancompare.data.datasets import Dataset, Splits, load_splits
from gancompare.runs import layout, reading, record, weights
from gancompare.scoring import evaluation
from gancompare.scoring.admission import admission
from gancompare.scoring.features.extractors import load_extractor
from gancompare.scoring.landmarks import landmarks
from gancompare.scoring.metrics.frechet import frechet_distance
from gancompare.scoring.reference import see_real
from gancompare.scoring.sampling import evaluation_samples


def test_a_run_leaves_scores_of_its_last_and_best_weights(scored):
    directory, config = scored
    content = record.read_json(directory / "metrics.json")
    history = pd.read_csv(directory / "history.csv")
    assert content["primary"] == "random-init"
    assert list(content["checkpoints"]) == ["last", "best"]
    last, best = content["checkpoints"]["last"], content["checkpoints"]["best"]
    assert last["generator_steps"] == 4
    assert best["generator_steps"] == history.loc[history["fd"].idxmin(), "generator_steps"]
    assert list(last["extractors"]) == ["random-init", "pixel-pca"]
    for scores in last["extractors"].values():
        assert scores["n_real"] == scores["n_fake"] == config.evaluation_images == 64
        assert 0 < scores["floor"] < scores["fd"]  # an untrained generator is farther than other real images
    assert last["copy_flagged"] is False
    table = pd.read_csv(directory / "evaluation.csv")
    assert list(zip(table["checkpoint"], table["extractor"], strict=True)) == [
        (which, name) for which in ("last", "best") for name in ("random-init", "pixel-pca")
    ]
    assert table.loc[0, "fd"] == pytest.approx(last["extractors"]["random-init"]["fd"])
    with Image.open(directory / "neighbours.png") as sheet:
        assert sheet.size == (8 * 30 + 2, 2 * 30 + 2)


def test_scores_are_those_of_the_saved_weights(scored):
    """The whole way again by hand: weights, latents, extractor, formula."""
    directory, config = scored
    generator = weights.load_generator(directory)
    z = torch.randn(64, 16, generator=stream(0, "evaluation"))
    fake = ((generator(z) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    data = load_splits(config.dataset, 28, 1)
    extractor = load_extractor("random-init", data)
    real = data.train.images[torch.randperm(len(data.train.images), generator=stream(0, "reference"))[:64]]
    expected = frechet_distance(extractor.module(real), extractor.module(fake))
    fd = record.read_json(directory / "metrics.json")["checkpoints"]["last"]["extractors"]["random-init"]["fd"]
    assert fd == pytest.approx(expected, rel=0.01)  # a pixel may be rounded to the other side
    # the last row of the history measured the same images with the same weights
    assert pd.read_csv(directory / "history.csv")["fd"].iloc[-1] == pytest.approx(fd, rel=1e-6)


def test_scores_stand_beside_what_corrupted_real_images_score(scored):
    directory, config = scored
    content = record.read_json(directory / "metrics.json")
    data = load_splits(config.dataset, 28, 1)
    for name, scores in content["checkpoints"]["last"]["extractors"].items():
        reference = see_real(load_extractor(name, data), data.train, 128)
        expected = landmarks(reference, 64)
        assert scores["landmarks"] == expected.distances
        assert scores["floor"] == scores["landmarks"]["real"]
        assert scores["real_precision"] == expected.precision
        assert scores["beyond_landmark"] == (scores["fd"] >= scores["landmarks"]["patch_shuffled"])
        standing = content["extractors"][name]
        assert standing["admission"] == admission(reference, 64).record()
        assert standing["monitor_landmarks"] == {"n": 64, "landmarks": expected.distances}
    assert content["checkpoints"]["last"]["extractors"]["random-init"]["beyond_landmark"] is True  # four steps


def test_landmarks_are_a_table_of_the_study(scored, tmp_path):
    directory, config = scored
    study = reading.read_study(*in_study(directory, config, tmp_path))
    content = record.read_json(directory / "metrics.json")
    table = study.landmarks
    assert list(table.columns) == ["dataset", "extractor", "n", "landmark", "fd"]
    assert len(table) == 2 * 6  # two extractors; both numbers of images are 64
    by = table.set_index(["extractor", "landmark"])["fd"]
    for name, scores in content["checkpoints"]["last"]["extractors"].items():
        assert {landmark: by[name, landmark] for landmark in scores["landmarks"]} == scores["landmarks"]
    assert set(study.scores["admitted"]) <= {True, False}
    assert "landmarks" not in pd.read_csv(directory / "evaluation.csv")  # which holds plain values
    assert reading.landmark_table(pd.DataFrame()).empty


def test_a_run_that_is_not_to_be_scored_is_not(many_images, tmp_path):
    config = RunConfig(dataset=str(many_images), image_size=28, channels=1, profile="smoke", extractor="none")
    rows = list(train.train(config, tmp_path))
    assert not (tmp_path / "metrics.json").exists()
    assert rows[-1]["fd"] is None
    assert not evaluation.due(config, tmp_path)


def test_a_finished_run_without_scores_is_scored_later(many_images, tmp_path):
    fields = {"dataset": str(many_images), "image_size": 28, "channels": 1, "profile": "smoke"}
    list(train.train(RunConfig(**fields, extractor="none"), tmp_path))
    config = RunConfig(**fields)
    assert evaluation.due(config, tmp_path)
    assert list(train.train(config, tmp_path)) == []
    assert list(record.read_json(tmp_path / "metrics.json")["checkpoints"]) == ["last"]  # no best weights were kept
    assert not evaluation.due(config, tmp_path)


def test_load_scores_is_long_and_keeps_diverged_runs(scored, tmp_path):
    directory, _ = scored
    content = (directory / "metrics.json").read_text()
    rows = []
    for seed, status in enumerate(["complete", "diverged"]):
        where = tmp_path / f"seed{seed}"
        where.mkdir()
        if status == "complete":
            (where / "metrics.json").write_text(content)
        rows.append({"dataset": "discs", "arm": "gan", "seed": seed, "status": status, "directory": where})
    scores = reading.load_scores(pd.DataFrame(rows))
    assert len(scores) == 4 + 2
    lost = scores[scores["status"] == "diverged"]
    assert list(lost["extractor"]) == ["random-init", "pixel-pca"]
    assert set(lost["checkpoint"]) == {"last"}
    assert lost["fd"].isna().all()
    assert list(lost["primary"]) == [True, False]


def test_a_study_without_scores_has_an_empty_table(tmp_path):
    table = pd.DataFrame([{"dataset": "d", "arm": "gan", "seed": 0, "status": "complete", "directory": tmp_path}])
    assert reading.load_scores(table).empty


@pytest.fixture(scope="module")
def stacked_digits():
    """300 images of three digits each, 60 held out, and the 200 single digits that a classifier is trained on."""
    mnist = load_splits("mnist5k")
    digits = [
        replace(part, images=part.images[:n], labels=part.labels[:n], fingerprint=f"first-{n}")
        for part, n in ((mnist.train, 200), (mnist.test, 60))
    ]
    rng = torch.Generator().manual_seed(0)
    chosen = torch.randint(200, (360, 3), generator=rng)
    images = digits[0].images[chosen].squeeze(2)
    train_part = Dataset("stacked", images[:300], None, (), "stacked-train", "made here", digits=Splits(*digits))
    return Splits(train_part, Dataset("stacked", images[300:], None, (), "stacked-test", "made here"))


@pytest.mark.slow
def test_a_run_on_stacked_digits_is_scored_by_modes(tmp_path, stacked_digits):
    config = RunConfig(dataset="stacked_mnist5k", profile="smoke", method="gan", mode_images=300, precision="float32")
    list(train.train(config, tmp_path, stacked_digits))
    last = record.read_json(tmp_path / "metrics.json")["checkpoints"]["last"]
    made = evaluation_samples(weights.load_generator(tmp_path), config.seed, 300)
    single = load_extractor("classifier", stacked_digits.train.digits).module
    counts = Counter(zip(*(single.predictions(made[:, c : c + 1]).tolist() for c in range(3)), strict=True))
    assert last["mode_images"] == 300
    assert last["modes"] == len(counts)
    assert last["kl_uniform"] == pytest.approx(sum(n / 300 * math.log(1000 * n / 300) for n in counts.values()))
    table = reading.load_scores(reading.load_runs(*in_study(tmp_path, config, tmp_path)))
    primary = table[table["primary"] & (table["checkpoint"] == "last")].iloc[0]
    assert (primary["modes"], primary["kl_uniform"]) == (last["modes"], last["kl_uniform"])


def in_study(directory, config, where):
    """(results, study) of a copy of the run where a study would have it."""
    target = layout.run_directory(where / "results", "s", config)
    target.parent.mkdir(parents=True)
    shutil.copytree(directory, target, ignore=shutil.ignore_patterns("results"))
    return where / "results", "s"
