"""Named feature extractors, each uint8 images → float32 features, and cached features of real images.

The classifier is trained here, once per dataset, and kept in the cache; the other weights come from elsewhere and are
only read. Scores are comparable between two runs exactly when their extractors' fingerprints are equal.
"""

import difflib
import hashlib
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import filelock
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, pad

from gancompare.base.files import atomic_path
from gancompare.data.cache import cache_directory
from gancompare.data.datasets import Dataset, Splits
from gancompare.recipes import DATASETS, EXTRACTORS
from gancompare.scoring.pretrained import ALTERNATIVES, FeatureError, efficientnet_lite0, inception

VERSION = 1  # raise it whenever the same weights and images give other features, so that old cache files are not read


class FeatureNet(nn.Module):
    """uint8 (N, C, H, W) → float32 (N, num_features): resize, normalise, network. Never leaves eval mode, no gradients.

    ``num_features`` is what torchmetrics asks a custom feature module for. Greyscale is taken for colour.
    """

    def __init__(self, body: nn.Module, head: nn.Module | None, num_features: int, channels: int, prepare: Callable):
        super().__init__()
        self.body, self.head, self.prepare = body, head, prepare  # prepare: uint8 → what the body takes
        self.num_features, self.channels = num_features, channels
        self.requires_grad_(False).eval().to(memory_format=torch.channels_last)  # faster on a CPU

    def train(self, mode: bool = True) -> "FeatureNet":
        return super().train(False)  # a metric's train() reaches the modules inside it

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Raises FeatureError for images that are not uint8 (N, C, H, W) or have colour where the network has none."""
        if images.dtype != torch.uint8 or images.ndim != 4:
            raise FeatureError(
                f"images are {images.dtype} {tuple(images.shape)}, but must be uint8 (N, C, H, W): pass raw images, "
                "or a generator's through data.to_uint8"
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
        """uint8 (N, C, H, W) → float32 (N, classes), not normalised. Raises FeatureError where there are no classes."""
        if self.head is None:
            raise FeatureError(f"this extractor knows no classes: {ALTERNATIVES}")
        return self.head(self(images))


@dataclass(frozen=True)
class Extractor:
    """A feature network, with what is needed to say later exactly which one it was."""

    name: str  # one of EXTRACTORS
    label: str  # what its Fréchet distance may be called
    num_features: int
    fingerprint: str  # 16 hex digits over weights and preprocessing: equal exactly when those are
    accuracy: float | None  # of a classifier on the held-out images of its dataset, 0–1
    module: FeatureNet


def load_extractor(name: str, data: Splits, device: str | torch.device = "cpu", seed: int = 0) -> Extractor:
    """The extractor ``name`` on ``device``, for images of the size of ``data``.

    ``classifier`` and ``pixel-pca`` are fitted on the training images of ``data`` and kept in the cache; ``seed``
    chooses among classifiers, and among ``random-init`` networks. Raises FeatureError for an unknown name, missing
    weights and unlabelled data.
    """
    _, channels, image_size, _ = data.train.images.shape
    if name not in EXTRACTORS:
        near = difflib.get_close_matches(str(name), EXTRACTORS, n=1)
        hint = f"did you mean {near[0]!r}? Otherwise " if near else ""
        raise FeatureError(f"extractor {name!r} is unknown: {hint}choose one of {', '.join(EXTRACTORS)}")
    accuracy = None
    if name == "classifier" and data.train.digits is not None:
        net, accuracy = _stacked_classifier(data.train.digits, device, seed)
    elif name == "classifier":
        net, accuracy = _classifier(data, device, seed)
    elif name == "efficientnet-lite0":
        net = FeatureNet(*efficientnet_lite0(), 1280, 3, _Resize(128, 127, 128))
    elif name == "inception":
        net = FeatureNet(*inception(), 2048, 3, nn.Identity())
    elif name == "random-init":
        net = FeatureNet(_layers(image_size, channels, 1, seed)[0], None, 128, channels, _Resize(image_size))
    else:
        net = _pixel_pca(data.train)
    fingerprint = _digest(net.state_dict(), f"{VERSION} {name} {net.channels} {net.prepare}")
    return Extractor(name, EXTRACTORS[name], net.num_features, fingerprint, accuracy, net.to(device))


def default_extractor(dataset_name, channels: int) -> str:
    """``classifier`` for 28×28 built-in datasets, all labelled, as they are; ``efficientnet-lite0`` for any others."""
    small = DATASETS.get(os.fspath(dataset_name)) == {"image_size": 28, "channels": channels}
    return "classifier" if small else "efficientnet-lite0"


def extract(extractor: Extractor, images: Tensor, batch_size: int = 256, n: int | None = None) -> Tensor:
    """Features (N, num_features), float32 on the CPU, of the first ``n`` (default: all) of uint8 (N, C, H, W) images.

    The batch size changes no more than the rounding. Raises FeatureError for images that the extractor does not take,
    fewer than ``n`` of them, and a batch size below 1.
    """
    n = len(images) if n is None else n
    if not 1 <= n <= len(images) or batch_size < 1:
        raise FeatureError(
            f"n={n} of {len(images):,} images in batches of {batch_size}: choose n from 1 to the number of images, and "
            "batch_size of at least 1"
        )
    device = next(iter(extractor.module.state_dict().values())).device
    # without it a GPU rounds to 10 bits, and picks kernels by batch size and timing
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        return torch.cat([extractor.module(batch.to(device)).cpu() for batch in images[:n].split(batch_size)])


def real_features(extractor: Extractor, dataset: Dataset, n: int) -> Tensor:
    """``extract`` of the first ``n`` images of ``dataset``, from the cache where it has been done before."""
    key = f"features-{dataset.fingerprint}-{extractor.fingerprint}-{n}"
    return _cached(key, lambda: {"features": extract(extractor, dataset.images, n=n)})["features"]


@dataclass(frozen=True)
class PCA:
    """The directions in which real features vary most."""

    mean: Tensor  # float32 (d,)
    components: Tensor  # float32 (dims, d), orthonormal rows, the one with the largest variance first
    explained: float  # share of the variance in these directions, 0–1

    def apply(self, features: Tensor) -> Tensor:
        """(N, d) → float32 (N, dims): coordinates along the components, not rescaled."""
        return (features.float() - self.mean) @ self.components.T


def fit_pca(features: Tensor, dims: int = 128) -> PCA:
    """The first ``dims`` principal components of real ``features`` (N, d), or as many as N and d allow.

    Raises FeatureError for ``dims`` below 1, fewer than two rows, and features that are not finite.
    """
    if dims < 1 or features.ndim != 2 or len(features) < 2 or not features.isfinite().all():
        raise FeatureError(
            f"no PCA with {dims} dimensions of features {tuple(features.shape)}: it needs at least 1 dimension and 2 "
            "rows of finite numbers"
        )
    centred = features.double() - features.double().mean(dim=0)
    variances, vectors = torch.linalg.eigh(centred.T @ centred)  # float64, ascending
    components = vectors.flip(1).T[: min(dims, len(features) - 1)]
    largest = components.gather(1, components.abs().argmax(dim=1, keepdim=True))
    components = components * largest.sign()  # eigenvectors come with either sign
    explained = variances.flip(0)[: len(components)].sum() / variances.sum().clamp_min(1e-300)
    return PCA(features.double().mean(dim=0).float(), components.float(), explained.item())


# ---- networks --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Resize:
    """uint8 (N, C, H, W) → float32 (N, C, size, size), antialiased, ``(x - mean) / std``."""

    size: int
    mean: float = 127.5  # with std: 0–255 → −1 to 1
    std: float = 127.5

    def __call__(self, images: Tensor) -> Tensor:
        x = images.float()
        if x.shape[-2:] != (self.size, self.size):
            x = interpolate(x, (self.size, self.size), mode="bilinear", antialias=True)
        return (x - self.mean) / self.std


def _layers(image_size: int, channels: int, classes: int, seed: int) -> tuple[nn.Module, nn.Module]:
    """(body, head) of a small CNN with weights from ``seed``: convolve and halve to at most 4×4, then 128 features.

    The features are normalised and not rectified, so that they are nearer to the normal distribution FD assumes.
    """
    layers: list[nn.Module] = []
    side, wide_in, wide_out = image_size, channels, 32
    with torch.random.fork_rng(devices=[]):  # constructors draw weights that are replaced below
        while side > 4:
            layers += [nn.Conv2d(wide_in, wide_out, 3, padding=1, bias=False), nn.MaxPool2d(2)]
            layers += [nn.BatchNorm2d(wide_out), nn.ReLU()]  # after the pooling, on a quarter of the pixels
            side, wide_in, wide_out = side // 2, wide_out, min(2 * wide_out, 128)
        layers += [nn.Flatten(), nn.Linear(wide_in * side**2, 128, bias=False), nn.BatchNorm1d(128)]
        body, head = nn.Sequential(*layers), nn.Sequential(nn.ReLU(), nn.Linear(128, classes))
    rng = torch.Generator().manual_seed(seed)
    for module in [*body, *head]:
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=rng)
    nn.init.zeros_(head[1].bias)
    return body, head


def _classifier(data: Splits, device, seed: int) -> tuple[FeatureNet, float]:
    """The trained classifier of a labelled dataset, and its accuracy on the held-out images."""
    train, test = data.train, data.test
    _, channels, image_size, _ = train.images.shape
    if train.labels is None or len(train.labels.unique()) < 2:
        raise FeatureError(
            f"dataset {train.name!r} has no labels of two classes or more, so no classifier can be trained on it: "
            "choose extractor efficientnet-lite0, or sort its images into one sub-folder a class"
        )
    body, head = _layers(image_size, channels, len(train.classes), seed)
    net = FeatureNet(body, head, 128, channels, _Resize(image_size))

    def build() -> dict[str, Tensor]:
        _train_classifier(net.to(device), train, seed)
        right = [
            (net.logits(x.to(device)).argmax(dim=1).cpu() == y).sum()
            for x, y in zip(test.images.split(512), test.labels.split(512), strict=True)
        ]
        accuracy = torch.stack(right).sum().double() / len(test.labels)
        print(f"classifier for {train.name}: {accuracy:.2%} of {len(test.labels):,} held-out images right", flush=True)
        return {"accuracy": accuracy} | {name: tensor.cpu() for name, tensor in net.state_dict().items()}

    weights = _cached(f"classifier-v{VERSION}-{train.fingerprint}-{len(train.classes)}-{seed}", build)
    accuracy = weights.pop("accuracy").item()
    net.load_state_dict(weights)
    return net, accuracy


class _PerChannel(nn.Module):
    """A body for grey images, applied to each channel: (N, C, H, W) → (N, C · d), its features side by side."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    def forward(self, images: Tensor) -> Tensor:
        return self.body(images.flatten(0, 1)[:, None]).reshape(len(images), -1)


