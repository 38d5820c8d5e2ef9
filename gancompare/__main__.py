"""``python -m gancompare``, also installed as ``gancompare``: a parser and a short function for each command.

Commands import what they need when they are called, so that each starts as soon as it can.
"""

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gancompare
from gancompare.base.errors import UserError
from gancompare.config import FIELDS, ConfigError, RunConfig, nearest
from gancompare.recipes import EXTRACTORS, MAIN_METHODS
from gancompare.runs import layout

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
Parser = argparse.ArgumentParser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 some run failed, 2 bad input, 130 stopped by the user."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    top = parser(next((word for word in arguments if not word.startswith("-")), None))
    options, unknown = top.parse_known_args(arguments)
    if unknown:
        flags = [name.replace("_", "-") for name in FIELDS]
        top.error(f"unknown option {unknown[0]}: {nearest(unknown[0].lstrip('-').split('=')[0], flags)}; see --help")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits it ignored
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's stop is a Ctrl-C
    try:
        return options.command(options)
    except UserError as error:
        print(f"gancompare: error: {error}", file=sys.stderr)
        return FAILED if isinstance(error, layout.RunFailed) else BAD_INPUT
    except KeyboardInterrupt:
        print("\nstopped; finished work is kept, and the same command goes on from here", file=sys.stderr)
        return INTERRUPTED


def parser(command: str | None = None) -> Parser:
    """The parser of all commands, with the options of ``command`` alone, whose imports are the only ones made; None:
    with the options of all."""
    top = Parser(prog="gancompare", description="Compare GAN, WGAN and WGAN-GP under equal conditions.")
    top.add_argument("--version", action="version", version=gancompare.__version__)
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, (function, text, add_options) in COMMANDS.items():
        added = commands.add_parser(name, allow_abbrev=False, help=text, description=text[0].upper() + text[1:] + ".")
        added.set_defaults(command=function)
        if command in (name, None):
            add_options(added)
    return top


# ---- options that several commands share -----------------------------------------------------------------------------


def add_fields(command: Parser, leave_out: tuple[str, ...] = ()) -> None:
    """One option per config field, in kebab case; what is not given is filled in by profile, recipe and data set."""
    group = command.add_argument_group("settings of a run (default: by profile, recipe, method and data set)")
    for name, field in FIELDS.items():
        if name in leave_out:
            continue
        flag, choices = "--" + name.replace("_", "-"), field.metadata["choices"]
        text = field.metadata["help"] + (f" ({', '.join(map(str, choices))})" if choices else "")
        if field.type is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            group.add_argument(flag, type=field.type, default=None, metavar=field.type.__name__.upper(), help=text)


def given(options: argparse.Namespace) -> dict[str, Any]:
    """The config fields that were given on the command line."""
    return {name: getattr(options, name) for name in FIELDS if getattr(options, name, None) is not None}


def add_results(command: Parser) -> None:
    default = layout.results_directory()
    command.add_argument("--results", type=Path, default=default, metavar="DIR", help=f"(default: {default})")


def add_reports(command: Parser) -> None:
    command.add_argument("--reports", type=Path, metavar="DIR", help="(default: reports beside the results)")


def add_training(command: Parser) -> None:
    command.add_argument("--objectives", metavar="FILE", help="a Python file that adds objectives of your own")
    command.add_argument("--no-notebook", action="store_true", help="train without Jupyter kernels")


def load_objectives(options: argparse.Namespace) -> str | None:
    """Execute the file of objectives, if one was given; returns its absolute path."""
    if not options.objectives:
        return None
    from gancompare.objectives import load_file

    load_file(options.objectives)
    return str(Path(options.objectives).resolve())


