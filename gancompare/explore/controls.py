"""The explorer's controls: menus that choose runs, and sliders that choose a point in latent space."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ipywidgets as widgets
import traitlets

from gancompare import arms
from gancompare.explore.elements import set_options, with_twin
from gancompare.explore.films import FRAME_MS
from gancompare.explore.finished import Finished, runs_of
from gancompare.explore.latents import Point
from gancompare.explore.views import DIRECTIONS, Screen

COORDINATES = "AB"  # names of the sliders that move single coordinates
REACH = 4.0  # of the sliders that move latents; along any direction latents have a standard deviation of 1
UNCUT = 4.0  # the truncation slider's right end, where nothing is cut
IN_TURN = "in turn"  # the classes that a conditional generator is shown with
LARGEST_SEED = 2**31 - 1
WIDE = {"style": {"description_width": "11em"}, "layout": {"width": "26em"}}
NUMBER = {"style": {"description_width": "11em"}, "layout": {"width": "18em"}}


class RunMenus:
    """Menus for study, data set and training seed; each offers what is there under the choices above it."""

    def __init__(self, runs: Finished, study: str | None, dataset: str | None):
        """Raises RunError if there are no runs of what was asked for."""
        study, dataset, seed, _ = runs_of(runs, study, dataset)
        seeds = list(runs[study][dataset])
        self.runs = runs
        self.study = widgets.Dropdown(options=list(runs), value=study, description="study", **WIDE)
        self.dataset = widgets.Dropdown(options=list(runs[study]), value=dataset, description="data set", **WIDE)
        self.run_seed = widgets.Dropdown(options=seeds, value=seed, description="training seed", **WIDE)
        self._filling = False

    def directories(self) -> dict[str, Path]:
        """method → directory of the chosen runs."""
        return self.runs[self.study.value][self.dataset.value][self.run_seed.value]

    def observe(self, chosen: Callable[[], None]) -> None:
        """Call ``chosen`` once after each choice."""

        def fill(_change) -> None:
            if self._filling:
                return
            self._filling = True
            set_options(self.dataset, list(self.runs[self.study.value]))
            set_options(self.run_seed, list(self.runs[self.study.value][self.dataset.value]))
            self._filling = False
            chosen()

        for menu in (self.study, self.dataset, self.run_seed):
            menu.observe(fill, "value")


@dataclass(frozen=True)
class LatentControls:
    """The sliders, boxes and buttons that together say which ``Point`` is shown."""

    seed: widgets.BoundedIntText
    shuffle: widgets.Button
    reset: widgets.Button
    truncation: widgets.FloatSlider
    other: widgets.BoundedIntText
    percent: widgets.IntSlider
    play: widgets.Play
    class_name: widgets.Dropdown
    directions_of: widgets.Dropdown
    along: list[widgets.FloatSlider]
    index: list[widgets.BoundedIntText]
    coordinate: list[widgets.FloatSlider]

    def point(self) -> Point:
        """The point that the controls are set to."""
        return Point(
            seed=self.seed.value,
            other=self.other.value,
            percent=self.percent.value,
            truncation=None if self.truncation.value >= UNCUT else self.truncation.value,
            along=tuple(slider.value for slider in self.along),
            directions_of=self.directions_of.value,
            coordinates=tuple((i.value, slider.value) for i, slider in zip(self.index, self.coordinate, strict=True)),
            class_name=None if self.class_name.value == IN_TURN else self.class_name.value,
        )

    def go_home(self) -> None:
        """Set everything that moves latents back to where it began; the chosen method and coordinates stay."""
        for slider in (*self.along, *self.coordinate, self.percent):
            slider.value = 0
        self.truncation.value, self.seed.value, self.other.value, self.class_name.value = UNCUT, 0, 1, IN_TURN

    def offer(self, screen: Screen) -> None:
        """Offer the methods, classes and coordinates that these runs have."""
        set_options(self.directions_of, [(arms.name(method), method) for method in screen.usable])
        set_options(self.class_name, [IN_TURN, *screen.classes])
        self.class_name.layout.display = None if screen.classes else "none"
        for index in self.index:
            index.max = screen.latent_dim - 1

    def observe(self, changed: Callable) -> None:
        """Call ``changed`` with each change that can move the point; make the buttons do what they say."""
        controls = (self.seed, self.other, self.percent, self.truncation, self.directions_of, self.class_name)
        for control in (*controls, *self.along, *self.index, *self.coordinate):
            control.observe(changed, "value")
        self.shuffle.on_click(lambda _: self.seed.set_trait("value", random.SystemRandom().randint(0, LARGEST_SEED)))
        self.reset.on_click(lambda _: self.go_home())

    def columns(self) -> tuple[list[widgets.Widget], list[widgets.Widget]]:
        """What stands at the left (the latents themselves) and at the right (what moves them)."""
        left = [widgets.HBox([self.seed, self.shuffle, self.reset]), with_twin(self.truncation), self.other]
        left += [widgets.HBox([with_twin(self.percent), self.play])]
        right = [self.class_name, self.directions_of, *map(with_twin, self.along)]
        for index, slider in zip(self.index, self.coordinate, strict=True):
            right += [index, with_twin(slider)]
        return left, right


def latent_controls() -> LatentControls:
    """New controls, all where they begin."""
    mover = {"min": -REACH, "max": REACH, "step": 0.1, "readout": False, **WIDE}
    seed = {"min": 0, "max": LARGEST_SEED, **NUMBER}
    last = len(COORDINATES) - 1
    controls = LatentControls(
        seed=widgets.BoundedIntText(0, description="seed of latents", **seed),
        shuffle=widgets.Button(description="shuffle", tooltip="another seed of latents"),
        reset=widgets.Button(description="reset", tooltip="all sliders to where they began"),
        truncation=widgets.FloatSlider(UNCUT, description="truncation", **mover | {"min": 0.1, "max": UNCUT}),
        other=widgets.BoundedIntText(1, description="towards seed", **seed),
        percent=widgets.IntSlider(0, min=0, max=100, description="way there, %", readout=False, **WIDE),
        play=widgets.Play(min=0, max=100, step=2, interval=FRAME_MS, tooltip="play the interpolation"),
        class_name=widgets.Dropdown(options=[IN_TURN], description="class", **WIDE),
        directions_of=widgets.Dropdown(description="directions of", **WIDE),
        along=[widgets.FloatSlider(0, description=f"direction {i + 1}", **mover) for i in range(DIRECTIONS)],
        index=[
            widgets.BoundedIntText(i, min=0, max=last, description=f"{name} is coordinate", **NUMBER)
            for i, name in enumerate(COORDINATES)
        ],
        coordinate=[widgets.FloatSlider(0, description=f"coordinate {name}", **mover) for name in COORDINATES],
    )
    traitlets.link((controls.play, "value"), (controls.percent, "value"))
    return controls
