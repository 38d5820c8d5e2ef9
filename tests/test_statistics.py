import itertools
import math

import numpy as np
import pytest
from scipy import stats

from gancompare.verdicts import statistics
from gancompare.verdicts.statistics import (
    Interval,
    coverage,
    coverage_table,
    diverged,
    failure_rate,
    holm,
    interval,
    oscillation,
    paired_difference,
    performance_profile,
    probability_of_improvement,
    rebound,
    spearman_over_runs,
    spearman_within,
    verdict,
)

NAN, INF = math.nan, math.inf
METHODS = ("t", "percentile", "bca")
SWAPPED = {
    "supported": "contradicted",
    "contradicted": "supported",
    "inconclusive": "inconclusive",
    "not tested": "not tested",
}


def bounds(found):
    return found.low, found.high


def with_diverged(rng, shape, share):
    values = rng.standard_normal(shape)
    values[rng.random(shape) < share] = NAN
    return values


# intervals over seeds


@pytest.mark.parametrize("n", [3, 5, 10])
def test_t_interval_of_the_mean_is_scipys(n):
    values = np.random.default_rng(n).normal(20, 3, n)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    found = interval(values, 0.9, "mean")
    assert bounds(found) == pytest.approx(tuple(expected), rel=1e-12)
    assert (found.estimate, found.n, found.note) == (pytest.approx(values.mean()), n, "")


def test_t_interval_of_three_by_hand():
    found = interval([1, 2, 3])  # mean 2, standard error 1/√3, t(2) = 4.3027
    assert bounds(found) == pytest.approx((2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4)
    assert interval([1, 2, 3], kind="mean") == found  # nothing is cut at n = 3


@pytest.mark.parametrize(("n", "cut"), [(3, 0), (4, 1), (5, 1), (8, 2), (10, 2), (12, 3)])
def test_iqm_cuts_a_quarter_at_each_end(n, cut):
    values = np.random.default_rng(n).permutation(np.arange(n) ** 2.0)
    assert interval(values).estimate == pytest.approx(np.mean(np.arange(n)[cut : n - cut] ** 2.0))


def test_iqm_is_rliables():
    metrics = pytest.importorskip("rliable.metrics")
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


@pytest.mark.parametrize("n", [3, 4, 5, 7, 8, 10, 16])
def test_default_interval_covers_what_it_says(n):
    covered, finite = coverage("t", n, rng=np.random.default_rng(100 + n), studies=10_000)
    assert covered == pytest.approx(0.95, abs=0.007)  # three standard errors of the simulation
    assert finite == 1


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("share", [0.1, 0.2])
def test_default_interval_covers_with_diverged_runs(n, share):
    assert coverage("t", n, share, np.random.default_rng(n), studies=10_000)[0] >= 0.94


def test_level_is_the_coverage():
    for level in (0.5, 0.8, 0.99):
        covered, _ = coverage("t", 5, rng=np.random.default_rng(0), studies=10_000, level=level)
        assert covered == pytest.approx(level, abs=0.015)


REFERENCES = [  # shared/REFERENCES.md §2: percentile bootstrap, n = 3, 5, 10
    ("mean", 0.0, (0.76, 0.83, 0.91)),
    ("mean", 0.1, (0.30, 0.39, 0.64)),
    ("iqm", 0.0, (0.77, 0.89, 0.94)),
    ("iqm", 0.1, (0.76, 0.89, 0.94)),
]


@pytest.mark.parametrize(("kind", "share", "expected"), REFERENCES)
def test_percentile_bootstrap_covers_as_little_as_the_references_say(kind, share, expected):
    found = [coverage("percentile", n, share, np.random.default_rng(n), 2000, kind)[0] for n in (3, 5, 10)]
    assert found == pytest.approx(expected, abs=0.033)  # three standard errors at 2,000 studies against their ~2,000


def test_mean_misses_whenever_no_run_of_the_study_diverged():
    covered, finite = coverage("t", 5, 0.1, np.random.default_rng(0), 5000, "mean")
    assert covered == pytest.approx(1 - 0.9**5, abs=0.02)
    assert finite == pytest.approx(0.9**5, abs=0.02)


def test_coverage_table_is_the_same_each_time_and_says_what_is_unbounded():
    table = coverage_table(seeds=(3, 5), studies=200)
    assert table.equals(coverage_table(seeds=(3, 5), studies=200))
    assert list(table.index) == list(itertools.product(("iqm", "mean"), METHODS))
    assert list(table.columns) == list(itertools.product(("0% diverged", "10% diverged"), ("n = 3", "n = 5")))
    assert "(" not in table.loc[("iqm", "t"), ("0% diverged", "n = 3")]
    assert "(" in table.loc[("iqm", "t"), ("10% diverged", "n = 3")]


@pytest.mark.parametrize(("method", "scipys"), [("percentile", "percentile"), ("bca", "BCa")])
def test_bootstraps_are_scipys(method, scipys):
    values = np.random.default_rng(1).normal(size=9)
    expected = stats.bootstrap(
        (values,), lambda x, axis: stats.trim_mean(x, 0.25, axis), method=scipys, rng=np.random.default_rng(2)
    ).confidence_interval
    assert bounds(interval(values, method=method, rng=np.random.default_rng(2))) == pytest.approx(tuple(expected))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["iqm", "mean"])
