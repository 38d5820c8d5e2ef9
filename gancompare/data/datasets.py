"""The face of this folder: a name, folder or zip → images in memory, split into training and held-out ones."""

import hashlib
import numbers
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from gancompare.base.device import usable_cores
from gancompare.base.streams import stream
from gancompare.data.builtin import BUILT_IN, STACKED, check_available, data_directories, describe_datasets, locate
from gancompare.data.cache import cached
from gancompare.data.decode import DECODER_VERSION, Decoded, check_memory, decode_images, resize_images
from gancompare.data.errors import DataError
from gancompare.data.listing import open_images
from gancompare.data.mnist import MODES, OFFICIAL, read_mnist5k, read_official, stack_digits
from gancompare.data.pixels import to_unit_range
from gancompare.recipes import DATASETS

__all__ = [
    "BUILT_IN",
    "MODES",
    "STACKED",
    "Dataset",
    "Splits",
    "check_available",
    "data_directories",
    "dataset_slug",
    "describe_datasets",
    "drawn",
    "load_dataset",
    "load_splits",
    "summary",
]

SPLITS = ("train", "test", "all")


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
    digits: "Splits | None" = None  # what load_splits made the training images of a stacked data set from


@dataclass(frozen=True)
class Splits:
    """The training images and the held-out ones."""

    train: Dataset
    test: Dataset | None  # None if there is a single image, which leaves none to hold out


def load_dataset(
    name: str | os.PathLike,
    image_size: int | None = None,
    channels: int | None = None,
    *,
    split: str = "train",
    workers: int | None = None,
    directories: Sequence[Path] | None = None,
) -> Dataset:
    """Load a data set into memory as uint8 (N, C, image_size, image_size).

    ``name`` is a key of BUILT_IN or the path of a folder or zip of images. ``image_size`` and ``channels`` default to
    the built-in's own, or 64 and 3. ``split`` is "train", "test" or "all". ``workers`` threads decode, by default one
    for each usable core. Built-ins are looked for in ``directories``, by default ``data_directories()``.

    mnist and fashion_mnist use their official test files. Any other data set holds out a tenth as "test", chosen by N
    alone, and both parts come in a fixed shuffled order, so that the first k images are a fair sample of all classes.
    "all" keeps the order of the source. Stacked images are made from digits of the same split and are the same every
    time; their labels are indices into MODES.

    Raises: DataError for an unknown name, split, size or number of channels, and for data that is missing, malformed,
    unsafe or too large for the memory.
    """
    request = _checked(name, image_size, channels, workers=workers, directories=directories)
    if split not in SPLITS:
        raise DataError(f"split is {split!r}, which is unknown: choose one of {', '.join(SPLITS)}")
    dataset = _load(request, [split])[split]
    if dataset is None:
        raise DataError(f"{request.name} holds a single image, so none is left for split 'test': add some or use 'all'")
    return dataset


def load_splits(
    name: str | os.PathLike,
    image_size: int | None = None,
    channels: int | None = None,
    *,
    workers: int | None = None,
    directories: Sequence[Path] | None = None,
) -> Splits:
    """Load both the training images and the held-out ones, as ``load_dataset`` does, but read the source only once."""
    request = _checked(name, image_size, channels, workers=workers, directories=directories)
    return Splits(**_load(request, ["train", "test"]))


def drawn(dataset: Dataset, n: int) -> Tensor:
    """The indices of a fixed random draw of ``n`` images, or of all if there are fewer.

    The head of a file is no fair sample of it: that of MNIST differs measurably from the rest. A larger draw begins
    with the smaller one.
    """
    return torch.randperm(len(dataset.images), generator=stream(0, "reference"))[:n]


