"""The generator of a run on disk: safetensors, which cannot run code."""

from pathlib import Path

import torch
from torch import nn

from gancompare.base.files import write_atomically
from gancompare.models import Generator, generator_for
from gancompare.runs.layout import CHECKPOINT, WEIGHTS, RunError
from gancompare.runs.record import read_config, read_status


def save_generator(directory: Path, net: nn.Module, which: str = "last") -> None:
    write_atomically(directory / WEIGHTS[which], pack_weights(net))


def pack_weights(net: nn.Module, half: bool = False) -> bytes:
    """The weights as the content of a safetensors file; ``half``: as float16."""
    from safetensors.torch import save

    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    if half:  # counters stay whole numbers
        weights = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    return save(weights)


def load_generator(directory: str | Path, device: str | torch.device = "cpu", which: str = "last") -> Generator:
    """The trained generator of a run, in eval mode: (B, latent_dim) -> (B, channels, H, W) in [-1, 1].

    That of a conditional run takes labels (B,) besides, indices into ``classes_of``; without, it shows them in turn.
    ``which`` weights: "last" or "best". Raises RunError if there is no run, it has no such weights, or they do not fit
    its config.
    """
    directory = Path(directory)
    config = read_config(directory)["config"]  # not as a RunConfig: its method may be one this process does not know
    packed, checkpoint = directory / WEIGHTS[which], directory / CHECKPOINT
    try:
        with torch.random.fork_rng(devices=[]):  # the constructor draws weights that are replaced below
            net = generator_for(config, len(classes_of(directory)))
        if packed.exists():
            from safetensors.torch import load_file

            weights = load_file(packed)
        elif which == "last" and checkpoint.exists():
            weights = torch.load(checkpoint, map_location="cpu", weights_only=True)["average"]
        else:
            status = read_status(directory)["status"]
            raise RunError(
                f"{directory} has no {which} generator weights (status {status}): none were saved, or they were left "
                "out of version control; delete the directory and run it again"
            )
        net.load_state_dict(weights)
    except RunError:
        raise
    except Exception as error:  # a corrupt file raises whatever its parser stumbles over
        raise RunError(f"the generator weights in {directory} cannot be read: {error}") from error
    return net.to(device).eval().requires_grad_(False)


def classes_of(directory: Path) -> tuple[str, ...]:
    """The class names a conditional run was trained with, by label; empty for any other run."""
    return tuple(read_config(directory)["data"].get("classes", ()))
