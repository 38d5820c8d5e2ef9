"""Main effects of the factorial arms, on studies made of known effects; and the sentences made from them."""

import math
import re

import numpy as np
import pytest

from gancompare.arms import FACTORIAL, critic_steps, method_of
from gancompare.verdicts.answer import answer
from gancompare.verdicts.effects import FACTORS, main_effects


@pytest.fixture
def factorial(synthetic):
    """A function: what each ingredient divides FD by → a study of all factorial arms with those effects."""

    def make(loss=1.0, penalty=1.0, clipping=1.0, steps=1.0, arms=FACTORIAL, failing=(), **known):
        fd = {}
        for i, arm in enumerate(arms):
            method = method_of(arm)
            level = 10 / (loss if method.startswith("wgan") else 1) / (steps if critic_steps(arm) == 5 else 1)
            level /= penalty if method.endswith("gp") else clipping if method == "wgan" else 1
            fd[arm] = synthetic.around(level, shift=i)
            fd[arm][: failing.count(arm)] = math.nan
        return synthetic.study(fd, **known)

    return make


def row(table, factor, clock="seconds", *, pooled=True):
    rows = table[(table["factor"] == factor) & (table["clock"] == clock) & (table["pooled"] == pooled)]
    return rows.to_dict("records")[0] if pooled else rows


LOSS, PENALTY, CLIPPING, STEPS = (factor.name for factor in FACTORS)


def test_main_effects_are_those_that_the_study_was_made_of(factorial):
    table = main_effects(factorial(loss=2.0, penalty=1.5, clipping=1.2, steps=0.5))
    known = {LOSS: 2.0, PENALTY: 1.5, CLIPPING: 1.5 / 1.2, STEPS: 0.5}
    for factor, truth in known.items():
        for clock in ("generator_steps", "images_seen", "seconds"):
            pooled = row(table, factor, clock)
            assert pooled["ratio"] == pytest.approx(truth, rel=0.02)
            assert pooled["low"] < truth < pooled["high"]
            assert pooled["word"] == ("supported" if truth > 1 else "contradicted")
            assert pooled["n"] == 6
    assert len(table) == 3 * (2 + 2 + 2 + 4 + 4)
    single = row(table, STEPS, pooled=False)
    assert next(zip(single["without_it"], single["with_it"], strict=True)) == ("GAN", "GAN-5")
    assert single["ratio"].to_numpy() == pytest.approx([0.5] * 4, rel=0.03)


def test_the_pooled_effect_of_a_seed_is_its_mean_log_ratio_over_the_levels(synthetic):
    a, b = np.array([1.1, 2.2, 2.9, 4.3]), np.array([3.0, 2.0, 1.1, 0.9])
    data = synthetic.study({"gan-gp-1": 8 * a, "wgan-gp-1": 5 * b, "gan-gp": 9 * b, "wgan-gp": 2 * a})
    logs = (np.log(8 * a / (5 * b)) + np.log(9 * b / (2 * a))) / 2
    assert row(main_effects(data), LOSS)["ratio"] == pytest.approx(math.exp(logs.mean()))
    assert np.ptp(logs) < 1e-9  # what the seeds have in common has cancelled


def test_no_effect_is_no_difference(factorial):
    table = main_effects(factorial())
    assert {row(table, factor.name)["word"] for factor in FACTORS} == {"no difference"}


def test_missing_arms_leave_levels_out_and_say_so(factorial):
    table = main_effects(factorial(loss=2.0, arms=("gan-gp", "wgan-gp", "gan")))
    assert row(table, LOSS)["ratio"] == pytest.approx(2, rel=0.02)
    assert "without WGAN-GP-1 against GAN-GP-1" in row(table, LOSS)["note"]
    assert row(table, PENALTY)["word"] == "not tested"


def test_failed_runs_count_against_the_ingredient(factorial):
    five = [arm for arm in FACTORIAL if critic_steps(arm) == 5]
    pooled = row(main_effects(factorial(steps=2.0, failing=five * 6)), STEPS)
    assert (pooled["ratio"], pooled["word"]) == (0, "contradicted")
    assert row(main_effects(factorial(steps=2.0, failing=["gan"])), STEPS)["word"] == "supported"


def test_the_answer_names_ingredients_sizes_clocks_and_a_caveat(factorial):
    (line,) = answer(factorial(loss=1.0, penalty=2.0, clipping=2.0, steps=0.5))
    effects, caveat = line.split(". ")
    assert re.sub(r" \([\d.]+× to [\d.]+×\)", "", effects).startswith(
        "mnist: At equal training time, the gradient penalty added to a GAN made the distance to the real images (FD) "
        "2× smaller, five critic steps in place of one made it 2× larger and the Wasserstein loss"
    )
    assert len(re.findall(r"\([\d.]+× to [\d.]+×\)", effects)) == 2
    assert effects.endswith(
        "the Wasserstein loss in place of the GAN loss and the gradient penalty in place of clipping "
        "made no difference that matters (less than 1.1×)"
    )
    assert caveat == "This holds for these small nets and 6 seeds, not for GANs at large."


def test_the_answer_says_where_another_clock_turns_it_round(synthetic):
    flat, worse = synthetic.around(10), synthetic.around(20)
    # equal seconds end early in the run of the arm whose steps are dear, when its FD still was ten times as high
    data = synthetic.study({"gan": worse, "gan-5": flat}, seconds={"gan": [0.01] * 6, "gan-5": [5.0] * 6})
    (line,) = answer(data)
    assert "At equal training time, five critic steps in place of one made the distance to the real images (FD)" in line
    assert "The clock matters: at equal generator steps five critic steps in place of one helped (2×)" in line


def test_the_answer_names_what_is_undecided_and_how_many_seeds_it_takes(synthetic):
    data = synthetic.study({"gan": synthetic.around(10), "gan-5": synthetic.scattered(12)})
    (line,) = answer(data)
    assert "whether five critic steps in place of one helps or harms is undecided" in line
    assert "seeds would tell" in line


@pytest.mark.parametrize(
    ("known", "caveat"),
    [
        (
            {"falling": ("gan",)},
            "One arm was still improving when training ended, so a longer run may change the order.",
        ),
        ({"failing": ("gan",) * 2}, "2 of 48 runs failed and count as worse than any other."),
        ({"opinions": {"random-init": {"gan": 0.01, "gan-5": 10.0}}}, "the image features disagree"),
    ],
)
def test_the_caveat_is_the_one_that_matters_most(factorial, known, caveat):
    assert caveat in answer(factorial(steps=2.0, **known))[0]


def test_without_two_arms_that_differ_in_one_ingredient_there_is_no_answer(synthetic):
    assert "as no two arms that differ in one alone" in answer(synthetic.study({"gan": synthetic.around(10)}))[0]


def test_with_two_seeds_the_answer_asks_for_more_seeds_and_not_for_more_arms(synthetic):
    two = {"wgan": synthetic.around(10)[:2], "wgan-gp": synthetic.around(20)[:2]}
    assert "judged from 2 seeds; at least 3 are needed" in answer(synthetic.study(two))[0]
