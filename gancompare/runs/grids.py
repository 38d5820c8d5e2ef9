"""Sample grids: 8 × 8 images from a seed's fixed latents, saved as training goes on. Their names, writing, reading."""

import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from gancompare.base.files import atomic_path

COLUMNS, PADDING = 8, 2  # of a saved sample grid: 8 × 8 images, this many white pixels apart
IMAGES = COLUMNS**2


def grid(images: Tensor, columns: int | None = None) -> Image.Image:
    """uint8 (N, C, H, W) → one picture, white between images; about a square unless ``columns`` are given."""
    columns = columns or math.ceil(math.sqrt(len(images)))
    sheet = make_grid(images, nrow=columns, padding=PADDING, pad_value=255)
    return to_image(sheet[: images.shape[1]])  # make_grid turns grey into three channels


def to_image(pixels: Tensor) -> Image.Image:
    """uint8 (1 or 3, H, W) → a picture in grey or colour."""
    array = pixels.permute(1, 2, 0).numpy()
    return Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)


def grid_path(directory: Path, generator_steps: int) -> Path:
    return directory / "samples" / f"step{generator_steps:07d}.png"


def save_grid(directory: Path, generator_steps: int, images: Tensor) -> None:
    """Save uint8 images (64, C, H, W) as the sample grid of that step."""
    path = grid_path(directory, generator_steps)
    path.parent.mkdir(exist_ok=True)
    with atomic_path(path) as temporary:
        grid(images, COLUMNS).convert("RGB").save(temporary, format="PNG")


def saved_grids(directory: Path) -> dict[int, Path]:
    """The sample grids of a run: generator step → file, in order."""
    named = {path.stem.removeprefix("step"): path for path in sorted((directory / "samples").glob("step*.png"))}
    return {int(step): path for step, path in named.items() if step.isdigit()}


def read_grid(path: Path) -> Tensor:
    """The images of a saved sample grid, uint8 (64, 3, H, W)."""
    with Image.open(path) as picture:
        sheet = np.asarray(picture.convert("RGB"))
    pitch_y, pitch_x = ((length - PADDING) // COLUMNS for length in sheet.shape[:2])
    images = sheet[PADDING:, PADDING:].reshape(COLUMNS, pitch_y, COLUMNS, pitch_x, 3).transpose(0, 2, 4, 1, 3)
    images = images.reshape(IMAGES, 3, pitch_y, pitch_x)[..., :-PADDING, :-PADDING]
    return torch.from_numpy(np.ascontiguousarray(images))
