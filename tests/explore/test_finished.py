"""finished.py: which runs are offered, and in which order."""

from gancompare.explore.finished import find_finished, runs_of


def test_unfinished_and_broken_runs_are_left_out(make_run, tmp_path):
    for name, status in {"a": "complete", "b": "running", "c": "failed", "d": "complete"}.items():
        make_run(tmp_path / name / "mnist" / "gan" / "seed0", status=status)
    (tmp_path / "d" / "mnist" / "gan" / "seed0" / "status.json").write_text("{")
    assert list(find_finished(tmp_path)) == ["a"]


def test_methods_come_in_their_order_and_seeds_by_number(make_run, tmp_path):
    for method in ("wgan-gp", "mine", "gan"):
        for seed in (10, 2):
            directory = tmp_path / "s" / "mnist" / method / f"seed{seed}"
            make_run(directory, seed=seed)
    found = find_finished(tmp_path)
    assert list(found["s"]["mnist"]) == [2, 10]
    assert list(found["s"]["mnist"][10]) == ["gan", "wgan-gp", "mine"]
    assert runs_of(found, None, None)[:3] == ("s", "mnist", 2)
