"""The runs of a sweep: one setting at a time around a recipe, random architectures, stacked digits.

All cells share one pool of jobs; see ``runs.sweeps`` for what the cells are.
"""

import itertools
from typing import Any

import torch

from gancompare.base.streams import stream
from gancompare.config import RunConfig
from gancompare.data.datasets import STACKED
from gancompare.recipes import MAIN_METHODS
from gancompare.runs.sweeps import ARCHITECTURE, ARCHITECTURES, BASE, STACK, VARIATIONS
from gancompare.study.grid import plan as plan_grid

# What the base of a sweep in the profile of that name has instead of the rates of recipe `shared`. At 5e-4, 300 steps
# took no method far enough for settings to matter: on mnist5k FD-classifier was 160 (gan), 255 (wgan) and 224 (wgan-gp)
# after them (3 seeds each, width 16), at 2e-3 it was 26, 50 and 23. The rates are one of the variations still.
SHORT = {"lr_generator": 2e-3, "lr_critic": 2e-3}


PARTS = ("settings", "architectures", "stacked")


def plan(
    dataset: str,
    seeds: int,
    architectures: int,
    architecture_seed: int = 0,
    parts: tuple[str, ...] = PARTS,
    **fields: Any,
) -> dict[str, list[RunConfig]]:
    """Cell → its configs, each config once. ``fields`` are those of the base, and so of every cell.

    Stacked digits are left out for a data set that has none. Raises ConfigError for a bad field.
    """
    cells: dict[str, list[RunConfig]] = {}
    if "settings" in parts:
        cells |= plan_settings(dataset, seeds, **fields)
    if "architectures" in parts:
        cells |= plan_architectures(dataset, architectures, architecture_seed, **fields)
    stacks = [name for name, (digits, *_) in STACKED.items() if digits == dataset]
    if "stacked" in parts and stacks:
        cells[STACK] = plan_grid(stacks, MAIN_METHODS, range(seeds), **fields)
    return cells


def plan_settings(dataset: str, seeds: int, **fields: Any) -> dict[str, list[RunConfig]]:
    """The base, and a cell per value of each of VARIATIONS; runs that would equal one of the base are only there."""
    cells = {BASE: plan_grid([dataset], MAIN_METHODS, range(seeds), **fields)}
    base = {(config.method, config.seed): config for config in cells[BASE]}
    for variation in VARIATIONS:
        for value in variation.values:
            configs = plan_grid([dataset], variation.methods, range(seeds), **fields | variation.change(value))
            configs = [config for config in configs if config.differences(base[config.method, config.seed])]
            if configs:
                text = f"{value:g}" if isinstance(value, float) else str(value)
                cells[f"{variation.name}-{text}"] = configs
    return cells


def plan_architectures(dataset: str, count: int, seed: int = 0, **fields: Any) -> dict[str, list[RunConfig]]:
    """A cell per architecture of ``sample_architectures``, trained once under each method, all from seed 0."""
    drawn = sample_architectures(count, seed)
    return {
        f"{ARCHITECTURE}-{i:03d}": plan_grid([dataset], MAIN_METHODS, [0], **fields | chosen)
        for i, chosen in drawn.items()
    }


def sample_architectures(count: int, seed: int = 0) -> dict[int, dict[str, Any]]:
    """``count`` different architectures drawn from ARCHITECTURES: number in that grid → fields.

    A larger count of the same seed begins with the smaller one's, so that a sweep can be extended. Raises ValueError
    for more than there are.
    """
    grid = list(itertools.product(*ARCHITECTURES.values()))
    if count > len(grid):
        raise ValueError(f"{count} architectures: there are {len(grid)}, ask for fewer")
    order = torch.randperm(len(grid), generator=stream(seed, "architectures"))[:count]
    return {i: dict(zip(ARCHITECTURES, grid[i], strict=True)) for i in order.tolist()}
