"""Samples on their way to the data, as moving pictures and under a slider."""

import base64
import html
from collections.abc import Sequence

import ipywidgets as widgets
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from gancompare import arms
from gancompare.explore.elements import Picture, with_twin
from gancompare.explore.films import gif
from gancompare.explore.pictures import jpeg
from gancompare.report.style import panels
from gancompare.toys.figures import bare, draw_data
from gancompare.toys.training import Snapshot, ToyRun


def frames(runs: dict[tuple[str, int], ToyRun], arrows: int = 64, extent: float = 2.2) -> list[Image.Image]:
    """A picture per snapshot, a panel per run: samples over the data, arrows along the critic's gradient at some.

    Arrows show the direction in which the critic sees more real points. All have one length, because the size of a
    gradient under clipping has no meaning.
    """
    moments = zip(*(run.snapshots for run in runs.values()), strict=True)
    return [picture(frame(runs, moment, arrows=arrows, extent=extent)) for moment in moments]


def frame(
    runs: dict[tuple[str, int], ToyRun], moment: Sequence[Snapshot], *, arrows: int = 64, extent: float = 2.2
) -> Figure:
    """The figure of one ``moment``: a snapshot of each run."""
    figure, axes = panels(1, len(runs), 2.4, 2.6)
    for axis, ((arm, seed), run), snapshot in zip(axes[0], runs.items(), moment, strict=True):
        draw_data(axis, run.toy)
        axis.plot(*snapshot.samples.T, ".", color=arms.color(arm), markersize=2)
        gradient = snapshot.gradient[:arrows]
        unit = gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-30)
        look = {"scale": 12, "width": 0.005, "headwidth": 4, "color": "#222222", "zorder": 3}
        axis.quiver(*snapshot.samples[:arrows].T, *unit.T, **look)
        axis.set_title(f"{arms.name(arm)}, seed {seed}: step {snapshot.step}")
        bare(axis, extent)
    return figure


def picture(figure: Figure) -> Image.Image:
    """The figure as an RGB image at 100 dots per inch."""
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(100)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])


def small_gif(pictures: Sequence[Image.Image], milliseconds: int = 350) -> bytes:
    """The pictures as an animation that starts over; 32 colours, which keeps it small. The last is held longer."""
    small = [picture.quantize(32, dither=Image.Dither.NONE) for picture in pictures]
    return gif(small, [milliseconds] * (len(small) - 1) + [4 * milliseconds])


def slider(pictures: Sequence[Image.Image]) -> widgets.VBox:
    """The pictures one at a time, under a slider with a box for its number; needs a running kernel."""
    control = widgets.IntSlider(0, min=0, max=len(pictures) - 1, description="picture", readout=False)
    tooltip = "samples and the directions of the critic's gradient"
    shown = Picture(value=jpeg(pictures[0]), format="jpeg", tooltip=tooltip)
    control.observe(lambda change: shown.set_trait("value", jpeg(pictures[change.new])), "value")
    return widgets.VBox([with_twin(control), shown])


def figure_html(pictures: Sequence[Image.Image], caption: str, alt: str) -> str:
    """A ``<figure>`` that holds the moving pictures, so that no file stands beside the page."""
    data = base64.b64encode(small_gif(pictures)).decode()
    return (
        f'<figure><img src="data:image/gif;base64,{data}" alt="{html.escape(alt, quote=True)}" style="max-width:100%">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )
