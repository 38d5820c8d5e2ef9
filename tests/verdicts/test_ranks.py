"""The exact rank test against scipy, and that more failures never weaken the evidence."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from gancompare.verdicts import ranks
from gancompare.verdicts.comparisons import compare

INF = math.inf


@pytest.mark.parametrize(("m", "n"), [(3, 3), (4, 6), (5, 5), (8, 3)])
def test_without_ties_it_is_mann_and_whitneys_exact_test(m, n):
    rng = np.random.default_rng(m * n)
    for _ in range(30):
        a, b = rng.standard_normal(m), rng.standard_normal(n) + 0.8
        assert ranks.p_value(a, b) == pytest.approx(stats.mannwhitneyu(a, b, method="exact").pvalue)


def test_a_failed_run_is_worse_than_any_other():
    a, b = np.array([1.0, 2, 3, 4, 5]), np.array([6.0, 7, INF, INF, INF])
    assert ranks.p_value(a, b) == pytest.approx(2 / math.comb(10, 5))
    assert ranks.p_value(np.full(5, INF), np.full(5, INF)) == 1
    assert ranks.shift(np.full(5, INF), np.full(5, INF), 0.95)[0] == 0


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_interval_excludes_no_difference_exactly_where_the_test_does(level):
    rng = np.random.default_rng(1)
    for _ in range(300):
        a, b = rng.standard_normal((2, 5)) + [[0], [1.2]]
        b[rng.random(5) < 0.3], a[rng.random(5) < 0.1] = INF, INF
        estimate, low, high = ranks.shift(a, b, level)
        assert low <= estimate <= high
        assert ((low > 0) | (high < 0)) == (ranks.p_value(a, b) <= 1 - level + 1e-12)
        mirrored = ranks.shift(b, a, level)
        assert (mirrored[1], mirrored[2]) == (-high, -low)


def test_the_interval_covers_and_many_studies_go_at_once():
    a, b = np.random.default_rng(2).standard_normal((2, 4000, 5))
    _, low, high = ranks.shift(a, b + 1.0, 0.95)
    assert 0.95 <= np.mean((low <= 1) & (high >= 1)) <= 0.975  # the exact level at 5 and 5 is 96.8 %
    one = ranks.shift(a[7], b[7] + 1.0, 0.95)
    assert (low[7], high[7]) == (one[1], one[2])


def test_more_failures_never_weaken_the_evidence():
    rng, order = np.random.default_rng(3), {"contradicted": 0, "no difference": 1, "undecided": 1, "supported": 2}
    for trial in range(400):
        m, n = rng.integers(3, 9, size=2)
        a, b = (dict(enumerate(np.exp(rng.normal(center, 0.5, k)))) for center, k in ((0, m), (0.5, n)))
        for side, at in ((a, 0.15), (b, 0.3)):
            side |= {seed: INF for seed in side if rng.random() < at}
        b[0] = INF  # some run failed, so the comparison is by ranks
        worse = b | {int(rng.integers(n)): INF}
        before, after = (compare({"gan": other, "wgan": a}, "wgan", "gan") for other in (b, worse))
        assert order[after.word] >= order[before.word], trial
        assert after.low >= before.low
        assert after.estimate >= before.estimate
        if before.estimate > 1:
            assert after.p <= before.p


@pytest.mark.parametrize("n", [4, 5, 6, 10])
def test_all_runs_of_an_arm_failing_decides_from_four_seeds(n):
    values = {"gan": dict.fromkeys(range(n), INF), "wgan": dict(enumerate(np.linspace(9, 11, n)))}
    finding = compare(values, "wgan", "gan")
    assert (finding.word, finding.estimate, finding.p) == ("supported", INF, pytest.approx(2 / math.comb(2 * n, n)))
    assert compare(values, "gan", "wgan").word == "contradicted"
    assert f"{n} of {n} GAN runs diverged or collapsed" in finding.note


def test_three_seeds_cannot_decide_by_ranks_and_four_are_needed():
    finding = compare({"gan": dict.fromkeys(range(3), INF), "wgan": {0: 1.0, 1: 2.0, 2: 3.0}}, "wgan", "gan")
    assert (finding.word, finding.p, finding.needed) == ("undecided", pytest.approx(0.1), 4)


@pytest.mark.parametrize("chance", [0.75, 0.85])
def test_as_many_seeds_as_needed_decide_in_four_of_five_studies(chance):
    shift, rng = math.sqrt(2) * stats.norm.ppf(chance), np.random.default_rng(4)
    n = math.ceil((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) ** 2 / (6 * (chance - 0.5) ** 2))  # Noether, by hand
    _, low, high = ranks.shift(rng.standard_normal((3000, n)), rng.standard_normal((3000, n)) + shift, 0.95)
    assert 0.76 <= np.mean((low > 0) | (high < 0)) <= 0.9  # the formula is a normal approximation on the safe side
    pairs = np.array([0.0] * 4), np.array([-1.0, 1, 1, 1])  # b is larger in 3 of 4
    assert ranks.seeds_needed(*pairs, 0.95) == math.ceil(7.849 / (6 * 0.25**2))


def test_null_distribution_is_that_of_all_splits():
    a_ranks = itertools.combinations(range(7), 3)
    b_wins = [sum(b > a for a in split for b in set(range(7)) - {*split}) for split in a_ranks]
    for u in range(13):
        split = next(s for s, wins in zip(itertools.combinations(range(7), 3), b_wins, strict=True) if wins == u)
        a, b = np.array(split, float), np.array(sorted({*range(7)} - {*split}), float)
        tail = min(np.mean(np.array(b_wins) >= u), np.mean(np.array(b_wins) <= u))
        assert ranks.p_value(a, b) == pytest.approx(min(1, 2 * tail))
