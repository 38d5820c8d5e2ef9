"""generate.py, its command, and load_generator: the same images whatever the batch size, and nothing overwritten."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import gancompare
from gancompare.__main__ import main
from gancompare.base.streams import fixed_latents, stream
from gancompare.data.listing import open_images
from gancompare.explore.generate import FORMATS, generate
from gancompare.runs import layout, record, weights
from gancompare.scoring.sampling import evaluation_samples


def pixels(folder):
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("*.png"))])


def test_one_seed_gives_the_same_images_in_every_batch_size_format_and_number(run, tmp_path):
    for i, options in enumerate(
        [["--batch-size=1"], ["--batch-size=7"], ["--batch-size=33"], ["--format=npz"], ["--format=grid"]]
    ):
        common = ["generate", f"--run={run}", "--num-images=37", "--seed=5"]
        assert main([*common, f"--output={tmp_path / str(i)}", *options]) == 0
    assert main(["generate", f"--run={run}", "--num-images=3", "--seed=5", f"--output={tmp_path / 'few'}"]) == 0
    first = pixels(tmp_path / "0")
    assert first.shape == (37, 28, 28)
    assert len(np.unique(first.reshape(37, -1), axis=0)) == 37
    np.testing.assert_array_equal(first, pixels(tmp_path / "1"))
    np.testing.assert_array_equal(first, pixels(tmp_path / "2"))
    np.testing.assert_array_equal(first[:3], pixels(tmp_path / "few"))
    np.testing.assert_array_equal(first, np.load(tmp_path / "3" / "images.npz")["images"][..., 0])
    sheet = np.asarray(Image.open(tmp_path / "4" / "grid.png"))
    assert sheet.shape == (6 * 30 + 2, 7 * 30 + 2)
    np.testing.assert_array_equal(first[36], sheet[5 * 30 + 2 : 6 * 30, 32:60])
    with torch.no_grad():
        expected = weights.load_generator(run)(fixed_latents(5, "generate", 37, 16))
    assert np.abs((expected[:, 0].numpy() + 1) * 127.5 - first).max() < 0.51
    assert json.loads((tmp_path / "0" / "generate.json").read_text())["seed"] == 5
    with open_images(tmp_path / "0") as files:  # as a data set, and as what `evaluate` scores
        assert len(files.names) == 37


def test_another_seed_and_a_truncation_give_other_images(run, tmp_path):
    for name, options in {"a": [], "b": ["--seed=1"], "c": ["--truncation=0.5"]}.items():
        assert main(["generate", f"--run={run}", "--num-images=20", f"--output={tmp_path / name}", *options]) == 0
    a, b, c = (pixels(tmp_path / name).astype(float) for name in "abc")
    assert not np.array_equal(a, b)
    assert c.std(axis=0).mean() < 0.7 * a.std(axis=0).mean()


def test_colour_is_written_as_colour(make_run, tmp_path):
    make_run(tmp_path / "run", channels=3)
    for form in ("png", "grid"):
        list(generate(tmp_path / "run", tmp_path / form, 2, form=form))
    first = np.asarray(Image.open(tmp_path / "png" / "00000.png"))
    assert first.shape == (28, 28, 3)
    np.testing.assert_array_equal(first, np.asarray(Image.open(tmp_path / "grid" / "grid.png"))[2:30, 2:30])


def test_progress_names_the_number_made_and_ends_with_all(run, tmp_path, capsys):
    assert main(["generate", f"--run={run}", "--num-images=40", f"--output={tmp_path / 'x'}"]) == 0
    printed = [line for line in capsys.readouterr().out.splitlines() if line]
    assert "100%" in printed[-2]
    assert "40/40" in printed[-2]
    assert "images" in printed[-2]
    assert printed[-1] == str(tmp_path / "x")


def test_nothing_is_overwritten_without_force_and_nothing_foreign_with_it(run, tmp_path, error_of):
    out = tmp_path / "out"
    out.mkdir()  # an empty folder is as good as none
    call = ["generate", f"--run={run}", f"--output={out}", "--num-images=2"]
    assert main(call) == 0
    before = pixels(out)
    assert "--force" in error_of(*call, "--seed=1")
    np.testing.assert_array_equal(before, pixels(out))
    assert main([*call, "--seed=1", "--num-images=1", "--force"]) == 0
    assert len(pixels(out)) == 1
    foreign = tmp_path / "photos"  # numbered, as ours are, but nobody wrote here before
    foreign.mkdir()
    Image.fromarray(before[0]).save(foreign / "00001.png")
    for options in ([], ["--force"]):
        found = error_of("generate", f"--run={run}", f"--output={foreign}", *options)
        assert "holds 00001.png but no generate.json" in found
    assert [path.name for path in foreign.iterdir()] == ["00001.png"]
    (out / "thesis.tex").write_text("mine")
    assert "thesis.tex" in error_of(*call, "--force")
    assert (out / "thesis.tex").read_text() == "mine"
    assert "holds other files" in error_of("generate", f"--run={run}", f"--output={run}", "--force")
    assert "is a file" in error_of("generate", f"--run={run}", f"--output={run / 'config.json'}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "photos", "run"]


@pytest.mark.parametrize("form", FORMATS)
def test_an_interrupted_command_leaves_nothing_and_a_killed_one_is_swept_up(run, tmp_path, form):
    def stop_after_one(output):
        for _ in generate(run, output, 100, form=form, batch_size=16):
            return

    stop_after_one(tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    left = tmp_path / ".out.partial" / "new"  # what a SIGKILL leaves
    left.mkdir(parents=True)
    (left / "00099.png").write_bytes(b"half")
    list(generate(run, tmp_path / "out", 2, form=form))
    assert "00099.png" not in {path.name for path in (tmp_path / "out").iterdir()}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "run"]


def test_two_at_once_are_told_apart(run, tmp_path):
    first = generate(run, tmp_path / "out", 50, batch_size=16)
    next(first)
    with pytest.raises(layout.RunError, match="in use"):
        next(generate(run, tmp_path / "out", 2))
    list(first)
    assert len(pixels(tmp_path / "out")) == 50


def test_bad_runs_each_have_a_message_of_their_own(make_run, tmp_path, error_of):
    def message(directory):
        found = error_of("generate", f"--run={directory}", f"--output={tmp_path / 'out'}")
        assert str(directory) in found
        return found

    def fresh(name, **options):
        return make_run(tmp_path / name, **options)

    assert "holds no run" in message(tmp_path / "absent")
    assert "no last generator weights (status diverged)" in message(fresh("a", status="diverged", weights=False))
    assert "not finite (status diverged)" in message(fresh("b", status="diverged", scale=float("nan")))
    corrupt = fresh("c") / "generator.safetensors"
    corrupt.write_bytes(corrupt.read_bytes()[:-100])
    assert "cannot be read" in message(corrupt.parent)
    corrupt.write_bytes(b"rubbish")
    assert "cannot be read" in message(corrupt.parent)
    newer = fresh("d")
    record.write_json(newer / "config.json", record.read_config(newer) | {"format": 99})
    assert "update gancompare" in message(newer)
    assert "no best generator weights" in error_of(
        "generate", f"--run={fresh('e')}", f"--output={tmp_path / 'out'}", "--checkpoint=best"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--num-images=1000000000000000"], "are free in"),
        (["--num-images=100000000", "--format=grid"], "too many for one grid: at most"),
        (["--truncation=0"], "--truncation 0.0: must be a positive number"),
        (["--truncation=nan"], "--truncation nan"),
        (["--device=gpu"], "device='gpu'"),
    ],
)
def test_impossible_numbers_are_refused(run, tmp_path, error_of, options, message):
    assert message in error_of("generate", f"--run={run}", f"--output={tmp_path / 'out'}", *options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--num-images=0", "--num-images=-3", "--batch-size=0", "--format=gif"])
def test_options_are_checked(run, tmp_path, capsys, option):
    with pytest.raises(SystemExit) as stop:
        main(["generate", f"--run={run}", f"--output={tmp_path / 'out'}", option])
    assert stop.value.code == 2
    assert option.split("=")[0] in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_named(run, error_of):
    assert "cannot be written" in error_of("generate", f"--run={run}", f"--output={run / 'config.json' / 'x'}")


def test_load_generator_in_one_line(run):
    net = gancompare.load_generator(run)
    assert isinstance(net, torch.nn.Module)
    assert not net.training
    images = net(torch.randn(3, net.latent_dim, generator=stream(0, "test")))
    assert images.shape == (3, 1, 28, 28)
    assert images.abs().max() <= 1
    with pytest.raises(layout.RunError, match="holds no run"):
        gancompare.load_generator(run / "absent")


@pytest.mark.slow
def test_importing_the_package_imports_no_torch():
    code = "import sys, gancompare; gancompare.load_generator; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# classes


def test_classes_come_in_turn_or_one_alone_by_name_or_number(conditional, tmp_path):
    shown = {}
    for key, options in {
        "all": [], "small": ["--batch-size=1"], "cat": ["--class=cat"], "2": ["--class=2"], "ant": ["--class=ant"],
    }.items():  # fmt: skip
        common = ["generate", f"--run={conditional}", "--num-images=20", f"--output={tmp_path / key}"]
        assert main([*common, *options]) == 0
        shown[key] = pixels(tmp_path / key)
    level = shown["all"].mean(axis=(1, 2))
    for i in range(0, 18, 3):
        assert level[i] < level[i + 1] < level[i + 2]
    np.testing.assert_array_equal(shown["all"], shown["small"])
    np.testing.assert_array_equal(shown["cat"], shown["2"])
    np.testing.assert_array_equal(shown["cat"][2::3], shown["all"][2::3])  # of the same latents
    np.testing.assert_array_equal(shown["ant"][::3], shown["all"][::3])
    assert json.loads((tmp_path / "cat" / "generate.json").read_text())["class"] == "cat"


@pytest.mark.parametrize(("name", "said"), [("dog", "ant, bee, cat"), ("3", "numbers from 0"), ("-1", "no such class")])
def test_a_wrong_class_is_refused_with_the_list_of_classes(conditional, tmp_path, error_of, name, said):
    call = ["generate", f"--run={conditional}", f"--class={name}", f"--output={tmp_path / 'out'}"]
    message = error_of(*call)
    assert f"--class {name}" in message
    assert said in message
    assert not (tmp_path / "out").exists()


def test_a_class_of_a_run_without_classes_is_refused(run, tmp_path, error_of):
    message = error_of("generate", f"--run={run}", "--class=3", f"--output={tmp_path / 'out'}")
    assert "--class 3" in message
    assert "--conditional" in message


def test_scores_see_all_classes_equally_often(conditional):
    net = weights.load_generator(conditional)
    images = evaluation_samples(net, 0, 100, batch_size=7)
    one_by_one = evaluation_samples(net, 0, 100, batch_size=100)
    assert (images.int() - one_by_one.int()).abs().max() <= 1  # rounding alone
    level = images.float().mean(dim=(1, 2, 3))
    assert (level[0:99:3] < level[1:99:3]).all()
    assert (level[1:99:3] < level[2:99:3]).all()
