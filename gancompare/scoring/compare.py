"""Score any images against any others: what the command ``evaluate`` does."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gancompare.data.datasets import BUILT_IN, drawn, load_dataset, load_splits
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

    ``real`` is a data set's name, or a folder or zip. Two folders are compared whole, every image of both, so a folder
    is at a distance of 0 from itself; ``identical`` is the share of the second one's images that the first one holds
    too. A run, and any images against a data set with a name, are compared with the training part, as in a run; a run
    makes as many images as that has. Where there are more than ``n``, the same random draw of ``n`` is made of either
    side. Raises DataError, FeatureError or RunError for what cannot be read, or gives fewer than 6 images.
    """
    is_run = (Path(fake) / layout.CONFIG).is_file()
    if is_run:
        image_size, channels = _size_of_run(fake, image_size, channels)
    data = load_splits(real, image_size, channels)
    _, channels, size, _ = data.train.images.shape
    as_in_a_run = is_run or str(real) in BUILT_IN
    sought = data.train if as_in_a_run else load_dataset(real, size, channels, split="all")
    label = str(fake)
    if is_run:
        n, label = min(n, len(sought.images)), f"{fake} ({checkpoint})"
        images = evaluation_samples(weights.load_generator(Path(fake), device, checkpoint), seed, n)
    else:
        images = load_dataset(fake, size, channels, split="all")
        images = images.images[drawn(images, n)]
    if (few := min(n, len(images), len(sought.images))) < LEAST:
        raise DataError(f"{label} and {real} give {few} images to compare: at least {LEAST} of each are needed")
    reference = see_real(load_extractor(extractor or default_extractor(real, channels), data, device), sought, 2 * n)
    scores, _ = score_all(images, [reference], n, data=data)
    result = {"real": str(real), "fake": label, "seed": seed, "image_size": size, "channels": channels}
    return result | {"identical": share_among(images, sought.images)} | scores


def share_among(images: Tensor, others: Tensor) -> float:
    """The share of ``images`` that are equal to one of ``others`` pixel by pixel, 0 to 1."""
    known = {hash(image.numpy().tobytes()) for image in others}
    return sum(hash(image.numpy().tobytes()) in known for image in images) / len(images)


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
    lines = [f"{result['fake']}, {scores['n_fake']:,} images, against {result['real']}, {scores['n_real']:,} images"]
    if result["identical"]:
        same = "all" if result["identical"] == 1 else f"{result['identical']:.2%}"
        lines.append(f"WARNING: {same} of the first are among the second, pixel for pixel: they are no other images")
    if not scores["full_rank"]:
        lines.append(f"WARNING: no more images than features ({scores['num_features']:,}): read KID, FD is mostly bias")
    lines.append(f"{scores['label']:<22} {scores['fd']:.4g}   (lower is better)")
    marks = [f"{name.replace('_', ' ')} {fd:.4g}" for name, fd in scores["landmarks"].items()]
    lines.append(f"  of real images, {scores['floor_n']:,} against as many: {', '.join(marks)}")
    if scores["beyond_landmark"]:
        lines.append("  no nearer than real images whose patches are shuffled: such a distance ranks nothing")
    if scores["fd_infinity"] is not None:
        lines.append(f"{'  at infinitely many':<22} {scores['fd_infinity']:.4g} ± {scores['fd_infinity_se']:.2g}")
    lines.append(f"{'KID':<22} {scores['kid']:.4g} ± {scores['kid_se']:.2g}")
    shown = ("precision", "recall", "density", "coverage", "inception_score", "modes_tenth")
    headings = {name: METRICS[name].heading for name in shown} | {"kl_real": "KL to real"}
    lines += [f"{heading:<22} {scores[name]:.4g}" for name, heading in headings.items() if name in scores]
    if scores["precision_flagged"]:
        real_ones = scores["real_precision"]
        lines.append(f"  precision is above that of real images ({real_ones:.4g}) with next to no recall: no merit")
    lines.append(f"{'MS-SSIM of pairs':<22} {result['ms_ssim']:.4g}   (real pairs: {result['ms_ssim_real']:.4g})")
    copies = "; MORE THAN CHANCE EXPLAINS: some images are copies" if result.get("copy_flagged") else ""
    lines.append(result.get("copy_note") or f"{'share of copies':<22} {result['copy_score']:.2%}{copies}")
    return lines


def to_json(result: dict[str, Any]) -> str:
    return json.dumps(result, indent=2, allow_nan=False) + "\n"
