"""``python -m gancompare``, also installed as ``gancompare``: the commands there are, and how one of them ends."""

import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence

import gancompare
from gancompare.base.errors import UserError
from gancompare.commands import machine, reading, training, tuning, using
from gancompare.commands.options import BAD_INPUT, FAILED, INTERRUPTED
from gancompare.config import FIELDS, nearest
from gancompare.runs.layout import RunFailed

COMMANDS: dict[str, tuple[Callable[[Namespace], int], str, Callable[[ArgumentParser], None]]] = {
    "run": (training.run, "train one run: a data set, a method, a seed", training.run_options),
    "study": (
        training.run_study,
        "train every data set × method × seed, then write the report",
        training.study_options,
    ),
    "tune": (
        tuning.tune,
        "search each arm's settings, the same few configurations for all, for a study's --recipe",
        tuning.tune_options,
    ),
    "sensitivity": (
        training.run_sensitivity,
        "vary settings, architectures and number of modes, one cell each",
        training.sensitivity_options,
    ),
    "report": (
        reading.make_report,
        "write the HTML report of a study or a sweep from its results",
        reading.report_options,
    ),
    "evaluate": (reading.evaluate, "score a run, or any images, against real images", reading.evaluate_options),
    "generate": (using.generate_images, "write images that a run's generator makes", using.generate_options),
    "export": (using.export_generator, "write a run's generator for other programs", using.export_options),
    "bench": (machine.benchmark, "time a generator step against the textbook loop", machine.bench_options),
    "datasets": (
        machine.list_datasets,
        "list the built-in data sets: found or not, where, how many images",
        lambda _: None,
    ),
    "info": (machine.show_info, "show device, precision, threads and directories", lambda _: None),
}


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
        return FAILED if isinstance(error, RunFailed) else BAD_INPUT
    except KeyboardInterrupt:
        print("\nstopped; finished work is kept, and the same command goes on from here", file=sys.stderr)
        return INTERRUPTED


def parser(command: str | None = None) -> ArgumentParser:
    """The parser of all commands, with the options of ``command`` alone, whose imports are the only ones made; None:
    with the options of all."""
    top = ArgumentParser(prog="gancompare", description="Compare GAN, WGAN and WGAN-GP under equal conditions.")
    top.add_argument("--version", action="version", version=gancompare.__version__)
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, (function, text, add_options) in COMMANDS.items():
        added = commands.add_parser(name, allow_abbrev=False, help=text, description=text[0].upper() + text[1:] + ".")
        added.set_defaults(command=function)
        if command in (name, None):
            add_options(added)
    return top


if __name__ == "__main__":
    sys.exit(main())
