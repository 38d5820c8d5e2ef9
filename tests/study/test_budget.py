"""The same compute and the same precision for all runs of a study."""

import pytest

from gancompare.__main__ import main
from gancompare.config import RunConfig
from gancompare.runs import layout, record
from gancompare.runs.costs import Cost, Costs, cell_of, cost_settings, read_costs, write_costs
from gancompare.study.budget import check_budget, intervals, settled_precision, with_budget
from gancompare.study.grid import plan

HOST = {"processor": "p", "arithmetic": "float32", "threads": 1, "torch": "2", "when": "2026-01-01T00:00:00+00:00"}
TINY = {"profile": "smoke", "image_size": 28, "extractor": "none", "precision": "float32"}


def costs_of(configs, *seconds):
    """Costs of ``configs``, in their order."""
    pairs = zip(configs, seconds, strict=True)
    return Costs({cell_of(c): Cost(s, s, s, settings=cost_settings(c), quiet=True, **HOST) for c, s in pairs})


def begin(results, config):
    directory = layout.run_directory(results, "s", config)
    record.write_config(directory, config)
    return directory


def test_all_arms_get_the_same_compute():
    configs = plan(["mnist"], ["gan", "wgan", "wgan-gp"], range(2), profile="smoke")
    costs = costs_of(configs[::2], 0.01, 0.04, 0.1)
    planned = with_budget(configs, 60.0, costs)
    assert [c.generator_steps for c in planned] == [6000, 6000, 1500, 1500, 600, 600]
    assert [c.seed for c in planned] == [0, 1] * 3
    assert costs.budget == 60.0
    assert [c.generator_steps for c in with_budget(configs, 0.001, costs_of(configs[::2], 1.0, 2.0, 3.0))] == [1] * 6


def test_an_arm_that_has_runs_keeps_its_steps_when_costs_are_measured_again():
    configs = plan(["mnist"], ["gan", "wgan"], [0], profile="smoke")
    first = costs_of(configs, 1.0, 2.0)
    with_budget(configs, 60.0, first)
    again = costs_of(configs, 3.0, 3.0)
    again.steps |= first.steps
    planned = with_budget(configs, 60.0, again, begun={cell_of(configs[0])})
    assert [c.generator_steps for c in planned] == [60, 20]


@pytest.mark.parametrize(("steps", "cost"), [(1, 100.0), (7, 0.1), (1000, 0.5), (123_456, 0.01), (50, 90.0)])
def test_a_run_writes_about_a_hundred_rows_a_dozen_grids_and_a_checkpoint_a_minute(steps, cost):
    every = intervals(steps, cost)
    assert all(1 <= value <= steps for value in every.values())
    assert steps // every["log_every"] <= 199
    assert steps // every["log_every"] >= min(steps, 100)
    assert steps // every["sample_every"] <= 12
    assert every["checkpoint_every"] * cost <= max(60.0, cost)


def test_what_was_given_by_hand_stays():
    (config,) = configs = plan(["mnist"], ["gan"], [0], profile="smoke", log_every=3)
    (planned,) = with_budget(configs, 1000.0, costs_of([config], 1.0), given=["log_every", "profile"])
    assert (planned.log_every, planned.sample_every, planned.checkpoint_every) == (3, 84, 60)


def test_a_study_has_the_precision_of_its_runs_else_the_one_asked_for_else_the_machines(tmp_path, monkeypatch):
    for decision, precision in (("0", "float32"), ("1", "bf16")):
        monkeypatch.setenv("GANCOMPARE_BF16", decision)
        assert settled_precision(tmp_path, "s") == precision
        assert settled_precision(tmp_path, "s", asked="auto") == precision
    assert settled_precision(tmp_path, "s", stored="float32") == "float32"
    assert settled_precision(tmp_path, "s", asked="bf16", stored="float32") == "bf16"
    directory = begin(tmp_path, RunConfig(profile="smoke", precision="float32"))
    assert settled_precision(tmp_path, "s", stored="bf16") == "float32"
    assert settled_precision(tmp_path, asked="float32") == "float32"
    with pytest.raises(layout.RunError, match=r"'bf16'.*have 'float32'"):
        settled_precision(tmp_path, "s", asked="bf16")
    begin(tmp_path, RunConfig(profile="smoke", precision="bf16", seed=1))
    with pytest.raises(layout.RunError, match="mixes runs of precision bf16 and float32"):
        settled_precision(tmp_path, "s")
    (directory / "config.json").write_text("{half")  # stops that run, not the study
    assert settled_precision(tmp_path, "s") == "bf16"


def test_another_budget_is_refused_once_there_are_runs(tmp_path):
    config = RunConfig(**TINY)
    write_costs(tmp_path, "s", Costs(budget=60.0))
    check_budget(tmp_path, "s", 30.0)
    begin(tmp_path, config)
    check_budget(tmp_path, "s", 60.0)
    for other, said in ((30.0, "gives 30 s"), (None, "gives none")):
        with pytest.raises(layout.RunError, match=f"budget of 60 s each, this command {said}"):
            check_budget(tmp_path, "s", other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--budget=9", "--generator-steps=4"], "budget=9 and generator_steps=4"),
        (["--budget=0"], "'0' is not a number of seconds above 0"),
        (["--budget=soon"], "'soon' is not a number of seconds"),
    ],
)
def test_a_bad_budget_is_one_line_that_names_it(options, message, tmp_path, capsys):
    try:
        code = main(["study", "--profile=smoke", f"--results={tmp_path}", *options])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.slow
def test_the_same_command_resumes_with_the_same_steps_on_any_machine(image_folder, tmp_path, capsys, monkeypatch):
    """Costs and precision are those that were stored, whatever this machine is."""
    configs = plan([str(image_folder)], ["gan", "wgan-1"], [0], **TINY)
    costs = costs_of(configs, 0.1, 0.2)
    costs.precision = "float32"
    write_costs(tmp_path, "s", costs)
    command = ["study", "--name=s", f"--datasets={image_folder}", "--arms", "gan", "wgan-1", "--seeds=1"]
    command += ["--profile=smoke", "--image-size=28", "--extractor=none", "--no-notebook", "--no-report", "--budget=2"]
    monkeypatch.setenv("GANCOMPARE_BF16", "1")
    assert main([*command, f"--results={tmp_path}"]) == 0
    assert "2 runs to do" in capsys.readouterr().out
    runs = {c.arm: c for c in map(record.planned, layout.find_runs(tmp_path, "s"))}
    assert {arm: c.generator_steps for arm, c in runs.items()} == {"gan": 20, "wgan-1": 10}
    assert {c.precision for c in runs.values()} == {"float32"}
    assert read_costs(tmp_path, "s").steps == {cell_of(c): c.generator_steps for c in runs.values()}
    assert main([*command, f"--results={tmp_path}"]) == 0
    assert "0 runs to do, 2 already done" in capsys.readouterr().out
