"""Which method beats which, seed by seed, and when that may be said. The rules, fixed before any result:

- Effects are positive (ratios above 1) in the direction of what is asked. Methods are compared seed by seed.
- A run that diverged or collapsed (``finals.failed``) counts as worse than any other and is never dropped.
- A ranking by image features needs two extractors, the primary and a second, that say the same.
- Several comparisons made at once share their error (Bonferroni).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gancompare.arms import name
from gancompare.verdicts.differences import paired_advantage, sign_flip_p_value
from gancompare.verdicts.intervals import MIN_SEEDS, Interval

DECIDED = ("supported", "contradicted")
DISAGREE, ALONE = "extractors disagree", "there is only one extractor"
Values = Mapping[str, Mapping[int, float]]  # method → seed → value; inf: the run failed, absent: not measured


@dataclass(frozen=True)
class Part:
    """One comparison of a claim. ``estimate``, ``low`` and ``high`` are ratios if ``ratio``, else differences."""

    quantity: str
    verdict: str = "not tested"
    estimate: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    note: str = ""
    ratio: bool = False
    decides: bool = True  # False: it is shown but excluded from the verdict, as there is nothing to compare

    @property
    def effect(self) -> str:
        """The estimate as text: "2.5×" or "+0.31"; empty where there is none."""
        if math.isnan(self.estimate):
            return ""
        text = f"{self.estimate:.3g}×" if self.ratio else f"{self.estimate:+.3g}"
        return text.replace("inf", "∞")

    def with_note(self, *more: str) -> "Part":
        """The same part with the texts of ``more`` that are not empty added to its note."""
        return replace(self, note="; ".join(filter(None, [self.note, *more])))


def verdict(effect: Interval | None, smallest_effect_of_interest: float = 0.0) -> str:
    """The word for the claim "the effect exceeds ``smallest_effect_of_interest``"; nothing else chooses words.

    "supported" or "contradicted" if the whole interval lies above or below it, "inconclusive" if it lies inside or at
    an end, "not tested" without an interval. Effects are positive in the direction of the claim.
    """
    if effect is None or np.isnan(effect.low) or np.isnan(effect.high):
        return "not tested"
    if effect.low > smallest_effect_of_interest:
        return "supported"
    return "contradicted" if effect.high < smallest_effect_of_interest else "inconclusive"


def judge(quantity: str, effect: Interval, *, note="", ratio=False, least=0.0, decides=True) -> Part:
    """The part of a claim that an effect (in logs if ``ratio``) exceeds ``least``."""
    few = effect.n < MIN_SEEDS and "not enough seeds" not in note
    few = f"not enough seeds: {effect.n} of at least {MIN_SEEDS}" if few else ""
    with np.errstate(over="ignore"):
        ends = [float(np.exp(x)) if ratio else x for x in (effect.estimate, effect.low, effect.high)]
    text = "; ".join(filter(None, [few, note]))
    return Part(quantity, verdict(effect, least), *ends, effect.n, text, ratio, decides)


def beats(values: Values, ours: str, theirs: str, *, level: float, label: str, lower=True, log=False) -> Part:
    """By how much ``ours`` beats ``theirs``, paired by seed; with ``log`` as the ratio of positive values.

    ``label`` names the quantity, of which less is better unless ``lower`` is False.
    """
    sides = (theirs, ours) if lower else (ours, theirs)
    quantity = f"{label}, {name(sides[0])} {'/' if log else '−'} {name(sides[1])}"
    missing = [name(method) for method in (ours, theirs) if not values.get(method)]
    if missing:
        return Part(quantity, note=f"no {label} of {' and '.join(missing)}", ratio=log)
    sides = paired_by_seed(values, ours, theirs, log=log)
    effect = paired_advantage(*sides, level, lower_is_better=lower)
    note, rng = describe_failures(values, ours, theirs), np.random.default_rng(0)  # the same runs, the same word
    if (
        np.isclose(effect.low, effect.high, 1e-9, 1e-12)
        and sign_flip_p_value(*sides, rng, lower_is_better=lower) > 1 - level
    ):
        # Student's t takes equal differences, common where values are counts, for certainty; the sign test does not
        effect = replace(effect, low=-math.inf, high=math.inf)
        note = "; ".join(filter(None, ["differences without spread: too few seeds for an interval", note]))
    return judge(quantity, effect, note=note, ratio=log)


def paired_by_seed(values: Values, ours: str, theirs: str, *, log: bool) -> np.ndarray:
    """(2, n): the values of the seeds that both sides have, or their logs."""
    seeds = sorted(values[ours].keys() & values[theirs].keys())
    sides = np.array([[values[method][seed] for seed in seeds] for method in (ours, theirs)], float)
    return np.log(np.maximum(sides, 1e-12)) if log else sides  # log 0 = −inf would read as diverged


def outranks(
    by_extractor: Mapping[str, Values], ours: str, theirs: str, *, level: float, lower=True, log=True, second=True
) -> Part:
    """``beats`` by the first (primary) extractor. If ``second``, it is decided only if another one says the same.

    ``by_extractor``: name of the quantity → values, as ``finals.final_scores`` returns them.
    """
    if not by_extractor:
        return Part(f"{name(ours)} against {name(theirs)}", note="no scores", ratio=log)
    options = {"level": level, "lower": lower, "log": log}
    (label, values), *others = by_extractor.items()
    part = beats(values, ours, theirs, label=label, **options)
    if not second or part.verdict not in DECIDED:
        return part
    opinions = {other: beats(values, ours, theirs, label=other, **options).verdict for other, values in others}
    opinions = {other: word for other, word in opinions.items() if word != "not tested"}
    agreeing = [other for other, word in opinions.items() if word == part.verdict]
    if agreeing:
        return part.with_note(f"{agreeing[0]} agrees")
    why = f"{DISAGREE}: " + ", ".join(f"{k} {v}" for k, v in opinions.items()) if opinions else ALONE
    return replace(part, verdict="inconclusive").with_note(f"by {label} alone {part.verdict}, but {why}")


def lower_fd(by_extractor: Mapping[str, Values], pairs: Sequence[tuple[str, str]], level: float) -> list[Part]:
    """Parts "the first of each pair has the lower FD", at a level that holds for all of them at once."""
    return [outranks(by_extractor, *pair, level=shared_level(level, len(pairs))) for pair in pairs]


def overall_verdict(parts: Sequence[Part]) -> str:
    """The word for a claim from the words of its parts: contradicted if any part is, supported only if all are.

    Parts that do not decide are excluded.
    """
    words = [part.verdict for part in parts if part.decides]
    if "contradicted" in words:
        return "contradicted"
    if set(words) == {"supported"}:
        return "supported"
    return "not tested" if set(words) <= {"not tested"} else "inconclusive"


def shared_level(level: float, parts: int) -> float:
    """The level of each of ``parts`` intervals at which all hold at once with ``level`` (Bonferroni)."""
    return 1 - (1 - level) / parts


def describe_failures(values: Values, *methods: str) -> str:
    """ "1 of 3 GAN runs diverged or collapsed", for each of the methods that has any; or ""."""
    counts = {m: sum(not math.isfinite(value) for value in values.get(m, {}).values()) for m in methods}
    texts = [f"{k} of {len(values[m])} {name(m)} runs diverged or collapsed" for m, k in counts.items() if k]
    return "; ".join(texts)
