"""What a generator step of each arm costs, and the clock that follows from it: a study's ``costs.json``.

The seconds that a run measures while it trains depend on what trains beside it and on which machine it was resumed.
A cost is measured alone on a quiet machine, once for all runs of an arm; where a study has costs, its tables count
seconds as generator steps × cost.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from gancompare.config import FIELDS, RunConfig
from gancompare.data.datasets import dataset_slug
from gancompare.runs.layout import COSTS, RunError, place_of, run_directories, study_directory
from gancompare.runs.record import FORMAT, read_json, write_json

# Fields that change what a run learns, but not what one of its generator steps costs.
_FREE = ("dataset", "seed", "generator_steps", "lr_generator", "lr_critic", "beta1", "beta2", "lr_schedule")
_FREE += ("clip", "penalty_weight", "one_sided_penalty", "warmup_generator_steps", "warmup_critic_steps")
REMEDY = "delete it to measure again"


class Cell(NamedTuple):
    """What one cost holds for: all seeds of an arm on a data set."""

    dataset: str  # as a directory name, see ``dataset_slug``
    arm: str


@dataclass(frozen=True)
class Cost:
    """Seconds per generator step, with its critic steps, measured alone; and what it was measured with."""

    seconds_per_step: float  # median over the timings
    low: float  # fastest and slowest timing
    high: float
    settings: str  # ``cost_settings`` of the configs that this holds for
    processor: str
    arithmetic: str  # bf16 or float32
    threads: int
    torch: str
    when: str  # ISO 8601, UTC
    quiet: bool  # whether nothing else seemed to run


@dataclass
class Costs:
    """The content of ``costs.json``."""

    costs: dict[Cell, Cost] = field(default_factory=dict)
    precision: str | None = None  # of all runs of the study
    budget: float | None = None  # seconds of calibrated steps that each run may take
    steps: dict[Cell, int] = field(default_factory=dict)  # generator steps that this budget came to


def cell_of(config: RunConfig) -> Cell:
    return Cell(dataset_slug(config.dataset), config.arm)


def cells_with_runs(results: str | Path, study: str) -> set[Cell]:
    """The data sets and arms that ``study``, or a cell of it where it is a sweep or a search, has begun runs of."""
    places = map(place_of, run_directories(results, study) + run_directories(study_directory(results, study)))
    return {Cell(place.dataset, place.arm) for place in places}


def cost_settings(config: RunConfig) -> str:
    """12 hex digits over the fields that decide what a generator step costs."""
    names = [name for name, option in FIELDS.items() if option.metadata["affects_training"] and name not in _FREE]
    values = {name: getattr(config, name) for name in names} | {"ema_decay": bool(config.ema_decay)}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


# ---- the file --------------------------------------------------------------------------------------------------------


def read_costs(results: str | Path, study: str) -> Costs:
    """``costs.json`` of ``results/<study>``; empty where there is none. Raises RunError if it cannot be read."""
    path = study_directory(results, study) / COSTS
    content = read_json(path)
    if content.get("format", FORMAT) != FORMAT:
        raise RunError(f"{path} has format {content['format']!r}, not {FORMAT}; {REMEDY}, or update gancompare")
    names = [option.name for option in fields(Cost)]
    try:
        costs = {cell: Cost(**{name: row[name] for name in names}) for cell, row in _cells(content.get("costs", {}))}
        budget = content.get("budget") or {"seconds": None, "generator_steps": {}}
        return Costs(costs, content.get("precision"), budget["seconds"], dict(_cells(budget["generator_steps"])))
    except (AttributeError, KeyError, TypeError) as error:
        raise RunError(f"{path} is not a table of costs ({type(error).__name__}: {error}); {REMEDY}") from error


def write_costs(results: str | Path, study: str, costs: Costs) -> None:
    budget = {"seconds": costs.budget, "generator_steps": _nested(costs.steps)}
    content = {"format": FORMAT, "precision": costs.precision, "budget": budget if costs.budget else None}
    content |= {"costs": _nested({cell: asdict(cost) for cell, cost in costs.costs.items()})}
    directory = study_directory(results, study)
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / COSTS, content)


def _cells(nested: dict) -> list[tuple[Cell, object]]:
    return [(Cell(dataset, arm), value) for dataset, arms in nested.items() for arm, value in arms.items()]


def _nested(flat: dict[Cell, object]) -> dict[str, dict[str, object]]:
    nested: dict[str, dict[str, object]] = {}
    for cell, value in flat.items():
        nested.setdefault(cell.dataset, {})[cell.arm] = value
    return nested


# ---- the clock -------------------------------------------------------------------------------------------------------


def steps_within(config: RunConfig, seconds: float, seconds_per_step: float) -> int:
    """Generator steps that ``config`` makes in ``seconds``, at least 1.

    A step of the critic's warm-up counts as many ordinary steps as its critic steps make.
    """
    ordinary, warm_up = seconds / seconds_per_step, config.warmup_generator_steps
    weight = config.warmup_critic_steps / config.n_critic
    if ordinary <= warm_up * weight:
        return max(1, int(ordinary / weight))
    return max(1, int(warm_up + ordinary - warm_up * weight))


def calibrated(table: pd.DataFrame, runs: pd.DataFrame, costs: Costs) -> pd.DataFrame:
    """``table`` with calibrated ``seconds``, and those that the runs measured as ``measured_seconds``.

    ``table``: rows with dataset, arm, images_seen and seconds; ``runs``: a row per run with its config. Calibrated
    seconds are cost × images_seen / (real images of a generator step), which is cost × generator steps, and counts a
    warm-up of the critic too. A data set keeps the measured seconds if one of its arms has no cost, as two clocks
    cannot be compared.
    """
    if not {"dataset", "arm", "images_seen", "seconds"} <= set(table):
        return table
    per_image = {
        cell: costs.costs[cell].seconds_per_step / (run.n_critic * run.batch_size)
        for cell, run in zip(_cells_of_rows(runs), runs.itertuples(), strict=True)
        if cell in costs.costs
    }
    without = {cell.dataset for cell in _cells_of_rows(runs) if cell not in per_image}
    rates = [None if cell.dataset in without else per_image.get(cell) for cell in _cells_of_rows(table)]
    rates = pd.Series(rates, index=table.index, dtype=float)
    measured = table["seconds"].astype(float)
    seconds = (table["images_seen"].astype(float) * rates).where(rates.notna(), measured)
    return table.assign(seconds=seconds, measured_seconds=measured)


def _cells_of_rows(table: pd.DataFrame) -> list[Cell]:
    return [Cell(*pair) for pair in zip(table["dataset"], table["arm"], strict=True)]


def cost_table(costs: Costs, runs: pd.DataFrame) -> pd.DataFrame:
    """A row per data set and arm of ``runs`` that has a cost: the fields of ``Cost``. Empty where none has."""
    cells = dict.fromkeys(_cells_of_rows(runs))
    return pd.DataFrame([cell._asdict() | asdict(costs.costs[cell]) for cell in cells if cell in costs.costs])
