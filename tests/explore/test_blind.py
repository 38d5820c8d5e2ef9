"""blind.py: a simulated rater with known odds answers through the buttons; what comes out must be what went in."""

import csv
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from gancompare.data.datasets import load_dataset
from gancompare.explore.blind import BlindTest
from gancompare.runs import layout

ODDS = {"real": 0.9, "gan": 0.2, "wgan-gp": 0.6}  # with which the rater calls an image real


@pytest.fixture(scope="module")
def results(make_run, rewrite_config, tmp_path_factory):
    """Runs on the digits that come with a package, so that real images are at hand; one has lost its weights."""
    root = tmp_path_factory.mktemp("results")
    for method in ("gan", "wgan", "wgan-gp"):
        directory = make_run(root / "s" / "mnist5k" / method / "seed0", method=method, weights=method != "wgan")
        rewrite_config(directory, "config", "dataset", "mnist5k")
        rewrite_config(directory, "data", "fingerprint", load_dataset("mnist5k").fingerprint)
    return root


def begun(results, path, fastest=0.0, **options):
    """A test whose first image is shown. Any rater is taken for one who looked, unless ``fastest`` says otherwise."""
    test = BlindTest("s", results, "mnist5k", answers=path, fastest=fastest, **options)
    assert test.real.disabled
    test.begin.click()
    return test


def rate(test, rng, most=10**6):
    """Press buttons by the odds of each source until nothing is asked; returns how often each was called real."""
    called = dict.fromkeys(ODDS, 0)
    for trial in test.trials[test.number :][:most]:
        real = rng.random() < ODDS[trial.source]
        called[trial.source] += real
        (test.real if real else test.generated).click()
    return called


def wilson(k, n, z=1.959963984540054):
    """Wilson (1927), equation 5, as printed."""
    p = k / n
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)


def test_a_simulated_raters_odds_come_back_with_wilsons_interval(results, tmp_path):
    test = begun(results, tmp_path / "a.csv", per_method=40)
    called = rate(test, np.random.default_rng(0))
    table = test.table()
    assert table["shown"].to_dict() == {"real": 80, "GAN": 40, "WGAN-GP": 40}
    assert table["called real"].tolist() == [*called.values()]
    for source, (_, row) in zip(ODDS, table.iterrows(), strict=True):
        assert row["share"] == pytest.approx(called[source] / row["shown"], abs=1e-3)
        assert (row["low"], row["high"]) == pytest.approx(wilson(called[source], row["shown"]), abs=1e-3)
        spread = np.sqrt(ODDS[source] * (1 - ODDS[source]) / row["shown"])
        assert abs(row["share"] - ODDS[source]) < 4 * spread  # its 95 % interval may miss, one time in twenty
        assert row["median seconds"] >= 0
    assert test.real.disabled
    assert "all 160 images are answered" in test.status.value
    assert "WGAN-GP" in test.status.value


def test_what_is_shown_is_what_is_asked_and_gives_nothing_away(results, tmp_path):
    test = begun(results, tmp_path / "a.csv", per_method=3)
    real = load_dataset("mnist5k", split="test").images
    for trial in test.trials:
        shown = np.asarray(Image.open(io.BytesIO(test.image.value)))[3::7, 3::7]  # blown up seven times
        is_real = (real.numpy()[:, 0] == shown).all(axis=(1, 2)).any()
        assert is_real == (trial.source == "real")
        for method in ("gan", "wgan"):  # the latter is part of the third's name as well
            assert method not in (test.status.value + test.image.tooltip).lower()
        test.real.click()


def test_an_interrupted_test_goes_on_where_it_was_left(results, tmp_path):
    path = tmp_path / "new" / "a.csv"
    first = begun(results, path, per_method=5)
    rng = np.random.default_rng(1)
    rate(first, rng, most=7)
    assert len(path.read_text().splitlines()) == 8  # a header, and each answer at once
    with open(path, "a") as file:
        file.write("7,real")  # a power cut
    second = begun(results, path, per_method=5)
    assert "image 8 of 20" in second.status.value
    rate(second, rng)
    rows = list(csv.DictReader(path.open()))
    assert [row["trial"] for row in rows] == [str(i) for i in range(20)]
    assert [row["source"] for row in rows] == [trial.source for trial in first.trials]
    third = begun(results, path, per_method=5)
    assert "all 20 images are answered" in third.status.value


