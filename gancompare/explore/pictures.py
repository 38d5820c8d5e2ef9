"""Latents → images → pictures: what the widgets, the pages and the commands draw."""

import base64
import io
from typing import Any

import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from gancompare.data.pixels import to_uint8
from gancompare.runs.grids import grid
from gancompare.scoring.sampling import in_batches

BLOCK = 16  # latents in every forward pass: another number can be rounded to another pixel value
COLUMNS = 4  # of a sheet of 16 images
SIDE = 84  # pixels that a small image is blown up to, by whole factors
JPEG_QUALITY = 92


@torch.no_grad()
def render(net: nn.Module, latents: Tensor, labels: Tensor | None = None) -> Tensor:
    """Latents (N, D) on the CPU → uint8 images (N, C, H, W), whose bits do not depend on the other latents.

    A generator with fewer than D latent dimensions takes the first part of each. ``labels`` (N,): for a conditional
    generator, by default its classes in turn.
    """
    device, missing = next(net.parameters()).device, -len(latents) % BLOCK
    labels = net.in_turn(len(latents)) if labels is None else labels
    padded = torch.cat([latents, latents.new_zeros(missing, latents.shape[1])])[:, : net.latent_dim]
    labels = None if labels is None else torch.cat([labels, labels.new_zeros(missing)])
    blocks = [to_uint8(net(z.to(device), part)).cpu() for z, part in in_batches(padded, labels, BLOCK)]
    return torch.cat(blocks)[: len(latents)]


def render_class(net: nn.Module, latents: Tensor, label: int | None) -> Tensor:
    """``render`` with all images of class ``label``, if the generator has it; otherwise its classes in turn."""
    has_it = label is not None and label < net.num_classes
    return render(net, latents, torch.full((len(latents),), label) if has_it else None)


def sheet(net: nn.Module, latents: Tensor, label: int | None = None) -> Image.Image:
    """The images of ``render_class`` as one picture, small ones blown up without smoothing."""
    images = render_class(net, latents, label)
    return blown_up(grid(images, COLUMNS), images.shape[-1])


def blown_up(picture: Image.Image, image_size: int, side: int = SIDE) -> Image.Image:
    """A picture of images ``image_size`` pixels wide, enlarged by the whole factor that brings these nearest ``side``.

    Whole factors, as smoothing would make the pixels of one method look better than another's.
    """
    factor = max(1, round(side / image_size))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def at_most(picture: Image.Image, width: int) -> Image.Image:
    """The picture in colour, shrunk to ``width`` pixels where it is wider."""
    picture = picture.convert("RGB")
    return picture if picture.width <= width else picture.resize((width, width * picture.height // picture.width))


def side_by_side(pictures: dict[str, Image.Image]) -> Image.Image:
    """Pictures in a row, each below its name."""
    gap, head = 12, 16
    width = sum(picture.width for picture in pictures.values()) + gap * (len(pictures) - 1)
    row = Image.new("RGB", (width, head + max(picture.height for picture in pictures.values())), "white")
    left = 0
    for name, picture in pictures.items():
        ImageDraw.Draw(row).text((left + 2, 2), name, fill="black")
        row.paste(picture.convert("RGB"), (left, head))
        left += picture.width + gap
    return row


def encoded(picture: Image.Image, form: str, **options: Any) -> bytes:
    """The picture as a file of that form, such as "PNG"."""
    buffer = io.BytesIO()
    picture.save(buffer, format=form, **options)
    return buffer.getvalue()


def jpeg(picture: Image.Image) -> bytes:
    return encoded(picture, "JPEG", quality=JPEG_QUALITY, subsampling=0)


def data_uri(picture: Image.Image, form: str, **options: Any) -> str:
    """The picture as the ``src`` of an HTML image that needs no file beside the page."""
    return f"data:image/{form.lower()};base64,{base64.b64encode(encoded(picture, form, **options)).decode()}"
