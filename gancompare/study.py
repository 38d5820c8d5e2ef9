"""The grid of runs: plan it, execute each run in a process of its own, skip what is complete, resume what is not.

The truth about a run is its exit code and its ``status.json``; an output notebook can claim to be complete after its
kernel was killed.
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

import gancompare
from gancompare import runs
from gancompare.config import RunConfig
from gancompare.data import load_dataset
from gancompare.objectives import METHODS
from gancompare.train import choose_device, progress_line, train, with_progress

NOTEBOOKS = Path(gancompare.__file__).parent.parent / "notebooks"
BYTES_PER_JOB = 2 * 2**30  # a kernel, torch and a data set of 28×28 or 64×64 images
PARENT_VARIABLE = "GANCOMPARE_STUDY_PROCESS"  # tells a run which process to end with


@dataclass
class Outcome:
    """What became of one run: complete, diverged, skipped (was finished already), interrupted or failed."""

    config: RunConfig
    directory: Path
    status: str
    message: str = ""


def plan(datasets: Iterable[str], methods: Iterable[str], seeds: Iterable[int], **fields: Any) -> list[RunConfig]:
    """Every combination of data set, method and seed with the same other fields. Raises ConfigError for a bad one."""
    grid = itertools.product(datasets, methods, seeds)
    return [RunConfig.from_dict(fields | {"dataset": d, "method": m, "seed": s}) for d, m, s in grid]


def cost(config: RunConfig) -> float:
    """A run's expected time in arbitrary units, to start the longest first; a penalty costs a step about 2.5 times."""
    penalty = 2.5 if "penalty_weight" in METHODS[config.method].__dataclass_fields__ else 1.0
    pixels = config.image_size**2 * config.base_channels**2 * config.batch_size
    return config.generator_steps * (1 + config.n_critic * penalty) * pixels


def execute(config: RunConfig, study: str, results: Path, notebook: bool = True) -> Outcome:
    """Train one run here, through papermill and ``02_train.ipynb`` or, without ``notebook``, in this process.

    Raises RunError if the notebook is missing; whatever the run itself raises ends up in the outcome with papermill,
    and is raised without.
    """
    directory = runs.run_directory(results, study, config)
    if notebook:
        message = execute_notebook(config, study, Path(results), directory)
    else:
        message = ""
        for _ in with_progress(train(config, directory), config):
            pass
    status = runs.read_status(directory)
    if status["status"] in runs.FINISHED and not message:
        return Outcome(config, directory, status["status"], status.get("message", ""))
    return Outcome(config, directory, "failed", message or status.get("message", "") or "the kernel died")


