"""What `minirlhf book`, `slides` and `figures` do: find the lessons, run what changed, bind what they showed."""

from pathlib import Path

from nbformat import NotebookNode

from minirlhf.course.book.execute import executed

AFTERWARDS = (
    "classroom.ipynb",
    "own_data.ipynb",
    "on_a_gpu.ipynb",
    "glossary.ipynb",
)  # what stands behind the numbered lessons, where it is there


def make_book(notebooks: Path, runs: Path) -> Path:
    """Run and bind all lessons of a folder, with the notes in its teaching/; the book's first page."""
    _require_tools()
    from minirlhf.course.book.pages import build_book, require_ours

    require_ours(runs / "book")
    notes = sorted((notebooks / "teaching").glob("*.md"))
    build_book(_lessons(notebooks, runs), notes, runs / "book")
    return runs / "book" / "index.html"


def make_slides(notebooks: Path, runs: Path) -> Path:
    """Run all lessons of a folder and lay them out as slides; the page that lists them."""
    _require_tools()
    from minirlhf.course.book.pages import require_ours
    from minirlhf.course.book.slides import build_slides

    require_ours(runs / "slides")
    notes = {path.stem: path.read_text(encoding="utf-8") for path in (notebooks / "teaching").glob("*.md")}
    build_slides(_lessons(notebooks, runs), notes, runs / "slides")
    return runs / "slides" / "index.html"


def make_figures(notebooks: Path, runs: Path, target: Path) -> Path:
    """Run all lessons of a folder and keep what they drew in target; the page that lists it."""
    _require_tools()
    from minirlhf.course.book.figures import keep_figures
    from minirlhf.course.book.pages import require_ours

    require_ours(target)
    return keep_figures(_lessons(notebooks, runs), target)


def _lessons(notebooks: Path, runs: Path) -> dict[str, NotebookNode]:
    """Every lesson as it ran, in order; then the classroom, own data, a GPU, and the glossary."""
    found = [*sorted(notebooks.glob("[0-9]*.ipynb")), *map(notebooks.joinpath, AFTERWARDS)]
    found = [path for path in found if path.is_file()]
    if not found:
        raise FileNotFoundError(f"{notebooks} holds no lesson.")
    return executed(found, runs / "executed")


def _require_tools() -> None:
    try:
        import furo  # noqa: F401
        import myst_nb  # noqa: F401
        import sphinx_revealjs  # noqa: F401
    except ModuleNotFoundError as missing:
        raise ValueError(
            f"{missing.name} is missing, which binds the book. Install it: pip install -e '.[book]' -c constraints.txt"
        ) from None