def test_interval_moves_with_shift_scale_and_sign(method, kind):
    values = np.random.default_rng(3).exponential(size=8)
    low, high = bounds(interval(values, kind=kind, method=method, rng=np.random.default_rng(0)))
    moved = interval(1e3 * values + 50, kind=kind, method=method, rng=np.random.default_rng(0))
    rounding = 1e-3 if method == "bca" else 1e-9  # BCa counts resamples below the estimate, and ties round either way
    assert bounds(moved) == pytest.approx((1e3 * low + 50, 1e3 * high + 50), rel=rounding)
    if method != "bca":  # whose resampling quantiles are not mirrored exactly
        turned = interval(-values, kind=kind, method=method, lower_is_better=False, rng=np.random.default_rng(0))
        assert bounds(turned) == pytest.approx((-high, -low), rel=1e-9)


def test_order_of_seeds_does_not_matter():
    values = with_diverged(np.random.default_rng(4), 10, 0.1)
    assert interval(values) == interval(np.random.default_rng(5).permutation(values))


@pytest.mark.parametrize("values", [[], [3.0], [1.0, 2.0]])
def test_below_three_seeds_there_is_no_interval(values):
    found = interval(values)
    assert np.isnan(bounds(found)).all()
    assert found.note == f"not enough seeds: {len(values)} of at least 3"
    assert verdict(found) == "not tested"
    for effect in (paired_difference(values, values).advantage, probability_of_improvement(values, [1, 2, 3, 4])):
        assert verdict(effect) == "not tested"
        assert "not enough seeds" in effect.note


# diverged runs are counted


@pytest.mark.parametrize("mark", [NAN, INF, -INF])
def test_a_diverged_run_is_the_worst_run_however_it_is_marked(mark):
    assert interval([1, 2, 3, 4, mark]).estimate == pytest.approx(3)  # IQM of 1, 2, 3, 4, inf
    assert interval([1, 2, 3, 4, mark], lower_is_better=False).estimate == pytest.approx(2)
    assert interval([1, 2, 3, 4, mark]).n == 5
    assert interval([1, 2, 3, 4, mark]).note == "1 of 5 runs diverged"
    assert interval([1, 2, 3, mark], kind="mean").estimate == INF


@pytest.mark.parametrize("method", METHODS)
def test_more_diverged_runs_than_are_cut_leave_an_infinite_upper_bound(method):
    for values in ([1, 2, NAN], [1, 2, 3, NAN, NAN], [*range(6), NAN, NAN, NAN, NAN], [NAN] * 10):
        found = interval(values, method=method, rng=np.random.default_rng(0))
        assert found.estimate == found.high == INF
        assert not np.isnan(found.low)


