"""Where things are: the shipped data and notebooks, the learner's own folder, and the learner's votes."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
VOTES_ELSEWHERE = "MINIRLHF_VOTES"  # a path or a database's address, where votes.db is not the place


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
