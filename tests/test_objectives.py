"""objectives.py against closed forms of critics whose gradients are known by hand, and against finite differences."""

import dataclasses
import inspect
import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from gancompare.config import ConfigError, RunConfig
from gancompare.objectives import (
    METHODS,
    WGAN,
    WGANGP,
    ObjectiveError,
    gradient_penalty,
    interpolate,
    load_file,
    per_sample_norm,
)

WASSERSTEIN = ("wgan", "wgan-gp")
PENALISED = ("wgan-gp", "gan-gp")
OTHERS = ("gan", "wgan-gp", "gan-minimax", "gan-gp")  # all that do not clip

# float64 has 16 digits; sums of a few hundred terms of order 1 lose fewer than four of them
ROUNDING = 1e-12


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(0)


def random_images(seed, *shape, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def images_with_scores(scores):
    """Images that `FirstPixel` gives these scores, with other pixels that no loss may depend on."""
    images = random_images(9, len(scores), 1, 2, 2)
    images[:, 0, 0, 0] = torch.tensor(scores, dtype=torch.float64)
    return images


class FirstPixel(nn.Module):
    def forward(self, x):
        return x[:, 0, 0, 0]


class Linear(nn.Module):
    """<w, x> + b: its input gradient is w at every point."""

    def __init__(self, *shape, seed=1):
        super().__init__()
        self.weight = nn.Parameter(random_images(seed, *shape))
        self.bias = nn.Parameter(torch.tensor(0.7, dtype=torch.float64))

    def forward(self, x):
        return (x * self.weight).flatten(1).sum(dim=1) + self.bias


class Quadratic(nn.Module):
    """a/2 ||x||²: its input gradient is a·x, another one for every sample."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale, dtype=torch.float64))

    def forward(self, x):
        return self.scale / 2 * x.flatten(1).square().sum(dim=1)


def smooth_critic(seed=2):
    """A small net without kinks, so that finite differences are accurate everywhere."""
    net = nn.Sequential(nn.Conv2d(2, 2, 2), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3), nn.Tanh(), nn.Linear(3, 1))
    net.append(nn.Flatten(0)).double()
    for number, parameter in enumerate(net.parameters()):
        parameter.data.copy_(random_images(seed + number, *parameter.shape))
    return net


def total(parts):
    return sum(parts.values())


# the shape of an objective


def test_methods_are_the_three_and_two_control_arms():
    assert tuple(METHODS) == ("gan", "wgan", "wgan-gp", "gan-minimax", "gan-gp")
    assert {name for name, method in METHODS.items() if method().wasserstein} == set(WASSERSTEIN)


@pytest.mark.parametrize("name", METHODS)
def test_every_objective_has_the_same_shape(name):
    def arguments(function):
        return tuple(inspect.signature(function).parameters)

    objective = METHODS[name]()
    assert arguments(objective.critic_loss) == ("critic", "real", "fake", "rng")
    assert arguments(objective.generator_loss) == ("critic", "fake", "real", "rng")
    assert arguments(objective.constrain) == ("critic",)
    with pytest.raises(dataclasses.FrozenInstanceError):
        objective.n_critic = 2


def test_defaults_are_those_of_the_papers():
    steps = {name: METHODS[name]().n_critic for name in ("gan", "wgan", "wgan-gp")}
    assert steps == {"gan": 1, "wgan": 5, "wgan-gp": 5}
    assert (WGAN().clip, WGANGP().penalty_weight) == (0.01, 10.0)


# losses in closed form


@pytest.mark.parametrize(
    ("name", "critic_loss", "generator_loss"),
    [
        ("gan", 2 * math.log(2), math.log(2)),
        ("gan-minimax", 2 * math.log(2), -math.log(2)),
        ("gan-gp", 2 * math.log(2), math.log(2)),
        ("wgan", 0.0, 0.0),
        ("wgan-gp", 0.0, 0.0),
    ],
)
def test_losses_at_zero_scores(name, critic_loss, generator_loss, rng):
    zeros = images_with_scores([0.0] * 3)
    objective = METHODS[name]()
    parts = objective.critic_loss(FirstPixel(), zeros, zeros, rng)
    assert total({k: v for k, v in parts.items() if k != "penalty"}).item() == pytest.approx(critic_loss, abs=ROUNDING)
    assert objective.generator_loss(FirstPixel(), zeros, zeros, rng).item() == pytest.approx(
        generator_loss, abs=ROUNDING
    )


def minus_log_sigmoid(x):
    return np.logaddexp(0, -x)


@pytest.mark.parametrize("name", METHODS)
def test_losses_are_the_published_means_over_scores(name, rng):
    real, fake = np.array([-2.0, 0.5, 3.0, 40.0]), np.array([1.5, -0.25, -30.0, 0.0])
    if name in WASSERSTEIN:
        expected = {"real": -real.mean(), "fake": fake.mean()}
        generator = -fake.mean()
    else:
        expected = {"real": minus_log_sigmoid(real).mean(), "fake": minus_log_sigmoid(-fake).mean()}
        generator = (-minus_log_sigmoid(-fake) if name == "gan-minimax" else minus_log_sigmoid(fake)).mean()
    if name in PENALISED:
        expected["penalty"] = 0.0  # the gradient of one pixel has norm 1

    objective, images = METHODS[name](), images_with_scores(fake)
    parts = objective.critic_loss(FirstPixel(), images_with_scores(real), images, rng)
    loss = objective.generator_loss(FirstPixel(), images, images_with_scores(real), rng)
    assert {key: value.item() for key, value in parts.items()} == pytest.approx(expected, abs=ROUNDING)
    assert loss.item() == pytest.approx(generator, abs=ROUNDING)
    assert all(value.shape == () for value in (*parts.values(), loss))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("name", METHODS)
def test_generator_gradient_raises_every_fake_score(name, rng):
    """d loss / d score is −1 for Wasserstein, −σ(−f) non-saturating and −σ(f) saturating, over the batch size."""
    scores = np.array([-20.0, -1.0, 0.0, 3.0])
    fake = images_with_scores(scores).requires_grad_(True)
    METHODS[name]().generator_loss(FirstPixel(), fake, fake.detach(), rng).backward()
    expected = {"gan": -sigmoid(-scores), "gan-gp": -sigmoid(-scores), "gan-minimax": -sigmoid(scores)}
    got = fake.grad[:, 0, 0, 0].numpy() * len(scores)
    assert got == pytest.approx(expected.get(name, -np.ones(4)), abs=ROUNDING)
    assert (got < 0).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", WASSERSTEIN)
def test_linear_critic(name, channels, rng):
    critic = Linear(channels, 4, 5)
    real, fake = random_images(3, 6, channels, 4, 5), random_images(4, 6, channels, 4, 5)
    weight = critic.weight.detach()
    objective = METHODS[name]()
    parts = objective.critic_loss(critic, real, fake, rng)
    penalty = parts.pop("penalty", None)

    assert total(parts).item() == pytest.approx((weight * (fake.mean(0) - real.mean(0))).sum().item(), abs=ROUNDING)
    expected = -(weight * fake.mean(0)).sum().item() - critic.bias.item()
    assert objective.generator_loss(critic, fake, real, rng).item() == pytest.approx(expected, abs=ROUNDING)
    assert (penalty is not None) == (name in PENALISED)
    if penalty is not None:
        norm = np.linalg.norm(weight.numpy())
        # the guard adds 1e-12 under the root, which moves the norm by less than 1e-12 and 10·(norm − 1)² by some 1e-10
        assert penalty.item() == pytest.approx(10 * (norm - 1) ** 2, rel=1e-10)


@pytest.mark.parametrize("name", PENALISED)
@pytest.mark.parametrize("weight", [0.1, 10.0])
def test_penalty_weight_multiplies_the_penalty_only(name, weight, rng):
    critic, images = Linear(1, 3, 3), random_images(3, 2, 1, 3, 3)
    one = METHODS[name](penalty_weight=1.0).critic_loss(critic, images, images, rng)
    parts = METHODS[name](penalty_weight=weight).critic_loss(critic, images, images, rng)
    expected = {key: value.item() * (weight if key == "penalty" else 1) for key, value in one.items()}
    assert {key: value.item() for key, value in parts.items()} == pytest.approx(expected, abs=ROUNDING)


# the gradient penalty


@pytest.mark.parametrize("channels", [1, 3])
def test_penalty_takes_one_norm_per_sample_over_all_pixels_and_channels(channels, rng):
    """With real = fake every point between them is that image, so the gradients are known whatever epsilon is."""
    images = random_images(5, 7, channels, 3, 2) * torch.linspace(0.1, 2, 7, dtype=torch.float64).view(-1, 1, 1, 1)
    norms = 1.3 * np.linalg.norm(images.reshape(7, -1).numpy(), axis=1)
    penalty = gradient_penalty(Quadratic(1.3), images, images, rng)
    assert penalty.shape == ()
    # the smallest norm is about 0.2, which the guard moves by 1e-12 / 0.4
    assert penalty.item() == pytest.approx(((norms - 1) ** 2).mean(), abs=1e-11)


@pytest.mark.parametrize("size", [0.5, 1.0, 3.0])
def test_penalty_expectation_over_epsilon(size, rng):
    """Between 0 and an image of norm s the gradient norm of ||x||²/2 is ε·s, and E[(ε·s − 1)²] = s²/3 − s + 1."""
    n, pixels = 20_000, (3, 2, 2)
    real, fake = torch.full((n, *pixels), size / math.sqrt(12), dtype=torch.float64), torch.zeros(n, *pixels)
    penalty = gradient_penalty(Quadratic(), real, fake.double(), rng).item()
    epsilon = (np.arange(1000) + 0.5) / 1000
    deviation = ((epsilon * size - 1) ** 2).std()
    # five standard errors of a mean over n; the seed is fixed, and other distributions of epsilon are ≥ 10 away
    assert penalty == pytest.approx(size**2 / 3 - size + 1, abs=5 * deviation / math.sqrt(n))


@pytest.mark.parametrize("norm", [0.2, 0.99, 1.0, 1.7, 5.0])
def test_one_sided_penalty_of_a_linear_critic_is_zero_up_to_norm_one(norm, rng):
    """The gradient of <w, x> is w everywhere, so the two-sided penalty is (‖w‖ − 1)², the one-sided half of it."""
    critic = Linear(1, 2, 2)
    with torch.no_grad():
        critic.weight *= norm / critic.weight.norm()
    real, fake = random_images(3, 4, 1, 2, 2), random_images(4, 4, 1, 2, 2)
    one_sided = gradient_penalty(critic, real, fake, rng, one_sided=True)
    # the guard of the norm's square root moves it by up to 3e-12
    assert one_sided.item() == pytest.approx(max(0.0, norm - 1) ** 2, abs=1e-11)
    assert gradient_penalty(critic, real, fake, rng).item() == pytest.approx((norm - 1) ** 2, abs=1e-11)
    one_sided.backward()
    slope = critic.weight.grad.norm().item()  # d/dw max(0, ‖w‖ − 1)² = 2 max(0, ‖w‖ − 1) w/‖w‖
    assert slope == pytest.approx(2 * max(0.0, norm - 1), abs=1e-10)


@pytest.mark.parametrize("name", PENALISED)
def test_the_side_of_the_penalty_is_a_field_of_the_objective(name, rng):
    critic = Linear(1, 2, 2)
    with torch.no_grad():
        critic.weight *= 0.5 / critic.weight.norm()
    images = random_images(3, 4, 1, 2, 2), random_images(4, 4, 1, 2, 2)
    penalties = {
        side: METHODS[name](one_sided_penalty=side).critic_loss(critic, *images, rng)["penalty"].item()
        for side in (False, True)
    }
    assert penalties == pytest.approx({False: 10 * 0.25, True: 0.0}, abs=1e-10)


def test_one_sided_penalty_averages_over_samples_not_norms(rng):
    """Norms of 0.5 and 2: the mean of max(0, ‖∇‖ − 1)² is 1/2; of the mean norm 1.25 it would be 1/16."""
    images = torch.zeros(2, 1, 2, 2, dtype=torch.float64)
    images[0, 0, 0, 0], images[1, 0, 0, 0] = 0.5, 2.0
    penalty = gradient_penalty(Quadratic(), images, images, rng, one_sided=True)
    assert penalty.item() == pytest.approx(0.5, abs=1e-11)


def test_penalty_trains_the_critic_and_nothing_else(rng):
    critic = Quadratic(2.0)
    real = random_images(3, 4, 1, 2, 2).requires_grad_(True)
    fake = random_images(4, 4, 1, 2, 2).requires_grad_(True)
    penalty = gradient_penalty(critic, real, fake, rng)
    assert critic.scale.grad is None  # computing the penalty must leave no gradient behind
    penalty.backward()
    assert critic.scale.grad.abs() > 0.01
    assert real.grad is None
    assert fake.grad is None


class Flat(nn.Module):
    """Depends on x in form only: the input gradient is exactly 0, the path to the parameters stays differentiable."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 2, 2, dtype=torch.float64))
        self.slope = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x):
        return self.slope * (x * self.weight).flatten(1).sum(dim=1)


