"""The objectives side by side: what the critic minimises, what the generator minimises, how the critic is constrained.

Every objective has the same three methods with the same arguments, repeated on purpose so that only the lines that
differ between methods differ. A critic maps images (B, C, H, W) to raw scores (B,); no sigmoid anywhere.

- ``critic_loss(critic, real, fake, rng)`` returns named parts (0-dim tensors); the critic minimises their sum.
- ``generator_loss(critic, fake, real, rng)`` returns a 0-dim tensor; the generator minimises it. ``real`` is the last
  batch that the critic was trained on, for losses that compare fake scores with real ones.
- ``constrain(critic)`` runs after every critic step, in place.

Whatever is random in a loss draws from ``rng``. ``n_critic`` is the number of critic steps per generator step.
``wasserstein`` says whether the score difference estimates a Wasserstein-1 distance, ``logits`` (optional) whether a
score above 0 means "real". To add a method, put a class of this shape into ``METHODS``: the loop, the study and the
report take it from there. The runs of a study are processes of their own, so for them put the class into a file and
name it with ``--objectives FILE``.
"""

import runpy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.profiler import record_function

from gancompare.base.errors import UserError


@dataclass(frozen=True)
class GAN:
    """Non-saturating GAN on logits (Goodfellow et al. 2014, §3): softplus(-r) is -log sigmoid(r)."""

    n_critic: int = 1
    wasserstein = False
    logits = True

    def critic_loss(self, critic: nn.Module, real: Tensor, fake: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        return {
            "real": softplus(-critic(real)).mean(),
            "fake": softplus(critic(fake)).mean(),
        }

    def generator_loss(self, critic: nn.Module, fake: Tensor, real: Tensor, rng: torch.Generator) -> Tensor:
        return softplus(-critic(fake)).mean()

    def constrain(self, critic: nn.Module) -> None:
        pass


@dataclass(frozen=True)
class WGAN:
    """Wasserstein GAN with weight clipping to [-clip, clip] (Arjovsky et al. 2017, Algorithm 1)."""

    n_critic: int = 5
    clip: float = 0.01
    wasserstein = True

    def critic_loss(self, critic: nn.Module, real: Tensor, fake: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        return {
            "real": -critic(real).mean(),
            "fake": critic(fake).mean(),
        }

    def generator_loss(self, critic: nn.Module, fake: Tensor, real: Tensor, rng: torch.Generator) -> Tensor:
        return -critic(fake).mean()

    @torch.no_grad()
    def constrain(self, critic: nn.Module) -> None:
        weights: list[Tensor] = list(critic.parameters())
        torch._foreach_clamp_min_(weights, -self.clip)
        torch._foreach_clamp_max_(weights, self.clip)


@dataclass(frozen=True)
class WGANGP:
    """Wasserstein GAN with gradient penalty (Gulrajani et al. 2017, Algorithm 1, equation 3)."""

    n_critic: int = 5
    penalty_weight: float = 10.0
    one_sided_penalty: bool = False
    wasserstein = True

    def critic_loss(self, critic: nn.Module, real: Tensor, fake: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        return {
            "real": -critic(real).mean(),
            "fake": critic(fake).mean(),
            "penalty": self.penalty_weight * gradient_penalty(critic, real, fake, rng, self.one_sided_penalty),
        }

    def generator_loss(self, critic: nn.Module, fake: Tensor, real: Tensor, rng: torch.Generator) -> Tensor:
        return -critic(fake).mean()

    def constrain(self, critic: nn.Module) -> None:
        pass


# Control arms. The first asks what the non-saturating generator loss contributes, the second whether a gain of WGAN-GP
# comes from the Wasserstein loss or from the regulariser (Fedus et al. 2018).


@dataclass(frozen=True)
class MinimaxGAN:
    """Saturating GAN (Goodfellow et al. 2014, eq. 1): the generator minimises log(1 - sigmoid(f)) = -softplus(f)."""

    n_critic: int = 1
    wasserstein = False
    logits = True

    def critic_loss(self, critic: nn.Module, real: Tensor, fake: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        return {
            "real": softplus(-critic(real)).mean(),
            "fake": softplus(critic(fake)).mean(),
        }

    def generator_loss(self, critic: nn.Module, fake: Tensor, real: Tensor, rng: torch.Generator) -> Tensor:
        return -softplus(critic(fake)).mean()

    def constrain(self, critic: nn.Module) -> None:
        pass


@dataclass(frozen=True)
class GANGP:
    """Non-saturating GAN with the gradient penalty of WGAN-GP (Fedus et al. 2018, "GAN-GP")."""

    n_critic: int = 5
    penalty_weight: float = 10.0
    one_sided_penalty: bool = False
    wasserstein = False
    logits = True

    def critic_loss(self, critic: nn.Module, real: Tensor, fake: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        return {
            "real": softplus(-critic(real)).mean(),
            "fake": softplus(critic(fake)).mean(),
            "penalty": self.penalty_weight * gradient_penalty(critic, real, fake, rng, self.one_sided_penalty),
        }

    def generator_loss(self, critic: nn.Module, fake: Tensor, real: Tensor, rng: torch.Generator) -> Tensor:
        return softplus(-critic(fake)).mean()

    def constrain(self, critic: nn.Module) -> None:
        pass


METHODS: dict[str, Any] = {
    "gan": GAN,
    "wgan": WGAN,
    "wgan-gp": WGANGP,
    "gan-minimax": MinimaxGAN,
    "gan-gp": GANGP,
}


def gradient_penalty(
    critic: nn.Module, real: Tensor, fake: Tensor, rng: torch.Generator, one_sided: bool = False
) -> Tensor:
    """E[(||grad D(x_hat)||_2 - 1)^2] over one x_hat per sample (Gulrajani et al. 2017, §4), a 0-dim tensor.

    ``one_sided`` penalises norms above 1 only: E[max(0, ||grad D(x_hat)||_2 - 1)^2] ("Two-sided penalty", ibid.).
    The result is differentiable with respect to the critic's parameters, and to nothing else.
    """
    with record_function("penalty"):
        x_hat = interpolate(real, fake, rng).requires_grad_(True)
        (gradient,) = torch.autograd.grad(critic(x_hat).sum(), x_hat, create_graph=True)
        excess = per_sample_norm(gradient) - 1
        return (excess.clamp_min(0) if one_sided else excess).square().mean()


def interpolate(real: Tensor, fake: Tensor, rng: torch.Generator) -> Tensor:
    """Points between real and fake samples, one uniform epsilon per sample; detached, shape of ``real``."""
    epsilon = torch.rand(len(real), *[1] * (real.dim() - 1), generator=rng, device=real.device)  # (B, 1, 1, 1)
    return torch.lerp(fake.detach(), real.detach(), epsilon.to(real.dtype))


def per_sample_norm(gradient: Tensor) -> Tensor:
    """Euclidean norm over all dimensions but the first: (B, ...) -> (B,), in float32 or wider.

    The derivative of a square root is infinite at 0 and turns a zero gradient into NaN; 1e-12 keeps it finite and
    moves no norm by more than 1e-6.
    """
    wide = gradient if gradient.dtype == torch.float64 else gradient.float()
    return (wide.flatten(1).square().sum(dim=1) + 1e-12).sqrt()


class ObjectiveError(UserError, ValueError):
    """A file of objectives that cannot be used; the message names it and the remedy."""


def load_file(path: str | Path) -> list[str]:
    """Execute a Python file that puts objectives into ``METHODS``; returns the names it added or replaced.

    The file runs with all rights of this process, so only commands that were given it do this. Raises ObjectiveError if
    it is not there, raises an exception, or adds nothing.
    """
    before = dict(METHODS)
    try:
        runpy.run_path(str(path))
    except Exception as error:  # a user's file may raise anything
        raise ObjectiveError(f"objectives={str(path)!r} cannot be loaded ({type(error).__name__}: {error})") from error
    added = [name for name, objective in METHODS.items() if before.get(name) is not objective]
    if not added:
        raise ObjectiveError(f"objectives={str(path)!r} adds none: it should end in METHODS['name'] = YourClass")
    return added
