"""Sentences and tables that rank methods: against scipy, and on studies whose results are known."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gancompare.report import tables
from gancompare.runs.reading import Study
from gancompare.verdicts import ranking

INF, NAN = math.inf, math.nan
FD = {"gan": [9.0, 12.0, 8.0, 14.0], "wgan": [7.0, 9.0, 8.5, 9.0], "wgan-gp": [3.0, 4.0, 3.5, 5.0]}


def scored(fd=FD):
    empty = pd.DataFrame()
    rows = [
        {"dataset": "d", "arm": method, "seed": seed, "status": "complete" if np.isfinite(value) else "diverged"}
        | {"checkpoint": "last", "extractor": "e", "primary": True, "label": "FD-e", "fd": value, "variance": 99.0}
        for method, values in fd.items()
        for seed, value in enumerate(values)
    ]
    return Study(empty, empty, pd.DataFrame(rows), empty)


def test_pair_table_agrees_with_scipy():
    table = ranking.pair_table(scored())
    assert list(zip(table["a"], table["b"], strict=True)) == list(itertools.combinations(FD, 2))
    for row in table.itertuples():
        a, b = np.array(FD[row.a]), np.array(FD[row.b])
        # the interquartile mean of 4 pairs is that of the two in the middle
        assert row.ratio_estimate == pytest.approx(np.exp(np.sort(np.log(b / a))[1:3].mean()))
        assert row.ratio_low < row.ratio_estimate < row.ratio_high
        assert (row.won, row.tied, row.lost) == ((a < b).sum(), 0, (a > b).sum())
        permuted = stats.permutation_test(
            (np.log(b / a),), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
        )
        assert row.p_value == pytest.approx(permuted.pvalue)
        assert row.chance_estimate == pytest.approx(stats.mannwhitneyu(b, a).statistic / 16)
    by_hand = sorted(table["p_value"])
    assert sorted(table["p_holm"]) == pytest.approx(
        np.maximum.accumulate([min(1, p * m) for p, m in zip(by_hand, (3, 2, 1), strict=True)])
    )


def test_pair_table_with_failed_runs_and_few_seeds():
    failed = ranking.pair_table(scored({"gan": [1.0, 1.1, 0.9], "wgan": [2.0, np.nan, 2.0]})).iloc[0]
    assert (failed["won"], failed["lost"], failed["chance_estimate"]) == (3, 0, 1)
    few = ranking.pair_table(scored({"gan": [1.0, 2.0], "wgan": [2.0, 3.0]}))
    assert few[["ratio_low", "p_value", "p_holm", "chance_low"]].isna().all(axis=None)
    page = tables.pairs(few).data
    assert "GAN against WGAN" in page
    assert "nan" not in page
    assert "No two methods" in tables.pairs(ranking.pair_table(Study(*[pd.DataFrame()] * 4))).data


def test_summary_gives_direction_ratio_interval_extractor_and_floor(known):
    (text,) = ranking.summary(known.study(seeds=3))
    assert text.startswith(
        "mnist: at 400 generator steps, 3 seeds each, 1,000 images per run, real against real images 0.52: "
    )
    level = 1 - 0.05 / 3
    logs = np.log(known.STEADY[known.SPREAD["gan"]][:3] * 4) - np.log(known.STEADY[known.SPREAD["wgan-gp"]][:3])
    low, high = np.exp(stats.ttest_1samp(logs, 0).confidence_interval(level))
    expected = f"WGAN-GP has a lower FD-classifier than GAN ({np.exp(logs.mean()):.3g}×, {low:.3g} to {high:.3g})"
    assert expected in text
    assert "better" not in text
    assert text.endswith("(intervals hold at 95 %, all 3 at once).")
    (text,) = ranking.summary(known.study(fd=known.swapped(), seeds=3))
    assert expected.replace("WGAN-GP", "X").replace("GAN (", "WGAN-GP (").replace("X", "GAN") in text


def test_summary_without_a_difference_says_so_and_counts_failures(known):
    orders = {"gan": range(6), "wgan": known.SPREAD["gan"], "wgan-gp": known.SPREAD["wgan-gp"]}
    fd = {method: 10 * known.STEADY[order] for method, order in orders.items()}
    fd["gan"][2] = NAN
    (text,) = ranking.summary(known.study(fd=fd))
    assert text.count("no difference in FD-classifier could be shown") == 3
    assert "has a lower" not in text
    assert text.endswith("; 1 of 6 GAN runs diverged or collapsed.")


def test_comparison_table_holds_intervals_and_the_one_that_beats_all(known):
    recall = {m: 0.5 + 0.01 * np.arange(6) for m in known.LEVELS}
    table = ranking.comparison_table(known.study(recall=recall), ["fd", "recall", "ms_ssim"])
    assert list(table.index) == [("mnist", m) for m in known.LEVELS]
    assert table["fd"]["best"].tolist() == [False, False, True, False]
    assert not table["recall"]["best"].any()
    assert table["ms_ssim"][["n", "best"]].values.tolist() == [[0, False]] * 4
    assert set(table["fd"]["n"]) == {6}
    values = np.sort(10 * known.STEADY)[1:-1]
    assert table.loc[("mnist", "wgan-gp"), ("fd", "mean")] == pytest.approx(values.mean())
    assert table.loc[("mnist", "wgan-gp"), ("fd", "low")] < values.mean()
    one_lost = ranking.comparison_table(known.study(fd={"gan": [9.0, NAN, 9], "wgan": [1.0, 2, 3]}), ["fd"])
    assert one_lost.loc[("mnist", "gan"), ("fd", "failed")] == 1
    assert one_lost.loc[("mnist", "gan"), ("fd", "mean")] == INF


def test_comparison_table_of_the_best_checkpoint(known):
    data = known.study()
    scores = data.scores
    early = scores.assign(checkpoint="best", fd=scores["fd"] / 2, generator_steps=100 + 50 * (scores["seed"] % 2))
    table = ranking.comparison_table(replace(data, scores=pd.concat([scores, early])), ["fd"], checkpoint="best")
    assert table.loc[("mnist", "gan"), ("fd", "mean")] == pytest.approx(20, rel=0.05)
    assert set(table["fd"]["n"]) == {6}


def test_pair_table_of_more_seeds_than_signs_can_be_tried():
    rng = np.random.default_rng(0)
    many = scored({"gan": np.exp(rng.normal(1, 0.1, 20)), "wgan": np.exp(rng.normal(0.9, 0.1, 20))})
    table = ranking.pair_table(many)
    assert table["n"].tolist() == [20]
    assert 0 < table["p_value"].iloc[0] < 0.05
    pd.testing.assert_frame_equal(table, ranking.pair_table(many))
