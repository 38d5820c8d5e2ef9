import pytest
import torch

from gancompare.base.device import usable_cores
from gancompare.bench.workers import Loop, best_jobs, workers


@pytest.mark.slow
def test_a_timed_process_that_dies_is_reported(smoke):
    with workers([[Loop("ours", smoke(method="gan"))]], threads=1) as (worker,):
        worker.ask("steps", 1)
        assert worker.answer().steps == 1
        worker.process.kill()
        with pytest.raises(RuntimeError, match="exit code -9"):
            worker.answer()


@pytest.mark.slow
@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_only_our_loop_replays_a_graph(smoke):
    loops = [[Loop(name, smoke(device="cuda"))] for name in ("textbook", "ours")]
    with workers(loops, threads=1) as started:
        assert [worker.warm_up.cuda_graph for worker in started] == [False, True]


def test_best_jobs_takes_the_fastest_and_remembers_it(smoke, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GANCOMPARE_CACHE", str(tmp_path))
    asked = []

    def measure(config, jobs, threads, seconds, objectives):
        asked.append((config.method, jobs, threads))
        if jobs == 6:
            raise RuntimeError("killed")
        return {1: 2.0, 2: 3.0, 4: 2.5}[jobs]

    configs = [smoke(method=method, seed=seed) for method in ("gan", "wgan-gp") for seed in range(3)]
    assert best_jobs(configs, most=6, measure=measure) == 2
    assert asked == [("wgan-gp", jobs, max(1, usable_cores() // jobs)) for jobs in (1, 2, 4, 6)]
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert best_jobs(configs, most=6, measure=measure) == 2
    assert len(asked) == 4


def test_by_default_no_more_than_one_run_per_core_is_tried(smoke, tmp_path, monkeypatch):
    monkeypatch.setenv("GANCOMPARE_CACHE", str(tmp_path))
    asked = []

    def measure(config, jobs, threads, seconds, objectives):
        asked.append((jobs, objectives))
        return 1.0 / jobs

    configs = [smoke(method="gan", seed=seed, device="cpu") for seed in range(100)]
    assert best_jobs(configs, measure=measure, objectives="mine.py") == 1
    assert max(jobs for jobs, _ in asked) <= usable_cores()
    assert {objectives for _, objectives in asked} == {"mine.py"}


def test_a_machine_that_could_not_be_measured_is_not_remembered(smoke, tmp_path, monkeypatch):
    monkeypatch.setenv("GANCOMPARE_CACHE", str(tmp_path))

    def dies(config, jobs, threads, seconds, objectives):
        raise RuntimeError("out of memory")

    assert best_jobs([smoke(method="gan")], most=2, measure=dies) == 1
    assert best_jobs([smoke(method="gan")], most=2, measure=lambda *_, jobs, **__: float(jobs)) == 1 + 1