class _ModeLogits(nn.Module):
    """The logits of ten digits in each of three channels → those of the 1,000 modes, (N, 3 · d) → (N, 1000).

    log p(r, g, b) = log p(r) + log p(g) + log p(b), so the likeliest mode is that of the likeliest digits.
    """

    def __init__(self, head: nn.Module):
        super().__init__()
        self.head = head

    def forward(self, features: Tensor) -> Tensor:
        red, green, blue = self.head(features.reshape(len(features), 3, -1)).log_softmax(dim=2).unbind(1)
        return (red[:, :, None, None] + green[:, None, :, None] + blue[:, None, None, :]).flatten(1)


def _stacked_classifier(digits: Splits, device, seed: int) -> tuple[FeatureNet, float]:
    """The classifier of single ``digits`` on each channel, and its accuracy on them."""
    net, accuracy = _classifier(digits, device, seed)
    return FeatureNet(_PerChannel(net.body), _ModeLogits(net.head), 3 * 128, 3, net.prepare), accuracy


def _train_classifier(net: FeatureNet, train: Dataset, seed: int) -> None:
    """AdamW with a one-cycle learning rate on images shifted by up to 2 pixels; more epochs for fewer images.

    On a CPU with a fixed number of threads one seed gives the same bits.
    """
    batch_size, n, side = 128, len(train.images), train.images.shape[-1]
    epochs, batches = min(max(math.ceil(60_000 / n), 4), 20), math.ceil(n / batch_size)
    device = next(net.parameters()).device
    rng = torch.Generator().manual_seed(seed)
    model = nn.Sequential(net.body, net.head).requires_grad_(True).train()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * batches, cycle_momentum=False)
    started = printed = time.monotonic()
    for step in range(epochs * batches):
        if step % batches == 0:
            chunks = torch.randperm(n, generator=rng).tensor_split(batches)  # equal parts: none too small for BatchNorm
        chosen = chunks[step % batches]
        down, right = torch.randint(5, (2,), generator=rng).tolist()  # one shift a batch does, and is quicker than many
        padded = pad(net.prepare(train.images[chosen].to(device)), (2, 2, 2, 2), mode="replicate")
        inputs = padded[:, :, down : down + side, right : right + side].contiguous(memory_format=torch.channels_last)
        with torch.enable_grad(), torch.autocast(device.type, enabled=False):
            loss = cross_entropy(model(inputs), train.labels[chosen].to(device))
            optimizer.zero_grad()
            loss.backward()
        optimizer.step()
        schedule.step()
        now, done = time.monotonic(), (step + 1) / (epochs * batches)
        if now - printed >= 10 or done == 1:
            print(f"classifier for {train.name}: {done:.0%}, loss {loss:.3f}, {now - started:.0f} s", flush=True)
            printed = now
    model.requires_grad_(False).eval()


