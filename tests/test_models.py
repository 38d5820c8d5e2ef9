"""models.py: shapes, ranges and weights against the published architecture, norms against their definitions."""

import hashlib
import itertools

import numpy as np
import pytest
import scipy.stats
import torch
from torch import nn

from gancompare.models import ACTIVATIONS, CRITIC_NORMS, IMAGE_SIZES, Critic, Generator, initialize
from gancompare.objectives import gradient_penalty

PER_SAMPLE = ("none", "layer", "instance", "spectral")  # norms that never mix samples


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def random_tensor(seed, *shape, dtype=torch.float64):
    return torch.randn(shape, generator=stream(seed), dtype=torch.float64).to(dtype)


def weight_layers(net):
    return [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]


def small_critic(norm):
    """In float64 and with weights and biases of order 0.1, so that no layer is nearly dead."""
    critic = initialize(Critic(32, 1, base_channels=3, norm=norm), stream()).double()
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter += 0.1 * random_tensor(parameter.numel(), *parameter.shape)
    return critic


def outputs_by_layer(net, x, kinds):
    """The output of every layer of these kinds, in the order they run."""
    seen = []
    for module in net.modules():
        if isinstance(module, kinds):
            module.register_forward_hook(lambda module, inputs, output: seen.append((module, output.detach().clone())))
    net(x)
    return seen


# shapes and ranges


def test_image_sizes_and_norms_are_the_documented_ones():
    assert IMAGE_SIZES == (28, 32, 64, 96, 128, 256)
    assert CRITIC_NORMS == ("none", "layer", "instance", "batch", "spectral")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("image_size", IMAGE_SIZES)
def test_generator_makes_images_in_minus_one_to_one(image_size, channels):
    generator = initialize(Generator(image_size, channels, latent_dim=5, base_channels=2), stream())
    last = [module for module in generator.modules() if isinstance(module, nn.ConvTranspose2d)][-1]
    with torch.no_grad():
        last.weight.mul_(1000)  # as far from zero as training may bring it: the range is used up, and not left
    images = generator(random_tensor(1, 3, 5, dtype=torch.float32))
    assert images.shape == (3, channels, image_size, image_size)
    assert images.dtype == torch.float32
    assert images.abs().max() <= 1
    assert images.min() < -0.9
    assert images.max() > 0.9


@pytest.mark.parametrize("norm", CRITIC_NORMS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("image_size", IMAGE_SIZES)
def test_critic_gives_one_unbounded_score_per_image(image_size, channels, norm):
    critic = initialize(Critic(image_size, channels, base_channels=2, norm=norm), stream())
    with torch.no_grad():
        for layer in weight_layers(critic):
            layer.weight *= 10  # 0.02 is so small that six layers of two channels give next to nothing
        critic.score.weight *= 100
    images = random_tensor(1, 4, channels, image_size, image_size, dtype=torch.float32)
    scores = critic(images)
    assert scores.shape == (4,)
    assert scores.dtype == torch.float32
    assert torch.isfinite(scores).all()
    if norm != "spectral":  # which bounds a score by the size of its image, if not by 1
        assert scores.abs().max() > 1  # a sigmoid or tanh would end at 1


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Generator(image_size=48), "48"),
        (lambda: Critic(image_size=48), "48"),
        (lambda: Critic(norm="weight"), "weight"),
    ],
    ids=["generator size", "critic size", "critic norm"],
)
def test_what_cannot_be_built_is_refused_by_name(build, message):
    with pytest.raises(ValueError, match=message) as caught:
        build()
    choices = CRITIC_NORMS if message == "weight" else IMAGE_SIZES
    field = "critic_norm" if message == "weight" else "image_size"
    assert field in str(caught.value)
    assert all(str(choice) in str(caught.value) for choice in choices)


