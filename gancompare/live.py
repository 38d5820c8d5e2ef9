"""Generators that run in a reader's browser: their weights inside the page, no kernel and no network.

``sections`` is what a report takes: for each data set an explorer with sliders, and animations that wait to be played,
as HTML that the page's ``live.js`` brings to life. Generators too large for that are rendered beforehand.
"""

import base64
import html
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from gancompare import generate, plots, runs
from gancompare.latents import portable, principal_directions, slerp

BUDGET, EXACT = 8 * 10**6, 4 * 10**6  # bytes that a data set's explorer may take; up to the latter weights are float16
MOST_WORK = 4 * 10**7  # multiply-adds per image, some 50 ms in a browser; above, pictures are rendered beforehand
LITTLE_WORK = 5 * 10**6  # up to here twice as many images are shown
DIRECTIONS, REACH, COLUMNS = 6, 4, 4
ATLAS_DIRECTIONS, ATLAS_STEPS, ATLAS_SIDE = 3, 9, 96  # of what is rendered beforehand: sliders, their stops, pixels
ANIMATION_BUDGET = 1_500_000  # bytes that a data set's animations may take
FRAMES, FRAME_MS, GRID_MS = 36, 100, 900  # of the way through latents; of a grid saved in training
QUALITIES = (70, 50, 30)  # of the pictures in an animation, the first that keeps to the budget
NO_WEIGHTS = (
    "<p>No generator of this study has its weights here, so there is nothing to play with. A run writes them as "
    "<code>generator.safetensors</code>; version control leaves them out.</p>"
)

Nets = dict[str, nn.Module]


def sections(results: Path, study: str) -> list[tuple[str, str]]:
    """(data set, HTML) for each data set of a study with weights. Without any: one sentence, of no data set.

    Empty for a folder without runs of its own, as a sweep is, whose cells hold generators of many kinds.
    """
    try:
        table = runs.load_study(results, study)
    except runs.RunError:
        return []
    found = []
    for dataset, of_dataset in table.groupby("dataset", sort=False):
        seed, nets, directories = with_weights(of_dataset)
        if nets:
            found.append((dataset, explorer(dataset, seed, nets) + animations(dataset, nets, directories)))
    return found or [("", NO_WEIGHTS)]


def with_weights(table: pd.DataFrame) -> tuple[int, Nets, dict[str, Path]]:
    """Of a data set's runs (rows of ``load_study``) the first seed with the most generators: it, them, their runs."""
    best: tuple[int, Nets, dict[str, Path]] = (0, {}, {})
    for seed, of_seed in table.groupby("seed"):
        directories = dict(zip(of_seed["method"], of_seed["directory"], strict=True))
        nets = {}
        for method in runs.in_order(directories):
            try:
                nets[method] = generate.load(directories[method])
            except runs.RunError:
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
    """What stands between the layers, as ``live.js`` calls it."""
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
    layers = []
    for weights, bias in folded(net):
        layer = {"bias": _base64(bias.numpy().astype("<f4"))}
        if kind == "int8":
            scale = (weights.abs().amax(dim=0) / 127).clamp(min=1e-30)
            layer |= {"scale": _base64(scale.numpy().astype("<f4"))}
            weights = (weights / scale).round()
        layers.append(layer | {"weights": _base64(weights.numpy().astype({"int8": "i1", "float16": "<f2"}[kind]))})
    directions = principal_directions(net)[0][:DIRECTIONS]
    channels, side, _ = net.unflatten.unflattened_size
    about = {"latent_dim": net.latent_dim, "channels": channels, "side": side, "activation": activation(net)}
    if net.num_classes:
        about |= {"shifts": _base64(class_shifts(net).numpy().astype("<f4"))}
    return about | {"layers": layers, "directions": _base64(directions.numpy())}


def _base64(values: np.ndarray | bytes) -> str:
    return base64.b64encode(values if isinstance(values, bytes) else values.tobytes()).decode()


# ---- the explorer ----------------------------------------------------------------------------------------------------


def explorer(dataset: str, seed: int, nets: Nets) -> str:
    """Sliders over ``nets`` as HTML: live where they are small enough, otherwise over pictures made here."""
    about = {"dataset": dataset, "reach": REACH, "latent_dim": max(net.latent_dim for net in nets.values())}
    if max(map(work, nets.values())) <= MOST_WORK:
        for kind, most in (("float16", EXACT), ("int8", BUDGET)):
            data = about | {"kind": kind, "methods": {method: packed(net, kind) for method, net in nets.items()}}
            if len(json.dumps(data)) <= most:
                count = 16 if max(map(work, nets.values())) <= LITTLE_WORK else 8
                return _form(data | {"count": count, "columns": COLUMNS}, seed, nets)
    names = [f"direction {i + 1}" for i in range(ATLAS_DIRECTIONS)] + ["way to another seed"]
    data = about | {"kind": "atlas", "columns": 2, "count": 4, "stops": ATLAS_STEPS, "sliders": names}
    return _form(data | {"methods": {method: atlas(net) for method, net in nets.items()}}, seed, nets)


