"""What metrics accept: each function returns its input in the form that is computed with, or raises ValueError."""

import numpy as np
import torch
from torch import Tensor


def as_tensor(values) -> Tensor:
    return values.detach() if isinstance(values, Tensor) else torch.as_tensor(np.asarray(values))


def feature_matrix(name: str, values, least: int = 2) -> Tensor:
    """float64 (N, d), finite, with N ≥ ``least``; ``name`` is how an error calls the values."""
    values = as_tensor(values)
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(f"{name} have shape {tuple(values.shape)}, not (N, d): pass one row per image")
    if len(values) < least:
        raise ValueError(f"{name}: {len(values)} rows, but at least {least} are needed: score more images")
    values = values.double()
    if bad := int((~(values.abs() < 1e38)).any(1).sum()):
        raise ValueError(f"{name}: {bad} of {len(values)} rows hold NaN or infinity: count the run as diverged")
    return values


def feature_pair(real, fake, least: int = 2) -> tuple[Tensor, Tensor]:
    """Both as ``feature_matrix``, of equal width, on one device."""
    real, fake = feature_matrix("real features", real, least), feature_matrix("fake features", fake, least)
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            f"real features have {real.shape[1]} columns, fake {fake.shape[1]}: use one extractor for both"
        )
    return real, fake.to(real.device)


def probability_matrix(values, least: int) -> Tensor:
    """float64 (N, K) whose rows sum to 1, with N ≥ ``least``."""
    values = feature_matrix("probabilities", values, least)
    if values.min() < 0 or (values.sum(1) - 1).abs().max() > 1e-3:
        raise ValueError("probabilities are negative or do not sum to 1 in each row: pass the softmax of the logits")
    return values


def image_batch(images, least: int) -> Tensor:
    """uint8 (N, C, H, W) of 8 × 8 pixels or more, with N ≥ ``least``."""
    images = as_tensor(images)
    if images.ndim != 4 or images.dtype != torch.uint8:
        raise ValueError(f"images are {images.dtype} {tuple(images.shape)}: pass uint8 (N, C, H, W), e.g. by to_uint8")
    if len(images) < least or min(images.shape[-2:]) < 8:
        raise ValueError(
            f"images {tuple(images.shape)}: at least {least} of 8 × 8 pixels or more are needed: add images"
        )
    return images


def flat_rows(name: str, values, least: int) -> Tensor:
    """Features or images as rows; uint8 stays uint8, as 60,000 images would not fit into memory as float64."""
    values = as_tensor(values)
    if values.dtype == torch.uint8 and values.ndim > 1 and len(values) >= least:
        return values.flatten(1)
    return feature_matrix(name, values.flatten(1) if values.ndim > 2 else values, least)
