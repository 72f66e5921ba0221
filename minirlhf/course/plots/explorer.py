"""Sliders above a picture: `explore(draw, temperature=[0.5, 1.0, 2.0])` draws anew whenever one of them moves.

The picture is what `draw` returns: a Figure, anything with an HTML form, a widget, or text. It is the value of one
HTML widget: a slider's message may come on another thread than the cell's, where a captured or printed output
would go astray. In code: `explored.set(temperature=0.5)` moves a slider; `draw(temperature=0.5)` needs none.
"""

import inspect
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from threading import RLock
from typing import Any

from anywidget import AnyWidget
from ipywidgets import HTML, Dropdown, Layout, VBox, Widget
from matplotlib.figure import Figure
from traitlets import Int, List, Unicode, validate

from minirlhf.course.plots import style
from minirlhf.course.plots.strip import TokenStrip

CARD = f"box-sizing:border-box;max-width:100%;overflow-x:auto;background:#fff;color:{style.INK}"
TEXT = "padding:10px 14px;white-space:pre-wrap;word-break:normal;font-family:monospace;font-size:13px;line-height:1.45"
GREEK = {"beta": "β", "gamma": "γ", "lam": "λ"}
LONG = 12  # letters: the room that a slider has for its value
SORRY = "padding:10px 14px;border-left:8px solid #D55E00;font-size:14px;line-height:1.45"


class Slider(AnyWidget):
    """The browser's own slider over a list of labels: it has a name, and tells the label that it stands at."""

    _esm = Path(__file__).with_name("slider.js")
    _css = Path(__file__).with_name("slider.css")
    name = Unicode().tag(sync=True)
    labels = List(Unicode()).tag(sync=True)
    index = Int(0).tag(sync=True)

    def __init__(self, name: str, labels: Sequence[str], index: int) -> None:
        super().__init__(name=name, labels=list(labels), index=index, layout=Layout(width="100%"))

    @validate("index")
    def _check_index(self, proposal: Any) -> int:
        return min(max(proposal["value"], 0), len(self.labels) - 1)


class Explorer(VBox):
    """Sliders, and below them what `draw` makes of their values: `shown`, or the `error` that stopped it."""

    def __init__(self, draw: Callable[..., Any], choices: Mapping[str, list[Any]], start: Mapping[str, Any]) -> None:
        self.draw, self.choices = draw, choices
        self.shown: Any = None
        self.error: Exception | None = None
        self._lock = RLock()  # a slider's message and a cell may come at once
        self._waits = False  # while several sliders are set
        self._place = HTML(layout=Layout(width="100%", margin="6px 0 0"))
        self.sliders = {name: self._slider(name, start[name]) for name in choices}
        super().__init__([*self.sliders.values(), self._place])
        for slider in self.sliders.values():
            slider.observe(self._moved, "index")
        self._redraw()

    @property
    def values(self) -> dict[str, Any]:
        """What the sliders say now, by name."""
        return {name: self.choices[name][slider.index or 0] for name, slider in self.sliders.items()}

    def set(self, **values: Any) -> None:
        """Move sliders to these values and draw anew: what a mouse does, in code."""
        places = {name: place_of(value, name, self.choices) for name, value in values.items()}
        with self._lock:
            self._waits = True
            try:
                for name, place in places.items():
                    self.sliders[name].index = place
            finally:
                self._waits = False
            self._redraw()

    def _slider(self, name: str, start: Any) -> Slider | Dropdown:
        labels, index, words = list(map(label, self.choices[name])), place_of(start, name, self.choices), _words(name)
        if max(map(len, labels)) <= LONG:
            return Slider(words, labels, index)
        return Dropdown(
            options=list(zip(labels, range(len(labels)), strict=True)),
            index=index,
            description=words,
            disabled=len(labels) == 1,
            style={"description_width": f"{len(words) + 1}ch"},
            layout=Layout(width="100%", max_width="48em"),
        )

    def _moved(self, _: Any) -> None:
        if not self._waits:
            self._redraw()

    def _redraw(self) -> None:
        """Call draw and show what it returns; an error is shown too, so that one can go on from it."""
        with self._lock:
            before, self.error = self.shown, None
            try:
                self.shown = self.draw(**self.values)
                child = self._child(before)
            except Exception as error:
                self.shown, self.error, child = None, error, self._place
                self._place.value = _sorry(error, self._call)
            children = (*self.sliders.values(), child)
            if children != self.children:
                self.children = children

    def _child(self, before: Any) -> Widget:
        if isinstance(before, TokenStrip) and isinstance(self.shown, TokenStrip) and before is not self.shown:
            new, self.shown = (self.shown, before)  # so that its colours and the chosen token stay what they were
            before.become(new)
            new.close()
        if isinstance(self.shown, Widget):
            return self.shown
        self._place.value = as_html(self.shown)
        return self._place

    @property
    def _call(self) -> str:
        return f"draw({', '.join(f'{name}={value!r}' for name, value in self.values.items())})"

    def __repr__(self) -> str:
        state = f"stopped: {self.error!r}" if self.error else "is shown"
        return f"{self._call} {state}. No sliders to see? Move them by .set(…); .shown is what was drawn."

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        state = ", ".join(f"{_words(name)}: {label(value)}" for name, value in self.values.items())
        still = as_html(self.shown) if isinstance(self.shown, Widget) else self._place.value
        html = style.sheet(CARD, f'{still}<div style="padding:4px 14px 8px">{escape(state)}</div>')
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        return {**bundle, "text/plain": repr(self), "text/html": html}


