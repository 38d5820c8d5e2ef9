"""Scaling between stored bytes and the range of the networks."""

import pytest
import torch

from gancompare.data.errors import DataError
from gancompare.data.pixels import to_uint8, to_unit_range


def test_scaling_round_trip_is_exact_for_every_byte():
    every = torch.arange(256, dtype=torch.uint8)
    scaled = to_unit_range(every)
    assert scaled.dtype == torch.float32
    assert (scaled[0], scaled[255]) == (-1, 1)
    assert torch.equal(to_uint8(scaled), every)


def test_to_uint8_rounds_and_clamps():
    values = torch.tensor([-3.0, 3.0, 0.0, 1 - 0.9 / 127.5, float("inf"), float("nan")])
    assert to_uint8(values).tolist() == [0, 255, 128, 254, 255, 0]


def test_scaling_refuses_images_that_are_already_scaled():
    with pytest.raises(DataError, match="not uint8"):
        to_unit_range(torch.zeros(1))
    with pytest.raises(DataError, match="not floating point"):
        to_uint8(torch.zeros(1, dtype=torch.uint8))
