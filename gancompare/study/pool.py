"""Runs in processes of their own, several at a time: skip what is finished, resume what is not, survive what fails."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import torch

from gancompare.base.device import available_memory, choose_device, usable_cores
from gancompare.config import RunConfig
from gancompare.data.datasets import Splits, load_splits, summary
from gancompare.runs import layout, record
from gancompare.runs.layout import RunError
from gancompare.scoring.evaluation import due
from gancompare.scoring.reference import references
from gancompare.study.grid import cost
from gancompare.study.run import Outcome

BYTES_PER_JOB = 2 * 2**30  # a kernel, torch and a data set of 28×28 or 64×64 images
PARENT_VARIABLE = "GANCOMPARE_STUDY_PROCESS"  # tells a run which process to end with
Images = tuple[str, int, int]  # data set, image size, channels


@dataclass(frozen=True)
class Job:
    """A run that is to be made."""

    config: RunConfig
    directory: Path
    study: str


@dataclass(frozen=True)
class Resources:
    """What the runs of a pool share, and how each is carried out."""

    jobs: int  # runs at a time
    threads: int  # of each
    gpus: int = 0
    notebook: bool = True
    objectives: str | None = None  # a file of objectives that every run loads


def run_studies(
    studies: Mapping[str, list[RunConfig]],
    results: Path,
    *,
    jobs: int | None = None,
    notebook: bool = True,
    objectives: str | None = None,
) -> list[Outcome]:
    """Run the configs of all ``studies``, name → configs, ``jobs`` at a time (None: as many as this machine takes).

    Finished runs of the same config are skipped, interrupted ones resumed, and a failed one does not stop the others.
    Raises RunError if another process holds a study or two configs would share a directory, and DataError for data
    that cannot be had; KeyboardInterrupt ends the running ones cleanly first.
    """
    results = Path(results)
    planned = plan_jobs(studies, results)
    configs = [job.config for job in planned]
    # Bad data stops here, once for all runs, and the runs find the decoded images in the cache.
    images = {wanted: load_splits(*wanted) for wanted in {images_of(config) for config in configs}}
    # From all runs, not from those left: on a CPU the number of threads decides the last bits of a result.
    shared = resources(configs, jobs, notebook=notebook, objectives=objectives)
    with contextlib.ExitStack() as held:
        for study in studies:
            held.enter_context(record.hold(layout.study_directory(results, study), f"study {study!r}"))
        outcomes, waiting = [], []
        for job in planned:
            outcome = already(job, images[images_of(job.config)], notebook)
            waiting.append(job) if outcome is None else outcomes.append(outcome)
        what = f"study {next(iter(studies))}" if len(studies) == 1 else f"{results}, {len(studies)} studies"
        print(f"{what}: {len(waiting)} runs to do, {len(outcomes)} already done", flush=True)
        if waiting:
            print(
                f"{shared.jobs} at a time, {shared.threads} threads each; stop with Ctrl-C, the same command resumes",
                flush=True,
            )
        for config in {(images_of(job.config), job.config.extractor): job.config for job in waiting}.values():
            references(config, images[images_of(config)], choose_device(config.device))  # from now on in the cache
        waiting.sort(key=lambda job: cost(job.config), reverse=True)
        outcomes += carry_out(waiting, results, shared)
    return outcomes


def resources(
    configs: list[RunConfig], jobs: int | None = None, *, notebook: bool = True, objectives: str | None = None
) -> Resources:
    """What each of ``configs`` has to itself, at ``jobs`` at a time (None: as many as this machine takes)."""
    gpus = torch.cuda.device_count() if any(choose_device(c.device).type == "cuda" for c in configs) else 0
    jobs = jobs or automatic_jobs(len(configs), gpus)
    return Resources(jobs, max(1, usable_cores() // jobs), gpus, notebook, objectives)


def plan_jobs(studies: Mapping[str, list[RunConfig]], results: Path) -> list[Job]:
    """The runs of all ``studies``, name → configs. Raises RunError for a bad name, or for two in one directory."""
    planned = [
        Job(config, layout.run_directory(results, study, config), study)
        for study, configs in studies.items()
        for config in configs
    ]
    check_directories(planned)
    return planned


def images_of(config: RunConfig) -> Images:
    return config.dataset, config.image_size, config.channels


def check_directories(jobs: list[Job]) -> None:
    """Raise RunError if two runs would share a directory."""
    taken: dict[Path, RunConfig] = {}
    for job in jobs:
        if job.directory in taken:
            other = taken[job.directory]
            pair = f"{other.dataset} {other.arm} and {job.config.dataset} {job.config.arm}"
            raise RunError(f"two runs would share {job.directory} ({pair}): name each once, or rename a folder")
        taken[job.directory] = job.config


def already(job: Job, data: Splits, notebook: bool) -> Outcome | None:
    """What there is no need to run: a finished run, or one that must not be touched; None for what is to be done."""
    try:
        record.check(job.directory, job.config, summary(data.train))
        finished = record.is_finished(job.directory)
    except RunError as error:
        return Outcome(job.config, job.directory, "failed", str(error))
    undrawn = notebook and not (job.directory / layout.NOTEBOOK).exists()
    if not finished or undrawn or due(job.config, job.directory):
        return None
    return Outcome(job.config, job.directory, "skipped")


def automatic_jobs(
    count: int, gpus: int = 0, *, per_gpu: int = 1, cores: int | None = None, memory: int | None = None
) -> int:
    """How many runs at a time: ``per_gpu`` per GPU; else one per core, as small nets gain little from a second thread.

    ``cores`` and ``memory`` (bytes): by default what this process may use.
    """
    if gpus:
        return max(1, min(count, gpus * per_gpu))
    memory = memory or available_memory() or 8 * 2**30
    return max(1, min(count, cores or usable_cores(), memory // BYTES_PER_JOB))


# ---- processes -------------------------------------------------------------------------------------------------------


@dataclass
class Running:
    """A run under way in a subprocess."""

    job: Job
    process: subprocess.Popen
    log: IO
    slot: int
    started: float
    first: tuple[int, float] | None = None  # (generator step, time) at the first sign of progress


def carry_out(waiting: list[Job], results: Path, shared: Resources) -> list[Outcome]:
    """Keep ``shared.jobs`` subprocesses going until ``waiting`` is empty, printing a progress line for each run."""
    root = results if len({job.study for job in waiting}) > 1 else results / waiting[0].study if waiting else results
    total, outcomes, printed = len(waiting), [], time.monotonic()
    queue, active = list(waiting), []
    every = 5.0 if sys.stdout.isatty() else 15.0
    try:
        while queue or active:
            while queue and len(active) < shared.jobs:
                slot = min(set(range(shared.jobs)) - {run.slot for run in active})
                active.append(start(queue.pop(0), slot, shared))
            time.sleep(0.2)
            for run in [run for run in active if run.process.poll() is not None]:
                active.remove(run)
                outcome, took = finish(run), time.monotonic() - run.started
                outcomes.append(outcome)
                name = run.job.directory.relative_to(root)
                print(
                    f"[{len(outcomes)}/{total}] {name}: {outcome.status} in {took:.0f} s {outcome.message}", flush=True
                )
            if time.monotonic() - printed >= every:
                printed = time.monotonic()
                for run in active:
                    print(f"  {run.job.directory.relative_to(root)}: {progress(run)}", flush=True)
    finally:  # Ctrl-C, or a bug here: no subprocess stays behind
        stop(active)
    return outcomes


def start(job: Job, slot: int, shared: Resources) -> Running:
    """Write the run's config and start the process that reads it."""
    record.plan_run(job.directory, job.config, shared.objectives)
    command = [sys.executable, "-m", "gancompare", "run", "--directory", str(job.directory)]
    command += [] if shared.notebook else ["--no-notebook"]
    command += ["--objectives", shared.objectives] if shared.objectives else []
    environment = os.environ | {PARENT_VARIABLE: str(os.getpid()), "PYTHONUNBUFFERED": "1"}
    # Threads beyond the cores cost far more than they bring: two processes of two on two cores ran 45 times slower.
    environment |= {"OMP_NUM_THREADS": str(shared.threads), "MKL_NUM_THREADS": str(shared.threads)}
    environment["PYTHONUTF8"] = "1"  # a log can hold any path
    if shared.gpus and job.config.device in ("auto", "cuda"):  # cuda:N says itself which
        environment["CUDA_VISIBLE_DEVICES"] = visible_gpu(slot % shared.gpus)
    log = open(job.directory / layout.LOG, "w")  # noqa: SIM115 -- closed when the process has ended
    process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True)
    return Running(job, process, log, slot, time.monotonic())


