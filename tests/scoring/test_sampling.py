"""The images that are scored: the same latents for every method, and a generator that is left as it was."""

import torch

from gancompare.runs import weights
from gancompare.scoring.sampling import evaluation_samples


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
