"""A finished run → new images: from one latent per image, the same for a seed whatever the batch size or the format."""

import contextlib
import itertools
import json
import math
import re
import shutil
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.utils import make_grid

from gancompare.base.device import available_memory, usable_cores
from gancompare.base.streams import fixed_latents
from gancompare.data.pixels import to_uint8
from gancompare.runs import grids, layout, record, weights
from gancompare.scoring.sampling import in_batches

FORMATS = ("png", "grid", "npz")
BLOCK = 16  # latents in every forward pass: another number can be rounded to another pixel value
OURS = re.compile(r"\d+\.png|grid\.png|images\.npz|generate\.json")  # all that an output folder is ever given
FILE_BYTES = 4096  # the least that a small file takes on the disk


def generate(
    run: str | Path,
    output: str | Path,
    count: int,
    seed: int = 0,
    form: str = "png",
    truncation: float | None = None,
    batch_size: int = 256,
    checkpoint: str = "last",
    device: str | torch.device = "cpu",
    force: bool = False,
    of_class: str | None = None,
) -> Iterator[int]:
    """Write ``count`` images of a run into the new folder ``output``; yields how many are made so far.

    ``form``: "png", a file per image; "grid", all in ``grid.png``; "npz", ``images.npz`` with uint8 ``images``
    (N, H, W, C). Beside them ``generate.json`` says what they are. The folder appears when it is whole; it may exist if
    it is empty or, with ``force``, if it holds nothing but an earlier output.

    The first images of a seed do not depend on ``count``. ``batch_size`` images are held at a time, rounded up to a
    multiple of 16; ``truncation`` as in ``truncate``. ``of_class``: all of that class, by name or number; without it a
    conditional run shows its classes in turn. On another device a pixel may differ by a rounding.
    Raises RunError for a run without usable weights or such a class, an output that must not be replaced, and
    impossible numbers.
    """
    output = Path(output)
    for name, value in (("num-images", count), ("batch-size", batch_size)):
        if value < 1:
            raise layout.RunError(f"--{name} {value}: must be at least 1")
    check_output(output, force)
    net = load(run, device, checkpoint)
    config = record.read_config(Path(run))
    about = {"run": str(run), "run_hash": config["hash"], "num_images": count, "seed": seed, "format": form}
    about |= {"truncation": truncation, "checkpoint": checkpoint, "class": of_class}
    size, channels = config["config"]["image_size"], config["config"]["channels"]
    check_count(output, count, form, size, channels, net.latent_dim)
    whole = math.ceil(count / BLOCK) * BLOCK
    latents, labels = truncate(fixed_latents(seed, "generate", whole, net.latent_dim), truncation), net.in_turn(whole)
    if of_class is not None:
        labels = torch.full((whole,), class_number(Path(run), of_class))
    with new_folder(output, force) as folder:
        (folder / "generate.json").write_text(json.dumps(about, indent=2) + "\n")
        write = {"png": write_files, "grid": write_grid, "npz": write_npz}[form]
        yield from write(folder, batches(net, latents, labels, count, batch_size), count, (size, size, channels))


def load(run: str | Path, device: str | torch.device = "cpu", checkpoint: str = "last") -> nn.Module:
    """``weights.load_generator``, that also raises RunError for weights that are not finite."""
    net = weights.load_generator(run, device, checkpoint)
    if not all(weights.isfinite().all() for weights in net.state_dict().values() if weights.is_floating_point()):
        status = record.read_status(Path(run))["status"]
        raise layout.RunError(f"{run} has generator weights that are not finite (status {status}): no images to be had")
    return net.to(memory_format=torch.channels_last)  # convolutions take about four fifths of the time


def truncate(z: Tensor, limit: float | None) -> Tensor:
    """Values of N(0, 1) → values of N(0, 1) cut off at ±``limit`` (the truncation trick), each moved monotonically.

    Each value keeps its quantile, so that one latent stays recognisable as the limit changes. None: as they are.
    Raises RunError unless ``limit`` is positive and finite.
    """
    if limit is None:
        return z
    if not 0 < limit < math.inf:
        raise layout.RunError(f"--truncation {limit}: must be a positive number; small is typical, large is varied")
    edge = torch.special.ndtr(torch.tensor(-float(limit), dtype=torch.float64))
    negative = torch.special.ndtr(-z.double().abs())  # the lower tail alone keeps its digits
    cut = torch.special.ndtri(edge + negative * (1 - 2 * edge))
    return torch.copysign(cut.abs().clamp(max=limit), z.double()).to(z.dtype)


