"""The first sentences of a report: what the loss, the penalty and the critic steps contributed, for a student."""

import pandas as pd

from gancompare.runs.layout import CLOCKS
from gancompare.runs.reading import Study
from gancompare.verdicts.comparisons import LABELS
from gancompare.verdicts.effects import FACTORS, pooled
from gancompare.verdicts.evidence import Evidence
from gancompare.verdicts.words import CONTRADICTED, NO_DIFFERENCE, NOT_TESTED, SUPPORTED, UNDECIDED, Finding

SUBJECTS = {
    "Wasserstein loss": "the Wasserstein loss in place of the GAN loss",
    "gradient penalty on a GAN": "the gradient penalty added to a GAN",
    "penalty instead of clipping": "the gradient penalty in place of clipping",
    "five critic steps instead of one": "five critic steps in place of one",
}


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
            lines.append(
                f"{dataset}: no ingredient can be judged, as no two arms that differ in one alone were trained."
            )
            continue
        lines.append(f"{dataset}: {_sentences(tested)} {_caveat(evidence, study.of(dataset).runs, tested)}")
    return lines


def _sentences(findings: dict[str, dict[str, Finding]]) -> str:
    clauses = [_clause(SUBJECTS[key], own) for key, own in findings.items() if own["seconds"].word != UNDECIDED]
    open_ones = [SUBJECTS[key] for key, own in findings.items() if own["seconds"].word == UNDECIDED]
    text = f"At equal training time, {_joined(clauses)}." if clauses else ""
    if open_ones:
        seeds = [own["seconds"].needed for own in findings.values() if own["seconds"].needed]
        more = f"; about {max(seeds)} seeds would tell" if seeds else ""
        start = "Whether" if clauses else "At equal training time, whether"
        verb = "helps" if len(open_ones) == 1 else "help"
        text += f" {start} {_joined(open_ones)} {verb} or harms is undecided{more}."
    return (text + _other_clocks(findings)).strip()


def _clause(subject: str, own: dict[str, Finding]) -> str:
    finding = own["seconds"]
    if finding.word == NO_DIFFERENCE:
        return f"{subject} made no difference that matters (less than 1.1×)"
    if finding.word == SUPPORTED:
        return f"{subject} brought the images {finding.effect} nearer to the real ones ({finding.bounds})"
    harm = Finding(estimate=1 / finding.estimate, low=1 / finding.high, high=1 / max(finding.low, 1e-12))
    return f"{subject} left the images {harm.effect} further from the real ones ({harm.bounds})"


def _other_clocks(findings: dict[str, dict[str, Finding]]) -> str:
    """A sentence on the ingredients that another clock judges the other way."""
    turned = []
    for key, own in findings.items():
        for clock in ("generator_steps", "images_seen"):
            words = {own["seconds"].word, own[clock].word}
            if own[clock].word in (SUPPORTED, CONTRADICTED) and len(words) == 2:
                verb = "helped" if own[clock].word == SUPPORTED else "harmed"
                size = own[clock].estimate if own[clock].word == SUPPORTED else 1 / own[clock].estimate
                turned.append(f"at equal {LABELS[clock]} {SUBJECTS[key]} {verb} ({size:.3g}×)")
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
