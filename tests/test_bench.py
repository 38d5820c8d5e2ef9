import json

import pandas as pd
import pytest
import torch

from gancompare import __main__, train
from gancompare.bench import bench
from gancompare.bench.profiling import PARTS
from gancompare.config import RunConfig


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
        patch.setattr(bench, "matmul_ceiling", lambda device, bf16: 1e12)
        patch.setattr(bench.study, "usable_cores", lambda: 1)  # each process costs the seconds of importing torch
        return bench.compare([RunConfig(method="wgan-gp", **fields)], rounds=2, report=lambda line: None)


def test_the_columns_of_a_row_agree(table):
    (row,) = table.itertuples()
    assert row.method == "wgan-gp"
    assert row.ratio_low <= row.ratio <= row.ratio_high
    for loop in ("textbook", "ours"):
        steps = getattr(row, f"{loop}_steps_per_s")
        assert steps * getattr(row, f"{loop}_ms") == pytest.approx(1000)
        assert getattr(row, f"{loop}_images_per_s") == pytest.approx(steps * 5 * 8)  # critic steps, batch size
        assert getattr(row, f"{loop}_memory_mb") >= 0
    assert row.study_ratio == pytest.approx(row.study_steps_per_s / row.textbook_steps_per_s)
    assert row.ceiling_share == pytest.approx(row.gflop * 1e9 * row.ours_steps_per_s / 1e12)
    assert sum(getattr(row, f"share_{part}") for part in PARTS) == pytest.approx(1)
    assert not row.cuda_graph


def test_the_summary_and_the_chart_show_every_row(table, tmp_path):
    table = pd.concat([table.assign(method="gan", ratio=table["ratio_low"]), table], ignore_index=True)
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
    monkeypatch.setattr(bench, "compare", lambda configs, rounds, steps: table.assign(method="gan"))
    found = {"dataset": "mnist", "method": "gan", "threshold": 50.0, "limit_seconds": 9.0, "ratio": 2.5}
    found |= {f"{loop}_{what}": 1.0 for loop in bench.LOOPS for what in bench.QUALITY}
    monkeypatch.setattr(bench, "time_to_quality", lambda config, fd, limit: found | {"method": config.method})
    paths = {"--json": tmp_path / "out.json", "--chart": tmp_path / "out.png"}
    options = [str(part) for pair in paths.items() for part in pair]
    assert __main__.main(["bench", "--sizes", "28", *options, "--time-to-quality", "50", "--study-sizes", "2"]) == 0
    rows = json.loads(paths["--json"].read_text())
    assert [row["ratio"] for row in rows] == pytest.approx(table["ratio"].tolist())
    assert [row["quality_ratio"] for row in rows] == [2.5]
    assert paths["--chart"].stat().st_size > 1000
    printed = capsys.readouterr().out
    assert "quality_ratio" in printed
    assert "read_us_per_run" in printed


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


def test_a_timed_process_that_dies_is_reported(smoke):
    config = smoke(method="gan")
    with bench.workers(["ours"], config, threads=1) as (worker,):
        worker.ask("steps", 1)
        assert worker.answer()[0] == 1
        worker.process.kill()
        with pytest.raises(RuntimeError, match="exit code -9"):
            worker.answer()


def test_best_jobs_takes_the_fastest_and_remembers_it(smoke, tmp_path, monkeypatch):
    monkeypatch.setenv("GANCOMPARE_CACHE", str(tmp_path))
    monkeypatch.setattr(bench.study, "usable_cores", lambda: 6)
    monkeypatch.setattr(bench.study, "available_memory", lambda: 2**40)
    asked = []

    def throughput(config, jobs, threads, seconds):
        asked.append((config.method, jobs, threads))
        if jobs == 6:
            raise RuntimeError("killed")
        return {1: 2.0, 2: 3.0, 4: 2.5}[jobs]

    monkeypatch.setattr(bench, "throughput", throughput)
    configs = [smoke(method=method, seed=seed) for method in ("gan", "wgan-gp") for seed in range(3)]
    lines = []
    assert bench.best_jobs(configs, report=lines.append) == 2
    assert asked == [("wgan-gp", 1, 6), ("wgan-gp", 2, 3), ("wgan-gp", 4, 1), ("wgan-gp", 6, 1)]
    assert len(lines) == 3
    assert bench.best_jobs(configs, report=lines.append) == 2
    assert len(asked) == 4
