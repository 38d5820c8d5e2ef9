"""Claims about final scores and cost, on studies whose results are known."""

import math

import numpy as np
import pytest
from scipy import stats

from gancompare.verdicts.claims_on_scores import fd_at_equal

INF, NAN = math.inf, math.nan


def test_final_fd_in_the_claimed_order_is_supported_with_scipys_interval(known):
    found, rows = known.verdicts(known.study(seeds=3), 4)
    assert found == {"overall": "supported", "1": "supported", "2": "supported"}
    logs = np.log(known.STEADY[known.SPREAD["wgan"]][:3] * 20) - np.log(known.STEADY[known.SPREAD["wgan-gp"]][:3] * 10)
    expected = np.exp([logs.mean(), *stats.ttest_1samp(logs, 0).confidence_interval(0.975)])
    assert rows.loc["1", ["estimate", "low", "high"]].tolist() == pytest.approx(expected.tolist())
    assert rows.loc["1", "effect"] == f"{expected[0]:.3g}×"
    assert rows.loc["1", "n"] == 3
    assert rows.loc["1", "quantity"] == "FD-classifier, WGAN / WGAN-GP"
    assert "FD-random-init agrees" in rows.loc["1", "note"]


def test_final_fd_in_the_opposite_order_is_contradicted(known):
    found, rows = known.verdicts(known.study(fd=known.swapped()), 4)
    assert found["overall"] == "contradicted"
    assert rows.loc["1", "high"] < 1


def test_one_contradicted_part_contradicts_the_claim(known):
    assert known.verdicts(known.study(fd=known.swapped("wgan", "gan")), 4)[0] == {
        "overall": "contradicted", "1": "supported", "2": "contradicted",
    }  # fmt: skip


def test_the_loss_beside_the_penalty(known):
    assert known.verdicts(known.study(), 13)[0] == {"overall": "supported"}
    assert known.verdicts(known.study(fd=known.swapped("gan-gp")), 13)[0] == {"overall": "contradicted"}
    same = {"wgan-gp": 10 * known.STEADY, "gan-gp": 10 * known.STEADY[[1, 0, 3, 2, 5, 4]]}
    assert known.verdicts(known.study(fd=same), 13)[0] == {"overall": "inconclusive"}


def test_a_diverged_and_a_collapsed_run_are_the_worst_and_are_counted(known):
    fd = known.swapped("gan", "gan") | {"gan": [40, 41, 42, 39, NAN, known.VARIANCE * 2.5]}
    found, rows = known.verdicts(known.study(fd=fd), 4)
    assert "2 of 6 GAN runs diverged or collapsed" in rows.loc["2", "note"]
    assert rows.loc["2", "n"] == 6
    assert rows.loc["2", "high"] == INF  # an infinite disadvantage is not averaged away
    assert found["2"] == "inconclusive"
    fd["gan"] = [40, 41, 42, 39, 43, NAN]  # one of six: the IQM leaves the extreme runs out on both sides
    assert known.verdicts(known.study(fd=fd), 4)[1].loc["2", ["n", "verdict"]].tolist() == [6, "supported"]
    best = {m: [1.0, 1.1, 0.9, INF, INF, INF] if m == "wgan-gp" else [9.0, 9.9, 8.1, 9, 9.1, 9.2] for m in known.LEVELS}
    # better where it lives, dead in half the runs
    assert known.verdicts(known.study(fd=best), 13)[0]["overall"] != "supported"


def test_a_perfect_fd_of_zero_is_not_a_diverged_run(known):
    found, rows = known.verdicts(known.study(fd={"wgan-gp": [0, 0, 1e-9], "gan-gp": [9, 10, 11]}), 13)
    assert found == {"overall": "supported"}
    assert rows.loc["overall", "low"] > 1
    assert "diverged" not in rows.loc["overall", "note"]


