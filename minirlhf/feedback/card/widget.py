"""The card in a notebook cell: a Session that one can see, click, and drive from the keyboard.

Everything the card knows is in `session`; everything it draws is in card.js. Where no screen is, the card's own
functions do what its buttons do: `card.choose("A")`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from anywidget import AnyWidget
from ipywidgets import VBox
from traitlets import Dict, dlink

from minirlhf.feedback.card.buttons import plain_card
from minirlhf.feedback.card.session import TITLE, Session
from minirlhf.feedback.card.still import still
from minirlhf.feedback.identity import YOU
from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import Question


class FeedbackCard(AnyWidget):
    """Ask a list of questions in a notebook cell, and keep every answer on disk at the click.

    Run the cell again, tomorrow or after a crash: the card goes on where it stopped. Who votes is whoever sits at this
    computer, whom the card calls "you"; `voter` is for a pseudonym of your own.
    """

    _esm = Path(__file__).with_name("card.js")
    _css = Path(__file__).with_name("card.css")
    view = Dict().tag(sync=True)

    def __init__(
        self,
        questions: Iterable[Question],
        store: FeedbackStore | None = None,
        voter: str = YOU,
        title: str = TITLE,
        reveal: bool = True,
    ) -> None:
        self._show(Session(questions, store, voter, title, reveal))

    @classmethod
    def of(cls, session: Session) -> "FeedbackCard":
        """A card for a session that is there already, such as one that another card shows too."""
        card = cls.__new__(cls)
        card._show(session)
        return card

    def _show(self, session: Session) -> None:
        self.session = session
        super().__init__(view=session.view)
        dlink((session, "view"), (self, "view"))
        self.on_msg(lambda _, message, buffers: session.receive(message))
        # What the buttons do, by name.
        self.choose, self.thumb, self.rate = session.choose, session.thumb, session.rate
        self.rank, self.write, self.skip, self.undo = session.rank, session.write, session.skip, session.undo
        self.let_vote, self.take_chair, self.votes = session.let_vote, session.take_chair, session.votes
        self.seat_person = session.seat_person

    @property
    def done(self) -> bool:
        """Whether everything is answered."""
        return self.session.done

    def plain(self) -> VBox:
        """The same card from plain ipywidgets, for places where this one cannot load."""
        return plain_card(self.session)

    def __repr__(self) -> str:
        """The card as text: what is asked, and how to answer without a mouse."""
        view = self.session.view
        counted = f"minirlhf card: {view['answered']} of {view['total']} answered, kept in {view['saved_in']}."
        if self.done:
            return counted
        pair = view["mode"] == "pair"
        replies = (f"{'AB'[i] if pair else i + 1}: {reply.strip()}" for i, reply in enumerate(view["replies"]))
        how = "In code: card.choose('A'). " if pair else ""
        plain = f"{how}No card to see? card.plain() makes the same of plain buttons."
        return "\n".join([counted, f"The customer: {view['prompt']}", *replies, plain])

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict] | None:
        # Shown again, perhaps the day after: another notebook may have voted since.
        self.session.receive({"do": "look"})
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle:
            bundle[0].update({"text/plain": repr(self), "text/html": still(self.session.view)})
        return bundle
