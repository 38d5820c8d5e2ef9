"""A study's or a sweep's results → its page: execute the notebook that reads them, render it, list all pages."""

import datetime
import html
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from gancompare.base.errors import UserError
from gancompare.base.notebooks import NotebookError, execute_notebook
from gancompare.report.page import _page, _write, render_html
from gancompare.runs.layout import run_directories

PLAY = """## Play

Generators of one training seed for each data set, moved by sliders. Directions are the principal components of a
generator's first activations, led back to latents; along each, latents have a standard deviation of 1. Coordinates are
single entries of a latent, numbered from 0. Seeds of latents are the page's own: its seed 0 gives other latents than
seed 0 in notebook 04."""


class ReportError(UserError, RuntimeError):
    """A report could not be built; the message says why and what to do."""


def build_report(study: str, results: Path, reports: Path, notebook: str | None = None) -> Path:
    """Run `notebook` on `results/<study>`, write `reports/<study>/index.html` and return its path.

    The executed notebook stays in `results/<study>`; `reports/index.html`, the list of all reports, is rewritten.
    Raises ReportError if the study or the notebook does not exist, or if the notebook fails.
    """
    results, reports = Path(results), Path(reports)
    studies = sorted(p.name for p in results.iterdir() if p.is_dir()) if results.is_dir() else []
    if study not in studies:
        raise ReportError(f"no study {study!r} in {results}; there: {', '.join(studies) or 'none'}")
    notebook = notebook or ("03_compare.ipynb" if run_directories(results, study) else "06_sensitivity.ipynb")
    executed, shown = results / study / notebook, results.resolve()
    if shown.is_relative_to(Path.cwd()):  # the page shows it, and need not tell where on this machine it was made
        shown = shown.relative_to(Path.cwd())
    try:
        execute_notebook(notebook, executed, {"study": study, "results": str(shown)})
    except NotebookError as error:
        raise ReportError(f"{notebook} failed: {error} (as far as it got: {executed.parent})") from error
    from gancompare.explore import page as live  # brings matplotlib, which every other command would wait for

    play, title = live.sections(results, study), f"{study} – GAN, WGAN and WGAN-GP compared"
    page = render_html(
        executed, reports / study / "index.html", title, edit=lambda read: _insert(read, play) if play else None
    )
    _write(reports / "index.html", _list_of_reports(reports))
    return page


def _insert(notebook, play: Sequence[tuple[str, str]]) -> None:
    """Put the section before "What this does not show", or at the end of a notebook without it."""
    from nbformat import v4

    playable = any(heading for heading, _ in play)
    cells = [v4.new_markdown_cell(PLAY if playable else PLAY.splitlines()[0])]
    for heading, content in play:
        cells += [v4.new_markdown_cell(f"### Play with {heading}")] if heading else []
        cells += [v4.new_code_cell(outputs=[v4.new_output("display_data", data={"text/html": content})])]
    last = "## What this does not show"
    at = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "markdown" and cell.source.startswith(last)]
    where = at[-1] if at else len(notebook.cells)
    notebook.cells[where:where] = cells


def _list_of_reports(reports: Path) -> str:
    """The page that links every report, newest first: itself a tiny notebook, so that it looks like the reports."""
    from nbformat import v4

    rows = []
    for page in sorted(reports.glob("*/index.html"), key=lambda p: p.stat().st_mtime, reverse=True):
        with page.open(encoding="utf-8") as file:
            found = re.search(r"<title>(.*?)</title>", file.read(4096), re.DOTALL)  # it stands at the top
        title = html.unescape(found[1]).strip() if found else page.parent.name
        written = datetime.datetime.fromtimestamp(page.stat().st_mtime).strftime("%Y-%m-%d %H:%M")
        link = f'<a href="{quote(page.parent.name)}/index.html">{html.escape(title)}</a>'
        rows.append(f"<li>{link} <time>{written}</time></li>")
    listing = v4.new_output("display_data", data={"text/html": f'<ul class="reports">{"".join(rows)}</ul>'})
    return _page(v4.new_notebook(cells=[v4.new_code_cell(outputs=[listing])]), "Reports", reports)
