"""What the toys show, as plain sentences made from the measured numbers, so that no caption can disagree with them.

Each function takes what a figure of ``figures`` draws. Ranges are over seeds. Two arms are only said to differ if they
do so in every seed.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import fields

import pandas as pd

from gancompare import arms
from gancompare.objectives import METHODS
from gancompare.toys.critics import Surface
from gancompare.toys.points import toy_named
from gancompare.toys.training import ToyRun

FACTOR = 10  # a gradient keeps its size if it changes by less
Runs = dict[tuple[str, int], ToyRun]  # (arm, seed) → its training on one toy


# ---- words ----


def number(value: float) -> str:
    """Two digits, without the letter e: "0.42", "1.3·10⁻⁶"."""
    mantissa, e, exponent = format(value, ".2g").partition("e")
    return (
        mantissa
        if not e
        else f"{mantissa}·10{str(int(exponent)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
    )


def span(values: Iterable[float], form: str = "") -> str:
    """ "0.2", "0.2–0.4" or "-1 to 3": the range of the values, printed by ``number`` unless a format is given."""
    ordered = sorted(values)
    low, high = (format(end, form) if form else number(end) for end in (ordered[0], ordered[-1]))
    return low if low == high else f"{low}{' to ' if '-' in low else '–'}{high}"


def listed(parts: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def counted(seeds: int) -> str:
    """ "1 seed" or "3 seeds"."""
    return "1 seed" if seeds == 1 else f"{seeds} seeds"


# ---- critics, with the generator held still ----


def saturation(norms: dict[tuple[str, int], pd.DataFrame]) -> str:
    """What became of each generator's gradient while the critic trained.

    It falls or grows if it changes by more than ``FACTOR`` in every seed.
    """
    parts = []
    for method in dict.fromkeys(method for method, _ in norms):
        mine = [rows["norm"] for (name, _), rows in norms.items() if name == method]
        changes = [norm.iloc[-1] / norm.iloc[0] for norm in mine]
        word = "changes differently from seed to seed"
        if max(changes) < 1 / FACTOR:
            word = "falls"
        elif min(changes) > FACTOR:
            word = "grows"
        elif max(changes) <= FACTOR and min(changes) >= 1 / FACTOR:
            word = "keeps its order of magnitude"
        starts, ends = span(norm.iloc[0] for norm in mine), span(norm.iloc[-1] for norm in mine)
        parts.append(f"{word} for {arms.name(method)} ({starts} at first, {ends} at the end)")
    steps, seeds = next(iter(norms.values()))["critic_steps"].iloc[-1], len({seed for _, seed in norms})
    return f"In {steps} critic steps the generator's gradient {listed(parts)}; {counted(seeds)}."


def surfaces(fitted: dict[tuple[str, str], Surface]) -> str:
    """Which critic is nearest to its optimum on each toy."""
    parts = []
    for toy in dict.fromkeys(toy for toy, _ in fitted):
        shares = {arms.name(name): share for (where, name), (_, share) in fitted.items() if where == toy}
        best, *others = sorted(shares, key=shares.__getitem__, reverse=True)
        behind = "".join(f", {name} {shares[name]:.0%}" for name in others)
        parts.append(f"{best} on {toy} ({shares[best]:.0%}{behind})")
    return f"Nearest to its optimum is the critic of {listed(parts)}."


def deep(table: pd.DataFrame, penalised: str) -> str:
    """The gradient over depth and the weights at the ends of their range, from ``deep.against_the_paper``."""
    words = {"neither": "neither grows nor decays", "mixed": "follows no single law"}
    laws = [f"{words.get(row.law, row.law)} with {row.arm} (×{number(row.factor)})" for row in table.itertuples()]
    groups = {"clipping": table[table["arm"] != penalised], "the penalty": table[table["arm"] == penalised]}
    ends = [f"{span(100 * rows['extreme_at_end'], '.0f')} % under {name}" for name, rows in groups.items() if len(rows)]
    agreed = int((table["law_as_published"] & table["weights_as_published"]).sum())
    return (
        f"Layer by layer towards the input the gradient {listed(laws)}. Weights at the ends of their range after"
        f" training: {listed(ends)}. {agreed} of {len(table)} settings behave as published."
    )


# ---- both nets trained ----


def final_distances(runs: Runs) -> dict[str, dict[int, float]]:
    """arm → seed → its last exact distance to fresh data."""
    ends: dict[str, dict[int, float]] = {}
    for (arm, seed), run in runs.items():
        ends.setdefault(arm, {})[seed] = run.rows["w1"].iloc[-1]
    return ends


def nearest_arm(runs: Runs) -> str | None:
    """The arm that ends nearest to the data in every seed; None if there is no such arm."""
    ends = final_distances(runs)
    nearest = {min(ends, key=lambda arm: ends[arm][seed]) for seed in {seed for _, seed in runs}}
    return nearest.pop() if len(nearest) == 1 else None


def distance(runs: Runs) -> str:
    """How near every arm ends to the data, and which is nearest, if it is the same one in every seed."""
    first, nearest, ends = next(iter(runs.values())), nearest_arm(runs), final_distances(runs)
    who = f"{arms.name(nearest)} ends" if nearest else "no arm ends"
    ranges = ", ".join(f"{arms.name(arm)} {span(values.values())}" for arm, values in ends.items())
    floor, steps = span(run.floor for run in runs.values()), first.rows["generator_steps"].iloc[-1]
    seeds = counted(len({seed for _, seed in runs}))
    return (
        f"{first.toy}, {steps} generator steps, {seeds}: {who} nearest to the data in every seed. Exact distance:"
        f" {ranges}; between two sets of data {floor}."
    )


def modes(runs: Runs) -> str:
    """How many modes each arm recovers at the end, and the share of samples in one; "" for a toy without modes."""
    centres = toy_named(next(iter(runs.values())).toy).centres
    if centres is None:
        return ""
    parts = []
    for arm in dict.fromkeys(arm for arm, _ in runs):
        last = pd.DataFrame([run.rows.iloc[-1] for (name, _), run in runs.items() if name == arm])
        good = span(100 * last["high_quality"], ".0f")
        parts.append(f"{arms.name(arm)} {span(last['modes'], '.0f')} ({good} %)")
    return f"Modes recovered of {len(centres)} (share of samples in one): {', '.join(parts)}."


def estimate(runs: Runs) -> str:
    """What share of the exact distance the critics' scaled estimates reach at the end; "" without an estimate."""
    parts = []
    for arm in dict.fromkeys(arm for arm, _ in runs):
        mine = [run.rows.iloc[-1] for (name, _), run in runs.items() if name == arm]
        if all("scaled" in row for row in mine):
            shares = span([100 * row["scaled"] / row["w1"] for row in mine], ".0f")
            parts.append(f"{shares} % of the exact distance for {arms.name(arm)}")
    return f"Divided by its largest slope, the critic's estimate ends at {listed(parts)}." if parts else ""


