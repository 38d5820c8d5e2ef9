"""Paired differences against scipy and all signs; what must hold of everything that compares two methods."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from gancompare.verdicts.comparisons import verdict
from gancompare.verdicts.differences import holm, paired_difference
from gancompare.verdicts.intervals import interval
from gancompare.verdicts.shares import performance_profile, probability_of_improvement

INF, NAN = math.inf, math.nan
SWAPPED = {
    "supported": "contradicted",
    "contradicted": "supported",
    "inconclusive": "inconclusive",
    "not tested": "not tested",
}


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


def enumerated(difference):
    """The sign-flip p-value from all 2ⁿ signs, counted here; for infinite differences of Wilcoxon's signed ranks."""
    size = np.abs(difference)
    score = np.sign(difference) * (size if np.isfinite(size).all() else stats.rankdata(size))
    sums = np.array([np.dot(score, signs) for signs in itertools.product([-1, 1], repeat=len(score))])
    return np.mean(np.abs(sums) >= abs(score.sum()) - 1e-9 * np.abs(score).sum())  # ties up to rounding


@pytest.mark.parametrize("n", [3, 4, 5, 8, 11])
def test_sign_flip_p_value_is_that_of_all_signs(n):
    rng = np.random.default_rng(n)
    for trial in range(20):
        difference = rng.normal(0.5, 1, n)
        if trial % 4 == 1:
            difference = np.round(difference, 1)  # with ties, and sums that are equal but for rounding
        if trial % 4 == 2:
            difference[: n // 2] = -difference[n // 2 : 2 * (n // 2)]  # many sums are 0 but for rounding
        if trial % 4 == 3:
            difference[rng.integers(n)] = rng.choice([-INF, INF])
        b = np.where(np.isneginf(difference), 0, difference)
        a = np.where(np.isneginf(difference), INF, 0)
        assert paired_difference(a, b).p_value == pytest.approx(enumerated(difference), abs=1e-12), trial


def test_sign_flip_beyond_fifteen_pairs_is_random_and_agrees_with_the_exact_test():
    difference = np.random.default_rng(8).normal(0.4, 1, 15)
    exact = paired_difference(np.zeros(15), difference).p_value
    approximate = paired_difference(np.zeros(16), [*difference, 0], rng=np.random.default_rng(0)).p_value
    assert approximate == pytest.approx(exact, abs=0.015)
    with pytest.raises(ValueError, match=r"rng must be .* beyond 15 pairs, got None for 16"):
        paired_difference(np.zeros(16), np.ones(16))


def test_a_diverged_run_loses_to_a_finite_one_and_two_tie(ends_of):
    found = paired_difference([1, NAN, NAN, 4, INF, 1], [2, 3, INF, NAN, NAN, 1])
    assert (found.wins, found.ties, found.losses) == (2, 3, 1)
    assert found.advantage.note == "3 of 6 and 3 of 6 runs diverged"
    assert found.advantage.estimate == pytest.approx(0.25)  # IQM of −inf, 0, 0, 0, 1, inf
    assert np.isfinite(ends_of(found.advantage)).all()


def test_where_infinite_advantages_of_both_signs_would_cancel_the_median_stands_in():
    assert paired_difference([NAN, 1, 1], [1, NAN, NAN]).advantage.estimate == INF
    assert paired_difference([NAN, 1, 2], [1, NAN, 5]).advantage.estimate == 3
    assert np.isnan(paired_difference([NAN, NAN, 1, 1], [1, 1, NAN, NAN]).advantage.estimate)  # 2 : 2


def test_ten_diverged_runs_of_ten_lose_and_three_of_three_prove_nothing():
    assert verdict(paired_difference([NAN] * 10, range(10)).advantage) == "contradicted"
    assert verdict(paired_difference([NAN] * 3, range(3)).advantage) == "inconclusive"
    assert verdict(paired_difference([NAN, 1, 1, NAN], [1, NAN, NAN, 1]).advantage) == "inconclusive"  # 2 : 2


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6])
def test_swapping_a_and_b_flips_everything(ends_of, with_diverged, share):
    rng = np.random.default_rng(9)
    seen = set()
    for _ in range(200):
        n = int(rng.integers(2, 13))
        a, b = with_diverged(rng, (2, n), share) + [[0], [1]]
        one, other = paired_difference(a, b), paired_difference(b, a)
        assert verdict(other.advantage) == SWAPPED[verdict(one.advantage)]
        assert ends_of(other.advantage) == pytest.approx((-one.advantage.high, -one.advantage.low), nan_ok=True)
        assert (other.wins, other.losses) == (one.losses, one.wins)
        assert other.p_value == pytest.approx(one.p_value, nan_ok=True)
        p, q = probability_of_improvement(a, b), probability_of_improvement(b, a)
        assert verdict(q, 0.5) == SWAPPED[verdict(p, 0.5)]
        assert (q.estimate, *ends_of(q)) == pytest.approx((1 - p.estimate, 1 - p.high, 1 - p.low), nan_ok=True)
        seen.add(verdict(one.advantage))
    assert seen >= {"supported", "inconclusive", "not tested"} or share > 0.5


@pytest.mark.parametrize("lower_is_better", [True, False])
def test_diverging_never_improves_an_estimate(with_diverged, lower_is_better):
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
        profiles = [performance_profile({"": x}, [-1, 0, 1], lower_is_better=lower_is_better) for x in (a, worse)]
        assert (profiles[1] <= profiles[0]).all()


@pytest.mark.slow
@pytest.mark.parametrize(("n", "share"), [(3, 0.0), (3, 0.1), (5, 0.0), (5, 0.1), (10, 0.0), (10, 0.3)])
def test_false_verdicts_under_no_difference_are_as_rare_as_stated(with_diverged, n, share):
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


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: paired_difference([1, 2, 3], [1, 2]), "a and b must hold the same seeds, got 3 and 2 runs"),
        (lambda: holm([0.5, 1.5]), r"p_values must lie in \[0, 1\], got \[0.5, 1.5\]"),
        (lambda: holm([NAN]), r"p_values must lie in \[0, 1\], got \[nan\]"),
    ],
)
def test_errors_name_the_argument_and_the_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_holm():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.6]) == pytest.approx([1, 1])
    assert holm([]).shape == (0,)
    p = np.random.default_rng(13).random(20) ** 4
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])
