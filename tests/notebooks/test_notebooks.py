"""The notebooks: outputs cleared, and every cell runs in a real kernel on the small sizes that each notebook states."""

import copy
import json
import os
import re
from importlib.util import find_spec
from pathlib import Path

import nbclient
import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
WIDGET = "application/vnd.jupyter.widget-view+json"
HIDDEN = "import sys\nsys.modules['ipywidgets'] = None"


def test_the_notebooks_are_there():
    assert [re.match(r"\d\d-[\w-]+", path.stem) is not None for path in NOTEBOOKS] == [True] * len(NOTEBOOKS)
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_cleared(path):
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


def small(notebook):
    """Return the notebook with the values of its parameters cell replaced by its small ones."""
    made = copy.deepcopy(notebook)
    values = dict(made.metadata["poolkit"]["small"])
    chosen = [cell for cell in made.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(chosen) == 1, "one cell is tagged 'parameters'"
    lines = chosen[0].source.splitlines()
    for k, line in enumerate(lines):
        name, equals, _ = line.partition(" = ")
        if equals and name in values:
            lines[k] = f"{name} = {values.pop(name)!r}"
    assert not values, "every small value replaces one of the parameters"
    chosen[0].source = "\n".join(lines)
    return made


def run(notebook, folder):
    resources = {"metadata": {"path": folder}}
    # The kernel starts elsewhere and takes poolkit from this checkout, as the tests do.
    found = {**os.environ, "PYTHONPATH": str(FOLDER.parent)}
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute(env=found)
    return notebook


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    # Without compiling numpy warns of what the kernels let wrap and divide.
    if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0":
        monkeypatch.setenv("PYTHONWARNINGS", "ignore::RuntimeWarning")


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_and_shows(path, tmp_path):
    made = run(small(nbformat.read(path, as_version=4)), str(tmp_path))
    shown = [kind for cell in made.cells for each in cell.get("outputs", []) for kind in each.get("data", {})]
    assert {"image/png", "image/svg+xml"} & set(shown), "a notebook shows a picture"
    has_sliders = any("IntSlider" in cell.source for cell in made.cells) and find_spec("ipywidgets") is not None
    assert (WIDGET in shown) == has_sliders
    assert not [each for cell in made.cells for each in cell.get("outputs", []) if each.get("name") == "stderr"]


@pytest.mark.filterwarnings("default")
def test_sliders_are_optional(tmp_path):
    path = FOLDER / "03-a-million-a-day.ipynb"
    notebook = small(nbformat.read(path, as_version=4))
    notebook.cells.insert(0, nbformat.v4.new_code_cell(HIDDEN))
    shown = run(notebook, str(tmp_path))
    kinds = [kind for cell in shown.cells for each in cell.get("outputs", []) for kind in each.get("data", {})]
    assert WIDGET not in kinds
