"""Claims about what happens during training: functions from the ``Study`` of one data set and a level to parts.

The parts of a claim share its error: k parts have intervals at level 1 − (1 − level)/k.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from gancompare.arms import name
from gancompare.runs.reading import Study
from gancompare.verdicts.comparisons import Part, Values, beats, describe_failures, judge, shared_level
from gancompare.verdicts.curves import rebound, spearman_over_runs, spearman_within
from gancompare.verdicts.differences import spread_ratio
from gancompare.verdicts.finals import failed_seeds, final_fd, runs_of
from gancompare.verdicts.intervals import MIN_SEEDS, Interval, interval
from gancompare.verdicts.shares import proportion_difference

CONVERGED = 0.9  # the share of its maximum that an estimate must have lost to count as "gone to 0"
WEIGHT_SCALE = 0.02  # standard deviation of initial weights
CRITICS = ("wgan", "wgan-gp")  # the methods whose critic estimates a Wasserstein distance


# ---- stability -------------------------------------------------------------------------------------------------------


def more_stable(study: Study, level: float) -> list[Part]:
    """Spread over seeds of the final log FD, rebound in training, share of failed runs.

    A spread is not defined where a run failed; a share says nothing where none did. Then that part does not decide.
    """
    level, final = shared_level(level, 3), final_fd(study)
    spread = _spread_part(final, level)
    rebounds = {m: _final_over_lowest(study.histories, m, final) for m in ("gan", "wgan-gp")}
    fallback = beats(rebounds, "wgan-gp", "gan", level=level, label="final / lowest FD in training", log=True)
    return [spread, fallback, _failures_part(final, level)]


def _spread_part(final: Values, level: float) -> Part:
    gan, wgan_gp = (np.array([*final.get(method, {}).values()], float) for method in ("gan", "wgan-gp"))
    quantity, n = "standard deviation of final log FD, GAN / WGAN-GP", min(len(gan), len(wgan_gp))
    if n < MIN_SEEDS:
        return judge(quantity, Interval(math.nan, math.nan, math.nan, n), ratio=True)
    failed = [int(np.isinf(values).sum()) for values in (gan, wgan_gp)]
    if not any(failed):
        return judge(quantity, spread_ratio(gan, wgan_gp, level), note="log FD taken as normal", ratio=True)
    estimate = math.nan if all(failed) else math.copysign(math.inf, failed[0] - failed[1])
    note = f"{describe_failures(final, 'gan', 'wgan-gp')}: no finite spread, so this part does not decide"
    return judge(quantity, Interval(estimate, -math.inf, math.inf, n), note=note, ratio=True, decides=False)


def _final_over_lowest(histories: pd.DataFrame, method: str, final: Values) -> dict[int, float]:
    """Seed → final / lowest FD in training; inf for a failed run."""
    ratios = dict.fromkeys(failed_seeds(final, method), math.inf)
    for seed, rows in runs_of(histories, method, "fd").items():
        ratios.setdefault(seed, 1 + rebound(np.maximum(rows["fd"], 1e-12)))
    return ratios


def _failures_part(final: Values, level: float) -> Part:
    counts = [(len(failed_seeds(final, m)), len(final.get(m, {}))) for m in ("gan", "wgan-gp")]
    quantity, n = "share of failed runs, GAN − WGAN-GP", min(runs for _, runs in counts)
    if n < MIN_SEEDS:
        return judge(quantity, Interval(math.nan, math.nan, math.nan, n))
    note = describe_failures(final, "gan", "wgan-gp")
    none = "no failures in either: nothing to compare, so this part does not decide"
    return judge(quantity, proportion_difference(*counts, level), note=note or none, decides=bool(note))


# ---- the Wasserstein estimate ----------------------------------------------------------------------------------------


def estimate_tracks_fd(study: Study, level: float) -> list[Part]:
    """Does a loss fall where FD falls? Per Wasserstein method: ρ(|estimate|, FD) > 0 over the measured points of a run
    and over their changes; and by changes, a higher ρ than both GAN losses of the same seed.

    A GAN's generator loss tracks quality if it falls with FD, its critic's if it rises as FD falls. The signs are fixed
    beforehand: of |ρ|, noise alone would make a positive mean. A run without a ρ counts as 0.
    """
    level = shared_level(level, 8)
    parts = []
    for method in CRITICS:
        runs = runs_of(study.histories, method, "wasserstein_estimate", "fd")
        series = {seed: (rows["wasserstein_estimate"].abs(), rows["fd"]) for seed, rows in runs.items()}
        for what, effect in zip(("levels", "changes"), spearman_over_runs([*series.values()], level), strict=True):
            label = f"ρ of |Wasserstein estimate| and FD, {what}, {name(method)}"
            parts.append(judge(label, effect, note=effect.note) if series else Part(label, note="no FD in training"))
        parts += _against_gan_losses(study.histories, method, series, level=level)
    return parts


def _against_gan_losses(
    histories: pd.DataFrame, method: str, series: Mapping[int, tuple], *, level: float
) -> list[Part]:
    """By how much ρ over changes is higher for ``series`` (seed → estimates, FDs) than for each of the GAN's losses."""
    parts = []
    for loss, (column, sign) in {"generator loss": ("generator_loss", 1), "− critic loss": ("critic_loss", -1)}.items():
        runs = runs_of(histories, "gan", column, "fd")
        gan = {seed: (sign * rows[column], rows["fd"]) for seed, rows in runs.items()}
        rho = {
            arm: {seed: float(np.nan_to_num(spearman_within(*pair)[1])) for seed, pair in pairs.items()}
            for arm, pairs in ((method, series), ("gan", gan))
        }
        label = f"ρ with FD, changes, of |Wasserstein estimate| and {loss}"
        parts.append(beats(rho, method, "gan", level=level, label=label, lower=False))
    return parts


