"""How far results depend on settings and on nets: what to vary around a recipe, and the runs of a sweep as tables.

A sweep is a folder of studies, one per cell, ``results/<name>/<cell>/<dataset>/<method>/seed<k>``: ``base`` (the recipe
but for SHORT), ``<variation>-<value>`` (one change to it), ``architecture-<i>`` (other nets), ``stacked`` (three digits
in an image). All cells share one pool of jobs. Which cell a run belongs to is read from its folder's name, the value
that was changed from its own config, and runs that are not finished are left out.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from gancompare import ranking, runs, statistics, study
from gancompare.config import MAIN_METHODS, RunConfig
from gancompare.data import STACKED
from gancompare.streams import stream

# What the base of a sweep in the profile of that name has instead of the rates of recipe `shared`. At 5e-4, 300 steps
# took no method far enough for settings to matter: on mnist5k FD-classifier was 160 (gan), 255 (wgan) and 224 (wgan-gp)
# after them (3 seeds each, width 16), at 2e-3 it was 26, 50 and 23. The rates are one of the variations still.
SHORT = {"lr_generator": 2e-3, "lr_critic": 2e-3}

PARTS = ("settings", "architectures", "stacked")
BASE, ARCHITECTURE, STACK = "base", "architecture", "stacked"


@dataclass(frozen=True)
class Variation:
    """Values that one setting takes while all others stay as they are in the base."""

    name: str
    values: tuple
    methods: tuple[str, ...] = MAIN_METHODS
    fields: tuple[str, ...] = ()  # of RunConfig that take the value; the one called ``name`` where empty

    def change(self, value: Any) -> dict[str, Any]:
        return dict.fromkeys(self.fields or (self.name,), value)


VARIATIONS = (
    Variation("n_critic", (1, 3, 5, 10)),
    Variation("clip", (0.001, 0.01, 0.1), ("wgan",)),  # the three of Gulrajani et al. 2017, figure 1
    Variation("penalty_weight", (1.0, 10.0, 100.0), ("wgan-gp",)),
    Variation("learning_rate", (1e-4, 5e-4, 2e-3), fields=("lr_generator", "lr_critic")),
    Variation("critic_norm", ("none", "layer", "spectral")),
    Variation("one_sided_penalty", (False, True), ("wgan-gp",)),
)

# What an architecture is drawn from, after Gulrajani et al. 2017, §5.1. BatchNorm in the critic is left out: a
# per-sample penalty is not defined with it.
ARCHITECTURES: dict[str, tuple] = {
    "base_channels": (8, 16),
    "extra_layers": (0, 1, 2),
    "critic_norm": ("none", "layer"),
    "generator_norm": ("none", "batch"),
    "activation": ("relu", "leaky-relu", "tanh", "elu"),
}

# An architecture is a success under a method if its final FD is at most this share of the total variance of the real
# features; a generator that repeats one real image scores 2 on average. Fixed before any of them was trained;
# the first one decides.
SUCCESS = (0.5, 1.0, 0.25)

# Gulrajani et al. 2017, table 2: 200 random architectures on 32×32 ImageNet; success is an Inception Score above
PUBLISHED_ARCHITECTURES = (
    ("Inception Score > 3", 1, 88, 110, 1),
    ("Inception Score > 5", 0, 147, 42, 11),
    ("Inception Score > 7", 1, 104, 5, 90),
)


# ---- planning --------------------------------------------------------------------------------------------------------


def plan(
    dataset: str,
    seeds: int,
    architectures: int,
    architecture_seed: int = 0,
    parts: tuple[str, ...] = PARTS,
    **fields: Any,
) -> dict[str, list[RunConfig]]:
    """Cell → its configs, each config once. ``fields`` are those of the base, and so of every cell.

    Stacked digits are left out for a data set that has none. Raises ConfigError for a bad field.
    """
    cells: dict[str, list[RunConfig]] = {}
    if "settings" in parts:
        cells |= plan_settings(dataset, seeds, **fields)
    if "architectures" in parts:
        cells |= plan_architectures(dataset, architectures, architecture_seed, **fields)
    stacks = [name for name, (digits, *_) in STACKED.items() if digits == dataset]
    if "stacked" in parts and stacks:
        cells[STACK] = study.plan(stacks, MAIN_METHODS, range(seeds), **fields)
    return cells


def plan_settings(dataset: str, seeds: int, **fields: Any) -> dict[str, list[RunConfig]]:
    """The base, and a cell per value of each of VARIATIONS; runs that would equal one of the base are only there."""
    cells = {BASE: study.plan([dataset], MAIN_METHODS, range(seeds), **fields)}
    base = {(config.method, config.seed): config for config in cells[BASE]}
    for variation in VARIATIONS:
        for value in variation.values:
            configs = study.plan([dataset], variation.methods, range(seeds), **fields | variation.change(value))
            configs = [config for config in configs if config.differences(base[config.method, config.seed])]
            if configs:
                text = f"{value:g}" if isinstance(value, float) else str(value)
                cells[f"{variation.name}-{text}"] = configs
    return cells


def plan_architectures(dataset: str, count: int, seed: int = 0, **fields: Any) -> dict[str, list[RunConfig]]:
    """A cell per architecture of ``sample_architectures``, trained once under each method, all from seed 0."""
    drawn = sample_architectures(count, seed)
    return {
        f"{ARCHITECTURE}-{i:03d}": study.plan([dataset], MAIN_METHODS, [0], **fields | chosen)
        for i, chosen in drawn.items()
    }


def sample_architectures(count: int, seed: int = 0) -> dict[int, dict[str, Any]]:
    """``count`` different architectures drawn from ARCHITECTURES: number in that grid → fields.

    A larger count of the same seed begins with the smaller one's, so that a sweep can be extended. Raises ValueError
    for more than there are.
    """
    grid = list(itertools.product(*ARCHITECTURES.values()))
    if count > len(grid):
        raise ValueError(f"{count} architectures: there are {len(grid)}, ask for fewer")
    order = torch.randperm(len(grid), generator=stream(seed, "architectures"))[:count]
    return {i: dict(zip(ARCHITECTURES, grid[i], strict=True)) for i in order.tolist()}


def run(
    cells: Mapping[str, list[RunConfig]], name: str, results: Path, jobs: int | None = None, notebook: bool = True
) -> list[study.Outcome]:
    """Run what is due of ``cells`` in ``results/name``, as ``study.run_study`` does, all cells in one pool.

    Raises RunError for a bad name, and as ``study.run_study``.
    """
    root = runs.run_directory(results, name, next(iter(cells.values()))[0]).parents[2]  # checks the name
    return study.run_studies(cells, root, jobs, notebook)


# ---- reading ---------------------------------------------------------------------------------------------------------

_SCORES = ("fd", "variance", "floor", "label", "n_fake")
_SCORES += ("modes", "modes_tenth", "kl_uniform", "kl_uniform_floor")


def load(results: Path, name: str) -> pd.DataFrame:
    """A row per finished run of the sweep: ``cell``, its config fields, its final scores by the primary extractor.

    ``failed``: diverged or collapsed, as in ``ranking``. ``instability``: final FD over the lowest on the way, inf for
    a failed run. Empty where there is no such sweep.
    """
    root = Path(results) / name
    cells = sorted({path.parents[3].name for path in root.glob("*/*/*/seed*/config.json")})
    if not cells:
        return pd.DataFrame()
    table = pd.concat([runs.load_study(root, cell).assign(cell=cell) for cell in cells], ignore_index=True)
    table = ranking.finished(table).reset_index(drop=True)
    scores = pd.DataFrame([_final_scores(directory) for directory in table["directory"]], columns=list(_SCORES))
    table = pd.concat([table, scores], axis=1)
    table["failed"] = ranking.failed(table)
    rebounds = [math.inf if run.failed else _instability(run.directory) for run in table.itertuples()]
    return table.assign(instability=np.array(rebounds, float))


def _final_scores(directory: Path) -> dict[str, Any]:
    content = runs.read_json(directory / "metrics.json")
    if not content:
        return {}
    found = runs.flatten_scores(content)
    (last,) = found[found["primary"] & (found["checkpoint"] == "last")].to_dict("records")
    return {name: last.get(name) for name in _SCORES}


def _instability(directory: Path) -> float:
    history = pd.read_csv(directory / "history.csv")
    measured = history["fd"].dropna() if "fd" in history else ()
    return 1 + statistics.rebound(np.maximum(measured, 1e-12)) if len(measured) else math.nan


def describe(sweep: pd.DataFrame, results: Path, name: str) -> str:
    """In Markdown: budget of a sweep and how its runs ended, or, where there is none, the command that makes one."""
    if sweep.empty:
        return (
            f"**There is no sweep `{name}` in `{results}`.** Make one with `gancompare sensitivity --name {name}` "
            f"(`--results DIR` if it is to lie elsewhere, `--help` for size and parts), then run this notebook again."
        )
    lines = []
    kinds = sweep["cell"].where(~sweep["cell"].str.startswith(ARCHITECTURE), "architectures")
    kinds = kinds.where(kinds.isin(["architectures", STACK]), "settings")
    for kind, rows in sweep.groupby(kinds, sort=False):
        ends = {"diverged": (rows["status"] == "diverged").sum()}
        ends["collapsed"] = rows["failed"].sum() - ends["diverged"]
        width = ", ".join(map(str, sorted(rows["base_channels"].unique())))
        steps = " to ".join(f"{x:,}" for x in sorted({rows["generator_steps"].min(), rows["generator_steps"].max()}))
        lines.append(
            f"- {kind} on {', '.join(rows['dataset'].unique())}: runs {len(rows)}, cells {rows['cell'].nunique()}, "
            f"seeds {rows['seed'].nunique()}; {steps} generator steps, width {width}; "
            + ", ".join(f"{count} {how}" for how, count in ends.items())
        )
    return "\n".join(lines)


def settings(sweep: pd.DataFrame) -> pd.DataFrame:
    """``load``'s rows of one-change cells in long form: a row per ``field``, ``value``, method and seed.

    Rows of the base (``is_base``) stand once under every field that is varied for their method.
    """
    columns = ["field", "value", "is_base", "dataset", "method", "seed", "fd", "failed", "instability"]
    if sweep.empty:
        return pd.DataFrame(columns=columns)
    parts = []
    for variation in VARIATIONS:
        ours = sweep["cell"].str.startswith(f"{variation.name}-") | (sweep["cell"] == BASE)
        rows = sweep[ours & sweep["method"].isin(variation.methods)]
        field = (variation.fields or (variation.name,))[0]
        parts.append(rows.assign(field=variation.name, value=rows[field], is_base=rows["cell"] == BASE))
        parts[-1]["value"] = parts[-1]["value"].astype(object)
    return pd.concat(parts, ignore_index=True)[columns]


def effects(settings: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """A row per change and method: FD with it / FD without it, paired by seed, above 1 where the change makes it worse.

    Every interval is its own. A failed run counts as infinitely far; below three seeds there is no interval.
    """
    rows = []
    settings = settings[settings["failed"].astype(bool) | settings["fd"].notna()]  # the others were not scored
    for (field, method), group in settings.groupby(["field", "method"], sort=False):
        base = group[group["is_base"]].set_index("seed")
        for value, changed in group[~group["is_base"]].groupby("value", sort=True):
            changed = changed.set_index("seed")
            both = sorted({*base.index} & {*changed.index})
            if not both:
                continue
            fds = [side.loc[both, "fd"].astype(float) for side in (base, changed)]
            sides = [np.log(fds[i].mask(side.loc[both, "failed"], np.inf)) for i, side in enumerate((base, changed))]
            found = statistics.paired_difference(*sides, level).advantage  # of the base
            with np.errstate(over="ignore"):
                ratio = {end: float(np.exp(getattr(found, end))) for end in ("estimate", "low", "high")}
            rows.append({"field": field, "method": method, "base": base["value"].iloc[0], "value": value} | ratio)
            rows[-1] |= {"n": len(both), "failed": int(changed.loc[both, "failed"].sum())}
            rows[-1]["base_failed"] = int(base.loc[both, "failed"].sum())
    return pd.DataFrame(rows)


# ---- architectures ---------------------------------------------------------------------------------------------------


def successes(sweep: pd.DataFrame, share: float = SUCCESS[0]) -> pd.DataFrame:
    """A row per architecture trained under every method, a column per method: True where it succeeded.

    Success: FD at or below ``share`` of the variance of the real features, and not failed. A diverged run has no FD.
    """
    rows = sweep[sweep["cell"].str.startswith(ARCHITECTURE)] if len(sweep) else sweep
    if rows.empty:
        return pd.DataFrame()
    good = ~rows["failed"] & (rows["fd"].astype(float) <= share * rows["variance"].astype(float))
    told = good[rows["failed"] | rows["fd"].notna()]
    return told.groupby([rows["cell"], rows["method"]]).first().unstack().dropna().astype(bool)


def success_rates(sweep: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """A row per bound and method: successes of how many architectures, and their share with Wilson's interval."""
    rows = []
    for share in SUCCESS:
        table = successes(sweep, share)
        for method in [name for name in ranking.NAMES if name in table]:
            found = statistics.failure_rate(int(table[method].sum()), len(table), level)  # of any share
            rows.append({"FD at most, × variance": share, "method": method, "successes": int(table[method].sum())})
            rows[-1] |= {"architectures": found.n, "share": found.estimate, "low": found.low, "high": found.high}
    return pd.DataFrame(rows)


