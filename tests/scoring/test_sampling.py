"""The images that are scored: the same latents for every method, and a generator that is left as it was."""

import copy

import torch
from torch import nn

from gancompare.base.streams import fixed_latents, stream
from gancompare.models import Generator, initialize
from gancompare.runs import layout, weights
from gancompare.scoring.sampling import STATISTICS_LATENTS, evaluation_samples, settle_batch_norm


class Echo(torch.nn.Module):
    """A generator whose images show the latents themselves."""

    latent_dim = 4

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, z, labels):
        return (self.scale * z).view(-1, 1, 2, 2).tanh()

    def in_turn(self, count):
        return None


def test_methods_of_one_seed_are_scored_from_the_same_latents_and_another_seed_from_others():
    net = Echo()
    one, other = evaluation_samples(net, 0, 10), evaluation_samples(net, 1, 10)
    assert torch.equal(one, evaluation_samples(net, 0, 10, batch_size=3))
    assert torch.equal(one[:5], evaluation_samples(net, 0, 5))
    assert not torch.equal(one, other)


def test_generating_for_a_score_leaves_the_generator_as_it_was(scored):
    generator = weights.load_generator(scored[0]).train()
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    evaluation_samples(generator, 0, 8)
    assert generator.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())


def generator(**options):
    return initialize(Generator(28, 1, 8, 4, **options), stream(0, "generator"))


def norms_of(net):
    return [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]


def test_settled_statistics_are_those_of_the_activations():
    net = generator().double()
    for norm in norms_of(net):
        norm.running_mean += 7.0  # as of other weights
    settle_batch_norm(net, seed=3)
    seen, twin = [], copy.deepcopy(net).train()
    norms_of(twin)[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    twin(fixed_latents(3, "statistics", STATISTICS_LATENTS, 8).double())
    # the input of the first norm depends on no other, so the mean over batches is the mean over all latents
    torch.testing.assert_close(norms_of(net)[0].running_mean, seen[0].mean((0, 2, 3)), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(norms_of(net)[0].running_var, seen[0].var((0, 2, 3)), rtol=0.02, atol=0)


def test_settling_changes_statistics_alone_and_always_to_the_same():
    net = generator()
    before = {name: tensor.clone() for name, tensor in net.named_parameters()}
    other = copy.deepcopy(net)
    norms_of(other)[0].running_mean += 1.0
    state = torch.get_rng_state()
    for each in (net, other):
        settle_batch_norm(each.eval(), seed=0)
        assert not each.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.named_parameters())
    assert all(torch.equal(a, b) for a, b in zip(net.buffers(), other.buffers(), strict=True))
    assert {norm.momentum for norm in norms_of(net)} == {0.1}
    assert torch.equal(state, torch.get_rng_state())


def test_a_net_without_batch_norm_is_left_alone():
    net = generator(norm="none")
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    settle_batch_norm(net, seed=0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_the_weights_on_disk_hold_settled_statistics(scored):
    """Whoever loads them, an explorer or an export, has those of the averaged weights and not of the generator."""
    directory, config = scored
    assert config.ema_decay
    trained = torch.load(directory / layout.CHECKPOINT, weights_only=True)["generator"]
    for which in ("last", "best"):
        loaded = weights.load_generator(directory, which=which)
        assert not loaded.training
        settled, seen = copy.deepcopy(loaded).double().train(), []
        norms_of(settled)[0].register_forward_pre_hook(lambda _, given, seen=seen: seen.append(given[0]))
        settled(fixed_latents(config.seed, "statistics", STATISTICS_LATENTS, loaded.latent_dim).double())
        mean = norms_of(loaded)[0].running_mean
        torch.testing.assert_close(mean.double(), seen[0].mean((0, 2, 3)), rtol=1e-3, atol=1e-6)
        again = copy.deepcopy(loaded)
        settle_batch_norm(again, config.seed)
        for (name, kept), expected in zip(loaded.named_buffers(), again.buffers(), strict=True):
            torch.testing.assert_close(kept, expected)
            if name.endswith(("running_mean", "running_var")):
                assert not torch.allclose(kept, trained[name], rtol=1e-3, atol=1e-6)
