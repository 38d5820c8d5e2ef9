"""The small CNN that is trained here, once per labelled data set: it supplies features and class predictions."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from gancompare.base.progress import progress_bar
from gancompare.data.cache import cached
from gancompare.data.datasets import Dataset, Splits
from gancompare.scoring.features.network import VERSION, FeatureError, FeatureNet, Resize

BATCH_SIZE = 128


def small_cnn(image_size: int, channels: int, *, classes: int, seed: int) -> tuple[nn.Module, nn.Module]:
    """(body, head) of a small CNN with weights from ``seed``: convolve and halve to at most 4×4, then 128 features.

    The features are normalised and not rectified, so that they are closer to the normal distribution FD assumes.
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


def trained_classifier(data: Splits, device: str | torch.device, seed: int) -> tuple[FeatureNet, float]:
    """The classifier of a labelled data set, trained or from the cache, and its accuracy on the held-out images.

    Raises FeatureError for a data set without labels of at least two classes.
    """
    train, test = data.train, data.test
    _, channels, image_size, _ = train.images.shape
    if train.labels is None or len(train.labels.unique()) < 2:
        raise FeatureError(
            f"dataset {train.name!r} has no labels of two classes or more, so no classifier can be trained on it: "
            "choose extractor efficientnet-lite0, or sort its images into one sub-folder a class"
        )
    body, head = small_cnn(image_size, channels, classes=len(train.classes), seed=seed)
    net = FeatureNet(body, head, num_features=128, channels=channels, prepare=Resize(image_size))

    def build() -> dict[str, Tensor]:
        fit(net.to(device), train, seed)
        accuracy = (net.predictions(test.images) == test.labels).double().mean()
        print(f"classifier for {train.name}: {accuracy:.2%} of {len(test.labels):,} held-out images right", flush=True)
        return {"accuracy": accuracy} | {name: tensor.cpu() for name, tensor in net.state_dict().items()}

    weights = cached(f"classifier-v{VERSION}-{train.fingerprint}-{len(train.classes)}-{seed}", build)
    accuracy = weights.pop("accuracy").item()
    net.load_state_dict(weights)
    return net, accuracy


def fit(net: FeatureNet, train: Dataset, seed: int) -> None:
    """Train ``net`` by AdamW with a one-cycle learning rate on images shifted by up to 2 pixels.

    It takes more epochs if there are fewer images. On a CPU with a fixed number of threads one seed gives the same
    bits.
    """
    n, side, device = len(train.images), train.images.shape[-1], net.device
    epochs, batches = min(max(math.ceil(60_000 / n), 4), 20), math.ceil(n / BATCH_SIZE)
    rng = torch.Generator().manual_seed(seed)
    model = nn.Sequential(net.body, net.head).requires_grad_(True).train()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * batches, cycle_momentum=False)
    with progress_bar(epochs * batches, f"classifier for {train.name}", "steps") as progress:
        for _ in range(epochs):
            # parts of equal size, so that none is too small for BatchNorm
            for chosen in torch.randperm(n, generator=rng).tensor_split(batches):
                down, right = torch.randint(5, (2,), generator=rng).tolist()  # one shift a batch is faster than many
                padded = pad(net.prepare(train.images[chosen].to(device)), (2, 2, 2, 2), mode="replicate")
                inputs = padded[:, :, down : down + side, right : right + side]
                inputs = inputs.contiguous(memory_format=torch.channels_last)
                with torch.enable_grad(), torch.autocast(device.type, enabled=False):
                    loss = cross_entropy(model(inputs), train.labels[chosen].to(device))
                    optimizer.zero_grad()
                    loss.backward()
                optimizer.step()
                schedule.step()
                progress.update()
    model.requires_grad_(False).eval()


# ---- stacked digits --------------------------------------------------------------------------------------------------


def stacked(digits: FeatureNet) -> FeatureNet:
    """The classifier of three digits in the colour channels of an image, from one of single grey ``digits``."""
    body, head = _PerChannel(digits.body), _ModeLogits(digits.head)
    return FeatureNet(body, head, num_features=3 * digits.num_features, channels=3, prepare=digits.prepare)


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
