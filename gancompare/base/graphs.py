"""One generator step on a GPU as one CUDA graph: captured once, then replayed with a single launch.

Small nets keep a GPU waiting for launches: a step is hundreds of short kernels. A graph replays them as they were
recorded, so whatever differs from one step to the next is read from tensors that are filled before a replay: which real
images, the learning rates (in the optimisers), the weight of the moving average. Random numbers come from streams that
are registered with the graph, which moves them on as eager code would. Where capture is not possible the same function
runs eagerly, and one line says why.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

EAGER_STEPS = 3  # before the capture: libraries choose kernels, optimisers make their state; training steps like others


class Recorded(NamedTuple):
    """A captured step."""

    graph: "torch.cuda.CUDAGraph"
    losses: dict[str, Tensor]  # of the step, rewritten by each replay


@dataclass(kw_only=True)
class Capture:
    """A step that ``advance`` captures after ``eager_left`` further ones, and replays from then on.

    ``update(indices, average_weight, sums)`` is all device work of a step, and adds its losses to ``sums``. It draws
    from ``streams`` alone and differentiates ``nets`` alone.
    """

    update: Callable[[Tensor, Tensor, dict[str, Tensor]], None]
    streams: dict[str, torch.Generator]
    nets: Sequence[nn.Module]
    indices: Tensor  # int64 (critic steps, batch size), of real images; filled before every step
    average_weight: Tensor = field(init=False)  # (), of the moving average; filled before every step
    side: "torch.cuda.Stream | None" = field(init=False)  # for warm-up and capture, which the default stream cannot do
    eager_left: int = EAGER_STEPS
    refused: str = ""  # why the step is not captured
    recorded: Recorded | None = None
    notes: set[str] = field(default_factory=set)  # what has been printed

    def __post_init__(self) -> None:
        device = self.indices.device
        self.average_weight = torch.zeros((), device=device)
        self.side = torch.cuda.Stream(device) if device.type == "cuda" else None
        if self.side is None:
            self.refused = "there are no CUDA graphs on a CPU"


def advance(capture: Capture, indices: Tensor, average_weight: float, sums: dict[str, Tensor]) -> None:
    """One generator step, replayed where that is possible; its losses are added to ``sums``, on the device."""
    capture.average_weight.fill_(average_weight)
    if indices.shape != capture.indices.shape:
        many, few = len(indices), len(capture.indices)
        note_once(capture, f"{many} critic steps per generator step run eagerly; the CUDA graph is for {few}")
        capture.update(indices, capture.average_weight, sums)
        return
    capture.indices.copy_(indices)
    if not (capture.refused or capture.recorded or capture.eager_left):
        record(capture)
    if capture.recorded:
        capture.recorded.graph.replay()
        add_losses(sums, capture.recorded.losses)
    elif capture.refused:
        note_once(capture, f"training step by step, without a CUDA graph: {capture.refused}")
        capture.update(capture.indices, capture.average_weight, sums)
    else:
        warm_up(capture, sums)


def warm_up(capture: Capture, sums: dict[str, Tensor]) -> None:
    """An eager step on the stream of the capture. The last one refuses a step that waits for the device.

    To be refused before the capture is cheaper than after: a capture that fails leaves its random streams unusable.
    """
    capture.eager_left -= 1
    current = torch.cuda.current_stream(capture.indices.device)
    capture.side.wait_stream(current)
    watched = waits() if capture.eager_left == 0 else contextlib.nullcontext([])
    with torch.cuda.stream(capture.side), watched as seen:
        capture.update(capture.indices, capture.average_weight, sums)
    current.wait_stream(capture.side)
    if seen:
        capture.refused = f"a step waits for the device {len(seen)} times (an .item() in the objective?)"


@contextlib.contextmanager
def waits() -> Iterator[list[str]]:
    """The operations within that make the CPU wait for the GPU, such as ``.item()``; they are carried out as usual."""
    seen: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield seen
        finally:
            torch.cuda.set_sync_debug_mode(before)
            seen += [str(w.message) for w in caught if "synchronizing CUDA operation" in str(w.message)]


def record(capture: Capture) -> None:
    """Capture a step, which runs nothing; or note why that failed, and leave everything as it was."""
    before = {name: rng.get_state() for name, rng in capture.streams.items()}
    graph, losses = torch.cuda.CUDAGraph(), {}
    try:
        for rng in capture.streams.values():
            graph.register_generator_state(rng)
        # the outer context restores the stream if the inner one fails on its way out
        with torch.cuda.stream(capture.side), torch.cuda.graph(graph, stream=capture.side):
            capture.update(capture.indices, capture.average_weight, losses)
    except Exception as error:  # whatever a user's objective raises, or CUDA because of it
        reason = (str(error).splitlines() or [""])[0]
        capture.refused = f"capturing a step failed ({type(error).__name__}: {reason})"
        for name, state in before.items():  # the old ones still count as being captured
            capture.streams[name] = torch.Generator(capture.indices.device)
            capture.streams[name].set_state(state)
        for net in capture.nets:
            net.requires_grad_(True)
            net.zero_grad()
    else:
        capture.recorded = Recorded(graph, losses)


def add_losses(sums: dict[str, Tensor], losses: dict[str, Tensor]) -> None:
    """Add ``losses`` to ``sums`` by name, in new tensors, because the next replay rewrites those of ``losses``."""
    if sums.keys() == losses.keys():
        added = torch._foreach_add([sums[name] for name in losses], list(losses.values()))
        sums.update(zip(losses, added, strict=True))
    else:
        for name, value in losses.items():
            sums[name] = sums[name] + value if name in sums else value.clone()


def note_once(capture: Capture, text: str) -> None:
    if text not in capture.notes:
        capture.notes.add(text)
        print(f"note: {text}", flush=True)
