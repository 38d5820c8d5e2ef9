"""A sweep as tables, against sweeps written by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from gancompare.report.figures import sweep as figures
from gancompare.study.sweep import plan
from gancompare.verdicts import architectures, ledger
from gancompare.verdicts.sweep import describe_sweep, effects, read_sweep, settings_table

VARIANCE = 100.0  # of the real features in the runs that ``write_run`` writes


@pytest.fixture
def sweep(write_run, tmp_path):
    """Three seeds of a base and of two clips of wgan: one twice as far from the real images, one that fails twice."""
    cells = plan("mnist5k", seeds=3, architectures=1, parts=("settings",), profile="smoke", extractor="none")
    for cell, factor in {"base": 1.0, "clip-0.1": 2.0, "clip-0.001": 3.0}.items():
        for config in cells[cell]:
            if config.method == "wgan":
                end = factor * (10 + config.seed) * (1 + 0.01 * config.seed * (cell == "clip-0.1"))
                if cell == "clip-0.001" and config.seed < 2:
                    status, curve = ("diverged", [5.0]) if config.seed else ("complete", [50.0, 2 * VARIANCE])
                    write_run(tmp_path, "s", cell, config, curve, status=status)
                else:
                    write_run(tmp_path, "s", cell, config, [50.0, end / 2 if cell == "clip-0.1" else end, end])
    return read_sweep(tmp_path, "s")


def test_a_sweep_is_a_row_per_run_and_failures_are_counted(sweep):
    assert len(sweep) == 9
    failed = sweep[sweep["failed"]]
    assert set(zip(failed["cell"], failed["seed"], strict=True)) == {("clip-0.001", 0), ("clip-0.001", 1)}
    assert np.isinf(failed["instability"]).all()
    assert sweep.loc[sweep["cell"] == "clip-0.1", "instability"].tolist() == pytest.approx([2.0] * 3)
    assert sweep.loc[sweep["cell"] == "base", "instability"].tolist() == pytest.approx([1.0] * 3)


def test_runs_of_the_base_stand_under_every_setting_of_their_method(sweep):
    table = settings_table(sweep)
    base = table[table["is_base"]]
    assert set(base["field"]) == {"n_critic", "clip", "learning_rate", "critic_norm"}
    values = base.drop_duplicates("field").set_index("field")["value"].to_dict()
    assert values == {"n_critic": 5, "clip": 0.01, "learning_rate": 5e-4, "critic_norm": "layer"}
    assert len(table) == 4 * 3 + 6


def test_an_effect_is_the_paired_ratio_with_students_interval(sweep):
    rows = effects(settings_table(sweep)).set_index("value")
    logs = np.log(2 * (1 + 0.01 * np.arange(3)))
    low, high = stats.t.interval(0.95, 2, logs.mean(), logs.std(ddof=1) / math.sqrt(3))
    found = rows.loc[0.1]
    assert (found["field"], found["arm"], found["base"], found["n"]) == ("clip", "wgan", 0.01, 3)
    assert [found[end] for end in ("estimate", "low", "high")] == pytest.approx(np.exp([logs.mean(), low, high]))
    assert found["word"] == "supported"  # the change does harm
    failed = rows.loc[0.001]  # by ranks: two of three runs failed
    assert (failed["failed"], failed["base_failed"], failed["estimate"], failed["word"]) == (
        2,
        0,
        math.inf,
        "undecided",
    )


def test_a_sweep_is_judged_in_a_ledger_of_its_own_or_beside_a_study(sweep, synthetic):
    alone = ledger.ledger(None, sweep).set_index("key")
    assert set(alone["dataset"]) == {"mnist5k"}
    assert alone.loc["clip of wgan", "word"] == "supported"  # by the other value, at which no run failed
    assert "2 of 3 runs failed at 0.001" in alone.loc["clip of wgan", "note"]
    assert alone.loc["penalty_weight of wgan-gp", "command"].startswith("`gancompare sensitivity --dataset mnist5k")
    both = ledger.ledger(synthetic.study({"gan": synthetic.around(10), "wgan": synthetic.around(5)}), sweep)
    assert list(both["dataset"].unique()) == ["mnist", "mnist5k"]
    assert len(both) == 2 * both["key"].nunique()


def test_heat_maps_name_every_cell(sweep):
    figure = figures.heat_maps(settings_table(sweep), "fd", "FD-test")
    texts = [text.get_text() for axis in figure.axes for text in axis.texts]
    assert "n = 3, 2 failed" in texts
    assert texts.count("11") == 4  # the base's mean, in each of its panels
    assert "–" in texts
    figure.canvas.draw()


def test_where_there_is_no_sweep_the_command_is_named(tmp_path):
    empty = read_sweep(tmp_path, "mine")
    assert empty.empty
    assert "gancompare sensitivity --name mine" in describe_sweep(empty, tmp_path, "mine")
    settings = settings_table(empty)
    assert effects(settings).empty
    assert ledger.ledger(None, empty).empty
    assert figures.heat_maps(settings, "fd", "FD") is figures.architectures(empty, (1.0,), 1.0) is None
    assert architectures.success_rates(empty).empty


def test_the_budget_and_the_failures_are_said(sweep, tmp_path):
    text = describe_sweep(sweep, tmp_path, "s")
    assert "settings on mnist5k: runs 9, cells 3, seeds 3" in text
    assert "1 diverged, 1 collapsed" in text
