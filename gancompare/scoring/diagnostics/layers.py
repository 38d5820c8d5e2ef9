"""A critic layer by layer: the gradients that reach each one, and how much each can amplify its input."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torch.nn.grad import conv2d_input

from gancompare.scoring.diagnostics.slopes import norm_of_each

ITERATIONS = 30  # of a power iteration, whose result is a lower bound, by at most a few per cent for such layers


def layers_of(critic: nn.Module) -> dict[str, nn.Module]:
    """The layers with weights, from image to score, by their names in the critic."""
    return {name: layer for name, layer in critic.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)}


@contextmanager
def inputs_of_layers(critic: nn.Module, images: tuple[Tensor, ...]) -> Iterator[dict[str, list[Tensor]]]:
    """Within the block, the inputs of each layer in those calls of the critic that score one of ``images`` itself."""
    inputs: dict[str, list[Tensor]] = {name: [] for name in layers_of(critic)}
    recording = False

    def begin(_, arguments):
        nonlocal recording
        recording = any(arguments[0] is each for each in images)

    def keep(name):
        return lambda _, arguments: inputs[name].append(arguments[0]) if recording else None

    hooks = [layer.register_forward_pre_hook(keep(name)) for name, layer in layers_of(critic).items()]
    hooks.append(critic.register_forward_pre_hook(begin))
    try:
        yield inputs
    finally:
        for hook in hooks:
            hook.remove()


def layer_gradient_norms(
    critic: nn.Module, objective: Any, *, real: Tensor, fake: Tensor, rng: torch.Generator
) -> dict[str, float]:
    """Norm of the gradient of the critic's loss by the activations that enter each layer, from image to score.

    By activations as in Gulrajani et al. 2017, Figure 1b; the first is the image. The norm is that of one image's
    gradient, multiplied by the batch size so that it does not depend on it, averaged over real and fake images. The
    penalty is a function of points between them and does not contribute. Layers that the critic does not use are left
    out.
    """
    real, fake = (images.detach().requires_grad_(True) for images in (real, fake))
    with inputs_of_layers(critic, (real, fake)) as inputs:
        loss = sum(objective.critic_loss(critic, real, fake, rng).values())
    used = {name: activations for name, activations in inputs.items() if activations}
    if not used:
        return {}
    flat = [x for activations in used.values() for x in activations]
    gradients = iter(torch.autograd.grad(loss, flat, materialize_grads=True))
    norms = {name: torch.cat([len(x) * norm_of_each(next(gradients)) for x in xs]) for name, xs in used.items()}
    return {name: values.mean().item() for name, values in norms.items()}


def slope_over_depth(norms: Iterable[float]) -> float | None:
    """Slope of the natural logarithm of ``layer_gradient_norms`` per layer, by least squares, from image to score.

    Above 0 gradients decay on their way back to the image, below 0 they grow; at 0 no layer changes them. None if fewer
    than two layers were measured or a norm is 0 or not finite.
    """
    norms = torch.tensor(list(norms), dtype=torch.float64)
    if len(norms) < 2 or not bool((torch.isfinite(norms) & (norms > 0)).all()):
        return None
    depth = torch.arange(len(norms), dtype=torch.float64) - (len(norms) - 1) / 2
    return ((depth * norms.log()).sum() / depth.square().sum()).item()


@torch.no_grad()
def spectral_norms(critic: nn.Module, images: Tensor, *, iterations: int = ITERATIONS) -> dict[str, float]:
    """The most that each layer's weights can amplify an input, by power iteration, from image to score.

    For a convolution it is the norm of the map itself, stride and padding included, on inputs of the size that
    ``images`` (B, C, H, W) lead to. The norm of its matrix (out, in · height · width) is another number, and does not
    bound how far the layer can move its outputs apart.
    """
    with inputs_of_layers(critic, (images,)) as inputs:
        critic(images)
    layers = layers_of(critic)
    shapes = {name: (1, *activations[0].shape[1:]) for name, activations in inputs.items() if activations}
    return {name: operator_norm(layers[name], shape, iterations=iterations) for name, shape in shapes.items()}


@torch.no_grad()
def operator_norm(layer: nn.Conv2d | nn.Linear, shape: tuple[int, ...], *, iterations: int = ITERATIONS) -> float:
    """Norm of ``layer`` without its bias as a linear map of inputs of ``shape`` (1, …); approached from below."""
    weight = layer.weight.detach()
    rng = torch.Generator().manual_seed(0)  # every layer's iteration starts from the same stream
    vector = torch.randn(shape, generator=rng).to(weight)
    size = torch.zeros((), dtype=weight.dtype, device=weight.device)
    for _ in range(iterations):
        vector = vector / vector.norm().clamp_min(torch.finfo(weight.dtype).tiny)
        if isinstance(layer, nn.Linear):
            image = vector @ weight.T
            vector = image @ weight
        else:
            how = (layer.stride, layer.padding, layer.dilation, layer.groups)
            image = conv2d(vector, weight, None, *how)
            vector = conv2d_input(shape, weight, image, *how)  # the transposed map
        size = image.norm()
    return size.item()
