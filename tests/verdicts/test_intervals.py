"""Intervals over seeds against scipy and rliable, by hand, and where runs diverged."""

import math

import numpy as np
import pytest
from rliable import metrics
from scipy import stats

from gancompare.verdicts.intervals import BOUNDS, interval

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize("n", [3, 5, 10])
def test_t_interval_of_the_mean_is_scipys(ends_of, n):
    values = np.random.default_rng(n).normal(20, 3, n)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    found = interval(values, 0.9, kind="mean")
    assert ends_of(found) == pytest.approx(tuple(expected), rel=1e-12)
    assert (found.estimate, found.n, found.note) == (pytest.approx(values.mean()), n, "")


def test_t_interval_of_three_by_hand(ends_of):
    found = interval([1, 2, 3])  # mean 2, standard error 1/√3, t(2) = 4.3027
    assert ends_of(found) == pytest.approx((2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4)
    assert interval([1, 2, 3], kind="mean") == found  # nothing is cut at n = 3


@pytest.mark.parametrize(("n", "cut"), [(3, 0), (4, 1), (5, 1), (8, 2), (10, 2), (12, 3)])
def test_iqm_cuts_a_quarter_at_each_end(n, cut):
    values = np.random.default_rng(n).permutation(np.arange(n) ** 2.0)
    assert interval(values).estimate == pytest.approx(np.mean(np.arange(n)[cut : n - cut] ** 2.0))


def test_iqm_is_rliables():
    for n in (3, 4, 5, 7, 10, 13):
        values = np.random.default_rng(n).normal(size=(n, 1))
        assert interval(values[:, 0]).estimate == pytest.approx(metrics.aggregate_iqm(values), rel=1e-12)


@pytest.mark.parametrize("n", [4, 5, 8, 10])
def test_standard_error_of_the_iqm_is_the_one_of_scipys_trimmed_t_test(n):
    values = np.random.default_rng(n).normal(3, 1, n)
    test = stats.ttest_ind(values, np.zeros(1000) + 1e-9 * np.arange(1000), trim=0.25, equal_var=False)
    error = (interval(values).estimate - stats.trim_mean(1e-9 * np.arange(1000), 0.25)) / test.statistic
    ratio = (interval(values).high - interval(values).low) / 2 / error
    assert 1 < ratio / stats.t.ppf(0.975, n - 2 * (n // 4) - 1) < 1.3  # wider than the usual approximation, never less


@pytest.mark.parametrize(("bounds", "scipys"), [("percentile", "percentile"), ("bca", "BCa")])
def test_bootstraps_are_scipys(ends_of, bounds, scipys):
    values = np.random.default_rng(1).normal(size=9)
    expected = stats.bootstrap(
        (values,), lambda x, axis: stats.trim_mean(x, 0.25, axis), method=scipys, rng=np.random.default_rng(2)
    ).confidence_interval
    assert ends_of(interval(values, bounds=bounds, rng=np.random.default_rng(2))) == pytest.approx(tuple(expected))


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("kind", ["iqm", "mean"])
def test_interval_moves_with_shift_scale_and_sign(ends_of, bounds, kind):
    values = np.random.default_rng(3).exponential(size=8)
    low, high = ends_of(interval(values, kind=kind, bounds=bounds, rng=np.random.default_rng(0)))
    moved = interval(1e3 * values + 50, kind=kind, bounds=bounds, rng=np.random.default_rng(0))
    rounding = 1e-3 if bounds == "bca" else 1e-9  # BCa counts resamples below the estimate, and ties round either way
    assert ends_of(moved) == pytest.approx((1e3 * low + 50, 1e3 * high + 50), rel=rounding)
    if bounds != "bca":  # whose resampling quantiles are not mirrored exactly
        turned = interval(-values, kind=kind, bounds=bounds, lower_is_better=False, rng=np.random.default_rng(0))
        assert ends_of(turned) == pytest.approx((-high, -low), rel=1e-9)


def test_order_of_seeds_does_not_matter(with_diverged):
    values = with_diverged(np.random.default_rng(4), 10, 0.1)
    assert interval(values) == interval(np.random.default_rng(5).permutation(values))


@pytest.mark.parametrize("values", [[], [3.0], [1.0, 2.0]])
def test_below_three_seeds_there_is_no_interval(ends_of, values):
    found = interval(values)
    assert np.isnan(ends_of(found)).all()
    assert found.note == f"not enough seeds: {len(values)} of at least 3"


@pytest.mark.parametrize("mark", [NAN, INF, -INF])
def test_a_diverged_run_is_the_worst_run_however_it_is_marked(mark):
    assert interval([1, 2, 3, 4, mark]).estimate == pytest.approx(3)  # IQM of 1, 2, 3, 4, inf
    assert interval([1, 2, 3, 4, mark], lower_is_better=False).estimate == pytest.approx(2)
    assert interval([1, 2, 3, 4, mark]).n == 5
    assert interval([1, 2, 3, 4, mark]).note == "1 of 5 runs diverged"
    assert interval([1, 2, 3, mark], kind="mean").estimate == INF


@pytest.mark.parametrize("bounds", BOUNDS)
def test_more_diverged_runs_than_are_cut_leave_an_infinite_upper_bound(bounds):
    for values in ([1, 2, NAN], [1, 2, 3, NAN, NAN], [*range(6), NAN, NAN, NAN, NAN], [NAN] * 10):
        found = interval(values, bounds=bounds, rng=np.random.default_rng(0))
        assert found.estimate == found.high == INF
        assert not np.isnan(found.low)


def test_the_medians_exact_bounds_stand_in_where_the_iqm_is_infinite(ends_of):
    assert ends_of(interval([*range(1, 7), NAN, NAN, NAN, NAN])) == (2, INF)  # 2nd and 9th of 10: 97.9 %
    assert ends_of(interval([1, 2, 3, NAN, NAN])) == (-INF, INF)  # 1st to 5th of 5 is 93.8 % only
    assert ends_of(interval([*range(1, 10), NAN], kind="mean")) == (2, INF)  # widened to hold the infinite mean


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interval([1, 2, 3], level=95), r"level must lie in \(0, 1\), got 95"),
        (lambda: interval([1, 2, 3], kind="median"), "kind must be one of .*iqm.* got 'median'"),
        (lambda: interval([1], bounds="bayes"), "bounds must be one of .*bca.* got 'bayes'"),
        (lambda: interval([1, 2, 3], bounds="bca"), "rng must be a numpy.random.Generator for bounds 'bca', got None"),
        (lambda: interval([[1, 2, 3]]), r"values must hold one number per run, got shape \(1, 3\)"),
    ],
)
def test_errors_name_the_argument_and_the_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_arguments_are_left_alone():
    a, b = np.array([1.0, NAN, 3.0]), np.array([2.0, INF, 1.0])
    interval(a)
    interval(b, kind="mean")
    assert str(a) == "[ 1. nan  3.]"
    assert str(b) == "[ 2. inf  1.]"


@pytest.mark.parametrize("lower_is_better", [True, False])
def test_diverging_never_improves_an_estimate(with_diverged, lower_is_better):
    rng, sign = np.random.default_rng(6), 1 if lower_is_better else -1
    for trial in range(150):
        n = int(rng.integers(3, 12))
        runs = with_diverged(rng, (n,), 0.2)
        worse = np.where(np.arange(n) == rng.integers(n), NAN, runs)
        for kind in ("iqm", "mean"):
            before, after = (interval(x, kind=kind, lower_is_better=lower_is_better).estimate for x in (runs, worse))
            assert sign * after >= sign * before, trial
