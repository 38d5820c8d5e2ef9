"""Generated images → scores, by the same images, extractors and latents for every method.

A run is scored while it trains (``Reference.distances``, on few images) and once at its end (``score_run``, all
metrics, the last and the best checkpoint); ``compare`` scores any images against any others. Nothing here touches the
state of a training run.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.utils import make_grid

from gancompare.base.files import atomic_path, write_atomically
from gancompare.config import RunConfig
from gancompare.data.datasets import MODES, Dataset, Splits, load_dataset, load_splits
from gancompare.data.errors import DataError
from gancompare.runs import grids, layout, reading, record, weights
from gancompare.scoring import metrics
from gancompare.scoring.features import (
    PCA,
    Extractor,
    default_extractor,
    extract,
    fit_pca,
    load_extractor,
    real_features,
)
from gancompare.scoring.sampling import evaluation_samples

MAX_FEATURES = 128  # wider features are projected: FD's bias grows with their number, and covariances need images
PROJECTED = 64  # dimensions of that projection, fitted on real images
SECOND_OPINIONS = ("random-init", "pixel-pca")  # a ranking needs one of them to agree
PAIRS = 500  # of images compared by MS-SSIM and LPIPS
COPY_IMAGES, COPY_SIDE = 1000, 32  # images searched for copies, and the side they are shrunk to for it
NEIGHBOURS = 8  # images shown beside their nearest training image


@dataclass(frozen=True)
class Reference:
    """Real images as one extractor sees them, ready to be compared with generated ones."""

    extractor: Extractor
    pca: PCA | None  # where the extractor has more than MAX_FEATURES features
    raw: Tensor  # (N, num_features) of real images
    features: Tensor  # (N, d), projected

    def see(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 images → features as the extractor gives them, and projected."""
        raw = extract(self.extractor, images)
        return raw, self.project(raw)

    def project(self, raw: Tensor) -> Tensor:
        return raw if self.pca is None else self.pca.apply(raw)

    def distances(self, fake: Tensor) -> dict[str, float]:
        """``fd`` and ``kid`` of uint8 images against as many real ones: what a run measures as it trains."""
        features = self.see(fake)[1]
        real = self.features[: len(fake)]
        return {"fd": metrics.frechet_distance(real, features), "kid": metrics.kid(real, features).value}


def see_real(extractor: Extractor, dataset: Dataset, n: int) -> Reference:
    """The first ``n`` images of ``dataset`` (all, where it has fewer) through ``extractor``; features are cached."""
    raw = real_features(extractor, dataset, min(n, len(dataset.images)))
    pca = fit_pca(raw, PROJECTED) if raw.shape[1] > MAX_FEATURES else None
    return Reference(extractor, pca, raw, raw if pca is None else pca.apply(raw))


def chosen_extractor(config: RunConfig) -> str | None:
    """The name of the primary extractor of a run; None where the run is not to be scored."""
    names = {"auto": default_extractor(config.dataset, config.channels), "none": None}
    return names.get(config.extractor, config.extractor)


def monitoring_reference(config: RunConfig, data: Splits, device: torch.device) -> Reference | None:
    """What a run compares itself with while it trains. Raises FeatureError for an extractor that cannot be had."""
    name = chosen_extractor(config)
    if name is None:
        return None
    # the same real images as at the end, so that one pass over them serves both and the projection is the same
    return see_real(load_extractor(name, data, device), data.train, 2 * config.evaluation_images)


def score(fake: Tensor, references: list[Reference], n: int, seed: int = 0, classes: list[str] | None = None) -> dict:
    """Scores of uint8 images by the ``references``, the first of which is primary and has the say on classes.

    ``n`` images of either side at most, and the same number of both. ``classes``: names, where the primary extractor
    is a classifier of these images. Raises ValueError below 6 images.
    """
    by_extractor = {}
    for rank, reference in enumerate(references):
        rng = np.random.default_rng(seed)  # shuffles, the same for every method
        count = min(n, len(fake), len(reference.features))
        raw, features = reference.see(fake[:count])
        probabilities = {}
        if rank == 0 and reference.extractor.module.head is not None:
            probabilities["fake_probabilities"] = _probabilities(reference, raw)
            if classes is not None:
                probabilities["real_probabilities"] = _probabilities(reference, reference.raw[:count])
        found = metrics.score(reference.features[:count], features, **probabilities, rng=rng)
        if "class_histogram" in found:
            labels = probabilities["real_probabilities"].argmax(dim=1)
            found["real_histogram"] = labels.bincount(minlength=len(classes)).tolist()
            found["classes"] = list(classes)
        if reference.pca is not None and count > reference.raw.shape[1]:
            found["fd_all_features"] = metrics.frechet_distance(reference.raw[:count], raw)
        by_extractor[reference.extractor.name] = found | context(reference, features, count, rng)
    return {"extractors": by_extractor}


