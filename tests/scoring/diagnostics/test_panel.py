"""All measurements of a critic at once, and that taking them leaves nothing behind."""

import math
from copy import deepcopy

import numpy as np
import pytest
import torch

from gancompare.models import CRITIC_NORMS
from gancompare.objectives import METHODS
from gancompare.scoring.diagnostics.panel import panel


def test_a_linear_critic_has_the_norm_of_its_weights_as_slope_everywhere(images, linear, seeded):
    critic, w = linear
    kinds = {"real": images(), "fake": images(seed=1), "held_out": images(seed=2)}
    values = {row[:2]: row.value for row in panel(critic, METHODS["wgan"](), **kinds, rng=seeded())}
    norm = np.linalg.norm(w.numpy())
    for where in ("real", "fake", "interpolated"):
        for name in ("q05", "q25", "q50", "q75", "q95", "mean"):
            assert values[f"gradient_norm_{name}", where] == pytest.approx(norm, rel=1e-9)
    assert 0 < values["lipschitz", "lines"] <= norm
    assert values["layer_gradient_norm", "1"] == pytest.approx(norm, rel=1e-9)
    assert values["spectral_norm", "1"] == pytest.approx(norm, rel=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_a_conditional_critic_is_measured_with_the_classes_of_its_images(method, images, shipped, seeded):
    critic = shipped(num_classes=3)
    real, fake = (images(8, seed, (1, 28, 28), torch.float32) for seed in (0, 1))
    rows = panel(critic, METHODS[method](), real=real, fake=fake, held_out=None, rng=seeded())
    assert all(math.isfinite(row.value) for row in rows)
    values = {(row.quantity, row.where): row.value for row in rows}
    assert values["score", "real"] == pytest.approx(critic(real).mean().item())
    assert {where for quantity, where in values if quantity == "spectral_norm"} == {"layers.0", "layers.2", "score"}
    critic.labels = critic.labels.flip(0)
    others = panel(critic, METHODS[method](), real=real, fake=fake, held_out=None, rng=seeded())
    changed = {row.quantity for row, other in zip(rows, others, strict=True) if row != other}
    assert {"score", "lipschitz", "gradient_norm_mean"} <= changed  # the classes count
    assert "spectral_norm" not in changed


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("norm", CRITIC_NORMS)
def test_measuring_changes_nothing(norm, method, images, shipped, seeded, assert_no_hooks):
    critic = shipped(norm, channels=3)
    real, fake, held_out = (images(8, seed, (3, 28, 28), torch.float32) for seed in (0, 1, 2))
    before, given = deepcopy(critic.state_dict()), [real.clone(), fake.clone()]
    everywhere = torch.get_rng_state()
    rows = panel(critic, METHODS[method](), real=real, fake=fake, held_out=held_out, rng=seeded())
    assert all(math.isfinite(row.value) for row in rows)
    assert len({(row.quantity, row.where) for row in rows}) == len(rows)
    assert [row.where for row in rows if row.quantity == "layer_gradient_norm"][-1] == "score"
    after = critic.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before | after)
    assert all(p.grad is None and p.requires_grad for p in critic.parameters())
    assert not critic.training
    assert_no_hooks(critic)
    assert torch.equal(real, given[0])
    assert torch.equal(fake, given[1])
    assert not real.requires_grad
    assert not fake.requires_grad
    assert real.grad is None
    assert torch.equal(everywhere, torch.get_rng_state())
    assert rows == panel(critic, METHODS[method](), real=real, fake=fake, held_out=held_out, rng=seeded())
