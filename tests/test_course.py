"""The lessons are one course: each has all that a lesson has, and one list says what a new one still lacks."""

import ast
import json
import re
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell, new_notebook

from minirlhf.course.exercises import EXERCISES

ROOT = Path(__file__).resolve().parents[1]


def lessons(root):
    return sorted((root / "notebooks").glob("[0-9]*.ipynb"))


def readings(root):
    """The lessons, and what else uses words of the glossary, in the order in which a reader meets them."""
    return [*lessons(root), root / "notebooks" / "classroom.ipynb"]


def cells(path, kind):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def texts(path):
    return cells(path, "markdown")


def glossary(root):
    return root / "notebooks" / "glossary.ipynb"


def anchors(text):
    """What a heading is linked by."""
    return {title.strip().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.M)}


def read(path):
    """A file's text; nothing where there is none."""
    return path.read_text(encoding="utf-8") if path.is_file() else ""


# ---- what a lesson has


def lacks(path, root):
    """What this lesson still needs, in the order of the work: a sentence each that says what to write where."""
    yield from lacks_in_the_notebook(path)
    yield from lacks_around_it(path, root)


def lacks_in_the_notebook(path):
    file, words, code = f"notebooks/{path.name}", texts(path), cells(path, "code")
    first, whole, end = (words or [""])[0], "\n".join(words), (words or [""])[-1]
    asked = re.findall(r"= check\(my_(\w+)", "\n".join(code))
    if not re.match(rf"# {path.name[:2]} · \S", first):
        yield f"{file}: a first cell that begins with the title, `# {path.name[:2]} · What it is about`"
    for promise, example in (
        ("What it costs", "40 minutes of yours, about 30 seconds of the machine's, 2 exercises."),
        ("What you need", "lessons 03 and 05"),
        ("What you can do afterwards", "…"),
    ):
        if f"**{promise}:**" not in first:
            yield f"{file}: in the first cell, `- **{promise}:** {example}`"
    said = re.findall(r"(\d+|no) (?:small )?exercise", first, re.I)
    if said not in ([str(len(asked))], [] if asked else ["no"], [] if asked else ["No"]):
        yield f"{file}: in the first cell, how many exercises there are ({len(asked) or 'no'} exercise…)"
    for name in asked:
        if name not in EXERCISES:
            yield f"minirlhf/course/exercises/lesson_{path.name[:2]}.py: an Exercise for {name}: cases, mistakes"
    announced = re.findall(r"\*\*Exercise \d+\*\* \((?:easy|medium|hard), \d+ minutes\)", whole)
    if len(announced) != len(asked):
        yield f"{file}: before each exercise, `**Exercise 1** (easy, 5 minutes).`: {len(asked)}, not {len(announced)}"
    if whole.count("*Guess") < 3:
        yield f"{file}: at least three times, before a figure, `*Guess first:* …`: it asks, then shows"
    if "## Five questions" not in end:
        yield f"{file}: a last cell with the heading `## Five questions`"
    kinds = re.findall(r"^\d\. \*\*(Why|What if|Break it)", end, re.M)
    if sorted(kinds) != ["Break it", "What if", "What if", "Why", "Why"]:
        yield f"{file}: in the last cell, five questions: `1. **Why** …`, two of Why, two of What if, one of Break it"
    if not end.count("<details><summary>An answer</summary>") == end.count("</details>") == 5:
        yield f"{file}: below each question, `<details><summary>An answer</summary>…</details>`"
    following = [lesson for lesson in lessons(path.parents[1]) if lesson.name > path.name][:1]
    for lesson in following:
        if not re.search(rf"\*\*Next:\*\* \[lesson {lesson.name[:2]}[^\]]*\]\({re.escape(lesson.name)}\)", end):
            yield f"{file}: in the last cell, `**Next:** [lesson {lesson.name[:2]}, …]({lesson.name})`"
    yield from broken_links(path, whole)


def broken_links(path, whole):
    for target in re.findall(r"\]\(([^)\s]+)\)", whole):
        name, _, anchor = target.partition("#")
        if target.startswith("http"):
            continue
        if not (path.parent / name).is_file():
            yield f"notebooks/{path.name}: the link to {target} leads nowhere"
        elif anchor and anchor not in anchors("\n".join(texts(path.parent / name))):
            heading, where = f"### {anchor.replace('-', ' ')}", f"First in [{path.name[:2]} · …]({path.name})."
            yield f"notebooks/{name}: a cell `{heading}`, in the order of the alphabet, that ends with `{where}`"


def lacks_around_it(path, root):
    number, title = path.name[:2], (texts(path) or ["# "])[0].splitlines()[0].removeprefix("# ").replace("· ", "")
    experiment = f"minirlhf/course/experiments/lesson_{number}.py"
    if not {"CLAIMS", "measure"} <= defined(root / experiment):
        yield f"{experiment}: CLAIMS, what the text says and the band of the number behind it, and measure(seed)"
    rows = json.loads(read(root / "data/recorded/bands.json") or '{"rows": []}')["rows"]
    if number not in {row["lesson"] for row in rows}:
        yield f"data/recorded/bands.json: what its claims measure; run `minirlhf bands {number}`"
    figures = f"data/recorded/figures/{path.stem}.html"
    if not (root / figures).is_file():
        yield f"{figures}: its figures, for when a laptop fails; run `make figures`"
    notes = read(root / f"notebooks/teaching/{number}.md")
    for plan in ("**20 minutes", "**50 minutes", "**90 minutes", "## When something fails"):
        if plan not in notes:
            yield f"notebooks/teaching/{number}.md: `{plan}`, for whoever teaches it"
    if figures not in notes:
        yield f"notebooks/teaching/{number}.md: where its recorded figures are, `{figures}`"
    cost = re.search(r"(\d+) minutes of yours.*?(\d+) seconds of the machine's", (texts(path) or [""])[0])
    row = f"| {title} | what you see | {cost[1] if cost else '?'} min | {cost[2] if cost else '?'} s |"
    if not re.search(re.escape(row).replace("what\\ you\\ see", "[^|\n]+"), read(root / "README.md"), re.I):
        yield f"README.md: in the list of lessons, `{row}`"


