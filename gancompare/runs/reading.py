"""The runs of a study as tables.

Where a study has costs (``runs.costs``), ``seconds`` are those of calibrated steps in every table, and what the runs
measured while they trained is ``measured_seconds``; where it has none, both are what was measured.
"""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd

from gancompare.data.datasets import dataset_slug
from gancompare.runs.costs import calibrated, cost_table, read_costs
from gancompare.runs.layout import CLOCKS, DIAGNOSTICS, DISTANCES, HISTORY, SCORES, RunError, find_runs
from gancompare.runs.record import read_config, read_json, read_status


@dataclass(frozen=True)
class Study:
    """The tables of a study; each has the columns dataset, method and seed, and is empty where nothing was measured."""

    runs: pd.DataFrame  # a row per run: its config, data, status, cost and directory
    histories: pd.DataFrame  # history.csv of all runs, a row per log interval
    scores: pd.DataFrame  # metrics.json of all runs, a row per run, checkpoint and extractor
    distances: pd.DataFrame  # distances.csv of all runs, a row per step, weights and extractor
    diagnostics: pd.DataFrame  # diagnostics.csv of all runs, a row per step, quantity and place
    costs: pd.DataFrame = field(default_factory=pd.DataFrame)  # costs.json, a row per data set and arm

    @property
    def datasets(self) -> list[str]:
        """In the order of the runs."""
        tables = (getattr(self, field.name) for field in fields(self))
        return list(dict.fromkeys(name for table in tables if "dataset" in table for name in table["dataset"]))

    @property
    def landmarks(self) -> pd.DataFrame:
        """Distances of corrupted real images, against which all others are read: see ``landmark_table``."""
        return landmark_table(self.scores)

    def of(self, dataset: str) -> "Study":
        """The rows of one data set."""
        tables = (getattr(self, field.name) for field in fields(self))
        return Study(*(t[t["dataset"] == dataset] if "dataset" in t else t.iloc[:0] for t in tables))


def read_study(results: str | Path, study: str) -> Study:
    """All tables of ``results/<study>``. Raises RunError if it has no runs, or a file of one cannot be read."""
    runs, costs = load_runs(results, study), read_costs(results, study)
    return Study(
        runs=runs,
        histories=calibrated(load_rows(runs, HISTORY), runs, costs),
        scores=calibrated(load_scores(runs), runs, costs),
        distances=load_rows(runs, DISTANCES),
        diagnostics=load_rows(runs, DIAGNOSTICS),
        costs=cost_table(costs, runs),
    )


def load_runs(results: str | Path, study: str) -> pd.DataFrame:
    """One row per run: its config fields, data fingerprint, status and cost, and ``directory``.

    Raises RunError if the study has no runs.
    """
    rows = []
    for directory in find_runs(results, study):
        config, status = read_config(directory), read_status(directory)
        if not config["data"]:  # laid down, but not begun
            continue
        machine = status.pop("machine", {})
        data = {name: config["data"].get(name) for name in ("fingerprint", "num_images")}
        data |= {"real_pixel_std": config["data"].get("pixel_std"), "version": config.get("version")}
        progress = {"status": status["status"], "steps_done": status["generator_steps"]}
        progress |= {name: status.get(name) for name in ("images_seen", "seconds", "message")}
        rows.append(config["config"] | data | progress | machine | {"directory": directory})
        rows[-1]["dataset"] = dataset_slug(config["config"]["dataset"])
    if not rows:
        raise RunError(f"no run of {Path(results) / study} has begun yet: wait for one to be measured")
    runs = pd.DataFrame(rows)
    return calibrated(runs, runs, read_costs(results, study))


def load_rows(runs: pd.DataFrame, name: str) -> pd.DataFrame:
    """The CSV file ``name`` of all ``runs`` (from ``load_runs``) in one table, with dataset, method and seed."""
    tables = []
    for run in runs.itertuples():
        path = run.directory / name
        if path.exists():
            table = pd.read_csv(path)
            table.insert(0, "dataset", run.dataset)
            table.insert(1, "arm", run.arm)
            table.insert(2, "seed", run.seed)
            tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def flatten_scores(content: dict[str, Any]) -> pd.DataFrame:
    """The content of a ``metrics.json`` as a table: a row per checkpoint and extractor.

    ``admitted``: whether the extractor may rank on these data; if not, ``failing`` names the ladders of controls.
    ``landmarks`` at ``floor_n`` images and ``monitor_landmarks`` hold dictionaries, see ``Study.landmarks``.
    """
    rows = []
    standing = {name: _standing(values) for name, values in content.get("extractors", {}).items()}
    for which, scores in content["checkpoints"].items():
        shared = {name: value for name, value in scores.items() if name != "extractors"}
        for extractor, values in scores["extractors"].items():
            primary = extractor == content["primary"]
            about = {"checkpoint": which, "extractor": extractor, "primary": primary} | standing.get(extractor, {})
            rows.append(about | values | (shared if primary else {c: shared[c] for c in CLOCKS}))
    return pd.DataFrame(rows)


def _standing(values: dict[str, Any]) -> dict[str, Any]:
    tested, marks = values["admission"], values["monitor_landmarks"]
    return {"admitted": tested["admitted"], "failing": tested["failing"], "monitor_landmarks": marks}


def landmark_table(scores: pd.DataFrame) -> pd.DataFrame:
    """The landmarks of ``scores`` (from ``load_scores``) in a long table: dataset, extractor, n, landmark, fd.

    "real" is the floor. There is a row for each number of images that a distance is of: the final scores' and that of
    the measurements in training. Empty where there are no landmarks.
    """
    columns = ["dataset", "extractor", "n", "landmark", "fd"]
    rows = []
    for row in scores.to_dict("records") if "landmarks" in scores else ():
        if isinstance(row["landmarks"], dict):  # a diverged run has none
            marks = [(row["floor_n"], row["landmarks"])]
            if isinstance(row.get("monitor_landmarks"), dict):
                marks.append(tuple(row["monitor_landmarks"].values()))
            rows += [(row["dataset"], row["extractor"], int(n), name, fd) for n, by in marks for name, fd in by.items()]
    return pd.DataFrame(rows, columns=columns).drop_duplicates(columns[:-1], ignore_index=True)


def load_scores(study: pd.DataFrame) -> pd.DataFrame:
    """The scores of the runs in ``study`` (from ``load_runs``): a row per run, checkpoint ("last", "best"), extractor.

    A diverged run has a row without numbers for each extractor that the other runs of its data set have, so that it
    stays in every count. Empty where nothing was scored. Raises RunError for a file that cannot be read.
    """
    tables, diverged = [], []
    for run in study.itertuples():
        about = {"dataset": run.dataset, "arm": run.arm, "seed": run.seed, "status": run.status}
        content = read_json(run.directory / SCORES)
        if content:
            tables.append(flatten_scores(content).assign(**about))
        elif run.status == "diverged":
            diverged.append(about)
    if not tables:
        return pd.DataFrame()
    scores = pd.concat(tables, ignore_index=True)
    last = scores[scores["checkpoint"] == "last"].drop_duplicates(["dataset", "extractor"])
    shared = {dataset: rows for dataset, rows in last.groupby("dataset")}
    columns = ["checkpoint", "extractor", "primary", "label", "variance"]
    lost = [shared[run["dataset"]][columns].assign(**run) for run in diverged if run["dataset"] in shared]
    scores = pd.concat([scores, *lost], ignore_index=True)
    front = ["dataset", "arm", "seed", "status"]
    return scores[front + [name for name in scores if name not in front]]
