"""Markdown with equations: which dollars start one, and what becomes of it."""

import pytest
from bs4 import BeautifulSoup
from latex2mathml.converter import convert

from gancompare.report.markdown import render_markdown


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
    assert render_markdown(source, None, "").strip() == expected


def test_aligned_equations_become_a_table():
    for name in ("aligned", "align*"):
        text = f"\\begin{{{name}}}a &= b \\\\ c &= d\\end{{{name}}}"
        found = BeautifulSoup(
            render_markdown(f"$$\n{text}\n$$" if name == "aligned" else text, None, ""), "html.parser"
        )
        assert [row.get_text() for row in found.select("mtable mtr")] == ["a=b", "c=d"]
