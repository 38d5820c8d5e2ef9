"""Sliders over finished runs: the same latents through every method, side by side. Trains nothing, scores nothing.

``Explorer`` is the widget; the functions above it are what it shows, and work without a notebook.
"""

import html
import io
import math
import random
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pandas as pd
import torch
import traitlets
from PIL import Image, ImageDraw
from torch import Tensor, nn

from gancompare import arms
from gancompare.base.files import write_atomically
from gancompare.base.streams import fixed_latents
from gancompare.data.datasets import Dataset, dataset_slug, describe_datasets, load_dataset
from gancompare.data.errors import DataError
from gancompare.explore import generate
from gancompare.explore.latents import principal_directions, slerp
from gancompare.runs import grids, layout, record, weights
from gancompare.scoring import evaluation

IMAGES, COLUMNS = 16, 4  # of each method, in a square
SIDE = 84  # pixels that a small image is blown up to, by whole factors
DIRECTIONS, COORDINATES = 6, 2  # sliders of each kind
REACH = 4.0  # of those sliders; along any direction latents have a standard deviation of 1
UNCUT = 4.0  # the truncation slider's right end, where nothing is cut
FRAMES, FRAME_MS, GROWTH_MS = 30, 80, 700  # of an animation, one way; of a picture saved in training
JPEG_QUALITY = 92
NARROW = {"width": "6.5em"}
IN_TURN = "in turn"  # the classes that a conditional generator is shown with

Found = dict[str, dict[str, dict[int, dict[str, Path]]]]  # study -> data set -> training seed -> method -> directory


# ---- latents ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Point:
    """Where in latent space the pictures are taken."""

    seed: int = 0  # of the latents
    other: int = 1  # seed that the interpolation leads to
    percent: int = 0  # of the way there
    truncation: float | None = None  # as in ``generate.truncate``
    along: tuple[float, ...] = ()  # how far along each principal direction
    coordinates: tuple[tuple[int, float], ...] = ()  # (index, how far)
    of_class: str | None = None  # that conditional generators draw; None: their classes in turn

    def latents(self, latent_dim: int, directions: Tensor) -> Tensor:
        """(IMAGES, latent_dim): the same shift for each image. ``directions``: rows of at most ``latent_dim``."""
        ends = (fixed_latents(seed, "explore", IMAGES, latent_dim) for seed in (self.seed, self.other))
        z = generate.truncate(slerp(*ends, self.percent / 100), self.truncation)
        for amount, direction in zip(self.along, directions, strict=False):
            z[:, : len(direction)] += amount * direction
        for index, amount in self.coordinates:
            z[:, index] += amount
        return z

    def text(self) -> str:
        """What is shown, in words."""
        parts = [f"latents of seed {self.seed}"]
        parts += [f"{self.percent} % of the way to seed {self.other}"] if self.percent else []
        parts += [f"cut at ±{self.truncation:.2f}"] if self.truncation is not None else []
        parts += [f"direction {i} {a:+.2f}" for i, a in enumerate(self.along, 1) if a]
        parts += [f"coordinate {i} {a:+.2f}" for i, a in self.coordinates if a]
        parts += [f"class {self.of_class}"] if self.of_class is not None else []
        return ", ".join(parts)


# ---- pictures --------------------------------------------------------------------------------------------------------


def render(net: nn.Module, z: Tensor, label: int | None = None) -> Tensor:
    """Latents (N, latent_dim or more) → uint8 images (N, C, H, W), all of class ``label`` where the net has it."""
    labels = torch.full((len(z),), label) if label is not None and label < net.num_classes else None
    return generate.render(net, z[:, : net.latent_dim], labels)


def sheet(net: nn.Module, z: Tensor, label: int | None = None) -> Image.Image:
    """The images of ``render`` as one picture, small ones blown up without smoothing."""
    images = render(net, z, label)
    return blown_up(generate.grid(images, COLUMNS), images.shape[-1])


def blown_up(picture: Image.Image, image_size: int) -> Image.Image:
    """A picture of images ``image_size`` pixels wide by the whole factor that brings these nearest to SIDE."""
    factor = max(1, round(SIDE / image_size))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()


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


def gif(frames: list[Image.Image], milliseconds: int | list[int] = FRAME_MS) -> bytes:
    """An endless animation; ``milliseconds`` a frame, or of each frame."""
    buffer = io.BytesIO()
    frames[0].save(buffer, format="GIF", save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)
    return buffer.getvalue()


