"""The lessons are one course: they say what they cost, end with questions, link their words, have teacher's notes."""

import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
GLOSSARY = ROOT / "notebooks" / "glossary.ipynb"

each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def texts(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]


def code(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def anchors(text):
    """What a heading is linked by."""
    return {title.strip().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.M)}


def test_the_lessons_are_numbered_in_order():
    assert [path.name[:2] for path in LESSONS] == [f"{n:02d}" for n in range(len(LESSONS))]


@each_lesson
def test_the_first_cell_says_what_it_costs_and_what_it_is_good_for(path):
    first = texts(path)[0]
    assert first.startswith(f"# {path.name[:2]} · ")
    for promise in ("**What it costs:**", "**What you need:**", "**What you can do afterwards:**"):
        assert promise in first
    (said,) = re.findall(r"(\d+|no) (?:small )?exercise", first, re.I)
    asked = sum(cell.count("= check(") for cell in code(path))
    assert said == str(asked) or (said.lower(), asked) == ("no", 0)


@each_lesson
def test_every_exercise_says_how_hard_it_is_and_how_long_it_takes(path):
    asked = sum(cell.count("= check(") for cell in code(path))
    announced = re.findall(r"\*\*Exercise \d+\*\* \((?:easy|medium|hard), \d+ minutes\)", "\n".join(texts(path)))
    assert len(announced) == asked


@each_lesson
def test_it_asks_before_it_shows(path):
    assert "\n".join(texts(path)).count("*Guess") >= 3


@each_lesson
def test_it_ends_with_five_questions_and_folded_answers(path):
    end = texts(path)[-1]
    assert "## Five questions" in end
    kinds = re.findall(r"^\d\. \*\*(Why|What if|Break it)", end, re.M)
    assert sorted(kinds) == ["Break it", "What if", "What if", "Why", "Why"]
    assert end.count("<details><summary>An answer</summary>") == end.count("</details>") == 5
    assert "**Next:**" in end or path == LESSONS[-1]


@each_lesson
def test_every_link_leads_somewhere(path):
    for target in re.findall(r"\]\(([^)\s]+)\)", "\n".join(texts(path))):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        assert (path.parent / name).is_file(), target
        if anchor:
            assert anchor in anchors("\n".join(texts(path.parent / name))), target


def test_every_word_of_the_glossary_is_explained_in_a_lesson_and_in_order():
    linked = set(re.findall(r"glossary\.ipynb#([^)]+)\)", "\n".join(t for p in LESSONS for t in texts(p))))
    words = [title for text in texts(GLOSSARY) for title in re.findall(r"^### (.+)$", text, re.M)]
    assert {word.replace(" ", "-") for word in words} == linked
    assert words == sorted(words, key=str.casefold)


@each_lesson
def test_a_teacher_finds_plans_answers_and_a_way_without_machines(path):
    notes = (ROOT / "notebooks" / "teaching" / f"{path.name[:2]}.md").read_text(encoding="utf-8")
    for plan in ("20 minutes", "50 minutes", "90 minutes", "## When something fails"):
        assert plan in notes
    assert f"data/recorded/figures/{path.stem}.html" in notes


@each_lesson
def test_the_readme_lists_it(path):
    title = texts(path)[0].splitlines()[0].removeprefix("# ").replace("· ", "").casefold()
    assert f"| {title} |" in (ROOT / "README.md").read_text(encoding="utf-8").casefold()


def test_a_word_is_said_to_be_first_where_it_is_first_linked():
    where = {}
    for path in LESSONS:
        for anchor in re.findall(r"glossary\.ipynb#([^)]+)\)", "\n".join(texts(path))):
            where.setdefault(anchor, path.name)
    for entry in texts(GLOSSARY)[1:]:
        (word,) = re.findall(r"^### (.+)$", entry, re.M)
        assert f"({where[word.replace(' ', '-')]})." in entry, word
