"""What a claim is: who said what, and how these runs can answer."""

from collections.abc import Callable
from dataclasses import dataclass

from gancompare.verdicts.evidence import Evidence
from gancompare.verdicts.words import Finding


@dataclass(frozen=True)
class Claim:
    """One statement, one row of the ledger."""

    key: str
    who: str  # paper and section, or "course projects"
    statement: str  # one sentence
    clock: str  # one of ``layout.CLOCKS`` on which arms are compared, or "" where the statement has none
    arms: tuple[str, ...]  # that it needs, the favoured one first
    measure: "Callable[[Evidence, Claim, float], Finding]"  # at a level
    metric: str = ""  # a score, or a setting of a sweep, where ``measure`` takes one
    flags: str = ""  # further options of the command that trains its runs
    sweep: bool = False  # takes the settings of a sweep, since all runs of a study's arm share theirs
