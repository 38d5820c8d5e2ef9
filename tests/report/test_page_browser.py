"""The page in a real browser: on a desktop and a phone, light and dark, by mouse, keyboard and on paper."""

from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest

from gancompare.report import tables
from gancompare.report.page import render_html

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SIZES = {"desktop": (1280, 800), "phone": (360, 740)}

LOW_CONTRAST = (Path(__file__).parent.parent / "low_contrast.js").read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_page_in_a_browser(browser_page, path, size, scheme):
    page = browser_page(path, SIZES[size], scheme)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert page.asked == [path.as_uri()]
    assert page.problems == []
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    assert page.evaluate("[...document.images].every((i) => i.complete && i.naturalWidth > 0)")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    found = page.evaluate(LOW_CONTRAST)
    assert found["low"] == []
    assert found["seen"] > 100
    page.evaluate("document.querySelector('.highlight .c1').style.color = '#777'")
    assert page.evaluate(LOW_CONTRAST)["low"]  # the measure itself can fail


def test_contents_start_open_beside_the_text_and_closed_above_it(browser_page, path):
    for size, is_open in (("desktop", True), ("phone", False)):
        page = browser_page(path, SIZES[size])
        assert page.locator("nav > details").evaluate("(d) => d.open") == is_open
        nav, main = page.locator("nav").bounding_box(), page.locator("main").bounding_box()
        assert (nav["x"] + nav["width"] < main["x"]) == is_open
    page.locator("nav summary").click()
    page.locator("nav a").last.click()
    assert unquote(page.url).endswith("#What-this-does-not-show-2")
    assert page.evaluate("scrollY") > 1000


def test_code_opens_alone_and_together(browser_page, path):
    page = browser_page(path)
    source = page.locator("details.code .highlight").first
    assert not source.is_visible()
    page.locator("details.code summary").first.click()
    assert source.is_visible()
    assert page.locator("details.code .highlight:visible").count() == 1
    page.get_by_role("button", name="Show all code").click()
    assert page.locator("details.code[open]").count() == page.locator("details.code").count()
    page.get_by_role("button", name="Hide all code").click()
    assert page.locator("details.code[open]").count() == 0


@pytest.mark.parametrize(
    ("column", "ascending"),  # missing values stay last in both directions
    [
        ("arm", [1, 3, 0, 2]),
        ("distance", [0, 3, 1, 2]),
        ("coverage", [1, 3, 0, 2]),
        ("trained on", [2, 0, 3, 1]),
        ("a long name for one more column", [2, 0, 1, 3]),
        ("another long name of a column", [2, 1, 3, 0]),
    ],
)
def test_tables_sort(browser_page, path, column, ascending, score_table):
    page = browser_page(path)
    table = page.locator("table.dataframe").first
    button = table.get_by_role("button", name=column, exact=True)
    head = table.get_by_role("columnheader", name=column, exact=True)

    def order():
        return [list(score_table.arm).index(name) for name in table.locator("tbody td:first-child").all_inner_texts()]

    assert order() == [0, 1, 2, 3]
    assert head.get_attribute("aria-sort") is None
    button.click()
    assert (order(), head.get_attribute("aria-sort")) == (ascending, "ascending")
    button.press("Enter")  # the keyboard reaches it
    missing = [i for i in ascending if score_table[column].iloc[i] in ("–",) or pd.isna(score_table[column].iloc[i])]
    descending = [i for i in reversed(ascending) if i not in missing] + missing
    assert (order(), head.get_attribute("aria-sort")) == (descending, "descending")
    assert table.locator("[aria-sort]").count() == 1


def test_tables_of_scores_sort_by_value_not_by_interval(browser_page, save, code, display, tmp_path):
    columns = pd.MultiIndex.from_product([["fd"], ["mean", "low", "high", "n", "failed", "best"]])
    values = [[9.5, 1.0, 20.0, 3, 0, False], [1234.0, 2.0, 2000.0, 3, 0, False], [np.inf, 0, np.inf, 3, 1, False]]
    index = pd.MultiIndex.from_product([["d"], ["wgan", "gan", "gan-gp"]], names=["dataset", "arm"])
    html = tables.comparison(pd.DataFrame(values, index=index, columns=columns), {"d": "FD-classifier"})
    cells = [code("scores", display(text_html=html.data))]
    page = browser_page(render_html(save(cells, tmp_path / "in.ipynb"), tmp_path / "index.html", "T"))
    assert page.problems == []
    assert page.locator("tbody th").all_inner_texts() == ["GAN", "WGAN", "GAN-GP"]
    for column, ascending in (("FD ↓", ["WGAN", "GAN", "GAN-GP"]), ("arm", ["GAN", "GAN-GP", "WGAN"])):
        page.get_by_role("button", name=column, exact=True).click()
        assert page.locator("tbody th").all_inner_texts() == ascending


def test_header_rows_join_only_where_they_can(browser_page, path):
    page = browser_page(path)
    named, nested = page.locator("table.dataframe").nth(1), page.locator("table.dataframe").nth(2)
    assert named.locator("thead th").all_inner_texts() == ["arm", "coverage"]
    named.get_by_role("button", name="arm").click()
    assert named.locator("tbody th").all_inner_texts() == ["GAN", "LSGAN", "WGAN", "WGAN-GP"]
    assert nested.locator("button").count() == 0
    assert nested.locator("tbody td").all_inner_texts() == ["1", "3", "2", "4"]


def test_a_wide_table_scrolls_by_itself_and_figures_shrink(browser_page, path):
    page = browser_page(path, SIZES["phone"])
    assert page.evaluate("Math.max(...[...document.images].map((i) => i.getBoundingClientRect().right))") <= 360
    box = page.locator(".output:has(table.dataframe)").first
    assert box.evaluate("(b) => b.scrollWidth > b.clientWidth")
    box.evaluate("(b) => b.scrollTo(50, 0)")
    assert box.evaluate("(b) => b.scrollLeft") == 50


def test_figures_stand_on_white_in_the_dark(browser_page, path):
    image = browser_page(path, scheme="dark").locator("main img").first
    assert image.evaluate("(i) => getComputedStyle(i).backgroundColor") == "rgb(255, 255, 255)"


def test_print_leaves_out_navigation_and_code(browser_page, path):
    page = browser_page(path, scheme="dark")
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert page.locator("details.code:visible").count() == 0
    assert page.locator("main img").first.evaluate("(i) => getComputedStyle(i).breakInside") == "avoid"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"  # saves ink
