"""Small pieces that the widgets are built from."""

import html

import ipywidgets as widgets
import traitlets

NARROW = {"width": "6.5em"}


class Picture(widgets.Image):
    """An image with a name for screen readers, its ``tooltip``, as an image widget has no other (ipywidgets 8.1).

    The browser shows a tooltip only if there is a description as well; this one is empty.
    """

    description = traitlets.Unicode("").tag(sync=True)


class Status(widgets.HTML):
    """A line of text that screen readers announce when it changes."""

    def say(self, text: str, more: str = "") -> None:
        """Show ``text``, and below it the HTML ``more``."""
        self.value = f'<div role="status" aria-live="polite">{html.escape(text)}</div>{more}'


def with_twin(slider: widgets.Widget) -> widgets.HBox:
    """A slider beside a box for its number, which a keyboard reaches more easily; either moves the other."""
    kind = widgets.BoundedIntText if isinstance(slider, widgets.IntSlider) else widgets.BoundedFloatText
    limits = {name: getattr(slider, name) for name in ("min", "max", "step", "value")}
    twin = kind(**limits, tooltip=f"{slider.description}, as a number", layout=NARROW)  # its name for a screen reader
    for name in ("max", "disabled"):
        traitlets.link((slider, name), (twin, name))
    # a browser's slider sends 1.9000000000000004
    traitlets.link((slider, "value"), (twin, "value"), (lambda value: round(value, 6), lambda value: value))
    return widgets.HBox([slider, twin])


def set_options(menu: widgets.Dropdown, options: list) -> None:
    """Give a menu new options, values or (label, value) pairs; what was chosen stays chosen if it is still there."""
    chosen = menu.value
    menu.options = options
    values = [option[1] if isinstance(option, tuple) else option for option in options]
    if values:
        menu.value = chosen if chosen in values else values[0]


def close_all(widget: widgets.DOMWidget) -> None:
    """Close a widget with its children, layout and style, all of which the kernel and the browser would keep."""
    for child in getattr(widget, "children", ()):
        close_all(child)
    for part in (widget.layout, getattr(widget, "style", None), widget):
        if part is not None:
            part.close()
