"""One run, from the ``config.json`` that stands in its directory to the end.

The truth about a run is its exit code and its ``status.json``, never its notebook.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from gancompare.base.notebooks import NotebookError, execute_notebook
from gancompare.config import RunConfig
from gancompare.runs import record
from gancompare.runs.layout import FINISHED, NOTEBOOK, RunError, RunFailed
from gancompare.train import train, with_progress

BAD_INPUT = ("ConfigError", "DataError", "DeviceError", "FeatureError", "ObjectiveError")  # raised before training


@dataclass
class Outcome:
    """What became of one run: complete, diverged, skipped (was finished already) or failed."""

    config: RunConfig
    directory: Path
    status: str
    message: str = ""


def execute(directory: Path, *, notebook: bool = True, objectives: str | None = None) -> Outcome:
    """Train the run whose config stands in ``directory``, through papermill and ``02_train.ipynb`` or in this process.

    ``objectives``: a file of objectives that the kernel loads too. Raises RunError if the directory is in use or its
    config cannot be read, and RunFailed for a run that was begun and could not go on; without a notebook also what
    ``train`` raises.
    """
    config = record.planned(directory)
    if notebook:
        with record.hold(directory, "this run", record.PATIENCE):
            pass  # in use: better said now than as a traceback in a notebook
        try:
            parameters = {"run": str(Path(directory).resolve()), "objectives": objectives}
            execute_notebook(NOTEBOOK, directory / NOTEBOOK, parameters)
        except NotebookError as error:
            failure = RunError if error.kind in BAD_INPUT else RunFailed
            raise failure(f"{directory}: {error}") from error
    else:
        with contextlib.closing(train(config, directory)) as rows:
            for _ in with_progress(rows, config):
                pass
    status = record.read_status(directory)  # a notebook can claim to be complete after its kernel was killed
    if status["status"] not in FINISHED:
        raise RunFailed(f"{directory}: {status.get('message') or 'the run ended without saying why'}")
    return Outcome(config, directory, status["status"], status.get("message", ""))
