"""The grid of runs: plan it, execute each run in a process of its own, skip what is complete, resume what is not.

The truth about a run is its exit code and its ``status.json``, never its notebook.
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

from gancompare.base.device import available_memory, choose_device, usable_cores
from gancompare.base.notebooks import NotebookError
from gancompare.base.notebooks import execute as execute_notebook
from gancompare.config import RunConfig
from gancompare.data.datasets import load_dataset
from gancompare.objectives import METHODS
from gancompare.runs import runs
from gancompare.scoring import evaluation
from gancompare.train import progress_line, train, with_progress

BYTES_PER_JOB = 2 * 2**30  # a kernel, torch and a data set of 28×28 or 64×64 images
PARENT_VARIABLE = "GANCOMPARE_STUDY_PROCESS"  # tells a run which process to end with


@dataclass
class Outcome:
    """What became of one run: complete, diverged, skipped (was finished already) or failed."""

    config: RunConfig
    directory: Path
    status: str
    message: str = ""


def plan(datasets: Iterable[str], methods: Iterable[str], seeds: Iterable[int], **fields: Any) -> list[RunConfig]:
    """Every combination of data set, method and seed with the same other fields. Raises ConfigError for a bad one."""
    grid = itertools.product(datasets, methods, seeds)
    return [RunConfig.from_dict(fields | {"dataset": d, "method": m, "seed": s}) for d, m, s in grid]


def image_set(config: RunConfig) -> tuple[str, int, int]:
    return config.dataset, config.image_size, config.channels


def cost(config: RunConfig) -> float:
    """A run's expected time in arbitrary units, to start the longest first; a penalty costs a step about 2.5 times."""
    penalty = 2.5 if "penalty_weight" in METHODS[config.method].__dataclass_fields__ else 1.0
    pixels = config.image_size**2 * config.base_channels**2 * config.batch_size
    depth = 1 + config.extra_layers
    return config.generator_steps * (1 + config.n_critic * penalty) * pixels * depth


def execute(config: RunConfig, study: str, results: Path, notebook: bool = True) -> Outcome:
    """Train one run here, through papermill and ``02_train.ipynb`` or, without ``notebook``, in this process.

    Raises ConfigError, DataError or RunError for what can be seen to be wrong before training, and RunFailed for a run
    that was begun and could not go on.
    """
    directory = runs.run_directory(results, study, config)
    if notebook:
        # The kernel would find these too, but only after it has started, and as a traceback in a notebook.
        choose_device(config.device)
        runs.check(directory, config, load_dataset(config.dataset, config.image_size, config.channels).fingerprint)
        with runs.hold(directory, "this run", runs.PATIENCE):
            pass
        try:
            where = {"study": study, "results": str(Path(results).resolve())}
            execute_notebook("02_train.ipynb", directory / "02_train.ipynb", config.to_dict() | where)
        except NotebookError as error:
            raise runs.RunFailed(f"{directory}: {error}") from error
    else:
        with contextlib.closing(train(config, directory)) as rows:
            for _ in with_progress(rows, config):
                pass
    # The truth is in the status file: a notebook can claim to be complete after its kernel was killed.
    status = runs.read_status(directory)
    if status["status"] not in runs.FINISHED:
        raise runs.RunFailed(f"{directory}: {status.get('message') or 'the run ended without saying why'}")
    return Outcome(config, directory, status["status"], status.get("message", ""))


def run_study(
    configs: list[RunConfig], study: str, results: Path, jobs: int | None = None, notebook: bool = True
) -> list[Outcome]:
    """Run ``configs``, ``jobs`` at a time (None: as many as this machine takes), and say how each ended.

    Finished runs of the same config are skipped, interrupted ones resumed, and a failed one does not stop the others.
    Raises RunError if another process holds the study or two configs would share a directory, and DataError for data
    that cannot be had; KeyboardInterrupt ends the running ones cleanly first.
    """
    return run_studies({study: configs}, results, jobs, notebook)


