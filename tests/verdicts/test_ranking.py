"""The table of final scores, and which arm is called best."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from gancompare.verdicts import ranking
from gancompare.verdicts.intervals import interval

NAN = math.nan
ARMS = ("gan", "wgan", "wgan-gp")


@pytest.fixture
def study(synthetic):
    """A function: keywords of the builder → a study in which WGAN-GP is best by FD and GAN by recall."""

    def make(fd=None, **known):
        fd = fd or {arm: synthetic.around(level, shift=level) for arm, level in zip(ARMS, (40, 20, 10), strict=True)}
        scores = {"recall": {arm: synthetic.around(level) for arm, level in zip(ARMS, (0.9, 0.5, 0.5), strict=True)}}
        return synthetic.study(fd, **{"scores": scores} | known)

    return make


def winners(table, metric):
    return [arm for _, arm in table.index[table[metric]["best"]]]


def test_table_holds_intervals_and_the_one_that_beats_all(study, synthetic):
    table = ranking.comparison_table(study(), ["fd", "recall", "ms_ssim"])
    assert list(table.index) == [("mnist", arm) for arm in ARMS]
    assert (winners(table, "fd"), winners(table, "recall")) == (["wgan-gp"], ["gan"])
    assert table["ms_ssim"][["n", "best"]].values.tolist() == [[0, False]] * 3
    assert set(table["fd"]["n"]) == {6}
    expected = interval(synthetic.around(10, shift=10))
    row = table.loc[("mnist", "wgan-gp"), "fd"]
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((expected.estimate, expected.low, expected.high))


@pytest.mark.parametrize(
    "known",
    [
        {"extractors": ("classifier",)},
        {"opinions": {"random-init": {"wgan-gp": 50.0}}},
        {"falling": ("wgan",)},
    ],
    ids=["no second opinion", "a second opinion against it", "an arm that still fell"],
)
def test_nothing_is_best_where_it_cannot_be_said(study, known):
    assert winners(ranking.comparison_table(study(**known), ["fd"]), "fd") == []


def test_failed_runs_are_counted_and_leave_no_mean(study):
    table = ranking.comparison_table(study({"gan": [9.0, NAN, 9], "wgan": [1.0, 2, 3]}, scores={}), ["fd"])
    assert table.loc[("mnist", "gan"), ("fd", "failed")] == 1
    assert table.loc[("mnist", "gan"), ("fd", "mean")] == math.inf


def test_the_best_checkpoint_is_shown_and_never_ranked(study):
    data = study()
    early = data.scores.assign(checkpoint="best", fd=data.scores["fd"] / 2)
    table = ranking.comparison_table(replace(data, scores=pd.concat([data.scores, early])), ["fd"], checkpoint="best")
    assert table.loc[("mnist", "gan"), ("fd", "mean")] == pytest.approx(20, rel=0.05)
    assert not table["fd"]["best"].any()
    assert np.isfinite(table["fd"]["mean"].astype(float)).all()
