import json

import pytest

from gancompare.__main__ import main


@pytest.mark.slow
def test_the_command_writes_table_and_chart(tmp_path, capsys):
    paths = {"--json": tmp_path / "out.json", "--chart": tmp_path / "out.png"}
    options = [str(part) for pair in paths.items() for part in pair]
    options += ["--sizes", "28", "--methods", "gan", "--rounds", "1", "--precision", "float32"]
    assert main(["bench", *options, "--study-sizes", "2"]) == 0
    (row,) = json.loads(paths["--json"].read_text())
    assert (row["method"], row["image_size"], row["base_channels"]) == ("gan", 28, 32)
    assert paths["--chart"].stat().st_size > 1000
    printed = capsys.readouterr().out
    assert "study_ratio" in printed
    assert "read_us_per_run" in printed
