"""An executed notebook → one offline HTML page.

Styles, script, pictures and equations (MathML) are inside the file; its content security policy forbids all else.
nbconvert fills `template/`; what a template cannot do (equations, contents, alt text) happens here.
"""

import copy
import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gancompare.base.files import write_atomically

PROGRESS = re.compile(r"\d+%\|.*\[|\d+it \[\d")  # what tqdm writes, with and without a total
NEEDS_A_KERNEL = ("application/vnd.jupyter.widget-view+json", "application/javascript", "text/vnd.mermaid")


def render_html(notebook: Path, output: Path, title: str, *, edit: Callable[[Any], None] = lambda _: None) -> Path:
    """Write an executed notebook as one self-contained HTML file and return `output`.

    The file is replaced whole or not at all. `title` names the page; it is also the heading if the notebook has none.
    `edit` may change the notebook, as nbformat reads it, before it is rendered.
    Raises FileNotFoundError without the notebook and nbformat's `NotJSONError` if the file is not a notebook.
    """
    import nbformat

    read = nbformat.read(notebook, as_version=4)
    edit(read)
    return _write(Path(output), _page(read, title, Path(notebook).parent))


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode(), durable=False)
    return path


def _page(notebook, title: str, folder: Path) -> str:
    """The whole page as text; `folder` is where pictures named in Markdown cells lie."""
    from bs4 import BeautifulSoup
    from nbconvert import HTMLExporter

    for cell in notebook.cells:
        if cell.cell_type == "code":
            _tidy_outputs(cell)
    exporter = HTMLExporter(template_name="template", extra_template_basedirs=[str(Path(__file__).parent)])
    exporter.register_filter("markdown", lambda source, cell: _markdown(source, cell.get("attachments"), str(folder)))
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title}})
    soup = BeautifulSoup(page, "html.parser")
    _outline(soup, title)
    _keep_inside(soup)
    return str(soup)


def _tidy_outputs(cell) -> None:
    """Merge the printed text, keep stderr and progress bars for the fold (`cell.metadata.log`), drop dead widgets."""
    from nbconvert.preprocessors import CoalesceStreamsPreprocessor

    cell.outputs.sort(key=lambda output: output.get("name") == "stderr")  # so that all stdout is one block
    CoalesceStreamsPreprocessor().preprocess_cell(cell, {}, 0)
    cell.metadata.log, shown, stand_ins = "", [], []
    for output in cell.outputs:
        data = output.get("data", {})
        dead = [data.pop(kind, None) for kind in NEEDS_A_KERNEL if kind in data]
        stream = output if output.output_type == "stream" else {}
        text = stream.get("text") or (data.get("text/plain", "") if dead else "")
        log = [line for line in text.splitlines(True) if stream.get("name") == "stderr" or PROGRESS.search(line)]
        rest = "".join(line for line in text.splitlines(True) if line not in log)
        cell.metadata.log += "".join(log)
        if stream:
            stream.text = rest
        if rest.strip() or data.keys() - {"text/plain"} or not (stream or dead):
            (stand_ins if dead and data.keys() == {"text/plain"} else shown).append(output)
    cell.outputs = shown or stand_ins  # the text of a widget only where there is nothing better


def _markdown(source: str, attachments: dict | None, folder: str) -> str:
    """Markdown → HTML as nbconvert does it, except that formulas become MathML.

    nbconvert takes the dollars of `$5 and $6`, and some in code, for formulas. As in pandoc, an inline formula here
    neither starts nor ends with a space, has no digit after it, and contains no code.
    """
    from nbconvert.filters import markdown_mistune as nb

    class Inline(nb.MathInlineParser):
        formula = r"(?<![$\\])\$(?P<math_inline_tex>(?![\s$])(?:\\.|(?!\n\s*\n)[^$`\\])+(?<!\s))\$(?![\d$])"
        SPECIFICATION = nb.MathInlineParser.SPECIFICATION | {"inline_math_tex": formula}

    class Block(nb.MathBlockParser):  # only at the start of a line: not inside a code span
        formula = r"^ {0,3}(?s:\$\$.+?\$\$|\\begin\{(?P<math_env_name>[a-z]+\*?)\}.*?\\end\{(?P=math_env_name)\})"
        SPECIFICATION = nb.MathBlockParser.SPECIFICATION | {"multiline_math": formula}

    class Renderer(nb.IPythonRenderer):
        def inline_math(self, body):
            return _mathml(body, "inline")

        def block_math(self, body):
            return f'<span class="display">{_mathml(body, "block")}</span>'

        def latex_environment(self, name, body):
            return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")

    options = {"attachments": attachments, "embed_images": True, "path": folder, "exclude_anchor_links": True}
    return nb.MarkdownWithMath(Renderer(escape=False, **options), Block(), Inline()).render(source)


def _mathml(tex: str, display: str) -> str:
    """A formula as MathML, or as readable source if latex2mathml cannot convert it."""
    from latex2mathml.converter import convert

    try:  # latex2mathml knows align*, not aligned
        mathml = convert(tex.strip().replace("{aligned}", "{align*}"), display=display)
    except Exception:  # IndexError and others besides its own errors: one formula must not cost the whole report
        mathml = "\\"
    # commands and alignments that it does not know come back as they were
    return f"<code>{html.escape(tex.strip())}</code>" if "\\" in mathml or "<mi>&</mi>" in mathml else mathml


def _outline(soup, title: str) -> None:
    """Leave one h1, give the h2 and h3 of the text an id, and list them in the contents."""
    if not soup.main.h1:
        soup.main.insert(0, soup.new_tag("h1", string=title))
    for heading in soup.main.find_all("h1")[1:]:
        heading.name = "h2"
    taken = {tag["id"] for tag in soup.find_all(id=True)}
    for heading in soup.main.select(".text h2, .text h3"):
        anchor = re.sub(r"\s", "-", heading.get_text().strip())  # as in Jupyter: links within the notebook keep working
        while anchor in taken:
            anchor += "-2"
        taken.add(anchor)
        heading["id"] = anchor
        link = copy.copy(heading)
        link.name, link.attrs = "a", {"href": f"#{quote(anchor)}"}
        for inner in link.find_all("a"):
            inner.unwrap()
        soup.nav.ul.append(link)
        link.wrap(soup.new_tag("li", attrs={"class": heading.name}))
    if not soup.nav.ul.contents:
        soup.nav.decompose()


def _keep_inside(soup) -> None:
    """Remove what would be fetched from elsewhere, and describe every picture that has no alt text."""
    for tag in soup.main.find_all(["link", "base", "iframe", "object", "embed"]):
        tag.decompose()
    for tag in soup.main.select("[src]"):
        picture, alt = tag.name == "img", tag.get("alt", "").strip()
        if not tag["src"].startswith("data:"):
            tag.replace_with(f"[picture not included: {alt or tag['src']}]" if picture else "")
        elif picture and (not alt or alt.startswith("No description has been provided")):  # the latter is nbconvert's
            figure = tag.find_parent("figure")
            source = (figure and figure.figcaption) or tag.find_previous(["h1", "h2", "h3", "h4"])
            tag["alt"] = f"Figure: {source.get_text(' ', strip=True)}"
