"""Everything that shapes a run, in one frozen record; what a recipe or a profile sets, in two plain tables.

A field left at ``None`` is filled in this order: the profile (how long, how wide), the recipe (each method's
optimiser, learning rates and critic norm), the data set (image size, channels), the field's own default. A
``RunConfig`` is therefore always complete, and what a run used is what its ``config.json`` says.
"""

import dataclasses
import difflib
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from gancompare.data.datasets import BUILT_IN
from gancompare.models import ACTIVATIONS, CRITIC_NORMS, GENERATOR_NORMS, IMAGE_SIZES
from gancompare.objectives import METHODS
from gancompare.scoring.features import EXTRACTORS

MAIN_METHODS = ("gan", "wgan", "wgan-gp")  # what a study compares unless told otherwise

# How long and how wide, never how: a profile treats all methods alike.
PROFILES: dict[str, dict[str, Any]] = {
    # seconds; for tests and for trying a set-up, far too short for images
    "smoke": {"generator_steps": 4, "batch_size": 8, "base_channels": 4, "latent_dim": 16, "log_every": 1}
    | {"sample_every": 2, "evaluate_every": 2, "checkpoint_every": 2}
    | {"extractor": "random-init", "monitor_images": 64, "evaluation_images": 64, "mode_images": 64},
    # half a minute on a CPU core at 28×28, for the many runs of a sweep; digits are only just readable
    "sweep": {"generator_steps": 300, "batch_size": 32, "base_channels": 16, "log_every": 50}
    | {"sample_every": 300, "evaluate_every": 50, "checkpoint_every": 300}
    | {"monitor_images": 500, "evaluation_images": 1000},
    # minutes on two CPU cores at 28×28; digits are readable, nothing has converged
    "quick": {"generator_steps": 400, "base_channels": 32, "log_every": 10}
    | {"sample_every": 50, "evaluate_every": 50, "checkpoint_every": 50}
    | {"monitor_images": 1000, "evaluation_images": 2000},
    # hours on a GPU; the budget a verdict should rest on
    "reference": {"generator_steps": 20_000, "base_channels": 64, "log_every": 50}
    | {"sample_every": 1000, "evaluate_every": 1000, "checkpoint_every": 1000},
}

# `shared` gives every method the same optimiser and nets, so that what is left to differ is the objective. Adam without
# momentum on the first moment is the setting that suits all: WGAN diverges with momentum (Arjovsky et al. 2017, §4.3),
# WGAN-GP prescribes beta1 = 0 (Gulrajani et al. 2017, Algorithm 1), and BatchNorm would void its per-sample penalty.
# Of the rates 2e-4 and 5e-4, the second gave all three clearer MNIST digits after 400 generator steps.
_SHARED = {"optimizer": "adam", "lr_generator": 5e-4, "lr_critic": 5e-4, "beta1": 0.0, "beta2": 0.9}
_SHARED |= {"critic_norm": "layer", "ema_decay": 0.999}

# `paper` trains each method as its authors did: the GAN as DCGAN (Radford et al. 2016, §4), WGAN with RMSProp and the
# authors' long critic warm-up, WGAN-GP as Algorithm 1, but for the learned scale of its layer norm (see models.py).
# More than the objective differs, and reports say so.
_DCGAN = {"optimizer": "adam", "lr_generator": 2e-4, "lr_critic": 2e-4, "beta1": 0.5, "beta2": 0.999}
_DCGAN |= {"critic_norm": "batch", "ema_decay": 0.0}
_WGAN = {"optimizer": "rmsprop", "lr_generator": 5e-5, "lr_critic": 5e-5, "critic_norm": "batch", "ema_decay": 0.0}
_WGAN |= {"warmup_generator_steps": 25, "warmup_critic_steps": 100}
_WGANGP = {"optimizer": "adam", "lr_generator": 1e-4, "lr_critic": 1e-4, "beta1": 0.0, "beta2": 0.9}
_WGANGP |= {"critic_norm": "layer", "ema_decay": 0.0}

# recipe -> method -> fields; "*" is for every method without a row of its own, such as one a reader adds
RECIPES: dict[str, dict[str, dict[str, Any]]] = {
    "shared": {"*": _SHARED},
    "paper": {"gan": _DCGAN, "gan-minimax": _DCGAN, "wgan": _WGAN, "wgan-gp": _WGANGP, "gan-gp": _WGANGP, "*": _DCGAN},
}


class ConfigError(ValueError):
    """A field with an unknown name or a value out of range; the message names field, value and remedy."""


def _option(default: Any, text: str, low: float | None = None, high: float | None = None, choices=None, shapes=True):
    """A field with its help text, closed range [low, high] or choices, and whether it shapes the weights."""
    metadata = {"help": text, "low": low, "high": high, "choices": choices, "shapes": shapes}
    return dataclasses.field(default=None, metadata=MappingProxyType(metadata | {"default": default}))


