"""Each published claim as a function from results to a verdict with effect, interval and n.

Pure functions on three tables: ``table`` (``runs.load_study``), ``scores`` (a row per run × checkpoint × extractor) and
``histories`` (``runs.load_histories``). The rules are those of ``ranking``; intervals and words those of
``statistics``, but for a ratio of spreads (F) and a difference of shares (Newcombe). The parts of a claim share its
error: k parts have intervals at level 1 − (1 − level)/k. It is supported only if all parts are, contradicted if any is.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from gancompare.verdicts import statistics
from gancompare.verdicts.ranking import (
    BY_FEATURES,
    DECIDED,
    LOWER,
    MAIN,
    NAMES,
    Part,
    Values,
    compare,
    datasets_of,
    failures,
    finals,
    finished,
    judge,
    name,
    ordering,
    outcomes,
    overall,
    paired,
    rank,
    rows_of,
    shared_level,
    with_note,
)
from gancompare.verdicts.statistics import MIN_SEEDS, Interval

CONVERGED = 0.9  # the share of its maximum that an estimate must have lost to count as "gone to 0"
WEIGHT_SCALE = 0.02  # standard deviation of initial weights
MARKED = 1.25  # the factor by which final / lowest FD must change to change markedly
STEADY = 1.02  # of final / lowest FD: a run below it did not fall back
LEDGER = ["number", "claim", "source", "dataset", "part", "quantity", "effect", "estimate", "low", "high"]
LEDGER += ["no_effect", "n", "verdict", "note"]


# ---- from histories to values ---------------------------------------------------------------------------------------


def runs_of(histories: pd.DataFrame, method: str, *columns: str) -> dict[int, pd.DataFrame]:
    """Seed → the rows of that run in which all of ``columns`` are measured, in order."""
    if not {"method", *columns} <= set(histories.columns):
        return {}
    rows = histories[histories["method"] == method].dropna(subset=list(columns)).sort_values("generator_steps")
    return dict(iter(rows.groupby("seed")))


def at_equal(histories: pd.DataFrame, clock: str, ours: str, theirs: str, final: Values) -> Values:
    """FD of both methods where the slower clock of a seed's two runs ends, log FD interpolated over log clock."""
    curves = {m: runs_of(histories[histories[clock] > 0], m, clock, "fd") for m in (ours, theirs)}
    values: dict[str, dict] = {ours: {}, theirs: {}}
    failed = {m: {seed for seed, fd in final.get(m, {}).items() if math.isinf(fd)} for m in values}
    for seed in set.intersection(*({*curves[m], *failed[m]} for m in values)):
        pair = {m: curves[m][seed] for m in values if seed not in failed[m]}
        shared = min((curve[clock].max() for curve in pair.values()), default=math.nan)
        if any(curve[clock].min() > shared for curve in pair.values()):
            continue  # one run ended before the other was first measured
        for m in values:
            values[m][seed] = math.inf if m not in pair else _read_off(pair[m], clock, shared)
    return values


def _read_off(curve: pd.DataFrame, clock: str, at: float) -> float:
    log_fd = np.log(np.maximum(curve["fd"], 1e-12))
    return float(np.exp(np.interp(np.log(at), np.log(curve[clock]), log_fd)))


# ---- the claims: (table, scores, histories) of one dataset, level → parts --------------------------------------------


