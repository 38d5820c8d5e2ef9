"""An executed notebook → one offline HTML page.

Styles, script, pictures and equations (MathML) are inside the file; its content security policy forbids all else.
nbconvert fills ``template/``. What a template cannot do happens here: contents, alt texts, headers of tables.
"""

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gancompare.base.files import write_atomically
from gancompare.report.markdown import render_markdown

PROGRESS = re.compile(r"\d+%\|.*\[|\d+it \[\d")  # what tqdm writes, with and without a total
NEEDS_A_KERNEL = ("application/vnd.jupyter.widget-view+json", "application/javascript", "text/vnd.mermaid")


def render_html(notebook: Path, output: Path, title: str, *, edit: Callable[[Any], None] = lambda _: None) -> Path:
    """Write an executed notebook as one self-contained HTML file and return ``output``.

    The file is replaced whole or not at all. ``title`` names the page; it is also the heading if the notebook has none.
    ``edit`` may change the notebook, as nbformat reads it, before it is rendered.
    Raises FileNotFoundError without the notebook and nbformat's NotJSONError if the file is not a notebook.
    """
    import nbformat

    read = nbformat.read(notebook, as_version=4)
    edit(read)
    return write_page(Path(output), page_html(read, title, Path(notebook).parent))


def write_page(path: Path, text: str) -> Path:
    """Replace the file ``path`` by ``text``, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode(), durable=False)
    return path


def page_html(notebook, title: str, folder: Path) -> str:
    """The whole page as text; pictures that Markdown cells name are looked up in ``folder``."""
    from bs4 import BeautifulSoup
    from nbconvert import HTMLExporter

    for cell in notebook.cells:
        if cell.cell_type == "code":
            _tidy_outputs(cell)
    exporter = HTMLExporter(template_name="template", extra_template_basedirs=[str(Path(__file__).parent)])
    exporter.register_filter(
        "markdown", lambda source, cell: render_markdown(source, cell.get("attachments"), str(folder))
    )
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title}})
    soup = BeautifulSoup(page, "html.parser")
    _outline(soup, title)
    _keep_inside(soup)
    _scope_headers(soup)
    return str(soup)


def _tidy_outputs(cell) -> None:
    """Merge what was printed, move stderr and progress bars to the fold (``cell.metadata.log``), drop dead widgets."""
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
    cell.outputs = shown or stand_ins  # the text of a widget only if there is nothing better


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


def _scope_headers(soup) -> None:
    """Say of every header cell whether it heads a column or a row; pandas and Markdown leave it open."""
    for cell in soup.main.select("th:not([scope])"):
        cell["scope"] = "col" if cell.find_parent("thead") else "row"
