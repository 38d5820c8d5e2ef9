"""Each extractor, on images like those it is for, must see that worse images are worse."""

import numpy as np
import pytest
import torch
from skimage import data as photographs

from gancompare.data.datasets import Dataset, Splits, load_splits
from gancompare.scoring.admission import LADDERS, Admission, admission
from gancompare.scoring.features.extractors import Extractor, load_extractor
from gancompare.scoring.features.network import FeatureNet
from gancompare.scoring.landmarks import landmarks
from gancompare.scoring.reference import see_real


def test_a_ladder_is_failed_if_a_rung_is_no_worse_than_the_one_before():
    rising = Admission(10, {"blur": [1.0, 2.0, 3.0], "noise": [0.5, 0.6]})
    assert rising.admitted
    assert rising.failing == []
    failed = Admission(10, {"blur": [1.0, 3.0, 2.9], "noise": [0.5, 0.6], "patch shuffle": [1.0, 1.0]})
    assert failed.failing == ["blur", "patch shuffle"]
    assert failed.record() == {"n": 10, "admitted": False, "failing": ["blur", "patch shuffle"]} | {
        "ladders": failed.ladders
    }


class Brightness(torch.nn.Module):
    """Grey images (N, 1, H, W) → (N, 2): their mean pixel, and no more."""

    def forward(self, images):
        return images.mean(dim=(1, 2, 3))[:, None].expand(-1, 2).double()


def test_an_extractor_that_sees_brightness_alone_is_not_admitted(many_images, empty_cache):
    net = FeatureNet(Brightness(), None, num_features=2, channels=1, prepare=lambda images: images.double())
    net.register_buffer("here", torch.zeros(()))
    blind = Extractor("brightness", "FD-brightness", 2, "0" * 16, None, net)
    judged = admission(see_real(blind, load_splits(many_images, 28, 1).train, 400), 200)
    assert not judged.admitted
    assert "patch shuffle" in judged.failing  # which moves pixels and changes none
    assert len(set(np.round(judged.ladders["patch shuffle"], 9))) == 1


def test_the_ladder_is_climbed_once(many_images, empty_cache):
    data = load_splits(many_images, 28, 1)
    reference = see_real(load_extractor("pixel-pca", data), data.train, 100)
    first = admission(reference, 1000)
    assert first.n == 50  # half of the reference's images
    assert list(first.ladders) == list(LADDERS)
    assert [len(rungs) for rungs in first.ladders.values()] == [5, 5, 4, 5]
    (path,) = empty_cache.glob("admission-*.pt")
    written = path.stat().st_mtime_ns
    assert admission(reference, 1000) == first
    assert path.stat().st_mtime_ns == written
    # all ladders begin with the untouched images
    assert {rungs[0] for rungs in first.ladders.values()} == {landmarks(reference, 50).distances["real"]}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["classifier", "random-init", "pixel-pca"])
def test_extractors_of_digits_are_admitted(name):
    data = load_splits("mnist5k")
    judged = admission(see_real(load_extractor(name, data), data.train, 2000))
    assert judged.n == 1000
    assert judged.admitted, judged


@pytest.fixture(scope="module")
def patches():
    """800 colour patches of 64×64 from four photographs, each at a random place and scale; no labels."""
    rng = np.random.default_rng(0)
    pictures = [photographs.chelsea(), photographs.coffee(), photographs.astronaut(), photographs.rocket()]
    images = []
    for _ in range(800):
        pixels = torch.from_numpy(pictures[rng.integers(4)]).permute(2, 0, 1)[None].float()
        side = rng.integers(96, 192)
        top, left = (rng.integers(0, length - side) for length in pixels.shape[2:])
        cut = pixels[:, :, top : top + side, left : left + side]
        images.append(torch.nn.functional.interpolate(cut, (64, 64), mode="bilinear", antialias=True))
    images = torch.cat(images).round().to(torch.uint8)
    return Splits(Dataset("patches", images, None, (), "patches of photographs", "scikit-image"), None)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["efficientnet-lite0", "efficientnet-early", "random-init"])
def test_extractors_of_photographs_are_admitted(name, patches):
    n = 150 if name == "efficientnet-lite0" else 400  # it takes 20 times as long as the others
    judged = admission(see_real(load_extractor(name, patches), patches.train, 2 * n), n)
    assert judged.admitted, judged
