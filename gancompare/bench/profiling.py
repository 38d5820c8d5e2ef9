"""What a generator step costs: operations, against what the device can do at most, memory, the time of each part."""

import contextlib
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from gancompare import objectives, train
from gancompare.base import device as machine
from gancompare.config import RunConfig
from gancompare.train import Training, iteration, prepare

PARTS = ("data", "critic", "penalty", "generator", "optimizer", "logging")


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def flops(config: RunConfig, images: Tensor) -> int:
    """Floating-point operations of one generator step of ours with its critic steps: matmuls and convolutions, forward
    and backward, the penalty's second derivative among them; a multiply-add counts 2. Counted, not computed.
    """
    state = eager(config, images)
    counter = FlopCounterMode(display=False)
    # Counts by module come from hooks that torch.autograd.grad, in a penalty, refuses; the total needs none.
    counter.mod_tracker = contextlib.nullcontext()
    counter.mod_tracker.parents = {"Global"}
    with counter:
        iteration(state, {})
    return counter.get_total_flops()


def matmul_ceiling(device: torch.device, bf16: bool, sizes: tuple[int, ...] = (), repeats: int = 5) -> float:
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


@contextlib.contextmanager
def peak_memory(device: torch.device) -> Iterator[dict[str, Any]]:
    """``bytes`` that the work within takes at its peak beyond what was in use before, and ``of`` what; filled at exit.

    On a GPU: what torch allocated there. On Linux: resident memory of the process, whose high-water mark is reset
    first. Elsewhere that mark cannot be reset, so work that needs less than earlier work shows 0.
    """
    used: dict[str, Any] = {}
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield used
        used |= {"bytes": torch.cuda.max_memory_allocated(device) - before, "of": "allocated on the GPU (torch.cuda)"}
        return
    try:
        Path("/proc/self/clear_refs").write_text("5")  # resets the high-water mark VmHWM to VmRSS
        mark, before, of = (lambda: status_bytes("VmHWM")), status_bytes("VmRSS"), "resident growth (VmHWM)"
    except (OSError, StopIteration):
        mark, before, of = high_water, high_water(), "resident growth (ru_maxrss)"
    yield used
    used |= {"bytes": max(0, mark() - before), "of": of}


def status_bytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def high_water() -> int:
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@dataclass
class Laps:
    """A stopwatch with one hand: at any time exactly one part is running."""

    device: torch.device
    spent: Counter = field(default_factory=Counter)
    part: str = "critic"
    since: float = 0.0

    def switch(self, part: str) -> str:
        """Let ``part`` run from now on; returns the one that ran."""
        synchronize(self.device)
        now, before = time.perf_counter(), self.part
        self.spent[before] += now - self.since
        self.part, self.since = part, now
        return before

    def timed(self, part: str, function: Callable) -> Callable:
        """``function``, with its time given to ``part`` and not to the part that called it."""

        def run(*arguments, **named):
            before = self.switch(part)
            try:
                return function(*arguments, **named)
            finally:
                self.switch(before)

        return run


def shares(config: RunConfig, images: Tensor, steps: int = 2) -> dict[str, float]:
    """Share of an iteration's time by part, from timers around the functions that ``train.iteration`` calls.

    The generator's forward pass counts as generator also where it makes fakes for the critic. The penalty is the
    difference to critic steps whose penalty is replaced by a zero, since one backward pass serves the whole loss.
    Optimizer: zero_grad, step, clipping and the moving average. Logging: the sums of the losses, and reading them every
    ``log_every`` steps. On a GPU the parts run eagerly here, each waited for.
    """
    full = parts_ms(config, images, steps, with_penalty=True)
    penalty = 0.0
    if hasattr(objectives.METHODS[config.method], "penalty_weight"):
        penalty = max(0.0, full["critic"] - parts_ms(config, images, steps, with_penalty=False)["critic"])
    full["critic"] -= penalty
    full["penalty"] = penalty
    total = sum(full.values())
    return {part: full[part] / total for part in PARTS}


def parts_ms(config: RunConfig, images: Tensor, steps: int, with_penalty: bool) -> Counter:
    """Median milliseconds per generator step by part; see ``shares``."""
    state, sums, laps = eager(config, images), {}, Laps(machine.choose_device(config.device))
    inside = {
        "data": [(train, "next_indices"), (train, "real_images")],
        "generator": [(train, "generator_step"), (state.generator, "forward")],
        "optimizer": [
            *((optimizer, name) for optimizer in optimizers(state) for name in ("zero_grad", "step")),
            *((train, name) for name in ("set_learning_rates", "update_average")),
        ],
        "logging": [(train, "accumulate"), (train, "averages")],
    }
    rounds: list[Counter] = []
    with contextlib.ExitStack() as patches:
        for part, places in inside.items():
            for owner, name in places:
                timed = laps.timed(part, getattr(owner, name))
                patches.enter_context(mock.patch.object(owner, name, timed))
        constrain = laps.timed("optimizer", type(state.objective).constrain)
        patches.enter_context(mock.patch.object(type(state.objective), "constrain", constrain))
        if not with_penalty:
            zero = lambda *_: torch.zeros((), device=state.device)  # noqa: E731
            patches.enter_context(mock.patch.object(objectives, "gradient_penalty", zero))
        for _ in range(1 + steps):
            laps.spent.clear()
            laps.switch("critic")
            laps.spent.clear()
            iteration(state, sums)
            laps.switch("critic")
            rounds.append(laps.spent.copy())
        laps.spent.clear()
        train.averages(sums, state.objective)
        reading = laps.spent["logging"] / config.log_every
    median = {part: 1000 * statistics.median(r[part] for r in rounds[1:]) for part in PARTS}  # the first warms up
    median["logging"] += 1000 * reading
    return Counter(median)


def optimizers(state: Training) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    return state.critic_optimizer, state.generator_optimizer


def eager(config: RunConfig, images: Tensor) -> Training:
    """A fresh state whose iterations are not captured, so that what happens within them can be seen."""
    state = prepare(replace(config, conditional=False), images)
    state.capture = None
    return state
