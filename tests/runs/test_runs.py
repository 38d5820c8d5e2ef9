import json
import math
import os
import subprocess
import sys

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from gancompare.base import files
from gancompare.config import RunConfig
from gancompare.models import Generator, initialize
from gancompare.runs import history, layout, reading, record, weights

DATA = {"fingerprint": "a" * 16, "num_images": 10, "pixel_std": 0.4}
SMOKE = RunConfig(profile="smoke")


def make_run(results, study="s", status="complete", **fields):
    config = RunConfig(profile="smoke", **fields)
    directory = layout.run_directory(results, study, config)
    directory.mkdir(parents=True)
    record.begin(directory, config, DATA)
    record.write_status(directory, status, generator_steps=4, images_seen=32, seconds=2.0)
    return directory


def test_run_directory_is_study_dataset_method_seed(tmp_path):
    directory = layout.run_directory(tmp_path, "mine", RunConfig(dataset="mnist", method="gan", seed=7))
    assert directory == tmp_path / "mine" / "mnist" / "gan" / "seed7"


def test_a_place_is_read_off_the_directory(tmp_path):
    directory = layout.run_directory(tmp_path, "mine", RunConfig(dataset="mnist", method="gan", seed=7))
    assert layout.place_of(directory) == ("mine", "mnist", "gan", 7)
    with pytest.raises(layout.RunError, match="not a run directory"):
        layout.place_of(tmp_path / "elsewhere")


def test_a_config_is_laid_down_before_its_images_are_known_and_keeps_them(tmp_path):
    directory = layout.run_directory(tmp_path, "s", SMOKE)
    record.write_config(directory, SMOKE)
    assert record.planned(directory) == SMOKE
    assert record.read_config(directory)["data"] == {}
    record.begin(directory, SMOKE, DATA)
    record.write_config(directory, RunConfig(profile="smoke", log_every=2))
    assert record.read_config(directory)["data"] == DATA
    assert record.planned(directory).log_every == 2


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a b"])
def test_study_name_cannot_leave_the_results_directory(tmp_path, name):
    with pytest.raises(layout.RunError, match="study name"):
        layout.run_directory(tmp_path, name, SMOKE)


def test_atomic_write_keeps_the_old_file_when_writing_fails(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(AttributeError), files.atomic_path(path) as temporary:
        temporary.write_text("half").fails_here()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]  # and leaves nothing beside it


def test_config_survives_the_disk(tmp_path):
    directory = make_run(tmp_path, method="wgan", clip=0.5)
    assert RunConfig.from_dict(record.read_config(directory)["config"]) == RunConfig(
        profile="smoke", method="wgan", clip=0.5
    )


def test_begin_refuses_another_config_and_names_the_field(tmp_path):
    directory = make_run(tmp_path)
    with pytest.raises(layout.RunError, match="batch_size is 8 there, 16 now"):
        record.begin(directory, RunConfig(profile="smoke", batch_size=16), DATA)


def test_begin_refuses_other_images(tmp_path):
    directory = make_run(tmp_path)
    with pytest.raises(layout.RunError, match="other images"):
        record.begin(directory, SMOKE, DATA | {"fingerprint": "b" * 16})


@pytest.mark.parametrize(
    ("status", "left"), [("complete", False), ("diverged", False), ("interrupted", True), ("failed", True)]
)
def test_begin_says_whether_training_is_left(tmp_path, status, left):
    directory = make_run(tmp_path, status=status)
    assert record.begin(directory, SMOKE, DATA) is left


def test_logging_options_do_not_make_another_run(tmp_path):
    directory = make_run(tmp_path)
    assert record.begin(directory, RunConfig(profile="smoke", log_every=3), DATA) is False


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{half", "cannot be read"),
        ("[]", "not a JSON object"),
        (json.dumps({"format": record.FORMAT + 1, "version": "9"}), "newer than"),
        (json.dumps({"format": record.FORMAT}), "lacks config"),
        ('{"format": "2", "config": {}, "data": {}, "hash": ""}', "format is '2', not a whole number; delete"),
        ('{"format": 1, "config": null, "data": {}, "hash": ""}', "config is None, not a JSON object; delete"),
        ('{"format": 1, "config": {}, "data": [1], "hash": ""}', r"data is \[1\], not a JSON object; delete"),
    ],
)
def test_a_broken_config_file_is_named(tmp_path, content, message):
    (tmp_path / "config.json").write_text(content)
    for read in (record.read_config, weights.load_generator, weights.classes_of):
        with pytest.raises(layout.RunError, match=message) as error:
            read(tmp_path)
        assert str(tmp_path) in str(error.value)


