"""Runs with random weights, unconditional and of three classes, and the command line's last word."""

import json

import nbformat
import numpy as np
import pytest
import torch
from nbformat import v4
from PIL import Image

from gancompare.__main__ import main
from gancompare.base.streams import stream
from gancompare.config import RunConfig
from gancompare.models import generator_for, initialize
from gancompare.report.page import render_html
from gancompare.runs import record, weights


@pytest.fixture
def run(make_run, tmp_path):
    return make_run(tmp_path / "run")


@pytest.fixture
def conditional(tmp_path):
    """A run of three classes whose brightness tells them apart: "ant" dark, "bee" grey, "cat" bright."""
    directory = tmp_path / "conditional"
    directory.mkdir()
    config = RunConfig(
        dataset="mnist", method="gan", profile="smoke", conditional=True, generator_norm="none",
        activation="tanh", latent_dim=4, base_channels=2,
    )  # fmt: skip
    record.begin(directory, config, {"fingerprint": "0", "num_images": 1, "classes": ["ant", "bee", "cat"]})
    net = initialize(generator_for(config.to_dict(), num_classes=3), stream(0, "net"))
    with torch.no_grad():
        for tensor in net.layers.parameters():
            tensor.copy_(tensor.abs() * 4)  # all later layers pass brightness on
        net.class_shift.weight.copy_(torch.tensor([[-1.0], [0.0], [1.0]]).expand(3, net.class_shift.embedding_dim))
    weights.save_generator(directory, net)
    record.write_status(directory, "complete", generator_steps=4)
    return directory


@pytest.fixture
def error_of(capsys):
    """A function (*arguments of the command line) → the last line that the command printed when it refused them."""

    def call(*arguments):
        assert main([str(a) for a in arguments]) == 2
        return capsys.readouterr().err.strip().splitlines()[-1]

    return call


@pytest.fixture(scope="session")
def rewrite_config():
    """A function (run, part, name, value) that changes one entry of config.json."""

    def rewrite(directory, part, name, value):
        content = json.loads((directory / "config.json").read_text())
        content[part][name] = value
        (directory / "config.json").write_text(json.dumps(content))

    return rewrite


@pytest.fixture(scope="session")
def with_a_past():
    """A function net → the net, with batch norms that have seen images: random means, variances, scales and shifts."""

    @torch.no_grad()
    def change(net):
        rng = stream(0, "past")
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                for tensor, low in ((module.running_mean, -0.5), (module.running_var, 0.5)):
                    tensor.copy_(low + torch.rand(tensor.shape, generator=rng))
                module.weight.copy_(0.5 + torch.rand(module.weight.shape, generator=rng))
                module.bias.copy_(torch.rand(module.bias.shape, generator=rng) - 0.5)
        return net

    return change


# ---- pages -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def kept(make_run, rewrite_config, with_a_past, tmp_path_factory):
    """Results with one study: two data sets, grey and colour, of three methods with sample grids; wgan has a past."""
    root = tmp_path_factory.mktemp("results")
    for dataset, channels in (("mnist", 1), ("squares", 3)):
        for method in ("gan", "wgan", "wgan-gp"):
            directory = make_run(root / "one" / dataset / method / "seed0", channels=channels, method=method)
            rewrite_config(directory, "config", "dataset", dataset)
            (directory / "samples").mkdir()
            for step in (0, 4):
                grid = np.full((8 * 30 + 2, 8 * 30 + 2), 60 * step, np.uint8)
                Image.fromarray(grid).save(directory / "samples" / f"step{step:07d}.png")
        directory = root / "one" / dataset / "wgan" / "seed0"
        weights.save_generator(directory, with_a_past(weights.load_generator(directory)))
    return root


@pytest.fixture(scope="session")
def net_of(kept):
    """A function (data set, method) → generator of a run of ``kept``."""
    return lambda dataset, method: weights.load_generator(kept / "one" / dataset / method / "seed0")


@pytest.fixture(scope="session")
def page_of():
    """A function (sections, folder) → the report page that shows nothing but these (data set, HTML)."""

    def make(sections, folder):
        cells = [v4.new_markdown_cell("# Study")]
        for name, content in sections:
            output = v4.new_output("display_data", data={"text/html": content})
            cells += [v4.new_markdown_cell(f"## Play with {name}"), v4.new_code_cell(outputs=[output])]
        nbformat.write(v4.new_notebook(cells=cells), folder / "in.ipynb")
        return render_html(folder / "in.ipynb", folder / "index.html", "Study")

    return make
