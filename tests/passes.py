"""Full passes of the lessons: how one is made, what it rests on, and what it cost when it was last made.

A pass takes minutes of computing, so it is made again only where what it rests on has changed: the notebook's code, the
code that this imports, the data, the pins. What ran and passed is kept in passes.json by `make passes`, which is

    python tests/passes.py .test-results/passes.xml

and it may as well be given what another run has left there, such as shared.xml of `make test-all`.
"""

import ast
import inspect
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import nbformat
from nbclient import NotebookClient

from minirlhf.classroom.session import close_left_in
from minirlhf.course import plots
from minirlhf.course.exercises import EXERCISES
from minirlhf.course.experiments.bands import MEASURE
from minirlhf.course.experiments.digest import code_digest, data_digests, file_digest, pins, short_digest
from minirlhf.course.imports import import_graph, imported_by, needed_by, package_modules, syntax_tree
from minirlhf.course.recorded import read_recorded, write_recorded
from minirlhf.paths import REPOSITORY

FOLDER = REPOSITORY / "notebooks"
LESSONS = sorted(FOLDER.glob("[0-9]*.ipynb"))
RUN = [*LESSONS, FOLDER / "classroom.ipynb", FOLDER / "own_data.ipynb", FOLDER / "on_a_gpu.ipynb"]
PASSES = "passes"  # in tests/passes.json
TABLES = {"minirlhf", "minirlhf.course.plots"}  # of names: what is looked up in them counts, and they do not
# Who asks for a module may start another one as a process, which no import says.
STARTS = {"minirlhf.classroom.session": {"minirlhf.classroom.server", "minirlhf.classroom.learning"}}

# Before a lesson: all exercises are loaded at once by whoever checks one, so what they bring shows nothing of it.
WATCH = """
import sys
import minirlhf.course.exercises
_there, _opened = set(sys.modules), set()
sys.addaudithook(lambda event, given: _opened.add(str(given[0])) if event == "open" else None)
"""
# After it: seconds of the processor, the most memory that was held, what was loaded and what was opened. Linux counts
# in a process's maximum what its parent held when it was started, so there its own mark is read.
COST = """
import json, pathlib, resource, time
_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
if (_own := pathlib.Path("/proc/self/status")).exists():
    _peak = int(_own.read_text().split("VmHWM:")[1].split()[0]) / 2**20
_loaded = [name for name in set(sys.modules) - _there if name.startswith("minirlhf.") and sys.modules[name].__file__]
print(json.dumps([time.process_time(), _peak, _loaded, sorted(_opened)]))
"""


# ---- a lesson and its exercises


def lesson(path):
    return nbformat.read(path, as_version=4)


def code_cells(path):
    return [cell for cell in lesson(path).cells if cell.cell_type == "code"]


def python(source):
    """A code cell as Python reads it, without the lines that only IPython understands."""
    return ast.parse("\n".join(line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))))


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


def execute(notebook, folder):
    """Run all cells in a kernel of its own; what was printed, with every run of blanks as one."""
    try:
        NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}).execute()
    finally:
        close_left_in(folder)  # whatever it ended with: a room outlives its kernel
    return said(notebook.cells)


def said(cells):
    outputs = (output for cell in cells if cell.cell_type == "code" for output in cell.outputs)
    return " ".join("".join(o.text for o in outputs if o.output_type == "stream").split())


class Pass(NamedTuple):
    """What a full pass of a lesson said and cost, and of what it made use."""

    told: str
    seconds: float  # of the processor
    gigabytes: float
    loaded: set[str]  # modules, but for tables and those that all exercises bring
    opened: set[str]  # files in data/, named from there


def full_pass(path, folder) -> Pass:
    """Run a lesson at full size, as a learner who has solved everything and presses Run All would see it."""
    notebook = answered(lesson(path), packages_own)
    first, last = (nbformat.v4.new_code_cell(code) for code in (WATCH, COST))
    notebook.cells = [first, *notebook.cells, last]
    told = execute(notebook, folder)
    seconds, peak, loaded, opened = json.loads(said([last]))
    data = (Path(os.path.relpath(file, REPOSITORY / "data")) for file in opened)
    return Pass(told, seconds, peak, set(loaded) - TABLES, {file.as_posix() for file in data if ".." not in file.parts})


# ---- what it rests on


class Rests(NamedTuple):
    """On what a full pass rests: modules by name, lines that say what is in files, and the files in data/."""

    modules: set[str]
    lines: list[str]
    data: set[str]

    @property
    def digest(self) -> str:
        """Twelve letters that change with any of it."""
        return short_digest(self.lines)


