"""Every lesson runs from top to bottom, untried, solved and with mistakes; it is stripped, its cells are short."""

import ast
import inspect
import re
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import minirlhf
from minirlhf.course.exercises import EXERCISES

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LONGEST_RUN = 180  # seconds; a lesson aims at half of it
LONGEST_CELL = 15  # lines
MOST_MEMORY = 1.2  # GB that a lesson's kernel may ever hold
LARGEST_FILE = 100_000  # bytes
SHORT = "0.5"  # seconds a training may take where the size does not matter

MEMORY = """
import resource, sys
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20))
"""

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
def test_is_a_small_file(path):
    assert path.stat().st_size < LARGEST_FILE


@each_lesson
def test_is_stripped(path):
    """No outputs, no counts, no widget state: what git shows is what somebody wrote."""
    assert "widgets" not in nbformat.read(path, as_version=4).metadata
    for number, cell in enumerate(code_cells(path)):
        assert not cell.outputs, f"code cell {number} has outputs"
        assert cell.execution_count is None, f"code cell {number} has been counted"
        assert not set(cell.metadata) & {"execution", "ExecuteTime"}, f"code cell {number} remembers when it ran"


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


def lesson(path):
    return nbformat.read(path, as_version=4)


def asked_in(notebook):
    """The exercises of a lesson: every function my_… that a cell leaves to the learner."""
    found = (re.findall(r"^def my_(\w+)\(", cell.source, re.M) for cell in notebook.cells if cell.cell_type == "code")
    return [name for names in found for name in names if name in EXERCISES]


def answered(notebook, answer):
    """The same lesson where every stub is replaced by what `answer` makes of the exercise's name."""
    solved = deepcopy(notebook)
    for cell in solved.cells:
        for name in asked_in(nbformat.v4.new_notebook(cells=[cell])):
            (stub,) = [node for node in ast.parse(cell.source).body if getattr(node, "name", "") == f"my_{name}"]
            lines = cell.source.splitlines()
            cell.source = "\n".join([*lines[: stub.lineno - 1], answer(name), *lines[stub.end_lineno :]])
    return solved


def packages_own(name):
    """The solution under the learner's name, with what it stands on, as somebody who copied it would have it."""
    solution = inspect.unwrap(EXERCISES[name].solution)
    tree = ast.parse(inspect.getsource(solution))
    tree.body[0].name = f"my_{name}"
    known = vars(inspect.getmodule(solution))
    needed = sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & known.keys() - {name})
    brought = f"from {solution.__module__} import {', '.join(needed)}\n" if needed else ""
    return brought + ast.unparse(tree)


def known_mistake(name):
    """The exercise's first known mistake under the learner's name."""
    return (
        "from minirlhf.course.exercises import EXERCISES\n"
        f"my_{name} = EXERCISES[{name!r}].mistakes[0].wrong\n"
        f"my_{name}.__name__ = 'my_{name}'"
    )


def execute(notebook, folder):
    """Run all cells in a kernel of its own; what was printed, with every run of blanks as one."""
    NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = (output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs)
    return " ".join("".join(o.text for o in outputs if o.output_type == "stream").split())


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """Votes and progress of a learner who begins here."""
    monkeypatch.setenv("MINIRLHF_VOTES", str(tmp_path / "votes.db"))
    monkeypatch.setenv("MINIRLHF_PROGRESS", str(tmp_path / "progress.json"))
    return tmp_path


@each_lesson
@pytest.mark.timeout(LONGEST_RUN)
def test_runs_from_top_to_bottom(path, own_folder):
    """At full size, as a learner who presses Run All would see it, and within its memory."""
    notebook = lesson(path)
    notebook.cells.append(nbformat.v4.new_code_cell(MEMORY))
    assert 0.05 < float(execute(notebook, own_folder).split()[-1]) < MOST_MEMORY


@each_lesson
@pytest.mark.timeout(LONGEST_RUN)
def test_runs_twice_in_a_row_with_every_exercise_solved(path, own_folder, monkeypatch):
    monkeypatch.setenv("MINIRLHF_SECONDS", SHORT)
    notebook = answered(lesson(path), packages_own)
    again = deepcopy(notebook.cells)
    for cell in again:
        cell["id"] += "-again"
    notebook.cells.extend(again)
    said = execute(notebook, own_folder)
    for name in asked_in(lesson(path)):
        assert said.count(f"✓ my_{name} is right") == 2
    assert "not tried yet" not in said


@each_lesson
@pytest.mark.timeout(LONGEST_RUN)
def test_runs_to_its_end_with_a_mistake_in_every_exercise(path, own_folder, monkeypatch):
    monkeypatch.setenv("MINIRLHF_SECONDS", SHORT)
    said = execute(answered(lesson(path), known_mistake), own_folder)
    for name in asked_in(lesson(path)):
        assert f"✗ my_{name} is not right yet." in said
        assert f"The thought: {EXERCISES[name].mistakes[0].hint}" in said


def test_every_exercise_is_asked_in_exactly_one_lesson():
    asked = [name for path in NOTEBOOKS for name in asked_in(lesson(path))]
    assert sorted(asked) == sorted(EXERCISES)
    assert len(asked) >= 20
