"""Every claim against results made by hand: support, contradict, no difference, undecided; and missing runs."""

import math

import numpy as np
import pytest

from gancompare.verdicts import claims, ledger, measure_critic, measure_scores, measure_stability, measure_sweeps
from gancompare.verdicts.evidence import Evidence
from gancompare.verdicts.words import CONTRADICTED, NO_DIFFERENCE, NOT_TESTED, SUPPORTED, UNDECIDED

WORDS = (SUPPORTED, CONTRADICTED, NO_DIFFERENCE, UNDECIDED)
TESTED = [claim for claim in claims.CLAIMS if claim.arms]


@pytest.fixture
def result(synthetic):
    """A function (claim, word) → evidence in which that word is the right one."""
    around, scattered, study = synthetic.around, synthetic.scattered, synthetic.study

    def sides(word, theirs=10.0, *, supported=0.5, contradicted=2.0):
        """(ours, theirs) by seed; the keywords are ours / theirs where the claim holds, and where it is wrong."""
        factor = {SUPPORTED: supported, CONTRADICTED: contradicted}.get(word, 1.0)
        ours = scattered(theirs) if word == UNDECIDED else around(theirs * factor, shift=1)
        return ours, around(theirs)

    def of_distances(claim, word):
        return study(dict(zip(claim.arms, sides(word), strict=True)))

    def of_gain(claim, word):
        part = {SUPPORTED: 12, CONTRADICTED: 35}.get(word, 20)
        ours = scattered(20) if word == UNDECIDED else around(part, shift=1)
        return study(dict(zip(claim.arms, (ours, around(40), around(10)), strict=True)))

    def of_coverage(claim, word):
        level = 600 if "modes" in claim.metric else 0.5
        values = sides(word, level, supported=1.4, contradicted=0.7)
        values = [side.clip(max=1) for side in values] if level < 1 else values
        scores = {
            claim.metric: dict(zip(claim.arms, values, strict=True)),
            "precision": dict.fromkeys(claim.arms, around(0.8)),
        }
        return study(dict.fromkeys(claim.arms, around(10)), scores=scores)

    def of_spread(claim, word):
        ours, theirs = {SUPPORTED: (0.01, 0.5), CONTRADICTED: (0.5, 0.01)}.get(word, (0.1, 0.1))
        seeds = 500 if word == NO_DIFFERENCE else 6
        sides = around(10, seeds, spread=ours), around(10, seeds, spread=theirs)
        return study(dict(zip(claim.arms, sides, strict=True)), extractors=("classifier",))

    def of_failures(claim, word):
        seeds = 45 if word == NO_DIFFERENCE else 6
        lost = {SUPPORTED: (0, 6), CONTRADICTED: (6, 0), UNDECIDED: (0, 1)}.get(word, (0, 0))
        fd = {a: [math.nan] * k + [10.0] * (seeds - k) for a, k in zip(claim.arms, lost, strict=True)}
        return study(fd, extractors=("classifier",))

    def of_rebounds(claim, word):
        rebound = dict(zip(claim.arms, sides(word, 4.0), strict=True))
        return study(dict.fromkeys(claim.arms, around(10)), rebound=rebound)

    def series(seed, sign):
        """fd_raw and a second series that follows it (sign 1), mirrors it (−1) or does not know it (0)."""
        rng = np.random.default_rng(seed)
        walk, other = np.exp(rng.standard_normal(800) + 3), np.exp(rng.standard_normal(800) + 3)
        return walk, {1: 0.1 * walk, -1: 1 / walk, 0: other}[sign]

    def signs(word):
        constant = {SUPPORTED: 1, CONTRADICTED: -1, NO_DIFFERENCE: 0}
        return lambda seed: constant.get(word, (1, -1)[seed % 2])

    def of_estimate(claim, word):
        arm, sign = claim.arms[0], signs(word)
        history = {arm: {"fd_raw": lambda s: series(s, 0)[0], "wasserstein_estimate": lambda s: series(s, sign(s))[1]}}
        if len(claim.arms) == 2:  # against the losses of a GAN, which do not follow, or follow where they are to win
            gan = 1 if word == CONTRADICTED else 0
            sign = signs(NO_DIFFERENCE if word == CONTRADICTED else word)
            history[arm]["wasserstein_estimate"] = lambda s: series(s, sign(s))[1]
            history["gan"] = {"fd_raw": lambda s: series(s + 50, 0)[0]}
            history["gan"]["generator_loss"] = lambda s: series(s + 50, gan)[1]
            history["gan"]["critic_loss"] = lambda s: series(s + 50, 1)[1]  # falls with FD: the wrong sign
        return study(dict.fromkeys(claim.arms, around(10)), history=history)

    def of_zero(claim, word):
        left, _ = sides(word, 0.1, supported=0.1, contradicted=4.0)
        (arm,) = claim.arms
        history = {arm: {"wasserstein_estimate": lambda seed: -np.array([5.0] * 19 + [5.0 * left[seed]])}}
        return study({arm: around(10)}, history=history)

    def of_clip(claim, word):
        share, _ = sides(word, 0.01, supported=20.0, contradicted=0.1)
        arm = "wgan,clip=0.1"
        history = {arm: {"share_at_clip": lambda seed: np.linspace(0, share[seed], 20)}}
        return study({arm: around(10)}, history=history, runs={"clip": {arm: 0.1}})

    def of_gradients(claim, word):
        gradients = dict(zip(claim.arms, sides(word, 50.0, supported=10.0, contradicted=0.1), strict=True))
        norms = {"critic_norm": dict.fromkeys(claim.arms, "none")}
        return study(dict.fromkeys(claim.arms, around(10)), gradients=gradients, runs=norms)

    def of_cost(claim, word):
        seconds = dict(zip(claim.arms, sides(word, 0.1, supported=2.0, contradicted=0.5), strict=True))
        return study(dict.fromkeys(claim.arms, around(10)), seconds=seconds)

    def of_setting(claim, word):
        changed, base = sides(word, 10.0, supported=2.0, contradicted=1.18)
        settings = synthetic.settings(claim.metric, claim.arms[0], {1: base, 2: changed, 3: around(10, shift=2)})
        return study({}), settings

    def of_norm(claim, word):
        with_it, without = sides(word, 4.0)
        values = {"layer": around(2.0), "none": without, claim.metric: with_it}
        return study({}), synthetic.settings("critic_norm", claim.arms[0], values, "instability")

    makers = {
        measure_scores.nearer: of_distances,
        measure_scores.most_of_the_gain: of_gain,
        measure_scores.covers_more: of_coverage,
        measure_scores.costlier_steps: of_cost,
        measure_stability.less_spread: of_spread,
        measure_stability.fails_less: of_failures,
        measure_stability.falls_back_less: of_rebounds,
        measure_critic.estimate_follows_fd: of_estimate,
        measure_critic.estimate_follows_closer: of_estimate,
        measure_critic.estimate_vanishes: of_zero,
        measure_critic.weights_at_clip: of_clip,
        measure_critic.gradients_range_wider: of_gradients,
        measure_sweeps.setting_matters: of_setting,
        measure_sweeps.falls_back_less_with: of_norm,
    }

    def make(claim, word):
        made = makers[claim.measure](claim, word)
        return Evidence(*made) if isinstance(made, tuple) else Evidence(made)

    return make


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("claim", TESTED, ids=lambda claim: claim.key)
def test_known_results_get_the_right_word(claim, word, result):
    row = ledger.row_of(claim, "mnist", result(claim, word))
    assert row["word"] == word, row
    assert row["low"] <= row["estimate"] <= row["high"]
    assert row["n"] >= 6
    assert row["effect"] in row["sentence"]
    if word == UNDECIDED:
        assert row["needed"] is None or row["needed"] > row["n"]
        assert "leave it open" in row["sentence"]


@pytest.mark.parametrize("claim", claims.CLAIMS, ids=lambda claim: claim.key)
def test_missing_runs_are_not_tested_and_a_command_would_make_them(claim, synthetic):
    row = ledger.row_of(claim, "mnist", Evidence(synthetic.study({"other": synthetic.around(10)})))
    assert row["word"] == NOT_TESTED
    assert row["note"]
    assert row["command"] or not claim.arms
    assert "cannot say" in row["sentence"]


def test_claims_are_one_statement_each_with_a_source_and_keys_of_their_own():
    keys = [claim.key for claim in claims.CLAIMS]
    assert len(set(keys)) == len(keys)
    assert len({claim.statement for claim in claims.CLAIMS}) == len(keys)
    for claim in claims.CLAIMS:
        assert claim.who == "course projects" or " et al. 20" in claim.who
        assert not claim.statement.endswith(".")