def joint_successes(sweep: pd.DataFrame) -> pd.DataFrame:
    """A row per bound and pair of methods: architectures that only one, both or neither trained; then the published."""
    rows = []
    for share, (a, b) in itertools.product(SUCCESS, itertools.combinations(MAIN_METHODS, 2)):
        table = successes(sweep, share)
        if {a, b} <= {*table.columns}:
            head = {"success": f"FD ≤ {share:g} × variance", "first": a, "second": b}
            rows.append(head | joint(table[a], table[b]) | {"source": "these runs"})
    for success, *counts in PUBLISHED_ARCHITECTURES:
        head = {"success": success, "first": "gan", "second": "wgan-gp"}
        rows.append(head | dict(zip(_JOINT, counts, strict=True)) | {"source": "Gulrajani et al. 2017"})
    return pd.DataFrame(rows)


_JOINT = ("only first", "only second", "both", "neither")


def joint(first: pd.Series, second: pd.Series) -> dict[str, int]:
    """How many rows only the first, only the second, both and neither of two columns of booleans hold."""
    found = (first & ~second, ~first & second, first & second, ~first & ~second)
    return dict(zip(_JOINT, (int(which.sum()) for which in found), strict=True))


# ---- stacked digits --------------------------------------------------------------------------------------------------

