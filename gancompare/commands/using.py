"""Commands that use a trained generator: generate, export."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from gancompare.commands.options import DONE, whole_number
from gancompare.config import FIELDS, RunConfig
from gancompare.runs import layout


def generate_options(command: ArgumentParser) -> None:
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


def generate_images(options: Namespace) -> int:
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


def export_options(command: ArgumentParser) -> None:
    from gancompare.explore.formats import FORMATS

    command.add_argument("--run", required=True, type=Path, metavar="DIR", help="a run's directory")
    command.add_argument("--output", required=True, type=Path, metavar="FILE", help="a new file")
    command.add_argument("--format", required=True, choices=FORMATS, help="kind of file")
    command.add_argument("--checkpoint", choices=layout.WEIGHTS, default="last", help="(default: last)")
    command.add_argument("--half", action="store_true", help="round safetensors to float16: half as large")
    command.add_argument("--force", action="store_true", help="replace an earlier file")


def export_generator(options: Namespace) -> int:
    from gancompare.explore.export import export

    choices = {"checkpoint": options.checkpoint, "force": options.force, "half": options.half}
    worst = export(options.run, options.format, options.output, **choices)
    print(f"{options.output}: images differ from the run's by {worst:.1e} at most")
    return DONE
