"""The sentences about one run, from files written by hand."""

import pytest

from gancompare.report.one_run import findings
from gancompare.runs import history, record


@pytest.fixture
def run(tmp_path):
    """A function (FD by step, floor, status) → a directory with the files of a run."""

    def written(distances, floor=None, status="complete", **details):
        for step, fd in distances.items():
            row = {"generator_steps": step, "critic_loss": step, "generator_loss": -step, "fd": fd}
            history.append_history(tmp_path, row | {"wasserstein_estimate": None})
            if floor is not None:
                history.append_distances(tmp_path, step, [{"extractor": "classifier", "fd": fd, "floor": floor}])
        progress = {"generator_steps": max(distances), "images_seen": 64_000, "seconds": 12.4}
        record.write_status(tmp_path, status, **progress, **details)
        return tmp_path

    return written


def test_a_run_that_still_falls(run):
    ending, distance, flat, losses = findings(run({1: 512, 10: 256, 100: 128, 400: 16, 500: 8}, floor=0.5))
    assert ending == "The run is complete: 500 generator steps, 64,000 real images seen, 12 seconds of training."
    assert "went from 512 at step 1 to 8 at the end, where it is lowest. " in distance
    assert "Two sets of real images score 0.5, 16 times less." in distance
    assert "FD fell by 50%: the curve had not flattened" in flat  # 400 is four fifths of 500
    assert "-1.00 for the critic loss, 1.00 for the generator loss." in losses
    assert "Wasserstein" not in losses


def test_a_run_that_fell_back(run):
    _, distance, flat, *_ = findings(run({1: 100, 80: 10, 100: 15}))
    assert "to 15 at the end, after a lowest value of 10 at step 80." in distance
    assert "FD rose by 50%: the curve had not flattened" in flat


def test_a_run_that_flattened(run):
    assert "FD fell by 3%: the curve had flattened." in findings(run({1: 100, 80: 10, 100: 9.7}))[2]


def test_a_run_without_distances_or_with_an_early_end(run):
    sentences = findings(run({1: float("nan"), 2: float("nan")}, status="diverged", message="critic_loss not finite"))
    assert "diverged (critic_loss not finite): 2 generator steps" in sentences[0]
    assert sentences[1:] == ["The distance to the real images was not measured on the way."]