def class_number(run: Path, name: str) -> int:
    """The label of a class of a conditional run, by its name or its number. Raises RunError where there is none."""
    classes = weights.classes_of(run)
    if not classes:
        raise layout.RunError(f"--class {name}: {run} was not told classes; train one with --conditional")
    if name in classes:
        return classes.index(name)
    if name.isdecimal() and int(name) < len(classes):
        return int(name)
    some = ", ".join(classes[:20]) + (f" and {len(classes) - 20} more" if len(classes) > 20 else "")
    raise layout.RunError(f"--class {name}: no such class; there are {some}, or their numbers from 0")


@torch.no_grad()
def render(net: nn.Module, latents: Tensor, labels: Tensor | None = None) -> Tensor:
    """Latents (N, latent_dim) on the CPU → uint8 images (N, C, H, W), whose bits do not depend on the other latents.

    ``labels`` (N,): for a conditional generator, by default its classes in turn.
    """
    device, missing = next(net.parameters()).device, -len(latents) % BLOCK
    labels = net.in_turn(len(latents)) if labels is None else labels
    padded = torch.cat([latents, latents.new_zeros(missing, latents.shape[1])])
    labels = None if labels is None else torch.cat([labels, labels.new_zeros(missing)])
    blocks = [to_uint8(net(z.to(device), of)).cpu() for z, of in in_batches(padded, labels, BLOCK)]
    return torch.cat(blocks)[: len(latents)]


def batches(
    net: nn.Module, latents: Tensor, labels: Tensor | None, count: int, batch_size: int
) -> Iterator[tuple[int, np.ndarray]]:
    """(index of the first, uint8 (n, H, W, C)) for the first ``count`` latents, and their labels if there are any."""
    size = math.ceil(batch_size / BLOCK) * BLOCK
    for number, (z, of) in enumerate(in_batches(latents, labels, size)):
        start = number * size
        images = render(net, z, of)[: count - start]
        yield start, images.permute(0, 2, 3, 1).contiguous().numpy()


# ---- the three formats -----------------------------------------------------------------------------------------------


def write_files(folder: Path, images: Iterator, count: int, shape: tuple[int, int, int]) -> Iterator[int]:
    """``00000.png`` and so on, encoded in threads while the next batch is generated."""
    digits = max(5, len(str(count - 1)))

    def save(start: int, batch: np.ndarray, first: int, last: int) -> None:
        for i in range(first, last):
            with open(folder / f"{start + i:0{digits}d}.png", "wb") as file:  # speed before size
                to_image(batch[i]).save(file, format="PNG", compress_level=1)

    workers, waiting, done = min(usable_cores(), 8), list[Future](), 0
    with ThreadPoolExecutor(workers) as pool:
        for start, batch in images:
            for future in waiting:  # at most two batches in memory
                future.result()
            yield start
            parts = np.linspace(0, len(batch), workers + 1).astype(int)
            waiting = [pool.submit(save, start, batch, a, b) for a, b in itertools.pairwise(parts) if a < b]
            done = start + len(batch)
        for future in waiting:
            future.result()
    yield done


def write_grid(folder: Path, images: Iterator, count: int, shape: tuple[int, int, int]) -> Iterator[int]:
    """All images in one picture, as near to a square as whole rows allow."""
    kept = []
    for start, batch in images:
        kept.append(torch.from_numpy(batch))
        yield start + len(batch)
    grid(torch.cat(kept).permute(0, 3, 1, 2)).save(folder / "grid.png")


