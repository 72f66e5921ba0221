"""Look at the heart of an algorithm: `show(gae)` is the code that runs, read from the file it runs from."""

import inspect
import sys
from pathlib import Path
from typing import Any

import minirlhf

PACKAGE = Path(minirlhf.__file__).resolve().parent


def show(thing: Any) -> None:
    """Show the package's own source of a function, a class or a module, and say where it stands."""
    where, source = source_of(thing)
    if in_notebook():
        from IPython.display import Markdown, display

        # A fenced block takes its colours from JupyterLab's theme, also a dark one; IPython's Code does not.
        display(Markdown(f"`{where}`\n\n`````python\n{source}\n`````"))
    else:
        print(f"# {where}\n{source}")


def source_of(thing: Any) -> tuple[str, str]:
    """Where a thing of the package is written ("minirlhf/advantages.py, line 28"), and what is written there."""
    if not (inspect.isroutine(thing) or inspect.isclass(thing) or inspect.ismodule(thing)):
        raise TypeError(
            f"show takes a function, a class or a module of minirlhf, and this is a {type(thing).__name__}. "
            "Name it without calling it, for instance show(gae)."
        )
    name = getattr(thing, "__name__", repr(thing))
    thing = inspect.unwrap(thing) if callable(thing) else thing
    try:
        path = Path(inspect.getfile(thing)).resolve()
        lines, first = inspect.getsourcelines(thing)
    except (TypeError, OSError):  # built into Python, or typed at a prompt
        path, lines, first = Path(), [], 0
    if not path.is_relative_to(PACKAGE):
        raise ValueError(f"{name} is not minirlhf's own, and show shows only what is, for instance show(gae).")
    line = "" if inspect.ismodule(thing) else f", line {first}"
    return f"{path.relative_to(PACKAGE.parent).as_posix()}{line}", "".join(lines).rstrip()


def in_notebook() -> bool:
    """Is this a Jupyter kernel? Then there is somewhere to show more than plain text."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython  # pyright: ignore[reportPrivateImportUsage]

    return hasattr(get_ipython(), "kernel")
