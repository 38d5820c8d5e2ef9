"""The on-disk format of a run, and reading it back. A run directory is all that training hands to anything else.

``results/<study>/<dataset>/<method>/seed<k>/`` holds

- ``config.json``: format number, package version, config hash, every ``RunConfig`` field, the data's fingerprint;
- ``status.json``: running, complete, diverged, interrupted or failed, how far it got, why it stopped, the machine;
- ``history.csv``: one row per log interval on three clocks;
- ``diagnostics.csv``: what was measured of the critic on the way, a row per step, quantity and place;
- ``samples/step*.png``: images from the same latents as training goes on;
- ``generator.safetensors``: the weights that were sampled (the moving average where there is one);
- ``best.safetensors``: the same, from where the distance to real images was lowest on the way;
- ``metrics.json``: the scores of both; ``evaluation.csv``: the same as a table;
- ``neighbours.png``: samples above the training images nearest to them;
- ``checkpoint.pt``: everything a resume needs; large, and not meant to be kept in version control;
- ``02_train.ipynb``: the executed notebook, unless the run was made without one.
"""

import contextlib
import csv
import json
import os
import re
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import filelock
import pandas as pd
import torch
from torch import nn

import gancompare
from gancompare.base.files import write_atomically
from gancompare.config import FIELDS, MAIN_METHODS, ConfigError, RunConfig
from gancompare.data.datasets import dataset_slug
from gancompare.models import Generator

FORMAT = 1  # raised when a reader of the old format would misread the new one
PATIENCE = 20.0  # seconds to wait for a run's directory: a killed run's kernel takes a few to notice and end
GRID_COLUMNS, GRID_PADDING = 8, 2  # of a saved sample grid: 8 × 8 images, this many pixels apart
CLOCKS = ("generator_steps", "images_seen", "seconds")
GROWING = ("history.csv", "diagnostics.csv")  # rows are added as a run goes on, and cut where one is resumed
FINISHED = ("complete", "diverged")  # a diverged run is a result, not a failure
AGAIN = "delete the run to train it again"


class RunError(RuntimeError):
    """A run directory that cannot be used as asked; the message names it and the remedy."""


class RunFailed(RunError):
    """A run that was begun and could not go on; what it did until then is kept."""


def results_directory() -> Path:
    """$GANCOMPARE_RESULTS, else ``results`` of the checkout the package runs from, else ``./results``."""
    if os.environ.get("GANCOMPARE_RESULTS"):
        return Path(os.environ["GANCOMPARE_RESULTS"])
    checkout = Path(gancompare.__file__).parent.parent
    return (checkout if (checkout / "notebooks").is_dir() else Path.cwd()) / "results"


def in_order(methods: Iterable[str]) -> list[str]:
    """GAN, WGAN and WGAN-GP, then other methods by name."""
    rank = {method: i for i, method in enumerate(MAIN_METHODS)}
    return sorted(methods, key=lambda method: (rank.get(method, len(rank)), method))


def run_directory(results: Path, study: str, config: RunConfig) -> Path:
    """Where the run of ``config`` in ``study`` lives. Raises RunError for a study name that is not a plain name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", study):
        raise RunError(f"study name {study!r}: use letters, digits, '.', '_' and '-', starting with a letter or digit")
    return Path(results) / study / dataset_slug(config.dataset) / config.method / f"seed{config.seed}"


@contextlib.contextmanager
def hold(directory: Path, what: str, patience: float = 0.0) -> Iterator[None]:
    """Keep ``directory`` to this process. A dead process holds nothing.

    Raises RunError, saying who holds it, if it is not free within ``patience`` seconds.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(directory / ".lock")
    holder = directory / ".holder.lock"
    try:
        lock.acquire(timeout=patience)
    except filelock.Timeout:
        with contextlib.suppress(OSError):
            what += f" is held by {holder.read_text()}"
        raise RunError(f"{what}: {directory} is in use; wait for it, stop it, or choose another name") from None
    try:
        write_atomically(holder, f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object, {} for a file that is not there. Raises RunError for one that cannot be read."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read ({error}); delete the run directory to train it again") from error
    if not isinstance(content, dict):
        raise RunError(f"{path} is not a JSON object; delete the run directory to train it again")
    return content


def write_json(path: Path, content: dict[str, Any]) -> None:
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())


def read_status(directory: Path) -> dict[str, Any]:
    """``status.json``, with at least a ``status``: "absent" where there is no run."""
    return {"status": "absent", "generator_steps": 0} | read_json(directory / "status.json")