def whole_number(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def jobs_or_auto(text: str) -> int | str:
    return text if text == "auto" else whole_number(text)


# ---- run -------------------------------------------------------------------------------------------------------------


def run_options(command: Parser) -> None:
    command.add_argument("--directory", type=Path, metavar="DIR", help="train what the config.json in DIR says")
    command.add_argument("--study", help="name of the study the run belongs to (default: the profile's)")
    add_results(command)
    add_training(command)
    add_fields(command)


def run(options: argparse.Namespace) -> int:
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


# ---- study and sensitivity -------------------------------------------------------------------------------------------


def study_options(command: Parser) -> None:
    datasets_help, methods_help = "names or paths (default: mnist5k)", f"(default: {' '.join(MAIN_METHODS)})"
    command.add_argument("--name", help="name of the study (default: the profile's)")
    command.add_argument("--datasets", nargs="+", default=["mnist5k"], metavar="DATASET", help=datasets_help)
    command.add_argument("--methods", nargs="+", default=list(MAIN_METHODS), metavar="METHOD", help=methods_help)
    command.add_argument("--seeds", type=whole_number, default=2, metavar="N", help="seeds 0 to N-1 (default: 2)")
    add_pool(command)
    add_fields(command, leave_out=("dataset", "method", "seed"))


def run_study(options: argparse.Namespace) -> int:
    from gancompare.study.grid import plan

    objectives, fields = load_objectives(options), given(options)
    name = options.name or fields.get("profile", FIELDS["profile"].metadata["default"])
    configs = plan(options.datasets, options.methods, range(options.seeds), **fields)
    return carry_out(options, {name: configs}, options.results, name, objectives)


def sensitivity_options(command: Parser) -> None:
    from gancompare.runs.sweeps import PARTS

    command.add_argument("--name", default="sweep", help="name of the sweep (default: sweep)")
    command.add_argument("--seeds", type=whole_number, default=3, metavar="N", help="seeds 0 to N-1 (default: 3)")
    command.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="(default: all)")
    architectures_help = "random ones, one seed each (default: 8)"
    command.add_argument("--architectures", type=whole_number, default=8, metavar="N", help=architectures_help)
    seed_help = "seed that the architectures are drawn from (default: 0)"
    command.add_argument("--architecture-seed", type=int, default=0, metavar="N", help=seed_help)
    add_pool(command)
    add_fields(command, leave_out=("method", "seed"))
    command.set_defaults(dataset="mnist5k")


def run_sensitivity(options: argparse.Namespace) -> int:
    from gancompare.study.sweep import plan

    objectives, fields = load_objectives(options), given(options)
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
    root = layout.study_directory(options.results, options.name)
    return carry_out(options, cells, root, options.name, objectives)


def add_pool(command: Parser) -> None:
    jobs_help = "runs at a time, or auto: measured once on this machine (default: one per core, or per GPU)"
    command.add_argument("--jobs", type=jobs_or_auto, metavar="N", help=jobs_help)
    add_results(command)
    add_reports(command)
    add_training(command)
    command.add_argument("--no-report", action="store_true", help="train only")


def carry_out(
    options: argparse.Namespace, studies: dict[str, list[RunConfig]], root: Path, name: str, objectives: str | None
) -> int:
    """Run the ``studies`` in ``root``, name the failed runs, and write the report ``name``; returns the exit code."""
    from gancompare.report.build import ReportError, build_report
    from gancompare.study.pool import run_studies

    jobs = options.jobs
    if jobs == "auto":
        from gancompare.bench.workers import best_jobs  # brings torch's profiler

        jobs = best_jobs([config for configs in studies.values() for config in configs])
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


# ---- report and evaluate ---------------------------------------------------------------------------------------------


def report_options(command: Parser) -> None:
    command.add_argument("--study", required=True, help="name of a study or of a sweep")
    add_results(command)
    add_reports(command)


def make_report(options: argparse.Namespace) -> int:
    from gancompare.report.build import build_report

    print(build_report(options.study, options.results, options.reports or options.results.parent / "reports"))
    return DONE


def evaluate_options(command: Parser) -> None:
    command.add_argument("--real", required=True, metavar="DATASET", help="a data set's name, or a folder or zip")
    command.add_argument("--fake", required=True, metavar="IMAGES", help="a run's directory, or a folder or zip")
    command.add_argument("--extractor", choices=EXTRACTORS, help="(default: the one that a run on this data uses)")
    command.add_argument("--json", type=Path, metavar="OUT", help="also write all scores to OUT")
    most = {"type": whole_number, "default": 10_000, "metavar": "N"}
    command.add_argument("--num-images", **most, help="at most, of both sides (default: 10000)")
    command.add_argument("--seed", type=int, default=0, help="of a run's latents (default: 0)")
    command.add_argument("--checkpoint", choices=layout.WEIGHTS, default="last", help="of a run (default: last)")
    command.add_argument("--image-size", type=int, metavar="N", help="(default: that of the run or of the data set)")
    command.add_argument("--channels", type=int, choices=(1, 3), help="(default: those of the run or of the data set)")
    command.add_argument("--device", help=FIELDS["device"].metadata["help"])


