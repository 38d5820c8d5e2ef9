"""animations.py: sizes, numbers of frames, and no jumps on the way."""

import base64
import io

import numpy as np
from bs4 import BeautifulSoup
from PIL import Image

from gancompare.explore.animations import BUDGET, FRAMES, animations, way

METHODS = ("gan", "wgan", "wgan-gp")


def frames_of(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).n_frames


def test_animations_fit_their_budget_or_are_left_out(kept, net_of):
    nets = {method: net_of("squares", method) for method in METHODS}
    directories = {method: kept / "one" / "squares" / method / "seed0" for method in METHODS}
    text = animations("squares", nets, directories)
    assert len(text) <= BUDGET
    pictures = BeautifulSoup(text, "html.parser").find_all("img")
    assert [frames_of(picture["data-moving"]) for picture in pictures] == [FRAMES] * 3 + [2] * 3
    assert {frames_of(picture["src"]) for picture in pictures} == {1}
    assert "would take more than 0.001 MB" in animations("squares", nets, directories, budget=1000)


def test_the_way_through_latents_ends_where_it_began(net_of):
    frames = [np.asarray(frame).astype(int) for frame in way(net_of("mnist", "gan"), 16)]
    steps = [np.abs(a - b).mean() for a, b in zip(frames, frames[1:] + frames[:1], strict=True)]
    assert max(steps) < 4 * np.mean(steps)  # no jump, not at the seam either
    assert min(steps) > 0
