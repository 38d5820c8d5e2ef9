"""What a step of each arm costs alone."""

import pytest

from gancompare.__main__ import main
from gancompare.bench import costs as bench
from gancompare.objectives import METHODS
from gancompare.runs import layout, record
from gancompare.runs.costs import Cell, cell_of, read_costs
from gancompare.study.grid import plan

TINY = {"profile": "smoke", "image_size": 28, "channels": 1, "precision": "float32", "extractor": "none"}
MINE = """
from gancompare.objectives import GAN, METHODS

METHODS["mine"] = GAN
"""


@pytest.mark.slow
def test_every_data_set_and_arm_has_a_cost_and_equal_settings_are_timed_once(image_folder, capsys):
    configs = plan([str(image_folder), "mnist"], ["gan", "gan-5"], range(2), **TINY)
    costs = bench.measure_costs(configs, 1, rounds=3, seconds=0.02)
    name = image_folder.name
    assert set(costs) == {Cell(dataset, arm) for dataset in (name, "mnist") for arm in ("gan", "gan-5")}
    assert costs[name, "gan"] == costs["mnist", "gan"]  # to the last digit, as it is one measurement
    assert costs[name, "gan-5"].low > costs[name, "gan"].low  # four critic steps more
    for cost in costs.values():
        assert 0 < cost.low <= cost.seconds_per_step <= cost.high
        assert (cost.arithmetic, cost.threads) == ("float32", 1)
    printed = capsys.readouterr()
    assert "mnist gan-5: " in printed.out
    assert ("not quiet" in printed.err) == (not all(cost.quiet for cost in costs.values()))


@pytest.mark.slow
def test_a_study_keeps_its_costs_and_measures_only_those_of_new_arms(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(MINE)
    first = bench.settled_costs(tmp_path, "s", plan(["mnist"], ["gan"], [0], **TINY), threads=1)
    assert read_costs(tmp_path, "s") == first
    assert first.precision == "float32"
    capsys.readouterr()
    configs = plan(["mnist"], ["gan", "wgan-1"], [0], **TINY)
    both = bench.settled_costs(tmp_path, "s", configs, threads=1)
    assert both.costs["mnist", "gan"] == first.costs["mnist", "gan"]
    printed = capsys.readouterr().out
    assert "mnist wgan-1: " in printed
    assert "mnist gan: " not in printed
    assert bench.settled_costs(tmp_path, "s", configs, threads=1) == both
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_the_command_measures_a_study_again(tmp_path, capsys):
    (config,) = plan(["mnist"], ["gan"], [0], **TINY)
    assert main(["bench", "--costs=s", f"--results={tmp_path}"]) == 2
    assert "no runs in" in capsys.readouterr().err
    record.write_config(layout.run_directory(tmp_path, "s", config), config)
    assert main(["bench", "--costs=s", f"--results={tmp_path}"]) == 0
    assert set(read_costs(tmp_path, "s").costs) == {cell_of(config)}


@pytest.mark.slow
def test_a_timed_process_that_ends_is_an_error_of_the_users(monkeypatch):
    monkeypatch.setitem(METHODS, "mine", METHODS["gan"])  # a notebook's objective, which no other process knows
    with pytest.raises(bench.CostError, match="could not be measured: a timed process ended with exit code 1"):
        bench.measure_costs(plan(["mnist"], ["mine"], [0], **TINY), 1)


@pytest.mark.slow
def test_an_objective_of_the_readers_own_is_timed(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    command = ["study", "--name=s", "--datasets=mnist5k", "--arms=mine", "--seeds=1", "--profile=smoke"]
    command += ["--no-notebook", "--no-report", "--extractor=none", "--budget=0.5", f"--results={tmp_path}"]
    assert main([*command, f"--objectives={tmp_path / 'mine.py'}"]) == 0
    (directory,) = layout.find_runs(tmp_path, "s")
    cost = read_costs(tmp_path, "s").costs["mnist5k", "mine"]
    assert record.planned(directory).generator_steps == max(1, int(0.5 / cost.seconds_per_step))
