"""How often intervals hold the truth: the simulation against what is known from theory and from the literature."""

import itertools

import numpy as np
import pandas as pd
import pytest

from gancompare.verdicts.calibration import (
    coverage_table,
    error_table,
    power_table,
    simulated_coverage,
    simulated_words,
    words_table,
)
from gancompare.verdicts.intervals import BOUNDS, interval


@pytest.mark.parametrize("n", [3, 4, 5, 7, 8, 10, 16])
def test_default_interval_covers_what_it_says(n):
    covered, finite = simulated_coverage("t", n, rng=np.random.default_rng(100 + n), studies=10_000)
    assert covered == pytest.approx(0.95, abs=0.007)  # three standard errors of the simulation
    assert finite == 1


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("share", [0.1, 0.2])
def test_default_interval_covers_with_diverged_runs(n, share):
    assert simulated_coverage("t", n, share, rng=np.random.default_rng(n), studies=10_000)[0] >= 0.94


def test_level_is_the_coverage():
    for level in (0.5, 0.8, 0.99):
        covered, _ = simulated_coverage("t", 5, rng=np.random.default_rng(0), studies=10_000, level=level)
        assert covered == pytest.approx(level, abs=0.015)


REFERENCES = [  # shared/REFERENCES.md §2: percentile bootstrap, n = 3, 5, 10
    ("mean", 0.0, (0.76, 0.83, 0.91)),
    ("mean", 0.1, (0.30, 0.39, 0.64)),
    ("iqm", 0.0, (0.77, 0.89, 0.94)),
    ("iqm", 0.1, (0.76, 0.89, 0.94)),
]


@pytest.mark.parametrize(("kind", "share", "expected"), REFERENCES)
def test_percentile_bootstrap_covers_as_little_as_the_references_say(kind, share, expected):
    found = [simulated_coverage("percentile", n, share, kind=kind, rng=np.random.default_rng(n))[0] for n in (3, 5, 10)]
    assert found == pytest.approx(expected, abs=0.033)  # three standard errors at 2,000 studies against their ~2,000


def test_mean_misses_whenever_no_run_of_the_study_diverged():
    covered, finite = simulated_coverage("t", 5, 0.1, kind="mean", studies=5000, rng=np.random.default_rng(0))
    assert covered == pytest.approx(1 - 0.9**5, abs=0.02)
    assert finite == pytest.approx(0.9**5, abs=0.02)


def test_coverage_table_is_the_same_each_time_and_says_what_is_unbounded():
    table = coverage_table(seeds=(3, 5), studies=200)
    assert table.equals(coverage_table(seeds=(3, 5), studies=200))
    assert list(table.index) == list(itertools.product(("iqm", "mean"), BOUNDS))
    assert list(table.columns) == list(itertools.product(("0% diverged", "10% diverged"), ("n = 3", "n = 5")))
    assert "(" not in table.loc[("iqm", "t"), ("0% diverged", "n = 3")]
    assert "(" in table.loc[("iqm", "t"), ("10% diverged", "n = 3")]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: simulated_coverage("t", 2), "n must be at least 3, got 2"),
        (lambda: simulated_coverage("t", 3, 0.3), r"diverged_share must lie in \[0, 0.25\), got 0.3"),
    ],
)
def test_errors_name_the_argument_and_the_value(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_global_random_state_is_neither_used_nor_touched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    values = [1.0, 2.0, 4.0, 9.0]
    one, two = (interval(values, bounds="percentile", rng=np.random.default_rng(0)) for _ in range(2))
    coverage_table(seeds=(3,), studies=20)
    assert one == two
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


@pytest.mark.slow
def test_wrong_words_are_as_rare_as_stated_without_a_difference():
    table = error_table(studies=1000)
    slack = 2.6 * (0.05 * 0.95 / 1000) ** 0.5  # 99.5 % of the error of 1,000 studies
    assert (table <= 0.05 + slack).all(axis=None)
    assert list(table.columns) == ["n = 3", "n = 5", "n = 10"]


@pytest.mark.slow
def test_power_grows_with_seeds_and_with_the_effect():
    table = power_table(studies=1000)
    for truth in ("1.3×", "2×", "2×, 20 % of runs of the worse arm fail", "2×, all runs of the worse arm fail"):
        assert table.loc[truth].is_monotonic_increasing
    assert (table.loc["2×"] > table.loc["1.3×"]).all()
    assert table.loc["2×", "n = 5"] > 0.95
    assert (table.loc["2×, all runs of the worse arm fail", ["n = 5", "n = 10"]] == 1).all()
    equivalence = [np.mean(simulated_words(1.0, n, spread=0.05) == "no difference") for n in (3, 5, 10)]
    assert equivalence == sorted(equivalence)
    assert equivalence[-1] > 0.9


def test_words_table_holds_both():
    table = words_table(seeds=(5,), studies=20)
    assert set(table.index.get_level_values("word")) == {"wrong word", "right word"}
    pd.testing.assert_frame_equal(table, words_table(seeds=(5,), studies=20))


def test_simulated_words_are_those_of_the_rule_itself():
    rng = np.random.default_rng(0)
    words = simulated_words(1.5, 5, failing=(0.0, 0.2), studies=300, rng=rng)
    assert set(words) <= {"supported", "contradicted", "no difference", "undecided"}
    assert (words == simulated_words(1.5, 5, failing=(0.0, 0.2), studies=300)).all()
    assert np.mean(simulated_words(1 / 1.5, 5, studies=300) == "contradicted") > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("n", [5, 10])
def test_more_failures_of_the_worse_arm_never_weaken_the_evidence(n):
    shares = [0.0, 0.2, 0.4, 0.6, 1.0]
    words = [simulated_words(1.3, n, failing=(0.0, share), rng=np.random.default_rng(n)) for share in shares]
    power = [np.mean(own == "supported") for own in words]
    assert (np.diff(power) > -0.02).all()  # a little more than the error of 1,000 studies between near neighbours
    assert power[-1] == 1
    assert max(np.mean(own == "contradicted") for own in words) <= 0.01
