"""Which runs a study has, and how long each is expected to take beside the others."""

import itertools
from collections.abc import Iterable
from typing import Any

from gancompare.config import RunConfig
from gancompare.objectives import METHODS


def plan(datasets: Iterable[str], methods: Iterable[str], seeds: Iterable[int], **fields: Any) -> list[RunConfig]:
    """Every combination of data set, method and seed with the same other fields. Raises ConfigError for a bad one."""
    cells = itertools.product(datasets, methods, seeds)
    return [RunConfig.from_dict(fields | {"dataset": d, "method": m, "seed": s}) for d, m, s in cells]


def cost(config: RunConfig) -> float:
    """A run's expected time in arbitrary units, to start the longest first; a penalty costs a step about 2.5 times."""
    penalty = 2.5 if "penalty_weight" in METHODS[config.method].__dataclass_fields__ else 1.0
    pixels = config.image_size**2 * config.base_channels**2 * config.batch_size
    depth = 1 + config.extra_layers
    return config.generator_steps * (1 + config.n_critic * penalty) * pixels * depth