def stability(table, scores, histories, level) -> list[Part]:
    """Spread over seeds of the final log FD, rebound in training, share of failed runs.

    A spread is not defined where a run failed, a share says nothing where none did: then that part does not decide.
    """
    level, final = shared_level(level, 3), outcomes(table, scores)
    pair = {m: np.array(list(final.get(m, {}).values()), float) for m in ("gan", "wgan-gp")}
    n = min(map(len, pair.values()))
    failed = {m: int(np.isinf(values).sum()) for m, values in pair.items()}
    label, note = "standard deviation of final log FD, GAN / WGAN-GP", failures(final, *pair)
    if n < MIN_SEEDS:
        spread = judge(label, Interval(math.nan, math.nan, math.nan, n), ratio=True)
    elif any(failed.values()):
        estimate = math.copysign(math.inf, failed["gan"] - failed["wgan-gp"]) if not all(failed.values()) else math.nan
        unbounded = Interval(estimate, -math.inf, math.inf, n)
        spread = judge(label, unbounded, f"{note}: no finite spread, so this part does not decide", True, decides=False)
    else:
        spread = judge(label, spread_ratio(pair["gan"], pair["wgan-gp"], level), "log FD taken as normal", True)
    rebounds: dict[str, dict] = {m: {s: math.inf for s, fd in final.get(m, {}).items() if math.isinf(fd)} for m in pair}
    for m in pair:
        for seed, rows in runs_of(histories, m, "fd").items():
            rebounds[m].setdefault(seed, 1 + statistics.rebound(np.maximum(rows["fd"], 1e-12)))
    rebound = compare(rebounds, "wgan-gp", "gan", level, "final / lowest FD in training", log=True)
    if n < MIN_SEEDS:
        shares = judge("share of failed runs, GAN − WGAN-GP", Interval(math.nan, math.nan, math.nan, n))
    else:
        found = share_difference(failed["gan"], len(pair["gan"]), failed["wgan-gp"], len(pair["wgan-gp"]), level)
        note = note or "no failures in either: nothing to compare, so this part does not decide"
        shares = judge("share of failed runs, GAN − WGAN-GP", found, note, decides=any(failed.values()))
    return [spread, rebound, shares]


def spread_ratio(a, b, level: float) -> Interval:
    """Log ratio of the standard deviations of log a and log b, with the F interval of independent normal samples.

    Runs of one seed that go up and down together make it wider than need be, not narrower.
    """
    variances = [np.var(np.log(np.maximum(values, 1e-12)), ddof=1) for values in (a, b)]
    n = min(len(a), len(b))
    if not min(variances):
        return Interval(math.nan, -math.inf, math.inf, n)
    quantiles = stats.f.ppf([(1 + level) / 2, (1 - level) / 2], len(a) - 1, len(b) - 1)
    ratio = variances[0] / variances[1]
    return Interval(*(float(x) / 2 for x in np.log([ratio, *(ratio / quantiles)])), n)


def share_difference(k: int, m: int, j: int, n: int, level: float) -> Interval:
    """k/m − j/n with Newcombe's (1998, method 10) interval: Wilson's bounds of both shares, combined."""
    a, b = statistics.failure_rate(k, m, level), statistics.failure_rate(j, n, level)
    difference = a.estimate - b.estimate
    low = difference - math.hypot(a.estimate - a.low, b.high - b.estimate)
    return Interval(difference, low, difference + math.hypot(a.high - a.estimate, b.estimate - b.low), min(m, n))


def coverage(table, scores, histories, level) -> list[Part]:
    """Recall and coverage of real images; number and evenness of classes where a classifier counted them."""
    metrics = {metric: finals(scores, metric) for metric in ("recall", "coverage", "modes_tenth", "kl_uniform")}
    return covers_more(metrics, level)


def covers_more(metrics: Mapping[str, Mapping[str, Values]], level: float) -> list[Part]:
    """Parts of WGAN and WGAN-GP against GAN; ``metrics``: metric → ``finals``. Class metrics have no second opinion."""
    tested = {metric: values for metric, values in metrics.items() if values or metric in BY_FEATURES}
    level, pairs = shared_level(level, 2 * len(tested)), (("wgan", "gan"), ("wgan-gp", "gan"))
    return [
        rank(values, *pair, level, lower=metric in LOWER, log=False, second=metric in BY_FEATURES)
        for pair, (metric, values) in itertools.product(pairs, tested.items())
    ]


