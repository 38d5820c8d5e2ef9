"""Feature extractors by name. Two scores are comparable exactly if their extractors' fingerprints are equal."""

import difflib
import os
from dataclasses import dataclass

import torch
from torch import nn

from gancompare.data.cache import digest
from gancompare.data.datasets import Splits
from gancompare.recipes import DATASETS, EXTRACTORS
from gancompare.scoring.features.classifier import small_cnn, stacked, trained_classifier
from gancompare.scoring.features.network import VERSION, FeatureError, FeatureNet, Resize
from gancompare.scoring.features.pca import early_pca, pixel_pca
from gancompare.scoring.features.pretrained import efficientnet_lite0, inception


@dataclass(frozen=True)
class Extractor:
    """A feature network, with what is needed to say later exactly which one it was."""

    name: str  # one of EXTRACTORS
    label: str  # what its Fréchet distance may be called
    num_features: int
    fingerprint: str  # 16 hex digits over weights and preprocessing: equal exactly if those are
    accuracy: float | None  # of a classifier on the held-out images of its data set, 0–1
    module: FeatureNet


def load_extractor(name: str, data: Splits, device: str | torch.device = "cpu", *, seed: int = 0) -> Extractor:
    """The extractor ``name`` on ``device``, for images of the size of ``data``.

    ``classifier``, ``efficientnet-early`` and ``pixel-pca`` are fitted to the training images of ``data`` and cached;
    ``seed`` chooses among classifiers, and among ``random-init`` networks. Raises FeatureError for an unknown name,
    missing weights and unlabelled data.
    """
    if name not in EXTRACTORS:
        near = difflib.get_close_matches(str(name), EXTRACTORS, n=1)
        hint = f"did you mean {near[0]!r}? Otherwise " if near else ""
        raise FeatureError(f"extractor {name!r} is unknown: {hint}choose one of {', '.join(EXTRACTORS)}")
    net, accuracy = _load_network(name, data, device=device, seed=seed)
    label, identity = EXTRACTORS[name], fingerprint(name, net)
    return Extractor(name, label, net.num_features, identity, accuracy, net.to(device))


def _load_network(name: str, data: Splits, *, device, seed: int) -> tuple[FeatureNet, float | None]:
    """The network and, for a classifier, its accuracy."""
    _, channels, image_size, _ = data.train.images.shape
    match name:
        case "classifier" if data.train.digits is not None:
            net, accuracy = trained_classifier(data.train.digits, device, seed)
            return stacked(net), accuracy
        case "classifier":
            return trained_classifier(data, device, seed)
        case "efficientnet-lite0":
            return FeatureNet(*efficientnet_lite0(), num_features=1280, channels=3, prepare=Resize(128, 127, 128)), None
        case "inception":
            return FeatureNet(*inception(), num_features=2048, channels=3, prepare=nn.Identity()), None
        case "random-init":
            body, _ = small_cnn(image_size, channels, classes=1, seed=seed)
            return FeatureNet(body, None, num_features=128, channels=channels, prepare=Resize(image_size)), None
        case "efficientnet-early":
            return early_pca(data.train), None
        case "pixel-pca":
            return pixel_pca(data.train), None


def fingerprint(name: str, net: FeatureNet, version: int = VERSION) -> str:
    """16 hex digits over the weights and the preprocessing of ``net``."""
    return digest(net.state_dict(), f"{version} {name} {net.channels} {net.prepare}")


def default_extractor(dataset_name, channels: int) -> str:
    """``classifier`` for the 28×28 built-in data sets, which are labelled; ``efficientnet-lite0`` for all others."""
    small = DATASETS.get(os.fspath(dataset_name)) == {"image_size": 28, "channels": channels}
    return "classifier" if small else "efficientnet-lite0"
