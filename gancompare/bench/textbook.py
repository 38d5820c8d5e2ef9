"""The two loops that are compared: ``textbook``, as most tutorials write it, and ``ours``, the one in ``train``."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from torchvision import transforms

from gancompare.base import device as machine
from gancompare.base.streams import stream
from gancompare.config import RunConfig
from gancompare.data.datasets import Dataset
from gancompare.recipes import MAIN_METHODS
from gancompare.train import Feed, Nets, Progress, mean_losses, stepper

IMAGES = 2048  # random ones, where only time is measured


class TextbookImages(TorchDataset):
    """uint8 images (N, C, H, W) as most tutorials read them: one PIL image at a time, scaled to [-1, 1]."""

    def __init__(self, images: Tensor):
        self.images = images
        middle = (0.5,) * images.shape[1]
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(middle, middle)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.transform(Image.fromarray(self.images[index].permute(1, 2, 0).squeeze(-1).numpy()))


def textbook(config: RunConfig, nets: Nets, feed: Feed) -> Iterator[tuple[float, float]]:
    """The usual loop, one generator step per ``next``, yielding the losses of critic and generator.

    It trains ``nets`` in float32, with a DataLoader, ``.backward()`` through both nets and ``.item()`` at every step.
    Losses and learning rates are those of ``config``; random numbers come from torch's global stream. Raises ValueError
    for a method whose losses it does not know.
    """
    if config.method not in MAIN_METHODS:
        raise ValueError(f"method={config.method!r}: the textbook loop knows {', '.join(MAIN_METHODS)}")
    device = feed.images.device
    generator, critic = (net.to(memory_format=torch.contiguous_format) for net in (nets.generator, nets.critic))
    betas = (config.beta1, config.beta2)
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=config.lr_generator, betas=betas)
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=config.lr_critic, betas=betas)
    images = TextbookImages(feed.images.cpu())
    loader = DataLoader(images, batch_size=config.batch_size, shuffle=True, drop_last=True)
    batches = iter(())
    while True:
        for _ in range(config.n_critic):
            if (real := next(batches, None)) is None:
                batches = iter(loader)
                real = next(batches)
            real = real.to(device)
            fake = generator(torch.randn(len(real), config.latent_dim, device=device))
            critic_loss = textbook_critic_loss(config, critic, real, fake)
            critic_optimizer.zero_grad()
            critic_loss.backward()
            critic_optimizer.step()
            if config.method == "wgan":
                with torch.no_grad():
                    for parameter in critic.parameters():
                        parameter.clamp_(-config.clip, config.clip)
            shown = critic_loss.item()
        score = critic(generator(torch.randn(config.batch_size, config.latent_dim, device=device)))
        generator_loss = bce(score, torch.ones_like(score)) if config.method == "gan" else -score.mean()
        generator_optimizer.zero_grad()
        generator_loss.backward()
        generator_optimizer.step()
        yield shown, generator_loss.item()


def textbook_critic_loss(config: RunConfig, critic: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """What the critic of ``config.method`` minimises on ``real`` and ``fake`` (B, C, H, W); a 0-dim tensor."""
    if config.method == "gan":
        score_real, score_fake = critic(real), critic(fake)
        return bce(score_real, torch.ones_like(score_real)) + bce(score_fake, torch.zeros_like(score_fake))
    loss = critic(fake).mean() - critic(real).mean()
    if config.method == "wgan-gp":
        epsilon = torch.rand(len(real), 1, 1, 1, device=real.device)
        x_hat = (epsilon * real + (1 - epsilon) * fake.detach()).requires_grad_(True)
        score = critic(x_hat)
        gradient = torch.autograd.grad(score, x_hat, torch.ones_like(score), create_graph=True)[0]
        norm = gradient.view(len(real), -1).norm(2, dim=1)
        loss = loss + config.penalty_weight * ((norm - 1) ** 2).mean()
    return loss


def ours(config: RunConfig, nets: Nets, feed: Feed) -> Iterator[None]:
    """The package's loop, one generator step per ``next``, with the losses read every ``log_every`` steps."""
    machine.keep_freed_memory()
    progress = Progress()
    step_once = stepper(config, nets, feed, progress=progress)
    while True:
        step_once()
        if progress.generator_steps % config.log_every == 0:
            mean_losses(progress.sums, nets.objective)
            progress.sums.clear()
        machine.synchronize(feed.images.device)
        yield


LOOPS: dict[str, Callable[[RunConfig, Nets, Feed], Iterator[Any]]] = {"textbook": textbook, "ours": ours}


def random_images(config: RunConfig) -> Dataset:
    """``IMAGES`` random images of the config's shape, without labels; their content does not change the time."""
    shape = (IMAGES, config.channels, config.image_size, config.image_size)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=stream(0, "bench"))
    return Dataset(name="random", images=images, labels=None, classes=(), fingerprint="", source="random numbers")
