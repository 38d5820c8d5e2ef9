"""Scores by a classifier: the Inception Score, and which classes a generator makes."""

import math

import numpy as np
import torch
from torch import Tensor

from gancompare.scoring.metrics.checks import as_tensor, probability_matrix
from gancompare.scoring.metrics.estimates import Estimate, shuffled


def inception_score(probabilities, splits: int, rng: np.random.Generator) -> Estimate:
    """exp(mean KL(p(class | image) ‖ p(class))) of probabilities (N, K): 1 to K, mean over shuffled splits.

    Salimans et al. 2016, sec. 4. It looks at no real image, so do not rank by it. The standard error is the usual "std
    over splits" over √splits. Raises ValueError unless there are 2 or more splits of 2 or more rows that sum to 1.
    """
    if splits < 2:
        raise ValueError(f"splits is {splits}: take 2 or more, as the error is measured between them")
    probabilities = shuffled(probability_matrix(probabilities, least=2 * splits), rng)
    scores = []
    for part in probabilities.tensor_split(splits):
        divergence = torch.xlogy(part, part) - torch.xlogy(part, part.mean(0))
        scores.append(divergence.sum(1).mean().exp().item())
    return Estimate(float(np.mean(scores)), float(np.std(scores, ddof=1)) / math.sqrt(splits))


def class_report(predictions, num_classes: int, real_histogram=None) -> dict:
    """Which classes a generator makes, from predicted labels (N,) or probabilities (N, K).

    - ``class_histogram``: images per class
    - ``modes``: classes with any image
    - ``modes_tenth``: classes with at least a tenth of their share
    - ``kl_uniform``, ``kl_real``: KL(fake ‖ ·) in nats, 0 (equal) upwards, each with the ``_floor`` that sampling alone
      leaves, (K − 1)/2N

    ``real_histogram``: counts (K,) of real images, without which ``kl_real`` is None. A class that only fakes have
    counts as half a real image there, which keeps the divergence finite. Raises ValueError for no predictions, labels
    outside 0 … K − 1, or a histogram of another length or without images.
    """
    labels = _checked_labels(predictions, num_classes)
    counts = np.bincount(labels.long().cpu().numpy(), minlength=num_classes)
    real = np.ones(num_classes) if real_histogram is None else np.asarray(real_histogram, dtype=float)
    if real.shape != (num_classes,) or not np.isfinite(real).all() or real.min() < 0 or real.sum() == 0:
        raise ValueError(f"real_histogram {real.tolist()} is not {num_classes} counts: pass real images per class")
    floor = (num_classes - 1) / (2 * len(labels))
    return {
        "class_histogram": counts.tolist(),
        "modes": int((counts > 0).sum()),
        "modes_tenth": int(((counts > 0) & (counts / counts.sum() >= 0.1 * real / real.sum())).sum()),
        "kl_uniform": _divergence(counts, np.ones(num_classes)),
        "kl_uniform_floor": floor,
        "kl_real": None if real_histogram is None else _divergence(counts, real),
        "kl_real_floor": None if real_histogram is None else floor + (num_classes - 1) / (2 * float(real.sum())),
    }


def _checked_labels(predictions, num_classes: int) -> Tensor:
    """Integer labels (N,) from labels or probabilities."""
    labels = as_tensor(predictions)
    if labels.ndim == 2:
        labels = probability_matrix(labels, least=1).argmax(1)
    if labels.ndim != 1 or not len(labels) or labels.is_floating_point():
        raise ValueError(f"predictions are {labels.dtype} {tuple(labels.shape)}: pass integers (N,) or (N, K)")
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(f"labels {labels.min()} to {labels.max()} do not fit {num_classes} classes: count from 0")
    return labels


def _divergence(counts: np.ndarray, expected: np.ndarray) -> float:
    """KL(counts ‖ expected) in nats, both as shares; a class that is only in ``counts`` is expected half a time."""
    expected = np.where((expected == 0) & (counts > 0), 0.5, expected)
    p, q = counts / counts.sum(), expected / expected.sum()
    return float((p[p > 0] * np.log(p[p > 0] / q[p > 0])).sum())
