"""The scores of a finished run: every metric, for its last and its best checkpoint. No training state is touched."""

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from gancompare.base.files import atomic_path, write_atomically
from gancompare.config import RunConfig
from gancompare.data.datasets import Splits, drawn
from gancompare.runs import history, layout, reading, record, weights
from gancompare.scoring.admission import IMAGES, admission
from gancompare.scoring.feature_scores import score
from gancompare.scoring.features.extractors import load_extractor
from gancompare.scoring.image_scores import memorisation, neighbours, stacked_modes, variety
from gancompare.scoring.landmarks import landmarks
from gancompare.scoring.reference import Reference, chosen_extractor, references
from gancompare.scoring.sampling import evaluation_samples


def score_run(config: RunConfig, directory: Path, data: Splits, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Score the last and the best checkpoint of a finished run into metrics.json, evaluation.csv and neighbours.png.

    "last" are the weights that training ended with (the EMA if there is one), "best" those with the lowest FD during
    training. Raises RunError for a run without weights, FeatureError for an extractor that cannot be loaded.
    """
    real = references(config, data, device)
    n = min([config.evaluation_images, *(len(reference.features) for reference in real)])  # as many of both
    digits = load_extractor("classifier", data, device) if data.train.digits is not None else None
    checkpoints: dict[str, dict[str, Any]] = {}
    for which, row in checkpoint_rows(directory).items():
        clocks = {clock: row[clock] for clock in layout.CLOCKS}
        if which == "best" and clocks["generator_steps"] == checkpoints["last"]["generator_steps"]:
            checkpoints[which] = checkpoints["last"]
            continue
        generator = weights.load_generator(directory, device, which)
        fake = evaluation_samples(generator, config.seed, config.evaluation_images)
        scores, sheet = score_all(fake, real, n, data=data)
        if digits:
            scores |= stacked_modes(evaluation_samples(generator, config.seed, config.mode_images), digits)
        checkpoints[which] = clocks | scores
        if which == "last":
            with atomic_path(directory / layout.NEIGHBOURS) as temporary:
                sheet.save(temporary, format="PNG")
    content = {"format": record.FORMAT, "primary": real[0].extractor.name, "checkpoints": checkpoints}
    content["extractors"] = {reference.extractor.name: _standing(reference, config) for reference in real}
    _write_scores(directory, content)
    return content


def _standing(reference: Reference, config: RunConfig) -> dict[str, Any]:
    """Of an extractor: whether it is admitted for these data, and the landmarks of the distances in distances.csv."""
    tested = admission(reference, min(IMAGES, config.evaluation_images))
    marks = landmarks(reference, config.monitor_images)
    return {"admission": tested.record(), "monitor_landmarks": {"n": marks.n, "landmarks": marks.distances}}


def _write_scores(directory: Path, content: dict[str, Any]) -> None:
    table = reading.flatten_scores(content)
    plain = table.drop(columns=[c for c in table if table[c].map(lambda v: isinstance(v, list | dict)).any()])
    write_atomically(directory / layout.SCORE_TABLE, plain.to_csv(index=False).encode())
    record.write_json(directory / layout.SCORES, content)  # last: it says that the scores are all there


def score_all(fake: Tensor, references: list[Reference], n: int, *, data: Splits) -> tuple[dict[str, Any], Image.Image]:
    """Every score of uint8 images, and the sheet of ``neighbours``. ``references``, ``n``: as in ``score``."""
    train, held_out = data.train, data.test.images if data.test else data.train.images[:0]
    # stacked digits have too many modes for the images of a distance; score_run counts them in more images
    countable = references[0].extractor.name == "classifier" and train.digits is None
    scores = score(fake, references, n, classes=train.classes if countable else None)
    sheet, nearness = neighbours(fake, train.images)
    scores |= (
        variety(fake, train.images[drawn(train, len(fake))]) | memorisation(fake, train.images, held_out) | nearness
    )
    return scores, sheet


def score_if_due(config: RunConfig, directory: Path, data: Splits, device: torch.device) -> None:
    """Score a complete run that has no scores yet; a run whose weights were not kept stays as it is."""
    if due(config, directory):
        print(f"{config.dataset} {config.arm} seed {config.seed}: scoring", flush=True)
        score_run(config, directory, data, device)


def due(config: RunConfig, directory: Path) -> bool:
    """Whether a run is complete, meant to be scored, not scored yet, and still has its weights."""
    return (
        chosen_extractor(config) is not None
        and record.read_status(directory)["status"] == "complete"
        and not (directory / layout.SCORES).exists()
        and any((directory / name).exists() for name in (layout.WEIGHTS["last"], layout.CHECKPOINT))
    )


def checkpoint_rows(directory: Path) -> dict[str, dict[str, Any]]:
    """The rows of history.csv that belong to the last weights and, if they were kept, to the best ones."""
    table = history.read_history(directory)
    rows = {"last": table.iloc[-1].to_dict()}
    if (directory / layout.WEIGHTS["best"]).exists() and table["fd"].notna().any():
        rows["best"] = table.loc[table["fd"].idxmin()].to_dict()
    for row in rows.values():
        row |= {clock: int(row[clock]) for clock in ("generator_steps", "images_seen")}
    return rows
