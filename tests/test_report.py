"""Reports: what a reader meets in the page, from parsed HTML and in a real browser."""

import base64
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from latex2mathml.converter import convert
from matplotlib.figure import Figure
from nbformat import v4
from test_generate import make_run  # noqa: F401

from gancompare.report import page as report
from gancompare.report.page import ReportError, build_report, render_html

WIDGET = "application/vnd.jupyter.widget-view+json"
SIZES = {"desktop": (1280, 800), "phone": (360, 740)}


def picture() -> str:
    file = io.BytesIO()
    figure = Figure(figsize=(7, 3))
    figure.subplots().plot([1, 3, 2])
    figure.savefig(file, format="png", dpi=150)  # wider than a phone
    return base64.b64encode(file.getvalue()).decode()


PNG = picture()
FIGURE = (
    f'<figure><img alt="Distance by method" src="data:image/png;base64,{PNG}"/><figcaption>FD ↓</figcaption></figure>'
)
SCORES = pd.DataFrame(
    {
        "method": ["WGAN", "GAN", "WGAN-GP", "LSGAN"],
        "distance": ["9.5 ± 0.3", "1,234 ± 10", "–", "41.2 ± 3"],
        "coverage": ["71 %", "8 %", "100 %", "12 %"],
        "trained on": ["2026-01-05", "2026-01-12", "2025-11-30", "2026-01-09"],
        "a long name for one more column": [1e-3, 2.5, -4.0, float("nan")],
        "another long name of a column": ["4 [1, 9]", "−3 [−5, 1]", "−20 [−30, 2]", "0.5 [0, 1]"],
    }
)


def display(**data):
    return v4.new_output("display_data", data={key.replace("_", "/"): value for key, value in data.items()})


def stream(name, text):
    return v4.new_output("stream", name=name, text=text)


def code(source, *outputs, tags=(), **metadata):
    return v4.new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags), **metadata})


def widget(text, **more):
    return v4.new_output("display_data", data={WIDGET: {"model_id": "0"}, "text/plain": text, **more})


def save(cells, path: Path) -> Path:
    nbformat.write(v4.new_notebook(cells=cells), path)
    return path


def render(cells, folder: Path, title="A title") -> BeautifulSoup:
    page = render_html(save(cells, folder / "in.ipynb"), folder / "out" / "index.html", title)
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def full_notebook() -> list:
    by_method = SCORES.set_index("method")[["coverage"]]
    grouped = pd.DataFrame({("a", "x"): [1, 2], ("a", "y"): [3, 4]}, index=pd.MultiIndex.from_product([["d"], [1, 2]]))
    return [
        v4.new_markdown_cell("# GAN, WGAN and WGAN-GP\n\nA [paper](https://arxiv.org/abs/1701.07875) and its words."),
        code("seed = 0", tags=["parameters"]),
        code("seed = 7", tags=["injected-parameters"]),
        code(""),
        v4.new_markdown_cell(
            "## Which is *better*?\n\nLet $p_\\theta$ be generated, for \\$5, `$HOME`.\n\n"
            "$$\n\\lambda\\,\\mathbb{E}\\left[\\left(\\|\\nabla D(\\hat x)\\|_2 - 1\\right)^2\\right]"
            " + \\sum_{i=1}^{n} \\operatorname{softplus}(-D(x_i))"
            " + \\sum_{i=1}^{n} \\operatorname{softplus}(D(y_i))\n$$\n\n"
            "```python\ncost = '$a$ $$b$$'\n```\n\n| a | b |\n|---|---|\n| $x$ | 1 |\n\n" + "averyveryverylongword" * 5
        ),
        code(
            "import this_module  # a comment\n'text', 1.5, None",
            stream("stdout", "18 runs\n"),
            stream("stderr", "a warning\n"),
        ),
        v4.new_markdown_cell("### Distance $W_1$\n\nText."),
        code("plot()", display(text_html=FIGURE, text_plain="x")),
        code("plot()", display(image_png=PNG, text_plain="<Figure size 640x480>")),
        code("plot()", display(image_png=PNG), alt="Alt of the cell"),
        code("scores", display(text_html=SCORES.to_html(index=False))),
        code("by_method", display(text_html=by_method.to_html())),
        code("grouped", display(text_html=grouped.to_html())),
        code("print('long')", stream("stdout", "x" * 500 + "\n")),
        code(
            "1 / 0",
            v4.new_output("error", ename="ZeroDivisionError", evalue="by zero", traceback=["\x1b[31mline 1\x1b[0m"]),
        ),
        v4.new_markdown_cell("## What this does not show\n\nMuch.\n\n## What this does not show\n\nAgain."),
    ]


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    return render_html(save(full_notebook(), folder / "in.ipynb"), folder / "index.html", "Title < of & the page")


