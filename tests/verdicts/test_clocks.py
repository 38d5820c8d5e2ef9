"""Curves at equal generator steps, images and seconds, and whether they had flattened."""

import dataclasses
import itertools
import math

import numpy as np
import pandas as pd
import pytest

from gancompare.runs.reading import Study
from gancompare.verdicts.clocks import pairs_at_clocks
from gancompare.verdicts.evidence import Evidence, flattened


def power_law(arms, seeds=5, opinions=None):
    """A study with FD = level · steps^−½; ``arms``: arm → (level, images per step, seconds per step, last step)."""
    histories, distances = [], []
    for (arm, (level, images, seconds, last)), seed in itertools.product(arms.items(), range(seeds)):
        key = {"dataset": "d", "arm": arm, "seed": seed}
        for step in np.unique(np.geomspace(10, last, 12).round()):
            clocks = {"generator_steps": step, "images_seen": step * images, "seconds": step * seconds}
            histories.append(key | clocks)
            for extractor, swapped in (opinions or dict.fromkeys(("a", "b", "c"), False)).items():
                fd = level * (1 + 0.01 * math.sin(7 * seed + len(arm))) * step**-0.5
                row = key | {"generator_steps": step, "weights": "ema", "extractor": extractor}
                distances += [row | {"fd": 1 / fd if swapped else fd}, row | {"weights": "raw", "fd": 1.0}]
    runs = [{"dataset": "d", "arm": arm, "seed": s, "status": "complete"} for arm in arms for s in range(seeds)]
    empty = pd.DataFrame()
    return Study(pd.DataFrame(runs), pd.DataFrame(histories), empty, pd.DataFrame(distances), empty)


ARMS = {"gan": (100.0, 64, 0.01, 5000), "wgan-gp": (60.0, 320, 0.06, 1000)}


def ratio(table, clock):
    (row,) = table[table["clock"] == clock].to_dict("records")
    return row


def test_values_are_read_at_the_largest_common_value_of_each_clock():
    table = pairs_at_clocks(power_law(ARMS))
    assert len(table) == 3
    steps, images, seconds = (ratio(table, clock) for clock in ("generator_steps", "images_seen", "seconds"))
    # (a, b) = (gan, wgan-gp); the ratio is FD of b / FD of a, above 1 where a is nearer
    assert steps["ratio"] == pytest.approx(0.6, rel=0.02)  # both at 1,000 steps
    assert images["ratio"] == pytest.approx(0.6 * math.sqrt(5), rel=0.02)  # 320,000 images: 5,000 and 1,000 steps
    assert seconds["ratio"] == pytest.approx(0.6 * math.sqrt(5000 / (50 / 0.06)), rel=0.02)  # 50 s
    assert (steps["word"], images["word"], seconds["word"]) == ("contradicted", "supported", "supported")
    assert steps["extractors"] == "a: contradicted, b: contradicted, c: contradicted"
    assert steps["n"] == 5


def test_log_fd_is_interpolated_over_the_log_of_the_clock_and_never_extrapolated():
    evidence = Evidence(power_law(ARMS))
    for values in evidence.at_equal("seconds", ("gan", "wgan-gp")).values():
        assert values["wgan-gp"][0] == pytest.approx(values["gan"][0] * 0.6 * math.sqrt(6), rel=0.03)
    late = power_law(ARMS | {"wgan-gp": (60.0, 320, 60.0, 1000)})  # first measured at 600 s, when the GAN had ended
    table = pairs_at_clocks(late)
    assert ratio(table, "seconds")["word"] == "not tested"
    assert ratio(table, "generator_steps")["word"] == "contradicted"


def test_the_shortest_run_of_a_pair_sets_the_clock():
    data = power_law(ARMS)
    cut = (data.distances["arm"] == "gan") & (data.distances["seed"] == 3) & (data.distances["generator_steps"] > 500)
    short = Study(data.runs, data.histories, data.scores, data.distances[~cut], data.diagnostics)
    steps = {
        name: Evidence(study).at_equal("generator_steps", ("gan", "wgan-gp"))["a"]["gan"][0]
        for name, study in (("whole", data), ("short", short))
    }
    last = data.distances.loc[
        ~cut & (data.distances["arm"] == "gan") & (data.distances["seed"] == 3), "generator_steps"
    ].max()
    assert steps["short"] / steps["whole"] == pytest.approx((last / 1000) ** -0.5, rel=1e-3)


