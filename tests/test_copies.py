"""Nothing ever overwrites what a learner changed."""

import json
import re

import nbformat
import pytest
from kernel_client import running_kernel
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from minirlhf import paths
from minirlhf.course import cli, copies
from minirlhf.course.copies import Copy, copy_lessons

LESSON = "00_start_here.ipynb"
NEXT_TO_IT = "00_start_here_new.ipynb"


@pytest.fixture
def shipped(tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / LESSON).write_text("version 1")
    (folder / "01_next.ipynb").write_text("next")
    return folder


@pytest.fixture
def mine(tmp_path):
    return tmp_path / "my_lessons"


def lesson_copy(shipped, mine):
    return copy_lessons(shipped, mine)[0]


def texts(folder):
    return {path.name: path.read_text() for path in folder.glob("*.ipynb")}


def test_the_first_time_everything_is_copied(shipped, mine):
    assert copy_lessons(shipped, mine) == [Copy(LESSON, "new"), Copy("01_next.ipynb", "new")]
    assert texts(mine) == texts(shipped)


def test_the_second_time_nothing_happens(shipped, mine):
    copy_lessons(shipped, mine)
    before = {path.name: path.stat().st_mtime_ns for path in mine.glob("*.ipynb")}
    assert {copy.action for copy in copy_lessons(shipped, mine)} == {"same"}
    assert before == {path.name: path.stat().st_mtime_ns for path in mine.glob("*.ipynb")}


def test_an_untouched_copy_is_refreshed(shipped, mine):
    copy_lessons(shipped, mine)
    (shipped / LESSON).write_text("version 2")
    assert lesson_copy(shipped, mine) == Copy(LESSON, "refreshed")
    assert (mine / LESSON).read_text() == "version 2"


def test_a_changed_copy_is_kept(shipped, mine):
    copy_lessons(shipped, mine)
    (mine / LESSON).write_text("version 1 and my answers")
    assert lesson_copy(shipped, mine) == Copy(LESSON, "kept")
    assert (mine / LESSON).read_text() == "version 1 and my answers"


def test_a_newer_lesson_is_put_beside_a_changed_copy_once(shipped, mine):
    copy_lessons(shipped, mine)
    (mine / LESSON).write_text("mine")
    (shipped / LESSON).write_text("version 2")
    assert lesson_copy(shipped, mine) == Copy(NEXT_TO_IT, "beside")
    assert lesson_copy(shipped, mine) == Copy(NEXT_TO_IT, "same")
    assert (mine / LESSON).read_text() == "mine"
    assert (mine / NEXT_TO_IT).read_text() == "version 2"


def test_the_new_version_that_was_thrown_away_stays_away(shipped, mine):
    copy_lessons(shipped, mine)
    (mine / LESSON).write_text("mine")
    (shipped / LESSON).write_text("version 2")
    copy_lessons(shipped, mine)
    (mine / NEXT_TO_IT).unlink()
    assert lesson_copy(shipped, mine) == Copy(LESSON, "kept")
    assert not (mine / NEXT_TO_IT).exists()


def test_work_in_the_new_version_is_safe_too(shipped, mine):
    copy_lessons(shipped, mine)
    (mine / LESSON).write_text("mine")
    (shipped / LESSON).write_text("version 2")
    copy_lessons(shipped, mine)
    (mine / NEXT_TO_IT).write_text("mine as well")
    assert lesson_copy(shipped, mine) == Copy(LESSON, "kept")
    (shipped / LESSON).write_text("version 3")
    assert lesson_copy(shipped, mine) == Copy("00_start_here_new_2.ipynb", "beside")
    mine_now = texts(mine)
    assert (mine_now[LESSON], mine_now[NEXT_TO_IT]) == ("mine", "mine as well")


def test_a_deleted_copy_comes_back_fresh(shipped, mine):
    copy_lessons(shipped, mine)
    (mine / LESSON).unlink()
    assert lesson_copy(shipped, mine) == Copy(LESSON, "new")


@pytest.mark.parametrize("broken", ["", "{", "[1, 2]"])
def test_a_lost_record_makes_every_file_the_learners(shipped, mine, broken):
    copy_lessons(shipped, mine)
    (mine / copies.RECORD).write_text(broken)
    (shipped / LESSON).write_text("version 2")
    assert lesson_copy(shipped, mine) == Copy(NEXT_TO_IT, "beside")
    assert (mine / LESSON).read_text() == "version 1"


def test_a_file_that_was_there_before_the_lesson_is_the_learners(shipped, mine):
    mine.mkdir()
    (mine / LESSON).write_text("something of mine")
    assert lesson_copy(shipped, mine) == Copy(NEXT_TO_IT, "beside")
    assert (mine / LESSON).read_text() == "something of mine"


def test_the_record_holds_digests_and_no_half_file_stays(shipped, mine):
    copy_lessons(shipped, mine)
    assert set(json.loads((mine / copies.RECORD).read_text())) == set(texts(shipped))
    assert not list(mine.glob("*.part"))


