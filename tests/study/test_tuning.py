"""A search that is the same for every arm, and the study that takes what it chose."""

import json
import math
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from gancompare.__main__ import main
from gancompare.arms import FACTORIAL, ArmError
from gancompare.config import ConfigError, RunConfig
from gancompare.data.datasets import load_splits, summary
from gancompare.models import generator_for, initialize
from gancompare.recipes import SEARCH, SEARCH_CLIPPED
from gancompare.runs import layout, record
from gancompare.runs.costs import Cost, Costs, cell_of, cost_settings, write_costs
from gancompare.runs.weights import load_generator, save_generator
from gancompare.scoring.validation import Validation
from gancompare.study.grid import plan, plan_tuned
from gancompare.study.tuning import FIRST_SEED, plan_search, ranked, validate, validations, write_tuned

TINY = {"profile": "smoke", "precision": "float32"}
HOST = {"processor": "p", "arithmetic": "float32", "threads": 1, "torch": "2", "when": "2026-01-01T00:00:00+00:00"}


def test_every_arm_gets_as_many_configurations_and_shared_is_one_of_them():
    cells = plan_search(["mnist", "mnist5k"], FACTORIAL, 2, **TINY)
    assert len(cells) == len(SEARCH) == len(SEARCH_CLIPPED) >= 6
    configs = [config for every in cells.values() for config in every]
    assert {config.seed for config in configs} == {FIRST_SEED, FIRST_SEED + 1}
    assert {config.extractor for config in configs} == {"none"}
    for dataset in ("mnist", "mnist5k"):
        for arm in FACTORIAL:
            mine = [c for c in configs if (c.dataset, c.arm, c.seed) == (dataset, arm, FIRST_SEED)]
            assert len({config.hash() for config in mine}) == len(cells)
            shared = plan([dataset], [arm], [FIRST_SEED], recipe="shared", **TINY)[0]
            assert sum(not config.differences(shared) for config in mine) == 1


def test_a_clipping_arm_tries_each_value_equally_often():
    table = pd.DataFrame(SEARCH_CLIPPED)
    assert set(table.groupby("lr_critic").size()) == {2}
    assert set(table.groupby(["beta1", "clip"]).size()) == {2}
    assert all(set(group["clip"]) == {0.01, 0.1} for _, group in table.groupby("lr_critic"))
    assert all(set(group["beta1"]) == {0.0, 0.5} for _, group in table.groupby("lr_critic"))
    assert "clip" not in SEARCH[0]


@pytest.mark.parametrize(
    ("arms", "fields", "message"),
    [
        (["gan"], {"beta1": 0.3}, "beta1=0.3: the search chooses"),
        (["wgan"], {"clip": 0.3}, "clip=0.3: the search chooses"),
        (["gan", "wgan:clip=0.2"], {}, "clip=0.2: the search chooses"),
        (["gan"], {"batch_sise": 3}, "batch_sise"),
    ],
)
def test_what_is_searched_cannot_be_set(arms, fields, message):
    with pytest.raises(ConfigError, match=message):
        plan_search(["mnist"], arms, 1, **fields)


def test_an_unknown_arm_is_named():
    with pytest.raises(ArmError, match="wgann"):
        plan_search(["mnist"], ["wgann"], 1)


def test_configurations_are_ranked_by_the_geometric_mean_and_a_failure_is_worst():
    fds = {"a": (4.0, 9.0), "b": (1.0, 100.0), "c": (0.1, math.inf), "d": (5.0, 5.0)}
    rows = [
        {"configuration": name, "lr_generator": 1e-3, "lr_critic": 1e-3, "beta1": 0.0, "seed": seed, "fd": fd}
        for name, pair in fds.items()
        for seed, fd in enumerate(pair)
    ]
    search = ranked(pd.DataFrame(rows).assign(clip=np.nan))
    assert [row["configuration"] for row in search] == ["d", "a", "b", "c"]
    assert [row["fd"] for row in search] == [pytest.approx(5.0), pytest.approx(6.0), pytest.approx(10.0), None]
    assert search[3]["failed"] == 1
    assert "clip" not in search[0]


