"""What a study of many runs costs apart from training: planning it, and reading it back."""

import time
from pathlib import Path

import pandas as pd

from gancompare.runs import layout, reading, record
from gancompare.study.grid import plan


def bookkeeping(counts: list[int], directory: Path) -> pd.DataFrame:
    """Seconds to plan ``counts`` runs, and to read as many finished ones, made up in ``directory``, into one table.

    The time is linear in the number of runs where the last columns, microseconds per run, stay the same.
    """
    rows = []
    for count in counts:
        started = time.perf_counter()
        configs = plan(["mnist5k"], ["gan"], range(count))
        planned = time.perf_counter() - started
        study = f"runs{count}"
        for config in configs:
            place = layout.run_directory(directory, study, config)
            record.write_config(place, config, {"fingerprint": "0" * 16, "num_images": 1})
            record.write_status(place, "complete", generator_steps=1)
        started = time.perf_counter()
        runs = reading.load_runs(directory, study)
        read = time.perf_counter() - started
        per_run = {"plan_us_per_run": 1e6 * planned / count, "read_us_per_run": 1e6 * read / len(runs)}
        rows.append({"runs": len(runs), "plan_s": planned, "read_s": read} | per_run)
    return pd.DataFrame(rows)
