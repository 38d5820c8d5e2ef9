"""The four words of a verdict, and the one function that chooses them from an interval.

An effect is a ratio (compared as its logarithm) or a difference, positive in the direction of the statement. Its word:

- **no difference** if the whole interval lies within the smallest effect of interest, 1/1.1 to 1.1 of a ratio. This
  goes first: an interval that excludes 1 but lies inside shows a difference too small to matter.
- **supported** or **contradicted** if the whole interval lies on one side of no effect, or of the effect that the
  statement asks for (``least``).
- **undecided** otherwise, with the number of seeds that would probably decide it.
- **not tested** only where the runs are missing or of fewer than three seeds.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from scipy.special import ndtr

from gancompare.verdicts.intervals import MIN_SEEDS, Interval, too_few

SUPPORTED, CONTRADICTED, NO_DIFFERENCE = "supported", "contradicted", "no difference"
UNDECIDED, NOT_TESTED = "undecided", "not tested"
DECIDED = (SUPPORTED, CONTRADICTED, NO_DIFFERENCE)
SMALLEST_RATIO = 1.1  # smallest effect of interest
POWER = 0.8  # with which ``seeds_needed`` would decide
MOST_SEEDS = 1000  # beyond which a number of seeds is not worth stating


class Scale(NamedTuple):
    """How a quantity is compared: which end is better, as a ratio or a difference, and what is too small to matter."""

    label: str
    lower: bool = True  # less is better
    ratio: bool = True
    smallest: float = SMALLEST_RATIO  # effect of interest: a ratio above 1, or a difference above 0
    least: float | None = None  # the effect that the statement asks for; None: any

    @property
    def margin(self) -> float:
        """The smallest effect of interest in the units of an ``Interval``: a logarithm, or a difference."""
        return math.log(self.smallest) if self.ratio else self.smallest

    @property
    def threshold(self) -> float:
        """What an interval has to exceed, in the same units."""
        if self.least is None:
            return 0.0
        return math.log(self.least) if self.ratio else self.least


FD = Scale("FD")


@dataclass(frozen=True)
class Finding:
    """A verdict and what it rests on. Above ``no effect`` (1 of a ratio, 0 of a difference) favours the statement."""

    word: str = NOT_TESTED
    estimate: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n: int = 0  # seeds
    p: float = math.nan  # two-sided, of no effect; NaN where the statement asks for more than any effect
    needed: int | None = None  # seeds that would decide it; None: it is decided, or more seeds would not help
    note: str = ""
    phrase: str = "the effect is {}"  # {} stands for the effect with its interval
    ratio: bool = True
    smallest: float = SMALLEST_RATIO  # effect of interest, a ratio or a difference
    words: Mapping[str, str] = field(default_factory=dict)  # of each extractor

    @property
    def effect(self) -> str:
        """The estimate as text: "2.5×" or "+0.31"; empty where there is none."""
        return "" if math.isnan(self.estimate) else _text(self.estimate, self.ratio)

    @property
    def bounds(self) -> str:
        """The interval as text: "1.9× to 3.1×"; empty where there is none, or where it excludes nothing."""
        unbounded = math.isinf(self.high) and self.low in (0.0 if self.ratio else -math.inf, -math.inf)
        if math.isnan(self.low) or math.isnan(self.high) or unbounded:
            return ""
        return f"{_text(self.low, self.ratio)} to {_text(self.high, self.ratio)}"

    def but(self, word: str, note: str) -> "Finding":
        """The same numbers with another word, for the reason ``note``; more seeds would not change it."""
        return replace(self, word=word, needed=None).with_note(note)

    def with_note(self, *more: str) -> "Finding":
        """The same with the texts of ``more`` that are not empty added to its note."""
        return replace(self, note="; ".join(filter(None, [self.note, *more])))


def missing(note: str) -> Finding:
    """What is said where runs are missing."""
    return Finding(note=note)


def word_of(low: ArrayLike, high: ArrayLike, *, margin: float, threshold: float = 0.0) -> np.ndarray:
    """The word of each interval (low, high), of any shape; NaN bounds are not tested. See the module's docstring."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    conditions = [np.isnan(low) | np.isnan(high), (low >= -margin) & (high <= margin), low > threshold]
    words = [NOT_TESTED, NO_DIFFERENCE, SUPPORTED, CONTRADICTED]
    return np.select([*conditions, high < threshold], words, UNDECIDED)


def judge(
    effect: Interval, scale: Scale, *, p: float = math.nan, needed: Callable[[], int | None] = lambda: None
) -> Finding:
    """The finding of an effect in the units of ``scale`` (logarithms of ratios). ``needed`` says how many seeds would
    decide it, and is asked only if it is undecided."""
    word = str(word_of(effect.low, effect.high, margin=scale.margin, threshold=scale.threshold))
    with np.errstate(over="ignore"):
        ends = [float(np.exp(x)) if scale.ratio else x for x in (effect.estimate, effect.low, effect.high)]
    few = too_few(effect.n) or effect.note
    seeds = needed() if word == UNDECIDED else None
    return Finding(word, *ends, effect.n, p, seeds, few, ratio=scale.ratio, smallest=scale.smallest)


def seeds_needed(estimate: float, spread: float, scale: Scale = FD, *, n: int = 2, level: float = 0.95) -> int | None:
    """The smallest number of seeds above ``n`` at which Student's interval decides with probability POWER, if the true
    effect and the standard deviation between seeds are those observed. None above MOST_SEEDS.
    """
    if not (math.isfinite(estimate) and math.isfinite(spread)):
        return None

    def decides(seeds: int) -> bool:
        return _chance_to_decide(estimate, max(spread, 1e-12), scale, seeds=seeds, level=level) >= POWER

    few = max(n, MIN_SEEDS - 1)
    many = few + 1
    while not decides(many):
        few, many = many, 2 * many
        if few > MOST_SEEDS:
            return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if decides(middle) else (middle, many)
    return many


def _chance_to_decide(estimate: float, spread: float, scale: Scale, *, seeds: int, level: float) -> float:
    """The probability that the interval of normal effects excludes the threshold or lies within the margin.

    For a given standard deviation of the sample, and so half width h, the mean must leave [threshold ± h] or lie in
    [−margin + h, margin − h]; that probability is averaged over quantiles of the standard deviation.
    """
    quantiles = (np.arange(256) + 0.5) / 256
    deviation = spread * np.sqrt(stats.chi2.ppf(quantiles, seeds - 1) / (seeds - 1))
    half = stats.t.ppf((1 + level) / 2, seeds - 1) * deviation / math.sqrt(seeds)
    open_ends = np.array([scale.threshold - half, scale.threshold + half])
    inner = np.maximum(scale.margin - half, 0)  # within ± it there is no difference
    ends = np.stack([open_ends, np.clip(open_ends, -inner, inner)])
    (low, high), (low_within, high_within) = ndtr((ends - estimate) * math.sqrt(seeds) / spread)
    undecided = high - low - (high_within - low_within)
    return float(1 - undecided.mean())


def _text(value: float, ratio: bool) -> str:
    text = f"{value:,.0f}" if 1000 <= abs(value) < math.inf else f"{value:.3g}" if ratio else f"{value:+.2g}"
    return text.replace("inf", "∞") + "×" * ratio