def training(runs: Runs) -> str:
    """All that the figures of one toy show."""
    return " ".join(filter(None, (distance(runs), modes(runs), estimate(runs))))


def nearest_by_toy(trained: dict[str, Runs]) -> str:
    """Which arm ends nearest to the data on each toy."""
    toys: dict[str | None, list[str]] = {}
    for toy, runs in trained.items():
        toys.setdefault(nearest_arm(runs), []).append(toy)
    parts = [f"{arms.name(arm) if arm else 'no arm'} on {listed(where)}" for arm, where in toys.items()]
    return f"The arm that ends nearest to the data in every seed is {', '.join(parts)}."


def ingredients(arm: str) -> dict[str, str]:
    """The loss, the constraint and the number of critic steps of an arm of ``arms.FACTORIAL``."""
    objective = METHODS[arms.method_of(arm)]
    settings = {field.name for field in fields(objective)}
    constraint = {"clip": "clipping", "penalty_weight": "the penalty"}
    return {
        "loss": "the Wasserstein loss" if objective.wasserstein else "the non-saturating loss",
        "constraint": next((words for name, words in constraint.items() if name in settings), "no constraint"),
        "critic steps": str(arms.critic_steps(arm)),
    }


def one_ingredient_changed(trained: dict[str, Runs]) -> list[str]:
    """A sentence for each pair of trained arms that differ in a single ingredient: who ends nearer, on which toys."""
    names = dict.fromkeys(arm for runs in trained.values() for arm, _ in runs if arm in arms.FACTORIAL)
    sentences = []
    for before, after in itertools.combinations(names, 2):
        old, new = ingredients(before), ingredients(after)
        changed = [name for name in old if old[name] != new[name]]
        if len(changed) == 1:
            unit = " critic steps" if changed == ["critic steps"] else ""
            outcome = f"{arms.name(after)} ends {outcomes(trained, before, after)}, compared with {arms.name(before)}"
            sentences.append(f"With {new[changed[0]]} instead of {old[changed[0]]}{unit}, {outcome}.")
    return sentences


def outcomes(trained: dict[str, Runs], before: str, after: str) -> str:
    """On which toys the arm ``after`` ends nearer to the data than ``before`` in every seed, on which farther."""
    toys: dict[str, list[str]] = {}
    for toy, runs in trained.items():
        ends = final_distances(runs)
        nearer = {ends[after][seed] < ends[before][seed] for seed in ends[before]}
        word = (
            "nearer in some seeds and farther in others" if len(nearer) > 1 else "nearer" if nearer.pop() else "farther"
        )
        toys.setdefault(word, []).append(toy)
    return "; ".join(f"{word} on {listed(where)}" for word, where in toys.items())
