"""Architectures drawn at random: under which methods do they train at all?"""

import itertools

import pandas as pd

from gancompare.arms import in_order
from gancompare.recipes import MAIN_METHODS
from gancompare.verdicts.shares import proportion

# An architecture is a success under a method if its final FD is at most this share of the total variance of the real
# features; a generator that repeats one real image scores 2 on average. Fixed before any of them was trained;
# the first one decides.
SUCCESS = (0.5, 1.0, 0.25)

# Gulrajani et al. 2017, table 2: 200 random architectures on 32×32 ImageNet, successful above an Inception Score
PUBLISHED_ARCHITECTURES = (
    ("Inception Score > 3", 1, 88, 110, 1),
    ("Inception Score > 5", 0, 147, 42, 11),
    ("Inception Score > 7", 1, 104, 5, 90),
)
_JOINT = ("only first", "only second", "both", "neither")


def successes(sweep: pd.DataFrame, share: float = SUCCESS[0]) -> pd.DataFrame:
    """A row per architecture trained under every method, a column per method: True where it succeeded.

    ``sweep``: from ``sweep.read_sweep``. A run is a success if it did not fail and its FD is at most ``share`` of the
    variance of the real features. A diverged run has no FD.
    """
    rows = sweep[sweep["part"] == "architectures"] if len(sweep) else sweep
    if rows.empty:
        return pd.DataFrame()
    good = ~rows["failed"] & (rows["fd"].astype(float) <= share * rows["variance"].astype(float))
    scored = good[rows["failed"] | rows["fd"].notna()]
    return scored.groupby([rows["cell"], rows["arm"]]).first().unstack().dropna().astype(bool)


def success_rates(sweep: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """A row per bound and method: successes of how many architectures, and their share with Wilson's interval."""
    rows = []
    for share in SUCCESS:
        table = successes(sweep, share)
        for method in in_order(table.columns):
            rate = proportion(int(table[method].sum()), len(table), level)
            rows.append({"FD at most, × variance": share, "arm": method, "successes": int(table[method].sum())})
            rows[-1] |= {"architectures": rate.n, "share": rate.estimate, "low": rate.low, "high": rate.high}
    return pd.DataFrame(rows)


def joint_successes(sweep: pd.DataFrame) -> pd.DataFrame:
    """A row per bound and pair of methods: architectures that only one, both or neither trained; then the published."""
    rows = []
    for share, (a, b) in itertools.product(SUCCESS, itertools.combinations(MAIN_METHODS, 2)):
        table = successes(sweep, share)
        if {a, b} <= {*table.columns}:
            head = {"success": f"FD ≤ {share:g} × variance", "first": a, "second": b}
            rows.append(head | joint_counts(table[a], table[b]) | {"source": "these runs"})
    for success, *counts in PUBLISHED_ARCHITECTURES:
        head = {"success": success, "first": "gan", "second": "wgan-gp"}
        rows.append(head | dict(zip(_JOINT, counts, strict=True)) | {"source": "Gulrajani et al. 2017"})
    return pd.DataFrame(rows)


def joint_counts(first: pd.Series, second: pd.Series) -> dict[str, int]:
    """In how many rows only the first, only the second, both and neither of two columns of booleans are true."""
    masks = (first & ~second, ~first & second, first & second, ~first & ~second)
    return dict(zip(_JOINT, (int(mask.sum()) for mask in masks), strict=True))
