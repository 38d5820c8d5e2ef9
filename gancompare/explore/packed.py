"""A generator's weights as a page can hold them: batch norms folded in, rounded, and base64 inside JSON.

``live.js`` opens and runs what ``pack`` makes; ``draw_packed`` does the same here, to measure what rounding costs.
"""

import base64
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gancompare.data.pixels import to_uint8
from gancompare.explore.latents import portable, principal_directions
from gancompare.explore.pictures import render

KINDS = {"float16": ("<f2", "in half precision"), "int8": ("i1", "in 8 bits")}  # of weights: in numpy, in words
MEASURED = 64  # images of each method that rounded weights are compared in
DIRECTIONS = 6  # principal directions that a page can move along
ACTIVATIONS = {
    "relu": torch.relu,
    "leaky-relu": lambda x: functional.leaky_relu(x, 0.2),
    "tanh": torch.tanh,
    "elu": functional.elu,
}


@torch.no_grad()
def fold(net: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """A generator in eval mode as (weights, bias) of each layer, float64, with every batch norm folded in.

    First (latent_dim, side · side · C), then (C_in · 4 · 4, C_out) of each transposed convolution at stride 2, and
    (C_in · 3 · 3, C_out) of each plain one, written as a transposed one at stride 1; all with the channel last and a
    bias (C,), but (side · side · C,) for the first layer of a net without norms. Between layers stands the net's
    activation, behind the last a tanh.
    """
    channels, side, _ = net.unflatten.unflattened_size
    weights = net.project.weight.double().T.reshape(-1, channels, side, side).permute(0, 2, 3, 1)
    bias, layers = torch.zeros(channels).double(), []
    if net.project.bias is not None:
        bias = net.project.bias.double().reshape(channels, side, side).permute(1, 2, 0)
    for module in net.layers:
        if isinstance(module, nn.BatchNorm2d):
            slope = norm_slope(module)
            weights, bias = weights * slope, (bias - module.running_mean.double()) * slope + module.bias.double()
        elif isinstance(module, nn.ConvTranspose2d | nn.Conv2d):
            layers.append((weights, bias))
            if isinstance(module, nn.Conv2d):
                weights = module.weight.double().flip(2, 3).permute(1, 2, 3, 0)
            else:
                weights = module.weight.double().permute(0, 2, 3, 1)
            bias = torch.zeros(weights.shape[3]).double() if module.bias is None else module.bias.double()
    layers.append((weights, bias))
    return [(layers[0][0].flatten(1), layers[0][1].flatten())] + [(w.flatten(0, 2), b) for w, b in layers[1:]]


def norm_slope(norm: nn.BatchNorm2d) -> Tensor:
    """(C,) float64: what a batch norm in eval mode multiplies each channel by."""
    return norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()


@torch.no_grad()
def class_shifts(net: nn.Module) -> Tensor:
    """What each class adds to a conditional generator's first layer, as in ``fold``: (classes, side · side · C)."""
    channels, side, _ = net.unflatten.unflattened_size
    shifts = net.latent_dim**0.5 * net.class_shift.weight.double().reshape(-1, channels, side, side)
    if isinstance(net.layers[0], nn.BatchNorm2d):
        shifts = shifts * norm_slope(net.layers[0])[:, None, None]
    return shifts.permute(0, 2, 3, 1).flatten(1)


def activation_name(net: nn.Module) -> str:
    """What stands between the layers, as ``live.js`` and ``ACTIVATIONS`` call it."""
    names = {nn.ReLU: "relu", nn.LeakyReLU: "leaky-relu", nn.Tanh: "tanh", nn.ELU: "elu"}
    return next(names[type(module)] for module in net.layers if not isinstance(module, nn.BatchNorm2d))


def multiply_adds(net: nn.Module) -> int:
    """Multiplications with an addition each that one image takes."""
    count, side = net.project.weight.numel(), net.unflatten.unflattened_size[1]
    for module in net.layers:
        if isinstance(module, nn.ConvTranspose2d | nn.Conv2d):
            count += module.weight.numel() * side**2
            side *= module.stride[0]
    return count


def image_size(net: nn.Module) -> int:
    """Height and width of the generator's images."""
    doublings = sum(isinstance(module, nn.ConvTranspose2d) for module in net.layers)
    return net.unflatten.unflattened_size[1] * 2**doublings


def pack(net: nn.Module, kind: str) -> dict[str, Any]:
    """A generator as JSON can hold it: base64 of "float16", or of "int8" with a scale for each column of a layer."""
    layers, form = [], KINDS[kind][0]
    for weights, bias in fold(net):
        layer = {"bias": _base64(bias, "<f4")}
        if kind == "int8":
            scale = (weights.abs().amax(dim=0) / 127).clamp(min=1e-30)
            layer |= {"scale": _base64(scale, "<f4")}
            weights = (weights / scale).round()
        layers.append(layer | {"weights": _base64(weights, form)})
    channels, side, _ = net.unflatten.unflattened_size
    packed = {"latent_dim": net.latent_dim, "channels": channels, "side": side, "activation": activation_name(net)}
    packed |= {"image_size": image_size(net), "image_channels": net.layers[-2].out_channels}
    if net.num_classes:
        packed |= {"shifts": _base64(class_shifts(net), "<f4")}
    return packed | {"layers": layers, "directions": _base64(principal_directions(net)[0][:DIRECTIONS], "<f4")}


@torch.no_grad()
def draw_packed(packed: dict[str, Any], kind: str, z: Tensor) -> Tensor:
    """What ``live.js`` makes of a packed generator and latents (N, latent_dim): uint8 images (N, C, H, W)."""
    x, active = z, ACTIVATIONS[packed["activation"]]
    for number, layer in enumerate(packed["layers"]):
        bias, weights = _opened(layer["bias"]), _opened(layer["weights"], KINDS[kind][0])
        if "scale" in layer:
            scale = _opened(layer["scale"])
            weights = weights.reshape(-1, len(scale)) * scale
        if number == 0:
            x = x @ weights.reshape(x.shape[1], -1)
            x = x + bias.repeat(x.shape[1] // len(bias))
            if "shifts" in packed:
                shifts = _opened(packed["shifts"]).reshape(-1, x.shape[1])
                x = x + shifts[torch.arange(len(x)) % len(shifts)]
            x = x.reshape(len(x), packed["side"], packed["side"], packed["channels"]).permute(0, 3, 1, 2)
        else:
            across = math.isqrt(weights.numel() // (x.shape[1] * len(bias)))
            kernel = weights.reshape(x.shape[1], across, across, len(bias)).permute(0, 3, 1, 2)
            x = functional.conv_transpose2d(active(x), kernel, bias, stride=across - 2, padding=1)
    return to_uint8(x.tanh())


def rounding_error(net: nn.Module, packed: dict[str, Any], kind: str, *, latent_dim: int) -> int:
    """The largest difference, of 255, between a page's first images, with latents of ``latent_dim``, and the net's."""
    z = portable(0, MEASURED, latent_dim)[:, : net.latent_dim]
    return int((draw_packed(packed, kind, z).int() - render(net, z).int()).abs().max())


def _base64(values: Tensor, form: str) -> str:
    return base64.b64encode(values.numpy().astype(form).tobytes()).decode()


def _opened(text: str, form: str = "<f4") -> Tensor:
    return torch.from_numpy(np.frombuffer(base64.b64decode(text), form).astype(np.float32))
