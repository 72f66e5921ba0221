"""Lay executed lessons out as slides: a `##` heading begins a column to the right, what follows it goes below.

A figure is shown as a lecturer shows it: the question above, the figure large, and what to see in it folded until
somebody has guessed. Code is there where it is the subject, an exercise or what `show` prints, and folded elsewhere;
a cell that only prepares another has no slide. The speaker's view (key S) has what is folded, and on the first slide
the teacher's notes. The glossary is laid out too: a link to a term shows its slide.
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
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
SUBJECT = re.compile(r"^(def my_|show\()", re.M)  # code that people are to read: an exercise, a solution
PLUGIN = "plugin/notes/notes.js"


@dataclass(frozen=True)
class Slide:
    """A slide's HTML, the name under which links find it, and what only the speaker sees."""

    html: str
    id: str = ""
    notes: str = ""


def build_slides(lessons: Mapping[str, NotebookNode], notes: Mapping[str, str], target: Path) -> None:
    """Write a page of slides for each lesson, and a page that lists them; earlier ones in target are replaced.

    `notes` are the teacher's, in Markdown, by the lesson's number or name.
    """
    require_ours(target)
    look = Environment(loader=FileSystemLoader(HERE), autoescape=True, keep_trailing_newline=True)
    with TemporaryDirectory() as place:
        made = Path(place) / "slides"
        (made / "reveal").mkdir(parents=True)
        for part in ("dist/reveal.js", "dist/reveal.css", "dist/reset.css", "LICENSE", PLUGIN):
            shutil.copy(_reveal() / part, made / "reveal")
        for name in ("slides.css", "slides.js"):
            shutil.copy(HERE / name, made)
        (made / "code.css").write_text(HtmlFormatter(style="default").get_style_defs(".highlight"))
        for name, notebook in lessons.items():
            laid_out = columns(notebook, notes.get(name, notes.get(name[:2], "")))
            page = look.get_template("slides.html").render(title=title(notebook), columns=laid_out)
            (made / f"{name}.html").write_text(page, encoding="utf-8")
        listed = [(f"{name}.html", title(notebook)) for name, notebook in lessons.items()]
        (made / "index.html").write_text(look.get_template("list.html").render(pages=listed), encoding="utf-8")
        replace(target, made)


def columns(notebook: NotebookNode, notes: str = "") -> list[list[Slide]]:
    """The slides of a lesson, in columns: each begins where a cell has a heading of level 1 or 2."""
    found: list[list[Slide]] = []
    for level, slide in _slides(notebook, notes):
        if not found or level in (1, 2):
            found.append([])
        found[-1].append(slide)
    return found


def _slides(notebook: NotebookNode, notes: str) -> Iterator[tuple[int, Slide]]:
    """Each slide, with the level of the heading that it begins with; 0 where it has none."""
    cells, section = notebook.cells, ""
    words = [_paragraphs(cell.source) if cell.cell_type == "markdown" else [] for cell in cells]
    showing = [n for n, cell in enumerate(cells) if _is_shown(cell)]
    around = {n: (_take_question(cells, words, n), _take_reading(words, n)) for n in showing}
    alone: re.Match[str] | None = None  # a heading with nothing left below it stands on the slide that follows
    for n, cell in enumerate(cells):
        if text := "\n\n".join(words[n]):
            heading = HEADING.search(text)
            section = heading[2] if heading else section
            alone = HEADING.fullmatch(text)
            if not alone:
                name = make_id(heading[2]) if heading else ""
                yield len(heading[1]) if heading else 0, Slide(_text(text), name, _text(notes))
                notes = ""
        elif _is_shown(cell):
            question, reading = around.get(n, ("", ""))
            head = alone[0] if alone else f"**{section}**" if section else ""
            html = _shown(cell, "\n\n".join(filter(None, (head, question))), reading)
            yield len(alone[1]) if alone else 0, Slide(html, make_id(alone[2]) if alone else "", _text(reading))
            alone = None


def _paragraphs(markdown: str) -> list[str]:
    """The parts of a text that can stand apart; where it holds a block of code, it stays whole."""
    return [markdown] if "```" in markdown else re.split(r"\n\n(?=\S)", markdown.strip())


def _take_question(cells: list[NotebookNode], words: list[list[str]], shown: int) -> str:
    """What is asked above: the last paragraph, or all from "Guess first" on; it leaves its cell."""
    above = next((n for n in range(shown - 1, -1, -1) if words[n] or _is_shown(cells[n])), None)
    if above is None or not words[above] or HEADING.match(words[above][-1]):
        return ""
    guesses = [n for n, paragraph in enumerate(words[above]) if paragraph.startswith("*Guess")]
    first = guesses[-1] if guesses else len(words[above]) - 1
    words[above], taken = words[above][:first], words[above][first:]
    return "\n\n".join(taken)


def _take_reading(words: list[list[str]], shown: int) -> str:
    """What is said right after it is shown: the first paragraph below, which leaves its cell."""
    below = words[shown + 1] if shown + 1 < len(words) else []
    return below.pop(0) if below and not HEADING.match(below[0]) else ""


def _is_shown(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and bool(SUBJECT.search(cell.source) or cell.get("outputs"))


def _shown(cell: NotebookNode, question: str, reading: str) -> str:
    """What is asked, what a cell showed, and what to see there; its code is folded, unless it is the subject."""
    code = _html(nbformat.v4.new_code_cell(cell.source))
    shown = _html(cell, exclude_input=True) if cell.get("outputs") else ""
    answer = _folded("What it shows", _text(reading)) if reading else ""
    if SUBJECT.search(cell.source):
        return _text(question) + code + shown + answer
    return f'{_text(question)}<div class="shown">{shown}</div>{answer}{_folded("code", code)}'


def _folded(what: str, html: str) -> str:
    return f"<details><summary>{what}</summary>{html}</details>"


def _text(markdown: str) -> str:
    return _html(nbformat.v4.new_markdown_cell(with_formulas(relinked(markdown, _to_slide)))) if markdown else ""


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


def _reveal() -> Path:
    """reveal.js, its looks and its licence, as the package sphinx-revealjs carries them."""
    return Path(str(files("sphinx_revealjs"))) / "_static" / "revealjs"
