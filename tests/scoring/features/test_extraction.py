"""Features of real images are computed once, and again if their file is damaged."""

from dataclasses import replace

import pytest
import torch

from gancompare.scoring.features.extraction import extract, real_features
from gancompare.scoring.features.network import FeatureError


@pytest.mark.parametrize("wrong", [{"n": 3}, {"n": 0}, {"n": -1}, {"batch_size": 0}])
def test_counts_it_does_not_take(classifier, wrong, noise):
    with pytest.raises(FeatureError, match="choose n from 1"):
        extract(classifier, noise(2), **wrong)


def first(n):
    return torch.arange(n)


def test_real_features_are_computed_once_per_data_extractor_and_n(classifier, labelled, empty_cache):
    data = labelled.train
    features = real_features(classifier, data, first(20))
    assert torch.equal(features, extract(classifier, data.images[:20]))
    (path,) = empty_cache.glob("features-*.pt")
    written = path.stat().st_mtime_ns
    assert torch.equal(real_features(classifier, data, first(20)), features)
    assert path.stat().st_mtime_ns == written
    # features of other images under the same fingerprint would show that they were computed again
    others = replace(data, images=data.images.flip(0))
    assert torch.equal(real_features(classifier, others, first(20)), features)
    assert len(real_features(classifier, data, first(21))) == 21
    real_features(replace(classifier, fingerprint="0" * 16), data, first(20))
    real_features(classifier, replace(data, fingerprint="0" * 16), first(20))
    assert len(list(empty_cache.glob("features-*.pt"))) == 4
    with pytest.raises(FeatureError, match="choose n from 1"):
        real_features(classifier, data, first(0))


@pytest.mark.parametrize("damage", ["empty", "cut", "another number", "pickle"])
def test_damaged_features_are_computed_again(
    classifier, labelled, empty_cache, tmp_path, capsys, unpickled_makes, damage
):
    data = labelled.train
    features = real_features(classifier, data, first(20))
    (path,) = empty_cache.glob("features-*.pt")
    whole = path.read_bytes()
    if damage == "another number":
        stored = torch.load(path, weights_only=True)
        stored["tensors"]["features"][3, 5] += 1
        torch.save(stored, path)
    else:
        made = unpickled_makes(tmp_path / "made")
        path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "pickle": made}[damage])
    assert torch.equal(real_features(classifier, data, first(20)), features)
    assert "damaged" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()
    assert torch.equal(torch.load(path, weights_only=True)["tensors"]["features"], features)  # and mended
    assert not list(empty_cache.glob("*.tmp"))


def test_a_cache_that_cannot_be_written_costs_a_warning(classifier, labelled, empty_cache, monkeypatch, capsys):
    data = labelled.train

    def full(*arguments):
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", full)
    assert real_features(classifier, data, first(10)).shape == (10, 128)
    assert "could not be cached" in capsys.readouterr().err
