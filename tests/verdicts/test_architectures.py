"""Which random architectures train, against counts by hand and Wilson's equation."""

import math

import pandas as pd
import pytest
from scipy import stats

from gancompare.report.figures import sweep as figures
from gancompare.study.sweep import plan
from gancompare.verdicts import architectures
from gancompare.verdicts.sweep import read_sweep

SMOKE = {"profile": "smoke", "extractor": "none"}
VARIANCE = 100.0  # of the real features in the runs that ``write_run`` writes


def test_successes_are_counted_alone_and_jointly(write_run, tmp_path):
    # FD by method in units of the variance; success is ≤ 0.5: gan never, wgan in 1, wgan-gp in 0, 1 and 2
    fds = {"gan": [0.9, 0.8, 0.6, 3.0], "wgan": [0.7, 0.5, 2.0, 0.9], "wgan-gp": [0.2, 0.4, 0.5, 0.51]}
    cells = plan("mnist5k", seeds=1, architectures=5, parts=("architectures",), **SMOKE)
    for i, (cell, configs) in enumerate(cells.items()):
        for config in configs:
            if i < 4:
                write_run(tmp_path, "s", cell, config, [VARIANCE * fds[config.method][i]])
            elif config.method == "gan":  # the fifth was not trained under every method, so it is not counted
                write_run(tmp_path, "s", cell, config, [1.0])
    sweep = read_sweep(tmp_path, "s")
    rates = architectures.success_rates(sweep)
    rates = rates[rates["FD at most, × variance"] == 0.5].set_index("arm")
    assert rates["successes"].to_dict() == {"gan": 0, "wgan": 1, "wgan-gp": 3}
    assert set(rates["architectures"]) == {4}
    for row in rates.itertuples():
        assert (row.low, row.high) == pytest.approx(wilson(row.successes, 4))
    table = architectures.joint_successes(sweep)
    counts = ["only first", "only second", "both", "neither"]
    ours = table[table["success"] == "FD ≤ 0.5 × variance"].set_index(["first", "second"])[counts]
    assert ours.loc[("gan", "wgan-gp")].tolist() == [0, 3, 0, 1]
    assert ours.loc[("wgan", "wgan-gp")].tolist() == [0, 2, 1, 1]
    published = table[table["source"] != "these runs"]
    assert (published[counts].sum(axis=1) == 200).all()
    assert figures.architectures(sweep, architectures.SUCCESS, 0.5) is not None


def wilson(k, n):
    """Wilson 1927: the roots p of (k/n − p)² = z² p (1 − p)/n."""
    z = stats.norm.ppf(0.975)
    centre, half = k + z**2 / 2, z * math.sqrt(k * (n - k) / n + z**2 / 4)
    return (centre - half) / (n + z**2), (centre + half) / (n + z**2)


def test_joint_counts_of_a_table():
    first, second = pd.Series([True, True, False, False, False]), pd.Series([True, False, True, True, False])
    assert list(architectures.joint_counts(first, second).values()) == [1, 2, 1, 1]


def test_a_diverged_run_is_no_success_and_stays_in_the_count(write_run, tmp_path):
    (configs,) = plan("mnist5k", seeds=1, architectures=1, parts=("architectures",), **SMOKE).values()
    for config in configs:
        status = "diverged" if config.method == "wgan" else "complete"
        write_run(tmp_path, "s", "architecture-000", config, [1.0], status=status)
    assert architectures.successes(read_sweep(tmp_path, "s")).iloc[0].to_dict() == {
        "gan": True,
        "wgan": False,
        "wgan-gp": True,
    }
