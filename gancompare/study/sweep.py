"""The runs of a sweep: one setting at a time around a base, random architectures, stacked digits.

See ``runs.sweeps`` for what the cells are. All of them share one pool of jobs.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import torch

from gancompare.base.streams import stream
from gancompare.config import ConfigError, RunConfig
from gancompare.data.datasets import STACKED
from gancompare.recipes import MAIN_METHODS
from gancompare.runs.sweeps import ARCHITECTURES, BASE, PARTS, STACK, VARIATIONS, architecture_cell
from gancompare.study.grid import plan as plan_grid

# The rates of a short sweep's base. At the 5e-4 of recipe `shared`, 300 steps took no method far enough for settings to
# matter: on mnist5k, FD-classifier was 160 (gan), 255 (wgan) and 224 (wgan-gp) after them (3 seeds each, width 16); at
# 2e-3 it was 26, 50 and 23. The rates are one of the variations nonetheless.
SHORT_RATES = {"lr_generator": 2e-3, "lr_critic": 2e-3}


def plan(
    dataset: str,
    *,
    seeds: int,
    architectures: int,
    architecture_seed: int = 0,
    parts: Sequence[str] = PARTS,
    **fields: Any,
) -> dict[str, list[RunConfig]]:
    """Cell → its configs, each config once. ``fields`` are those of the base, and so of every cell, before
    ``base_fields`` completes them.

    Stacked digits are left out for a data set that has none. Raises ConfigError for a bad field or for more
    architectures than there are.
    """
    fields = base_fields(**fields)
    cells: dict[str, list[RunConfig]] = {}
    if "settings" in parts:
        cells |= plan_settings(dataset, seeds, **fields)
    if "architectures" in parts:
        cells |= plan_architectures(dataset, architectures, architecture_seed, **fields)
    stacks = [name for name, (digits, *_) in STACKED.items() if digits == dataset]
    if "stacked" in parts and stacks:
        cells[STACK] = plan_grid(stacks, MAIN_METHODS, range(seeds), **fields)
    return cells


def base_fields(**fields: Any) -> dict[str, Any]:
    """``fields`` with what a sweep's base fills in: the profile `sweep` and, if that and the recipe `shared` are used,
    SHORT_RATES in place of the recipe's.
    """
    fields = {"profile": "sweep"} | fields
    short = fields["profile"] == "sweep" and fields.get("recipe", "shared") == "shared"
    return SHORT_RATES | fields if short else fields


def plan_settings(dataset: str, seeds: int, **fields: Any) -> dict[str, list[RunConfig]]:
    """The base, and a cell per value of each of VARIATIONS; runs that would equal one of the base are only there."""
    cells = {BASE: plan_grid([dataset], MAIN_METHODS, range(seeds), **fields)}
    base = {(config.arm, config.seed): config for config in cells[BASE]}
    for variation in VARIATIONS:
        for value in variation.values:
            configs = plan_grid([dataset], variation.methods, range(seeds), **fields | variation.change(value))
            configs = [config for config in configs if config.differences(base[config.arm, config.seed])]
            if configs:
                cells[variation.cell(value)] = configs
    return cells


def plan_architectures(dataset: str, count: int, seed: int = 0, **fields: Any) -> dict[str, list[RunConfig]]:
    """A cell per architecture of ``sample_architectures``, trained once under each method, all from seed 0."""
    return {
        architecture_cell(number): plan_grid([dataset], MAIN_METHODS, [0], **fields | nets)
        for number, nets in sample_architectures(count, seed).items()
    }


def sample_architectures(count: int, seed: int = 0) -> dict[int, dict[str, Any]]:
    """``count`` different architectures drawn from ARCHITECTURES: number in that grid → fields.

    A larger count of the same seed begins with the smaller one's, so that a sweep can be extended. Raises ConfigError
    for more than there are.
    """
    grid = list(itertools.product(*ARCHITECTURES.values()))
    if count > len(grid):
        raise ConfigError(f"architectures={count}: there are {len(grid)}, ask for fewer")
    order = torch.randperm(len(grid), generator=stream(seed, "architectures"))[:count]
    return {number: dict(zip(ARCHITECTURES, grid[number], strict=True)) for number in order.tolist()}
