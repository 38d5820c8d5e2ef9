"""What a critic does on real images: its slopes, how gradients pass through its layers, and whether it is healthy.

Pure functions of nets and images (B, C, H, W) in [-1, 1]; no function changes a net, leaves a gradient behind or draws
from a stream that it was not given. The nets are to be in eval mode, so that no statistic of a batch norm moves.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d
from torch.nn.grad import conv2d_input

from gancompare.objectives import interpolate

QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
POINTS = 5  # on a line from a real to a fake image, ends included
ITERATIONS = 30  # of a power iteration; what it finds is a lower bound, by at most a few per cent for such layers

Measurement = tuple[str, str, float]  # quantity, where, value


def panel(
    critic: nn.Module, objective: Any, real: Tensor, fake: Tensor, held_out: Tensor | None, rng: torch.Generator
) -> list[Measurement]:
    """All that is measured of ``critic`` at one moment, as (quantity, where, value).

    ``gradient_norm_…`` on "real", "fake" and "interpolated" images: quantiles and mean. ``lipschitz``: on the lines
    between them. ``layer_gradient_norm`` and ``spectral_norm`` by layer, from image to score. ``score`` on "real",
    "held-out" and "fake" images, ``gap``, ``accuracy`` and ``generator_gradient``: see ``health``. ``held_out`` may be
    None. ``real`` and ``fake`` have one length. ``rng`` draws points between images.
    """
    between = interpolate(real, fake, rng)
    norms = [input_gradient_norms(critic, images) for images in (real, fake, between)]
    found = []
    for where, values in zip(("real", "fake", "interpolated"), norms, strict=True):
        found += [(f"gradient_norm_{name}", where, value) for name, value in distribution(values).items()]
    found += [("lipschitz", "lines", lipschitz_estimate(critic, real, fake))]
    by_layer = layer_gradient_norms(critic, objective, real, fake, rng)
    found += [("layer_gradient_norm", layer, value) for layer, value in by_layer.items()]
    found += [("spectral_norm", layer, value) for layer, value in spectral_norms(critic, real[:1]).items()]
    return found + health(critic, objective, real, fake, held_out, rng)


def distribution(values: Tensor) -> dict[str, float]:
    """Quantiles and mean of ``values`` (B,)."""
    cuts = torch.quantile(values, torch.tensor(list(QUANTILES.values()), dtype=values.dtype, device=values.device))
    return dict(zip(QUANTILES, cuts.tolist(), strict=True)) | {"mean": values.mean().item()}


def norm_of_each(gradient: Tensor) -> Tensor:
    """Euclidean norm over all dimensions but the first: (B, ...) -> (B,), in float64.

    Not the penalty's, which is never below 1e-6 so that it can be differentiated: under clipping gradients are smaller.
    """
    return torch.linalg.vector_norm(gradient.flatten(1), dim=1, dtype=torch.float64)


# ---- slopes ----


def input_gradient(critic: nn.Module, inputs: Tensor) -> Tensor:
    """The gradient of each score by its input, of the shape of ``inputs`` (B, ...)."""
    leaf = inputs.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(leaf).sum(), leaf)
    return gradient


def input_gradient_norms(critic: nn.Module, inputs: Tensor) -> Tensor:
    """Norm of the critic's gradient by its input, an input each: (B, ...) -> (B,)."""
    return norm_of_each(input_gradient(critic, inputs))


@torch.no_grad()
def lipschitz_estimate(critic: nn.Module, real: Tensor, fake: Tensor, points: int = POINTS) -> float:
    """The largest |D(x) - D(y)| / ||x - y|| of points on the lines between ``real`` and ``fake`` images of one index.

    ``points`` are evenly spaced on each; neighbours suffice, as a longer piece of a line has the mean slope of its
    parts. A lower bound of the critic's Lipschitz constant. 0 if all pairs are the same image twice.
    """
    at = torch.linspace(0, 1, points, dtype=real.dtype, device=real.device)
    scores = torch.stack([critic(torch.lerp(fake, real, t)) for t in at])  # (points, B)
    piece = (real - fake).flatten(1).norm(dim=1) / (points - 1)
    slopes = scores.diff(dim=0).abs() / piece
    return slopes[:, piece != 0].max().item() if bool((piece != 0).any()) else 0.0


# ---- layers ----


def layers_of(critic: nn.Module) -> dict[str, nn.Module]:
    """The layers with weights, from image to score, by their names in the critic."""
    return {name: layer for name, layer in critic.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)}


