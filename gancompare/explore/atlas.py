"""For generators too large to run in a page: pictures at the stops of a few sliders, made beforehand."""

from typing import Any

import numpy as np
from PIL import Image
from torch import nn

from gancompare.explore.latents import portable, principal_directions, slerp
from gancompare.explore.markup import Slider
from gancompare.explore.packed import image_size
from gancompare.explore.pictures import at_most, data_uri, render
from gancompare.runs.grids import PADDING, grid

IMAGES, COLUMNS = 4, 2  # of every stop
DIRECTIONS, STOPS = 3, 9  # sliders along directions; stops of every slider
SIDE = 96  # pixels of an image, at most
LABELS = [f"direction {i + 1}" for i in range(DIRECTIONS)] + ["way to another seed"]


def sliders() -> list[Slider]:
    """Directions start in the middle, where they move nothing, the way to another seed at its beginning."""
    middle = [STOPS // 2] * DIRECTIONS + [0]
    return [Slider(label, 0, STOPS - 1, 1, start) for label, start in zip(LABELS, middle, strict=True)]


def atlas(net: nn.Module, latent_dim: int, reach: float) -> Image.Image:
    """A row per slider, a column per stop, four images in each cell; directions from -``reach`` to ``reach``.

    ``latent_dim``: of the latents; a generator with fewer dimensions takes the first part of each.
    """
    start, end = (portable(seed, IMAGES, latent_dim)[:, : net.latent_dim] for seed in (0, 1))
    directions = principal_directions(net)[0][:DIRECTIONS]
    rows = [[start + amount * d for amount in np.linspace(-reach, reach, STOPS)] for d in directions]
    rows += [[slerp(start, end, t) for t in np.linspace(0, 1, STOPS)]]
    most = COLUMNS * (SIDE + PADDING) + PADDING
    cells = [[at_most(grid(render(net, z), COLUMNS), most) for z in row] for row in rows]
    width, height = cells[0][0].size
    whole = Image.new("RGB", (width * STOPS, height * len(rows)), "white")
    for i, row in enumerate(cells):
        for j, cell in enumerate(row):
            whole.paste(cell, (j * width, i * height))
    return whole


def pack_atlas(net: nn.Module, whole: Image.Image, quality: int) -> dict[str, Any]:
    """An atlas as JSON can hold it: a JPEG of that quality, and the size of a cell."""
    size = {"width": whole.width // STOPS, "height": whole.height // len(LABELS), "image_size": image_size(net)}
    return size | {"picture": data_uri(whole, "JPEG", quality=quality)}
