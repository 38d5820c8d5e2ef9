"""Claims about training, on studies whose results are known."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

INF, NAN = math.inf, math.nan


def test_stability_of_steady_runs_against_wild_ones(known):
    wild = np.array([5, 80, 20, 200, 9, 60.0])
    tables = known.study(fd={"gan": wild, "wgan-gp": 10 * known.STEADY})
    last = (tables.histories["arm"] == "gan") & (tables.histories["generator_steps"] == 400)
    unsteady_end = np.array([3, 4, 5, 4, 3, 3.5])
    tables.histories.loc[last, "fd"] = tables.histories.loc[last, "fd"] * unsteady_end
    found, rows = known.verdicts(tables, 1)
    assert found == {"overall": "supported", "1": "supported", "2": "supported", "3": "inconclusive"}
    ratio = np.log(wild).std(ddof=1) / np.log(known.STEADY).std(ddof=1)
    level = 1 - 0.05 / 3
    bounds = ratio / np.sqrt(stats.f.ppf([(1 + level) / 2, (1 - level) / 2], 5, 5))
    assert rows.loc["1", ["estimate", "low", "high"]].tolist() == pytest.approx([ratio, *bounds])
    assert "nothing to compare" in rows.loc["3", "note"]
    tables.runs["arm"] = tables.runs["arm"].replace({"gan": "wgan-gp", "wgan-gp": "gan"})
    for frame in (tables.histories, tables.scores):
        frame["arm"] = frame["arm"].replace({"gan": "wgan-gp", "wgan-gp": "gan"})
    assert known.verdicts(tables, 1)[0] == {
        "overall": "contradicted", "1": "contradicted", "2": "contradicted", "3": "inconclusive",
    }  # fmt: skip
    assert known.verdicts(known.study(), 1)[0] == dict.fromkeys(["overall", "1", "2", "3"], "inconclusive")


def test_stability_where_runs_failed(known):
    fd = {"gan": [NAN] * 10, "wgan-gp": 10 + np.arange(10) / 10}
    found, rows = known.verdicts(known.study(fd=fd, seeds=10), 1)
    assert found == {"overall": "supported", "1": "inconclusive", "2": "supported", "3": "supported"}
    assert "no finite spread" in rows.loc["1", "note"]
    assert rows.loc["3", "estimate"] == pytest.approx(1)
    assert "10 of 10 GAN runs diverged or collapsed" in rows.loc["3", "note"]
    both = {"gan": [NAN] * 6, "wgan-gp": [NAN] * 6}
    assert known.verdicts(known.study(fd=both), 1)[0] == dict.fromkeys(["overall", "1", "2", "3"], "inconclusive")


def test_wasserstein_estimate_that_tracks_and_one_that_does_not(known):
    rng = np.random.default_rng(0)
    data = known.study(seeds=6)
    histories = data.histories
    measured = histories["generator_steps"] > 0
    noise = rng.normal(size=len(histories))
    for column in ("critic_loss", "generator_loss"):
        histories[column] = noise
    steps = np.where(measured, rng.lognormal(size=len(histories)), 0)
    histories["fd"] = (100 - pd.Series(steps).groupby([histories["arm"], histories["seed"]]).cumsum()).where(measured)
    tracks = histories.assign(wasserstein_estimate=-histories["fd"].where(histories["arm"] != "gan"))  # |·| counts
    found, rows = known.verdicts(replace(data, histories=tracks), 3)
    assert set(found.values()) == {"supported"}
    assert rows.loc["2", "estimate"] == pytest.approx(1)
    against = tracks.assign(wasserstein_estimate=1 / tracks["wasserstein_estimate"])
    assert known.verdicts(replace(data, histories=against), 3)[0]["overall"] == "contradicted"
    noisy = tracks.assign(wasserstein_estimate=np.where(histories["arm"] == "gan", NAN, 9 + rng.random(len(noise))))
    assert known.verdicts(replace(data, histories=noisy), 3)[0]["overall"] == "inconclusive"
    trend = tracks.assign(wasserstein_estimate=np.where(histories["arm"] == "gan", NAN, 900 - noise / 9))
    trend["wasserstein_estimate"] -= trend["generator_steps"]  # falls as FD does, but not in step with it
    found = known.verdicts(replace(data, histories=trend), 3)[0]
    assert (found["1"], found["2"], found["overall"]) == ("supported", "inconclusive", "inconclusive")


@pytest.mark.parametrize(
    ("end", "first_step", "word"),
    [(0.9, 0, "supported"), (0.3, 0, "contradicted"), (0.62, 0, "inconclusive"), (0.9, 50, "supported"),
     (0.55, 50, "contradicted")],
)  # fmt: skip
def test_weights_at_the_clip_are_measured_against_the_start(known, end, first_step, word):
    data = known.study()
    histories = data.histories
    steps, seed = histories["generator_steps"], histories["seed"]
    share = (0.62 + (end - 0.62) * steps / 400 + 0.01 * (-1.0) ** seed * (steps > 0)).where(steps >= first_step)
    found, rows = known.verdicts(replace(data, histories=histories.assign(share_at_clip=share)), 7)
    assert found == {"overall": word}
    start = 0.62 if first_step == 0 else 2 * (1 - stats.norm.cdf(0.5))
    assert rows.loc["overall", "estimate"] == pytest.approx(end - start, abs=1e-6)


def test_gradients_over_depth_where_they_were_measured(known):
    data = known.study()
    histories = data.histories
    slope = histories["arm"].map({"wgan": -0.9, "wgan-gp": 0.1}) + 0.01 * histories["seed"] ** 2 / 5
    found, rows = known.verdicts(replace(data, histories=histories.assign(gradient_slope_over_depth=slope)), 8)
    assert found == {"overall": "supported"}
    assert rows.loc["overall", "estimate"] == pytest.approx(0.8, abs=0.1)
    swap = histories.assign(gradient_slope_over_depth=1 / slope)
    assert known.verdicts(replace(data, histories=swap), 8)[0] == {"overall": "contradicted"}
    grows = histories.assign(gradient_slope_over_depth=slope.abs())  # decay or growth: both count
    pd.testing.assert_frame_equal(known.verdicts(replace(data, histories=grows), 8)[1], rows)
    mixed = histories["arm"].map({"wgan": 0.5, "wgan-gp": 0.5}) + 0.1 * np.sin(
        7 * histories["seed"] + histories["arm"].str.len()
    )
    assert known.verdicts(replace(data, histories=histories.assign(gradient_slope_over_depth=mixed)), 8)[0] == {
        "overall": "inconclusive"
    }


def test_gradients_over_depth_are_those_of_the_last_measurement(known):
    data = known.study()
    histories = data.histories
    slope = histories["arm"].map({"wgan": 0.9, "wgan-gp": 0.1}) + 0.01 * histories["seed"] ** 2 / 5
    ended = {"gradient_slope_over_depth": slope.where(histories["generator_steps"] > 0, -99.0)}
    ended["gradient_slope_over_depth"] = ended["gradient_slope_over_depth"].where(
        histories["generator_steps"] % 50 == 0
    )
    found, rows = known.verdicts(replace(data, histories=histories.assign(**ended)), 8)
    assert found == {"overall": "supported"}
    assert rows.loc["overall", "estimate"] == pytest.approx(0.8, abs=0.1)


def test_gradients_over_depth_of_older_runs_are_not_tested_and_what_to_run_is_said(known):
    found, rows = known.verdicts(known.study(), 8)
    assert found == {"overall": "not tested"}
    assert "--arms wgan wgan-gp" in rows.loc["overall", "note"]
    assert "layer-wise gradient norms" in rows.loc["overall", "note"]
    data = known.study()
    histories = data.histories
    only = histories.assign(gradient_slope_over_depth=np.where(histories["arm"] == "wgan", 0.5, NAN))
    assert known.verdicts(replace(data, histories=only), 8)[0] == {"overall": "not tested"}


def test_estimate_that_converges_and_one_that_does_not(known):
    data = known.study()
    histories = data.histories
    assert known.verdicts(data, 9)[0]["overall"] == "contradicted"  # 10 → 2: lost 80 % of its maximum
    gone = histories.assign(wasserstein_estimate=np.exp(-histories["generator_steps"] / (80 + histories["seed"])))
    found, rows = known.verdicts(replace(data, histories=gone), 9)
    assert found["overall"] == "supported"
    assert rows.loc["1", "estimate"] == pytest.approx(0.99, abs=0.01)
    assert "before convergence" in rows.loc["1", "note"]
    half = gone.assign(wasserstein_estimate=gone["wasserstein_estimate"].where(gone["seed"] > 2, 1.0))
    assert known.verdicts(replace(data, histories=half), 9)[0]["overall"] == "inconclusive"
