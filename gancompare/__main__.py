"""``python -m gancompare``, also installed as ``gancompare``: parse the command line and call."""

import argparse
import math
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import gancompare
from gancompare.base import device as machine
from gancompare.base.device import DeviceError
from gancompare.base.files import write_atomically
from gancompare.config import FIELDS, MAIN_METHODS, ConfigError, RunConfig, nearest
from gancompare.data.datasets import DataError, cache_directory, data_directories, describe_datasets
from gancompare.explore import export, generate
from gancompare.report import page as report
from gancompare.runs import runs
from gancompare.scoring import evaluation
from gancompare.scoring.features import EXTRACTORS, FeatureError
from gancompare.study import study
from gancompare.runs import sweeps
from gancompare.study import sweep as sweep_runs

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 some run failed, 2 bad input, 130 stopped by the user."""
    top = parser()
    options, unknown = top.parse_known_args(arguments)
    if unknown:
        flags = [name.replace("_", "-") for name in FIELDS]
        top.error(f"unknown option {unknown[0]}: {nearest(unknown[0].lstrip('-').split('=')[0], flags)}; see --help")
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits it ignored
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's stop is a Ctrl-C
    try:
        return options.command(options)
    except (ConfigError, DataError, DeviceError, FeatureError, runs.RunError, report.ReportError) as error:
        print(f"gancompare: error: {error}", file=sys.stderr)
        return FAILED if isinstance(error, runs.RunFailed) else BAD_INPUT
    except KeyboardInterrupt:
        print("\nstopped; finished work is kept, and the same command goes on from here", file=sys.stderr)
        return INTERRUPTED


def run(options: argparse.Namespace) -> int:
    end_with_parent()
    config = RunConfig.from_dict(given(options))
    outcome = study.execute(config, options.study or config.profile, options.results, not options.no_notebook)
    print(f"{outcome.directory}: {outcome.status} {outcome.message}".rstrip())
    return DONE


def run_study(options: argparse.Namespace) -> int:
    fields = given(options)
    name = options.name or fields.get("profile", FIELDS["profile"].metadata["default"])
    configs = study.plan(options.datasets, options.methods, range(options.seeds), **fields)
    outcomes = study.run_study(configs, name, options.results, chosen_jobs(options, configs), not options.no_notebook)
    return conclude(options, outcomes, name, "03_compare.ipynb")


def run_sensitivity(options: argparse.Namespace) -> int:
    fields = given(options)
    fields.pop("dataset")
    if fields.setdefault("profile", "sweep") == "sweep" and fields.get("recipe", "shared") == "shared":
        fields = sweep_runs.SHORT | fields
    grid = math.prod(map(len, sweeps.ARCHITECTURES.values()))
    if options.architectures > grid:
        raise ConfigError(f"architectures={options.architectures}: there are {grid}, ask for fewer")
    counts = (options.seeds, options.architectures, options.architecture_seed)
    cells = sweep_runs.plan(options.dataset, *counts, tuple(options.parts), **fields)
    if not cells:
        raise ConfigError(f"parts={options.parts}: none of them can be run on {options.dataset!r}; choose others")
    jobs = chosen_jobs(options, [config for configs in cells.values() for config in configs])
    outcomes = sweep_runs.run(cells, options.name, options.results, jobs, not options.no_notebook)
    return conclude(options, outcomes, options.name, "06_sensitivity.ipynb")


def chosen_jobs(options: argparse.Namespace, configs: list[RunConfig]) -> int | None:
    if options.jobs != "auto":
        return options.jobs
    from gancompare.bench import bench  # brings torch's counter of operations, which every other command would wait for

    return bench.best_jobs(configs)


def conclude(options: argparse.Namespace, outcomes: list[study.Outcome], name: str, notebook: str) -> int:
    """Name the failed runs, and write the report that ``notebook`` is; returns the exit code."""
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    for outcome in failed:
        print(f"failed: {outcome.directory}: {outcome.message}", file=sys.stderr)
    if not options.no_report and len(failed) < len(outcomes):
        reports = options.reports or options.results.parent / "reports"
        try:
            print(report.build_report(name, options.results, reports, notebook))
        except report.ReportError as error:  # the runs are done: not the user's input, and not worth losing them
            print(f"gancompare: error: {error}", file=sys.stderr)
            return FAILED
    return FAILED if failed else DONE


def make_report(options: argparse.Namespace) -> int:
    print(report.build_report(options.study, options.results, options.reports or options.results.parent / "reports"))
    return DONE


def evaluate(options: argparse.Namespace) -> int:
    found = evaluation.compare(
        options.real,
        options.fake,
        options.extractor,
        options.num_images,
        options.seed,
        options.image_size,
        options.channels,
        machine.choose_device(options.device or "auto"),
        options.checkpoint,
    )
    if options.json:  # first of all: what is on the disk cannot be lost
        write_atomically(options.json, evaluation.to_json(found).encode())
    print("\n".join(evaluation.summary(found)))
    return DONE


def generate_images(options: argparse.Namespace) -> int:
    count = options.num_images
    device = machine.choose_device(RunConfig(device=options.device).device)
    choices = (options.format, options.truncation, options.batch_size, options.checkpoint, device, options.force)
    choices += (options.of_class,)
    counts = generate.generate(options.run, options.output, count, options.seed, *choices)
    for _ in generate.with_progress(counts, count):
        pass
    print(options.output)
    return DONE


def export_generator(options: argparse.Namespace) -> int:
    choices = (options.checkpoint, options.force, options.half)
    worst = export.export(options.run, options.format, options.output, *choices)
    print(f"{options.output}: images differ from the run's by {worst:.1e} at most")
    return DONE


def list_datasets(options: argparse.Namespace) -> int:
    for row in describe_datasets():
        count = f"{row['images']:,} images" if row["images"] else ""
        print(f"{row['name']:<14} {'found' if row['found'] else 'not found':<10} {count:<14} {row['where']}")
        if not row["found"]:
            print(f"{'':<14} {row['hint']}")
    print("Any folder or zip of images works too: --dataset PATH")
    return DONE


def show_info(options: argparse.Namespace) -> int:
    device = machine.choose_device("auto")
    lines = {
        "gancompare": gancompare.__version__,
        "torch": torch.__version__,
        "device": f"{device} ({machine.device_name(device)})",
        "precision": "bf16" if machine.choose_bf16("auto", device) else "float32",
        "threads": f"{torch.get_num_threads()} of {machine.usable_cores()} cores",
        "jobs in a study": study.automatic_jobs(1000, torch.cuda.device_count()),
        "data": ", ".join(map(str, data_directories())),
        "cache": cache_directory(),
        "results": runs.results_directory(),
    }
    for name, value in lines.items():
        print(f"{name:<16} {value}")
    return DONE


def benchmark(options: argparse.Namespace) -> int:
    from gancompare.bench import bench

    fields = {"device": options.device, "precision": options.precision}
    sizes = {28: {"channels": 1, "base_channels": 32}, 64: {"channels": 3, "base_channels": 64}}
    configs = [RunConfig(method=m, image_size=s, **sizes[s], **fields) for s in options.sizes for m in MAIN_METHODS]
    quality = []
    if options.time_to_quality is not None:  # first, as it may lack its data
        timed = [RunConfig(dataset="mnist", method=method, **fields) for method in MAIN_METHODS]
        quality = [bench.time_to_quality(c, options.time_to_quality, options.time_limit) for c in timed]
    table = bench.with_quality(bench.compare(configs, options.rounds, options.steps), quality)
    if options.json:
        options.json.write_text(table.to_json(orient="records", indent=2) + "\n")
    if options.chart:
        bench.chart(table).savefig(options.chart)
    print(bench.summary(table))
    if options.study_sizes:
        with tempfile.TemporaryDirectory() as directory:
            print(bench.bookkeeping(options.study_sizes, Path(directory)).to_string(index=False))
    return DONE


def end_with_parent() -> None:
    """If a study started this run, stop when the study's process is gone, so that a kill leaves nothing running."""
    parent = os.environ.get(study.PARENT_VARIABLE)
    if parent is None or os.name != "posix":
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()


