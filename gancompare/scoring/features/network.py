"""What every feature extractor is: a network on uint8 images that stays in eval mode and computes no gradients."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from gancompare.base.errors import UserError

VERSION = 1  # raise it whenever the same weights and images give other features, so that old cache files are not read
ALTERNATIVES = "choose extractor efficientnet-lite0 (any images) or classifier (labelled ones), which need no network"


class FeatureError(UserError, RuntimeError):
    """Features that cannot be computed. The message says which, why, and what to do about it."""


class FeatureNet(nn.Module):
    """uint8 (N, C, H, W) → float32 (N, num_features): resize, normalise, network.

    It never leaves eval mode and never computes gradients. A greyscale image is repeated to the network's channels.
    ``num_features`` is the attribute that torchmetrics requires of a custom feature module.
    """

    def __init__(self, body: nn.Module, head: nn.Module | None, *, num_features: int, channels: int, prepare: Callable):
        """``body``: prepared images → features. ``head``: features → logits. ``prepare``: uint8 → the body's input."""
        super().__init__()
        self.body, self.head, self.prepare = body, head, prepare
        self.num_features, self.channels = num_features, channels
        self.requires_grad_(False).eval().to(memory_format=torch.channels_last)  # faster on a CPU

    @property
    def device(self) -> torch.device:
        return next(itertools.chain(self.parameters(), self.buffers())).device

    def train(self, mode: bool = True) -> "FeatureNet":
        return super().train(False)  # a metric's train() reaches the modules inside it

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Raises FeatureError for images that are not uint8 (N, C, H, W) or whose channels it cannot take."""
        if images.dtype != torch.uint8 or images.ndim != 4:
            raise FeatureError(
                f"images are {images.dtype} {tuple(images.shape)}, but must be uint8 (N, C, H, W): pass raw images, "
                "or a generator's through data.pixels.to_uint8"
            )
        if images.shape[1] not in (1, self.channels):
            raise FeatureError(
                f"images have {images.shape[1]} channels, but this extractor takes {self.channels}: load the images or "
                "the extractor with the other number of channels"
            )
        with torch.autocast(images.device.type, enabled=False):  # a training loop may score inside its own
            inputs = self.prepare(images.expand(-1, self.channels, -1, -1))
            return self.body(inputs.contiguous(memory_format=torch.channels_last)).float()

    @torch.no_grad()
    def logits(self, images: Tensor) -> Tensor:
        """uint8 (N, C, H, W) → float32 (N, classes), unnormalised. Raises FeatureError if it has no classes."""
        if self.head is None:
            raise FeatureError(f"this extractor knows no classes: {ALTERNATIVES}")
        return self.head(self(images))

    def predictions(self, images: Tensor, batch_size: int = 256) -> Tensor:
        """The likeliest class of each image, int64 (N,) on the CPU. Raises FeatureError if it has no classes."""
        return torch.cat([self.logits(x.to(self.device)).argmax(dim=1).cpu() for x in images.split(batch_size)])

    @torch.no_grad()
    def probabilities(self, features: Tensor, batch_size: int = 4096) -> Tensor:
        """Class probabilities, float64 (N, classes) on the CPU, of features (N, num_features)."""
        logits = [self.head(part.to(self.device)).double().cpu() for part in features.split(batch_size)]
        return torch.cat(logits).softmax(dim=1)


@dataclass(frozen=True, repr=False)
class Resize:
    """uint8 (N, C, H, W) → float32 (N, C, size, size), antialiased, then ``(x - mean) / std``."""

    size: int
    mean: float = 127.5  # with std: 0–255 → −1 to 1
    std: float = 127.5

    def __call__(self, images: Tensor) -> Tensor:
        x = images.float()
        if x.shape[-2:] != (self.size, self.size):
            x = interpolate(x, (self.size, self.size), mode="bilinear", antialias=True)
        return (x - self.mean) / self.std

    def __repr__(self) -> str:  # part of every fingerprint on disk, hence the underscore that must stay
        return f"_Resize(size={self.size}, mean={self.mean}, std={self.std})"