@pytest.mark.parametrize("build", [lambda: Generator(activation="swish"), lambda: Critic(activation="swish")])
def test_an_unknown_activation_is_refused_with_the_known_ones(build):
    with pytest.raises(ValueError, match="activation 'swish': choose one of dcgan, relu, leaky-relu, tanh, elu"):
        build()


def test_an_unknown_generator_norm_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="generator_norm 'layer': choose one of none, batch"):
        Generator(norm="layer")


# the default architecture


def test_default_generator_layers():
    seen = outputs_by_layer(Generator(), torch.zeros(2, 128), (nn.Unflatten, nn.ConvTranspose2d))
    assert [tuple(output.shape[1:]) for _, output in seen] == [
        (512, 4, 4),
        (256, 8, 8),
        (128, 16, 16),
        (64, 32, 32),
        (3, 64, 64),
    ]


def test_default_critic_layers():
    seen = outputs_by_layer(Critic(), torch.zeros(2, 3, 64, 64), (nn.Conv2d, nn.Linear))
    assert [tuple(output.shape[1:]) for _, output in seen] == [
        (64, 32, 32),
        (128, 16, 16),
        (256, 8, 8),
        (512, 4, 4),
        (1,),
    ]


# image size -> multiples of base_channels and sides of the feature maps, coarse to fine
FEATURE_MAPS = {
    28: ([2, 1], [7, 14]),
    32: ([4, 2, 1], [4, 8, 16]),
    64: ([8, 4, 2, 1], [4, 8, 16, 32]),
    96: ([8, 4, 2, 1], [6, 12, 24, 48]),
    128: ([8, 8, 4, 2, 1], [4, 8, 16, 32, 64]),
    256: ([8, 8, 8, 4, 2, 1], [4, 8, 16, 32, 64, 128]),
}


@pytest.mark.parametrize("image_size", IMAGE_SIZES)
def test_feature_maps_of_every_size_double_up_to_eight_times_the_base(image_size):
    expected = [(3 * wide, side, side) for wide, side in zip(*FEATURE_MAPS[image_size], strict=True)]
    generator, critic = Generator(image_size, 1, 4, base_channels=3), Critic(image_size, 1, base_channels=3)
    up = outputs_by_layer(generator, torch.zeros(2, 4), (nn.Unflatten, nn.ConvTranspose2d))
    down = outputs_by_layer(critic, torch.zeros(2, 1, image_size, image_size), nn.Conv2d)
    assert [tuple(output.shape[1:]) for _, output in up] == [*expected, (1, image_size, image_size)]
    assert [tuple(output.shape[1:]) for _, output in down] == expected[::-1]


@pytest.mark.parametrize("norm", CRITIC_NORMS)
def test_default_parameter_counts(norm):
    convolution = 4 * 4  # every kernel
    # a bias, or batch norm's learned scale and shift in its place, or nothing where the norm would subtract a bias
    per_channel = {"none": 1, "layer": 1, "instance": 0, "batch": 2, "spectral": 1}[norm]
    stages = list(itertools.pairwise([64, 128, 256, 512]))
    generator = 128 * 512 * 4 * 4 + 2 * 512  # linear without bias, norm
    generator += sum(wide * narrow * convolution + 2 * narrow for narrow, wide in stages)  # no bias, but norm
    generator += 64 * 3 * convolution + 3
    critic = 3 * 64 * convolution + 64  # bias, no norm
    critic += sum(narrow * wide * convolution + per_channel * wide for narrow, wide in stages)
    critic += 512 * 4 * 4 + 1
    assert sum(p.numel() for p in Generator().parameters()) == generator
    assert sum(p.numel() for p in Critic(norm=norm).parameters()) == critic


