"""A folder or zip of image files → uint8 tensor (N, C, S, S), labels, classes, skipped. Files are not trusted."""

import hashlib
import io
import os
import posixpath
import re
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from gancompare.base.device import available_memory
from gancompare.base.errors import UserError

DECODER_VERSION = 1  # raise it whenever the same files decode to other pixels, so that old cache files are not read
BATCH = 32  # images a thread takes at a time: one future per image is slow and, for a million, large
MAX_SKIPPED = 0.01  # share of undecodable files above which a dataset is refused
MAX_MEMBER_BYTES, MAX_TOTAL_BYTES, MAX_RATIO = 256 * 2**20, 64 * 2**30, 1000  # of a zip, which is untrusted


class DataError(UserError, ValueError):
    """Data that cannot be used. The message says what (path, name, value), why, and what to do about it."""


@dataclass(frozen=True)
class ImageFiles:
    """The images of an open folder or zip, not decoded yet."""

    path: Path
    names: list[str]  # sorted, relative to the common folder
    read: Callable[[str], bytes]  # name → content; safe to call from threads
    labels: Tensor | None  # int64 (N,), indices into classes, the first sub-folders; None without sub-folders
    classes: tuple[str, ...]

    def content_key(self) -> str:
        """32 hex digits over names and bytes, which is much quicker than decoding."""
        key = hashlib.blake2b("\0".join(self.names).encode("utf-8", "surrogateescape"), digest_size=16)
        if self.path.is_file():
            with open(self.path, "rb") as file:
                key.update(hashlib.file_digest(file, hashlib.blake2b).digest())
        else:
            for name in self.names:
                with suppress(OSError):  # an unreadable file is reported when it is decoded
                    key.update(hashlib.blake2b(self.read(name)).digest())
        return key.hexdigest()


@contextmanager
def open_images(path: Path) -> Iterator[ImageFiles]:
    """List a folder or zip, reading no image. Raises DataError if it is malformed, unsafe, mixed or without images."""
    if path.is_dir():
        yield _listed(path, _folder_files(path), Path.read_bytes)
        return
    if path.suffix.lower() in _image_formats():
        raise DataError(f"{path} is a single image, not a dataset: give the folder or zip that holds many")
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise DataError(f"{path} is neither a folder nor a readable zip ({error}): copy or create it again") from error
    lock = threading.Lock()

    def read(member: zipfile.ZipInfo) -> bytes:
        with lock:  # ZipFile counts its readers without one
            return archive.read(member)

    with archive:
        yield _listed(path, _zip_members(path, archive), read)


def decode_images(files: ImageFiles, image_size: int, channels: int, workers: int):
    """(images uint8 (N, C, S, S), labels, classes, skipped), in the order of the names, without undecodable files.

    Raises: DataError where more than MAX_SKIPPED of the files cannot be decoded.
    """
    names, labels = files.names, files.labels
    images = np.empty((len(names), channels, image_size, image_size), np.uint8)

    def decode(i: int) -> None:  # a thread holds the bytes of one file at a time
        images[i] = _decode_image(files.read(names[i]), image_size, channels)

    failed = _for_each(len(names), decode, f"decoding {files.path.name}", workers)
    skipped = [f"{names[i]}: {reason}" for i, reason in failed.items()]
    if len(failed) > MAX_SKIPPED * len(names):
        raise DataError(
            f"{files.path}: {len(failed):,} of {len(names):,} images cannot be decoded, more than {MAX_SKIPPED:.0%}: "
            f"remove or replace them; the first are\n  " + "\n  ".join(skipped[:20])
        )
    if failed:
        kept = [i for i in range(len(names)) if i not in failed]
        images, labels = images[kept], None if labels is None else labels[kept]
    return torch.from_numpy(images), labels, files.classes, skipped


def resize_images(pixels: Tensor, image_size: int, channels: int) -> Tensor:
    """Greyscale uint8 (N, H, W) → uint8 (N, channels, image_size, image_size), by the same rule as image files."""
    check_memory("the dataset", len(pixels), channels, image_size)
    if pixels.shape[1:] != (image_size, image_size):
        resized = np.empty((len(pixels), image_size, image_size), np.uint8)
        for i, image in enumerate(pixels.numpy()):  # too little work in each for threads to help
            resized[i] = _to_array(Image.fromarray(image), image_size, 1)[0]
        pixels = torch.from_numpy(resized)
    return pixels[:, None].repeat(1, channels, 1, 1)


def check_memory(what: str, n: int, channels: int, image_size: int) -> None:
    """Raise DataError if n images of this size, and a copy of them (a split is cut by copying), would not fit."""
    needed, available = 2 * n * channels * image_size**2, available_memory()
    if available is not None and needed > available:
        raise DataError(
            f"{what}: {n:,} images of {channels}×{image_size}×{image_size} need {needed / 2**30:,.1f} GiB of memory "
            f"while loading, but {available / 2**30:,.1f} GiB are available: choose a smaller image_size or less data"
        )


# ---- listing ---------------------------------------------------------------------------------------------------------