def summary(dataset: Dataset, with_classes: bool = False) -> dict:
    """What a run records about its images, ready for JSON.

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


def dataset_slug(name: str | os.PathLike) -> str:
    """A name safe as a directory: a built-in's own, else the folder or zip name in [a-z0-9_-], never a built-in's."""
    name = os.fspath(name)
    if name in BUILT_IN:
        return name
    stem = re.sub(r"\.zip$", "", os.path.basename(os.path.abspath(os.path.expanduser(name))), flags=re.IGNORECASE)
    slug = re.sub(r"[^a-z0-9_-]", "-", stem.lower())
    if not slug.strip("-_"):  # nothing of the name is left, e.g. if it is Chinese: a hash tells such folders apart
        return "folder-" + hashlib.sha256(os.fsencode(stem)).hexdigest()[:8]
    return f"folder-{slug}" if slug in BUILT_IN else slug


@dataclass(frozen=True)
class _Request:
    """The checked arguments of ``load_dataset``, without the split."""

    name: str
    image_size: int
    channels: int
    workers: int
    directories: Sequence[Path]


def _checked(name, image_size, channels, *, workers, directories) -> _Request:
    if not isinstance(name, str | os.PathLike):
        raise DataError(f"dataset {name!r} is not a name: give a path or one of {', '.join(BUILT_IN)}")
    name = os.fspath(name)
    natural = DATASETS.get(name, {"image_size": 64, "channels": 3})
    image_size = _whole_number("image_size", natural["image_size"] if image_size is None else image_size, 8)
    channels = _whole_number("channels", natural["channels"] if channels is None else channels, 1)
    workers = _whole_number("workers", usable_cores() if workers is None else workers, 1)
    if channels not in (1, 3):
        raise DataError(f"channels is {channels}, but must be 1 (greyscale) or 3 (RGB): choose one of these")
    if name in STACKED and channels != 3:
        raise DataError(f"channels is {channels}, but {name} has one digit in each of 3 colours: leave out channels")
    return _Request(name, image_size, channels, workers, data_directories() if directories is None else directories)


def _whole_number(what: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise DataError(f"{what} is {value!r}, but must be a whole number of at least {least}: change {what}")
    return int(value)


def _load(request: _Request, splits: Sequence[str]) -> dict[str, Dataset | None]:
    """Each of ``splits``, from a source that is read once; None for the held-out part of a single image."""
    name = request.name
    if name in STACKED:
        return _load_stacked(request, splits)
    if name in OFFICIAL:
        source = locate(name, request.directories)
        parts = {split: _read_official(source, request, split) for split in splits}
    else:
        source, whole = _read_whole(request)
        parts = {split: _cut(whole, split) for split in splits}
        if whole.skipped:
            count = len(whole.skipped)
            print(f"warning: {source}: {count} undecodable file(s) skipped, e.g. {whole.skipped[0]}", file=sys.stderr)
    return {split: None if part is None else _dataset(name, part, str(source)) for split, part in parts.items()}


def _load_stacked(request: _Request, splits: Sequence[str]) -> dict[str, Dataset]:
    digits_name, *counts = STACKED[request.name]
    check_memory(request.name, sum(counts), channels=3, image_size=request.image_size)
    sizes = {part: n for part, n in zip(("train", "test"), counts, strict=True) if {part, "all"} & set(splits)}
    digits = _load(replace(request, name=digits_name, channels=1), list(sizes))
    stacks = {
        part: stack_digits(digits[part].images, digits[part].labels, count=n, rng=stream(0, f"stacked {part}"))
        for part, n in sizes.items()
    }
    if "all" in splits:
        images, labels = (torch.cat([stack[i] for stack in stacks.values()]) for i in range(2))
        stacks["all"] = Decoded(images, labels, MODES)
    source = next(iter(digits.values())).source
    loaded = {split: _dataset(request.name, stacks[split], source) for split in splits}
    if "train" in loaded and "test" in loaded:
        loaded["train"] = replace(loaded["train"], digits=Splits(**digits))
    return loaded


def _read_official(raw: Path, request: _Request, split: str) -> Decoded:
    pixels, labels = read_official(raw, request.name, split)
    images = resize_images(pixels, request.image_size, request.channels)
    return Decoded(images, labels, OFFICIAL[request.name].classes)


def _read_whole(request: _Request) -> tuple[Path | str, Decoded]:
    """The source of a data set that has no official split, and all its images, from the cache if they are there."""
    image_size, channels = request.image_size, request.channels
    if request.name == "mnist5k":
        return read_mnist5k(image_size, channels)
    path = locate(request.name, request.directories)
    with open_images(path) as files:
        check_memory(str(path), len(files.names), channels=channels, image_size=image_size)
        key = f"images-{files.content_key()}-{image_size}x{channels}-v{DECODER_VERSION}"
        tensors = cached(key, lambda: decode_images(files, image_size, channels, workers=request.workers).to_tensors())
    return path, Decoded.from_tensors(tensors)


def _cut(whole: Decoded, split: str) -> Decoded | None:
    """The images of ``split``, shuffled by their number alone; None if there are none."""
    if split == "all":
        return whole
    n = len(whole.images)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    held_out = max(1, n // 10) if n >= 2 else 0
    chosen = order[:held_out] if split == "test" else order[held_out:]
    if len(chosen) == 0:
        return None
    labels = None if whole.labels is None else whole.labels[chosen]
    return whole._replace(images=whole.images[chosen], labels=labels)


def _dataset(name: str, part: Decoded, source: str) -> Dataset:
    fingerprint = _fingerprint(part.images, part.labels)
    return Dataset(dataset_slug(name), part.images, part.labels, part.classes, fingerprint, source, part.skipped)


def _fingerprint(images: Tensor, labels: Tensor | None) -> str:
    state = hashlib.sha256(repr((tuple(images.shape), labels is not None)).encode())
    state.update(images.contiguous().numpy())
    if labels is not None:
        state.update(labels.contiguous().numpy())
    return state.hexdigest()[:16]
