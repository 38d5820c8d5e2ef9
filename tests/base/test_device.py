import pytest
import torch

from gancompare.base import device
from gancompare.base.device import DeviceError

CPU = torch.device("cpu")


@pytest.mark.parametrize(("forced", "expected"), [("1", True), ("0", False)])
def test_the_environment_decides_for_the_hardware(monkeypatch, forced, expected):
    monkeypatch.setenv("GANCOMPARE_BF16", forced)
    assert device.choose_bf16("auto", CPU) is expected
    assert device.choose_bf16("bf16", CPU) is True  # but not for the config
    assert device.choose_bf16("float32", CPU) is False


def test_a_cpu_without_bf16_arithmetic_computes_in_float32(monkeypatch):
    monkeypatch.delenv("GANCOMPARE_BF16", raising=False)
    for query in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, query, lambda: False, raising=False)
    assert device.choose_bf16("auto", CPU) is False
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True, raising=False)
    assert device.choose_bf16("auto", CPU) is True


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(DeviceError, match="cuda:99"):
        device.choose_device("cuda:99")
    assert device.choose_device("cpu") == CPU


def test_a_machine_is_described():
    assert device.describe(CPU, bf16=True)["arithmetic"] == "bf16"
    assert device.device_name(CPU)
    assert device.usable_cores() >= 1