@pytest.mark.parametrize("norm", CRITIC_NORMS)
def test_critic_norm_stands_behind_every_convolution_but_the_first(norm):
    kinds = (nn.Conv2d, nn.GroupNorm, nn.BatchNorm2d, nn.LeakyReLU)
    names = [type(m).__name__.removeprefix("Parametrized") for m in Critic(norm=norm).modules() if isinstance(m, kinds)]
    between = {"none": [], "spectral": [], "batch": ["BatchNorm2d"]}.get(norm, ["GroupNorm"])
    assert names == ["Conv2d", "LeakyReLU"] + 3 * ["Conv2d", *between, "LeakyReLU"]


def test_default_critic_has_layer_norm_and_the_slope_of_dcgan():
    modules = list(Critic().modules())
    assert [m.num_groups for m in modules if isinstance(m, nn.GroupNorm)] == [1, 1, 1]
    assert {m.negative_slope for m in modules if isinstance(m, nn.LeakyReLU)} == {0.2}


# weights


@pytest.mark.parametrize(("build", "count"), [(Generator, 5), (Critic, 5)])
def test_initial_weights_are_normal_with_deviation_002(build, count):
    layers = weight_layers(initialize(build(), stream()))
    assert len(layers) == count
    for layer in layers:
        values = layer.weight.detach().double().flatten().numpy()
        # five standard errors of a mean and of a standard deviation over so many normal values
        assert abs(values.mean()) < 5 * 0.02 / np.sqrt(len(values))
        assert abs(values.std() / 0.02 - 1) < 5 / np.sqrt(2 * len(values))
        # and the shape; by chance one seed in ten thousand would fail for some layer
        assert scipy.stats.kstest(values[:20_000] / 0.02, "norm").pvalue > 1e-5


@pytest.mark.parametrize("norm", [None, *CRITIC_NORMS])
def test_initialize_resets_biases_and_norms(norm):
    net = Critic(28, 1, 2, norm=norm) if norm else Generator(28, 1, 4, 2)
    with torch.no_grad():
        for tensor in (*net.parameters(), *(b for b in net.buffers() if b.is_floating_point())):
            tensor.fill_(3.0)
    assert initialize(net, stream()) is net
    for module in net.modules():
        if getattr(module, "bias", None) is not None:
            assert (module.bias == 0).all()
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all()
            assert (module.running_mean == 0).all()
            assert (module.running_var == 1).all()


@pytest.mark.parametrize("build", [Generator, Critic])
def test_weights_depend_on_the_seed_alone(build):
    def weights(seed, global_seed):
        torch.manual_seed(global_seed)
        net = build(28, 1, base_channels=2)
        state = torch.get_rng_state()
        initialize(net, stream(seed))
        assert torch.equal(torch.get_rng_state(), state)  # the global generator is not drawn from
        return [layer.weight for layer in weight_layers(net)]

    with torch.random.fork_rng(devices=[]):
        first, same, other = weights(1, 10), weights(1, 20), weights(2, 10)
    assert all(torch.equal(a, b) for a, b in zip(first, same, strict=True))
    assert all(not torch.equal(a, b) for a, b in zip(first, other, strict=True))


# recorded before nets could have other activations, other generator norms and more layers
DIGESTS = {
    (28, "none"): "c827e6901589b792",
    (28, "instance"): "4f52eafc708700e4",
    (28, "spectral"): "36f0051393b64de2",
    (64, "none"): "870a5e2daf7612e4",
    (64, "layer"): "5292330fd45a7091",
    (64, "batch"): "aba6fbb6d101fd5f",
}


@pytest.mark.parametrize(("image_size", "norm"), DIGESTS)
def test_names_and_initial_weights_of_the_default_nets_are_the_recorded_ones(image_size, norm):
    generator, critic = Generator(image_size, 3, 4, 2), Critic(image_size, 3, 2, norm=norm)
    content = hashlib.sha256()
    for net in (initialize(generator, stream(0)), initialize(critic, stream(1))):
        for name, tensor in net.state_dict().items():
            content.update(f"{name} {tuple(tensor.shape)}".encode() + tensor.numpy().tobytes())
    assert content.hexdigest()[:16] == DIGESTS[image_size, norm]


