"""Images, folders, zips and MNIST files whose content is known by construction, in a place of their own."""

import gzip
import io
import struct
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def directories(tmp_path, monkeypatch):
    """An empty cache, working directory and data directories; returns the latter.

    Tests of data sets that are missing pass them on, as the checkout may have a data directory of its own.
    """
    monkeypatch.setenv("GANCOMPARE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GANCOMPARE_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    return [tmp_path / "data", tmp_path / "cwd" / "data"]


@pytest.fixture(scope="session")
def make():
    """Functions that make pixels, encoded images, folders and zips of them, and MNIST files."""
    return SimpleNamespace(pixels=_pixels, encoded=_encoded, images=_images, folder=_folder, zip=_zip, idx=_idx)


@pytest.fixture
def idx(tmp_path, make):
    """(folder with the four MNIST files, training images, test images); the labels are 0, 1, 2, 3, 9 and 4, 5, 6."""
    raw = tmp_path / "data" / "MNIST" / "raw"
    train, test = make.pixels(0, 5, 28, 28), make.pixels(1, 3, 28, 28)
    make.idx(raw, "train", train, [0, 1, 2, 3, 9])
    make.idx(raw, "t10k", test, [4, 5, 6])
    return raw, train, test


def _pixels(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _encoded(image, form="PNG", **options):
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def _images(n=20, size=8):
    return {f"{i:03}.png": _encoded(_pixels(i, size, size, 3)) for i in range(n)}


def _folder(path, files):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def _zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def _idx(raw, part, pixels, labels, packed=False):
    raw.mkdir(parents=True, exist_ok=True)
    files = {
        f"{part}-images-idx3-ubyte": struct.pack(">IIII", 0x803, *pixels.shape) + pixels.tobytes(),
        f"{part}-labels-idx1-ubyte": struct.pack(">II", 0x801, len(labels)) + bytes(labels),
    }
    for name, content in files.items():
        (raw / (name + ".gz" * packed)).write_bytes(gzip.compress(content) if packed else content)
