"""Images → scores that features do not give: variety, modes of stacked digits, copies, and nearest training images."""

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from gancompare.data.datasets import MODES
from gancompare.runs import grids
from gancompare.scoring.features.extractors import Extractor
from gancompare.scoring.metrics.classes import class_report
from gancompare.scoring.metrics.copies import LEAST_HELD_OUT, copy_score
from gancompare.scoring.metrics.similarity import lpips_diversity, ms_ssim_pairs, nearest_neighbours

PAIRS = 500  # of images compared by MS-SSIM and LPIPS
COPY_IMAGES, COPY_SIDE = 1000, 32  # images searched for copies, and the side they are shrunk to for it
NEIGHBOURS = 8  # images shown beside their nearest training image


def variety(fake: Tensor, real: Tensor, seed: int = 0) -> dict[str, Any]:
    """How alike pairs of images are, by MS-SSIM (beside real pairs) and, if its weights are at hand, by LPIPS."""
    similar = ms_ssim_pairs(fake, PAIRS, np.random.default_rng(seed))
    similar_real = ms_ssim_pairs(real, PAIRS, np.random.default_rng(seed))
    distance, note = lpips_diversity(fake[:PAIRS], PAIRS, np.random.default_rng(seed))
    return {
        "ms_ssim": similar.value,
        "ms_ssim_se": similar.standard_error,
        "ms_ssim_real": similar_real.value,
        "lpips": distance.value if distance else None,
        "lpips_note": note,
    }


def stacked_modes(fake: Tensor, classifier: Extractor) -> dict[str, Any]:
    """How many of the 1,000 combinations of three digits are made, and how evenly: ``class_report`` over modes.

    The mode of a uint8 image (N, 3, H, W) is what the classifier of single digits takes each of its channels for.
    """
    report = class_report(classifier.module.predictions(fake), len(MODES))
    kept = ("modes", "modes_tenth", "kl_uniform", "kl_uniform_floor")
    return {"mode_images": len(fake)} | {name: report[name] for name in kept}


def memorisation(fake: Tensor, train: Tensor, held_out: Tensor) -> dict[str, Any]:
    """Whether fakes are nearer to training images than fresh real images are; by pixels, shrunk to COPY_SIDE."""
    if len(held_out) < LEAST_HELD_OUT:
        return {"copy_note": f"not tested for copies: {len(held_out)} held-out images of at least {LEAST_HELD_OUT}"}
    copies = copy_score(shrunk(fake[:COPY_IMAGES]), shrunk(train), shrunk(held_out[:COPY_IMAGES]))
    return {"copy_score": copies["score"], "copy_p": copies["p_value"], "copy_flagged": copies["flagged"]}


def shrunk(images: Tensor) -> Tensor:
    """uint8 images, at most COPY_SIDE wide."""
    if images.shape[-1] <= COPY_SIDE:
        return images
    parts = [interpolate(x.float(), (COPY_SIDE, COPY_SIDE), mode="area") for x in images.split(1024)]
    return torch.cat([part.round().to(torch.uint8) for part in parts])


def neighbours(fake: Tensor, train: Tensor) -> tuple[Image.Image, dict[str, float]]:
    """A sheet of the first fakes, each above the training image nearest to it by pixels, and how near these are."""
    fake = fake[:NEIGHBOURS]
    near = nearest_neighbours(fake, train)
    sheet = grids.grid(torch.cat([fake, train[near["index"][:, 0]]]), columns=len(fake))
    psnr = near["psnr"][:, 0].clamp(max=100)  # infinite for an exact copy, which JSON cannot hold
    return sheet, {"neighbour_psnr": psnr.mean().item(), "neighbour_ssim": near["ssim"][:, 0].mean().item()}
