"""Loading: splits, fingerprints and the cache of images, and what is refused."""

import threading

import numpy as np
import pytest
import torch

from gancompare.data.cache import cached
from gancompare.data.datasets import dataset_slug, load_dataset, load_splits
from gancompare.data.decode import Decoded
from gancompare.data.errors import DataError

# ---- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("mnist", "mnist"),
        ("some/My Faces.ZIP", "my-faces"),
        ("some/mnist", "folder-mnist"),
        ("mnist.zip", "folder-mnist"),
        ("a/faces.v2/", "faces-v2"),
        ("a/b/..", "a"),
    ],
)
def test_slug(name, slug):
    assert dataset_slug(name) == slug


def test_slug_of_names_without_latin_letters_differ():
    slugs = {dataset_slug("動物"), dataset_slug("植物"), dataset_slug("/")}
    assert len(slugs) == 3
    assert all(slug.startswith("folder-") for slug in slugs)


# ---- folders and zips ------------------------------------------------------------------------------------------------


def test_folder_and_zip_of_the_same_files_agree_in_order_pixels_and_fingerprint(tmp_path, make):
    files = make.images()
    folder = load_dataset(make.folder(tmp_path / "pics", files), 8, split="all", workers=3)
    shuffled = {f"top/{name}": files[name] for name in reversed(files)}
    zipped = load_dataset(make.zip(tmp_path / "pics.zip", shuffled), 8, split="all", workers=1)
    assert folder.images.dtype == torch.uint8
    assert folder.images.shape == (20, 3, 8, 8)
    for i in range(20):
        assert np.array_equal(folder.images[i].permute(1, 2, 0), make.pixels(i, 8, 8, 3))
    assert torch.equal(folder.images, zipped.images)
    assert folder.fingerprint == zipped.fingerprint
    assert (folder.name, folder.source) == ("pics", str(tmp_path / "pics"))
    assert (folder.labels, folder.classes, folder.skipped) == (None, (), ())


def test_one_changed_pixel_changes_the_fingerprint(tmp_path, make):
    files = make.images(2)
    first = load_dataset(make.folder(tmp_path / "a", files), 8, split="all")
    pixels = make.pixels(0, 8, 8, 3)
    pixels[0, 0, 0] ^= 1
    second = load_dataset(make.folder(tmp_path / "b", files | {"000.png": make.encoded(pixels)}), 8, split="all")
    assert len(first.fingerprint) == len(second.fingerprint) == 16
    assert first.fingerprint != second.fingerprint


def test_default_size_of_a_folder_is_64_in_colour(tmp_path, make):
    assert load_dataset(make.folder(tmp_path / "f", make.images(3)), split="all").images.shape == (3, 3, 64, 64)


