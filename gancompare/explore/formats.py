"""The kinds of file that a generator can be exported to, each opened again from the bytes that would be written."""

import contextlib
import importlib
import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gancompare.runs.layout import RunError
from gancompare.runs.weights import pack_weights

INPUTS, OUTPUT = ["latents", "labels"], "images"  # names in the ONNX graph

Images = Callable[..., Tensor]  # a function of latents, and of labels if the generator is conditional
Writer = Callable[[nn.Module], tuple[bytes, Images]]  # net -> the file's content, and that content as a function


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


FORMATS: dict[str, Writer] = {
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
