"""The Inception Score and the class metrics, by hand and against torch-fidelity."""

import math

import numpy as np
import pytest
import torch
from torch_fidelity.metric_isc import isc_features_to_metric

from gancompare.scoring.metrics.classes import class_report, inception_score


def one_hot(labels, classes):
    return np.eye(classes)[labels]


def test_inception_score_runs_from_one_to_the_number_of_classes(rng):
    classes = 5
    labels = np.arange(1000) % classes
    assert inception_score(one_hot(labels, classes), 2, rng).value == pytest.approx(classes, rel=0.01)
    assert inception_score(np.full((1000, classes), 1 / classes), 10, rng) == pytest.approx((1, 0))
    assert inception_score(one_hot(0 * labels, classes), 10, rng) == pytest.approx((1, 0))  # one mode, certain
    for seed in range(5):
        probabilities = np.random.default_rng(seed).dirichlet(np.full(classes, 0.2), 400)
        assert 1 <= inception_score(probabilities, 10, rng).value <= classes


def test_inception_score_does_not_depend_on_the_order_that_images_come_in(rng):
    in_order = one_hot(np.repeat(np.arange(5), 200), 5)  # unshuffled, each split would hold one class and score 1
    assert inception_score(in_order, 5, rng).value > 4.8


def test_inception_score_agrees_with_torch_fidelity(rng, normal):
    logits = torch.tensor(normal(0, 1000, 10, scale=3))
    # one order for both: theirs unshuffled, of rows that ours has shuffled
    order = np.random.default_rng(3).permutation(1000)
    theirs = isc_features_to_metric(logits[order], splits=10, shuffle=False)
    ours = inception_score(logits.softmax(1), 10, np.random.default_rng(3))
    assert ours.value == pytest.approx(theirs["inception_score_mean"], rel=1e-12)
    assert ours.standard_error == pytest.approx(theirs["inception_score_std"] / 3, rel=1e-9)  # std/√(splits − 1)


def test_class_report_by_hand():
    report = class_report(np.array([0, 0, 0, 1]), 4, real_histogram=[2, 2, 2, 2])
    expected = 0.75 * math.log(3) + 0.25 * math.log(1)
    assert report["class_histogram"] == [3, 1, 0, 0]
    assert report["modes"] == report["modes_tenth"] == 2
    assert report["kl_uniform"] == pytest.approx(expected)
    assert report["kl_real"] == pytest.approx(expected)
    assert report["kl_uniform_floor"] == pytest.approx(3 / 8)
    assert report["kl_real_floor"] == pytest.approx(3 / 8 + 3 / 16)
    assert class_report(one_hot([0, 0, 0, 1], 4), 4)["class_histogram"] == [3, 1, 0, 0]


def test_class_report_of_the_real_classes_is_zero_and_worsens_as_modes_drop():
    labels = np.repeat(np.arange(4), [70, 50, 30, 10])
    report = class_report(labels, 5, np.bincount(labels, minlength=5))
    assert report["kl_real"] == 0
    reports = [class_report(np.arange(60) % modes, 5) for modes in (5, 4, 3, 2, 1)]
    assert [r["modes"] for r in reports] == [5, 4, 3, 2, 1]
    assert [r["kl_uniform"] for r in reports] == pytest.approx([math.log(5 / m) for m in (5, 4, 3, 2, 1)])


def test_class_report_stays_finite_and_tells_rare_from_present():
    report = class_report(np.repeat([0, 1], [995, 5]), 2, real_histogram=[100, 0])
    assert 0 < report["kl_real"] < 1
    assert (report["modes"], report["modes_tenth"]) == (2, 2)  # no real share to fall short of
    assert class_report(np.repeat([0, 1], [995, 5]), 2)["modes_tenth"] == 1


def test_noise_floor_is_what_sampling_alone_leaves(rng):
    reports = [class_report(rng.integers(0, 10, 500), 10) for _ in range(300)]
    assert np.mean([r["kl_uniform"] for r in reports]) == pytest.approx(reports[0]["kl_uniform_floor"], rel=0.1)