def test_the_medians_exact_bounds_stand_in_where_the_iqm_is_infinite():
    assert bounds(interval([*range(1, 7), NAN, NAN, NAN, NAN])) == (2, INF)  # 2nd and 9th of 10: 97.9 %
    assert bounds(interval([1, 2, 3, NAN, NAN])) == (-INF, INF)  # 1st to 5th of 5 is 93.8 % only
    assert bounds(interval([*range(1, 10), NAN], kind="mean")) == (2, INF)  # widened to hold the infinite mean


@pytest.mark.parametrize("lower_is_better", [True, False])
def test_diverging_never_improves_an_estimate(lower_is_better):
    rng, sign = np.random.default_rng(6), 1 if lower_is_better else -1
    for trial in range(150):
        n = int(rng.integers(3, 12))
        a, b = with_diverged(rng, (2, n), 0.2)
        worse = np.where(np.arange(n) == rng.integers(n), NAN, a)
        for kind in ("iqm", "mean"):
            before, after = (interval(x, kind=kind, lower_is_better=lower_is_better).estimate for x in (a, worse))
            assert sign * after >= sign * before, trial
        before, after = (paired_difference(x, b, lower_is_better=lower_is_better) for x in (a, worse))
        assert not after.advantage.estimate > before.advantage.estimate, trial
        assert after.wins <= before.wins
        before, after = (probability_of_improvement(x, b, lower_is_better=lower_is_better) for x in (a, worse))
        assert after.estimate <= before.estimate, trial
        assert after.low <= before.low
        profiles = [performance_profile({"": x}, [-1, 0, 1], lower_is_better) for x in (a, worse)]
        assert (profiles[1] <= profiles[0]).all()


# paired by seed


def test_paired_difference_is_an_interval_of_the_differences():
    a, b = np.random.default_rng(7).normal(size=(2, 6))
    assert paired_difference(a, b).advantage == interval(b - a)  # lower is better: positive favours a
    assert paired_difference(a, b, lower_is_better=False).advantage == interval(a - b)
    assert paired_difference(a, b, kind="mean").advantage == interval(b - a, kind="mean")


def test_pairing_removes_what_a_seed_has_in_common():
    seed_effect = np.array([0.0, 100.0, -100.0, 50.0, 20.0])
    a, b = seed_effect + [0.1, 0, -0.1, 0, 0.1], seed_effect + 5
    assert verdict(paired_difference(a, b).advantage) == "supported"
    assert verdict(probability_of_improvement(a, b), 0.5) == "inconclusive"


@pytest.mark.parametrize("n", [3, 4, 5, 6, 10, 15])
def test_sign_flip_p_value_has_a_floor(n):
    assert paired_difference(np.zeros(n), np.arange(1, n + 1)).p_value == 2 / 2**n  # 0.25 at n = 3
    assert paired_difference(np.zeros(n), np.full(n, INF)).p_value == 2 / 2**n
    assert paired_difference(np.full(n, INF), np.full(n, INF)).p_value == 1


def test_sign_flip_p_value_is_scipys():
    for n in (3, 5, 8):
        difference = np.random.default_rng(n).normal(0.5, 1, n)
        expected = stats.permutation_test(
            (difference,), np.mean, permutation_type="samples", vectorized=True, n_resamples=INF
        ).pvalue
        assert paired_difference(np.zeros(n), difference).p_value == pytest.approx(expected)
        difference[0] = INF  # then it is Wilcoxon's signed-rank test
        expected = stats.wilcoxon(np.where(np.isinf(difference), 99, difference), method="exact").pvalue
        assert paired_difference(np.zeros(n), difference).p_value == pytest.approx(expected)


