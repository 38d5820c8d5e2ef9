"""What each generator minimises, as a function of the critic's score."""

import torch
from matplotlib.figure import Figure

from gancompare import arms
from gancompare.objectives import METHODS
from gancompare.report.style import panels

# WGAN-GP has WGAN's generator loss: its penalty is in the critic's
LABELS = {"gan-minimax": None, "gan": None, "wgan": f"{arms.name('wgan')} and {arms.name('wgan-gp')}"}


class _Score(torch.nn.Module):
    """A critic whose score is its input, so that a loss of images becomes a function of the score."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1).mean(dim=1)


def generator_losses() -> Figure:
    """Each generator's loss as a function of a fake image's score, and the size of the slope that it learns from."""
    scores = torch.linspace(-8, 8, 161, dtype=torch.float64)
    real, rng = torch.zeros(1, 1, 1, 1, dtype=torch.float64), torch.Generator()  # none of these losses uses them
    figure, axes = panels(1, 2, width=4.2, height=3)
    for method, label in LABELS.items():
        objective, leaf = METHODS[method](), scores.clone().requires_grad_(True)
        values = [objective.generator_loss(_Score(), score.reshape(1, 1, 1, 1), real, rng) for score in leaf]
        (slopes,) = torch.autograd.grad(torch.stack(values).sum(), leaf)
        look = {"color": arms.color(method), "label": label or arms.name(method)}
        axes[0, 0].plot(scores, torch.stack(values).detach(), **look)
        axes[0, 1].plot(scores, slopes.abs(), **look)
    axes[0, 0].set_title("generator loss")
    axes[0, 0].legend()
    axes[0, 1].set_title("size of its slope")
    for axis in axes.flat:
        axis.set_xlabel("critic's score of a fake image")
    return figure
