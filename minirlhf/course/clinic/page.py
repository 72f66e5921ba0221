"""The clinic as a page of the book: every symptom with its picture, so that the book's search finds it by its words."""

import re
from collections.abc import Sequence
from pathlib import Path

from minirlhf.course.clinic.card import HARMLESS, Card
from minirlhf.course.clinic.table import STAGES, SYMPTOMS, Symptom
from minirlhf.course.plots import style

NAME = "clinic"
FRONT = """# The clinic: symptoms, causes, cures

What people see when they train, why, and what helps: {n} symptoms. Search this book for your own words or for a
metric's name. In a notebook `clinic("loss is 0")` finds them too, and runs them.

"""


def write_page(folder: Path, symptoms: Sequence[Symptom] = SYMPTOMS) -> Path:
    """Write clinic.md, and beside it in clinic/ a picture for each symptom; returns the page."""
    (folder / NAME).mkdir(parents=True, exist_ok=True)
    parts = [FRONT.format(n=len(symptoms))]
    for stage in STAGES:
        of_stage = [one for one in symptoms if one.stage == stage]
        parts += [f"## {stage}\n\n"] * bool(of_stage)
        parts += [_section(one, folder) for one in of_stage]
    page = folder / f"{NAME}.md"
    page.write_text("".join(parts), encoding="utf-8")
    return page


def _section(symptom: Symptom, folder: Path) -> str:
    card = Card(symptom)
    picture = f"{NAME}/{symptom.name.replace(' ', '_')}.png"
    (folder / picture).write_bytes(style.drawn(card.figure(), bbox_inches="tight"))
    alt = card.alt.replace("[", "(").replace("]", ")")
    calm = f"*{HARMLESS}*\n\n" if symptom.harmless else ""
    said = "".join(f"**{heading}.** {_plain(words)}\n\n" for heading, words in card.parts())
    ways = _plain("; ".join(way.strip() for way in symptom.words.split(";")))
    return (
        f"### {symptom.sees}\n\n{calm}![{alt}]({picture})\n\n{said}"
        f"**Also said.** {ways}\n\n`{symptom.call}` brings it about. The line that does it:\n\n"
        f"```python\n{symptom.line}\n```\n\n"
    )


def _plain(words: str) -> str:
    """Words that may hold what Markdown would read as HTML, a formula or emphasis; code between backticks stays."""
    parts = words.split("`")
    return "`".join(part if i % 2 else re.sub(r"([<>*$\[\]])", r"\\\1", part) for i, part in enumerate(parts))
