"""Generators that run in a reader's browser: their weights inside the page, no kernel and no network.

``sections`` is what a report takes: for each data set an explorer with sliders, and animations that wait to be played,
as HTML that the page's ``live.js`` brings to life. Generators too large for that are rendered beforehand.
"""

import base64
import html
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn
from torch.nn import functional

from gancompare import arms
from gancompare.data.pixels import to_uint8
from gancompare.explore import generate
from gancompare.explore.latents import portable, principal_directions, slerp
from gancompare.runs import grids, layout, reading

BUDGET = 8 * 10**6  # bytes that a data set may take, explorer and animations together
EXACT = 4 * 10**6  # bytes up to which an explorer's weights are float16
KINDS = {"float16": ("<f2", "in half precision"), "int8": ("i1", "in 8 bits")}  # of weights: in numpy, in words
MEASURED = 64  # images of each method that rounded weights are compared in
MOST_WORK = 4 * 10**7  # multiply-adds per image, some 50 ms in a browser; above, pictures are rendered beforehand
LITTLE_WORK = 5 * 10**6  # up to here twice as many images are shown
DIRECTIONS, REACH, COLUMNS = 6, 4, 4
ATLAS_DIRECTIONS, ATLAS_STEPS, ATLAS_SIDE = 3, 9, 96  # of what is rendered beforehand: sliders, their stops, pixels
ATLAS_QUALITIES = (80, 60, 40)  # of its JPEGs, the first that keeps to the budget
ANIMATION_BUDGET = 1_500_000  # bytes that a data set's animations may take
FRAMES, FRAME_MS, GRID_MS = 36, 100, 900  # of the way through latents; of a grid saved in training
QUALITIES = (70, 50, 30)  # of the pictures in an animation, the first that keeps to the budget
NO_WEIGHTS = (
    "<p>No generator of this study has its weights here, so there is nothing to play with. A run writes them as "
    "<code>generator.safetensors</code>; version control leaves them out.</p>"
)

ACTIVATIONS = {
    "relu": torch.relu,
    "leaky-relu": lambda x: functional.leaky_relu(x, 0.2),
    "tanh": torch.tanh,
    "elu": functional.elu,
}

Nets = dict[str, nn.Module]


def sections(results: Path, study: str) -> list[tuple[str, str]]:
    """(data set, HTML) for each data set of a study with weights. Without any: one sentence, of no data set.

    Empty for a folder without runs of its own, as a sweep is, whose cells hold generators of many kinds.
    """
    try:
        table = reading.load_runs(results, study)
    except layout.RunError:
        return []
    found = []
    for dataset, of_dataset in table.groupby("dataset", sort=False):
        seed, nets, directories = with_weights(of_dataset)
        if nets:
            moving = animations(dataset, nets, directories)
            found.append((dataset, explorer(dataset, seed, nets, BUDGET - len(moving)) + moving))
    return found or [("", NO_WEIGHTS)]


def with_weights(table: pd.DataFrame) -> tuple[int, Nets, dict[str, Path]]:
    """Of a data set's runs (rows of ``load_runs``) the first seed with the most generators: it, them, their runs."""
    best: tuple[int, Nets, dict[str, Path]] = (0, {}, {})
    for seed, of_seed in table.groupby("seed"):
        directories = dict(zip(of_seed["method"], of_seed["directory"], strict=True))
        nets = {}
        for method in arms.in_order(directories):
            try:
                nets[method] = generate.load(directories[method])
            except layout.RunError:
                continue  # it diverged, or its weights are elsewhere
        if len(nets) > len(best[1]):
            best = int(seed), nets, directories
        if len(best[1]) == table["method"].nunique():
            break
    return best


# ---- weights ---------------------------------------------------------------------------------------------------------


