"""Everything a resume needs, in one file that is either the old or the new one, whenever the process dies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from gancompare.base.files import atomic_path
from gancompare.runs.history import sync_history
from gancompare.runs.layout import CHECKPOINT, RunError

AGAIN = "delete it to train this run from the start"
Stateful = Mapping[str, Any]  # name → something with state_dict and load_state_dict: nets and optimisers


def save_checkpoint(
    directory: Path,
    *,
    about: dict[str, Any],
    parts: Stateful,
    streams: Mapping[str, torch.Generator],
    progress: Any,
) -> None:
    """``about`` (hash, device, bf16) says whom the file belongs to; the rest is what ``load_checkpoint`` restores.

    ``progress``: a dataclass of numbers and tensors.
    """
    content = {"about": about, "progress": vars(progress)}
    content["streams"] = {name: rng.get_state() for name, rng in streams.items()}
    content |= {name: part.state_dict() for name, part in parts.items()}
    sync_history(directory)
    with atomic_path(directory / CHECKPOINT) as temporary:
        torch.save(content, temporary)


def load_checkpoint(
    directory: Path,
    device: torch.device,
    *,
    about: dict[str, Any],
    parts: Stateful,
    streams: Mapping[str, torch.Generator],
    progress: Any,
) -> bool:
    """Restore ``parts``, ``streams`` and ``progress`` from the checkpoint; False where there is none.

    Raises RunError for a checkpoint that cannot be read, or belongs to another config or kind of device.
    """
    path = directory / CHECKPOINT
    if not path.exists():
        return False
    try:
        content = torch.load(path, map_location=device, weights_only=True)
        written, reached = content["about"], content["progress"]
        matches = written["hash"] == about["hash"] and written["device"] == about["device"]
        if matches:
            for name, part in parts.items():
                part.load_state_dict(content[name])
            for name, rng in streams.items():
                rng.set_state(content["streams"][name].cpu())
    except Exception as error:  # a corrupt file raises whatever its parser stumbles over
        raise RunError(f"{path} cannot be read ({error}); {AGAIN}") from error
    if written["hash"] != about["hash"]:
        raise RunError(f"{path} belongs to another config; {AGAIN}")
    if not matches:  # the random streams of one kind of device cannot go on on another
        raise RunError(
            f"{path} was written on {written['device']}, this is {about['device']}: resume with "
            f"device={written['device']}, or {AGAIN}"
        )
    if written["bf16"] != about["bf16"]:
        names = {True: "bf16", False: "float32"}
        now, begun = names[about["bf16"]], names[written["bf16"]]
        print(f"note: resumed in {now}, begun in {begun} on another machine", flush=True)
    vars(progress).update(reached)
    return True