@pytest.mark.parametrize("n", [2, 5, 37])
def test_splits_are_disjoint_cover_everything_and_repeat(tmp_path, make, n):
    folder = make.folder(tmp_path / "f", {f"{i % 2}/{name}": c for i, (name, c) in enumerate(make.images(n).items())})
    train, test, both = (load_dataset(folder, 8, split=split) for split in ("train", "test", "all"))
    assert len(test.images) == max(1, n // 10)
    rows = [[(image.numpy().tobytes(), int(label)) for image, label in zip(d.images, d.labels, strict=True)]
            for d in (train, test, both)]  # fmt: skip
    assert sorted(rows[0] + rows[1]) == sorted(rows[2])
    assert len(set(rows[0] + rows[1])) == n
    again = load_dataset(folder, 8, split="train")
    assert torch.equal(train.images, again.images)
    assert train.fingerprint == again.fingerprint != test.fingerprint


def test_split_depends_on_the_number_of_images_alone(tmp_path, make):
    held_out = []
    for seed in (1, 2):
        flat = {f"{i:02}.png": make.encoded(np.full((8, 8), seed * i, np.uint8)) for i in range(50)}
        folder = make.folder(tmp_path / str(seed), flat)
        torch.manual_seed(seed)
        held_out.append((load_dataset(folder, 8, 1, split="test").images[:, 0, 0, 0] // seed).tolist())
    assert len(held_out[0]) == 5
    assert held_out[0] == held_out[1]
    assert held_out[0] != sorted(held_out[0])  # the first k are a sample of the whole, not of its beginning


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [
        ("mnist5k", "25cf3edeb6d217ae", "723113ed6acf61bd"),
        ("stacked_mnist5k", "a9e9a754066a3b4e", "0e553c7148ddf090"),
    ],
)
def test_fingerprints_are_those_that_results_record(name, train, test):
    splits = load_splits(name)
    assert (splits.train.fingerprint, splits.test.fingerprint) == (train, test)
    assert load_dataset(name).fingerprint == train
    assert load_dataset(name, split="test").fingerprint == test


def test_both_splits_are_those_of_single_loads(tmp_path, make, capsys):
    files = make.images(100)
    files["007.png"] = files["007.png"][:60]
    folder = make.folder(tmp_path / "f", {f"{'ab'[i % 2]}/{name}": c for i, (name, c) in enumerate(files.items())})
    splits = load_splits(folder, 8)
    assert capsys.readouterr().err.count("007.png") == 1  # read once
    for dataset, split in ((splits.train, "train"), (splits.test, "test")):
        single = load_dataset(folder, 8, split=split)
        assert torch.equal(dataset.images, single.images)
        assert torch.equal(dataset.labels, single.labels)
        assert dataset.fingerprint == single.fingerprint
        assert (dataset.classes, dataset.source, dataset.skipped) == (single.classes, single.source, single.skipped)


def test_a_single_image_leaves_none_to_hold_out(tmp_path, make):
    splits = load_splits(make.folder(tmp_path / "f", make.images(1)), 8)
    assert len(splits.train.images) == 1
    assert splits.test is None


def test_one_percent_undecodable_is_skipped_and_named(tmp_path, make, capsys):
    files = make.images(100)
    files["007.png"] = files["007.png"][:60]
    folder = make.folder(tmp_path / "f", files)
    for _ in range(2):  # the second time from the cache
        dataset = load_dataset(folder, 8, split="all")
        assert len(dataset.images) == 99
        assert np.array_equal(dataset.images[7].permute(1, 2, 0), make.pixels(8, 8, 8, 3))
        assert len(dataset.skipped) == 1
        assert dataset.skipped[0].startswith("007.png: ")
        assert "007.png" in capsys.readouterr().err


# ---- bad input -------------------------------------------------------------------------------------------------------


BAD_INPUT = {
    "unknown name": (lambda p, make: "minst", {}, ["minst", "did you mean 'mnist'", "fashion_mnist", "check the path"]),
    "misspelled": (lambda p, make: "FashionMNIST", {}, ["did you mean 'fashion_mnist'"]),
    "empty name": (lambda p, make: "", {}, ["''", "mnist5k"]),
    "long name": (lambda p, make: "x" * 5000, {}, ["xxx", "check the path"]),
    "unknown user": (lambda p, make: "~nobody-here/faces", {}, ["~nobody-here/faces", "check the path"]),
    "no name": (lambda p, make: None, {}, ["None", "give a path"]),
    "split": (lambda p, make: "mnist5k", {"split": "validation"}, ["'validation'", "train, test, all"]),
    "size": (lambda p, make: "mnist5k", {"image_size": 7}, ["image_size is 7", "at least 8"]),
    "size type": (lambda p, make: "mnist5k", {"image_size": 28.0}, ["image_size is 28.0", "whole number"]),
    "size bool": (lambda p, make: "mnist5k", {"image_size": True}, ["image_size is True"]),
    "channels": (lambda p, make: "mnist5k", {"channels": 2}, ["channels is 2", "1 (greyscale) or 3"]),
    "workers": (lambda p, make: "mnist5k", {"workers": 0}, ["workers is 0", "at least 1"]),
    "one for test": (lambda p, make: make.folder(p / "f", make.images(1)), {"split": "test"},
                     ["single image", "'all'"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_refused_with_what_and_remedy(tmp_path, make, case):
    name, options, expected = BAD_INPUT[case]
    with pytest.raises(DataError) as error:
        load_dataset(name(tmp_path, make), **{"image_size": 8, "split": "all"} | options)
    for part in expected:
        assert part in str(error.value)


def test_more_than_the_memory_is_refused_before_decoding(tmp_path, make):
    folder = make.folder(tmp_path / "f", {"a.png": b"broken", "b.png": b"broken"})
    with pytest.raises(
        DataError, match=r"3×3000000×3000000 need 100,582\.8 GiB .* GiB are available.*smaller image_size"
    ):
        load_dataset(folder, 3_000_000)


# ---- cache -----------------------------------------------------------------------------------------------------------


def test_second_load_comes_from_the_cache(tmp_path, make):
    folder = make.folder(tmp_path / "f", {f"{i % 2}/{i}.png": make.encoded(make.pixels(i, 9, 9)) for i in range(12)})
    first = load_dataset(folder, 8, 1)
    (file,) = (tmp_path / "cache").glob("*.pt")
    second = load_dataset(folder, 8, 1)
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.labels, second.labels)
    assert (first.fingerprint, first.classes) == (second.fingerprint, second.classes)
    # other images under the same key are what a load returns, so it cannot have decoded
    file.unlink()
    planted = Decoded(torch.full((12, 1, 8, 8), 77, dtype=torch.uint8), torch.ones(12, dtype=torch.int64), ("x", "y"))
    cached(file.stem, planted.to_tensors)
    third = load_dataset(folder, 8, 1)
    assert torch.all(third.images == 77)
    assert third.classes == ("x", "y")
    assert third.fingerprint != first.fingerprint


@pytest.mark.parametrize("change", ["size", "channels", "bytes", "name"])
def test_the_cache_is_not_used_for_anything_else(tmp_path, make, monkeypatch, change):
    folder = make.folder(tmp_path / "f", make.images(3))
    load_dataset(folder, 8, 3)
    if change == "bytes":
        (folder / "000.png").write_bytes(make.encoded(make.pixels(9, 8, 8)))
    if change == "name":
        (folder / "000.png").rename(folder / "zzz.png")
    asked = folder, 9 if change == "size" else 8, 1 if change == "channels" else 3
    changed = load_dataset(*asked)
    assert len(list((tmp_path / "cache").glob("*.pt"))) == 2
    monkeypatch.setenv("GANCOMPARE_CACHE", str(tmp_path / "another"))
    assert load_dataset(*asked).fingerprint == changed.fingerprint


def test_a_damaged_cache_is_rebuilt(tmp_path, make, capsys):
    folder = make.folder(tmp_path / "f", make.images(20))
    first = load_dataset(folder, 8)
    (file,) = (tmp_path / "cache").glob("*.pt")
    content = bytearray(file.read_bytes())
    position = content.find(make.pixels(0, 8, 8, 3).transpose(2, 0, 1).tobytes())
    assert position > 0
    content[position] ^= 1
    file.write_bytes(content)
    assert load_dataset(folder, 8).fingerprint == first.fingerprint
    assert "is damaged" in capsys.readouterr().err
    load_dataset(folder, 8)
    assert "damaged" not in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_is_only_a_warning(tmp_path, make, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    assert len(load_dataset(make.folder(tmp_path / "f", make.images(4)), 8, split="all").images) == 4
    assert "No space left" in capsys.readouterr().err
    assert [file for file in (tmp_path / "cache").iterdir() if file.suffix != ".lock"] == []


def test_loads_at_once_all_succeed_and_leave_one_file(tmp_path, make):
    folder = make.folder(tmp_path / "f", make.images(40))
    got = []
    threads = [threading.Thread(target=lambda: got.append(load_dataset(folder, 16).fingerprint)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4
    assert len(set(got)) == 1
    assert [file.suffix for file in (tmp_path / "cache").iterdir() if file.suffix != ".lock"] == [".pt"]
