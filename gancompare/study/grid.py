"""Which runs a study has, and how long each is expected to take beside the others."""

import itertools
from collections.abc import Iterable
from typing import Any

from gancompare.arms import Arm, arm_of
from gancompare.config import RunConfig
from gancompare.objectives import METHODS


def plan(datasets: Iterable[str], arms: Iterable[str], seeds: Iterable[int], **fields: Any) -> list[RunConfig]:
    """Every combination of data set, arm and seed with the same other fields, which an arm's own settings outweigh.

    ``arms`` are names or ``method:field=value``, see ``arms.arm_of``. Raises ConfigError or ArmError for a bad one.
    """
    cells = itertools.product(datasets, map(arm_of, arms), seeds)
    return [
        RunConfig.from_dict(
            fields | _own(arm, fields) | {"dataset": dataset, "method": arm.method, "arm": arm.name, "seed": seed}
        )
        for dataset, arm, seed in cells
    ]


def _own(arm: Arm, fields: dict[str, Any]) -> dict[str, Any]:
    """The settings of ``arm``; a method's own number of critic steps gives way to one that all arms are asked for."""
    if arm.name == arm.method and "n_critic" in fields:
        return {name: value for name, value in arm.fields.items() if name != "n_critic"}
    return dict(arm.fields)


def cost(config: RunConfig) -> float:
    """A run's expected time in arbitrary units, to start the longest first; a penalty costs a step about 2.5 times."""
    penalty = 2.5 if "penalty_weight" in METHODS[config.method].__dataclass_fields__ else 1.0
    pixels = config.image_size**2 * config.base_channels**2 * config.batch_size
    depth = 1 + config.extra_layers
    return config.generator_steps * (1 + config.n_critic * penalty) * pixels * depth
