import json

import pandas as pd
import pytest
import torch
from torch import nn

from gancompare import __main__, bench, objectives, train
from gancompare.config import RunConfig
from gancompare.objectives import METHODS


@pytest.fixture
def smoke(image_folder):
    return lambda **fields: RunConfig(
        **{"profile": "smoke", "dataset": str(image_folder), "image_size": 28, "channels": 1} | fields
    )


def some_images(config, count=16):
    shape = (count, config.channels, config.image_size, config.image_size)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def table(image_folder):
    fields = {"profile": "smoke", "dataset": str(image_folder), "image_size": 28, "channels": 1, "precision": "float32"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "IMAGES", 16)
        patch.setattr(bench, "matmul_ceiling", lambda device, bf16: 1e12)
        configs = [RunConfig(method=method, **fields) for method in ("gan", "wgan-gp")]
        return bench.compare(configs, rounds=2, report=lambda line: None)


def test_compare_has_a_row_per_config_whose_columns_agree(table):
    assert table["method"].tolist() == ["gan", "wgan-gp"]
    for row in table.itertuples():
        assert row.ratio_low <= row.ratio <= row.ratio_high
        n_critic = METHODS[row.method].n_critic
        for loop in ("textbook", "ours"):
            steps = getattr(row, f"{loop}_steps_per_s")
            assert steps * getattr(row, f"{loop}_ms") == pytest.approx(1000)
            assert getattr(row, f"{loop}_images_per_s") == pytest.approx(steps * n_critic * 8)  # batch size
            assert getattr(row, f"{loop}_memory_mb") >= 0
        assert row.ceiling_share == pytest.approx(row.gflop * 1e9 * row.ours_steps_per_s / 1e12)
        assert sum(getattr(row, f"share_{part}") for part in bench.PARTS) == pytest.approx(1)
    assert table["share_penalty"].tolist()[0] == 0
    assert not table["cuda_graph"].any()


def test_the_summary_and_the_chart_show_every_row(table, tmp_path):
    text = bench.summary(table)
    assert text.count("wgan-gp") == 3  # speed, bounds, shares
    for name in ("ours_images_per_s", "ceiling_share", "ours_memory_mb", "share_penalty"):
        assert name in text
    figure = bench.chart(table)
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["gan 28×28", "wgan-gp 28×28"]
    assert [bar.get_width() for bar in left.patches] == pytest.approx(table["ratio"].tolist())
    ends = [bar.get_x() + bar.get_width() for bar in right.patches]
    assert max(ends) == pytest.approx(100)
    figure.savefig(tmp_path / "chart.png")


def test_the_command_writes_table_and_chart(tmp_path, monkeypatch, capsys, table):
    monkeypatch.setattr(bench, "compare", lambda configs, rounds, steps: table)
    found = {"dataset": "mnist", "method": "gan", "threshold": 50.0, "limit_seconds": 9.0, "ratio": 2.5}
    found |= {f"{loop}_{what}": 1.0 for loop in bench.LOOPS for what in bench.QUALITY}
    monkeypatch.setattr(bench, "time_to_quality", lambda config, fd, limit: found | {"method": config.method})
    paths = {"--json": tmp_path / "out.json", "--chart": tmp_path / "out.png"}
    options = [str(part) for pair in paths.items() for part in pair]
    assert __main__.main(["bench", "--sizes", "28", *options, "--time-to-quality", "50", "--study-sizes", "2"]) == 0
    rows = json.loads(paths["--json"].read_text())
    assert [row["ratio"] for row in rows] == pytest.approx(table["ratio"].tolist())
    assert [row["quality_ratio"] for row in rows] == [2.5, 2.5]
    assert paths["--chart"].stat().st_size > 1000
    printed = capsys.readouterr().out
    assert "quality_ratio" in printed
    assert "read_us_per_run" in printed


def layer_flops(net, argument):
    """Floating-point operations of each convolution and linear layer in one forward pass, by hand."""
    found = {}

    def count(layer, inputs, output):
        weight = layer.weight.numel()
        if isinstance(layer, nn.Linear):
            found[layer] = 2 * len(output) * weight
        else:  # a transposed convolution multiplies every input pixel, a convolution makes every output pixel
            pixels = (inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output)[0, 0].numel()
            found[layer] = 2 * len(output) * weight * pixels

    layers = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    net(argument)
    for hook in hooks:
        hook.remove()
    return list(found.values())


