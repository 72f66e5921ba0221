"""Which exercises are done, kept beside the learner's lessons so that a restarted kernel still knows."""

import json
import os
import tempfile
from pathlib import Path

from minirlhf import RENAMED
from minirlhf.course.exercises import EXERCISES
from minirlhf.files.parsing import read_json
from minirlhf.paths import lessons_folder

FILE = ".progress.json"
ELSEWHERE = "MINIRLHF_PROGRESS"  # a file to use instead, where the lessons' own folder cannot be written


def progress() -> None:
    """Say which exercises are done and which are still to come."""
    done = read_done()
    marks = (f"{'✓' if name in done else '·'} {name}" for name in EXERCISES)
    print(f"{summary(done)}\n  " + "\n  ".join(marks))


def mark_done(name: str) -> str:
    """Remember that an exercise is done; returns the line to show, with a word of why if it cannot be kept."""
    done = read_done() | {name}
    try:
        _write(_file(), json.dumps({"done": sorted(done)}, indent=1))
    except OSError as error:
        return f"{summary(done)} (not kept for next time: {error.strerror or error})"
    return summary(done)


def read_done() -> set[str]:
    """The names of all exercises done; a file that is missing or cannot be read counts as none."""
    try:
        kept = read_json(_file())["done"]
        return {current for name in kept if (current := RENAMED.get(name, name)) in EXERCISES}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def summary(done: set[str]) -> str:
    return f"done: {len(done)} of {len(EXERCISES)} exercises"


def _file() -> Path:
    elsewhere = os.environ.get(ELSEWHERE)
    return Path(elsewhere) if elsewhere else lessons_folder() / FILE


def _write(path: Path, text: str) -> None:
    """Write a whole file or nothing; two kernels that finish together leave the one's file or the other's."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, suffix=".part", delete=False) as half:
        half.write(text)
    os.replace(half.name, path)
