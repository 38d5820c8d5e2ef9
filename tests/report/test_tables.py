"""Tables as a reader meets them: what stands in each cell, what is bold, what is escaped."""

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from gancompare.config import RunConfig
from gancompare.report import tables
from gancompare.runs import layout, reading, record


def cells(html):
    """The text of each cell, row by row, of each table."""
    return [
        [[cell.get_text(" ", strip=True) for cell in row.find_all(["th", "td"])] for row in found.find_all("tr")]
        for found in BeautifulSoup(html.data, "html.parser").find_all("table")
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.5, "1,234"), (12.345, "12.3"), (0.01, "0.01"), (-0.5, "-0.5"), (0, "0"), (np.nan, "–"), (np.inf, "∞")],
)
def test_numbers_have_three_digits(value, text):
    assert tables.number(value) == text


def ledger_row(statement, dataset, word, **more):
    row = {"key": statement, "who": "Paper", "statement": statement, "dataset": dataset, "word": word, "n": 3}
    row |= {"effect": "", "low": np.nan, "high": np.nan, "sentence": "It says so.", "note": "", "command": ""}
    return row | more


def test_ledger_has_a_word_per_statement_and_data_set_and_the_numbers_below():
    rows = [
        ledger_row("A & B", "mnist", "supported", effect="2×", low=1.5, high=np.inf),
        ledger_row("A & B", "faces", "not tested", note="no runs", command="`gancompare study`"),
        ledger_row("C", "mnist", "undecided"),
    ]
    html = tables.ledger(pd.DataFrame(rows))
    words, parts = cells(html)
    assert words == [
        ["statement", "mnist", "faces", "who said it"],
        ["A & B", "supported", "not tested", "Paper"],
        ["C", "undecided", "–", "Paper"],
    ]
    assert len(parts) == 1 + len(rows)
    assert parts[1][3] == "2× [1.5, ∞]"
    assert parts[2][5] == "It says so. (no runs) Run gancompare study ."
    page = BeautifulSoup(html.data, "html.parser")
    assert [bold.get_text() for bold in page.table.find_all("strong")] == ["supported"]
    assert page.code.get_text() == "gancompare study"
    assert page.details.table is not None
    assert "rowspan" not in html.data  # merged cells cannot be sorted


def test_comparison_has_intervals_and_only_the_best_in_bold():
    columns = pd.MultiIndex.from_product([["fd", "lpips"], ["mean", "low", "high", "n", "failed", "best"]])
    nothing = [np.nan] * 6
    values = [
        [1.5, 1.0, 2.0, 3, 0, True, *nothing],
        [2.5, np.nan, np.nan, 2, 0, False, *nothing],
        [np.inf, -np.inf, np.inf, 3, 1, False, *nothing],
    ]
    index = pd.MultiIndex.from_tuples([("mnist", "gan"), ("mnist", "wgan"), ("<x>", "gan")], names=["dataset", "arm"])
    html = tables.comparison(pd.DataFrame(values, index=index, columns=columns), {"mnist": "FD-classifier"})
    assert cells(html) == [
        [
            ["data set", "arm", "seeds", "failed", "FD ↓"],  # no run has an LPIPS
            ["mnist FD-classifier", "GAN", "3", "0", "1.5 [1, 2]"],
            ["mnist FD-classifier", "WGAN", "2", "0", "2.5"],
            ["<x>", "GAN", "3", "1", "–"],
        ]
    ]
    assert [bold.get_text() for bold in BeautifulSoup(html.data, "html.parser").find_all("strong")] == ["1.5"]


def test_nothing_to_compare_is_said():
    assert "Nothing was scored" in tables.comparison(pd.DataFrame(), {}).data
    assert "No claim" in tables.ledger(pd.DataFrame()).data


def test_overview_counts_the_seeds_of_each_data_set_and_method():
    shared = {"num_images": 10, "image_size": 28, "base_channels": 4, "generator_steps": 9, "processor": "P"}
    cells = [("a", "gan", 0), ("a", "gan", 1), ("a", "wgan", 0), ("b", "gan", 3)]
    study = pd.DataFrame([shared | {"dataset": d, "arm": m, "seed": s} for d, m, s in cells])
    assert tables.overview(study)["seeds"].to_dict() == {("a", "GAN"): 2, ("a", "WGAN"): 1, ("b", "GAN"): 1}
    assert tables.overview(study).loc[("a", "GAN"), "num images"] == 10
    assert tables.seeds(study) == ({"a": 2, "b": 1}, "2 seeds of a, 1 seed of b")


def test_distances_are_named_by_the_primary_extractor_with_the_floor():
    rows = [("a", True, "FD-classifier", 0.514), ("a", False, "FD-pixel-pca", 9.0), ("b", True, "FID", 2.0)]
    scores = pd.DataFrame(rows, columns=["dataset", "primary", "label", "floor"])
    labels, beside = tables.distances(scores)
    assert labels == {"a": "FD-classifier", "b": "FID"}
    assert beside == {"a": "FD-classifier; real: 0.51", "b": "FID; real: 2"}
    assert tables.distances(pd.DataFrame()) == ({}, {})


