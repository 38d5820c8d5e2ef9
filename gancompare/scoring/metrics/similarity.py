"""How alike images are: random pairs by MS-SSIM and LPIPS, and each fake beside its nearest training images."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gancompare.scoring.metrics.checks import image_batch
from gancompare.scoring.metrics.distances import CHUNK, nearest
from gancompare.scoring.metrics.estimates import Estimate, mean_estimate

MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, finest first (Wang et al. 2003)
BACKBONES = {"alex": "alexnet", "squeeze": "squeezenet1_1", "vgg": "vgg16"}  # LPIPS's name → torchvision's


def ms_ssim_pairs(images, pairs: int, rng: np.random.Generator) -> Estimate:
    """Mean MS-SSIM of random pairs of images: 1 where all are the same, lower for more variety (Odena et al. 2017).

    The five scales of Wang et al. 2003 with their 11 × 11 window need 176 pixels. Smaller images use the scales that
    fit (28: two, 64: three, 128: four) with their weights renormalised, and below 11 pixels a smaller window: compare
    at equal image size only, and against real images. Raises ValueError below 2 images, 1 pair or 8 pixels.
    """
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    first, second = _random_pairs(images, pairs, rng)
    side = min(first.shape[-2:])
    window = _ssim_window(first)
    fits = [side // max(2**scale, scale**2) >= window for scale in range(len(MS_SSIM_WEIGHTS))]  # torchmetrics's rule
    weights = np.array(MS_SSIM_WEIGHTS)[fits]
    betas = tuple((weights / weights.sum()).tolist())
    values = [
        multiscale_structural_similarity_index_measure(
            *pair, sigma=1.5 * window / 11, kernel_size=window, betas=betas, data_range=1.0, reduction="none"
        ).reshape(-1)
        for pair in zip(first.split(CHUNK), second.split(CHUNK), strict=True)
    ]
    return mean_estimate(torch.cat(values))


def lpips_diversity(images, pairs: int, rng: np.random.Generator, *, net: str = "alex") -> tuple[Estimate | None, str]:
    """(mean LPIPS distance of random pairs, "") or (None, why not): 0 where all are the same, higher for more variety.

    Zhang et al. 2018, eq. 1. The ImageNet backbone must already be in torch's cache, as nothing is downloaded here.
    Grey is repeated to RGB, and images below 64 pixels are enlarged to 64. Raises ValueError as ``ms_ssim_pairs``.
    """
    import torchvision
    from torchmetrics.functional.image import learned_perceptual_image_patch_similarity

    first, second = _random_pairs(images, pairs, rng)
    url = torchvision.models.get_model_weights(BACKBONES[net]).DEFAULT.url
    weights = Path(torch.hub.get_dir(), "checkpoints", Path(url).name)
    if not weights.is_file():
        where = "torch.hub.get_dir()/checkpoints"
        return None, f"LPIPS not measured: its weights are not in {where}; to have it, put {url} there"
    shape = (3, max(64, first.shape[-2]), max(64, first.shape[-1]))
    first, second = (
        torch.nn.functional.interpolate(x, shape[1:], mode="bilinear").expand(-1, *shape) for x in (first, second)
    )
    with torch.random.fork_rng(devices=[]), torch.no_grad():  # building a network draws from the global generator
        values = learned_perceptual_image_patch_similarity(first, second, net, reduction="none", normalize=True)
    return mean_estimate(values.reshape(-1)), ""


def nearest_neighbours(fake, train, k: int = 1, *, chunk: int = CHUNK) -> dict[str, Tensor]:
    """The k training images nearest to each fake by pixels, nearest first. For looking at; ``copy_score`` judges.

    Images uint8 (N, C, H, W), (M, C, H, W) → ``index`` and ``distance`` (Euclidean, pixels in 0–255), and each pair's
    ``psnr`` in dB (∞ for identical images) and ``ssim`` in [−1, 1], all (N, k). ``chunk``: images compared at once.
    Raises ValueError for images that are not uint8 or differ in shape, and for fewer than k training images.
    """
    from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

    fake, train = image_batch(fake, least=1), image_batch(train, least=k)
    if fake.shape[1:] != train.shape[1:]:
        raise ValueError(f"fakes are {tuple(fake.shape[1:])}, training images {tuple(train.shape[1:])}: resize one set")
    distance, index = nearest(fake.flatten(1), train.flatten(1), k, chunk=chunk)
    psnr, ssim = torch.empty_like(distance).float(), torch.empty_like(distance).float()
    window = _ssim_window(fake)
    for start in range(0, len(fake), chunk):
        rows = slice(start, start + chunk)
        for rank in range(k):
            pair = fake[rows] / 255, train[index[rows, rank]] / 255
            psnr[rows, rank] = peak_signal_noise_ratio(*pair, data_range=1.0, reduction="none", dim=(1, 2, 3))
            ssim[rows, rank] = structural_similarity_index_measure(
                *pair, sigma=1.5 * window / 11, kernel_size=window, data_range=1.0, reduction="none"
            )
    return {"index": index, "distance": distance, "psnr": psnr, "ssim": ssim}


def _random_pairs(images, pairs: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Two float32 tensors (pairs, C, H, W) in [0, 1]; never an image with itself."""
    images = image_batch(images, least=2)
    if pairs < 1:
        raise ValueError(f"pairs is {pairs}: compare at least one")
    first = rng.integers(len(images), size=pairs)
    second = (first + rng.integers(1, len(images), size=pairs)) % len(images)
    return images[torch.from_numpy(first)] / 255, images[torch.from_numpy(second)] / 255


def _ssim_window(images: Tensor) -> int:
    """Odd width in pixels: 11 with sigma 1.5, as published, or what fits into the image, with sigma in proportion."""
    side = min(images.shape[-2:])
    return min(11, side - 1 + side % 2)