def test_sign_flip_beyond_fifteen_pairs_is_random_and_agrees_with_the_exact_test():
    difference = np.random.default_rng(8).normal(0.4, 1, 15)
    exact = paired_difference(np.zeros(15), difference).p_value
    approximate = paired_difference(np.zeros(16), [*difference, 0], rng=np.random.default_rng(0)).p_value
    assert approximate == pytest.approx(exact, abs=0.015)
    with pytest.raises(ValueError, match=r"rng must be .* beyond 15 pairs, got None for 16"):
        paired_difference(np.zeros(16), np.ones(16))


def test_a_diverged_run_loses_to_a_finite_one_and_two_tie():
    found = paired_difference([1, NAN, NAN, 4, INF, 1], [2, 3, INF, NAN, NAN, 1])
    assert (found.wins, found.ties, found.losses) == (2, 3, 1)
    assert found.advantage.note == "3 of 6 and 3 of 6 runs diverged"
    assert found.advantage.estimate == pytest.approx(0.25)  # IQM of −inf, 0, 0, 0, 1, inf
    assert np.isfinite(bounds(found.advantage)).all()


def test_where_infinite_advantages_of_both_signs_would_cancel_the_median_stands_in():
    assert paired_difference([NAN, 1, 1], [1, NAN, NAN]).advantage.estimate == INF
    assert paired_difference([NAN, 1, 2], [1, NAN, 5]).advantage.estimate == 3
    assert np.isnan(paired_difference([NAN, NAN, 1, 1], [1, 1, NAN, NAN]).advantage.estimate)  # 2 : 2


def test_ten_diverged_runs_of_ten_lose_and_three_of_three_prove_nothing():
    assert verdict(paired_difference([NAN] * 10, range(10)).advantage) == "contradicted"
    assert verdict(paired_difference([NAN] * 3, range(3)).advantage) == "inconclusive"
    assert verdict(paired_difference([NAN, 1, 1, NAN], [1, NAN, NAN, 1]).advantage) == "inconclusive"  # 2 : 2


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6])
def test_swapping_a_and_b_flips_everything(share):
    rng = np.random.default_rng(9)
    seen = set()
    for _ in range(200):
        n = int(rng.integers(2, 13))
        a, b = with_diverged(rng, (2, n), share) + [[0], [1]]
        one, other = paired_difference(a, b), paired_difference(b, a)
        assert verdict(other.advantage) == SWAPPED[verdict(one.advantage)]
        assert bounds(other.advantage) == pytest.approx((-one.advantage.high, -one.advantage.low), nan_ok=True)
        assert (other.wins, other.losses) == (one.losses, one.wins)
        assert other.p_value == pytest.approx(one.p_value, nan_ok=True)
        p, q = probability_of_improvement(a, b), probability_of_improvement(b, a)
        assert verdict(q, 0.5) == SWAPPED[verdict(p, 0.5)]
        assert (q.estimate, *bounds(q)) == pytest.approx((1 - p.estimate, 1 - p.high, 1 - p.low), nan_ok=True)
        seen.add(verdict(one.advantage))
    assert seen >= {"supported", "inconclusive", "not tested"} or share > 0.5


# probability of improvement


def test_probability_of_improvement_counts_pairs():
    assert probability_of_improvement([1, 2, 3], [2.5, 2, NAN]).estimate == pytest.approx((3 + 2.5 + 1) / 9)
    assert probability_of_improvement([1, 2, 3], [2.5, 2, NAN], lower_is_better=False).estimate == pytest.approx(
        5.5 / 9
    )
    assert probability_of_improvement([NAN] * 3, [INF] * 4).estimate == 0.5


def test_probability_of_improvement_is_rliables():
    metrics = pytest.importorskip("rliable.metrics")
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


# no difference, no verdict


@pytest.mark.parametrize(("n", "share"), [(3, 0.0), (3, 0.1), (5, 0.0), (5, 0.1), (10, 0.0), (10, 0.3)])
def test_false_verdicts_under_no_difference_are_as_rare_as_stated(n, share):
    rng, allowed = np.random.default_rng(11), stats.binom.ppf(0.999, 1000, 0.05)  # 5 % and the error of 1,000 studies
    wrong = np.zeros(3)
    for a, b in with_diverged(rng, (1000, 2, n), share):
        paired = paired_difference(a, b)
        words = verdict(paired.advantage), verdict(probability_of_improvement(a, b), 0.5)
        wrong += [*(word != "inconclusive" for word in words), paired.p_value <= 0.05]
    assert (wrong <= allowed).all(), wrong


