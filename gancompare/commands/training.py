"""Commands that train: run, study, sensitivity."""

import os
import signal
import sys
import threading
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

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
    name_failed,
    whole_number,
)
from gancompare.commands.planning import (
    add_budget,
    add_grid,
    calibrate,
    check_length,
    is_tuned,
    one_precision,
    refuse_tuned,
    settled_jobs,
)
from gancompare.config import FIELDS, ConfigError, RunConfig
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
    refuse_tuned(given(options))
    if directory is None:
        config = RunConfig.from_dict(given(options))
        directory = layout.run_directory(options.results, options.study or config.profile, config)
        choose_device(config.device)  # what can be seen to be wrong is said before anything is written
        check_available(config.dataset)
        record.plan_run(directory, config, objectives)
    elif given(options) or options.study:
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
    command.add_argument("--name", help="name of the study (default: the profile's)")
    add_grid(command)
    command.add_argument("--seeds", type=whole_number, default=2, metavar="N", help="seeds 0 to N-1 (default: 2)")
    add_budget(command, "length of each run; the cost of each arm's step is measured first")
    add_pool(command)
    add_fields(command, leave_out=("dataset", "method", "arm", "seed"))


def run_study(options: Namespace) -> int:
    from gancompare.study.grid import plan, plan_tuned
    from gancompare.study.pool import plan_jobs

    objectives, fields = load_objectives(options), given(options)
    name = options.name or fields.get("profile", FIELDS["profile"].metadata["default"])
    check_length(options.budget, fields)
    layout.study_directory(options.results, name)  # raises for a bad name
    fields |= one_precision(options.results, name, fields)
    grid = options.datasets, options.arms, range(options.seeds)
    configs = plan_tuned(*grid, **fields) if is_tuned(fields) else plan(*grid, **fields)
    plan_jobs({name: configs}, options.results)  # raises where two runs would share a directory
    jobs = settled_jobs(options.jobs, configs, objectives)
    how = {"budget": options.budget, "given": given(options), "jobs": jobs, "objectives": objectives}
    configs = calibrate(options.results, name, configs, **how)
    return run_and_report(options, {name: configs}, options.results, name=name, jobs=jobs, objectives=objectives)


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
    refuse_tuned(fields)
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
    return run_and_report(options, cells, root, name=options.name, jobs=jobs, objectives=objectives)


def add_pool(command: ArgumentParser) -> None:
    jobs_help = "runs at a time, or auto: measured once on this machine (default: one per core, or per GPU)"
    command.add_argument("--jobs", type=jobs_or_auto, metavar="N", help=jobs_help)
    add_results(command)
    add_reports(command)
    add_training(command)
    command.add_argument("--no-report", action="store_true", help="train only")


def run_and_report(
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
    failed = name_failed(outcomes)
    if not options.no_report and len(failed) < len(outcomes):
        try:
            print(build_report(name, options.results, options.reports or options.results.parent / "reports"))
        except ReportError as error:  # the runs are done: not the user's input, and not worth losing them
            print(f"gancompare: error: {error}", file=sys.stderr)
            return FAILED
    return FAILED if failed else DONE
