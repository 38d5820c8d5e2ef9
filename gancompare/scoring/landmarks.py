"""Real images made worse on purpose. Their distances are the scale on which a generator's distance is read.

Every corruption takes real images that the reference's own are not among, so a distance from the reference holds the
same sampling error as a generator's. All are seeded: one data set, extractor and number of images, one set of values.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.transforms.v2 import functional as transforms

from gancompare.base.streams import stream
from gancompare.data.cache import cached
from gancompare.data.datasets import Dataset, drawn
from gancompare.scoring.features.pca import fit_pca
from gancompare.scoring.metrics.manifold import precision_recall
from gancompare.scoring.reference import Reference

BLUR, NOISE, DROPPED = 0.03, 40.0, 0.5  # of the landmarks: share of the side, grey levels, share of the modes
VERSION = 1  # raise it whenever a corruption or a ladder changes, so that old cache files are not read
CHUNK = 512  # images that are floating-point numbers at once


class Others(NamedTuple):
    """Real images besides those of a reference."""

    dataset: Dataset
    indices: Tensor  # of all images of the data set but the first n of its draw, in the order of the draw
    n: int  # how many of them are compared

    @property
    def images(self) -> Tensor:
        return self.dataset.images[self.indices[: self.n]]


def others(reference: Reference, n: int) -> Others:
    """The images that ``n`` of the reference's (or half, if it has fewer than 2n) can be compared with."""
    n = reference.part(n)
    return Others(reference.dataset, drawn(reference.dataset, len(reference.dataset.images))[n:], n)


# ---- corruptions -----------------------------------------------------------------------------------------------------


def blurred(real: Others, share: float = BLUR) -> Tensor:
    """Gaussian blur whose standard deviation is this share of the image's side."""
    sigma = share * real.dataset.images.shape[-1]
    width = 2 * math.ceil(3 * sigma) + 1
    width = min(width, 2 * real.dataset.images.shape[-1] - 1)  # what a reflected border can fill
    return torch.cat([transforms.gaussian_blur(x, [width, width], [sigma, sigma]) for x in real.images.split(CHUNK)])


def noisy(real: Others, deviation: float = NOISE) -> Tensor:
    """White Gaussian noise of this standard deviation in grey levels (0–255), clipped and rounded."""
    with torch.random.fork_rng(devices=[]):  # the library draws from the global stream
        torch.manual_seed(stream(0, "landmarks/noise").initial_seed())
        return torch.cat([_noise(x / 255, deviation / 255) for x in real.images.split(CHUNK)])


def _noise(images: Tensor, deviation: float) -> Tensor:
    return (transforms.gaussian_noise(images, sigma=deviation) * 255).round().to(torch.uint8)


def patch_shuffled(real: Others, grid: int | None = None) -> Tensor:
    """Each image cut into ``grid``×``grid`` patches, which change places at random: right up close, wrong as a whole.

    A side that is not a multiple of 4 keeps a border of up to three pixels as it is.
    """
    images, rng = real.images, stream(0, "landmarks/patches")
    side = _shuffled_side(images.shape[-1])
    grid = landmark_grid(images.shape[-1]) if grid is None else grid
    n, channels, patch = len(images), images.shape[1], side // grid
    # (N, C, rows, patch, columns, patch) → (N, rows · columns, C, patch, patch) and back
    cut = images[..., :side, :side].unflatten(3, (grid, patch)).unflatten(2, (grid, patch))
    patches = cut.permute(0, 2, 4, 1, 3, 5).reshape(n, grid**2, channels, patch, patch)
    order = torch.rand(n, grid**2, generator=rng).argsort(dim=1)
    patches = patches[torch.arange(n)[:, None], order].view(n, grid, grid, channels, patch, patch)
    images[..., :side, :side] = patches.permute(0, 3, 1, 4, 2, 5).reshape(n, channels, side, side)
    return images


def _shuffled_side(side: int) -> int:
    return side - side % 4


def grids(side: int) -> list[int]:
    """The ways to cut an image into equal patches of at least 4 pixels, at most 16×16, from few to many patches."""
    side = _shuffled_side(side)
    return [grid for grid in range(2, 17) if side % grid == 0 and side // grid >= 4] or [2]


def landmark_grid(side: int) -> int:
    """4×4 patches of 7 pixels at 28×28, 8×8 of 8 pixels at 64×64."""
    return max([grid for grid in grids(side) if grid <= 8 and side // grid >= 6], default=2)


def one_image(real: Others) -> Tensor:
    """A single real image, which is to be repeated: the collapse of a generator."""
    return real.dataset.images[real.indices[:1]]


def modes_dropped(real: Others, share: float = DROPPED) -> Tensor:
    """Real images that lack a share of the modes: of the classes, the last ones.

    Without labels it is the images with the highest first principal component of the pixels (16×16), which no extractor
    has chosen. If fewer than n are left, they are repeated.
    """
    mode = _mode(real.dataset)[real.indices]
    kept = real.indices[mode <= max(1 - share - 1e-9, mode.min())]  # at least one mode stays
    return real.dataset.images[kept[torch.arange(real.n) % len(kept)]]


def _mode(dataset: Dataset) -> Tensor:
    """Where each image (N,) stands in the order of modes, from 0 to below 1."""
    if dataset.labels is not None and len(dataset.classes) > 1:
        return dataset.labels.double() / len(dataset.classes)
    small = [interpolate(x.float(), (16, 16), mode="area").flatten(1) for x in dataset.images.split(CHUNK)]
    pixels = torch.cat(small)
    along = fit_pca(pixels, dims=1).apply(pixels)[:, 0]
    return along.argsort().argsort().double() / len(along)


# ---- where they lie --------------------------------------------------------------------------------------------------

LANDMARKS: dict[str, Callable[[Others], Tensor]] = {
    "real": lambda real: real.images,
    "blurred": blurred,
    "noisy": noisy,
    "patch_shuffled": patch_shuffled,
    "one_image": one_image,
    "half_dropped": modes_dropped,
}


class Landmarks(NamedTuple):
    """What real images, whole and corrupted, score against real images."""

    n: int  # of either side
    distances: dict[str, float]  # a name of LANDMARKS → FD; "real" is the floor
    precision: float | None  # of real images against real ones: more is no merit; None below 4 images


def landmarks(reference: Reference, n: int) -> Landmarks:
    """The landmarks of a reference at ``n`` images, or at half of them if it has fewer than 2n; cached."""
    real = others(reference, n)

    def build() -> dict[str, Tensor]:
        distances = [distance(reference, corrupt(real), real.n) for corrupt in LANDMARKS.values()]
        parts = reference.features[: 2 * real.n].split(real.n)
        precision = precision_recall(*parts)[0] if real.n > 3 else math.nan
        return {"values": torch.tensor([*distances, precision], dtype=torch.float64)}

    *distances, precision = cached(cache_key("landmarks", reference, real.n), build)["values"].tolist()
    known = None if math.isnan(precision) else precision
    return Landmarks(real.n, dict(zip(LANDMARKS, distances, strict=True)), known)


def distance(reference: Reference, images: Tensor, n: int) -> float:
    """FD of corrupted ``images`` from ``n`` real ones; a single image stands for n of its kind."""
    features = reference.see(images)
    return reference.fd(features if len(features) == n else features.expand(n, -1), n)


def cache_key(what: str, reference: Reference, n: int) -> str:
    return f"{what}-v{VERSION}-{reference.dataset.fingerprint}-{reference.extractor.fingerprint}-{n}"
