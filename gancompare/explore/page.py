"""Generators that run in a reader's browser: their weights inside the page, no kernel and no network.

``sections`` is what a report takes: for each data set an explorer with sliders, and animations that wait to be played,
as HTML that the page's ``live.js`` brings to life. Generators too large for that are drawn beforehand.
"""

import html
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from torch import nn

from gancompare.explore import atlas
from gancompare.explore.animations import BUDGET, FRAMES, animations
from gancompare.explore.finished import open_generators
from gancompare.explore.markup import Slider, explorer_html
from gancompare.explore.packed import DIRECTIONS, KINDS, MEASURED, multiply_adds, pack, rounding_error
from gancompare.runs.layout import RunError
from gancompare.runs.reading import load_runs

REACH, COLUMNS = 4, 4  # of sliders along directions; of the pictures
QUALITIES = (80, 60, 40)  # of JPEGs made beforehand, the first that keeps to the budget
LITTLE_WORK = 5 * 10**6  # multiply-adds per image up to which twice as many images are shown
NO_WEIGHTS = (
    "<p>No generator of this study has its weights here, so there is nothing to play with. A run writes them as "
    "<code>generator.safetensors</code>; version control leaves them out.</p>"
)

Nets = dict[str, nn.Module]


@dataclass(frozen=True)
class Limits:
    """What a data set's section of a page may take."""

    section: int = 8 * 10**6  # bytes, explorer and animations together
    exact: int = 4 * 10**6  # bytes up to which an explorer's weights are float16
    animations: int = BUDGET  # bytes
    frames: int = FRAMES  # of the way through latent space
    work: int = 4 * 10**7  # multiply-adds per image, about 50 ms in a browser; above, pictures are made beforehand


DEFAULT = Limits()


def sections(results: Path, study: str, limits: Limits = DEFAULT) -> list[tuple[str, str]]:
    """(data set, HTML) for each data set of a study with weights. Without any: one sentence, of no data set.

    Empty for a folder without runs of its own, as a sweep is, whose cells hold generators of many kinds.
    """
    try:
        table = load_runs(results, study)
    except RunError:
        return []
    made = []
    for dataset, runs in table.groupby("dataset", sort=False):
        seed, nets, directories = with_weights(runs)
        if nets:
            moving = animations(dataset, nets, directories, budget=limits.animations, frames=limits.frames)
            left = replace(limits, section=limits.section - len(moving.encode()))
            made.append((dataset, explorer(dataset, seed, nets, limits=left) + moving))
    return made or [("", NO_WEIGHTS)]


def with_weights(runs: pd.DataFrame) -> tuple[int, Nets, dict[str, Path]]:
    """The first seed with the most generators in a data set's runs (rows of ``load_runs``), these, and their runs."""
    best: tuple[int, Nets, dict[str, Path]] = (0, {}, {})
    for seed, mine in runs.groupby("seed"):
        directories = dict(zip(mine["arm"], mine["directory"], strict=True))
        nets = open_generators(directories)
        if len(nets) > len(best[1]):
            best = int(seed), nets, directories
        if len(best[1]) == runs["arm"].nunique():
            break
    return best


def explorer(dataset: str, seed: int, nets: Nets, *, limits: Limits = DEFAULT) -> str:
    """Sliders over ``nets``, of training seed ``seed``, as HTML of at most ``limits.section`` bytes.

    Live if the nets are small enough, otherwise over pictures made here; one sentence if these are too large too.
    """
    made = live_explorer(dataset, seed, nets, limits=limits) or atlas_explorer(dataset, seed, nets, limits=limits)
    too_large = f"<p>The explorer of {html.escape(dataset)} would take more than {limits.section / 1e6:.3g} MB.</p>"
    return made or too_large


def live_explorer(dataset: str, seed: int, nets: Nets, *, limits: Limits) -> str | None:
    """An explorer that runs the generators; None if they are too slow or too large for that."""
    widest, work = max(net.latent_dim for net in nets.values()), max(map(multiply_adds, nets.values()))
    if work > limits.work:
        return None
    data = {"dataset": dataset, "reach": REACH, "latent_dim": widest, "columns": COLUMNS}
    data |= {"count": 16 if work <= LITTLE_WORK else 8}
    sliders = [Slider(f"direction {i + 1}", -REACH, REACH, 0.1, 0) for i in range(DIRECTIONS)]
    sliders += [Slider("way to the next seed, %", 0, 100, 1, 0)]
    for kind, most in (("float16", min(limits.exact, limits.section)), ("int8", limits.section)):
        methods = {method: pack(net, kind) for method, net in nets.items()}
        worst = max(rounding_error(net, methods[method], kind, latent_dim=widest) for method, net in nets.items())
        text = (
            f"Generators of training seed {seed}, run by this page itself, all at the same latents: those of a seed, "
            f"moved by the sliders. Weights {KINDS[kind][1]}: at most {worst} of 255 levels from the original in "
            f"{MEASURED} images of each method."
        )
        made = explorer_html(data | {"kind": kind, "methods": methods}, sliders, seed=seed, text=text)
        if len(made.encode()) <= most:
            return made
    return None


def atlas_explorer(dataset: str, seed: int, nets: Nets, *, limits: Limits) -> str | None:
    """An explorer over pictures made beforehand; None if they are too large."""
    widest = max(net.latent_dim for net in nets.values())
    data = {"dataset": dataset, "reach": REACH, "latent_dim": widest, "columns": atlas.COLUMNS, "count": atlas.IMAGES}
    data |= {"kind": "atlas", "stops": atlas.STOPS, "sliders": atlas.LABELS}
    text = (
        f"Pictures by generators of training seed {seed}, made beforehand, as these are too large to run in a page: "
        "the same four latents for all, moved by one slider at a time, each method along its own directions."
    )
    pictures = {method: atlas.atlas(net, widest, REACH) for method, net in nets.items()}
    for quality in QUALITIES:
        methods = {method: atlas.pack_atlas(net, pictures[method], quality) for method, net in nets.items()}
        made = explorer_html(data | {"methods": methods}, atlas.sliders(), seed=seed, text=text)
        if len(made.encode()) <= limits.section:
            return made
    return None
