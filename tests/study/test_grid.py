import pytest

from gancompare.config import ConfigError, RunConfig
from gancompare.study.grid import cost, plan


def test_plan_is_the_full_grid():
    configs = plan(["mnist", "fashion_mnist"], ["gan", "wgan", "wgan-gp"], range(5), profile="smoke")
    assert len({(c.dataset, c.method, c.seed) for c in configs}) == len(configs) == 30


def test_plan_names_a_bad_field():
    with pytest.raises(ConfigError, match="batch_sise"):
        plan(["mnist"], ["gan"], [0], batch_sise=3)


def test_longer_runs_cost_more():
    costs = [cost(RunConfig(method=m, dataset="mnist")) for m in ("gan", "wgan", "wgan-gp")]
    assert costs == sorted(costs)
    assert costs[0] < costs[2]
    assert cost(RunConfig(dataset="anime_faces")) > cost(RunConfig(dataset="mnist"))
