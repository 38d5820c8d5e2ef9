"""Commands that train: run, study, sensitivity."""

import os
import signal
import sys
import threading
import time
from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path
from typing import Any

from gancompare.arms import ARMS
from gancompare.commands.options import (
    DONE,
    FAILED,
    add_fields,
    add_reports,
    add_results,
    add_training,
    given,
    jobs_or_auto,
    load_objectives,
    seconds,
    whole_number,
)
from gancompare.config import FIELDS, ConfigError, RunConfig
from gancompare.recipes import MAIN_METHODS
from gancompare.runs import layout


def run_options(command: ArgumentParser) -> None:
    command.add_argument("--directory", type=Path, metavar="DIR", help="train what the config.json in DIR says")
    command.add_argument("--study", help="name of the study the run belongs to (default: the profile's)")
    add_results(command)
    add_training(command)
    add_fields(command)


def run(options: Namespace) -> int:
    from gancompare.base.device import choose_device
    from gancompare.data.datasets import check_available
    from gancompare.runs import record
    from gancompare.study.run import execute

    end_with_parent()
    objectives, directory = load_objectives(options), options.directory
    if directory is None:
        config = RunConfig.from_dict(given(options))
        directory = layout.run_directory(options.results, options.study or config.profile, config)
        choose_device(config.device)  # what can be seen to be wrong is said before anything is written
        check_available(config.dataset)
        record.write_config(directory, config)
    elif given(options):
        raise ConfigError(f"directory={str(directory)!r}: its config.json holds all settings; give no others")
    outcome = execute(directory, notebook=not options.no_notebook, objectives=objectives)
    print(f"{outcome.directory}: {outcome.status} {outcome.message}".rstrip())
    return DONE


def end_with_parent() -> None:
    """If a study started this run, stop when the study's process is gone, so that a kill leaves nothing running."""
    from gancompare.study.pool import PARENT_VARIABLE

    parent = os.environ.get(PARENT_VARIABLE)
    if parent is None or os.name != "posix":
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()


def study_options(command: ArgumentParser) -> None:
    datasets_help = "names or paths (default: mnist5k)"
    arms_help = f"{', '.join(ARMS)}, or method:field=value (default: {' '.join(MAIN_METHODS)})"
    command.add_argument("--name", help="name of the study (default: the profile's)")
    command.add_argument("--datasets", nargs="+", default=["mnist5k"], metavar="DATASET", help=datasets_help)
    command.add_argument("--arms", nargs="+", default=list(MAIN_METHODS), metavar="ARM", help=arms_help)
    command.add_argument("--seeds", type=whole_number, default=2, metavar="N", help="seeds 0 to N-1 (default: 2)")
    add_budget(command, "length of each run; the cost of each arm's step is measured first")
    add_pool(command)
    add_fields(command, leave_out=("dataset", "method", "arm", "seed"))


def add_budget(command: ArgumentParser, text: str) -> None:
    budget_help = f"{text}, in seconds of its steps alone on a quiet machine (default: --generator-steps)"
    command.add_argument("--budget", type=seconds, metavar="SECONDS", help=budget_help)


def run_study(options: Namespace) -> int:
    from gancompare.study.grid import plan

    objectives, fields = load_objectives(options), given(options)
    name = options.name or fields.get("profile", FIELDS["profile"].metadata["default"])
    check_length(options.budget, fields)
    layout.study_directory(options.results, name)  # raises for a bad name
    fields |= one_precision(options.results, name, fields)
    configs = plan(options.datasets, options.arms, range(options.seeds), **fields)
    jobs = settled_jobs(options.jobs, configs, objectives)
    configs = calibrate(options, name, configs, jobs=jobs, objectives=objectives)
    return carry_out(options, {name: configs}, options.results, name=name, jobs=jobs, objectives=objectives)