# other architectures


@pytest.mark.parametrize("extra", [1, 3])
def test_extra_layers_stand_at_each_size_of_feature_maps_and_change_no_shape(extra):
    generator = Generator(32, 3, 5, base_channels=2, extra_layers=extra)
    critic = Critic(32, 3, base_channels=2, norm="layer", extra_layers=extra)
    up = outputs_by_layer(generator, torch.zeros(2, 5), (nn.ConvTranspose2d, nn.Conv2d))
    down = outputs_by_layer(critic, torch.zeros(2, 3, 32, 32), nn.Conv2d)
    more = {side: [(3, side, wide)] * extra for side, wide in ((4, 8), (8, 4), (16, 2))}
    kernels = [(layer.kernel_size[0], out.shape[-1], out.shape[1]) for layer, out in up]
    assert kernels == [*more[4], (4, 8, 4), *more[8], (4, 16, 2), *more[16], (4, 32, 3)]
    kernels = [(layer.kernel_size[0], out.shape[-1], out.shape[1]) for layer, out in down]
    assert kernels == [(4, 16, 2), *more[16], (4, 8, 4), *more[8], (4, 4, 8), *more[4]]
    norms = [type(module).__name__ for module in critic.layers if isinstance(module, nn.GroupNorm)]
    assert len(norms) == 3 * (1 + extra) - 1  # behind every convolution but the first


KINDS = {"relu": nn.ReLU, "leaky-relu": nn.LeakyReLU, "tanh": nn.Tanh, "elu": nn.ELU}


@pytest.mark.parametrize("activation", KINDS)
def test_the_activation_is_the_one_asked_for_in_both_nets(activation):
    assert set(KINDS) | {"dcgan"} == set(ACTIVATIONS)
    generator, critic = Generator(28, 1, 4, 2, activation=activation), Critic(28, 1, 2, activation=activation)
    for net, count in ((generator.layers[:-1], 2), (critic.layers, 2)):  # the generator's last tanh is its range
        found = [type(module) for module in net if isinstance(module, tuple(KINDS.values()))]
        assert found == count * [KINDS[activation]]


def test_a_generator_without_norm_has_biases_in_its_place():
    generator = Generator(28, 1, 4, 2, norm="none", extra_layers=1)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in generator.modules())
    assert all(layer.bias is not None for layer in weight_layers(generator))
    z = random_tensor(1, 3, 4, dtype=torch.float32)
    alone, together = generator(z[:1]), generator(z)[:1]
    assert torch.allclose(alone, together, atol=1e-6)  # nothing mixes samples, also in training mode


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_penalty_trains_every_layer_of_a_deeper_critic(activation):
    critic = initialize(Critic(28, 1, 2, norm="layer", activation=activation, extra_layers=2), stream()).double()
    real, fake = random_tensor(1, 4, 1, 28, 28), random_tensor(2, 4, 1, 28, 28)
    gradient_penalty(critic, real, fake, stream()).backward()
    for layer in weight_layers(critic):
        assert torch.isfinite(layer.weight.grad).all()
        assert (layer.weight.grad != 0).any()


# what a norm mixes


@pytest.mark.parametrize("norm", CRITIC_NORMS)
def test_which_norms_make_a_score_depend_on_the_other_samples(norm):
    critic = small_critic(norm).train(norm != "spectral")  # its power iteration moves with every pass
    images = random_tensor(1, 4, 1, 32, 32)
    changed = torch.cat([images[:1], 5 * random_tensor(2, 3, 1, 32, 32)])
    before, after = critic(images)[0].item(), critic(changed)[0].item()
    if norm in PER_SAMPLE:
        # float64; kernels may sum a different batch in another order
        assert after == pytest.approx(before, rel=1e-10)
        assert critic(images[:1])[0].item() == pytest.approx(before, rel=1e-10)
    else:
        assert abs(after - before) > 1e-3 * abs(before)


