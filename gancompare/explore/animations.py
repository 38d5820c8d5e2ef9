"""Animations for a page that wait to be played: a way through latent space, and the sample grids of training."""

import html
from pathlib import Path

from PIL import Image, ImageDraw
from torch import Tensor, nn

from gancompare.explore.latents import portable, slerp
from gancompare.explore.markup import Figure, film_html
from gancompare.explore.pictures import at_most, data_uri, render
from gancompare.runs.grids import PADDING, grid, read_grid, saved_grids

BUDGET = 1_500_000  # bytes that a data set's animations may take
FRAMES, FRAME_MS, GRID_MS = 36, 100, 900  # of the way through latent space; of a sample grid
QUALITIES = (70, 50, 30)  # of the pictures in an animation, the first that keeps to the budget
SIDE = 64  # pixels of an image, at most
SMALL = 200  # pixels; narrower pictures are shown at twice their size


def animations(
    dataset: str,
    nets: dict[str, nn.Module],
    directories: dict[str, Path],
    *,
    budget: int = BUDGET,
    frames: int = FRAMES,
) -> str:
    """A way of ``frames`` pictures through latent space and, if they were saved in training, the sample grids in order.

    HTML of at most ``budget`` bytes; if they do not fit, one sentence that says so.
    """
    widest = max(net.latent_dim for net in nets.values())
    ways = {method: way(net, widest, frames) for method, net in nets.items()}
    grown = {method: growth(directories[method]) for method in nets}
    grown = {method: pictures for method, pictures in grown.items() if len(pictures) > 1}
    for quality in QUALITIES:
        text = _film(
            f"{dataset}: from seed to seed and back, the same latents for all",
            ways,
            milliseconds=FRAME_MS,
            quality=quality,
        )
        if grown:
            text += _film(
                f"{dataset}: the saved grids, as training goes on", grown, milliseconds=GRID_MS, quality=quality
            )
        if len(text.encode()) <= budget:
            return text
    return f"<p>The animations of {html.escape(dataset)} would take more than {budget / 1e6:g} MB.</p>"


def way(net: nn.Module, latent_dim: int, frames: int = FRAMES) -> list[Image.Image]:
    """Eight images along great circles, from the latents of seed 0 to those of 1, of 2, and back to the first.

    ``latent_dim``: of the latents; a generator with fewer dimensions takes the first part of each.
    """
    ends = [portable(seed, 8, latent_dim)[:, : net.latent_dim] for seed in (0, 1, 2, 0)]
    steps = [divmod(3 * i / frames, 1) for i in range(frames)]
    images = [render(net, slerp(ends[int(leg)], ends[int(leg) + 1], t)) for leg, t in steps]
    return [_sheet(frame, 4) for frame in images]


def growth(directory: Path) -> list[Image.Image]:
    """The first 24 images of every sample grid of a run, each above its generator step."""
    frames = []
    for step, path in saved_grids(directory).items():
        sheet = _sheet(read_grid(path)[:24], 6)
        frame = Image.new("RGB", (sheet.width, sheet.height + 14), "white")
        frame.paste(sheet)
        ImageDraw.Draw(frame).text((4, sheet.height + 1), f"{step:,} steps", fill="black")
        frames.append(frame)
    return frames


def _sheet(images: Tensor, columns: int) -> Image.Image:
    return at_most(grid(images, columns), columns * (SIDE + PADDING) + PADDING)


def _film(title: str, films: dict[str, list[Image.Image]], *, milliseconds: int, quality: int) -> str:
    """One animation per method; each stands still on its last frame until it is played."""
    options = {"save_all": True, "duration": milliseconds, "loop": 0, "method": 4, "quality": quality}
    figures = []
    for method, frames in films.items():
        still = data_uri(frames[-1], "WEBP", quality=quality)
        moving = data_uri(frames[0], "WEBP", append_images=frames[1:], **options)
        factor = 2 if frames[0].width < SMALL else 1
        figures.append(Figure(method, still, moving, factor * frames[0].width, factor * frames[0].height))
    return film_html(title, figures)
