"""A trained generator → one file that other programs can run, written only after it gave the same images as here."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from gancompare.base.files import write_atomically
from gancompare.base.streams import fixed_latents
from gancompare.explore.finished import open_generator
from gancompare.explore.formats import FORMATS, Images, Writer, inputs, to_safetensors
from gancompare.runs.layout import CONFIG, WEIGHTS, RunError
from gancompare.runs.record import read_config

TOLERANCE = 1e-4  # of images in [-1, 1]: an eightieth of a grey level, far above float32 rounding in these nets
HALF_TOLERANCE = 1 / 127.5  # a grey level, about four times what rounding to 11 bits does to trained generators
BATCHES = (1, 2, 7)  # checked; the file must not have one of them built in


def export(
    run: str | Path,
    form: str,
    output: str | Path,
    *,
    checkpoint: str = "last",
    force: bool = False,
    half: bool = False,
    formats: Mapping[str, Writer] = FORMATS,
) -> float:
    """Write the generator of ``run`` to the file ``output`` as ``form``; returns the largest difference in its images.

    The file maps latents (B, latent_dim), and for a conditional run labels (B,) int64, to images (B, C, H, W) in
    [-1, 1], float32, any B. "onnx": inputs ``latents`` (and ``labels``), output ``images``; "torchscript": for
    ``torch.jit.load``; "torch-export": for ``torch.export.load``, named *.pt2; "safetensors": the weights, with the
    run's ``config.json`` beside them, for ``load_generator`` of their folder, which knows only the names in
    ``layout.WEIGHTS``; ``half`` rounds them to float16, half as large, which ``load_generator`` widens again.
    ``formats`` may add other kinds of file: what they write is checked in the same way.
    Raises RunError for a run without usable weights, a file that exists (unless ``force``), a name that
    ``load_generator`` would not find, a missing package, and images that differ by more than ``TOLERANCE``
    (``HALF_TOLERANCE``) from the run's; then nothing is written.
    """
    output, tolerance = Path(output), HALF_TOLERANCE if half else TOLERANCE
    if half and form != "safetensors":
        raise RunError(f"--half with --format {form}: only safetensors hold half precision; leave out --half")
    if form == "safetensors" and output.name not in WEIGHTS.values():
        names = " or ".join(WEIGHTS.values())
        raise RunError(f"--output {output}: load_generator finds safetensors by their name; call it {names}")
    config = output.with_name(CONFIG) if form == "safetensors" else None
    net = open_generator(run, checkpoint=checkpoint)
    text = json.dumps(read_config(Path(run)), indent=2) + "\n"
    check_output(output, config, text, force=force)
    content, reopened = to_safetensors(net, half) if half else formats[form](net)
    worst = largest_difference(net, reopened, form)
    if not worst <= tolerance:
        raise RunError(f"{form}: images differ from the run's by {worst:.1e} > {tolerance:.0e}; nothing written")
    try:
        output.absolute().parent.mkdir(parents=True, exist_ok=True)
        if config:
            write_atomically(config, text.encode())
        write_atomically(output, content)
    except OSError as error:
        raise RunError(f"--output {output} cannot be written: {error}") from error
    return worst


def check_output(output: Path, config: Path | None, text: str, *, force: bool) -> None:
    """Raise RunError if ``output``, or a config.json of another run beside it, would be overwritten."""
    if output.is_dir():
        raise RunError(f"--output {output} is a folder: give a file")
    if force:
        return
    if output.exists():
        raise RunError(f"--output {output} exists: give another name, or --force to replace it")
    if config and config.exists() and config.read_text(errors="replace") != text:
        raise RunError(f"{config} exists and is of another run: choose another folder, or --force to replace it")


def largest_difference(net: nn.Module, reopened: Images, form: str) -> float:
    """Between the images of both for the same latents, in batches of several sizes; NaN if any difference is.

    Raises RunError if the shapes differ.
    """
    differences = []
    for count in BATCHES:
        given = inputs(net, fixed_latents(0, f"export {count}", count, net.latent_dim))
        expected, images = net(*given), reopened(*given)
        if images.shape != expected.shape:
            raise RunError(f"{form}: {count} latents gave images of shape {tuple(images.shape)}; nothing written")
        differences.append((images - expected).abs().max())
    return float(torch.stack(differences).max())
