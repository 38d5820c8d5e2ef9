"""What a sweep plans, and the command that carries it out."""

import itertools
import math

import numpy as np
import pytest

from gancompare.__main__ import main
from gancompare.config import RunConfig
from gancompare.data.datasets import load_splits
from gancompare.recipes import MAIN_METHODS
from gancompare.runs.layout import run_directory
from gancompare.runs.sweeps import ARCHITECTURES, VARIATIONS
from gancompare.study.grid import cost
from gancompare.study.sweep import plan, sample_architectures
from gancompare.verdicts.sweep import read_sweep

SMOKE = {"profile": "smoke", "extractor": "none"}


def test_every_run_of_the_grid_is_planned_once():
    cells = plan("mnist5k", seeds=2, architectures=5, parts=("settings",), **SMOKE)
    configs = list(itertools.chain.from_iterable(cells.values()))
    assert len({(c.method, c.seed, c.hash()) for c in configs}) == len(configs)
    # base 3; critic steps 3 more for each method; clip 2; weight 2; rates 2 × 3; norms 2 × 3; one-sided 1
    assert len(configs) == 2 * (3 + 3 * 3 + 2 + 2 + 6 + 6 + 1)
    for variation in VARIATIONS:
        for method, value in itertools.product(variation.methods, variation.values):
            wanted = {"method": method} | variation.change(value)
            has = [c for c in configs if wanted.items() <= c.to_dict().items()]
            assert {c.seed for c in has} == {0, 1}, (variation.name, method, value)


def test_a_cell_differs_from_the_base_in_one_setting_alone():
    cells = plan("mnist5k", seeds=1, architectures=5, parts=("settings",), n_critic=3, **SMOKE)
    base = {c.method: c for c in cells["base"]}
    assert {c.n_critic for c in base.values()} == {3}
    fields = {v.name: set(v.fields or (v.name,)) for v in VARIATIONS}
    for cell, configs in cells.items():
        for config in configs:
            expected = set() if cell == "base" else fields[cell.split("-", 1)[0]]
            assert set(base[config.method].differences(config)) == expected
    assert "n_critic-3" not in cells
    assert len(cells["n_critic-5"]) == 3


def test_names_of_cells_are_plain_enough_for_a_study(tmp_path):
    for cell, configs in plan("mnist5k", seeds=1, architectures=96, **SMOKE).items():
        run_directory(tmp_path, cell, configs[0])  # raises for a bad name


def test_one_seed_draws_one_sample_of_architectures():
    few, many, other = (sample_architectures(n, seed) for n, seed in ((5, 1), (20, 1), (20, 2)))
    assert list(few.items()) == list(many.items())[:5]
    assert set(many) != set(other)
    everything = sample_architectures(96, 3)
    assert (
        len({tuple(fields.values()) for fields in everything.values()})
        == 96
        == math.prod(map(len, ARCHITECTURES.values()))
    )
    assert everything[7] == sample_architectures(96, 4)[7]  # a number names an architecture
    with pytest.raises(ValueError, match="97"):
        sample_architectures(97)


def test_every_architecture_is_trained_once_under_each_method_and_suits_a_penalty():
    cells = plan("mnist5k", seeds=3, architectures=6, parts=("architectures",), **SMOKE)
    assert len(cells) == 6
    for configs in cells.values():
        assert [c.method for c in configs] == list(MAIN_METHODS)
        nets = [{name: getattr(c, name) for name in ARCHITECTURES} for c in configs]
        assert nets[0] == nets[1] == nets[2]
        assert configs[0].critic_norm != "batch"


def test_digits_are_stacked_and_other_images_are_not():
    cells = plan("mnist5k", seeds=2, architectures=1, parts=("stacked",))
    assert {c.dataset for c in cells["stacked"]} == {"stacked_mnist5k"}
    assert plan("fashion_mnist", seeds=2, architectures=1, parts=("stacked",)) == {}


@pytest.mark.parametrize(
    ("fields", "rates"),
    [
        ({}, {2e-3}),
        ({"lr_critic": 1e-3}, {2e-3, 1e-3}),
        ({"profile": "smoke"}, {5e-4}),
        ({"recipe": "paper"}, {2e-4, 5e-5, 1e-4}),
    ],
    ids=["short", "given", "other profile", "other recipe"],
)
def test_a_short_sweep_starts_from_rates_of_its_own_unless_they_are_given(fields, rates):
    cells = plan("mnist5k", seeds=3, architectures=1, parts=("settings",), **fields)
    base = cells["base"]
    assert {config.profile for config in base} == {fields.get("profile", "sweep")}
    assert {rate for config in base for rate in (config.lr_generator, config.lr_critic)} == rates
    assert len(base) == 9  # three methods, three seeds
    others = {config.lr_critic for config in cells.get("learning_rate-0.0005", [])}
    assert others == (set() if rates == {5e-4} else {5e-4})


@pytest.mark.slow
def test_the_command_runs_all_cells_in_one_pool_and_skips_what_is_done(image_folder, write_run, tmp_path, capsys):
    chosen = {"architectures": 2, "parts": ("architectures",), "profile": "smoke", "image_size": 28}
    cells = plan(str(image_folder), seeds=1, **chosen)
    images = load_splits(str(image_folder), 28, 3).train
    for cell, configs in cells.items():
        for config in configs:
            if config.method != "wgan":
                write_run(tmp_path, "s", cell, config, [9.0], fingerprint=images.fingerprint)
    arguments = ["sensitivity", "--name=s", f"--dataset={image_folder}", "--parts=architectures", "--architectures=2"]
    arguments += ["--profile=smoke", "--image-size=28", "--no-notebook", "--no-report", f"--results={tmp_path}"]
    assert main(arguments) == 0
    assert "2 studies: 2 runs to do, 4 already done" in (printed := capsys.readouterr().out)
    assert all(f"{cell}/" in printed for cell in cells)
    sweep = read_sweep(tmp_path, "s")
    assert sweep.groupby("cell")["method"].apply(sorted).to_dict() == dict.fromkeys(cells, sorted(MAIN_METHODS))
    for number, fields in sample_architectures(2).items():
        trained = sweep[(sweep["cell"] == f"architecture-{number:03d}") & (sweep["method"] == "wgan")]
        assert trained[list(fields)].to_dict("records") == [fields]
        assert np.isfinite(trained["fd"].astype(float)).all()
    assert main(arguments) == 0
    assert "0 runs to do, 6 already done" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--architectures=97"], "architectures=97: there are 96"),
        (["--dataset=fashion_mnist", "--parts", "stacked"], "fashion_mnist"),
        (["--name=a/b", "--parts", "stacked"], "study name 'a/b'"),
    ],
)
def test_bad_input_is_one_line_that_names_it(arguments, message, tmp_path, capsys):
    assert main(["sensitivity", "--profile=smoke", f"--results={tmp_path}", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_deeper_nets_cost_more():
    costs = [cost(RunConfig(method="gan", extra_layers=n)) for n in (0, 1, 2)]
    assert costs[0] < costs[1] < costs[2]