def execute_notebook(config: RunConfig, study: str, results: Path, directory: Path) -> str:
    """Execute ``02_train.ipynb`` into the run directory; returns why it failed, or nothing."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from traitlets.config import Config

    source = NOTEBOOKS / "02_train.ipynb"
    if not source.exists():
        raise runs.RunError(f"{source} is not there: run from a checkout of gancompare, or with --no-notebook")
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="gancompare-") as sockets:
        # Kernels that start at the same moment race for TCP ports; sockets in a directory of their own cannot.
        ipc = {"transport": "ipc", "ip": f"{sockets}/kernel"} if os.name == "posix" else {}
        try:
            papermill.execute_notebook(
                source,
                directory / source.name,
                parameters=config.to_dict() | {"study": study, "results": str(results.resolve())},
                kernel_name="python3",
                progress_bar=False,
                stdout_file=sys.stdout,
                config=Config({"KernelManager": ipc}),
            )
        except papermill.PapermillExecutionError as error:
            return f"{error.ename}: {error.evalue}"
        except DeadKernelError:
            return "the kernel died, which is most often the system running out of memory"
    return ""


def run_study(
    configs: list[RunConfig], study: str, results: Path, jobs: int | None = None, notebook: bool = True
) -> list[Outcome]:
    """Run ``configs``, ``jobs`` at a time (None: as many as this machine takes), and say how each ended.

    Finished runs of the same config are skipped, interrupted ones resumed, and a failed one does not stop the others.
    Raises RunError if another process holds the study, and DataError for data that cannot be had; KeyboardInterrupt
    ends the running ones cleanly first.
    """
    directory = Path(results) / study
    for dataset in {(c.dataset, c.image_size, c.channels) for c in configs}:
        load_dataset(*dataset)  # a bad name stops here, and the runs find the decoded images in the cache
    gpus = torch.cuda.device_count() if any(choose_device(c.device).type == "cuda" for c in configs) else 0
    with runs.hold(directory, f"study {study!r}"):
        outcomes, waiting = sort_out(configs, study, results)
        jobs = jobs or automatic_jobs(len(waiting), gpus)
        threads = max(1, (os.cpu_count() or 1) // jobs)
        print(f"study {study}: {len(waiting)} runs to do, {len(outcomes)} already done", flush=True)
        if waiting:
            print(f"{jobs} at a time, {threads} threads each; stop with Ctrl-C, the same command resumes", flush=True)
        waiting.sort(key=cost, reverse=True)
        outcomes += carry_out(waiting, study, Path(results), jobs, threads, gpus, notebook)
    return outcomes


def sort_out(configs: list[RunConfig], study: str, results: Path) -> tuple[list[Outcome], list[RunConfig]]:
    """Which runs are finished already, and which are to be done. A run of another config is left as it is: failed."""
    outcomes, waiting = [], []
    for config in configs:
        directory = runs.run_directory(results, study, config)
        status = runs.read_status(directory)["status"]
        if status not in runs.FINISHED:
            waiting.append(config)
            continue
        differences = RunConfig.from_dict(runs.read_config(directory)["config"]).differences(config)
        listed = "; ".join(f"{name} {old!r} there, {new!r} now" for name, (old, new) in differences.items())
        message = f"a finished run of another config is there ({listed}); use another --name or delete it"
        outcomes.append(
            Outcome(config, directory, "failed", message) if listed else Outcome(config, directory, "skipped")
        )
    return outcomes, waiting


def automatic_jobs(count: int, gpus: int = 0) -> int:
    """How many runs at a time: one per GPU; else one per core, since small nets gain little from a second thread."""
    if gpus:
        return max(1, min(count, gpus))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 8 * 2**30
    return max(1, min(count, os.cpu_count() or 1, memory // BYTES_PER_JOB))


@dataclass
class Running:
    """A run under way in a subprocess."""

    config: RunConfig
    directory: Path
    process: subprocess.Popen
    log: IO
    slot: int
    started: float
    first: tuple[int, float] | None = None  # (generator step, time) at the first sign of progress


def carry_out(
    waiting: list[RunConfig], study: str, results: Path, jobs: int, threads: int, gpus: int, notebook: bool
) -> list[Outcome]:
    """Keep ``jobs`` subprocesses going until ``waiting`` is empty, printing a progress line for each run."""
    total, outcomes, printed = len(waiting), [], time.monotonic()
    queue, active = list(waiting), []
    every = 5.0 if sys.stdout.isatty() else 15.0
    try:
        while queue or active:
            while queue and len(active) < jobs:
                slot = min(set(range(jobs)) - {run.slot for run in active})
                active.append(start(queue.pop(0), study, results, slot, threads, gpus, notebook))
            time.sleep(0.2)
            for run in [run for run in active if run.process.poll() is not None]:
                active.remove(run)
                outcomes.append(finish(run))
                outcome, took = outcomes[-1], time.monotonic() - run.started
                name = run.directory.relative_to(results / study)
                print(
                    f"[{len(outcomes)}/{total}] {name}: {outcome.status} in {took:.0f} s {outcome.message}", flush=True
                )
            if time.monotonic() - printed >= every:
                printed = time.monotonic()
                for run in active:
                    print("  " + progress(run), flush=True)
    finally:  # Ctrl-C, or a bug here: no subprocess stays behind
        for run in active:
            stop(run)
    return outcomes


def start(config: RunConfig, study: str, results: Path, slot: int, threads: int, gpus: int, notebook: bool) -> Running:
    directory = runs.run_directory(results, study, config)
    directory.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "gancompare", "run", "--study", study, "--results", str(results), *options(config)]
    command += [] if notebook else ["--no-notebook"]
    environment = os.environ | {PARENT_VARIABLE: str(os.getpid()), "PYTHONUNBUFFERED": "1"}
    # Threads beyond the cores cost far more than they bring: two processes of two on two cores ran 45 times slower.
    environment |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    if gpus:
        environment["CUDA_VISIBLE_DEVICES"] = visible_gpu(slot % gpus)
    log = open(directory / "run.log", "w")  # noqa: SIM115 -- closed when the process has ended
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True)
    return Running(config, directory, process, log, slot, time.monotonic())


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
    code, status = run.process.returncode, runs.read_status(run.directory)
    if code == 0 and status["status"] in runs.FINISHED:
        return Outcome(run.config, run.directory, status["status"], status.get("message", ""))
    said = [line for line in (run.directory / "run.log").read_text(errors="replace").splitlines() if line.strip()]
    reason = said[-1] if said else "no output"
    if code < 0:
        reason = f"killed by signal {-code} ({reason})"
    return Outcome(run.config, run.directory, "failed", f"{reason}; log: {run.directory / 'run.log'}")


def stop(run: Running) -> None:
    """End a run and its kernel: first politely, so that it notes where it was, then by force."""
    run.process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
    try:
        run.process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        run.process.kill()
        run.process.wait()
    run.log.close()
    with contextlib.suppress(runs.RunError):
        if runs.read_status(run.directory)["status"] == "running":
            runs.write_status(run.directory, "interrupted", message="stopped by the user; the same command resumes it")
