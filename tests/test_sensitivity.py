"""sensitivity.py: what a sweep plans, and what its tables count, against sweeps written by hand."""

import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gancompare.__main__ import main
from gancompare.config import RunConfig
from gancompare.recipes import MAIN_METHODS
from gancompare.report import plots
from gancompare.runs.layout import CLOCKS, run_directory
from gancompare.study import study
from gancompare.verdicts import claims, sensitivity

SMOKE = {"profile": "smoke", "extractor": "none"}
VARIANCE = 100.0


def write_run(results, name, cell, config, curve, variance=VARIANCE, status="complete", **scores):
    """A finished run as it lies on the disk; ``curve``: FD on the way, its last value is the final one."""
    directory = run_directory(results / name, cell, config)
    directory.mkdir(parents=True)
    about = {"config": config.to_dict(), "data": {"fingerprint": "f", "num_images": 9}, "hash": config.hash()}
    (directory / "config.json").write_text(json.dumps(about))
    (directory / "status.json").write_text(json.dumps({"status": status, "generator_steps": config.generator_steps}))
    history = pd.DataFrame({"generator_steps": range(len(curve)), "fd": curve})
    history.to_csv(directory / "history.csv", index=False)
    if status == "complete":
        primary = {"fd": curve[-1], "variance": variance, "floor": 1.0, "label": "FD-test", "n_fake": 64}
        last = dict.fromkeys(CLOCKS, 4) | scores | {"extractors": {"random-init": primary, "pixel-pca": {"fd": 7.0}}}
        content = {"primary": "random-init", "checkpoints": {"last": last}}
        (directory / "metrics.json").write_text(json.dumps(content))


# planning


def test_every_run_of_the_grid_is_planned_once():
    cells = sensitivity.plan("mnist5k", 2, 5, parts=("settings",), **SMOKE)
    configs = list(itertools.chain.from_iterable(cells.values()))
    assert len({(c.method, c.seed, c.hash()) for c in configs}) == len(configs)
    # base 3; critic steps 3 more for each method; clip 2; weight 2; rates 2 × 3; norms 2 × 3; one-sided 1
    assert len(configs) == 2 * (3 + 3 * 3 + 2 + 2 + 6 + 6 + 1)
    for variation in sensitivity.VARIATIONS:
        for method, value in itertools.product(variation.methods, variation.values):
            wanted = {"method": method} | variation.change(value)
            has = [c for c in configs if wanted.items() <= c.to_dict().items()]
            assert {c.seed for c in has} == {0, 1}, (variation.name, method, value)


def test_a_cell_differs_from_the_base_in_one_setting_alone():
    cells = sensitivity.plan("mnist5k", 1, 5, parts=("settings",), n_critic=3, **SMOKE)
    base = {c.method: c for c in cells["base"]}
    assert {c.n_critic for c in base.values()} == {3}
    fields = {v.name: set(v.fields or (v.name,)) for v in sensitivity.VARIATIONS}
    for cell, configs in cells.items():
        for config in configs:
            expected = set() if cell == "base" else fields[cell.split("-", 1)[0]]
            assert set(base[config.method].differences(config)) == expected
    assert "n_critic-3" not in cells
    assert len(cells["n_critic-5"]) == 3


def test_names_of_cells_are_plain_enough_for_a_study(tmp_path):
    for cell, configs in sensitivity.plan("mnist5k", 1, 96, **SMOKE).items():
        run_directory(tmp_path, cell, configs[0])  # raises for a bad name


def test_one_seed_draws_one_sample_of_architectures():
    few, many, other = (sensitivity.sample_architectures(n, seed) for n, seed in ((5, 1), (20, 1), (20, 2)))
    assert list(few.items()) == list(many.items())[:5]
    assert set(many) != set(other)
    everything = sensitivity.sample_architectures(96, 3)
    assert (
        len({tuple(fields.values()) for fields in everything.values()})
        == 96
        == math.prod(map(len, sensitivity.ARCHITECTURES.values()))
    )
    assert everything[7] == sensitivity.sample_architectures(96, 4)[7]  # a number names an architecture
    with pytest.raises(ValueError, match="97"):
        sensitivity.sample_architectures(97)


