"""What all runs of a study have in common: a budget in seconds of calibrated steps, and one precision."""

import math
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from gancompare.base.device import choose_bf16, choose_device
from gancompare.config import RunConfig
from gancompare.runs import record
from gancompare.runs.costs import Cell, Costs, cell_of, cells_with_runs, read_costs, steps_within, write_costs
from gancompare.runs.layout import RunError, run_directories, study_directory

ROWS, GRIDS, CHECKPOINT_SECONDS = 100, 12, 60.0  # of a run with a budget, see ``intervals``


def settled_precision(
    root: Path, study: str = "*", *, asked: str | None = None, device: str = "auto", stored: str | None = None
) -> str:
    """The precision of all runs of ``study`` in ``root`` (default: of all its studies, the cells of a sweep).

    That of the runs there are, else as ``asked``, else as ``stored`` with the study's costs, else what suits ``device``
    on this machine. Runs of different precision are not comparable, and a machine of another kind would choose another
    one. Raises RunError if the runs there do not agree with one another, or with an ``asked`` one other than "auto".
    """
    there = sorted({precision_of(directory) for directory in run_directories(root, study)} - {None})
    asked = None if asked == "auto" else asked
    where = root if study == "*" else root / study
    if len(there) > 1:
        raise RunError(
            f"{where} mixes runs of precision {' and '.join(there)}, which cannot be compared: delete those of one "
            "precision, or choose another study name"
        )
    if there and asked not in (None, *there):
        raise RunError(
            f"precision={asked!r}: the runs in {where} have {there[0]!r}, and a study has one precision; leave the "
            "option out, or choose another study name"
        )
    hardware = "bf16" if choose_bf16("auto", choose_device(device)) else "float32"
    return next(filter(None, (*there, asked, stored)), hardware)


def precision_of(directory: Path) -> str | None:
    """The precision in a run's config; None if that cannot be read, which stops that run alone."""
    try:
        return record.read_config(directory)["config"].get("precision")
    except RunError:
        return None


def check_budget(results: Path, study: str, budget: float | None) -> None:
    """Raise RunError if ``study`` has runs of another budget (None: without one)."""
    stored = read_costs(results, study).budget
    if stored is not None and stored != budget and cells_with_runs(results, study):
        now = "none" if budget is None else f"{budget:g} s"
        raise RunError(
            f"the runs in {study_directory(results, study)} have a budget of {stored:g} s each, this command gives "
            f"{now}: give the same one, or choose another study name"
        )


def with_budget(
    configs: list[RunConfig], budget: float, costs: Costs, *, begun: Collection[Cell] = (), given: Collection[str] = ()
) -> list[RunConfig]:
    """``configs`` with the generator steps that ``budget``, in seconds, comes to by the cost of their arm.

    An arm in ``begun``, which has runs, keeps the steps that ``costs`` remembers, whatever was measured since; those of
    the others are noted in ``costs``. ``given``: fields that were set by hand and stay.
    """
    planned = []
    costs.budget = budget
    for config in configs:
        cell = cell_of(config)
        seconds_per_step = costs.costs[cell].seconds_per_step
        if cell not in begun or cell not in costs.steps:
            costs.steps[cell] = steps_within(config, budget, seconds_per_step)
        fields: dict[str, Any] = intervals(costs.steps[cell], seconds_per_step)
        fields = {name: value for name, value in fields.items() if name not in given}
        planned.append(replace(config, generator_steps=costs.steps[cell], **fields))
    return planned


def intervals(generator_steps: int, seconds_per_step: float) -> dict[str, int]:
    """How often a run with a budget writes: about 100 rows, at most 12 grids of samples, a checkpoint a minute."""
    return {
        "log_every": max(1, generator_steps // ROWS),
        "sample_every": math.ceil(generator_steps / GRIDS),
        "checkpoint_every": max(1, min(generator_steps, int(CHECKPOINT_SECONDS / seconds_per_step))),
    }


def plan_budget(
    results: Path, study: str, configs: list[RunConfig], *, budget: float, costs: Costs, given: Collection[str] = ()
) -> list[RunConfig]:
    """``with_budget`` for the runs of ``study``; the decision is stored in its ``costs.json``."""
    planned = with_budget(configs, budget, costs, begun=cells_with_runs(results, study), given=given)
    write_costs(results, study, costs)
    return planned
