"""Notebooks are executed as users do, by papermill with tiny parameters, and their sources are held to a form."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest

import gancompare
from gancompare import train
from gancompare.config import FIELDS, RunConfig
from gancompare.runs import layout, record, weights
from gancompare.study import sweep
from gancompare.study.run import execute as execute_run

NOTEBOOKS = sorted((Path(gancompare.__file__).parent.parent / "notebooks").glob("*.ipynb"))
WHERE = {"study", "results", "objectives", "run"}  # parameters that say where things are, not what a run is
TOY = {"methods", "toys", "seeds", "critic_steps", "width", "deep_steps"}
OTHER = {"01_objectives": TOY}
SECTIONS = ["Question", "Setup", "Method", "Result", "What this shows", "What this does not show", "To try"]
OPTIONAL = {"Method", "What this shows", "To try"}  # in notebooks other than these two
WHOLE = {"01_objectives", "02_train"}


def code(notebook):
    return [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]


def parameters(notebook):
    (cell,) = [cell for cell in code(notebook) if "parameters" in cell.metadata.get("tags", [])]
    return {statement.targets[0].id: ast.literal_eval(statement.value) for statement in ast.parse(cell.source).body}


def execute(notebook, output, **values):
    return papermill.execute_notebook(notebook, output, values, kernel_name="python3", progress_bar=False)


def execute_cells(notebook, **values):
    """The global names that a notebook's code leaves, run here with ``values`` in place of its parameters."""
    names = {}
    for cell in code(notebook):
        exec(compile(cell.source, str(notebook), "exec"), names)
        names |= values if "parameters" in cell.metadata.get("tags", []) else {}
    return names


def text(executed):
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    return "\n".join(str(output.get("text") or output.get("data")) for output in outputs)


def test_the_notebooks_are_there():
    assert {path.stem for path in NOTEBOOKS} >= {"01_objectives", "02_train", "03_compare"}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
class TestForm:
    def test_sources_hold_no_outputs(self, notebook):
        subprocess.run([sys.executable, "-m", "nbstripout", "--verify", str(notebook)], check=True)

    def test_one_parameters_cell_of_literals_that_are_fields(self, notebook):
        names = set(parameters(notebook))  # literal_eval raises on anything but literals
        assert names <= set(FIELDS) | WHERE | OTHER.get(notebook.stem, set())

    def test_code_is_short_and_defines_nothing(self, notebook):
        sources = [cell.source for cell in code(notebook)]
        lines = [[line for line in source.splitlines() if line.strip()] for source in sources]
        assert max(map(len, lines)) <= 12
        assert sum(map(len, lines)) <= 60
        defined = [node for source in sources for node in ast.walk(ast.parse(source))]
        assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in defined)

    def test_sections_in_order(self, notebook):
        cells = nbformat.read(notebook, as_version=4).cells
        markdown = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        headings = re.findall(r"^## (.+)$", markdown, re.MULTILINE)
        optional = set() if notebook.stem in WHOLE else OPTIONAL - set(headings)
        assert headings == [heading for heading in SECTIONS if heading not in optional]
        assert len(re.findall(r"^# ", markdown, re.MULTILINE)) == 1


def test_parameters_of_02_match_the_types_of_their_fields():
    values = parameters(next(path for path in NOTEBOOKS if path.stem == "02_train"))
    RunConfig.from_parameters(values, also=tuple(WHERE))


TINY = {"seeds": 1, "generator_steps": 2, "critic_steps": 2, "width": 4, "deep_steps": 1}


@pytest.mark.slow
def test_01_shows_the_code_that_trains_and_what_the_numbers_say(tmp_path):
    lists = {"methods": ["gan", "gan-gp", "gan-gp-1"], "toys": ["swissroll"]}
    executed = execute(NOTEBOOKS[0], tmp_path / "01.ipynb", **TINY, **lists)
    shown = text(executed)
    assert shown.count("class GANGP") == 1  # once for both of its arms
    assert "class WGAN:" not in shown
    values = re.search(r"penalty (\S+), closed form (\S+)", shown)
    assert float(values[1]) == pytest.approx(float(values[2]), rel=1e-5)  # float32
    assert shown.count("<figure>") == shown.count("alt=") == 7
    assert shown.count("image/gif;base64") == 1
    assert shown.count("towards the input the gradient") == 4 + 2  # a line each; the caption and the summary
    summary = executed.cells[-3].outputs[0]["data"]["text/markdown"]
    assert summary.count("- **") == 5
    assert "With 1 instead of 5 critic steps, GAN-GP-1 ends" in summary


@pytest.mark.slow
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"generator_stepz": 1}, "unknown parameter 'generator_stepz': did you mean 'generator_steps'"),
        ({"methods": "gan wgan"}, "methods='gan wgan' must be of type list"),
        ({"toys": ["swisroll"]}, "toys: unknown entry 'swisroll': did you mean 'swissroll'"),
    ],
)
def test_01_refuses_parameters_before_it_trains(values, message, tmp_path):
    with pytest.raises(papermill.PapermillExecutionError, match=re.escape(message)):
        execute(NOTEBOOKS[0], tmp_path / "01.ipynb", **values)


