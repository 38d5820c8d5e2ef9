"""The copy score on controls with known shares of copies."""

import math

import numpy as np
import pytest
import torch

from gancompare.scoring.metrics.classes import class_report
from gancompare.scoring.metrics.copies import copy_score
from gancompare.scoring.metrics.frechet import frechet_distance
from gancompare.scoring.metrics.similarity import nearest_neighbours


@pytest.fixture
def kinds_of_fakes(normal):
    """A function (seed, n) → training images, held-out ones and n fresh ones."""

    def draw(seed=0, n=400):
        return normal(seed, 1500), normal(seed + 1, 400), normal(seed + 2, n)

    return draw


def test_a_generator_that_replays_training_images_is_flagged_and_no_other(normal, kinds_of_fakes):
    train, held_out, fresh = kinds_of_fakes()
    replayed = copy_score(train[:400], train, held_out)
    assert replayed["flagged"]
    assert replayed["score"] == pytest.approx(1)
    for innocent in (held_out, fresh, normal(9, 400, scale=0.3), normal(9, 400, shift=8), held_out[:1].repeat(50, 0)):
        result = copy_score(innocent, train, held_out)
        assert not result["flagged"]
        assert abs(result["score"]) < 0.03


@pytest.mark.parametrize("held_out_size", [400, 1500, 3000])
@pytest.mark.parametrize("rest", ["fresh", "poor"])
def test_score_is_the_share_of_copies_whatever_the_sizes_and_the_rest(held_out_size, rest, normal, kinds_of_fakes):
    train, _, fresh = kinds_of_fakes()
    held_out = normal(50, held_out_size)
    if rest == "poor":
        fresh = normal(3, 400, shift=5)
    scores, flags = [], []
    for share in (0, 0.05, 0.1, 0.25, 0.5, 1):
        copies = int(share * 400)
        result = copy_score(np.concatenate([train[:copies], fresh[copies:]]), train, held_out)
        scores.append(result["score"])
        flags.append(result["flagged"])
    assert scores == sorted(scores)
    assert scores == pytest.approx([0, 0.05, 0.1, 0.25, 0.5, 1], abs=0.02)
    assert flags == [False, True, True, True, True, True]


def test_near_copies_are_flagged_and_repeats_among_the_real_images_are_no_evidence(normal, kinds_of_fakes):
    train, held_out, fresh = kinds_of_fakes()
    assert copy_score(train[:400] + normal(7, 400, scale=0.05), train, held_out)["score"] > 0.9
    repeated = np.concatenate([held_out, train[:40]])  # a tenth of the held-out images is also in the training set
    result = copy_score(np.concatenate([fresh, train[:40]]), train, repeated)
    assert not result["flagged"]
    assert copy_score(train[:400], train, repeated)["flagged"]


def test_an_image_in_both_real_sets_is_no_evidence_and_the_p_value_is_exact(kinds_of_fakes):
    train, held_out, _ = kinds_of_fakes()
    shared = np.concatenate([held_out, train[:1]])
    assert not copy_score(np.repeat(train[:1], 50, axis=0), train, shared)["flagged"]
    # n copies ahead of the first of m held-out images, all orders being equally likely: n! m! / (n + m)!
    for n in (1, 2):
        result = copy_score(train[:n], train, held_out[:100])
        assert result["p_value"] == pytest.approx(1 / math.comb(100 + n, n), rel=1e-6)


def test_copy_score_raises_few_false_alarms(kinds_of_fakes):
    results = [copy_score(fresh[:200], train, held) for train, held, fresh in map(kinds_of_fakes, range(0, 120, 3))]
    assert sum(r["flagged"] for r in results) <= 2  # of 40, at p < 0.001
    assert abs(np.mean([r["score"] for r in results])) < 0.005


def test_copy_score_takes_images(pictures):
    train, held_out = pictures(0, 300), pictures(1, 120)
    assert copy_score(train[:100], train, held_out)["flagged"]
    assert not copy_score(held_out, train, held_out)["flagged"]
    blurred = torch.nn.functional.avg_pool2d(pictures(2, 100).float(), 5, 1, 2).to(torch.uint8)  # near to everything
    assert not copy_score(blurred, train, held_out)["flagged"]


def test_a_single_image_has_copies_and_classes_but_no_distribution(rng, normal, pictures):
    assert copy_score(normal(0, 1), normal(0, 50), normal(1, 150))["score"] == pytest.approx(1)
    assert class_report([2], 3)["modes"] == 1
    assert nearest_neighbours(pictures(0, 1), pictures(0, 1))["distance"].item() == 0
    with pytest.raises(ValueError, match="at least 2"):
        frechet_distance(normal(0, 1), normal(1, 1))
