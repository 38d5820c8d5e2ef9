"""Between pixels as they are stored (uint8, 0–255) and as nets see them (float, −1 to 1)."""

import torch
from torch import Tensor

from gancompare.data.errors import DataError


def to_unit_range(images: Tensor) -> Tensor:
    """uint8 (…) in 0–255 → float32 (…) in [−1, 1], the range of the generator's tanh. Raises DataError otherwise."""
    if images.dtype != torch.uint8:
        raise DataError(f"images are {images.dtype}, not uint8: scaling them twice would go unnoticed; pass raw images")
    return images.to(torch.float32) / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """Float (…) in [−1, 1] → uint8 (…): inverse of to_unit_range; clamps, and NaN (a diverged run) becomes black.

    Raises: DataError for images that are not floating point.
    """
    if not images.is_floating_point():
        raise DataError(f"images are {images.dtype}, not floating point: pass images in [-1, 1], such as a generator's")
    return images.float().add(1).mul(127.5).round().nan_to_num(nan=0).clamp(0, 255).to(torch.uint8)
