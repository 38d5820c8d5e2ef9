"""A finished run → new images: from one latent per image, the same for a seed whatever the batch size or the format."""

import itertools
import math
import zipfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gancompare.base.device import usable_cores
from gancompare.base.streams import fixed_latents
from gancompare.explore.finished import open_generator
from gancompare.explore.latents import truncate
from gancompare.explore.output import FACTS, check_output, check_room, new_folder
from gancompare.explore.pictures import BLOCK, render
from gancompare.runs import record
from gancompare.runs.grids import grid, to_image
from gancompare.runs.layout import RunError
from gancompare.runs.weights import classes_of
from gancompare.scoring.sampling import in_batches

Shape = tuple[int, int, int]  # (C, H, W) of an image
Batches = Iterator[tuple[int, Tensor]]  # number of the first image, uint8 (n, C, H, W)


def generate(
    run: str | Path,
    output: str | Path,
    count: int,
    *,
    seed: int = 0,
    form: str = "png",
    truncation: float | None = None,
    batch_size: int = 256,
    checkpoint: str = "last",
    device: str | torch.device = "cpu",
    force: bool = False,
    of_class: str | None = None,
) -> Iterator[int]:
    """Write ``count`` images of a run into the new folder ``output``; yields how many have been made so far.

    ``form``: "png", a file per image; "grid", all in ``grid.png``; "npz", ``images.npz`` with uint8 ``images``
    (N, H, W, C). Beside them ``generate.json`` says what they are. The folder appears when it is whole; it may exist if
    it is empty or, with ``force``, if it holds nothing but an earlier output.

    The first images of a seed do not depend on ``count``. ``batch_size`` images are held at a time, rounded up to a
    multiple of 16; ``truncation`` as in ``truncate``. ``of_class``: all of that class, by name or number; without it a
    conditional run shows its classes in turn. On another device a pixel may differ by a rounding.
    Raises RunError for a run without usable weights or without that class, an output that must not be replaced, and
    impossible numbers.
    """
    run, output = Path(run), Path(output)
    for name, value in (("num-images", count), ("batch-size", batch_size)):
        if value < 1:
            raise RunError(f"--{name} {value}: must be at least 1")
    check_output(output, force)
    net = open_generator(run, device, checkpoint)
    content = record.read_config(run)
    shape = (content["config"]["channels"], *2 * (content["config"]["image_size"],))
    check_room(output, count, form, shape=shape, latent_dim=net.latent_dim)
    whole = math.ceil(count / BLOCK) * BLOCK
    latents = truncate(fixed_latents(seed, "generate", whole, net.latent_dim), truncation)
    labels = net.in_turn(whole) if of_class is None else torch.full((whole,), class_number(run, of_class))
    facts = {"run": str(run), "run_hash": content["hash"], "num_images": count, "seed": seed, "format": form}
    facts |= {"truncation": truncation, "checkpoint": checkpoint, "class": of_class}
    with new_folder(output, force) as folder:
        record.write_json(folder / FACTS, facts)
        images = batches(net, latents, labels, count=count, size=batch_size)
        yield from FORMATS[form](folder, images, count=count, shape=shape)


def class_number(run: Path, name: str) -> int:
    """The label of a class of a conditional run, by its name or its number. Raises RunError if there is none."""
    classes = classes_of(run)
    if not classes:
        raise RunError(f"--class {name}: {run} was trained without classes; train one with --conditional")
    if name in classes:
        return classes.index(name)
    if name.isdecimal() and int(name) < len(classes):
        return int(name)
    some = ", ".join(classes[:20]) + (f" and {len(classes) - 20} more" if len(classes) > 20 else "")
    raise RunError(f"--class {name}: no such class; there are {some}, or their numbers from 0")


def batches(net: nn.Module, latents: Tensor, labels: Tensor | None, *, count: int, size: int) -> Batches:
    """The images of the first ``count`` latents, ``size`` at a time, rounded up to whole blocks."""
    size = math.ceil(size / BLOCK) * BLOCK
    for number, (z, part) in enumerate(in_batches(latents, labels, size)):
        start = number * size
        yield start, render(net, z, part)[: count - start]


# ---- the three formats: each writes all images and yields how many have been made so far ----------------------


def write_files(folder: Path, images: Batches, *, count: int, shape: Shape) -> Iterator[int]:
    """``00000.png`` and so on, encoded in threads while the next batch is generated."""
    digits = max(5, len(str(count - 1)))

    def save(start: int, part: Tensor) -> None:
        for number, image in enumerate(part, start):
            with open(folder / f"{number:0{digits}d}.png", "wb") as file:  # speed before size
                to_image(image).save(file, format="PNG", compress_level=1)

    workers, waiting = min(usable_cores(), 8), list[Future]()
    with ThreadPoolExecutor(workers) as pool:
        for start, batch in images:
            for future in waiting:  # at most two batches in memory
                future.result()
            yield start
            parts = np.linspace(0, len(batch), workers + 1).astype(int)
            waiting = [pool.submit(save, start + a, batch[a:b]) for a, b in itertools.pairwise(parts) if a < b]
        for future in waiting:
            future.result()
    yield count


def write_grid(folder: Path, images: Batches, *, count: int, shape: Shape) -> Iterator[int]:
    """All images in one picture, as near to a square as whole rows allow."""
    kept = []
    for start, batch in images:
        kept.append(batch)
        yield start + len(batch)
    grid(torch.cat(kept)).save(folder / "grid.png")


def write_npz(folder: Path, images: Batches, *, count: int, shape: Shape) -> Iterator[int]:
    """``numpy.load(…)["images"]``, uint8 (N, H, W, C), written as it is made, so that memory does not limit N."""
    channels, height, width = shape
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, height, width, channels)}
    with (
        zipfile.ZipFile(folder / "images.npz", "w") as archive,
        archive.open("images.npy", "w", force_zip64=True) as member,
    ):
        np.lib.format.write_array_header_1_0(member, header)
        for start, batch in images:
            member.write(batch.permute(0, 2, 3, 1).contiguous().numpy().tobytes())
            yield start + len(batch)


FORMATS = {"png": write_files, "grid": write_grid, "npz": write_npz}
