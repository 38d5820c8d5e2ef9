"""The classifier that is trained here: it learns, repeats, is cached, and refuses data without classes."""

from dataclasses import replace

import pytest
import torch

from gancompare.data.datasets import load_splits
from gancompare.scoring.features.extraction import extract
from gancompare.scoring.features.extractors import load_extractor
from gancompare.scoring.features.network import FeatureError


def test_classifier_learns_and_records_its_accuracy(classifier, labelled):
    assert classifier.accuracy >= 0.8  # chance is 1/3; 18 images held out
    test = labelled.test
    logits = classifier.module.logits(test.images)
    assert logits.shape == (18, 3)
    assert (logits.argmax(1) == test.labels).double().mean().item() == classifier.accuracy
    assert classifier.label == "FD-classifier"


def test_classifier_is_the_same_bits_for_the_same_seed(classifier, labelled, empty_cache, noise):
    torch.manual_seed(99)
    again = load_extractor("classifier", labelled)
    assert again.fingerprint == classifier.fingerprint
    assert again.accuracy == classifier.accuracy
    assert torch.equal(extract(again, noise(5)), extract(classifier, noise(5)))
    other = load_extractor("classifier", labelled, seed=1)
    assert other.fingerprint != classifier.fingerprint


def test_classifier_is_trained_once_and_again_if_its_file_is_damaged(classifier, labelled, empty_cache, capsys):
    assert load_extractor("classifier", labelled).fingerprint == classifier.fingerprint
    (path,) = empty_cache.glob("classifier-*.pt")
    written = path.stat().st_mtime_ns
    assert load_extractor("classifier", labelled).fingerprint == classifier.fingerprint
    assert path.stat().st_mtime_ns == written
    assert capsys.readouterr().out.count("of 18 held-out images right") == 1
    path.write_bytes(path.read_bytes()[:1000])
    assert load_extractor("classifier", labelled).fingerprint == classifier.fingerprint
    output = capsys.readouterr()
    assert "damaged" in output.err
    assert output.out.count("of 18 held-out images right") == 1
    assert path.stat().st_size > 1000


def test_classifier_that_was_interrupted_leaves_nothing(labelled, empty_cache, monkeypatch):
    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(torch.optim.AdamW, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_extractor("classifier", labelled)
    assert not list(empty_cache.glob("*classifier*pt"))


def test_no_classifier_without_labels(image_folder):
    with pytest.raises(FeatureError, match=r"has no labels.*efficientnet-lite0"):
        load_extractor("classifier", load_splits(image_folder, 28, 3))


def test_no_classifier_of_one_class(labelled_folder):
    with pytest.raises(FeatureError, match="two classes"):
        load_extractor("classifier", load_splits(labelled_folder / "down", 16, 1))


def test_the_classifier_of_stacked_digits_is_that_of_single_ones_on_each_channel(labelled, classifier):
    """Three classes take the part of the ten digits, so there are 27 modes."""
    images = labelled.test.images[torch.randperm(18, generator=torch.Generator().manual_seed(0))].view(6, 3, 16, 16)
    three = load_extractor("classifier", replace(labelled, train=replace(labelled.train, digits=labelled)))
    assert (three.num_features, three.accuracy) == (3 * 128, classifier.accuracy)
    assert three.fingerprint != classifier.fingerprint
    digits = torch.stack([classifier.module.predictions(images[:, c : c + 1]) for c in range(3)])
    assert three.module.predictions(images).tolist() == (9 * digits[0] + 3 * digits[1] + digits[2]).tolist()
    likelihoods = [classifier.module.logits(images[:, c : c + 1]).log_softmax(1) for c in range(3)]
    expected = torch.einsum("nr,ng,nb->nrgb", *(x.exp() for x in likelihoods)).flatten(1)
    torch.testing.assert_close(three.module.logits(images).exp(), expected, rtol=1e-3, atol=1e-6)