def visible_gpu(index: int) -> str:
    """The name of the index-th GPU this process may use, which need not be GPU ``index`` of the machine."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return visible.split(",")[index] if visible else str(index)


def progress(run: Running) -> str:
    """Where a run under way is; speed is measured from the first step seen, so that a resume does not flatter it."""
    with contextlib.suppress(RunError):
        status = record.read_status(run.job.directory)
        step, now, total = status["generator_steps"], time.monotonic(), run.job.config.generator_steps
        if status["status"] == "running" and step:
            run.first = run.first or (step, now)
            text, steps, seconds = f"step {step:,}/{total:,}", step - run.first[0], now - run.first[1]
            if steps:
                left = int((total - step) * seconds / steps)
                text += f"  {steps / seconds:.2f} steps/s  {left // 60}:{left % 60:02d} left"
            return text
        if status["status"] in layout.FINISHED:  # trained; its notebook is being drawn
            return "finishing"
    return "starting"


def finish(run: Running) -> Outcome:
    run.log.close()
    job, code, log = run.job, run.process.returncode, run.job.directory / layout.LOG
    with contextlib.suppress(RunError):
        status = record.read_status(job.directory)
        if code == 0 and status["status"] in layout.FINISHED:
            return Outcome(job.config, job.directory, status["status"], status.get("message", ""))
    printed = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    reason = (
        printed[-1].removeprefix("gancompare: error: ").removeprefix(f"{job.directory}: ") if printed else "no output"
    )
    if code < 0:
        reason = f"killed by signal {-code} ({reason})"
    return Outcome(job.config, job.directory, "failed", f"{reason}; log: {log}")


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
        directory = run.job.directory
        with contextlib.suppress(RunError), record.hold(directory, "this run", record.PATIENCE):
            if record.read_status(directory)["status"] == "running":  # its kernel was killed before it could say
                record.write_status(directory, "interrupted", message=record.STOPPED)