@pytest.mark.parametrize("name", PENALISED)
def test_zero_input_gradient_is_no_nan(name, rng):
    critic = Flat()
    parts = METHODS[name]().critic_loss(critic, random_images(3, 4, 1, 2, 2), random_images(4, 4, 1, 2, 2), rng)
    # the guarded norm of 0 is 1e-6, so (0 − 1)² times 10 is met to 2e-5
    assert parts["penalty"].item() == pytest.approx(10.0, abs=3e-5)
    parts["penalty"].backward()
    assert all(torch.isfinite(p.grad).all() for p in critic.parameters())


# gradients


@pytest.mark.parametrize("name", METHODS)
def test_critic_gradient_agrees_with_finite_differences(name):
    critic, objective = smooth_critic(), METHODS[name]()
    real, fake = random_images(3, 5, 2, 3, 3), random_images(4, 5, 2, 3, 3)

    def loss():
        return total(objective.critic_loss(critic, real, fake, torch.Generator().manual_seed(11)))

    parameters = list(critic.parameters())
    gradients = torch.autograd.grad(loss(), parameters)
    step = 1e-5
    numeric = [torch.zeros_like(p) for p in parameters]
    for parameter, difference in zip(parameters, numeric, strict=True):
        flat = parameter.data.view(-1)
        for i, value in enumerate(flat.tolist()):
            flat[i] = value + step
            above = loss().item()
            flat[i] = value - step
            below = loss().item()
            flat[i] = value
            difference.view(-1)[i] = (above - below) / (2 * step)
    # central differences err by step² times a third derivative of order 100 here, so 1e-8, plus 1e-14 / step
    for gradient, difference in zip(gradients, numeric, strict=True):
        torch.testing.assert_close(gradient, difference, rtol=1e-6, atol=1e-7)
    assert max(g.abs().max() for g in gradients) > 0.1  # the comparison is not one of zeros


