"""What the cells of a sweep are called, and which there are."""

import pytest

from gancompare.config import RunConfig
from gancompare.runs.layout import RunError
from gancompare.runs.sweeps import PARTS, VARIATIONS, architecture_cell, cells_of, part_of


def test_a_cell_is_named_after_its_change_and_found_again_by_its_name():
    clip, norm = (next(v for v in VARIATIONS if v.name == name) for name in ("clip", "critic_norm"))
    assert [clip.cell(value) for value in clip.values] == ["clip-0.001", "clip-0.01", "clip-0.1"]
    assert norm.cell("spectral") == "critic_norm-spectral"
    for variation in VARIATIONS:
        for value in variation.values:
            assert [v for v in VARIATIONS if v.varies(variation.cell(value))] == [variation]
            assert getattr(RunConfig(**variation.change(value)), variation.column) == value
    assert not any(variation.varies("base") for variation in VARIATIONS)


def test_every_cell_belongs_to_a_part():
    assert tuple(map(part_of, ("base", architecture_cell(7), "stacked"))) == PARTS
    assert part_of("clip-0.1") == "settings"


def test_cells_are_those_that_hold_runs(write_run, tmp_path):
    assert cells_of(tmp_path, "s") == []
    for cell in (architecture_cell(12), "base"):
        write_run(tmp_path, "s", cell, RunConfig(profile="smoke"), [1.0])
    (tmp_path / "s" / "empty").mkdir()
    assert cells_of(tmp_path, "s") == ["architecture-012", "base"]
    with pytest.raises(RunError, match="study name"):
        cells_of(tmp_path, "../s")