@pytest.mark.parametrize(
    ("norm", "axes"),
    [("layer", (1, 2, 3)), ("instance", (2, 3)), ("batch", (0, 2, 3))],
)
def test_critic_norm_is_taken_over_the_documented_axes(norm, axes):
    """(x − mean) / √(var + 1e-5) over these axes, by numpy, of what the convolution before gave."""
    critic = initialize(Critic(32, 1, base_channels=3, norm=norm), stream()).double()
    kinds = (nn.Conv2d, nn.GroupNorm, nn.BatchNorm2d)
    seen = outputs_by_layer(critic, random_tensor(1, 4, 1, 32, 32), kinds)
    pairs = [(a[1], b[1]) for a, b in itertools.pairwise(seen) if not isinstance(b[0], nn.Conv2d)]
    assert len(pairs) == 2
    for before, after in pairs:
        x = before.numpy()
        expected = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)
        # float64, one division by a deviation of some 0.1: a few digits of sixteen are lost
        assert after.numpy() == pytest.approx(expected, abs=1e-10)


def test_spectral_norm_divides_every_weight_by_its_largest_singular_value():
    critic = initialize(Critic(28, 1, base_channels=3, norm="spectral"), stream()).train()
    for _ in range(300):  # one power iteration each
        critic(torch.zeros(1, 1, 28, 28))
    for layer in weight_layers(critic.eval()):
        weight = layer.weight.detach().flatten(1).double().numpy()
        raw = layer.parametrizations.weight.original.detach().flatten(1).double().numpy()
        assert np.linalg.svd(weight, compute_uv=False)[0] == pytest.approx(1, abs=1e-3)  # float32 and few iterations
        assert weight == pytest.approx(raw / np.linalg.svd(raw, compute_uv=False)[0], abs=1e-3)


# gradients


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("norm", CRITIC_NORMS)
def test_double_backward_is_finite_through_every_norm(norm, channels):
    critic = initialize(Critic(28, channels, base_channels=2, norm=norm), stream())
    real, fake = (random_tensor(seed, 4, channels, 28, 28, dtype=torch.float32) for seed in (1, 2))
    loss = critic(real).mean() - critic(fake).mean() + gradient_penalty(critic, real, fake, stream())
    loss.backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in critic.parameters())
    weights = [parameter for parameter in critic.parameters() if parameter.ndim > 1]
    assert len(weights) == len(weight_layers(critic))
    assert all((weight.grad != 0).any() for weight in weights)


@pytest.mark.parametrize("norm", CRITIC_NORMS)
def test_critic_gradients_agree_with_finite_differences(norm):
    """First derivatives, and second ones because the penalty needs them, along random directions."""
    critic = initialize(Critic(28, 1, base_channels=2, norm=norm), stream()).double()
    critic.train(norm != "spectral")  # its power iteration moves with every pass
    with torch.no_grad():
        for weight in critic.parameters():
            weight.mul_(10)  # gradients of order 1 rather than 1e-4
    images = random_tensor(1, 2, 1, 28, 28).requires_grad_(True)

    def penalised(*weights):
        names = [name for name, _ in critic.named_parameters()]
        return torch.func.functional_call(critic, dict(zip(names, weights, strict=True)), images)

    # central steps of 1e-6 in float64 are right to about 1e-9; a kink of LeakyReLU that is crossed shows as 1e-6
    assert torch.autograd.gradcheck(critic, images, atol=1e-5, fast_mode=True)
    assert torch.autograd.gradcheck(penalised, tuple(critic.parameters()), atol=1e-5, fast_mode=True)
    assert torch.autograd.gradgradcheck(critic, images, atol=1e-5, fast_mode=True)


# precision


