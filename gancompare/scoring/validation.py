"""Distance to real images that no result is compared with: what settings may be chosen by."""

import torch
from torch import Tensor

from gancompare.config import RunConfig
from gancompare.data.datasets import Splits
from gancompare.data.errors import DataError
from gancompare.models import Generator
from gancompare.scoring.features.extraction import extract
from gancompare.scoring.features.extractors import Extractor, load_extractor
from gancompare.scoring.metrics.frechet import frechet_distance
from gancompare.scoring.reference import chosen_extractor, drawn
from gancompare.scoring.sampling import evaluation_samples

LEAST = 6  # images, as for any score


class Validation:
    """The validation images of a config's data set through its primary extractor."""

    def __init__(self, config: RunConfig, data: Splits, device: str | torch.device):
        """Raises DataError for too few images, FeatureError for an extractor that cannot be loaded, and ValueError for
        a config that is not to be scored."""
        name = chosen_extractor(config)
        if name is None:
            raise ValueError("extractor='none': validation needs one")
        images = validation_images(data, config.evaluation_images)
        self.extractor: Extractor = load_extractor(name, data, device)
        self.features: Tensor = extract(self.extractor, images)  # (n, d)
        self.fingerprint = data.train.fingerprint  # of the data set

    def fd(self, generator: Generator, seed: int) -> float:
        """Fréchet distance of as many samples of ``generator``, from the evaluation latents of ``seed``."""
        samples = evaluation_samples(generator, seed, len(self.features))
        return frechet_distance(self.features, extract(self.extractor, samples))


def validation_images(data: Splits, n: int) -> Tensor:
    """At most ``n`` uint8 images that are none of those that a result with ``n`` evaluation images is compared with.

    Results use the head of a fixed draw of the training images (``drawn``), these are its tail; where that leaves fewer
    than there are held-out images, they are held-out ones. Raises DataError for fewer than LEAST.
    """
    tail = drawn(data.train, len(data.train.images))[n:][-n:]
    chosen = data.train.images[tail]
    if data.test is not None and len(chosen) < min(n, len(data.test.images)):
        chosen = data.test.images[drawn(data.test, n)]
    if len(chosen) < LEAST:
        raise DataError(
            f"{data.train.name} leaves {len(chosen)} images for validation beside the {n:,} that results are compared "
            f"with, and {LEAST} are needed: lower evaluation_images"
        )
    return chosen