def evaluate(options: argparse.Namespace) -> int:
    from gancompare.base.device import choose_device
    from gancompare.base.files import write_atomically
    from gancompare.scoring.compare import compare, summary, to_json

    scores = compare(
        options.real,
        options.fake,
        extractor=options.extractor,
        n=options.num_images,
        seed=options.seed,
        image_size=options.image_size,
        channels=options.channels,
        device=choose_device(options.device or "auto"),
        checkpoint=options.checkpoint,
    )
    if options.json:  # first of all: what is on the disk cannot be lost
        write_atomically(options.json, to_json(scores).encode())
    print("\n".join(summary(scores)))
    return DONE


# ---- generate and export ---------------------------------------------------------------------------------------------


def generate_options(command: Parser) -> None:
    from gancompare.explore.generate import FORMATS

    command.add_argument("--run", required=True, type=Path, metavar="DIR", help="a run's directory")
    command.add_argument("--output", required=True, type=Path, metavar="DIR", help="a new folder")
    command.add_argument("--num-images", type=whole_number, default=64, metavar="N", help="(default: 64)")
    command.add_argument("--seed", type=int, default=0, help="of the latents (default: 0)")
    format_help = "a file per image, one picture, or one array (default: png)"
    command.add_argument("--format", choices=FORMATS, default="png", help=format_help)
    truncation_help = "cut latents off at ±T: less varied, nearer to the average"
    command.add_argument("--truncation", type=float, metavar="T", help=truncation_help)
    class_help = "of a conditional run: only this class, by name or number"
    command.add_argument("--class", dest="of_class", metavar="CLASS", help=class_help)
    command.add_argument("--batch-size", type=whole_number, default=256, metavar="N", help="at a time (default: 256)")
    command.add_argument("--checkpoint", choices=layout.WEIGHTS, default="last", help="(default: last)")
    command.add_argument("--device", help=FIELDS["device"].metadata["help"])
    command.add_argument("--force", action="store_true", help="replace an earlier output")


def generate_images(options: argparse.Namespace) -> int:
    from gancompare.base.device import choose_device
    from gancompare.base.progress import progress_bar
    from gancompare.explore.generate import generate

    made = generate(
        options.run,
        options.output,
        options.num_images,
        seed=options.seed,
        form=options.format,
        truncation=options.truncation,
        batch_size=options.batch_size,
        checkpoint=options.checkpoint,
        device=choose_device(RunConfig(device=options.device).device),
        force=options.force,
        of_class=options.of_class,
    )
    with progress_bar(options.num_images, "generating", "images") as bar:
        for count in made:
            bar.update(count - bar.n)
    print(options.output)
    return DONE


def export_options(command: Parser) -> None:
    from gancompare.explore.formats import FORMATS

    command.add_argument("--run", required=True, type=Path, metavar="DIR", help="a run's directory")
    command.add_argument("--output", required=True, type=Path, metavar="FILE", help="a new file")
    command.add_argument("--format", required=True, choices=FORMATS, help="kind of file")
    command.add_argument("--checkpoint", choices=layout.WEIGHTS, default="last", help="(default: last)")
    command.add_argument("--half", action="store_true", help="round safetensors to float16: half as large")
    command.add_argument("--force", action="store_true", help="replace an earlier file")


def export_generator(options: argparse.Namespace) -> int:
    from gancompare.explore.export import export

    choices = {"checkpoint": options.checkpoint, "force": options.force, "half": options.half}
    worst = export(options.run, options.format, options.output, **choices)
    print(f"{options.output}: images differ from the run's by {worst:.1e} at most")
    return DONE


# ---- bench, datasets, info -------------------------------------------------------------------------------------------


def bench_options(command: Parser) -> None:
    command.add_argument("--sizes", nargs="+", type=int, choices=(28, 64), default=[28, 64], help="(default: 28 64)")
    methods = {"nargs": "+", "choices": MAIN_METHODS, "default": list(MAIN_METHODS)}
    command.add_argument("--methods", **methods, help="(default: all three)")
    rounds_help, steps_help = "timings of each loop (default: 5)", "steps per timing (default: 1)"
    command.add_argument("--rounds", type=whole_number, default=5, metavar="N", help=rounds_help)
    command.add_argument("--steps", type=whole_number, default=1, metavar="N", help=steps_help)
    command.add_argument("--device", help=FIELDS["device"].metadata["help"])
    command.add_argument("--precision", help=FIELDS["precision"].metadata["help"])
    command.add_argument("--json", type=Path, metavar="FILE", help="also write the table to FILE")
    command.add_argument("--chart", type=Path, metavar="FILE", help="also draw it, as PNG, PDF or SVG by the name")
    quality_help = "also time training on MNIST until FD-classifier is below"
    command.add_argument("--time-to-quality", type=float, metavar="FD", help=quality_help)
    limit = {"type": float, "default": 600.0, "metavar": "SECONDS"}
    command.add_argument("--time-limit", **limit, help="of that, for each loop (default: 600)")
    sizes_help = "also time planning and reading N runs"
    command.add_argument("--study-sizes", nargs="+", type=whole_number, metavar="N", help=sizes_help)


