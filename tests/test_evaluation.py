"""evaluation.py: the plumbing from images to scores; the scores themselves are tested in test_metrics.py."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from gancompare import train
from gancompare.__main__ import main
from gancompare.base.streams import stream
from gancompare.config import RunConfig
from gancompare.data.datasets import load_dataset
from gancompare.data.errors import DataError
from gancompare.models import Generator
from gancompare.runs import layout, reading, record, weights
from gancompare.scoring import evaluation, features, metrics
from gancompare.scoring.features import load_extractor
from gancompare.scoring.sampling import evaluation_samples


@pytest.fixture(scope="module")
def many_images(tmp_path_factory):
    """1,200 images of a bright disc on a dark ground: enough of them held out to look for copies."""
    folder = tmp_path_factory.mktemp("discs")
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:28, :28]
    for i in range(1200):
        centre, radius = rng.uniform(8, 20, 2), rng.uniform(3, 8)
        disc = ((y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2) * rng.integers(120, 230)
        pixels = (disc + rng.integers(0, 25, (28, 28))).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:04d}.png")
    return folder


@pytest.fixture(scope="module")
def scored(many_images, tmp_path_factory):
    config = RunConfig(dataset=str(many_images), image_size=28, channels=1, profile="smoke", method="gan")
    directory = tmp_path_factory.mktemp("run")
    list(train.train(config, directory))
    return directory, config


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
    extractor = load_extractor("random-init", config.dataset, 28, 1)
    real = load_dataset(config.dataset, 28, 1).images[:64]
    expected = metrics.frechet_distance(extractor.module(real), extractor.module(fake))
    found = record.read_json(directory / "metrics.json")["checkpoints"]["last"]["extractors"]["random-init"]["fd"]
    assert found == pytest.approx(expected, rel=0.01)  # a pixel may be rounded to the other side
    # the last row of the history measured the same images with the same weights
    assert pd.read_csv(directory / "history.csv")["fd"].iloc[-1] == pytest.approx(found, rel=1e-6)


def test_methods_of_one_seed_are_scored_from_the_same_latents_and_another_seed_from_others():
    net = Generator(28, 1, 4, 2)
    net.forward = lambda z, labels: z.view(-1, 1, 2, 2).tanh()
    one, other = evaluation_samples(net, 0, 10), evaluation_samples(net, 1, 10)
    assert torch.equal(one, evaluation_samples(net, 0, 10, batch_size=3))
    assert torch.equal(one[:5], evaluation_samples(net, 0, 5))
    assert not torch.equal(one, other)


def test_generating_for_a_score_leaves_the_generator_as_it_was(scored):
    generator = weights.load_generator(scored[0]).train()
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    evaluation_samples(generator, 0, 8)
    assert generator.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())


def test_wide_features_are_projected_by_real_images_alone():
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (200, 1, 28, 28), generator=rng, dtype=torch.uint8)

    class Wide(torch.nn.Module):
        def forward(self, x):
            return x.flatten(1).float()

    extractor = evaluation.Extractor("wide", "FD-wide", 784, "wide", None, Wide())
    raw = images.flatten(1).float()
    pca = evaluation.fit_pca(raw, evaluation.PROJECTED)
    reference = evaluation.Reference(extractor, pca, raw, pca.apply(raw))
    assert reference.project(raw + 5).shape == (200, 64)
    # coordinates of a projection that was not refitted: a shift of all pixels moves all rows by the same vector
    moved = reference.project(raw + 5) - reference.features
    assert torch.allclose(moved, moved[:1].expand_as(moved), atol=1e-2)


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
        rows.append({"dataset": "discs", "method": "gan", "seed": seed, "status": status, "directory": where})
    scores = reading.load_scores(pd.DataFrame(rows))
    assert len(scores) == 4 + 2
    lost = scores[scores["status"] == "diverged"]
    assert list(lost["extractor"]) == ["random-init", "pixel-pca"]
    assert set(lost["checkpoint"]) == {"last"}
    assert lost["fd"].isna().all()
    assert list(lost["primary"]) == [True, False]


def test_a_study_without_scores_has_an_empty_table(tmp_path):
    table = pd.DataFrame([{"dataset": "d", "method": "gan", "seed": 0, "status": "complete", "directory": tmp_path}])
    assert reading.load_scores(table).empty


def evaluate(*arguments):
    return main(["evaluate", "--extractor=random-init", "--image-size=28", "--channels=1", *map(str, arguments)])


def test_evaluate_scores_a_run_like_the_run_itself(scored, many_images, tmp_path, capsys):
    directory, _ = scored
    out = tmp_path / "scores.json"
    assert evaluate(f"--real={many_images}", f"--fake={directory}", "--num-images=64", f"--json={out}") == 0
    found = json.loads(out.read_text())["extractors"]["random-init"]
    itself = record.read_json(directory / "metrics.json")["checkpoints"]["last"]["extractors"]["random-init"]
    assert found == itself
    assert "FD-random-init" in capsys.readouterr().out


def test_evaluate_scores_any_images_and_catches_copies(many_images, tmp_path, capsys):
    data = load_dataset(many_images, 28, 1)
    for name, images in {
        "copies": data.images[:150],
        "fresh": load_dataset(many_images, 28, 1, split="test").images,
    }.items():
        (tmp_path / name).mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image[0].numpy()).save(tmp_path / name / f"{i}.png")
        assert evaluate(f"--real={many_images}", f"--fake={tmp_path / name}", f"--json={tmp_path / name}.json") == 0
        found = json.loads((tmp_path / f"{name}.json").read_text())
        assert found["copy_flagged"] == (name == "copies")
        assert ("some images are copies" in capsys.readouterr().out) == (name == "copies")
    assert found["extractors"]["random-init"]["n_fake"] == 120


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


class Brightness(torch.nn.Module):
    """Grey images (N, 1, H, W) → (N, 1): their mean pixel in units of 25."""

    def forward(self, images):
        return images.mean(dim=(1, 2, 3))[:, None] / 25


class NearestDigit(torch.nn.Module):
    """Takes a brightness of about k for the digit k."""

    def __init__(self):
        super().__init__()
        self.register_buffer("digits", torch.arange(10.0))

    def forward(self, features):
        return -(features - self.digits).square()


def brightness_classifier():
    """The classifier of stacked digits, but for images of one brightness a channel: k · 25 is the digit k."""
    body, head = features._PerChannel(Brightness()), features._ModeLogits(NearestDigit())
    net = features.FeatureNet(body, head, 3, 3, lambda images: images.float())
    return features.Extractor("classifier", "FD-classifier", 3, "0" * 16, 1.0, net)


def test_modes_and_their_divergence_are_counted_on_images_of_known_modes():
    digits = torch.tensor([[1, 2, 3]] * 50 + [[9, 0, 0]] * 30 + [[3, 2, 1]] * 20)
    images = (25 * digits + 3).to(torch.uint8)[:, :, None, None].expand(-1, -1, 8, 8)
    found = evaluation.stacked_modes(images, brightness_classifier())
    shares = np.array([0.5, 0.3, 0.2])
    assert (found["modes"], found["mode_images"]) == (3, 100)
    assert found["kl_uniform"] == pytest.approx((shares * np.log(1000 * shares)).sum())
    assert found["kl_uniform_floor"] == pytest.approx(999 / 200)


def test_a_generator_of_all_modes_alike_has_no_divergence():
    digits = torch.cartesian_prod(*[torch.arange(10)] * 3)
    images = (25 * digits).to(torch.uint8)[:, :, None, None].expand(-1, -1, 8, 8)
    found = evaluation.stacked_modes(images, brightness_classifier())
    assert (found["modes"], found["modes_tenth"]) == (1000, 1000)
    assert found["kl_uniform"] == pytest.approx(0, abs=1e-12)
    expected = [int(f"{r}{g}{b}") for r, g, b in digits.tolist()]
    assert brightness_classifier().module.logits(images).argmax(dim=1).tolist() == expected


def test_a_run_on_stacked_digits_is_scored_by_modes(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation, "load_extractor", lambda name, *about: stub(name, *about))
    config = RunConfig(dataset="stacked_mnist5k", profile="smoke", method="gan", mode_images=300)
    list(train.train(config, tmp_path))
    last = record.read_json(tmp_path / "metrics.json")["checkpoints"]["last"]
    made = evaluation_samples(weights.load_generator(tmp_path), config.seed, 300).float().mean(dim=(2, 3)) / 25
    modes = {tuple(digits) for digits in made.round().clamp(0, 9).int().tolist()}
    assert last["mode_images"] == 300
    assert abs(last["modes"] - len(modes)) <= 2  # a brightness on the border of two digits
    table = reading.load_scores(reading.load_runs(*in_study(tmp_path, config)))
    primary = table[table["primary"] & (table["checkpoint"] == "last")].iloc[0]
    assert (primary["modes"], primary["kl_uniform"]) == (last["modes"], last["kl_uniform"])


def stub(name, *about):
    return brightness_classifier() if name == "classifier" else load_extractor(name, *about)


def in_study(directory, config):
    """(results, study) of a copy of the run where a study would have it."""
    target = layout.run_directory(directory / "results", "s", config)
    target.parent.mkdir(parents=True)
    shutil.copytree(directory, target, ignore=shutil.ignore_patterns("results"))
    return directory / "results", "s"


def test_too_few_held_out_images_are_said_not_guessed(image_folder):
    found = evaluation.compare(image_folder, image_folder, "random-init", image_size=28, channels=1)
    assert "not tested for copies" in found["copy_note"]
    assert "copy_flagged" not in found


def test_too_few_images_are_an_error(image_folder):
    with pytest.raises(DataError, match="at least 6"):
        evaluation.compare(image_folder, image_folder, "random-init", n=2, image_size=28, channels=1)
