"""How steep a critic is: its gradients by images, and its slope along lines between real and fake images."""

import torch
from torch import Tensor, nn

QUANTILES = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
POINTS = 5  # on a line from a real to a fake image, ends included


def distribution(values: Tensor) -> dict[str, float]:
    """Quantiles and mean of ``values`` (B,)."""
    cuts = torch.quantile(values, torch.tensor(list(QUANTILES.values()), dtype=values.dtype, device=values.device))
    return dict(zip(QUANTILES, cuts.tolist(), strict=True)) | {"mean": values.mean().item()}


def norm_of_each(gradient: Tensor) -> Tensor:
    """Euclidean norm over all dimensions but the first: (B, ...) -> (B,), in float64.

    The penalty's own norm is never below 1e-6, so that it can be differentiated. Under weight clipping gradients are
    smaller than that, hence this one.
    """
    return torch.linalg.vector_norm(gradient.flatten(1), dim=1, dtype=torch.float64)


def input_gradient(critic: nn.Module, inputs: Tensor) -> Tensor:
    """The gradient of each score by its input, of the shape of ``inputs`` (B, ...)."""
    leaf = inputs.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(leaf).sum(), leaf)
    return gradient


def input_gradient_norms(critic: nn.Module, inputs: Tensor) -> Tensor:
    """Norm of the gradient of each score by its input: (B, ...) -> (B,)."""
    return norm_of_each(input_gradient(critic, inputs))


@torch.no_grad()
def lipschitz_estimate(critic: nn.Module, real: Tensor, fake: Tensor, *, points: int = POINTS) -> float:
    """The largest |D(x) - D(y)| / ||x - y|| of points on the lines between ``real`` and ``fake`` images of one index.

    ``points`` are evenly spaced on each line. Only neighbours are compared, as a longer piece of a line has the mean
    slope of its parts. This is a lower bound of the critic's Lipschitz constant; 0 if all pairs are the same image
    twice.
    """
    at = torch.linspace(0, 1, points, dtype=real.dtype, device=real.device)
    scores = torch.stack([critic(torch.lerp(fake, real, t)) for t in at])  # (points, B)
    piece = (real - fake).flatten(1).norm(dim=1) / (points - 1)
    slopes = scores.diff(dim=0).abs() / piece
    return slopes[:, piece != 0].max().item() if bool((piece != 0).any()) else 0.0