def _pixel_pca(train: Dataset) -> FeatureNet:
    """64 principal components of the training images' pixels, at most 1,024 of them each, on a scale of −1 to 1."""
    _, channels, image_size, _ = train.images.shape
    prepare = _Resize(min(image_size, math.isqrt(1024 // channels)))

    def build() -> dict[str, Tensor]:
        pca = fit_pca(torch.cat([prepare(x).flatten(1) for x in train.images[:10_000].split(512)]), dims=64)
        return {"weight": pca.components, "bias": -pca.components @ pca.mean}

    weights = _cached(f"pixel-pca-v{VERSION}-{train.fingerprint}", build)
    with torch.random.fork_rng(devices=[]):
        linear = nn.Linear(*weights["weight"].T.shape)
    linear.load_state_dict(weights)
    return FeatureNet(nn.Sequential(nn.Flatten(), linear), None, linear.out_features, channels, prepare)


# ---- cache -----------------------------------------------------------------------------------------------------------


def _cached(key: str, build: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors by name from the cache, or from build() and then into the cache. One process builds, others wait."""
    path = cache_directory() / f"{key}.pt"
    with filelock.FileLock(f"{path}.lock"):
        try:
            stored = torch.load(path, map_location="cpu", weights_only=True)
            if stored["digest"] != _digest(stored["tensors"]):
                raise ValueError("its numbers are not the ones written")
            return stored["tensors"]
        except FileNotFoundError:
            pass
        except Exception as error:  # a damaged file can fail in any way, and costs no more than building again
            print(f"warning: cache {path} is damaged ({type(error).__name__}); building it again", file=sys.stderr)
        tensors = build()
        try:
            with atomic_path(path) as temporary:
                torch.save({"tensors": tensors, "digest": _digest(tensors)}, temporary)
        except (OSError, RuntimeError) as error:  # RuntimeError: torch's way of saying that the disk is full
            print(f"warning: {path.name} could not be cached in {path.parent}: {error}", file=sys.stderr)
        return tensors


def _digest(tensors: dict[str, Tensor], about: str = "") -> str:
    """16 hex digits over names, shapes, types and numbers."""
    digest = hashlib.sha256(about.encode())
    for name, tensor in tensors.items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
