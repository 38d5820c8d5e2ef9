"""Every score of features at once, as plain JSON."""

import json

import numpy as np
import pytest
import torch

from gancompare.scoring.feature_scores import judgement, score_features
from gancompare.scoring.metrics.frechet import frechet_distance
from gancompare.scoring.metrics.kernel import kid
from gancompare.scoring.metrics.manifold import density_coverage, precision_recall


def test_score_holds_every_cheap_metric_as_plain_json(rng, normal):
    real, fake, classes = normal(0, 200), normal(1, 200), 4
    probabilities = np.random.default_rng(0).dirichlet(np.ones(classes), 200)
    state = torch.get_rng_state()
    scores = score_features(real, fake, real_probabilities=probabilities, fake_probabilities=probabilities, rng=rng)
    assert torch.equal(torch.get_rng_state(), state)
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores
    alone = {"fd": frechet_distance(real, fake), "kid": kid(real, fake).value}
    alone |= dict(zip(("precision", "recall"), precision_recall(real, fake), strict=True))
    alone |= dict(zip(("density", "coverage"), density_coverage(real, fake), strict=True))
    assert {name: scores[name] for name in alone} == alone
    assert scores["kl_real"] == 0
    assert 1 <= scores["inception_score"] <= classes
    without = score_features(real, fake, rng=np.random.default_rng(0))
    assert without == {name: scores[name] for name in without}
    assert "modes" not in without


def test_score_of_few_images_leaves_out_what_it_cannot_know(rng, normal):
    scores = score_features(normal(0, 6), normal(1, 6), fake_probabilities=np.eye(4), rng=rng)
    assert scores["fd_infinity"] is scores["fd_infinity_se"] is None
    assert all(np.isfinite(value).all() for value in scores.values() if value is not None)


@pytest.mark.parametrize(
    ("changed", "beyond", "flagged"),
    [
        ({}, False, False),
        ({"fd": 20.0}, True, False),  # as far as the landmark is beyond it
        ({"precision": 0.99}, False, False),  # it covers the real images too
        ({"precision": 0.99, "recall": 0.01}, False, True),
        ({"precision": 0.8, "recall": 0.0}, False, False),  # real images are as precise
    ],
)
def test_landmarks_judge_a_distance_and_a_precision(changed, beyond, flagged):
    scores = {"fd": 5.0, "precision": 0.7, "recall": 0.4, "real_precision": 0.8}
    scores |= {"landmarks": {"patch_shuffled": 20.0}} | changed
    assert judgement(scores) == {"beyond_landmark": beyond, "precision_flagged": flagged}
