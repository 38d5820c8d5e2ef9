"""One generator and one critic of the DCGAN family (Radford et al. 2016), sized by image size and channels.

All methods share these nets: whatever differs between two runs is in their ``RunConfig``. At 64×64×3 and
``base_channels=64`` the generator is 128 → 512×4×4 → 256×8×8 → 128×16×16 → 64×32×32 → 3×64×64 and the critic
64 → 128 → 256 → 512 channels at stride 2, flattened into one linear score.
"""

import itertools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

CRITIC_NORMS = ("none", "layer", "instance", "batch", "spectral")
GENERATOR_NORMS = ("none", "batch")
ACTIVATIONS = ("dcgan", "relu", "leaky-relu", "tanh", "elu")  # dcgan: ReLU, in the critic LeakyReLU

# image size -> (side of the generator's first feature map, number of doublings up to the image size)
_STAGES = {28: (7, 2), 32: (4, 3), 64: (4, 4), 96: (6, 4), 128: (4, 5), 256: (4, 6)}
IMAGE_SIZES = tuple(_STAGES)


def _widths(image_size: int, base_channels: int) -> list[int]:
    """Channels after each critic stage, fine to coarse: b, 2b, 4b, 8b, then flat at 8b."""
    if image_size not in _STAGES:
        raise ValueError(f"image_size {image_size}: the nets are built for {', '.join(map(str, IMAGE_SIZES))}")
    return [base_channels * min(2**stage, 8) for stage in range(_STAGES[image_size][1])]


def _nonlinearity(activation: str, of_dcgan: nn.Module) -> nn.Module:
    """A new layer; ``of_dcgan`` where the activation is "dcgan". Raises ValueError for an unknown one."""
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation {activation!r}: choose one of {', '.join(ACTIVATIONS)}")
    layers = {"relu": nn.ReLU(inplace=True), "leaky-relu": nn.LeakyReLU(0.2, inplace=True)}
    layers |= {"tanh": nn.Tanh(), "elu": nn.ELU(inplace=True), "dcgan": of_dcgan}
    return layers[activation]


