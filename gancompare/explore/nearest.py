"""A generated image above the training image that is nearest to it."""

import ipywidgets as widgets

from gancompare import arms
from gancompare.data.datasets import Dataset
from gancompare.data.errors import DataError
from gancompare.explore.controls import NUMBER
from gancompare.explore.finished import images_of
from gancompare.explore.latents import IMAGES, Point
from gancompare.explore.pictures import blown_up, jpeg, render_class
from gancompare.explore.views import Screen, View
from gancompare.runs.layout import RunError
from gancompare.scoring.image_scores import neighbours


class NearestControls:
    """A box for the number of an image and a button; training images stay in memory, those of one data set."""

    def __init__(self):
        self.sample = widgets.BoundedIntText(1, min=1, max=IMAGES, description="image number", **NUMBER)
        self.nearest = widgets.Button(description="nearest", tooltip="the training image nearest to it, by pixels")
        self._at_hand: dict[tuple[str, ...], Dataset] = {}

    def show(self, screen: Screen, point: Point) -> str:
        """Fill each method's ``near`` picture with the chosen image and its neighbour; returns what it shows, in words.

        If the training images are not at hand, the words say so.
        """
        number, psnr = self.sample.value, []
        z, label = screen.latents(point), screen.label(point)
        try:
            for method, view in screen.usable.items():
                image = render_class(view.net, z, label)[number - 1 : number]
                pair, closeness = neighbours(image, self._training_images(view).images)
                view.near.value = jpeg(blown_up(pair, image.shape[-1]).convert("RGB"))
                view.near.layout.display = None
                psnr.append(f"{arms.name(method)} {closeness['neighbour_psnr']:.1f}")
        except (DataError, RunError) as error:
            return f"no nearest training image: {error}"
        return f"image {number} and, below it, the training image nearest by pixels; PSNR in dB: {', '.join(psnr)}"

    def _training_images(self, view: View) -> Dataset:
        key = view.directory.parts[:-2]  # runs of one study and data set are trained on the same images
        if key not in self._at_hand:
            self._at_hand = {key: images_of(view.directory).train}
        return self._at_hand[key]
