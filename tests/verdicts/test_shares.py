"""Shares of runs and of pairs against published intervals, scipy and rliable."""

import math

import numpy as np
import pytest
from rliable import metrics
from scipy import stats

from gancompare.verdicts.comparisons import verdict
from gancompare.verdicts.shares import (
    performance_profile,
    probability_of_improvement,
    proportion,
    proportion_difference,
)

INF, NAN = math.inf, math.nan


def test_probability_of_improvement_counts_pairs():
    assert probability_of_improvement([1, 2, 3], [2.5, 2, NAN]).estimate == pytest.approx((3 + 2.5 + 1) / 9)
    assert probability_of_improvement([1, 2, 3], [2.5, 2, NAN], lower_is_better=False).estimate == pytest.approx(
        5.5 / 9
    )
    assert probability_of_improvement([NAN] * 3, [INF] * 4).estimate == 0.5


def test_probability_of_improvement_is_rliables():
    a, b = np.random.default_rng(10).integers(0, 5, (2, 7, 1)).astype(float)  # with ties
    expected = metrics.probability_of_improvement(a, b)  # higher is better there
    assert probability_of_improvement(a[:, 0], b[:, 0], lower_is_better=False).estimate == pytest.approx(expected)


def test_probability_of_improvement_needs_what_the_rank_test_needs():
    """The variance at ½ is Mann & Whitney's, so it decides about as their exact test does at 5 %."""
    assert stats.mannwhitneyu([1, 2, 3], [4, 5, 6], method="exact").pvalue > 0.05
    assert probability_of_improvement([1, 2, 3], [4, 5, 6]).low < 0.5
    assert probability_of_improvement(range(5), range(5, 10)).low > 0.5
    assert probability_of_improvement(range(5), range(5, 10)).high == 1
    low = probability_of_improvement(range(5), range(5, 10)).low  # solves its defining equation
    variance = low * (1 - low) / 25 * (1 + 4 * ((1 - low) / (2 - low) + low / (1 + low)))
    assert 1 - low == pytest.approx(stats.t.ppf(0.975, 8) * variance**0.5)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_probability_of_improvement_covers(n):
    rng, covered = np.random.default_rng(n), []
    for truth in np.repeat([0.5, 0.7, 0.9], 200):
        a, b = rng.standard_normal((2, n)) + [[0], [2**0.5 * stats.norm.ppf(truth)]]
        found = probability_of_improvement(a, b)
        covered.append(found.low <= truth <= found.high)
    assert np.mean(covered) > 0.95 - 0.02


@pytest.mark.parametrize(
    ("k", "n", "wilson"),  # Newcombe 1998, table I, method 3
    [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_proportion_gives_the_published_intervals(ends_of, k, n, wilson):
    assert ends_of(proportion(k, n)) == pytest.approx(wilson, abs=5e-5)
    assert proportion(k, n).estimate == k / n


def test_proportion_of_no_runs_is_not_tested():
    assert verdict(proportion(0, 0)) == "not tested"


def test_performance_profile_by_hand():
    tasks = {"mnist": [1, 2, 3, NAN], "faces": [2, INF]}
    assert performance_profile(tasks, [0, 1, 2, 3, INF]) == pytest.approx([0, 1 / 8, 1 / 2, 5 / 8, 5 / 8])
    assert performance_profile(tasks, [-INF, 2, 3], lower_is_better=False) == pytest.approx([5 / 8, 1 / 2, 1 / 8])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: probability_of_improvement([1, 2, 3], [1, 2, 3], level=0), r"level must lie in \(0, 1\), got 0"),
        (lambda: proportion(4, 3), r"k must lie in \[0, n = 3\], got 4"),
        (lambda: performance_profile({}, [1]), "values_by_task must hold a task, got {}"),
        (lambda: performance_profile({"mnist": []}, [1]), r"values_by_task\['mnist'\] must hold runs, got \[\]"),
    ],
)
def test_errors_name_the_argument_and_the_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_difference_of_proportions_is_newcombes():
    effect = proportion_difference((56, 70), (48, 80))  # Newcombe 1998, table II, example a, method 10
    assert (effect.estimate, effect.low, effect.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