def _listed(path: Path, entries: dict, read: Callable) -> ImageFiles:
    """ImageFiles of entries {name: what `read` takes}."""
    if not entries:
        extensions = " ".join(sorted(_image_formats()))
        raise DataError(f"{path} holds no images: add files with one of the extensions {extensions}")
    shared = posixpath.commonpath([posixpath.dirname(name) for name in entries])
    start = len(shared) + 1 if shared else 0
    entries = {name[start:]: entry for name, entry in entries.items()}
    names, labels, classes = sorted(entries), None, ()
    inside, outside = [name for name in names if "/" in name], [name for name in names if "/" not in name]
    if inside and outside:
        raise DataError(
            f"{path}: {inside[0]} is in a sub-folder but {outside[0]} is not, so it is unclear whether sub-folders are "
            f"classes: put every image into a class folder, or all into one folder"
        )
    if inside:
        tops = [name.split("/")[0] for name in names]
        classes = tuple(sorted(set(tops)))
        index = {label: i for i, label in enumerate(classes)}
        labels = torch.tensor([index[top] for top in tops])
    return ImageFiles(path, names, lambda name: read(entries[name]), labels, classes)


def _folder_files(path: Path) -> dict[str, Path]:
    files, seen = {}, set()

    def refuse(error: OSError):
        raise DataError(
            f"{path}: a folder in it cannot be listed ({error}): make it readable or move it out"
        ) from error

    for folder, subfolders, names in os.walk(path, followlinks=True, onerror=refuse):
        if os.path.realpath(folder) in seen:  # a link back to a folder above it would be followed for ever
            subfolders.clear()
            continue
        seen.add(os.path.realpath(folder))
        subfolders.sort()  # which of two links to one folder counts must not depend on the file system
        for name in names:
            file = Path(folder, name)
            relative = file.relative_to(path).as_posix()
            if _is_image(relative) and (file.is_file() or file.is_symlink()):  # no pipes; broken links get reported
                files[relative] = file
    return files


def _zip_members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Images of a zip by name. Nothing is ever extracted, but a zip with unsafe names or sizes is refused whole."""
    members, total = {}, 0
    for member in archive.infolist():
        name, packed, size = member.orig_filename, member.compress_size, member.file_size
        image = not member.is_dir() and _is_image(name)  # others are never read, so their sizes do not matter
        total += size if image else 0
        if re.match(r"/|[A-Za-z]:", name) or re.search(r"\\|\0", name) or ".." in name.split("/"):
            problem = "has an unsafe name (absolute, with a drive, a backslash or '..')"
        elif member.flag_bits & 1:
            problem = "is encrypted"
        elif image and member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            problem = f"is compressed by method {member.compress_type}, not by the usual deflate"
        elif image and size > MAX_MEMBER_BYTES:
            problem = f"claims {size:,} bytes, more than {MAX_MEMBER_BYTES:,}"
        elif image and size > 2**20 and size > MAX_RATIO * packed:
            problem = f"claims to unpack from {packed:,} to {size:,} bytes, > {MAX_RATIO} times"
        elif total > MAX_TOTAL_BYTES:
            problem = f"brings the total to {total:,} bytes, more than {MAX_TOTAL_BYTES:,}"
        else:
            if image:
                members[PurePosixPath(name).as_posix()] = member
            continue
        raise DataError(f"{path}: member {name!r} {problem}: make the zip again from plain image files")
    return members


@cache
def _image_formats() -> dict[str, str]:
    """Lower-case extension → format, of the raster formats that Pillow can open here, the most usual first."""
    # EPS would start Ghostscript on an untrusted file; the others are recognised by Pillow but not decoded
    unwanted = {"EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5"}
    known = Image.registered_extensions().items()
    formats = [(extension.lower(), form) for extension, form in known if form in Image.OPEN and form not in unwanted]
    return dict(sorted(formats, key=lambda item: item[1] not in ("JPEG", "PNG")))


def _is_image(name: str) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)
    return not hidden and posixpath.splitext(name)[1].lower() in _image_formats()


# ---- decoding --------------------------------------------------------------------------------------------------------


def _for_each(n: int, work: Callable[[int], None], title: str, workers: int) -> dict[int, str]:
    """Call work(0) … work(n − 1) in threads (Pillow lets go of the GIL); {index: reason} of those that failed."""
    failed, last = {}, time.monotonic()

    def batch(start: int) -> None:
        for i in range(start, min(start + BATCH, n)):
            try:
                work(i)
            except UnidentifiedImageError:  # its message holds a memory address
                failed[i] = "not an image that can be read"
            except Exception as error:  # decoders meet broken files with nearly every type of exception
                failed[i] = f"{type(error).__name__}: {error}"

    with ThreadPoolExecutor(workers) as pool:
        try:
            for done, _ in enumerate(pool.map(batch, range(0, n, BATCH)), 1):
                if time.monotonic() - last > 5:
                    last = time.monotonic()
                    print(f"{title}: {min(BATCH * done, n):,} / {n:,} images", flush=True)
        except BaseException:  # Ctrl-C must not wait for the rest
            pool.shutdown(cancel_futures=True)
            raise
    return dict(sorted(failed.items()))


def _decode_image(data: bytes, image_size: int, channels: int) -> np.ndarray:
    """Bytes of an image file of any mode and size (of an animation the first frame) → uint8 (C, S, S)."""
    with Image.open(io.BytesIO(data), formats=list(dict.fromkeys(_image_formats().values()))) as image:
        # Pillow calls 16-bit PNG and PNM "I" in some versions and "I;16" in others
        sixteen_bit = image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))
        if Image.MAX_IMAGE_PIXELS and image.width * image.height > Image.MAX_IMAGE_PIXELS:  # Pillow would only warn
            raise Image.DecompressionBombError(f"{image.width}×{image.height} pixels: may be a decompression bomb")
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode.startswith(("I", "F")):
            image = _to_eight_bit(np.asarray(image), sixteen_bit)
        return _to_array(image, image_size, channels)


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
