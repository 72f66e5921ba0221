"""Nothing ever overwrites what a learner changed."""

import json

import pytest

from minirlhf import paths
from minirlhf.course import copies
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
