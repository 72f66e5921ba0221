"""The learner's own copies of the lessons.

Learners work on copies in `my_lessons/`, which git ignores. A copy that was never touched is refreshed when
the lesson improves; a copy that was touched is the learner's and is left alone, whatever happens.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from minirlhf.files.parsing import read_json
from minirlhf.paths import RECEIPT, lessons_folder, notebooks_folder

FIRST_LESSON = "00_start_here.ipynb"
RECORD = RECEIPT  # in the learner's folder: the digest of every copy as it was when we put it there


@dataclass(frozen=True)
class Copy:
    """What happened to one lesson: a file in the learner's folder, and one of ACTIONS."""

    name: str
    action: str

    def __str__(self) -> str:
        return f"{self.name}: {ACTIONS[self.action]}"


ACTIONS = {
    "new": "copied for you",
    "refreshed": "brought up to date; you had not changed it",
    "same": "up to date",
    "kept": "yours, left as it is",
    "beside": "the lesson has a newer version, put here beside yours, which is left as it is",
}


def copy_lessons(source: Path | None = None, target: Path | None = None) -> list[Copy]:
    """Bring the shipped lessons into the learner's folder; what the learner changed is never overwritten."""
    source = source or notebooks_folder()
    target = target or lessons_folder()
    lessons = sorted(source.glob("*.ipynb"))
    if not lessons:
        raise FileNotFoundError(f"{source} holds no lesson; bring it back with `git checkout notebooks`.")
    target.mkdir(parents=True, exist_ok=True)
    record = _read_record(target)
    copies = [_copy_lesson(lesson, target, record) for lesson in lessons]
    _write(target / RECORD, json.dumps(record, indent=1, sort_keys=True).encode())
    return copies


def _copy_lesson(lesson: Path, target: Path, record: dict[str, str]) -> Copy:
    """Put one lesson under the first name whose file is not the learner's, and write it into the record."""
    content = lesson.read_bytes()
    shipped = _digest(content)
    for name in _names(lesson):
        copy = target / name
        present = copy.exists()
        if present and _digest(copy.read_bytes()) == shipped:
            record[name] = shipped
            return Copy(name, "same")
        touched = present and _digest(copy.read_bytes()) != record.get(name)
        # This very version was offered under this name before. If the learner then changed it, it is theirs;
        # if they threw away a copy that stood beside their own, they do not want it again.
        offered = record.get(name) == shipped
        if offered and (touched or name != lesson.name):
            return Copy(lesson.name, "kept")
        if not touched:
            _write(copy, content)
            record[name] = shipped
            if name != lesson.name:
                return Copy(name, "beside")
            return Copy(name, "refreshed" if present else "new")
    raise AssertionError("_names never ends")


def _names(lesson: Path) -> Iterator[str]:
    """00_start_here.ipynb, then 00_start_here_new.ipynb, 00_start_here_new_2.ipynb, and so on."""
    yield lesson.name
    yield f"{lesson.stem}_new{lesson.suffix}"
    number = 2
    while True:
        yield f"{lesson.stem}_new_{number}{lesson.suffix}"
        number += 1


def _read_record(target: Path) -> dict[str, str]:
    """What we put there earlier; an unreadable record counts as none: then every file is the learner's."""
    try:
        record = read_json(target / RECORD)
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(path: Path, content: bytes) -> None:
    """Write a whole file or nothing, so that an interruption leaves no half lesson."""
    half = path.with_name(path.name + ".part")
    half.write_bytes(content)
    os.replace(half, path)
