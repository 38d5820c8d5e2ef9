import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from gancompare.report import tables

LEDGER = {"claim": "A & B", "source": "Paper", "quantity": "B − A", "no_effect": 0.0}


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


def test_ledger_has_a_word_per_claim_and_data_set_and_every_part_below():
    def row(number, dataset, part, verdict, **more):
        plain = {"effect": "", "estimate": np.nan, "low": np.nan, "high": np.nan, "n": 3, "note": ""}
        return LEDGER | plain | {"number": number, "dataset": dataset, "part": part, "verdict": verdict} | more

    rows = [
        row(2, "mnist", "overall", "supported", effect="1 of 1 parts supported"),
        row(2, "mnist", "1", "supported", effect="2×", low=1.5, high=np.inf),
        row(2, "faces", "overall", "not tested", note="run `gancompare study`"),
        row(10, "mnist", "overall", "inconclusive"),
    ]
    html = tables.ledger(pd.DataFrame(rows))
    words, parts = cells(html)
    assert words == [
        ["", "claim", "mnist", "faces", "source"],
        ["2", "A & B", "supported", "not tested", "Paper"],
        ["10", "A & B", "inconclusive", "–", "Paper"],
    ]
    assert len(parts) == 1 + len(rows)
    assert parts[2][5] == "2× [1.5, ∞]"
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
    index = pd.MultiIndex.from_tuples(
        [("mnist", "gan"), ("mnist", "wgan"), ("<x>", "gan")], names=["dataset", "method"]
    )
    html = tables.comparison(pd.DataFrame(values, index=index, columns=columns), {"mnist": "FD-classifier"})
    assert cells(html) == [
        [
            ["data set", "method", "seeds", "failed", "FD ↓"],  # no run has an LPIPS
            ["mnist FD-classifier", "gan", "3", "0", "1.5 [1, 2]"],
            ["mnist FD-classifier", "wgan", "2", "0", "2.5"],
            ["<x>", "gan", "3", "1", "–"],
        ]
    ]
    assert [bold.get_text() for bold in BeautifulSoup(html.data, "html.parser").find_all("strong")] == ["1.5"]


def test_nothing_to_compare_is_said():
    assert "Nothing was scored" in tables.comparison(pd.DataFrame(), {}).data
    assert "No claim" in tables.ledger(pd.DataFrame()).data


def test_overview_counts_the_seeds_of_each_data_set_and_method():
    shared = {"num_images": 10, "image_size": 28, "base_channels": 4, "generator_steps": 9, "processor": "P"}
    cells = [("a", "gan", 0), ("a", "gan", 1), ("a", "wgan", 0), ("b", "gan", 3)]
    study = pd.DataFrame([shared | {"dataset": d, "method": m, "seed": s} for d, m, s in cells])
    assert tables.overview(study)["seeds"].to_dict() == {("a", "gan"): 2, ("a", "wgan"): 1, ("b", "gan"): 1}
    assert tables.overview(study).loc[("a", "gan"), "num images"] == 10
    assert tables.seeds(study) == ({"a": 2, "b": 1}, "2 seeds of a, 1 seeds of b")


def test_distances_are_named_by_the_primary_extractor_with_the_floor():
    rows = [("a", True, "FD-classifier", 0.514), ("a", False, "FD-pixel-pca", 9.0), ("b", True, "FID", 2.0)]
    scores = pd.DataFrame(rows, columns=["dataset", "primary", "label", "floor"])
    labels, beside = tables.distances(scores)
    assert labels == {"a": "FD-classifier", "b": "FID"}
    assert beside == {"a": "FD-classifier; real: 0.51", "b": "FID; real: 2"}
    assert tables.distances(pd.DataFrame()) == ({}, {})
