"""The token microscope: a text token by token, coloured by any number that each token has, its arithmetic below.

    TokenStrip(["Hi", " there"], {"advantage": [None, 0.5]}, ["prompt", "A = 0.3 + 0.95 × 0.2 = 0.5"])

All that is drawn is worked out here and travels as `view`; strip.js puts it on the screen, and says back which token
was chosen and what to colour by. Where no screen is: `print(strip)`, `strip.tell(1)`, `strip.shade("advantage")`.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import floor, isfinite, log10
from pathlib import Path
from typing import Any

from anywidget import AnyWidget
from matplotlib.colors import LinearSegmentedColormap, to_hex
from traitlets import Dict, Int, Unicode, validate

from minirlhf.course.plots import style
from minirlhf.files.messages import counted

# Okabe and Ito's vermilion, sky blue, blue and green, on white.
TWO_SIDED = LinearSegmentedColormap.from_list("two-sided", ["#D55E00", "#FFFFFF", "#0072B2"], N=257)
ONE_SIDED = LinearSegmentedColormap.from_list("one-sided", ["#FFFFFF", "#56B4E9"])
YES, NO, OUT = "#80CEB9", "#FFFFFF", "#EDEDED"  # OUT: the token does not count
MARKS = {" ": "␣", "\n": "↵", "\t": "⇥"}
Numbers = Iterable[Any]  # float, int, bool or None; a tensor too

CARD = f"max-width:960px;background:#fff;color:{style.INK};padding:14px 18px;font-size:14px;line-height:1.4"
BOX = "display:inline-block;margin:2px;padding:2px 6px;border:1px solid #8a8a8a;border-radius:6px;text-align:center"
PANEL = (
    f"margin:10px 0 0;padding:10px 14px;background:#f4f5f7;color:{style.INK};font-size:13px;"
    "white-space:pre-wrap;word-break:normal;overflow-wrap:anywhere"
)


class TokenStrip(AnyWidget):
    """A text as a strip of tokens, coloured by one of `shades`, with the details of the chosen one below it.

    pieces: a text per token. shades: by name, per token a number, True or False, or None where it does not count.
    details: a few lines of plain text per token. notes: for a shade, what it is and in which unit.
    """

    _esm = Path(__file__).with_name("strip.js")
    _css = Path(__file__).with_name("strip.css")
    view = Dict().tag(sync=True)
    chosen = Int(None, allow_none=True).tag(sync=True)
    shading = Unicode().tag(sync=True)

    def __init__(
        self,
        pieces: Sequence[str],
        shades: Mapping[str, Numbers],
        details: Sequence[str],
        title: str = "",
        notes: Mapping[str, str] | None = None,
    ) -> None:
        numbers, notes = {name: list(map(_plain, shade)) for name, shade in shades.items()}, notes or {}
        _require_one_each(len(pieces), {**numbers, "details": details})
        if unknown := set(notes) - set(numbers):
            raise ValueError(f"TokenStrip: there is a note on {unknown.pop()!r}, but no such shade.")
        view = {
            "title": title,
            "pieces": [visible(piece) for piece in pieces],
            "details": [str(detail) for detail in details],
            "shades": [{"name": name, "note": notes.get(name, "")} | shaded(shade) for name, shade in numbers.items()],
        }
        super().__init__(view=view, shading=next(iter(numbers)))

    def tell(self, i: int) -> None:
        """Print what there is to say about token i."""
        print(f"token {self._known(i)}: {self.view['pieces'][i]}", self.view["details"][i], sep="\n")

    def choose(self, i: int | None) -> None:
        """Show token i below the strip, as a click on it does; None chooses none."""
        self.chosen = i

    def shade(self, name: str) -> None:
        """Colour the strip by this."""
        self.shading = name

    def become(self, other: "TokenStrip") -> None:
        """Show what another strip shows, in this one's place; what was chosen stays so where it can."""
        with self.hold_sync():
            self.view = other.view
            if self.shading not in self._names:
                self.shading = other.shading
            tones = self._shade["tones"]
            if self.chosen is not None and (self.chosen >= len(tones) or tones[self.chosen] is None):
                counts = [i for i, tone in enumerate(tones) if tone is not None]
                self.chosen = counts[0] if counts else None  # of another text the same place may be no word of a reply

    @validate("chosen")
    def _check_chosen(self, proposal: Any) -> int | None:
        return self._known(proposal["value"])

    @validate("shading")
    def _check_shading(self, proposal: Any) -> str:
        if proposal["value"] not in self._names:
            raise ValueError(f"There is no shade {proposal['value']!r}; there are: {', '.join(self._names)}.")
        return proposal["value"]

    def _known(self, i: int | None) -> int | None:
        last = len(self.view["pieces"]) - 1
        if i is not None and not 0 <= i <= last:
            raise IndexError(f"There is no token {i}; choose one from 0 to {last}.")
        return i

    @property
    def _names(self) -> list[str]:
        return [shade["name"] for shade in self.view["shades"]]

    @property
    def _shade(self) -> dict[str, Any]:
        return self.view["shades"][self._names.index(self.shading)]

    @property
    def _told(self) -> int:
        """The token whose details are shown where there is no mouse: the chosen one, or else the first that counts."""
        if self.chosen is not None:
            return self.chosen
        return next((i for i, tone in enumerate(self._shade["tones"]) if tone is not None), 0)

    def __str__(self) -> str:
        shade, pieces = self._shade, self.view["pieces"]
        width, labels = max(map(len, pieces)), map(spoken, shade["tones"], shade["labels"])
        rows = (
            f"{i:>4}  {piece:<{width}}  {words}" for i, (piece, words) in enumerate(zip(pieces, labels, strict=True))
        )
        return "\n".join([f"{self.view['title']} ({self.shading})".strip(), *rows])

    def __repr__(self) -> str:
        n = len(self.view["pieces"])
        what = f"A strip of {counted(n, 'token')}, by {self.shading}."
        return f"{what} No strip to see? print(strip), or strip.tell({self._told})."

    def _repr_html_(self) -> str:
        return still(self.view, self._shade, self._told)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle:
            bundle[0].update({"text/plain": repr(self), "text/html": self._repr_html_()})
        return bundle


