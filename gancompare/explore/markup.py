"""The HTML of a page's explorers and animations, from the templates in ``template/``."""

import json
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from gancompare import arms


class Slider(NamedTuple):
    """A labelled ``<input type="range">``."""

    label: str
    low: float
    high: float
    step: float
    value: float


class Figure(NamedTuple):
    """An animation of one method: it stands still until ``moving`` replaces ``still``."""

    method: str
    still: str  # both as data URIs
    moving: str
    width: int  # pixels on the screen
    height: int


_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("gancompare.explore", "template"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_templates.globals |= {"name": arms.name, "color": arms.color}


def explorer_html(data: dict[str, Any], sliders: list[Slider], *, seed: int, text: str) -> str:
    """``text``, controls with labels, a line that says what is shown, a canvas per method, and the data for live.js."""
    inside = Markup(json.dumps(data).replace("</", "<\\/"))
    return _templates.get_template("explorer.html.j2").render(
        data=data, sliders=sliders, seed=seed, text=text, inside=inside
    )


def film_html(title: str, figures: list[Figure]) -> str:
    """Animations that start together, behind a button."""
    return _templates.get_template("film.html.j2").render(title=title, figures=figures)
