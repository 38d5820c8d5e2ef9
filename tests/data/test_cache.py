"""One cache of tensors: built once, digested, and never in the way of the work."""

import os
import tempfile
import threading
import time

import pytest
import torch

from gancompare.data.cache import cache_directory, cached, digest

TENSORS = {"grid": torch.arange(6.0).reshape(2, 3).T, "one": torch.tensor(0.5, dtype=torch.float64),
           "none": torch.zeros(0, dtype=torch.uint8), "half": torch.ones(3, dtype=torch.bfloat16)}  # fmt: skip


def never():
    raise AssertionError("built again")


def test_what_was_built_comes_back_with_names_types_and_order():
    assert cached("key", lambda: TENSORS) is TENSORS
    again = cached("key", never)
    assert list(again) == list(TENSORS)
    for name, tensor in TENSORS.items():
        assert again[name].dtype == tensor.dtype
        assert torch.equal(again[name], tensor)


def test_each_key_has_its_own_tensors():
    cached("a", lambda: {"x": torch.zeros(1)})
    assert cached("b", lambda: {"x": torch.ones(1)})["x"] == 1


@pytest.mark.parametrize(
    "other",
    [
        {"x": torch.arange(4)},
        {"x": torch.arange(4.0)},
        {"y": torch.arange(4, dtype=torch.int32)},
        {"x": torch.arange(4, dtype=torch.int32).reshape(2, 2)},
        {"x": torch.tensor([0, 1, 2, 4], dtype=torch.int32)},
    ],
)
def test_the_digest_sees_names_types_shapes_and_numbers(other):
    tensors = {"x": torch.arange(4, dtype=torch.int32)}
    assert len(digest(tensors)) == 16
    assert digest(tensors) == digest({"x": tensors["x"].clone()}) != digest(tensors, "salt")
    assert digest(tensors) != digest(other)


@pytest.mark.parametrize("damage", ["garbage", "empty", "one bit", "other format"])
def test_a_damaged_file_is_built_again(tmp_path, capsys, damage):
    numbers = torch.arange(1000, dtype=torch.int64) * 999_983
    cached("key", lambda: {"numbers": numbers})
    path = tmp_path / "cache" / "key.pt"
    content = bytearray(path.read_bytes())
    position = content.find(numbers.numpy().tobytes())
    assert position > 0
    content[position] ^= 1
    path.write_bytes({"garbage": b"garbage", "empty": b"", "one bit": content, "other format": b""}[damage])
    if damage == "other format":
        torch.save({"images": numbers}, path)
    assert torch.equal(cached("key", lambda: {"numbers": numbers})["numbers"], numbers)
    assert "is damaged" in capsys.readouterr().err
    assert torch.equal(cached("key", never)["numbers"], numbers)
    assert "damaged" not in capsys.readouterr().err


def test_a_full_disk_is_only_a_warning(tmp_path, monkeypatch, capsys):
    def full(content, path):
        path.write_bytes(b"half a file")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    assert cached("key", lambda: TENSORS) is TENSORS
    assert "No space left" in capsys.readouterr().err
    assert [file for file in (tmp_path / "cache").iterdir() if file.suffix != ".lock"] == []


def test_a_build_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(AssertionError, match="built again"):
        cached("key", never)
    assert [file for file in (tmp_path / "cache").iterdir() if file.suffix != ".lock"] == []
    assert cached("key", lambda: TENSORS) is TENSORS  # and no lock that others would wait for


def test_one_builds_while_the_others_wait():
    built, got = [], []

    def build():
        built.append(1)
        time.sleep(0.3)
        return {"a": torch.arange(3)}

    threads = [threading.Thread(target=lambda: got.append(cached("key", build)["a"].tolist())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built == [1]
    assert got == [[0, 1, 2]] * 3


def test_an_unwritable_cache_directory_falls_back(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GANCOMPARE_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    directory = cache_directory()
    assert directory.is_relative_to(tmp_path / "temporary")
    assert os.access(directory, os.W_OK)


def test_cache_directory_follows_xdg(tmp_path, monkeypatch):
    monkeypatch.delenv("GANCOMPARE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_directory() == tmp_path / "xdg" / "gancompare"