@pytest.fixture
def searched(tmp_path):
    """A function (cells, root) that leaves a finished run of each config, with random weights of its own scale."""

    @torch.no_grad()
    def make(cells, failed=()):
        data, scale = load_splits("mnist5k").train, 1.0
        for name, configs in cells.items():
            for config in configs:
                directory = layout.run_directory(tmp_path / "t", name, config)
                directory.mkdir(parents=True)
                record.begin(directory, config, summary(data))
                net = initialize(generator_for(config.to_dict()), torch.Generator().manual_seed(config.seed))
                scale *= 1.3
                for tensor in net.parameters():
                    if tensor.ndim > 1:
                        tensor.mul_(scale)
                save_generator(directory, net)
                status = "diverged" if (name, config.arm) in failed else "complete"
                record.write_status(directory, status, generator_steps=config.generator_steps)

    return make


COMMAND = ["tune", "--name=t", "--datasets=mnist5k", "--arms", "gan", "wgan-1", "--profile=smoke"]
COMMAND += ["--extractor=pixel-pca", "--precision=float32", "--evaluation-images=200", "--budget=4"]


@pytest.fixture
def planned(tmp_path):
    """The runs of COMMAND on a machine where a step of gan costs 0.1 s and one of wgan-1 0.25 s."""
    fields = TINY | {"evaluation_images": 200}
    configs = plan(["mnist5k"], ["gan", "wgan-1"], [0], **fields)
    pairs = zip(configs, (0.1, 0.25), strict=True)
    costs = {cell_of(c): Cost(s, s, s, cost_settings(c), quiet=True, **HOST) for c, s in pairs}
    write_costs(tmp_path, "t", Costs(costs, "float32"))
    every = {"log_every": 1, "sample_every": 1, "checkpoint_every": 4}
    cells = plan_search(["mnist5k"], ["gan", "wgan-1"], 1, **fields, **every)
    steps = {"gan": 10, "wgan-1": 4}  # a quarter of 4 s
    return {
        name: [RunConfig.from_dict(c.to_dict() | {"generator_steps": steps[c.arm]}) for c in every]
        for name, every in cells.items()
    }


def test_the_command_chooses_the_nearest_for_each_arm_and_a_study_takes_it(planned, searched, tmp_path, capsys):
    searched(planned, failed=[("configuration-2", "gan")])
    assert main([*COMMAND, f"--results={tmp_path}"]) == 0
    printed = capsys.readouterr().out
    assert "0 runs to do, 16 already done" in printed  # a finished search is not trained again
    path = tmp_path / "t" / "tuned.json"
    assert f"gancompare study --recipe {path}" in printed
    tuned = json.loads(path.read_text())
    assert tuned["budget"] == 1.0
    assert tuned["seeds"] == [FIRST_SEED]
    validation = Validation(
        RunConfig(dataset="mnist5k", extractor="pixel-pca", evaluation_images=200), load_splits("mnist5k"), "cpu"
    )
    for arm, steps in (("gan", 10), ("wgan-1", 4)):
        distances = {}
        for name, configs in planned.items():
            (config,) = (c for c in configs if c.arm == arm)
            directory = layout.run_directory(tmp_path / "t", name, config)
            if (name, arm) != ("configuration-2", "gan"):
                distances[name] = validation.fd(load_generator(directory), FIRST_SEED)
        best = min(distances, key=distances.get)
        entry = tuned["datasets"]["mnist5k"]["arms"][arm]
        assert entry["fd"] == pytest.approx(distances[best], rel=1e-6)
        assert entry["gain"] == pytest.approx(distances["configuration-3"] / distances[best], rel=1e-6)  # `shared`
        assert entry["generator_steps"] == steps
        (config,) = (c for c in planned[best] if c.arm == arm)
        assert entry["fields"] == {name: getattr(config, name) for name in entry["fields"]}
        assert ("clip" in entry["fields"]) == (arm == "wgan-1")
        studied = plan_tuned(["mnist5k"], [arm], range(2), recipe=str(path), **TINY)
        assert [c.seed for c in studied] == [0, 1]
        for run in studied:
            assert run.recipe == "tuned"
            assert {name: getattr(run, name) for name in entry["fields"]} == entry["fields"]
    table = pd.read_csv(tmp_path / "t" / "tuned.csv")
    assert table.groupby("arm").size().to_dict() == {"gan": 8, "wgan-1": 8}
    assert table.groupby("arm")["chosen"].sum().to_dict() == {"gan": 1, "wgan-1": 1}
    lost = table[(table["arm"] == "gan") & (table["configuration"] == "configuration-2")]
    assert lost["fd"].isna().all()
    assert lost["failed"].tolist() == [1]


