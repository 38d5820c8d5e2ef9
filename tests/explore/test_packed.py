"""packed.py: folded and rounded weights draw the images of the generator itself."""

import pytest
import torch

from gancompare.base.streams import stream
from gancompare.data.pixels import to_uint8
from gancompare.explore import packed
from gancompare.explore.latents import portable
from gancompare.models import Generator, initialize

OTHER_NETS = ({"norm": "none", "activation": "elu", "num_classes": 5},)
OTHER_NETS += ({"activation": "leaky-relu", "extra_layers": 2, "num_classes": 3},)
OTHER_NETS += ({"norm": "none", "activation": "tanh", "extra_layers": 1},)


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (64, 3)])
@pytest.mark.parametrize("options", [{}, *OTHER_NETS], ids=lambda options: "-".join(map(str, options.values())))
def test_folded_layers_are_the_generator(size, channels, options, with_a_past):
    net = with_a_past(Generator(size, channels, 16, 4, **options)).double().eval()
    z = torch.randn(5, 16, generator=stream(0, "z"), dtype=torch.float64)
    (weights, bias), *others = packed.fold(net)
    wide, side, _ = net.unflatten.unflattened_size
    x = z @ weights + bias.repeat(weights.shape[1] // len(bias))
    if net.num_classes:
        x = x + packed.class_shifts(net)[torch.arange(5) % net.num_classes]
    x = x.reshape(5, side, side, wide).permute(0, 3, 1, 2)
    active = {"relu": torch.relu, "elu": torch.nn.functional.elu, "tanh": torch.tanh}
    active["leaky-relu"] = lambda x: torch.where(x < 0, 0.2 * x, x)
    for weights, bias in others:
        across = round((len(weights) / x.shape[1]) ** 0.5)
        kernel = weights.reshape(-1, across, across, len(bias)).permute(0, 3, 1, 2)
        x = active[packed.activation_name(net)](x)
        x = torch.nn.functional.conv_transpose2d(x, kernel, bias, stride=across - 2, padding=1)
    with torch.no_grad():
        torch.testing.assert_close(x.tanh(), net(z), rtol=0, atol=1e-10)


def test_work_is_counted_as_by_hand():
    dcgan = 128 * 4096 + 16 * (16 * 256 * 128 + 64 * 128 * 64 + 256 * 64 * 32) + 16 * 1024 * 32 * 3
    assert packed.multiply_adds(Generator(64, 3, 128, 32)) == dcgan
    extra = 9 * (16 * 256**2 + 64 * 128**2 + 256 * 64**2 + 1024 * 32**2)
    assert packed.multiply_adds(Generator(64, 3, 128, 32, extra_layers=1)) == dcgan + extra


def test_the_stated_difference_is_that_of_rounded_weights():
    """Weights are rounded here by another formula, into a copy of the net itself."""
    net = Generator(28, 3, 16, 4, norm="none")
    initialize(net, stream(0, "net"))
    with torch.no_grad():
        for weights in net.parameters():
            weights.mul_(12 if weights.ndim > 1 else 1)
    net.eval()
    stated = packed.rounding_error(net, packed.pack(net, "int8"), "int8", latent_dim=16)
    copy = Generator(28, 3, 16, 4, norm="none").eval()
    copy.load_state_dict(net.state_dict())
    with torch.no_grad():
        for name, weights in copy.named_parameters():
            if weights.ndim > 1:  # a scale for each output
                rows = weights if name.startswith("project") else weights.transpose(0, 1)
                flat = rows.reshape(len(rows), -1)
                step = flat.abs().max(dim=1, keepdim=True).values / 127
                rows.copy_(((flat / step).round() * step).reshape(rows.shape))
        z = portable(0, 64, 16)
        worst = (to_uint8(copy(z)).int() - to_uint8(net(z)).int()).abs().max().item()
    assert worst > 3
    assert abs(stated - worst) <= 1