def mp4(frames: list[Image.Image], milliseconds: int = FRAME_MS) -> bytes:
    """A film in H.264 as every browser plays it: yuv420p, whose sides are even, so that an odd one grows by a pixel.

    Raises RunError without the packages for it.
    """
    try:
        import imageio.v3 as imageio
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise layout.RunError(f"MP4 needs more packages ({error}): pip install imageio imageio-ffmpeg") from error
    pixels = np.stack([np.asarray(frame.convert("RGB")) for frame in frames])
    odd = [(0, side % 2) for side in pixels.shape[1:3]]
    options = {"fps": 1000 / milliseconds, "codec": "libx264", "pixelformat": "yuv420p", "macro_block_size": 2}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        imageio.imwrite(path, np.pad(pixels, [(0, 0), *odd, (0, 0)], "edge"), plugin="FFMPEG", quality=8, **options)
        return path.read_bytes()


# ---- runs ------------------------------------------------------------------------------------------------------------


def find_finished(results: str | Path) -> Found:
    """The finished runs in ``results``, GAN, WGAN and WGAN-GP before other methods. Raises RunError if there are none.

    Runs that cannot be read are left out: one broken file must not hide all others.
    """
    found: Found = {}
    for path in sorted(Path(results).glob("*/*/*/seed*/config.json")):
        directory = path.parent
        study, dataset, method, seed = directory.parts[-4:]
        number = seed.removeprefix("seed")
        try:
            finished = number.isdigit() and record.read_status(directory)["status"] in layout.FINISHED
        except layout.RunError:
            continue
        if finished:
            found.setdefault(study, {}).setdefault(dataset, {}).setdefault(int(number), {})[method] = directory
    if not found:
        raise layout.RunError(f"no finished runs in {results}: train some first, by `gancompare study`")
    for datasets in found.values():
        for seeds in datasets.values():
            for seed, methods in seeds.items():
                seeds[seed] = {method: methods[method] for method in arms.in_order(methods)}
    return found


def runs_of(found: Found, study: str | None, dataset: str | None) -> tuple[str, str, int, dict[str, Path]]:
    """(study, data set, its first training seed, method → directory). Raises RunError, listing what there is."""
    dataset = None if dataset is None else dataset_slug(dataset)
    study = _choose("study", study, found, lambda name: dataset is None or dataset in found[name])
    dataset = _choose("data set", dataset, found[study])
    seed, directories = next(iter(found[study][dataset].items()))
    return study, dataset, seed, directories


def images_of(directory: Path, split: str) -> Dataset:
    """The images that a run was trained on ("train"), or that were held out ("test"); nothing is downloaded.

    Raises DataError if they are not at hand, or are others than the run had: then what is held out now may be what it
    was trained on.
    """
    content = record.read_config(directory)
    config = content["config"]
    for row in describe_datasets():
        if row.name == config["dataset"] and not row.available:
            raise DataError(f"the images of {row.name} are not at hand: {row.hint}")
    asked = config["dataset"], config["image_size"], config["channels"]
    dataset = load_dataset(*asked, split=split)
    trained_on = dataset if split == "train" else load_dataset(*asked)
    if trained_on.fingerprint != content["data"]["fingerprint"]:
        raise DataError(f"the images at {trained_on.source} are not those that {directory} was trained on")
    return dataset


# ---- the widget ------------------------------------------------------------------------------------------------------


