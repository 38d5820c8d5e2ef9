import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gancompare.base.device import usable_cores
from gancompare.runs import layout, record, weights
from gancompare.study import grid as grids
from gancompare.study import pool

SMOKE = ("--profile=smoke", "--image-size=28", "--no-notebook", "--jobs=2")


@pytest.fixture
def grid(image_folder):
    """A function from fields to the configs of a small grid on tiny images."""

    def plan(methods=("gan", "wgan"), seeds=(0,), **fields):
        return grids.plan([str(image_folder)], methods, seeds, profile="smoke", image_size=28, **fields)

    return plan


def statuses(outcomes):
    return {(o.config.method, o.config.seed): o.status for o in outcomes}


def test_automatic_jobs_never_exceed_runs_cores_gpus_or_memory():
    plenty = 64 * 2**30
    assert [pool.automatic_jobs(n, cores=4, memory=plenty) for n in (0, 1, 3, 100)] == [1, 1, 3, 4]
    assert pool.automatic_jobs(100, gpus=2) == 2
    assert pool.automatic_jobs(100, cores=4, memory=4 * 2**30) == 2  # memory for two
    assert 1 <= pool.automatic_jobs(100) <= usable_cores()


@pytest.fixture
def run_study(tmp_path):
    """A function that runs configs as the study "s" without notebooks."""
    return lambda configs, **options: pool.run_studies({"s": configs}, tmp_path, notebook=False, **options)


@pytest.mark.slow
def test_a_study_runs_skips_what_is_complete_and_extends(run_study, grid, tmp_path, capsys):
    first = run_study(grid(), jobs=2)
    assert set(statuses(first).values()) == {"complete"}
    before = {d: (d / "generator.safetensors").stat().st_mtime_ns for d in layout.find_runs(tmp_path, "s")}
    again = run_study(grid(seeds=(0, 1), methods=("gan",)), jobs=1)
    assert statuses(again) == {("gan", 0): "skipped", ("gan", 1): "complete"}
    assert {d: (d / "generator.safetensors").stat().st_mtime_ns for d in before} == before
    printed = capsys.readouterr().out
    assert "1 runs to do, 1 already done" in printed
    assert "gan/seed1: complete" in printed