@pytest.mark.parametrize("norm", CRITIC_NORMS)
def test_scores_and_images_are_float32_under_bf16_autocast(norm):
    generator = initialize(Generator(28, 1, 4, 2), stream())
    critic = initialize(Critic(28, 1, 2, norm=norm), stream())
    inner = outputs_by_layer(critic, torch.zeros(2, 1, 28, 28), nn.Conv2d)
    inner.clear()
    with torch.autocast("cpu", torch.bfloat16):
        images = generator(random_tensor(1, 8, 4, dtype=torch.float32))
        scores = critic(random_tensor(2, 8, 1, 28, 28, dtype=torch.float32))
    assert {output.dtype for _, output in inner} == {torch.bfloat16}  # autocast did reach the convolutions
    assert (images.dtype, scores.dtype) == (torch.float32, torch.float32)
    # the last product is made in float32 too: its results are not among the few numbers bf16 has
    assert (scores != scores.bfloat16().float()).any()


def test_float64_stays_float64():
    images = Generator(28, 1, 4, 2).double()(random_tensor(1, 2, 4))
    assert images.dtype == torch.float64
    assert Critic(28, 1, 2).double()(images).dtype == torch.float64


# classes


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_a_conditional_generator_takes_the_class_as_a_one_hot_vector_beside_z(norm):
    net = initialize(Generator(28, 1, 6, 2, norm=norm, num_classes=3), stream()).double().eval()
    z, labels = random_tensor(1, 7, 6), torch.tensor([0, 1, 2, 2, 1, 0, 0])
    plain = Generator(28, 1, 9, 2, norm=norm).double().eval()  # of 6 + 3 inputs
    weights = {name: value for name, value in net.state_dict().items() if name != "class_shift.weight"}
    weights["project.weight"] = torch.cat([net.project.weight, net.class_shift.weight.T], dim=1)
    plain.load_state_dict(weights)
    one_hot = 6**0.5 * torch.eye(3, dtype=torch.float64)[labels]
    torch.testing.assert_close(net(z, labels), plain(torch.cat([z, one_hot], dim=1)), rtol=0, atol=1e-12)
    torch.testing.assert_close(net(z), net(z, torch.tensor([0, 1, 2, 0, 1, 2, 0])))
    assert (net(z, labels) - net(z, 2 - labels)).abs().flatten(1).amax(dim=1)[2] > 0


def test_a_conditional_critic_adds_the_projection_on_its_class():
    critic = initialize(Critic(28, 1, 2, num_classes=3), stream()).double()
    images, labels = random_tensor(1, 4, 1, 28, 28), torch.tensor([2, 0, 1, 2])
    with pytest.raises(ValueError, match=r"critic\.labels"):
        critic(images)
    critic.labels = labels
    features = critic.layers(images).flatten(1)
    weights = critic.score.weight + critic.class_vectors.weight[labels]  # a linear score for each class
    expected = (weights * features).sum(dim=1) + critic.score.bias
    torch.testing.assert_close(critic(images), expected)
    with pytest.raises(ValueError, match="the classes of 8 images"):
        critic(torch.cat([images, -images]))
    assert "labels" not in critic.state_dict()


def test_classes_of_a_spectral_critic_have_norm_one():
    critic = initialize(Critic(28, 1, 2, norm="spectral", num_classes=3), stream()).train()
    critic.labels = torch.tensor([0, 1])
    for _ in range(200):
        critic(random_tensor(1, 2, 1, 28, 28, dtype=torch.float32))
    assert torch.linalg.matrix_norm(critic.class_vectors.weight, 2).item() == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize(
    "build", [lambda n: Generator(28, 1, 4, 2, num_classes=n), lambda n: Critic(28, 1, 2, num_classes=n)]
)
def test_what_both_nets_share_starts_alike_with_and_without_classes(build):
    plain, told = (initialize(build(n), stream()).state_dict() for n in (0, 3))
    assert len(told) == len(plain) + 1
    for name, value in plain.items():
        torch.testing.assert_close(told[name], value, rtol=0, atol=0)