def atlas(net: nn.Module) -> dict[str, Any]:
    """Four images at each stop of each slider as one JPEG: a row per slider, whose middle is where it moves nothing."""
    start, end = (portable(seed, 4, net.latent_dim) for seed in (0, 1))
    directions = principal_directions(net)[0][:ATLAS_DIRECTIONS]
    rows = [[start + amount * d for amount in np.linspace(-REACH, REACH, ATLAS_STEPS)] for d in directions]
    rows += [[slerp(start, end, t) for t in np.linspace(0, 1, ATLAS_STEPS)]]
    cells = [[_small(generate.grid(generate.render(net, z), 2), 2 * ATLAS_SIDE + 6) for z in row] for row in rows]
    width, height = cells[0][0].size
    sheet = Image.new("RGB", (width * ATLAS_STEPS, height * len(rows)), "white")
    for i, row in enumerate(cells):
        for j, cell in enumerate(row):
            sheet.paste(cell.convert("RGB"), (j * width, i * height))
    return {"picture": _data_uri(sheet, "JPEG", quality=80), "width": width, "height": height}


def _small(picture: Image.Image, most: int) -> Image.Image:
    picture = picture.convert("RGB")
    return picture if picture.width <= most else picture.resize((most, most * picture.height // picture.width))


def _data_uri(picture: Image.Image, form: str, **options: Any) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, format=form, **options)
    return f"data:image/{form.lower()};base64,{_base64(buffer.getvalue())}"


def _form(data: dict[str, Any], seed: int, nets: Nets) -> str:
    """Controls with labels, a line of text that says what is shown, a canvas per method, and the data."""
    name, methods = data["dataset"], list(nets)
    size = next(iter(nets.values())).layers[-2].out_channels, _image_size(next(iter(nets.values())))
    data |= {"channels": size[0], "size": size[1]}
    key = "live-" + "".join(c if c.isalnum() else "-" for c in name)
    live = data["kind"] != "atlas"

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
        controls += "<p>Too large to run here: these pictures were made beforehand, for one slider at a time.</p>"
        sliders = [
            slider(i, label, 0, ATLAS_STEPS - 1, 1, middle if label.startswith("direction") else 0)
            for i, label in enumerate(data["sliders"])
        ]
    canvases = "".join(
        f'<figure><canvas role="img" aria-label="{data["count"]} images by {html.escape(method)}, {html.escape(name)}" '
        f'data-method="{html.escape(method)}"></canvas>{_caption(method)}</figure>'
        for method in methods
    )
    text = json.dumps(data).replace("</", "<\\/")
    return (
        f'<div class="live" role="group" aria-label="Explorer, {html.escape(name)}" data-training-seed="{seed}">'
        f'<div class="controls">{controls}{"".join(sliders)}</div><p class="status" role="status" aria-live="polite">'
        f'Runs when scripts do.</p><div class="pictures">{canvases}</div>'
        f'<script type="application/json">{text}</script></div>'
    )


def _caption(method: str) -> str:
    return f'<figcaption style="border-color:{plots.color(method)}">{html.escape(method)}</figcaption>'


def _image_size(net: nn.Module) -> int:
    doublings = sum(isinstance(module, nn.ConvTranspose2d) for module in net.layers)
    return net.unflatten.unflattened_size[1] * 2**doublings


# ---- animations ------------------------------------------------------------------------------------------------------


def animations(dataset: str, nets: Nets, directories: dict[str, Path]) -> str:
    """A way through latents and, where grids were saved in training, these in order: still until they are played."""
    ways = {method: way(net) for method, net in nets.items()}
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


def way(net: nn.Module) -> list[Image.Image]:
    """Eight images along great circles, from the latents of seed 0 to those of 1, of 2, and back to the first."""
    ends = [portable(seed, 8, net.latent_dim) for seed in (0, 1, 2, 0)]
    steps = [divmod(3 * i / FRAMES, 1) for i in range(FRAMES)]
    frames = [generate.render(net, slerp(ends[int(leg)], ends[int(leg) + 1], t)) for leg, t in steps]
    return [_small(generate.grid(images, 4), 4 * 66 + runs.GRID_PADDING) for images in frames]


def growth(directory: Path) -> list[Image.Image]:
    """The first 24 images of every grid saved in training, each above its generator step."""
    frames = []
    for step, path in plots.saved_grids(directory).items():
        images = torch.from_numpy(plots.tiles(path)[:24].copy()).permute(0, 3, 1, 2)
        sheet = _small(generate.grid(images, 6), 6 * 66 + runs.GRID_PADDING)
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
