"""What commands of many runs settle before these begin: data sets and arms, length, recipe, precision, jobs."""

import sys
from argparse import ArgumentParser
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

from gancompare.arms import ARMS
from gancompare.commands.options import seconds
from gancompare.config import ConfigError, RunConfig
from gancompare.recipes import MAIN_METHODS


def add_grid(command: ArgumentParser) -> None:
    datasets_help = "names or paths (default: mnist5k)"
    arms_help = f"{', '.join(ARMS)}, or method:field=value (default: {' '.join(MAIN_METHODS)})"
    command.add_argument("--datasets", nargs="+", default=["mnist5k"], metavar="DATASET", help=datasets_help)
    command.add_argument("--arms", nargs="+", default=list(MAIN_METHODS), metavar="ARM", help=arms_help)


def add_budget(command: ArgumentParser, text: str) -> None:
    budget_help = f"{text}, in seconds of its steps alone on a quiet machine (default: --generator-steps)"
    command.add_argument("--budget", type=seconds, metavar="SECONDS", help=budget_help)


def check_length(budget: float | None, fields: dict[str, Any]) -> None:
    if budget is not None and "generator_steps" in fields:
        steps = fields["generator_steps"]
        raise ConfigError(f"budget={budget:g} and generator_steps={steps}: both say how long a run is; give one")


def is_tuned(fields: dict[str, Any]) -> bool:
    """Whether the recipe is a file, as ``gancompare tune`` writes it. Raises ConfigError for "tuned" without one."""
    recipe = fields.get("recipe", "")
    if recipe == "tuned":
        raise ConfigError("recipe='tuned': give the file that gancompare tune has written, as in --recipe tuned.json")
    return recipe.endswith(".json")


def refuse_tuned(fields: dict[str, Any]) -> None:
    """Raise ConfigError for the recipe `tuned`, which differs by data set and arm, where only a study can read it."""
    if is_tuned(fields):
        raise ConfigError(f"recipe={fields['recipe']!r}: only gancompare study reads a recipe file; give the settings")


def one_precision(root: Path, study: str, fields: dict[str, Any]) -> dict[str, str]:
    """The field ``precision`` that all runs of ``study`` share ("*": of all studies in ``root``)."""
    from gancompare.runs.costs import read_costs
    from gancompare.study.budget import settled_precision

    stored = None if study == "*" else read_costs(root, study).precision
    asked = {"asked": fields.get("precision"), "device": fields.get("device", "auto")}
    return {"precision": settled_precision(root, study, **asked, stored=stored)}


def settled_jobs(jobs: int | str | None, configs: list[RunConfig], objectives: str | None) -> int | None:
    """How many runs at a time were asked for, after measuring for "auto"; None: as many as a pool takes."""
    if jobs != "auto":
        return jobs
    from gancompare.bench.workers import best_jobs, throughput  # brings torch's profiler

    return best_jobs(configs, measure=partial(throughput, objectives=objectives))


def calibrate(
    results: Path,
    study: str,
    configs: list[RunConfig],
    *,
    budget: float | None,
    given: Collection[str],
    jobs: int | None,
    objectives: str | None,
) -> list[RunConfig]:
    """``configs`` with the steps of the budget, if there is one, after measuring each arm's cost where it is unknown.

    Without a budget costs are only the clock of the report, and a study goes on without them. ``given``: fields that
    the user has set.
    """
    from gancompare.bench.costs import CostError, settled_costs
    from gancompare.data.datasets import check_available
    from gancompare.study.budget import check_budget, plan_budget
    from gancompare.study.pool import resources

    for dataset in {config.dataset for config in configs}:  # what can be seen to be wrong is said before measuring
        check_available(dataset)
    check_budget(results, study, budget)
    threads = resources(configs, jobs).threads
    try:
        costs = settled_costs(results, study, configs, threads=threads, objectives=objectives)
    except CostError as error:
        if budget is not None:
            raise
        print(f"warning: {error}; seconds will be those that each run measures", file=sys.stderr, flush=True)
        return configs
    if budget is None:
        return configs
    return plan_budget(results, study, configs, budget=budget, costs=costs, given=given)
