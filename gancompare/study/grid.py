"""Which runs a study has, and how long each is expected to take beside the others."""

import itertools
import sys
from collections.abc import Iterable
from typing import Any

from gancompare.arms import Arm, arm_of
from gancompare.config import ConfigError, RunConfig
from gancompare.objectives import METHODS
from gancompare.runs.costs import cost_settings
from gancompare.runs.tuned import read_tuned, tuned_fields, tuned_settings


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


def plan_tuned(
    datasets: Iterable[str], arms: Iterable[str], seeds: Iterable[int], *, recipe: str, **fields: Any
) -> list[RunConfig]:
    """As ``plan``, where each arm has on each data set the settings that the file ``recipe`` has for it.

    Raises ConfigError for a file that is not there or lacks one of them, and for a field that it sets.
    """
    path, configs, seeds = recipe, [], list(seeds)
    tuned = read_tuned(path)
    if not tuned:
        raise ConfigError(f"recipe={path!r}: there is no such file; gancompare tune writes one")
    for dataset, arm in itertools.product(datasets, arms):
        own = tuned_fields(tuned, path, dataset=dataset, arm=arm_of(arm).name)
        if taken := sorted(own.keys() & fields.keys()):
            raise ConfigError(f"{taken[0]}={fields[taken[0]]!r}: the recipe {path} sets it; leave one of them out")
        configs += plan([dataset], [arm], seeds, **fields | own | {"recipe": "tuned"})
    others = [c for c in configs if tuned_settings(tuned, c) != cost_settings(c)]
    if others:
        which = ", ".join(sorted({f"{config.dataset} {config.arm}" for config in others}))
        print(f"warning: {path} was tuned with other nets, batches or precision for {which}", file=sys.stderr)
    return configs


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