def test_a_finished_run_keeps_its_config_to_the_byte(tmp_path):
    directory = make_run(tmp_path)
    before = (directory / "config.json").read_bytes()
    record.plan_run(directory, RunConfig(profile="smoke", log_every=3, extractor="pixel-pca"))
    assert (directory / "config.json").read_bytes() == before


def test_a_run_that_never_began_gives_way_to_another_config(tmp_path):
    directory = layout.run_directory(tmp_path, "s", SMOKE)
    record.plan_run(directory, SMOKE)
    record.plan_run(directory, RunConfig(profile="smoke", batch_size=16))
    assert record.planned(directory).batch_size == 16
    make_run(tmp_path, seed=1)
    assert reading.read_study(tmp_path, "s").runs["seed"].tolist() == [1]  # what never began is no run yet


def test_a_config_is_not_written_into_a_directory_in_use(tmp_path):
    directory = make_run(tmp_path, status="interrupted")
    before = (directory / "config.json").read_bytes()
    with record.hold(directory, "this run"), pytest.raises(layout.RunError, match="in use"):
        record.plan_run(directory, RunConfig(profile="smoke", log_every=3), patience=0.1)
    assert (directory / "config.json").read_bytes() == before


def test_a_run_goes_on_with_the_objectives_it_began_with_or_not_at_all(tmp_path):
    directory, mine = make_run(tmp_path, status="interrupted"), tmp_path / "mine.py"
    mine.write_text("one")
    record.plan_run(directory, SMOKE, mine)
    assert record.read_config(directory)["objectives"]["file"] == "mine.py"
    record.begin(directory, SMOKE, DATA)  # as the run does, which does not know of the file
    record.plan_run(directory, SMOKE, mine)
    mine.write_text("two")
    with pytest.raises(layout.RunError, match=r"another version of mine\.py"):
        record.plan_run(directory, SMOKE, mine)


def test_a_loss_part_that_is_not_always_there_keeps_its_column(tmp_path):
    history.append_history(tmp_path, {"generator_steps": 1, "loss_real": 0.5, "fd": 9.0})
    history.append_history(tmp_path, {"generator_steps": 2, "loss_real": 0.25, "loss_r1": 7.0, "fd": 8.0})
    history.append_history(tmp_path, {"generator_steps": 3, "loss_real": 0.125, "fd": 7.0})
    rows = history.read_history(tmp_path)
    assert rows["loss_r1"].tolist() == pytest.approx([math.nan, 7.0, math.nan], nan_ok=True)
    assert rows["fd"].tolist() == [9.0, 8.0, 7.0]
    assert rows["loss_real"].tolist() == [0.5, 0.25, 0.125]


def test_history_is_cut_at_the_checkpoint_and_at_a_torn_line(tmp_path):
    for step in (1, 2, 3):
        history.append_history(tmp_path, {"generator_steps": step, "loss": step / 10})
    with open(tmp_path / "history.csv", "a") as file:
        file.write("4,0.")  # as a kill leaves it
    history.cut_history(tmp_path, 2)
    history.append_history(tmp_path, {"generator_steps": 3, "loss": 9.0})
    rows = history.read_history(tmp_path)
    assert rows["generator_steps"].tolist() == [1, 2, 3]
    assert rows["loss"].tolist() == [0.1, 0.2, 9.0]


def test_diagnostics_are_cut_where_the_history_is(tmp_path):
    for step in (2, 4):
        history.append_history(tmp_path, {"generator_steps": step, "loss": 0.0})
        history.append_diagnostics(tmp_path, step, [("score", "real", step / 3), ("lipschitz", "lines", 2.0)])
    with open(tmp_path / "diagnostics.csv", "a") as file:
        file.write("6,sco")
    history.append_diagnostics(tmp_path / "nowhere", 2, [])  # nothing measured, nothing written
    history.cut_history(tmp_path, 2)
    table = pd.read_csv(tmp_path / "diagnostics.csv", float_precision="round_trip")
    assert list(table.itertuples(index=False, name=None)) == [
        (2, "score", "real", 2 / 3),
        (2, "lipschitz", "lines", 2.0),
    ]
    assert pd.read_csv(tmp_path / "history.csv")["generator_steps"].tolist() == [2]


@pytest.mark.parametrize("left", ["", "generator_st", "generator_steps,loss\n", "generator_steps,loss\n1"])
def test_history_with_no_whole_row_starts_anew(tmp_path, left):
    (tmp_path / "history.csv").write_text(left)
    history.cut_history(tmp_path, 0)
    assert not (tmp_path / "history.csv").exists()


