"""Stacked digits: how many of 1,000 modes a generator makes, beside published numbers."""

import pandas as pd

from gancompare.arms import name

_PACGAN = "100,000 steps in batches of 64"  # in its authors' code 50 epochs of 128,000 images
# model, modes, KL to uniform, budget; 26,000 samples. Lin et al. 2018 give the first four, some from others' papers.
PUBLISHED_MODES = (
    ("DCGAN, by Srivastava et al. 2017", 99.0, 3.40, "not known here"),
    ("DCGAN, by Lin et al. 2018", 78.9, 4.50, _PACGAN),
    ("VEEGAN (Srivastava et al. 2017)", 150.0, 2.95, "not known here"),
    ("PacDCGAN2 (Lin et al. 2018)", 1000.0, 0.06, _PACGAN),
    ("WGAN-GP, quoted in later papers", 959.0, 0.73, "not known here"),
)
COLUMNS = ["model", "modes", "modes, range", "kl_uniform", "kl_uniform_floor", "seeds", "failed", "samples", "budget"]


def modes_table(sweep: pd.DataFrame) -> pd.DataFrame:
    """Modes made of 1,000 and KL to uniform: a row per data set and method (means over the seeds), then published ones.

    ``sweep``: from ``sweep.read_sweep``. A run that made no images, as it diverged, counts in ``seeds`` and ``failed``
    only.
    """
    stacked = sweep[sweep["part"] == "stacked"] if len(sweep) else sweep
    cells = stacked.groupby(["dataset", "arm"], sort=False) if len(stacked) else ()
    rows = []
    for (dataset, method), runs in cells:
        values = runs[["modes", "kl_uniform", "kl_uniform_floor"]].astype(float)
        rows.append({"model": f"{name(method)} on {dataset}"} | values.mean().to_dict())
        rows[-1] |= {"modes, range": f"{values['modes'].min():.0f} to {values['modes'].max():.0f}"}
        rows[-1] |= {"seeds": len(runs), "failed": int(runs["failed"].sum()), "samples": runs["mode_images"].max()}
        rows[-1] |= {"budget": f"{runs['generator_steps'].max():,} steps in batches of {runs['batch_size'].max()}"}
    for model, modes, divergence, budget in PUBLISHED_MODES:
        rows.append({"model": model, "modes": modes, "kl_uniform": divergence, "samples": 26_000, "budget": budget})
    return pd.DataFrame(rows, columns=COLUMNS)
