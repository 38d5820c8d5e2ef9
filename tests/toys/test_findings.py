"""Sentences about made-up numbers: each must say what the numbers say, and nothing where they disagree."""

import numpy as np
import pandas as pd
import pytest

from gancompare import arms
from gancompare.toys import findings
from gancompare.toys.critics import Surface
from gancompare.toys.training import ToyRun


def made(toy, ends, floor=0.1, **columns):
    """A training that ends at these exact distances: {arm: a distance per seed}; other columns are last values."""
    runs = {}
    for arm, values in ends.items():
        for seed, value in enumerate(values):
            last = {"w1": value, "modes": np.nan, "high_quality": np.nan} | {k: v[arm] for k, v in columns.items()}
            rows = pd.DataFrame([{"generator_steps": 0} | dict.fromkeys(last, 9.0), {"generator_steps": 50} | last])
            runs[arm, seed] = ToyRun(toy, rows, [], floor)
    return runs


@pytest.mark.parametrize(
    ("value", "text"), [(0.4219, "0.42"), (14.2, "14"), (1.0, "1"), (1.34e-6, "1.3·10⁻⁶"), (2e12, "2·10¹²")]
)
def test_numbers_have_two_digits_and_no_letter(value, text):
    assert findings.number(value) == text


def test_a_range_is_one_number_where_its_ends_look_alike():
    assert findings.span([0.301, 0.2]) == "0.2–0.3"
    assert findings.span([-1, 3]) == "-1 to 3"
    assert findings.span([1e-6, 3]) == "1·10⁻⁶–3"
    assert findings.span([0.301, 0.299]) == "0.3"
    assert findings.span([7, 4], ".0f") == "4–7"


@pytest.mark.parametrize(("parts", "text"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")])
def test_a_list_ends_in_and(parts, text):
    assert findings.listed(parts) == text


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((1e-6, 4e-6), "falls for GAN (1–2 at first, 1·10⁻⁶–4·10⁻⁶ at the end)"),
        ((50, 90), "grows for GAN"),
        ((2, 1), "keeps its order of magnitude for GAN"),
        ((1e-6, 90), "changes differently from seed to seed for GAN"),
        ((1e-6, 1), "changes differently from seed to seed for GAN"),
    ],
)
def test_a_gradient_falls_or_grows_only_if_it_does_so_in_every_seed(ends, words):
    norms = {
        ("gan", seed): pd.DataFrame({"critic_steps": [0, 100], "norm": [1.0 + seed, end]})
        for seed, end in enumerate(ends)
    }
    sentence = findings.saturation(norms)
    assert words in sentence
    assert sentence.startswith("In 100 critic steps the generator's gradient ")
    assert sentence.endswith("; 2 seeds.")


def test_each_toy_names_the_critic_that_is_nearest_to_its_optimum():
    shares = {("a", "wgan"): 0.42, ("a", "wgan-gp"): 0.57, ("b", "wgan"): 0.59, ("b", "wgan-gp"): 0.47}
    fitted = {key: Surface(np.eye(2), share) for key, share in shares.items()}
    assert findings.surfaces(fitted) == (
        "Nearest to its optimum is the critic of WGAN-GP on a (57%, WGAN 42%) and WGAN on b (59%, WGAN-GP 47%)."
    )


def test_deep_critics_are_counted_as_published_only_if_law_and_weights_are():
    table = pd.DataFrame(
        {
            "arm": ["clip 1", "clip 2", "penalty"],
            "law": ["grows", "mixed", "neither"],
            "factor": [6.05, 0.5, 0.91],
            "extreme_at_end": [0.27, 0.18, 0.0],
            "law_as_published": [True, False, True],
            "weights_as_published": [True, True, True],
        }
    )
    sentence = findings.deep(table, "penalty")
    assert "grows with clip 1 (×6), follows no single law with clip 2 (×0.5) and neither grows nor decays" in sentence
    assert "18–27 % under clipping and 0 % under the penalty" in sentence
    assert sentence.endswith("2 of 3 settings behave as published.")


class TestTraining:
    def test_an_arm_is_nearest_only_if_it_is_so_in_every_seed(self):
        runs = made("swissroll", {"gan": [0.5, 0.6], "wgan": [0.4, 0.3]})
        assert findings.distance(runs) == (
            "swissroll, 50 generator steps, 2 seeds: WGAN ends nearest to the data in every seed. Exact distance:"
            " GAN 0.5–0.6, WGAN 0.3–0.4; between two sets of data 0.1."
        )
        split = made("swissroll", {"gan": [0.5, 0.2], "wgan": [0.4, 0.3]})
        assert "no arm ends nearest to the data in every seed" in findings.distance(split)
        sentence = findings.nearest_by_toy({"a": runs, "b": split, "c": runs})
        assert sentence == "The arm that ends nearest to the data in every seed is WGAN on a and c, no arm on b."

    def test_modes_and_estimates_are_told_where_they_exist(self):
        quality = {"modes": {"gan": 3, "wgan": 8}, "high_quality": {"gan": 0.05, "wgan": 0.5}}
        runs = made("8gaussians", {"gan": [0.5], "wgan": [0.4]}, **quality)
        for row in (run.rows for (arm, _), run in runs.items() if arm == "wgan"):
            row["scaled"] = 0.5 * row["w1"]
        sentence = findings.training(runs)
        assert "Modes recovered of 8 (share of samples in one): GAN 3 (5 %), WGAN 8 (50 %)." in sentence
        assert sentence.endswith("the critic's estimate ends at 50 % of the exact distance for WGAN.")
        without = findings.training(made("swissroll", {"gan": [0.5]}))
        assert "Modes" not in without
        assert "estimate" not in without


class TestIngredients:
    def test_the_factorial_arms_are_all_different(self):
        assert len({tuple(findings.ingredients(arm).values()) for arm in arms.FACTORIAL}) == len(arms.FACTORIAL)

    def test_only_pairs_that_differ_in_one_are_compared(self):
        ends = {"gan": [0.5], "gan-5": [0.4], "wgan": [0.3], "wgan-gp": [0.2], "gan-minimax": [0.1]}
        steps, constraint = findings.one_ingredient_changed({"a": made("swissroll", ends)})
        assert steps == "With 5 instead of 1 critic steps, GAN-5 ends nearer on a, compared with GAN."
        assert constraint == "With the penalty instead of clipping, WGAN-GP ends nearer on a, compared with WGAN."

    def test_toys_that_disagree_and_seeds_that_disagree_are_told_apart(self):
        trained = {
            "a": made("swissroll", {"gan-5": [0.5, 0.5], "gan-gp": [0.4, 0.3]}),
            "b": made("swissroll", {"gan-5": [0.5, 0.5], "gan-gp": [0.6, 0.7]}),
            "c": made("swissroll", {"gan-5": [0.5, 0.5], "gan-gp": [0.4, 0.7]}),
        }
        (sentence,) = findings.one_ingredient_changed(trained)
        assert sentence == (
            "With the penalty instead of no constraint, GAN-GP ends nearer on a; farther on b; nearer in some seeds and"
            " farther in others on c, compared with GAN-5."
        )

    def test_the_loss_alone(self):
        (sentence,) = findings.one_ingredient_changed({"a": made("swissroll", {"gan-gp": [0.5], "wgan-gp": [0.5]})})
        assert "the Wasserstein loss instead of the non-saturating loss" in sentence