def write_npz(folder: Path, images: Iterator, count: int, shape: tuple[int, int, int]) -> Iterator[int]:
    """``numpy.load(…)["images"]``, uint8 (N, H, W, C), written as it is made, so that memory does not limit N."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    with (
        zipfile.ZipFile(folder / "images.npz", "w") as archive,
        archive.open("images.npy", "w", force_zip64=True) as member,
    ):
        np.lib.format.write_array_header_1_0(member, header)
        for start, batch in images:
            member.write(batch.tobytes())
            yield start + len(batch)


def to_image(pixels: np.ndarray) -> Image.Image:
    """uint8 (H, W, 1 or 3) → a picture in grey or colour."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def grid(images: Tensor, columns: int | None = None) -> Image.Image:
    """uint8 (N, C, H, W) → one picture, white between images; about a square unless ``columns`` are given."""
    sheet = make_grid(images, nrow=columns or math.ceil(math.sqrt(len(images))), padding=grids.PADDING, pad_value=255)
    return to_image(sheet[: images.shape[1]].permute(1, 2, 0).numpy())  # make_grid turns grey into three channels


# ---- the output folder -----------------------------------------------------------------------------------------------


def check_output(output: Path, force: bool) -> None:
    """Raise RunError if ``output`` must not be made or replaced."""
    if not output.exists():
        return
    if not output.is_dir():
        raise layout.RunError(f"--output {output} is a file: give a folder")
    found = sorted(path.name for path in output.iterdir())
    foreign = [name for name in found if not OURS.fullmatch(name)]
    if foreign:  # not with --force either: a slip must not cost a folder of something else
        raise layout.RunError(f"--output {output} holds other files, such as {foreign[0]}: give a new folder")
    if found and "generate.json" not in found:  # numbered images of somebody else's
        raise layout.RunError(
            f"--output {output} holds {found[0]} but no generate.json, as an output does: give a new folder"
        )
    if found and not force:
        raise layout.RunError(f"--output {output} exists: give a new folder, or --force to replace it")


def check_count(output: Path, count: int, form: str, size: int, channels: int, latent_dim: int) -> None:
    """Raise RunError for more images than the disk, the memory or a picture can hold."""
    pixels = count * size * size * channels
    if form == "grid" and count * (size + grids.PADDING) ** 2 > Image.MAX_IMAGE_PIXELS:
        most = Image.MAX_IMAGE_PIXELS // (size + grids.PADDING) ** 2
        raise layout.RunError(
            f"--num-images {count:,} is too many for one grid: at most {most:,}, or --format png or npz"
        )
    place = next(folder for folder in output.absolute().parents if folder.exists())
    needed = max(pixels, count * FILE_BYTES) if form == "png" else pixels
    free = shutil.disk_usage(place).free
    if needed > free:
        raise layout.RunError(
            f"--num-images {count:,} may need {needed / 2**30:,.1f} GiB, but {free / 2**30:,.1f} GiB are free in "
            f"{place}: ask for fewer or choose another --output"
        )
    # the latents, and copies of them in float64 where they are truncated
    needed, free = 24 * count * latent_dim + (2 * pixels if form == "grid" else 0), available_memory()
    if free is not None and needed > free:
        raise layout.RunError(
            f"--num-images {count:,} needs {needed / 2**30:,.1f} GiB of memory, but {free / 2**30:,.1f} GiB are "
            "available: ask for fewer"
        )


@contextlib.contextmanager
def new_folder(output: Path, force: bool) -> Iterator[Path]:
    """A folder to fill that takes the place of ``output`` when the block ends well, and vanishes when it does not.

    Raises RunError if another process is filling it. What a killed one left is swept up by the next.
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
        raise layout.RunError(f"--output {output} cannot be written: {error}") from error
    finally:
        if held:
            with contextlib.suppress(OSError):  # in use again by another process
                (aside / ".lock").unlink(missing_ok=True)
                aside.rmdir()


def _remove(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def with_progress(counts: Iterator[int], total: int, every: float = 5.0) -> Iterator[int]:
    """Pass ``counts`` on; print the last, and one each ``every`` seconds with the time that is left."""
    begun = last = time.monotonic()
    for done in counts:
        now = time.monotonic()
        if done and (done == total or now - last >= every):
            rate = done / max(now - begun, 1e-9)
            left = f", {(total - done) / rate:.0f} s left" if done < total else ""
            print(f"{done:,}/{total:,} images, {rate:,.0f}/s{left}", flush=True)
            last = now
        yield done
