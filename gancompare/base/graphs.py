"""One generator step on a GPU as one CUDA graph: captured once, then replayed with a single launch.

Small nets keep a GPU waiting for launches: an iteration is hundreds of short kernels. A graph replays them as they were
recorded, so whatever differs from one iteration to the next is read from tensors that are filled before a replay: which
real images, the learning rates (in the optimisers), the weight of the moving average. Random numbers come from streams
that are registered with the graph, which moves them on as eager code would. Where capture is not possible the same
function runs eagerly, and one line says why.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

EAGER_STEPS = 3  # before the capture: libraries choose kernels, optimisers make their state; training steps like others


@dataclass
class Capture:
    """An iteration that is to be captured, and the graph once it has been."""

    # (indices, weight of the moving average, sums): all device work of an iteration, adding its losses to sums
    update: Callable[[Tensor, Tensor, dict[str, Tensor]], None]
    streams: dict[str, torch.Generator]  # all that `update` draws from
    nets: Sequence[nn.Module]  # all that `update` differentiates
    indices: Tensor  # int64 (critic steps, batch size), of real images
    average_weight: Tensor  # ()
    eager_left: int = EAGER_STEPS
    refused: str = ""  # why it is not captured
    told: set[str] = field(default_factory=set)
    side: "torch.cuda.Stream | None" = None  # where warm-up and capture run; a graph cannot be captured on the default
    graph: "torch.cuda.CUDAGraph | None" = None
    found: dict[str, Tensor] = field(default_factory=dict)  # an iteration's losses, rewritten by each replay


def to_capture(update, streams, nets, shape: tuple[int, int], device: torch.device) -> Capture:
    """A Capture with buffers for indices of ``shape``; on a CPU it stays eager."""
    indices, weight = torch.zeros(shape, dtype=torch.int64, device=device), torch.zeros((), device=device)
    cuda = device.type == "cuda"
    side, refused = (torch.cuda.Stream(device), "") if cuda else (None, "there are no CUDA graphs on a CPU")
    return Capture(update, streams, nets, indices, weight, side=side, refused=refused)


def advance(capture: Capture, indices: Tensor, average_weight: float, sums: dict[str, Tensor]) -> None:
    """One iteration, replayed where that is possible; its losses are added to ``sums``, on the device."""
    if indices.shape != capture.indices.shape:
        many, few = len(indices), len(capture.indices)
        tell(capture, f"{many} critic steps per generator step run eagerly; the CUDA graph is for {few}")
        capture.average_weight.fill_(average_weight)
        capture.update(indices, capture.average_weight, sums)
        return
    capture.indices.copy_(indices)
    capture.average_weight.fill_(average_weight)
    if not (capture.refused or capture.graph or capture.eager_left):
        record(capture)
    if capture.graph:
        capture.graph.replay()
        add(sums, capture.found)
    elif capture.refused:
        tell(capture, f"training step by step, without a CUDA graph: {capture.refused}")
        capture.update(capture.indices, capture.average_weight, sums)
    else:
        warm_up(capture, sums)


def warm_up(capture: Capture, sums: dict[str, Tensor]) -> None:
    """An eager iteration on the stream of the capture. The last one refuses an iteration that waits for the device.

    To be refused before the capture is cheaper than after: a capture that fails leaves its random streams unusable.
    """
    capture.eager_left -= 1
    current = torch.cuda.current_stream()
    capture.side.wait_stream(current)
    with torch.cuda.stream(capture.side), waits() if capture.eager_left == 0 else contextlib.nullcontext([]) as seen:
        capture.update(capture.indices, capture.average_weight, sums)
    current.wait_stream(capture.side)
    if seen:
        capture.refused = f"the iteration waits for the device {len(seen)} times (an .item() in the objective?)"


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
    """Capture an iteration, which runs nothing; or note why that failed, and leave everything as it was."""
    before = {name: rng.get_state() for name, rng in capture.streams.items()}
    graph, found = torch.cuda.CUDAGraph(), {}
    try:
        for rng in capture.streams.values():
            graph.register_generator_state(rng)
        # the outer context restores the stream if the inner one fails on its way out
        with torch.cuda.stream(capture.side), torch.cuda.graph(graph, stream=capture.side):
            capture.update(capture.indices, capture.average_weight, found)
    except Exception as error:  # what an objective of the user's may raise, or CUDA of what it did
        capture.refused = f"capturing it failed ({type(error).__name__}: {(str(error).splitlines() or [''])[0]})"
        for name, state in before.items():  # the old ones believe that they are still being captured
            capture.streams[name] = torch.Generator(capture.indices.device)
            capture.streams[name].set_state(state)
        for net in capture.nets:
            net.requires_grad_(True)
            net.zero_grad()
    else:
        capture.graph, capture.found = graph, found


def add(sums: dict[str, Tensor], found: dict[str, Tensor]) -> None:
    """Add ``found`` to ``sums`` by name, in new tensors, as the next replay rewrites those of ``found``."""
    if sums.keys() == found.keys():
        sums.update(zip(found, torch._foreach_add([sums[name] for name in found], list(found.values())), strict=True))
    else:
        for name, value in found.items():
            sums[name] = sums[name] + value if name in sums else value.clone()


def tell(capture: Capture, line: str) -> None:
    if line not in capture.told:
        capture.told.add(line)
        print(f"note: {line}", flush=True)