@pytest.mark.parametrize("name", METHODS)
def test_losses_do_not_depend_on_the_order_of_the_batch(name, rng):
    critic, objective = smooth_critic(), METHODS[name]()
    real, fake = random_images(3, 6, 2, 3, 3), random_images(4, 6, 2, 3, 3)
    order = [3, 0, 5, 1, 4, 2]

    def values(real, fake, keys=("real", "fake", "penalty")):
        parts = objective.critic_loss(critic, real, fake, rng)
        return [parts[key].item() for key in keys if key in parts] + [
            objective.generator_loss(critic, fake, real, rng).item()
        ]

    # each of real and fake by itself; the penalty pairs them, but not where they are equal
    assert values(real[order], fake, ("real", "fake")) == pytest.approx(values(real, fake, ("real", "fake")), abs=1e-12)
    assert values(real, fake[order], ("real", "fake")) == pytest.approx(values(real, fake, ("real", "fake")), abs=1e-12)
    # 1e-12, the rounding of sums of some tens of terms, here times the penalty weight of 10
    assert values(real[order], real[order]) == pytest.approx(values(real, real), abs=1e-11)


# points between real and fake


def epsilons(real, fake, points):
    """Per pixel the share of `real` in `points`, in float64."""
    return ((points - fake) / (real - fake)).flatten(1)


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 2, 5)])
def test_interpolate_draws_one_epsilon_per_sample(shape, rng):
    real, fake = random_images(3, 50, *shape), random_images(4, 50, *shape)
    fake += 3 * (real - fake).sign().neg()  # at least 3 apart everywhere, so that the division below is harmless
    epsilon = epsilons(real, fake, interpolate(real, fake, rng))
    assert (epsilon.amax(dim=1) - epsilon.amin(dim=1)).max() < ROUNDING  # the point lies on the segment
    assert ((epsilon > -ROUNDING) & (epsilon < 1 + ROUNDING)).all()
    assert len(epsilon[:, 0].unique()) == 50  # and no two samples share it