def explore(draw: Callable[..., Any], start: Mapping[str, Any] | None = None, **choices: Any) -> Explorer:
    """Show draw(name=value, …) below a slider for each name, and draw anew whenever one of them moves.

    choices: for each argument of draw, the values to choose from (long texts: from a list). start: a slider's
    first position, if not the middle. draw returns a Figure, something with an HTML form, a widget or text, and
    takes a third of a second at most.
    """
    if not choices:
        raise ValueError("explore needs a slider, for example: explore(draw, temperature=[0.5, 1.0, 2.0]).")
    lists = {name: _values(name, values) for name, values in choices.items()}
    _require_arguments(draw, lists)
    middle = {name: values[(len(values) - 1) // 2] for name, values in lists.items()}
    for name, value in (start or {}).items():
        place_of(value, name, lists)
    return Explorer(draw, lists, {**middle, **(start or {})})


def place_of(value: Any, name: str, choices: Mapping[str, list[Any]]) -> int:
    """The position of a value among the choices for this name."""
    if name not in choices:
        raise ValueError(f"There is no slider {name!r}; there are: {', '.join(choices)}.")
    if value not in choices[name]:
        raise ValueError(f"{name} cannot be {value!r}; choose one of {', '.join(map(label, choices[name]))}.")
    return choices[name].index(value)


def label(value: Any) -> str:
    """A value as a slider shows it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _words(name: str) -> str:
    """An argument's name as a slider bears it: Greek letters as letters, blanks where Python has none."""
    return GREEK.get(name, name.replace("_", " "))


def as_html(shown: Any) -> str:
    """A figure as a picture, and anything else in the HTML form that it has, or as its text."""
    if shown is None:
        raise ValueError("draw returned nothing that could be shown; end it with: return figure")
    if isinstance(shown, Figure):
        return style.picture(style.drawn(shown), style.said_of(shown))
    in_html = getattr(shown, "_repr_html_", None)
    found = in_html() if in_html else None
    return style.sheet(f"{CARD};{TEXT}", escape(str(shown))) if found is None else found


def _sorry(error: Exception, call: str) -> str:
    story = "".join(traceback.format_exception(error))
    return style.sheet(
        f"{CARD};{SORRY}",
        f"<b>{escape(call)} stopped.</b> {escape(type(error).__name__)}: {escape(str(error))}"
        f'<details><summary>Where?</summary><pre style="color:{style.INK}">{escape(story)}</pre></details>',
        role="alert",
    )


def _values(name: str, values: Any) -> list[Any]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise ValueError(f"explore: {name} needs a list of values to choose from, not {values!r}.")
    to_list = getattr(values, "tolist", None)  # a tensor's or an array's entries as Python's own numbers
    found = to_list() if to_list else list(values)
    if not found:
        raise ValueError(f"explore: there is nothing to choose from for {name}; give it at least one value.")
    return found


def _require_arguments(draw: Callable[..., Any], choices: Mapping[str, Any]) -> None:
    """Find out whether draw can be called with these names, before it is."""
    try:
        signature = inspect.signature(draw)
    except (TypeError, ValueError):  # some functions that are not written in Python do not say what they take
        return
    try:
        signature.bind(**dict.fromkeys(choices))
    except TypeError as error:
        name = getattr(draw, "__name__", "draw")
        raise ValueError(
            f"explore: {name}{signature} cannot be called with {', '.join(choices)}: {error}. "
            "Give a list of values for each of its arguments, under that argument's name."
        ) from None
