"""Images → features, a batch at a time; the features of real images are cached."""

import torch
from torch import Tensor

from gancompare.data.cache import cached, digest
from gancompare.data.datasets import Dataset
from gancompare.scoring.features.extractors import Extractor
from gancompare.scoring.features.network import FeatureError


def extract(extractor: Extractor, images: Tensor, *, batch_size: int = 256, n: int | None = None) -> Tensor:
    """Features (N, num_features), float32 on the CPU, of the first ``n`` (default: all) uint8 (N, C, H, W) images.

    The batch size changes rounding only. Raises FeatureError for images that the extractor does not take, fewer than
    ``n`` of them, and a batch size below 1.
    """
    n = len(images) if n is None else n
    if not 1 <= n <= len(images) or batch_size < 1:
        raise FeatureError(
            f"n={n} of {len(images):,} images in batches of {batch_size}: choose n from 1 to the number of images, and "
            "batch_size of at least 1"
        )
    net = extractor.module
    # otherwise a GPU rounds to 10 bits, and picks kernels by batch size and timing
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        return torch.cat([net(batch.to(net.device)).cpu() for batch in images[:n].split(batch_size)])


def real_features(extractor: Extractor, dataset: Dataset, chosen: Tensor) -> Tensor:
    """``extract`` of the images ``chosen`` (n,) of ``dataset``, from the cache if it has been done before."""
    key = f"features-{dataset.fingerprint}-{extractor.fingerprint}-{digest({'chosen': chosen})}"
    return cached(key, lambda: {"features": extract(extractor, dataset.images[chosen])})["features"]
