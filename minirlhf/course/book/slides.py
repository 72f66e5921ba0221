"""Lay executed lessons out as slides: a `##` heading begins a column to the right, every further cell goes below it.

One cell is one slide, so a question stands alone before the figure that answers it. Code that shows a picture is
folded. The glossary is laid out too: a link to a term shows its slide.
"""

import re
import shutil
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from docutils.nodes import make_id
from jinja2 import Environment, FileSystemLoader
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from minirlhf.course.book.formulas import with_formulas
from minirlhf.course.book.links import relinked
from minirlhf.course.book.pages import replace, require_ours

HERE = Path(__file__).parent
HEADING = re.compile(r"^(#+) +(.+)$", re.M)
PICTURES = ("image/png", "image/svg+xml", "text/html")


def build_slides(lessons: Mapping[str, NotebookNode], target: Path) -> None:
    """Write a page of slides for each lesson, and a page that lists them; earlier ones in target are replaced."""
    require_ours(target)
    look = Environment(loader=FileSystemLoader(HERE), autoescape=True, keep_trailing_newline=True)
    with TemporaryDirectory() as place:
        made = Path(place) / "slides"
        (made / "reveal").mkdir(parents=True)
        for part in ("dist/reveal.js", "dist/reveal.css", "dist/reset.css", "LICENSE"):
            shutil.copy(_reveal() / part, made / "reveal")
        for name in ("slides.css", "slides.js"):
            shutil.copy(HERE / name, made)
        (made / "code.css").write_text(HtmlFormatter(style="default").get_style_defs(".highlight"))
        for name, notebook in lessons.items():
            page = look.get_template("slides.html").render(title=title(notebook), columns=columns(notebook))
            (made / f"{name}.html").write_text(page, encoding="utf-8")
        listed = [(f"{name}.html", title(notebook)) for name, notebook in lessons.items()]
        (made / "index.html").write_text(look.get_template("list.html").render(pages=listed), encoding="utf-8")
        replace(target, made)


def columns(notebook: NotebookNode) -> list[list[tuple[str, str]]]:
    """The slides of a lesson as (id, HTML), in columns: each begins where a cell has a heading of level 1 or 2."""
    found: list[list[tuple[str, str]]] = []
    for cell in notebook.cells:
        heading = HEADING.search(cell.source) if cell.cell_type == "markdown" else None
        if not found or (heading and len(heading[1]) <= 2):
            found.append([])
        found[-1].append((make_id(heading[2]) if heading else "", slide(cell)))
    return found


def slide(cell: NotebookNode) -> str:
    """One cell as HTML; code is folded where there is a picture to look at."""
    if cell.cell_type == "markdown":
        return _html(nbformat.v4.new_markdown_cell(with_formulas(relinked(cell.source, _to_slide))))
    code = _html(nbformat.v4.new_code_cell(cell.source))
    shown = _html(cell, exclude_input=True) if cell.get("outputs") else ""
    if any(kind in output.get("data", {}) for output in cell.get("outputs", []) for kind in PICTURES):
        code = f"<details><summary>{escape(_last_line(cell.source))}</summary>{code}</details>"
    return code + shown


def title(notebook: NotebookNode) -> str:
    """A lesson's first heading."""
    headings = (HEADING.search(cell.source) for cell in notebook.cells if cell.cell_type == "markdown")
    return next((heading[2] for heading in headings if heading), "Slides")


@cache
def _exporter(exclude_input: bool) -> HTMLExporter:
    exporter = HTMLExporter(template_name="basic", exclude_anchor_links=True, exclude_input=exclude_input)
    exporter.log.setLevel("ERROR")  # it would remark on every picture
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    return exporter


def _html(cell: NotebookNode, exclude_input: bool = False) -> str:
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"language_info": {"name": "python"}})
    return _exporter(exclude_input).from_notebook_node(notebook)[0]


def _to_slide(page: str, slug: str) -> str:
    return f"{page}.html#/{make_id(slug)}" if slug else f"{page}.html"


def _last_line(source: str) -> str:
    """What a folded cell is about: its last line, which says what is shown."""
    return source.strip().splitlines()[-1].strip() if source.strip() else "code"


def _reveal() -> Path:
    """reveal.js, its looks and its licence, as the package sphinx-revealjs carries them."""
    return Path(str(files("sphinx_revealjs"))) / "_static" / "revealjs"