def given(options: argparse.Namespace) -> dict[str, Any]:
    """The config fields that were given on the command line."""
    return {name: getattr(options, name) for name in FIELDS if getattr(options, name, None) is not None}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="gancompare", description="Compare GAN, WGAN and WGAN-GP under equal conditions."
    )
    top.add_argument("--version", action="version", version=gancompare.__version__)
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    one = add_command(commands, "run", run, "train one run: a data set, a method, a seed")
    one.add_argument("--study", help="name of the study the run belongs to (default: the profile's)")
    add_places(one, "results")
    one.add_argument("--no-notebook", action="store_true", help="train without a Jupyter kernel")
    add_fields(one, leave_out=())

    many = add_command(commands, "study", run_study, "train every data set × method × seed, then write the report")
    many.add_argument("--name", help="name of the study (default: the profile's)")
    many.add_argument(
        "--datasets", nargs="+", default=["mnist5k"], metavar="DATASET", help="names or paths (default: mnist5k)"
    )
    many.add_argument(
        "--methods", nargs="+", default=list(MAIN_METHODS), metavar="METHOD", help="(default: gan wgan wgan-gp)"
    )
    many.add_argument(
        "--seeds", type=whole_number, default=2, metavar="N", help="seeds 0 to N-1 for every cell (default: 2)"
    )
    jobs_help = "runs at a time, or auto: measured once on this machine (default: one per core, or per GPU)"
    many.add_argument("--jobs", type=jobs_or_auto, metavar="N", help=jobs_help)
    add_places(many, "results", "reports")
    many.add_argument("--no-notebook", action="store_true", help="train without Jupyter kernels")
    many.add_argument("--no-report", action="store_true", help="train only")
    add_fields(many, leave_out=("dataset", "method", "seed"))

    sweep = add_command(
        commands, "sensitivity", run_sensitivity, "vary settings, architectures and number of modes, one cell each"
    )
    sweep.add_argument("--name", default="sweep", help="name of the sweep (default: sweep)")
    sweep.add_argument("--seeds", type=whole_number, default=3, metavar="N", help="seeds 0 to N-1 (default: 3)")
    sweep.add_argument(
        "--parts", nargs="+", choices=sweep_runs.PARTS, default=list(sweep_runs.PARTS), help="(default: all)"
    )
    sweep.add_argument(
        "--architectures", type=whole_number, default=8, metavar="N", help="random ones, one seed each (default: 8)"
    )
    sweep.add_argument(
        "--architecture-seed", type=int, default=0, metavar="N", help="that they are drawn from (default: 0)"
    )
    sweep.add_argument("--jobs", type=jobs_or_auto, metavar="N", help=jobs_help)
    add_places(sweep, "results", "reports")
    sweep.add_argument("--no-notebook", action="store_true", help="train without Jupyter kernels")
    sweep.add_argument("--no-report", action="store_true", help="train only")
    add_fields(sweep, leave_out=("method", "seed"))
    sweep.set_defaults(dataset="mnist5k")

    page = add_command(commands, "report", make_report, "write the HTML report of a study from its results")
    page.add_argument("--study", required=True, help="name of the study")
    add_places(page, "results", "reports")

    scoring = add_command(commands, "evaluate", evaluate, "score a run, or any images, against real images")
    scoring.add_argument("--real", required=True, metavar="DATASET", help="a data set's name, or a folder or zip")
    scoring.add_argument("--fake", required=True, metavar="IMAGES", help="a run's directory, or a folder or zip")
    scoring.add_argument("--extractor", choices=EXTRACTORS, help="(default: the one that a run on this data uses)")
    scoring.add_argument("--json", type=Path, metavar="OUT", help="also write all scores to OUT")
    scoring.add_argument(
        "--num-images", type=whole_number, default=10_000, metavar="N", help="at most, of both sides (default: 10000)"
    )
    scoring.add_argument("--seed", type=int, default=0, help="of a run's latents (default: 0)")
    scoring.add_argument("--checkpoint", choices=runs.WEIGHTS, default="last", help="of a run (default: last)")
    scoring.add_argument("--image-size", type=int, metavar="N", help="(default: that of the run or of the data set)")
    scoring.add_argument("--channels", type=int, choices=(1, 3), help="(default: those of the run or of the data set)")
    scoring.add_argument("--device", help=FIELDS["device"].metadata["help"])

    images = add_command(commands, "generate", generate_images, "write images that a run's generator makes")
    images.add_argument("--run", required=True, type=Path, metavar="DIR", help="a run's directory")
    images.add_argument("--output", required=True, type=Path, metavar="DIR", help="a new folder")
    images.add_argument("--num-images", type=whole_number, default=64, metavar="N", help="(default: 64)")
    images.add_argument("--seed", type=int, default=0, help="of the latents (default: 0)")
    images.add_argument(
        "--format", choices=generate.FORMATS, default="png", help="a file per image, one picture, or one array"
    )
    images.add_argument(
        "--truncation", type=float, metavar="T", help="cut latents off at ±T: less varied, nearer to the average"
    )
    images.add_argument(
        "--class", dest="of_class", metavar="CLASS", help="of a conditional run: only this class, by name or number"
    )
    images.add_argument("--batch-size", type=whole_number, default=256, metavar="N", help="at a time (default: 256)")
    images.add_argument("--checkpoint", choices=runs.WEIGHTS, default="last", help="(default: last)")
    images.add_argument("--device", help=FIELDS["device"].metadata["help"])
    images.add_argument("--force", action="store_true", help="replace an earlier output")

    packing = add_command(commands, "export", export_generator, "write a run's generator for other programs")
    packing.add_argument("--run", required=True, type=Path, metavar="DIR", help="a run's directory")
    packing.add_argument("--output", required=True, type=Path, metavar="FILE", help="a new file")
    packing.add_argument("--format", required=True, choices=export.FORMATS, help="kind of file")
    packing.add_argument("--checkpoint", choices=runs.WEIGHTS, default="last", help="(default: last)")
    packing.add_argument("--half", action="store_true", help="round safetensors to float16: half as large")
    packing.add_argument("--force", action="store_true", help="replace an earlier file")

    timing = add_command(commands, "bench", benchmark, "time a generator step against the textbook loop")
    timing.add_argument("--sizes", nargs="+", type=int, choices=(28, 64), default=[28, 64], help="(default: 28 64)")
    timing.add_argument("--rounds", type=whole_number, default=5, metavar="N", help="timings of each loop (default: 5)")
    timing.add_argument("--steps", type=whole_number, default=1, metavar="N", help="steps per timing (default: 1)")
    timing.add_argument("--device", help=FIELDS["device"].metadata["help"])
    timing.add_argument("--precision", help=FIELDS["precision"].metadata["help"])
    timing.add_argument("--json", type=Path, metavar="FILE", help="also write the table to FILE")
    timing.add_argument("--chart", type=Path, metavar="FILE", help="also draw it, as PNG, PDF or SVG by the name")
    timing.add_argument(
        "--time-to-quality", type=float, metavar="FD", help="also time training on MNIST until FD-classifier is below"
    )
    timing.add_argument(
        "--time-limit", type=float, default=600.0, metavar="SECONDS", help="of that, for each loop (default: 600)"
    )
    timing.add_argument(
        "--study-sizes", nargs="+", type=whole_number, metavar="N", help="also time planning and reading N runs"
    )

    add_command(
        commands, "datasets", list_datasets, "list the built-in data sets: found or not, where, how many images"
    )
    add_command(commands, "info", show_info, "show device, precision, threads and directories")
    return top


