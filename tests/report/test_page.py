"""What a reader meets in the page, from parsed HTML."""

import base64
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from bs4 import BeautifulSoup
from latex2mathml.converter import convert
from nbformat import v4

import gancompare
from gancompare.report.page import render_html

WIDGET = "application/vnd.jupyter.widget-view+json"


def widget(text, **more):
    return v4.new_output("display_data", data={WIDGET: {"model_id": "0"}, "text/plain": text, **more})


def test_import_needs_none_of_the_notebook_packages():
    blocked = (
        "import sys; sys.modules.update(dict.fromkeys(['papermill', 'nbconvert', 'nbformat', 'latex2mathml', 'bs4']))"
    )
    root = Path(gancompare.__file__).parent.parent
    subprocess.run([sys.executable, "-c", f"{blocked}; import gancompare.report.build"], check=True, cwd=root)


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


def test_one_h1_whatever_the_notebook_has(page, tmp_path, render):
    assert [h.get_text() for h in page.find_all("h1")] == ["GAN, WGAN and WGAN-GP"]
    two = render([v4.new_markdown_cell("# One\n\n# Two")], tmp_path)
    assert ([h.get_text() for h in two.find_all("h1")], [h.get_text() for h in two.find_all("h2")]) == (
        ["One"],
        ["Two"],
    )
    none = render([v4.new_markdown_cell("words")], tmp_path, title="T & t")
    assert [h.get_text() for h in none.find_all("h1")] == ["T & t"]
    assert none.nav is None  # no empty contents


def test_code_is_folded_and_outputs_are_not(page, full_notebook):
    folds = page.select("details.code")
    cells = [c for c in full_notebook() if c.cell_type == "code" and c.source]
    assert [f.select_one(".highlight").get_text().strip() for f in folds] == [c.source for c in cells]
    assert [f.summary.get_text() for f in folds[:3]] == ["Parameters", "Parameters of this run", "Code"]
    assert not any(f.has_attr("open") for f in folds)
    assert len(page.select("main .highlight")) == len(folds) + 1  # the Markdown's own block of code stays visible
    assert not page.select("details.code .output")
    assert len(page.select(".output")) == sum(len(c.outputs) for c in cells) - 1  # all but stderr


def test_formulas_are_mathml(page, full_notebook):
    formula = re.search(r"\$\$\n(.*)\n\$\$", full_notebook()[4].source)[1]
    for tex, display in ((formula, "block"), (r"p_\theta", "inline"), ("W_1", "inline")):
        expected = str(BeautifulSoup(convert(tex, display=display), "html.parser"))
        assert expected in [str(math) for math in page.main.find_all("math")]


def test_latex_outputs_become_mathml(tmp_path, code, display, render):
    page = render([code("x", display(text_latex=r"$\displaystyle x^2$", text_plain="x**2"))], tmp_path)
    assert page.select(".output math msup")
    assert "x**2" not in page.main.get_text()


def test_every_header_cell_says_what_it_heads(page):
    assert {cell["scope"] for cell in page.select("thead th")} == {"col"}
    assert {cell["scope"] for cell in page.select("tbody th")} == {"row"}


def test_every_picture_is_described(page, tmp_path, code, display, render, png):
    assert [i["alt"] for i in page.find_all("img")] == ["Distance by method", "Figure: Distance W 1", "Alt of the cell"]
    own = v4.new_output("display_data", data={"image/png": png}, metadata={"image/png": {"alt": "Own", "width": 50}})
    general = v4.new_output("execute_result", data={"image/jpeg": png}, metadata={"alt": 'Of "all"'})
    caption = display(
        text_html=f'<figure><img src="data:image/png;base64,{png}"><figcaption>Its caption</figcaption></figure>'
    )
    svg = display(**{"image_svg+xml": "<svg xmlns='http://www.w3.org/2000/svg'/>"})
    images = render([v4.new_markdown_cell("## Head"), code("", own, general, caption, svg)], tmp_path).find_all("img")
    assert [i["alt"] for i in images] == ["Own", 'Of "all"', "Figure: Its caption", "Figure: Head"]
    assert images[0]["width"] == "50"
    assert base64.b64decode(images[0]["src"].partition(",")[2]) == base64.b64decode(png)


def test_html_outputs_pass_unchanged(path, figure_of_html):
    assert figure_of_html in path.read_text(encoding="utf-8")


def test_pictures_of_markdown_are_embedded_or_named(tmp_path, code, display, render, png):
    (tmp_path / "near.png").write_bytes(base64.b64decode(png))
    cell = v4.new_markdown_cell(
        "![Near](near.png) ![Far](https://example.org/a.png) ![Attached](attachment:b.png)",
        attachments={"b.png": {"image/png": png}},
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


def test_stderr_and_progress_bars_go_into_the_fold(tmp_path, code, stream, render):
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


def test_widgets_leave_no_empty_box(tmp_path, code, stream, render):
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