def test_a_large_difference_is_found():
    rng = np.random.default_rng(12)
    for n, power in ((3, 0.9), (10, 1.0)):
        found = [verdict(paired_difference(a, b + 10).advantage) for a, b in rng.standard_normal((200, 2, n))]
        assert np.mean(np.array(found) == "supported") >= power


# words


@pytest.mark.parametrize(
    ("low", "high", "smallest", "word"),
    [
        (0.1, 0.9, 0, "supported"),
        (-0.9, -0.1, 0, "contradicted"),
        (-0.1, 0.9, 0, "inconclusive"),
        (0.0, 0.9, 0, "inconclusive"),
        (-0.9, 0.0, 0, "inconclusive"),
        (0.0, 0.0, 0, "inconclusive"),
        (-INF, INF, 0, "inconclusive"),
        (INF, INF, 0, "supported"),
        (NAN, NAN, 0, "not tested"),
        (0.1, INF, 0, "supported"),
        (0.1, 0.9, 0.5, "inconclusive"),
        (0.6, 0.9, 0.5, "supported"),
        (0.1, 0.4, 0.5, "contradicted"),
    ],
)
def test_verdict(low, high, smallest, word):
    assert verdict(Interval((low + high) / 2 if low > -INF else 0.0, low, high, 5), smallest) == word


def test_no_interval_is_not_tested():
    assert verdict(None) == "not tested"


# shares of runs


@pytest.mark.parametrize(
    ("k", "n", "wilson", "exact"),  # Newcombe 1998, table I: methods 3 and 5
    [
        (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
        (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
        (0, 20, (0.0, 0.1611), (0.0, 0.1684)),
        (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
    ],
)
def test_failure_rate_gives_the_published_intervals(k, n, wilson, exact):
    assert bounds(failure_rate(k, n)) == pytest.approx(wilson, abs=5e-5)
    assert bounds(failure_rate(k, n, method="exact")) == pytest.approx(exact, abs=5e-5)
    assert failure_rate(k, n).estimate == k / n


def test_failure_rate_of_no_runs_is_not_tested():
    assert verdict(failure_rate(0, 0)) == "not tested"


def test_performance_profile_by_hand():
    tasks = {"mnist": [1, 2, 3, NAN], "faces": [2, INF]}
    assert performance_profile(tasks, [0, 1, 2, 3, INF]) == pytest.approx([0, 1 / 8, 1 / 2, 5 / 8, 5 / 8])
    assert performance_profile(tasks, [-INF, 2, 3], lower_is_better=False) == pytest.approx([5 / 8, 1 / 2, 1 / 8])


def test_holm():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.6]) == pytest.approx([1, 1])
    assert holm([]).shape == (0,)
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p = np.random.default_rng(13).random(20) ** 4
    assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1])


# over checkpoints


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
    levels, changes = spearman_over_runs(runs)
    assert levels.high < -0.9
    assert verdict(levels) == "contradicted"
    assert verdict(changes) == "inconclusive"
    assert (levels.n, levels.note) == (8, "")
    assert levels.estimate == pytest.approx(np.mean([spearman_within(x, y)[0] for x, y in runs]))


def test_spearman_over_runs_counts_a_run_without_a_correlation_as_zero():
    rising = [(np.arange(5.0), np.arange(5.0) ** 2)] * 3
    levels, _ = spearman_over_runs([*rising, (np.arange(5.0), np.full(5, NAN))])
    assert levels.estimate == pytest.approx(0.75)
    assert levels.note == "1 without a correlation count as 0"
    assert levels.high == 1  # cut to what a correlation can be
    levels, _ = spearman_over_runs(rising[:2])
    assert (levels.estimate, verdict(levels)) == (pytest.approx(1), "not tested")
    assert verdict(spearman_over_runs([])[0]) == "not tested"