def tracking(table, scores, histories, level) -> list[Part]:
    """Does a loss fall where FD falls? Per Wasserstein method: ρ(|estimate|, FD) > 0 over the measured points of a run
    and over their changes; and by changes, a higher ρ than both GAN losses of the same seed.

    A GAN's generator loss tracks quality if it falls with FD, its critic's if it rises as FD falls. The signs are fixed
    beforehand: of |ρ|, noise alone would make a positive mean. A run without a ρ counts as 0.
    """
    level = shared_level(level, 8)
    losses = {"generator loss": ("generator_loss", 1), "− critic loss": ("critic_loss", -1)}
    parts = []
    for method in ("wgan", "wgan-gp"):
        runs = runs_of(histories, method, "wasserstein_estimate", "fd")
        series = {seed: (rows["wasserstein_estimate"].abs(), rows["fd"]) for seed, rows in runs.items()}
        found = statistics.spearman_over_runs(list(series.values()), level=level)
        for what, interval in zip(("levels", "changes"), found, strict=True):
            label = f"ρ of |Wasserstein estimate| and FD, {what}, {name(method)}"
            parts.append(judge(label, interval, interval.note) if series else Part(label, note="no FD in training"))
        for loss, (column, sign) in losses.items():
            gan = {s: (sign * rows[column], rows["fd"]) for s, rows in runs_of(histories, "gan", column, "fd").items()}
            rho = {
                m: {seed: float(np.nan_to_num(statistics.spearman_within(*xy)[1])) for seed, xy in of.items()}
                for m, of in ((method, series), ("gan", gan))
            }
            label = f"ρ with FD, changes, of |Wasserstein estimate| and {loss}"
            parts.append(compare(rho, method, "gan", level, label, lower=False))
    return parts


QUALITY = (("wgan-gp", "wgan"), ("wgan", "gan"))


def at_equal_steps(table, scores, histories, level) -> list[Part]:
    """Final FD at equal generator steps."""
    return ordering(finals(scores, "fd"), QUALITY, level)


def at_equal_cost(table, scores, histories, level) -> list[Part]:
    """FD in training at equal seconds and at equal real images seen. There is one extractor in training, so the ranking
    stays inconclusive whatever its interval; the note says what that extractor alone would say."""
    parts, final = [], outcomes(table, scores)
    for clock, pair in itertools.product(("seconds", "images_seen"), QUALITY):
        label = f"FD in training at equal {clock.replace('images_seen', 'real images seen')}"
        values = at_equal(histories, clock, *pair, final) if {clock, "fd", "method"} <= {*histories.columns} else {}
        parts.append(rank({label: values}, *pair, shared_level(level, 4)))
    return parts


def cost(table, scores, histories, level) -> list[Part]:
    """Seconds per generator step; of finished runs, also those that diverged."""
    values: dict[str, dict] = {}
    if {"seconds", "steps_done"} <= set(table.columns):
        for run in finished(table).itertuples():
            if run.seconds == run.seconds and run.seconds and run.steps_done:
                values.setdefault(run.method, {})[run.seed] = run.seconds / run.steps_done
    level, label = shared_level(level, 2), "seconds per generator step"
    parts = [compare(values, cheap, dear, level, label, log=True) for dear, cheap in QUALITY]
    over_gan = compare(values, "gan", "wgan-gp", level, label, log=True)
    return [with_note(parts[0], f"WGAN-GP / GAN {over_gan.effect}" if over_gan.effect else ""), parts[1]]


def clipped_weights(table, scores, histories, level) -> list[Part]:
    """Share of WGAN's critic weights within 1 % of ±clip at the end, minus that before the first step: normal initial
    weights are clipped too, so most of them lie there from the start."""
    clips = [*table.loc[table["method"] == "wgan", "clip"]] if {"method", "clip"} <= {*table.columns} else []
    start, changes = 2 * stats.norm.sf((clips or [0.01])[0] / WEIGHT_SCALE), []
    for rows in runs_of(histories, "wgan", "share_at_clip").values():
        first = rows.iloc[0]
        changes.append(rows["share_at_clip"].iloc[-1] - (start if first["generator_steps"] else first["share_at_clip"]))
    label = "share of weights at ±clip, end − start, WGAN"
    if not changes:
        return [Part(label, note="no share of weights at the clip in training")]
    return [
        judge(
            label,
            statistics.interval(changes, level, lower_is_better=False),
            f"where step 0 was not measured, the start is {start:.1%}",
        )
    ]


def gradients_over_depth(table, scores, histories, level) -> list[Part]:
    """|Slope of the log gradient norm over depth| at the end: WGAN's minus WGAN-GP's."""
    column, label = "gradient_slope_over_depth", "|slope of log gradient norm over depth|"
    values = {
        m: {seed: abs(float(rows[column].iloc[-1])) for seed, rows in runs_of(histories, m, column).items()}
        for m in ("wgan", "wgan-gp")
    }
    part = compare(values, "wgan", "wgan-gp", level, label, lower=False)
    return [
        part
        if any(values.values())
        else replace(part, note="needs layer-wise gradient norms; runs without them are to be trained again")
    ]


