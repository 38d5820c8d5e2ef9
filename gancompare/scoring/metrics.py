"""Features → score: how far generated images are from real ones, how varied they are, and whether they were memorised.

Pure functions on arrays or tensors: features (N, d), class probabilities (N, K), images uint8 (N, C, H, W). They know
no runs, methods or extractors, use no network and no global randomness (``rng`` is a ``numpy.random.Generator``), and
compute in float64 on the tensors' own device. Input that no number describes is a ``ValueError`` that says what to
change; a score is never NaN.

The Fréchet and kernel distances and the Inception Score are not the classes of torchmetrics, whose values ours equal
on the same features (see the tests): those take no cached statistics, subtract N·mean·meanᵀ from a sum of squares,
need 10k × 10k kernels in memory, and shuffle by the global random state. SSIM, MS-SSIM, PSNR and LPIPS are theirs.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

CHUNK = 1024  # rows of a distance or kernel matrix held at once: 80 MB at 10,000 columns
INFINITY_PARTS = (1, 2, 4)  # FD∞ is fitted to FD at N, N/2 and N/4 images
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, finest first (Wang et al. 2003)
BACKBONES = {"alex": "alexnet", "squeeze": "squeezenet1_1", "vgg": "vgg16"}  # LPIPS's name → torchvision's


class Estimate(NamedTuple):
    """A value with its standard error over the sampled images, not over training seeds."""

    value: float
    standard_error: float


# ---- distances between distributions of features ---------------------------------------------------------------------


def frechet_distance(real, fake) -> float:
    """Fréchet distance of Gaussians fitted to two feature sets (N, d) and (M, d): 0 (equal) to ∞; symmetric.

    Heusel et al. 2017, eq. 6. Called FID only with Inception features. Biased upwards by about 1/N: compare at equal
    N only, N well above d, and beside ``real_floor``. Raises: ValueError below 2 rows or for unequal d or NaN.
    """
    real, fake = _pair(real, fake)
    return frechet_distance_of_statistics(*mean_and_covariance(real), *mean_and_covariance(fake))


def mean_and_covariance(features) -> tuple[Tensor, Tensor]:
    """Mean (d,) and covariance (d, d; over N − 1) of features (N, d). Raises: ValueError below 2 rows or for NaN."""
    features = _matrix("features", features)
    mean = features.mean(0)
    centred = features - mean
    return mean, centred.T @ centred / (len(features) - 1)


def frechet_distance_of_statistics(mean_1, covariance_1, mean_2, covariance_2) -> float:
    """``frechet_distance`` from means (d,) and covariances (d, d), which may be singular. Raises: ValueError for NaN or
    other shapes.

    Tr (S1 S2)^½ is taken as the sum of singular values of S1^½ S2^½. Equal to summing (eigenvalues of S1 S2)^½, but
    real and symmetric by construction, and exact to 1e-15 where S1 S2 is singular and the eigenvalues give 1e-7.
    """
    means = [_matrix("means", _tensor(mean)[None], 1)[0] for mean in (mean_1, mean_2)]
    covariances = [_matrix("covariances", covariance, 1) for covariance in (covariance_1, covariance_2)]
    d = len(means[0])
    if len(means[1]) != d or any(covariance.shape != (d, d) for covariance in covariances):
        shapes = [tuple(x.shape) for x in (*means, *covariances)]
        raise ValueError(f"means and covariances have shapes {shapes}, not (d,) and (d, d): use one extractor for both")
    roots = []
    for covariance in covariances:
        values, vectors = torch.linalg.eigh(covariance)
        roots.append(vectors * values.clamp(min=0).sqrt())
    shared = torch.linalg.svdvals(roots[0].T @ roots[1]).sum()
    distance = (means[0] - means[1]).square().sum() + covariances[0].trace() + covariances[1].trace() - 2 * shared
    return max(0.0, distance.item())  # rounding may leave −1e-15


def frechet_infinity(real, fake, rng: np.random.Generator, groups: int = 10) -> Estimate:
    """Fréchet distance at infinitely many images: the intercept of FD against 1/n (Chong & Forsyth 2020).

    FD at n = N, N/2 and N/4 images of *both* sets (the paper lets only fakes vary), averaged over disjoint parts. May
    be slightly negative. The standard error leaves out a tenth of the images at a time (jackknife); it is about right
    for distributions that differ and some 1.5 times too large for equal ones.
    Raises: ValueError where N/4 is below 2d, as the bias is no longer linear in 1/n there.
    """
    real, fake = _pair(real, fake)
    least = 2 * INFINITY_PARTS[-1] * real.shape[1]
    if (n := min(len(real), len(fake))) < least:
        raise ValueError(f"FD at infinity needs {least} images for {real.shape[1]} features, not {n}: add or project")
    real, fake = _shuffled(real, rng), _shuffled(fake, rng)

    def intercept(real: Tensor, fake: Tensor) -> float:
        sizes = [min(len(real), len(fake)) // parts for parts in INFINITY_PARTS]
        distances = [
            np.mean([frechet_distance(real[i * n : (i + 1) * n], fake[i * n : (i + 1) * n]) for i in range(parts)])
            for parts, n in zip(INFINITY_PARTS, sizes, strict=True)
        ]
        return float(np.polyfit(1 / np.array(sizes), distances, deg=1)[1])

    kept = [[torch.arange(len(rows)) % groups != group for rows in (real, fake)] for group in range(groups)]
    without = [intercept(real[keep_real], fake[keep_fake]) for keep_real, keep_fake in kept]
    return Estimate(intercept(real, fake), math.sqrt((groups - 1) * np.var(without)))


def real_floor(real, n: int, rng: np.random.Generator) -> float:
    """Fréchet distance between two disjoint random sets of n real images (N, d): what a perfect generator would score.

    Raises: ValueError where fewer than 2n images are given.
    """
    real = _matrix("real features", real, least=2 * n)
    real = _shuffled(real, rng)
    return frechet_distance(real[:n], real[n : 2 * n])


def kid(real, fake, blocks: int = 10) -> Estimate:
    """Squared kernel (MMD) distance of features (N, d) and (M, d) under k = (x·y/d + 1)³: about 0 (equal) to ∞.

    Bińkowski et al. 2018, sec. 4. Unbiased, so negative about half of the time for equal distributions: never clipped.
    The standard error is that of the mean over disjoint blocks; it is too large where the distributions are equal.
    Raises: ValueError below 4 rows, or for unequal d or NaN.
    """
    real, fake = _pair(real, fake, least=4)
    blocks = min(blocks, len(real) // 2, len(fake) // 2)
    parts = [_squared_mmd(real[block::blocks], fake[block::blocks]) for block in range(blocks)]
    return Estimate(_squared_mmd(real, fake), float(np.std(parts, ddof=1)) / math.sqrt(blocks))


def _squared_mmd(x: Tensor, y: Tensor) -> float:
    def kernel(products: Tensor) -> float:
        return (products / x.shape[1] + 1).pow(3).sum().item()

    def total(a: Tensor, b: Tensor) -> float:
        return sum(kernel(part @ b.T) for part in a.split(CHUNK))

    within = [(total(a, a) - kernel(a.square().sum(1))) / (len(a) * (len(a) - 1)) for a in (x, y)]
    return sum(within) - 2 * total(x, y) / (len(x) * len(y))


def precision_recall(real, fake, k: int = 3) -> tuple[float, float]:
    """Share of fakes in the real manifold and of reals in the fake one, each in [0, 1].

    Kynkäänniemi et al. 2019, eqs. 1 and 2. A manifold is the union of open balls around its points that reach the k-th
    neighbour other than the point itself. Features (N, d) and (M, d). Raises: ValueError unless both hold more than k
    rows; for unequal d or NaN.
    """
    real, fake = _pair(real, fake, least=k + 1)
    real_radii, fake_radii = _squared_radii(real, k), _squared_radii(fake, k)
    precise = torch.zeros(len(fake), dtype=torch.bool, device=fake.device)
    recalled = 0
    for rows, squared in _squared_distances(real, fake):
        precise |= (squared < real_radii[rows, None]).any(0)
        recalled += (squared < fake_radii).any(1).sum().item()
    return precise.double().mean().item(), recalled / len(real)


def density_coverage(real, fake, k: int = 5) -> tuple[float, float]:
    """How many real balls hold a fake, over k (0 to ∞; 1 for equal), and the share of real balls with a fake ([0, 1]).

    Naeem et al. 2020, sec. 3, balls as in ``precision_recall``. Raises: ValueError unless both hold more than k
    rows; for unequal d or NaN.
    """
    real, fake = _pair(real, fake, least=k + 1)
    radii = _squared_radii(real, k)
    held = covered = 0
    for rows, squared in _squared_distances(real, fake):
        inside = squared < radii[rows, None]
        held += inside.sum().item()
        covered += inside.any(1).sum().item()
    return held / (k * len(fake)), covered / len(real)


def _squared_distances(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """(rows, squared distances of x[rows] to all of y); what rounding cannot tell from equal (1e-6 relative) is 0."""
    centre = y.mean(0)  # far from the origin, subtracting large norms would cost digits
    x, y = x - centre, y - centre
    y_norms = y.square().sum(1)
    for start in range(0, len(x), CHUNK):
        part = x[start : start + CHUNK]
        norms = part.square().sum(1)[:, None] + y_norms
        squared = torch.addmm(norms, part, y.T, alpha=-2)
        yield slice(start, start + CHUNK), squared.masked_fill_(squared <= norms.mul_(1e-12), 0)


def _squared_radii(x: Tensor, k: int) -> Tensor:
    """Squared distance of each row to its k-th neighbour, itself not counted; shrunk, so that ties are outside."""
    nearest = [squared.topk(k + 1, largest=False).values[:, k] for _, squared in _squared_distances(x, x)]
    return torch.cat(nearest) * (1 - 1e-9)


# ---- with a classifier -----------------------------------------------------------------------------------------------


def inception_score(probabilities, splits: int, rng: np.random.Generator) -> Estimate:
    """exp(mean KL(p(class | image) ‖ p(class))) of probabilities (N, K): 1 to K, mean over shuffled splits.

    Salimans et al. 2016, sec. 4. Looks at no real image: not for ranking. The standard error is the usual "std over
    splits" over √splits. Raises: ValueError unless there are 2 or more splits of 2 or more rows that sum to 1.
    """
    if splits < 2:
        raise ValueError(f"splits is {splits}: take 2 or more, as the error is measured between them")
    probabilities = _shuffled(_probabilities(probabilities, least=2 * splits), rng)
    scores = []
    for part in probabilities.tensor_split(splits):
        divergence = torch.xlogy(part, part) - torch.xlogy(part, part.mean(0))
        scores.append(divergence.sum(1).mean().exp().item())
    return Estimate(float(np.mean(scores)), float(np.std(scores, ddof=1)) / math.sqrt(splits))


def class_report(predictions, num_classes: int, real_histogram=None) -> dict:
    """Which classes a generator makes, from predicted labels (N,) or probabilities (N, K).

    ``class_histogram``: images per class · ``modes``: classes with any image · ``modes_tenth``: classes with a tenth of
    their share or more · ``kl_uniform``, ``kl_real``: KL(fake ‖ ·) in nats, 0 (equal) upwards, each with the ``_floor``
    that sampling alone leaves, (K − 1)/2N. ``real_histogram``: counts (K,) of real images, without which kl_real is
    None; a class that only fakes have counts as half a real image there, which keeps the divergence finite.
    Raises: ValueError for no predictions, labels outside 0 … K − 1, or a histogram of another length or without images.
    """
    labels = _tensor(predictions)
    if labels.ndim == 2:
        labels = _probabilities(labels, least=1).argmax(1)
    if labels.ndim != 1 or not len(labels) or labels.is_floating_point():
        raise ValueError(f"predictions are {labels.dtype} {tuple(labels.shape)}: pass integers (N,) or (N, K)")
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(f"labels {labels.min()} to {labels.max()} do not fit {num_classes} classes: count from 0")
    counts = np.bincount(labels.long().cpu().numpy(), minlength=num_classes)
    real = np.ones(num_classes) if real_histogram is None else np.asarray(real_histogram, dtype=float)
    if real.shape != (num_classes,) or not np.isfinite(real).all() or real.min() < 0 or real.sum() == 0:
        raise ValueError(f"real_histogram {real.tolist()} is not {num_classes} counts: pass real images per class")

    def divergence(expected: np.ndarray) -> float:
        expected = np.where((expected == 0) & (counts > 0), 0.5, expected)
        p, q = counts / counts.sum(), expected / expected.sum()
        return float((p[p > 0] * np.log(p[p > 0] / q[p > 0])).sum())

    floor = (num_classes - 1) / (2 * len(labels))
    return {
        "class_histogram": counts.tolist(),
        "modes": int((counts > 0).sum()),
        "modes_tenth": int(((counts > 0) & (counts / counts.sum() >= 0.1 * real / real.sum())).sum()),
        "kl_uniform": divergence(np.ones(num_classes)),
        "kl_uniform_floor": floor,
        "kl_real": None if real_histogram is None else divergence(real),
        "kl_real_floor": None if real_histogram is None else floor + (num_classes - 1) / (2 * float(real.sum())),
    }


# ---- diversity and memorisation --------------------------------------------------------------------------------------


def ms_ssim_pairs(images, pairs: int, rng: np.random.Generator) -> Estimate:
    """Mean MS-SSIM of random pairs of images: 1 where all are the same, lower for more variety (Odena et al. 2017).

    The five scales of Wang et al. 2003 with their 11 × 11 window need 176 pixels. Smaller images use the scales that
    fit (28: two, 64: three, 128: four), weights renormalised, and below 11 pixels a smaller window: compare at equal
    image size only, and against real images. Raises: ValueError below 2 images, 1 pair or 8 pixels.
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
    return _mean(torch.cat(values))