def write_status(directory: Path, status: str, **details: Any) -> None:
    """Set the status; details given earlier are kept unless given again.

    "running" is written often and not waited for: after a power cut an older one says the same.
    """
    previous = read_json(directory / "status.json")
    previous.pop("message", None)  # why an earlier attempt stopped says nothing about this one
    content = json.dumps(previous | {"status": status} | details, indent=2) + "\n"
    write_atomically(directory / "status.json", content.encode(), durable=status != "running")


def check(directory: Path, config: RunConfig, fingerprint: str) -> None:
    """Raise RunError if ``directory`` holds a run of another config, other images or a newer format."""
    if not (directory / "config.json").exists():
        return
    found = read_config(directory)
    try:
        differences = RunConfig.from_dict(found["config"]).differences(config)
        there = found["data"]["fingerprint"]
    except (ConfigError, TypeError, KeyError) as error:
        raise RunError(f"{directory / 'config.json'} cannot be used ({error}); {AGAIN}") from error
    if differences:
        listed = "; ".join(f"{name} is {old!r} there, {new!r} now" for name, (old, new) in differences.items())
        raise RunError(f"{directory} holds a run of another config ({listed}); choose another study name or delete it")
    if there != fingerprint:
        raise RunError(
            f"{directory} was trained on other images (fingerprint {there} there, {fingerprint} now); "
            "choose another study name or delete it"
        )


def begin(directory: Path, config: RunConfig, data: dict[str, Any]) -> bool:
    """Lay down ``config.json``; True if there is training left to do, False if the run is finished.

    Raises RunError as ``check`` does.
    """
    for leftover in directory.glob(".*.tmp"):  # of a process that was killed while it wrote
        leftover.unlink()
    check(directory, config, data["fingerprint"])
    if read_status(directory)["status"] in FINISHED:
        return False
    write_json(
        directory / "config.json",
        {"format": FORMAT, "version": gancompare.__version__, "hash": config.hash()}
        | {"config": config.to_dict(), "data": data},
    )  # also on a resume: how often to log and where to compute may have changed
    return True


def read_config(directory: Path) -> dict[str, Any]:
    """``config.json``. Raises RunError if it is not there, unreadable, or of a newer format."""
    content = read_json(directory / "config.json")
    if not content:
        raise RunError(f"{directory} holds no run: there is no config.json")
    number = content.get("format", 0)
    if not isinstance(number, int):
        raise RunError(f"{directory / 'config.json'}: format is {number!r}, not a whole number; {AGAIN}")
    if number > FORMAT:
        raise RunError(
            f"{directory} was written by gancompare {content.get('version')} in format {number}, newer than "
            f"this one's {FORMAT}; update gancompare to read it"
        )
    if not {"config", "data", "hash"} <= content.keys():
        raise RunError(f"{directory / 'config.json'} lacks config, data or hash; {AGAIN}")
    for name in ("config", "data"):
        if not isinstance(content[name], dict):
            raise RunError(f"{directory / 'config.json'}: {name} is {content[name]!r}, not a JSON object; {AGAIN}")
    return content


def append_history(directory: Path, row: dict[str, Any]) -> None:
    """Add one row to ``history.csv``; all rows of a run have the same columns, ``generator_steps`` first."""
    _append(directory / "history.csv", [row])


def append_diagnostics(directory: Path, generator_steps: int, found: list[tuple[str, str, float]]) -> None:
    """Add a row to ``diagnostics.csv`` for each (quantity, where, value) of ``diagnostics.panel``."""
    columns = ("generator_steps", "quantity", "where", "value")
    _append(
        directory / "diagnostics.csv", [dict(zip(columns, (generator_steps, *each), strict=True)) for each in found]
    )


