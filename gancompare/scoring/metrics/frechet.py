"""Fréchet distance between two sets of features: at N images, at infinitely many, and between real images alone."""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gancompare.scoring.metrics.checks import as_tensor, feature_matrix, feature_pair
from gancompare.scoring.metrics.estimates import Estimate, shuffled

INFINITY_PARTS = (1, 2, 4)  # FD∞ is fitted to FD at N, N/2 and N/4 images


def frechet_distance(real, fake) -> float:
    """Fréchet distance of Gaussians fitted to two feature sets (N, d) and (M, d): 0 (equal) to ∞; symmetric.

    Heusel et al. 2017, eq. 6. It is called FID only with Inception features. It is biased upwards by about 1/N: compare
    at equal N only, with N well above d, and beside what real images score against other real ones. Raises ValueError
    below 2 rows or for unequal d or NaN.
    """
    real, fake = feature_pair(real, fake)
    return frechet_distance_of_gaussians(fit_gaussian(real), fit_gaussian(fake))


class Gaussian(NamedTuple):
    """A normal distribution; with the root at hand, many others can be compared with it cheaply."""

    mean: Tensor  # (d,)
    root: Tensor  # (d, d), root @ root.T is the covariance
    variance: float  # the trace of the covariance


def fit_gaussian(features) -> Gaussian:
    """The Gaussian with the mean and covariance (over N − 1) of features (N, d).

    Raises ValueError below 2 rows or for NaN.
    """
    features = feature_matrix("features", features)
    mean = features.mean(0)
    centred = features - mean
    return _gaussian(mean, centred.T @ centred / (len(features) - 1))


def _gaussian(mean: Tensor, covariance: Tensor) -> Gaussian:
    values, vectors = torch.linalg.eigh(covariance)
    return Gaussian(mean, vectors * values.clamp(min=0).sqrt(), covariance.trace().item())


def frechet_distance_of_gaussians(first: Gaussian, second: Gaussian) -> float:
    """‖m1 − m2‖² + Tr(S1 + S2 − 2 (S1 S2)^½), where covariances may be singular.

    Tr (S1 S2)^½ is computed as the sum of singular values of S1^½ S2^½. That equals summing (eigenvalues of S1 S2)^½,
    but is real and symmetric by construction, and exact to 1e-15 where S1 S2 is singular and the eigenvalues give 1e-7.
    """
    shared = torch.linalg.svdvals(first.root.T @ second.root).sum().item()
    distance = (first.mean - second.mean).square().sum().item() + first.variance + second.variance - 2 * shared
    return max(0.0, distance)  # rounding may leave −1e-15


def frechet_distance_of_statistics(mean_1, covariance_1, mean_2, covariance_2) -> float:
    """``frechet_distance`` from means (d,) and covariances (d, d), which may be singular.

    Raises ValueError for NaN or other shapes.
    """
    means = [feature_matrix("means", as_tensor(mean)[None], 1)[0] for mean in (mean_1, mean_2)]
    covariances = [feature_matrix("covariances", covariance, 1) for covariance in (covariance_1, covariance_2)]
    d = len(means[0])
    if len(means[1]) != d or any(covariance.shape != (d, d) for covariance in covariances):
        shapes = [tuple(x.shape) for x in (*means, *covariances)]
        raise ValueError(f"means and covariances have shapes {shapes}, not (d,) and (d, d): use one extractor for both")
    return frechet_distance_of_gaussians(*map(_gaussian, means, covariances))


def least_for_infinity(num_features: int) -> int:
    """Images that ``frechet_infinity`` needs: below 2d in the smallest part, the bias is no longer linear in 1/n."""
    return 2 * INFINITY_PARTS[-1] * num_features


def frechet_infinity(real, fake, rng: np.random.Generator, *, groups: int = 10) -> Estimate:
    """Fréchet distance at infinitely many images: the intercept of FD against 1/n (Chong & Forsyth 2020).

    FD is taken at n = N, N/2 and N/4 images of *both* sets (the paper lets only fakes vary) and averaged over disjoint
    parts. The value may be slightly negative. The standard error leaves out one of ``groups`` parts of the images at a
    time (jackknife); it is about right for distributions that differ and some 1.5 times too large for equal ones.
    Raises ValueError if N is below ``least_for_infinity``.
    """
    real, fake = feature_pair(real, fake)
    least = least_for_infinity(real.shape[1])
    if (n := min(len(real), len(fake))) < least:
        raise ValueError(f"FD at infinity needs {least} images for {real.shape[1]} features, not {n}: add or project")
    real, fake = shuffled(real, rng), shuffled(fake, rng)
    kept = [[torch.arange(len(rows)) % groups != group for rows in (real, fake)] for group in range(groups)]
    without = [_intercept(real[keep_real], fake[keep_fake]) for keep_real, keep_fake in kept]
    return Estimate(_intercept(real, fake), math.sqrt((groups - 1) * np.var(without)))


def _intercept(real: Tensor, fake: Tensor) -> float:
    """The value at 1/n = 0 of the line through FD at N, N/2 and N/4 images."""
    sizes = [min(len(real), len(fake)) // parts for parts in INFINITY_PARTS]
    distances = [
        np.mean([frechet_distance(real[i * n : (i + 1) * n], fake[i * n : (i + 1) * n]) for i in range(parts)])
        for parts, n in zip(INFINITY_PARTS, sizes, strict=True)
    ]
    return float(np.polyfit(1 / np.array(sizes), distances, deg=1)[1])
