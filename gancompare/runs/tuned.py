"""The recipe that a search chose, ``tuned.json``: for each data set and arm the best of the same few configurations.

``{"format", "name", "seeds", "budget", "machine", "datasets": {data set: {"label", "images", "fingerprint", "arms":
{arm: {"fields", "settings", "generator_steps", "fd", "shared_fd", "gain", "at_edge", "search": [{"configuration", …,
"fd"}]}}}}}``

- ``fields``: what the arm's best configuration sets of a ``RunConfig``;
- ``search``: every configuration with its FD to validation images (null: some run of it failed), best first;
- ``gain``: FD of recipe `shared` over the best one; ``at_edge``: its rate is the lowest or highest that was tried, so
  that a wider search might choose another;
- ``budget``: seconds of each run of the search, null for a number of steps; ``settings``: ``costs.cost_settings``.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from gancompare.config import ConfigError, RunConfig
from gancompare.data.datasets import dataset_slug
from gancompare.recipes import SEARCH_CLIPPED
from gancompare.runs.layout import RunError
from gancompare.runs.record import FORMAT, read_json


def read_tuned(path: str | Path) -> dict[str, Any]:
    """The content of a recipe file, {} for one that is not there. Raises RunError if it cannot be read."""
    content = read_json(Path(path))
    if content and (content.get("format") != FORMAT or not isinstance(content.get("datasets"), dict)):
        raise RunError(f"{path} is not a recipe file of format {FORMAT}; write one with gancompare tune")
    return content


def tuned_fields(tuned: dict[str, Any], path: str | Path, *, dataset: str, arm: str) -> dict[str, Any]:
    """The fields of ``arm`` on ``dataset`` in the content of the file ``path``. Raises ConfigError if it has none."""
    slug = dataset_slug(dataset)
    by_arm = tuned.get("datasets", {}).get(slug)
    if by_arm is None:
        known = ", ".join(tuned.get("datasets", {})) or "none"
        raise ConfigError(f"recipe={str(path)!r} was not tuned on {slug!r}, only on {known}: run gancompare tune on it")
    if arm not in by_arm["arms"]:
        known = ", ".join(by_arm["arms"]) or "none"
        raise ConfigError(
            f"recipe={str(path)!r} lacks arm {arm!r} on {slug!r}, it has {known}: run gancompare tune on it"
        )
    return dict(by_arm["arms"][arm]["fields"])


def tuned_settings(tuned: dict[str, Any], config: RunConfig) -> str:
    """``cost_settings`` of the runs that the search made for the data set and arm of ``config``."""
    return tuned["datasets"][dataset_slug(config.dataset)]["arms"][config.arm]["settings"]


def search_table(tuned: dict[str, Any]) -> pd.DataFrame:
    """A row per data set, arm and configuration: what it set, its FD, the gain over `shared`, whether it was chosen."""
    return pd.DataFrame(_search_rows(tuned))


def _search_rows(tuned: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for dataset, by_arm in tuned.get("datasets", {}).items():
        for arm, entry in by_arm["arms"].items():
            for row in entry["search"]:
                gain = entry["shared_fd"] / row["fd"] if row["fd"] and entry["shared_fd"] else None
                best = {"gain_over_shared": gain, "chosen": row is entry["search"][0]}
                fields = {name: row.get(name) for name in SEARCH_CLIPPED[0]}
                yield {"dataset": dataset, "arm": arm, "configuration": row["configuration"]} | fields | row | best
