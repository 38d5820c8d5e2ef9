"""Statements about the critic: its estimate, its weights and its gradients. Functions (evidence, claim, level) →
finding."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from gancompare.arms import method_of, name
from gancompare.verdicts.comparisons import compare, judge_mean
from gancompare.verdicts.curves import spearman_within
from gancompare.verdicts.evidence import FLAT, Evidence
from gancompare.verdicts.finals import runs_of
from gancompare.verdicts.intervals import MIN_SEEDS
from gancompare.verdicts.statement import Claim
from gancompare.verdicts.words import NOT_TESTED, UNDECIDED, Finding, Scale, missing

WEIGHT_SCALE = 0.02  # standard deviation of initial weights
INSIDE = 3.0  # standard deviations of the initial weights that lie within a bound which they start inside
EVEN_SHARE = 0.01  # of weights within 1 % of ±c if they were spread evenly
GONE = 0.1  # the share of its maximum below which an estimate counts as zero
LAYERS = 5  # the fewest over which a gradient can be said to explode or vanish
CORRELATION = Scale("ρ with FD", lower=False, ratio=False, smallest=0.1)


def estimate_follows_fd(evidence: Evidence, claim: Claim, level: float) -> Finding:
    """Spearman's ρ of |Wasserstein estimate| and FD of the raw generator over the measurements of a run: of their
    levels, or of their changes (``claim.metric``). The mean over runs; a run without a ρ counts as 0.
    """
    rho = _correlations(evidence, claim.arms[0], "wasserstein_estimate", claim.metric, sign=0)
    if not rho:
        return missing(f"no Wasserstein estimate beside FD of {name(claim.arms[0])}")
    finding = judge_mean(np.array([*rho.values()]), CORRELATION, level=level)
    return replace(finding, phrase=f"the correlation (Spearman's ρ, of {claim.metric}) is {{}}")


def estimate_follows_closer(evidence: Evidence, claim: Claim, level: float) -> Finding:
    """ρ of the changes of |Wasserstein estimate| and FD, minus the larger one of the two losses of a GAN.

    A GAN's generator loss tracks quality if it falls with FD, its critic's if it rises as FD falls. The signs are fixed
    beforehand: of |ρ|, noise alone would make a positive mean.
    """
    ours, gan = claim.arms
    estimate = _correlations(evidence, ours, "wasserstein_estimate", "changes", sign=0)
    losses = [
        _correlations(evidence, gan, column, "changes", sign=sign)
        for column, sign in (("generator_loss", 1), ("critic_loss", -1))
    ]
    best = {seed: max(losses[0][seed], losses[1][seed]) for seed in losses[0].keys() & losses[1].keys()}
    return compare({ours: estimate, gan: best}, ours, gan, CORRELATION, level=level)


def _correlations(evidence: Evidence, arm: str, column: str, of_what: str, *, sign: int) -> dict[int, float]:
    """Seed → ρ with FD of the raw generator; ``sign`` of the column, 0 for its absolute value."""
    rho = {}
    for seed, rows in runs_of(evidence.study.histories, arm, column, "fd_raw").items():
        series = sign * rows[column] if sign else rows[column].abs()
        levels, changes = spearman_within(series, rows["fd_raw"])
        rho[seed] = float(np.nan_to_num(levels if of_what == "levels" else changes))
    return rho


def estimate_vanishes(evidence: Evidence, claim: Claim, level: float) -> Finding:
    """GONE over the share of its maximum that |Wasserstein estimate| has left at the end of runs that had flattened:
    above 1 where less is left than counts as zero."""
    (arm,) = claim.arms
    runs = runs_of(evidence.study.histories, arm, "wasserstein_estimate")
    if not runs:
        return missing(f"no Wasserstein estimate of {name(arm)}")
    left = []
    for seed, rows in runs.items():
        size = rows["wasserstein_estimate"].abs()
        if evidence.falls.get(arm, {}).get(seed, math.inf) < FLAT and seed not in evidence.failed(arm):
            left.append(max(size.iloc[-1] / size.max(), 1e-6) if size.max() > 0 else 1.0)
    finding = judge_mean(math.log(GONE) - np.log(left), Scale("share left"), level=level)
    finding = replace(finding, phrase=f"{GONE:.0%} over the share of its maximum that is left is {{}}")
    note = f"{len(left)} of {len(runs)} runs had flattened"
    few = finding.word == NOT_TESTED and len(runs) >= MIN_SEEDS
    return finding.but(UNDECIDED, f"still falling: {note}") if few else finding.with_note(note)


def weights_at_clip(evidence: Evidence, claim: Claim, level: float) -> Finding:
    """Share of the critic's weights within 1 % of ±c at the end over EVEN_SHARE, in runs whose weights started inside
    the bound: normal weights that are clipped at once lie there from the start.
    """
    runs = evidence.study.runs
    inside = {}
    if {"arm", "clip"} <= {*runs.columns}:
        clips = runs.groupby("arm")["clip"].first().astype(float)
        inside = {a: c for a, c in clips.items() if method_of(a) == "wgan" and c >= INSIDE * WEIGHT_SCALE}
    for arm, clip in inside.items():
        rows = runs_of(evidence.study.histories, arm, "share_at_clip").values()
        shares = np.maximum([own["share_at_clip"].iloc[-1] for own in rows], 1e-6)
        if len(shares):
            finding = judge_mean(np.log(shares / EVEN_SHARE), Scale("share of weights at ±c"), level=level)
            start = 2 * stats.norm.sf(clip / WEIGHT_SCALE)
            note = f"{name(arm)}, c = {clip:g}: {start:.2g} of the weights started at or beyond the bound"
            phrase = "the share of weights at ±c is {} that of an even spread"
            return replace(finding, phrase=phrase).with_note(note)
    return missing(f"no clipped critic started inside its bound (c of at least {INSIDE * WEIGHT_SCALE:g})")


def gradients_range_wider(evidence: Evidence, claim: Claim, level: float) -> Finding:
    """Largest over smallest gradient norm of all layers at the end, in critics of at least LAYERS layers without a
    norm: a norm layer rescales what clipping did."""
    values = {arm: _ranges(evidence, arm) for arm in claim.arms}
    if not all(values.values()):
        return missing(f"no layer-wise gradients of critics of {LAYERS} layers or more without a norm")
    return compare(values, *claim.arms, Scale("range of gradient norms over depth", lower=False), level=level)


def _ranges(evidence: Evidence, arm: str) -> dict[int, float]:
    runs, rows = evidence.study.runs, evidence.study.diagnostics
    if rows.empty or not {"arm", "critic_norm"} <= {*runs.columns}:
        return {}
    without = set(runs.loc[(runs["arm"] == arm) & (runs["critic_norm"] == "none"), "seed"])
    rows = rows[(rows["quantity"] == "layer_gradient_norm") & (rows["arm"] == arm) & rows["seed"].isin(without)]
    return {seed: size for seed, own in rows.groupby("seed") if math.isfinite(size := _range(own))}


def _range(rows: pd.DataFrame) -> float:
    norms = rows.loc[rows["generator_steps"] == rows["generator_steps"].max(), "value"].to_numpy(float)
    usable = len(norms) >= LAYERS and np.isfinite(norms).all()
    return float(norms.max() / max(norms.min(), 1e-30)) if usable else math.nan
