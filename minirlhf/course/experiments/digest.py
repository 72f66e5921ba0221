"""What a measurement rests on, in twelve letters: they change with the code, the data or the pins, and so say
when a number that was kept must be measured anew."""

import ast
import hashlib
import re
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import no_type_check

from minirlhf.course.imports import import_graph, needed_by, package_modules, syntax_tree
from minirlhf.paths import REPOSITORY

NOT_READ = ("recorded", "pictures", "README.md")  # in data/, and nothing is measured from it


def digests(modules: Iterable[str], root: Path = REPOSITORY) -> dict[str, str]:
    """For each of these modules a digest of the code that it imports, all data, and the versions of all packages."""
    sources = package_modules(root / "minirlhf")
    graph = import_graph(sources)
    code = {name: code_digest(path) for name, path in sources.items()}
    shared = [*data_digests(root / "data"), *pins(root / "constraints.txt")]
    return {
        module: short_digest([*(f"{name} {code[name]}" for name in sorted(needed_by(module, graph))), *shared])
        for module in modules
    }


def code_digest(path: Path) -> str:
    """Of what Python does with a file: comments, line breaks and docstrings, which change no number, do not count."""
    tree = syntax_tree(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node, clean=False) is not None
        ):
            del node.body[0]
    return short_digest([repr(_bare(tree))])


@no_type_check  # called for every node: looked at each time, it would take far longer than what it does
def _bare(node: object) -> object:
    """A tree as nested lists of what is in it. `ast.dump` would do, if every version of Python wrote the same."""
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if value is not None and value != [])
        return [type(node).__name__, *((name, _bare(value)) for name, value in fields)]
    return [_bare(each) for each in node] if isinstance(node, list) else repr(node)


def data_digests(folder: Path) -> list[str]:
    """A line for every file of data that something may be measured from."""
    named = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return [f"{name.as_posix()} {file_digest(named[name])}" for name in sorted(named) if name.parts[0] not in NOT_READ]


def file_digest(path: Path) -> str:
    """Of every byte of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pins(path: Path) -> list[str]:
    """The versions that are asked for of what the package itself stands on. What only tests or readers need is none
    of it: another pytest changes no number."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.partition("==")[0] in _stands_on()]


@cache
def _stands_on() -> set[str]:
    """The packages that minirlhf requires, and those that they require, however far off; extras are left out."""
    found: set[str] = set()
    new = {"minirlhf"}
    while new:
        found |= new
        new = {name for package in new for name in _required(package)} - found
    return found


def _required(package: str) -> set[str]:
    """What a package requires, as constraints.txt writes it; nothing of one that this platform goes without."""
    try:
        lines = [line for line in requires(package) or () if "extra ==" not in line]
    except PackageNotFoundError:
        return set()
    return {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower().replace("_", "-").replace(".", "-") for line in lines}


def short_digest(lines: Iterable[str]) -> str:
    """Of these lines, in twelve letters."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