HOLD = """
import sys, time
from pathlib import Path
from gancompare.runs import record
with record.hold(Path(sys.argv[1]), "study 'x'"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills a process with SIGKILL")
def test_a_held_directory_names_its_holder_until_that_process_dies(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(layout.RunError, match=f"process {process.pid}"), record.hold(tmp_path, "study 'x'"):
            pass
    finally:
        process.kill()
        process.communicate()
    with record.hold(tmp_path, "study 'x'"):  # a dead process holds nothing
        pass


def test_load_generator_gives_the_saved_weights(tmp_path):
    directory = make_run(tmp_path)
    net = initialize(Generator(28, 1, 16, 4), torch.Generator().manual_seed(1)).eval()
    weights.save_generator(directory, net)
    loaded = weights.load_generator(directory)
    z = torch.randn(3, loaded.latent_dim, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(loaded(z), net(z), rtol=0, atol=0)
    assert not loaded.training
    assert set(load_file(directory / "generator.safetensors")) == set(net.state_dict())


def test_load_generator_falls_back_to_the_checkpoint(tmp_path):
    directory = make_run(tmp_path)
    net = initialize(Generator(28, 1, 16, 4), torch.Generator().manual_seed(1))
    torch.save({"average": net.state_dict()}, directory / "checkpoint.pt")
    torch.testing.assert_close(weights.load_generator(directory).state_dict(), net.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda d: None, "no last generator weights"),
        (lambda d: (d / "generator.safetensors").write_bytes(b"\xff" * 100), "cannot be read"),
        (lambda d: weights.save_generator(d, Generator(28, 1, 17, 4)), "cannot be read"),
        (lambda d: (d / "config.json").unlink(), "holds no run"),
    ],
)
def test_load_generator_says_what_is_wrong(tmp_path, prepare, message):
    directory = make_run(tmp_path)
    prepare(directory)
    with pytest.raises(layout.RunError, match=message):
        weights.load_generator(directory)


def test_a_pickle_in_place_of_a_checkpoint_is_not_run(tmp_path):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    directory = make_run(tmp_path)
    torch.save({"average": Payload()}, directory / "checkpoint.pt")
    with pytest.raises(layout.RunError, match="cannot be read"):
        weights.load_generator(directory)
    assert not (tmp_path / "ran").exists()


def test_a_study_has_a_row_per_run_and_its_histories_in_one_table(tmp_path):
    for method in ("gan", "wgan"):
        for seed in (0, 1):
            directory = make_run(tmp_path, method=method, seed=seed)
            history.append_history(directory, {"generator_steps": 2, "loss": float(seed)})
    study = reading.read_study(tmp_path, "s")
    assert len(study.runs) == 4
    assert set(study.runs["arm"]) == {"gan", "wgan"}
    assert study.runs["num_images"].eq(10).all()
    assert study.datasets == ["mnist5k"]
    assert len(study.of("mnist5k").histories) == 4
    assert study.of("mnist").runs.empty
    histories = study.histories
    assert len(histories) == 4
    assert histories.loc[histories["seed"] == 1, "loss"].tolist() == [1.0, 1.0]


def test_diagnostics_are_one_long_table_without_the_runs_that_have_none(tmp_path):
    make_run(tmp_path, method="gan")  # stopped before anything was measured
    assert reading.read_study(tmp_path, "s").diagnostics.empty
    directory = make_run(tmp_path, method="wgan", seed=1)
    history.append_diagnostics(directory, 2, [("score", "real", 0.5)])
    table = reading.read_study(tmp_path, "s").diagnostics
    assert table.to_dict("records") == [
        {"dataset": "mnist5k", "arm": "wgan", "seed": 1}
        | {"generator_steps": 2, "quantity": "score", "where": "real", "value": 0.5}
    ]


def test_a_missing_study_lists_those_there_are(tmp_path):
    make_run(tmp_path, study="there")
    with pytest.raises(layout.RunError, match="studies there: there"):
        reading.load_runs(tmp_path, "absent")


def test_results_directory_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("GANCOMPARE_RESULTS", str(tmp_path / "elsewhere"))
    assert layout.results_directory() == tmp_path / "elsewhere"


HIDDEN = ["papermill", "jupyterlab", "ipywidgets", "nbconvert", "mlxtend", "seaborn", "IPython"]
TRAIN_WITHOUT = """
import sys, importlib.abc
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
from gancompare.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_server_with_the_bare_packages_can_train(tmp_path, image_folder):
    command = ["run", "--no-notebook", "--profile=smoke", f"--dataset={image_folder}", "--image-size=28"]
    result = subprocess.run(
        [sys.executable, "-c", TRAIN_WITHOUT.format(hidden=HIDDEN), *command, f"--results={tmp_path}"],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    (status,) = tmp_path.glob("*/*/*/*/status.json")
    assert json.loads(status.read_text())["status"] == "complete"
    assert weights.load_generator(status.parent)(torch.zeros(2, 16)).shape == (2, 3, 28, 28)
