"""Buttons that save what is shown to files, never over another file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ipywidgets as widgets
from PIL import Image

from gancompare.base.files import write_atomically
from gancompare.explore.controls import WIDE
from gancompare.explore.pictures import encoded
from gancompare.runs.layout import RunError


@dataclass(frozen=True)
class Product:
    """A kind of file that can be saved."""

    description: str  # of its button
    tooltip: str
    suffix: str
    stem: Callable[[], str]  # of the file's name
    content: Callable[[], bytes]  # may raise RunError


class SavingControls:
    """A box for a folder and a button for each product; ``report`` gets a line about what was saved, or why not."""

    def __init__(self, products: dict[str, Product], report: Callable[[str], None]):
        self.folder = widgets.Text("explored", description="save in folder", **WIDE)
        self.buttons = {}
        for name, product in products.items():
            self.buttons[name] = widgets.Button(description=product.description, tooltip=product.tooltip)
            self.buttons[name].on_click(lambda _, product=product: report(self.save(product)))

    def save(self, product: Product) -> str:
        try:
            folder = Path(self.folder.value).expanduser()
            folder.mkdir(parents=True, exist_ok=True)
            stem = product.stem()
            names = (f"{stem}{'-' + str(i) if i else ''}.{product.suffix}" for i in range(10_000))
            path = next(folder / name for name in names if not (folder / name).exists())
            write_atomically(path, product.content())
            return f"saved {path}"
        except (OSError, RunError) as error:
            return f"not saved: {error}"


def png(picture: Image.Image | None) -> bytes:
    """The picture as a PNG file. Raises RunError if there is none."""
    if picture is None:
        raise RunError("none of these runs has weights: there is nothing to save")
    return encoded(picture, "PNG")
