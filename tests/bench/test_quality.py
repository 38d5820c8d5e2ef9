import pandas as pd
import pytest
import torch

from gancompare.bench.quality import time_to_quality, with_quality


def test_time_to_quality_stops_at_the_threshold_and_at_the_limit(smoke):
    config = smoke(method="gan", monitor_images=16)
    before = torch.get_rng_state()
    easy = time_to_quality(config, threshold=1e9, limit_seconds=60, every=2)
    assert (easy["textbook_steps"], easy["ours_steps"]) == (2, 2)
    assert easy["ratio"] == pytest.approx(easy["textbook_seconds"] / easy["ours_seconds"])
    assert easy["extractor"] == "random-init"
    hard = time_to_quality(config, threshold=0.0, limit_seconds=0.01, every=2)
    assert (hard["textbook_seconds"], hard["ours_seconds"], hard["ratio"]) == (None, None, None)
    assert hard["ours_fd"] > 0
    assert torch.equal(before, torch.get_rng_state())
    with pytest.raises(ValueError, match="extractor"):
        time_to_quality(smoke(extractor="none"), threshold=1.0, limit_seconds=1.0)


def test_quality_joins_the_rows_of_its_size():
    table = pd.DataFrame({"method": ["gan", "gan"], "image_size": [28, 64]})
    row = {"method": "gan", "threshold": 5.0, "limit_seconds": 9.0, "ratio": None}
    row |= {f"{loop}_{column}": 1.0 for loop in ("textbook", "ours") for column in ("seconds", "steps", "fd")}
    joined = with_quality(table, [row])
    assert joined["quality_threshold"].tolist()[0] == 5.0
    assert pd.isna(joined["quality_threshold"][1])
    assert with_quality(table, []) is table
