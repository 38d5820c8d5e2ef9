"""Spreads and adjusted p-values against scipy and statsmodels."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from gancompare.verdicts.differences import holm, spread_ratio

NAN = math.nan


def test_spread_ratio_has_the_f_interval():
    a, b = np.exp(np.random.default_rng(5).normal(0, [[0.4], [0.1]], (2, 8)))
    effect = spread_ratio(a, b, 0.9)
    ratio = np.log(a).std(ddof=1) / np.log(b).std(ddof=1)
    assert math.exp(effect.estimate) == pytest.approx(ratio)
    f = stats.f(7, 7)
    assert np.exp([effect.low, effect.high]) == pytest.approx(ratio / np.sqrt(f.ppf([0.95, 0.05])))
    assert spread_ratio(a, np.full(8, 2.0), 0.9).low == -math.inf


@pytest.mark.parametrize(
    ("call", "message"),
    [
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
