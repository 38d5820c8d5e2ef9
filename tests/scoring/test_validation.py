"""Images to choose settings by are none that a result is compared with."""

import numpy as np
import pytest
import torch
from pytorch_fid.fid_score import calculate_frechet_distance

from gancompare.config import RunConfig
from gancompare.data.datasets import Dataset, Splits, load_splits
from gancompare.data.errors import DataError
from gancompare.models import generator_for, initialize
from gancompare.scoring.features.extractors import load_extractor
from gancompare.scoring.reference import drawn, references
from gancompare.scoring.sampling import evaluation_samples
from gancompare.scoring.validation import Validation, validation_images


def numbered(first, count):
    """Images that are their own number."""
    images = torch.arange(first, first + count, dtype=torch.int32).view(torch.uint8).view(count, 1, 2, 2)
    return Dataset(name="numbered", images=images, labels=None, classes=(), fingerprint="", source="")


def numbers(images):
    return images.contiguous().view(-1).view(torch.int32).tolist()


@pytest.mark.parametrize("n", [6, 20, 45])
def test_they_are_the_tail_of_the_draw_whose_head_results_use(n):
    data = Splits(numbered(0, 100), numbered(1000, 10))
    chosen = numbers(validation_images(data, n))
    assert len(set(chosen)) == n
    head = numbers(data.train.images[drawn(data.train, n)])
    assert len(set(chosen) | set(head)) == 2 * n
    assert max(chosen) < 100
    assert set(chosen) >= set(numbers(validation_images(data, 6)))  # a smaller draw is part of it


def test_they_share_no_image_with_the_reference_of_a_result():
    config = RunConfig(dataset="mnist5k", evaluation_images=1000, extractor="random-init", precision="float32")
    data = load_splits("mnist5k")
    reference = references(config, data, "cpu")[0]
    validation = Validation(config, data, "cpu")
    assert validation.features.shape == (1000, 128)
    used = {row.tobytes() for row in np.asarray(reference.features[:1000])}  # features tell images apart
    assert len(used) == 1000
    assert not used & {row.tobytes() for row in validation.features.numpy()}


def test_where_results_use_all_training_images_they_are_held_out_ones():
    data = Splits(numbered(0, 100), numbered(1000, 10))
    for n in (95, 100, 5000):
        assert set(numbers(validation_images(data, n))) == set(range(1000, 1010))
    with pytest.raises(DataError, match="leaves 5 images for validation"):
        validation_images(Splits(numbered(0, 100), numbered(1000, 5)), 200)
    with pytest.raises(DataError, match="leaves 0 images for validation"):
        validation_images(Splits(numbered(0, 100), None), 200)


def test_the_distance_is_that_of_the_reference_implementation():
    config = RunConfig(dataset="mnist5k", profile="smoke", extractor="random-init", evaluation_images=300)
    data = load_splits("mnist5k")
    net = initialize(generator_for(config.to_dict()), torch.Generator().manual_seed(0)).eval()
    measured = Validation(config, data, "cpu").fd(net, 10_000)
    extractor = load_extractor("random-init", data)
    sides = [validation_images(data, 300), evaluation_samples(net, 10_000, 300)]
    real, fake = (extractor.module(images).double().numpy() for images in sides)
    moments = (real.mean(0), np.cov(real, rowvar=False), fake.mean(0), np.cov(fake, rowvar=False))
    assert measured == pytest.approx(calculate_frechet_distance(*moments), rel=1e-3)


def test_a_run_that_is_not_scored_has_no_validation():
    with pytest.raises(ValueError, match="validation needs one"):
        Validation(RunConfig(dataset="mnist5k", extractor="none"), load_splits("mnist5k"), "cpu")
