import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import gancompare
from gancompare.__main__ import main
from gancompare.config import FIELDS
from gancompare.runs import layout

TINY = ["--profile=smoke", "--image-size=28", "--no-notebook"]


def error_of(capsys, *arguments):
    """The last line on stderr of a call that must end with code 2."""
    try:
        code = main([str(a) for a in arguments])
    except SystemExit as stop:  # argparse's own way to end
        code = stop.code
    assert code == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return captured.err.strip().splitlines()[-1]


def test_run_trains_and_prints_where(image_folder, tmp_path, capsys):
    assert main(["run", f"--dataset={image_folder}", *TINY, "--method=gan", f"--results={tmp_path}"]) == 0
    (directory,) = layout.find_runs(tmp_path, "smoke")
    printed = capsys.readouterr().out
    assert f"{directory}: complete" in printed
    assert "4/4" in printed


@pytest.mark.slow
def test_run_through_papermill_leaves_the_notebook(image_folder, tmp_path):
    command = ["run", f"--dataset={image_folder}", "--profile=smoke", "--image-size=28", f"--results={tmp_path}"]
    result = subprocess.run([sys.executable, "-m", "gancompare", *command], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "4/4" in result.stdout  # the kernel's progress reaches the terminal
    (directory,) = layout.find_runs(tmp_path, "smoke")
    assert (directory / "02_train.ipynb").exists()


@pytest.mark.slow
def test_a_run_that_fails_in_the_kernel_exits_with_1(image_folder, tmp_path):
    command = ["run", f"--dataset={image_folder}", "--profile=smoke", "--image-size=28", f"--results={tmp_path}"]
    held = tmp_path / "smoke" / image_folder.name / "wgan-gp" / "seed0"
    held.mkdir(parents=True)
    (held / "checkpoint.pt").write_bytes(b"rubbish")
    result = subprocess.run([sys.executable, "-m", "gancompare", *command], capture_output=True, text=True)
    assert result.returncode == 1
    assert "checkpoint.pt cannot be read" in result.stderr.splitlines()[-1]
    assert not (held / "02_train.ipynb").exists()
    assert (held / "02_train.unfinished.ipynb").exists()


def test_another_config_is_refused_before_a_kernel_starts_and_harms_nothing(image_folder, tmp_path, capsys):
    arguments = ["run", f"--dataset={image_folder}", "--profile=smoke", "--image-size=28", f"--results={tmp_path}"]
    assert main([*arguments, "--no-notebook"]) == 0
    (directory,) = layout.find_runs(tmp_path, "smoke")
    (directory / "02_train.ipynb").write_text("kept")
    assert "batch_size is 8 there, 16 now" in error_of(capsys, *arguments, "--batch-size=16")
    assert (directory / "02_train.ipynb").read_text() == "kept"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--sede=3"], "did you mean 'seed'"),
        (["run", "--batch-size=0"], "batch_size=0: allowed range is 1"),
        (["run", "--batch-size=many"], "--batch-size: invalid int value: 'many'"),
        (["run", "--method=wgangp"], "did you mean 'wgan-gp'"),
        (["run", "--beta1=1.5"], "beta1=1.5"),
        (["run", "--device=gpu"], "device='gpu'"),
        (["run", "--dataset=minst"], "did you mean 'mnist'"),
        (["run", "--no-notebook", "--dataset=minst"], "did you mean 'mnist'"),
        (["run", "--dataset=mnist5k", "--device=cuda:99"], "cuda:99"),
        (["study", "--name=../x"], "study name '../x'"),
        (["study", "--arms", "gan", "gan"], "two runs would share"),
        (["run", "--no-notebook", "--dataset=/nowhere/at/all"], "/nowhere/at/all"),
        (["run", "--study=../x", "--dataset=mnist5k"], "study name '../x'"),
        (["study", "--seeds=0"], "'0' is not a whole number from 1"),
        (["study", "--jobs=some"], "'some' is not a whole number from 1"),
        (["study", "--datasets", "minst"], "did you mean 'mnist'"),
        (["report", "--study=absent"], "absent"),
        (["report"], "--study"),
        (["trian"], "invalid choice: 'trian'"),
    ],
)
def test_bad_input_is_one_line_that_names_it(arguments, message, tmp_path, capsys):
    places = [] if arguments[0] == "trian" else [f"--results={tmp_path}"]
    assert message in error_of(capsys, *arguments, *places)


def test_help_names_every_field(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["run", "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for name in FIELDS:
        assert f"--{name.replace('_', '-')}" in text


@pytest.mark.slow
def test_study_trains_all_and_writes_the_report(image_folder, tmp_path, capsys):
    arguments = [
        "study",
        "--name=mine",
        f"--datasets={image_folder}",
        "--arms",
        "gan",
        "wgan-gp",
        "--seeds=1",
        *TINY,
    ]
    places = [f"--results={tmp_path / 'results'}", f"--reports={tmp_path / 'reports'}"]
    assert main([*arguments, *places]) == 0
    page = tmp_path / "reports" / "mine" / "index.html"
    assert capsys.readouterr().out.strip().splitlines()[-1] == str(page)
    assert "<figure>" in page.read_text()


@pytest.mark.slow
def test_study_with_a_failed_run_exits_with_1_and_names_it(image_folder, tmp_path, capsys):
    directory = tmp_path / "smoke" / image_folder.name / "gan" / "seed0"
    directory.mkdir(parents=True)
    (directory / "checkpoint.pt").write_bytes(b"rubbish")
    arguments = ["study", f"--datasets={image_folder}", "--arms=gan", "--seeds=1", *TINY, "--no-report"]
    assert main([*arguments, f"--results={tmp_path}"]) == 1
    assert f"failed: {directory}" in capsys.readouterr().err


def test_datasets_and_info(capsys):
    assert main(["datasets"]) == 0
    listed = capsys.readouterr().out
    assert "mnist5k" in listed
    assert "5,000 images" in listed
    assert main(["info"]) == 0
    shown = capsys.readouterr().out
    assert gancompare.__version__ in shown
    assert "cores" in shown


def test_the_console_script_is_main():
    project = tomllib.loads((Path(gancompare.__file__).parent.parent / "pyproject.toml").read_text())
    module, name = project["project"]["scripts"]["gancompare"].split(":")
    assert (module, name) == ("gancompare.__main__", main.__name__)
