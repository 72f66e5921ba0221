"""The learner's own copies of the lessons.

Learners work on copies in `my_lessons/`, which git ignores. A copy that was never touched is refreshed when
the lesson improves; a copy that was touched is the learner's and is left alone, whatever happens.

A copy says two things that the lesson leaves to whoever opens it. Which Python its kernel has: JupyterLab would write
that down on opening and then ask whether to save the change. And, behind each link to a word, what the word means,
so that pointing at it is enough. The words themselves, which are only read, become a Markdown page: JupyterLab starts
a kernel for every notebook, and none for a page.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from minirlhf.files.parsing import read_json
from minirlhf.paths import RECEIPT, lessons_folder, notebooks_folder

FIRST_LESSON = "00_start_here.ipynb"
GLOSSARY, PAGE = "glossary.ipynb", "glossary.md"  # as it is shipped, and as it is copied
TO_THE_GLOSSARY = re.compile(r"\]\(glossary\.ipynb(?:#([^)\s]+))?\)")
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
    require_writable(target, "Name a folder of your own: `minirlhf lessons --folder PATH`.")
    record, meanings = _read_record(target), _meanings(source / GLOSSARY)
    copies = [_copy_lesson(*_as_copied(lesson, meanings), target, record) for lesson in lessons]
    _write(target / RECORD, json.dumps(record, indent=1, sort_keys=True).encode())
    return copies


def require_writable(folder: Path, remedy: str) -> None:
    """Make a folder and write into it for a moment; an error that says what to do where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = f"{folder} cannot be written to ({error.strerror or error}). {remedy}"
        raise PermissionError(reason) from None


def _as_copied(lesson: Path, meanings: Mapping[str, str]) -> tuple[str, bytes]:
    """What a lesson is called in the learner's folder, and what the copy says."""
    content = lesson.read_bytes()
    if lesson.name != GLOSSARY:
        return lesson.name, opened(content, meanings)
    return PAGE, ("\n\n".join(_sources(content)) + "\n").encode()


def opened(content: bytes, meanings: Mapping[str, str]) -> bytes:
    """A lesson as it is after JupyterLab has opened it, with the meaning behind each link to a word.

    What is no notebook stays as it is.
    """
    try:
        notebook = json.loads(content)
        cells, metadata = notebook["cells"], notebook["metadata"]
    except (ValueError, KeyError, TypeError):
        return content
    metadata["language_info"] = _language()
    for cell in cells:
        if cell["cell_type"] == "markdown":
            cell["source"] = _with_meanings("".join(cell["source"]), meanings).splitlines(keepends=True)
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def _language() -> dict[str, Any]:
    """What a kernel says of its language; nothing new where none is installed, which the doctor reports."""
    try:
        from ipykernel.ipkernel import IPythonKernel
    except ImportError:
        return {"name": "python"}
    return dict(IPythonKernel.language_info)


def _meanings(glossary: Path) -> dict[str, str]:
    """The first paragraph about each word of the glossary, without marks, by what a link says for the word."""
    if not glossary.is_file():
        return {}
    found = (re.match(r"### (.+)\n+(.+)", cell) for cell in _sources(glossary.read_bytes()))
    plain = str.maketrans({'"': "'", "*": "", "`": ""})
    return {word[1].strip().replace(" ", "-"): word[2].strip().translate(plain) for word in found if word}


def _sources(notebook: bytes) -> list[str]:
    """What each cell of a notebook says."""
    return ["".join(cell["source"]) for cell in json.loads(notebook)["cells"]]


def _with_meanings(markdown: str, meanings: Mapping[str, str]) -> str:
    def to_page(link: re.Match[str]) -> str:
        place = f"{PAGE}#{link[1]}" if link[1] else PAGE
        return f']({place} "{meanings[link[1]]}")' if link[1] in meanings else f"]({place})"

    return TO_THE_GLOSSARY.sub(to_page, markdown)


def _copy_lesson(lesson: str, content: bytes, target: Path, record: dict[str, str]) -> Copy:
    """Put one lesson under the first name whose file is not the learner's, and write it into the record."""
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
        if offered and (touched or name != lesson):
            return Copy(lesson, "kept")
        if not touched:
            _write(copy, content)
            record[name] = shipped
            if name != lesson:
                return Copy(name, "beside")
            return Copy(name, "refreshed" if present else "new")
    raise AssertionError("_names never ends")


def _names(lesson: str) -> Iterator[str]:
    """00_start_here.ipynb, then 00_start_here_new.ipynb, 00_start_here_new_2.ipynb, and so on."""
    stem, suffix = Path(lesson).stem, Path(lesson).suffix
    yield lesson
    yield f"{stem}_new{suffix}"
    number = 2
    while True:
        yield f"{stem}_new_{number}{suffix}"
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
