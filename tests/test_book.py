"""The book, the slides, the recorded figures: made of lessons that ran once; nothing in them asks for a network."""

import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from lab import OWN, browser
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from packaging.requirements import Requirement
from PIL import Image
from playwright.sync_api import expect
from test_packaging import PROJECT, constraints

from minirlhf.course.book.execute import executed, tidied
from minirlhf.course.book.figures import BELOW, WIDEST, write_figures
from minirlhf.course.book.formulas import mathml, with_formulas
from minirlhf.course.book.links import relinked, slug
from minirlhf.course.book.make import make_book
from minirlhf.course.book.slides import columns
from minirlhf.course.plots.style import DIM
from minirlhf.course.recorded import recorded_folder
from minirlhf.feedback.card.still import CAPTION
from minirlhf.feedback.card.widget import FeedbackCard
from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import Question
from minirlhf.paths import notebooks_folder

STRIP = """
from minirlhf import TokenStrip
TokenStrip(["Dear", " pelican"], {"advantage": [None, 0.5]}, ["read", "0.2 + 0.3"], title="One reply")
"""
SLIDER = """
from minirlhf import explore
explore(lambda beta: f"a leash of {beta}", beta=[0.1, 0.2], start={"beta": 0.2})
"""
FIGURE = """
from minirlhf.course.plots.style import new_figure
figure = new_figure(3.0, 2.0)
figure.suptitle("A line <b> that rises")
figure.add_subplot().plot([1, 2])
figure
"""
ONCE = """
import os, secrets, sys
print("drawn once:", secrets.token_hex(8))
print("votes:", os.environ["MINIRLHF_VOTES"], "progress:", os.environ["MINIRLHF_PROGRESS"])
print(f"{5}/10", file=sys.stderr)
print("a line as long as some are " * 9)
"""
LESSON = (
    new_markdown_cell("# 00 · A first lesson\n\nA [reward model](glossary.ipynb#Reward-model) gives $s_A - s_B$."),
    new_code_cell(ONCE.strip()),
    new_markdown_cell("## Look\n\n*Guess first:* which way?\n\n$$L = -\\frac{1}{n} \\sum_t \\log \\pi$$"),
    new_code_cell(FIGURE.strip()),
    new_code_cell(STRIP.strip()),
    new_code_cell(SLIDER.strip()),
    new_markdown_cell("## Questions\n\n1. Why?\n\n   <details><summary>An answer</summary>Because.</details>"),
)
GLOSSARY = (
    new_markdown_cell("# Words"),
    new_markdown_cell("### Cohen's κ\n\nAgreement. First in [00](00_first.ipynb)."),
    new_markdown_cell("### reward model\n\nA number for every reply."),
)
LOADS = re.compile(  # what a page fetches by itself; a link that somebody may follow is none of it
    r"""<(?:script|img|iframe|source)[^>]*\ssrc=["']?(?:https?:)?//|<link[^>]*\shref=["']?(?:https?:)?//"""
    r"""|@import\s+(?:url\()?["']?(?:https?:)?//|url\(["']?(?:https?:)?//"""
)


