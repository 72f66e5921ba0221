"""The card and its plain twin without a browser: both drive one session, and neither lets a text become a page."""

import re
import tomllib
from contextlib import closing
from html import unescape
from importlib.resources import files
from pathlib import Path
from uuid import uuid4

import pytest
from ipywidgets import HTML, Button, Dropdown, IntProgress, Text, Textarea

from minirlhf.feedback.card import buttons
from minirlhf.feedback.card.buttons import plain_card
from minirlhf.feedback.card.session import Session
from minirlhf.feedback.card.still import CAPTION
from minirlhf.feedback.card.widget import FeedbackCard
from minirlhf.feedback.simulated import CARELESS, PATIENT
from minirlhf.feedback.store import FeedbackStore, StoreError
from minirlhf.feedback.votes import Better, BothBad, Question, Ranking, Skip, Stars, Thumb, Tie
from minirlhf.feedback.votes import Text as Written

PROMPT = "Customer: My lamp is dead.\nAgent:"
REPLIES = (" Good day. Please turn your lamp off and on.", " Yes? We will look. Bye.", " Sorry! A new lamp comes.")
COUNT = {"pair": 2, "thumbs": 1, "stars": 1, "ranking": 3, "correction": 1, "demonstration": 0}
HOSTILE = "<img src=x onerror=\"alert('taken')\"><script>alert('taken')</script>&lt;"


def ask(mode="pair", n=4):
    return [Question(mode, PROMPT, REPLIES[: COUNT[mode]], round=i + 1) for i in range(n)]


@pytest.fixture
def store(tmp_path):
    with closing(FeedbackStore(tmp_path / "votes.db")) as store:
        yield store


def click_in_browser(card, says, **more):
    """What arrives in Python when somebody clicks in the browser."""
    message = {"do": "answer", "says": says, "question": card.view["question"], "ms": 4000, "id": uuid4().hex}
    card._handle_custom_msg(message | more, [])


# The card.


def test_a_card_votes_without_a_screen(store):
    questions = [ask(mode, 1)[0] for mode in COUNT]
    card = FeedbackCard(questions, store, voter="Ada")
    card.choose("A")
    card.thumb(True)
    card.rate(5)
    card.rank("CBA")
    card.write("Sorry.")
    assert not card.done
    card.write("Hello.")
    assert card.done
    assert [type(vote.answer) for vote in card.votes()] == [Better, Thumb, Stars, Ranking, Written, Written]
    assert {vote.voter for vote in store.votes()} == {"Ada"}
    card.undo()
    card.skip()
    assert card.votes()[-1].answer == Skip()


def test_the_card_shows_what_the_session_shows(store):
    card = FeedbackCard(ask(), store, title="Taste")
    assert card.view == card.session.view
    assert card.get_state()["view"]["title"] == "Taste", "the browser sees it"
    card.choose("B")
    assert card.view == card.session.view
    assert card.view["answered"] == 1


def test_a_click_in_the_browser_is_a_vote(store):
    card = FeedbackCard(ask(), store)
    shown = card.view["replies"]
    click_in_browser(card, {"answer": "Better", "winner": 1})
    (vote,) = store.votes()
    assert vote.question.replies[vote.answer.winner] == shown[1]
    assert vote.response_ms == 4000
    card._handle_custom_msg({"do": "undo", "id": "u"}, [])
    assert card.view["answered"] == 0


def test_a_click_that_failed_is_seen(store):
    card = FeedbackCard(ask(), store)
    click_in_browser(card, {"answer": "Stars", "stars": 3})
    assert "was not counted" in card.view["error"]
    assert not store.votes()


def test_a_simulated_person_can_sit_at_the_card(store):
    card = FeedbackCard(ask(), store)
    assert card.let_vote(PATIENT, 2) == 2
    assert card.view["simulated"] == PATIENT.name
    card._handle_custom_msg({"do": "take chair", "id": "t"}, [])
    assert card.view["simulated"] == ""
    card._handle_custom_msg({"do": "seat", "person": CARELESS.name, "n": 3, "id": "s"}, [])
    assert (card.view["simulated"], card.view["answered"]) == (CARELESS.name, 3)
    card.take_chair()
    assert card.votes() == []