def lpips_diversity(images, pairs: int, rng: np.random.Generator, net: str = "alex") -> tuple[Estimate | None, str]:
    """(mean LPIPS distance of random pairs, "") or (None, why not): 0 where all are the same, higher for more variety.

    Zhang et al. 2018, eq. 1. The ImageNet backbone must already lie in torch's cache, as nothing is downloaded here.
    Grey is repeated to RGB, and images below 64 pixels are enlarged to 64. Raises: ValueError as ``ms_ssim_pairs``.
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
    return _mean(values.reshape(-1)), ""


def nearest_neighbours(fake, train, k: int = 1, fake_features=None, train_features=None) -> dict[str, Tensor]:
    """The k training images nearest to each fake, by pixels or, where both are given, by features; nearest first.

    Images uint8 (N, C, H, W), (M, C, H, W) → ``index`` and ``distance`` (Euclidean, pixels in 0–255), and each pair's
    ``psnr`` in dB (∞ for identical images) and ``ssim`` in [−1, 1], all (N, k). For looking at; ``copy_score`` judges.
    Raises: ValueError for images that are not uint8 or differ in shape, fewer than k training images, NaN features.
    """
    from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

    fake, train = _images(fake, least=1), _images(train, least=k)
    if fake.shape[1:] != train.shape[1:]:
        raise ValueError(f"fakes are {tuple(fake.shape[1:])}, training images {tuple(train.shape[1:])}: resize one set")
    if (fake_features is None) != (train_features is None):
        raise ValueError("features were given of one set only: pass both, or neither for distances between pixels")
    by_pixels = fake_features is None
    spaces = (fake.flatten(1), train.flatten(1)) if by_pixels else _pair(fake_features, train_features, least=1)
    if (len(spaces[0]), len(spaces[1])) != (len(fake), len(train)):
        raise ValueError(f"{len(spaces[0])} and {len(spaces[1])} features for {len(fake)} and {len(train)} images")
    distance, index = _nearest(*spaces, k)
    psnr, ssim = torch.empty_like(distance).float(), torch.empty_like(distance).float()
    window = _ssim_window(fake)
    for start in range(0, len(fake), CHUNK):
        rows = slice(start, start + CHUNK)
        for rank in range(k):
            pair = fake[rows] / 255, train[index[rows, rank]] / 255
            psnr[rows, rank] = peak_signal_noise_ratio(*pair, data_range=1.0, reduction="none", dim=(1, 2, 3))
            ssim[rows, rank] = structural_similarity_index_measure(
                *pair, sigma=1.5 * window / 11, kernel_size=window, data_range=1.0, reduction="none"
            )
    return {"index": index, "distance": distance, "psnr": psnr, "ssim": ssim}


def copy_score(fake, train, held_out, quantile: float = 0.01) -> dict:
    """Share of fakes that are nearer to a training image than generalisation explains. Features (N, d) or images.

    Each fake's ratio (distance to its nearest training image / to its nearest held-out one) is set against the ratios
    of the held-out images themselves, each against the rest: a fresh image has the same distribution, whatever the two
    sets' sizes, and a blurred one is near to both. Held-out images calibrate as in Meehan et al. 2020; the ratio is
    close to the authenticity of Alaa et al. 2022. ``score``: fakes below the held-out ``quantile``, corrected for
    chance: about the share of copies, 0 or slightly below without any, at most 1. ``p_value``: of so many, were no fake
    copied (exact, beta-binomial). ``flagged``: p < 0.001. ``threshold``: the ratio at the quantile.
    Raises: ValueError for other shapes, NaN, fewer than 1/quantile held-out images, or where those are all copies.
    """
    from scipy.stats import betabinom

    fake, train = _flat("fake images", fake, 1), _flat("training images", train, 1)
    held_out = _flat("held-out images", held_out, math.ceil(1 / quantile))
    if len({x.shape[1] for x in (fake, train, held_out)}) > 1:
        raise ValueError("fake, training and held-out images differ in size: use one extractor or image size for all")

    def ratio(to_train: Tensor, to_held_out: Tensor) -> Tensor:
        return torch.where(to_train == to_held_out, 1.0, to_train / to_held_out)  # where a fake copies both: 1, not 0/0

    fakes = ratio(_nearest(fake, train, 1)[0][:, 0], _nearest(fake, held_out, 1)[0][:, 0])
    fresh = ratio(_nearest(held_out, train, 1)[0][:, 0], _nearest(held_out, held_out, 2)[0][:, 1])  # [0] is itself
    threshold = fresh.kthvalue(math.ceil(quantile * len(fresh))).values
    n, below = len(fakes), int((fakes <= threshold).sum())
    m, below_fresh = len(fresh), int((fresh <= threshold).sum())  # more than the quantile where real images repeat
    if below_fresh == m:
        raise ValueError("all held-out images are equally near to training images: remove duplicates between the sets")
    expected = below_fresh / m
    p_value = float(betabinom(n, below_fresh, m - below_fresh + 1).sf(below - 1))
    return {
        "score": (below / n - expected) / (1 - expected),
        "p_value": p_value,
        "flagged": p_value < 0.001,
        "threshold": threshold.item(),
    }


def _nearest(x: Tensor, y: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Distances and indices (len(x), k) of the nearest rows of y; distances are of differences, so exact for copies."""
    distances, indices = [], []
    for part in x.split(CHUNK // 4):
        part = part.double()
        blocks = [squared for other in y.split(4 * CHUNK) for _, squared in _squared_distances(part, other.double())]
        index = torch.cat(blocks, dim=1).topk(k, largest=False).indices
        indices.append(index)
        distances.append(torch.stack([(part - y[column].double()).norm(dim=1) for column in index.T], dim=1))
    return torch.cat(distances), torch.cat(indices)


def _random_pairs(images, pairs: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Two float32 tensors (pairs, C, H, W) in [0, 1]; never an image with itself."""
    images = _images(images, least=2)
    if pairs < 1:
        raise ValueError(f"pairs is {pairs}: compare at least one")
    first = rng.integers(len(images), size=pairs)
    second = (first + rng.integers(1, len(images), size=pairs)) % len(images)
    return images[torch.from_numpy(first)] / 255, images[torch.from_numpy(second)] / 255


def _ssim_window(images: Tensor) -> int:
    """Odd width in pixels: 11 with sigma 1.5, as published, or what fits into the image, with sigma in proportion."""
    side = min(images.shape[-2:])
    return min(11, side - 1 + side % 2)


def _mean(values: Tensor) -> Estimate:
    values = values.double()
    error = values.std().item() / math.sqrt(len(values)) if len(values) > 1 else math.inf
    return Estimate(values.mean().item(), error)


# ---- all that is cheap -----------------------------------------------------------------------------------------------


def score(real_features, fake_features, *, real_probabilities=None, fake_probabilities=None, rng) -> dict:
    """What a run writes: every metric above that needs no images, as plain numbers that JSON can hold.

    Features (N, d), (M, d). Probabilities (·, K) of the fakes add the Inception Score, and together with those of the
    reals, by a classifier whose classes the images have, the class metrics. ``fd_infinity`` is None where N is below
    8d. Raises: ValueError as the metrics do, and below 6 images.
    """
    real, fake = _pair(real_features, fake_features, least=6)
    infinity = Estimate(None, None)
    if min(len(real), len(fake)) >= 2 * INFINITY_PARTS[-1] * real.shape[1]:
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
        fake_probabilities = _probabilities(fake_probabilities, least=4)
        classes = fake_probabilities.shape[1]
        quality = inception_score(fake_probabilities, min(10, len(fake_probabilities) // 2), rng)
        scores |= {"inception_score": quality.value, "inception_score_se": quality.standard_error}
        if real_probabilities is not None:
            histogram = class_report(real_probabilities, classes)["class_histogram"]
            scores |= class_report(fake_probabilities, classes, histogram)
    return scores


# ---- what comes in ---------------------------------------------------------------------------------------------------


def _tensor(values) -> Tensor:
    return values.detach() if isinstance(values, Tensor) else torch.as_tensor(np.asarray(values))


def _matrix(what: str, values, least: int = 2) -> Tensor:
    """float64 (N, d), finite, N ≥ least."""
    values = _tensor(values)
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(f"{what} have shape {tuple(values.shape)}, not (N, d): pass one row per image")
    if len(values) < least:
        raise ValueError(f"{what}: {len(values)} rows, but at least {least} are needed: score more images")
    values = values.double()
    if bad := int((~(values.abs() < 1e38)).any(1).sum()):
        raise ValueError(f"{what}: {bad} of {len(values)} rows hold NaN or infinity: count the run as diverged")
    return values


def _pair(real, fake, least: int = 2) -> tuple[Tensor, Tensor]:
    """Both as ``_matrix``, of equal width, on one device."""
    real, fake = _matrix("real features", real, least), _matrix("fake features", fake, least)
    if real.shape[1] != fake.shape[1]:
        raise ValueError(
            f"real features have {real.shape[1]} columns, fake {fake.shape[1]}: use one extractor for both"
        )
    return real, fake.to(real.device)


def _probabilities(values, least: int) -> Tensor:
    values = _matrix("probabilities", values, least)
    if values.min() < 0 or (values.sum(1) - 1).abs().max() > 1e-3:
        raise ValueError("probabilities are negative or do not sum to 1 in each row: pass the softmax of the logits")
    return values


def _images(images, least: int) -> Tensor:
    images = _tensor(images)
    if images.ndim != 4 or images.dtype != torch.uint8:
        raise ValueError(f"images are {images.dtype} {tuple(images.shape)}: pass uint8 (N, C, H, W), e.g. by to_uint8")
    if len(images) < least or min(images.shape[-2:]) < 8:
        raise ValueError(
            f"images {tuple(images.shape)}: at least {least} of 8 × 8 pixels or more are needed: add images"
        )
    return images


def _flat(what: str, values, least: int) -> Tensor:
    """Rows of features or pixels; uint8 stays, as 60,000 images would not fit into memory as float64."""
    values = _tensor(values)
    if values.dtype == torch.uint8 and values.ndim > 1 and len(values) >= least:
        return values.flatten(1)
    return _matrix(what, values.flatten(1) if values.ndim > 2 else values, least)


def _shuffled(rows: Tensor, rng: np.random.Generator) -> Tensor:
    return rows[torch.from_numpy(rng.permutation(len(rows)))]
