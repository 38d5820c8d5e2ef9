"""What a generator step costs: operations, against what the device can do at most, memory, the time of each part."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from gancompare.base import device as machine
from gancompare.base.device import synchronize
from gancompare.config import RunConfig
from gancompare.data.datasets import Dataset
from gancompare.train import prepare, update

# The labels of ``train.update`` and of the penalty, as column names. In tables made before these labels existed the
# backward passes count as "critic", and as "generator" the whole generator step.
PARTS = (
    "data",
    "generator",
    "critic",
    "penalty",
    "critic_backward",
    "generator_backward",
    "optimizer",
    "logging",
)


def eager_step(config: RunConfig, images: Dataset) -> Callable[[], None]:
    """A function that makes one generator step of a fresh run on ``images``, always eagerly and without classes."""
    config, device = replace(config, conditional=False), machine.choose_device(config.device)
    nets, feed = prepare(config, images, device)
    indices = torch.arange(config.n_critic * config.batch_size, device=device) % len(feed.images)
    return partial(update, nets, feed, indices.view(config.n_critic, -1), 1 - config.ema_decay, {})


def flops(config: RunConfig, images: Dataset) -> int:
    """Floating-point operations of one generator step of ours with its critic steps: matmuls and convolutions, forward
    and backward, the penalty's second derivative among them; a multiply-add counts 2. Counted, not computed.
    """
    step = eager_step(config, images)
    counter = FlopCounterMode(display=False)
    # Counts by module come from hooks that torch.autograd.grad, in a penalty, refuses; the total needs none.
    counter.mod_tracker = contextlib.nullcontext()
    counter.mod_tracker.parents = {"Global"}
    with counter:
        step()
    return counter.get_total_flops()


def shares(config: RunConfig, images: Dataset, steps: int = 2) -> dict[str, float]:
    """Share of a generator step's time by part (``PARTS``), summing to 1, from the labels in the code that trains.

    Each part has its own time: the penalty is labelled within the critic's loss and counts there alone. It covers the
    forward pass and the first derivative; its second derivative is a part of the critic's backward pass, since one
    backward pass serves the whole loss. The generator's forward pass counts as generator also where it makes fakes for
    the critic. Optimizer: the updates, the constraint and the moving average. Logging: the sums of the losses. Time
    between the parts is left out. On a CPU the time is the processor's; on a GPU it is that of the kernels.
    """
    step, device = eager_step(config, images), machine.choose_device(config.device)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else the profiler notes its start and stop on stderr
    step()  # warms up
    on_gpu = device.type == "cuda"
    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA] if on_gpu else [ProfilerActivity.CPU]
    # The profiler relates what a thread launches to the labels of that thread, and on a GPU backward has its own.
    with torch.autograd.set_multithreading_enabled(False), profile(activities=activities) as seen:
        for _ in range(steps):
            step()
        synchronize(device)
    labels = {part: part.replace("_", " ") for part in PARTS}
    events = [event for event in seen.key_averages() if event.device_type == DeviceType.CPU]  # their kernels included
    time_of = {event.key: event.device_time_total if on_gpu else event.cpu_time_total for event in events}
    spent = {part: time_of.get(label, 0.0) for part, label in labels.items()}
    spent["critic"] -= spent["penalty"]
    total = sum(spent.values())
    return {part: value / total for part, value in spent.items()}


def matmul_ceiling(device: torch.device, bf16: bool, *, sizes: tuple[int, ...] = (), repeats: int = 5) -> float:
    """Operations per second of the fastest of some square matmuls in the precision of training.

    In float32 on a GPU they may use TF32, as convolutions do.
    """
    sizes = sizes or ((4096, 8192) if device.type == "cuda" else (1024, 2048))
    allowed = torch.get_float32_matmul_precision()
    best = 0.0
    try:
        if device.type == "cuda":
            torch.set_float32_matmul_precision("high")
        for size in sizes:
            a, b = (torch.ones(size, size, device=device, dtype=torch.bfloat16 if bf16 else None) for _ in range(2))
            out = a @ b
            for _ in range(repeats):
                synchronize(device)
                started = time.perf_counter()
                torch.matmul(a, b, out=out)
                synchronize(device)
                best = max(best, 2 * size**3 / (time.perf_counter() - started))
    finally:
        torch.set_float32_matmul_precision(allowed)
    return best


@dataclass
class Memory:
    bytes: int = 0
    kind: str = ""  # what the bytes are of


@contextlib.contextmanager
def peak_memory(device: torch.device) -> Iterator[Memory]:
    """What the work within takes at its peak beyond what was in use before; filled in when the block ends.

    On a GPU: what torch allocated there. On Linux: resident memory of the process, whose high-water mark is reset
    first. Elsewhere that mark cannot be reset, so work that needs less than earlier work shows 0.
    """
    used = Memory()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield used
        used.bytes, used.kind = torch.cuda.max_memory_allocated(device) - before, "allocated on the GPU (torch.cuda)"
        return
    try:
        Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark VmHWM to VmRSS
        mark, before, used.kind = partial(status_bytes, "VmHWM"), status_bytes("VmRSS"), "resident growth (VmHWM)"
    except (OSError, StopIteration):
        mark, before, used.kind = high_water, high_water(), "resident growth (ru_maxrss)"
    yield used
    used.bytes = max(0, mark() - before)


def status_bytes(name: str) -> int:
    """An entry of this process's status under Linux, such as VmRSS, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def high_water() -> int:
    """The most bytes that this process has had resident so far."""
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
