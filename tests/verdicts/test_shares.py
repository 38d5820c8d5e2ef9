"""Shares of runs against published intervals and by hand."""

import math

import numpy as np
import pytest

from gancompare.verdicts.shares import performance_profile, proportion, proportion_difference

INF, NAN = math.inf, math.nan


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


def test_proportion_of_no_runs_has_no_interval(ends_of):
    assert np.isnan(ends_of(proportion(0, 0))).all()


def test_performance_profile_by_hand():
    tasks = {"mnist": [1, 2, 3, NAN], "faces": [2, INF]}
    assert performance_profile(tasks, [0, 1, 2, 3, INF]) == pytest.approx([0, 1 / 8, 1 / 2, 5 / 8, 5 / 8])
    assert performance_profile(tasks, [-INF, 2, 3], lower_is_better=False) == pytest.approx([5 / 8, 1 / 2, 1 / 8])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: proportion(1, 3, level=0), r"level must lie in \(0, 1\), got 0"),
        (lambda: proportion(4, 3), r"k must lie in \[0, n = 3\], got 4"),
        (lambda: performance_profile({}, [1]), "values_by_task must hold a task, got {}"),
        (lambda: performance_profile({"mnist": []}, [1]), r"values_by_task\['mnist'\] must hold runs, got \[\]"),
    ],
)
def test_errors_name_the_argument_and_the_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("lower_is_better", [True, False])
def test_diverging_never_improves_a_profile(with_diverged, lower_is_better):
    rng = np.random.default_rng(6)
    for _ in range(150):
        runs = with_diverged(rng, (int(rng.integers(3, 12)),), 0.2)
        worse = np.where(np.arange(len(runs)) == rng.integers(len(runs)), NAN, runs)
        profiles = [performance_profile({"": x}, [-1, 0, 1], lower_is_better=lower_is_better) for x in (runs, worse)]
        assert (profiles[1] <= profiles[0]).all()


def test_difference_of_proportions_is_newcombes():
    effect = proportion_difference((56, 70), (48, 80))  # Newcombe 1998, table II, example a, method 10
    assert (effect.estimate, effect.low, effect.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
