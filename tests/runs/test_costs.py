"""What a step costs: the file, the steps that a budget buys, and the clock of a study's tables."""

import json

import pandas as pd
import pytest

from gancompare.config import RunConfig
from gancompare.runs import history, layout, reading, record
from gancompare.runs.costs import Cell, Cost, Costs, cell_of, cost_settings, read_costs, steps_within, write_costs

HOST = {"processor": "p", "arithmetic": "float32", "threads": 1, "torch": "2", "when": "2026-01-01T00:00:00+00:00"}


def cost(seconds, settings="s"):
    return Cost(seconds, 0.9 * seconds, 1.1 * seconds, settings=settings, quiet=True, **HOST)


@pytest.fixture
def finished(tmp_path):
    """A function (arm, fields) → the config of a finished run of study "s": 4 steps measured as 9 seconds."""

    def make(method, dataset="mnist5k", **fields):
        config = RunConfig(profile="smoke", dataset=dataset, method=method, **fields)
        directory = layout.run_directory(tmp_path, "s", config)
        record.begin(directory, config, {"fingerprint": "0", "num_images": 1})
        for step in (2, 4):
            images = step * config.n_critic * config.batch_size
            history.append_history(directory, {"generator_steps": step, "images_seen": images, "seconds": 9 * step / 4})
        record.write_status(directory, "complete", generator_steps=4, images_seen=images, seconds=9.0)
        scores = {"generator_steps": 4, "images_seen": images, "seconds": 9.0}
        scores |= {"extractors": {"random-init": {"fd": 1.0, "label": "FD", "variance": 2.0}}}
        record.write_json(directory / "metrics.json", {"primary": "random-init", "checkpoints": {"last": scores}})
        return config

    return make


def test_costs_survive_the_disk(tmp_path):
    assert read_costs(tmp_path, "s") == Costs()
    cells = [Cell("mnist", "gan"), Cell("mnist", "wgan"), Cell("cats", "gan")]
    costs = Costs({cell: cost(i + 1.0) for i, cell in enumerate(cells)}, "bf16", 60.0, {cells[0]: 60, cells[2]: 20})
    write_costs(tmp_path, "s", costs)
    assert read_costs(tmp_path, "s") == costs
    content = json.loads((tmp_path / "s" / "costs.json").read_text())
    assert content["costs"]["cats"]["gan"]["seconds_per_step"] == 3.0


@pytest.mark.parametrize("content", ["{half", "[]", '{"format": 99}', '{"costs": {"mnist": {"gan": {}}}}'])
def test_a_broken_file_of_costs_is_named(tmp_path, content):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "costs.json").write_text(content)
    with pytest.raises(layout.RunError, match=r"costs\.json"):
        read_costs(tmp_path, "s")


def test_a_cost_holds_for_what_leaves_the_work_of_a_step_as_it_is():
    base = {"dataset": "mnist", "method": "wgan", "precision": "float32"}
    settings = cost_settings(RunConfig(**base))
    same = [{"seed": 3}, {"lr_critic": 0.1}, {"clip": 0.5}, {"generator_steps": 9}, {"dataset": "fashion_mnist"}]
    assert {cost_settings(RunConfig(**base | fields)) for fields in [*same, {"log_every": 7}]} == {settings}
    others = [{"n_critic": 3}, {"base_channels": 8}, {"batch_size": 8}, {"precision": "bf16"}, {"dataset": "x"}]
    others += [{"ema_decay": 0.0}, {"method": "wgan-gp"}]
    assert settings not in {cost_settings(RunConfig(**base | fields)) for fields in others}


@pytest.mark.parametrize("warm_up", [0, 3, 25])
def test_a_budget_buys_the_steps_that_fit_into_it(warm_up):
    config = RunConfig(method="wgan", n_critic=5, warmup_generator_steps=warm_up, warmup_critic_steps=20)
    for budget in (0.1, 3.0, 40.0, 200.0, 500.0):
        spent, fit = 0.0, 0
        while True:  # one step after the other
            spent += 0.7 * (20 / 5 if fit < warm_up else 1)
            if spent > budget + 1e-9:
                break
            fit += 1
        assert steps_within(config, budget, 0.7) == max(1, fit)


def test_seconds_in_all_tables_are_steps_times_cost_and_measured_ones_stay_beside(finished, tmp_path):
    configs = [finished("gan"), finished("wgan-gp")]
    write_costs(tmp_path, "s", Costs({cell_of(c): cost(s) for c, s in zip(configs, (0.5, 2.0), strict=True)}))
    study = reading.read_study(tmp_path, "s")
    rows = study.histories.set_index(["arm", "generator_steps"])
    assert rows["seconds"].to_dict() == {
        ("gan", 2): 1.0,
        ("gan", 4): 2.0,
        ("wgan-gp", 2): 4.0,
        ("wgan-gp", 4): pytest.approx(8.0),
    }
    assert rows["measured_seconds"].tolist() == [4.5, 9.0, 4.5, 9.0]
    for table in (study.runs, study.scores):
        assert table.set_index("arm")["seconds"].to_dict() == {"gan": 2.0, "wgan-gp": pytest.approx(8.0)}
        assert table["measured_seconds"].tolist() == [9.0, 9.0]
    assert study.costs.set_index("arm")["seconds_per_step"].to_dict() == {"gan": 0.5, "wgan-gp": 2.0}
    assert len(study.of("mnist5k").costs) == 2


def test_critic_steps_of_a_warm_up_take_time_too(finished, tmp_path):
    config = finished("wgan", warmup_generator_steps=2, warmup_critic_steps=20)
    directory = layout.run_directory(tmp_path, "s", config)
    seen = (2 * 20 + 2 * 5) * config.batch_size  # as training counts them
    record.write_status(directory, "complete", images_seen=seen)
    write_costs(tmp_path, "s", Costs({cell_of(config): cost(0.5)}))
    assert reading.load_runs(tmp_path, "s")["seconds"].tolist() == [0.5 * (2 * 20 / 5 + 2)]


def test_without_costs_seconds_are_those_measured(finished, tmp_path):
    finished("gan")
    study = reading.read_study(tmp_path, "s")
    assert study.costs.empty
    for table in (study.runs, study.histories, study.scores):
        pd.testing.assert_series_equal(table["seconds"], table["measured_seconds"], check_names=False)
    assert study.runs["seconds"].tolist() == [9.0]


def test_a_data_set_that_lacks_a_cost_keeps_one_clock_for_all_its_arms(finished, tmp_path):
    known, _, elsewhere = finished("gan"), finished("wgan"), finished("gan", dataset="mnist")
    write_costs(tmp_path, "s", Costs({cell_of(known): cost(0.5), cell_of(elsewhere): cost(0.5)}))
    seconds = reading.load_runs(tmp_path, "s").set_index(["dataset", "arm"])["seconds"].to_dict()
    assert seconds == {("mnist5k", "gan"): 9.0, ("mnist5k", "wgan"): 9.0, ("mnist", "gan"): 2.0}
