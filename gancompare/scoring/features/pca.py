"""Principal components of real features, and the extractor that projects pixels onto theirs."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gancompare.data.cache import cached
from gancompare.data.datasets import Dataset
from gancompare.scoring.features.network import VERSION, FeatureError, FeatureNet, Resize


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

    def build() -> dict[str, Tensor]:
        pca = fit_pca(torch.cat([prepare(x).flatten(1) for x in train.images[:10_000].split(512)]), dims=64)
        return {"weight": pca.components, "bias": -pca.components @ pca.mean}

    weights = cached(f"pixel-pca-v{VERSION}-{train.fingerprint}", build)
    with torch.random.fork_rng(devices=[]):  # the constructor draws weights that are replaced below
        linear = nn.Linear(*weights["weight"].T.shape)
    linear.load_state_dict(weights)
    body = nn.Sequential(nn.Flatten(), linear)
    return FeatureNet(body, None, num_features=linear.out_features, channels=channels, prepare=prepare)