def convergence(table, scores, histories, level) -> list[Part]:
    """What share of its maximum |Wasserstein estimate| lost until the end; the claim wants more than CONVERGED."""
    final, parts = outcomes(table, scores), []
    for method in ("wgan", "wgan-gp"):
        failed = {seed for seed, fd in final.get(method, {}).items() if math.isinf(fd)}
        falls = dict.fromkeys(failed, math.inf)
        for seed, rows in runs_of(histories, method, "wasserstein_estimate").items():
            size = rows["wasserstein_estimate"].abs()
            falls.setdefault(seed, float(1 - size.iloc[-1] / size.max()) if size.max() > 0 else 0.0)
        label = f"fall of |Wasserstein estimate| from its maximum, {name(method)}"
        found = statistics.interval(list(falls.values()), shared_level(level, 2), lower_is_better=False)
        note = f"wanted: above {CONVERGED:g}; the runs may end before convergence"
        part = judge(label, found, "; ".join(filter(None, [note, failures({method: falls}, method)])), least=CONVERGED)
        parts.append(part if falls else Part(label, note=f"no Wasserstein estimate of {name(method)}"))
    return parts


def loss_beside_penalty(table, scores, histories, level) -> list[Part]:
    """Final FD of WGAN-GP against the GAN loss with the same penalty."""
    return ordering(finals(scores, "fd"), (("wgan-gp", "gan-gp"),), level)


# ---- of a sweep: (settings, level) → parts ---------------------------------------------------------------------------


def settings_change(settings: pd.DataFrame, level: float) -> list[Part]:
    """By how much final / lowest FD changes, up or down, between the base and the setting that changes it most.

    The claim wants a factor above MARKED for every field and method. The interval is that of the largest of the
    changes: if those of all settings hold at once, so does that from their largest lower to their largest upper end.
    """
    cases = [("n_critic", "wgan"), ("n_critic", "wgan-gp"), ("clip", "wgan"), ("penalty_weight", "wgan-gp")]
    return [_largest_change(settings, *case, shared_level(level, len(cases))) for case in cases]


def _largest_change(settings: pd.DataFrame, field: str, method: str, level: float) -> Part:
    label = f"largest change of final / lowest FD by {field.replace('_', ' ')}, {name(method)}"
    rows = settings[(settings["field"] == field) & (settings["method"] == method)].dropna(subset="instability")
    values = {v: dict(zip(of["seed"], of["instability"], strict=True)) for v, of in rows.groupby("value")}
    base = [*rows.loc[rows["is_base"].astype(bool), "value"].unique()]
    others = [value for value in values if value not in base]
    if not base or not others:
        return Part(label, note="no runs", ratio=True)
    level, found = shared_level(level, len(others)), []
    for value in others:
        pair = statistics.paired_difference(*paired(values, value, base[0], log=True), level).advantage
        ends = sorted((abs(pair.low), abs(pair.high)))
        found.append(replace(pair, estimate=abs(pair.estimate), low=ends[0], high=ends[1]))
        if pair.low <= 0 <= pair.high:
            found[-1] = replace(found[-1], low=0.0)
    largest = max(range(len(others)), key=lambda i: np.nan_to_num(found[i].estimate, nan=-1.0))
    ends = {end: float(np.max([getattr(x, end) for x in found])) for end in ("low", "high")}  # NaN if one is
    note = f"{field} {base[0]:g} → {others[largest]:g}; wanted: above {MARKED:g}×"
    broken = {v: sum(map(math.isinf, of.values())) for v, of in values.items()}
    note += "".join(f"; {k} of {len(values[v])} runs failed at {v:g}" for v, k in broken.items() if k)
    found = Interval(found[largest].estimate, ends["low"], ends["high"], min(x.n for x in found))
    part = judge(label, found, note, ratio=True, least=math.log(MARKED))
    told = all(_fell_back(of) for of in values.values())  # a run that still improves has no instability to change
    return _undecided(part) if part.verdict == "contradicted" and not told else part


