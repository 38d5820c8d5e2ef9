"""The rows and sample grids of a run as TensorBoard events."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gancompare.config import ConfigError
from gancompare.runs.grids import grid_path


def event_writer(directory: Path) -> Callable[[dict[str, Any]], None]:
    """A function that writes a row of the history, and the sample grid of its step, as TensorBoard events.

    Raises ConfigError without the package tensorboard.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError("tensorboard=True needs the package tensorboard: pip install tensorboard") from error
    writer = None

    def write(row: dict[str, Any]) -> None:
        nonlocal writer
        step = row["generator_steps"]
        # opened at the first row: after a resume, events past the checkpoint are superseded
        writer = writer or SummaryWriter(directory / "tensorboard", purge_step=step)
        for name, value in row.items():
            if value is not None:
                writer.add_scalar(name, value, step)
        if (path := grid_path(directory, step)).exists():
            writer.add_image("samples", np.asarray(Image.open(path)), step, dataformats="HWC")
        writer.flush()

    return write
