"""What a full pass rests on is seen, and nothing else; what a run left is kept where it passed, and only there."""

import shutil
from pathlib import Path

import nbformat
import passes
import pytest
from passes import RUN, here, keep, kept, on_record, rests_on

from minirlhf.course.experiments.bands import MEASURE
from minirlhf.paths import REPOSITORY

FILES = {
    "minirlhf/__init__.py": '"""A table of names."""\n',
    "minirlhf/ops.py": 'def masked_mean(x):\n    """A mean."""\n    return 2 * x  # not x + 2\n',
    "minirlhf/losses.py": "from minirlhf.ops import masked_mean\n",
    "minirlhf/advantages.py": "gae = 1\n",
    "minirlhf/tokenizer.py": "size = 1\n",
    "minirlhf/worlds/__init__.py": "",
    "minirlhf/worlds/plain.py": "def runs():\n    return 'leash'\n",
    "minirlhf/course/__init__.py": "",
    "minirlhf/course/exercises/__init__.py": "",
    "minirlhf/course/exercises/lesson_06.py": "from minirlhf.advantages import gae\nGAE = Exercise(gae, outputs=())\n",
    "minirlhf/course/exercises/lesson_07.py": "LAST = Exercise(last_true, outputs=())\n",
    "minirlhf/course/plots/__init__.py": "names = 1\n",
    "minirlhf/course/plots/style.py": "ink = 1\n",
    "minirlhf/course/plots/lesson_03.py": "def shift_arrows():\n    return 1\n",
    "minirlhf/course/plots/lesson_07.py": "from minirlhf.course.plots import style\n",
    "minirlhf/course/plots/strip.js": "let it = 1;\n",
    "data/texts.jsonl": '{"text": "once"}\n',
    "data/recorded/leash.json": "{}",
    "data/recorded/remedies.json": "{}",
    "data/README.md": "What is here.",
    "constraints.txt": "torch==2.13.0\n",
}
LESSONS = {
    "loss": ["# Words.", "%matplotlib inline\nfrom minirlhf import masked_mean", "masked_mean(1)"],
    "figures": ["from minirlhf import plots", "plots.shift_arrows()"],
    "microscope": ["from minirlhf.course.plots import leash_plot"],
    "runs": ["from minirlhf.worlds import plain", "read_recorded('remedies')"],
    "exercise": ["def my_gae(x):\n    return ...\n\nmy_gae = check(my_gae)"],
    "anything": ["import minirlhf", "minirlhf.losses"],
}
ALL = set(LESSONS)


def write_lesson(house, name, *cells, words="Words."):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.cells.append(nbformat.v4.new_markdown_cell(words))
    nbformat.write(notebook, house / f"{name}.ipynb")


