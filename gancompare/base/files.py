"""Files that are written whole or not at all."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path


def write_atomically(path: Path, content: bytes, durable: bool = True) -> None:
    """All of ``content`` or nothing of it: write beside, then rename. A reader never sees half a file."""
    with atomic_path(path, durable) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def atomic_path(path: Path, durable: bool = True) -> Iterator[Path]:
    """A path to write to that takes the place of ``path`` when the block ends well, and vanishes when it does not.

    What is not ``durable`` may be lost in a power cut, and costs no wait for the disk.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        if durable:
            sync(temporary)
        _replace(temporary, path)
        if durable and hasattr(os, "O_DIRECTORY"):  # the rename survives a power cut once the directory is synced
            directory = os.open(path.parent, os.O_DIRECTORY)
            os.fsync(directory)
            os.close(directory)
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until ``path`` is on the disk."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _replace(temporary: Path, path: Path) -> None:
    for attempt in range(50):
        try:
            return os.replace(temporary, path)
        except PermissionError:  # Windows, while another process reads the old file
            if os.name == "posix" or attempt == 49:
                raise
            time.sleep(0.02)