def test_shown_again_the_card_has_looked_at_the_store_again(store):
    card = FeedbackCard(ask(), store)
    FeedbackCard(ask(), FeedbackStore(store.path)).choose("A")
    assert card.view["answered"] == 0
    data, _ = card._repr_mimebundle_()
    assert card.view["answered"] == 1
    assert "application/vnd.jupyter.widget-view+json" in data
    counted, customer, left, right, how = data["text/plain"].splitlines()
    assert counted == f"minirlhf card: 1 of 4 answered, kept in {store.path}."
    assert customer == f"The customer: {card.view['prompt']}"
    assert [left, right] == [f"{side}: {reply.strip()}" for side, reply in zip("AB", card.view["replies"], strict=True)]
    assert "card.choose('A')" in how and "card.plain()" in how


@pytest.mark.parametrize("mode", COUNT)
def test_where_no_script_runs_the_card_is_a_still_of_itself(store, mode):
    replies = tuple(f" Reply {i} {HOSTILE}" for i in range(COUNT[mode]))
    card = FeedbackCard([Question(mode, HOSTILE, replies)], store, title="My votes")
    page = card._repr_mimebundle_()[0]["text/html"]
    assert "<script" not in page and "<img" not in page
    shown = unescape(re.sub("<[^>]+>", "\n", page))
    assert all(
        words.strip() in shown for words in (HOSTILE, *replies, card.view["task"], "My votes", "0 of 1", CAPTION)
    )
    assert str(store.path) not in page  # whoever reads the book has no use for it
    places = [shown.index(reply.strip()) for reply in card.view["replies"]]
    assert places == sorted(places)  # as they stand on the screen


def test_a_still_says_that_a_simulated_person_has_answered(store):
    card = FeedbackCard(ask(), store)
    card.let_vote(PATIENT)
    page = card._repr_mimebundle_()[0]["text/html"]
    assert "4 of 4" in page and card.view["banner"] and card.view["banner"] in unescape(page)


def test_a_card_that_is_done_asks_for_nothing_more(store):
    card = FeedbackCard(ask()[:1], store)
    card.choose("A")
    assert repr(card) == f"minirlhf card: 1 of 1 answered, kept in {store.path}."


def test_two_cards_may_show_one_session(store):
    session = Session(ask(), store)
    first, second = FeedbackCard.of(session), FeedbackCard.of(session)
    first.choose("A")
    assert second.view["answered"] == 1
    assert second.session is session


# What the browser is given.


@pytest.mark.parametrize("name", ["card.js", "card.css"])
def test_what_the_browser_needs_comes_with_the_package(name):
    assert files("minirlhf.feedback.card").joinpath(name).is_file()
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    assert name in project["tool"]["setuptools"]["package-data"]["minirlhf.feedback.card"]


def test_the_card_is_read_from_its_files_once_and_no_file_is_watched(store):
    card = FeedbackCard(ask(), store)
    assert card._esm == files("minirlhf.feedback.card").joinpath("card.js").read_text("utf-8")
    assert card._css == files("minirlhf.feedback.card").joinpath("card.css").read_text("utf-8")
    assert FeedbackCard._esm._background_thread is None


def test_the_script_puts_texts_in_as_texts_and_fetches_nothing():
    script = files("minirlhf.feedback.card").joinpath("card.js").read_text("utf-8")
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "createContextualFragment",
        "DOMParser",
        "srcdoc",
        "eval(",
        "new Function",
        "http",
        "fetch(",
        "XMLHttpRequest",
        "WebSocket",
        "import ",
        "import(",
    ):
        assert way not in script
    assert not re.search(r"url\(|@import|http", files("minirlhf.feedback.card").joinpath("card.css").read_text("utf-8"))


# The plain twin.


@pytest.fixture
def no_wait(monkeypatch):
    """Clicks count at once: a test reads faster than a person."""
    monkeypatch.setattr(buttons, "UNSEEN_MS", 0)