def run_studies(
    studies: Mapping[str, list[RunConfig]], results: Path, jobs: int | None = None, notebook: bool = True
) -> list[Outcome]:
    """``run_study`` for several studies, name → configs, that share one pool of jobs."""
    results = Path(results)
    planned = [(study, config) for study, configs in studies.items() for config in configs]
    configs = [config for _, config in planned]
    taken: dict[Path, RunConfig] = {}
    for study, config in planned:
        directory = runs.run_directory(results, study, config)
        if directory in taken:
            pair = f"{taken[directory].dataset} {config.method} and {config.dataset} {config.method}"
            raise runs.RunError(f"two runs would share {directory} ({pair}): name each once, or rename a folder")
        taken[directory] = config
    # A bad name stops here, and the runs find the decoded images in the cache.
    datasets = {wanted: load_dataset(*wanted) for wanted in {image_set(config) for config in configs}}
    gpus = torch.cuda.device_count() if any(choose_device(c.device).type == "cuda" for c in configs) else 0
    with contextlib.ExitStack() as held:
        for study in studies:
            held.enter_context(runs.hold(results / study, f"study {study!r}"))
        outcomes, waiting = [], []
        for study, config in planned:
            fingerprint = datasets[image_set(config)].fingerprint
            outcome = already(config, runs.run_directory(results, study, config), fingerprint, notebook)
            waiting.append((study, config)) if outcome is None else outcomes.append(outcome)
        # From all runs, not from those left: on a CPU the number of threads decides the last bits of a result.
        jobs = jobs or automatic_jobs(len(configs), gpus)
        threads = max(1, usable_cores() // jobs)
        what = f"study {study}" if len(studies) == 1 else f"{results}, {len(studies)} studies"
        print(f"{what}: {len(waiting)} runs to do, {len(outcomes)} already done", flush=True)
        if waiting:
            print(f"{jobs} at a time, {threads} threads each; stop with Ctrl-C, the same command resumes", flush=True)
        for config in {(image_set(c), c.extractor): c for _, c in waiting}.values():
            evaluation.monitor(config, datasets[image_set(config)], choose_device(config.device))  # fills the cache
        waiting.sort(key=lambda item: cost(item[1]), reverse=True)
        outcomes += carry_out(waiting, results, jobs, threads, gpus, notebook)
    return outcomes


def already(config: RunConfig, directory: Path, fingerprint: str, notebook: bool) -> Outcome | None:
    """What there is no need to run: a finished run, or one that must not be touched; None for what is to be done."""
    try:
        runs.check(directory, config, fingerprint)
        finished = runs.read_status(directory)["status"] in runs.FINISHED
    except runs.RunError as error:
        return Outcome(config, directory, "failed", str(error))
    undrawn = notebook and not (directory / "02_train.ipynb").exists()
    if not finished or undrawn or evaluation.due(config, directory):
        return None
    return Outcome(config, directory, "skipped")


def automatic_jobs(count: int, gpus: int = 0, per_gpu: int = 1) -> int:
    """How many runs at a time: one per GPU; else one per core, since small nets gain little from a second thread."""
    if gpus:
        return max(1, min(count, gpus * per_gpu))
    memory = available_memory() or 8 * 2**30
    return max(1, min(count, usable_cores(), memory // BYTES_PER_JOB))


@dataclass
class Running:
    """A run under way in a subprocess."""

    config: RunConfig
    study: str
    directory: Path
    process: subprocess.Popen
    log: IO
    slot: int
    started: float
    first: tuple[int, float] | None = None  # (generator step, time) at the first sign of progress


def carry_out(
    waiting: list[tuple[str, RunConfig]], results: Path, jobs: int, threads: int, gpus: int, notebook: bool
) -> list[Outcome]:
    """Keep ``jobs`` subprocesses going until ``waiting`` (study, config) is empty, printing a progress line a run."""
    several = len({study for study, _ in waiting}) > 1
    total, outcomes, printed = len(waiting), [], time.monotonic()
    queue, active = list(waiting), []
    every = 5.0 if sys.stdout.isatty() else 15.0
    try:
        while queue or active:
            while queue and len(active) < jobs:
                slot = min(set(range(jobs)) - {run.slot for run in active})
                study, config = queue.pop(0)
                active.append(start(config, study, results, slot, threads, gpus, notebook))
            time.sleep(0.2)
            for run in [run for run in active if run.process.poll() is not None]:
                active.remove(run)
                outcomes.append(finish(run))
                outcome, took = outcomes[-1], time.monotonic() - run.started
                name = run.directory.relative_to(results if several else results / run.study)
                print(
                    f"[{len(outcomes)}/{total}] {name}: {outcome.status} in {took:.0f} s {outcome.message}", flush=True
                )
            if time.monotonic() - printed >= every:
                printed = time.monotonic()
                for run in active:
                    print("  " + f"{run.study}: " * several + progress(run), flush=True)
    finally:  # Ctrl-C, or a bug here: no subprocess stays behind
        stop(active)
    return outcomes


def start(config: RunConfig, study: str, results: Path, slot: int, threads: int, gpus: int, notebook: bool) -> Running:
    directory = runs.run_directory(results, study, config)
    directory.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "gancompare", "run", "--study", study, "--results", str(results), *options(config)]
    command += [] if notebook else ["--no-notebook"]
    environment = os.environ | {PARENT_VARIABLE: str(os.getpid()), "PYTHONUNBUFFERED": "1"}
    # Threads beyond the cores cost far more than they bring: two processes of two on two cores ran 45 times slower.
    environment |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    environment["PYTHONUTF8"] = "1"  # a log can hold any path
    if gpus and config.device in ("auto", "cuda"):  # cuda:N says itself which
        environment["CUDA_VISIBLE_DEVICES"] = visible_gpu(slot % gpus)
    log = open(directory / "run.log", "w")  # noqa: SIM115 -- closed when the process has ended
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True)
    return Running(config, study, directory, process, log, slot, time.monotonic())


def visible_gpu(index: int) -> str:
    """The name of the index-th GPU this process may use, which need not be GPU ``index`` of the machine."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return visible.split(",")[index] if visible else str(index)


def options(config: RunConfig) -> Iterator[str]:
    """``config`` as command-line options."""
    for name, value in config.to_dict().items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{flag}" if value else f"--no-{flag}"
        else:
            yield f"--{flag}={value}"


def progress(run: Running) -> str:
    """A line on a run under way; its speed is measured from the first step seen, so a resume does not flatter it."""
    with contextlib.suppress(runs.RunError):
        status = runs.read_status(run.directory)
        step, now = status["generator_steps"], time.monotonic()
        if status["status"] == "running" and step:
            run.first = run.first or (step, now)
            return progress_line(run.config, step, step - run.first[0], now - run.first[1])
        if status["status"] in runs.FINISHED:  # trained; its notebook is being drawn
            return f"{run.config.dataset} {run.config.method} seed {run.config.seed}: finishing"
    return f"{run.config.dataset} {run.config.method} seed {run.config.seed}: starting"


def finish(run: Running) -> Outcome:
    run.log.close()
    code, log = run.process.returncode, run.directory / "run.log"
    with contextlib.suppress(runs.RunError):
        status = runs.read_status(run.directory)
        if code == 0 and status["status"] in runs.FINISHED:
            return Outcome(run.config, run.directory, status["status"], status.get("message", ""))
    said = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    reason = said[-1].removeprefix("gancompare: error: ").removeprefix(f"{run.directory}: ") if said else "no output"
    if code < 0:
        reason = f"killed by signal {-code} ({reason})"
    return Outcome(run.config, run.directory, "failed", f"{reason}; log: {log}")


def stop(active: list[Running]) -> None:
    """End runs and their kernels: first politely, all at once, so that they note where they were, then by force."""
    for run in active:
        run.process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
    deadline = time.monotonic() + 20
    for run in active:
        try:
            run.process.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            run.process.kill()
            run.process.wait()
        run.log.close()
        with contextlib.suppress(runs.RunError), runs.hold(run.directory, "this run", runs.PATIENCE):
            if runs.read_status(run.directory)["status"] == "running":  # its kernel was killed before it could say
                message = "stopped by the user; the same command resumes it"
                runs.write_status(run.directory, "interrupted", message=message)
