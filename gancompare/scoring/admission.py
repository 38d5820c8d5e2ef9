"""Whether an extractor may rank generators of a data set: it must see that worse images are worse."""

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from gancompare.base.progress import progress_bar
from gancompare.data.cache import cached
from gancompare.scoring.landmarks import (
    Others,
    blurred,
    cache_key,
    distance,
    grids,
    modes_dropped,
    noisy,
    others,
    patch_shuffled,
)
from gancompare.scoring.reference import Reference

IMAGES = 1000  # compared on each rung, at most

# corruption, and its strengths from weak to strong; the patches of the shuffle depend on the image's side
LADDERS: dict[str, tuple[Callable[[Others, float], Tensor], tuple[float, ...]]] = {
    "blur": (blurred, (0.015, 0.03, 0.06, 0.12)),
    "noise": (noisy, (10, 20, 40, 80)),
    "patch shuffle": (patch_shuffled, ()),
    "dropped modes": (modes_dropped, (0.2, 0.5, 0.7, 0.9)),
}


class Admission(NamedTuple):
    """The record of an extractor on a data set."""

    n: int  # images of either side
    ladders: dict[str, list[float]]  # FD of untouched real images, then of ever worse ones

    @property
    def failing(self) -> list[str]:
        """The ladders whose distances do not grow from each rung to the next."""
        return [name for name, rungs in self.ladders.items() if any(b <= a for a, b in itertools.pairwise(rungs))]

    @property
    def admitted(self) -> bool:
        return not self.failing

    def record(self) -> dict:
        """As JSON holds it."""
        return {"n": self.n, "admitted": self.admitted, "failing": self.failing, "ladders": self.ladders}


def admission(reference: Reference, n: int = IMAGES) -> Admission:
    """The distances of the ladder of controls at ``n`` images, or at half of the reference's if it has fewer; cached.

    An extractor that fails a ladder is not to be used for ranking on these data.
    """
    real = others(reference, n)

    def build() -> dict[str, Tensor]:
        start, rungs = distance(reference, real.images, real.n), list(_rungs(real))
        values: dict[str, list[float]] = {name: [start] for name in LADDERS}
        label = f"controls of {reference.extractor.name} on {reference.dataset.name}"
        with progress_bar(len(rungs), label, "controls") as progress:
            for name, images in rungs:
                values[name].append(distance(reference, images(), real.n))
                progress.update()
        return {name: torch.tensor(row, dtype=torch.float64) for name, row in values.items()}

    stored = cached(cache_key("admission", reference, real.n), build)
    return Admission(real.n, {name: row.tolist() for name, row in stored.items()})


def _rungs(real: Others) -> Iterator[tuple[str, Callable[[], Tensor]]]:
    """Each rung's ladder, and a function that makes its images."""
    for name, (corrupt, strengths) in LADDERS.items():
        for strength in strengths or grids(real.dataset.images.shape[-1]):
            yield name, lambda corrupt=corrupt, strength=strength: corrupt(real, strength)
