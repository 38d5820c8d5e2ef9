"""Commands about this machine: bench, datasets, info."""

import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path

import gancompare
from gancompare.commands.options import DONE, add_results, load_objectives, whole_number
from gancompare.config import FIELDS, RunConfig
from gancompare.recipes import MAIN_METHODS
from gancompare.runs import layout


def bench_options(command: ArgumentParser) -> None:
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
    costs_help = "only measure the cost of a step again for each arm of STUDY, and store it with its results"
    command.add_argument("--costs", metavar="STUDY", help=costs_help)
    command.add_argument("--objectives", metavar="FILE", help="for that, the file of objectives that it was made with")
    add_results(command)


def benchmark(options: Namespace) -> int:
    return measure_study(options) if options.costs else compare_loops(options)


def measure_study(options: Namespace) -> int:
    """Measure the costs of a study that has runs."""
    from gancompare.bench.costs import measured_again

    measured_again(options.results, options.costs, objectives=load_objectives(options))
    print(layout.study_directory(options.results, options.costs) / layout.COSTS)
    return DONE


def compare_loops(options: Namespace) -> int:
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


def list_datasets(options: Namespace) -> int:
    from gancompare.data.datasets import describe_datasets

    for row in describe_datasets():
        count = f"{row.images:,} images" if row.images else ""
        print(f"{row.name:<14} {'found' if row.available else 'not found':<10} {count:<14} {row.where}")
        if row.hint:
            print(f"{'':<14} {row.hint}")
    print("Any folder or zip of images works too: --dataset PATH")
    return DONE


def show_info(options: Namespace) -> int:
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