def test_every_architecture_is_trained_once_under_each_method_and_suits_a_penalty():
    cells = sensitivity.plan("mnist5k", 3, 6, 0, ("architectures",), **SMOKE)
    assert len(cells) == 6
    for configs in cells.values():
        assert [c.method for c in configs] == list(MAIN_METHODS)
        nets = [{name: getattr(c, name) for name in sensitivity.ARCHITECTURES} for c in configs]
        assert nets[0] == nets[1] == nets[2]
        assert configs[0].critic_norm != "batch"


def test_digits_are_stacked_and_other_images_are_not():
    assert {c.dataset for c in sensitivity.plan("mnist5k", 2, 1, parts=("stacked",))["stacked"]} == {"stacked_mnist5k"}
    assert sensitivity.plan("fashion_mnist", 2, 1, parts=("stacked",)) == {}


# the command


def test_the_command_runs_all_cells_in_one_pool_and_skips_what_is_done(image_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sensitivity, "MAIN_METHODS", ("wgan",))
    monkeypatch.setattr(sensitivity, "VARIATIONS", (sensitivity.Variation("clip", (0.01, 0.1), ("wgan",)),))
    arguments = ["sensitivity", "--name=s", f"--dataset={image_folder}", "--seeds=1", "--parts", "settings"]
    arguments += ["--profile=smoke", "--image-size=28", "--no-notebook", "--no-report", f"--results={tmp_path}"]
    assert main(arguments) == 0
    assert "2 studies: 2 runs to do, 0 already done" in (printed := capsys.readouterr().out)
    assert "clip-0.1/" in printed
    sweep = sensitivity.load(tmp_path, "s")
    assert dict(zip(sweep["cell"], sweep["clip"], strict=True)) == {"base": 0.01, "clip-0.1": 0.1}
    assert np.isfinite(sweep["fd"].astype(float)).all()
    assert main(arguments) == 0
    assert "0 runs to do, 2 already done" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "rates"),
    [
        ([], {2e-3}),
        (["--lr-critic=0.001"], {2e-3, 1e-3}),
        (["--profile=smoke"], {5e-4}),
        (["--recipe=paper"], {2e-4, 5e-5, 1e-4}),
    ],
    ids=["short", "given", "other profile", "other recipe"],
)
def test_a_short_sweep_starts_from_rates_of_its_own_unless_they_are_given(arguments, rates, tmp_path, monkeypatch):
    planned = []
    monkeypatch.setattr(sensitivity, "run", lambda cells, *_: planned.append(cells) or [])
    main(["sensitivity", "--no-report", f"--results={tmp_path}", "--parts", "settings", *arguments])
    base = planned[0]["base"]
    assert {rate for config in base for rate in (config.lr_generator, config.lr_critic)} == rates
    assert len(base) == 9  # three methods, three seeds
    others = {config.lr_critic for config in planned[0].get("learning_rate-0.0005", [])}
    assert others == (set() if rates == {5e-4} else {5e-4})


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
    costs = [study.cost(RunConfig(method="gan", extra_layers=n)) for n in (0, 1, 2)]
    assert costs[0] < costs[1] < costs[2]


# reading a sweep


@pytest.fixture
def sweep(tmp_path):
    """Three seeds of a base and of two clips of wgan: one twice as far from the real images, one that fails twice."""
    cells = sensitivity.plan("mnist5k", 3, 1, parts=("settings",), **SMOKE)
    for cell, factor in {"base": 1.0, "clip-0.1": 2.0, "clip-0.001": 3.0}.items():
        for config in cells[cell]:
            if config.method == "wgan":
                end = factor * (10 + config.seed) * (1 + 0.01 * config.seed * (cell == "clip-0.1"))
                if cell == "clip-0.001" and config.seed < 2:
                    status, curve = ("diverged", [5.0]) if config.seed else ("complete", [50.0, 2 * VARIANCE])
                    write_run(tmp_path, "s", cell, config, curve, status=status)
                else:
                    write_run(tmp_path, "s", cell, config, [50.0, end / 2 if cell == "clip-0.1" else end, end])
    return sensitivity.load(tmp_path, "s")


