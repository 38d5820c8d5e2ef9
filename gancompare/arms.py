"""How a method is called, coloured and ordered, wherever it is shown."""

from collections.abc import Iterable

from gancompare.recipes import MAIN_METHODS

NAMES = {"gan": "GAN", "wgan": "WGAN", "wgan-gp": "WGAN-GP", "gan-minimax": "minimax GAN", "gan-gp": "GAN-GP"}
# Okabe and Ito's palette, which stays apart under the common colour blindnesses
COLORS = {"gan": "#D55E00", "wgan": "#0072B2", "wgan-gp": "#009E73", "gan-minimax": "#E69F00", "gan-gp": "#CC79A7"}


def name(method: str) -> str:
    """As a reader knows it; a method added by a reader keeps its own name."""
    return NAMES.get(method, method)


def color(method: str) -> str:
    """The method's colour, "#rrggbb"; grey for a method added by a reader."""
    return COLORS.get(method, "#555555")


def in_order(methods: Iterable[str]) -> list[str]:
    """GAN, WGAN and WGAN-GP, then other methods by name."""
    rank = {method: i for i, method in enumerate(MAIN_METHODS)}
    return sorted(methods, key=lambda method: (rank.get(method, len(rank)), method))
