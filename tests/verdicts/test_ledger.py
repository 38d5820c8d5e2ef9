"""The ledger as a whole: rows, adjusted p-values, commands, and what keeps a claim from being decided."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from gancompare.arms import FACTORIAL
from gancompare.verdicts import ranking
from gancompare.verdicts.answer import answer
from gancompare.verdicts.claims import CLAIMS
from gancompare.verdicts.clocks import pairs_at_clocks
from gancompare.verdicts.effects import main_effects
from gancompare.verdicts.ledger import LEDGER, ledger


@pytest.fixture
def whole(synthetic):
    """A study of all factorial arms."""
    fd = {arm: synthetic.around(10 + 2 * i, shift=i) for i, arm in enumerate(FACTORIAL)}
    return synthetic.study(fd)


def test_a_row_per_claim_and_data_set(whole):
    table = ledger(whole)
    assert list(table.columns) == LEDGER
    assert len(table) == len(CLAIMS)
    assert set(table["word"]) >= {"supported", "contradicted", "not tested"}
    assert table[["who", "statement", "sentence", "word"]].map(bool).all(axis=None)
    tested = table[table["p"].notna()]
    assert tested["p_holm"].to_numpy() == pytest.approx(multipletests(tested["p"], method="holm")[1])
    assert table.loc[table["p"].isna(), "p_holm"].isna().all()
    assert table.loc[table["word"] == "not tested", "n"].max() == 0


def row(study, key):
    return ledger(study).set_index("key").loc[key]


def test_commands_name_arms_seeds_budget_and_hours(synthetic):
    data = synthetic.study({"gan": synthetic.around(10), "wgan": synthetic.scattered(10)})
    undecided = row(data, "wgan nearer than gan, seconds")
    assert undecided["word"] == "undecided"
    needed = undecided["needed"]
    expected = f"gancompare study --name NAME --datasets mnist --arms gan wgan --seeds {needed} --profile quick"
    assert undecided["command"] == f"`{expected} --generator-steps 1000`"
    assert undecided["hours"] == pytest.approx((needed - 6) * (5000 * 0.01 + 1000 * 0.05) / 3600)
    assert f"about {needed:,} seeds would decide it" in undecided["sentence"]
    missing = row(data, "wgan-gp nearer than wgan, seconds")
    assert (missing["word"], missing["note"]) == ("not tested", "no runs of WGAN-GP")
    assert "--arms wgan wgan-gp --seeds 6" in missing["command"]
    assert row(data, "gradients over depth")["command"].endswith("--critic-norm none --extra-layers 2`")
    assert "--datasets stacked_mnist" in row(data, "wgan-gp covers more, modes")["command"]
    assert row(data, "augmentation")["command"] == ""
    assert row(data, "wgan costs more than gan")["command"] == ""  # decided


def test_sentences_are_plain(synthetic):
    around = synthetic.around
    data = synthetic.study({"gan": around(20), "wgan": around(10), "wgan-gp": around(10, shift=1)})
    agree = row(data, "wgan nearer than gan, seconds")["sentence"]
    assert agree == "These runs agree: over 6 seeds GAN's FD is 2× (2× to 2×) that of WGAN."
    same = row(data, "wgan-gp nearer than wgan, seconds")["sentence"]
    assert same.startswith("It makes no difference that matters (less than 1.1×): over 6 seeds WGAN's FD is 1× (")


def test_final_values_of_arms_that_still_fell_are_not_ranked(synthetic):
    fd = {"gan": synthetic.around(10, spread=0.5), "wgan-gp": synthetic.around(10, spread=0.01)}
    assert row(synthetic.study(fd), "wgan-gp, spread")["word"] == "supported"
    falling = row(synthetic.study(fd, falling=("gan",)), "wgan-gp, spread")
    assert (falling["word"], "still falling: GAN" in falling["note"]) == ("undecided", True)
    assert "--generator-steps 2000" in falling["command"]


def coverage(synthetic, ours, theirs, precision=(0.8, 0.8), **known):
    arms = ("wgan-gp", "gan")
    scores = {"recall": dict(zip(arms, map(synthetic.around, (ours, theirs)), strict=True))}
    scores["precision"] = dict(zip(arms, map(synthetic.around, precision), strict=True))
    scores["modes_tenth"] = dict(zip(arms, ([10.0] * 6, [10.0] * 6), strict=True))
    return synthetic.study(dict.fromkeys(arms, synthetic.around(10)), scores=scores, **known)


@pytest.mark.parametrize(
    ("values", "word", "note"),
    [
        ({"ours": 0.8, "theirs": 0.5}, "supported", ""),
        (
            {"ours": 0.8, "theirs": 0.5, "precision": (0.9, 0.3)},
            "undecided",
            "precision is not comparable: 0.90 against 0.30",
        ),
        ({"ours": 0.8, "theirs": 0.5, "precision": (0.9, math.nan)}, "undecided", "precision was not measured"),
        ({"ours": 0.98, "theirs": 0.97}, "undecided", "both at the ceiling"),
        ({"ours": 0.8, "theirs": 0.5, "falling": ("gan",)}, "undecided", "still falling: GAN"),
    ],
)
def test_coverage_is_compared_at_comparable_precision_below_the_ceiling_and_flattened(synthetic, values, word, note):
    found = row(coverage(synthetic, **values), "wgan-gp covers more, recall")
    assert (found["word"], note in found["note"]) == (word, True)
    classes = row(coverage(synthetic, **values), "wgan-gp covers more, modes_tenth")
    assert (classes["word"], "both at the ceiling (10 or more)" in classes["note"]) == ("undecided", True)


def test_the_penaltys_share_needs_a_gain_to_share(synthetic):
    fd = {"gan-gp": synthetic.around(5), "gan-5": synthetic.around(10), "wgan-gp": synthetic.around(10, shift=1)}
    found = row(synthetic.study(fd), "most of the gain")
    assert (found["word"], "no gain over GAN-5 to share (no difference)" in found["note"]) == ("undecided", True)


def test_an_estimate_is_asked_to_vanish_only_where_fd_had_flattened(synthetic):
    history = {"wgan": {"wasserstein_estimate": lambda seed: np.linspace(5, 0.01, 20)}}
    fd = {"wgan": synthetic.around(10)}
    assert row(synthetic.study(fd, history=history), "estimate of wgan vanishes")["word"] == "supported"
    falling = row(synthetic.study(fd, history=history, falling=("wgan",)), "estimate of wgan vanishes")
    assert (falling["word"], "0 of 6 runs had flattened" in falling["note"]) == ("undecided", True)


def test_a_clip_inside_the_initial_weights_tests_nothing(synthetic):
    history = {"wgan": {"share_at_clip": lambda seed: np.linspace(0.62, 0.9, 20)}}
    data = synthetic.study({"wgan": synthetic.around(10)}, history=history, runs={"clip": {"wgan": 0.01}})
    found = row(data, "weights at the clip")
    assert (found["word"], "--arms wgan:clip=0.06" in found["command"]) == ("not tested", True)


@pytest.mark.parametrize(("norm", "word"), [("none", "supported"), ("layer", "not tested")])
def test_gradients_over_depth_are_read_in_critics_without_a_norm(synthetic, norm, word):
    gradients = {"wgan": synthetic.around(500), "wgan-gp": synthetic.around(20, shift=1)}
    fd = dict.fromkeys(gradients, synthetic.around(10))
    data = synthetic.study(fd, gradients=gradients, runs={"critic_norm": dict.fromkeys(fd, norm)})
    assert row(data, "gradients over depth")["word"] == word
    shallow = data.diagnostics[data.diagnostics["where"] != "layer2"]
    assert row(replace(data, diagnostics=shallow), "gradients over depth")["word"] == "not tested"


def test_more_failures_of_gan_never_make_wgan_gp_look_worse(synthetic):
    order, ours = ["contradicted", "no difference", "undecided", "supported"], synthetic.around(10)
    seen = {key: [] for key in ("wgan-gp nearer than gan, seconds", "wgan-gp, failures", "wgan-gp, rebound")}
    for lost in range(7):
        theirs = synthetic.around(12, shift=3)
        theirs[:lost] = math.nan
        data = synthetic.study({"gan": theirs, "wgan-gp": ours}, rebound={"gan": ours, "wgan-gp": ours / 5})
        table = ledger(data).set_index("key")
        for key, words in seen.items():
            words.append(order.index(table.loc[key, "word"]))
    for words in seen.values():
        assert words == sorted(words)
        assert words[-1] == order.index("supported")


def test_unfinished_runs_are_no_results(whole):
    runs = whole.runs.assign(status=np.where(whole.runs["seed"] < 3, "complete", "running"))
    scores = whole.scores[whole.scores["seed"] < 3]
    table = ledger(replace(whole, runs=runs, scores=scores))
    assert table["n"].max() == 3
    assert ledger(replace(whole, runs=runs.iloc[:0], scores=pd.DataFrame()))["n"].max() == 0


@pytest.mark.parametrize(
    "fd",
    [
        {"gan": [9.0], "wgan": [4.0]},
        {"gan": [9.0, 8.0], "wgan": [4.0]},
        {"gan": [math.nan] * 6, "wgan": [math.nan] * 6, "wgan-gp": [math.nan] * 6},
        {arm: [math.nan] * 3 for arm in FACTORIAL},
        {arm: [1.0, math.nan, 2.0] for arm in FACTORIAL},
    ],
    ids=["one seed", "other seeds", "all failed", "all of all failed", "one of each failed"],
)
def test_few_and_failed_runs_have_words_too(synthetic, fd):
    scores = {metric: {arm: np.full(len(own), 0.5) for arm, own in fd.items()} for metric in ("recall", "precision")}
    scores["modes_tenth"] = scores["recall"]
    study = synthetic.study(fd, scores=scores)
    table = ledger(study)
    assert set(table["word"]) <= {"supported", "contradicted", "no difference", "undecided", "not tested"}
    assert not set(main_effects(study)["word"]) & {"no difference"}
    assert not set(pairs_at_clocks(study)["word"]) & {"supported", "contradicted"}
    assert answer(study)
    assert ranking.comparison_table(study, ["fd", "recall", "modes_tenth"]).shape == (len(fd), 18)