def add_command(commands, name: str, function, text: str) -> argparse.ArgumentParser:
    added = commands.add_parser(name, allow_abbrev=False, help=text, description=text[0].upper() + text[1:] + ".")
    added.set_defaults(command=function)
    return added


def add_places(command: argparse.ArgumentParser, *names: str) -> None:
    results = runs.results_directory()
    places = {"results": (results, results), "reports": (None, "reports beside the results")}
    for name in names:
        default, shown = places[name]
        command.add_argument(f"--{name}", type=Path, default=default, metavar="DIR", help=f"(default: {shown})")


def add_fields(command: argparse.ArgumentParser, leave_out: tuple[str, ...]) -> None:
    """One option per config field, in kebab case; what is not given is filled by profile, recipe and data set."""
    group = command.add_argument_group("what shapes a run (default: by profile, recipe, method and data set)")
    for name, field in FIELDS.items():
        if name in leave_out:
            continue
        flag, choices = "--" + name.replace("_", "-"), field.metadata["choices"]
        text = field.metadata["help"] + (f" ({', '.join(map(str, choices))})" if choices else "")
        if field.type is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        else:
            group.add_argument(flag, type=field.type, default=None, metavar=field.type.__name__.upper(), help=text)


def whole_number(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def jobs_or_auto(text: str) -> int | str:
    return text if text == "auto" else whole_number(text)


if __name__ == "__main__":
    sys.exit(main())
