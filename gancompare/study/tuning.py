"""A search for each arm's settings: the same few configurations for all, a quarter of the budget, seeds of its own.

``results/<name>/<configuration>/<data set>/<arm>/seed<k>``. Its runs are not scored; once they have ended, the
generator of each is compared with validation images, which no result is compared with. ``runs.tuned`` describes the
file that comes out.
"""

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gancompare.arms import arm_of
from gancompare.base.device import choose_bf16, choose_device, describe
from gancompare.base.files import write_atomically
from gancompare.base.progress import progress_bar
from gancompare.config import ConfigError, RunConfig
from gancompare.data.datasets import load_splits
from gancompare.objectives import METHODS
from gancompare.recipes import SEARCH, SEARCH_CLIPPED, SEARCH_RATES
from gancompare.runs import layout, record
from gancompare.runs.costs import Cell, cell_of, cost_settings
from gancompare.runs.tuned import read_tuned, search_table
from gancompare.runs.weights import load_generator
from gancompare.scoring.validation import Validation
from gancompare.study.grid import plan

FIRST_SEED = 10_000  # of a search; studies count from 0 and do not get here
SHARE = 0.25  # of a study's budget that each run of the search gets
UNSEEN = {"extractor": "none", "measurements": 1}  # the runs of a search are not looked at on their way
VALIDATION = "validation.json"  # of a run of the search


def candidates(method: str) -> tuple[dict[str, float], ...]:
    """What is tried for an arm of ``method``: as many configurations for each."""
    return SEARCH_CLIPPED if "clip" in METHODS[method].__dataclass_fields__ else SEARCH


def plan_search(datasets: Iterable[str], arms: Iterable[str], seeds: int, **fields: Any) -> dict[str, list[RunConfig]]:
    """Configuration → its runs, of every data set, arm and of ``seeds`` search seeds; ``fields``: the same for all.

    Raises ConfigError or ArmError for a bad field or arm, and for settings that the search is to choose.
    """
    datasets, arms, search_seeds = list(datasets), list(arms), range(FIRST_SEED, FIRST_SEED + seeds)
    for arm in map(arm_of, arms):
        tried = candidates(arm.method)[0]
        for name in tried.keys() & (fields.keys() | arm.fields.keys()):
            value = (fields | arm.fields)[name]
            raise ConfigError(f"{name}={value!r}: the search chooses {', '.join(tried)} of {arm.method}; leave it out")
    return {
        f"configuration-{number + 1}": [
            config
            for arm in arms
            for config in plan(
                datasets, [arm], search_seeds, **UNSEEN | fields | candidates(arm_of(arm).method)[number]
            )
        ]
        for number in range(len(SEARCH))
    }


# ---- choosing --------------------------------------------------------------------------------------------------------


def validations(cells: dict[str, list[RunConfig]], extractor: str = "auto") -> dict[str, Validation]:
    """What the runs of each data set are judged by, ready before they begin. ``extractor``: as in a config.

    Raises DataError for a data set that cannot be had or is too small, and FeatureError for an extractor that cannot be
    loaded.
    """
    configs = {config.dataset: config for configs in cells.values() for config in configs}
    return {
        dataset: Validation(
            replace(config, extractor=extractor),
            load_splits(dataset, config.image_size, config.channels),
            choose_device(config.device),
        )
        for dataset, config in configs.items()
    }


def validate(root: Path, cells: dict[str, list[RunConfig]], by: dict[str, Validation]) -> pd.DataFrame:
    """A row per run: dataset, arm, configuration, what that sets, seed, generator_steps, and ``fd`` to validation
    images, which is inf for a run that diverged or failed; of the images of its data set their fingerprint, of those
    for validation ``images``, their number, and ``label``, what the distance is called.

    A distance is kept in its run's directory. ``by``: from ``validations``.
    """
    runs = [(name, config) for name, configs in cells.items() for config in configs]
    rows = []
    with progress_bar(len(runs), "validation", "runs") as bar:
        for name, config in runs:
            validation = by[config.dataset]
            row = cell_of(config)._asdict() | {"configuration": name, "seed": config.seed}
            row |= {field: getattr(config, field) for field in candidates(config.method)[0]}
            row["generator_steps"] = config.generator_steps
            row["fd"] = distance(layout.run_directory(root, name, config), config, validation)
            row |= {"label": validation.extractor.label, "images": len(validation.features)}
            rows.append(row | {"fingerprint": validation.fingerprint})
            bar.update()
    return pd.DataFrame(rows)