def rests_on(notebooks: Iterable[Path], root: Path = REPOSITORY) -> dict[Path, Rests]:
    """The notebook's code, all that it imports, with what lies beside that and is no Python, the exercises in it,
    the data, the recorded runs that are named anywhere in all this, the pins, and how a pass is made."""
    sources = package_modules(root / "minirlhf")
    trees = {name: syntax_tree(path) for name, path in sources.items()}
    graph = _with_figures(import_graph(sources), trees)
    graph |= {name: graph[name] | (started & graph.keys()) for name, started in STARTS.items() if name in graph}
    code = {name: code_digest(path) for name, path in sources.items()}
    data = data_digests(root / "data")
    words = {name: _words(tree) for name, tree in trees.items()}
    runs = {path.stem: path for path in sorted((root / "data" / "recorded").glob("*.json"))}
    always = [*pins(root / "constraints.txt"), code_digest(Path(__file__))]
    found = {}
    for notebook in notebooks:
        cells = [cell.source for cell in code_cells(notebook)]
        mine = [python(source) for source in cells]
        needed = set().union(*(needed_by(name, graph) for name in _begins_with(cells, mine, sources, trees))) - TABLES
        texts = set().union(*map(_words, mine), *(words[name] for name in needed))
        named = {f"recorded/{name}.json": file_digest(path) for name, path in runs.items() if name in texts}
        lines = [*(repr(source) for source in cells), *(f"{name} {code[name]}" for name in sorted(needed))]
        lines += [f"{file.relative_to(root).as_posix()} {file_digest(file)}" for file in _beside(needed, sources, root)]
        lines += [*data, *(f"{name} {digest}" for name, digest in named.items()), *always]
        found[notebook] = Rests(needed, lines, {line.rpartition(" ")[0] for line in data} | named.keys())
    return found


def _begins_with(
    cells: Sequence[str], mine: Iterable[ast.AST], sources: Mapping[str, Path], trees: Mapping[str, ast.AST]
) -> set[str]:
    """What a notebook itself asks for. Who imports the package as a whole may ask it for anything."""
    found = {name for tree in mine for name in [*imported_by(tree, sources), *_figures(tree)]}
    asked = {name for source in cells for name in re.findall(r"^def my_(\w+)\(", source, re.M)}
    found |= {name for name in sources if ".exercises." in name and _solved_in(trees[name]) & asked}
    return set(sources) if "minirlhf" in found else found & sources.keys()


def _solved_in(tree: ast.AST) -> set[str]:
    """The functions of which a module makes exercises: `Exercise(gae, …)`."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args)
    return {ast.unparse(call.args[0]).split(".")[-1] for call in calls if ast.unparse(call.func) == "Exercise"}


def _with_figures(graph: Mapping[str, set[str]], trees: Mapping[str, ast.AST]) -> dict[str, set[str]]:
    """The graph with an arrow to every figure's file that a module looks up in the table of figures."""
    return {
        name: imported | (_figures(trees[name]) & graph.keys() if "minirlhf.course.plots" in imported else set())
        for name, imported in graph.items()
    }


def _figures(tree: ast.AST) -> set[str]:
    """The files of all figures that are named in this code, be it as `plots.name` or imported."""
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    return {f"minirlhf.course.plots.{plots.HOME_OF[name]}" for name in names & plots.HOME_OF.keys()}


def _words(tree: ast.AST) -> set[str]:
    """Every text that stands in the code as a value."""
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def _beside(needed: Iterable[str], sources: Mapping[str, Path], root: Path) -> list[Path]:
    """Styles and scripts that lie in the folders of these modules."""
    folders = {sources[name].parent for name in needed} - {root / "minirlhf"}
    files = (path for folder in folders for path in folder.iterdir() if path.is_file())
    return sorted(path for path in files if path.suffix not in (".py", ".pyc"))


# ---- what is kept of it


@cache
def here() -> dict[Path, Rests]:
    """What each lesson's pass rests on now: worked out once."""
    return rests_on(RUN)


def on_record(path: Path, rests: Rests, folder: Path = Path(__file__).parent) -> Mapping | None:
    """What a pass of this lesson cost, if it was made with all that is here now and nobody asks for a new one."""
    rows = kept(folder) if os.environ.get(MEASURE) != "all" else []
    return next((row for row in rows if (row["lesson"], row["digest"]) == (path.stem, rests.digest)), None)


def kept(folder: Path = Path(__file__).parent) -> list[dict]:
    """A row for every lesson whose pass is on record."""
    return read_recorded(PASSES, folder) if (folder / f"{PASSES}.json").exists() else []


def keep(report: Path, folder: Path = Path(__file__).parent) -> list[str]:
    """Put on record what ran and passed in a run that left this JUnit XML; the lessons that did."""
    rows = {}
    for case in ElementTree.parse(report).iter("testcase"):
        told = {each.get("name"): each.get("value", "") for each in case.iter("property")}
        if "digest" in told and case.find("failure") is None and case.find("error") is None:
            cost = {name: float(told[name]) for name in ("seconds", "gigabytes")}
            rows[told["lesson"]] = {"lesson": told["lesson"], "digest": told["digest"], **cost}
    before = {row["lesson"]: row for row in kept(folder) if row["lesson"] in {path.stem for path in RUN}}
    write_recorded(
        PASSES,
        [row for _, row in sorted((before | rows).items())],
        about="What a full pass of each lesson cost, with all exercises solved, and the digest of what it rests on.",
        made_by="make passes",
        folder=folder,
    )
    return sorted(rows)


if __name__ == "__main__":
    print("kept:", ", ".join(keep(Path(sys.argv[1]))) or "nothing")
