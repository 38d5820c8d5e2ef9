"""Every measurement of a critic at one moment."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gancompare.objectives import interpolate
from gancompare.scoring.diagnostics.health import health
from gancompare.scoring.diagnostics.layers import layer_gradient_norms, spectral_norms
from gancompare.scoring.diagnostics.slopes import distribution, input_gradient_norms, lipschitz_estimate


class Measurement(NamedTuple):
    """A row of ``diagnostics.csv``."""

    quantity: str  # such as "gradient_norm_mean"
    where: str  # a kind of images, or the name of a layer
    value: float


def panel(
    critic: nn.Module,
    objective: Any,
    *,
    real: Tensor,
    fake: Tensor,
    held_out: Tensor | None,
    rng: torch.Generator,
) -> list[Measurement]:
    """All measurements of ``critic`` on ``real`` and ``fake`` images of one length; ``rng`` draws points between them.

    - ``gradient_norm_…`` on "real", "fake" and "interpolated" images: quantiles and mean
    - ``lipschitz`` on the lines between real and fake images
    - ``layer_gradient_norm`` and ``spectral_norm`` by layer, from image to score
    - ``score`` on "real", "held-out" and "fake" images, ``gap``, ``accuracy``, ``generator_gradient``: see ``health``

    ``held_out`` may be None, and must be for a conditional critic, whose ``labels`` are those of ``real``.
    """
    rows = []
    for where, images in {"real": real, "fake": fake, "interpolated": interpolate(real, fake, rng)}.items():
        norms = distribution(input_gradient_norms(critic, images))
        rows += [Measurement(f"gradient_norm_{name}", where, value) for name, value in norms.items()]
    rows.append(Measurement("lipschitz", "lines", lipschitz_estimate(critic, real, fake)))
    by_layer = layer_gradient_norms(critic, objective, real=real, fake=fake, rng=rng)
    rows += [Measurement("layer_gradient_norm", layer, value) for layer, value in by_layer.items()]
    rows += [Measurement("spectral_norm", layer, value) for layer, value in spectral_norms(critic, real).items()]
    by_images = health(critic, objective, real=real, fake=fake, held_out=held_out, rng=rng)
    return rows + [Measurement(quantity, where, value) for (quantity, where), value in by_images.items()]
