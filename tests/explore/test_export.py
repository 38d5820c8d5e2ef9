"""export.py: every file is opened again by other means than those that checked it, on other inputs."""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import gancompare
from gancompare.__main__ import main
from gancompare.base.streams import stream
from gancompare.data.pixels import to_uint8
from gancompare.explore.export import export
from gancompare.explore.formats import FORMATS
from gancompare.runs import weights
from gancompare.runs.layout import RunError


@pytest.fixture(params=FORMATS)
def form(request):
    return request.param


def reopen(form, path):
    if form == "onnx":
        onnx.checker.check_model(str(path), full_check=True)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return lambda z: torch.from_numpy(session.run(None, {"latents": z.numpy()})[0])
    if form == "torchscript":
        return torch.jit.load(path)
    if form == "torch-export":
        return torch.export.load(path).module()
    return weights.load_generator(path.parent)


def test_a_file_gives_the_images_of_the_run_at_any_batch_size(run, tmp_path, form, capsys):
    name = "generator.safetensors" if form == "safetensors" else "generator.pt2"
    path = tmp_path / "new" / name
    assert main(["export", f"--run={run}", f"--format={form}", f"--output={path}"]) == 0
    assert str(path) in capsys.readouterr().out
    expected = {"generator.safetensors", "config.json"} if form == "safetensors" else {name}
    assert {p.name for p in path.parent.iterdir()} == expected  # no weights beside it, no leftovers
    net, reopened = weights.load_generator(run), reopen(form, path)
    for count in (1, 3, 65):
        z = 3 * torch.randn(count, 16, generator=stream(count, "other"))
        with torch.no_grad():
            np.testing.assert_allclose(reopened(z).numpy(), net(z).numpy(), rtol=0, atol=1e-4)


def test_half_precision_is_half_as_large_and_at_most_a_grey_level_off(run, tmp_path, error_of):
    path = tmp_path / "half" / "generator.safetensors"
    call = ["export", f"--run={run}", f"--output={path}"]
    assert "only safetensors hold half precision" in error_of(*call, "--format=torchscript", "--half")
    assert not path.exists()
    assert main([*call, "--format=safetensors", "--half"]) == 0
    numbers = sum(w.numel() for w in weights.load_generator(run).state_dict().values())
    assert path.stat().st_size < 2.2 * numbers + 4000
    net, halved = weights.load_generator(run), gancompare.load_generator(path.parent)
    assert {w.dtype for w in halved.parameters()} == {torch.float32}
    z = torch.randn(64, 16, generator=stream(0, "other"))
    pixels = [to_uint8(g(z)).int() for g in (net, halved)]
    assert 1 <= (pixels[0] - pixels[1]).abs().max() <= 1


def test_the_generators_in_version_control_are_of_their_runs_and_draw():
    study = Path(gancompare.__file__).parent.parent / "results" / "first"
    found = sorted(study.glob("*/*/seed0/generator.safetensors"))
    if not found:
        pytest.skip("the kept study is not in this checkout")
    for path in found:
        net = gancompare.load_generator(path.parent)  # raises if they do not fit the run's config
        images = to_uint8(net(torch.randn(16, net.latent_dim, generator=stream(0, "other")))).float()
        assert images.std() > 20, path  # neither flat nor noise around grey
        assert images.std(dim=0).mean() > 5, path  # not all alike
        assert path.stat().st_size < 2.1 * sum(w.numel() for w in net.state_dict().values()) + 4000, path


def test_nothing_is_overwritten_without_force(run, tmp_path, error_of):
    path = tmp_path / "net.ts"
    call = ["export", f"--run={run}", "--format=torchscript", f"--output={path}"]
    path.write_text("kept")
    assert "--force" in error_of(*call)
    assert path.read_text() == "kept"
    assert main([*call, "--force"]) == 0
    assert path.stat().st_size > 1000
    assert "is a folder" in error_of(*call[:-1], f"--output={tmp_path}")
    (tmp_path / "config.json").write_text("{}")
    tensors = [*call[:2], "--format=safetensors", f"--output={tmp_path / 'generator.safetensors'}"]
    assert "is of another run" in error_of(*tensors)
    assert not (tmp_path / "generator.safetensors").exists()
    assert main([*tensors, "--force"]) == 0


