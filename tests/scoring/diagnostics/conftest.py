"""Small critics in float64 whose diagnostics are known, images for them, and a critic as it is trained."""

import pytest
import torch
from torch import nn

from gancompare.models import Critic, initialize


@pytest.fixture(scope="session")
def seeded():
    """A function: seed → a random stream."""

    def stream(seed=0):
        return torch.Generator().manual_seed(seed)

    return stream


@pytest.fixture(scope="session")
def images(seeded):
    """A function (count, seed, shape, dtype) → images in [-1, 1]."""

    def draw(count=6, seed=0, shape=(1, 3, 4), dtype=torch.float64):
        return torch.rand(count, *shape, generator=seeded(seed), dtype=dtype) * 2 - 1

    return draw


@pytest.fixture(scope="session")
def chain():
    """A function: layers → a critic of them on flat images, in float64."""

    def critic(*layers):
        return nn.Sequential(nn.Flatten(1), *layers, nn.Flatten(0)).double()

    return critic


@pytest.fixture
def linear(chain, seeded):
    """A critic w·x + b, and w."""
    critic = chain(nn.Linear(12, 1))
    with torch.no_grad():
        critic[1].weight.copy_(torch.randn(1, 12, generator=seeded(), dtype=torch.float64))
        critic[1].bias.fill_(0.3)
    return critic, critic[1].weight.detach().flatten()


@pytest.fixture
def smooth(chain, seeded):
    """A small critic that is nowhere linear."""
    return initialize(chain(nn.Linear(12, 5), nn.Tanh(), nn.Linear(5, 1)), seeded())


@pytest.fixture(scope="session")
def shipped(images, seeded):
    """A function (norm, channels, num_classes) → a critic as it is trained, in float32 and eval mode."""

    def critic(norm="layer", channels=1, num_classes=0):
        net = initialize(Critic(28, channels, 4, norm=norm, num_classes=num_classes), seeded(1))
        net.labels = torch.arange(8) % num_classes if num_classes else None
        net(images(8, 5, (channels, 28, 28), torch.float32))  # moves the statistics of a BatchNorm
        return net.eval()

    return critic


@pytest.fixture(scope="session")
def assert_no_hooks():
    """A function: a net → an assertion that no module of it has a hook."""

    def check(net):
        assert not any(m._forward_pre_hooks or m._forward_hooks or m._backward_hooks for m in net.modules())

    return check
