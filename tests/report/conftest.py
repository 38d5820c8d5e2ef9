"""What several tests of the report need: two trained runs, tables by hand, and readers of a drawn figure."""

import base64
import io

import nbformat
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from matplotlib.figure import Figure
from nbformat import v4

from gancompare.config import RunConfig
from gancompare.report.page import render_html
from gancompare.runs import layout
from gancompare.runs.reading import read_study
from gancompare.train import train


@pytest.fixture(scope="session")
def trained(tmp_path_factory, image_folder):
    """The tables of a study of two short runs, gan and wgan."""
    results = tmp_path_factory.mktemp("results")
    for method in ("gan", "wgan"):
        config = RunConfig(dataset=str(image_folder), method=method, profile="smoke", image_size=28, extractor="none")
        list(train(config, layout.run_directory(results, "s", config)))
    return read_study(results, "s")


# ---- tables by hand --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def history():
    """(method, seed, fd) → a run that is scored every 10 steps and makes 2 images and 0.5 s (and a bit) a step."""

    def make(method, seed, fd, dataset="d"):
        steps = 5 * np.arange(1, 2 * len(fd) + 1)
        values = np.full(2 * len(fd), np.nan)
        values[1::2] = fd
        row = {"dataset": dataset, "arm": method, "seed": seed, "generator_steps": steps}
        row |= {"images_seen": 2000 * steps}
        return pd.DataFrame(row | {"seconds": (0.5 + 0.1 * seed) * steps, "fd": values})

    return make


@pytest.fixture(scope="session")
def scored():
    """(**columns) → final scores of runs, a row each: the columns given, and the plainest of all others."""

    def make(**columns):
        n = len(next(iter(columns.values())))
        plain = {"dataset": "d", "arm": "gan", "seed": range(n), "status": "complete", "checkpoint": "last"}
        plain |= {"extractor": "classifier", "primary": True, "label": "FD-classifier", "seconds": 10.0}
        return pd.DataFrame(plain | {"fd": 2.0, "floor": 0.1, "variance": 50.0} | columns)

    return make


# ---- readers of a figure ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def drawn():
    """(axis, label) → x and y of the line with that label."""

    def read(axis, label):
        (line,) = [line for line in axis.lines if line.get_label() == label]
        return np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)

    return read


@pytest.fixture(scope="session")
def thin():
    """(axis) → the lines of single seeds."""
    return lambda axis: [line for line in axis.lines if line.get_linewidth() < 1 and len(line.get_xdata())]


@pytest.fixture(scope="session")
def band():
    """(axis, x) → lowest and highest point of the axis' first filled area at ``x``."""

    def read(axis, x):
        corners = axis.collections[0].get_paths()[0].vertices
        ends = corners[np.isclose(corners[:, 0], x), 1]
        return [ends.min(), ends.max()]

    return read


@pytest.fixture(scope="session")
def legend():
    """(figure) → the names in its legend."""
    return lambda figure: [text.get_text() for text in figure.legends[0].get_texts()]


# ---- notebooks and pages ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def png():
    """A picture wider than a phone, as a notebook holds it."""
    file = io.BytesIO()
    figure = Figure(figsize=(7, 3))
    figure.subplots().plot([1, 3, 2])
    figure.savefig(file, format="png", dpi=150)
    return base64.b64encode(file.getvalue()).decode()


@pytest.fixture(scope="session")
def figure_of_html(png):
    return (
        f'<figure><img alt="Distance by method" src="data:image/png;base64,{png}"/>'
        "<figcaption>FD ↓</figcaption></figure>"
    )


@pytest.fixture(scope="session")
def score_table():
    """A table with a column of every kind that the page sorts."""
    return pd.DataFrame(
        {
            "arm": ["WGAN", "GAN", "WGAN-GP", "LSGAN"],
            "distance": ["9.5 ± 0.3", "1,234 ± 10", "–", "41.2 ± 3"],
            "coverage": ["71 %", "8 %", "100 %", "12 %"],
            "trained on": ["2026-01-05", "2026-01-12", "2025-11-30", "2026-01-09"],
            "a long name for one more column": [1e-3, 2.5, -4.0, float("nan")],
            "another long name of a column": ["4 [1, 9]", "−3 [−5, 1]", "−20 [−30, 2]", "0.5 [0, 1]"],
        }
    )