def test_interpolate_is_uniform(rng):
    n = 20_000
    real, fake = torch.ones(n, 1, 1, 1, dtype=torch.float64), torch.zeros(n, 1, 1, 1, dtype=torch.float64)
    epsilon = interpolate(real, fake, rng).flatten().numpy()
    # one fixed seed either passes or not; by chance a uniform draw would fail for one seed in a thousand
    assert scipy.stats.kstest(epsilon, "uniform").pvalue > 1e-3
    assert epsilon.min() >= 0
    assert epsilon.max() <= 1


def test_interpolate_weighs_real_by_epsilon():
    """Algorithm 1 of Gulrajani et al.: ε·real + (1 − ε)·fake."""
    real, fake = torch.full((5, 1, 2, 2), 7.0), torch.full((5, 1, 2, 2), -1.0)
    points = interpolate(real, fake, torch.Generator().manual_seed(4))
    epsilon = torch.rand(5, generator=torch.Generator().manual_seed(4)).view(5, 1, 1, 1)
    torch.testing.assert_close(points, epsilon * real + (1 - epsilon) * fake, rtol=0, atol=1e-5)  # float32, values ≤ 7


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_interpolate_keeps_shape_and_dtype_and_cuts_the_graph(dtype, rng):
    real = random_images(3, 4, 3, 2, 2, dtype=dtype).requires_grad_(True)
    fake = random_images(4, 4, 3, 2, 2, dtype=dtype).requires_grad_(True)
    before = real.detach().clone(), fake.detach().clone()
    points = interpolate(real, fake, rng)
    assert (points.shape, points.dtype, points.requires_grad) == (real.shape, dtype, False)
    assert torch.equal(real, before[0])
    assert torch.equal(fake, before[1])