@pytest.mark.parametrize("column", ["generator_steps", "n_fake"])
def test_final_fds_at_other_steps_or_numbers_of_images_are_not_compared(known, column):
    tables = known.study()
    tables.scores.loc[tables.scores["arm"] == "gan-gp", column] = 77
    assert known.verdicts(tables, 13)[0] == {"overall": "not tested"}


def test_more_modes(known):
    noise = 0.01 * np.arange(6) ** 2 / 10
    few, many = 0.2 + noise, 0.6 - noise
    better = {"gan": few, "wgan": many, "wgan-gp": many, "gan-gp": few}
    worse = {"gan": many, "wgan": few, "wgan-gp": few, "gan-gp": few}
    mixed = {"gan": few, "wgan": many, "wgan-gp": few[[3, 2, 1, 0, 5, 4]], "gan-gp": few}
    for values, word in ((better, "supported"), (worse, "contradicted"), (mixed, "inconclusive")):
        found, rows = known.verdicts(known.study(recall=values, coverage=values), 2)
        assert found["overall"] == word
        assert set(rows.index) == {"overall", "1", "2", "3", "4"}
    assert rows.loc["1", "quantity"] == "recall (classifier), WGAN − GAN"
    counts = {m: 10 * values for m, values in better.items()}
    kl = {m: 1 - values for m, values in better.items()}
    found, rows = known.verdicts(known.study(recall=better, coverage=better, modes_tenth=counts, kl_uniform=kl), 2)
    assert set(found.values()) == {"supported"}
    assert len(found) == 9
    assert (
        known.verdicts(known.study(recall=better), 2)[0]["overall"] == "inconclusive"
    )  # coverage is missing: an older result
    assert known.verdicts(known.study(recall=better), 2)[0]["1"] == "supported"


def test_fd_at_an_equal_clock_is_read_off_the_longer_run(known):
    histories = known.study(fd={"gan": [40.0] * 3, "wgan": [20.0] * 3}).histories
    values = fd_at_equal("images_seen", "wgan", "gan", histories=histories, final={})
    assert values["gan"] == pytest.approx(dict.fromkeys(range(3), 40))  # the GAN ends first, at 400 · 64 images
    assert values["wgan"] == pytest.approx(dict.fromkeys(range(3), 20 * 5**1.5))  # where WGAN was at step 80
    failed = fd_at_equal("images_seen", "wgan", "gan", histories=histories, final={"gan": {1: INF}})
    assert failed["gan"] == {0: pytest.approx(40), 1: INF, 2: pytest.approx(40)}
    late = histories[(histories["arm"] == "gan") | (histories["generator_steps"] > 100)]
    assert fd_at_equal("images_seen", "wgan", "gan", histories=late, final={}) == {"gan": {}, "wgan": {}}


def test_equal_cost_is_never_decided_by_one_extractor(known):
    found, rows = known.verdicts(known.study(), 5)
    assert set(found.values()) == {"inconclusive"}
    assert rows.loc["3", "quantity"] == "FD in training at equal real images seen, WGAN / WGAN-GP"
    assert "alone supported, but there is only one extractor" in rows.loc["3", "note"]
    assert "alone contradicted, but there is only one extractor" in rows.loc["4", "note"]  # WGAN is at step 80


def test_cost_of_a_step(known):
    found, rows = known.verdicts(known.study(), 6)
    assert set(found.values()) == {"supported"}
    assert rows["estimate"].tolist()[1:] == pytest.approx([2, 2.5], rel=0.1)
    assert "WGAN-GP / GAN 4.99×" in rows.loc["1", "note"]
    data = known.study()
    table = data.runs
    table["seconds"] = 1 / table["seconds"]
    assert known.verdicts(data, 6)[0]["overall"] == "contradicted"
    table["seconds"] = 100 * known.STEADY[table["seed"].to_numpy()] + table["arm"].map(len) * (-1.0) ** table["seed"]
    assert known.verdicts(data, 6)[0]["overall"] == "inconclusive"
