"""latents.py: against textbook PCA, the truncated normal, and tests of normality and independence."""

import numpy as np
import pytest
import torch
from scipy import stats

from gancompare.base.streams import fixed_latents, stream
from gancompare.explore.latents import portable, principal_directions, slerp, truncate
from gancompare.models import Generator, initialize

OTHER_NETS = ({"norm": "none", "activation": "elu", "num_classes": 5},)
OTHER_NETS += ({"activation": "leaky-relu", "extra_layers": 2, "num_classes": 3},)
OTHER_NETS += ({"norm": "none", "activation": "tanh", "extra_layers": 1},)


def seed_latents(seed):
    return fixed_latents(seed, "explore", 16, 16)


def test_directions_are_the_principal_components_of_the_first_activations():
    """By the textbook on samples: PCA of activations, and regression of latents on the components."""
    net = initialize(Generator(28, 1, 16, 4), stream(0, "wgan")).eval()
    with torch.no_grad():
        net.project.weight.mul_(3 * 0.6 ** torch.arange(16))  # components well apart, so that a sample finds them
    directions, shares = principal_directions(net)
    torch.testing.assert_close(directions @ directions.T, torch.eye(16), atol=1e-5, rtol=0)
    assert (shares.diff() <= 0).all()
    assert shares.sum().item() == pytest.approx(1)
    z = torch.randn(20_000, 16, generator=stream(0, "test"))
    with torch.no_grad():
        activations = net.layers[0](net.unflatten(net.project(z))).flatten(1)
    centred = activations - activations.mean(dim=0)
    _, strengths, components = torch.linalg.svd(centred, full_matrices=False)
    sampled = (strengths**2 / (strengths**2).sum())[:16]
    torch.testing.assert_close(shares, sampled, atol=0.01, rtol=0.05)
    led_back = torch.linalg.lstsq(centred @ components[:2].T, z).solution  # (2, 16)
    for line, direction in zip(led_back, directions, strict=False):
        assert abs(torch.nn.functional.cosine_similarity(line, direction, dim=0)) > 0.98


@pytest.mark.parametrize("options", OTHER_NETS, ids=lambda options: "-".join(map(str, options.values())))
def test_directions_of_any_net_are_principal_components_of_what_its_first_layer_gives(options, with_a_past):
    net = with_a_past(Generator(28, 1, 16, 4, **options)).eval()
    directions, shares = principal_directions(net)
    z = torch.randn(20_000, 16, generator=stream(0, "z"))
    with torch.no_grad():
        first = net.unflatten(net.project(z))
        first = net.layers[0](first) if "norm" not in options else first
    moved = torch.from_numpy(np.linalg.lstsq(z.numpy(), (first - first.mean(0)).flatten(1).numpy(), rcond=None)[0])
    strengths = (directions @ moved).square().sum(dim=1)
    torch.testing.assert_close(strengths / strengths.sum(), shares, rtol=0.02, atol=0)


def test_slerp_keeps_lengths_and_reaches_both_ends():
    a, b = seed_latents(0), seed_latents(1)
    torch.testing.assert_close(slerp(a, b, 0.0), a)
    torch.testing.assert_close(slerp(a, b, 1.0), b)
    torch.testing.assert_close(slerp(a, a, 0.3), a)
    half = slerp(a, b, 0.5)
    torch.testing.assert_close(half.norm(dim=1), (a.norm(dim=1) + b.norm(dim=1)) / 2)
    cosine = torch.nn.functional.cosine_similarity
    torch.testing.assert_close(cosine(a, half), cosine(half, b))
    x, y = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    torch.testing.assert_close(slerp(x, y, 1 / 3), torch.tensor([[3**0.5, 1.0]]))


def test_truncated_latents_follow_the_truncated_normal_and_keep_their_order():
    z = torch.randn(20_000, generator=stream(0, "test"))
    cut = truncate(z, 1.2)
    assert cut.abs().max() <= 1.2
    assert stats.kstest(cut.numpy(), stats.truncnorm(-1.2, 1.2).cdf).pvalue > 0.01
    assert (cut[z.argsort()].diff() >= 0).all()
    torch.testing.assert_close(truncate(z, 50.0), z, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(truncate(-z, 1.2), -cut)
    assert truncate(z, None) is z
    assert truncate(torch.tensor([9.0, -40.0]), 0.3).tolist() == pytest.approx([0.3, -0.3])


def test_portable_latents_are_normal_and_independent():
    z = portable(3, 400, 100)
    assert stats.kstest(z.flatten().numpy(), "norm").pvalue > 0.01
    others = torch.stack([portable(seed, 40, 100).flatten() for seed in range(20)])
    correlations = torch.corrcoef(others) - torch.eye(20)
    assert correlations.abs().max() < 4.5 / 4000**0.5
    assert abs(torch.corrcoef(torch.stack([z.flatten()[:-1], z.flatten()[1:]]))[0, 1]) < 4.5 / 40_000**0.5
    torch.testing.assert_close(portable(3, 7, 100), z[:7], rtol=0, atol=0)
    assert portable(2**32 - 1, 1, 3).isfinite().all()
    torch.testing.assert_close(portable(2**32 + 5, 2, 3), portable(5, 2, 3))