def test_randomness_comes_from_the_generator_passed_in():
    real, fake = random_images(3, 4, 1, 2, 2), random_images(4, 4, 1, 2, 2)
    state = torch.get_rng_state()
    first, same, other = (interpolate(real, fake, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    rng = torch.Generator().manual_seed(1)
    assert not torch.equal(interpolate(real, fake, rng), interpolate(real, fake, rng))


# the norm


@pytest.mark.parametrize("shape", [(5, 1, 4, 4), (5, 3, 4, 4), (5, 7)])
@pytest.mark.parametrize("scale", [1e-9, 1e-6, 1.0, 1e6])
def test_norm_agrees_with_torch(shape, scale):
    gradient = scale * random_images(6, *shape)
    expected = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    # sqrt(n² + 1e-12) exceeds n by at most 1e-6, at n = 0; large norms are exact up to rounding
    torch.testing.assert_close(per_sample_norm(gradient), expected, rtol=ROUNDING, atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(torch.float64, torch.float64), (torch.float32, torch.float32), (torch.bfloat16, torch.float32)],
)
def test_norm_is_taken_in_float32_or_wider(dtype, expected):
    gradient = random_images(6, 4, 3, 16, 16, dtype=dtype)
    norm = per_sample_norm(gradient)
    assert norm.dtype == expected
    exact = gradient.double().flatten(1).square().sum(dim=1).sqrt()
    # float32 sums 768 squares to some 1e-6 relative; sums in bf16 would err by 1e-3 or more
    torch.testing.assert_close(norm.double(), exact, rtol=1e-5, atol=0)


# constraints


class Mixed(nn.Module):
    """A critic with every kind of parameter: convolution, norm, linear, biases."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 2), nn.BatchNorm2d(4), nn.GroupNorm(1, 4), nn.Flatten())
        self.layers.append(nn.Linear(4, 1))
        for number, parameter in enumerate(self.parameters()):
            parameter.data = random_images(number, *parameter.shape, dtype=torch.float32)
            parameter.data.view(-1)[0] *= 1e-4  # one value inside any bound below


PARAMETERS = [name for name, _ in Mixed().named_parameters()]


@pytest.mark.parametrize("clip", [0.01, 0.3])
@pytest.mark.parametrize("name", PARAMETERS)
def test_clipping_bounds_every_parameter_and_leaves_values_inside_alone(name, clip):
    critic = Mixed()
    parameter = critic.get_parameter(name)
    before = parameter.detach().clone()
    buffers = {key: value.clone() for key, value in critic.named_buffers()}
    assert before.abs().max() > clip or parameter.numel() == 1
    if parameter.numel() == 1:
        parameter.data.fill_(-5.0)
        before.fill_(-5.0)
    assert METHODS["wgan"](clip=clip).constrain(critic) is None

    assert critic.get_parameter(name) is parameter  # in place: the optimiser holds this very tensor
    assert parameter.requires_grad
    assert parameter.detach().numpy() == pytest.approx(np.clip(before.numpy(), -np.float32(clip), np.float32(clip)))
    inside = before.abs() < clip
    assert torch.equal(parameter.detach()[inside], before[inside])
    assert all(torch.equal(value, buffers[key]) for key, value in critic.named_buffers())


@pytest.mark.parametrize("sign", [-1, 1])
def test_clipping_holds_on_both_sides(sign):
    critic = Linear(1, 2, 2)
    critic.weight.data.fill_(sign * 3.0)
    WGAN().constrain(critic)
    assert critic.weight.tolist() == [[[sign * 0.01] * 2] * 2]


@pytest.mark.parametrize("name", OTHERS)
def test_no_other_method_touches_the_weights(name):
    critic = Mixed()
    before = {key: value.clone() for key, value in critic.state_dict().items()}
    METHODS[name]().constrain(critic)
    assert all(torch.equal(value, before[key]) for key, value in critic.state_dict().items())


# a method of the reader's own


@dataclasses.dataclass(frozen=True)
class Hinge:
    n_critic: int = 3
    wasserstein = False

    def critic_loss(self, critic, real, fake, rng):
        return {"real": (1 - critic(real)).relu().mean(), "fake": (1 + critic(fake)).relu().mean()}

    def generator_loss(self, critic, fake, real, rng):
        return -critic(fake).mean()

    def constrain(self, critic):
        pass


@pytest.mark.parametrize("recipe", ["shared", "paper"])
def test_a_method_of_ones_own_needs_no_more_than_a_row_in_methods(recipe, monkeypatch):
    with pytest.raises(ConfigError, match="hinge"):
        RunConfig(method="hinge", recipe=recipe)
    monkeypatch.setitem(METHODS, "hinge", Hinge)
    config = RunConfig(method="hinge", recipe=recipe)
    assert (config.method, config.n_critic) == ("hinge", 3)
    assert RunConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize("name", METHODS)
def test_real_and_fake_are_scored_in_batches_of_their_own(name, rng):
    class Counting(torch.nn.Module):
        def forward(self, images):
            calls.append(len(images))
            return images.flatten(1).sum(dim=1)

    calls = []
    METHODS[name]().critic_loss(Counting(), torch.rand(3, 1, 2, 2), torch.rand(3, 1, 2, 2), rng)
    assert calls == [3] * (3 if name in PENALISED else 2)


@pytest.fixture
def methods_as_they_were():
    before = dict(METHODS)
    yield
    METHODS.clear()
    METHODS.update(before)


@pytest.mark.usefixtures("methods_as_they_were")
def test_a_file_of_objectives_adds_its_methods(lsgan_file):
    assert load_file(lsgan_file) == ["lsgan"]
    assert RunConfig(method="lsgan").n_critic == 1
    assert load_file(str(lsgan_file)) == ["lsgan"]  # again: it is replaced


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "FileNotFoundError"), ("1 / 0", "ZeroDivisionError"), ("x = 1", "adds none: it should end in METHODS")],
)
def test_a_file_that_adds_no_objective_is_named(tmp_path, content, message):
    path = tmp_path / "mine.py"
    if content:
        path.write_text(content)
    with pytest.raises(ObjectiveError, match=message) as error:
        load_file(path)
    assert str(path) in str(error.value)
