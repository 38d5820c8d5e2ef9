"""Where a run lies on disk and what its files are called: the one module that builds or takes apart these paths.

``results/<study>/<dataset>/<arm>/seed<k>/`` holds

- ``config.json``: format number, package version, config hash, every ``RunConfig`` field, the data's fingerprint;
- ``status.json``: running, complete, diverged, interrupted or failed, how far it got, why it stopped, the machine;
- ``history.csv``: one row per log interval on three clocks;
- ``distances.csv``: distances to real images by every extractor, a row per step, weights and extractor;
- ``diagnostics.csv``: the critic's diagnostics, a row per step, quantity and place;
- ``samples/step*.png``: images from the same latents as training goes on;
- ``generator.safetensors``: the weights that samples come from (the moving average where there is one);
- ``best.safetensors``: the same at the lowest distance to real images seen during training;
- ``metrics.json``: the scores of both, and the landmarks to read them by; ``evaluation.csv``: the scores as a table;
- ``neighbours.png``: samples above the training images nearest to them;
- ``checkpoint.pt``: everything a resume needs; large, and not meant for version control;
- ``02_train.ipynb``: the executed notebook, unless the run was made without one.

Beside its data sets a study has ``costs.json``: what a generator step of each arm costs (``runs.costs``). A search for
settings is a folder of studies, with the recipe that it chose in ``tuned.json`` (``runs.tuned``).
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

import gancompare
from gancompare.base.errors import UserError
from gancompare.config import RunConfig
from gancompare.data.datasets import dataset_slug

CONFIG, STATUS, HISTORY, DIAGNOSTICS = "config.json", "status.json", "history.csv", "diagnostics.csv"
DISTANCES = "distances.csv"
CHECKPOINT, SCORES, SCORE_TABLE, NEIGHBOURS = "checkpoint.pt", "metrics.json", "evaluation.csv", "neighbours.png"
WEIGHTS = {"last": "generator.safetensors", "best": "best.safetensors"}
NOTEBOOK, LOG = "02_train.ipynb", "run.log"
COSTS, TUNED = "costs.json", "tuned.json"  # of a study, of a search
CLOCKS = ("generator_steps", "images_seen", "seconds")  # the columns of history.csv that time can be measured by
FINISHED = ("complete", "diverged")  # a diverged run is a result, not a failure


class RunError(UserError, RuntimeError):
    """A run directory that cannot be used as asked; the message names it and the remedy."""


class RunFailed(RunError):
    """A run that was begun and could not go on; what it did until then is kept."""


class Place(NamedTuple):
    """What a run directory's path says about the run."""

    study: str
    dataset: str  # as a directory name, see ``dataset_slug``
    arm: str
    seed: int


def results_directory() -> Path:
    """$GANCOMPARE_RESULTS, else ``results`` of the checkout the package runs from, else ``./results``."""
    if os.environ.get("GANCOMPARE_RESULTS"):
        return Path(os.environ["GANCOMPARE_RESULTS"])
    checkout = Path(gancompare.__file__).parent.parent
    return (checkout if (checkout / "notebooks").is_dir() else Path.cwd()) / "results"


def study_directory(results: str | Path, study: str) -> Path:
    """Where the runs of ``study`` live. Raises RunError for a study name that is not a plain name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", study):
        raise RunError(f"study name {study!r}: use letters, digits, '.', '_' and '-', starting with a letter or digit")
    return Path(results) / study


def run_directory(results: str | Path, study: str, config: RunConfig) -> Path:
    """Where the run of ``config`` in ``study`` lives. Raises RunError for a study name that is not a plain name."""
    return study_directory(results, study) / dataset_slug(config.dataset) / config.arm / f"seed{config.seed}"


def place_of(directory: Path) -> Place:
    """The inverse of ``run_directory``. Raises RunError for a path that is not one of a run."""
    parts = Path(directory).absolute().parts
    seed = parts[-1].removeprefix("seed")
    if len(parts) < 4 or not seed.isdigit():
        raise RunError(f"{directory} is not a run directory, <study>/<dataset>/<arm>/seed<number>")
    return Place(*parts[-4:-1], int(seed))


def run_directories(results: str | Path, study: str = "*") -> list[Path]:
    """All directories in ``results`` that hold a run of ``study`` (default: of any study), sorted."""
    found = sorted(path.parent for path in Path(results).glob(f"{study}/*/*/seed*/{CONFIG}"))
    return [directory for directory in found if directory.name.removeprefix("seed").isdigit()]


def find_runs(results: str | Path, study: str) -> list[Path]:
    """The run directories of a study, sorted. Raises RunError, listing the studies there are, if it has none."""
    found = run_directories(results, study)
    if not found:
        studies = sorted({place_of(directory).study for directory in run_directories(results)})
        raise RunError(f"no runs in {Path(results) / study}; studies there: {', '.join(studies) or 'none'}")
    return found