def context(reference: Reference, features: Tensor, count: int, rng: np.random.Generator) -> dict[str, Any]:
    """What a distance must be read beside: which extractor, what real images score, and how it depends on n.

    ``variance`` is the total variance of the real features, half of what a generator scores on average that repeats one
    real image: FD = ‖its features − mean‖² + variance. ``fd_by_n``: [n, FD, real-vs-real FD].
    """
    half = min(count, len(reference.features) // 2)
    by_n = []
    for n in sorted({half // parts for parts in (8, 4, 2, 1)} - {0, 1}):
        distance = metrics.frechet_distance(reference.features[:n], features[:n])
        by_n.append([n, distance, metrics.real_floor(reference.features, n, rng)])
    return {
        "label": reference.extractor.label,
        "fingerprint": reference.extractor.fingerprint,
        "accuracy": reference.extractor.accuracy,
        "num_features": reference.features.shape[1],
        "floor": by_n[-1][2] if by_n else None,
        "floor_n": half,
        "variance": reference.features[:count].double().var(dim=0).sum().item(),
        "fd_by_n": by_n,
    }


def variety(fake: Tensor, real: Tensor, seed: int = 0) -> dict[str, Any]:
    """How alike pairs of images are, by MS-SSIM (beside real pairs) and by LPIPS where its weights are at hand."""
    similar = metrics.ms_ssim_pairs(fake, PAIRS, np.random.default_rng(seed))
    similar_real = metrics.ms_ssim_pairs(real, PAIRS, np.random.default_rng(seed))
    distance, note = metrics.lpips_diversity(fake[:PAIRS], PAIRS, np.random.default_rng(seed))
    return {
        "ms_ssim": similar.value,
        "ms_ssim_se": similar.standard_error,
        "ms_ssim_real": similar_real.value,
        "lpips": distance.value if distance else None,
        "lpips_note": note,
    }


def stacked_modes(fake: Tensor, classifier: Extractor) -> dict[str, Any]:
    """How many of the 1,000 combinations of three digits are made, and how evenly: ``metrics.class_report`` over modes.

    Each channel of uint8 images (N, 3, H, W) is what the classifier of single digits takes it for.
    """
    device = next(iter(classifier.module.state_dict().values())).device
    modes = [classifier.module.logits(batch.to(device)).argmax(dim=1).cpu() for batch in fake.split(256)]
    found = metrics.class_report(torch.cat(modes), len(MODES))
    kept = ("modes", "modes_tenth", "kl_uniform", "kl_uniform_floor")
    return {"mode_images": len(fake)} | {name: found[name] for name in kept}


def memorisation(fake: Tensor, train: Tensor, held_out: Tensor) -> dict[str, Any]:
    """Whether fakes are nearer to training images than fresh real images are; by pixels, shrunk to COPY_SIDE."""
    least = 100  # held-out images that a calibration at their 1 % quantile takes
    if len(held_out) < least:
        return {"copy_note": f"not tested for copies: {len(held_out)} held-out images of at least {least}"}
    found = metrics.copy_score(shrunk(fake[:COPY_IMAGES]), shrunk(train), shrunk(held_out[:COPY_IMAGES]))
    return {"copy_score": found["score"], "copy_p": found["p_value"], "copy_flagged": found["flagged"]}


def shrunk(images: Tensor) -> Tensor:
    if images.shape[-1] <= COPY_SIDE:
        return images
    parts = [interpolate(x.float(), (COPY_SIDE, COPY_SIDE), mode="area") for x in images.split(1024)]
    return torch.cat([part.round().to(torch.uint8) for part in parts])


def neighbours(fake: Tensor, train: Tensor) -> tuple[Image.Image, dict[str, Any]]:
    """A sheet of the first fakes, each above the training image nearest to it by pixels, and how near these are."""
    fake = fake[:NEIGHBOURS]
    found = metrics.nearest_neighbours(fake, train)
    pairs = torch.cat([fake, train[found["index"][:, 0]]])
    sheet = make_grid(pairs, nrow=len(fake), padding=grids.PADDING, pad_value=255)
    psnr = found["psnr"][:, 0].clamp(max=100)  # infinite for an exact copy, which JSON cannot hold
    return Image.fromarray(sheet.permute(1, 2, 0).numpy()), {
        "neighbour_psnr": psnr.mean().item(),
        "neighbour_ssim": found["ssim"][:, 0].mean().item(),
    }


def score_all(fake: Tensor, references: list[Reference], n: int, data: Splits) -> tuple[dict[str, Any], Image.Image]:
    """Every score there is of uint8 images, and the sheet of ``neighbours``. ``references``, ``n``: as in ``score``."""
    # the modes of stacked digits are too many for the images of a distance, and are counted in more by score_run
    train, held_out = data.train, data.test.images if data.test else data.train.images[:0]
    countable = references[0].extractor.name == "classifier" and train.digits is None
    classes = train.classes if countable else None
    found = score(fake, references, n, classes=classes)
    sheet, nearness = neighbours(fake, train.images)
    found |= variety(fake, train.images[: len(fake)]) | memorisation(fake, train.images, held_out) | nearness
    return found, sheet


def score_run(config: RunConfig, directory: Path, data: Splits, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Score the last and the best checkpoint of a finished run into metrics.json, evaluation.csv and neighbours.png.

    "last" are the weights that training ended with (the moving average where there is one), "best" those with the
    lowest FD during training. Raises RunError for a run without weights, FeatureError for an extractor that cannot be
    had.
    """
    name = chosen_extractor(config)
    n = config.evaluation_images
    names = [name, *(other for other in SECOND_OPINIONS if other != name)]
    references = [see_real(load_extractor(other, data, device), data.train, 2 * n) for other in names]
    digits = load_extractor("classifier", data, device) if data.train.digits is not None else None
    checkpoints: dict[str, dict[str, Any]] = {}
    for which, row in checkpoint_rows(directory).items():
        clocks = {clock: row[clock] for clock in layout.CLOCKS}
        if which == "best" and clocks["generator_steps"] == checkpoints["last"]["generator_steps"]:
            checkpoints[which] = checkpoints["last"]
            continue
        generator = weights.load_generator(directory, device, which)
        scores, sheet = score_all(evaluation_samples(generator, config.seed, n), references, n, data)
        if digits:
            scores |= stacked_modes(evaluation_samples(generator, config.seed, config.mode_images), digits)
        checkpoints[which] = clocks | scores
        if which == "last":
            with atomic_path(directory / layout.NEIGHBOURS) as temporary:
                sheet.save(temporary, format="PNG")
    content = {"format": record.FORMAT, "primary": name, "checkpoints": checkpoints}
    table = reading.flatten_scores(content)
    plain = table.drop(columns=[c for c in table if table[c].map(lambda v: isinstance(v, list)).any()])
    write_atomically(directory / layout.SCORE_TABLE, plain.to_csv(index=False).encode())
    record.write_json(directory / layout.METRICS, content)  # last: it says that the scores are all there
    return content


def score_if_due(config: RunConfig, directory: Path, data: Splits, device: torch.device) -> None:
    """Score a complete run that has no scores yet; one whose weights were left out of version control stays as it is."""
    if due(config, directory):
        print(f"{config.dataset} {config.method} seed {config.seed}: scoring", flush=True)
        score_run(config, directory, data, device)


def due(config: RunConfig, directory: Path) -> bool:
    """Whether a run is complete, meant to be scored, not scored yet, and still has its weights."""
    return (
        chosen_extractor(config) is not None
        and record.read_status(directory)["status"] == "complete"
        and not (directory / layout.METRICS).exists()
        and any((directory / name).exists() for name in (layout.WEIGHTS["last"], layout.CHECKPOINT))
    )


def checkpoint_rows(directory: Path) -> dict[str, dict[str, Any]]:
    """The rows of history.csv that belong to the last weights and, where they were kept, to the best ones."""
    history = pd.read_csv(directory / "history.csv")
    rows = {"last": history.iloc[-1].to_dict()}
    if (directory / "best.safetensors").exists() and history["fd"].notna().any():
        rows["best"] = history.loc[history["fd"].idxmin()].to_dict()
    for row in rows.values():
        row |= {clock: int(row[clock]) for clock in ("generator_steps", "images_seen")}
    return rows


def compare(
    real,
    fake,
    extractor: str | None = None,
    n: int = 10_000,
    seed: int = 0,
    image_size: int | None = None,
    channels: int | None = None,
    device: str | torch.device = "cpu",
    checkpoint: str = "last",
) -> dict[str, Any]:
    """Score images nobody here need have trained on: ``fake`` is a run directory, or a folder or zip of images.

    ``real`` is a data set's name, or a folder or zip; of a data set with a held-out part, the training part is used,
    as in a run. As many images of either as both have, ``n`` at most. Raises DataError, FeatureError or RunError for
    what cannot be read, or gives fewer than 6 images.
    """
    if (Path(fake) / "config.json").is_file():
        config = record.read_config(Path(fake))["config"]
        image_size, channels = image_size or config["image_size"], channels or config["channels"]
        if (image_size, channels) != (config["image_size"], config["channels"]):
            raise layout.RunError(
                f"{fake} makes {config['image_size']}×{config['image_size']} images of {config['channels']} channels, "
                f"not {image_size}×{image_size} of {channels}: leave out --image-size and --channels"
            )
        images = evaluation_samples(weights.load_generator(Path(fake), device, checkpoint), seed, n)
        what = f"{fake} ({checkpoint})"
    else:
        images, what = None, str(fake)
    data = load_splits(real, image_size, channels)
    train = data.train
    size, channels = train.images.shape[-1], train.images.shape[1]
    if images is None:
        images = load_dataset(fake, size, channels, split="all").images
    if (few := min(n, len(images), len(train.images))) < 6:
        raise DataError(f"{what} and {real} give {few} images to compare: at least 6 of each are needed")
    name = extractor or default_extractor(real, channels)
    reference = see_real(load_extractor(name, data, device), train, 2 * n)
    found, _ = score_all(images, [reference], n, data)
    return {"real": str(real), "fake": what, "seed": seed, "image_size": size, "channels": channels} | found


def summary(found: dict[str, Any]) -> list[str]:
    """The result of ``compare`` in lines for a person: each score with what it must be read beside."""
    (scores,) = found["extractors"].values()
    lines = [f"{found['fake']} against {found['real']}, {scores['n_fake']:,} images each"]
    floor = f"real against real: {scores['floor']:.4g} at {scores['floor_n']:,}" if scores["fd_by_n"] else "no floor"
    lines.append(f"{scores['label']:<22} {scores['fd']:.4g}   ({floor}; lower is better)")
    if scores["fd_infinity"] is not None:
        lines.append(f"{'  at infinitely many':<22} {scores['fd_infinity']:.4g} ± {scores['fd_infinity_se']:.2g}")
    lines.append(f"{'KID':<22} {scores['kid']:.4g} ± {scores['kid_se']:.2g}")
    for name in ("precision", "recall", "density", "coverage", "inception_score", "modes_tenth", "kl_real"):
        if name in scores:
            lines.append(f"{name.replace('_', ' '):<22} {scores[name]:.4g}")
    lines.append(f"{'MS-SSIM of pairs':<22} {found['ms_ssim']:.4g}   (real pairs: {found['ms_ssim_real']:.4g})")
    copies = "; MORE THAN CHANCE EXPLAINS: some images are copies" if found.get("copy_flagged") else ""
    lines.append(found.get("copy_note") or f"{'share of copies':<22} {found['copy_score']:.2%}{copies}")
    return lines


def to_json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def _probabilities(reference: Reference, raw: Tensor) -> Tensor:
    head = reference.extractor.module.head
    device = next(head.parameters()).device
    with torch.no_grad():
        logits = torch.cat([head(part.to(device)).double().cpu() for part in raw.split(4096)])
    return logits.softmax(dim=1)
