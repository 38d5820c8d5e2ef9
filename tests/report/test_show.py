"""Figures as they are embedded in a page."""

import base64
import io
import re

import pytest
from matplotlib.figure import Figure
from PIL import Image

from gancompare.report.show import figure_html, folded_code


@pytest.mark.parametrize(
    ("figure", "photo", "kind"),
    [(Figure(), False, "png"), (Figure(), True, "jpeg"), (Image.new("RGB", (9, 7), "red"), False, "jpeg")],
)
def test_figure_html_holds_the_picture_its_caption_and_its_alt_text(figure, photo, kind):
    page = figure_html(figure, 'caption <b> & "quotes"', alt='words "in" quotes', photo=photo)
    found = re.search(r'<img src="data:image/(\w+);base64,([^"]+)" alt="([^"]*)"', page)
    assert found[1] == kind
    assert Image.open(io.BytesIO(base64.b64decode(found[2]))).format.lower() == kind
    assert found[3] == "words &#34;in&#34; quotes"
    assert "caption &lt;b&gt; &amp;" in page
    assert 'alt="caption' in figure_html(figure, "caption")


def test_what_was_not_measured_is_said_in_words():
    page = figure_html(None, "a caption", alt="FD <by> method")
    assert "Not measured in these runs: FD &lt;by&gt; method" in page
    assert "<figure>" not in page
    assert "Not measured in these runs: a caption" in figure_html(None, "a caption")


def test_folded_code_keeps_its_lines_and_is_escaped():
    page = folded_code("a & b", 'if a < b:\n\n    print("x")')
    assert page.startswith("<details><summary>a &amp; b</summary>")
    assert "<pre><code>if a &lt; b:\n\n    print(" in page
    assert page.endswith("</code></pre></details>")
