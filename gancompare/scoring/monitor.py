"""What is measured of a run while it trains: distance to real images, the critic's diagnostics, spread of the samples.

Measuring uses streams of its own and leaves nets, gradients and batch statistics as they were, so a run that is measured
often ends in the same bits as one that is not.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gancompare.base.streams import stream
from gancompare.config import RunConfig
from gancompare.data.datasets import Splits
from gancompare.data.pixels import to_unit_range
from gancompare.runs.grids import IMAGES
from gancompare.scoring import diagnostics
from gancompare.scoring.evaluation import Reference, monitoring_reference
from gancompare.scoring.sampling import evaluation_samples, fixed_samples, in_eval_mode

NOT_MEASURED = dict.fromkeys(
    ("fd", "kid", "critic_gradient_norm", "gradient_slope_over_depth", "pixel_std", "share_at_clip")
)


@dataclass(frozen=True)
class Monitor:
    """The fixed images that a run is measured on; the same for every method of a seed."""

    seed: int
    count: int  # samples in each distance
    reference: Reference | None  # real images to compare samples with; None: nothing is scored
    real: Tensor  # uint8 (≤ 64, C, H, W), training images
    labels: Tensor | None  # (≤ 64,), their classes in a conditional run
    held_out: Tensor | None  # uint8 (≤ 64, C, H, W), never trained on


def make_monitor(config: RunConfig, data: Splits, device: torch.device) -> Monitor:
    """Raises FeatureError for an extractor that cannot be had."""
    reference = monitoring_reference(config, data, device)
    images = data.train.images
    chosen = torch.randperm(len(images), generator=stream(config.seed, "measured"))[:IMAGES]
    held_out = None
    if (
        data.test is not None and not config.conditional
    ):  # it would need other labels than the training images beside it
        of_test = torch.randperm(len(data.test.images), generator=stream(config.seed, "measured/held-out"))[:IMAGES]
        held_out = data.test.images[of_test].to(device)
    return Monitor(
        seed=config.seed,
        count=min(config.monitor_images, len(reference.features)) if reference else 0,
        reference=reference,
        real=images[chosen].to(device),
        labels=data.train.labels[chosen].to(device) if config.conditional else None,
        held_out=held_out,
    )


def measure(monitor: Monitor, nets: Any) -> tuple[dict[str, float | None], list[diagnostics.Measurement]]:
    """Columns for the history, and ``diagnostics.panel`` in float32, of ``nets`` (a ``train.Nets``) as they stand.

    ``fd`` and ``kid``: distance of samples of the averaged generator from as many real images. ``critic_gradient_norm``: mean norm
    of the critic's gradient between real and fake images. ``gradient_slope_over_depth``: see
    ``diagnostics.slope_over_depth``. ``pixel_std``: standard deviation over 64 images from fixed latents, averaged over
    pixels; 0 when all images are the same. ``share_at_clip``: share of the critic's weights within 1 % of the bound,
    where there is one. The diagnostics use fakes of the generator itself, as the critic never meets those of the average.
    """
    real, critic = to_unit_range(monitor.real), nets.critic
    critic.labels = monitor.labels
    fake = fixed_samples(nets.generator, monitor.seed, len(real), monitor.labels, bf16=nets.bf16)
    held_out = None if monitor.held_out is None else to_unit_range(monitor.held_out)
    with in_eval_mode(critic):
        panel = diagnostics.panel(
            critic, nets.objective, real, fake, held_out, stream(monitor.seed, "measured", real.device)
        )
    row = dict(NOT_MEASURED)
    if monitor.reference is not None:
        row |= monitor.reference.distances(evaluation_samples(nets.average, monitor.seed, monitor.count))
    if clip := getattr(nets.objective, "clip", None):
        weights = torch.cat([parameter.detach().flatten() for parameter in critic.parameters()])
        row["share_at_clip"] = (weights.abs() >= 0.99 * clip).float().mean().item()
    row["critic_gradient_norm"] = {m[:2]: m[2] for m in panel}["gradient_norm_mean", "interpolated"]
    row["gradient_slope_over_depth"] = diagnostics.slope_over_depth(panel)
    row["pixel_std"] = fixed_samples(nets.average, monitor.seed, IMAGES, bf16=nets.bf16).std(dim=0).mean().item()
    return row, panel
