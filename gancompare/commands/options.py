"""Options that several commands share, and what is read from them."""

import math
import sys
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gancompare.config import FIELDS
from gancompare.runs import layout

if TYPE_CHECKING:  # a command is listed without importing studies
    from gancompare.study.run import Outcome

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130  # exit codes


def add_fields(command: ArgumentParser, leave_out: tuple[str, ...] = ()) -> None:
    """One option per config field, in kebab case; what is not given is filled in by profile, recipe and data set."""
    group = command.add_argument_group("settings of a run (default: by profile, recipe, method and data set)")
    for name, field in FIELDS.items():
        if name in leave_out:
            continue
        flag, choices = "--" + name.replace("_", "-"), field.metadata["choices"]
        text = field.metadata["help"] + (f" ({', '.join(map(str, choices))})" if choices else "")
        if field.type is bool:
            group.add_argument(flag, action=BooleanOptionalAction, default=None, help=text)
        else:
            group.add_argument(flag, type=field.type, default=None, metavar=field.type.__name__.upper(), help=text)


def given(options: Namespace) -> dict[str, Any]:
    """The config fields that were given on the command line."""
    return {name: getattr(options, name) for name in FIELDS if getattr(options, name, None) is not None}


def add_results(command: ArgumentParser) -> None:
    default = layout.results_directory()
    command.add_argument("--results", type=Path, default=default, metavar="DIR", help=f"(default: {default})")


def add_reports(command: ArgumentParser) -> None:
    command.add_argument("--reports", type=Path, metavar="DIR", help="(default: reports beside the results)")


def add_objectives(command: ArgumentParser) -> None:
    command.add_argument("--objectives", metavar="FILE", help="a Python file that adds objectives of your own")


def add_training(command: ArgumentParser) -> None:
    add_objectives(command)
    command.add_argument("--no-notebook", action="store_true", help="train without Jupyter kernels")


def load_objectives(options: Namespace) -> str | None:
    """Execute the file of objectives, if one was given; returns its absolute path."""
    if not options.objectives:
        return None
    from gancompare.objectives import load_file

    load_file(options.objectives)
    return str(Path(options.objectives).resolve())


def name_failed(outcomes: "list[Outcome]") -> "list[Outcome]":
    """The runs that failed, each named on standard error with its reason."""
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    for outcome in failed:
        print(f"failed: {outcome.directory}: {outcome.message}", file=sys.stderr)
    return failed


def whole_number(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def jobs_or_auto(text: str) -> int | str:
    return text if text == "auto" else whole_number(text)