@pytest.fixture
def real(tmp_path):
    """A lesson that is a notebook, and the glossary that it links to."""
    folder = tmp_path / "real"
    folder.mkdir()
    words = "A [leash](glossary.ipynb#leash), [Cohen's κ](glossary.ipynb#Cohen's-κ), [no word](glossary.ipynb#none)."
    nbformat.write(new_notebook(cells=[new_markdown_cell(words), new_code_cell("1 + 1")]), folder / LESSON)
    entries = [
        "# Words",
        '### leash\n\nWhat *holds*: "the KL".\n\nFirst in [00](00_start_here.ipynb).',
        "### Cohen's κ\n\nAgreement.",
    ]
    nbformat.write(new_notebook(cells=list(map(new_markdown_cell, entries))), folder / "glossary.ipynb")
    return folder


def test_a_copy_is_as_jupyterlab_leaves_it_when_it_is_opened(real, mine):
    """It knows the kernel's whole language, or the tab is marked as changed before anybody has touched it."""
    copy_lessons(real, mine)
    with running_kernel() as kernel:
        told = kernel.client.kernel_info(reply=True, timeout=60)["content"]["language_info"]
    assert nbformat.read(mine / LESSON, as_version=4).metadata.language_info == told
    assert copy_lessons(real, mine) == [Copy(LESSON, "same"), Copy("glossary.md", "same")]


def test_what_is_only_read_is_copied_as_a_page_that_needs_no_kernel(real, mine):
    copy_lessons(real, mine)
    said = [cell.source for cell in nbformat.read(real / "glossary.ipynb", as_version=4).cells]
    assert (mine / "glossary.md").read_text(encoding="utf-8") == "\n\n".join(said) + "\n"
    assert not (mine / "glossary.ipynb").exists()


def test_a_link_to_a_word_carries_what_it_means(real, mine):
    copy_lessons(real, mine)
    words, code = nbformat.read(mine / LESSON, as_version=4).cells
    assert """[leash](glossary.md#leash "What holds: 'the KL'.")""" in words.source
    assert """#Cohen's-κ "Agreement.")""" in words.source and "[no word](glossary.md#none)." in words.source
    assert code.source == "1 + 1"


def test_every_word_that_a_lesson_links_has_a_meaning_to_point_at(mine):
    copy_lessons(paths.notebooks_folder(), mine)
    for path in sorted(mine.glob("[0-9]*.ipynb")):
        folders = (paths.notebooks_folder(), mine)
        shipped, copied = (nbformat.read(folder / path.name, as_version=4) for folder in folders)
        nbformat.validate(copied)
        assert [cell.id for cell in copied.cells] == [cell.id for cell in shipped.cells]
        links = [link for cell in copied.cells for link in re.findall(r"\]\((glossary\.[^)\s]+)\)", cell.source)]
        assert set(links) <= {"glossary.md#Papers"}, path.name  # all others go on with what the word means


def test_a_folder_that_cannot_be_written_to_is_named_with_what_to_do(shipped, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(PermissionError, match=r"taken.*--folder") as refused:
        copy_lessons(shipped, tmp_path / "taken" / "lessons")
    assert cli._is_ours(refused.value)


def test_without_lessons_the_error_says_what_to_do(tmp_path, mine):
    with pytest.raises(FileNotFoundError, match="git checkout notebooks"):
        copy_lessons(tmp_path, mine)


def test_a_package_without_its_repository_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    with pytest.raises(FileNotFoundError, match="make lessons"):
        paths.data_folder()
    with pytest.raises(FileNotFoundError, match="pip install -e"):
        paths.lessons_folder()


def test_the_learners_folder_stands_beside_the_notebooks(tmp_path, monkeypatch, shipped):
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    assert paths.lessons_folder() == tmp_path / "my_lessons"
    assert paths.lessons_folder().is_dir()


def test_every_action_can_be_said(shipped, mine):
    assert all(str(copy).startswith(copy.name) for copy in copy_lessons(shipped, mine))


@pytest.mark.parametrize("address", ["postgresql+psycopg://someone@localhost/votes", "sqlite:////tmp/votes.db"])
def test_votes_may_go_to_a_database_that_the_environment_names(monkeypatch, address):
    monkeypatch.setenv(paths.VOTES_ELSEWHERE, address)
    assert paths.votes_file() == address


def test_votes_lie_beside_the_lessons_unless_the_environment_names_a_file(monkeypatch, tmp_path):
    monkeypatch.delenv(paths.VOTES_ELSEWHERE)
    assert paths.votes_file() == paths.lessons_folder() / "votes.db"
    monkeypatch.setenv(paths.VOTES_ELSEWHERE, str(tmp_path / "mine.db"))
    assert paths.votes_file() == tmp_path / "mine.db"
