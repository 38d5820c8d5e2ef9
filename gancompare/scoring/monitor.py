"""What a run measures while it trains: distance to real images, the critic's diagnostics, spread of the samples.

Measuring uses random streams of its own and leaves nets, gradients and batch statistics as they were, so a run that is
measured often ends in the same bits as one that is not.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gancompare.base.streams import stream
from gancompare.config import RunConfig
from gancompare.data.datasets import Splits
from gancompare.data.pixels import to_unit_range
from gancompare.runs.grids import IMAGES
from gancompare.scoring.diagnostics.layers import slope_over_depth
from gancompare.scoring.diagnostics.panel import Measurement, panel
from gancompare.scoring.reference import Reference, references
from gancompare.scoring.sampling import evaluation_samples, fixed_samples, in_eval_mode

_COLUMNS = dict.fromkeys(
    ("fd", "kid", "fd_raw", "critic_gradient_norm", "gradient_slope_over_depth", "pixel_std", "share_at_clip")
)


@dataclass(frozen=True)
class Monitor:
    """The fixed images that a run is measured on; the same for every method of a seed."""

    seed: int
    count: int  # samples in each distance
    references: list[Reference]  # real images to compare samples with, primary extractor first; empty: no scores
    floors: list[float]  # of each: FD between two sets of ``count`` real images
    real: Tensor  # uint8 (≤ 64, C, H, W), training images
    labels: Tensor | None  # (≤ 64,), their classes in a conditional run
    held_out: Tensor | None  # uint8 (≤ 64, C, H, W), never trained on; None in a conditional run


def make_monitor(config: RunConfig, data: Splits, device: torch.device) -> Monitor:
    """The fixed images of a run. Raises FeatureError for an extractor that cannot be loaded."""
    real = references(config, data, device)
    count = min([config.monitor_images, *(len(reference.features) for reference in real)])
    images = data.train.images
    chosen = torch.randperm(len(images), generator=stream(config.seed, "measured"))[:IMAGES]
    held_out = None
    # a conditional critic scores images by the labels of the training images beside them, which are not theirs
    if data.test is not None and not config.conditional:
        order = torch.randperm(len(data.test.images), generator=stream(config.seed, "measured/held-out"))
        held_out = data.test.images[order[:IMAGES]].to(device)
    return Monitor(
        seed=config.seed,
        count=count,
        references=real,
        floors=[reference.floor(count) for reference in real],
        real=images[chosen].to(device),
        labels=data.train.labels[chosen].to(device) if config.conditional else None,
        held_out=held_out,
    )


class Measured(NamedTuple):
    """What one measurement gives to each of a run's files."""

    row: dict[str, float | None]  # columns of history.csv
    distances: list[dict[str, Any]]  # rows of distances.csv
    panel: list[Measurement]  # rows of diagnostics.csv


NOT_MEASURED = Measured(_COLUMNS, [], [])


def measure(monitor: Monitor, nets: Any) -> Measured:
    """Measure ``nets`` (a ``train.Nets``) as they stand, in float32; the EMA's BatchNorm statistics are to be settled.

    - ``fd``, ``kid``: distance of samples of the EMA generator from as many real images, by the primary extractor
    - ``fd_raw``: the same distance of the generator itself, whose age does not depend on the EMA's memory
    - ``critic_gradient_norm``: mean norm of the critic's gradient between real and fake images
    - ``gradient_slope_over_depth``: see ``slope_over_depth``
    - ``pixel_std``: standard deviation over 64 images from fixed latents, averaged over pixels; 0 if all images are the
      same
    - ``share_at_clip``: share of the critic's weights within 1 % of the bound, if there is one
    """
    rows = _measure_critic(monitor, nets)
    row = dict(_COLUMNS)
    distances = _distances(monitor, nets)
    if distances:
        primary = {row["weights"]: row for row in distances if row["extractor"] == distances[0]["extractor"]}
        row |= {"fd": primary["ema"]["fd"], "kid": primary["ema"]["kid"], "fd_raw": primary["raw"]["fd"]}
    if clip := getattr(nets.objective, "clip", None):
        row["share_at_clip"] = _share_at_clip(nets.critic, clip)
    values = {(m.quantity, m.where): m.value for m in rows}
    row["critic_gradient_norm"] = values["gradient_norm_mean", "interpolated"]
    row["gradient_slope_over_depth"] = slope_over_depth(m.value for m in rows if m.quantity == "layer_gradient_norm")
    row["pixel_std"] = fixed_samples(nets.average, monitor.seed, IMAGES, bf16=nets.bf16).std(dim=0).mean().item()
    return Measured(row, distances, rows)


def _distances(monitor: Monitor, nets: Any) -> list[dict[str, Any]]:
    """A row per weights ("ema", "raw") and extractor: n, fd, kid (of the EMA alone), and the floor of real images."""
    rows: list[dict[str, Any]] = []
    for weights, net in (("ema", nets.average), ("raw", nets.generator)) if monitor.references else ():
        if weights == "raw" and net is nets.average:  # without an EMA both are one
            rows += [row | {"weights": "raw", "kid": None} for row in rows]
            continue
        images = evaluation_samples(net, monitor.seed, monitor.count)
        for reference, floor in zip(monitor.references, monitor.floors, strict=True):
            features = reference.see(images)
            row = {"weights": weights, "extractor": reference.extractor.name, "n": monitor.count}
            row["fd"] = reference.fd(features)
            row["kid"] = reference.kid(features) if weights == "ema" else None
            rows.append(row | {"floor": floor})
    return rows


def _measure_critic(monitor: Monitor, nets: Any) -> list[Measurement]:
    """The panel, on fakes of the generator itself: the critic never meets those of the EMA."""
    real, critic = to_unit_range(monitor.real), nets.critic
    critic.labels = monitor.labels
    fake = fixed_samples(nets.generator, monitor.seed, len(real), labels=monitor.labels, bf16=nets.bf16)
    held_out = None if monitor.held_out is None else to_unit_range(monitor.held_out)
    rng = stream(monitor.seed, "measured", real.device)
    with in_eval_mode(critic):
        return panel(critic, nets.objective, real=real, fake=fake, held_out=held_out, rng=rng)


def _share_at_clip(critic: nn.Module, clip: float) -> float:
    weights = torch.cat([parameter.detach().flatten() for parameter in critic.parameters()])
    return (weights.abs() >= 0.99 * clip).float().mean().item()
