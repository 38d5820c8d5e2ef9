"""Scores, gap, accuracy and the gradient that reaches the generator."""

import math

import numpy as np
import pytest
import torch

from gancompare.objectives import METHODS
from gancompare.scoring.diagnostics.health import accuracy, generator_gradient_norm, health, standardized_gap


@pytest.mark.parametrize(
    ("real", "fake", "expected"),
    [([1, 2], [-1, -2], 1.0), ([-1, -2], [1, 2], 0.0), ([1, 1, 1, -1], [-1, 1], 0.625), ([3, 3, 3, 3], [3], 0.5)],
)
def test_accuracy_counts_real_and_fake_alike(real, fake, expected):
    assert accuracy(torch.tensor(real), torch.tensor(fake)) == expected


def test_gap_is_in_pooled_standard_deviations():
    train, held_out = torch.tensor([1.0, 3.0]), torch.tensor([0.0, 1.0, 2.0])  # variances 2 and 1
    assert standardized_gap(train, held_out) == pytest.approx(1 / math.sqrt(1.5))
    assert standardized_gap(train, train) == 0
    assert standardized_gap(torch.ones(3), torch.ones(3)) is None
    assert standardized_gap(train, torch.ones(1)) is None


def test_health_is_read_off_the_scores(images, linear, seeded):
    critic, w = linear
    real, fake, held_out = images(), images(seed=1), images(4, seed=2)
    measured = health(critic, METHODS["gan"](), real=real, fake=fake, held_out=held_out, rng=seeded())
    scores = {k: x.flatten(1) @ w + 0.3 for k, x in (("real", real), ("fake", fake), ("held-out", held_out))}
    for where, values in scores.items():
        assert measured["score", where] == pytest.approx(values.mean().item())
    a, b = scores["real"].numpy(), scores["held-out"].numpy()
    gap = (a.mean() - b.mean()) / np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    assert measured["gap", "held-out"] == pytest.approx(gap)
    for where in ("real", "held-out"):
        right = ((scores[where] > 0).numpy().mean() + (scores["fake"] < 0).numpy().mean()) / 2
        assert measured["accuracy", where] == pytest.approx(right)
    same = health(critic, METHODS["gan"](), real=real, fake=fake, held_out=real.clone(), rng=seeded())
    assert same["gap", "held-out"] == pytest.approx(0, abs=1e-12)
    assert same["accuracy", "held-out"] == same["accuracy", "real"]


def test_without_held_out_images_there_is_no_gap_and_without_logits_no_accuracy(images, linear, seeded):
    critic, _ = linear
    quantities = {
        (method, held_out is not None): set(
            health(critic, METHODS[method](), real=images(), fake=images(seed=1), held_out=held_out, rng=seeded())
        )
        for method in ("gan", "wgan")
        for held_out in (None, images(seed=2))
    }
    always = {("score", "real"), ("score", "fake"), ("generator_gradient", "fake")}
    assert quantities["wgan", False] == always
    assert quantities["wgan", True] == always | {("score", "held-out"), ("gap", "held-out")}
    assert quantities["gan", False] == always | {("accuracy", "real")}
    assert quantities["gan", True] == quantities["wgan", True] | {("accuracy", "real"), ("accuracy", "held-out")}


@pytest.mark.parametrize("method", METHODS)
def test_the_gradient_that_reaches_the_generator_by_finite_differences(method, images, smooth, seeded):
    critic, fake, real, objective, step = smooth, images(3), images(3, seed=1), METHODS[method](), 1e-5
    gradient = torch.zeros_like(fake)
    with torch.no_grad():
        for index in np.ndindex(*fake.shape):
            ends = []
            for sign in (1, -1):
                moved = fake.clone()
                moved[index] += sign * step
                ends.append(objective.generator_loss(critic, moved, real, seeded()).item())
            gradient[index] = (ends[0] - ends[1]) / (2 * step)
    expected = (3 * gradient.flatten(1).norm(dim=1)).mean().item()
    norm = generator_gradient_norm(critic, objective, fake=fake, real=real, rng=seeded())
    assert norm == pytest.approx(expected, rel=1e-5)
