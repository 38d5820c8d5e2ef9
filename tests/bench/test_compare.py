import pytest

from gancompare.bench.profiling import PARTS

pytestmark = pytest.mark.slow


def test_the_columns_of_a_row_agree(table):
    (row,) = table.itertuples()
    assert row.method == "wgan-gp"
    assert row.precision == "float32"
    assert row.ratio_low <= row.ratio <= row.ratio_high
    for loop in ("textbook", "ours"):
        steps = getattr(row, f"{loop}_steps_per_s")
        assert steps * getattr(row, f"{loop}_ms") == pytest.approx(1000)
        assert getattr(row, f"{loop}_images_per_s") == pytest.approx(steps * 5 * 8)  # critic steps, batch size
        assert getattr(row, f"{loop}_memory_mb") >= 0
    assert row.study_jobs == 1
    assert row.study_ratio == pytest.approx(row.study_steps_per_s / row.textbook_steps_per_s)
    assert row.ceiling_share == pytest.approx(row.gflop * row.ours_steps_per_s / (1000 * row.ceiling_tflops))
    assert sum(getattr(row, f"share_{part}") for part in PARTS) == pytest.approx(1)
    assert not row.cuda_graph