class LatestWins:
    """Works in a thread on what was asked for last; what was asked for before, and not begun, is dropped."""

    def __init__(self, work: Callable[..., None]):
        self._work, self._waiting, self._busy, self._closed = work, None, False, False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def ask(self, *what) -> None:
        with self._changed:
            self._waiting = what
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def wait(self, seconds: float = 60.0) -> bool:
        """Until nothing is left to do; False if that takes longer than ``seconds``."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._busy and self._waiting is None, seconds)

    def close(self) -> None:
        with self._changed:
            self._closed, self._waiting = True, None
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None or self._closed)
                if self._closed:
                    return
                what, self._waiting, self._busy = self._waiting, None, True
            try:
                self._work(*what)
            finally:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()


class Picture(widgets.Image):
    """An image with a name for screen readers, its ``tooltip``, as an image widget has no other (ipywidgets 8.1).

    The browser shows a tooltip only where there is a description as well, here an empty one.
    """

    description = traitlets.Unicode("").tag(sync=True)


@dataclass(frozen=True)
class View:
    """One method on the screen; ``net`` is None where the run left no usable weights."""

    net: nn.Module | None
    directions: Tensor | None
    shares: Tensor | None
    snapshots: dict[int, Path]
    picture: Picture
    training: Picture
    near: Picture

    def saved(self, step: int) -> Image.Image:
        """The last picture that was saved up to ``step`` of training, else the first."""
        nearest = max((s for s in self.snapshots if s <= step), default=min(self.snapshots))
        with Image.open(self.snapshots[nearest]) as picture:
            return picture.convert("RGB")


class Explorer(widgets.VBox):
    """Latents and training time of finished runs, all methods of a training seed at once.

    Any control can be set from code too, e.g. ``explorer.along[0].value = 2``; pictures follow in a thread of their
    own, and ``wait()`` waits for them. Raises RunError if there is no finished run, or none of what was asked for.
    """

    def __init__(self, study: str | None = None, results: str | Path | None = None, dataset: str | None = None):
        super().__init__()
        self.found = find_finished(results or layout.results_directory())
        study, dataset, _, _ = runs_of(self.found, study, dataset)
        self._real: dict[tuple, Dataset] = {}  # training images that were looked through
        self.views: dict[str, View] = {}
        self._latest, self._quiet = LatestWins(self._draw), False
        self._trained: tuple = (None, None)  # whose pictures of training are on the screen, at which step
        self._make_controls(study, dataset)
        self._lay_out()
        self.load()

    # -- controls

    def _make_controls(self, study: str, dataset: str) -> None:
        wide = {"style": {"description_width": "11em"}, "layout": {"width": "26em"}}
        number = {"style": {"description_width": "11em"}, "layout": {"width": "18em"}}
        self.study = widgets.Dropdown(options=list(self.found), value=study, description="study", **wide)
        self.dataset = widgets.Dropdown(options=list(self.found[study]), value=dataset, description="data set", **wide)
        self.run_seed = widgets.Dropdown(options=list(self.found[study][dataset]), description="training seed", **wide)
        self.seed = widgets.BoundedIntText(0, min=0, max=2**31 - 1, description="seed of latents", **number)
        self.shuffle = widgets.Button(description="shuffle", tooltip="another seed of latents")
        self.reset = widgets.Button(description="reset", tooltip="all sliders to where they began")
        self.truncation = widgets.FloatSlider(
            UNCUT, min=0.1, max=UNCUT, step=0.1, description="truncation", readout=False, **wide
        )
        self.of_class = widgets.Dropdown(options=[IN_TURN], description="class", **wide)
        self.directions_of = widgets.Dropdown(description="directions of", **wide)
        slider = {"min": -REACH, "max": REACH, "step": 0.1, "readout": False, **wide}
        self.along = [widgets.FloatSlider(0, description=f"direction {i + 1}", **slider) for i in range(DIRECTIONS)]
        self.index = [
            widgets.BoundedIntText(i, min=0, max=COORDINATES - 1, description=f"{'AB'[i]} is coordinate", **number)
            for i in range(COORDINATES)
        ]
        self.coordinate = [
            widgets.FloatSlider(0, description=f"coordinate {'AB'[i]}", **slider) for i in range(COORDINATES)
        ]
        self.other = widgets.BoundedIntText(1, min=0, max=2**31 - 1, description="towards seed", **number)
        self.percent = widgets.IntSlider(0, min=0, max=100, description="way there, %", readout=False, **wide)
        self.play = widgets.Play(min=0, max=100, step=2, interval=FRAME_MS, tooltip="play the interpolation")
        self.snapshot = widgets.IntSlider(0, min=0, max=0, description="training, picture", readout=False, **wide)
        self.sample = widgets.BoundedIntText(1, min=1, max=IMAGES, description="image number", **number)
        self.nearest = widgets.Button(description="nearest", tooltip="the training image nearest to it, by pixels")
        self.folder = widgets.Text("explored", description="save in folder", **wide)
        self.save_png = widgets.Button(description="save PNG", tooltip="save the pictures as they are")
        self.save_gif = widgets.Button(description="save GIF", tooltip="save the interpolation to the other seed")
        self.save_mp4 = widgets.Button(description="save MP4", tooltip="the same as a film")
        self.save_growth = widgets.Button(description="save time-lapse", tooltip="save training as a GIF")
        self.status = widgets.HTML()
        self.pictures = widgets.HBox()
        traitlets.link((self.play, "value"), (self.percent, "value"))

        for control in (self.seed, self.other, self.percent, self.truncation, self.directions_of, self.snapshot):
            control.observe(self._changed, "value")
        for control in (*self.along, *self.index, *self.coordinate, self.of_class):
            control.observe(self._changed, "value")
        self.study.observe(lambda _: self._choose_study(), "value")
        self.dataset.observe(lambda _: self._choose_dataset(), "value")
        self.run_seed.observe(lambda _: self._quiet or self.load(), "value")
        self.shuffle.on_click(lambda _: setattr(self.seed, "value", random.SystemRandom().randrange(2**31)))
        self.reset.on_click(lambda _: self._reset())
        self.nearest.on_click(lambda _: self.show_nearest())
        self.save_png.on_click(lambda _: self._save("png", self._png))
        self.save_gif.on_click(lambda _: self._save("gif", lambda: gif(self.animation())))
        self.save_mp4.on_click(lambda _: self._save("mp4", lambda: mp4(self.animation())))
        self.save_growth.on_click(lambda _: self._save("gif", lambda: gif(self.time_lapse(), GROWTH_MS), "training"))

    def _lay_out(self) -> None:
        left = [self.study, self.dataset, self.run_seed, widgets.HBox([self.seed, self.shuffle, self.reset])]
        left += [with_twin(self.truncation), self.other, widgets.HBox([with_twin(self.percent), self.play])]
        left += [
            with_twin(self.snapshot),
            widgets.HBox([self.sample, self.nearest]),
            self.folder,
            widgets.HBox([self.save_png, self.save_gif]),
            widgets.HBox([self.save_mp4, self.save_growth]),
        ]
        right = [self.of_class, self.directions_of, *map(with_twin, self.along)]
        for index, slider in zip(self.index, self.coordinate, strict=True):
            right += [index, with_twin(slider)]
        controls = widgets.HBox([widgets.VBox(left), widgets.VBox(right)], layout={"flex_flow": "row wrap"})
        self.pictures.layout.flex_flow = "row wrap"
        self.children = [controls, self.status, self.pictures]

    def _choose_study(self) -> None:
        if not self._quiet:
            self._set_options(self.dataset, list(self.found[self.study.value]))
            self._choose_dataset()

    def _choose_dataset(self) -> None:
        if not self._quiet:
            self._set_options(self.run_seed, list(self.found[self.study.value][self.dataset.value]))
            self.load()

    def _set_options(self, menu: widgets.Dropdown, options: list) -> None:
        """New options, keeping what is chosen where it is still there; observers stay silent."""
        was, self._quiet = menu.value, True
        menu.options = options
        if options:
            menu.value = was if was in options else options[0]
        self._quiet = False

    def _reset(self) -> None:
        self._quiet = True
        for slider in (*self.along, *self.coordinate, self.percent):
            slider.value = 0
        self.truncation.value, self.seed.value, self.other.value, self.of_class.value = UNCUT, 0, 1, IN_TURN
        self._quiet = False
        self._changed()

    # -- what is shown

    def load(self) -> None:
        """Open the runs that the drop-downs name, and draw them before it returns."""
        directories = self.found[self.study.value][self.dataset.value][self.run_seed.value]
        self._latest.wait()  # for pictures of the runs before
        before = self.pictures.children
        columns, views = [], {}
        for method, directory in directories.items():
            net = directions = shares = None
            border = f"border-left:.3em solid {arms.color(method)};padding-left:.5em"  # as text it would be too pale
            head = f'<b style="{border}">{html.escape(method)}</b>'
            try:
                net = generate.load(directory)
                directions, shares = principal_directions(net)
            except layout.RunError as error:
                head += f"<br>{html.escape(str(error))}"
            picture = Picture(format="jpeg", tooltip=f"{IMAGES} images by {method}")
            training = Picture(format="jpeg", tooltip=f"images by {method} while it trained")
            near = Picture(format="jpeg", tooltip=f"an image by {method} above the nearest training image")
            near.layout.display = "none"
            views[method] = View(net, directions, shares, grids.saved_grids(directory), picture, training, near)
            shown = [widgets.HTML(head)] + ([picture, near] if net else [])
            shown += [training] if views[method].snapshots else []
            columns.append(widgets.VBox(shown, layout={"margin": "0 1em 0 0", "max_width": "28em"}))
        self.views = views
        usable = {method: view.net for method, view in views.items() if view.net}
        self.steps = sorted({step for view in views.values() for step in view.snapshots})
        self._set_options(self.directions_of, list(usable))
        self.classes = max((weights.classes_of(directories[method]) for method in usable), key=len, default=())
        self._set_options(self.of_class, [IN_TURN, *self.classes])
        self.of_class.layout.display = None if self.classes else "none"
        self._quiet = True
        self.snapshot.max = max(0, len(self.steps) - 1)
        self.snapshot.value = self.snapshot.max
        self.snapshot.disabled = len(self.steps) < 2
        for index in self.index:
            index.max = self.latent_dim - 1
        self._quiet = False
        self.pictures.children = columns
        for column in before:
            close_all(column)
        self._draw(views, self.point(), self.directions_of.value, self.step())

    @property
    def latent_dim(self) -> int:
        """Of the widest generator; a narrower one takes the first part of each latent."""
        return max((view.net.latent_dim for view in self.views.values() if view.net), default=1)

    def point(self) -> Point:
        """Where the sliders stand."""
        cut = None if self.truncation.value >= UNCUT else self.truncation.value
        along = tuple(slider.value for slider in self.along)
        moved = tuple((i.value, slider.value) for i, slider in zip(self.index, self.coordinate, strict=True))
        of_class = None if self.of_class.value == IN_TURN else self.of_class.value
        return Point(self.seed.value, self.other.value, self.percent.value, cut, along, moved, of_class)

    def label(self, point: Point) -> int | None:
        return None if point.of_class is None else self.classes.index(point.of_class)

    def step(self) -> int | None:
        """Generator steps that the training slider stands at; None where no pictures were saved."""
        return self.steps[self.snapshot.value] if self.steps else None

    def latents(self, point: Point | None = None, of: str | None = None) -> Tensor:
        """(16, latent_dim): what all methods are shown at."""
        of = of or self.directions_of.value
        directions = self.views[of].directions if of else torch.empty(0, self.latent_dim)
        return (point or self.point()).latents(self.latent_dim, directions)

    def sheets(self, point: Point | None = None) -> dict[str, Image.Image]:
        """method → 16 images at ``point``, or where the sliders stand."""
        z, label = self.latents(point), self.label(point or self.point())
        return {method: sheet(view.net, z, label) for method, view in self.views.items() if view.net}

    def picture(self, point: Point | None = None) -> Image.Image | None:
        """All methods side by side at ``point``, or where the sliders stand; None if no run has weights."""
        sheets = self.sheets(point)
        return side_by_side(sheets) if sheets else None

    def animation(self) -> list[Image.Image]:
        """Side by side on the way to the other seed and back. Raises RunError if no run has weights."""
        here = self.point()
        ways = [round(100 * i / FRAMES) for i in range(FRAMES + 1)]
        points = [replace(here, percent=way) for way in ways]
        frames = [side_by_side(sheets) for point in points if (sheets := self.sheets(point))]
        if not frames:
            raise layout.RunError("none of these runs has weights: there is nothing to animate")
        return frames + frames[-2:0:-1]

    def time_lapse(self) -> list[Image.Image]:
        """Side by side as training goes on, without methods whose first picture is of a later step than others'.

        Raises RunError where fewer than two pictures of it were saved.
        """
        if len(self.steps) < 2:
            raise layout.RunError("a time-lapse takes pictures of two steps of training, and there are fewer")
        saved = {m: view for m, view in self.views.items() if min(view.snapshots, default=math.inf) <= self.steps[0]}
        return [
            side_by_side({f"{method}, {step:,} steps": view.saved(step) for method, view in saved.items()})
            for step in self.steps
        ]

    def shares(self) -> pd.DataFrame:
        """Per cent of the variance of the first activations along each direction that has a slider, by method."""
        rows = {m: (100 * v.shares[:DIRECTIONS]).tolist() for m, v in self.views.items() if v.net}
        count = max(map(len, rows.values()), default=0)
        return pd.DataFrame.from_dict(rows, "index", columns=[f"direction {i + 1}" for i in range(count)]).round(1)

    def wait(self, seconds: float = 60.0) -> bool:
        """Until the pictures show where the controls stand; False if that takes longer than ``seconds``."""
        return self._latest.wait(seconds)

    def close(self) -> None:
        self._latest.close()
        super().close()

    def _changed(self, _change=None) -> None:
        for view in self.views.values():
            view.near.layout.display = "none"  # it belonged to other latents
        if not self._quiet:
            self._latest.ask(self.views, self.point(), self.directions_of.value, self.step())

    def _draw(self, views: dict[str, View], point: Point, of: str | None, step: int | None) -> None:
        begun = time.perf_counter()
        try:
            z, label = self.latents(point, of), self.label(point)
            for view in views.values():
                if view.net:
                    view.picture.value = jpeg(sheet(view.net, z, label))
            seconds = time.perf_counter() - begun
            if self._trained[0] is not views or self._trained[1] != step:  # it does not change with the latents
                for view in views.values():
                    if step is not None and view.snapshots:
                        view.training.value = jpeg(view.saved(step))
                self._trained = views, step
            text = f"{point.text()}; drawn in {1000 * seconds:.0f} ms"
            text += f". Below: after {step:,} generator steps of training" if step is not None else ""
        except Exception as error:  # in a thread nobody else would see it
            text = f"cannot be drawn: {error}"
        self._say(text)

    def _say(self, text: str) -> None:
        self.status.value = f'<div role="status" aria-live="polite">{html.escape(text)}</div>'

    def show_nearest(self) -> None:
        """Below each method's picture: the chosen image, and the training image that is nearest to it by pixels."""
        number, psnr = self.sample.value, []
        directories = self.found[self.study.value][self.dataset.value][self.run_seed.value]
        self._say("looking through the training images")
        try:
            z, label = self.latents(), self.label(self.point())
            for method, view in self.views.items():
                if view.net:
                    image = render(view.net, z, label)[number - 1 : number]
                    pair, found = evaluation.neighbours(image, self._training_images(directories[method]))
                    view.near.value = jpeg(blown_up(pair, image.shape[-1]).convert("RGB"))
                    view.near.layout.display = None
                    psnr.append(f"{method} {found['neighbour_psnr']:.1f}")
        except (DataError, layout.RunError) as error:
            self._say(f"no nearest training image: {error}")
            return
        self._say(f"image {number} and, below it, the training image nearest by pixels; PSNR in dB: {', '.join(psnr)}")

    def _training_images(self, directory: Path) -> Tensor:
        key = (self.study.value, self.dataset.value)
        if key not in self._real:
            self._real = {key: images_of(directory, "train")}  # of one data set at a time
        return self._real[key].images

    # -- saving

    def _png(self) -> bytes:
        picture, buffer = self.picture(), io.BytesIO()
        if picture is None:
            raise layout.RunError("none of these runs has weights: there is nothing to save")
        picture.save(buffer, format="PNG")
        return buffer.getvalue()

    def _save(self, suffix: str, make: Callable[[], bytes], what: str | None = None) -> None:
        try:
            folder = Path(self.folder.value).expanduser()
            folder.mkdir(parents=True, exist_ok=True)
            stem = f"{self.dataset.value}-{what or f'seed{self.seed.value}'}"
            names = (f"{stem}{'-' + str(i) if i else ''}.{suffix}" for i in range(10_000))
            path = next(folder / name for name in names if not (folder / name).exists())  # never over another
            write_atomically(path, make())
            self._say(f"saved {path}")
        except (OSError, layout.RunError) as error:
            self._say(f"not saved: {error}")


