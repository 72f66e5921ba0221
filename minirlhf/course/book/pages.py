"""Bind executed lessons, the glossary and the notes for teachers as one book of HTML pages, with search."""

import shutil
from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbformat import NotebookNode
from sphinx.cmd.build import build_main

from minirlhf import __version__
from minirlhf.course.book.links import relinked
from minirlhf.course.clinic.page import write_page

MARK = ".made_by_minirlhf"  # in every folder that may be replaced
FRONT = """# How a language model is tuned by people

Supervised fine-tuning and reinforcement learning from human feedback, in lessons that were run from top to bottom to
make this book. What moves in a notebook stands still here: sliders and strips of tokens show one of their states.
To try, to vote and to write the exercises, open the notebooks: `make lessons`.

By the minirlhf authors; version {version}, bound on {today}. Text, code and figures may be used, changed and passed on
under the MIT licence. The works that are cited stand at the end of the [glossary](glossary.ipynb).
"""


SCRIPT = "classroom"  # for teachers, as their notes are
CLINIC = "13_the_clinic"  # the lesson beside which the page of all symptoms stands


def build_book(lessons: Mapping[str, NotebookNode], teaching: Sequence[Path], target: Path) -> None:
    """Write the book into target; an earlier one there is replaced. A broken link is an error."""
    require_ours(target)
    with TemporaryDirectory() as place:
        source, made = Path(place) / "source", Path(place) / "made"
        write_source(lessons, teaching, source)
        quiet = ["-q", "--fail-on-warning", "--keep-going", "-j", "1"]
        conf = str(Path(__file__).parent)
        if build_main([*quiet, "-c", conf, "-d", f"{place}/doctrees", str(source), str(made)]):
            raise ValueError("The book was not bound: see above, by page and line (30002 is line 2 of cell 3).")
        replace(target, made)


def write_source(lessons: Mapping[str, NotebookNode], teaching: Sequence[Path], source: Path) -> None:
    """What Sphinx reads: the lessons, the notes, and a first page that lists them."""
    (source / "teaching").mkdir(parents=True)
    for name, notebook in lessons.items():
        page = deepcopy(notebook)
        for cell in page.cells:
            if cell.cell_type == "markdown":
                cell.source = relinked(cell.source, _to_page)
        nbformat.write(page, source / f"{name}.ipynb")
    for note in teaching:
        shutil.copy(note, source / "teaching" / note.name)
    words, script = ([name for name in lessons if name == kind] for kind in ("glossary", SCRIPT))
    parts = {
        "Lessons": [name for name in lessons if name not in (*words, *script)],
        "Words": words,
        "Symptoms": [write_page(source).stem] if CLINIC in lessons else [],
        "For teachers": [*script, *(f"teaching/{note.stem}" for note in teaching)],
    }
    lists = "".join(_contents(caption, pages) for caption, pages in parts.items() if pages)
    front = FRONT.format(version=__version__, today=date.today().isoformat())
    (source / "index.md").write_text(front + lists, encoding="utf-8")


def require_ours(target: Path) -> None:
    """Refuse to replace a folder that holds something else."""
    if target.exists() and any(target.iterdir()) and not (target / MARK).exists():
        raise ValueError(f"{target} holds something that minirlhf did not make. Move it away, or name another folder.")


def replace(target: Path, made: Path) -> None:
    """Put a finished folder in the place of an earlier one."""
    (made / MARK).touch()
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(made, target)


def _to_page(page: str, slug: str) -> str:
    return f"{page}.ipynb#{slug}" if slug else f"{page}.ipynb"


def _contents(caption: str, pages: Sequence[str]) -> str:
    return "\n".join(["", "```{toctree}", f":caption: {caption}", ":maxdepth: 1", "", *pages, "```", ""])
