"""What `clinic` answers with: the list of all symptoms, or one of them with its picture.

Both show themselves in a notebook (HTML), in a terminal (`print`), and one symptom as a picture (`.figure()`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from textwrap import fill

from matplotlib.figure import Figure

from minirlhf.course.clinic.picture import in_words, side_by_side
from minirlhf.course.clinic.search import find
from minirlhf.course.clinic.table import STAGES, SYMPTOMS, Run, Symptom
from minirlhf.course.plots import style

WIDTH = 100
BOX = f"background:#fff;color:{style.INK};padding:12px 16px;line-height:1.45;font-size:14px;max-width:820px"
CODE = "background:#f3f3f3;color:#222;padding:6px 8px;margin:2px 0 8px;white-space:pre-wrap;font-size:13px"
INLINE = "background:#f3f3f3;color:#222"  # a dark theme would put dark code on our white card
HARMLESS = "Nothing is wrong here: it frightens people, and is as it should be."


@dataclass(frozen=True, repr=False)
class Card:
    """One symptom, and what else the words may have meant."""

    symptom: Symptom
    near: Sequence[Symptom] = ()

    @cached_property
    def _both(self) -> tuple[Run, Run]:
        return self.symptom.runs()

    def runs(self) -> tuple[Run, Run]:
        """The numbers of the sick run and of the healthy one, made here."""
        return self._both

    def figure(self) -> Figure:
        """The sick run beside the healthy one."""
        return side_by_side(self.symptom, *self._both)

    @property
    def alt(self) -> str:
        """The picture in words."""
        sick, healthy = map(in_words, self._both)
        names = ("What frightens", "for comparison") if self.symptom.harmless else ("Sick", "healthy")
        return f"{self.symptom.sees} {names[0]}: {sick}. {names[1]}: {healthy}."

    def parts(self) -> list[tuple[str, str]]:
        """What there is to say, as (heading, words)."""
        s = self.symptom
        found = [("Why", s.cause), ("The sign", f"{s.sign[0].upper()}{s.sign[1:]}."), ("What helps", s.cure)]
        if s.threads:
            found.append(("Where people met it", ", ".join(s.threads)))
        if self.near:
            found.append(("Did you mean", "; ".join(f"{one.sees} → clinic({one.name!r})" for one in self.near)))
        return found

    def __str__(self) -> str:
        s, (sick, healthy) = self.symptom, self._both
        lines = [f"{s.sees}  [{s.stage}]", *([HARMLESS] if s.harmless else [])]
        lines += [f"{heading}: {words}" for heading, words in self.parts()]
        names = ("What frightens", "For comparison") if s.harmless else ("Sick", "Healthy")
        lines += [f"{names[0]}: {in_words(sick)}", f"{names[1]}: {in_words(healthy)}"]
        folded = [fill(line, WIDTH, subsequent_indent="  ") for line in lines]
        return "\n".join([*folded, f"Bring it about: {s.call}", "The line that does it:", *_indented(s.line)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        s = self.symptom
        picture = style.picture(style.drawn(self.figure(), bbox_inches="tight"), self.alt)
        said = "".join(f"<p style='margin:6px 0'><b>{h}.</b> {escape(words)}</p>" for h, words in self.parts())
        calm = f"<p style='margin:6px 0;color:{style.FINE}'><b>{HARMLESS}</b></p>" if s.harmless else ""
        return (
            f'<div style="{BOX}"><div style="color:{style.PALE}">{escape(s.stage)}</div>'
            f'<h3 style="margin:2px 0 6px;color:{style.INK}">{escape(s.sees)}</h3>{calm}{picture}{said}'
            f'<div><b>Bring it about:</b> <code style="{INLINE}">{escape(s.call)}</code>. The line that does it:</div>'
            f'<pre style="{CODE}">{escape(s.line)}</pre></div>'
        )


@dataclass(frozen=True, repr=False)
class Index:
    """All symptoms by stage, or a word on why nothing was found."""

    note: str = ""

    @property
    def by_stage(self) -> dict[str, list[Symptom]]:
        return {stage: [one for one in SYMPTOMS if one.stage == stage] for stage in STAGES}

    @property
    def caption(self) -> str:
        return self.note or (
            f"{len(SYMPTOMS)} symptoms. Ask by what you see, in your words or by a metric's name: "
            'clinic("loss is 0"), clinic("frac_reward_zero_std").'
        )

    def __str__(self) -> str:
        lines = [self.caption]
        for stage, symptoms in self.by_stage.items():
            lines += ["", stage, *(f"  {'○' if one.harmless else '●'} {one.sees}" for one in symptoms)]
        return "\n".join([*lines, "", "○: nothing is wrong"])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = ""
        for stage, symptoms in self.by_stage.items():
            rows += (
                f'<tr><th colspan="2" scope="rowgroup" style="text-align:left;padding:10px 4px 4px">{stage}</th></tr>'
            )
            for one in symptoms:
                calm = f' <span style="color:{style.FINE}">(nothing is wrong)</span>' if one.harmless else ""
                rows += (
                    f'<tr style="background:#fff"><td style="text-align:left;padding:3px 8px">{escape(one.sees)}{calm}'
                    f'</td><td style="text-align:left;padding:3px 8px;white-space:nowrap">'
                    f'<code style="{INLINE}">clinic({escape(repr(one.name))})</code></td></tr>'
                )
        return (
            f'<div style="{BOX};overflow-x:auto"><p>{escape(self.caption)}</p>'
            f'<table style="background:#fff;color:{style.INK};font-size:13px">{rows}</table></div>'
        )


def answer(seen: str | None = None) -> Card | Index:
    """The symptom that is called so, or else the likeliest; the list where nothing is asked or nothing found."""
    if seen is None or not seen.strip():
        return Index()
    for one in SYMPTOMS:
        if seen.strip() == one.name:
            return Card(one)
    found = find(seen)
    if not found:
        return Index(f"No symptom speaks of {seen!r}. Here are all; try the name of the number that looks wrong.")
    return Card(found[0], found[1:4])


def _indented(code: str) -> list[str]:
    return [f"    {line}" for line in code.splitlines()]
