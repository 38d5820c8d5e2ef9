"""Every setting of a run, in one frozen and checked record.

A field left at ``None`` is filled in this order: the profile (budget and width), the recipe (each method's optimiser,
learning rates and critic norm), the data set (image size, channels), the objective (critic steps), the field's own
default. A ``RunConfig`` is therefore always complete, and what a run used is what its ``config.json`` says.
"""

import dataclasses
import difflib
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from gancompare.base.errors import UserError
from gancompare.base.parameters import nearest, plain_data
from gancompare.models import ACTIVATIONS, CRITIC_NORMS, GENERATOR_NORMS, IMAGE_SIZES
from gancompare.objectives import METHODS
from gancompare.recipes import EXTRACTORS, PROFILES, RECIPES, filled_in


class ConfigError(UserError, ValueError):
    """A field with an unknown name or a value out of range; the message names field, value and remedy."""


def _option(
    default: Any,
    text: str,
    low: float | None = None,
    high: float | None = None,
    *,
    choices: Iterable[Any] | None = None,
    affects_training: bool = True,
) -> Any:
    """A field with its help text, closed range [low, high] or choices, and whether it is part of the config's hash."""
    metadata = {"help": text, "low": low, "high": high, "choices": choices, "affects_training": affects_training}
    return dataclasses.field(default=None, metadata=MappingProxyType(metadata | {"default": default}))


