"""Commands that read what is there: report, evaluate."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from gancompare.commands.options import DONE, add_reports, add_results, whole_number
from gancompare.config import FIELDS
from gancompare.recipes import EXTRACTORS
from gancompare.runs import layout


def report_options(command: ArgumentParser) -> None:
    command.add_argument("--study", required=True, help="name of a study or of a sweep")
    add_results(command)
    add_reports(command)


def make_report(options: Namespace) -> int:
    from gancompare.report.build import build_report

    print(build_report(options.study, options.results, options.reports or options.results.parent / "reports"))
    return DONE


def evaluate_options(command: ArgumentParser) -> None:
    command.add_argument("--real", required=True, metavar="DATASET", help="a data set's name, or a folder or zip")
    command.add_argument("--fake", required=True, metavar="IMAGES", help="a run's directory, or a folder or zip")
    command.add_argument("--extractor", choices=EXTRACTORS, help="(default: the one that a run on this data uses)")
    command.add_argument("--json", type=Path, metavar="OUT", help="also write all scores to OUT")
    most = {"type": whole_number, "default": 10_000, "metavar": "N"}
    command.add_argument("--num-images", **most, help="at most, of both sides, drawn at random (default: 10000)")
    command.add_argument("--seed", type=int, default=0, help="of a run's latents (default: 0)")
    command.add_argument("--checkpoint", choices=layout.WEIGHTS, default="last", help="of a run (default: last)")
    command.add_argument("--image-size", type=int, metavar="N", help="(default: that of the run or of the data set)")
    command.add_argument("--channels", type=int, choices=(1, 3), help="(default: those of the run or of the data set)")
    command.add_argument("--device", help=FIELDS["device"].metadata["help"])


def evaluate(options: Namespace) -> int:
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