class Generator(nn.Module):
    """Latents (B, latent_dim) from N(0, 1) -> images (B, channels, image_size, image_size) in [-1, 1].

    ``norm``, "batch" or "none", stands behind every layer but the last. ``extra_layers`` 3×3 convolutions follow at
    each size of feature maps below the image's, each with norm and activation. With ``num_classes`` the class is a
    further input, as in Mirza & Osindero 2014: appended to z as a one-hot vector of z's typical length, so that at the
    start class and latent have an equal say; ``labels`` (B,), or by default the classes in turn.
    Raises ValueError for an image size not in ``IMAGE_SIZES``, an unknown norm or activation.
    """

    def __init__(
        self,
        image_size: int = 64,
        channels: int = 3,
        latent_dim: int = 128,
        base_channels: int = 64,
        *,
        norm: str = "batch",
        activation: str = "dcgan",
        extra_layers: int = 0,
        num_classes: int = 0,
    ):
        super().__init__()
        if norm not in GENERATOR_NORMS:
            raise ValueError(f"generator_norm {norm!r}: choose one of {', '.join(GENERATOR_NORMS)}")
        widths = _widths(image_size, base_channels)[::-1]
        side = _STAGES[image_size][0]
        bias = norm == "none"  # BatchNorm brings its own

        def after(wide: int) -> list[nn.Module]:
            active = _nonlinearity(activation, nn.ReLU(inplace=True))
            return [nn.BatchNorm2d(wide), active] if norm == "batch" else [active]

        def extra(wide: int) -> list[nn.Module]:
            more = ([nn.Conv2d(wide, wide, 3, padding=1, bias=bias), *after(wide)] for _ in range(extra_layers))
            return list(itertools.chain.from_iterable(more))

        self.latent_dim, self.num_classes = latent_dim, num_classes
        self.project = nn.Linear(latent_dim, widths[0] * side * side, bias=bias)
        if num_classes:
            self.class_shift = nn.Embedding(num_classes, widths[0] * side * side)
        self.unflatten = nn.Unflatten(1, (widths[0], side, side))
        layers: list[nn.Module] = after(widths[0]) + extra(widths[0])
        for wide_in, wide_out in itertools.pairwise(widths):
            layers.append(nn.ConvTranspose2d(wide_in, wide_out, 4, stride=2, padding=1, bias=bias))
            layers += after(wide_out) + extra(wide_out)
        layers += [nn.ConvTranspose2d(widths[-1], channels, 4, stride=2, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        features = self.project(z)
        if self.num_classes:
            chosen = torch.arange(len(z)) % self.num_classes if labels is None else labels
            features = features + self.latent_dim**0.5 * self.class_shift(chosen.to(z.device))
        return _full_precision(self.layers(self.unflatten(features)))

    def in_turn(self, count: int) -> Tensor | None:
        """Labels (count,) of images that show one class after the other; None without classes."""
        return torch.arange(count) % self.num_classes if self.num_classes else None


class Critic(nn.Module):
    """Images (B, channels, image_size, image_size) -> raw scores (B,), any real number.

    ``norm`` stands behind every convolution but the first: "none", "layer" (one mean and variance per sample),
    "instance" (per sample and channel) or "batch" (mixes the samples of a batch, so a per-sample gradient penalty is
    not defined with it). Layer and instance norms have no learned scale: weight clipping would squeeze one to its bound
    and starve every layer below it, so a learned scale would handicap one method alone. "spectral" normalises no
    features: it divides the weights of every layer by their largest singular value, one power iteration a forward pass
    (Miyato et al. 2018, Algorithm 1; of a convolution, that of its matrix (out, in · height · width)).
    ``extra_layers`` 3×3 convolutions follow each halving, with norm and activation. With ``num_classes`` the score
    depends on the class as well, by the projection of Miyato & Koyama 2018: score(x) + v_y · features(x).
    Raises ValueError for an unknown norm, activation or image size, and for images whose classes are not in ``labels``.
    """

    labels: Tensor | None = None  # (B,), set before images are scored, so that an objective need not know of classes

    def __init__(
        self,
        image_size: int = 64,
        channels: int = 3,
        base_channels: int = 64,
        *,
        norm: str = "layer",
        activation: str = "dcgan",
        extra_layers: int = 0,
        num_classes: int = 0,
    ):
        super().__init__()
        if norm not in CRITIC_NORMS:
            raise ValueError(f"critic_norm {norm!r}: choose one of {', '.join(CRITIC_NORMS)}")
        widths = _widths(image_size, base_channels)
        layers: list[nn.Module] = []
        for wide_in, wide_out in itertools.pairwise([channels, *widths]):
            for extra in range(1 + extra_layers):
                first = not layers
                dead_bias = not first and norm in ("instance", "batch")  # these norms subtract it again
                if extra:
                    layers.append(nn.Conv2d(wide_out, wide_out, 3, padding=1, bias=not dead_bias))
                else:
                    layers.append(nn.Conv2d(wide_in, wide_out, 4, stride=2, padding=1, bias=not dead_bias))
                if not first and norm == "layer":
                    layers.append(nn.GroupNorm(1, wide_out, affine=False))
                elif not first and norm == "instance":
                    layers.append(nn.GroupNorm(wide_out, wide_out, affine=False))
                elif not first and norm == "batch":
                    layers.append(nn.BatchNorm2d(wide_out))
                layers.append(_nonlinearity(activation, nn.LeakyReLU(0.2, inplace=True)))
        self.layers = nn.Sequential(*layers)
        self.score = nn.Linear(widths[-1] * _STAGES[image_size][0] ** 2, 1)
        self.class_vectors = nn.Embedding(num_classes, self.score.in_features) if num_classes else None
        if norm == "spectral":
            for module in (*self.layers, self.score, self.class_vectors):
                if isinstance(module, nn.Conv2d | nn.Linear | nn.Embedding):
                    spectral_norm(module)

    def forward(self, images: Tensor) -> Tensor:
        features = _full_precision(self.layers(images).flatten(1))
        with torch.autocast(images.device.type, enabled=False):  # bf16 has 8 bits: too few for differences of scores
            score = self.score(features).squeeze(1)
            if self.class_vectors is not None:
                if self.labels is None or len(self.labels) != len(images):
                    raise ValueError(f"this critic needs the classes of {len(images)} images: set critic.labels, (B,)")
                score = score + (self.class_vectors(self.labels) * features).sum(dim=1)
            return score


def generator_for(config: Mapping[str, Any], num_classes: int = 0) -> Generator:
    """The generator that the fields of a ``RunConfig`` describe, on the CPU."""
    return Generator(
        image_size=config["image_size"],
        channels=config["channels"],
        latent_dim=config["latent_dim"],
        base_channels=config["base_channels"],
        norm=config["generator_norm"],
        activation=config["activation"],
        extra_layers=config["extra_layers"],
        num_classes=num_classes,
    )


def critic_for(config: Mapping[str, Any], num_classes: int = 0) -> Critic:
    """The critic that the fields of a ``RunConfig`` describe, on the CPU."""
    return Critic(
        image_size=config["image_size"],
        channels=config["channels"],
        base_channels=config["base_channels"],
        norm=config["critic_norm"],
        activation=config["activation"],
        extra_layers=config["extra_layers"],
        num_classes=num_classes,
    )


def _full_precision(x: Tensor) -> Tensor:
    """float32 from what autocast made bf16; float32 and float64 as they are."""
    return x.float() if x.dtype == torch.bfloat16 else x


@torch.no_grad()
def initialize(net: nn.Module, rng: torch.Generator) -> nn.Module:
    """Draw all weights of ``net`` from N(0, 0.02) with ``rng`` (a CPU generator), biases 0, norms at identity.

    The draw is made on the CPU in a fixed order, so that one seed gives one set of initial weights on every device.
    Class embeddings are drawn last, so that all other weights start as in an unconditional net.
    """
    for module in sorted(net.modules(), key=lambda module: isinstance(module, nn.Embedding)):
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.Embedding):
            if is_parametrized(module):  # spectral norm: the weight is computed from another, and from two vectors
                parametrized: Any = module.parametrizations
                parametrized.weight.original.normal_(0.0, 0.02, generator=rng)
                for vector in parametrized.weight.buffers():
                    vector.copy_(normalize(vector.normal_(generator=rng), dim=0))
            else:
                module.weight.normal_(0.0, 0.02, generator=rng)
            bias = getattr(module, "bias", None)
            if bias is not None:
                bias.zero_()
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
    return net