def test_a_double_click_is_one_answer(results, tmp_path):
    now = 100.0
    test = begun(results, tmp_path / "a.csv", fastest=0.15, per_method=1, clock=lambda: now)
    for wait in (0.5, 0.1, 0.2, 0.0, 0.2, 0.4, 0.05, 9.0):  # the last two find nothing left to answer
        now += wait
        test.generated.click()
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert [float(row["seconds"]) for row in rows] == pytest.approx([0.5, 0.3, 0.2, 0.4])
    assert "all 4 images are answered" in test.status.value


def test_an_answer_that_could_not_be_written_whole_leaves_the_file_as_it_was(results, tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "a.csv"
    test = begun(results, path, per_method=5)
    test.real.click()
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 4, limits[1]))  # as a disk that fills up in mid-line
    try:
        test.real.click()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "the answer could not be kept" in test.status.value
    assert path.read_bytes() == before
    test.real.click()
    assert "image 3 of 20" in test.status.value
    assert len(path.read_text().splitlines()) == 3


def test_two_widgets_on_one_file_answer_each_image_once(results, tmp_path):
    path = tmp_path / "a.csv"
    one, two = (begun(results, path, per_method=2) for _ in range(2))
    one.real.click()
    one.real.click()
    two.generated.click()  # to the first image, which has been answered
    assert "not kept, as the test went on elsewhere; image 3 of 8" in two.status.value
    assert two.image.value == one.image.value
    two.generated.click()
    one.real.click()
    assert "image 4 of 8" in one.status.value
    rows = list(csv.DictReader(path.open()))
    assert [(row["trial"], row["answer"]) for row in rows] == [("0", "real"), ("1", "real"), ("2", "generated")]
    for _ in range(5):
        two.real.click()
    one.real.click()
    assert "all 8 images are answered" in one.status.value
    assert len(path.read_text().splitlines()) == 9


def test_answers_to_another_test_are_refused_and_kept(results, tmp_path):
    path = tmp_path / "a.csv"
    rate(begun(results, path, per_method=5), np.random.default_rng(1))
    before = path.read_text()
    other = begun(results, path, per_method=5, seed=1)
    assert "answers another test" in other.status.value
    assert other.real.disabled
    assert path.read_text() == before
    path.write_text("name,age\nx,1\n")
    assert "answers another test" in begun(results, path, per_method=5).status.value


def test_images_that_may_not_have_been_held_out_are_refused(results, tmp_path):
    """Another training split than the run's: what is the test split now may be what it was trained on."""
    shutil.copytree(results / "s", tmp_path / "s")
    for path in tmp_path.glob("s/*/*/*/config.json"):
        content = json.loads(path.read_text())
        content["data"]["fingerprint"] = "0" * 16
        path.write_text(json.dumps(content))
    test = begun(tmp_path, tmp_path / "a.csv", per_method=1)
    assert "are not those that" in test.status.value
    assert test.real.disabled


def test_what_is_missing_is_said(results, tmp_path, make_run, monkeypatch):
    assert "per_method up to 250" in begun(results, tmp_path / "a.csv", per_method=251).status.value
    with pytest.raises(layout.RunError, match="per_method 0"):
        BlindTest("s", results, per_method=0)
    with pytest.raises(layout.RunError, match="no finished runs of study 'x'"):
        BlindTest("x", results)
    make_run(tmp_path / "s" / "mnist" / "gan" / "seed0")
    monkeypatch.setenv("GANCOMPARE_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    test = BlindTest("s", tmp_path, answers=tmp_path / "b.csv")
    test.begin.click()
    assert "the images of mnist are not at hand" in test.status.value
    assert test.table().empty
    for weights in tmp_path.glob("s/*/*/*/generator.safetensors"):
        weights.unlink()
    test.begin.click()
    assert "none of these runs has weights" in test.status.value
