"""The table of stacked digits."""

import pandas as pd

from gancompare.study.sweep import plan
from gancompare.verdicts import modes
from gancompare.verdicts.sweep import read_sweep


def test_modes_stand_beside_the_published_ones(write_run, tmp_path):
    configs = plan("mnist5k", seeds=2, architectures=1, parts=("stacked",))["stacked"]
    for config, count in zip(configs, range(100, 700, 100), strict=True):
        made = {"modes": count, "modes_tenth": count // 2, "kl_uniform": count / 100, "kl_uniform_floor": 0.02}
        write_run(tmp_path, "s", "stacked", config, [9.0], mode_images=26_000, **made)
    table = modes.modes_table(read_sweep(tmp_path, "s"))
    ours = table.iloc[0]
    assert (ours["model"], ours["modes"], ours["kl_uniform"]) == ("GAN on stacked_mnist5k", 150, 1.5)
    assert (ours["seeds"], ours["modes, range"], ours["samples"]) == (2, "100 to 200", 26_000)
    assert table["model"].str.contains("PacDCGAN2").sum() == 1
    assert table["budget"].notna().all()
    assert len(modes.modes_table(pd.DataFrame())) == len(modes.PUBLISHED_MODES)