def test_safetensors_are_written_only_where_load_generator_finds_them(run, tmp_path, error_of):
    call = ["export", f"--run={run}", "--format=safetensors"]
    found = error_of(*call, f"--output={tmp_path / 'new' / 'net.safetensors'}", "--force")
    assert "call it generator.safetensors or best.safetensors" in found
    assert not (tmp_path / "new").exists()
    assert main([*call, f"--output={tmp_path / 'new' / 'best.safetensors'}"]) == 0
    z = torch.randn(2, 16, generator=stream(0, "other"))
    expected = weights.load_generator(run)(z)
    torch.testing.assert_close(gancompare.load_generator(tmp_path / "new", which="best")(z), expected, rtol=0, atol=0)


def test_a_file_that_gives_other_images_is_not_written(run, tmp_path):
    def shifted(net):
        return b"wrong", lambda z: net(z) + 2e-4

    def undefined(net):
        return b"wrong", lambda z: net(z) * torch.nan

    path = tmp_path / "net"
    for writer, difference in ((shifted, "2.0e-04"), (undefined, "nan")):
        with pytest.raises(RunError, match=f"differ from the run's by {difference}"):
            export(run, "mine", path, formats={"mine": writer})
    assert not path.exists()
    assert export(run, "mine", path, formats={"mine": lambda net: (b"right", net)}) == 0
    assert path.read_bytes() == b"right"


@pytest.mark.parametrize("scale", [200.0, 1e7])  # rounding moves a pixel by more than a grey level; overflows to ∞
def test_weights_that_half_precision_cannot_hold_are_not_written(make_run, tmp_path, error_of, scale):
    run, path = make_run(tmp_path / "run", scale=scale), tmp_path / "half" / "generator.safetensors"
    call = ["export", f"--run={run}", f"--output={path}", "--format=safetensors"]
    assert "differ from the run's by" in error_of(*call, "--half")
    assert not path.parent.exists()
    assert main(call) == 0  # at full precision it is the same generator


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_named(run, tmp_path, error_of, monkeypatch, package):
    for other in ("onnx", "onnxscript", "onnxruntime"):
        monkeypatch.setitem(sys.modules, other, None if other == package else sys)
    found = error_of("export", f"--run={run}", "--format=onnx", f"--output={tmp_path / 'net.onnx'}")
    assert f"needs the package {package}" in found
    assert "pip install onnx onnxscript onnxruntime" in found


def test_bad_runs_are_refused(make_run, tmp_path, error_of):
    def message(directory):
        return error_of("export", f"--run={directory}", "--format=torchscript", f"--output={tmp_path / 'x'}")

    assert "holds no run" in message(tmp_path / "absent")
    assert "no last generator weights" in message(make_run(tmp_path / "a", weights=False))
    assert "not finite" in message(make_run(tmp_path / "b", scale=float("inf")))
    (make_run(tmp_path / "c") / "generator.safetensors").write_bytes(b"\xff" * 100)
    assert "cannot be read" in message(tmp_path / "c")
    newer = make_run(tmp_path / "d") / "config.json"
    newer.write_text(newer.read_text().replace('"format": 1', '"format": 99'))
    assert "update gancompare" in message(tmp_path / "d")
    assert not (tmp_path / "x").exists()


def test_a_conditional_generator_is_exported_with_labels_as_a_second_input(conditional, tmp_path, form):
    path = tmp_path / "new" / ("generator.safetensors" if form == "safetensors" else "generator.pt2")
    assert main(["export", f"--run={conditional}", f"--format={form}", f"--output={path}"]) == 0
    net, labels = weights.load_generator(conditional), torch.tensor([2, 0, 1, 1, 2])
    z = torch.randn(5, 4, generator=stream(0, "other"))
    if form == "onnx":
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        found = torch.from_numpy(session.run(None, {"latents": z.numpy(), "labels": labels.numpy()})[0])
    else:
        found = reopen(form, path)(z, labels)
    with torch.no_grad():
        np.testing.assert_allclose(found.detach().numpy(), net(z, labels).numpy(), rtol=0, atol=1e-4)
