"""ranking.py: the table of pairs against scipy; rankings and summaries are tested with the claims."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gancompare.report import tables
from gancompare.verdicts import ranking

FD = {"gan": [9.0, 12.0, 8.0, 14.0], "wgan": [7.0, 9.0, 8.5, 9.0], "wgan-gp": [3.0, 4.0, 3.5, 5.0]}


def scores(fd=FD):
    rows = [
        {"dataset": "d", "method": method, "seed": seed, "status": "complete" if np.isfinite(value) else "diverged"}
        | {"checkpoint": "last", "extractor": "e", "primary": True, "label": "FD-e", "fd": value, "variance": 99.0}
        for method, values in fd.items()
        for seed, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_pair_table_agrees_with_scipy():
    table = ranking.pair_table(scores())
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
    failed = ranking.pair_table(scores({"gan": [1.0, 1.1, 0.9], "wgan": [2.0, np.nan, 2.0]})).iloc[0]
    assert (failed["won"], failed["lost"], failed["chance_estimate"]) == (3, 0, 1)
    few = ranking.pair_table(scores({"gan": [1.0, 2.0], "wgan": [2.0, 3.0]}))
    assert few[["ratio_low", "p_value", "p_holm", "chance_low"]].isna().all(axis=None)
    page = tables.pairs(few).data
    assert "gan against wgan" in page
    assert "nan" not in page
    assert "No two methods" in tables.pairs(ranking.pair_table(pd.DataFrame())).data
