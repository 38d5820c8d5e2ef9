"""Everything a resume needs, in one file that is either the old or the new one, whenever the process dies."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gancompare.base.files import atomic_path
from gancompare.runs.history import sync_history
from gancompare.runs.layout import CHECKPOINT, RunError

RESTART = "delete it to train this run from the start"


@dataclass(frozen=True)
class Contents:
    """What a checkpoint saves from, and restores into."""

    about: dict[str, Any]  # hash, device and bf16: whom the file belongs to
    parts: Mapping[str, Any]  # name → a net or an optimiser
    streams: Mapping[str, torch.Generator]
    progress: Any  # a dataclass of numbers and tensors


def save_checkpoint(directory: Path, contents: Contents) -> None:
    written = {"about": contents.about, "progress": vars(contents.progress)}
    written["streams"] = {name: rng.get_state() for name, rng in contents.streams.items()}
    written |= {name: part.state_dict() for name, part in contents.parts.items()}
    sync_history(directory)
    with atomic_path(directory / CHECKPOINT) as temporary:
        torch.save(written, temporary)


def load_checkpoint(directory: Path, contents: Contents, device: torch.device) -> bool:
    """Restore parts, streams and progress of ``contents`` from the checkpoint; False where there is none.

    Raises RunError for a checkpoint that cannot be read, or belongs to another config or kind of device.
    """
    path, about = directory / CHECKPOINT, contents.about
    if not path.exists():
        return False
    try:
        written = torch.load(path, map_location=device, weights_only=True)
        if not {"about", "progress"} <= written.keys():
            raise KeyError("written by another version of gancompare")
        of_file, reached = written["about"], written["progress"]
        matches = of_file["hash"] == about["hash"] and of_file["device"] == about["device"]
        if matches:
            for name, part in contents.parts.items():
                part.load_state_dict(written[name])
            for name, rng in contents.streams.items():
                rng.set_state(written["streams"][name].cpu())
    except Exception as error:  # a corrupt file raises whatever its parser stumbles over
        raise RunError(f"{path} cannot be read ({error}); {RESTART}") from error
    if of_file["hash"] != about["hash"]:
        raise RunError(f"{path} belongs to another config; {RESTART}")
    if not matches:  # the random streams of one kind of device cannot go on on another
        raise RunError(
            f"{path} was written on {of_file['device']}, this is {about['device']}: resume with "
            f"device={of_file['device']}, or {RESTART}"
        )
    if of_file["bf16"] != about["bf16"]:
        names = {True: "bf16", False: "float32"}
        now, begun = names[about["bf16"]], names[of_file["bf16"]]
        print(f"note: resumed in {now}, begun in {begun} on another machine", flush=True)
    vars(contents.progress).update(reached)
    return True
