"""Memorisation: whether fakes are nearer to training images than generalisation explains."""

import math

import torch
from torch import Tensor

from gancompare.scoring.metrics.checks import flat_rows
from gancompare.scoring.metrics.distances import nearest

QUANTILE = 0.01  # of the held-out ratios, below which a fake counts as a copy
LEAST_HELD_OUT = math.ceil(1 / QUANTILE)  # images that a calibration at this quantile takes


def copy_score(fake, train, held_out) -> dict:
    """Share of fakes that are nearer to a training image than generalisation explains. Features (N, d) or images.

    Each fake's ratio (distance to its nearest training image / to its nearest held-out one) is set against the ratios
    of the held-out images themselves, each against the rest: a fresh image has the same distribution, whatever the two
    sets' sizes, and a blurred one is near to both. Held-out images calibrate as in Meehan et al. 2020; the ratio is
    close to the authenticity of Alaa et al. 2022.

    - ``score``: fakes below the held-out ``QUANTILE``, corrected for chance: about the share of copies, 0 or slightly
      below without any, at most 1
    - ``p_value``: the chance of so many if no fake were a copy (exact, beta-binomial)
    - ``flagged``: p < 0.001
    - ``threshold``: the ratio at the quantile

    Raises ValueError for other shapes, NaN, fewer than ``LEAST_HELD_OUT`` held-out images, or if those are all copies.
    """
    from scipy.stats import betabinom

    fake, train = flat_rows("fake images", fake, 1), flat_rows("training images", train, 1)
    held_out = flat_rows("held-out images", held_out, LEAST_HELD_OUT)
    if len({x.shape[1] for x in (fake, train, held_out)}) > 1:
        raise ValueError("fake, training and held-out images differ in size: use one extractor or image size for all")
    fakes = _ratio(nearest(fake, train, 1)[0][:, 0], nearest(fake, held_out, 1)[0][:, 0])
    # the nearest held-out image of a held-out image is itself, hence the second
    fresh = _ratio(nearest(held_out, train, 1)[0][:, 0], nearest(held_out, held_out, 2)[0][:, 1])
    threshold = fresh.kthvalue(math.ceil(QUANTILE * len(fresh))).values
    n, below = len(fakes), int((fakes <= threshold).sum())
    m, below_fresh = len(fresh), int((fresh <= threshold).sum())  # more than the quantile if real images repeat
    if below_fresh == m:
        raise ValueError("all held-out images are equally near to training images: remove duplicates between the sets")
    expected = below_fresh / m
    p_value = float(betabinom(n, below_fresh, m - below_fresh + 1).sf(below - 1))
    return {
        "score": (below / n - expected) / (1 - expected),
        "p_value": p_value,
        "flagged": p_value < 0.001,
        "threshold": threshold.item(),
    }


def _ratio(to_train: Tensor, to_held_out: Tensor) -> Tensor:
    return torch.where(to_train == to_held_out, 1.0, to_train / to_held_out)  # a copy of both has 1, not 0/0
