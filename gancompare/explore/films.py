"""Frames → animated GIF or H.264 film."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from gancompare.explore.pictures import encoded
from gancompare.runs.layout import RunError

FRAME_MS = 80  # of a way through latent space


def gif(frames: Sequence[Image.Image], milliseconds: int | list[int] = FRAME_MS) -> bytes:
    """An endless animation; ``milliseconds`` for every frame, or a list with one number for each."""
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)


def mp4(frames: Sequence[Image.Image], milliseconds: int = FRAME_MS) -> bytes:
    """A film in H.264 that every browser plays: yuv420p needs even sides, so an odd side grows by one pixel.

    Raises RunError if the packages that it needs are missing.
    """
    try:
        import imageio.v3 as imageio
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise RunError(f"MP4 needs more packages ({error}): pip install imageio imageio-ffmpeg") from error
    pixels = np.stack([np.asarray(frame.convert("RGB")) for frame in frames])
    odd = [(0, side % 2) for side in pixels.shape[1:3]]
    options = {"fps": 1000 / milliseconds, "codec": "libx264", "pixelformat": "yuv420p", "macro_block_size": 2}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        imageio.imwrite(path, np.pad(pixels, [(0, 0), *odd, (0, 0)], "edge"), plugin="FFMPEG", quality=8, **options)
        return path.read_bytes()
