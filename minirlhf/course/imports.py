"""Which module of the package imports which, as the source says it: what the layers and the digests go by."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import minirlhf

PACKAGE = Path(minirlhf.__file__).parent


def package_modules(folder: Path = PACKAGE) -> dict[str, Path]:
    """Every module of the package by its full name, and where its source is."""
    return {
        ".".join(("minirlhf", *path.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in sorted(folder.rglob("*.py"))
    }


def syntax_tree(path: Path) -> ast.Module:
    """A file of Python, parsed."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def import_graph(modules: Mapping[str, Path]) -> dict[str, set[str]]:
    """For every module those that it imports, anywhere in it; `from minirlhf import gae` imports advantages."""
    return {
        name: set(imported_by(syntax_tree(path), modules, name, path.name == "__init__.py")) - {name}
        for name, path in modules.items()
    }


def needed_by(module: str, graph: Mapping[str, set[str]]) -> set[str]:
    """This module with all that it imports, however far off, and the packages in whose folders those lie."""
    found, waiting = set(), {module}
    while waiting:
        name = waiting.pop()
        found.add(name)
        # The package itself is a table of names: nobody needs it who does not ask it for something.
        folder = name.rpartition(".")[0]
        inside = {folder} if folder in graph and folder != "minirlhf" else set()
        waiting |= (graph[name] | inside) - found
    return found


def imported_by(tree: ast.AST, modules: Iterable[str], module: str = "", package: bool = False) -> Iterator[str]:
    """The modules that this code imports, anywhere in it: `module` is its name, and dots in front count from there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "minirlhf")
        if isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            up = parts[: len(parts) - node.level + package] if node.level else []
            source = ".".join([*up, *([node.module] if node.module else [])])
            if source.split(".")[0] == "minirlhf":
                yield from (_home(source, alias.name, modules) for alias in node.names)


def _home(source: str, name: str, modules: Iterable[str]) -> str:
    """The module that `from source import name` brings: the name itself where it is one, or else where it is from."""
    if source == "minirlhf" and name in minirlhf.HOME_OF:
        return f"minirlhf.{minirlhf.HOME_OF[name]}"
    full = f"{source}.{minirlhf.MODULES.get(name, name)}" if source == "minirlhf" else f"{source}.{name}"
    return full if full in modules else source
