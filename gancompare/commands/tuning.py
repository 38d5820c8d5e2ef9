"""The command tune: a small search that is the same for every arm, for the recipe of a study."""

import sys
from argparse import ArgumentParser, Namespace
from itertools import chain
from pathlib import Path
from typing import Any

from gancompare.commands.options import (
    DONE,
    FAILED,
    add_fields,
    add_objectives,
    add_results,
    given,
    jobs_or_auto,
    load_objectives,
    name_failed,
    whole_number,
)
from gancompare.commands.planning import add_budget, add_grid, calibrate, check_length, one_precision, settled_jobs
from gancompare.config import ConfigError, RunConfig
from gancompare.runs import layout


def tune_options(command: ArgumentParser) -> None:
    command.add_argument("--name", default="tuning", help="name of the search (default: tuning)")
    add_grid(command)
    command.add_argument("--seeds", type=whole_number, default=1, metavar="N", help="search seeds (default: 1)")
    add_budget(command, "length of each run of the study, of which a run of the search gets a quarter")
    command.add_argument("--jobs", type=jobs_or_auto, metavar="N", help="as in study")
    add_results(command)
    add_objectives(command)
    add_fields(command, leave_out=("dataset", "method", "arm", "seed", "recipe"))


def tune(options: Namespace) -> int:
    from gancompare.study.pool import plan_jobs, run_studies
    from gancompare.study.tuning import SHARE, plan_search, validate, validations, write_tuned

    objectives, fields = load_objectives(options), given(options)
    check_length(options.budget, fields)
    root = layout.study_directory(options.results, options.name)
    if (extractor := fields.pop("extractor", "auto")) == "none":
        raise ConfigError("extractor='none': a search compares samples with validation images, so it needs one")
    fields |= one_precision(root, "*", fields) | shorter(fields, SHARE)
    cells = plan_search(options.datasets, options.arms, options.seeds, **fields)
    configs = list(chain.from_iterable(cells.values()))
    plan_jobs(cells, root)  # raises where two runs would share a directory
    jobs = settled_jobs(options.jobs, configs, objectives)
    budget = None if options.budget is None else SHARE * options.budget
    how = {"jobs": jobs, "objectives": objectives}
    by = validations(cells, extractor)
    if budget is not None:
        planned = iter(calibrate(options.results, options.name, configs, budget=budget, given=fields, **how))
        cells = {name: [next(planned) for _ in every] for name, every in cells.items()}
    outcomes = run_studies(cells, root, notebook=False, **how)
    failed = name_failed(outcomes)
    lost = write_tuned(root, cells, validate(root, cells, by), budget=budget)
    show(root)
    for cell in lost:
        print(f"{cell.dataset} {cell.arm}: every configuration failed, so none was chosen", file=sys.stderr)
    return FAILED if failed or lost else DONE


def shorter(fields: dict[str, Any], share: float) -> dict[str, int]:
    """The generator steps of a search without a budget in seconds: ``share`` of those of the study."""
    steps = RunConfig.from_dict(fields).generator_steps
    return {"generator_steps": max(1, int(share * steps))}


def show(root: Path) -> None:
    """Print the search and where it is."""
    from gancompare.runs.tuned import read_tuned, search_table

    table = search_table(read_tuned(root / layout.TUNED))
    for (dataset, arm), rows in table.groupby(["dataset", "arm"], sort=False):
        print(f"\n{dataset} {arm}")
        print(rows.drop(columns=["dataset", "arm"]).dropna(axis=1, how="all").to_string(index=False))
    print(f"\n{root / layout.TUNED}: use it with gancompare study --recipe {root / layout.TUNED}")