def _fell_back(values: Mapping[int, float]) -> bool:
    """Whether half of the runs ended above their best (final / lowest FD), or failed."""
    return bool(np.median([*values.values()]) >= STEADY)


def _undecided(part: Part) -> Part:
    return replace(
        with_note(part, "runs of some setting were still improving when they ended: too short to tell"),
        verdict="inconclusive",
    )


def spectral_norm(settings: pd.DataFrame, level: float) -> list[Part]:
    """Final / lowest FD without any norm in the critic, over that with spectral normalisation, per method."""
    rows = settings[settings["field"] == "critic_norm"].dropna(subset="instability")
    parts = []
    for method in MAIN:
        ours = rows[rows["method"] == method]
        values = {v: dict(zip(of["seed"], of["instability"], strict=True)) for v, of in ours.groupby("value")}
        label = f"final / lowest FD, {name(method)}"
        parts.append(compare(values, "spectral", "none", shared_level(level, len(MAIN)), label, log=True))
        if parts[-1].verdict in DECIDED and not any(_fell_back(values[v]) for v in ("none", "spectral")):
            parts[-1] = _undecided(parts[-1])
    return parts


def sweep_ledger(settings: pd.DataFrame, level=0.95) -> pd.DataFrame:
    """``ledger`` of the claims that take a sweep; ``settings``: ``sensitivity.settings``, of one or more data sets."""
    rows = []
    for dataset in datasets_of(settings):
        for number, (claim, source, _, _, of_sweep) in CLAIMS.items():
            if of_sweep:
                head = {"number": number, "claim": claim, "source": source, "dataset": dataset}
                parts = of_sweep(rows_of(settings, dataset), level)
                rows += _ledger_rows(head, parts, f"`gancompare sensitivity --dataset {dataset} --seeds {MIN_SEEDS}`")
    return pd.DataFrame(rows, columns=LEDGER)


def _needs(quantity: str, note=""):
    """A claim that one study cannot test: all its runs of a method share their settings."""
    return lambda table, scores, histories, level: [Part(quantity, note=note)]


_A, _G = "Arjovsky et al. 2017", "Gulrajani et al. 2017"
# number → (claim, source, function, methods it needs, function on a sweep's settings if one study cannot test it)
CLAIMS: dict[int, tuple] = {
    1: ("WGAN-GP is more stable than GAN", f"{_G}, §5.1", stability, ("gan", "wgan-gp"), None),
    2: ("WGAN and WGAN-GP cover more modes than GAN", f"{_A}, §4.3", coverage, MAIN, None),
    3: ("The Wasserstein estimate tracks sample quality, a GAN's losses do not", f"{_A}, §4.2", tracking, MAIN, None),
    4: ("WGAN-GP has a lower FD than WGAN, and WGAN than GAN, at equal generator steps",
        f"{_G}, §5.3 (WGAN-GP, WGAN); course project", at_equal_steps, MAIN, None),
    5: ("WGAN-GP has a lower FD than WGAN, and WGAN than GAN, at equal seconds and at equal real images seen",
        "course project", at_equal_cost, MAIN, None),
    6: ("A generator step of WGAN-GP costs more than one of WGAN, and that more than one of GAN",
        "course project", cost, MAIN, None),
    7: ("Clipping pushes the critic's weights to ±clip", f"{_G}, §3", clipped_weights, ("wgan",), None),
    8: ("Clipping makes gradient norms grow or decay over depth more than the penalty does",
        f"{_G}, §3.2", gradients_over_depth, ("wgan", "wgan-gp"), None),
    9: ("The Wasserstein estimate goes to 0 at convergence", "course project", convergence, ("wgan", "wgan-gp"), None),
    10: ("The number of critic steps, the clip and the penalty weight change stability markedly", "course project",
         _needs("stability at several settings"), ("wgan", "wgan-gp"), settings_change),
    11: ("Spectral normalisation stabilises training", "Miyato et al. 2018",
         _needs("stability with and without it"), MAIN, spectral_norm),
    12: ("Adding generated images raises the accuracy of a classifier by 2 to 5 %", "course project",
         _needs("accuracy with − without them", "needs an augmentation experiment"), (), None),
    13: ("The Wasserstein loss adds something beyond the penalty", "questioned by Fedus et al. 2018",
         loss_beside_penalty, ("wgan-gp", "gan-gp"), None),
}  # fmt: skip


