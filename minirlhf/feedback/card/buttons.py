"""The card's twin from plain ipywidgets, for places where the card itself cannot load.

It watches the same Session and sends it the same messages, so that either may be shown, or both at once.
"""

from collections.abc import Callable, Sequence
from html import escape
from time import monotonic
from typing import Any
from uuid import uuid4

from ipywidgets import HTML, BoundedIntText, Box, Button, Dropdown, HBox, IntProgress, Layout, Textarea, VBox, Widget

from minirlhf.feedback.card.session import LETTERS, Session

# A click that comes sooner was meant for the question before: a double click, or several while Python was busy.
UNSEEN_MS = 250

VERMILION, BLUE, QUIET = "#D55E00", "#0072B2", "#888"
ALERT = 'role="alert"'
FRAME = f"border: 1px solid {QUIET}; border-radius: 6px; padding: 10px 12px; line-height: 1.5"


def plain_card(session: Session) -> VBox:
    """A session as plain buttons and boxes. Several may show one session; they stay in step."""
    return _PlainCard(session).box


class _PlainCard:
    """The widgets, made once: a button that stays the same one keeps the keyboard's focus from vote to vote."""

    def __init__(self, session: Session) -> None:
        self.session, self.question, self.since = session, "", monotonic()
        self.drawn: tuple[str, list[str]] | None = None  # the question on the screen, and its replies
        self.drafts: dict[str, str] = {}  # what was typed, by question: no redraw and no undo loses it
        self.orders: dict[str, list[int]] = {}
        self.title, self.left, self.banner, self.task = HTML(), HTML(), HTML(), HTML()
        self.prompt, self.said, self.note, self.error, self.saved = HTML(), HTML(), HTML(), HTML(), HTML()
        self.progress = IntProgress(max=session.view["total"])
        self.text = Textarea(rows=4, placeholder="Write here", layout=Layout(width="100%"))
        self.text.observe(self._keep_draft, "value")
        self.replies, self.answers, self.rows = VBox(), VBox(), VBox()
        self.panels = self._panels()
        self.skip = _button("Skip", self._answer({"answer": "Skip"}))
        self.undo = _button("Undo", self._undo)
        self.back = _button("Take the chair back", lambda: self._send({"do": "take chair"}))
        self.person = Dropdown(options=session.view["people"], layout=Layout(width="auto"))
        self.count = BoundedIntText(10, min=1, max=len(session.questions), layout=Layout(width="5em"))
        let_vote = _button("Let them vote", self._seat)
        seat = _row([HTML("Let"), self.person, HTML("answer"), self.count, HTML("questions"), let_vote])
        self.voter, self.earlier = HTML(), Dropdown(layout=Layout(width="auto"))
        new = _button("Sit down as a new person", lambda: self._send({"do": "seat person"}))
        self.go_on = _button("Go on as this person", self._go_on)
        self.who = _row([self.voter, new, self.earlier, self.go_on])
        top = [self.title, HBox([self.progress, self.left]), self.banner, self.back]
        middle = [self.task, self.prompt, self.replies, self.answers]
        below = [self.error, self.said, self.note, HBox([self.skip, self.undo]), seat, self.who, self.saved]
        self.box = VBox([*top, *middle, *below], layout=Layout(max_width="60em"))
        self._draw()
        session.observe(lambda _: self._draw(), "view")

    def _panels(self) -> dict[str, list[Box | Button | Textarea]]:
        """What one answers with, by mode."""
        better = [_button(f"{LETTERS[i]} is better", self._answer({"answer": "Better", "winner": i})) for i in (0, 1)]
        rest = [
            _button("Tie", self._answer({"answer": "Tie"})),
            _button("Both bad", self._answer({"answer": "BothBad"})),
        ]
        thumbs = [
            _button("It will do", self._answer({"answer": "Thumb", "up": True})),
            _button("It will not do", self._answer({"answer": "Thumb", "up": False})),
        ]
        stars = [
            _button(f"{n} star{'s' * (n > 1)}", self._answer({"answer": "Stars", "stars": n})) for n in range(1, 6)
        ]
        write = [self.text, _button("Submit reply", self._submit_text)]
        return {
            "pair": [_row(better + rest)],
            "thumbs": [_row(thumbs)],
            "stars": [_row(stars)],
            "ranking": [self.rows, _button("Submit order", self._submit_order)],
            "correction": write,
            "demonstration": write,
        }

    def _draw(self) -> None:
        """Show the session's view; the question anew only where it is another one."""
        view: dict[str, Any] = self.session.view
        simulated, done = view["simulated"], not view["question"]
        _show(self.title, view["title"], "font-weight: 600; font-size: 16px")
        self.progress.value = view["answered"]
        time_left = "" if done else _time_left(view["seconds_left"])
        _show(self.left, f"{view['answered']} of {view['total']}{time_left}")
        _show(self.banner, view["banner"], f"border: 2px solid {VERMILION}; padding: 6px 12px; font-weight: 600")
        finished = f"All {view['total']} answered." + ("" if simulated else " Thank you. Go on with the next cell.")
        _show(self.task, finished if done else view["task"], "font-weight: 600")
        _show(self.prompt, view["prompt"], FRAME + f"; border-left: 4px solid {BLUE}")
        current = view["question"], view["replies"]  # both: the sides go with who sits in the chair
        if self.drawn != current:
            self.drawn = current
            self._ask(view)
        self.answers.children = [] if done or simulated else self.panels[view["mode"]]
        _show(self.said, view["said"])
        _show(self.note, view["note"], f"color: {QUIET}; font-style: italic")
        _show(self.error, view["error"], f"border-left: 4px solid {VERMILION}; padding: 4px 12px", ALERT)
        _show(self.saved, f"kept in {view['saved_in']}", f"color: {QUIET}; font-size: 12px")
        self.skip.disabled, self.undo.disabled = done or bool(simulated), not view["can_undo"]
        self.back.layout.display = "" if simulated else "none"
        _show(self.voter, f"Your votes are kept under {view['voter']}, which is no name.")
        if list(self.earlier.options) != view["others"]:  # or the choice among them would be lost
            self.earlier.options = view["others"]
            self.earlier.value = view["others"][-1] if view["others"] else None
        self.who.layout.display = "" if view["voter"] and not simulated else "none"
        for widget in (self.earlier, self.go_on):
            widget.layout.display = "" if view["others"] else "none"

    def _ask(self, view: dict[str, Any]) -> None:
        self.question, self.since = view["question"], monotonic()
        replies, mode = view["replies"], view["mode"]
        if mode == "ranking":
            self.orders.setdefault(self.question, list(range(len(replies))))
            while len(self.rows.children) < len(replies):
                self.rows.children = [*self.rows.children, self._rank_row(len(self.rows.children))]
            self._draw_order()
        if mode in ("correction", "demonstration"):
            self.text.value = self.drafts.get(self.question, "".join(replies).strip())
        shown = replies if mode != "ranking" else []
        while len(self.replies.children) < len(shown):
            self.replies.children = [*self.replies.children, VBox([HTML(), HTML()])]
        for place, frame in enumerate(self.replies.children):
            frame.layout.display = "" if place < len(shown) else "none"
            if place < len(shown):
                name, text = frame.children
                _show(name, f"Reply {LETTERS[place]}" if len(shown) > 1 else "Reply", "font-weight: 600")
                _show(text, shown[place], FRAME)

    def _rank_row(self, place: int) -> HBox:
        up = _button("Up", lambda: self._move(place, place - 1), f"Move what is in place {place + 1} up")
        down = _button("Down", lambda: self._move(place, place + 1), f"Move what is in place {place + 1} down")
        return HBox([up, down, HTML()])

    def _draw_order(self) -> None:
        replies, order = self.session.view["replies"], self.orders[self.question]
        for place, row in enumerate(self.rows.children):
            row.layout.display = "" if place < len(order) else "none"
            if place < len(order):
                up, down, text = row.children
                up.disabled, down.disabled = place == 0, place == len(order) - 1
                _show(text, f"{place + 1}.  Reply {LETTERS[order[place]]}: {replies[order[place]].strip()}")

    def _move(self, place: int, to: int) -> None:
        order = self.orders[self.question]
        order[place], order[to] = order[to], order[place]
        self._draw_order()

    def _keep_draft(self, change: dict[str, Any]) -> None:
        self.drafts[self.question] = change["new"]

    def _submit_text(self) -> None:
        self._say({"answer": "Text", "text": self.text.value})

    def _submit_order(self) -> None:
        self._say({"answer": "Ranking", "order": list(self.orders[self.question])})

    def _seat(self) -> None:
        self._send({"do": "seat", "person": self.person.value, "n": self.count.value})

    def _go_on(self) -> None:
        self._send({"do": "seat person", "who": self.earlier.value})

    def _answer(self, says: dict[str, Any]) -> Callable[[], None]:
        return lambda: self._say(says)

    def _say(self, says: dict[str, Any]) -> None:
        ms = self._shown_for()
        if ms >= UNSEEN_MS:
            self._send({"do": "answer", "says": says, "question": self.question, "ms": ms})

    def _undo(self) -> None:
        if self._shown_for() >= UNSEEN_MS:
            self._send({"do": "undo"})

    def _shown_for(self) -> int:
        """Milliseconds since the question appeared."""
        return round(1000 * (monotonic() - self.since))

    def _send(self, message: dict[str, Any]) -> None:
        self.session.receive(message | {"id": uuid4().hex})


def _button(label: str, act: Callable[[], None], tooltip: str = "") -> Button:
    layout = Layout(width="max-content", flex="0 0 auto")
    button = Button(description=label, tooltip=tooltip or label, layout=layout)
    button.on_click(lambda _: act())
    return button


def _row(parts: Sequence[Widget]) -> HBox:
    return HBox(parts, layout=Layout(flex_flow="row wrap"))


def _show(html: HTML, text: str, style: str = "", attributes: str = "") -> None:
    """Put a text into an HTML widget as a text, whatever it looks like; nothing at all where it is empty."""
    look = f"white-space: pre-wrap; overflow-wrap: anywhere; {style}"
    html.value = f'<div style="{look}" {attributes}>{escape(text.strip())}</div>' if text else ""
    html.layout.display = "" if text else "none"


def _time_left(seconds: int | None) -> str:
    if seconds is None:
        return ""
    return ", less than a minute left" if seconds < 60 else f", about {round(seconds / 60)} min left"