@pytest.fixture
def house(tmp_path):
    """A small package, and notebooks that ask it for one thing each."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for name, cells in LESSONS.items():
        write_lesson(tmp_path, name, *cells)
    return tmp_path


def digests(house):
    return {path.stem: rests.digest for path, rests in rests_on(sorted(house.glob("*.ipynb")), house).items()}


def changed(house, write):
    """The lessons whose digest is another after this was done."""
    before = digests(house)
    write()
    after = digests(house)
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    ("name", "text", "those"),
    [
        ("minirlhf/ops.py", "def masked_mean(x):\n    return x + 2\n", {"loss", "anything"}),
        ("minirlhf/losses.py", "from minirlhf.ops import masked_mean\n\nloss = 1\n", {"anything"}),
        ("minirlhf/advantages.py", "gae = 2\n", {"exercise", "anything"}),
        ("minirlhf/course/exercises/lesson_06.py", "GAE = Exercise(gae, outputs=(1,))\n", {"exercise", "anything"}),
        ("minirlhf/course/exercises/lesson_07.py", "LAST = Exercise(last_true)\n", {"anything"}),
        ("minirlhf/course/plots/lesson_03.py", "shift_arrows = 2\n", {"figures", "anything"}),
        ("minirlhf/course/plots/lesson_07.py", "leash_plot = 2\n", {"microscope", "anything"}),
        ("minirlhf/course/plots/style.py", "ink = 2\n", {"microscope", "anything"}),
        ("minirlhf/course/plots/strip.js", "let it = 2;\n", {"figures", "microscope", "anything"}),
        ("minirlhf/course/__init__.py", "size = 4\n", {"figures", "microscope", "exercise", "anything"}),
        ("minirlhf/worlds/plain.py", "def runs():\n    return 'remedies'\n", {"runs", "anything"}),
        ("data/recorded/remedies.json", "[]", {"runs"}),
        ("data/recorded/leash.json", "[]", {"runs", "anything"}),
        ("data/texts.jsonl", '{"text": "twice"}\n', ALL),
        ("data/more.jsonl", '{"text": "once"}\n', ALL),
        ("constraints.txt", "torch==2.13.1\n", ALL),
    ],
)
def test_a_digest_changes_with_all_that_a_lesson_uses(house, name, text, those):
    assert changed(house, lambda: (house / name).write_text(text)) == those


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("minirlhf/ops.py", 'def masked_mean(x):\n    """Mean."""\n\n    # as it is\n    return (2 * x)\n'),
        ("data/README.md", "What is there."),
        ("data/recorded/unread.json", "{}"),
        ("constraints.txt", "# the pins\ntorch==2.13.0\n"),
    ],
)
def test_it_does_not_change_with_words_nor_with_what_no_lesson_uses(house, name, text):
    assert not changed(house, lambda: (house / name).write_text(text))


def test_a_table_of_names_is_looked_up_in_and_a_new_name_changes_no_lesson_that_does_not_use_it(house):
    assert changed(house, lambda: (house / "minirlhf/course/plots/__init__.py").write_text("names = 2\n")) <= {
        "anything"
    }
    assert changed(house, lambda: (house / "minirlhf/course/plots/lesson_11.py").write_text("x = 2\n")) == {"anything"}


def test_it_changes_with_the_notebooks_code_and_not_with_its_words(house):
    assert not changed(house, lambda: write_lesson(house, "loss", *LESSONS["loss"], words="Other words."))
    more = [*LESSONS["loss"][:-1], "masked_mean(2)"]
    assert changed(house, lambda: write_lesson(house, "loss", *more)) == {"loss"}


def test_it_changes_with_how_a_pass_is_made(house, monkeypatch, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "passes.py"
    other.write_text(Path(passes.__file__).read_text().replace("process_time", "perf_counter"))
    assert changed(house, lambda: monkeypatch.setattr(passes, "__file__", str(other))) == ALL


def test_a_digest_is_that_of_the_files_not_of_the_place(house, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "copy"
    shutil.copytree(house, elsewhere)
    assert digests(house) == digests(elsewhere)


@pytest.mark.parametrize(
    ("number", "uses", "not_"),
    [
        ("02", "rollout course.experiments.lesson_02 course.plots.lesson_02", "course.plots.lesson_07"),
        ("03", "sft course.exercises.lesson_03 course.check.checking", "course.plots.explorer"),
        (
            "07",
            "rollout ppo course.exercises.lesson_07 course.plots.lesson_07_microscope",
            "course.exercises.lesson_03",
        ),
        ("08", "recipes.taste feedback.card.widget feedback.store", "course.check.checking"),
    ],
)
def test_the_lessons_rest_on_what_their_readers_would_name(number, uses, not_):
    ((_, rests),) = ((path, rests) for path, rests in here().items() if path.name.startswith(number))
    assert {f"minirlhf.{name}" for name in uses.split()} <= rests.modules
    assert f"minirlhf.{not_}" not in rests.modules
    assert "checkpoints/sft/weights.safetensors" in rests.data


# ---- the record

REPORT = """<testsuites><testsuite>
<testcase name="ran"><properties>{ran}</properties></testcase>
<testcase name="failed"><properties>{failed}</properties><failure message="no"/></testcase>
<testcase name="stood on record"/>
</testsuite></testsuites>"""


def properties(**told):
    return "".join(f'<property name="{name}" value="{value}"/>' for name, value in told.items())


def test_what_ran_and_passed_is_kept_and_what_was_kept_before_stays(tmp_path, monkeypatch):
    monkeypatch.delenv(MEASURE, raising=False)
    (first, rests), (second, others), *_ = here().items()
    ran = properties(lesson=first.stem, digest=rests.digest, seconds=2.5, gigabytes=0.5)
    failed = properties(lesson=second.stem, digest=others.digest, seconds=2.5, gigabytes=0.5)
    (tmp_path / "ran.xml").write_text(REPORT.format(ran=ran, failed=failed))
    assert on_record(first, rests, tmp_path) is None
    assert keep(tmp_path / "ran.xml", tmp_path) == [first.stem]
    assert on_record(second, others, tmp_path) is None
    row = on_record(first, rests, tmp_path)
    assert row == {"lesson": first.stem, "digest": rests.digest, "seconds": 2.5, "gigabytes": 0.5}
    assert on_record(first, others, tmp_path) is None, "of something else"
    (tmp_path / "ran.xml").write_text(REPORT.format(ran=failed.replace("2.5", "3.5"), failed=ran))
    assert keep(tmp_path / "ran.xml", tmp_path) == [second.stem]
    assert kept(tmp_path)[0] == row and len(kept(tmp_path)) == 2
    monkeypatch.setenv(MEASURE, "all")
    assert on_record(first, rests, tmp_path) is None, "everything is asked for"


def test_the_record_is_of_lessons_that_there_are():
    assert {row["lesson"] for row in kept()} <= {path.stem for path in RUN}
    assert (REPOSITORY / "tests" / "passes.json").exists() == bool(kept())
