"""Tensors that are slow to make, kept on disk by key: decoded images, features, small trained networks."""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import filelock
import torch
from torch import Tensor

from gancompare.base.files import atomic_path


def cached(key: str, build: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the tensors stored under ``key``, or call ``build`` and store what it returns.

    The key becomes a file name and must name everything that the tensors depend on. If several processes ask for one
    key, one of them builds and the others wait. A damaged file is built again, and a full disk costs only a warning.
    """
    path = cache_directory() / f"{key}.pt"
    with filelock.FileLock(f"{path}.lock"):
        if (stored := _read(path)) is not None:
            return stored
        tensors = build()
        try:  # a file that a power cut destroys fails its digest, so there is no need to wait for the disk
            with atomic_path(path, durable=False) as temporary:
                torch.save({"tensors": tensors, "digest": digest(tensors)}, temporary)
        except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
            print(f"warning: {path.name} could not be cached in {path.parent}: {error}", file=sys.stderr)
        return tensors


def digest(tensors: dict[str, Tensor], salt: str = "") -> str:
    """16 hex digits over ``salt`` and the names, dtypes, shapes and bytes of ``tensors``, in their order."""
    state = hashlib.sha256(salt.encode())
    for name, tensor in tensors.items():
        state.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        state.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy())
    return state.hexdigest()[:16]


def cache_directory() -> Path:
    """An existing, writable directory.

    $GANCOMPARE_CACHE, else $XDG_CACHE_HOME/gancompare, else ~/.cache/gancompare. If that is not writable, as with a
    read-only home in a container, a folder under the system's temporary directory.
    """
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    preferred = Path(os.path.expanduser(os.environ.get("GANCOMPARE_CACHE") or os.path.join(base, "gancompare")))
    user = os.getuid() if hasattr(os, "getuid") else "user"
    for directory in (preferred, Path(tempfile.gettempdir()) / f"gancompare-{user}"):
        if writable(directory):
            return directory
    return Path(tempfile.mkdtemp(prefix="gancompare-"))


def writable(directory: Path) -> bool:
    """Whether a file can be written into ``directory``, which is created if it does not exist."""
    try:  # by trying: permission bits mean nothing on a read-only file system, nor to root
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return True
    except OSError:
        return False


def _read(path: Path) -> dict[str, Tensor] | None:
    if not path.exists():
        return None
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        if stored["digest"] != digest(stored["tensors"]):
            raise ValueError("its digest does not match its content")
        return stored["tensors"]
    except Exception as error:  # a damaged file can raise anything, and costs no more than building again
        print(f"warning: cache {path} is damaged ({type(error).__name__}); building it again", file=sys.stderr)
        return None
