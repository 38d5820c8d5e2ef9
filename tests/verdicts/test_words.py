"""Which word an interval gets, and how many seeds would decide what is undecided, against simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from gancompare.verdicts.comparisons import judge_mean
from gancompare.verdicts.intervals import Interval
from gancompare.verdicts.words import FD, Scale, judge, seeds_needed, word_of

INF, NAN = math.inf, math.nan
M = math.log(1.1)


@pytest.mark.parametrize(
    ("low", "high", "threshold", "word"),
    [
        (0.05, 0.9, 0, "supported"),
        (-0.9, -0.05, 0, "contradicted"),
        (-0.1, 0.9, 0, "undecided"),
        (0.0, 0.9, 0, "undecided"),
        (-0.09, 0.09, 0, "no difference"),
        (-M, M, 0, "no difference"),
        (0.01, 0.09, 0, "no difference"),  # it excludes 0, but what it shows is too small to matter
        (-0.09, -0.01, 0, "no difference"),
        (0.01, 0.11, 0, "supported"),
        (-INF, INF, 0, "undecided"),
        (INF, INF, 0, "supported"),
        (NAN, NAN, 0, "not tested"),
        (0.3, INF, 0.22, "supported"),
        (0.1, 0.9, 0.22, "undecided"),
        (0.1, 0.2, 0.22, "contradicted"),
        (-0.05, 0.05, 0.22, "no difference"),
    ],
)
def test_words(low, high, threshold, word):
    assert word_of(low, high, margin=M, threshold=threshold) == word


def test_words_of_many_intervals_at_once():
    words = word_of([[0.2, -1], [-0.01, -1]], [[1, -0.2], [0.01, 1]], margin=M)
    assert words.tolist() == [["supported", "contradicted"], ["no difference", "undecided"]]


def test_a_finding_is_in_ratios_and_swapping_sides_inverts_it():
    finding = judge(Interval(math.log(2), math.log(1.5), math.log(3), 5), FD)
    assert (finding.word, finding.n, finding.needed) == ("supported", 5, None)
    assert (finding.estimate, finding.low, finding.high) == pytest.approx((2, 1.5, 3))
    assert (finding.effect, finding.bounds) == ("2×", "1.5× to 3×")
    swapped = judge(Interval(-math.log(2), -math.log(3), -math.log(1.5), 5), FD)
    assert (swapped.word, swapped.estimate) == ("contradicted", pytest.approx(0.5))
    difference = judge(Interval(0.3, 0.2, 0.4, 5), Scale("recall", ratio=False, smallest=0.05))
    assert (difference.word, difference.effect) == ("supported", "+0.3")


def decided(estimate, spread, n, scale, *, studies=4000, level=0.95):
    """The share of simulated studies of ``n`` seeds whose interval decides."""
    draws = np.random.default_rng(n).normal(estimate, spread, (studies, n))
    margin = stats.t.ppf((1 + level) / 2, n - 1) * draws.std(axis=1, ddof=1) / math.sqrt(n)
    means = draws.mean(axis=1)
    return np.mean(
        word_of(means - margin, means + margin, margin=scale.margin, threshold=scale.threshold) != "undecided"
    )


@pytest.mark.parametrize(
    ("estimate", "spread", "least"),
    [(0.3, 0.4, None), (-0.3, 0.2, None), (0.0, 0.1, None), (0.02, 0.06, None), (0.5, 0.3, 1.25), (0.0, 1.0, 1.25)],
)
def test_as_many_seeds_as_needed_decide_in_four_of_five_studies(estimate, spread, least):
    scale = FD._replace(least=least)
    n = seeds_needed(estimate, spread, scale)
    assert decided(estimate, spread, n, scale) == pytest.approx(0.8, abs=0.1 if n < 6 else 0.05)
    assert decided(estimate, spread, max(n - 1, 3), scale) <= decided(estimate, spread, n, scale) + 0.02
    assert decided(estimate, spread, max(2 * n, 5), scale) > 0.9


def test_more_spread_needs_more_seeds_and_too_many_are_none():
    assert seeds_needed(0.3, 0.2) < seeds_needed(0.3, 0.4) < seeds_needed(0.3, 0.8)
    assert seeds_needed(0.3, 0.4, n=50) == 51  # more than there are
    assert seeds_needed(M, 3.0) is None
    assert seeds_needed(NAN, 1.0) is None
    assert seeds_needed(0.3, INF) is None


def test_undecided_says_how_many_seeds_and_decided_does_not():
    undecided = judge_mean(np.array([0.5, -0.3, 0.4, 0.1]), FD, level=0.95)
    assert (undecided.word, undecided.needed > 4) == ("undecided", True)
    assert judge_mean(np.array([0.5, 0.6, 0.4, 0.55]), FD, level=0.95).needed is None
    assert judge_mean(np.array([0.5, 0.6]), FD, level=0.95).word == "not tested"


def test_mean_interval_and_p_value_are_scipys():
    effects = np.array([0.1, 0.4, 0.2, 0.9, -0.2])
    finding = judge_mean(effects, FD, level=0.9)
    test = stats.ttest_1samp(effects, 0)
    low, high = test.confidence_interval(0.9)
    assert np.log([finding.estimate, finding.low, finding.high]) == pytest.approx([effects.mean(), low, high])
    assert finding.p == pytest.approx(test.pvalue)


@pytest.mark.parametrize(("n", "word"), [(3, "undecided"), (5, "undecided"), (6, "supported")])
def test_equal_differences_are_not_certainty_but_as_the_sign_test_has_it(n, word):
    finding = judge_mean(np.full(n, 0.5), FD, level=0.95)
    assert finding.word == word
    assert finding.p == 2 / 2**n == stats.binomtest(n, n).pvalue
    assert finding.needed == (6 if word == "undecided" else None)
    same = judge_mean(np.zeros(n), FD, level=0.95)
    assert (same.word, same.p) == ("undecided" if word == "undecided" else "no difference", 1)
