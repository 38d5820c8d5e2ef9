"""The first sentences of a report: what the loss, the penalty and the critic steps contributed, for a student."""

import math
from dataclasses import replace

import pandas as pd

from gancompare.runs.layout import CLOCKS
from gancompare.runs.reading import Study
from gancompare.verdicts.comparisons import LABELS
from gancompare.verdicts.effects import FACTORS, pooled
from gancompare.verdicts.evidence import Evidence
from gancompare.verdicts.intervals import MIN_SEEDS
from gancompare.verdicts.words import (
    CONTRADICTED,
    NO_DIFFERENCE,
    NOT_TESTED,
    SMALLEST_RATIO,
    SUPPORTED,
    UNDECIDED,
    Finding,
)

MATTERS = (SUPPORTED, CONTRADICTED)
DISTANCE = "the distance to the real images (FD)"
SUBJECTS = {
    "Wasserstein loss": "the Wasserstein loss in place of the GAN loss",
    "gradient penalty on a GAN": "the gradient penalty added to a GAN",
    "penalty instead of clipping": "the gradient penalty in place of clipping",
    "five critic steps instead of one": "five critic steps in place of one",
}
UNPAIRED = "as no two arms that differ in one alone were trained"


def answer(study: Study, level: float = 0.95) -> list[str]:
    """Per data set two or three sentences: each ingredient's main effect, at equal seconds and where another clock says
    otherwise; what is undecided; and the caveat that matters most.
    """
    lines = []
    for dataset in study.datasets:
        evidence = Evidence(study.of(dataset))
        findings = {
            factor.name: {clock: pooled(evidence, factor, clock, level=level) for clock in CLOCKS} for factor in FACTORS
        }
        tested = {key: own for key, own in findings.items() if own["seconds"].word != NOT_TESTED}
        if not tested:
            seeds = max(own["seconds"].n for own in findings.values())
            why = f"from {seeds} seeds; at least {MIN_SEEDS} are needed" if seeds else UNPAIRED
            lines.append(f"{dataset}: no ingredient can be judged {why}.")
            continue
        lines.append(f"{dataset}: {_sentences(tested)} {_caveat(evidence, study.of(dataset).runs, tested)}")
    return lines


def _sentences(findings: dict[str, dict[str, Finding]]) -> str:
    by_word: dict[str, list[str]] = {}
    for key, own in findings.items():
        by_word.setdefault(own["seconds"].word, []).append(key)
    clauses = [_clause(key, findings[key]["seconds"]) for word in MATTERS for key in by_word.get(word, ())]
    clauses[1:] = [clause.replace(DISTANCE, "it") for clause in clauses[1:]]
    if NO_DIFFERENCE in by_word:
        subjects = _joined([SUBJECTS[key] for key in by_word[NO_DIFFERENCE]])
        clauses.append(f"{subjects} made no difference that matters (less than {SMALLEST_RATIO:g}×)")
    text = f"At equal training time, {_joined(clauses)}." if clauses else ""
    if UNDECIDED in by_word:
        unclear = by_word[UNDECIDED]
        seeds = [findings[key]["seconds"].needed for key in unclear if findings[key]["seconds"].needed]
        more = f"; about {max(seeds)} seeds would tell" if seeds else ""
        start = "Whether" if clauses else "At equal training time, whether"
        verb = "helps or harms" if len(unclear) == 1 else "help or harm"
        text += f" {start} {_joined([SUBJECTS[key] for key in unclear])} {verb} is undecided{more}."
    return (text + _other_clocks(findings)).strip()


def _clause(key: str, finding: Finding) -> str:
    if finding.word == SUPPORTED:
        return f"{SUBJECTS[key]} made {DISTANCE} {finding.effect} smaller{_within(finding)}"
    harm = Finding(estimate=_inverse(finding.estimate), low=_inverse(finding.high), high=_inverse(finding.low))
    return f"{SUBJECTS[key]} made {DISTANCE} {harm.effect} larger{_within(harm)}"


def _within(finding: Finding) -> str:
    return f" ({finding.bounds})" if finding.bounds else ""


def _inverse(ratio: float) -> float:
    return 1 / ratio if ratio else math.inf


def _other_clocks(findings: dict[str, dict[str, Finding]]) -> str:
    """A sentence on the ingredients that another clock judges the other way."""
    turned = []
    for key, own in findings.items():
        for clock in ("generator_steps", "images_seen"):
            there = own[clock]
            if there.word in MATTERS and there.word != own["seconds"].word:
                helped = there.word == SUPPORTED
                size = replace(there, estimate=there.estimate if helped else _inverse(there.estimate)).effect
                turned.append(f"at equal {LABELS[clock]} {SUBJECTS[key]} {'helped' if helped else 'harmed'} ({size})")
    return f" The clock matters: {_joined(turned)}." if turned else ""


def _caveat(evidence: Evidence, runs: pd.DataFrame, findings: dict[str, dict[str, Finding]]) -> str:
    """The one thing that a reader must know before using the numbers."""
    falling = [arm for arm in evidence.falls if "still falling" in evidence.still_falling([arm])]
    if falling:
        count = f"{len(falling)} of {len(evidence.falls)} arms were" if len(falling) > 1 else "One arm was"
        return f"{count} still improving when training ended, so a longer run may change the order."
    failures = sum(len(evidence.failed(arm)) for arm in evidence.fd)
    if failures:
        total = sum(map(len, evidence.fd.values()))
        return f"{failures} of {total} runs failed and count as worse than any other."
    disagreeing = [SUBJECTS[k] for k, own in findings.items() if "extractors disagree" in own["seconds"].note]
    if disagreeing:
        return f"On {_joined(disagreeing)} the image features disagree, and more seeds would not settle that."
    seeds = max(own["seconds"].n for own in findings.values())
    recipe = f" with the recipe `{runs['recipe'].iloc[0]}`" if "recipe" in runs and len(runs) else ""
    return f"This holds for these small nets{recipe} and {seeds} seeds, not for GANs at large."


def _joined(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
