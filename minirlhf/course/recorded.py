"""Runs that were made before and are kept in data/recorded, so that a lesson need not repeat twenty of them.

A file holds rows of plain numbers and words, what they are about, and the command that makes them anew. A figure
that draws them says "recorded".
"""

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from minirlhf.files.parsing import read_json
from minirlhf.paths import data_folder

Row = Mapping[str, Any]


def read_recorded(name: str, folder: Path | None = None) -> list[dict[str, Any]]:
    """The rows of data/recorded/name.json."""
    path = (folder or recorded_folder()) / f"{name}.json"
    if not path.is_file():
        there = ", ".join(sorted(p.stem for p in path.parent.glob("*.json"))) or "nothing"
        raise FileNotFoundError(
            f"{path}: no such recorded run; there is {there}. `minirlhf sweeps` records all that the lessons draw."
        )
    try:
        return read_json(path)["rows"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: damaged ({error}). Bring it back with git, or record it anew with `minirlhf sweeps {name}`."
        ) from None


def write_recorded(name: str, rows: Sequence[Row], *, about: str, made_by: str, folder: Path | None = None) -> Path:
    """Keep rows of finite numbers and words, one a line, with what they are about and how they were made."""
    for n, row in enumerate(rows, start=1):
        for column, value in row.items():
            if isinstance(value, float) and not isfinite(value):
                raise ValueError(f"{name}, row {n}: {column} is {value}. Nothing was written.")
    head = {"about": about, "made_by": made_by}
    lines = ",\n".join("  " + json.dumps(_rounded(row), ensure_ascii=False) for row in rows)
    text = json.dumps(head, indent=1, ensure_ascii=False).removesuffix("\n}") + f',\n "rows": [\n{lines}\n ]\n}}\n'
    path = (folder or recorded_folder()) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def recorded_folder() -> Path:
    """Where recorded runs are kept."""
    return data_folder() / "recorded"


def _rounded(row: Row) -> dict[str, Any]:
    """Five significant digits are more than any figure shows."""
    return {name: float(f"{x:.5g}") if isinstance(x, float) else x for name, x in row.items()}
