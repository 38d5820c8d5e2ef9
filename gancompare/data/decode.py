"""Image files → uint8 tensor (N, C, S, S). Files are not trusted, and may fail in any way."""

import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from gancompare.base.device import available_memory
from gancompare.base.progress import progress_bar
from gancompare.data.errors import DataError
from gancompare.data.listing import ImageFiles, image_formats

DECODER_VERSION = 1  # raise it whenever the same files decode to other pixels, so that old cache files are not read
BATCH = 32  # images a thread takes at a time: one future per image is slow and, for a million, large
MAX_SKIPPED = 0.01  # share of undecodable files above which a dataset is refused


class Decoded(NamedTuple):
    """Images in memory, before they are split."""

    images: Tensor  # uint8 (N, C, S, S)
    labels: Tensor | None  # int64 (N,), indices into classes
    classes: tuple[str, ...]  # empty when unlabelled
    skipped: tuple[str, ...] = ()  # undecodable files, each "name: reason"

    def to_tensors(self) -> dict[str, Tensor]:
        """The same as tensors by name, as the cache holds them; texts become the bytes of their JSON."""
        texts = json.dumps([self.classes, self.skipped]).encode()
        tensors = {"images": self.images, "texts": torch.frombuffer(bytearray(texts), dtype=torch.uint8)}
        return tensors if self.labels is None else tensors | {"labels": self.labels}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> "Decoded":
        """The inverse of ``to_tensors``."""
        classes, skipped = json.loads(tensors["texts"].numpy().tobytes())
        return cls(tensors["images"], tensors.get("labels"), tuple(classes), tuple(skipped))


def decode_images(files: ImageFiles, image_size: int, channels: int, *, workers: int) -> Decoded:
    """Decode all ``files`` in ``workers`` threads, in the order of their names, leaving out those that fail.

    Raises: DataError if more than MAX_SKIPPED of the files cannot be decoded.
    """
    names, labels = files.names, files.labels
    images = np.empty((len(names), channels, image_size, image_size), np.uint8)

    def decode(i: int) -> None:  # a thread holds the bytes of one file at a time
        images[i] = decode_image(files.read(names[i]), image_size, channels)

    failed = _for_each(len(names), decode, f"decoding {files.path.name}", workers=workers)
    skipped = tuple(f"{names[i]}: {reason}" for i, reason in failed.items())
    if len(failed) > MAX_SKIPPED * len(names):
        raise DataError(
            f"{files.path}: {len(failed):,} of {len(names):,} images cannot be decoded, more than {MAX_SKIPPED:.0%}: "
            f"remove or replace them; the first are\n  " + "\n  ".join(skipped[:20])
        )
    if failed:
        kept = [i for i in range(len(names)) if i not in failed]
        images, labels = images[kept], None if labels is None else labels[kept]
    return Decoded(torch.from_numpy(images), labels, files.classes, skipped)


def decode_image(data: bytes, image_size: int, channels: int) -> np.ndarray:
    """Bytes of an image file of any mode and size (of an animation the first frame) → uint8 (C, S, S).

    A broken file raises whatever Pillow raises.
    """
    with Image.open(io.BytesIO(data), formats=list(dict.fromkeys(image_formats().values()))) as image:
        # Pillow calls 16-bit PNG and PNM "I" in some versions and "I;16" in others
        sixteen_bit = image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))
        if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:  # Pillow would only warn
            raise Image.DecompressionBombError(f"{image.width}×{image.height} pixels: may be a decompression bomb")
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode.startswith(("I", "F")):
            image = _to_eight_bit(np.asarray(image), sixteen_bit)
        return _to_array(image, image_size, channels)


def resize_images(pixels: Tensor, image_size: int, channels: int) -> Tensor:
    """Greyscale uint8 (N, H, W) → uint8 (N, channels, image_size, image_size), by the same rule as image files.

    Raises: DataError if they would not fit into memory.
    """
    check_memory("the dataset", len(pixels), channels=channels, image_size=image_size)
    if pixels.shape[1:] != (image_size, image_size):
        resized = np.empty((len(pixels), image_size, image_size), np.uint8)
        for i, image in enumerate(pixels.numpy()):  # too little work in each for threads to help
            resized[i] = _to_array(Image.fromarray(image), image_size, 1)[0]
        pixels = torch.from_numpy(resized)
    return pixels[:, None].repeat(1, channels, 1, 1)


def check_memory(what: str, n: int, *, channels: int, image_size: int) -> None:
    """Raise DataError if n images of this size, and a copy of them (a split is cut by copying), would not fit."""
    needed, available = 2 * n * channels * image_size**2, available_memory()
    if available is not None and needed > available:
        raise DataError(
            f"{what}: {n:,} images of {channels}×{image_size}×{image_size} need {needed / 2**30:,.1f} GiB of memory "
            f"while loading, but {available / 2**30:,.1f} GiB are available: choose a smaller image_size or less data"
        )


def _for_each(n: int, work: Callable[[int], None], title: str, *, workers: int) -> dict[int, str]:
    """Call work(0) … work(n − 1) in threads (Pillow releases the GIL) and return {index: reason} of those that fail."""
    failed = {}

    def batch(start: int) -> int:
        stop = min(start + BATCH, n)
        for i in range(start, stop):
            try:
                work(i)
            except UnidentifiedImageError:  # its message holds a memory address
                failed[i] = "not an image that can be read"
            except Exception as error:  # decoders meet broken files with nearly every type of exception
                failed[i] = f"{type(error).__name__}: {error}"
        return stop - start

    with ThreadPoolExecutor(workers) as pool, progress_bar(n, title, "images") as progress:
        try:
            for done in pool.map(batch, range(0, n, BATCH)):
                progress.update(done)
        except BaseException:  # Ctrl-C must not wait for the rest
            pool.shutdown(cancel_futures=True)
            raise
    return dict(sorted(failed.items()))


def _to_eight_bit(values: np.ndarray, sixteen_bit: bool) -> Image.Image:
    """Greyscale of any depth → mode L. Raises ValueError where the scale of the values cannot be told."""
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 65535):  # also true of NaN
        raise ValueError(f"pixel values from {low:g} to {high:g} are outside 0–65535, so their scale is unknown")
    if sixteen_bit or high > 255:
        values = values // 256  # returns v exactly both from 256 v and from 257 v, the two usual ways to widen v
    elif values.dtype.kind == "f" and high <= 1:
        values = values * 255
    return Image.fromarray(np.rint(values).astype(np.uint8))


def _to_array(image: Image.Image, image_size: int, channels: int) -> np.ndarray:
    """Any 8-bit image → uint8 (C, S, S): transparency over white, centre square, antialiased resize."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    mode = "L" if channels == 1 else "RGB"
    if image.mode != mode:
        image = image.convert("RGB").convert(mode)  # by way of RGB: not every mode converts to L
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    # cropping before resizing gives the same picture, and never enlarges a one-pixel-wide strip to gigabytes
    image = image.crop((left, top, left + side, top + side))
    if side != image_size:
        image = image.resize((image_size, image_size), Image.Resampling.LANCZOS)
    array = np.asarray(image)
    return array[None] if channels == 1 else array.transpose(2, 0, 1)