def visible(piece: str) -> str:
    """The piece with a sign for what could not be seen."""
    return "".join(MARKS.get(c, c if c.isprintable() else "�") for c in piece) or "∅"


def ink_on(tone: str) -> str:
    """Black or white, whichever is easier to read on this: a contrast of 4.5 at least, on any colour."""
    light = style.luminance(tone) + 0.05
    return "#000000" if light / 0.05 > 1.05 / light else "#FFFFFF"


def spoken(tone: str | None, label: str) -> str:
    """A token's label, in words."""
    return "does not count" if tone is None else {"✓": "yes", "": "no"}.get(label, label)


def shaded(numbers: Sequence[float | bool | None]) -> dict[str, Any]:
    """How a shade looks: per token a background (None: does not count), an ink and a label; and a legend."""
    known = [number for number in numbers if number is not None]
    if known and all(isinstance(number, bool) for number in known):
        looks: dict[Any, tuple[str, str]] = {True: (YES, "✓"), False: (NO, "")}
        legend = [[YES, "✓ yes"], [NO, "no"]]
    else:
        numbers = [None if number is None else float(number) for number in numbers]
        known = [number for number in numbers if number is not None]
        largest = max(map(abs, known), default=0.0)
        signs = any(number < 0 for number in known)
        digits = _digits(known, largest)
        ends = [-largest, 0.0, largest] if signs else [0.0, largest] if largest else known[:1]
        looks = {x: (_tone(x, largest, signs), _label(x, digits, signs)) for x in {*known, *ends}}
        legend = [list(looks[x]) for x in ends]
    looks[None] = (OUT, "")
    return {
        "tones": [None if number is None else looks[number][0] for number in numbers],
        "inks": [ink_on(looks[number][0]) for number in numbers],
        "labels": [looks[number][1] for number in numbers],
        "legend": legend,
    }


def _tone(number: float, largest: float, signs: bool) -> str:
    share = number / largest if largest else 0.0
    return to_hex(TWO_SIDED((1 + share) / 2) if signs else ONE_SIDED(share)).upper()


def _label(number: float, digits: int, signs: bool) -> str:
    if abs(number) >= 1e5:
        return f"{number:.1e}".replace("-", "−")
    return style.signed(number, digits) if signs else f"{number:.{digits}f}"


def _digits(known: Sequence[float], largest: float) -> int:
    """So many that the largest number shows two or three figures."""
    if not largest or largest >= 100 or all(number.is_integer() for number in known):
        return 0
    return min(6, max(1 if largest >= 10 else 2, 1 - floor(log10(largest))))


def _plain(number: Any) -> float | bool | None:
    """A number of Python's own, also from a tensor's entry; what is not finite cannot be drawn, so does not count."""
    number = number.item() if hasattr(number, "item") else number
    if number is None or isinstance(number, bool):
        return number
    return float(number) if isfinite(number) else None


def _require_one_each(n: int, given: Mapping[str, Sequence[Any]]) -> None:
    if not n or len(given) < 2:
        raise ValueError("TokenStrip needs at least one token, and one shade to colour it by.")
    for name, entries in given.items():
        if len(entries) != n:
            raise ValueError(
                f"TokenStrip: {name!r} has {counted(len(entries), 'entry', 'entries')}, and there "
                f"{'is' if n == 1 else 'are'} {counted(n, 'token')}. Give one for each token; "
                "in a shade, None where a token does not count."
            )


def still(view: Mapping[str, Any], shade: Mapping[str, Any], told: int) -> str:
    """The strip as HTML that needs no script: for a page without a kernel."""
    tokens = zip(view["pieces"], shade["tones"], shade["inks"], shade["labels"], strict=True)
    boxes = "".join(
        f'<span style="{BOX};background:{tone or OUT};color:{ink}{";border-style:dashed" if tone is None else ""}'
        f'{";outline:2px solid #000" if i == told else ""}">{escape(piece)}<br>'
        f'<span style="font-size:11px">{escape(label) or "&nbsp;"}</span></span>{"<br>" * piece.endswith("↵")}'
        for i, (piece, tone, ink, label) in enumerate(tokens)
    )
    note = f": {shade['note']}" if shade["note"] else ""
    detail = f"token {told}: {view['pieces'][told]}\n{view['details'][told]}"
    return style.sheet(
        CARD,
        f"<b>{escape(view['title'])}</b><div>{escape(shade['name'] + note)}</div>"
        f'<div>{boxes}</div><pre style="{PANEL}">{escape(detail)}</pre>',
    )
