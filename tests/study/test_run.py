import os
import shutil
import subprocess
import sys
import time

import pytest

from gancompare.config import RunConfig
from gancompare.runs import layout, record
from gancompare.study.run import execute


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="kills a process with SIGKILL")
def test_after_a_killed_run_the_same_command_goes_on(image_folder, tmp_path):
    """Through papermill: the kernel outlives the killed process for a moment, and the new run waits for it."""
    command = [sys.executable, "-m", "gancompare", "run", f"--dataset={image_folder}", "--profile=smoke"]
    command += [
        "--image-size=28",
        "--method=gan",
        "--generator-steps=600",
        "--log-every=10",
        "--checkpoint-every=100",
        "--sample-every=500",
        "--measurements=2",
        f"--results={tmp_path}",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("*/*/*/*/checkpoint.pt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.communicate()
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    (directory,) = layout.find_runs(tmp_path, "smoke")
    assert record.read_status(directory)["status"] == "complete"
    assert (directory / "02_train.ipynb").exists()


def test_a_dead_kernel_is_a_failed_run(image_folder, tmp_path, monkeypatch):
    from nbclient.exceptions import DeadKernelError

    def die(*arguments, **options):
        raise DeadKernelError("Kernel died")

    monkeypatch.setattr("papermill.execute_notebook", die)
    record.write_config(tmp_path, RunConfig(dataset=str(image_folder), profile="smoke", image_size=28))
    with pytest.raises(layout.RunFailed, match="kernel died"):
        execute(tmp_path)


def test_the_status_file_is_believed_over_the_notebook(image_folder, tmp_path, monkeypatch):
    def claim_to_be_complete(source, output, **options):
        shutil.copy(source, output)

    monkeypatch.setattr("papermill.execute_notebook", claim_to_be_complete)
    record.write_config(tmp_path, RunConfig(dataset=str(image_folder), profile="smoke", image_size=28))
    with pytest.raises(layout.RunFailed, match="without saying why"):
        execute(tmp_path)
