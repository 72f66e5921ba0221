"""The command `minirlhf`: for learners, for teachers, and for whoever builds the lessons; `--help` lists all it can.

Each command imports what it needs when it is asked for, so that `minirlhf --help` answers at once and
`minirlhf doctor` still speaks where half of the packages are missing.
"""

import os
import sys
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path
from traceback import print_exception, walk_tb
from typing import Annotated, Any

import tyro

from minirlhf import paths
from minirlhf.course import copies, hub
from minirlhf.course.workspace import laid_out
from minirlhf.machine import joining, runtime

SHOW_TRACEBACK = "MINIRLHF_TRACEBACK"  # set this environment variable to see where an error comes from
Folder = Annotated[Path | None, tyro.conf.arg(metavar="PATH")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0: all went well, 1: something must be mended, 2: an error, 130: stopped."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    runtime.set_wait_policy()  # before a command imports torch; the kernels that it starts inherit it
    if joining.started_together() > 1:
        return run_together(arguments)
    try:
        return run(arguments) or 0
    except KeyboardInterrupt as stop:
        again = f"`minirlhf {' '.join(arguments)}` starts again from the beginning."
        print("\nStopped.", *(getattr(stop, "__notes__", None) or [again]), sep="\n", file=sys.stderr)
        return 130
    except (ValueError, OSError, ArithmeticError) as error:
        if SHOW_TRACEBACK in os.environ or not _is_ours(error):
            raise
        hint = f"(To see where this comes from, set {SHOW_TRACEBACK}=1 and run it again.)"
        print(f"minirlhf: {error}", *getattr(error, "__notes__", []), hint, sep="\n", file=sys.stderr)
        return 2


def run_together(arguments: Sequence[str]) -> int:
    """The same as one of several processes: what stops one stops all, and one of them says why."""
    me = f"minirlhf, process {os.environ.get('RANK')} of {joining.started_together()}"
    if arguments[:1] != ["demo"]:
        print(f"{me}: only `demo` trains on several processes; start the others without torchrun.", file=sys.stderr)
        return 2
    try:
        with joining.joined():
            return run(arguments) or 0
    except BaseException as error:
        if isinstance(error, SystemExit):
            raise
        if told := joining.word_for(error):
            print(f"{me}: {told}", *getattr(error, "__notes__", []), sep="\n", file=sys.stderr)
            if SHOW_TRACEBACK in os.environ or not (isinstance(error, KeyboardInterrupt) or _is_ours(error)):
                print_exception(error)
        joining.leave(130 if isinstance(error, KeyboardInterrupt) else 2)
        return 2


def run(arguments: Sequence[str]) -> int | None:
    """Find the command that is asked for, read its options, call it."""
    asked = arguments[0] if arguments else ""
    # Only the command that is asked for tells its options, because only its module is worth importing;
    # the others are there by name, for the help page and for tyro's answer to a misspelt one.
    commands = {name: _loaded(name) if name == asked else command for name, command in COMMANDS.items()}
    description = "Fine-tune a tiny language model with people's choices: lessons, and a demo of it all."
    return tyro.extras.subcommand_cli_from_dict(
        commands, prog="minirlhf", description=description, args=arguments or ["--help"]
    )


def lessons(folder: Folder = None, port: int = 8888, browser: bool = True) -> None:
    """Copy the lessons into your folder (my_lessons/) and open the first one in JupyterLab.

    Where a JupyterHub starts it, in place of its own command, that is the learner's server on the hub.

    Args:
        folder: where your copies live, if not in my_lessons/
        port: where JupyterLab listens on this machine; the next free one is taken if it is in use
        browser: open a browser; the address is printed either way
    """
    folder = (folder or paths.lessons_folder()).resolve()
    print(f"Your lessons are in {folder}")
    for copy in copies.copy_lessons(target=folder):
        print(f"  {copy}", flush=True)
    settings = [
        f"--ServerApp.allow_root={hasattr(os, 'geteuid') and os.geteuid() == 0}",
        f"--LabApp.workspaces_dir={laid_out(folder)}",
        f"--LabApp.app_settings_dir={Path(copies.__file__).with_name('lab_settings')}",  # does not ask about news
        "--LabApp.news_url=None",  # and fetches none
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--Application.log_level=WARN",  # so that the address is not lost among the reports of its parts
    ]
    if hub.waits_for_a_server():
        hub.serve(folder, settings)
    if hub.runs_around_us():
        print(f"JupyterLab runs already: open {folder.name}/{copies.FIRST_LESSON} in its list of files.")
        return
    from jupyterlab.labapp import LabApp

    print("Starting JupyterLab. To stop it, press Ctrl-C here twice.", flush=True)
    LabApp.launch_instance(
        [
            *settings,
            f"--ServerApp.root_dir={folder}",
            f"--LabApp.default_url=/lab/tree/{copies.FIRST_LESSON}",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={port}",
            f"--ServerApp.open_browser={browser and can_open_browser()}",
        ]
    )


def can_open_browser() -> bool:
    """Whether a browser can show itself; without a screen one might open that takes over the terminal."""
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not screen:
        return False
    try:
        return webbrowser.get() is not None
    except webbrowser.Error:
        return False


def demo() -> None:
    """Run the whole course without a screen: SFT, votes, reward model, PPO; then a table and figures."""


def classroom() -> None:
    """Open a room whose phones vote and whose model changes on the projector; --demo shows a session by itself."""


def votes() -> None:
    """Say how many votes there are and whose; import votes out of files, export them into files."""


def doctor() -> int:
    """Look at this installation and say what to do about each problem."""
    from minirlhf.course.doctor import findings, report

    return 0 if report(findings()) else 1


def bench() -> None:
    """Measure how quick minirlhf is beside others, as ratios within one run."""


def data(folder: Folder = None) -> None:
    """Rebuild the texts, bit for bit.

    Args:
        folder: where to write them, if not into data/
    """
    from minirlhf.course.texts import write_texts

    write_texts(folder or paths.data_folder())


def checkpoints(folder: Folder = None) -> None:
    """Train tokenizer, base, SFT, reward and PPO models anew and save them.

    Args:
        folder: where to write them, if not into data/
    """
    from minirlhf.recipes.pipeline import build_checkpoints

    build_checkpoints(folder or paths.data_folder())


def sweeps(names: tyro.conf.Positional[tuple[str, ...]] = (), seeds: int = 3) -> None:
    """Repeat the recorded runs that the lessons draw, and keep them in data/recorded (an hour for all).

    Args:
        names: which ones, by the names of their files; all if none is named
        seeds: how many seeds each is run with
    """
    from minirlhf.course.experiments.sweeps import record_sweeps

    for path in record_sweeps(names, range(seeds), processes=cores()):
        print(f"Written: {path}")


def bands(lessons: tyro.conf.Positional[tuple[str, ...]] = (), seeds: int = 3) -> int:
    """Measure what the lessons' texts claim, with several seeds, and keep it in data/recorded/bands.json.

    Args:
        lessons: which ones, by their numbers ("05 07", or "pipeline" for the whole line); if none is named, those
            whose code, data or packages have changed since they were measured
        seeds: how many seeds each is run with
    """
    from minirlhf.course.experiments.bands import measure_bands

    outside = measure_bands(lessons, range(seeds), processes=cores())
    print(*outside or ["Every claim keeps to its band."], sep="\n")
    return 1 if outside else 0


def cores() -> int:
    """Runs side by side: two at least, since one run of two threads is not what one of one thread is."""
    return max(2, int(runtime.usable_cpus()))


def book(folder: Folder = None, notebooks: Folder = None) -> None:
    """Run all lessons and bind them as a book of HTML pages that needs no network: runs/book/index.html.

    Args:
        folder: where book/ and the lessons as they ran are put, if not in runs/
        notebooks: where the lessons are, if not in notebooks/
    """
    from minirlhf.course.book.make import make_book

    print(f"The book: {make_book(notebooks or paths.notebooks_folder(), folder or Path('runs'))}")


def slides(folder: Folder = None, notebooks: Folder = None) -> None:
    """Run all lessons and lay them out as slides that need no network: runs/slides/index.html.

    Args:
        folder: where slides/ and the lessons as they ran are put, if not in runs/
        notebooks: where the lessons are, if not in notebooks/
    """
    from minirlhf.course.book.make import make_slides

    print(f"The slides: {make_slides(notebooks or paths.notebooks_folder(), folder or Path('runs'))}")


def figures(folder: Folder = None, notebooks: Folder = None, to: Folder = None) -> None:
    """Run all lessons and keep every figure, marked as recorded, in runs/figures: for the day when a laptop fails.

    Those of a run of ours are shipped: `--to data/recorded/figures` renews them.

    Args:
        folder: where the lessons as they ran are put, if not in runs/
        notebooks: where the lessons are, if not in notebooks/
        to: where the figures are put, if not in figures/ of that folder
    """
    from minirlhf.course.book.make import make_figures

    runs = folder or Path("runs")
    target = to or runs / "figures"
    print(f"The figures: {make_figures(notebooks or paths.notebooks_folder(), runs, target)}")


COMMANDS = {
    "lessons": lessons,
    "demo": demo,
    "classroom": classroom,
    "votes": votes,
    "doctor": doctor,
    "bench": bench,
    "data": data,
    "checkpoints": checkpoints,
    "sweeps": sweeps,
    "bands": bands,
    "book": book,
    "slides": slides,
    "figures": figures,
}


def _loaded(name: str) -> Callable[..., Any]:
    """The command with its options. The demo's are the fields of its config, the bench has its own."""
    if name == "demo":
        from minirlhf.course import demo as home

        def run_demo(config: Annotated[home.DemoConfig, tyro.conf.arg(name="")]) -> None:
            home.demo(config)

        run_demo.__doc__ = demo.__doc__
        return run_demo
    if name == "classroom":
        from minirlhf.classroom import command as room

        def run_classroom(config: Annotated[room.Classroom, tyro.conf.arg(name="")]) -> None:
            config.run()

        run_classroom.__doc__ = room.Classroom.__doc__
        return run_classroom
    if name == "votes":
        from minirlhf.feedback.command import votes as vote_files

        return vote_files
    if name == "bench":
        from minirlhf.course.bench.table import main as measure

        return measure
    return COMMANDS[name]


def _is_ours(error: BaseException) -> bool:
    """Whether our own code raised it, and so chose its words for people."""
    modules = [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
    return bool(modules) and modules[-1].split(".")[0] == "minirlhf"


if __name__ == "__main__":
    sys.exit(main())
