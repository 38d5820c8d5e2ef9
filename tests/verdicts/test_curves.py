"""Correlations, rebound and back-and-forth over the checkpoints of a run."""

import math

import numpy as np
import pytest
from scipy import stats

from gancompare.verdicts.curves import oscillation, rebound, spearman_within
from gancompare.verdicts.intervals import interval

INF, NAN = math.inf, math.nan


def test_spearman_within_a_run():
    levels, changes = spearman_within([1, 2, 3, 4, 5], [1, 4, 9, 16, 26])
    assert levels == pytest.approx(1)
    assert np.isnan(changes)  # x changes by 1 each time: nothing to correlate
    levels, changes = spearman_within([1, 2, 4, 5, 8], [-1, -5, -6, -10, -11])
    assert levels == pytest.approx(-1)  # two trends
    assert changes == pytest.approx(stats.spearmanr([1, 2, 1, 3], [-4, -1, -4, -1]).statistic)
    assert np.isnan(spearman_within([1, 2], [3, 4])).all()
    assert np.isnan(spearman_within([1, 1, 1], [1, 2, 3])).all()
    assert spearman_within([1, 2, NAN, 3], [3, 2, 9, 1])[0] == pytest.approx(-1)
    assert spearman_within([1, 2, 8, 3], [3, 2, INF, 1])[0] == pytest.approx(-1)


def test_two_trends_correlate_and_their_changes_do_not():
    rng, time = np.random.default_rng(14), np.arange(20)
    runs = [(time + rng.normal(size=20), -time + rng.normal(size=20)) for _ in range(8)]
    levels, changes = np.array([spearman_within(x, y) for x, y in runs]).T
    assert interval(levels).high < -0.9
    assert interval(changes).low < 0 < interval(changes).high


def test_rebound():
    assert rebound([10, 5, 4, 6]) == pytest.approx(0.5)
    assert rebound([10, 5, 4]) == 0
    assert rebound([NAN, 5, 10]) == 1
    assert rebound([10, 5, NAN]) == rebound([10, 5, INF]) == INF


def test_oscillation():
    assert oscillation([8, 4, 2, 1]) == oscillation([1, 2, 4]) == oscillation([3, 3]) == 0
    assert oscillation([1, 2, 1]) == pytest.approx(math.log(2) / 2)  # up ln 2 and down ln 2 in two steps
    assert oscillation([8, 1, 2, 1]) == pytest.approx(math.log(2) / 3)  # the net fall is no oscillation
    assert oscillation([80, 10, 20, 10]) == pytest.approx(oscillation([8, 1, 2, 1]))  # has no unit
    assert oscillation([1, 2, 1, 8]) == pytest.approx(oscillation([8, 1, 2, 1]))  # nor a direction
    assert oscillation([1, INF, 2]) == INF
    assert np.isnan(oscillation([1]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spearman_within([1, 2], [1]), "x and y must have the same checkpoints, got 2 and 1"),
        (lambda: rebound([]), r"series must hold one number per checkpoint, got shape \(0,\)"),
        (lambda: rebound([1, 0, 2]), r"series must be positive, got \[1, 0, 2\]"),
        (lambda: oscillation([1, -1]), r"series must be positive, got \[1, -1\]"),
    ],
)
def test_errors_name_the_argument_and_the_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()
