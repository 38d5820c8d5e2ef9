"""Which metrics there are: the heading of each, which direction is better, and what it is measured with."""

from typing import NamedTuple


class Metric(NamedTuple):
    """A column of the scores."""

    heading: str  # in a table or on an axis
    better: str  # "lower", "higher", or "" if neither end is better
    by_features: bool = False  # measured by every extractor, so that a second one can contradict it


METRICS = {
    "fd": Metric("FD", "lower", by_features=True),
    "kid": Metric("KID", "lower", by_features=True),
    "precision": Metric("precision", "higher", by_features=True),
    "recall": Metric("recall", "higher", by_features=True),
    "density": Metric("density", "higher", by_features=True),
    "coverage": Metric("coverage", "higher", by_features=True),
    "inception_score": Metric("Inception Score", ""),  # looks at no real image: not for ranking
    "modes": Metric("modes", "higher"),
    "modes_tenth": Metric("classes", "higher"),
    "kl_uniform": Metric("KL to uniform", "lower"),
    "ms_ssim": Metric("MS-SSIM", ""),  # noise has a low one
    "lpips": Metric("LPIPS", ""),
    "copy_flagged": Metric("copies", "lower"),
}