@torch.no_grad()
def folded(net: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """A generator in eval mode as (weights, bias) of each layer, float64, with every batch norm folded in.

    First (latent_dim, side · side · C), then (C_in · 4 · 4, C_out) of each transposed convolution at stride 2, and
    (C_in · 3 · 3, C_out) of each plain one, written as a transposed one at stride 1; all with the channel last and a
    bias (C,), without norm (side · side · C,) for the first. Between layers stands the net's activation, behind the
    last a tanh.
    """
    channels, side, _ = net.unflatten.unflattened_size
    weights = net.project.weight.double().T.reshape(-1, channels, side, side).permute(0, 2, 3, 1)
    bias, layers = torch.zeros(channels).double(), []
    if net.project.bias is not None:
        bias = net.project.bias.double().reshape(channels, side, side).permute(1, 2, 0)
    for module in net.layers:
        if isinstance(module, nn.BatchNorm2d):
            slope = module.weight.double() / (module.running_var.double() + module.eps).sqrt()
            weights, bias = weights * slope, (bias - module.running_mean.double()) * slope + module.bias.double()
        elif isinstance(module, nn.ConvTranspose2d | nn.Conv2d):
            layers.append((weights, bias))
            if isinstance(module, nn.Conv2d):
                weights = module.weight.double().flip(2, 3).permute(1, 2, 3, 0)
            else:
                weights = module.weight.double().permute(0, 2, 3, 1)
            bias = torch.zeros(weights.shape[3]).double() if module.bias is None else module.bias.double()
    layers.append((weights, bias))
    return [(layers[0][0].flatten(1), layers[0][1].flatten())] + [(w.flatten(0, 2), b) for w, b in layers[1:]]


@torch.no_grad()
def class_shifts(net: nn.Module) -> Tensor:
    """What each class adds to the first layer of a conditional generator, as ``folded``: (classes, side · side · C)."""
    channels, side, _ = net.unflatten.unflattened_size
    shifts = net.latent_dim**0.5 * net.class_shift.weight.double().reshape(-1, channels, side, side)
    if isinstance(norm := net.layers[0], nn.BatchNorm2d):
        shifts = shifts * (norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt())[:, None, None]
    return shifts.permute(0, 2, 3, 1).flatten(1)


def activation(net: nn.Module) -> str:
    """What stands between the layers, as ``live.js`` and ``ACTIVATIONS`` call it."""
    names = {nn.ReLU: "relu", nn.LeakyReLU: "leaky-relu", nn.Tanh: "tanh", nn.ELU: "elu"}
    return next(names[type(module)] for module in net.layers if not isinstance(module, nn.BatchNorm2d))


def work(net: nn.Module) -> int:
    """Multiply-adds for one image."""
    adds, side = net.project.weight.numel(), net.unflatten.unflattened_size[1]
    for module in net.layers:
        if isinstance(module, nn.ConvTranspose2d | nn.Conv2d):
            adds += module.weight.numel() * side**2
            side *= module.stride[0]
    return adds


def packed(net: nn.Module, kind: str) -> dict[str, Any]:
    """A generator as JSON can hold it: base64 of "float16", or of "int8" with a scale for each column of a layer."""
    layers, form = [], KINDS[kind][0]
    for weights, bias in folded(net):
        layer = {"bias": _base64(bias.numpy().astype("<f4"))}
        if kind == "int8":
            scale = (weights.abs().amax(dim=0) / 127).clamp(min=1e-30)
            layer |= {"scale": _base64(scale.numpy().astype("<f4"))}
            weights = (weights / scale).round()
        layers.append(layer | {"weights": _base64(weights.numpy().astype(form))})
    directions = principal_directions(net)[0][:DIRECTIONS]
    channels, side, _ = net.unflatten.unflattened_size
    about = {"latent_dim": net.latent_dim, "channels": channels, "side": side, "activation": activation(net)}
    about |= {"image_size": _image_size(net), "image_channels": net.layers[-2].out_channels}
    if net.num_classes:
        about |= {"shifts": _base64(class_shifts(net).numpy().astype("<f4"))}
    return about | {"layers": layers, "directions": _base64(directions.numpy())}


@torch.no_grad()
def drawn(about: dict[str, Any], kind: str, z: Tensor) -> Tensor:
    """What ``live.js`` makes of a ``packed`` generator and latents (N, latent_dim): uint8 images (N, C, H, W)."""

    def opened(text: str, form: str = "<f4") -> Tensor:
        return torch.from_numpy(np.frombuffer(base64.b64decode(text), form).astype(np.float32))

    x, active = z, ACTIVATIONS[about["activation"]]
    for number, layer in enumerate(about["layers"]):
        bias, weights = opened(layer["bias"]), opened(layer["weights"], KINDS[kind][0])
        if "scale" in layer:
            scale = opened(layer["scale"])
            weights = weights.reshape(-1, len(scale)) * scale
        if number == 0:
            x = x @ weights.reshape(x.shape[1], -1)
            x = x + bias.repeat(x.shape[1] // len(bias))
            if "shifts" in about:
                shifts = opened(about["shifts"]).reshape(-1, x.shape[1])
                x = x + shifts[torch.arange(len(x)) % len(shifts)]
            x = x.reshape(len(x), about["side"], about["side"], about["channels"]).permute(0, 3, 1, 2)
        else:
            across = math.isqrt(weights.numel() // (x.shape[1] * len(bias)))
            kernel = weights.reshape(x.shape[1], across, across, len(bias)).permute(0, 3, 1, 2)
            x = functional.conv_transpose2d(active(x), kernel, bias, stride=across - 2, padding=1)
    return to_uint8(x.tanh())


def rounding(net: nn.Module, about: dict[str, Any], kind: str, latent_dim: int) -> int:
    """The largest difference, of 255, between what a page with latents of ``latent_dim`` draws first and the net."""
    z = portable(0, MEASURED, latent_dim)[:, : net.latent_dim]
    return int((drawn(about, kind, z).int() - generate.render(net, z).int()).abs().max())


def _base64(values: np.ndarray | bytes) -> str:
    return base64.b64encode(values if isinstance(values, bytes) else values.tobytes()).decode()


# ---- the explorer ----------------------------------------------------------------------------------------------------


def explorer(dataset: str, seed: int, nets: Nets, most: int = BUDGET) -> str:
    """Sliders over ``nets``, of training seed ``seed``, as HTML of at most ``most`` bytes.

    Live where the nets are small enough, otherwise over pictures made here; one sentence where these are too large too.
    """
    widest = max(net.latent_dim for net in nets.values())
    about = {"dataset": dataset, "reach": REACH, "latent_dim": widest}
    if max(map(work, nets.values())) <= MOST_WORK:
        count = 16 if max(map(work, nets.values())) <= LITTLE_WORK else 8
        for kind, limit in (("float16", min(EXACT, most)), ("int8", most)):
            methods = {method: packed(net, kind) for method, net in nets.items()}
            worst = max(rounding(net, methods[method], kind, widest) for method, net in nets.items())
            text = (
                f"Generators of training seed {seed}, run by this page itself, all at the same latents: those of a "
                f"seed, moved by the sliders. Weights {KINDS[kind][1]}: at most {worst} of 255 levels from the "
                f"original in {MEASURED} images of each method."
            )
            data = about | {"kind": kind, "count": count, "columns": COLUMNS, "methods": methods}
            form = _form(data, seed, text)
            if len(form.encode()) <= limit:
                return form
    names = [f"direction {i + 1}" for i in range(ATLAS_DIRECTIONS)] + ["way to another seed"]
    data = about | {"kind": "atlas", "columns": 2, "count": 4, "stops": ATLAS_STEPS, "sliders": names}
    text = (
        f"Pictures by generators of training seed {seed}, made beforehand, as these are too large to run in a page: "
        "the same four latents for all, moved by one slider at a time, each method along directions of its own."
    )
    sheets = {method: atlas(net, widest) for method, net in nets.items()}
    for quality in ATLAS_QUALITIES:
        methods = {}
        for method, sheet in sheets.items():
            size = {"width": sheet.width // ATLAS_STEPS, "height": sheet.height // len(names)}
            size |= {"image_size": _image_size(nets[method])}
            methods[method] = size | {"picture": _data_uri(sheet, "JPEG", quality=quality)}
        form = _form(data | {"methods": methods}, seed, text)
        if len(form.encode()) <= most:
            return form
    return f"<p>The explorer of {html.escape(dataset)} would take more than {most / 1e6:.3g} MB.</p>"


def atlas(net: nn.Module, latent_dim: int) -> Image.Image:
    """Four images at each stop of each slider: a row per slider, whose middle is where a direction moves nothing.

    ``latent_dim``: of the latents; a narrower net takes the first part of each.
    """
    start, end = (portable(seed, 4, latent_dim)[:, : net.latent_dim] for seed in (0, 1))
    directions = principal_directions(net)[0][:ATLAS_DIRECTIONS]
    rows = [[start + amount * d for amount in np.linspace(-REACH, REACH, ATLAS_STEPS)] for d in directions]
    rows += [[slerp(start, end, t) for t in np.linspace(0, 1, ATLAS_STEPS)]]
    cells = [[_small(generate.grid(generate.render(net, z), 2), 2 * ATLAS_SIDE + 6) for z in row] for row in rows]
    width, height = cells[0][0].size
    sheet = Image.new("RGB", (width * ATLAS_STEPS, height * len(rows)), "white")
    for i, row in enumerate(cells):
        for j, cell in enumerate(row):
            sheet.paste(cell.convert("RGB"), (j * width, i * height))
    return sheet


def _small(picture: Image.Image, most: int) -> Image.Image:
    picture = picture.convert("RGB")
    return picture if picture.width <= most else picture.resize((most, most * picture.height // picture.width))


def _data_uri(picture: Image.Image, form: str, **options: Any) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format=form, **options)
    return f"data:image/{form.lower()};base64,{_base64(buffer.getvalue())}"


def _form(data: dict[str, Any], seed: int, text: str) -> str:
    """``text``, controls with labels, a line that says what is shown, a canvas per method, and the data."""
    name, methods, live = data["dataset"], list(data["methods"]), data["kind"] != "atlas"
    key = f"live-{html.escape(name)}"  # a data set's name as a folder: no two are alike

    def slider(i: int, label: str, low: float, high: float, step: float, value: float) -> str:
        return (
            f'<div class="slider"><label for="{key}-{i}">{label}</label><input type="range" id="{key}-{i}" '
            f'min="{low}" max="{high}" step="{step}" value="{value}"><output for="{key}-{i}">{value}</output></div>'
        )

    if live:
        options = [*methods, "each method", "single coordinates"]
        chosen = "".join(f"<option>{html.escape(option)}</option>" for option in options)
        controls = (
            f'<div class="buttons"><label for="{key}-seed">seed of latents</label><input type="number" id="{key}-seed" '
            f'class="seed" min="0" max="4294967295" step="1" value="0"><button type="button" class="shuffle">shuffle'
            f'</button><button type="button" class="reset">reset</button></div><div class="buttons"><label '
            f'for="{key}-of">directions of</label><select id="{key}-of">{chosen}</select></div>'
        )
        sliders = [slider(i, f"direction {i + 1}", -REACH, REACH, 0.1, 0) for i in range(DIRECTIONS)]
        sliders += [slider(DIRECTIONS, "way to the next seed, %", 0, 100, 1, 0)]
    else:
        middle = ATLAS_STEPS // 2
        controls = '<div class="buttons"><button type="button" class="reset">reset</button></div>'
        sliders = [
            slider(i, label, 0, ATLAS_STEPS - 1, 1, middle if label.startswith("direction") else 0)
            for i, label in enumerate(data["sliders"])
        ]
    canvases = "".join(
        f'<figure><canvas role="img" aria-label="{data["count"]} images by {html.escape(method)}, {html.escape(name)}" '
        f'data-method="{html.escape(method)}"></canvas>{_caption(method)}</figure>'
        for method in methods
    )
    inside = json.dumps(data).replace("</", "<\\/")
    return (
        f'<div class="live" role="group" aria-label="Explorer, {html.escape(name)}" data-training-seed="{seed}">'
        f'<p class="about">{text}</p><div class="controls">{controls}{"".join(sliders)}</div>'
        f'<p class="status" role="status" aria-live="polite">Runs when scripts do.</p>'
        f'<div class="pictures">{canvases}</div><script type="application/json">{inside}</script></div>'
    )


def _caption(method: str) -> str:
    return f'<figcaption style="border-color:{arms.color(method)}">{html.escape(method)}</figcaption>'


def _image_size(net: nn.Module) -> int:
    doublings = sum(isinstance(module, nn.ConvTranspose2d) for module in net.layers)
    return net.unflatten.unflattened_size[1] * 2**doublings


# ---- animations ------------------------------------------------------------------------------------------------------


def animations(dataset: str, nets: Nets, directories: dict[str, Path]) -> str:
    """A way through latents and, where grids were saved in training, these in order: still until they are played."""
    widest = max(net.latent_dim for net in nets.values())
    ways = {method: way(net, widest) for method, net in nets.items()}
    grown = {method: growth(directories[method]) for method in nets}
    grown = {method: frames for method, frames in grown.items() if len(frames) > 1}
    for quality in QUALITIES:
        parts = [_film(f"{dataset}: from seed to seed and back, the same latents for all", ways, FRAME_MS, quality)]
        if grown:
            parts.append(_film(f"{dataset}: the saved grids, as training goes on", grown, GRID_MS, quality))
        text = "".join(parts)
        if len(text) <= ANIMATION_BUDGET:
            return text
    return f"<p>The animations of {html.escape(dataset)} would take more than {ANIMATION_BUDGET / 1e6:g} MB.</p>"


def way(net: nn.Module, latent_dim: int) -> list[Image.Image]:
    """Eight images along great circles, from the latents of seed 0 to those of 1, of 2, and back to the first.

    ``latent_dim``: of the latents, as for ``atlas``.
    """
    ends = [portable(seed, 8, latent_dim)[:, : net.latent_dim] for seed in (0, 1, 2, 0)]
    steps = [divmod(3 * i / FRAMES, 1) for i in range(FRAMES)]
    frames = [generate.render(net, slerp(ends[int(leg)], ends[int(leg) + 1], t)) for leg, t in steps]
    return [_small(generate.grid(images, 4), 4 * 66 + grids.PADDING) for images in frames]


def growth(directory: Path) -> list[Image.Image]:
    """The first 24 images of every grid saved in training, each above its generator step."""
    frames = []
    for step, path in grids.saved_grids(directory).items():
        images = grids.read_grid(path)[:24]
        sheet = _small(generate.grid(images, 6), 6 * 66 + grids.PADDING)
        frame = Image.new("RGB", (sheet.width, sheet.height + 14), "white")
        frame.paste(sheet)
        ImageDraw.Draw(frame).text((4, sheet.height + 1), f"{step:,} steps", fill="black")
        frames.append(frame)
    return frames


def _film(title: str, films: dict[str, list[Image.Image]], milliseconds: int, quality: int) -> str:
    """Animations that start together, behind a button; each stands still on its last frame until then."""
    figures = []
    for method, frames in films.items():
        still = _data_uri(frames[-1], "WEBP", quality=quality)
        options = {"save_all": True, "append_images": frames[1:], "duration": milliseconds, "loop": 0}
        moving = _data_uri(frames[0], "WEBP", quality=quality, method=4, **options)
        alt = html.escape(f"{title}: {method}", quote=True)
        factor = 2 if frames[0].width < 200 else 1
        figures.append(
            f'<figure><img src="{still}" data-moving="{moving}" alt="{alt}" width="{factor * frames[0].width}" '
            f'height="{factor * frames[0].height}">{_caption(method)}</figure>'
        )
    button = f'<button type="button" hidden>Play: {html.escape(title)}</button>'
    return f'<div class="film">{button}<div class="pictures">{"".join(figures)}</div></div>'
