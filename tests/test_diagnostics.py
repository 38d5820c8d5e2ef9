import math
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from gancompare.models import CRITIC_NORMS, Critic, initialize
from gancompare.objectives import METHODS
from gancompare.scoring import diagnostics

SHAPE = (1, 3, 4)  # of an image of these tests


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def images(count=6, seed=0, shape=SHAPE, dtype=torch.float64):
    return torch.rand(count, *shape, generator=rng(seed), dtype=dtype) * 2 - 1


def chain(*layers):
    """A critic of ``layers`` on flat images, in float64."""
    return nn.Sequential(nn.Flatten(1), *layers, nn.Flatten(0)).double()


def linear(size=12, seed=0):
    """A critic w·x + b, and w."""
    critic = chain(nn.Linear(size, 1))
    with torch.no_grad():
        critic[1].weight.copy_(torch.randn(1, size, generator=rng(seed), dtype=torch.float64))
        critic[1].bias.fill_(0.3)
    return critic, critic[1].weight.detach().flatten()


def smooth(seed=0):
    """A small critic that is nowhere linear."""
    return initialize(chain(nn.Linear(12, 5), nn.Tanh(), nn.Linear(5, 1)), rng(seed))


def shipped(norm="layer", channels=1):
    critic = initialize(Critic(28, channels, 4, norm), rng(1))
    critic(images(8, 5, (channels, 28, 28), torch.float32))  # a batch norm's statistics are not the initial ones now
    return critic.eval()


def by_place(found):
    return {(quantity, where): value for quantity, where, value in found}


# ---- slopes ----


def test_a_linear_critic_has_the_norm_of_its_weights_as_slope_everywhere():
    critic, w = linear()
    found = by_place(diagnostics.panel(critic, METHODS["wgan"](), images(), images(seed=1), images(seed=2), rng()))
    norm = np.linalg.norm(w.numpy())
    for where in ("real", "fake", "interpolated"):
        for name in ("q05", "q25", "q50", "q75", "q95", "mean"):
            assert found[f"gradient_norm_{name}", where] == pytest.approx(norm, rel=1e-9)
    assert 0 < found["lipschitz", "lines"] <= norm
    assert found["layer_gradient_norm", "1"] == pytest.approx(norm, rel=1e-9)
    assert found["spectral_norm", "1"] == pytest.approx(norm, rel=1e-9)


def test_slopes_of_images_are_told_apart():
    critic = chain(nn.Linear(12, 1), nn.Softplus())  # slope sigmoid(w·x) ‖w‖
    w, b = critic[1].weight.detach().flatten(), critic[1].bias.item()
    x = images()
    expected = torch.sigmoid(x.flatten(1) @ w + b) * w.norm()
    torch.testing.assert_close(diagnostics.input_gradient_norms(critic, x), expected)


def test_distribution_is_numpys():
    values = torch.rand(37, generator=rng(), dtype=torch.float64)
    found = diagnostics.distribution(values)
    for name, q in diagnostics.QUANTILES.items():
        assert found[name] == pytest.approx(np.quantile(values.numpy(), q))
    assert found["mean"] == pytest.approx(values.numpy().mean())


def test_lipschitz_estimate_of_a_linear_critic_is_exact_along_its_weights():
    critic, w = linear()
    fake = images(seed=1)
    along = fake + torch.tensor([0.1, -0.2, 0.3, 0.01, 1, 2], dtype=torch.float64).view(-1, 1, 1, 1) * w.view(SHAPE)
    assert diagnostics.lipschitz_estimate(critic, along, fake) == pytest.approx(w.norm().item(), rel=1e-9)
    other = images(seed=2)
    apart = (other - fake).flatten(1)
    expected = ((apart @ w).abs() / apart.norm(dim=1)).max().item()
    assert diagnostics.lipschitz_estimate(critic, other, fake) == pytest.approx(expected, rel=1e-9)


def test_lipschitz_estimate_sees_a_part_of_a_line_that_is_steeper_than_the_whole():
    critic = chain(nn.Linear(12, 1, bias=False), nn.ReLU())
    w = critic[1].weight.detach().flatten()
    real = (w / w.norm()).view(1, *SHAPE)  # from -w to w the critic is flat for the first half
    assert diagnostics.lipschitz_estimate(critic, real, -real) == pytest.approx(w.norm().item(), rel=1e-9)
    assert diagnostics.lipschitz_estimate(critic, real, -real, points=2) == pytest.approx(w.norm().item() / 2, rel=1e-9)


