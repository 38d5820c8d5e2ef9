"""Images from a generator in eval mode: every method gets the same latents, and no random state is moved."""

import contextlib
import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from gancompare.base.streams import fixed_latents
from gancompare.data.pixels import to_uint8


@contextlib.contextmanager
def in_eval_mode(net: nn.Module) -> Iterator[None]:
    """Within the block ``net`` is in eval mode, afterwards in the mode that it was in."""
    training = net.training
    net.eval()
    try:
        yield
    finally:
        net.train(training)


def in_batches(latents: Tensor, labels: Tensor | None, size: int) -> Iterator[tuple[Tensor, Tensor | None]]:
    """The inputs of a generator, ``size`` at a time."""
    parts = itertools.repeat(None) if labels is None else labels.split(size)
    return zip(latents.split(size), parts, strict=False)


@torch.no_grad()
def fixed_samples(net: nn.Module, seed: int, count: int, *, labels: Tensor | None = None, bf16: bool = False) -> Tensor:
    """``count`` images (count, C, H, W) in [-1, 1] from the seed's grid latents: always the same latents.

    ``labels`` (count,): the classes to draw; by default a conditional generator shows its classes in turn.
    """
    device = next(net.parameters()).device
    with in_eval_mode(net), torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16):
        return net(fixed_latents(seed, "grid", count, net.latent_dim).to(device), labels)


@torch.no_grad()
def evaluation_samples(net: nn.Module, seed: int, count: int, *, batch_size: int = 256) -> Tensor:
    """``count`` uint8 images on the CPU from the seed's evaluation latents: the same latents for every method.

    A conditional generator draws its classes in turn, equally many of each.
    """
    device = next(net.parameters()).device
    latents, classes = fixed_latents(seed, "evaluation", count, net.latent_dim), net.in_turn(count)
    with in_eval_mode(net):
        parts = in_batches(latents, classes, batch_size)
        return torch.cat([to_uint8(net(z.to(device), labels)).cpu() for z, labels in parts])


STATISTICS_LATENTS, STATISTICS_BATCH = 2048, 128  # of ``settle_batch_norm``


@torch.no_grad()
def settle_batch_norm(net: nn.Module, seed: int) -> None:
    """Re-estimate the statistics of every BatchNorm of a generator from fixed latents, in place.

    Averaged weights have never made the activations that the generator's own statistics describe; with those, FD is off
    by a few to a quarter, differently by method. Statistics are cumulative means over batches in training mode.
    """
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    weight, momenta = next(net.parameters()), [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative mean
    training = net.training
    net.train()
    latents = fixed_latents(seed, "statistics", STATISTICS_LATENTS, net.latent_dim)
    for z, labels in in_batches(latents, net.in_turn(len(latents)), STATISTICS_BATCH):
        net(z.to(weight), labels)
    net.train(training)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