@pytest.mark.slow
def test_a_search_trains_only_what_is_missing(planned, searched, tmp_path, capsys):
    searched(planned)
    missing = layout.run_directory(tmp_path / "t", "configuration-8", planned["configuration-8"][0])
    shutil.rmtree(missing)
    assert main([*COMMAND, "--jobs=1", f"--results={tmp_path}"]) == 0
    assert "1 runs to do, 15 already done" in capsys.readouterr().out
    assert record.read_status(missing)["generator_steps"] == 10
    tuned = json.loads((tmp_path / "t" / "tuned.json").read_text())
    fds = {row["configuration"]: row["fd"] for row in tuned["datasets"]["mnist5k"]["arms"]["gan"]["search"]}
    kept = json.loads((missing / "validation.json").read_text())["fd"]
    assert fds["configuration-8"] == pytest.approx(kept, rel=1e-12)  # a mean of logarithms


def test_an_arm_of_which_every_run_failed_is_not_in_the_recipe(planned, searched, tmp_path, capsys):
    searched(planned, failed=[(name, "wgan-1") for name in planned])
    assert main([*COMMAND, f"--results={tmp_path}"]) == 1
    assert "mnist5k wgan-1: every configuration failed" in capsys.readouterr().err
    path = tmp_path / "t" / "tuned.json"
    command = ["study", "--arms", "gan", "wgan-1", "--profile=smoke", f"--results={tmp_path}", f"--recipe={path}"]
    assert main(command) == 2
    assert "lacks arm 'wgan-1' on 'mnist5k', it has gan" in capsys.readouterr().err
    assert main([*command, "--datasets", "mnist"]) == 2
    assert "was not tuned on 'mnist', only on mnist5k" in capsys.readouterr().err


def test_a_search_of_further_arms_keeps_what_was_chosen(planned, searched, tmp_path):
    searched(planned)
    for arm in ("gan", "wgan-1"):
        cells = {name: [c for c in configs if c.arm == arm] for name, configs in planned.items()}
        runs = validate(tmp_path / "t", cells, validations(cells, "pixel-pca"))
        write_tuned(tmp_path / "t", cells, runs, budget=None)
    tuned = json.loads((tmp_path / "t" / "tuned.json").read_text())
    assert set(tuned["datasets"]["mnist5k"]["arms"]) == {"gan", "wgan-1"}


def test_a_recipe_that_was_tuned_with_other_nets_is_a_warning(planned, searched, tmp_path, capsys):
    searched(planned)
    runs = validate(tmp_path / "t", planned, validations(planned, "pixel-pca"))
    write_tuned(tmp_path / "t", planned, runs, budget=None)
    recipe = str(tmp_path / "t" / "tuned.json")
    capsys.readouterr()
    plan_tuned(["mnist5k"], ["gan"], [0], recipe=recipe, **TINY)
    assert capsys.readouterr().err == ""
    plan_tuned(["mnist5k"], ["gan"], [0], recipe=recipe, **TINY, base_channels=8)
    assert "tuned with other nets, batches or precision for mnist5k gan" in capsys.readouterr().err
    with pytest.raises(ConfigError, match=r"beta1=0\.3: the recipe .* sets it"):
        plan_tuned(["mnist5k"], ["gan"], [0], recipe=recipe, beta1=0.3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["study", "--recipe=tuned"], "give the file"),
        (["study", "--recipe=/nowhere.json"], "there is no such file"),
        (["run", "--recipe=x.json"], "only gancompare study reads"),
        (["sensitivity", "--recipe=tuned"], "give the file"),
        (["tune", "--lr-critic=0.1"], "lr_critic=0.1: the search chooses"),
        (["tune", "--budget=4", "--generator-steps=4"], "both say how long"),
        (["tune", "--extractor=none"], "it needs one"),
        (["tune", "--datasets=minst"], "did you mean 'mnist'"),
        (["tune", "--arms", "gan", "gan"], "two runs would share"),
    ],
)
def test_bad_input_is_one_line_that_names_it(arguments, message, tmp_path, capsys):
    assert main([*arguments, "--profile=smoke", f"--results={tmp_path}"]) == 2
    assert message in capsys.readouterr().err