def within(widget):
    """A widget and all in it that is on the screen."""
    if widget.layout.display != "none":
        yield widget
        for child in getattr(widget, "children", ()):
            yield from within(child)


def find(box, kind, name=""):
    return [w for w in within(box) if isinstance(w, kind) and (not name or w.description == name)]


def click(box, name):
    (button,) = find(box, Button, name)
    assert not button.disabled
    button.click()


def page(box):
    return " ".join(html.value for html in find(box, HTML))


@pytest.mark.parametrize(
    ("mode", "clicks", "answer"),
    [
        ("pair", ["Tie"], Tie()),
        ("pair", ["Both bad"], BothBad()),
        ("pair", ["Skip"], Skip()),
        ("thumbs", ["It will do"], Thumb(True)),
        ("thumbs", ["It will not do"], Thumb(False)),
        ("stars", ["1 star"], Stars(1)),
        ("stars", ["5 stars"], Stars(5)),
    ],
)
def test_the_twins_buttons_say_what_is_written_on_them(mode, clicks, answer, store, no_wait):
    box = plain_card(Session(ask(mode), store))
    for name in clicks:
        click(box, name)
    assert [vote.answer for vote in store.votes()] == [answer]
    assert "1 of 4" in page(box)
    assert find(box, IntProgress)[0].value == 1


def test_the_twin_votes_for_the_reply_under_the_letter(store, no_wait):
    session = Session(ask(n=6), store)
    box = plain_card(session)
    for letter in "ABABAB":
        shown = session.view["replies"]["AB".index(letter)]
        click(box, f"{letter} is better")
        vote = store.votes()[-1]
        assert vote.question.replies[vote.answer.winner] == shown


def test_the_twin_ranks_by_moving_up_and_down(store, no_wait):
    session = Session(ask("ranking"), store)
    box = plain_card(session)
    shown = session.view["replies"]
    ups, downs = find(box, Button, "Up"), find(box, Button, "Down")
    assert [button.disabled for button in ups + downs] == [True, False, False, False, False, True]
    ups[2].click()
    downs[0].click()
    assert re.findall("Reply ([ABC])", page(box)) == ["C", "A", "B"]
    click(box, "Submit order")
    vote = store.votes()[0]
    assert [vote.question.replies[i] for i in vote.answer.order] == [shown[2], shown[0], shown[1]]
    click(box, "Undo")
    assert re.findall("Reply ([ABC])", page(box)) == ["C", "A", "B"], "the order outlives its undoing"


@pytest.mark.parametrize("mode", ["correction", "demonstration"])
def test_nothing_typed_into_the_twin_is_lost(mode, store, no_wait):
    session = Session(ask(mode), store)
    box = plain_card(session)
    (area,) = find(box, Textarea)
    assert area.value == (REPLIES[0].strip() if mode == "correction" else "")
    area.value = "We are sorry"
    session.receive({"do": "look"})
    assert area.value == "We are sorry"
    click(box, "Submit reply")
    assert [vote.answer for vote in store.votes()] == [Written("We are sorry")]
    assert area.value != "We are sorry"
    click(box, "Undo")
    assert area.value == "We are sorry"


def test_an_error_stands_in_the_twin_in_words(store, no_wait):
    box = plain_card(Session(ask("demonstration"), store))
    assert 'role="alert"' not in page(box)
    click(box, "Submit reply")
    assert 'role="alert"' in page(box)
    assert "The text is empty" in page(box)
    find(box, Textarea)[0].value = "Hello."
    click(box, "Submit reply")
    assert 'role="alert"' not in page(box)


def test_a_double_click_on_the_twin_counts_once(store, monkeypatch):
    box = plain_card(Session(ask(), store))
    monkeypatch.setattr(buttons, "UNSEEN_MS", 0)
    click(box, "A is better")
    monkeypatch.setattr(buttons, "UNSEEN_MS", 60_000)  # longer than any machine takes from one click to the next
    click(box, "A is better")
    click(box, "Undo")
    assert len(store.votes()) == 1


