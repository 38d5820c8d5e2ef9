"""What a sweep is: a folder of studies, one per cell, and what the cells vary around a recipe.

``results/<name>/<cell>/<dataset>/<method>/seed<k>``: the cell is ``base`` (the recipe), ``<variation>-<value>`` (one
change to it), ``architecture-<i>`` (other nets) or ``stacked`` (three digits in an image). Which cell a run belongs to
is read from its folder's name, the value that was changed from its own config.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gancompare.recipes import MAIN_METHODS
from gancompare.runs.layout import place_of, run_directories, study_directory

PARTS = ("settings", "architectures", "stacked")  # of a sweep, each of one or more cells
BASE, STACK = "base", "stacked"
_ARCHITECTURE = "architecture-"


@dataclass(frozen=True)
class Variation:
    """Values that one setting takes while all others stay as they are in the base."""

    name: str
    values: tuple
    methods: tuple[str, ...] = MAIN_METHODS
    fields: tuple[str, ...] = ()  # of RunConfig that take the value; the one called ``name`` where empty

    def change(self, value: Any) -> dict[str, Any]:
        """The fields of a config that make the change."""
        return dict.fromkeys(self.fields or (self.name,), value)

    def cell(self, value: Any) -> str:
        """The name of the cell in which the setting takes ``value``."""
        return f"{self.name}-{value:g}" if isinstance(value, float) else f"{self.name}-{value}"

    def varies(self, cell: str) -> bool:
        """Whether ``cell`` is one of this variation; the base is not."""
        return cell.startswith(f"{self.name}-")

    @property
    def column(self) -> str:
        """The field of a config, or column of a table of them, that says which value the setting has."""
        return (self.fields or (self.name,))[0]


VARIATIONS = (
    Variation("n_critic", (1, 3, 5, 10)),
    Variation("clip", (0.001, 0.01, 0.1), ("wgan",)),  # the three of Gulrajani et al. 2017, figure 1
    Variation("penalty_weight", (1.0, 10.0, 100.0), ("wgan-gp",)),
    Variation("learning_rate", (1e-4, 5e-4, 2e-3), fields=("lr_generator", "lr_critic")),
    Variation("critic_norm", ("none", "layer", "spectral")),
    Variation("one_sided_penalty", (False, True), ("wgan-gp",)),
)

# What an architecture is drawn from, after Gulrajani et al. 2017, §5.1. BatchNorm in the critic is left out: a
# per-sample penalty is not defined with it.
ARCHITECTURES: dict[str, tuple] = {
    "base_channels": (8, 16),
    "extra_layers": (0, 1, 2),
    "critic_norm": ("none", "layer"),
    "generator_norm": ("none", "batch"),
    "activation": ("relu", "leaky-relu", "tanh", "elu"),
}


def architecture_cell(number: int) -> str:
    """The name of the cell of an architecture; its number is the one in the grid of ARCHITECTURES."""
    return f"{_ARCHITECTURE}{number:03d}"


def part_of(cell: str) -> str:
    """Which of PARTS a cell belongs to."""
    if cell.startswith(_ARCHITECTURE):
        return "architectures"
    return "stacked" if cell == STACK else "settings"


def cells_of(results: str | Path, name: str) -> list[str]:
    """The cells of the sweep ``name`` that hold runs, sorted; empty where there is no such sweep."""
    return sorted({place_of(directory).study for directory in run_directories(study_directory(results, name))})
