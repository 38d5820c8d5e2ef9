"""A folder or zip → the names of its images and a function that reads one. Nothing in it is trusted."""

import hashlib
import os
import posixpath
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import torch
from PIL import Image
from torch import Tensor

from gancompare.data.errors import DataError


@dataclass(frozen=True)
class Limits:
    """What the members of a zip may claim to unpack to, so that a decompression bomb is refused unopened."""

    member_bytes: int = 256 * 2**20  # one image
    total_bytes: int = 64 * 2**30  # all images together
    ratio: int = 1000  # unpacked to packed bytes of one image


@dataclass(frozen=True)
class ImageFiles:
    """The images of an open folder or zip, not decoded yet."""

    path: Path
    names: list[str]  # sorted, relative to the folder that all images share
    read: Callable[[str], bytes]  # name → content; safe to call from threads
    labels: Tensor | None  # int64 (N,), indices into classes; None without sub-folders
    classes: tuple[str, ...]  # the first sub-folders

    def content_key(self) -> str:
        """32 hex digits over names and bytes; much faster than decoding."""
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
def open_images(path: Path, limits: Limits | None = None) -> Iterator[ImageFiles]:
    """List the images of a folder or zip without reading any of them.

    Raises: DataError if it is malformed, unsafe or without images, or mixes images with folders of images.
    """
    if path.is_dir():
        yield _listed(path, _folder_files(path), Path.read_bytes)
        return
    if path.suffix.lower() in image_formats():
        raise DataError(f"{path} is a single image, not a dataset: give the folder or zip that holds many")
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise DataError(f"{path} is neither a folder nor a readable zip ({error}): copy or create it again") from error
    lock = threading.Lock()

    def read(member: zipfile.ZipInfo) -> bytes:
        with lock:  # ZipFile's count of its readers is not thread-safe
            return archive.read(member)

    with archive:
        yield _listed(path, _zip_members(path, archive, limits or Limits()), read)


@cache
def image_formats() -> dict[str, str]:
    """Lower-case extension → format, for the raster formats that Pillow can open here, JPEG and PNG first."""
    # EPS would start Ghostscript on an untrusted file; Pillow recognises the others but cannot decode them
    unwanted = {"EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5"}
    known = Image.registered_extensions().items()
    formats = [(extension.lower(), form) for extension, form in known if form in Image.OPEN and form not in unwanted]
    return dict(sorted(formats, key=lambda item: item[1] not in ("JPEG", "PNG")))


def _listed(path: Path, entries: dict, read: Callable) -> ImageFiles:
    """ImageFiles from ``entries``, which maps a name to what ``read`` takes."""
    if not entries:
        extensions = " ".join(sorted(image_formats()))
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
        if os.path.realpath(folder) in seen:  # a link to a folder above it would be followed for ever
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


def _zip_members(path: Path, archive: zipfile.ZipFile, limits: Limits) -> dict[str, zipfile.ZipInfo]:
    """Images of a zip by name. Nothing is ever extracted, but one unsafe name or size makes the whole zip refused."""
    members, total = {}, 0
    for member in archive.infolist():
        image = not member.is_dir() and _is_image(member.orig_filename)
        total += member.file_size if image else 0
        problem = _problem(member, image, limits)
        if problem is None and total > limits.total_bytes:
            problem = f"brings the total to {total:,} bytes, more than {limits.total_bytes:,}"
        if problem:
            raise DataError(
                f"{path}: member {member.orig_filename!r} {problem}: make the zip again from plain image files"
            )
        if image:
            members[PurePosixPath(member.orig_filename).as_posix()] = member
    return members


def _problem(member: zipfile.ZipInfo, image: bool, limits: Limits) -> str | None:
    """Why a zip with this member is refused. Only images are ever read, so only their sizes matter."""
    name, packed, size = member.orig_filename, member.compress_size, member.file_size
    if re.match(r"/|[A-Za-z]:", name) or re.search(r"\\|\0", name) or ".." in name.split("/"):
        return "has an unsafe name (absolute, with a drive, a backslash or '..')"
    if member.flag_bits & 1:
        return "is encrypted"
    if not image:
        return None
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"is compressed by method {member.compress_type}, not by the usual deflate"
    if size > limits.member_bytes:
        return f"claims {size:,} bytes, more than {limits.member_bytes:,}"
    if size > 2**20 and size > limits.ratio * packed:
        return f"claims to unpack from {packed:,} to {size:,} bytes, > {limits.ratio} times"
    return None


def _is_image(name: str) -> bool:
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)
    return not hidden and posixpath.splitext(name)[1].lower() in image_formats()
