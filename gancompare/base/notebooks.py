"""Execute a notebook of the checkout with papermill: a finished file takes its place whole, a failure says why."""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from gancompare.base.errors import UserError

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
START_SECONDS = 180  # for a kernel to answer; a busy machine takes its time


class NotebookError(UserError, RuntimeError):
    """A notebook that is not there or did not run to its end; the message says why, ``kind`` what was raised in it."""

    def __init__(self, message: str, kind: str = ""):
        super().__init__(message)
        self.kind = kind


def execute_notebook(name: str, output: Path, parameters: dict[str, Any], *, folder: Path | None = None) -> None:
    """Execute ``<folder>/<name>`` (default: the checkout's notebooks) into ``output``, printing what its kernel prints.

    Raises NotebookError. What was executed until then is kept as ``<output's stem>.unfinished.ipynb``; a finished
    notebook at ``output`` is left as it was.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError
    from traitlets.config import Config

    source = (folder or NOTEBOOKS) / name
    if not source.exists():
        raise NotebookError(f"{source} is not there: run from a checkout of gancompare")
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_suffix(".unfinished.ipynb")
    with tempfile.TemporaryDirectory(prefix="gancompare-") as directory:
        # Kernels that start at the same moment race for TCP ports; sockets in a directory of their own cannot.
        ipc = {"transport": "ipc", "ip": f"{directory}/kernel"} if os.name == "posix" else {}
        written = Path(directory) / name
        try:
            papermill.execute_notebook(
                source,
                written,
                parameters=parameters,
                kernel_name="python3",
                language="python",
                progress_bar=False,
                start_timeout=START_SECONDS,
                stdout_file=sys.stdout,
                stderr_file=sys.stderr,
                config=Config({"KernelManager": ipc}),
            )
            shutil.move(written, output)
            unfinished.unlink(missing_ok=True)
        except papermill.PapermillExecutionError as error:
            shutil.move(written, unfinished)
            raise NotebookError(f"{error.ename}: {error.evalue}", kind=error.ename) from error
        except DeadKernelError as error:
            raise NotebookError("the kernel died, most often because the system ran out of memory") from error
        except RuntimeError as error:  # a kernel that never answered
            raise NotebookError(str(error)) from error
