"""How far results depend on settings and on nets: what to vary around a recipe, and the runs of a sweep as tables.

A sweep is a folder of studies, one per cell, ``results/<name>/<cell>/<dataset>/<method>/seed<k>``: ``base`` (the recipe
but for SHORT), ``<variation>-<value>`` (one change to it), ``architecture-<i>`` (other nets), ``stacked`` (three digits
in an image). All cells share one pool of jobs. Which cell a run belongs to is read from its folder's name, the value
that was changed from its own config, and runs that are not finished are left out.
"""

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gancompare.data.datasets import STACKED
from gancompare.recipes import MAIN_METHODS
from gancompare.runs import reading, record
from gancompare.runs.sweeps import ARCHITECTURE, BASE, STACK, VARIATIONS
from gancompare.verdicts import ranking, statistics

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
    table = pd.concat([reading.load_runs(root, cell).assign(cell=cell) for cell in cells], ignore_index=True)
    table = ranking.finished(table).reset_index(drop=True)
    scores = pd.DataFrame([_final_scores(directory) for directory in table["directory"]], columns=list(_SCORES))
    table = pd.concat([table, scores], axis=1)
    table["failed"] = ranking.failed(table)
    rebounds = [math.inf if run.failed else _instability(run.directory) for run in table.itertuples()]
    return table.assign(instability=np.array(rebounds, float))


def _final_scores(directory: Path) -> dict[str, Any]:
    content = record.read_json(directory / "metrics.json")
    if not content:
        return {}
    found = reading.flatten_scores(content)
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