def test_the_twin_says_simulated_and_gives_the_chair_back(store, no_wait):
    session = Session(ask(n=12), store)
    box = plain_card(session)
    find(box, Dropdown)[0].value = CARELESS.name
    click(box, "Let them vote")
    (banner,) = (html.value for html in find(box, HTML) if "sits in the chair" in html.value)
    assert banner.lower().count("simulated") == 1 and CARELESS.name[1:] in banner
    assert len(store.votes(CARELESS.name)) == 10
    assert not find(box, Button, "A is better")
    assert all(button.disabled for button in find(box, Button, "Skip") + find(box, Button, "Undo"))
    click(box, "Take the chair back")
    assert "sits in the chair" not in page(box)
    assert find(box, Button, "A is better")


def test_at_the_twin_somebody_else_sits_down_and_the_first_one_comes_back(store, no_wait):
    session = Session(ask(), store)
    box = plain_card(session)
    assert not find(box, Button, "Go on as this person")
    click(box, "A is better")
    click(box, "Sit down as a new person")
    assert "0 of 4" in page(box)
    click(box, "Go on as this person")
    assert "1 of 4" in page(box)
    assert not find(plain_card(Session(ask(), store, voter="Ada")), Button, "Sit down as a new person")


def test_the_twin_shows_the_replies_of_whoever_sits_in_the_chair(store):
    """The sides are drawn for each voter, so the same question may stand the other way round."""
    session = Session(ask(n=20), store)
    box = plain_card(session)
    for n in range(20):
        session.let_vote(CARELESS, 0)
        for chair in (session, None):
            if chair is None:
                session.take_chair()
            places = [page(box).index(reply.strip()) for reply in session.view["replies"]]
            assert places == sorted(places)
        session.let_vote(CARELESS, 1)
        session.take_chair()
        session.choose("A" if n % 2 else "B")


def test_the_card_and_its_twin_stay_in_step(store, no_wait):
    card = FeedbackCard(ask(), store)
    box = card.plain()
    card.choose("A")
    assert "1 of 4" in page(box)
    click(box, "B is better")
    assert card.view["answered"] == 2
    for _ in range(2):
        card.choose("A")
    assert "All 4 answered." in page(box)
    assert not find(box, Button, "A is better")
    click(box, "Undo")
    assert card.view["answered"] == 3


@pytest.mark.parametrize("mode", COUNT)
def test_hostile_texts_are_only_texts_in_the_twin(mode, store, no_wait):
    replies = tuple(f"{HOSTILE}{i}" for i in range(COUNT[mode]))
    models = tuple(f"{HOSTILE}{i}" for i in range(COUNT[mode]))
    session = Session([Question(mode, HOSTILE, replies, models, round=i) for i in range(2)], store, title=HOSTILE)
    box = plain_card(session)
    seen = [page(box)]
    session.receive({"do": HOSTILE})
    seen.append(page(box))
    session.skip()
    seen.append(page(box))
    for text in seen:
        assert "&lt;img src=x" in text
        assert set(re.findall(r"<(\w+)", text)) == {"div"}


def test_the_twin_takes_as_many_replies_as_a_ranking_has(store, no_wait):
    replies = tuple(f" Reply number {i}." for i in range(9))
    sizes = (3, 9, 2)
    session = Session([Question("ranking", PROMPT, replies[:n]) for n in sizes], store)
    box = plain_card(session)
    for n in sizes:
        assert len(find(box, Button, "Up")) == n
        click(box, "Submit order")
    assert session.done


def test_a_store_that_fails_is_shown_in_both(store, no_wait, monkeypatch):
    card = FeedbackCard(ask(), store)
    box = card.plain()

    def full(event):
        raise StoreError("votes.db could not be written. Free some space.")

    monkeypatch.setattr(store, "append", full)
    click(box, "A is better")
    assert "Free some space" in page(box)
    assert "Free some space" in card.view["error"]
    assert "0 of 4" in page(box)


def test_the_twin_asks_for_no_more_than_there_is(store):
    box = plain_card(Session(ask(n=3), store))
    (count,) = [w for w in within(box) if type(w).__name__ == "BoundedIntText"]
    assert (count.value, count.max) == (3, 3)
    assert not find(box, Text)
