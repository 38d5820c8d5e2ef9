"""A trained generator → one file that other programs can run, written only after it gave the same images as here."""

import contextlib
import importlib
import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gancompare.base.files import write_atomically
from gancompare.base.streams import fixed_latents
from gancompare.explore.finished import open_generator
from gancompare.runs.layout import CONFIG, WEIGHTS, RunError
from gancompare.runs.record import read_config
from gancompare.runs.weights import pack_weights

TOLERANCE = 1e-4  # of images in [-1, 1]: an eightieth of a grey level, far above float32 rounding in these nets
HALF_TOLERANCE = 1 / 127.5  # a grey level, about four times what rounding to 11 bits does to trained generators
BATCHES = (1, 2, 7)  # checked; the file must not have one of them built in
INPUTS, OUTPUT = ["latents", "labels"], "images"  # names in the ONNX graph

Images = Callable[..., Tensor]  # of latents, and of labels


def export(
    run: str | Path,
    form: str,
    output: str | Path,
    *,
    checkpoint: str = "last",
    force: bool = False,
    half: bool = False,
) -> float:
    """Write the generator of ``run`` to the file ``output`` as ``form``; returns the largest difference in its images.

    The file maps latents (B, latent_dim), and for a conditional run labels (B,) int64, to images (B, C, H, W) in
    [-1, 1], float32, any B. "onnx": inputs ``latents`` (and ``labels``), output ``images``; "torchscript": for
    ``torch.jit.load``; "torch-export": for ``torch.export.load``, named *.pt2; "safetensors": the weights, with the
    run's ``config.json`` beside them, for ``load_generator`` of their folder, which knows only the names in
    ``layout.WEIGHTS``; ``half`` rounds them to float16, half as large, which ``load_generator`` widens again.
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
    content, reopened = to_safetensors(net, half) if half else FORMATS[form](net)
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


def to_onnx(net: nn.Module) -> tuple[bytes, Images]:
    onnx_needs = ("onnx", "onnxscript", "onnxruntime")
    runtime = [need(name, "onnx", onnx_needs) for name in onnx_needs][-1]
    given = example(net)
    names = INPUTS[: len(given)]
    with quiet():
        program = torch.onnx.export(
            net,
            given,
            dynamo=True,
            input_names=names,
            output_names=[OUTPUT],
            dynamic_shapes=any_batch(given),
            verbose=False,
        )
    content = program.model_proto.SerializeToString()
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(*given: Tensor) -> Tensor:
        values = {name: value.numpy() for name, value in zip(names, given, strict=True)}
        return torch.from_numpy(np.asarray(session.run([OUTPUT], values)[0]))

    return content, run


def to_torchscript(net: nn.Module) -> tuple[bytes, Images]:
    buffer = io.BytesIO()
    with quiet(), torch.no_grad():
        torch.jit.save(torch.jit.trace(net, example(net), check_trace=False), buffer)
        reopened = torch.jit.load(io.BytesIO(buffer.getvalue()), map_location="cpu")
    return buffer.getvalue(), reopened


def to_torch_export(net: nn.Module) -> tuple[bytes, Images]:
    buffer = io.BytesIO()
    with quiet(), torch.no_grad():
        given = example(net)
        program = torch.export.export(net, given, dynamic_shapes=any_batch(given))
        torch.export.save(program, buffer)
        reopened = torch.export.load(io.BytesIO(buffer.getvalue())).module()
    return buffer.getvalue(), reopened


def to_safetensors(net: nn.Module, half: bool = False) -> tuple[bytes, Images]:
    library = need("safetensors.torch", "safetensors", ("safetensors",))
    content = pack_weights(net, half)
    kinds = {name: tensor.dtype for name, tensor in net.state_dict().items()}
    reopened = {name: tensor.to(kinds[name]) for name, tensor in library.load(content).items()}
    return content, lambda *given: torch.func.functional_call(net, reopened, given)


# each returns the file and, opened again, the file as a function
FORMATS: dict[str, Callable[[nn.Module], tuple[bytes, Images]]] = {
    "onnx": to_onnx,
    "torchscript": to_torchscript,
    "torch-export": to_torch_export,
    "safetensors": to_safetensors,
}


def inputs(net: nn.Module, latents: Tensor) -> tuple[Tensor, ...]:
    """What the generator takes: latents, and labels if it is conditional."""
    labels = net.in_turn(len(latents))
    return (latents,) if labels is None else (latents, labels)


def example(net: nn.Module) -> tuple[Tensor, ...]:
    return inputs(net, torch.zeros(2, net.latent_dim))  # 2: a batch of 1 would be taken for a constant


def any_batch(given: tuple[Tensor, ...]) -> tuple[dict, ...]:
    batch = torch.export.Dim("batch")
    return tuple({0: batch} for _ in given)


def need(module: str, form: str, packages: tuple[str, ...]) -> Any:
    """The module. Raises a RunError that names the packages to install if it cannot be imported."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise RunError(
            f"--format {form} needs the package {module.split('.')[0]} ({error}): pip install {' '.join(packages)}"
        ) from error


@contextlib.contextmanager
def quiet():
    """Silence exporters, which warn of their own future and print what they do."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