@pytest.mark.slow
def test_threads_are_shared_out(run_study, grid, tmp_path):
    run_study(grid(), jobs=2)
    threads = max(1, usable_cores() // 2)
    for directory in layout.find_runs(tmp_path, "s"):
        assert record.read_status(directory)["machine"]["threads"] == threads


@pytest.mark.slow
def test_a_failed_run_is_listed_and_the_others_go_on(run_study, grid, tmp_path):
    configs = grid()
    broken = layout.run_directory(tmp_path, "s", configs[0])
    broken.mkdir(parents=True)
    (broken / "checkpoint.pt").write_bytes(b"rubbish")
    outcomes = run_study(configs, jobs=1)
    assert statuses(outcomes) == {("gan", 0): "failed", ("wgan", 0): "complete"}
    (failed,) = [o for o in outcomes if o.status == "failed"]
    assert "checkpoint.pt cannot be read" in failed.message
    assert str(broken / "run.log") in failed.message


@pytest.mark.slow
def test_a_finished_run_of_another_config_is_kept_and_reported(run_study, grid, tmp_path):
    run_study(grid(methods=("gan",)))
    (directory,) = layout.find_runs(tmp_path, "s")
    before = (directory / "generator.safetensors").read_bytes()
    (outcome,) = run_study(grid(methods=("gan",), batch_size=4))
    assert outcome.status == "failed"
    assert "batch_size is 8 there, 4 now" in outcome.message
    assert (directory / "generator.safetensors").read_bytes() == before


def test_a_second_study_on_the_same_directory_is_told_who_holds_it(run_study, grid, tmp_path):
    with (
        record.hold(tmp_path / "s", "study 's'"),
        pytest.raises(layout.RunError, match=f"study 's' is held by process {os.getpid()}"),
    ):
        run_study(grid())


@pytest.mark.slow
def test_a_study_of_changed_images_is_refused(run_study, image_folder, tmp_path):
    folder = shutil.copytree(image_folder, tmp_path / "images")
    configs = grids.plan([str(folder)], ["gan"], [0], profile="smoke", image_size=28)
    run_study(configs)
    (folder / "00.png").unlink()
    (outcome,) = run_study(configs)
    assert outcome.status == "failed"
    assert "other images" in outcome.message


@pytest.mark.slow
@pytest.mark.parametrize("file", ["config.json", "status.json"])
def test_one_corrupt_run_does_not_stop_the_study(run_study, grid, tmp_path, file):
    run_study(grid(methods=("gan",)))
    (directory,) = layout.find_runs(tmp_path, "s")
    (directory / file).write_text("{half")
    outcomes = run_study(grid())
    assert statuses(outcomes) == {("gan", 0): "failed", ("wgan", 0): "complete"}
    assert file in outcomes[0].message


def test_two_folders_of_one_name_are_told_apart(run_study, image_folder, tmp_path):
    folders = [shutil.copytree(image_folder, tmp_path / parent / "cats") for parent in "ab"]
    configs = grids.plan(map(str, folders), ["gan"], [0], profile="smoke", image_size=28)
    with pytest.raises(layout.RunError, match="two runs would share"):
        run_study(configs)


@pytest.mark.slow
def test_a_run_is_done_only_when_its_notebook_is(run_study, grid, tmp_path):
    (config,) = grid(methods=("gan",))
    run_study([config])
    (directory,) = layout.find_runs(tmp_path, "s")
    assert statuses(run_study([config])) == {("gan", 0): "skipped"}
    begun = directory / "status.json"
    before = begun.read_bytes()
    (outcome,) = pool.run_studies({"s": [config]}, tmp_path, notebook=True)
    assert outcome.status == "complete"  # nothing was trained again, but the notebook is there now
    assert begun.read_bytes() == before
    assert (directory / "02_train.ipynb").exists()
    assert statuses(pool.run_studies({"s": [config]}, tmp_path, notebook=True)) == {("gan", 0): "skipped"}


@pytest.mark.slow
def test_a_method_from_a_file_joins_a_study_and_its_generator_loads_anywhere(image_folder, tmp_path, lsgan_file):
    command = [sys.executable, "-m", "gancompare", "study", "--name=s", f"--datasets={image_folder}", *SMOKE]
    command += ["--arms=lsgan", "--seeds=1", "--no-report", f"--results={tmp_path}"]
    command += ["--objectives", str(lsgan_file)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    (directory,) = layout.find_runs(tmp_path, "s")
    assert weights.load_generator(directory).latent_dim == 16  # this process does not know the method


@pytest.fixture
def long_study(image_folder, tmp_path):
    """A study in a process of its own, its command and its run's directory, once that has written a checkpoint."""
    command = [sys.executable, "-m", "gancompare", "study", "--name=s", f"--datasets={image_folder}", "--arms=gan"]
    command += [
        *SMOKE,
        "--seeds=1",
        "--generator-steps=600",
        "--log-every=10",
        "--checkpoint-every=100",
        "--sample-every=500",
        "--measurements=2",
        "--no-report",
        f"--results={tmp_path}",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("s/*/*/*/checkpoint.pt")):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    yield process, command, next(tmp_path.glob("s/*/*/*"))
    process.kill()


def wait_for_end(pid):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail(f"process {pid} goes on without its study")


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
def test_ctrl_c_stops_the_runs_and_tells_how_to_resume(long_study):
    process, command, directory = long_study
    child = json.loads((directory / "status.json").read_text())["pid"]
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from here" in output
    assert "Traceback" not in output
    status = record.read_status(directory)
    assert status["status"] == "interrupted"
    assert 0 < status["generator_steps"] < 600
    wait_for_end(child)
    result = subprocess.run(command, capture_output=True, text=True)  # and so it does
    assert result.returncode == 0, result.stdout
    assert record.read_status(directory)["status"] == "complete"


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc"), reason="a zombie's state is read from /proc")
def test_a_killed_study_leaves_no_run_behind(long_study):
    process, _, directory = long_study
    child = json.loads((directory / "status.json").read_text())["pid"]
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":  # ended; this container's first process does not collect it
            return
        time.sleep(0.1)
    pytest.fail(f"process {child} goes on without its study")