def check_length(budget: float | None, fields: dict[str, Any]) -> None:
    if budget is not None and "generator_steps" in fields:
        steps = fields["generator_steps"]
        raise ConfigError(f"budget={budget:g} and generator_steps={steps}: both say how long a run is; give one")


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
    options: Namespace, study: str, configs: list[RunConfig], *, jobs: int | None, objectives: str | None
) -> list[RunConfig]:
    """``configs`` with the steps of the budget, if there is one, after measuring each arm's cost where it is unknown.

    Without a budget costs are only the clock of the report, and a study goes on without them.
    """
    from gancompare.bench.costs import CostError, settled_costs
    from gancompare.data.datasets import check_available
    from gancompare.study.budget import check_budget, plan_budget
    from gancompare.study.pool import plan_jobs, resources

    for dataset in {config.dataset for config in configs}:  # what can be seen to be wrong is said before measuring
        check_available(dataset)
    plan_jobs({study: configs}, options.results)
    check_budget(options.results, study, options.budget)
    threads = resources(configs, jobs).threads
    try:
        costs = settled_costs(options.results, study, configs, threads=threads, objectives=objectives)
    except CostError as error:
        if options.budget is not None:
            raise
        print(f"warning: {error}; seconds will be those that each run measures", file=sys.stderr, flush=True)
        return configs
    if options.budget is None:
        return configs
    how = {"budget": options.budget, "costs": costs, "given": given(options)}
    return plan_budget(options.results, study, configs, **how)


def sensitivity_options(command: ArgumentParser) -> None:
    from gancompare.runs.sweeps import PARTS

    command.add_argument("--name", default="sweep", help="name of the sweep (default: sweep)")
    command.add_argument("--seeds", type=whole_number, default=3, metavar="N", help="seeds 0 to N-1 (default: 3)")
    command.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="(default: all)")
    architectures_help = "random ones, one seed each (default: 8)"
    command.add_argument("--architectures", type=whole_number, default=8, metavar="N", help=architectures_help)
    seed_help = "seed that the architectures are drawn from (default: 0)"
    command.add_argument("--architecture-seed", type=int, default=0, metavar="N", help=seed_help)
    add_pool(command)
    add_fields(command, leave_out=("method", "arm", "seed"))
    command.set_defaults(dataset="mnist5k")


def run_sensitivity(options: Namespace) -> int:
    from gancompare.study.sweep import plan

    objectives, fields = load_objectives(options), given(options)
    root = layout.study_directory(options.results, options.name)
    fields |= one_precision(root, "*", fields)
    cells = plan(
        fields.pop("dataset"),
        seeds=options.seeds,
        architectures=options.architectures,
        architecture_seed=options.architecture_seed,
        parts=options.parts,
        **fields,
    )
    if not cells:
        raise ConfigError(f"parts={options.parts}: none of them can be run on {options.dataset!r}; choose others")
    jobs = settled_jobs(options.jobs, [config for configs in cells.values() for config in configs], objectives)
    return carry_out(options, cells, root, name=options.name, jobs=jobs, objectives=objectives)


def add_pool(command: ArgumentParser) -> None:
    jobs_help = "runs at a time, or auto: measured once on this machine (default: one per core, or per GPU)"
    command.add_argument("--jobs", type=jobs_or_auto, metavar="N", help=jobs_help)
    add_results(command)
    add_reports(command)
    add_training(command)
    command.add_argument("--no-report", action="store_true", help="train only")


def carry_out(
    options: Namespace,
    studies: dict[str, list[RunConfig]],
    root: Path,
    *,
    name: str,
    jobs: int | None,
    objectives: str | None,
) -> int:
    """Run the ``studies`` in ``root``, name the failed runs, and write the report ``name``; returns the exit code."""
    from gancompare.report.build import ReportError, build_report
    from gancompare.study.pool import run_studies

    how = {"jobs": jobs, "notebook": not options.no_notebook, "objectives": objectives}
    outcomes = run_studies(studies, root, **how)
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    for outcome in failed:
        print(f"failed: {outcome.directory}: {outcome.message}", file=sys.stderr)
    if not options.no_report and len(failed) < len(outcomes):
        try:
            print(build_report(name, options.results, options.reports or options.results.parent / "reports"))
        except ReportError as error:  # the runs are done: not the user's input, and not worth losing them
            print(f"gancompare: error: {error}", file=sys.stderr)
            return FAILED
    return FAILED if failed else DONE
