"""Where built-in data sets are looked for, how they are downloaded, and what is said of those that are missing."""

from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets

import gancompare
from gancompare.data.datasets import BUILT_IN, check_available, data_directories, describe_datasets, load_dataset
from gancompare.data.errors import DataError


def rows_by_name(directories):
    return {row.name: row for row in describe_datasets(directories)}


def test_data_directories_in_order(tmp_path, monkeypatch):
    beside_the_package = Path(gancompare.__file__).resolve().parent.parent / "data"
    assert data_directories() == [tmp_path / "data", tmp_path / "cwd" / "data", beside_the_package]
    monkeypatch.delenv("GANCOMPARE_DATA")
    monkeypatch.chdir(tmp_path / "data" / "..")
    assert data_directories() == [tmp_path / "data", beside_the_package]


def test_a_failing_download_says_where_it_looked_and_what_to_do(directories, monkeypatch):
    def offline(self):
        raise RuntimeError("no network")

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", offline)
    with pytest.raises(DataError) as error:
        load_dataset("mnist", directories=directories)
    for part in ["'mnist'", *map(str, directories), "no network", "set GANCOMPARE_DATA"]:
        assert part in str(error.value)


@pytest.mark.parametrize("first", [0, 1])
def test_a_download_goes_to_the_first_data_directory(directories, monkeypatch, make, first):
    def download(self):
        for part in ("train", "t10k"):
            make.idx(Path(self.raw_folder), part, make.pixels(4, 2, 28, 28), [1, 2])

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", download)
    dataset = load_dataset("mnist", directories=directories[first:])
    assert np.array_equal(dataset.images[:, 0], make.pixels(4, 2, 28, 28))
    root = directories[first]  # the second is created
    assert [entry.name for entry in root.iterdir()] == ["MNIST"]
    assert len(list((root / "MNIST" / "raw").iterdir())) == 4


@pytest.mark.parametrize("place", ["anime-faces-64.zip", "faces"])
def test_anime_faces_are_found_under_any_of_their_names(tmp_path, make, place):
    write = make.zip if place.endswith(".zip") else make.folder
    write(tmp_path / "data" / place, make.images(4))
    dataset = load_dataset("anime_faces", split="all")
    assert dataset.images.shape == (4, 3, 64, 64)
    assert (dataset.name, dataset.source) == ("anime_faces", str(tmp_path / "data" / place))


def test_missing_faces_are_refused_with_places_and_remedy(directories):
    with pytest.raises(DataError) as error:
        load_dataset("anime_faces", directories=directories)
    for part in [*map(str, directories), "splcher/animefacedataset", "anime-faces-64.zip", "put"]:
        assert part in str(error.value)


def test_what_can_be_downloaded_or_is_there_counts_as_available(tmp_path, make):
    make.folder(tmp_path / "data" / "anime_faces", {"1.png": b"not decoded"})
    for name in (*BUILT_IN, make.folder(tmp_path / "f", {"1.png": b"not decoded"})):
        check_available(name)
    with pytest.raises(DataError, match="did you mean 'mnist'"):
        check_available("minst")


def test_description_of_what_is_there_and_what_is_not(tmp_path, make, idx, directories):
    faces = make.folder(tmp_path / "data" / "anime_faces", dict.fromkeys(["1.png", "2.png"], b"not decoded"))
    rows = rows_by_name(directories)
    assert list(rows) == list(BUILT_IN)
    assert rows["mnist"] == ("mnist", True, str(idx[0]), 8, "")
    assert rows["anime_faces"] == ("anime_faces", True, str(faces), 2, "")
    assert rows["mnist5k"][1::2] == (True, 5000)
    missing = rows["fashion_mnist"]
    assert (missing.available, missing.images) == (False, None)
    assert str(tmp_path / "data") in missing.where
    assert "FashionMNIST/raw" in missing.hint


def test_stacked_digits_are_as_available_as_their_digits(idx, directories):
    row = rows_by_name(directories)["stacked_mnist"]
    assert row == ("stacked_mnist", True, str(idx[0]), 70_000, "")
    for file in idx[0].iterdir():
        file.unlink()
    row = rows_by_name(directories)["stacked_mnist"]
    assert (row.available, row.images) == (False, None)
    assert "MNIST/raw" in row.hint


def test_description_goes_on_past_broken_data(tmp_path, make, idx, directories):
    make.folder(tmp_path / "data", {"faces.zip": b"broken"})
    (idx[0] / "t10k-labels-idx1-ubyte").write_bytes(b"broken")
    rows = rows_by_name(directories)
    assert len(rows) == len(BUILT_IN)
    for name, problem in {"anime_faces": "faces.zip is neither", "mnist": "t10k", "stacked_mnist": "t10k"}.items():
        assert (rows[name].available, rows[name].images) == (True, None)
        assert problem in rows[name].hint
