"""A value with its standard error, and the shuffling that estimates need."""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Estimate(NamedTuple):
    """A value with its standard error over the sampled images, not over training seeds."""

    value: float
    standard_error: float


def mean_estimate(values: Tensor) -> Estimate:
    """The mean of ``values`` (N,); its standard error is infinite for a single one."""
    values = values.double()
    error = values.std().item() / math.sqrt(len(values)) if len(values) > 1 else math.inf
    return Estimate(values.mean().item(), error)


def shuffled(rows: Tensor, rng: np.random.Generator) -> Tensor:
    return rows[torch.from_numpy(rng.permutation(len(rows)))]
