"""What holds of the package as a whole: its layers, its dependencies, its picture, what its commands import."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import gancompare
from gancompare.data.datasets import BUILT_IN
from gancompare.recipes import DATASETS

PACKAGE = Path(gancompare.__file__).parent
ROOT = PACKAGE.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported(path):
    """The top-level packages that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []
        yield from (name.split(".")[0] for name in names)


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def declared():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return {normal(re.match(r"[\w.-]+", line)[0]) for line in lines if line and not line.startswith("#")}


def test_every_import_is_a_declared_dependency():
    providers = packages_distributions()
    tests = sorted((ROOT / "tests").rglob("*.py"))
    names = {name for path in [*MODULES, *tests] for name in imported(path)}
    names -= {*sys.stdlib_module_names, "gancompare"}
    missing = {name for name in names if not {normal(p) for p in providers.get(name, [name])} & declared()}
    assert missing == set()


def test_imports_point_downward():
    result = subprocess.run([Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def layers():
    """The rooms by layer, top to bottom, as the import contract lists them."""
    (contract,) = [c for c in PROJECT["tool"]["importlinter"]["contracts"] if c["type"] == "layers"]
    return [
        {part.strip().removeprefix("gancompare.") for part in re.split(r"[|:]", line)} for line in contract["layers"]
    ]


def test_the_picture_in_the_readme_is_the_contract():
    diagram = re.search(r"```text\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)[1]
    drawn = [set(re.findall(r"\b(\w+)\b", line.split("#")[0])) for line in diagram.splitlines() if line.strip(" ▼│")]
    assert [names for names in drawn if names] == layers()


def test_every_room_is_in_a_layer_and_says_what_it_is():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    listed = set().union(*layers())
    assert rooms <= listed
    assert {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"} <= listed
    for room in rooms:
        paragraph = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text()))
        assert paragraph, room
        assert len(paragraph.split()) >= 20, room


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_patches_names_at_run_time(path):
    assert "unittest" not in set(imported(path))
    assert "setattr(" not in path.read_text().replace("object.__setattr__(", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "absent"),
    [
        ("import gancompare", ["torch", "pandas"]),
        ("from gancompare import load_generator; load_generator", ["torch", "pandas"]),
        (
            "from gancompare.__main__ import parser; parser('study')",
            ["matplotlib", "papermill", "torchmetrics", "IPython"],
        ),
        ("import gancompare.explore.generate, gancompare.report.build", ["gancompare.train", "gancompare.study"]),
    ],
)
def test_an_import_brings_no_more_than_it_needs(command, absent):
    check = f"{command}\nimport sys\nprint([name for name in {absent!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


CORE = ("objectives", "models", "config", "recipes", "train")


def test_the_core_imports_torch_numpy_and_the_standard_library_alone():
    names = {name for module in CORE for name in imported(PACKAGE / f"{module}.py")}
    assert names - {*sys.stdlib_module_names} == {"torch", "numpy", "gancompare"}


def test_the_data_sets_with_a_name_are_those_with_a_size():
    assert {*DATASETS} == {*BUILT_IN}


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *ROOT.glob("*/README.md")]), ids=str)
def test_links_of_a_readme_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []
