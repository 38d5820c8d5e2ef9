"""Gradients layer by layer, and the norms of layers, against closed forms and numpy."""

import math
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from gancompare.models import initialize
from gancompare.objectives import METHODS
from gancompare.scoring.diagnostics.health import generator_gradient_norm
from gancompare.scoring.diagnostics.layers import (
    layer_gradient_norms,
    operator_norm,
    slope_over_depth,
    spectral_norms,
)
from gancompare.scoring.diagnostics.panel import panel


@pytest.fixture
def deep_linear(chain, seeded):
    """A function: factor → five layers that stretch every vector by it, then a score; and the norm of its weights."""

    def critic_of(factor, depth=5, size=12):
        critic = chain(*(nn.Linear(size, size) for _ in range(depth)), nn.Linear(size, 1))
        with torch.no_grad():
            for k in range(1, depth + 1):
                orthogonal = torch.linalg.qr(torch.randn(size, size, generator=seeded(k), dtype=torch.float64))[0]
                critic[k].weight.copy_(factor * orthogonal)
        return critic, critic[depth + 1].weight.norm().item()

    return critic_of


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_gradients_of_a_deep_linear_critic_change_by_one_factor_a_layer(factor, images, seeded, deep_linear):
    critic, last = deep_linear(factor)
    norms = layer_gradient_norms(critic, METHODS["wgan"](), real=images(), fake=images(seed=1), rng=seeded())
    expected = {str(k): factor ** (6 - k) * last for k in range(1, 7)}
    assert norms == pytest.approx(expected, rel=1e-6)
    assert list(norms) == list(expected)  # from image to score
    # towards the image each layer multiplies by the factor, so towards the score it is divided
    assert slope_over_depth(norms.values()) == pytest.approx(-math.log(factor), abs=1e-6)
    spectral = spectral_norms(critic, images(1))
    assert spectral == pytest.approx({str(k): factor for k in range(1, 6)} | {"6": last}, rel=1e-9)


def test_slope_over_depth_is_numpys_line_through_the_logarithms():
    values = [0.3, 2.0, 0.7, 5.0]
    expected = np.polyfit(range(4), np.log(values), 1)[0]
    assert slope_over_depth(values) == pytest.approx(expected)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 0.0], [1.0, math.nan], [math.inf, 1.0]])
def test_slope_over_depth_is_none_where_there_is_no_line(values):
    assert slope_over_depth(values) is None


@pytest.mark.parametrize("method", METHODS)
def test_the_gradient_that_enters_the_first_layer_is_that_of_each_image(method, images, smooth, seeded):
    critic, real, fake = smooth, images(), images(seed=1)
    sign = 1.0 if "wgan" not in method else None

    def slope(x, of_real):  # by hand: d softplus(∓s) / ds = ∓sigmoid(∓s), and ∓1 for the Wasserstein loss
        leaf = x.clone().requires_grad_(True)
        score = critic(leaf[None]).squeeze()
        (gradient,) = torch.autograd.grad(score, leaf)
        factor = torch.sigmoid(-score if of_real else score).item() if sign else 1.0
        return factor * gradient.norm().item()

    expected = np.mean([slope(x, True) for x in real] + [slope(x, False) for x in fake])
    measured = layer_gradient_norms(critic, METHODS[method](), real=real, fake=fake, rng=seeded())
    assert measured["1"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_every_layer_of_the_shipped_critic_is_seen(method, images, shipped, seeded):
    real, fake = (images(8, seed, (1, 28, 28), torch.float32) for seed in (0, 1))
    norms = layer_gradient_norms(shipped(), METHODS[method](), real=real, fake=fake, rng=seeded())
    assert list(norms) == ["layers.0", "layers.2", "score"]
    assert all(value > 0 for value in norms.values())


def test_a_failing_objective_leaves_the_critic_as_it_was(images, shipped, seeded, assert_no_hooks):
    class Broken:
        def critic_loss(self, critic, real, fake, rng):
            raise ArithmeticError

    critic = shipped()
    with pytest.raises(ArithmeticError):
        layer_gradient_norms(critic, Broken(), real=images(), fake=images(), rng=seeded())
    assert_no_hooks(critic)


def test_layers_without_a_part_in_the_score_are_left_out(images, seeded):
    class TwoHeads(nn.Module):
        def __init__(self):
            super().__init__()
            self.unused, self.score = nn.Linear(12, 1), nn.Linear(12, 1)

        def forward(self, x):
            return self.score(x.flatten(1)).squeeze(1)

    measured = panel(
        TwoHeads().double(), METHODS["gan"](), real=images(), fake=images(seed=1), held_out=None, rng=seeded()
    )
    assert {row.where for row in measured if row.quantity in ("layer_gradient_norm", "spectral_norm")} == {"score"}


def test_gradients_far_below_the_penaltys_smallest_norm_are_still_measured(images, seeded, deep_linear):
    critic, last = deep_linear(1e-4)  # 1e-20 at the image
    norms = layer_gradient_norms(critic, METHODS["wgan"](), real=images(), fake=images(seed=1), rng=seeded())
    assert norms["1"] == pytest.approx(1e-20 * last, rel=1e-6)
    assert slope_over_depth(norms.values()) == pytest.approx(4 * math.log(10), rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_norms_do_not_depend_on_the_size_of_the_batch(method, images, smooth, seeded):
    critic, real, fake, objective = smooth, images(), images(seed=1), METHODS[method]()
    once, twice = (
        [
            layer_gradient_norms(critic, objective, **batch, rng=seeded()),
            generator_gradient_norm(critic, objective, **batch, rng=seeded()),
        ]
        for n in (1, 2)
        for batch in [{"real": real.repeat(n, 1, 1, 1), "fake": fake.repeat(n, 1, 1, 1)}]
    )
    assert once[0] == pytest.approx(twice[0], rel=1e-9)
    assert once[1] == pytest.approx(twice[1], rel=1e-9)


def matrix(layer, shape):
    """``layer`` without its bias as a matrix, a column per unit vector of inputs of ``shape``."""
    size = math.prod(shape)
    with torch.no_grad():
        units = torch.eye(size, dtype=layer.weight.dtype).view(size, *shape)
        return (layer(units) - layer(torch.zeros(1, *shape, dtype=layer.weight.dtype))).flatten(1).T.numpy()


CONVOLUTIONS = [
    nn.Conv2d(2, 3, 4, stride=2, padding=1),
    nn.Conv2d(1, 2, 3),
    nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=2, bias=False),
]


@pytest.mark.parametrize("layer", CONVOLUTIONS, ids=str)
def test_operator_norm_of_a_convolution_is_the_largest_singular_value_of_its_matrix(layer, seeded):
    layer, shape = initialize(deepcopy(layer), seeded(3)).double(), (layer.in_channels, 8, 7)
    largest = np.linalg.svd(matrix(layer, shape), compute_uv=False)[0]
    assert operator_norm(layer, (1, *shape), iterations=2000) == pytest.approx(largest, rel=1e-6)
    assert 0.9 * largest < operator_norm(layer, (1, *shape)) <= largest * (1 + 1e-9)
    kernel = layer.weight.detach().flatten(1)
    assert abs(np.linalg.norm(kernel.numpy(), 2) / largest - 1) > 0.02  # which the norm of the kernel's matrix is not


def test_operator_norm_of_a_linear_layer_is_numpys_spectral_norm():
    layer = nn.Linear(7, 4).double()
    expected = np.linalg.norm(layer.weight.detach().numpy(), 2)
    assert operator_norm(layer, (1, 7), iterations=500) == pytest.approx(expected, rel=1e-9)


def test_operator_norm_of_a_layer_of_zeros_is_zero():
    layer = nn.Conv2d(1, 2, 3)
    nn.init.zeros_(layer.weight)
    assert operator_norm(layer, (1, 1, 5, 5)) == 0


@pytest.mark.parametrize("norm", ["layer", "spectral"])
def test_spectral_norms_of_the_shipped_critic(norm, images, shipped):
    critic = shipped(norm)
    measured = spectral_norms(critic, images(1, 0, (1, 28, 28), torch.float32))
    shapes = {"layers.0": (1, 28, 28), "score": (8 * 7 * 7,)}
    convolutions = [name for name, layer in critic.named_modules() if isinstance(layer, nn.Conv2d)]
    shapes[convolutions[1]] = (4, 14, 14)
    assert measured.keys() == shapes.keys()
    for name, shape in shapes.items():
        largest = np.linalg.svd(matrix(critic.get_submodule(name), shape), compute_uv=False)[0]
        assert 0.9 * largest < measured[name] <= largest * (1 + 1e-5), name  # float32
        if norm == "spectral" and name == "score":
            assert measured[name] == pytest.approx(1, rel=0.01)