_PACGAN = "100,000 steps in batches of 64"  # in its authors' code 50 epochs of 128,000 images
# model, modes, KL to uniform, budget; 26,000 samples. Lin et al. 2018 give the first four, some from others' papers.
PUBLISHED_MODES = (
    ("DCGAN, by Srivastava et al. 2017", 99.0, 3.40, "not known here"),
    ("DCGAN, by Lin et al. 2018", 78.9, 4.50, _PACGAN),
    ("VEEGAN (Srivastava et al. 2017)", 150.0, 2.95, "not known here"),
    ("PacDCGAN2 (Lin et al. 2018)", 1000.0, 0.06, _PACGAN),
    ("WGAN-GP, quoted in later papers", 959.0, 0.73, "not known here"),
)


def stacked_table(sweep: pd.DataFrame) -> pd.DataFrame:
    """Modes made of 1,000 and KL to uniform: a row per data set and method (means over the seeds), then published ones.

    A run that made no images, as it diverged, counts in ``seeds`` and ``failed`` alone.
    """
    rows = []
    found = sweep[sweep["dataset"].isin(STACKED)] if len(sweep) else sweep
    for (dataset, method), cell in found.groupby(["dataset", "method"], sort=False) if len(found) else ():
        values = cell[["modes", "kl_uniform", "kl_uniform_floor"]].astype(float)
        rows.append({"model": f"{ranking.name(method)} on {dataset}"} | values.mean().to_dict())
        rows[-1] |= {"modes, range": f"{values['modes'].min():.0f} to {values['modes'].max():.0f}"}
        rows[-1] |= {"seeds": len(cell), "failed": int(cell["failed"].sum()), "samples": cell["mode_images"].max()}
        rows[-1] |= {"budget": f"{cell['generator_steps'].max():,} steps in batches of {cell['batch_size'].max()}"}
    for model, modes, divergence, budget in PUBLISHED_MODES:
        rows.append({"model": model, "modes": modes, "kl_uniform": divergence, "samples": 26_000, "budget": budget})
    columns = ["model", "modes", "modes, range", "kl_uniform", "kl_uniform_floor", "seeds", "failed"]
    return pd.DataFrame(rows, columns=[*columns, "samples", "budget"])
