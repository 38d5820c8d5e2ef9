"""The output folder of ``generate``: whether it may be made, whether the images fit, and how it appears whole."""

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from gancompare.base.device import available_memory
from gancompare.runs import record
from gancompare.runs.grids import PADDING
from gancompare.runs.layout import RunError

FACTS = "generate.json"  # says what the images are
OURS = re.compile(r"\d+\.png|grid\.png|images\.npz|generate\.json")  # all that an output folder is ever given
FILE_BYTES = 4096  # the least that a small file takes on the disk


def check_output(output: Path, force: bool) -> None:
    """Raise RunError if ``output`` must not be made or replaced."""
    if not output.exists():
        return
    if not output.is_dir():
        raise RunError(f"--output {output} is a file: give a folder")
    names = sorted(path.name for path in output.iterdir())
    foreign = [name for name in names if not OURS.fullmatch(name)]
    if foreign:  # not with --force either: a slip must not cost a folder of something else
        raise RunError(f"--output {output} holds other files, such as {foreign[0]}: give a new folder")
    if names and FACTS not in names:  # somebody else's numbered images
        raise RunError(f"--output {output} holds {names[0]} but no {FACTS}, as an output does: give a new folder")
    if names and not force:
        raise RunError(f"--output {output} exists: give a new folder, or --force to replace it")


def check_room(output: Path, count: int, form: str, *, shape: tuple[int, int, int], latent_dim: int) -> None:
    """Raise RunError for more images of ``shape`` (C, H, W) than the disk, the memory or a picture can hold."""
    channels, height, width = shape
    pixels = count * channels * height * width
    tile = (height + PADDING) * (width + PADDING)
    if form == "grid" and count * tile > Image.MAX_IMAGE_PIXELS:
        most = Image.MAX_IMAGE_PIXELS // tile
        raise RunError(f"--num-images {count:,} is too many for one grid: at most {most:,}, or --format png or npz")
    place = next(folder for folder in output.absolute().parents if folder.exists())
    needed = max(pixels, count * FILE_BYTES) if form == "png" else pixels
    free = shutil.disk_usage(place).free
    if needed > free:
        raise RunError(
            f"--num-images {count:,} may need {_gib(needed)}, but {_gib(free)} are free in {place}: "
            "ask for fewer or choose another --output"
        )
    # the latents, and copies of them in float64 when they are truncated
    needed, free = 24 * count * latent_dim + (2 * pixels if form == "grid" else 0), available_memory()
    if free is not None and needed > free:
        raise RunError(
            f"--num-images {count:,} needs {_gib(needed)} of memory, but {_gib(free)} are available: ask for fewer"
        )


def _gib(count: int) -> str:
    return f"{count / 2**30:,.1f} GiB"


@contextlib.contextmanager
def new_folder(output: Path, force: bool) -> Iterator[Path]:
    """A folder to fill that takes the place of ``output`` when the block ends well, and vanishes when it does not.

    Raises RunError if another process is filling it. What a killed process left is swept up by the next.
    """
    aside = output.absolute().with_name(f".{output.absolute().name}.partial")
    folder, old, held = aside / "new", aside / "old", False
    try:
        with record.hold(aside, "--output"):
            held = True
            _remove(folder, old)
            folder.mkdir()
            try:
                yield folder
                check_output(output, force)  # once more: it may have been made meanwhile
                if output.exists():
                    output.rename(old)
                folder.rename(output)
            finally:
                if old.exists() and not output.exists():
                    old.rename(output)
                _remove(folder, old)
    except OSError as error:
        raise RunError(f"--output {output} cannot be written: {error}") from error
    finally:
        if held:
            with contextlib.suppress(OSError):  # in use again by another process
                (aside / ".lock").unlink(missing_ok=True)
                aside.rmdir()


def _remove(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
