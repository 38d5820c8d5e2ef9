"""The results of a study or a sweep → their page: execute the notebook that reads them, render it, list all pages."""

import contextlib
import datetime
import html
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from gancompare.base.errors import UserError
from gancompare.base.notebooks import NotebookError, execute_notebook
from gancompare.report.page import page_html, render_html, write_page
from gancompare.runs.layout import RunError, run_directories
from gancompare.runs.sweeps import cells_of

PLAY = """## Play

For each data set, the generators of one training seed, moved by sliders. Directions are the principal components of a
generator's first activations, mapped back to latents; along each of them, latents have a standard deviation of 1.
Coordinates are single entries of a latent, numbered from 0. The page draws latents by itself: its seed 0 gives other
latents than seed 0 in notebook 04."""

LISTED = Markup('<li><a href="{href}/index.html">{title}</a> <time>{written}</time></li>')


class ReportError(UserError, RuntimeError):
    """A report could not be built; the message says why and what to do."""


class Kind(NamedTuple):
    """What a folder of results can be, and which notebook reads it."""

    name: str
    runs: Callable[[Path, str], Sequence]  # (results, name) → what is in it of this kind; empty if it is another
    notebook: str


KINDS = (
    Kind("study", run_directories, "03_compare.ipynb"),
    Kind("sweep", cells_of, "06_sensitivity.ipynb"),
)


def build_report(name: str, results: Path, reports: Path, *, notebooks: Path | None = None) -> Path:
    """Execute the notebook for ``results/<name>``, write ``reports/<name>/index.html`` and return its path.

    The executed notebook stays in ``results/<name>``; ``reports/index.html``, the list of all reports, is rewritten.
    ``notebooks`` is the folder of the notebooks (default: the checkout's). Raises ReportError if ``name`` is neither a
    study nor a sweep, or if the notebook is missing or fails.
    """
    results, reports = Path(results), Path(reports)
    folders = sorted(path.name for path in results.iterdir() if path.is_dir()) if results.is_dir() else []
    kind = _kind(results, name) if name in folders else None
    if kind is None:
        known = [f"{folder} ({other.name})" for folder in folders if (other := _kind(results, folder))]
        raise ReportError(f"no study or sweep {name!r} in {results}; there: {', '.join(known) or 'none'}")
    executed, shown = results / name / kind.notebook, results.resolve()
    if shown.is_relative_to(Path.cwd()):  # the page shows it, and need not say where on this machine it was made
        shown = shown.relative_to(Path.cwd())
    try:
        execute_notebook(kind.notebook, executed, {"study": name, "results": str(shown)}, folder=notebooks)
    except NotebookError as error:
        raise ReportError(f"{kind.notebook} failed: {error} (as far as it got: {executed.parent})") from error
    from gancompare.explore import page as live  # imports matplotlib, which every other command would wait for

    play, title = live.sections(results, name), f"{name} – GAN, WGAN and WGAN-GP compared"
    output = reports / name / "index.html"
    page = render_html(executed, output, title, edit=lambda notebook: _insert(notebook, play) if play else None)
    write_page(reports / "index.html", _list_of_reports(reports))
    return page


def _kind(results: Path, name: str) -> Kind | None:
    """What ``results/<name>`` is, by where its runs lie; None if it has none, or a name that no study can have."""
    with contextlib.suppress(RunError):
        return next((kind for kind in KINDS if kind.runs(results, name)), None)
    return None


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
    for page in sorted(reports.glob("*/index.html"), key=lambda path: path.stat().st_mtime, reverse=True):
        with page.open(encoding="utf-8") as file:
            title = re.search(r"<title>(.*?)</title>", file.read(4096), re.DOTALL)  # it stands at the top
        written = datetime.datetime.fromtimestamp(page.stat().st_mtime).strftime("%Y-%m-%d %H:%M")
        words = html.unescape(title[1]).strip() if title else page.parent.name
        rows.append(LISTED.format(href=quote(page.parent.name), title=words, written=written))
    listing = Markup('<ul class="reports">{}</ul>').format(Markup("").join(rows))
    output = v4.new_output("display_data", data={"text/html": str(listing)})
    return page_html(v4.new_notebook(cells=[v4.new_code_cell(outputs=[output])]), "Reports", reports)
