"""Where things are: the shipped data and notebooks, the learner's own folder and votes, and who the learner is."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
VOTES_ELSEWHERE = "MINIRLHF_VOTES"  # a path or a database's address, where votes.db is not the place
VOTER_ELSEWHERE = "MINIRLHF_VOTER"  # a file that says who votes, where the user's data folder is not the place


def shipped_folder(name: str) -> Path:
    """A folder of the repository; an error that says what to do where only the package was installed."""
    folder = REPOSITORY / name
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} does not exist: minirlhf was installed without the repository's {name}/ folder. "
            "Clone the repository and run `make lessons` in it, or `pip install -e .` where there is no make."
        )
    return folder


def data_folder() -> Path:
    """What the lessons read: texts, tokenizer and checkpoints."""
    return shipped_folder("data")


def notebooks_folder() -> Path:
    """The lessons as they are shipped, not to be worked on."""
    return shipped_folder("notebooks")


def lessons_folder() -> Path:
    """The learner's own folder, beside notebooks/; made when it is first asked for."""
    folder = notebooks_folder().parent / "my_lessons"
    folder.mkdir(exist_ok=True)
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