def write(path, cells):
    notebook = new_notebook(cells=list(cells))
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Both, made by the commands; the slides after the book."""
    folder = tmp_path_factory.mktemp("library")
    notebooks, runs = folder / "notebooks", folder / "runs"
    (notebooks / "teaching").mkdir(parents=True)
    write(notebooks / "00_first.ipynb", LESSON)
    write(notebooks / "glossary.ipynb", GLOSSARY)
    (notebooks / "teaching" / "00.md").write_text("# Notes on the first\n\n## Plans\n\nAsk for a walrus.\n")
    where = ["--folder", str(runs), "--notebooks", str(notebooks)]
    for command, more in (("book", []), ("slides", []), ("figures", [])):
        subprocess.run([sys.executable, "-m", "minirlhf.course.cli", command, *where, *more], check=True, timeout=120)
    return runs


def page(made, name):
    return (made / name).read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_contents_list_lessons_words_and_notes(made):
    contents = page(made, "book/index.html")
    places = [contents.index(f'href="{name}.html"') for name in ("00_first", "glossary", "teaching/00")]
    assert places == sorted(places)
    assert importlib.metadata.version("minirlhf") in contents and "MIT" in contents


@pytest.mark.slow
def test_the_search_index_knows_every_part(made):
    index = page(made, "book/searchindex.js")
    assert all(word in index for word in ("pelican", "walrus", "agreement"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["book/00_first.html", "slides/00_first.html"])
def test_a_page_shows_what_the_lesson_showed(made, name):
    lesson = page(made, name)
    assert lesson.count("<math") == 2 and "<mfrac>" in lesson
    assert "pelican" in lesson and "0.2 + 0.3" in lesson  # the strip's still
    assert "a leash of 0.2" in lesson  # the slider's
    assert ".png" in lesson if name.startswith("book") else "data:image/png;base64" in lesson
    assert re.search(r"<details>\s*<summary>An answer</summary>\s*Because\.\s*</details>", lesson)
    assert "widget-view" not in lesson and "5/10" not in lesson
    assert re.search(r'<img[^>]* alt="A line &lt;b&gt; that rises"', lesson), "a figure says what it shows"


@pytest.mark.slow
def test_every_figure_is_kept_with_its_heading_and_says_that_it_is_recorded(made):
    shown = page(made, "figures/00_first.html")
    assert shown.count("<section>") == shown.count("recorded: lesson 00, cell ") == 3
    assert "<h2>Look</h2>" in shown and "0.2 + 0.3" in shown and "a leash of 0.2" in shown
    (name,) = re.findall(r'<img src="([^"]+)" alt="A line &lt;b&gt; that rises"', shown)
    with Image.open(made / "figures" / name) as picture:
        assert picture.mode == "P" and picture.width <= WIDEST
        words = picture.convert("L").crop((0, picture.height - BELOW, picture.width, picture.height))
        assert words.getextrema()[0] < 160  # something is written below it
    assert 'href="00_first.html"' in page(made, "figures/index.html")
    assert "glossary" not in page(made, "figures/index.html")  # it shows nothing


def test_the_figures_of_every_lesson_are_shipped():
    folder = recorded_folder() / "figures"
    lessons = sorted(path.stem for path in notebooks_folder().glob("[0-9]*.ipynb"))
    assert sorted(path.stem for path in folder.glob("[0-9]*.html")) == lessons
    for name in [*lessons, "classroom"]:
        shown = (folder / f"{name}.html").read_text(encoding="utf-8")
        pictures = re.findall(r'<img [^>]*src="([^"]+)"', shown)
        assert len(pictures) > 1 and all((folder / picture).is_file() for picture in pictures)
        assert len(set(pictures)) == len(pictures)  # a cell may show several
        place = "lesson" if name in lessons else "The classroom"
        assert shown.count(f"recorded: {place}") == shown.count("<section>")
    assert sum(path.stat().st_size for path in folder.iterdir()) < 8_000_000


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["book", "slides"])
def test_a_link_to_a_word_goes_to_its_heading(made, kind):
    (anchor,) = re.findall(r'href="glossary\.html#/?([\w-]+)"', page(made, f"{kind}/00_first.html"))
    assert f'id="{anchor}"' in page(made, f"{kind}/glossary.html")


@pytest.mark.slow
def test_a_lesson_runs_once_for_both_and_never_among_the_learners_votes(made):
    drawn = {re.search(r"drawn once: (\w{16})", page(made, f"{kind}/00_first.html"))[1] for kind in ("book", "slides")}
    assert len(drawn) == 1
    votes, progress = re.search(r"votes: (\S+) progress: (\S+)", page(made, "executed/00_first.ipynb")).groups()
    assert os.environ["MINIRLHF_VOTES"] not in votes and os.environ["MINIRLHF_PROGRESS"] not in progress


@pytest.mark.slow
def test_no_page_loads_anything_from_elsewhere(made):
    pages = [path for path in made.rglob("*") if path.suffix in (".html", ".css")]
    assert len(pages) > 8
    assert not [f"{path.name}: {found[0]}" for path in pages if (found := LOADS.search(path.read_text()))]


def test_a_cell_that_fails_is_named(tmp_path):
    lesson = write(tmp_path / "03_broken.ipynb", [new_markdown_cell("# 03"), new_code_cell("1 / 0")])
    with pytest.raises(ValueError, match=r"03_broken\.ipynb, cell 2 of 2 failed") as failed:
        executed([lesson], tmp_path / "executed")
    assert "ZeroDivisionError" in failed.value.__notes__[0]
    assert not list((tmp_path / "executed").iterdir())


@pytest.mark.slow
def test_a_link_to_a_word_that_nobody_explains_stops_the_book(tmp_path):
    write(tmp_path / "00_first.ipynb", [new_markdown_cell("# 00\n\nSee [pay](glossary.ipynb#pay).")])
    write(tmp_path / "glossary.ipynb", GLOSSARY[:1])
    command = [
        sys.executable,
        "-m",
        "minirlhf.course.cli",
        "book",
        "--folder",
        str(tmp_path),
        "--notebooks",
        str(tmp_path),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 2
    assert "00_first.ipynb" in ended.stderr and "pay" in ended.stderr
    assert not (tmp_path / "book").exists()


def test_a_folder_of_somebody_elses_is_left_alone(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="did not make"):
        make_book(tmp_path, tmp_path)
    assert (tmp_path / "book" / "thesis.txt").read_text() == "mine"


def test_a_widget_without_a_picture_leaves_its_sentence():
    data = {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "minirlhf card: 0 of 20 answered"}
    cell = new_code_cell("card", outputs=[nbformat.v4.new_output("execute_result", data)])
    (output,) = tidied(new_notebook(cells=[cell])).cells[0].outputs
    assert list(output.data) == ["text/plain"]


def test_a_card_is_shown_with_its_question_in_book_slides_and_figures(tmp_path):
    store = FeedbackStore(tmp_path / "votes.db")
    card = FeedbackCard([Question("pair", "Where is my kite?", (" It comes.", " No idea."))], store)
    shown, _ = card._repr_mimebundle_()
    cell = new_code_cell("card", outputs=[nbformat.v4.new_output("display_data", shown)])
    lesson = tidied(new_notebook(cells=[new_markdown_cell("# 04 · Asking\n\n## Your turn\n\nWhich?"), cell]))
    slide = columns(lesson)[-1][-1]
    write_figures({"04_asking": lesson}, tmp_path)
    pages = lesson.cells[1].outputs[0].data["text/html"], slide.html, page(tmp_path, "04_asking.html")
    for shown in pages:
        assert all(words in shown for words in ("Where is my kite?", "It comes.", "No idea.", "B is better", CAPTION))
        assert "votes.db" not in shown


def test_a_heading_of_level_two_starts_a_column():
    found = columns(new_notebook(cells=list(LESSON)))
    assert [[slide.id for slide in column] for column in found] == [["a-first-lesson"], ["look"], ["questions"]]


def drawn(source):
    """A code cell that has shown a picture."""
    shown = nbformat.v4.new_output("display_data", {"image/png": "", "text/plain": "a figure"})
    return new_code_cell(source, outputs=[shown])


def test_a_figure_stands_between_its_question_and_what_it_shows_and_no_sentence_is_lost_or_said_twice():
    lesson = [
        new_markdown_cell("# A lesson\n\nWhat it costs."),
        new_markdown_cell("## Waves\n\nWater moves.\n\n*Guess first:* how high?\n\nOr how low?"),
        new_code_cell("import water"),
        drawn("water.waves()"),
        new_markdown_cell("As high as a house.\n\nSo much for waves."),
        drawn("water.more_waves()"),
        new_markdown_cell("## Write it\n\nTwo lines."),
        new_code_cell("def my_wave():\n    ..."),
    ]
    found = columns(new_notebook(cells=lesson), notes="**Goals.** See the sea.")
    assert [[slide.id for slide in column] for column in found] == [["a-lesson"], ["waves", "", ""], ["write-it"]]
    (first,), (text, figure, more), (exercise,) = found
    assert "See the sea" in first.notes and "See the sea" not in first.html
    question, shown, reading = (
        figure.html.index(words) for words in ("how low?", 'class="shown"', "As high as a house")
    )
    assert question < shown < reading and "As high as a house" in figure.notes
    everything = "".join(slide.html for column in found for slide in column)
    for words in ("Water moves", "how high?", "how low?", "As high as a house", "So much for waves", "Two lines"):
        assert everything.count(words) == 1
    assert "So much for waves" in more.html and "Water moves" in text.html
    assert "import water" not in everything  # it only prepares
    assert "<details>" not in exercise.html and "def" in exercise.html


def test_formulas_are_drawn_and_code_is_left_alone():
    assert "<msup>" in mathml("x^2") and 'display="block"' in mathml("x", block=True)
    untouched = "It costs `$5` or `$6`, at most $ 7.\n\n```\n$x$\n```"
    assert with_formulas(untouched) == untouched
    assert with_formulas("where $x$ is").startswith("where <math ")


def test_links_know_no_great_letters():
    assert slug("Cohen's κ") == "cohen's-κ"
    line = "See [κ](glossary.ipynb#Cohen's-κ), [02](02_a.ipynb) and [out](paper.pdf)."
    assert relinked(line, lambda page, slug: f"{page}|{slug}") == (
        "See [κ](glossary|cohen's-κ), [02](02_a|) and [out](paper.pdf)."
    )


def test_what_binds_the_book_is_what_is_pinned():
    pins = constraints()
    for requirement in map(Requirement, PROJECT["optional-dependencies"]["book"]):
        assert importlib.metadata.version(requirement.name) == pins[requirement.name]


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_reader_opens_the_book_as_a_file_and_searches(made, scheme):
    with browser() as chromium:
        reader = Visitor(chromium, made, scheme)
        reader.open("book/index.html")
        reader.page.fill("input[name=q]", "pelican")
        reader.page.keyboard.press("Enter")
        reader.page.locator("#search-results a", has_text="A first lesson").first.click()
        fold = reader.page.locator("details", has_text="Because")
        expect(fold).not_to_have_attribute("open", "")
        fold.locator("summary").click()
        expect(fold).to_have_attribute("open", "")
        assert reader.page.locator("math").first.bounding_box()["width"] > 20
        sheets = reader.page.locator(".cell_output :is(img, .minirlhf-paper):not(.minirlhf-paper *)")  # none in another
        expect(sheets).to_have_count(3)
        for shown in sheets.all():
            expect(shown).to_have_css("filter", f"brightness({DIM})" if scheme == "dark" else "none")
        sideways = "each => each.some(pre => pre.scrollWidth > pre.clientWidth)"
        assert not reader.page.locator("pre").evaluate_all(sideways)
        reader.page.locator('a[href^="glossary.html#"]').click()
        expect(reader.page.locator(":target", has_text="reward model")).to_be_visible()
        reader.leave()


@pytest.mark.browser
def test_slides_turn_by_keyboard(made):
    with browser() as chromium:
        reader = Visitor(chromium, made, "light")
        reader.open("slides/index.html")
        reader.page.get_by_text("A first lesson").click()
        reader.page.wait_for_function("window.Reveal && Reveal.isReady()")
        where = []
        for key in ("ArrowRight", "ArrowDown", "ArrowDown"):
            reader.page.keyboard.press(key)
            where.append(reader.page.evaluate("Object.values(Reveal.getIndices()).slice(0, 2)"))
        assert where == [[1, 0], [1, 1], [1, 2]]
        inside = "s => s.scrollHeight <= s.clientHeight && s.scrollWidth <= s.clientWidth"
        assert reader.page.locator("section.present > .frame").evaluate(inside)
        reader.leave()


class Visitor:
    """Somebody with a browser and a folder of pages; sees at the end that nothing was asked of a network."""

    def __init__(self, chromium, folder: Path, scheme: str) -> None:
        self.folder, self.strangers, self.errors = folder, [], []
        self.page = chromium.new_page(color_scheme=scheme)
        self.page.on("request", lambda r: None if r.url.startswith("file:") or OWN.match(r.url) else self.stranger(r))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def stranger(self, request) -> None:
        self.strangers.append(request.url)

    def open(self, name: str) -> None:
        self.page.goto((self.folder / name).as_uri())

    def leave(self) -> None:
        self.page.close()
        assert not self.strangers and not self.errors
