"""Claims about final scores and cost: functions from the ``Study`` of one data set and a level to parts.

The parts of a claim share its error: k parts have intervals at level 1 − (1 − level)/k.
"""

import itertools
import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from gancompare.runs.reading import Study
from gancompare.scoring.catalogue import METRICS
from gancompare.verdicts.comparisons import Part, Values, beats, lower_fd, outranks, shared_level
from gancompare.verdicts.finals import failed_seeds, final_fd, final_scores, finished, runs_of

QUALITY = (("wgan-gp", "wgan"), ("wgan", "gan"))  # the better one first, as the claims have it


def more_modes(study: Study, level: float) -> list[Part]:
    """Recall and coverage of real images; number and evenness of classes where a classifier counted them."""
    metrics = ("recall", "coverage", "modes_tenth", "kl_uniform")
    return covers_more({metric: final_scores(study.scores, metric) for metric in metrics}, level)


def covers_more(metrics: Mapping[str, Mapping[str, Values]], level: float) -> list[Part]:
    """Parts of WGAN and WGAN-GP against GAN; ``metrics``: metric → ``final_scores``. Class metrics come from one
    classifier, so they have no second opinion.
    """
    tested = {metric: values for metric, values in metrics.items() if values or METRICS[metric].by_features}
    level, pairs = shared_level(level, 2 * len(tested)), (("wgan", "gan"), ("wgan-gp", "gan"))
    parts = []
    for pair, (metric, values) in itertools.product(pairs, tested.items()):
        options = {"lower": METRICS[metric].better == "lower", "second": METRICS[metric].by_features}
        parts.append(outranks(values, *pair, level=level, log=False, **options))
    return parts


def lower_fd_at_equal_steps(study: Study, level: float) -> list[Part]:
    """Final FD at equal generator steps."""
    return lower_fd(final_scores(study.scores, "fd"), QUALITY, level)


def lower_fd_at_equal_cost(study: Study, level: float) -> list[Part]:
    """FD in training at equal seconds and at equal real images seen. There is one extractor in training, so the ranking
    stays inconclusive whatever its interval; the note says what that extractor alone would say.
    """
    parts, final = [], final_fd(study)
    for clock, pair in itertools.product(("seconds", "images_seen"), QUALITY):
        label = f"FD in training at equal {clock.replace('images_seen', 'real images seen')}"
        measured = {clock, "fd", "arm"} <= {*study.histories.columns}
        values = fd_at_equal(clock, *pair, histories=study.histories, final=final) if measured else {}
        parts.append(outranks({label: values}, *pair, level=shared_level(level, 4)))
    return parts


def fd_at_equal(clock: str, ours: str, theirs: str, *, histories: pd.DataFrame, final: Values) -> Values:
    """FD of both methods at the time (by ``clock``, a column of ``histories``) when the first of a seed's two runs
    ends: log FD is interpolated over log clock. inf for runs that failed, by ``final``, their final FD.
    """
    curves = {m: runs_of(histories[histories[clock] > 0], m, clock, "fd") for m in (ours, theirs)}
    values: dict[str, dict] = {ours: {}, theirs: {}}
    failed = {method: failed_seeds(final, method) for method in values}
    for seed in set.intersection(*({*curves[m], *failed[m]} for m in values)):
        pair = {m: curves[m][seed] for m in values if seed not in failed[m]}
        shared = min((curve[clock].max() for curve in pair.values()), default=math.nan)
        if any(curve[clock].min() > shared for curve in pair.values()):
            continue  # one run ended before the other was first measured
        for m in values:
            values[m][seed] = math.inf if m not in pair else _fd_at(shared, pair[m][clock], pair[m]["fd"])
    return values


def _fd_at(time: float, clock: pd.Series, fd: pd.Series) -> float:
    return float(np.exp(np.interp(np.log(time), np.log(clock), np.log(np.maximum(fd, 1e-12)))))


def costlier_steps(study: Study, level: float) -> list[Part]:
    """Seconds per generator step of finished runs, diverged ones included."""
    values: dict[str, dict] = {}
    if {"seconds", "steps_done"} <= set(study.runs.columns):
        for run in finished(study.runs).itertuples():
            if run.seconds == run.seconds and run.seconds and run.steps_done:
                values.setdefault(run.arm, {})[run.seed] = run.seconds / run.steps_done
    options = {"level": shared_level(level, 2), "label": "seconds per generator step", "log": True}
    over_wgan, over_gan = (beats(values, cheap, dear, **options) for dear, cheap in QUALITY)
    both = beats(values, "gan", "wgan-gp", **options)
    return [over_wgan.with_note(f"WGAN-GP / GAN {both.effect}" if both.effect else ""), over_gan]


def loss_beside_penalty(study: Study, level: float) -> list[Part]:
    """Final FD of WGAN-GP against the GAN loss with the same penalty."""
    return lower_fd(final_scores(study.scores, "fd"), (("wgan-gp", "gan-gp"),), level)