def test_the_protocol_of_the_readme_is_the_one_of_the_report():
    def table(source):
        return re.search(r"### Protocol\n(.*?)(?=\n##|\Z)", source, re.DOTALL)[1].strip()

    notebook = next(path for path in NOTEBOOKS if path.stem == "03_compare")
    cells = nbformat.read(notebook, as_version=4).cells
    (ours,) = [table(cell.source) for cell in cells if "### Protocol" in cell.source]
    assert ours == table((notebook.parent.parent / "README.md").read_text())


@pytest.fixture(scope="module")
def smoke_study(tmp_path_factory, image_folder):
    """A study of two runs, executed through 02_train.ipynb."""
    results = tmp_path_factory.mktemp("results")
    for method in ("gan", "wgan-gp"):
        config = RunConfig(dataset=str(image_folder), method=method, profile="smoke", image_size=28)
        directory = layout.run_directory(results, "smoke", config)
        record.write_config(directory, config)
        outcome = execute_run(directory)
        assert outcome.status == "complete", outcome.message
    return results


@pytest.mark.slow
def test_02_leaves_a_run_and_an_executed_notebook_with_figures(smoke_study):
    for directory in layout.find_runs(smoke_study, "smoke"):
        executed = nbformat.read(directory / "02_train.ipynb", as_version=4)
        shown = text(executed)
        assert shown.count("<figure>") == 3
        assert shown.count("alt=") == 3
        assert "4/4" in shown
        assert "def update(nets: Nets" in shown
        assert "The run is complete: 4 generator steps" in shown
        assert weights.load_generator(directory).latent_dim == 16


@pytest.mark.slow
def test_02_runs_with_its_defaults_but_for_the_length(tmp_path):
    execute(
        NOTEBOOKS[1], tmp_path / "02.ipynb", generator_steps=1, base_channels=2, extractor="none", results=str(tmp_path)
    )
    (directory,) = layout.find_runs(tmp_path, "notebook")
    assert record.read_config(directory)["config"]["dataset"] == "mnist5k"


@pytest.mark.slow
def test_02_trains_what_a_prepared_directory_says(image_folder, tmp_path):
    config = RunConfig(dataset=str(image_folder), method="gan", profile="smoke", image_size=28, seed=3)
    record.write_config(tmp_path / "run", config)
    execute(NOTEBOOKS[1], tmp_path / "02.ipynb", run=str(tmp_path / "run"))
    assert record.read_status(tmp_path / "run")["status"] == "complete"
    assert record.planned(tmp_path / "run") == config


@pytest.mark.slow
def test_02_can_set_up_another_run_after_it_ran(tmp_path):
    ran = execute_cells(NOTEBOOKS[1], generator_steps=1, base_channels=2, extractor="none", results=str(tmp_path))
    config, directory = record.run_of_parameters(ran | {"seed": 1})
    assert (config.seed, directory.name) == (1, "seed1")


@pytest.mark.slow
def test_02_refuses_a_misspelled_parameter(tmp_path):
    with pytest.raises(papermill.PapermillExecutionError, match=r"generator_stepz.*did you mean 'generator_steps'"):
        execute(NOTEBOOKS[1], tmp_path / "02.ipynb", generator_stepz=1, results=str(tmp_path))
    assert not (tmp_path / "notebook").exists()


@pytest.mark.slow
def test_03_compares_the_runs(smoke_study, tmp_path):
    executed = execute(NOTEBOOKS[2], tmp_path / "03.ipynb", study="smoke", results=str(smoke_study))
    shown = text(executed)
    assert shown.count("<figure>") == 13, shown.count("<figure>")
    assert "n_critic" in shown
    assert "ms per step" in shown


def sensitivity_notebook():
    return next(path for path in NOTEBOOKS if path.stem == "06_sensitivity")


@pytest.mark.slow
def test_06_reads_a_sweep(image_folder, tmp_path):
    fields = {"profile": "smoke", "image_size": 28}
    cells = sweep.plan(str(image_folder), seeds=1, architectures=1, parts=("settings", "architectures"), **fields)
    for cell in ("base", "clip-0.1", "one_sided_penalty-True", *(c for c in cells if c.startswith("architecture"))):
        for config in cells[cell]:
            list(train.train(config, layout.run_directory(tmp_path / "sweep", cell, config)))
    executed = execute(sensitivity_notebook(), tmp_path / "06.ipynb", study="sweep", results=str(tmp_path))
    shown = text(executed)
    assert shown.count("<figure>") == 3
    assert ": runs 5, cells 3, seeds 1" in shown
    assert ": runs 3, cells 1, seeds 1" in shown
    assert "FD one-sided / two-sided" in shown
    assert "not enough seeds: 1 of at least 3" in shown
    assert "PacDCGAN2" in shown


@pytest.mark.slow
def test_06_says_what_to_run_where_there_is_no_sweep(tmp_path):
    executed = execute(sensitivity_notebook(), tmp_path / "06.ipynb", study="mine", results=str(tmp_path))
    shown = text(executed)
    assert "gancompare sensitivity --name mine" in shown
    assert "<figure>" not in shown