def test_a_sweep_is_a_row_per_run_and_failures_are_counted(sweep):
    assert len(sweep) == 9
    failed = sweep[sweep["failed"]]
    assert set(zip(failed["cell"], failed["seed"], strict=True)) == {("clip-0.001", 0), ("clip-0.001", 1)}
    assert np.isinf(failed["instability"]).all()
    assert sweep.loc[sweep["cell"] == "clip-0.1", "instability"].tolist() == pytest.approx([2.0] * 3)
    assert sweep.loc[sweep["cell"] == "base", "instability"].tolist() == pytest.approx([1.0] * 3)


def test_runs_of_the_base_stand_under_every_setting_of_their_method(sweep):
    table = sensitivity.settings(sweep)
    base = table[table["is_base"]]
    assert set(base["field"]) == {"n_critic", "clip", "learning_rate", "critic_norm"}
    values = base.drop_duplicates("field").set_index("field")["value"].to_dict()
    assert values == {"n_critic": 5, "clip": 0.01, "learning_rate": 5e-4, "critic_norm": "layer"}
    assert len(table) == 4 * 3 + 6


def test_an_effect_is_the_paired_ratio_with_students_interval(sweep):
    rows = sensitivity.effects(sensitivity.settings(sweep)).set_index("value")
    logs = np.log(2 * (1 + 0.01 * np.arange(3)))
    low, high = stats.t.interval(0.95, 2, logs.mean(), logs.std(ddof=1) / math.sqrt(3))
    found = rows.loc[0.1]
    assert (found["field"], found["method"], found["base"], found["n"]) == ("clip", "wgan", 0.01, 3)
    assert [found[end] for end in ("estimate", "low", "high")] == pytest.approx(np.exp([logs.mean(), low, high]))
    assert (rows.loc[0.001, "failed"], rows.loc[0.001, "base_failed"], rows.loc[0.001, "estimate"]) == (2, 0, math.inf)


def test_heat_maps_name_every_cell(sweep):
    figure = plots.heat_maps(sensitivity.settings(sweep), "fd", "FD-test")
    texts = [text.get_text() for axis in figure.axes for text in axis.texts]
    assert "n = 3, 2 failed" in texts
    assert texts.count("11") == 4  # the base's mean, in each of its panels
    assert "–" in texts
    figure.canvas.draw()


def test_where_there_is_no_sweep_the_command_is_named(tmp_path):
    empty = sensitivity.load(tmp_path, "mine")
    assert empty.empty
    assert "gancompare sensitivity --name mine" in sensitivity.describe(empty, tmp_path, "mine")
    settings = sensitivity.settings(empty)
    assert sensitivity.effects(settings).empty
    assert claims.sweep_ledger(settings).empty
    assert plots.heat_maps(settings, "fd", "FD") is plots.architectures(empty, (1.0,), 1.0) is None
    assert sensitivity.success_rates(empty).empty


def test_the_budget_and_the_failures_are_said(sweep, tmp_path):
    text = sensitivity.describe(sweep, tmp_path, "s")
    assert "settings on mnist5k: runs 9, cells 3, seeds 3" in text
    assert "1 diverged, 1 collapsed" in text


# architectures


def test_successes_are_counted_alone_and_jointly(tmp_path):
    # FD by method in units of the variance; success is ≤ 0.5: gan never, wgan in 1, wgan-gp in 0, 1 and 2
    fds = {"gan": [0.9, 0.8, 0.6, 3.0], "wgan": [0.7, 0.5, 2.0, 0.9], "wgan-gp": [0.2, 0.4, 0.5, 0.51]}
    cells = sensitivity.plan("mnist5k", 1, 5, 0, ("architectures",), **SMOKE)
    for i, (cell, configs) in enumerate(cells.items()):
        for config in configs:
            if i < 4:
                write_run(tmp_path, "s", cell, config, [VARIANCE * fds[config.method][i]])
            elif config.method == "gan":  # the fifth was not trained under every method, so it is not counted
                write_run(tmp_path, "s", cell, config, [1.0])
    sweep = sensitivity.load(tmp_path, "s")
    rates = sensitivity.success_rates(sweep)
    rates = rates[rates["FD at most, × variance"] == 0.5].set_index("method")
    assert rates["successes"].to_dict() == {"gan": 0, "wgan": 1, "wgan-gp": 3}
    assert set(rates["architectures"]) == {4}
    for row in rates.itertuples():
        assert (row.low, row.high) == pytest.approx(wilson(row.successes, 4))
    table = sensitivity.joint_successes(sweep)
    counts = ["only first", "only second", "both", "neither"]
    ours = table[table["success"] == "FD ≤ 0.5 × variance"].set_index(["first", "second"])[counts]
    assert ours.loc[("gan", "wgan-gp")].tolist() == [0, 3, 0, 1]
    assert ours.loc[("wgan", "wgan-gp")].tolist() == [0, 2, 1, 1]
    published = table[table["source"] != "these runs"]
    assert (published[counts].sum(axis=1) == 200).all()
    assert plots.architectures(sweep, sensitivity.SUCCESS, 0.5) is not None


