"""What this machine has: devices, arithmetic, cores, memory."""

import contextlib
import ctypes
import os
import platform
import re
from pathlib import Path
from typing import Any

import torch

from gancompare.base.errors import UserError


class DeviceError(UserError, ValueError):
    """A device that is not there; the message names it and the remedy."""


def choose_device(name: str) -> torch.device:
    """``auto`` takes CUDA where there is one. Raises DeviceError for a CUDA device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"device={name!r}: torch sees {torch.cuda.device_count()} CUDA devices; use device=auto or cpu"
        )
    return device


def choose_bf16(precision: str, device: torch.device) -> bool:
    """Whether to autocast to bf16: as asked, or under ``auto`` where the hardware computes in it.

    $GANCOMPARE_BF16, 0 or 1, decides in place of the hardware.
    """
    if precision != "auto":
        return precision == "bf16"
    if os.environ.get("GANCOMPARE_BF16") in ("0", "1"):
        return os.environ["GANCOMPARE_BF16"] == "1"
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    # Elsewhere bf16 is emulated and slower than float32. The queries are torch-internal, hence the guard.
    queries = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, query, lambda: False)() for query in queries)


def device_name(device: torch.device) -> str:
    """Of the GPU or the processor, as its maker calls it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Cores this process may use: a container or a scheduler may grant fewer than the machine has."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with contextlib.suppress(OSError, ValueError):  # "max 100000" where there is no limit
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, max(1, int(quota) // int(period)))
    return cores


def available_memory() -> int | None:
    """Bytes that can still be allocated, or None where the system does not say."""
    limits = []
    with contextlib.suppress(OSError, AttributeError):
        limits.append(int(re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text()).group(1)) * 1024)
    with contextlib.suppress(OSError, ValueError):  # a container's limit; "max" where there is none
        limits.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(limits, default=None)


def keep_freed_memory() -> None:
    """Let this process keep the memory that tensors free, for the next step, up to what it held at its peak.

    glibc hands large blocks back at once, and the system clears every page of them again: on two cores a generator step
    of wgan-gp at 28×28 took 1.2 times as long. Elsewhere than with glibc nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(-4, 0)  # M_MMAP_MAX: every block from the heap
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD, bytes: the heap does not shrink


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has done all it was given; a CPU has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def describe(device: torch.device, bf16: bool) -> dict[str, Any]:
    """What a measured time depends on."""
    return {
        "processor": device_name(device),
        "threads": torch.get_num_threads(),
        "arithmetic": "bf16" if bf16 else "float32",
        "torch": torch.__version__,
    }
