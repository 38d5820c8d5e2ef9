"""How long a generator step takes: the textbook loop against this package's, same nets, same machine, one run."""

import statistics
import time
from collections.abc import Callable, Iterator

import pandas as pd
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from gancompare.config import RunConfig
from gancompare.streams import stream
from gancompare.train import iteration, prepare, processor_name

IMAGES = 2048  # random images; their content does not change the time


class TextbookImages(Dataset):
    """Images as most tutorials read them: one PIL image at a time, scaled to [-1, 1]."""

    def __init__(self, images: Tensor):
        self.images = images
        middle = (0.5,) * images.shape[1]
        self.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(middle, middle)])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.transform(Image.fromarray(self.images[index].permute(1, 2, 0).squeeze(-1).numpy()))


def textbook(config: RunConfig, images: Tensor) -> Iterator[tuple[float, float]]:
    """The usual loop, one generator step per ``next``: float32, a DataLoader, ``.backward()`` through both nets and
    ``.item()`` at every step. The nets, losses and learning rates are those of ``config``.
    """
    state = prepare(config, images)
    generator = state.generator.to(memory_format=torch.contiguous_format)
    critic = state.critic.to(memory_format=torch.contiguous_format)
    betas = (config.beta1, config.beta2)
    generator_optimizer = torch.optim.Adam(generator.parameters(), lr=config.lr_generator, betas=betas)
    critic_optimizer = torch.optim.Adam(critic.parameters(), lr=config.lr_critic, betas=betas)
    loader = DataLoader(TextbookImages(images), batch_size=config.batch_size, shuffle=True, drop_last=True)
    batches = iter(())
    while True:
        for _ in range(config.n_critic):
            if (real := next(batches, None)) is None:
                batches = iter(loader)
                real = next(batches)
            real = real.to(state.device)
            fake = generator(torch.randn(len(real), config.latent_dim, device=state.device))
            if config.method == "gan":
                bce = nn.functional.binary_cross_entropy_with_logits
                score_real, score_fake = critic(real), critic(fake)
                critic_loss = bce(score_real, torch.ones_like(score_real)) + bce(
                    score_fake, torch.zeros_like(score_fake)
                )
            else:
                critic_loss = critic(fake).mean() - critic(real).mean()
            if config.method == "wgan-gp":
                epsilon = torch.rand(len(real), 1, 1, 1, device=state.device)
                x_hat = (epsilon * real + (1 - epsilon) * fake.detach()).requires_grad_(True)
                score = critic(x_hat)
                gradient = torch.autograd.grad(score, x_hat, torch.ones_like(score), create_graph=True)[0]
                norm = gradient.view(len(real), -1).norm(2, dim=1)
                critic_loss = critic_loss + config.penalty_weight * ((norm - 1) ** 2).mean()
            critic_optimizer.zero_grad()
            critic_loss.backward()
            critic_optimizer.step()
            if config.method == "wgan":
                for parameter in critic.parameters():
                    parameter.data.clamp_(-config.clip, config.clip)
            shown = critic_loss.item()
        score = critic(generator(torch.randn(config.batch_size, config.latent_dim, device=state.device)))
        if config.method == "gan":
            generator_loss = nn.functional.binary_cross_entropy_with_logits(score, torch.ones_like(score))
        else:
            generator_loss = -score.mean()
        generator_optimizer.zero_grad()
        generator_loss.backward()
        generator_optimizer.step()
        yield shown, generator_loss.item()


def ours(config: RunConfig, images: Tensor) -> Iterator[None]:
    """The package's loop, one generator step per ``next``."""
    state, sums = prepare(config, images), {}
    while True:
        iteration(state, sums)
        if state.device.type == "cuda":
            torch.cuda.synchronize()
        yield


def compare(
    configs: list[RunConfig], rounds: int = 5, steps: int = 1, report: Callable[[str], None] = print
) -> pd.DataFrame:
    """Time both loops in turn (textbook, ours, textbook, ours, …), ``rounds`` times ``steps`` generator steps each.

    Columns: method, image_size, base_channels, textbook_ms and ours_ms (medians per generator step), ratio (median of
    the ratios of neighbouring timings) with its lowest and highest value, device, precision and threads.
    """
    rows = []
    for config in configs:
        shape = (IMAGES, config.channels, config.image_size, config.image_size)
        images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=stream(0, "bench"))
        loops = {"textbook": textbook(config, images), "ours": ours(config, images)}
        times: dict[str, list[float]] = {name: [] for name in loops}
        for turn in range(rounds + 1):
            for name, loop in loops.items():
                started = time.perf_counter()
                for _ in range(steps):
                    next(loop)
                if turn:  # the first turn warms up caches and kernels
                    times[name].append((time.perf_counter() - started) / steps)
        ratios = [slow / fast for slow, fast in zip(times["textbook"], times["ours"], strict=True)]
        state = prepare(config, images)
        rows.append(
            {
                "method": config.method,
                "image_size": config.image_size,
                "base_channels": config.base_channels,
                "textbook_ms": round(1000 * statistics.median(times["textbook"]), 1),
                "ours_ms": round(1000 * statistics.median(times["ours"]), 1),
                "ratio": round(statistics.median(ratios), 2),
                "ratio_low": round(min(ratios), 2),
                "ratio_high": round(max(ratios), 2),
                "device": torch.cuda.get_device_name() if state.device.type == "cuda" else processor_name(),
                "precision": "bf16" if state.bf16 else "float32",
                "threads": torch.get_num_threads(),
            }
        )
        report("{method} {image_size}×{image_size}: {textbook_ms} ms to {ours_ms} ms, ratio {ratio}".format(**rows[-1]))
    return pd.DataFrame(rows)