def wilson(k, n):
    """Wilson 1927: the roots p of (k/n − p)² = z² p (1 − p)/n."""
    z = stats.norm.ppf(0.975)
    centre, half = k + z**2 / 2, z * math.sqrt(k * (n - k) / n + z**2 / 4)
    return (centre - half) / (n + z**2), (centre + half) / (n + z**2)


def test_joint_counts_of_a_table():
    first, second = pd.Series([True, True, False, False, False]), pd.Series([True, False, True, True, False])
    assert list(sensitivity.joint(first, second).values()) == [1, 2, 1, 1]


def test_a_diverged_run_is_no_success_and_stays_in_the_count(tmp_path):
    (configs,) = sensitivity.plan("mnist5k", 1, 1, 0, ("architectures",), **SMOKE).values()
    for config in configs:
        status = "diverged" if config.method == "wgan" else "complete"
        write_run(tmp_path, "s", "architecture-000", config, [1.0], status=status)
    assert sensitivity.successes(sensitivity.load(tmp_path, "s")).iloc[0].to_dict() == {
        "gan": True,
        "wgan": False,
        "wgan-gp": True,
    }


# stacked digits


def test_modes_stand_beside_the_published_ones(tmp_path):
    configs = sensitivity.plan("mnist5k", 2, 1, parts=("stacked",))["stacked"]
    for config, modes in zip(configs, range(100, 700, 100), strict=True):
        made = {"modes": modes, "modes_tenth": modes // 2, "kl_uniform": modes / 100, "kl_uniform_floor": 0.02}
        write_run(tmp_path, "s", "stacked", config, [9.0], mode_images=26_000, **made)
    table = sensitivity.stacked_table(sensitivity.load(tmp_path, "s"))
    ours = table.iloc[0]
    assert (ours["model"], ours["modes"], ours["kl_uniform"]) == ("GAN on stacked_mnist5k", 150, 1.5)
    assert (ours["seeds"], ours["modes, range"], ours["samples"]) == (2, "100 to 200", 26_000)
    assert table["model"].str.contains("PacDCGAN2").sum() == 1
    assert table["budget"].notna().all()
    assert len(sensitivity.stacked_table(pd.DataFrame())) == len(sensitivity.PUBLISHED_MODES)


# the claims


def hand_made(instability, field="clip", method="wgan"):
    """Settings of one field; ``instability``: value → one number per seed, the first value is the base."""
    base, rows = next(iter(instability)), []
    for value, numbers in instability.items():
        for seed, number in enumerate(numbers):
            rows.append({"field": field, "value": value, "is_base": value == base, "dataset": "d", "method": method})
            rows[-1] |= {"seed": seed, "fd": 1.0, "failed": math.isinf(number), "instability": number}
    return pd.DataFrame(rows)


WOBBLE = 1 + 0.002 * np.array([0, 1, -1, 2, 0.5])


def part_of(settings, words):
    rows = claims.sweep_ledger(settings)
    (row,) = rows[rows["quantity"].str.contains(words)].to_dict("records")
    return row


def test_a_setting_that_matters_is_found_with_an_interval_that_holds_for_all_of_them():
    settings = hand_made({0.01: 1.1 * WOBBLE, 0.1: 2.2 * WOBBLE[::-1], 0.001: 1.1 * WOBBLE[::-1]})
    row = part_of(settings, "by clip")
    assert row["verdict"] == "supported"
    level = 1 - 0.05 / 4 / 2  # four parts of the claim, two settings
    logs = np.log(2.2 * WOBBLE[::-1]) - np.log(1.1 * WOBBLE)
    centre = np.sort(logs)[1:-1].mean()  # the interquartile mean of five
    assert row["estimate"] == pytest.approx(math.exp(centre))
    wide = claims.statistics.interval(logs, level)
    assert (row["low"], row["high"]) == pytest.approx((math.exp(wide.low), math.exp(wide.high)))
    assert "clip 0.01 → 0.1" in row["note"]
    assert claims.sweep_ledger(settings).set_index("part")["verdict"].to_dict()["overall"] != "supported"  # one of four


@pytest.mark.parametrize("direction", [1, -1])
def test_a_change_counts_in_either_direction(direction):
    settings = hand_made({0.01: 2.0 * WOBBLE, 0.1: 2.0 * WOBBLE[::-1] * 3.0**direction})
    row = part_of(settings, "by clip")
    assert row["verdict"] == "supported"
    assert row["estimate"] == pytest.approx(3, rel=0.02)


def test_settings_that_hardly_matter_contradict_the_claim():
    settings = hand_made({0.01: 1.1 * WOBBLE, 0.1: 1.1 * WOBBLE[::-1], 0.001: 1.12 * WOBBLE})
    assert part_of(settings, "by clip")["verdict"] == "contradicted"


def test_runs_that_never_fell_back_decide_nothing():
    settings = hand_made({0.01: [1.0] * 5, 0.1: [1.0, 1.0, 1.0, 1.0, 1.001]})
    rows = claims.sweep_ledger(settings)
    assert part_of(settings, "by clip")["verdict"] == "inconclusive"
    assert rows.loc[rows["quantity"].str.contains("by clip"), "note"].iloc[0].endswith("too short to tell")
    assert rows.loc[(rows["number"] == 10) & (rows["part"] == "overall"), "verdict"].tolist() == ["inconclusive"]


def test_one_run_that_fell_back_among_runs_that_still_improve_contradicts_nothing():
    row = part_of(hand_made({0.01: [1.0] * 3, 0.1: [1.0, 1.0, 1.021]}), "by clip")
    assert row["verdict"] == "inconclusive"
    assert "still improving" in row["note"]


def test_two_seeds_test_nothing():
    row = part_of(hand_made({0.01: [1.0, 1.1], 0.1: [5.0, 6.0]}), "by clip")
    assert row["verdict"] == "not tested"
    assert "not enough seeds: 2" in row["note"]


def test_failed_runs_are_counted_and_three_of_them_prove_nothing():
    row = part_of(hand_made({0.01: [1.0, 1.1, 1.2], 0.1: [math.inf] * 3}), "by clip")
    assert row["verdict"] == "inconclusive"
    assert "3 of 3 runs failed at 0.1" in row["note"]


def test_all_four_parts_support_the_claim():
    cases = [("n_critic", "wgan"), ("n_critic", "wgan-gp"), ("clip", "wgan"), ("penalty_weight", "wgan-gp")]
    parts = [hand_made({1: 1.1 * WOBBLE, 10: 3.0 * WOBBLE[::-1]}, *case) for case in cases]
    rows = claims.sweep_ledger(pd.concat(parts))
    assert rows[(rows["number"] == 10) & (rows["part"] == "overall")]["verdict"].tolist() == ["supported"]
    assert set(rows[rows["number"] == 11]["verdict"]) == {"not tested"}


@pytest.mark.parametrize(("with_it", "word"), [(1.1, "supported"), (4.0, "contradicted")])
def test_spectral_normalisation(with_it, word):
    norms = {"layer": 1.5 * WOBBLE, "none": 2.0 * WOBBLE, "spectral": with_it * WOBBLE[::-1]}
    rows = claims.sweep_ledger(pd.concat([hand_made(norms, "critic_norm", method) for method in MAIN_METHODS]))
    assert rows[(rows["number"] == 11) & (rows["part"] == "overall")]["verdict"].tolist() == [word]