@contextmanager
def inputs_of_layers(critic: nn.Module, images: tuple[Tensor, ...]) -> Iterator[dict[str, list[Tensor]]]:
    """Within the block, what each layer is given when the critic is called on one of ``images`` themselves."""
    seen: dict[str, list[Tensor]] = {name: [] for name in layers_of(critic)}
    counts = False

    def begin(_, given):
        nonlocal counts
        counts = any(given[0] is each for each in images)

    def keep(name):
        return lambda _, given: seen[name].append(given[0]) if counts else None

    hooks = [layer.register_forward_pre_hook(keep(name)) for name, layer in layers_of(critic).items()]
    hooks.append(critic.register_forward_pre_hook(begin))
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def layer_gradient_norms(
    critic: nn.Module, objective: Any, real: Tensor, fake: Tensor, rng: torch.Generator
) -> dict[str, float]:
    """Norm of the gradient of the critic's loss by the activations that enter each layer, from image to score.

    By activations as in Gulrajani et al. 2017, Figure 1b, the image being the first. The norm is an image's, times the
    batch size so that it does not depend on it, averaged over real and fake images. The penalty is a function of other
    points than these and has no part in it. Layers that the critic does not use are left out.
    """
    real, fake = (images.detach().requires_grad_(True) for images in (real, fake))
    with inputs_of_layers(critic, (real, fake)) as seen:
        loss = sum(objective.critic_loss(critic, real, fake, rng).values())
    used = {name: given for name, given in seen.items() if given}
    if not used:
        return {}
    gradients = iter(torch.autograd.grad(loss, [x for given in used.values() for x in given], materialize_grads=True))
    norms = {name: torch.cat([len(x) * norm_of_each(next(gradients)) for x in given]) for name, given in used.items()}
    return {name: values.mean().item() for name, values in norms.items()}


def slope_over_depth(found: list[Measurement]) -> float | None:
    """Slope of the natural logarithm of ``layer_gradient_norm`` per layer, by least squares, from image to score.

    Above 0 gradients decay on their way back to the image, below 0 they grow; 0: no layer changes them. None where
    fewer than two layers were measured or a norm is 0 or not finite.
    """
    norms = torch.tensor([v for name, _, v in found if name == "layer_gradient_norm"], dtype=torch.float64)
    if len(norms) < 2 or not bool((torch.isfinite(norms) & (norms > 0)).all()):
        return None
    depth = torch.arange(len(norms), dtype=torch.float64) - (len(norms) - 1) / 2
    return ((depth * norms.log()).sum() / depth.square().sum()).item()


@torch.no_grad()
def spectral_norms(critic: nn.Module, image: Tensor, iterations: int = ITERATIONS) -> dict[str, float]:
    """Largest factor by which each layer's weights stretch an input, by power iteration, from image to score.

    Of a convolution it is the norm of the convolution itself, stride and padding included, on inputs of the size that
    ``image`` (1, C, H, W) gives it, not that of its matrix (out, in · height · width): only the former bounds how far
    the layer can move apart what it is given.
    """
    with inputs_of_layers(critic, (image,)) as seen:
        critic(image)
    layers = layers_of(critic)
    return {name: operator_norm(layers[name], given[0].shape, iterations) for name, given in seen.items() if given}


@torch.no_grad()
def operator_norm(layer: nn.Conv2d | nn.Linear, shape: torch.Size, iterations: int = ITERATIONS) -> float:
    """Norm of ``layer`` without its bias as a linear map of inputs of ``shape`` (1, …); approached from below."""
    weight = layer.weight.detach()
    rng = torch.Generator().manual_seed(0)  # where the iteration starts: the same for all
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


# ---- health ----


def health(
    critic: nn.Module, objective: Any, real: Tensor, fake: Tensor, held_out: Tensor | None, rng: torch.Generator
) -> list[Measurement]:
    """``score``: mean on each kind of images. ``gap``: mean score of training minus held-out images, in standard
    deviations (pooled over the two); far above 0 the critic knows its training images by heart. ``accuracy``: share of
    scores with the right sign, real and fake images counting alike, where a score is a logit; for "real" training
    images and for "held-out" ones. ``generator_gradient``: see ``generator_gradient_norm``.
    """
    with torch.no_grad():
        kinds = {"real": real, "fake": fake} | ({} if held_out is None else {"held-out": held_out})
        scores = {kind: critic(images) for kind, images in kinds.items()}
    found = [("score", where, values.mean().item()) for where, values in scores.items()]
    if held_out is not None and (gap := standardized_gap(scores["real"], scores["held-out"])) is not None:
        found.append(("gap", "held-out", gap))
    if getattr(objective, "logits", False):
        found += [("accuracy", k, accuracy(scores[k], scores["fake"])) for k in ("real", "held-out") if k in scores]
    return [*found, ("generator_gradient", "fake", generator_gradient_norm(critic, objective, fake, real, rng))]


def standardized_gap(train: Tensor, held_out: Tensor) -> float | None:
    """(mean of ``train`` - mean of ``held_out``) / their pooled standard deviation; None where there is no spread."""
    if min(len(train), len(held_out)) < 2:
        return None
    spread = ((train.var() + held_out.var()) / 2).sqrt()
    return ((train.mean() - held_out.mean()) / spread).item() if spread > 0 else None


def accuracy(real: Tensor, fake: Tensor) -> float:
    """Mean of the shares of real scores above 0 and of fake ones below; 0.5 is what a blind critic reaches."""
    return (((real > 0).double().mean() + (fake < 0).double().mean()) / 2).item()


def generator_gradient_norm(
    critic: nn.Module, objective: Any, fake: Tensor, real: Tensor, rng: torch.Generator
) -> float:
    """Mean norm of the gradient of the generator's loss by a fake image, times the batch size: what reaches the
    generator's output, whatever the size of the batch.
    """
    leaf = fake.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(objective.generator_loss(critic, leaf, real, rng), leaf)
    return (len(fake) * norm_of_each(gradient)).mean().item()
