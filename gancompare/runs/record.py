"""What a run says about itself: its config and its status, and who may write them at the moment."""

import contextlib
import hashlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock

import gancompare
from gancompare.base.files import write_atomically
from gancompare.config import ConfigError, RunConfig
from gancompare.runs.layout import CONFIG, FINISHED, STATUS, RunError, RunFailed, results_directory, run_directory

FORMAT = 1  # raised when a reader of the old format would misread the new one
PATIENCE = 20.0  # seconds to wait for a run's directory: the kernel of a killed run takes a few to notice and end
AGAIN = "delete the run to train it again"
STOPPED = "stopped by the user; the same command resumes it"


@contextlib.contextmanager
def hold(directory: Path, what: str, patience: float = 0.0) -> Iterator[None]:
    """Keep ``directory`` to this process. A dead process holds nothing.

    Raises RunError, saying who holds it, if it is not free within ``patience`` seconds.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(directory / ".lock")
    holder = directory / ".holder.lock"
    try:
        lock.acquire(timeout=patience)
    except filelock.Timeout:
        with contextlib.suppress(OSError):
            what += f" is held by {holder.read_text()}"
        raise RunError(f"{what}: {directory} is in use; wait for it, stop it, or choose another name") from None
    try:
        write_atomically(holder, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, {} for a file that is not there. Raises RunError for one that cannot be read."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read ({error}); {AGAIN}") from error
    if not isinstance(content, dict):
        raise RunError(f"{path} is not a JSON object; {AGAIN}")
    return content


def write_json(path: Path, content: dict[str, Any]) -> None:
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())


# ---- status ----------------------------------------------------------------------------------------------------------


def read_status(directory: Path) -> dict[str, Any]:
    """``status.json``, with at least a ``status``: "absent" where there is no run."""
    return {"status": "absent", "generator_steps": 0} | read_json(directory / STATUS)


def write_status(directory: Path, status: str, **details: Any) -> None:
    """Set the status; details given earlier are kept unless given again.

    "running" is written often and not synced to the disk: after a power cut an older one says the same.
    """
    previous = read_json(directory / STATUS)
    previous.pop("message", None)  # why an earlier attempt stopped says nothing about this one
    content = json.dumps(previous | {"status": status} | details, indent=2) + "\n"
    write_atomically(directory / STATUS, content.encode(), durable=status != "running")


def is_finished(directory: Path) -> bool:
    return read_status(directory)["status"] in FINISHED


@contextlib.contextmanager
def outcome_recorded(directory: Path, explain=lambda error: f"{type(error).__name__}: {error}") -> Iterator[None]:
    """Write to the status how the work within ended, if it did not end well.

    A stop by the user is "interrupted", any other exception "failed"; ``explain`` gives its message, and an exception
    whose explanation is a RunFailed is raised as that.
    """
    try:
        yield
    except (KeyboardInterrupt, GeneratorExit):
        if read_status(directory)["status"] == "running":  # a reader may turn away after the last row
            write_status(directory, "interrupted", message=STOPPED)
        raise
    except Exception as error:
        message = explain(error)
        write_status(directory, "failed", message=str(message))
        if isinstance(message, RunFailed):
            raise message from error
        raise


# ---- config ----------------------------------------------------------------------------------------------------------


def read_config(directory: Path) -> dict[str, Any]:
    """``config.json``: format, version, hash, config and, once training has begun, data; objectives of a file.

    Raises RunError if it is not there, unreadable, or of a newer format.
    """
    path = Path(directory) / CONFIG
    content = read_json(path)
    if not content:
        raise RunError(f"{directory} holds no run: there is no {CONFIG}")
    number = content.get("format", 0)
    if not isinstance(number, int):
        raise RunError(f"{path}: format is {number!r}, not a whole number; {AGAIN}")
    if number > FORMAT:
        raise RunError(
            f"{directory} was written by gancompare {content.get('version')} in format {number}, newer than "
            f"this one's {FORMAT}; update gancompare to read it"
        )
    if not {"config", "hash"} <= content.keys():
        raise RunError(f"{path} lacks config or hash; {AGAIN}")
    content.setdefault("data", {})
    for name in ("config", "data"):
        if not isinstance(content[name], dict):
            raise RunError(f"{path}: {name} is {content[name]!r}, not a JSON object; {AGAIN}")
    return content


def planned(directory: Path) -> RunConfig:
    """The config of the run that ``directory`` holds, or is to hold. Raises RunError where it cannot be used."""
    try:
        return RunConfig.from_dict(read_config(directory)["config"])
    except ConfigError as error:
        raise RunError(f"{Path(directory) / CONFIG} cannot be used ({error}); {AGAIN}") from error


def plan_run(
    directory: Path, config: RunConfig, objectives: str | Path | None = None, *, patience: float = PATIENCE
) -> None:
    """Lay down the ``config.json`` of a run that is to be made, while no other process is in ``directory``.

    ``objectives``: the file of objectives that the run loads; its hash is kept, so that a resume with another one is
    refused. A finished run stays as it is. Raises RunError as ``check`` does, and for a directory in use.
    """
    source = None
    if objectives:
        digest = hashlib.sha256(Path(objectives).read_bytes()).hexdigest()
        source = {"file": Path(objectives).name, "sha256": digest}
    with hold(Path(directory), "this run", patience):
        write_config(directory, config, objectives=source)


def write_config(
    directory: Path, config: RunConfig, data: dict[str, Any] | None = None, *, objectives: dict[str, str] | None = None
) -> None:
    """Write ``config.json`` unless the run is finished; on a resume too, as logging and device may have changed.

    ``data``: what is known of the images, at least their ``fingerprint``; None before they have been loaded. What was
    known of images and objectives is kept. Raises RunError as ``check`` does.
    """
    directory = Path(directory)
    check(directory, config, data, objectives=objectives)
    if is_finished(directory):
        return
    known = read_config(directory) if (directory / CONFIG).exists() else {}
    content = {"format": FORMAT, "version": gancompare.__version__, "hash": config.hash(), "config": config.to_dict()}
    for name, value in (("data", data), ("objectives", objectives)):
        if value or known.get(name):
            content[name] = value or known[name]
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / CONFIG, content)


def check(
    directory: Path, config: RunConfig, data: dict[str, Any] | None = None, *, objectives: dict[str, str] | None = None
) -> None:
    """Raise RunError if ``directory`` holds a run of another config, other images (by ``data["fingerprint"]``), other
    objectives (by their hash) or a newer format. A run that never began does not count."""
    if not (directory / CONFIG).exists():
        return
    written = read_config(directory)
    if not written["data"] and read_status(directory)["status"] == "absent":
        return
    try:
        differences = RunConfig.from_dict(written["config"]).differences(config)
    except (ConfigError, TypeError) as error:
        raise RunError(f"{directory / CONFIG} cannot be used ({error}); {AGAIN}") from error
    if differences:
        listed = "; ".join(f"{name} is {old!r} there, {new!r} now" for name, (old, new) in differences.items())
        raise RunError(f"{directory} holds a run of another config ({listed}); choose another study name or delete it")
    there, now = written["data"].get("fingerprint"), (data or {}).get("fingerprint")
    if there and now and there != now:
        raise RunError(
            f"{directory} was trained on other images (fingerprint {there} there, {now} now); "
            "choose another study name or delete it"
        )
    source = written.get("objectives")
    if source and objectives and source["sha256"] != objectives["sha256"]:
        raise RunError(
            f"{directory} was trained with another version of {source['file']}; choose another study name or delete it"
        )


def begin(directory: Path, config: RunConfig, data: dict[str, Any]) -> bool:
    """Lay down ``config.json``; True if there is training left to do, False if the run is finished.

    Raises RunError as ``check`` does.
    """
    for leftover in directory.glob(".*.tmp"):  # of a process that was killed while it wrote
        leftover.unlink()
    if is_finished(directory):
        check(directory, config, data)
        return False
    write_config(directory, config, data)
    return True


def run_of_parameters(parameters: dict[str, Any]) -> tuple[RunConfig, Path]:
    """The config and the directory that the parameters of a notebook, among its global names, ask for.

    ``run``, a directory that holds a config already, outweighs all others. Raises ConfigError and RunError.
    """
    if parameters.get("run"):
        return planned(Path(parameters["run"])), Path(parameters["run"])
    config = RunConfig.from_parameters(parameters, also=("study", "results", "objectives", "run"))
    return config, run_directory(parameters.get("results") or results_directory(), parameters["study"], config)
