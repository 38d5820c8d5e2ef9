"""What a sweep is: a folder of studies, one per cell, and what the cells vary around a recipe.

``results/<name>/<cell>/<dataset>/<method>/seed<k>``: ``base`` (the recipe), ``<variation>-<value>`` (one change to it),
``architecture-<i>`` (other nets), ``stacked`` (three digits in an image). Which cell a run belongs to is read from its
folder's name, the value that was changed from its own config.
"""

from dataclasses import dataclass
from typing import Any

from gancompare.recipes import MAIN_METHODS

BASE, ARCHITECTURE, STACK = "base", "architecture", "stacked"


@dataclass(frozen=True)
class Variation:
    """Values that one setting takes while all others stay as they are in the base."""

    name: str
    values: tuple
    methods: tuple[str, ...] = MAIN_METHODS
    fields: tuple[str, ...] = ()  # of RunConfig that take the value; the one called ``name`` where empty

    def change(self, value: Any) -> dict[str, Any]:
        return dict.fromkeys(self.fields or (self.name,), value)


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
