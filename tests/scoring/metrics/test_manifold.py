"""Precision, recall, density and coverage against prdc and by hand."""

import numpy as np
import pytest
from prdc import compute_prdc

from gancompare.scoring.metrics.manifold import density_coverage, precision_recall


@pytest.mark.parametrize(("n", "m", "k"), [(200, 200, 3), (150, 220, 5), (30, 40, 1)])
@pytest.mark.parametrize("collapsed", [False, True])
def test_neighbourhood_metrics_agree_with_prdc(n, m, k, collapsed, normal):
    real, fake = normal(0, n), normal(1, m, shift=0.4, scale=0.8)
    if collapsed:  # repeated images, some of them real: zero radii and distances
        fake[: m // 2], fake[m // 2 : m // 2 + 5] = fake[0], real[:5]
    theirs = compute_prdc(real, fake, nearest_k=k)
    ours = (*precision_recall(real, fake, k), *density_coverage(real, fake, k))
    assert ours == pytest.approx([theirs[name] for name in ("precision", "recall", "density", "coverage")], rel=1e-12)


def test_repeated_images_far_from_the_origin_lie_at_distance_zero_and_have_empty_balls(normal):
    repeated = np.repeat(normal(0, 30, 128, scale=7), 10, axis=0) + 100
    others = np.concatenate([normal(1, 7, 128), repeated])  # the same rows elsewhere in the matrix round otherwise
    assert precision_recall(repeated, others) == (0, pytest.approx(0))
    assert density_coverage(repeated, others) == (0, 0)


def test_precision_and_recall_tell_quality_from_variety(normal):
    real = normal(0, 400)
    narrow, wide = normal(1, 400, scale=0.3), normal(1, 400, scale=3)
    assert precision_recall(real, narrow)[0] > 0.95 > 0.1 > precision_recall(real, narrow)[1]
    assert precision_recall(real, wide)[0] < 0.1 < 0.95 < precision_recall(real, wide)[1]


def test_points_on_a_line_by_hand():
    real, fake = np.array([[0.0], [1.0], [3.0]]), np.array([[0.5], [2.0], [9.0]])
    # radii to the first neighbour: real 1, 1, 2; fake 1.5, 1.5, 7. Open balls: 2 is on the border of that around 1
    assert precision_recall(real, fake, k=1) == pytest.approx((2 / 3, 1))
    assert density_coverage(real, fake, k=1) == pytest.approx((3 / 3, 1))
