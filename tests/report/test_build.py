"""From results to the page: which notebook reads them, what the page holds, and what is said if it cannot be built."""

import os
import re
import shutil
from urllib.parse import unquote

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat import v4

from gancompare.report.build import ReportError, build_report
from gancompare.runs.layout import CHECKPOINT, WEIGHTS

pytestmark = pytest.mark.slow


@pytest.fixture
def add_run(trained, tmp_path):
    """(folder, weights) → the directory of a finished run in ``results/<folder>``."""

    def add(folder, weights=False):
        directory = tmp_path / "results" / folder / "squares" / "gan" / "seed0"
        left_out = () if weights else (CHECKPOINT, *WEIGHTS.values())
        source = trained.runs["directory"].iloc[0]
        return shutil.copytree(source, directory, ignore=shutil.ignore_patterns(*left_out))

    return add


@pytest.fixture
def build(tmp_path, save, code):
    """(name) → the parsed page of ``results/<name>``, by stand-ins for the notebooks that say what they were given."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name, title in (("03_compare", "A study"), ("06_sensitivity", "A sweep")):
        cells = [
            v4.new_markdown_cell(f"# {title}"),
            code('study = ""\nresults = ""', tags=["parameters"]),
            code("print('given', study, results)"),
            code("assert study != 'sad', 'first line\\nlast line'"),
        ]
        save(cells, folder / f"{name}.ipynb")

    def run(name, notebooks=folder, results=tmp_path / "results"):
        page = build_report(name, results, tmp_path / "reports", notebooks=notebooks)
        assert page == tmp_path / "reports" / name / "index.html"
        return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")

    return run


def test_it_runs_the_notebook_and_lists_the_reports(build, add_run, tmp_path):
    add_run("tiny")
    earlier = tmp_path / "reports" / "earlier & co" / "index.html"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("<title>Costs $5 &lt; $6</title>")
    os.utime(earlier, (0, 0))
    page = build("tiny")
    assert f"given tiny {tmp_path / 'results'}" in page.select_one(".output").get_text()
    assert nbformat.read(tmp_path / "results" / "tiny" / "03_compare.ipynb", 4).cells[-1].execution_count
    listing = BeautifulSoup((tmp_path / "reports" / "index.html").read_text(encoding="utf-8"), "html.parser")
    links = [(unquote(a["href"]), a.get_text()) for a in listing.select(".reports a")]
    assert links == [("tiny/index.html", page.title.string), ("earlier & co/index.html", "Costs $5 < $6")]
    assert re.match(r"19(69|70)-\d\d-\d\d", listing.select("time")[1].get_text())


@pytest.mark.parametrize(
    ("folder", "title", "notebook"),
    [("mine", "A study", "03_compare.ipynb"), ("mine/base", "A sweep", "06_sensitivity.ipynb")],
)
def test_a_study_and_a_sweep_have_notebooks_of_their_own(build, add_run, tmp_path, folder, title, notebook):
    add_run(folder)
    assert build("mine").h1.get_text() == title
    assert [path.name for path in (tmp_path / "results" / "mine").glob("*.ipynb")] == [notebook]


@pytest.mark.parametrize(("folder", "weights", "shown"), [("", True, "canvas"), ("", False, None), ("base", True, "")])
def test_explorers_are_brought_where_there_are_generators(build, add_run, folder, weights, shown):
    add_run(f"tiny/{folder}", weights)  # with a folder more it is a sweep
    page = build("tiny")
    assert [heading.get_text() for heading in page.select("main h2")] == ([] if shown == "" else ["Play"])
    assert len(page.select(".live canvas")) == (shown == "canvas")
    assert ("moved by sliders" in page.main.get_text()) == (shown == "canvas")
    assert ("has its weights here" in page.main.get_text()) == (shown is None)


def test_what_failed_is_said(build, add_run, tmp_path):
    add_run("sad")
    with pytest.raises(ReportError, match="last line") as error:
        build("sad")
    assert str(tmp_path / "results" / "sad") in str(error.value)
    assert (tmp_path / "results" / "sad" / "03_compare.unfinished.ipynb").exists()
    assert not (tmp_path / "reports").exists()


def test_a_folder_that_is_neither_is_refused_and_those_that_are_something_are_listed(build, add_run, tmp_path):
    add_run("tiny")
    add_run("swept/base")
    (tmp_path / "results" / "speed").mkdir()
    (tmp_path / "results" / "speed" / "step.csv").touch()
    (tmp_path / "results" / ".hidden").mkdir()
    for name in ("speed", "tinny", "..", "", "*"):
        with pytest.raises(ReportError, match=r"there: swept \(sweep\), tiny \(study\)$"):
            build(name)
    with pytest.raises(ReportError, match="there: none"):
        build("tiny", results=tmp_path / "nowhere")
    assert not (tmp_path / "reports").exists()


def test_without_notebooks_the_message_points_to_a_checkout(build, add_run, tmp_path):
    add_run("tiny")
    with pytest.raises(ReportError, match="checkout"):
        build("tiny", notebooks=tmp_path / "nowhere")
