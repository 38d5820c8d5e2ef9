"""Score any images against any others: what the command ``evaluate`` does."""

import json
from pathlib import Path
from typing import Any

import torch

from gancompare.data.datasets import load_dataset, load_splits
from gancompare.data.errors import DataError
from gancompare.runs import layout, record, weights
from gancompare.scoring.catalogue import METRICS
from gancompare.scoring.evaluation import score_all
from gancompare.scoring.features.extractors import default_extractor, load_extractor
from gancompare.scoring.reference import see_real
from gancompare.scoring.sampling import evaluation_samples

LEAST = 6  # images that the metrics need


def compare(
    real,
    fake,
    *,
    extractor: str | None = None,
    n: int = 10_000,
    seed: int = 0,
    image_size: int | None = None,
    channels: int | None = None,
    device: str | torch.device = "cpu",
    checkpoint: str = "last",
) -> dict[str, Any]:
    """Score images that need not come from a run: ``fake`` is a run directory, or a folder or zip of images.

    ``real`` is a data set's name, or a folder or zip. If the data set has a held-out part, the training part is used,
    as in a run. As many images of either are used as both have, ``n`` at most. Raises DataError, FeatureError or
    RunError for what cannot be read, or gives fewer than 6 images.
    """
    images, label = None, str(fake)
    if (Path(fake) / layout.CONFIG).is_file():
        image_size, channels = _size_of_run(fake, image_size, channels)
        images = evaluation_samples(weights.load_generator(Path(fake), device, checkpoint), seed, n)
        label = f"{fake} ({checkpoint})"
    data = load_splits(real, image_size, channels)
    _, channels, size, _ = data.train.images.shape
    if images is None:
        images = load_dataset(fake, size, channels, split="all").images
    if (few := min(n, len(images), len(data.train.images))) < LEAST:
        raise DataError(f"{label} and {real} give {few} images to compare: at least {LEAST} of each are needed")
    name = extractor or default_extractor(real, channels)
    reference = see_real(load_extractor(name, data, device), data.train, 2 * n)
    scores, _ = score_all(images, [reference], n, data=data)
    return {"real": str(real), "fake": label, "seed": seed, "image_size": size, "channels": channels} | scores


def _size_of_run(run, image_size: int | None, channels: int | None) -> tuple[int, int]:
    """Image size and channels of a run. Raises RunError if others are asked for."""
    config = record.read_config(Path(run))["config"]
    made = config["image_size"], config["channels"]
    image_size, channels = image_size or made[0], channels or made[1]
    if (image_size, channels) != made:
        raise layout.RunError(
            f"{run} makes {made[0]}×{made[0]} images of {made[1]} channels, "
            f"not {image_size}×{image_size} of {channels}: leave out --image-size and --channels"
        )
    return made


def summary(result: dict[str, Any]) -> list[str]:
    """The result of ``compare`` in lines for a person: each score with what it must be read beside."""
    (scores,) = result["extractors"].values()
    lines = [f"{result['fake']} against {result['real']}, {scores['n_fake']:,} images each"]
    floor = f"real against real: {scores['floor']:.4g} at {scores['floor_n']:,}" if scores["fd_by_n"] else "no floor"
    lines.append(f"{scores['label']:<22} {scores['fd']:.4g}   ({floor}; lower is better)")
    if scores["fd_infinity"] is not None:
        lines.append(f"{'  at infinitely many':<22} {scores['fd_infinity']:.4g} ± {scores['fd_infinity_se']:.2g}")
    lines.append(f"{'KID':<22} {scores['kid']:.4g} ± {scores['kid_se']:.2g}")
    shown = ("precision", "recall", "density", "coverage", "inception_score", "modes_tenth")
    headings = {name: METRICS[name].heading for name in shown} | {"kl_real": "KL to real"}
    lines += [f"{heading:<22} {scores[name]:.4g}" for name, heading in headings.items() if name in scores]
    lines.append(f"{'MS-SSIM of pairs':<22} {result['ms_ssim']:.4g}   (real pairs: {result['ms_ssim_real']:.4g})")
    copies = "; MORE THAN CHANCE EXPLAINS: some images are copies" if result.get("copy_flagged") else ""
    lines.append(result.get("copy_note") or f"{'share of copies':<22} {result['copy_score']:.2%}{copies}")
    return lines


def to_json(result: dict[str, Any]) -> str:
    return json.dumps(result, indent=2, allow_nan=False) + "\n"