@dataclass(frozen=True)
class RunConfig:
    """One run: one data set, one method, one seed. Raises ConfigError for a bad value.

    Every field may be left out; see the module's docstring for what fills it. ``replace`` keeps what was filled in, so
    build a new ``RunConfig`` to change method, recipe or profile.
    """

    dataset: str = _option("mnist5k", "built-in name, or path of a folder or zip of images")
    method: str = _option("wgan-gp", "objective to train with", choices=METHODS)
    arm: str = _option(
        None, "name of the arm, and of its directory: a method with settings of its own", affects_training=False
    )
    seed: int = _option(0, "seed of weights, data order, latents and interpolation", 0, 2**31 - 1)
    profile: str = _option("quick", "budget and width", choices=PROFILES, affects_training=False)
    recipe: str = _option(
        "shared",
        "optimiser and nets: one for all, each arm's best of a search (give its file), or each as in its paper",
        choices=RECIPES,
        affects_training=False,
    )

    image_size: int = _option(64, "side of the square images, in pixels", choices=IMAGE_SIZES)
    channels: int = _option(3, "1 grey, 3 colour", choices=(1, 3))
    conditional: bool = _option(False, "condition both nets on the class; needs labelled data")
    horizontal_flip: bool = _option(False, "mirror each real image with probability 1/2")

    latent_dim: int = _option(128, "dimensions of z", 1, 4096)
    base_channels: int = _option(64, "channels of the widest feature map; doubles at each coarser one", 1, 512)
    critic_norm: str = _option("layer", "normalisation in the critic", choices=CRITIC_NORMS)
    generator_norm: str = _option("batch", "normalisation in the generator", choices=GENERATOR_NORMS)
    activation: str = _option("dcgan", "nonlinearity; dcgan: ReLU, and LeakyReLU in the critic", choices=ACTIVATIONS)
    extra_layers: int = _option(0, "further 3×3 convolutions at each size of feature maps, in both nets", 0, 16)

    batch_size: int = _option(64, "images per critic step", 1, 65_536)
    generator_steps: int = _option(20_000, "length of the run", 1, 100_000_000)
    n_critic: int = _option(None, "critic steps per generator step", 1, 1000)
    warmup_generator_steps: int = _option(0, "first generator steps that get more critic steps", 0, 1_000_000)
    warmup_critic_steps: int = _option(100, "critic steps before each of those", 1, 10_000)
    clip: float = _option(0.01, "bound on every critic weight under weight clipping", 1e-6, 100.0)
    penalty_weight: float = _option(10.0, "lambda, weight of the gradient penalty", 0.0, 10_000.0)
    one_sided_penalty: bool = _option(False, "penalise gradient norms above 1 only, not those below")

    optimizer: str = _option("adam", "optimiser of both nets", choices=("adam", "rmsprop"))
    lr_generator: float = _option(2e-4, "learning rate of the generator", 0.0, 1.0)
    lr_critic: float = _option(2e-4, "learning rate of the critic", 0.0, 1.0)
    beta1: float = _option(0.0, "Adam's first-moment decay", 0.0, 0.99999)
    beta2: float = _option(0.9, "Adam's second-moment decay", 0.0, 0.99999)
    lr_schedule: str = _option("constant", "learning rates over the run", choices=("constant", "linear", "cosine"))
    ema_decay: float = _option(
        0.999, "decay of the moving average of generator weights that samples come from; 0: none", 0.0, 0.999999
    )

    precision: str = _option("auto", "bf16 autocast where the hardware has it", choices=("auto", "float32", "bf16"))
    device: str = _option("auto", "auto, cpu, cuda or cuda:N", affects_training=False)
    log_every: int = _option(50, "generator steps between rows of history.csv", 1, affects_training=False)
    sample_every: int = _option(1000, "generator steps between sample grids", 1, affects_training=False)
    measurements: int = _option(
        24,
        "measurements of samples and critic in a run, at evenly spaced logarithms of its steps",
        1,
        1000,
        affects_training=False,
    )
    extractor: str = _option(
        "auto",
        "network whose features are compared; auto: a classifier for 28×28 built-in data, else efficientnet-lite0",
        choices=("auto", "none", *EXTRACTORS),
        affects_training=False,
    )
    monitor_images: int = _option(
        2000, "samples in each score taken while training", 6, 1_000_000, affects_training=False
    )
    evaluation_images: int = _option(10_000, "samples in the scores at the end", 6, 1_000_000, affects_training=False)
    mode_images: int = _option(
        26_000, "samples for counting the modes of stacked digits", 6, 1_000_000, affects_training=False
    )
    checkpoint_every: int = _option(1000, "generator steps between checkpoints", 1, affects_training=False)
    tensorboard: bool = _option(False, "also write TensorBoard event files", affects_training=False)

    def __post_init__(self) -> None:
        for name in ("profile", "recipe", "method", "dataset"):  # these decide what fills the others
            self._fill(name, {})
        defaults = {"n_critic": METHODS[self.method].n_critic, "arm": self.method}
        defaults |= filled_in(profile=self.profile, recipe=self.recipe, method=self.method, dataset=self.dataset)
        for name in self.__dataclass_fields__:
            self._fill(name, defaults)
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._=,-]*", self.arm):
            raise ConfigError(f"arm={self.arm!r}: use letters, digits and any of . _ = , -, as it names a directory")
        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device):
            raise ConfigError(f"device={self.device!r}: choose auto, cpu, cuda or cuda:N")

    def _fill(self, name: str, defaults: dict[str, Any]) -> None:
        field = self.__dataclass_fields__[name]
        value = getattr(self, name)
        if value is None:
            value = defaults.get(name, field.metadata["default"])
        object.__setattr__(self, name, _checked(field, value))

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RunConfig":
        """A config from field values. Raises ConfigError for an unknown name, naming the nearest valid one."""
        for name in values:
            if name not in FIELDS:
                raise ConfigError(f"unknown field {name!r}: {nearest(name, FIELDS)}")
        return cls(**values)

    @classmethod
    def from_parameters(cls, namespace: dict[str, Any], also: tuple[str, ...] = ()) -> "RunConfig":
        """A config from the global names of a notebook, where papermill puts parameters.

        Papermill injects a misspelled parameter without a word, so every global that holds plain data, and does not
        start with a capital or an underscore, must be a field or one of ``also``. Raises ConfigError otherwise.
        """
        plain = plain_data(namespace) | {name: value for name, value in namespace.items() if name in FIELDS}
        return cls.from_dict({name: value for name, value in plain.items() if name not in also})

    def measured_steps(self) -> list[int]:
        """The generator steps after which the run is measured: log-spaced, from a 200th of the run to its end."""
        first = max(1, self.generator_steps // 200)
        spaced: Iterable[float] = (
            np.geomspace(first, self.generator_steps, self.measurements) if self.measurements > 1 else []
        )
        return sorted({*map(round, spaced), self.generator_steps})

    def hash(self) -> str:
        """12 hex digits over the fields that affect training; logging, device and labels do not count."""
        affecting = {n: getattr(self, n) for n, field in FIELDS.items() if field.metadata["affects_training"]}
        return hashlib.sha256(json.dumps(affecting, sort_keys=True).encode()).hexdigest()[:12]

    def differences(self, other: "RunConfig") -> dict[str, tuple[Any, Any]]:
        """Fields that affect training and differ: name -> (mine, other's)."""
        return {
            name: (getattr(self, name), getattr(other, name))
            for name, field in FIELDS.items()
            if field.metadata["affects_training"] and getattr(self, name) != getattr(other, name)
        }


FIELDS: dict[str, dataclasses.Field] = {field.name: field for field in dataclasses.fields(RunConfig)}


def _checked(field: dataclasses.Field, value: Any) -> Any:
    """``value`` as the field's type, within its range or choices, or a ConfigError."""
    name, kind = field.name, field.type
    if isinstance(value, np.generic):  # an np.int64 from np.arange is as good as an int
        value = value.item()
    if kind is float and type(value) is int and abs(value) < 2**53:
        value = float(value)
    if kind is str and isinstance(value, Path):
        value = str(value)
    if type(value) is not kind:
        raise ConfigError(f"{name}={value!r}: must be {_KINDS[kind]}, got {type(value).__name__}")
    choices, low, high = field.metadata["choices"], field.metadata["low"], field.metadata["high"]
    if choices is not None and value not in choices:
        close = difflib.get_close_matches(str(value), map(str, choices), n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigError(f"{name}={value!r}: {hint}choose one of {', '.join(map(str, choices))}")
    if low is not None and not low <= value <= (high if high is not None else float("inf")):
        raise ConfigError(f"{name}={value!r}: allowed range is {low} to {high if high is not None else 'any'}")
    if kind is str and not value:
        raise ConfigError(f"{name}={value!r}: must not be empty")
    return value


_KINDS: dict[Any, str] = {int: "a whole number", float: "a number", str: "text", bool: "True or False"}
