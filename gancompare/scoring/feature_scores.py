"""Features → every score that needs no images, each beside what it must be read with."""

from typing import Any

import numpy as np
from torch import Tensor

from gancompare.scoring.landmarks import landmarks
from gancompare.scoring.metrics.checks import feature_pair, probability_matrix
from gancompare.scoring.metrics.classes import class_report, inception_score
from gancompare.scoring.metrics.estimates import Estimate
from gancompare.scoring.metrics.frechet import frechet_distance, frechet_infinity, least_for_infinity
from gancompare.scoring.metrics.kernel import kid
from gancompare.scoring.metrics.manifold import density_coverage, precision_recall
from gancompare.scoring.reference import Reference

RECALL_NEAR_ZERO = 0.05


def score(fake: Tensor, references: list[Reference], n: int, *, seed: int = 0, classes=None) -> dict[str, Any]:
    """Scores of uint8 images by each of the ``references``; the first one is primary and supplies class predictions.

    The first ``n`` images of either side are used, or all where there are fewer: for scores that are comparable, give
    as many of both. ``classes``: names, if the primary extractor is a classifier of these images. Raises ValueError
    below 6 images.
    """
    by_extractor = {}
    for rank, reference in enumerate(references):
        rng = np.random.default_rng(seed)  # shuffles, the same for every method
        real, features = reference.features[:n], reference.see(fake[:n])
        net, probabilities = reference.extractor.module, {}
        if rank == 0 and net.head is not None:
            probabilities["fake_probabilities"] = net.probabilities(features)
            if classes is not None:
                probabilities["real_probabilities"] = net.probabilities(real)
        scores = score_features(real, features, **probabilities, rng=rng)
        if "class_histogram" in scores:
            labels = probabilities["real_probabilities"].argmax(dim=1)
            scores["real_histogram"] = labels.bincount(minlength=len(classes)).tolist()
            scores["classes"] = list(classes)
        scores |= context(reference, features, n)
        by_extractor[reference.extractor.name] = scores | judgement(scores)
    return {"extractors": by_extractor}


def score_features(real, fake, *, rng: np.random.Generator, real_probabilities=None, fake_probabilities=None) -> dict:
    """Every metric of features (N, d), (M, d) and class probabilities (·, K), as plain numbers that JSON can hold.

    Probabilities of the fakes add the Inception Score; together with those of the reals, by a classifier whose classes
    the images have, they add the class metrics. ``fd_infinity`` is None if there are too few images for it. Raises
    ValueError as the metrics do, and below 6 images.
    """
    real, fake = feature_pair(real, fake, least=6)
    infinity = Estimate(None, None)
    if min(len(real), len(fake)) >= least_for_infinity(real.shape[1]):
        infinity = frechet_infinity(real, fake, rng)
    kernel = kid(real, fake)
    precision, recall = precision_recall(real, fake)
    density, coverage = density_coverage(real, fake)
    scores = {
        "n_real": len(real),
        "n_fake": len(fake),
        "fd": frechet_distance(real, fake),
        "fd_infinity": infinity.value,
        "fd_infinity_se": infinity.standard_error,
        "kid": kernel.value,
        "kid_se": kernel.standard_error,
        "precision": precision,
        "recall": recall,
        "density": density,
        "coverage": coverage,
    }
    if fake_probabilities is not None:
        scores |= _score_classes(real_probabilities, fake_probabilities, rng)
    return scores


def _score_classes(real_probabilities, fake_probabilities, rng: np.random.Generator) -> dict[str, Any]:
    """The Inception Score and, if ``real_probabilities`` are given, the class metrics."""
    fake_probabilities = probability_matrix(fake_probabilities, least=4)
    quality = inception_score(fake_probabilities, min(10, len(fake_probabilities) // 2), rng)
    scores = {"inception_score": quality.value, "inception_score_se": quality.standard_error}
    if real_probabilities is not None:
        num_classes = fake_probabilities.shape[1]
        histogram = class_report(real_probabilities, num_classes)["class_histogram"]
        scores |= class_report(fake_probabilities, num_classes, histogram)
    return scores


def context(reference: Reference, features: Tensor, n: int) -> dict[str, Any]:
    """What a distance at ``n`` images must be read beside: which extractor, and what real images score.

    ``landmarks``: FD of real images, whole ("real", the ``floor``) and corrupted, at ``floor_n`` images. ``variance``
    is the total variance of the real features, half of what a generator scores on average that repeats one real image:
    FD = ‖its features − mean‖² + variance. ``fd_by_n``: [n, FD, real-vs-real FD]. ``full_rank``: whether there are more
    images than features; if not, FD is mostly bias, and KID is to be read in its place.
    """
    real = reference.features[:n]
    marks = landmarks(reference, n)
    half = min(len(features), marks.n)
    by_n = []
    for size in sorted({half // parts for parts in (8, 4, 2, 1)} - {0, 1}):
        by_n.append([size, reference.fd(features[:size]), reference.floor(size)])
    return {
        "label": reference.extractor.label,
        "fingerprint": reference.extractor.fingerprint,
        "accuracy": reference.extractor.accuracy,
        "num_features": real.shape[1],
        "full_rank": min(len(real), len(features)) > real.shape[1],
        "floor": marks.distances["real"],
        "floor_n": marks.n,
        "landmarks": marks.distances,
        "real_precision": marks.precision,
        "variance": real.double().var(dim=0).sum().item(),
        "fd_by_n": by_n,
    }


def judgement(scores: dict[str, Any]) -> dict[str, bool]:
    """What the landmarks say of the scores of one extractor.

    ``beyond_landmark``: real images with their patches shuffled are nearer, so the distance ranks nothing.
    ``precision_flagged``: a precision that real images do not reach, of images that cover next to none of them.
    """
    real_ones = scores["real_precision"]
    above = real_ones is not None and scores["precision"] > real_ones
    return {
        "beyond_landmark": scores["fd"] >= scores["landmarks"]["patch_shuffled"],
        "precision_flagged": above and scores["recall"] < RECALL_NEAR_ZERO,
    }
