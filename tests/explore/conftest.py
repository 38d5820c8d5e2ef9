"""Runs with random weights, unconditional and of three classes, and the command line's last word."""

import json

import pytest
import torch

from gancompare.__main__ import main
from gancompare.base.streams import stream
from gancompare.config import RunConfig
from gancompare.models import generator_for, initialize
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
