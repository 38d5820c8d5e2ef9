import itertools

import pytest
import torch

from gancompare.base.streams import stream
from gancompare.bench.textbook import LOOPS, textbook, textbook_critic_loss
from gancompare.recipes import MAIN_METHODS
from gancompare.train import prepare

CPU = torch.device("cpu")


def test_the_textbook_loop_refuses_a_method_it_has_no_loss_for(smoke, some_images):
    config = smoke(method="gan-gp")
    with pytest.raises(ValueError, match="gan-gp"):
        next(textbook(config, *prepare(config, some_images(config), CPU)))


@pytest.mark.parametrize("method", MAIN_METHODS)
def test_the_textbook_critic_loss_is_that_of_the_objective(smoke, some_images, method):
    """Where the penalty does not depend on the random point: of an image and itself, x̂ is that image."""
    config = smoke(method=method)
    nets, _ = prepare(config, some_images(config), CPU)
    real = torch.rand(8, 1, 28, 28, generator=stream(0, "test")) * 2 - 1
    expected = sum(nets.objective.critic_loss(nets.critic, real, real, stream(0, "test")).values())
    torch.testing.assert_close(textbook_critic_loss(config, nets.critic, real, real), expected)


@pytest.mark.parametrize("method", MAIN_METHODS)
@pytest.mark.parametrize("name", LOOPS)
def test_both_loops_train_both_nets(smoke, some_images, name, method):
    config = smoke(method=method)
    nets, feed = prepare(config, some_images(config), CPU)
    before = [[p.detach().clone() for p in net.parameters()] for net in (nets.generator, nets.critic)]
    for _ in itertools.islice(LOOPS[name](config, nets, feed), 2):
        pass
    for net, old in zip((nets.generator, nets.critic), before, strict=True):
        assert any(not torch.equal(p, q) for p, q in zip(net.parameters(), old, strict=True))
    if method == "wgan":
        assert max(p.abs().max().item() for p in nets.critic.parameters()) <= torch.tensor(config.clip).item()
