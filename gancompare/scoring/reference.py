"""Real images as one extractor sees them, ready to be compared with generated ones."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from gancompare.config import RunConfig
from gancompare.data.datasets import Dataset, Splits, drawn
from gancompare.recipes import SECOND_OPINIONS
from gancompare.scoring.features.extraction import extract, real_features
from gancompare.scoring.features.extractors import Extractor, default_extractor, load_extractor
from gancompare.scoring.metrics.frechet import Gaussian, fit_gaussian, frechet_distance_of_gaussians
from gancompare.scoring.metrics.kernel import kid


@dataclass(frozen=True)
class Reference:
    """The features of real images, and what it takes to compute the same features of other images.

    All features are used: on a projection of EfficientNet's onto a few components, garbage passes for faces. With as
    many features as images or more, a covariance is singular and FD mostly bias; KID is unbiased at any number.
    """

    extractor: Extractor
    dataset: Dataset  # whose images these are
    features: Tensor  # (N, d), of the images ``drawn(dataset, N)``
    _gaussians: dict[int, Gaussian] = field(default_factory=dict, repr=False, compare=False)

    def see(self, images: Tensor) -> Tensor:
        """uint8 images → their features."""
        return extract(self.extractor, images)

    def fd(self, features: Tensor, n: int | None = None) -> float:
        """Fréchet distance of ``features`` from the first ``n`` real ones, by default from as many."""
        n = len(features) if n is None else n
        if n not in self._gaussians:  # a run is measured against the same ones over and over
            self._gaussians[n] = fit_gaussian(self.features[:n])
        return frechet_distance_of_gaussians(self._gaussians[n], fit_gaussian(features))

    def kid(self, features: Tensor) -> float:
        return kid(self.features[: len(features)], features).value

    def part(self, n: int) -> int:
        """The size of two disjoint sets of real images: ``n``, or half of all if there are fewer."""
        return min(n, len(self.features) // 2)

    def floor(self, n: int) -> float:
        """FD between two disjoint sets of ``part(n)`` real images."""
        n = self.part(n)
        return self.fd(self.features[n : 2 * n])


def see_real(extractor: Extractor, dataset: Dataset, n: int) -> Reference:
    """``n`` images of ``dataset`` (``drawn``), or all if it has fewer, through ``extractor``; features are cached."""
    return Reference(extractor, dataset, real_features(extractor, dataset, drawn(dataset, n)))


def chosen_extractor(config: RunConfig) -> str | None:
    """The name of the primary extractor of a run; None if the run is not to be scored."""
    names = {"auto": default_extractor(config.dataset, config.channels), "none": None}
    return names.get(config.extractor, config.extractor)


def references(config: RunConfig, data: Splits, device: str | torch.device) -> list[Reference]:
    """What a run's samples are compared with, while it trains and at its end: the primary extractor first, then the
    second opinions. Empty if the run is not to be scored. Raises FeatureError for an extractor that cannot be loaded.
    """
    primary = chosen_extractor(config)
    others = SECOND_OPINIONS[config.channels]
    names = [] if primary is None else [primary, *(name for name in others if name != primary)]
    return [see_real(load_extractor(name, data, device), data.train, 2 * config.evaluation_images) for name in names]
