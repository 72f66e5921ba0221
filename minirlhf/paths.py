"""Where things are: the shipped data and notebooks, the learner's own folder and votes, and who the learner is."""

import os
from contextlib import suppress
from pathlib import Path

from minirlhf.machine.runtime import on_hub

REPOSITORY = Path(__file__).resolve().parents[1]
IN_WHEEL = Path(__file__).with_name("shipped")  # where an installed package has data/ and notebooks/: setup.py
LESSONS_ELSEWHERE = "MINIRLHF_LESSONS"  # the learner's folder, where no repository says where it is
RECEIPT = ".shipped.json"  # lies in the learner's folder: what was copied into it
VOTES_ELSEWHERE = "MINIRLHF_VOTES"  # a path or a database's address, where votes.db is not the place
VOTER_ELSEWHERE = "MINIRLHF_VOTER"  # a file that says who votes, where the user's data folder is not the place


def shipped_folder(name: str) -> Path:
    """A folder of the repository, or of the installed package; an error that says what to do where neither has it."""
    for folder in (REPOSITORY / name, IN_WHEEL / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(
        f"{REPOSITORY / name} does not exist: minirlhf came here without its {name}/ folder. Install its wheel, or "
        "clone the repository and run `make lessons` in it (`pip install -e .` where there is no make)."
    )


def data_folder() -> Path:
    """What the lessons read: texts, tokenizer and checkpoints."""
    return shipped_folder("data")


def notebooks_folder() -> Path:
    """The lessons as they are shipped, not to be worked on."""
    return shipped_folder("notebooks")


def lessons_folder() -> Path:
    """The learner's own folder; made when it is first asked for.

    Beside notebooks/ in a repository; on a hub, where many share one, at home. Elsewhere here, where `minirlhf lessons`
    was called; a lesson's kernel, which starts in that very folder, knows it by its receipt.
    """
    if elsewhere := os.environ.get(LESSONS_ELSEWHERE):
        folder = Path(elsewhere).expanduser()
    elif notebooks_folder().parent == REPOSITORY and not on_hub():
        folder = REPOSITORY / "my_lessons"
    else:
        folder = Path.cwd() if Path(RECEIPT).is_file() else (Path.home() if on_hub() else Path.cwd()) / "my_lessons"
    with suppress(OSError):  # whoever writes there says what to do
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def votes_file() -> Path | str:
    """Where the learner's own votes are kept: beside the lessons, or in the file or database that a variable names."""
    elsewhere = os.environ.get(VOTES_ELSEWHERE)
    if elsewhere and "://" in elsewhere:
        return elsewhere
    return Path(elsewhere) if elsewhere else lessons_folder() / "votes.db"


def voter_file() -> Path:
    """Where it is kept who votes: in the user's data folder, which outlives the lessons, or where a variable says."""
    if elsewhere := os.environ.get(VOTER_ELSEWHERE):
        return Path(elsewhere).expanduser()
    from platformdirs import user_data_path  # here, so that the doctor speaks where it is missing

    return user_data_path("minirlhf", appauthor=False) / "voter"
