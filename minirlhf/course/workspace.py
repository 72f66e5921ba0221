"""How JupyterLab is laid out when somebody opens the lessons for the first time; afterwards, as they left it."""

import json
from pathlib import Path

KEPT = ".workspaces"  # in the learner's folder: these lessons' own layout, beside which other work keeps its
# The list of files is a click away on the edge; open, it takes a third of a small screen from the lesson.
SIDE_BAR_CLOSED = {"layout-restorer:data": {"left": {"collapsed": True, "visible": True}}}


def laid_out(folder: Path) -> Path:
    """Where JupyterLab keeps the layout of these lessons; a first one is written where there is none."""
    from jupyterlab_server.workspaces_handler import WorkspacesManager

    kept = folder / KEPT
    if not kept.is_dir():
        first = {"data": SIDE_BAR_CLOSED, "metadata": {"id": "default"}}
        WorkspacesManager(str(kept)).save("default", json.dumps(first))
    return kept