def defined(path):
    """The names that a module defines at its top."""
    tree = ast.parse(read(path))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    targets = [node.targets[0] for node in tree.body if isinstance(node, ast.Assign)]
    return functions | {target.id for target in targets if isinstance(target, ast.Name)}


def test_no_lesson_lacks_anything():
    found = [f"lesson {path.name[:2]} lacks {lack}" for path in lessons(ROOT) for lack in lacks(path, ROOT)]
    assert not found, "\n" + "\n".join(found)


def test_a_bare_lesson_is_told_all_that_it_lacks(tmp_path):
    """Somebody begins with a title, and works through the list."""
    bare = tmp_path / "notebooks" / "11_the_classroom.ipynb"
    bare.parent.mkdir()
    words = "# 11 · The classroom\n\nA room of [voters](glossary.ipynb#voter)."
    nbformat.write(new_notebook(cells=[new_markdown_cell(words)]), bare)
    nbformat.write(new_notebook(), bare.with_name("glossary.ipynb"))
    told = list(lacks(bare, tmp_path))
    places = {
        *(f"notebooks/{name}" for name in ("11_the_classroom.ipynb", "glossary.ipynb", "teaching/11.md")),
        "minirlhf/course/experiments/lesson_11.py",
        "data/recorded/bands.json",
        "data/recorded/figures/11_the_classroom.html",
        "README.md",
    }
    assert {sentence.split(": ")[0] for sentence in told} == places
    contributing = read(ROOT / "CONTRIBUTING.md")
    for place in places:  # the page for contributors names the same
        assert place.replace("11_the_classroom", "NN_title").replace("11", "NN") in contributing


def test_the_lesson_before_a_new_one_leads_to_it(tmp_path):
    (tmp_path / "notebooks").mkdir()
    for name in ("00_first", "01_second"):
        nbformat.write(new_notebook(cells=[new_markdown_cell("# words")]), tmp_path / "notebooks" / f"{name}.ipynb")
    first, second = (" ".join(lacks_in_the_notebook(path)) for path in lessons(tmp_path))
    assert "**Next:** [lesson 01, …](01_second.ipynb)" in first and "**Next:**" not in second


# ---- the script for a room


def test_the_script_for_a_room_has_what_a_teacher_needs():
    script = ROOT / "notebooks" / "classroom.ipynb"
    whole, end = "\n".join(texts(script)), texts(script)[-1]
    assert not list(broken_links(script, whole))
    assert {"Twenty minutes", "Fifty minutes", "Before they come"} <= set(re.findall(r"^## (.+)$", whole, re.M))
    for place in ("`lan=True`", "hotspot", "*Paper*", "*Two schools*", "*Values*"):
        assert place in whole, place
    figures = [n for n, source in enumerate(cells(script, "code")) if "plots." in source or "explore(" in source]
    assert whole.count("*Ask the room") >= len(figures) - 1, "a question before each figure"
    kinds = re.findall(r"^\d\. \*\*(Why|What if|Break it)", end, re.M)
    assert sorted(kinds) == ["Break it", "What if", "What if", "Why", "Why"]
    assert end.count("<details><summary>An answer</summary>") == end.count("</details>") == 5
    notes = read(ROOT / "notebooks" / "teaching" / "classroom.md")
    for plan in ("**20 minutes", "**50 minutes", "**90 minutes", "## When something fails"):
        assert plan in notes
    figures = "data/recorded/figures/classroom.html"
    assert figures in notes and (ROOT / figures).is_file()
    assert "classroom.ipynb" in read(ROOT / "README.md")


def test_the_lessons_lead_to_the_room():
    assert [path.name[:2] for path in lessons(ROOT) if "](classroom.ipynb)" in texts(path)[-1]][-1:] == [
        lessons(ROOT)[-1].name[:2]
    ]


# ---- all lessons together


def test_the_lessons_are_numbered_in_order():
    assert [path.name[:2] for path in lessons(ROOT)] == [f"{n:02d}" for n in range(len(lessons(ROOT)))]


def test_every_word_of_the_glossary_is_explained_in_a_lesson_and_in_order():
    first, *words, papers = texts(glossary(ROOT))
    assert first.startswith("# ") and papers.startswith("## Papers")
    titles = [re.findall(r"^### (.+)$", word, re.M) for word in words]
    assert all(len(title) == 1 for title in titles)
    titles = [title for (title,) in titles]
    linked = {anchor for path in readings(ROOT) for anchor in links_to_words(path)}
    assert {title.replace(" ", "-") for title in titles} == linked - {"Papers"}
    assert titles == sorted(titles, key=str.casefold)


def test_a_word_is_said_to_be_first_where_it_is_first_linked():
    where = {}
    for path in readings(ROOT):
        for anchor in links_to_words(path):
            where.setdefault(anchor, path.name)
    for entry in texts(glossary(ROOT))[1:-1]:
        (word,) = re.findall(r"^### (.+)$", entry, re.M)
        assert f"({where[word.replace(' ', '-')]})." in entry, word


def links_to_words(path):
    return re.findall(r"glossary\.ipynb#([^)]+)\)", "\n".join(texts(path)))


def test_the_card_of_the_data_names_every_recorded_file():
    card = read(ROOT / "data" / "README.md")
    assert not [path.name for path in (ROOT / "data" / "recorded").glob("*.json") if path.name not in card]
