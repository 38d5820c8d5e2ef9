"""Arms: what a study compares. An arm is a method with settings of its own and a name, a colour and a line style.

The factorial arms cross the loss, the constraint on the critic and the number of critic steps, so that each ingredient
has a comparison that changes it alone.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from gancompare.base.errors import UserError
from gancompare.objectives import METHODS
from gancompare.recipes import MAIN_METHODS


class ArmError(UserError, ValueError):
    """An arm that cannot be understood; the message names it and the remedy."""


class Arm(NamedTuple):
    """A method, and the fields of a ``RunConfig`` that this arm sets for it."""

    name: str  # also of its directory
    method: str
    fields: Mapping[str, Any]


ARMS: dict[str, Arm] = {
    arm.name: arm
    for arm in (
        Arm("gan", "gan", {"n_critic": 1}),
        Arm("gan-5", "gan", {"n_critic": 5}),
        Arm("gan-gp-1", "gan-gp", {"n_critic": 1}),
        Arm("gan-gp", "gan-gp", {"n_critic": 5}),
        Arm("wgan-1", "wgan", {"n_critic": 1}),
        Arm("wgan", "wgan", {"n_critic": 5}),
        Arm("wgan-gp-1", "wgan-gp", {"n_critic": 1}),
        Arm("wgan-gp", "wgan-gp", {"n_critic": 5}),
        Arm("gan-minimax", "gan-minimax", {"n_critic": 1}),
    )
}
FACTORIAL = tuple(name for name in ARMS if name != "gan-minimax")  # loss × constraint × critic steps

# One hue a loss, warm for the non-saturating and cool for the Wasserstein loss; a shade of it by constraint. Of Okabe
# and Ito's palette, which stays apart under the common colour blindnesses.
COLORS = {"gan": "#D55E00", "gan-gp": "#E69F00", "wgan": "#56B4E9", "wgan-gp": "#0072B2", "gan-minimax": "#CC79A7"}
DASHES = {1: (4, 2), 5: ()}  # critic steps → on and off, in line widths; other numbers are dotted


def arm_of(text: str) -> Arm:
    """The arm called ``text``: a name of ARMS, a method, or ``method:field=value,field=value``.

    Values are read as numbers, True or False where they can be; ``RunConfig`` checks them. Settings that are those of
    a named arm get its name. Raises ArmError for what is none of these.
    """
    if text in ARMS:
        return ARMS[text]
    method, _, settings = text.partition(":")
    if method not in METHODS:
        known = ", ".join(dict.fromkeys([*ARMS, *METHODS]))
        raise ArmError(f"arm={text!r}: choose one of {known}, or write method:field=value, as in gan:n_critic=5")
    fields = {}
    for setting in filter(None, settings.split(",")):
        name, equals, value = setting.partition("=")
        if not (name and equals and value):
            raise ArmError(f"arm={text!r}: {setting!r} is not of the form field=value")
        fields[name.strip().replace("-", "_")] = _value(value.strip())
    if settings and not fields:
        raise ArmError(f"arm={text!r}: no settings after the colon; write field=value, as in gan:n_critic=5")
    whole = {"n_critic": METHODS[method].n_critic} | fields
    named = next((arm for arm in ARMS.values() if (arm.method, dict(arm.fields)) == (method, whole)), None)
    slug = re.sub(r"[^a-zA-Z0-9.=,_-]", "-", text.replace(":", ",").replace(" ", ""))
    return named or Arm(slug, method, fields)


def _value(text: str) -> Any:
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def method_of(arm: str) -> str:
    """The method of the arm that is called ``arm``, which is what its name begins with."""
    return ARMS[arm].method if arm in ARMS else arm.split(",")[0]


def critic_steps(arm: str) -> int | None:
    """Critic steps per generator step of the arm that is called ``arm``; None for a method that is not known here."""
    if arm in ARMS:
        return ARMS[arm].fields["n_critic"]
    set_to = re.search(r"n_critic=(\d+)", arm)
    return int(set_to[1]) if set_to else getattr(METHODS.get(method_of(arm)), "n_critic", None)


def name(arm: str) -> str:
    """As a reader knows it: "WGAN-GP-1" for wgan-gp-1; an arm that a reader added keeps its own name."""
    return "minimax GAN" if arm == "gan-minimax" else arm.upper() if arm in ARMS else arm


def color(arm: str) -> str:
    """The colour of the arm's loss and constraint, "#rrggbb"; grey for a method added by a reader."""
    return COLORS.get(method_of(arm), "#555555")


def dashes(arm: str) -> tuple[int, ...]:
    """The dashes of the arm's lines, by its critic steps, as matplotlib takes them; () is a solid line."""
    return DASHES.get(critic_steps(arm) or 0, (1, 1))


def in_order(arms: Iterable[str]) -> list[str]:
    """GAN, WGAN and WGAN-GP first, then the other arms of ARMS in its order, then those that a reader added."""
    rank = {arm: i for i, arm in enumerate(dict.fromkeys([*MAIN_METHODS, *ARMS]))}
    return sorted(arms, key=lambda arm: (rank.get(arm, len(rank)), arm))
