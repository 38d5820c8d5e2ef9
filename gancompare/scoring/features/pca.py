"""Principal components of real features, and the extractor that projects pixels onto theirs."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gancompare.data.cache import cached
from gancompare.data.datasets import Dataset, drawn
from gancompare.scoring.features.network import VERSION, FeatureError, FeatureNet, Resize
from gancompare.scoring.features.pretrained import efficientnet_early


@dataclass(frozen=True)
class PCA:
    """The directions in which real features vary most."""

    mean: Tensor  # float32 (d,)
    components: Tensor  # float32 (dims, d), orthonormal rows, the one with the largest variance first
    explained: float  # share of the variance in these directions, 0–1

    def apply(self, features: Tensor) -> Tensor:
        """(N, d) → float32 (N, dims): coordinates along the components, not rescaled."""
        return (features.float() - self.mean) @ self.components.T


def fit_pca(features: Tensor, dims: int = 128) -> PCA:
    """The first ``dims`` principal components of real ``features`` (N, d), or as many as N and d allow.

    Raises FeatureError for ``dims`` below 1, fewer than two rows, and features that are not finite.
    """
    if dims < 1 or features.ndim != 2 or len(features) < 2 or not features.isfinite().all():
        raise FeatureError(
            f"no PCA with {dims} dimensions of features {tuple(features.shape)}: it needs at least 1 dimension and 2 "
            "rows of finite numbers"
        )
    centred = features.double() - features.double().mean(dim=0)
    variances, vectors = torch.linalg.eigh(centred.T @ centred)  # float64, ascending
    components = vectors.flip(1).T[: min(dims, len(features) - 1)]
    largest = components.gather(1, components.abs().argmax(dim=1, keepdim=True))
    components = components * largest.sign()  # eigenvectors come with either sign
    explained = variances.flip(0)[: len(components)].sum() / variances.sum().clamp_min(1e-300)
    return PCA(features.double().mean(dim=0).float(), components.float(), explained.item())


def pixel_pca(train: Dataset) -> FeatureNet:
    """64 principal components of the training images' pixels, scaled to −1 to 1 and shrunk to at most 1,024 values."""
    _, channels, image_size, _ = train.images.shape
    prepare = Resize(min(image_size, math.isqrt(1024 // channels)))
    linear = _projection("pixel-pca", train, lambda x: prepare(x).flatten(1), dims=64, images=10_000)
    body = nn.Sequential(nn.Flatten(), linear)
    return FeatureNet(body, None, num_features=linear.out_features, channels=channels, prepare=prepare)


def early_pca(train: Dataset) -> FeatureNet:
    """128 principal components of what ``efficientnet_early`` sees in the training images, at their own size.

    Enlarging the images to 128 pixels, as for the whole network, costs five times as much and orders the controls no
    better.
    """
    prepare, early = Resize(train.images.shape[-1], 127, 128), efficientnet_early()
    wide = FeatureNet(early, None, num_features=640, channels=3, prepare=prepare)
    linear = _projection("efficientnet-early", train, wide, dims=128, images=4_000)
    return FeatureNet(nn.Sequential(early, linear), None, num_features=linear.out_features, channels=3, prepare=prepare)


def _projection(name: str, train: Dataset, see: Callable[[Tensor], Tensor], *, dims: int, images: int) -> nn.Linear:
    """The projection of features onto their principal components in a random draw of ``images``; cached by ``name``."""

    def build() -> dict[str, Tensor]:
        chosen = train.images[drawn(train, images)]
        pca = fit_pca(torch.cat([see(x) for x in chosen.split(256)]), dims)
        return {"weight": pca.components, "bias": -pca.components @ pca.mean}

    weights = cached(f"{name}-drawn-v{VERSION}-{train.fingerprint}", build)
    with torch.random.fork_rng(devices=[]):  # the constructor draws weights that are replaced below
        linear = nn.Linear(*weights["weight"].T.shape)
    linear.load_state_dict(weights)
    return linear