@pytest.mark.parametrize("method", METHODS)
def test_flops_are_those_counted_by_hand(smoke, method):
    config = smoke(method=method, n_critic=2, precision="float32")
    images = some_images(config)
    state = train.prepare(config, images)
    g = layer_flops(state.generator, torch.zeros(8, config.latent_dim))
    c = layer_flops(state.critic, torch.zeros(8, 1, 28, 28))
    forward_g, forward_c = sum(g), sum(c)
    backward_c = 2 * forward_c - c[0]  # to the weights and to all inputs but the images
    critic_step = forward_g + 2 * (forward_c + backward_c)
    generator_step = forward_g + forward_c + forward_c + 2 * forward_g - g[0]  # through the critic, not to its weights
    if "penalty_weight" in METHODS[method].__dataclass_fields__:
        # forward; gradient by x_hat; back through that gradient to the weights and to what came before it, where none
        # comes before the score; and back through the forward pass below the score, to x_hat too as it is a leaf
        below_score = forward_c - c[-1]
        critic_step += forward_c + forward_c + (2 * below_score + c[-1]) + 2 * below_score
    assert bench.flops(config, images) == 2 * critic_step + generator_step


def test_the_matmul_ceiling_is_a_rate():
    for bf16 in (False, True):
        assert bench.matmul_ceiling(torch.device("cpu"), bf16, sizes=(64,), repeats=2) > 1e6
    assert torch.get_float32_matmul_precision() == "highest"


def test_peak_memory_sees_an_allocation():
    with bench.peak_memory(torch.device("cpu")) as used:
        torch.ones(2**26)  # 256 MiB, far above what else the process may do meanwhile
    if "VmHWM" in used["of"]:
        assert used["bytes"] == pytest.approx(2**28, rel=0.2)
    assert used["bytes"] >= 0


def test_laps_give_time_to_the_innermost_part(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(bench.time, "perf_counter", lambda: now[0])
    laps = bench.Laps(torch.device("cpu"))

    def wait(seconds):
        now[0] += seconds

    inner = laps.timed("data", wait)

    def outer():
        wait(1)
        inner(2)
        wait(4)

    laps.timed("generator", outer)()
    wait(8)
    laps.switch("critic")
    assert laps.spent == {"generator": 5, "data": 2, "critic": 8}


def test_timing_the_parts_leaves_no_timer_behind(smoke):
    before = (train.accumulate, train.real_images, objectives.gradient_penalty, METHODS["wgan-gp"].constrain)
    config = smoke()
    found = bench.shares(config, some_images(config), steps=1)
    assert set(found) == set(bench.PARTS)
    assert found["critic"] > 0
    assert found["data"] > 0
    assert before == (train.accumulate, train.real_images, objectives.gradient_penalty, METHODS["wgan-gp"].constrain)


def test_the_textbook_loop_refuses_a_method_it_has_no_loss_for(smoke):
    config = smoke(method="gan-gp")
    with pytest.raises(ValueError, match="gan-gp"):
        next(bench.textbook(train.prepare(config, some_images(config))))


def test_time_to_quality_stops_at_the_threshold_and_at_the_limit(smoke):
    config = smoke(method="gan", monitor_images=16)
    before = torch.get_rng_state()
    easy = bench.time_to_quality(config, threshold=1e9, limit_seconds=60)
    assert (easy["textbook_steps"], easy["ours_steps"]) == (2, 2)  # evaluate_every
    assert easy["ratio"] == pytest.approx(easy["textbook_seconds"] / easy["ours_seconds"])
    assert easy["extractor"] == "random-init"
    hard = bench.time_to_quality(config, threshold=0.0, limit_seconds=0.01)
    assert (hard["textbook_seconds"], hard["ours_seconds"], hard["ratio"]) == (None, None, None)
    assert hard["ours_fd"] > 0
    assert torch.equal(before, torch.get_rng_state())
    with pytest.raises(ValueError, match="extractor"):
        bench.time_to_quality(smoke(extractor="none"), 1.0, 1.0)


def test_quality_joins_the_rows_of_its_size():
    table = pd.DataFrame({"method": ["gan", "gan"], "image_size": [28, 64]})
    found = {"method": "gan", "threshold": 5.0, "limit_seconds": 9.0, "ratio": None}
    found |= {f"{loop}_{what}": 1.0 for loop in bench.LOOPS for what in bench.QUALITY}
    joined = bench.with_quality(table, [found])
    assert joined["quality_threshold"].tolist()[0] == 5.0
    assert pd.isna(joined["quality_threshold"][1])
    assert bench.with_quality(table, []) is table


def test_bookkeeping_reads_back_as_many_runs_as_it_planned(tmp_path):
    found = bench.bookkeeping([3, 5], tmp_path)
    assert found["runs"].tolist() == [3, 5]
    assert (found[["plan_s", "read_s"]] > 0).all(axis=None)
