"""The parameters of a notebook, checked: papermill injects a misspelled one without a word."""

import difflib
from collections.abc import Iterable
from typing import Any, get_args

from gancompare.base.errors import UserError


class ParameterError(UserError, ValueError):
    """A parameter with an unknown name or of a wrong type; the message names it and the remedy."""


def check_parameters(namespace: dict[str, Any], allowed: dict[str, Any]) -> None:
    """Check the global names of a notebook, right after its imports, against name → type of each parameter.

    A type is a class, a union (``str | None``), a list of a class (``list[str]``), or the names that a list may choose
    from (``["a", "b"]``). An int passes as a float, True passes as a bool only. Raises ParameterError for plain data
    under any other name, for a value of another type, and for an empty list.
    """
    for name in plain_data(namespace):
        if name not in allowed:
            raise ParameterError(f"unknown parameter {name!r}: {nearest(name, allowed)}")
    for name, kind in allowed.items():
        if name not in namespace:
            raise ParameterError(f"parameter {name!r} has no value: set it in the first cell")
        value, choices = namespace[name], kind if isinstance(kind, list) else None
        if choices:
            kind = list[str]
        if not fits(value, kind):
            wanted = kind.__name__ if type(kind) is type else kind
            hint = f"; papermill takes lists as -y '{name}: [a, b]'" if str(kind).startswith("list[") else ""
            raise ParameterError(f"{name}={value!r} must be of type {wanted}{hint}")
        for each in value if choices else ():
            if each not in choices:
                raise ParameterError(f"{name}: unknown entry {each!r}: {nearest(each, choices)}")


def plain_data(namespace: dict[str, Any]) -> dict[str, Any]:
    """The entries that can be parameters: plain data under names that start neither with a capital nor with "_"."""
    return {
        name: value
        for name, value in namespace.items()
        if not (name.startswith("_") or name[0].isupper())  # In and Out are IPython's
        and (value is None or type(value) in (str, int, float, bool, list, dict))
    }


def fits(value: Any, kind: Any) -> bool:
    """Whether ``value`` is of that type, as ``check_parameters`` reads it."""
    if str(kind).startswith("list["):
        return isinstance(value, list) and bool(value) and all(fits(each, get_args(kind)[0]) for each in value)
    if get_args(kind):  # a union
        return any(fits(value, each) for each in get_args(kind))
    return type(value) is kind or (kind is float and type(value) is int)


def nearest(name: str, valid: Iterable[str]) -> str:
    """ "did you mean 'x'?" for a misspelled name, or the list of valid ones."""
    close = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"valid are {', '.join(valid)}"
