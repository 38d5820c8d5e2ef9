"""The ledger of claims as a table: every claim on every data set, and the command for what was not tested."""

import re
import shlex
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from gancompare.__main__ import parser
from gancompare.runs.reading import Study
from gancompare.verdicts import claims, ranking


def test_every_claim_has_one_overall_row_per_dataset(known):
    data = known.study()
    tables = (data.runs, data.histories, data.scores)
    both = [pd.concat([frame, frame.assign(dataset="faces")]) for frame in tables]
    rows = claims.ledger(Study(*both, pd.DataFrame()))
    overall = rows[rows["part"] == "overall"]
    assert overall.groupby("dataset")["number"].apply(list).to_dict() == {
        "mnist": list(range(1, 14)),
        "faces": list(range(1, 14)),
    }
    assert set(rows["verdict"]) <= {"supported", "contradicted", "inconclusive", "not tested"}
    alone = claims.ledger(data)
    pd.testing.assert_frame_equal(rows[rows["dataset"] == "mnist"].reset_index(drop=True), alone)


def test_results_without_scores_or_histories_are_not_tested_but_for_the_cost(known):
    empty = pd.DataFrame()
    unscored = Study(known.study().runs, empty, empty, empty)
    rows = claims.ledger(unscored)
    overall = rows[rows["part"] == "overall"].set_index("number")["verdict"]
    assert overall[6] == "supported"
    assert set(overall.drop(6)) == {"not tested"}
    assert ranking.summary(unscored) == ["mnist: nothing is ranked, as fewer than two methods have been scored."]
    assert claims.ledger(Study(empty, empty, empty, empty)).empty


def test_commands_are_ones_the_program_understands(known):
    data = known.study(fd={"gan": np.full(6, 40.0)})
    budget = {"directory": "results/mine/mnist/gan/seed0", "profile": "quick", "generator_steps": 400}
    rows = claims.ledger(replace(data, runs=data.runs.assign(**budget)))
    needed = {claim.number: set(claim.methods) for claim in claims.CLAIMS}
    commands = {n: re.findall(r"`(.+?)`", " ".join(notes)) for n, notes in rows.groupby("number")["note"]}
    for number in set(range(1, 14)) - {12}:
        assert commands[number]
        for command in commands[number]:
            options = parser().parse_args(shlex.split(command)[1:])
            if number in (10, 11):  # a sweep has all methods, and a name of its own
                assert (options.dataset, options.seeds, options.generator_steps) == ("mnist", 6, 400)
                continue
            assert (options.datasets, options.seeds, options.generator_steps) == (["mnist"], 6, 400)
            assert needed[number] == set(options.methods)
            assert options.name == "mine"
    assert not commands[12]


def test_what_no_command_can_test_says_what_it_needs(known):
    found, rows = known.verdicts(known.study(), 12)
    assert found == {"overall": "not tested"}
    assert rows.loc["overall", "note"].startswith("not tested: needs ")
    assert "augmentation experiment" in rows.loc["overall", "note"]


@pytest.mark.parametrize("number", [10, 11])
def test_claims_about_settings_need_a_sweep(known, number):
    found, rows = known.verdicts(known.study(), number)
    assert found == {"overall": "not tested"}
    assert rows.loc["overall", "note"].startswith("not tested: run `gancompare sensitivity --dataset mnist ")


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 6, 7, 9, 13])
def test_a_missing_method_gives_its_command(known, number):
    found, rows = known.verdicts(known.study(fd={"gan-minimax": []}), number)  # a study of nothing that is asked for
    assert found == {}
    tables = known.study(fd={"gan": np.full(6, 40.0)})
    found, rows = known.verdicts(tables, number)
    assert found["overall"] == "not tested"
    assert "not tested: run `gancompare study --name NAME --datasets mnist" in rows.loc["overall", "note"]


def test_two_seeds_test_nothing(known):
    rows = claims.ledger(known.study(seeds=2, recall={m: [0.1, 0.2] for m in known.LEVELS}))
    overall = rows[rows["part"] == "overall"].set_index("number")
    assert set(overall["verdict"]) == {"not tested"}
    for number in (1, 3, 4, 6, 9, 13):
        assert "not enough seeds: 2 of at least 3" in overall.loc[number, "note"]
        assert overall.loc[number, "note"].count("--seeds 3") == 1
    assert ranking.summary(known.study(seeds=2)) == [
        "mnist: nothing is ranked: 2 seeds in common, and an interval needs at least 3."
    ]


@pytest.mark.parametrize("status", ["running", "interrupted", "failed"])
def test_unfinished_runs_are_no_results(known, status):
    tables = known.study(seeds=4)
    tables.runs.loc[tables.runs["seed"] >= 2, "status"] = status
    tables.scores.loc[tables.scores["seed"] >= 2, "status"] = status
    rows = claims.ledger(tables)
    assert set(rows.loc[rows["part"] == "overall", "verdict"]) == {"not tested"}