@dataclass(frozen=True)
class RunConfig:
    """One run: one data set, one method, one seed. Raises ConfigError for a bad value.

    Every field may be left out; see the module's docstring for what fills it. ``replace`` keeps what was filled in, so
    build a new ``RunConfig`` to change method, recipe or profile.
    """

    dataset: str = _option("mnist5k", "built-in name, or path of a folder or zip of images")
    method: str = _option("wgan-gp", "objective to train with", choices=METHODS)
    seed: int = _option(0, "seed of weights, data order, latents and interpolation", 0, 2**31 - 1)
    profile: str = _option("quick", "how long and how wide", choices=PROFILES, shapes=False)
    recipe: str = _option(
        "shared", "same nets and optimiser for all, or as the papers did", choices=RECIPES, shapes=False
    )

    image_size: int = _option(64, "side of the square images, in pixels", choices=IMAGE_SIZES)
    channels: int = _option(3, "1 grey, 3 colour", choices=(1, 3))
    conditional: bool = _option(False, "tell both nets the class of an image; needs labelled data")
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
        0.999, "moving average of generator weights that is sampled; 0 switches it off", 0.0, 0.999999
    )

    precision: str = _option("auto", "bf16 autocast where the hardware has it", choices=("auto", "float32", "bf16"))
    device: str = _option("auto", "auto, cpu, cuda or cuda:N", shapes=False)
    log_every: int = _option(50, "generator steps between rows of history.csv", 1, shapes=False)
    sample_every: int = _option(1000, "generator steps between sample grids", 1, shapes=False)
    evaluate_every: int = _option(1000, "generator steps between measures of samples and critic", 1, shapes=False)
    extractor: str = _option(
        "auto",
        "what samples are scored with; auto: a classifier for 28×28 built-in data, else efficientnet-lite0",
        choices=("auto", "none", *EXTRACTORS),
        shapes=False,
    )
    monitor_images: int = _option(2000, "samples in each score taken while training", 6, 1_000_000, shapes=False)
    evaluation_images: int = _option(10_000, "samples in the scores at the end", 6, 1_000_000, shapes=False)
    mode_images: int = _option(26_000, "samples in which stacked digits are counted", 6, 1_000_000, shapes=False)
    checkpoint_every: int = _option(1000, "generator steps between checkpoints", 1, shapes=False)
    tensorboard: bool = _option(False, "also write TensorBoard event files", shapes=False)

    def __post_init__(self) -> None:
        for name in ("profile", "recipe", "method", "dataset"):  # these decide what fills the others
            self._fill(name, {})
        by_method = RECIPES[self.recipe].get(self.method, RECIPES[self.recipe]["*"])
        info = BUILT_IN.get(self.dataset)
        by_dataset = {"image_size": info.image_size, "channels": info.channels} if info else {}
        objective = {"n_critic": METHODS[self.method].n_critic}
        defaults = objective | by_dataset | by_method | PROFILES[self.profile]
        for name in self.__dataclass_fields__:
            self._fill(name, defaults)
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

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RunConfig":
        """A config from field values. Raises ConfigError for an unknown name, naming the nearest valid one."""
        for name in values:
            if name not in FIELDS:
                raise ConfigError(f"unknown field {name!r}: {nearest(name, FIELDS)}")
        return cls(**values)

    @classmethod
    def from_json(cls, text: str) -> "RunConfig":
        """The inverse of ``to_json``. Raises ConfigError for text that is not a JSON object of known fields."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"config is not valid JSON: {error}") from error
        if not isinstance(values, dict):
            raise ConfigError(f"config must be a JSON object of fields, got {type(values).__name__}")
        return cls.from_dict(values)

    @classmethod
    def from_parameters(cls, namespace: dict[str, Any], also: tuple[str, ...] = ()) -> "RunConfig":
        """A config from the global names of a notebook, where papermill puts parameters.

        Papermill injects a misspelled parameter without a word, so every global that holds plain data, and does not
        start with a capital or an underscore, must be a field or one of ``also``. Raises ConfigError otherwise.
        """
        plain = {
            name: value
            for name, value in namespace.items()
            if name in FIELDS
            or (
                not (name.startswith("_") or name[0].isupper())  # In and Out are IPython's
                and (value is None or type(value) in (str, int, float, bool, list, dict))
            )
        }
        return cls.from_dict({name: value for name, value in plain.items() if name not in also})

    def hash(self) -> str:
        """12 hex digits over the fields that shape the weights; logging, device and labels do not count.

        Nor does a field of LATER at its default, so that runs from before it keep their hash and can be resumed.
        """
        shaping = {name: getattr(self, name) for name, field in FIELDS.items() if field.metadata["shapes"]}
        shaping = {n: v for n, v in shaping.items() if n not in LATER or v != FIELDS[n].metadata["default"]}
        return hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()[:12]

    def differences(self, other: "RunConfig") -> dict[str, tuple[Any, Any]]:
        """Fields that shape the weights and differ: name -> (mine, other's)."""
        return {
            name: (getattr(self, name), getattr(other, name))
            for name, field in FIELDS.items()
            if field.metadata["shapes"] and getattr(self, name) != getattr(other, name)
        }


# fields that came after the first results; at their defaults nets and training are what they were before
LATER = ("generator_norm", "activation", "extra_layers", "one_sided_penalty", "conditional")
FIELDS: dict[str, dataclasses.Field] = {field.name: field for field in dataclasses.fields(RunConfig)}


def nearest(name: str, valid) -> str:
    """ "did you mean 'x'?" for a misspelled name, or the list of valid ones."""
    close = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"valid are {', '.join(valid)}"


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


_KINDS = {int: "a whole number", float: "a number", str: "text", bool: "True or False"}