def test_pairs_name_the_nearer_arm_on_each_clock():
    row = {"dataset": "<d>", "a": "gan", "b": "wgan-gp", "ratio": 0.5, "low": 0.4, "high": 0.6, "word": "contradicted"}
    rows = [row | {"clock": "seconds"}, row | {"clock": "images_seen", "word": "undecided", "low": np.nan}]
    html = tables.pairs(pd.DataFrame(rows))
    assert cells(html)[0] == [
        ["data set", "FD of", "at equal seconds", "at equal images seen"],
        ["<d>", "WGAN-GP / GAN", "0.5 [0.4, 0.6] WGAN-GP nearer", "0.5 undecided"],
    ]
    assert "nan" not in html.data
    assert "No two arms" in tables.pairs(pd.DataFrame()).data


def test_any_table_has_numbers_of_three_digits_and_one_interval():
    rows = {"arm": ["gan", "mine"], "a_b": [1 / 3, np.nan], "share": [0.5, np.inf], "low": [0.1, np.nan]}
    frame = pd.DataFrame(rows | {"high": [0.9, np.nan], "is": [True, False]})
    assert cells(tables.plain(frame, "share"))[0] == [
        ["arm", "a b", "share [95 %]", "is"],
        ["GAN", "0.333", "0.5 [0.1, 0.9]", "True"],
        ["mine", "", "∞", "False"],
    ]
    assert cells(tables.plain(frame[["low"]]))[0] == [["low"], ["0.1"], [""]]
    assert "Nothing of this was run" in tables.plain(frame.iloc[:0]).data


def test_text_is_escaped_headers_have_a_scope_and_tables_a_caption():
    evil = "<script>alert('&')</script>"
    html = tables.plain(pd.DataFrame({evil: [evil], "b": [1]}), caption=evil)
    page = BeautifulSoup(html.data, "html.parser")
    assert page.script is None
    assert page.caption.get_text() == page.thead.th.get_text() == page.tbody.th.get_text() == evil
    assert [cell["scope"] for cell in page.find_all("th")] == ["col", "col", "row"]
    row = ledger_row(evil, evil, evil, effect=evil, low=0.0, high=1.0, note=f"`{evil}`", sentence=evil)
    page = BeautifulSoup(tables.ledger(pd.DataFrame([row])).data, "html.parser")
    assert page.script is None
    assert page.code.get_text() == evil
    assert len(page.find_all("caption")) == 2


def test_headings_point_to_what_is_better():
    shown = ["fd", "recall", "inception_score", "kl_uniform", "my_own"]
    assert [tables.heading(name) for name in shown] == [
        "FD ↓",
        "recall ↑",
        "Inception Score",
        "KL to uniform ↓",
        "my own",
    ]


@pytest.fixture
def make_run(tmp_path):
    """(**fields) → the directory of a run of four steps that took two seconds."""

    def make(**fields):
        config = RunConfig(**({"dataset": "mnist5k", "profile": "smoke"} | fields))
        directory = layout.run_directory(tmp_path, "s", config)
        record.begin(directory, config, {"fingerprint": "0", "num_images": 5000})
        record.write_status(directory, "complete", generator_steps=4, images_seen=32, seconds=2.0)
        return directory

    return make


def test_differing_fields_shows_exactly_what_is_not_shared(tmp_path, make_run):
    make_run(method="gan")
    make_run(method="wgan", clip=0.02)
    make_run(method="gan", dataset="anime_faces", batch_size=8)  # differs between data sets only: not listed
    make_run(method="gan", dataset="anime_faces", batch_size=16, seed=1)
    table = tables.differing_fields(reading.load_runs(tmp_path, "s"))
    assert set(table.index) == {"n_critic", "clip", "batch_size"}
    assert table.loc["batch_size", ("anime_faces", "GAN")] == "16, 8"
    assert table.loc["n_critic", ("mnist5k", "GAN")] == "1"
    assert table.loc["clip", ("mnist5k", "WGAN")] == "0.02"


def test_cost_table_divides_time_by_steps(tmp_path, make_run):
    make_run(method="gan")
    directory = make_run(method="wgan")
    record.write_status(directory, "complete", seconds=8.0)
    costs = tables.cost_table(reading.load_runs(tmp_path, "s"))
    assert costs.loc[("mnist5k", "GAN"), "ms per step"] == 500  # 2 s over 4 steps
    assert costs.loc[("mnist5k", "WGAN"), "ratio"] == 4


def test_endings_are_counted_in_the_order_of_the_methods():
    rows = [("d", "gan-gp", "complete"), ("d", "wgan", "diverged"), ("d", "wgan", "complete"), ("d", "gan", "complete")]
    counts = tables.endings(pd.DataFrame(rows, columns=["dataset", "arm", "status"]))
    assert list(counts.index) == [("d", "GAN"), ("d", "WGAN"), ("d", "GAN-GP")]
    assert counts.loc[("d", "WGAN"), ["complete", "diverged"]].tolist() == [1, 1]
