"""Corrupted real images, and where their distances lie."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from gancompare.data.datasets import Dataset, load_splits
from gancompare.scoring import landmarks
from gancompare.scoring.features.extractors import load_extractor
from gancompare.scoring.landmarks import Others
from gancompare.scoring.metrics.frechet import frechet_distance
from gancompare.scoring.metrics.manifold import precision_recall
from gancompare.scoring.reference import see_real


@pytest.fixture(scope="module")
def real(pictures):
    """40 smooth colour pictures of four classes, of which 30 are compared."""
    images = pictures(0, 40, side=28, channels=3)
    labels = torch.arange(40) % 4
    dataset = Dataset("pictures", images, labels, tuple("abcd"), "pictures", "made here")
    return Others(dataset, torch.arange(40).flip(0), 30)


@pytest.fixture(scope="module")
def reference(many_images):
    data = load_splits(many_images, 28, 1)
    return see_real(load_extractor("random-init", data), data.train, 400)


def untouched(real):
    return real.dataset.images[real.indices[: real.n]]


@pytest.mark.parametrize("corrupt", [landmarks.blurred, landmarks.noisy, landmarks.patch_shuffled])
def test_a_corruption_is_the_same_every_time_and_leaves_the_real_images_alone(corrupt, real):
    before, state = real.dataset.images.clone(), torch.get_rng_state()
    images = corrupt(real)
    assert images.shape == untouched(real).shape
    assert images.dtype == torch.uint8
    assert torch.equal(images, corrupt(real))
    assert not torch.equal(images, untouched(real))
    assert torch.equal(real.dataset.images, before)
    assert torch.equal(torch.get_rng_state(), state)


def test_blur_is_a_gaussian_of_the_share_of_the_side(real):
    sigma = 0.05 * 28
    expected = ndimage.gaussian_filter(untouched(real).double().numpy(), (0, 0, sigma, sigma), mode="mirror")
    assert np.abs(landmarks.blurred(real, 0.05).numpy() - expected).max() <= 1.5  # grey levels: rounding, cut-off tails


def test_noise_has_the_stated_deviation(real):
    grey = replace(real.dataset, images=torch.full_like(real.dataset.images, 128))
    noisy = landmarks.noisy(real._replace(dataset=grey), 20).double()
    assert noisy.mean().item() == pytest.approx(128, abs=0.5)
    assert noisy.std().item() == pytest.approx(20, rel=0.02)
    assert stats.kstest((noisy.flatten()[:2000] - 128) / 20, "norm").statistic < 0.04
    assert not torch.equal(noisy[0], noisy[1])


@pytest.mark.parametrize("grid", [2, 4, 7])
def test_a_shuffle_moves_whole_patches(real, grid):
    side = 28 // grid
    shuffled, kept = landmarks.patch_shuffled(real, grid), untouched(real)
    for before, after in zip(kept, shuffled, strict=True):
        patches = [
            sorted(
                image[:, top : top + side, left : left + side].flatten().tolist()
                for top in range(0, 28, side)
                for left in range(0, 28, side)
            )
            for image in (before, after)
        ]
        assert patches[0] == patches[1]
    orders = [(before == after).all(dim=0) for before, after in zip(kept, shuffled, strict=True)]
    assert not torch.equal(orders[0], orders[1])  # another order for each image


def test_grids_are_of_equal_patches_from_few_to_many():
    assert landmarks.grids(28) == [2, 4, 7]
    assert landmarks.grids(64) == [2, 4, 8, 16]
    assert [landmarks.landmark_grid(side) for side in (28, 32, 64, 128)] == [4, 4, 8, 8]


def test_a_side_that_cannot_be_cut_keeps_its_border(pictures):
    images = pictures(0, 6, side=19)
    real = Others(Dataset("odd", images, None, (), "odd", "made here"), torch.arange(6), 6)
    shuffled = landmarks.patch_shuffled(real)
    assert torch.equal(shuffled[..., 16:, :], images[..., 16:, :])
    assert torch.equal(shuffled[..., :, 16:], images[..., :, 16:])
    assert not torch.equal(shuffled, images)


def test_dropped_modes_are_the_last_classes(real):
    classes = {
        tuple(image.flatten().tolist()): int(label)
        for image, label in zip(real.dataset.images, real.dataset.labels, strict=True)
    }
    for share, left in [(0.25, {0, 1, 2}), (0.5, {0, 1}), (0.75, {0}), (0.9, {0})]:
        images = landmarks.modes_dropped(real, share)
        assert len(images) == real.n
        assert {classes[tuple(image.flatten().tolist())] for image in images} == left


def test_dropped_modes_of_unlabelled_images_are_one_end_of_their_first_component():
    """Brightness is nearly all that varies, so it is the first component."""
    rng = torch.Generator().manual_seed(0)
    levels = torch.randint(30, 220, (200, 1, 1, 1), generator=rng)
    images = (levels + torch.randint(0, 10, (200, 1, 16, 16), generator=rng)).to(torch.uint8)
    real = Others(Dataset("levels", images, None, (), "levels", "made here"), torch.arange(200), 100)
    means = landmarks.modes_dropped(real).double().mean(dim=(1, 2, 3))
    middle = images.double().mean(dim=(1, 2, 3)).median()
    assert (means <= middle + 1).all() or (means >= middle - 1).all()


def test_landmarks_are_distances_from_the_reference_of_images_that_are_not_in_it(reference, empty_cache):
    marks = landmarks.landmarks(reference, 200)
    assert list(marks.distances) == ["real", "blurred", "noisy", "patch_shuffled", "one_image", "half_dropped"]
    kept, held_apart = reference.features[:200], reference.features[200:400]
    assert marks.n == 200
    assert marks.distances["real"] == pytest.approx(frechet_distance(kept, held_apart))
    assert marks.precision == precision_recall(kept, held_apart)[0]
    # of a point: squared distance from the mean, and the whole variance of the real images
    repeated = (held_apart[0] - kept.mean(0)).double().square().sum() + kept.double().var(dim=0).sum()
    assert marks.distances["one_image"] == pytest.approx(repeated.item(), rel=1e-4)
    assert min(marks.distances.values()) == marks.distances["real"]


def test_landmarks_are_computed_once_for_a_reference_and_number_of_images(reference, empty_cache):
    first = landmarks.landmarks(reference, 100)
    (path,) = empty_cache.glob("landmarks-*.pt")
    written = path.stat().st_mtime_ns
    assert landmarks.landmarks(reference, 100) == first
    assert path.stat().st_mtime_ns == written
    assert landmarks.landmarks(reference, 50) != first
    assert landmarks.landmarks(reference, 10_000).n == 200  # half of the reference's images
    assert len(list(empty_cache.glob("landmarks-*.pt"))) == 3