def estimate_vanishes(study: Study, level: float) -> list[Part]:
    """What share of its maximum |Wasserstein estimate| lost until the end; the claim wants more than CONVERGED."""
    final, parts = final_fd(study), []
    for method in CRITICS:
        falls = dict.fromkeys(failed_seeds(final, method), math.inf)
        for seed, rows in runs_of(study.histories, method, "wasserstein_estimate").items():
            size = rows["wasserstein_estimate"].abs()
            falls.setdefault(seed, float(1 - size.iloc[-1] / size.max()) if size.max() > 0 else 0.0)
        label = f"fall of |Wasserstein estimate| from its maximum, {name(method)}"
        if not falls:
            parts.append(Part(label, note=f"no Wasserstein estimate of {name(method)}"))
            continue
        effect = interval(list(falls.values()), shared_level(level, 2), lower_is_better=False)
        note = f"wanted: above {CONVERGED:g}; the runs may end before convergence"
        part = judge(label, effect, note=note, least=CONVERGED)
        parts.append(part.with_note(describe_failures({method: falls}, method)))
    return parts


# ---- the critic's weights and gradients ------------------------------------------------------------------------------


def weights_at_clip(study: Study, level: float) -> list[Part]:
    """Share of WGAN's critic weights within 1 % of ±clip at the end, minus that before the first step: normal initial
    weights are clipped too, so most of them lie there from the start.
    """
    runs, changes = study.runs, []
    clips = [*runs.loc[runs["arm"] == "wgan", "clip"]] if {"arm", "clip"} <= {*runs.columns} else []
    start = 2 * stats.norm.sf((clips or [0.01])[0] / WEIGHT_SCALE)
    for rows in runs_of(study.histories, "wgan", "share_at_clip").values():
        first = rows.iloc[0]
        before = start if first["generator_steps"] else first["share_at_clip"]
        changes.append(rows["share_at_clip"].iloc[-1] - before)
    label = "share of weights at ±clip, end − start, WGAN"
    if not changes:
        return [Part(label, note="no share of weights at the clip in training")]
    note = f"where step 0 was not measured, the start is {start:.1%}"
    return [judge(label, interval(changes, level, lower_is_better=False), note=note)]


def steeper_gradients_over_depth(study: Study, level: float) -> list[Part]:
    """|Slope of the log gradient norm over depth| at the end: WGAN's minus WGAN-GP's."""
    column, label = "gradient_slope_over_depth", "|slope of log gradient norm over depth|"
    values = {
        method: {
            seed: abs(float(rows[column].iloc[-1])) for seed, rows in runs_of(study.histories, method, column).items()
        }
        for method in CRITICS
    }
    part = beats(values, "wgan", "wgan-gp", level=level, label=label, lower=False)
    if not any(values.values()):
        part = replace(part, note="needs layer-wise gradient norms; runs without them are to be trained again")
    return [part]