def test_lipschitz_estimate_of_equal_images_is_zero():
    critic, w = linear()
    x = images()
    assert diagnostics.lipschitz_estimate(critic, x, x) == 0
    one_apart = x.clone()
    one_apart[2] += w.view(SHAPE)
    assert diagnostics.lipschitz_estimate(critic, one_apart, x) == pytest.approx(w.norm().item(), rel=1e-9)


# ---- layers ----


def deep_linear(factor, depth=5, size=12):
    """Layers that stretch every vector by ``factor``, then a score; and the norm of the score's weights."""
    critic = chain(*(nn.Linear(size, size) for _ in range(depth)), nn.Linear(size, 1))
    with torch.no_grad():
        for k in range(1, depth + 1):
            orthogonal = torch.linalg.qr(torch.randn(size, size, generator=rng(k), dtype=torch.float64))[0]
            critic[k].weight.copy_(factor * orthogonal)
    return critic, critic[depth + 1].weight.norm().item()


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_gradients_of_a_deep_linear_critic_change_by_one_factor_a_layer(factor):
    critic, last = deep_linear(factor)
    norms = diagnostics.layer_gradient_norms(critic, METHODS["wgan"](), images(), images(seed=1), rng())
    expected = {str(k): factor ** (6 - k) * last for k in range(1, 7)}
    assert norms == pytest.approx(expected, rel=1e-6)
    assert list(norms) == list(expected)  # from image to score
    found = [("layer_gradient_norm", name, value) for name, value in norms.items()]
    # towards the image each layer multiplies by the factor, so towards the score it is divided
    assert diagnostics.slope_over_depth(found) == pytest.approx(-math.log(factor), abs=1e-6)
    spectral = diagnostics.spectral_norms(critic, images(1))
    assert spectral == pytest.approx({str(k): factor for k in range(1, 6)} | {"6": last}, rel=1e-9)


def test_slope_over_depth_is_numpys_line_through_the_logarithms():
    values = [0.3, 2.0, 0.7, 5.0]
    found = [("layer_gradient_norm", str(i), v) for i, v in enumerate(values)] + [("spectral_norm", "0", 9.0)]
    expected = np.polyfit(range(4), np.log(values), 1)[0]
    assert diagnostics.slope_over_depth(found) == pytest.approx(expected)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 0.0], [1.0, math.nan], [math.inf, 1.0]])
def test_slope_over_depth_is_none_where_there_is_no_line(values):
    assert diagnostics.slope_over_depth([("layer_gradient_norm", str(i), v) for i, v in enumerate(values)]) is None