def _append(path: Path, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    columns = list(rows[0])
    if path.exists():  # begun by a version that knew fewer columns: it goes on with those
        with open(path, newline="") as file:
            columns = next(csv.reader(file), columns)
    new = not path.exists()
    with open(path, "a", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n", extrasaction="ignore")
        if new:
            writer.writeheader()
        writer.writerows(rows)


def cut_history(directory: Path, generator_steps: int) -> None:
    """Drop rows past ``generator_steps``, and a last line that a kill left unfinished, so that a resume can go on."""
    for path in filter(Path.exists, (directory / name for name in GROWING)):
        header, *lines = path.read_text(errors="replace").splitlines(keepends=True) or [""]
        whole = [line for line in lines if re.match(r"\d+,.*\n", line)]
        kept = [line for line in whole if int(line.split(",", 1)[0]) <= generator_steps]
        if kept:
            write_atomically(path, "".join([header, *kept]).encode())
        else:
            path.unlink()


# the fields that a generator is built from, in the order of its arguments
GENERATOR_FIELDS = ("image_size", "channels", "latent_dim", "base_channels")
GENERATOR_FIELDS += ("generator_norm", "activation", "extra_layers")
WEIGHTS = {"last": "generator.safetensors", "best": "best.safetensors"}


def save_generator(directory: Path, net: nn.Module, which: str = "last") -> None:
    """Write the weights of ``net``; without the package safetensors they stay in the checkpoint alone."""
    with contextlib.suppress(ImportError):
        write_atomically(directory / WEIGHTS[which], pack_weights(net))


def pack_weights(net: nn.Module, half: bool = False) -> bytes:
    """The weights as a safetensors file; ``half``: as float16. Raises ImportError without the package safetensors."""
    from safetensors.torch import save

    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    if half:  # counters stay whole numbers
        weights = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    return save(weights)


def load_generator(directory: str | Path, device: str | torch.device = "cpu", which: str = "last") -> Generator:
    """The trained generator of a run, in eval mode: (B, latent_dim) -> (B, channels, H, W) in [-1, 1].

    That of a conditional run takes labels (B,) besides, indices into ``classes_of``; without, it shows them in turn.
    ``which`` weights: "last" or "best". Raises RunError if there is no run, it has no such weights, or they do not fit
    its config.
    """
    directory = Path(directory)
    # as it stands, as the method may be one this process does not know; older runs lack some fields
    config = {name: field.metadata["default"] for name, field in FIELDS.items()} | read_config(directory)["config"]
    packed, checkpoint = directory / WEIGHTS[which], directory / "checkpoint.pt"
    try:
        with torch.random.fork_rng(devices=[]):  # the constructor draws weights that are replaced below
            net = Generator(*(config[name] for name in GENERATOR_FIELDS), len(classes_of(directory)))
        if packed.exists():
            from safetensors.torch import load_file

            weights = load_file(packed)
        elif which == "last" and checkpoint.exists():
            weights = torch.load(checkpoint, map_location="cpu", weights_only=True)["sampler"]
        else:
            status = read_status(directory)
            raise RunError(
                f"{directory} has no {which} generator weights (status {status['status']}): none were saved, or they "
                "were left out of version control; delete the directory and run it again"
            )
        net.load_state_dict(weights)
    except RunError:
        raise
    except Exception as error:  # a corrupt file raises whatever its parser stumbles over
        raise RunError(f"the generator weights in {directory} cannot be read: {error}") from error
    return net.to(device).eval().requires_grad_(False)


def classes_of(directory: Path) -> tuple[str, ...]:
    """The classes that the nets of a conditional run are told, by number; empty for any other run."""
    return tuple(read_config(directory)["data"].get("classes", ()))


def find_runs(results: Path, study: str) -> list[Path]:
    """The run directories of a study, sorted. Raises RunError, listing the studies there are, if it has none."""
    found = sorted(path.parent for path in (Path(results) / study).glob("*/*/seed*/config.json"))
    if not found:
        studies = sorted({path.parts[-5] for path in Path(results).glob("*/*/*/seed*/config.json")})
        raise RunError(f"no runs in {Path(results) / study}; studies there: {', '.join(studies) or 'none'}")
    return found


def load_study(results: Path, study: str) -> pd.DataFrame:
    """One row per run: its config fields, data fingerprint, status and cost, and ``directory``.

    Raises RunError if the study has no runs.
    """
    rows = []
    for directory in find_runs(results, study):
        config, status = read_config(directory), read_status(directory)
        machine = status.pop("machine", {})
        data = {"fingerprint": config["data"]["fingerprint"], "num_images": config["data"]["num_images"]}
        data["real_pixel_std"] = config["data"].get("pixel_std")
        progress = {"status": status["status"], "steps_done": status["generator_steps"]}
        progress |= {name: status.get(name) for name in ("images_seen", "seconds", "message")}
        rows.append(config["config"] | data | progress | machine | {"directory": directory})
        rows[-1]["dataset"] = dataset_slug(config["config"]["dataset"])
    return pd.DataFrame(rows)


def load_histories(study: pd.DataFrame) -> pd.DataFrame:
    """The histories of the runs in ``study`` (from ``load_study``) in one long table, with dataset, method and seed."""
    return _load_rows(study, "history.csv")


def load_diagnostics(study: pd.DataFrame) -> pd.DataFrame:
    """``diagnostics.csv`` of the runs in ``study`` likewise: generator_steps, quantity, where, value.

    Runs from before it was written have none and are left out; empty where no run has one.
    """
    return _load_rows(study, "diagnostics.csv")


def _load_rows(study: pd.DataFrame, name: str) -> pd.DataFrame:
    tables = []
    for run in study.itertuples():
        path = run.directory / name
        if path.exists():
            table = pd.read_csv(path)
            table.insert(0, "dataset", run.dataset)
            table.insert(1, "method", run.method)
            table.insert(2, "seed", run.seed)
            tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def flatten_scores(content: dict[str, Any]) -> pd.DataFrame:
    """The content of a ``metrics.json`` as a table: a row per checkpoint and extractor."""
    rows = []
    for which, scores in content["checkpoints"].items():
        shared = {name: value for name, value in scores.items() if name != "extractors"}
        for extractor, found in scores["extractors"].items():
            primary = extractor == content["primary"]
            about = {"checkpoint": which, "extractor": extractor, "primary": primary}
            rows.append(about | found | (shared if primary else {c: shared[c] for c in CLOCKS}))
    return pd.DataFrame(rows)


def load_scores(study: pd.DataFrame) -> pd.DataFrame:
    """The scores of the runs in ``study`` (from ``load_study``): a row per run, checkpoint ("last", "best"), extractor.

    A diverged run has a row without numbers for each extractor that the other runs of its data set have, so that it
    stays in every count. Empty where nothing was scored. Raises RunError for a file that cannot be read.
    """
    tables, diverged = [], []
    for run in study.itertuples():
        about = {"dataset": run.dataset, "method": run.method, "seed": run.seed, "status": run.status}
        content = read_json(run.directory / "metrics.json")
        if content:
            tables.append(flatten_scores(content).assign(**about))
        elif run.status == "diverged":
            diverged.append(about)
    if not tables:
        return pd.DataFrame()
    scores = pd.concat(tables, ignore_index=True)
    last = scores[scores["checkpoint"] == "last"].drop_duplicates(["dataset", "extractor"])
    shared = {dataset: rows for dataset, rows in last.groupby("dataset")}
    columns = ["checkpoint", "extractor", "primary", "label", "variance"]
    lost = [shared[run["dataset"]][columns].assign(**run) for run in diverged if run["dataset"] in shared]
    scores = pd.concat([scores, *lost], ignore_index=True)
    front = ["dataset", "method", "seed", "status"]
    return scores[front + [name for name in scores if name not in front]]


def differing_fields(study: pd.DataFrame) -> pd.DataFrame:
    """What is not the same in all runs of a data set, method and seed aside: config, images and machine.

    A row per field, a column per (dataset, method); a cell that differs between its seeds lists all its values.
    """
    shaping = [name for name, field in FIELDS.items() if field.metadata["shapes"]]
    candidates = [*shaping, "fingerprint", "processor", "threads", "arithmetic", "torch"]
    by_dataset = study.groupby("dataset", sort=False)
    differing = [
        name
        for name in candidates
        if name in study and name not in ("dataset", "method", "seed") and by_dataset[name].nunique().max() > 1
    ]
    cells = {
        cell: {
            name: ", ".join(sorted({f"{v:g}" if isinstance(v, float) else str(v) for v in runs[name]}))
            for name in differing
        }
        for cell, runs in study.groupby(["dataset", "method"], sort=False)
    }
    return pd.DataFrame(cells, index=differing, columns=pd.MultiIndex.from_tuples(cells, names=["dataset", "method"]))


def cost_table(study: pd.DataFrame) -> pd.DataFrame:
    """Milliseconds per generator step by data set and method: mean, fastest and slowest seed, and the mean's ratio to
    that of the first method. Runs that made no step are left out.
    """
    ran = study[study["seconds"].notna() & (study["steps_done"] > 0)].copy()
    ran["ms"] = 1000 * ran["seconds"].astype(float) / ran["steps_done"]
    ran["images"] = ran["images_seen"] / ran["steps_done"]
    cells = ran.groupby(["dataset", "method"], sort=False)
    table = cells["ms"].agg(["mean", "min", "max"])
    table.insert(0, "ratio", table["mean"] / table["mean"].groupby(level="dataset", sort=False).transform("first"))
    table = table.rename(columns={"mean": "ms per step", "min": "fastest", "max": "slowest"})
    table["real images per step"] = cells["images"].mean()
    table["seeds"] = cells.size()
    return table.round(2)
