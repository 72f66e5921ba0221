"""`make bench`: every promise of design.md about speed, measured within one run on two threads."""

import json
from pathlib import Path
from typing import Literal

import torch

from minirlhf.course.bench import measure
from minirlhf.course.bench.machine import THREADS, facts
from minirlhf.course.bench.row import HEAD, Row
from minirlhf.paths import REPOSITORY

Measurement = Literal[
    "ppo", "company", "sampling", "sft", "dpo", "grpo", "yardstick", "votes", "demo", "lessons", "import"
]
MEASUREMENTS = {
    "ppo": measure.ppo,
    "company": measure.company,
    "sampling": measure.sampling,
    "sft": measure.sft,
    "dpo": measure.dpo,
    "grpo": measure.grpo,
    "yardstick": measure.yardstick,
    "votes": measure.votes,
    "demo": measure.demo,
    "lessons": measure.lessons,
    "import": measure.imports,
}


def main(only: tuple[Measurement, ...] = (), out: Path = REPOSITORY / "runs" / "bench.json") -> None:
    """Measure how quick minirlhf is beside others, as ratios within one run.

    Args:
        only: the measurements to take; all of them where none is named
        out: where to write what was measured, round by round
    """
    torch.set_num_threads(THREADS)
    print(HEAD)
    rows: list[Row] = []
    for name in only or MEASUREMENTS:
        for row in MEASUREMENTS[name]():
            print(row, flush=True)
            rows.append(row)
            write(rows, out)  # at once: a run that is stopped leaves what it has measured
    print(f"Every round of every measurement is in {out}")


def write(rows: list[Row], out: Path) -> None:
    """The table as JSON, with the machine that it was measured on."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"machine": facts(), "rows": [row.as_json() for row in rows]}, indent=1))