@pytest.fixture(scope="module")
def page(path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def test_import_needs_none_of_the_notebook_packages():
    blocked = (
        "import sys; sys.modules.update(dict.fromkeys(['papermill', 'nbconvert', 'nbformat', 'latex2mathml', 'bs4']))"
    )
    root = Path(report.__file__).parent.parent.parent
    subprocess.run([sys.executable, "-c", f"{blocked}; import gancompare.report"], check=True, cwd=root)


def test_page_is_one_file_that_fetches_nothing(page, path):
    assert [p.name for p in path.parent.iterdir() if p.suffix != ".ipynb"] == ["index.html"]
    assert not page.select("script[src], iframe, object, embed")
    assert [tag["href"] for tag in page.select("link")] == ["data:,"]
    assert all(tag["src"].startswith("data:") for tag in page.select("[src]"))
    for tag in page.select("script, style"):
        assert not re.search(r"https?:|//[a-z0-9-]+\.|@import|url\(", tag.string)
    policy = page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert page.find("a", href="https://arxiv.org/abs/1701.07875")  # a reader may still follow links


def test_head_names_language_title_and_viewport(page):
    assert page.html["lang"] == "en"
    assert page.title.string == "Title < of & the page"
    assert page.find("meta", attrs={"name": "viewport"})["content"].startswith("width=device-width")


def test_contents_link_every_h2_and_h3_in_order(page):
    headings = page.select("main h2, main h3")
    links = page.select("nav[aria-label=Contents] a")
    assert [h.get_text() for h in headings] == [a.get_text() for a in links]
    assert [h["id"] for h in headings] == [unquote(a["href"].removeprefix("#")) for a in links]
    assert headings[0]["id"] == "Which-is-better?"  # Jupyter's anchors
    ids = [tag["id"] for tag in page.find_all(id=True)]
    assert len(ids) == len(set(ids))


def test_one_h1_whatever_the_notebook_has(page, tmp_path):
    assert [h.get_text() for h in page.find_all("h1")] == ["GAN, WGAN and WGAN-GP"]
    two = render([v4.new_markdown_cell("# One\n\n# Two")], tmp_path)
    assert ([h.get_text() for h in two.find_all("h1")], [h.get_text() for h in two.find_all("h2")]) == (
        ["One"],
        ["Two"],
    )
    none = render([v4.new_markdown_cell("words")], tmp_path, title="T & t")
    assert [h.get_text() for h in none.find_all("h1")] == ["T & t"]
    assert none.nav is None  # no empty contents


def test_code_is_folded_and_outputs_are_not(page):
    folds = page.select("details.code")
    cells = [c for c in full_notebook() if c.cell_type == "code" and c.source]
    assert [f.select_one(".highlight").get_text().strip() for f in folds] == [c.source for c in cells]
    assert [f.summary.get_text() for f in folds[:3]] == ["Parameters", "Parameters of this run", "Code"]
    assert not any(f.has_attr("open") for f in folds)
    assert len(page.select("main .highlight")) == len(folds) + 1  # the Markdown's own block of code stays visible
    assert not page.select("details.code .output")
    assert len(page.select(".output")) == sum(len(c.outputs) for c in cells) - 1  # all but stderr


def test_formulas_are_mathml(page):
    formula = re.search(r"\$\$\n(.*)\n\$\$", full_notebook()[4].source)[1]
    for tex, display in ((formula, "block"), (r"p_\theta", "inline"), ("W_1", "inline")):
        expected = str(BeautifulSoup(convert(tex, display=display), "html.parser"))
        assert expected in [str(math) for math in page.main.find_all("math")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (r"costs \$5 and \$6", "<p>costs $5 and $6</p>"),
        ("costs $5 and $6", "<p>costs $5 and $6</p>"),
        ("costs $5; see `$HOME` or `$x$`", "<p>costs $5; see <code>$HOME</code> or <code>$x$</code></p>"),
        ("the `$$` marks and `$$` ends", "<p>the <code>$$</code> marks and <code>$$</code> ends</p>"),
        ("```\n$$a$$ $b$\n```", "<pre><code>$$a$$ $b$\n</code></pre>"),
        ("- list\n\n  ```\n  $$a$$\n  ```", "<ul>\n<li><p>list</p>\n<pre><code>$$a$$\n</code></pre>\n</li>\n</ul>"),
        ("    indented = '$a$'", "<pre><code>indented = '$a$'</code></pre>"),
        (r"odd $\unknowncommand < 1$.", r"<p>odd <code>\unknowncommand &lt; 1</code>.</p>"),
        (r"odd $\left( 1$.", r"<p>odd <code>\left( 1</code>.</p>"),
        ("$$a & b$$", '<p><span class="display"><code>a &amp; b</code></span></p>'),
        ("so $a_1*b_1*c$, *yes*", f"<p>so {convert('a_1*b_1*c')}, <em>yes</em></p>"),
        (
            "line\n$$\nx\n\n= y\n$$",
            f'<p>line\n<span class="display">{convert("x = y", display="block")}</span></p>',
        ),
        (r"in line $$x$$ too", f'<p>in line <span class="display">{convert("x", display="block")}</span> too</p>'),
    ],
)
def test_dollars_in_markdown(source, expected):
    assert report._markdown(source, None, "").strip() == expected


