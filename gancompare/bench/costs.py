"""The cost of a generator step of each arm of a study, measured alone: its budget and its seconds rest on it.

All arms are timed in turn in one process, a moment each, so that a slow phase of the machine meets them alike.
"""

import math
import os
import statistics
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from gancompare.base import device as machine
from gancompare.base.errors import UserError
from gancompare.base.progress import progress_bar
from gancompare.bench.workers import Loop, Worker, workers
from gancompare.config import RunConfig
from gancompare.runs import layout, record
from gancompare.runs.costs import (
    Cell,
    Cost,
    Costs,
    cell_of,
    cells_with_runs,
    cost_settings,
    read_costs,
    write_costs,
)
from gancompare.study.pool import resources

SPREAD = 1.25  # slowest over fastest timing beyond which the machine was not quiet


class CostError(UserError, RuntimeError):
    """A cost that could not be measured; the message says why and names the remedy."""


def settled_costs(
    results: Path, study: str, configs: list[RunConfig], *, threads: int, objectives: str | None = None
) -> Costs:
    """The costs of a study with the runs ``configs``, stored in its ``costs.json``.

    What is stored stays, also on another machine; only a data set and arm that has no cost, or one of other settings
    and no run yet, is measured. Raises CostError if that fails, and RunError if another process holds the study.
    """
    with record.hold(layout.study_directory(results, study), f"study {study!r}"):
        stored, begun = read_costs(results, study), cells_with_runs(results, study)
        stored.precision = configs[0].precision
        missing = [c for c in configs if not known(stored.costs.get(cell_of(c)), c, begun)]
        if missing:
            new = measure_costs(missing, threads, objectives=objectives)
            warn_of_other_machines([*stored.costs.values()], [*new.values()])
            stored.costs |= new
        write_costs(results, study, stored)
    return stored


def known(cost: Cost | None, config: RunConfig, begun: set[Cell]) -> bool:
    return cost is not None and (cost.settings == cost_settings(config) or cell_of(config) in begun)


def measured_again(results: Path, study: str, *, objectives: str | None = None) -> Costs:
    """The costs of all arms that ``study`` has runs of, measured on this machine and stored in place of the old ones.

    The steps that a budget came to stay as they are, as the runs have been made with them. Raises as ``settled_costs``,
    and RunError for a study without runs.
    """
    configs = [record.planned(directory) for directory in layout.find_runs(results, study)]
    with record.hold(layout.study_directory(results, study), f"study {study!r}"):
        stored = read_costs(results, study)
        before = {cost.threads for cost in stored.costs.values()} or {resources(configs).threads}
        stored.costs |= measure_costs(configs, min(*before, machine.usable_cores()), objectives=objectives)
        write_costs(results, study, stored)
    return stored


def warn_of_other_machines(stored: list[Cost], new: list[Cost]) -> None:
    def hosts(costs: list[Cost]) -> set[str]:
        return {f"{cost.processor}, {cost.threads} threads, torch {cost.torch}" for cost in costs}

    if stored and hosts(stored) != hosts(new):
        print(
            f"warning: new arms were timed on {'; '.join(hosts(new))}, but the other arms of this study on "
            f"{'; '.join(hosts(stored))}: their seconds cannot be compared; measure all on one machine with "
            "gancompare bench --costs STUDY",
            file=sys.stderr,
            flush=True,
        )


def measure_costs(
    configs: Iterable[RunConfig],
    threads: int,
    *,
    rounds: int = 5,
    seconds: float = 0.5,
    objectives: str | None = None,
) -> dict[Cell, Cost]:
    """The cost of every data set and arm among ``configs``, with ``threads`` threads; equal settings are timed once.

    Each is the median of ``rounds`` timings, in turn with the others, of about ``seconds`` each. ``objectives``: a file
    of objectives that the timed process loads. A machine that is busy gives a warning on stderr, and its costs say so.
    Raises CostError if the timed process ends, as it does when memory runs out.
    """
    cells = {cell_of(config): config for config in configs}
    kinds = {cost_settings(config): config for config in cells.values()}
    load, timings = load_average(), {}
    try:
        with workers([[Loop("ours", config) for config in kinds.values()]], threads, objectives) as (worker,):
            timings = dict(zip(kinds, timed_in_turn(worker, len(kinds), rounds, seconds=seconds), strict=True))
    except RuntimeError as error:
        raise CostError(
            f"the cost of a step could not be measured: {error}; the message above says why, and if there is none, "
            "memory ran out: lower batch_size, base_channels or the number of arms"
        ) from error
    idle = load + threads <= (os.cpu_count() or 1) + 0.5
    measured = {kind: cost_of(kinds[kind], timings[kind], threads=threads, idle=idle) for kind in kinds}
    costs = {cell: measured[cost_settings(config)] for cell, config in cells.items()}
    report(costs, load)
    return costs


def timed_in_turn(worker: Worker, loops: int, rounds: int, *, seconds: float) -> list[list[float]]:
    """Seconds per generator step of each of the worker's ``loops`` in each of ``rounds``, of about ``seconds`` each."""

    def time(which: int, steps: int) -> float:
        worker.ask("steps", steps, which)
        timing = worker.answer()
        return timing.seconds / timing.steps

    steps = [max(1, math.ceil(seconds / time(which, 1))) for which in range(loops)]
    timings: list[list[float]] = [[] for _ in range(loops)]
    with progress_bar(rounds * loops, "cost of a step", "timings") as bar:
        for _ in range(rounds):
            for which in range(loops):
                timings[which].append(time(which, steps[which]))
                bar.update()
    return timings


def cost_of(config: RunConfig, timings: list[float], *, threads: int, idle: bool) -> Cost:
    device = machine.choose_device(config.device)
    host = machine.describe(device, machine.choose_bf16(config.precision, device)) | {"threads": threads}
    return Cost(
        seconds_per_step=statistics.median(timings),
        low=min(timings),
        high=max(timings),
        settings=cost_settings(config),
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        quiet=idle and max(timings) <= SPREAD * min(timings),
        **host,
    )


def load_average() -> float:
    """Processes that wanted to compute over the last minute; 0 where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def report(costs: dict[Cell, Cost], load: float) -> None:
    """Print the costs, and a warning for those that a busy machine may have raised."""
    for cell, cost in costs.items():
        times = f"{1000 * cost.seconds_per_step:.1f} ms ({1000 * cost.low:.1f}–{1000 * cost.high:.1f})"
        print(f"{cell.dataset} {cell.arm}: {times} a generator step, {cost.threads} threads, {cost.arithmetic}")
    busy = [f"{cell.dataset} {cell.arm}" for cell, cost in costs.items() if not cost.quiet]
    if busy:
        print(
            f"warning: the machine was not quiet while the cost of a step was measured (load average {load:.1f} on "
            f"{os.cpu_count()} cores) for {', '.join(busy)}; seconds and budgets rest on these costs. Stop other work "
            "and measure again: if there are no runs yet, by deleting costs.json, else by gancompare bench --costs",
            file=sys.stderr,
            flush=True,
        )
