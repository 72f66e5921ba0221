"""`minirlhf lessons` on a JupyterHub: the hub starts it in place of its own command, and it becomes a learner's server.

What the hub tells a server stands in environment variables, and jupyterhub reads them itself. A terminal in such a
server inherits them, but there one runs already.
"""

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from minirlhf import paths
from minirlhf.course.copies import FIRST_LESSON
from minirlhf.machine import runtime

WHERE_TO_SERVE = "JUPYTERHUB_SERVICE_URL"
ROOT = "JUPYTERHUB_ROOT_DIR"  # c.Spawner.notebook_dir
OF_A_SERVER = ("JUPYTER_SERVER_URL", "JPY_PARENT_PID")  # in its terminals, and in its kernels


def waits_for_a_server() -> bool:
    """Whether a hub has started this process so that it becomes a learner's server."""
    return runtime.on_hub() and WHERE_TO_SERVE in os.environ and not runs_around_us()


def runs_around_us() -> bool:
    """Whether this is a terminal or a kernel of a server on a hub: another one could not be reached from outside."""
    return runtime.on_hub() and any(name in os.environ for name in OF_A_SERVER)


def serve(folder: Path, settings: Sequence[str]) -> None:
    """Become the learner's server, opened on the first lesson; FileNotFoundError where jupyterhub is not beside us."""
    if find_spec("jupyterhub") is None:
        raise FileNotFoundError(
            f"{sys.executable} has no jupyterhub, which every learner's server needs. Install there the version that "
            "the hub has: `jupyterhub --version` on the hub, then `pip install jupyterhub==…`."
        )
    # The learner sees all of their home, or what the hub's configuration shows them, unless the lessons lie elsewhere.
    root = Path(os.environ.get(ROOT) or Path.home()).expanduser().resolve()
    root = root if folder.is_relative_to(root) else folder
    os.environ[paths.LESSONS_ELSEWHERE] = str(folder)  # for kernels, wherever a notebook of theirs lies
    place = (folder.relative_to(root) / FIRST_LESSON).as_posix()
    opened = [f"--ServerApp.root_dir={root}", f"--ServerApp.default_url=/lab/tree/{place}"]
    # The hub knows the number of this process, so no other one can be the server.
    os.execv(sys.executable, [sys.executable, "-m", "jupyterhub.singleuser", *settings, *opened])