def ledger(table: pd.DataFrame, scores: pd.DataFrame, histories: pd.DataFrame, level=0.95) -> pd.DataFrame:
    """A row per claim × dataset (``part`` "overall"); below it, a row per part (1, 2, …) of a claim with several.

    ``estimate``, ``low`` and ``high`` are ratios where ``no_effect`` is 1, differences where it is 0.
    """
    rows = []
    for dataset in datasets_of(table, scores):
        own = [rows_of(frame, dataset) for frame in (table, scores, histories)]
        own[2] = _of_runs(own[2], finished(own[0]))
        for number, (claim, source, function, methods, of_sweep) in CLAIMS.items():
            head = {"number": number, "claim": claim, "source": source, "dataset": dataset}
            command = _command(own[0], dataset, methods, of_sweep)
            rows += _ledger_rows(head, function(*own, level), command)
    return pd.DataFrame(rows, columns=LEDGER)


def _ledger_rows(head: dict, parts: list[Part], command: str) -> list[dict]:
    """The row of a claim on a data set and, below it, those of its parts."""
    rows = []
    if len(parts) > 1:
        deciding = [part for part in parts if part.decides]
        count = sum(part.verdict == "supported" for part in deciding)
        n = min((part.n for part in parts if part.verdict != "not tested"), default=0)
        text = f"{count} of {len(deciding)} parts supported"
        rows.append(head | {"part": "overall", "quantity": "all parts", "effect": text, "n": n})
        rows[-1] |= {"verdict": overall(parts), "note": _joined(parts, command)}
    parts = [replace(part, note=_joined([part], command)) for part in parts]
    for i, part in enumerate(parts, 1):
        rows.append(head | {"part": str(i) if len(parts) > 1 else "overall", "effect": part.effect})
        rows[-1] |= {key: getattr(part, key) for key in ("quantity", "estimate", "low", "high", "n", "verdict")}
        rows[-1] |= {"no_effect": float(part.ratio), "note": part.note}
    return rows


def _of_runs(histories: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    if histories.empty or runs.empty:
        return histories.iloc[:0]
    keys = ["method", "seed"]
    return histories[pd.MultiIndex.from_frame(histories[keys]).isin(pd.MultiIndex.from_frame(runs[keys]))]


def _joined(parts: Sequence[Part], command: str) -> str:
    """The notes of parts, and what would test those that were not tested."""
    lacking = [part for part in parts if part.verdict == "not tested"]
    notes = list(dict.fromkeys(part.note for part in parts if part.note and part not in lacking))
    reasons = "; ".join(dict.fromkeys(part.note for part in lacking if part.note))
    if lacking and command:
        notes.append(f"not tested: run {command}" + f" ({reasons})" * bool(reasons))
    elif lacking:
        notes.append(f"not tested: {reasons}")
    return "; ".join(notes)


def _command(table: pd.DataFrame, dataset: str, methods: Sequence[str], of_sweep: Callable | None) -> str:
    """What would train the runs a claim needs, at the budget of the runs there are; "" if no command would."""
    if not methods:
        return ""
    study, flags = "NAME", []
    if "directory" in table and len(table):
        study = Path(table["directory"].iloc[0]).parts[-4]  # results/<study>/<dataset>/<method>/seed<k>
    for field in ("profile", "generator_steps"):
        if field in table and table[field].nunique() == 1:
            flags.append(f"--{field.replace('_', '-')} {table[field].iloc[0]}")
    seeds = max([MIN_SEEDS, *(table["seed"] + 1)] if "seed" in table else [MIN_SEEDS])
    if of_sweep:
        words = [f"gancompare sensitivity --dataset {dataset} --seeds {seeds}", *flags]
        return f"`{' '.join(words)}`, then the notebook 06_sensitivity"
    listed = " ".join(method for method in NAMES if method in methods)
    words = [f"gancompare study --name {study} --datasets {dataset} --methods {listed} --seeds {seeds}", *flags]
    return f"`{' '.join(words)}`"