def test_an_extractor_that_contradicts_leaves_a_pair_undecided():
    table = pairs_at_clocks(power_law(ARMS, opinions={"a": False, "b": False, "c": True}))
    row = ratio(table, "generator_steps")
    assert row["word"] == "undecided"
    assert "c: supported" in row["extractors"]
    assert "extractors disagree" in row["note"]


def test_every_pair_of_arms_stands_on_every_clock(synthetic):
    table = pairs_at_clocks(synthetic.study(dict.fromkeys(("gan", "wgan", "wgan-gp", "gan-gp"), synthetic.around(10))))
    assert len(table) == 6 * 3
    assert not table.duplicated(["dataset", "a", "b", "clock"]).any()
    assert set(table["clock"]) == {"generator_steps", "images_seen", "seconds"}


def test_failed_runs_are_worse_at_every_clock(synthetic):
    fd = {"gan": [math.nan] * 5, "wgan": [12.0, 11, 10, 9, 8]}
    table = pairs_at_clocks(synthetic.study(fd))
    assert set(table["word"]) == {"contradicted"}
    assert (table["ratio"] == 0).all()
    assert table["note"].str.contains("5 of 5 GAN runs diverged").all()


def test_a_run_has_flattened_if_fd_fell_less_than_5_percent_over_its_last_fifth(synthetic):
    data = synthetic.study({"gan": synthetic.around(10), "wgan": synthetic.around(10)}, falling=("wgan",))
    table = flattened(data).set_index("arm")
    assert table.loc["gan", "flattened"].all()
    assert not table.loc["wgan", "flattened"].any()
    assert table.loc["wgan", "fell"].to_numpy() == pytest.approx(1 - math.sqrt(0.8), rel=0.05)
    pairs = pairs_at_clocks(data)
    assert pairs["note"].str.contains(r"still falling: WGAN \(11% over the last fifth\)").all()


def test_without_distances_nothing_is_said():
    empty = pd.DataFrame()
    assert pairs_at_clocks(Study(empty, empty, empty, empty, empty)).empty
    assert flattened(Study(empty, empty, empty, empty, empty)).empty


def scores_of(admitted, mark):
    """Final scores that say which extractors were admitted, and the distance of shuffled real images."""
    rows = [
        {"dataset": "d", "arm": "gan", "seed": 0, "status": "complete", "checkpoint": "last", "extractor": extractor}
        | {"primary": extractor == "a", "admitted": passed, "monitor_landmarks": {"patch_shuffled": mark}}
        for extractor, passed in admitted.items()
    ]
    return pd.DataFrame(rows)


def test_an_extractor_that_was_not_admitted_has_no_part_in_a_ranking():
    study = power_law(ARMS, opinions={"a": False, "b": False, "c": True})  # c says the opposite
    assert ratio(pairs_at_clocks(study), "generator_steps")["word"] == "undecided"
    barred = dataclasses.replace(study, scores=scores_of({"a": True, "b": True, "c": False}, 1e9))
    row = ratio(pairs_at_clocks(barred), "generator_steps")
    assert (row["word"], row["extractors"]) == ("contradicted", "a: contradicted, b: contradicted")
    without = dataclasses.replace(study, scores=scores_of({"a": False, "b": True, "c": True}, 1e9))
    assert pairs_at_clocks(without).empty  # the primary extractor cannot rank these data


def test_beyond_the_landmark_of_shuffled_real_images_nothing_is_ranked():
    study = power_law(ARMS)  # at 1,000 steps FD is 3.2 and 1.9
    admitted = {"a": True, "b": True, "c": True}
    far = pairs_at_clocks(dataclasses.replace(study, scores=scores_of(admitted, 1.5)))
    row = ratio(far, "generator_steps")
    assert row["word"] == "undecided"
    assert "patches are shuffled" in row["note"]
    near = pairs_at_clocks(dataclasses.replace(study, scores=scores_of(admitted, 2.5)))  # one of them lies below it
    assert ratio(near, "generator_steps")["word"] == "contradicted"
