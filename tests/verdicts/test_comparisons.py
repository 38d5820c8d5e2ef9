"""The rules: pairs of a seed, ranks where something failed, and when extractors have to agree."""

import math

import numpy as np
import pytest
from scipy import stats

from gancompare.verdicts.comparisons import compare, compare_by_all, describe_failures, shared_level
from gancompare.verdicts.words import FD, Scale

INF, NAN = math.inf, math.nan
RECALL = Scale("recall", lower=False, ratio=False, smallest=0.05)


def by_seed(*values):
    return dict(enumerate(values))


def test_arms_are_compared_seed_by_seed_in_ratios():
    values = {"gan": by_seed(20.0, 200.0, 2000.0, 50.0), "wgan": by_seed(10.0, 95.0, 1050.0, 26.0)}
    finding = compare(values, "wgan", "gan")
    low, high = stats.ttest_1samp(np.log([20 / 10, 200 / 95, 2000 / 1050, 50 / 26]), 0).confidence_interval()
    assert (finding.word, finding.n) == ("supported", 4)
    assert (finding.low, finding.high) == pytest.approx((math.exp(low), math.exp(high)))
    assert finding.phrase.format("2×") == "GAN's FD is 2× that of WGAN"
    other = compare(values, "gan", "wgan")
    assert (other.word, other.estimate) == ("contradicted", pytest.approx(1 / finding.estimate))


def test_where_more_is_better_and_in_differences():
    values = {"gan": by_seed(0.2, 0.3, 0.25), "wgan": by_seed(0.5, 0.61, 0.54)}
    finding = compare(values, "wgan", "gan", RECALL)
    assert (finding.word, finding.estimate) == ("supported", pytest.approx(0.3))
    assert finding.phrase.format("+0.3") == "the recall of WGAN minus that of GAN is +0.3"


def test_only_common_seeds_are_pairs_and_too_few_are_not_tested():
    values = {"gan": {0: 1.0, 1: 2.0, 2: 3.0, 3: 9.0}, "wgan": {1: 1.0, 2: 1.6, 3: 4.4, 7: 5.0}}
    assert compare(values, "wgan", "gan").n == 3
    assert compare({"gan": {0: 1.0, 1: 2.0}, "wgan": {0: 1.0, 1: 2.0}}, "wgan", "gan").word == "not tested"
    nothing = compare({"gan": {0: 1.0}}, "wgan", "gan")
    assert (nothing.word, nothing.note) == ("not tested", "no FD of WGAN")


def extractors(*factors):
    """Extractors that see WGAN's FD as GAN's over each factor."""
    spread = np.array([1.0, 1.01, 0.99, 1.005, 0.995])
    return {
        f"e{i}": {"gan": by_seed(*(10 * spread)), "wgan": by_seed(*(10 / factor * spread[::-1]))}
        for i, factor in enumerate(factors)
    }


@pytest.mark.parametrize(
    ("factors", "word", "note"),
    [
        ((2, 2, 2), "supported", ""),
        ((0.5, 0.5, 0.5), "contradicted", ""),
        ((1, 1, 1), "no difference", ""),
        ((2,), "undecided", "there is only one extractor"),
        ((2, 2, 0.5), "undecided", "extractors disagree: e0 says supported, e2 says contradicted"),
        ((2, 0.5, 0.5), "undecided", "extractors disagree"),
        ((2, 2, 1), "undecided", "extractors disagree: e0 says supported, e2 says no difference"),
        ((1, 1, 2), "undecided", "extractors disagree: e0 says no difference, e2 says supported"),
    ],
)
def test_a_ranking_needs_one_extractor_that_agrees_and_none_that_contradicts(factors, word, note):
    finding = compare_by_all(extractors(*factors), "wgan", "gan")
    assert finding.word == word
    assert note in finding.note
    assert finding.needed is None  # where extractors disagree, more seeds would not help
    assert len(finding.words) == len(factors)


def test_an_undecided_extractor_neither_agrees_nor_contradicts():
    unsure = {"gan": by_seed(1.0, 2.0, 4.0, 8.0, 1.0), "wgan": by_seed(8.0, 1.0, 1.0, 2.0, 4.0)}
    known = extractors(2, 2)
    assert compare_by_all({**known, "e2": unsure}, "wgan", "gan").word == "supported"
    alone = compare_by_all({"e0": known["e0"], "e2": unsure}, "wgan", "gan")
    assert (alone.word, "no other extractor is decided" in alone.note) == ("undecided", True)
    assert compare_by_all({"e2": unsure, **known}, "wgan", "gan").word == "undecided"


def test_failures_switch_to_ranks_and_are_counted():
    values = {"gan": by_seed(10.0, INF, 30.0, 12.0, 11.0), "wgan": by_seed(1.0, 2.0, 3.0, 1.5, 2.5)}
    finding = compare(values, "wgan", "gan")
    assert (finding.word, finding.p) == ("supported", pytest.approx(2 / 252))
    assert finding.note == "compared by ranks; 1 of 5 GAN runs diverged or collapsed"
    assert describe_failures(values, "gan", "wgan") == "1 of 5 GAN runs diverged or collapsed"


def test_shared_level():
    assert shared_level(0.95, 5) == pytest.approx(0.99)


def test_zero_is_a_value_and_no_failure():
    values = {"gan": by_seed(1.0, 1.1, 1.2), "wgan": by_seed(0.0, 0.0, 0.0)}
    assert compare(values, "wgan", "gan", FD).word == "supported"
