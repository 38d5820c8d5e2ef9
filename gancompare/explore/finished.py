"""Which finished runs there are, their generators, and the images that they were trained on."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from gancompare import arms
from gancompare.data.datasets import Splits, dataset_slug, describe_datasets, load_splits
from gancompare.data.errors import DataError
from gancompare.runs import record, weights
from gancompare.runs.layout import RunError, place_of, run_directories

Finished = dict[str, dict[str, dict[int, dict[str, Path]]]]  # study -> data set -> training seed -> method -> directory


def find_finished(results: str | Path) -> Finished:
    """The finished runs in ``results``, methods in the order of ``arms``. Raises RunError if there are none.

    Runs that cannot be read are left out: one broken file must not hide all others.
    """
    runs: Finished = {}
    for directory in run_directories(results):
        try:
            finished = record.is_finished(directory)
        except RunError:
            continue
        if finished:
            place = place_of(directory)
            seeds = runs.setdefault(place.study, {}).setdefault(place.dataset, {})
            seeds.setdefault(place.seed, {})[place.arm] = directory
    if not runs:
        raise RunError(f"no finished runs in {results}: train some first, with `gancompare study`")
    for datasets in runs.values():
        for dataset, seeds in datasets.items():
            ordered = {seed: arms.in_order(seeds[seed]) for seed in sorted(seeds)}
            datasets[dataset] = {seed: {m: seeds[seed][m] for m in methods} for seed, methods in ordered.items()}
    return runs


def runs_of(runs: Finished, study: str | None, dataset: str | None) -> tuple[str, str, int, dict[str, Path]]:
    """(study, data set, its first training seed, method → directory). Raises RunError, listing what there is."""
    dataset = None if dataset is None else dataset_slug(dataset)
    study = _choose("study", study, runs, fits=lambda name: dataset is None or dataset in runs[name])
    dataset = _choose("data set", dataset, runs[study])
    seed, directories = next(iter(runs[study][dataset].items()))
    return study, dataset, seed, directories


def _choose(what: str, wanted: str | None, there: dict, *, fits: Callable[[str], bool] = lambda name: True) -> str:
    """``wanted``, or the first of ``there`` that fits. Raises RunError, listing what there is."""
    chosen = wanted if wanted is not None else next(filter(fits, there), next(iter(there)))
    if chosen not in there:
        raise RunError(f"no finished runs of {what} {wanted!r}; there are: {', '.join(there)}")
    return chosen


def open_generator(run: str | Path, device: str | torch.device = "cpu", checkpoint: str = "last") -> nn.Module:
    """``weights.load_generator``, which raises RunError also for weights that are not finite."""
    net = weights.load_generator(run, device, checkpoint)
    if not all(tensor.isfinite().all() for tensor in net.state_dict().values() if tensor.is_floating_point()):
        status = record.read_status(Path(run))["status"]
        raise RunError(f"{run} has generator weights that are not finite (status {status}): it cannot draw images")
    return net.to(memory_format=torch.channels_last)  # convolutions take about four fifths of the time


def open_generators(directories: dict[str, Path]) -> dict[str, nn.Module]:
    """The generators of the runs that have usable weights, by method in the order of ``arms``."""
    nets = {}
    for method in arms.in_order(directories):
        try:
            nets[method] = open_generator(directories[method])
        except RunError:
            continue  # the run diverged, or its weights are elsewhere
    return nets


def images_of(directory: Path) -> Splits:
    """The images that a run was trained on and those that were held out; nothing is downloaded.

    Raises DataError if they are not at hand, or differ from those that the run had: then what is held out now may be
    what the run was trained on.
    """
    content = record.read_config(directory)
    config = content["config"]
    for row in describe_datasets():
        if row.name == config["dataset"] and not row.available:
            raise DataError(f"the images of {row.name} are not at hand: {row.hint}")
    splits = load_splits(config["dataset"], config["image_size"], config["channels"])
    if splits.train.fingerprint != content["data"]["fingerprint"]:
        raise DataError(f"the images at {splits.train.source} are not those that {directory} was trained on")
    return splits
