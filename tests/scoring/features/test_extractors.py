"""What holds for every extractor, and choosing one by name."""

import hashlib
import re

import pytest
import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from gancompare.data.datasets import BUILT_IN, dataset_slug
from gancompare.recipes import DATASETS, EXTRACTORS
from gancompare.scoring.features.extraction import extract
from gancompare.scoring.features.extractors import default_extractor, fingerprint, load_extractor
from gancompare.scoring.features.network import FeatureError, FeatureNet, Resize

# Convolutions of another batch size sum in another order: float32 rounding, 1e-7 relative, over some 20 layers.
ROUNDING = dict(rtol=1e-4, atol=1e-4)


@pytest.fixture(
    scope="module", params=["classifier", "random-init", "pixel-pca", "efficientnet-lite0", "efficientnet-early"]
)
def extractor(request, labelled):
    if request.param == "efficientnet-lite0":
        return request.getfixturevalue("efficientnet")
    return load_extractor(request.param, labelled)


def test_features_have_the_promised_shape_and_carry_no_graph(extractor, noise):
    features = extract(extractor, noise(5), batch_size=2)
    assert features.shape == (5, extractor.num_features)
    assert features.dtype == torch.float32
    assert features.device.type == "cpu"
    assert not features.requires_grad
    assert not any(parameter.requires_grad for parameter in extractor.module.parameters())
    assert features.isfinite().all()
    assert extractor.module.num_features == extractor.num_features  # what torchmetrics reads
    assert extractor.label == EXTRACTORS[extractor.name]
    assert "FID" not in extractor.label


def test_features_depend_on_neither_batch_size_nor_order(extractor, noise):
    images, order = noise(7), torch.tensor([3, 0, 6, 1, 5, 2, 4])
    whole = extract(extractor, images)
    torch.testing.assert_close(extract(extractor, images, batch_size=1), whole, **ROUNDING)
    torch.testing.assert_close(extract(extractor, images, batch_size=3), whole, **ROUNDING)
    torch.testing.assert_close(extract(extractor, images[order]), whole[order], **ROUNDING)
    torch.testing.assert_close(extract(extractor, images, n=4), whole[:4], **ROUNDING)
    assert torch.equal(extract(extractor, images), whole)  # and the same call gives the same bits


def test_eval_mode_survives_train(extractor, noise):
    state = {name: tensor.clone() for name, tensor in extractor.module.state_dict().items()}
    before = extract(extractor, noise(4))
    extractor.module.train()
    assert not any(module.training for module in extractor.module.modules())
    assert torch.equal(extract(extractor, noise(4)), before)
    assert all(torch.equal(tensor, state[name]) for name, tensor in extractor.module.state_dict().items())


def test_scoring_inside_a_training_step_changes_nothing(extractor, noise):
    before, random_state = extract(extractor, noise(4)), torch.get_rng_state()
    with torch.enable_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(extract(extractor, noise(4)), before)
    assert torch.equal(torch.get_rng_state(), random_state)


def test_the_same_extractor_has_the_same_fingerprint(extractor, labelled):
    again = load_extractor(extractor.name, labelled)
    assert again.fingerprint == extractor.fingerprint
    assert re.fullmatch("[0-9a-f]{16}", extractor.fingerprint)


def test_fingerprint_tells_weights_and_preprocessing_apart(unlabelled):
    first = load_extractor("random-init", unlabelled(16, 1))
    prints = {first.fingerprint, load_extractor("random-init", unlabelled(16, 1), seed=1).fingerprint}
    prints.add(load_extractor("random-init", unlabelled(17, 1)).fingerprint)  # the same weights, but another size
    prints.add(load_extractor("random-init", unlabelled(16, 3)).fingerprint)
    darker = FeatureNet(first.module.body, None, num_features=128, channels=1, prepare=Resize(16, std=100))
    prints.add(fingerprint("random-init", darker))
    prints.add(fingerprint("random-init", first.module, version=2))
    assert len(prints) == 6
    assert fingerprint("random-init", first.module) == first.fingerprint


def test_fingerprint_is_that_of_the_scores_on_disk():
    """What is hashed must never change, or scores of earlier runs could not be compared any more."""
    body = torch.nn.Linear(2, 1)
    torch.nn.init.zeros_(body.weight)
    torch.nn.init.zeros_(body.bias)
    net = FeatureNet(body, None, num_features=1, channels=1, prepare=Resize(28))
    hashed = b"1 random-init 1 _Resize(size=28, mean=127.5, std=127.5)"
    hashed += b"body.weight torch.float32 (1, 2)" + bytes(8) + b"body.bias torch.float32 (1,)" + bytes(4)
    assert fingerprint("random-init", net) == hashlib.sha256(hashed).hexdigest()[:16]


def test_loading_leaves_the_global_random_state_alone(extractor, labelled, empty_cache):
    before = torch.get_rng_state()
    load_extractor(extractor.name, labelled)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 1, 16, 16), r"float32.*must be uint8"),
        (torch.zeros(1, 16, 16, dtype=torch.uint8), r"\(1, 16, 16\).*\(N, C, H, W\)"),
        (torch.zeros(2, 2, 16, 16, dtype=torch.uint8), r"2 channels.*load the images"),
        (torch.zeros(0, 1, 16, 16, dtype=torch.uint8), r"n=0 of 0 images"),
    ],
)
def test_images_it_does_not_take(extractor, images, message):
    with pytest.raises(FeatureError, match=message):
        extract(extractor, images)


def test_torchmetrics_takes_the_module(classifier, noise):
    metric = FrechetInceptionDistance(feature=classifier.module).train()
    real = noise(40)
    metric.update(real, real=True)
    metric.update(real.flip(0), real=False)
    # identical sets: 0 up to the square root of float64 rounding in the rank-deficient covariances
    assert metric.compute().abs() < 1e-2


@pytest.mark.parametrize(
    ("dataset", "channels", "expected"),
    [
        ("mnist", 1, "classifier"),
        ("fashion_mnist", 1, "classifier"),
        ("mnist5k", 1, "classifier"),
        ("mnist", 3, "efficientnet-lite0"),
        ("anime_faces", 3, "efficientnet-lite0"),
        ("anime_faces", 1, "efficientnet-lite0"),
        ("some/folder", 1, "efficientnet-lite0"),
        ("stacked_mnist", 3, "classifier"),
        ("stacked_mnist5k", 3, "classifier"),
    ],
)
def test_default_extractor(dataset, channels, expected):
    assert default_extractor(dataset, channels) == expected


def test_default_extractor_covers_every_built_in():
    assert DATASETS.keys() == BUILT_IN.keys()
    for name, size in DATASETS.items():
        assert default_extractor(dataset_slug(name), size["channels"]) in EXTRACTORS


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("clasifier", "did you mean 'classifier'"),
        ("clip", "choose one of classifier, efficientnet-lite0, inception"),
        (None, "None is unknown"),
    ],
)
def test_unknown_extractor(name, message, unlabelled):
    with pytest.raises(FeatureError, match=message):
        load_extractor(name, unlabelled(28, 1))


@pytest.mark.parametrize("name", ["efficientnet-lite0", "random-init", "pixel-pca"])
def test_only_networks_with_classes_give_logits(name, labelled, request, noise):
    if name == "efficientnet-lite0":
        assert request.getfixturevalue("efficientnet").module.logits(noise(1)).shape == (1, 1000)
        return
    with pytest.raises(FeatureError, match="knows no classes"):
        load_extractor(name, labelled).module.logits(noise(1))