def test_spearman_over_runs_by_bootstrap():
    rng = np.random.default_rng(15)
    runs = [(rng.normal(size=6), rng.normal(size=6)) for _ in range(5)]
    rho = [spearman_within(x, y)[0] for x, y in runs]
    levels, _ = spearman_over_runs(runs, np.random.default_rng(0), method="percentile")
    assert bounds(levels) == bounds(interval(rho, kind="mean", method="percentile", rng=np.random.default_rng(0)))


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


def test_diverged():
    assert diverged([1, 2, NAN], 100)
    assert diverged([1, 2, INF], 100)
    assert diverged([1, 2, 101], 100)
    assert not diverged([1, 2000, 100], 100)  # it is the end that counts
    assert diverged([3], 2) is True


# errors and manners


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interval([1, 2, 3], level=95), r"level must lie in \(0, 1\), got 95"),
        (lambda: interval([1, 2, 3], kind="median"), "kind must be one of .*iqm.* got 'median'"),
        (lambda: interval([1], method="bayes"), "method must be one of .*bca.* got 'bayes'"),
        (lambda: interval([1, 2, 3], method="bca"), "rng must be a numpy.random.Generator for method 'bca', got None"),
        (lambda: interval([[1, 2, 3]]), r"values must hold one number per run, got shape \(1, 3\)"),
        (lambda: coverage("t", 2), "n must be at least 3, got 2"),
        (lambda: coverage("t", 3, 0.3), r"diverged_share must lie in \[0, 0.25\), got 0.3"),
        (lambda: paired_difference([1, 2, 3], [1, 2]), "a and b must hold the same seeds, got 3 and 2 runs"),
        (lambda: probability_of_improvement([1, 2, 3], [1, 2, 3], level=0), r"level must lie in \(0, 1\), got 0"),
        (lambda: failure_rate(4, 3), r"k must lie in \[0, n = 3\], got 4"),
        (lambda: failure_rate(1, 3, method="wald"), "method must be 'wilson' or 'exact', got 'wald'"),
        (lambda: performance_profile({}, [1]), "values_by_task must hold a task, got {}"),
        (lambda: performance_profile({"mnist": []}, [1]), r"values_by_task\['mnist'\] must hold runs, got \[\]"),
        (lambda: holm([0.5, 1.5]), r"p_values must lie in \[0, 1\], got \[0.5, 1.5\]"),
        (lambda: holm([NAN]), r"p_values must lie in \[0, 1\], got \[nan\]"),
        (lambda: spearman_within([1, 2], [1]), "x and y must have the same checkpoints, got 2 and 1"),
        (lambda: rebound([]), r"series must hold one number per checkpoint, got shape \(0,\)"),
        (lambda: rebound([1, 0, 2]), r"series must be positive, got \[1, 0, 2\]"),
        (lambda: oscillation([1, -1]), r"series must be positive, got \[1, -1\]"),
        (lambda: diverged([], 1), "series must hold one number per checkpoint"),
    ],
)
def test_errors_name_the_argument_and_the_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_global_random_state_is_neither_used_nor_touched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    values = [1.0, 2.0, 4.0, 9.0]
    one, two = (interval(values, method="percentile", rng=np.random.default_rng(0)) for _ in range(2))
    coverage_table(seeds=(3,), studies=20)
    assert one == two
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_arguments_are_left_alone():
    a, b = np.array([1.0, NAN, 3.0]), np.array([2.0, INF, 1.0])
    interval(a)
    paired_difference(a, b)
    probability_of_improvement(a, b)
    assert str(a) == "[ 1. nan  3.]"
    assert str(b) == "[ 2. inf  1.]"


def test_the_standard_librarys_statistics_stays_itself():
    import statistics as standard

    assert standard is not statistics
    assert standard.fmean([1, 2]) == 1.5
