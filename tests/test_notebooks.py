"""Every lesson runs from top to bottom, is stripped in git, and keeps its cells short."""

import ast
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import minirlhf

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LONGEST_RUN = 180  # seconds; a lesson aims at half of it
LONGEST_CELL = 15  # lines

each_lesson = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_there_are_lessons():
    assert FOLDER / "00_start_here.ipynb" in NOTEBOOKS


@each_lesson
def test_is_a_valid_notebook_for_the_kernel_that_everybody_has(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"


@each_lesson
def test_is_stripped(path):
    """No outputs, no counts, no widget state: what git shows is what somebody wrote."""
    assert "widgets" not in nbformat.read(path, as_version=4).metadata
    for number, cell in enumerate(code_cells(path)):
        assert not cell.outputs, f"code cell {number} has outputs"
        assert cell.execution_count is None, f"code cell {number} has been counted"
        assert not set(cell.metadata) & {"execution", "ExecuteTime"}, (
            f"code cell {number} remembers when it ran"
        )


@each_lesson
def test_cells_are_short(path):
    for number, cell in enumerate(code_cells(path)):
        assert len(cell.source.splitlines()) <= LONGEST_CELL, f"code cell {number}"


@each_lesson
def test_defines_nothing_that_the_package_owns(path):
    for cell in code_cells(path):
        lines = [line for line in cell.source.splitlines() if not line.lstrip().startswith(("%", "!"))]
        for node in ast.walk(ast.parse("\n".join(lines))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                assert node.name not in minirlhf.__all__, f"{node.name} is the package's own; import it"


@each_lesson
@pytest.mark.timeout(LONGEST_RUN)
def test_runs_from_top_to_bottom(path, tmp_path):
    """As a learner who presses Run All would see it: in a folder of its own, solved or not."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()