def test_aligned_equations_become_a_table():
    for name in ("aligned", "align*"):
        text = f"\\begin{{{name}}}a &= b \\\\ c &= d\\end{{{name}}}"
        found = BeautifulSoup(
            report._markdown(f"$$\n{text}\n$$" if name == "aligned" else text, None, ""), "html.parser"
        )
        assert [row.get_text() for row in found.select("mtable mtr")] == ["a=b", "c=d"]


def test_latex_outputs_become_mathml(tmp_path):
    page = render([code("x", display(text_latex=r"$\displaystyle x^2$", text_plain="x**2"))], tmp_path)
    assert page.select(".output math msup")
    assert "x**2" not in page.main.get_text()


def test_every_picture_is_described(page, tmp_path):
    assert [i["alt"] for i in page.find_all("img")] == ["Distance by method", "Figure: Distance W 1", "Alt of the cell"]
    own = v4.new_output("display_data", data={"image/png": PNG}, metadata={"image/png": {"alt": "Own", "width": 50}})
    general = v4.new_output("execute_result", data={"image/jpeg": PNG}, metadata={"alt": 'Of "all"'})
    caption = display(
        text_html=f'<figure><img src="data:image/png;base64,{PNG}"><figcaption>Its caption</figcaption></figure>'
    )
    svg = display(**{"image_svg+xml": "<svg xmlns='http://www.w3.org/2000/svg'/>"})
    images = render([v4.new_markdown_cell("## Head"), code("", own, general, caption, svg)], tmp_path).find_all("img")
    assert [i["alt"] for i in images] == ["Own", 'Of "all"', "Figure: Its caption", "Figure: Head"]
    assert images[0]["width"] == "50"
    assert base64.b64decode(images[0]["src"].partition(",")[2]) == base64.b64decode(PNG)


def test_html_outputs_pass_unchanged(path):
    assert FIGURE in path.read_text(encoding="utf-8")


def test_pictures_of_markdown_are_embedded_or_named(tmp_path):
    (tmp_path / "near.png").write_bytes(base64.b64decode(PNG))
    cell = v4.new_markdown_cell(
        "![Near](near.png) ![Far](https://example.org/a.png) ![Attached](attachment:b.png)",
        attachments={"b.png": {"image/png": PNG}},
    )
    remote = display(
        text_html='<link rel="stylesheet" href="https://example.org/a.css"><script src="//example.org/a.js"></script>'
    )
    page = render([cell, code("", remote)], tmp_path)
    assert [(i["alt"], i["src"][:15]) for i in page.find_all("img")] == [
        ("Near", "data:image/png;"),
        ("Attached", "data:image/png;"),
    ]
    assert "[picture not included: Far]" in page.main.get_text()
    assert "example.org" not in str(page)


def test_stderr_and_progress_bars_go_into_the_fold(tmp_path):
    bar = " 10%|█         | 1/10 [00:01<00:09, 1.0s/it]"
    outputs = [
        stream("stdout", "first\n"),
        stream("stderr", f"\r{bar}\r100%|██████████| 10/10 [00:10<00:00, 1.0s/it]\n"),
        stream("stdout", f"old\rsecond 12.3it/s <b>\n{bar}\n"),
    ]
    page = render([code("train()", *outputs)], tmp_path)
    assert [o.get_text().strip() for o in page.select(".output")] == ["first\nsecond 12.3it/s <b>"]
    log = page.select_one("details.code > pre").get_text()
    assert bar in log
    assert "100%" in log
    only_noise = render([code("train()", stream("stderr", "W"))], tmp_path)
    assert not only_noise.select(".output")