def distance(directory: Path, config: RunConfig, validation: Validation) -> float:
    """FD of a run's generator to the validation images; inf for a run that did not end well."""
    if record.read_status(directory)["status"] != "complete":
        return math.inf
    by = {"extractor": validation.extractor.fingerprint, "images": len(validation.features)}
    known = record.read_json(directory / VALIDATION)
    if not by.items() <= known.items():
        fd = validation.fd(load_generator(directory, choose_device(config.device)), config.seed)
        known = by | {"fd": fd if math.isfinite(fd) else None}
        record.write_json(directory / VALIDATION, known)
    return math.inf if known["fd"] is None else known["fd"]


def ranked(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Of the runs of one data set and arm (rows of ``validate``): a row per configuration, best first.

    ``fd`` is the geometric mean over search seeds, and None where a run failed, which is worse than any distance.
    """
    rows = []
    for name, group in runs.groupby("configuration", sort=False):
        tried = [field for field in SEARCH_CLIPPED[0] if field in group and group[field].notna().all()]
        fields = {field: float(group[field].iloc[0]) for field in tried}
        failed = int((~np.isfinite(group["fd"])).sum())
        mean = None if failed else float(np.exp(np.log(np.maximum(group["fd"], 1e-12)).mean()))
        rows.append({"configuration": name} | fields | {"fd": mean, "seeds": len(group), "failed": failed})
    return sorted(rows, key=lambda row: math.inf if row["fd"] is None else row["fd"])


def chosen(runs: pd.DataFrame, config: RunConfig) -> dict[str, Any]:
    """The entry of an arm in ``tuned.json``, from its ``runs`` (rows of ``validate``) and the config of one of them."""
    search = ranked(runs)
    names = candidates(config.method)[0]
    shared = RunConfig(dataset=config.dataset, method=config.method, profile=config.profile, recipe="shared")
    as_shared = (row for row in search if all(row[name] == getattr(shared, name) for name in names))
    best, shared_fd = search[0], next(as_shared)["fd"]
    return {
        "fields": {name: best[name] for name in names},
        "settings": cost_settings(config),
        "generator_steps": int(runs["generator_steps"].iloc[0]),
        "fd": best["fd"],
        "shared_fd": shared_fd,
        "gain": shared_fd / best["fd"] if shared_fd and best["fd"] else None,
        "at_edge": best["lr_generator"] in (min(SEARCH_RATES), max(SEARCH_RATES)),
        "search": search,
    }


def write_tuned(
    directory: Path, cells: dict[str, list[RunConfig]], runs: pd.DataFrame, *, budget: float | None
) -> list[Cell]:
    """Add what the search chose to ``tuned.json`` in ``directory``, and its table to ``tuned.csv``.

    ``runs``: from ``validate``; ``budget``: seconds of each, None for a number of steps. Returns the data sets and arms
    of which every run failed, and which therefore are not in the file. What an earlier search of the same name chose
    for other data sets and arms stays.
    """
    configs = {cell_of(config): config for every in cells.values() for config in every}
    example = next(iter(configs.values()))
    device = choose_device(example.device)
    content = read_tuned(directory / layout.TUNED) or {"format": record.FORMAT, "name": directory.name, "datasets": {}}
    content |= {"budget": budget, "seeds": sorted(map(int, runs["seed"].unique()))}
    content |= {"machine": describe(device, choose_bf16(example.precision, device))}
    lost = []
    for cell, config in configs.items():
        mine = runs[(runs["dataset"] == cell.dataset) & (runs["arm"] == cell.arm)]
        entry = chosen(mine, config)
        images = mine[["label", "images", "fingerprint"]].to_dict("records")[0]
        arms = content["datasets"].get(cell.dataset, {}).get("arms", {})
        content["datasets"][cell.dataset] = images | {"arms": arms}
        arms.pop(cell.arm, None)
        if entry["fd"] is None:
            lost.append(cell)
        else:
            arms[cell.arm] = entry
    record.write_json(directory / layout.TUNED, content)
    table = search_table(content)
    write_atomically((directory / layout.TUNED).with_suffix(".csv"), table.to_csv(index=False).encode())
    return lost