def with_twin(slider: widgets.Widget) -> widgets.HBox:
    """A slider beside a box for its number, which a keyboard reaches more easily; either moves the other."""
    kind = widgets.BoundedIntText if isinstance(slider, widgets.IntSlider) else widgets.BoundedFloatText
    limits = {name: getattr(slider, name) for name in ("min", "max", "step", "value")}
    twin = kind(**limits, tooltip=f"{slider.description}, as a number", layout=NARROW)  # the box's name to a reader
    for name in ("max", "disabled"):
        traitlets.link((slider, name), (twin, name))
    # a browser's slider sends 1.9000000000000004
    traitlets.link((slider, "value"), (twin, "value"), (lambda value: round(value, 6), lambda value: value))
    return widgets.HBox([slider, twin])


def close_all(widget: widgets.DOMWidget) -> None:
    """Close a widget with its children, layout and style, all of which the kernel and the browser would keep."""
    for child in getattr(widget, "children", ()):
        close_all(child)
    for part in (widget.layout, getattr(widget, "style", None), widget):
        if part is not None:
            part.close()


def _choose(what: str, wanted: str | None, there: dict, fits: Callable[[str], bool] = lambda name: True) -> str:
    """``wanted``, or the first of ``there`` that fits. Raises RunError, listing what there is."""
    chosen = wanted if wanted is not None else next(filter(fits, there), next(iter(there)))
    if chosen not in there:
        raise layout.RunError(f"no finished runs of {what} {wanted!r}; there are: {', '.join(there)}")
    return chosen