def test_errors_are_shown_plainly(page):
    error = page.select_one(".output .error")
    assert error.p.get_text() == "ZeroDivisionError: by zero"
    assert error.pre.get_text() == "line 1"  # without terminal colours


def test_widgets_leave_no_empty_box(tmp_path):
    alone = render([code("slider", widget("IntSlider(value=3)"))], tmp_path)
    assert [o.get_text().strip() for o in alone.select(".output")] == ["IntSlider(value=3)"]
    beside = render([code("slider", widget("IntSlider(value=3)"), stream("stdout", "result"))], tmp_path)
    assert [o.get_text().strip() for o in beside.select(".output")] == ["result"]
    richer = render([code("slider", widget("IntSlider(value=3)", **{"text/html": "<b>rich</b>"}))], tmp_path)
    assert [o.get_text().strip() for o in richer.select(".output")] == ["rich"]
    bar = render([code("for _ in tqdm(x)", widget("  0%|          | 0/10 [00:00<?, ?it/s]"))], tmp_path)
    assert not bar.select(".output")


def test_a_failed_rendering_leaves_the_old_page(tmp_path):
    output = tmp_path / "index.html"
    output.write_text("old")
    (tmp_path / "broken.ipynb").write_text("{")
    with pytest.raises(nbformat.reader.NotJSONError):
        render_html(tmp_path / "broken.ipynb", output, "T")
    with pytest.raises(FileNotFoundError):
        render_html(tmp_path / "missing.ipynb", output, "T")
    assert output.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken.ipynb", "index.html"]


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A results folder with the study `tiny`, and a stand-in for the notebook, which says what it was given."""
    (tmp_path / "results" / "tiny").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setattr("gancompare.base.notebooks.NOTEBOOKS", tmp_path / "notebooks")
    cells = [
        v4.new_markdown_cell("# Comparison"),
        code('study = ""\nresults = ""', tags=["parameters"]),
        code("print('given', study, results)"),
        code("assert study != 'sad', 'first line\\nlast line'"),
    ]
    save(cells, tmp_path / "notebooks" / "03_compare.ipynb")
    return tmp_path


def test_build_report_runs_the_notebook_and_lists_the_reports(study):
    earlier = study / "reports" / "earlier & co" / "index.html"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("<title>Costs $5 &lt; $6</title>")
    os.utime(earlier, (0, 0))
    path = build_report("tiny", study / "results", study / "reports")
    assert path == study / "reports" / "tiny" / "index.html"
    page = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
    assert f"given tiny {study / 'results'}" in page.select_one(".output").get_text()
    assert nbformat.read(study / "results" / "tiny" / "03_compare.ipynb", 4).cells[-1].execution_count
    listing = BeautifulSoup((study / "reports" / "index.html").read_text(encoding="utf-8"), "html.parser")
    links = [(unquote(a["href"]), a.get_text()) for a in listing.select(".reports a")]
    assert links == [("tiny/index.html", page.title.string), ("earlier & co/index.html", "Costs $5 < $6")]
    assert re.match(r"19(69|70)-\d\d-\d\d", listing.select("time")[1].get_text())


@pytest.mark.parametrize(("folder", "weights", "shown"), [("", True, "canvas"), ("", False, None), ("base", True, "")])
def test_build_report_brings_explorers_where_there_are_generators(study, make_run, folder, weights, shown):  # noqa: F811
    run = study / "results" / "tiny" / folder / "mnist" / "gan" / "seed0"  # with a folder more it is a sweep
    run.mkdir(parents=True)
    make_run(run, weights=weights)
    page = BeautifulSoup(build_report("tiny", study / "results", study / "reports").read_text(), "html.parser")
    assert [heading.get_text() for heading in page.select("main h2")] == ([] if shown == "" else ["Play"])
    assert len(page.select(".live canvas")) == (shown == "canvas")
    assert ("run by this page" in page.main.get_text()) == (shown == "canvas")
    assert ("has its weights here" in page.main.get_text()) == (shown is None)


def test_build_report_says_what_failed(study):
    (study / "results" / "sad").mkdir()
    with pytest.raises(ReportError, match="last line") as error:
        build_report("sad", study / "results", study / "reports")
    assert str(study / "results" / "sad") in str(error.value)
    assert (study / "results" / "sad" / "03_compare.unfinished.ipynb").exists()
    assert not (study / "reports").exists()


def test_build_report_names_the_studies_that_exist(study):
    for name in ("tinny", "..", ""):
        with pytest.raises(ReportError, match="there: tiny"):
            build_report(name, study / "results", study / "reports")
    with pytest.raises(ReportError, match="there: none"):
        build_report("tiny", study / "nowhere", study / "reports")


def test_build_report_without_notebooks_points_to_a_checkout(study):
    (study / "notebooks" / "03_compare.ipynb").unlink()
    with pytest.raises(ReportError, match="checkout"):
        build_report("tiny", study / "results", study / "reports")


# Contrast of each piece of visible text with the nearest opaque background, by the formula of WCAG 2.
LOW_CONTRAST = """() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [r, g, b] = channels(colour).slice(0, 3).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if ((channels(colour)[3] ?? 1) === 1) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const low = [];
  let seen = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    const pair = [luminance(getComputedStyle(element).color), luminance(ground(element))].sort((a, b) => b - a);
    const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
    seen += 1;
    if (contrast < 4.5) low.push(`${contrast.toFixed(2)}: ${walker.currentNode.data.trim().slice(0, 40)}`);
  }
  return { seen, low };
}"""


@pytest.mark.browser
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


@pytest.mark.browser
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


@pytest.mark.browser
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


@pytest.mark.browser
@pytest.mark.parametrize(
    ("column", "ascending"),  # missing values stay last in both directions
    [
        ("method", [1, 3, 0, 2]),
        ("distance", [0, 3, 1, 2]),
        ("coverage", [1, 3, 0, 2]),
        ("trained on", [2, 0, 3, 1]),
        ("a long name for one more column", [2, 0, 1, 3]),
        ("another long name of a column", [2, 1, 3, 0]),
    ],
)
def test_tables_sort(browser_page, path, column, ascending):
    page = browser_page(path)
    table = page.locator("table.dataframe").first
    button = table.get_by_role("button", name=column, exact=True)
    head = table.get_by_role("columnheader", name=column, exact=True)

    def order():
        return [list(SCORES.method).index(name) for name in table.locator("tbody td:first-child").all_inner_texts()]

    assert order() == [0, 1, 2, 3]
    assert head.get_attribute("aria-sort") is None
    button.click()
    assert (order(), head.get_attribute("aria-sort")) == (ascending, "ascending")
    button.press("Enter")  # the keyboard reaches it
    missing = [i for i in ascending if SCORES[column].iloc[i] in ("–",) or pd.isna(SCORES[column].iloc[i])]
    descending = [i for i in reversed(ascending) if i not in missing] + missing
    assert (order(), head.get_attribute("aria-sort")) == (descending, "descending")
    assert table.locator("[aria-sort]").count() == 1


@pytest.mark.browser
def test_header_rows_join_only_where_they_can(browser_page, path):
    page = browser_page(path)
    named, nested = page.locator("table.dataframe").nth(1), page.locator("table.dataframe").nth(2)
    assert named.locator("thead th").all_inner_texts() == ["method", "coverage"]
    named.get_by_role("button", name="method").click()
    assert named.locator("tbody th").all_inner_texts() == ["GAN", "LSGAN", "WGAN", "WGAN-GP"]
    assert nested.locator("button").count() == 0
    assert nested.locator("tbody td").all_inner_texts() == ["1", "3", "2", "4"]


@pytest.mark.browser
def test_a_wide_table_scrolls_by_itself_and_figures_shrink(browser_page, path):
    page = browser_page(path, SIZES["phone"])
    assert page.evaluate("Math.max(...[...document.images].map((i) => i.getBoundingClientRect().right))") <= 360
    box = page.locator(".output:has(table.dataframe)").first
    assert box.evaluate("(b) => b.scrollWidth > b.clientWidth")
    box.evaluate("(b) => b.scrollTo(50, 0)")
    assert box.evaluate("(b) => b.scrollLeft") == 50


@pytest.mark.browser
def test_figures_stand_on_white_in_the_dark(browser_page, path):
    image = browser_page(path, scheme="dark").locator("main img").first
    assert image.evaluate("(i) => getComputedStyle(i).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.browser
def test_print_leaves_out_navigation_and_code(browser_page, path):
    page = browser_page(path, scheme="dark")
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert page.locator("details.code:visible").count() == 0
    assert page.locator("main img").first.evaluate("(i) => getComputedStyle(i).breakInside") == "avoid"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"  # saves ink
