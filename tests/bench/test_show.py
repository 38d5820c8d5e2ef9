import pandas as pd
import pytest

from gancompare.bench.quality import with_quality
from gancompare.bench.show import chart, summary

pytestmark = pytest.mark.slow


@pytest.fixture
def two_rows(table):
    return pd.concat([table.assign(method="gan", ratio=table["ratio_low"]), table], ignore_index=True)


def test_the_summary_shows_every_row(two_rows):
    text = summary(two_rows)
    assert text.count("wgan-gp") == 3  # speed, bounds, shares
    for name in ("ours_images_per_s", "ceiling_share", "ours_memory_mb", "share_penalty"):
        assert name in text
    assert "quality" not in text


def test_the_summary_shows_time_to_quality_where_it_was_measured(two_rows):
    row = {"method": "gan", "threshold": 50.0, "limit_seconds": 9.0, "ratio": 2.5}
    row |= {f"{loop}_{column}": 1.0 for loop in ("textbook", "ours") for column in ("seconds", "steps", "fd")}
    block = summary(with_quality(two_rows, [row])).split("\n\n")[4]
    assert "quality_ratio" in block
    assert block.splitlines()[1].endswith("2.5")


def test_the_chart_shows_every_row(two_rows, tmp_path):
    figure = chart(two_rows)
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["GAN 28×28", "WGAN-GP 28×28"]
    assert [bar.get_width() for bar in left.patches] == pytest.approx(two_rows["ratio"].tolist())
    ends = [bar.get_x() + bar.get_width() for bar in right.patches]
    assert max(ends) == pytest.approx(100)
    figure.savefig(tmp_path / "chart.png")
