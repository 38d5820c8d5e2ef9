"""Several seeds as one line."""

import numpy as np
import pandas as pd

from gancompare.report.figures import seeds


def test_intervals_stop_where_the_first_run_does():
    values = pd.DataFrame({0: [1.0, 2.0, 3.0], 1: [3.0, 4.0, np.nan]}, index=[10, 20, 30])
    table = seeds.intervals(values)
    assert table["estimate"].to_dict() == {10: 2, 20: 3}
    assert seeds.needs_each_seed(values)
    assert seeds.intervals(values.iloc[2:]).empty


def test_each_seed_is_drawn_where_seeds_are_few_or_a_run_ended_early():
    three = pd.DataFrame({seed: [1.0, 2.0 + seed] for seed in range(3)})
    assert seeds.enough_for_interval(three)
    assert not seeds.needs_each_seed(three)
    assert seeds.needs_each_seed(three[[0, 1]])
    assert seeds.needs_each_seed(three.mask(three == 2.0))
