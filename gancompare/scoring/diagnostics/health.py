"""Whether a critic tells real from fake, knows its training images by heart, and passes a gradient to the generator."""

from typing import Any

import torch
from torch import Tensor, nn

from gancompare.scoring.diagnostics.slopes import norm_of_each


def health(
    critic: nn.Module,
    objective: Any,
    *,
    real: Tensor,
    fake: Tensor,
    held_out: Tensor | None,
    rng: torch.Generator,
) -> dict[tuple[str, str], float]:
    """(quantity, kind of images) → value.

    - ``score``: mean score on "real", "fake" and "held-out" images
    - ``gap``: mean score of training minus held-out images, in standard deviations (pooled over the two); far above 0
      the critic knows its training images by heart
    - ``accuracy``, if a score is a logit: share of scores with the right sign, real and fake images counting alike; for
      "real" training images and for "held-out" ones
    - ``generator_gradient``: see ``generator_gradient_norm``
    """
    kinds = {"real": real, "fake": fake} | ({} if held_out is None else {"held-out": held_out})
    with torch.no_grad():
        scores = {kind: critic(images) for kind, images in kinds.items()}
    values = {("score", kind): of_kind.mean().item() for kind, of_kind in scores.items()}
    if held_out is not None and (gap := standardized_gap(scores["real"], scores["held-out"])) is not None:
        values["gap", "held-out"] = gap
    if getattr(objective, "logits", False):
        values |= {("accuracy", k): accuracy(scores[k], scores["fake"]) for k in ("real", "held-out") if k in scores}
    gradient = generator_gradient_norm(critic, objective, fake=fake, real=real, rng=rng)
    return values | {("generator_gradient", "fake"): gradient}


def standardized_gap(train: Tensor, held_out: Tensor) -> float | None:
    """(mean of ``train`` - mean of ``held_out``) / their pooled standard deviation; None if there is no spread."""
    if min(len(train), len(held_out)) < 2:
        return None
    spread = ((train.var() + held_out.var()) / 2).sqrt()
    return ((train.mean() - held_out.mean()) / spread).item() if spread > 0 else None


def accuracy(real: Tensor, fake: Tensor) -> float:
    """Mean of the shares of real scores above 0 and of fake ones below; 0.5 is what a blind critic reaches."""
    return (((real > 0).double().mean() + (fake < 0).double().mean()) / 2).item()


def generator_gradient_norm(
    critic: nn.Module, objective: Any, *, fake: Tensor, real: Tensor, rng: torch.Generator
) -> float:
    """Mean norm of the gradient of the generator's loss by a fake image, times the batch size.

    This is the gradient that reaches the generator's output; the factor makes it independent of the batch size.
    """
    leaf = fake.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(objective.generator_loss(critic, leaf, real, rng), leaf)
    return (len(fake) * norm_of_each(gradient)).mean().item()