def benchmark(options: argparse.Namespace) -> int:
    from gancompare.bench.bookkeeping import bookkeeping
    from gancompare.bench.compare import compare
    from gancompare.bench.quality import time_to_quality, with_quality
    from gancompare.bench.show import chart, summary

    fields = {"device": options.device, "precision": options.precision}
    sizes = {28: {"channels": 1, "base_channels": 32}, 64: {"channels": 3, "base_channels": 64}}
    methods = options.methods
    configs = [RunConfig(method=m, image_size=s, **sizes[s], **fields) for s in options.sizes for m in methods]
    quality = []
    if options.time_to_quality is not None:  # first, as it may lack its data
        limits = {"threshold": options.time_to_quality, "limit_seconds": options.time_limit}
        timed = [RunConfig(dataset="mnist", method=method, **fields) for method in methods]
        quality = [time_to_quality(config, **limits) for config in timed]
    table = with_quality(compare(configs, rounds=options.rounds, steps=options.steps), quality)
    if options.json:
        options.json.write_text(table.to_json(orient="records", indent=2) + "\n")
    if options.chart:
        chart(table).savefig(options.chart)
    print(summary(table))
    if options.study_sizes:
        with tempfile.TemporaryDirectory() as directory:
            print(bookkeeping(options.study_sizes, Path(directory)).to_string(index=False))
    return DONE


def list_datasets(options: argparse.Namespace) -> int:
    from gancompare.data.datasets import describe_datasets

    for row in describe_datasets():
        count = f"{row.images:,} images" if row.images else ""
        print(f"{row.name:<14} {'found' if row.available else 'not found':<10} {count:<14} {row.where}")
        if row.hint:
            print(f"{'':<14} {row.hint}")
    print("Any folder or zip of images works too: --dataset PATH")
    return DONE


def show_info(options: argparse.Namespace) -> int:
    import torch

    from gancompare.base import device as machine
    from gancompare.data.cache import cache_directory
    from gancompare.data.datasets import data_directories
    from gancompare.study.pool import automatic_jobs

    device = machine.choose_device("auto")
    lines = {
        "gancompare": gancompare.__version__,
        "torch": torch.__version__,
        "device": f"{device} ({machine.device_name(device)})",
        "precision": "bf16" if machine.choose_bf16("auto", device) else "float32",
        "threads": f"{torch.get_num_threads()} of {machine.usable_cores()} cores",
        "jobs in a study": automatic_jobs(1000, torch.cuda.device_count()),
        "data": ", ".join(map(str, data_directories())),
        "cache": cache_directory(),
        "results": layout.results_directory(),
    }
    for name, value in lines.items():
        print(f"{name:<16} {value}")
    return DONE


COMMANDS: dict[str, tuple[Callable[[argparse.Namespace], int], str, Callable[[Parser], None]]] = {
    "run": (run, "train one run: a data set, a method, a seed", run_options),
    "study": (run_study, "train every data set × method × seed, then write the report", study_options),
    "sensitivity": (
        run_sensitivity,
        "vary settings, architectures and number of modes, one cell each",
        sensitivity_options,
    ),
    "report": (make_report, "write the HTML report of a study or a sweep from its results", report_options),
    "evaluate": (evaluate, "score a run, or any images, against real images", evaluate_options),
    "generate": (generate_images, "write images that a run's generator makes", generate_options),
    "export": (export_generator, "write a run's generator for other programs", export_options),
    "bench": (benchmark, "time a generator step against the textbook loop", bench_options),
    "datasets": (list_datasets, "list the built-in data sets: found or not, where, how many images", lambda _: None),
    "info": (show_info, "show device, precision, threads and directories", lambda _: None),
}

if __name__ == "__main__":
    sys.exit(main())
