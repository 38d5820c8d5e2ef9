"""The claims that take a sweep, on settings made by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from gancompare.recipes import MAIN_METHODS
from gancompare.verdicts import claims
from gancompare.verdicts.intervals import interval


def hand_made(instability, field="clip", method="wgan"):
    """Settings of one field; ``instability``: value → one number per seed, the first value is the base."""
    base, rows = next(iter(instability)), []
    for value, numbers in instability.items():
        for seed, number in enumerate(numbers):
            rows.append({"field": field, "value": value, "is_base": value == base, "dataset": "d", "arm": method})
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
    wide = interval(logs, level)
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
