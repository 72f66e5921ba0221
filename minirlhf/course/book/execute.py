"""Run every lesson once, in a kernel and a folder of its own, and keep what it showed.

A lesson that is unchanged, by a package that is unchanged, is not run again: the book and the slides share a run.
"""

import os
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from tqdm import tqdm

from minirlhf import paths
from minirlhf.classroom.session import PORT_ELSEWHERE, close_left_in
from minirlhf.machine.pace import LIMIT

LONGEST_CELL = 600  # seconds
WIDGET = "application/vnd.jupyter.widget-view+json"  # what needs a kernel; a still stands beside it
PICTURE = "image/png"
PROGRESS_ELSEWHERE = "MINIRLHF_PROGRESS"
FIGURES = "figures"  # in data/recorded: what lessons drew, which no lesson reads


def executed(lessons: Iterable[Path], folder: Path) -> dict[str, NotebookNode]:
    """The lessons with their outputs, by name without suffix; kept in folder for the next time.

    A cell that fails ends it: a ValueError names the lesson and the cell.
    """
    folder.mkdir(parents=True, exist_ok=True)
    package = _digest(_package_files())
    found = {}
    for lesson in lessons:
        kept = folder / lesson.name
        digest = _digest([lesson], package, os.environ.get(LIMIT, ""))
        notebook = _kept(kept, digest)
        if notebook is None:
            notebook = run(lesson)
            notebook.metadata.minirlhf = {"digest": digest}
            nbformat.write(notebook, kept)
        found[lesson.stem] = notebook
    return found


def run(lesson: Path) -> NotebookNode:
    """Execute one lesson from top to bottom, as somebody who begins here."""
    notebook: NotebookNode = nbformat.read(lesson, as_version=4)
    at = 0
    with (
        TemporaryDirectory() as place,
        tqdm(total=len(notebook.cells), desc=lesson.stem, unit="cell", leave=True) as bar,
    ):

        def starts(cell: NotebookNode, cell_index: int) -> None:
            nonlocal at
            at = cell_index
            bar.update(cell_index + 1 - bar.n)

        own = {paths.VOTES_ELSEWHERE: f"{place}/votes.db", PROGRESS_ELSEWHERE: f"{place}/progress.json"}
        own |= {paths.VOTER_ELSEWHERE: f"{place}/voter", paths.LESSONS_ELSEWHERE: place, PORT_ELSEWHERE: "0"}
        client = NotebookClient(
            notebook,
            timeout=LONGEST_CELL,
            record_timing=False,
            resources={"metadata": {"path": place}},
            on_cell_start=starts,
            extra_arguments=["--log-level=ERROR"],  # the kernel's own remarks are not about the lesson
        )
        try:
            client.execute(env=os.environ | own)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            problem = ValueError(f"{lesson.name}, cell {at + 1} of {len(notebook.cells)} failed.")
            why = f"{error.ename}: {error.evalue}" if isinstance(error, CellExecutionError) else str(error)
            problem.add_note(f"{notebook.cells[at].source}\n\n{why}")
            raise problem from error
        except AssertionError as error:
            if client.km is None:  # nbclient ended the kernel at Ctrl-C, and then looked for it
                stop = KeyboardInterrupt()
                stop.add_note("The lessons that ran to their end are kept; the same command goes on from there.")
                raise stop from error
            raise
        finally:
            close_left_in(Path(place))
    return tidied(notebook)


def tidied(notebook: NotebookNode) -> NotebookNode:
    """Without progress bars, and without widgets: what stands beside a widget in its output is its still.

    A figure is a picture with words of its own, and no longer the HTML that JupyterLab needs for them.
    """
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if _is_to_read(output)]
            for words in filter(None, map(words_of, cell.outputs)):
                cell.metadata["mystnb"] = {"image": {"alt": words}}
    return notebook


def words_of(output: NotebookNode) -> str:
    """What a picture says to somebody who does not see it."""
    return output.get("metadata", {}).get(PICTURE, {}).get("alt", "")


def _is_to_read(output: NotebookNode) -> bool:
    data: dict[str, Any] = output.get("data", {})
    data.pop(WIDGET, None)
    if PICTURE in data:
        data.pop("text/html", None)
    return bool(data) or output.output_type == "error" or output.get("name") == "stdout"


def _kept(path: Path, digest: str) -> NotebookNode | None:
    """The lesson as it was run before, if nothing has changed since."""
    try:
        notebook = nbformat.read(path, as_version=4)
    except (OSError, ValueError):  # not there, or written half
        return None
    return notebook if notebook.metadata.get("minirlhf", {}).get("digest") == digest else None


def _package_files() -> Iterator[Path]:
    """All that a lesson may read: the package, and what it ships."""
    for folder in (Path(__file__).parents[2], paths.data_folder()):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.suffix != ".pyc" and FIGURES not in path.parts:
                yield path


def _digest(files: Iterable[Path], *words: str) -> str:
    digest = sha256(" ".join(words).encode())
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()