@pytest.fixture(scope="session")
def display():
    """(text_html=…, image_png=…) → an output of a cell."""
    return lambda **data: v4.new_output(
        "display_data", data={key.replace("_", "/"): value for key, value in data.items()}
    )


@pytest.fixture(scope="session")
def stream():
    return lambda name, text: v4.new_output("stream", name=name, text=text)


@pytest.fixture(scope="session")
def code():
    """(source, *outputs, tags, **metadata) → a code cell."""

    def make(source, *outputs, tags=(), **metadata):
        return v4.new_code_cell(source, outputs=list(outputs), metadata={"tags": list(tags), **metadata})

    return make


@pytest.fixture(scope="session")
def save():
    """(cells, path) → the path of a notebook with these cells."""

    def write(cells, path):
        nbformat.write(v4.new_notebook(cells=cells), path)
        return path

    return write


@pytest.fixture
def render(save):
    """(cells, folder, title) → the parsed page of a notebook with these cells."""

    def make(cells, folder, title="A title"):
        page = render_html(save(cells, folder / "in.ipynb"), folder / "out" / "index.html", title)
        return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")

    return make


@pytest.fixture(scope="session")
def full_notebook(code, display, stream, png, figure_of_html, score_table):
    """A function () → cells of every kind that a report holds."""

    def make():
        by_method = score_table.set_index("arm")[["coverage"]]
        index = pd.MultiIndex.from_product([["d"], [1, 2]])
        grouped = pd.DataFrame({("a", "x"): [1, 2], ("a", "y"): [3, 4]}, index=index)
        return [
            v4.new_markdown_cell(
                "# GAN, WGAN and WGAN-GP\n\nA [paper](https://arxiv.org/abs/1701.07875) and its words."
            ),
            code("seed = 0", tags=["parameters"]),
            code("seed = 7", tags=["injected-parameters"]),
            code(""),
            v4.new_markdown_cell(
                "## Which is *better*?\n\nLet $p_\\theta$ be generated, for \\$5, `$HOME`.\n\n"
                "$$\n\\lambda\\,\\mathbb{E}\\left[\\left(\\|\\nabla D(\\hat x)\\|_2 - 1\\right)^2\\right]"
                " + \\sum_{i=1}^{n} \\operatorname{softplus}(-D(x_i))"
                " + \\sum_{i=1}^{n} \\operatorname{softplus}(D(y_i))\n$$\n\n"
                "```python\ncost = '$a$ $$b$$'\n```\n\n| a | b |\n|---|---|\n| $x$ | 1 |\n\n"
                + "averyveryverylongword"
                * 5
            ),
            code(
                "import this_module  # a comment\n'text', 1.5, None",
                stream("stdout", "18 runs\n"),
                stream("stderr", "a warning\n"),
            ),
            v4.new_markdown_cell("### Distance $W_1$\n\nText."),
            code("plot()", display(text_html=figure_of_html, text_plain="x")),
            code("plot()", display(image_png=png, text_plain="<Figure size 640x480>")),
            code("plot()", display(image_png=png), alt="Alt of the cell"),
            code("scores", display(text_html=score_table.to_html(index=False))),
            code("by_method", display(text_html=by_method.to_html())),
            code("grouped", display(text_html=grouped.to_html())),
            code("print('long')", stream("stdout", "x" * 500 + "\n")),
            code(
                "1 / 0",
                v4.new_output(
                    "error", ename="ZeroDivisionError", evalue="by zero", traceback=["\x1b[31mline 1\x1b[0m"]
                ),
            ),
            v4.new_markdown_cell("## What this does not show\n\nMuch.\n\n## What this does not show\n\nAgain."),
        ]

    return make


@pytest.fixture(scope="session")
def path(tmp_path_factory, save, full_notebook):
    """The page of ``full_notebook``."""
    folder = tmp_path_factory.mktemp("report")
    return render_html(save(full_notebook(), folder / "in.ipynb"), folder / "index.html", "Title < of & the page")


@pytest.fixture(scope="session")
def page(path):
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