@pytest.mark.parametrize("method", METHODS)
def test_the_gradient_that_enters_the_first_layer_is_that_of_each_image(method):
    critic, real, fake = smooth(), images(), images(seed=1)
    sign = 1.0 if "wgan" not in method else None

    def slope(x, of_real):  # by hand: d softplus(∓s) / ds = ∓sigmoid(∓s), and ∓1 for the Wasserstein loss
        leaf = x.clone().requires_grad_(True)
        score = critic(leaf[None]).squeeze()
        (gradient,) = torch.autograd.grad(score, leaf)
        factor = torch.sigmoid(-score if of_real else score).item() if sign else 1.0
        return factor * gradient.norm().item()

    expected = np.mean([slope(x, True) for x in real] + [slope(x, False) for x in fake])
    found = diagnostics.layer_gradient_norms(critic, METHODS[method](), real, fake, rng())
    assert found["1"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_layers_are_seen_whether_real_and_fake_are_scored_in_one_pass_or_two(method):
    real, fake = (images(8, seed, (1, 28, 28), torch.float32) for seed in (0, 1))
    critic, twin = shipped(), shipped()
    assert critic.scores_each_alone is True
    del twin.scores_each_alone
    norms = [diagnostics.layer_gradient_norms(c, METHODS[method](), real, fake, rng()) for c in (critic, twin)]
    assert list(norms[0]) == ["layers.0", "layers.2", "score"]
    assert all(value > 0 for value in norms[0].values())
    assert norms[0] == norms[1]
    assert critic.scores_each_alone is True
    assert not hasattr(twin, "scores_each_alone")


def test_a_failing_objective_leaves_the_critic_as_it_was():
    class Broken:
        def critic_loss(self, critic, real, fake, rng):
            raise ArithmeticError

    critic = shipped()
    with pytest.raises(ArithmeticError):
        diagnostics.layer_gradient_norms(critic, Broken(), images(), images(), rng())
    assert critic.scores_each_alone is True
    assert_no_hooks(critic)


def test_layers_without_a_part_in_the_score_are_left_out():
    class TwoHeads(nn.Module):
        def __init__(self):
            super().__init__()
            self.unused, self.score = nn.Linear(12, 1), nn.Linear(12, 1)

        def forward(self, x):
            return self.score(x.flatten(1)).squeeze(1)

    found = diagnostics.panel(TwoHeads().double(), METHODS["gan"](), images(), images(seed=1), None, rng())
    assert {where for name, where, _ in found if name in ("layer_gradient_norm", "spectral_norm")} == {"score"}


def test_gradients_far_below_the_penaltys_smallest_norm_are_still_measured():
    critic, last = deep_linear(1e-4)  # 1e-20 at the image
    norms = diagnostics.layer_gradient_norms(critic, METHODS["wgan"](), images(), images(seed=1), rng())
    assert norms["1"] == pytest.approx(1e-20 * last, rel=1e-6)
    found = [("layer_gradient_norm", name, value) for name, value in norms.items()]
    assert diagnostics.slope_over_depth(found) == pytest.approx(4 * math.log(10), rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_norms_do_not_depend_on_the_size_of_the_batch(method):
    critic, real, fake, objective = smooth(), images(), images(seed=1), METHODS[method]()
    once, twice = (
        diagnostics.layer_gradient_norms(critic, objective, real.repeat(n, 1, 1, 1), fake.repeat(n, 1, 1, 1), rng())
        for n in (1, 2)
    )
    assert once == pytest.approx(twice, rel=1e-9)
    assert diagnostics.generator_gradient_norm(critic, objective, fake) == pytest.approx(
        diagnostics.generator_gradient_norm(critic, objective, fake.repeat(3, 1, 1, 1)), rel=1e-9
    )


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
def test_operator_norm_of_a_convolution_is_the_largest_singular_value_of_its_matrix(layer):
    layer, shape = initialize(deepcopy(layer), rng(3)).double(), (layer.in_channels, 8, 7)
    largest = np.linalg.svd(matrix(layer, shape), compute_uv=False)[0]
    assert diagnostics.operator_norm(layer, (1, *shape), iterations=2000) == pytest.approx(largest, rel=1e-6)
    assert 0.9 * largest < diagnostics.operator_norm(layer, (1, *shape)) <= largest * (1 + 1e-9)
    kernel = layer.weight.detach().flatten(1)
    assert abs(np.linalg.norm(kernel.numpy(), 2) / largest - 1) > 0.02  # which the norm of the kernel's matrix is not


def test_operator_norm_of_a_linear_layer_is_numpys_spectral_norm():
    layer = nn.Linear(7, 4).double()
    expected = np.linalg.norm(layer.weight.detach().numpy(), 2)
    assert diagnostics.operator_norm(layer, (1, 7), iterations=500) == pytest.approx(expected, rel=1e-9)


def test_operator_norm_of_a_layer_of_zeros_is_zero():
    layer = nn.Conv2d(1, 2, 3)
    nn.init.zeros_(layer.weight)
    assert diagnostics.operator_norm(layer, (1, 1, 5, 5)) == 0


@pytest.mark.parametrize("norm", ["layer", "spectral"])
def test_spectral_norms_of_the_shipped_critic(norm):
    critic = shipped(norm)
    found = diagnostics.spectral_norms(critic, images(1, 0, (1, 28, 28), torch.float32))
    shapes = {"layers.0": (1, 28, 28), "score": (8 * 7 * 7,)}
    convolutions = [name for name, layer in critic.named_modules() if isinstance(layer, nn.Conv2d)]
    shapes[convolutions[1]] = (4, 14, 14)
    assert found.keys() == shapes.keys()
    for name, shape in shapes.items():
        largest = np.linalg.svd(matrix(critic.get_submodule(name), shape), compute_uv=False)[0]
        assert 0.9 * largest < found[name] <= largest * (1 + 1e-5), name  # float32
        if norm == "spectral" and name == "score":
            assert found[name] == pytest.approx(1, rel=0.01)


# ---- health ----


@pytest.mark.parametrize(
    ("real", "fake", "expected"),
    [([1, 2], [-1, -2], 1.0), ([-1, -2], [1, 2], 0.0), ([1, 1, 1, -1], [-1, 1], 0.625), ([3, 3, 3, 3], [3], 0.5)],
)
def test_accuracy_counts_real_and_fake_alike(real, fake, expected):
    assert diagnostics.accuracy(torch.tensor(real), torch.tensor(fake)) == expected


def test_gap_is_in_pooled_standard_deviations():
    train, held_out = torch.tensor([1.0, 3.0]), torch.tensor([0.0, 1.0, 2.0])  # variances 2 and 1
    assert diagnostics.standardized_gap(train, held_out) == pytest.approx(1 / math.sqrt(1.5))
    assert diagnostics.standardized_gap(train, train) == 0
    assert diagnostics.standardized_gap(torch.ones(3), torch.ones(3)) is None
    assert diagnostics.standardized_gap(train, torch.ones(1)) is None


def test_health_is_read_off_the_scores():
    critic, w = linear()
    real, fake, held_out = images(), images(seed=1), images(4, seed=2)
    found = by_place(diagnostics.health(critic, METHODS["gan"](), real, fake, held_out))
    scores = {k: x.flatten(1) @ w + 0.3 for k, x in (("real", real), ("fake", fake), ("held-out", held_out))}
    for where, values in scores.items():
        assert found["score", where] == pytest.approx(values.mean().item())
    a, b = scores["real"].numpy(), scores["held-out"].numpy()
    gap = (a.mean() - b.mean()) / np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    assert found["gap", "held-out"] == pytest.approx(gap)
    for where in ("real", "held-out"):
        right = ((scores[where] > 0).numpy().mean() + (scores["fake"] < 0).numpy().mean()) / 2
        assert found["accuracy", where] == pytest.approx(right)
    same = by_place(diagnostics.health(critic, METHODS["gan"](), real, fake, real.clone()))
    assert same["gap", "held-out"] == pytest.approx(0, abs=1e-12)
    assert same["accuracy", "held-out"] == same["accuracy", "real"]


def test_without_held_out_images_there_is_no_gap_and_without_logits_no_accuracy():
    critic, _ = linear()
    quantities = {
        (method, held_out is not None): {(q, where) for q, where, _ in found}
        for method in ("gan", "wgan")
        for held_out in (None, images(seed=2))
        for found in [diagnostics.health(critic, METHODS[method](), images(), images(seed=1), held_out)]
    }
    always = {("score", "real"), ("score", "fake"), ("generator_gradient", "fake")}
    assert quantities["wgan", False] == always
    assert quantities["wgan", True] == always | {("score", "held-out"), ("gap", "held-out")}
    assert quantities["gan", False] == always | {("accuracy", "real")}
    assert quantities["gan", True] == quantities["wgan", True] | {("accuracy", "real"), ("accuracy", "held-out")}


@pytest.mark.parametrize("method", METHODS)
def test_the_gradient_that_reaches_the_generator_by_finite_differences(method):
    critic, fake, objective, step = smooth(), images(3), METHODS[method](), 1e-5
    gradient = torch.zeros_like(fake)
    with torch.no_grad():
        for index in np.ndindex(*fake.shape):
            ends = []
            for sign in (1, -1):
                moved = fake.clone()
                moved[index] += sign * step
                ends.append(objective.generator_loss(critic, moved).item())
            gradient[index] = (ends[0] - ends[1]) / (2 * step)
    expected = (3 * gradient.flatten(1).norm(dim=1)).mean().item()
    assert diagnostics.generator_gradient_norm(critic, objective, fake) == pytest.approx(expected, rel=1e-5)


# ---- nothing is left behind ----


def assert_no_hooks(net):
    assert not any(m._forward_pre_hooks or m._forward_hooks or m._backward_hooks for m in net.modules())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("norm", CRITIC_NORMS)
def test_measuring_changes_nothing(norm, method):
    critic = shipped(norm, channels=3)
    real, fake, held_out = (images(8, seed, (3, 28, 28), torch.float32) for seed in (0, 1, 2))
    before, given, attributes = deepcopy(critic.state_dict()), [real.clone(), fake.clone()], critic.scores_each_alone
    everywhere = torch.get_rng_state()
    found = diagnostics.panel(critic, METHODS[method](), real, fake, held_out, rng())
    assert all(math.isfinite(value) for _, _, value in found)
    assert len({(quantity, where) for quantity, where, _ in found}) == len(found)
    assert [where for name, where, _ in found if name == "layer_gradient_norm"][-1] == "score"
    after = critic.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before | after)
    assert all(p.grad is None and p.requires_grad for p in critic.parameters())
    assert not critic.training
    assert critic.scores_each_alone is attributes
    assert_no_hooks(critic)
    assert torch.equal(real, given[0])
    assert torch.equal(fake, given[1])
    assert not real.requires_grad
    assert not fake.requires_grad
    assert real.grad is None
    assert torch.equal(everywhere, torch.get_rng_state())
    assert found == diagnostics.panel(critic, METHODS[method](), real, fake, held_out, rng())
