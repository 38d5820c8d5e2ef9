"""Loops in processes of their own, as a user would run them: they share neither memory nor settings with another."""

import contextlib
import json
import multiprocessing.process
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile

from gancompare.base import device as machine
from gancompare.base import graphs
from gancompare.base.files import write_atomically
from gancompare.bench.profiling import peak_memory
from gancompare.bench.textbook import LOOPS, random_images
from gancompare.config import RunConfig
from gancompare.data.cache import cache_directory
from gancompare.objectives import load_file
from gancompare.study.grid import cost
from gancompare.study.pool import automatic_jobs
from gancompare.train import prepare

GPU_JOBS = 8  # runs at a time per GPU, at most


class WarmUp(NamedTuple):
    """What a worker reports once its loop is warm."""

    memory: int  # bytes at the peak, see ``peak_memory``
    memory_kind: str
    cuda_graph: bool  # whether the steps of its first loop are replayed as a CUDA graph


class Timing(NamedTuple):
    steps: int  # generator steps made
    seconds: float


@dataclass
class Worker:
    """A process that makes generator steps on request."""

    process: multiprocessing.process.BaseProcess
    pipe: Connection
    warm_up: WarmUp | None = None  # until the loop is warm

    def ask(self, unit: str, amount: float, which: int = 0) -> None:
        """Have loop ``which`` make ``amount`` steps (``unit`` "steps") or go on for so long (``unit`` "seconds")."""
        self.pipe.send((unit, amount, which))

    def answer(self) -> WarmUp | Timing:
        """Its next answer. Raises RuntimeError if the process has died, as it does when memory runs out."""
        try:
            return self.pipe.recv()
        except EOFError:
            self.process.join()
            raise RuntimeError(f"a timed process ended with exit code {self.process.exitcode}") from None


class Loop(NamedTuple):
    """What a worker times."""

    name: str  # of LOOPS
    config: RunConfig


@contextlib.contextmanager
def workers(each: Sequence[Sequence[Loop]], threads: int, objectives: str | None = None) -> Iterator[list[Worker]]:
    """For each of the sequences of loops a process with ``threads`` threads, warmed up one after another.

    ``objectives``: a file of objectives that every process loads.
    """
    context, started = multiprocessing.get_context("spawn"), []
    try:
        for loops in each:
            near, far = context.Pipe()
            # As JSON, because a config of an objective that the new process does not know yet cannot be built there.
            texts = [(loop.name, json.dumps(loop.config.to_dict())) for loop in loops]
            process = context.Process(target=serve, args=(far, texts, threads, objectives), daemon=True)
            process.start()
            far.close()
            started.append(Worker(process, near))
            started[-1].warm_up = started[-1].answer()
        yield started
    finally:
        for worker in started:
            worker.process.terminate()
        for worker in started:
            worker.process.join()


def serve(pipe: Connection, loops: Sequence[tuple[str, str]], threads: int, objectives: str | None) -> None:
    """The work of such a process: warm its loops up, send a ``WarmUp``, then a ``Timing`` for each request."""
    torch.set_num_threads(threads)
    if objectives:
        load_file(objectives)
    configs = [RunConfig.from_dict(json.loads(text)) for _, text in loops]
    device = machine.choose_device(configs[0].device)
    with peak_memory(device) as memory:
        running = [warm(name, config, device) for (name, _), config in zip(loops, configs, strict=True)]
    replayed = device.type == "cuda" and launches_a_graph(lambda: next(running[0]))
    pipe.send(WarmUp(memory.bytes, memory.kind, replayed))
    while True:
        unit, amount, which = pipe.recv()
        steps, started = 0, time.perf_counter()
        while steps < amount if unit == "steps" else time.perf_counter() - started < amount:
            next(running[which])
            steps += 1
        pipe.send(Timing(steps, time.perf_counter() - started))


def warm(name: str, config: RunConfig, device: torch.device) -> Iterator[Any]:
    """The loop ``name`` after its first steps, which cost more than the others."""
    config = replace(config, conditional=False)  # random images have no classes, which cost next to nothing
    config = replace(config, warmup_generator_steps=0)  # what is timed are ordinary steps
    loop = LOOPS[name](config, *prepare(config, random_images(config), device))
    for _ in range(graphs.EAGER_STEPS + 1 if device.type == "cuda" else 2):
        next(loop)
    return loop


def launches_a_graph(work: Callable[[], object]) -> bool:
    """Whether ``work`` launches a CUDA graph, as the CUDA runtime reports it."""
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        work()
    return any(event.key.startswith("cudaGraphLaunch") for event in seen.key_averages())


def throughput(config: RunConfig, *, jobs: int, threads: int, seconds: float, objectives: str | None = None) -> float:
    """Generator steps per second of ``jobs`` runs of ours at a time, together, each with ``threads`` threads."""
    with workers([[Loop("ours", config)]] * jobs, threads, objectives) as started:
        for worker in started:
            worker.ask("seconds", seconds)
        return sum(timing.steps / timing.seconds for timing in [worker.answer() for worker in started])


def best_jobs(
    configs: list[RunConfig],
    *,
    most: int | None = None,
    seconds: float = 10.0,
    objectives: str | None = None,
    measure: Callable[..., float] = throughput,
) -> int:
    """How many of ``configs`` to run at a time on this machine: what gives the most generator steps per second.

    ``measure``, called as ``throughput`` is, times the longest run at 1, 2, 4, … up to ``most`` at a time (None: one
    per core, or eight per GPU, as memory allows), each for ``seconds``. The answer is kept in the cache, because on a
    CPU the number of threads decides the last bits of a result. ``objectives``: a file of objectives that runs load.
    """
    config = max(configs, key=cost)
    device = machine.choose_device(config.device)
    gpus = torch.cuda.device_count() if device.type == "cuda" else 0
    most = most or automatic_jobs(len(configs), gpus, per_gpu=GPU_JOBS)
    nets = f"{config.method} {config.image_size}×{config.image_size}×{config.channels} width {config.base_channels}"
    key = f"{machine.device_name(device)}, torch {torch.__version__}, {nets}, batch {config.batch_size}, up to {most}"
    path = cache_directory() / "jobs.json"
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        known = {}
    if key not in known:
        rates = {}
        for jobs in sorted({most, *(2**k for k in range(most.bit_length()))}):
            try:
                threads = max(1, machine.usable_cores() // jobs)
                rates[jobs] = measure(config, jobs=jobs, threads=threads, seconds=seconds, objectives=objectives)
            except RuntimeError:  # most likely out of memory, and more at a time would run out, too
                break
            print(
                f"measuring this machine: {jobs} at a time make {rates[jobs]:.2f} generator steps/s ({nets})",
                flush=True,
            )
        if not rates:  # nothing to remember
            return 1
        known[key] = max(rates, key=rates.get)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(known, indent=1).encode())
    return known[key]
