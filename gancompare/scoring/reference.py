"""Real images as one extractor sees them, ready to be compared with generated ones."""

from dataclasses import dataclass

import torch
from torch import Tensor

from gancompare.base.streams import stream
from gancompare.config import RunConfig
from gancompare.data.datasets import Dataset, Splits
from gancompare.scoring.features.extraction import extract, real_features
from gancompare.scoring.features.extractors import Extractor, default_extractor, load_extractor
from gancompare.scoring.features.pca import PCA, fit_pca
from gancompare.scoring.metrics.frechet import frechet_distance
from gancompare.scoring.metrics.kernel import kid

MAX_FEATURES = 128  # wider features are projected: FD's bias grows with their number, and covariances need images
SECOND_OPINIONS = ("random-init", "pixel-pca")  # a ranking needs one of them to agree, and none to contradict
PROJECTED = 64  # dimensions of that projection, fitted on real images


@dataclass(frozen=True)
class Reference:
    """The features of real images, and what it takes to compute the same features of other images."""

    extractor: Extractor
    pca: PCA | None  # if the extractor has more than MAX_FEATURES features
    raw: Tensor  # (N, num_features) of real images
    features: Tensor  # (N, d), projected

    def see(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 images → the extractor's features, and the same features projected."""
        raw = extract(self.extractor, images)
        return raw, self.project(raw)

    def project(self, raw: Tensor) -> Tensor:
        return raw if self.pca is None else self.pca.apply(raw)

    def distances(self, fake: Tensor) -> dict[str, float]:
        """``fd`` and ``kid`` of uint8 images from as many real ones: what a run measures while it trains."""
        _, features = self.see(fake)
        real = self.features[: len(fake)]
        return {"fd": frechet_distance(real, features), "kid": kid(real, features).value}

    def floor(self, n: int) -> float:
        """FD between two disjoint sets of ``n`` real images, or of half of all if there are fewer."""
        n = min(n, len(self.features) // 2)
        return frechet_distance(self.features[:n], self.features[n : 2 * n])


def drawn(dataset: Dataset, n: int) -> Tensor:
    """The indices of a fixed random draw of ``n`` images, or of all if there are fewer: files come in an order of their
    own, and the head of MNIST's is no fair sample of it. A larger draw begins with the smaller one."""
    return torch.randperm(len(dataset.images), generator=stream(0, "reference"))[:n]


def see_real(extractor: Extractor, dataset: Dataset, n: int) -> Reference:
    """``n`` images of ``dataset`` (``drawn``), or all if it has fewer, through ``extractor``; features are cached."""
    raw = real_features(extractor, dataset, drawn(dataset, n))
    pca = fit_pca(raw, PROJECTED) if raw.shape[1] > MAX_FEATURES else None
    return Reference(extractor, pca, raw, raw if pca is None else pca.apply(raw))


def chosen_extractor(config: RunConfig) -> str | None:
    """The name of the primary extractor of a run; None if the run is not to be scored."""
    names = {"auto": default_extractor(config.dataset, config.channels), "none": None}
    return names.get(config.extractor, config.extractor)


def references(config: RunConfig, data: Splits, device: str | torch.device) -> list[Reference]:
    """What a run's samples are compared with, while it trains and at its end: the primary extractor first, then the
    second opinions. Empty if the run is not to be scored. Raises FeatureError for an extractor that cannot be loaded.
    """
    primary = chosen_extractor(config)
    names = [] if primary is None else [primary, *(name for name in SECOND_OPINIONS if name != primary)]
    return [see_real(load_extractor(name, data, device), data.train, 2 * config.evaluation_images) for name in names]
