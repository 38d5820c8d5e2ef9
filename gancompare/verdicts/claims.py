"""The published claims, and the ledger: each claim on each data set with its verdict, effect, interval and n.

A claim is supported only if all of its parts are, and contradicted if any is. The parts are measured by the functions
of ``claims_on_scores``, ``claims_on_training`` and ``claims_on_sweeps``, with the rules of ``comparisons``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from gancompare.arms import in_order
from gancompare.recipes import MAIN_METHODS
from gancompare.runs.layout import place_of
from gancompare.runs.reading import Study
from gancompare.verdicts.claims_on_scores import (
    costlier_steps,
    loss_beside_penalty,
    lower_fd_at_equal_cost,
    lower_fd_at_equal_steps,
    more_modes,
)
from gancompare.verdicts.claims_on_sweeps import settings_matter, spectral_norm_stabilises
from gancompare.verdicts.claims_on_training import (
    estimate_tracks_fd,
    estimate_vanishes,
    more_stable,
    steeper_gradients_over_depth,
    weights_at_clip,
)
from gancompare.verdicts.comparisons import Part, overall_verdict
from gancompare.verdicts.finals import finished
from gancompare.verdicts.intervals import MIN_SEEDS

LEDGER = ["number", "claim", "source", "dataset", "part", "quantity", "effect", "estimate", "low", "high"]
LEDGER += ["no_effect", "n", "verdict", "note"]


@dataclass(frozen=True)
class Claim:
    """A statement of a paper or of the course project, and how it is tested."""

    number: int
    text: str
    source: str
    measure: Callable[[Study, float], list[Part]]  # of one data set, at a level
    methods: tuple[str, ...] = MAIN_METHODS  # that must have been trained; none where no command trains what it needs
    on_sweep: Callable[[pd.DataFrame, float], list[Part]] | None = None  # takes settings, if one study cannot test it


def _untested(quantity: str, note: str = "") -> Callable[[Study, float], list[Part]]:
    """For a claim that one study cannot test: all its runs of a method share their settings."""
    return lambda study, level: [Part(quantity, note=note)]


_ARJOVSKY, _GULRAJANI, _PROJECT = "Arjovsky et al. 2017", "Gulrajani et al. 2017", "course project"
CLAIMS: tuple[Claim, ...] = (
    Claim(1, "WGAN-GP is more stable than GAN", f"{_GULRAJANI}, §5.1", more_stable, ("gan", "wgan-gp")),
    Claim(2, "WGAN and WGAN-GP cover more modes than GAN", f"{_ARJOVSKY}, §4.3", more_modes),
    Claim(
        3,
        "The Wasserstein estimate tracks sample quality, a GAN's losses do not",
        f"{_ARJOVSKY}, §4.2",
        estimate_tracks_fd,
    ),
    Claim(
        4,
        "WGAN-GP has a lower FD than WGAN, and WGAN than GAN, at equal generator steps",
        f"{_GULRAJANI}, §5.3 (WGAN-GP, WGAN); {_PROJECT}",
        lower_fd_at_equal_steps,
    ),
    Claim(
        5,
        "WGAN-GP has a lower FD than WGAN, and WGAN than GAN, at equal seconds and at equal real images seen",
        _PROJECT,
        lower_fd_at_equal_cost,
    ),
    Claim(
        6,
        "A generator step of WGAN-GP costs more than one of WGAN, and that more than one of GAN",
        _PROJECT,
        costlier_steps,
    ),
    Claim(7, "Clipping pushes the critic's weights to ±clip", f"{_GULRAJANI}, §3", weights_at_clip, ("wgan",)),
    Claim(
        8,
        "Clipping makes gradient norms grow or decay over depth more than the penalty does",
        f"{_GULRAJANI}, §3.2",
        steeper_gradients_over_depth,
        ("wgan", "wgan-gp"),
    ),
    Claim(9, "The Wasserstein estimate goes to 0 at convergence", _PROJECT, estimate_vanishes, ("wgan", "wgan-gp")),
    Claim(
        10,
        "The number of critic steps, the clip and the penalty weight change stability markedly",
        _PROJECT,
        _untested("stability at several settings"),
        ("wgan", "wgan-gp"),
        settings_matter,
    ),
    Claim(
        11,
        "Spectral normalisation stabilises training",
        "Miyato et al. 2018",
        _untested("stability with and without it"),
        on_sweep=spectral_norm_stabilises,
    ),
    Claim(
        12,
        "Adding generated images raises the accuracy of a classifier by 2 to 5 %",
        _PROJECT,
        _untested("accuracy with − without them", "needs an augmentation experiment"),
        methods=(),
    ),
    Claim(
        13,
        "The Wasserstein loss adds something beyond the penalty",
        "questioned by Fedus et al. 2018",
        loss_beside_penalty,
        ("wgan-gp", "gan-gp"),
    ),
)


def ledger(study: Study, level: float = 0.95) -> pd.DataFrame:
    """A row per claim × data set (``part`` "overall"); below it, a row per part (1, 2, …) of a claim with several.

    ``estimate``, ``low`` and ``high`` are ratios where ``no_effect`` is 1, differences where it is 0. The note of what
    was not tested gives the command that would train the missing runs.
    """
    rows = []
    for dataset in study.datasets:
        own = study.of(dataset)
        own = replace(own, histories=_of_runs(own.histories, finished(own.runs)))
        for claim in CLAIMS:
            rows += _ledger_rows(claim, dataset, claim.measure(own, level), command=_command(own.runs, dataset, claim))
    return pd.DataFrame(rows, columns=LEDGER)


def sweep_ledger(settings: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """``ledger`` of the claims that take a sweep; ``settings``: ``sweep.settings_table``, of one or more data sets."""
    rows = []
    for dataset, own in settings.groupby("dataset", sort=False):
        command = f"`gancompare sensitivity --dataset {dataset} --seeds {MIN_SEEDS}`"
        for claim in CLAIMS:
            if claim.on_sweep:
                rows += _ledger_rows(claim, dataset, claim.on_sweep(own, level), command=command)
    return pd.DataFrame(rows, columns=LEDGER)


def _ledger_rows(claim: Claim, dataset: str, parts: Sequence[Part], *, command: str) -> list[dict]:
    """The row of a claim on a data set and, below it, those of its parts."""
    head = {"number": claim.number, "claim": claim.text, "source": claim.source, "dataset": dataset}
    rows = []
    if len(parts) > 1:
        deciding = [part for part in parts if part.decides]
        count = sum(part.verdict == "supported" for part in deciding)
        n = min((part.n for part in parts if part.verdict != "not tested"), default=0)
        text = f"{count} of {len(deciding)} parts supported"
        rows.append(head | {"part": "overall", "quantity": "all parts", "effect": text, "n": n})
        rows[-1] |= {"verdict": overall_verdict(parts), "note": _notes(parts, command)}
    for i, part in enumerate(parts, 1):
        rows.append(head | {"part": str(i) if len(parts) > 1 else "overall", "effect": part.effect})
        rows[-1] |= {key: getattr(part, key) for key in ("quantity", "estimate", "low", "high", "n", "verdict")}
        rows[-1] |= {"no_effect": float(part.ratio), "note": _notes([part], command)}
    return rows


def _notes(parts: Sequence[Part], command: str) -> str:
    """The notes of parts, and what would test those that were not tested."""
    lacking = [part for part in parts if part.verdict == "not tested"]
    notes = list(dict.fromkeys(part.note for part in parts if part.note and part not in lacking))
    reasons = "; ".join(dict.fromkeys(part.note for part in lacking if part.note))
    if lacking and command:
        notes.append(f"not tested: run {command}" + f" ({reasons})" * bool(reasons))
    elif lacking:
        notes.append(f"not tested: {reasons}")
    return "; ".join(notes)


def _of_runs(histories: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    if histories.empty or runs.empty:
        return histories.iloc[:0]
    keys = ["arm", "seed"]
    return histories[pd.MultiIndex.from_frame(histories[keys]).isin(pd.MultiIndex.from_frame(runs[keys]))]


def _command(runs: pd.DataFrame, dataset: str, claim: Claim) -> str:
    """What would train the runs that a claim needs, at the budget of ``runs``; "" if no command would."""
    if not claim.methods:
        return ""
    flags = [
        f"--{field.replace('_', '-')} {runs[field].iloc[0]}"
        for field in ("profile", "generator_steps")
        if field in runs and runs[field].nunique() == 1
    ]
    seeds = max([MIN_SEEDS, *(runs["seed"] + 1)] if "seed" in runs else [MIN_SEEDS])
    if claim.on_sweep:
        words = [f"gancompare sensitivity --dataset {dataset} --seeds {seeds}", *flags]
        return f"`{' '.join(words)}`, then the notebook 06_sensitivity"
    name = place_of(runs["directory"].iloc[0]).study if "directory" in runs and len(runs) else "NAME"
    methods = " ".join(in_order(claim.methods))
    words = [f"gancompare study --name {name} --datasets {dataset} --arms {methods} --seeds {seeds}", *flags]
    return f"`{' '.join(words)}`"
