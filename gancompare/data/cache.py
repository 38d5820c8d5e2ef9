"""Tensors that are expensive to make and cheap to keep, in files under ``cache_directory``."""

import hashlib
import sys
from collections.abc import Callable

import filelock
import torch
from torch import Tensor

from gancompare.base.files import atomic_path
from gancompare.data.datasets import cache_directory


def cached(key: str, build: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Tensors by name from the cache, or from ``build()`` and then into the cache.

    One process builds while the others wait. A damaged file is built again, and a cache that cannot be written costs
    no more than a warning.
    """
    path = cache_directory() / f"{key}.pt"
    with filelock.FileLock(f"{path}.lock"):
        try:
            stored = torch.load(path, map_location="cpu", weights_only=True)
            if stored["digest"] != digest(stored["tensors"]):
                raise ValueError("its numbers are not the ones written")
            return stored["tensors"]
        except FileNotFoundError:
            pass
        except Exception as error:  # a damaged file can fail in any way, and costs no more than building again
            print(f"warning: cache {path} is damaged ({type(error).__name__}); building it again", file=sys.stderr)
        tensors = build()
        try:
            with atomic_path(path) as temporary:
                torch.save({"tensors": tensors, "digest": digest(tensors)}, temporary)
        except (OSError, RuntimeError) as error:  # RuntimeError: torch's way of saying that the disk is full
            print(f"warning: {path.name} could not be cached in {path.parent}: {error}", file=sys.stderr)
        return tensors


def digest(tensors: dict[str, Tensor], salt: str = "") -> str:
    """16 hex digits over the names, shapes, types and numbers of ``tensors``, and over ``salt``."""
    running = hashlib.sha256(salt.encode())
    for name, tensor in tensors.items():
        running.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        running.update(tensor.cpu().contiguous().numpy().tobytes())
    return running.hexdigest()[:16]
