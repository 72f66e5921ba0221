"""The card in a real JupyterLab, by mouse and by keyboard: what is clicked is kept, whatever happens around it."""

import os
import re
import sqlite3
from contextlib import closing

import pytest
from lab import Reader, running_lab
from playwright.sync_api import expect

from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import MODES, Better, BothBad, Ranking, Skip, Stars, Text, Thumb, Tie

pytestmark = pytest.mark.browser

SCREENSHOTS = os.environ.get("SCREENSHOTS")  # a folder, for people who want to look
REPLIES = (" We will wash it today.", " Hi there! I am so sorry :)", " No.")
COUNT = {"pair": 2, "thumbs": 1, "stars": 1, "ranking": 3, "correction": 1, "demonstration": 0}


class Desk:
    """A notebook with a card in it, the card on the screen, and the votes on disk."""

    def __init__(self, reader, name, mode="pair", replies=None, n=4, more=()):
        self.reader, self.page, self.voter = reader, reader.page, name
        replies = REPLIES[: COUNT[mode]] if replies is None else replies
        card = (
            "from minirlhf.feedback.card.widget import FeedbackCard\n"
            "from minirlhf.feedback.votes import Question\n"
            f"questions = [Question({mode!r}, f'{name} {{i}}', {replies!r}) for i in range({n})]\n"
            f"card = FeedbackCard(questions, voter={name!r}, title={name!r})\n"
            "card"
        )
        reader.open(reader.lab.write(f"{name}.ipynb", card, *more))
        reader.run_all()
        self.card = self.page.get_by_role("region", name=name).last
        expect(self.card).to_be_visible(timeout=20_000)

    def votes(self):
        with closing(FeedbackStore(self.reader.lab.votes)) as store:
            return store.votes(voter=self.voter)

    def press(self, name, role="button"):
        self.card.get_by_role(role, name=name, exact=True).click()

    def counts(self, text):
        expect(self.card).to_contain_text(text, timeout=15_000)

    def type(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)


def say_by_mouse(desk, mode):
    """Answer the first two questions; what the store should hold, as seen on the screen."""
    if mode == "pair":
        desk.press("B is better")
        desk.counts("1 of 4")
        desk.press("Both bad")
        return [lambda vote: Better(vote.shown[1]), BothBad()]
    if mode == "thumbs":
        desk.press("It will do")
        desk.counts("1 of 4")
        desk.press("It will not do")
        return [Thumb(True), Thumb(False)]
    if mode == "stars":
        desk.press("4 stars", "radio")
        desk.counts("1 of 4")
        desk.press("1 star", "radio")
        return [Stars(4), Stars(1)]
    if mode == "ranking":
        items = desk.card.get_by_role("listitem")
        box, below = items.nth(0).bounding_box(), items.nth(2).bounding_box()
        desk.page.mouse.move(box["x"] + 20, box["y"] + 20)
        desk.page.mouse.down()
        desk.page.mouse.move(below["x"] + 20, below["y"] + below["height"] - 5, steps=8)
        desk.page.mouse.up()
        desk.press("Submit order")
        desk.counts("1 of 4")
        desk.press("Move reply B up")
        desk.press("Submit order")
        return [
            lambda vote: Ranking((vote.shown[1], vote.shown[2], vote.shown[0])),
            lambda vote: Ranking((vote.shown[1], vote.shown[0], vote.shown[2])),
        ]
    desk.card.get_by_role("textbox").fill(" We will wash it.\nTwice.")
    desk.press("Submit reply")
    desk.counts("1 of 4")
    desk.press("Skip")
    return [Text(" We will wash it.\nTwice."), Skip()]


def say_by_keyboard(desk, mode):
    desk.card.focus()
    if mode == "pair":
        desk.type("b")
        desk.counts("1 of 4")
        desk.type("t")
        return [lambda vote: Better(vote.shown[1]), Tie()]
    if mode == "thumbs":
        desk.type("ArrowUp")
        desk.counts("1 of 4")
        desk.type("-")
        return [Thumb(True), Thumb(False)]
    if mode == "stars":
        desk.type("4")
        desk.counts("1 of 4")
        desk.type("1")
        return [Stars(4), Stars(1)]
    if mode == "ranking":
        desk.type("1", "Alt+ArrowDown", "Alt+ArrowDown", "Enter")
        desk.counts("1 of 4")
        desk.type("b", "Alt+ArrowUp", "Enter")
        return [
            lambda vote: Ranking((vote.shown[1], vote.shown[2], vote.shown[0])),
            lambda vote: Ranking((vote.shown[1], vote.shown[0], vote.shown[2])),
        ]
    desk.type("e", "Control+a")
    desk.page.keyboard.type("dd aabb x")  # in JupyterLab's command mode these would cut and add cells
    desk.type("Control+Enter")
    desk.counts("1 of 4")
    desk.card.focus()
    desk.type("s")
    return [Text("dd aabb x"), Skip()]


@pytest.mark.parametrize("say", [say_by_mouse, say_by_keyboard], ids=["mouse", "keyboard"])
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_by_mouse_and_by_keyboard(reader, mode, say):
    desk = Desk(reader, f"{mode}-{say.__name__[7:]}", mode)
    expected = say(desk, mode)
    desk.counts("2 of 4")
    votes = desk.votes()
    said = [wanted(vote) if callable(wanted) else wanted for wanted, vote in zip(expected, votes, strict=True)]
    assert [vote.answer for vote in votes] == said
    assert all(vote.origin == "human" and vote.response_ms > 0 for vote in votes)
    expect(desk.page.locator(".jp-Notebook .jp-CodeCell")).to_have_count(1)  # no shortcut of JupyterLab's ran


def test_the_keys_work_as_the_card_says_after_its_cell_was_run(reader):
    """Shift+Enter leaves the focus on the next cell, where A and B insert cells: the card says to click it first."""
    desk = Desk(reader, "keys", more=["'the next cell'"])
    first = reader.page.locator(".jp-Notebook .jp-CodeCell").first
    first.locator(".cm-content").click()
    reader.page.keyboard.press("Shift+Enter")
    reader.wait_until_idle()
    ready, first_click = desk.card.get_by_text("Keys:", exact=True), desk.card.get_by_text("Click here to use the keys")
    expect(first_click).to_be_visible()
    expect(ready).not_to_be_visible()
    height = desk.card.bounding_box()["height"]
    first_click.click()
    expect(ready).to_be_visible()
    expect(first_click).not_to_be_visible()
    assert desk.card.bounding_box()["height"] == height
    for n, key in enumerate("abtn"):
        desk.type(key)
        desk.counts(f"{n + 1} of 4")
    left, right, *others = desk.votes()
    assert (left.chose_left, right.chose_left, [vote.answer for vote in others]) == (True, False, [Tie(), BothBad()])
    expect(reader.page.locator(".jp-Notebook .jp-CodeCell")).to_have_count(2)


@pytest.mark.parametrize("size", [(1440, 900), (1024, 700)])
def test_both_replies_and_their_buttons_stand_beside_each_other_and_nothing_scrolls(chromium, lab, size):
    reader = Reader(chromium, lab, *size)
    desk = Desk(reader, f"beside-{size[0]}")
    area = desk.card.locator("xpath=ancestor::*[contains(@class, 'jp-OutputArea-output')]").last
    assert area.evaluate("area => area.scrollHeight - area.clientHeight") == 0
    assert area.evaluate("area => area.scrollWidth - area.clientWidth") == 0
    one, other = (desk.card.get_by_role("button", name=f"{side} is better").bounding_box() for side in "AB")
    assert one["y"] == other["y"] and one["x"] + one["width"] < other["x"]
    reader.page.close()


def test_a_card_stays_as_high_whether_a_reply_has_one_line_or_three(reader):
    longer = (
        " We will look for your kettle today, and tomorrow, and if need be on the day after that as well, I promise."
    )
    desk = Desk(reader, "height", replies=(" No.", longer))
    height = desk.card.bounding_box()["height"]
    short = Desk(reader, "height-short")
    assert short.card.bounding_box()["height"] == height


def test_a_card_without_python_says_so_and_takes_no_vote(reader):
    desk = Desk(reader, "alone")
    reader.restart()
    desk.press("A is better")
    expect(desk.card.get_by_role("alert")).to_contain_text("Run the card's cell again")
    assert desk.votes() == []
    reader.run_all()
    desk.press("A is better")
    desk.counts("1 of 4")


def test_a_card_that_was_saved_and_opened_without_a_kernel_says_so_and_offers_nothing(reader):
    desk = Desk(reader, "saved")
    desk.card.evaluate("card => card.parentElement.classList.add('jupyter-widgets-disconnected')")  # as JupyterLab does
    expect(desk.card.get_by_role("note").first).to_contain_text("Run the card's cell again")
    expect(desk.card.get_by_role("button", name="A is better")).not_to_be_visible()
    desk.card.focus()
    desk.type("a")
    expect(desk.card).not_to_have_class(re.compile("mc-sending"))
    assert desk.votes() == []


def test_somebody_else_sits_down_at_the_same_computer(reader):
    """Without a name the card is whoever sits there; a new person begins anew, and the first one comes back."""
    cell = (
        "from minirlhf import FeedbackCard\nfrom minirlhf.feedback.votes import Question\n"
        "FeedbackCard([Question('pair', f'seat {i}', (' a', ' b')) for i in range(2)], title='Seat')"
    )
    reader.open(reader.lab.write("seat.ipynb", cell))
    reader.run_all()
    card = reader.page.get_by_role("region", name="Seat")
    card.get_by_role("button", name="A is better").click()
    expect(card).to_contain_text("1 of 2")
    card.get_by_text("Not you?").click()
    card.get_by_role("button", name="Sit down as a new person").click()
    expect(card).to_contain_text("0 of 2")
    card.get_by_role("button", name="Go on as this person").click()
    expect(card).to_contain_text("1 of 2")


def test_undo_by_mouse_and_by_keyboard(reader):
    desk = Desk(reader, "undo")
    for n in range(3):
        desk.press("A is better")
        desk.counts(f"{n + 1} of 4")
    desk.press("Undo")
    desk.counts("2 of 4")
    desk.card.focus()
    desk.type("u")
    desk.counts("1 of 4")
    desk.type("b")
    desk.counts("2 of 4")
    assert [vote.chose_left for vote in desk.votes()] == [True, False]


def test_goes_on_after_a_kernel_restart(reader):
    desk = Desk(reader, "restart", more=["import os; print('process', os.getpid())"])
    process = reader.page.get_by_text(re.compile(r"process \d+")).inner_text()
    for n in range(2):
        desk.press("A is better")
        desk.counts(f"{n + 1} of 4")
    reader.restart()
    reader.run_all()
    expect(reader.page.get_by_text(re.compile(r"process \d+"))).not_to_have_text(process)
    desk.counts("2 of 4")
    desk.press("B is better")
    desk.counts("3 of 4")
    assert [vote.chose_left for vote in desk.votes()] == [True, True, False]


def test_goes_on_after_the_page_is_loaded_again(reader):
    desk = Desk(reader, "reload", "correction")
    desk.card.get_by_role("textbox").fill("A reply under way")
    reader.open("reload.ipynb")
    reader.run_all()
    expect(desk.card.get_by_role("textbox")).to_have_value("A reply under way")
    desk.press("Submit reply")
    desk.counts("1 of 4")
    assert [vote.answer for vote in desk.votes()] == [Text("A reply under way")]


def test_a_click_while_a_cell_runs_is_kept_before_the_cell_ends(reader, tmp_path):
    gate = tmp_path / "go"
    waits = f"from pathlib import Path\nwhile not Path({str(gate)!r}).exists():\n    pass\nprint('the cell ended')"
    desk = Desk(reader, "running", more=["'ready'"])
    desk.press("A is better")  # idle: the first message of a card may decide who hears the next ones
    desk.counts("1 of 4")
    cell = reader.page.locator(".jp-Notebook .jp-CodeCell").nth(1)
    cell.locator(".cm-content").click()
    reader.page.keyboard.press("Control+a")
    reader.page.keyboard.insert_text(waits)
    reader.page.keyboard.press("Control+Enter")
    expect(cell.get_by_text("[*]:")).to_be_visible(timeout=10_000)
    desk.press("B is better")
    desk.counts("2 of 4")
    assert [vote.chose_left for vote in desk.votes()] == [True, False]
    expect(cell.get_by_text("[*]:")).to_be_visible()
    gate.touch()
    expect(cell.get_by_text("the cell ended", exact=True).last).to_be_visible(timeout=20_000)


def test_a_hostile_reply_is_only_text(reader):
    attack = " <img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
    desk = Desk(reader, "hostile", replies=(attack, " No."))
    expect(desk.card).to_contain_text("<img src=x onerror=")
    desk.press("A is better")
    desk.counts("1 of 4")
    assert desk.card.locator("img, script").count() == 0
    assert "taken" not in reader.page.title()


def test_a_store_that_cannot_be_written_is_said_and_nothing_is_lost(reader):
    shorter = "import minirlhf.feedback.store as store\nstore.BUSY_SECONDS = 0.2"
    reader.lab.write("locked.ipynb", shorter)
    desk = Desk(reader, "locked", more=[])
    desk.press("A is better")
    desk.counts("1 of 4")
    with closing(sqlite3.connect(reader.lab.votes, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        desk.press("B is better")
        alert = desk.card.get_by_role("alert")
        expect(alert).to_contain_text("close that program", timeout=30_000)
        desk.counts("1 of 4")
        other.execute("ROLLBACK")
    desk.press("B is better")
    desk.counts("2 of 4")
    assert [vote.chose_left for vote in desk.votes()] == [True, False]


def test_a_simulated_person_is_called_one(reader):
    desk = Desk(reader, "chair", n=2)
    desk.card.get_by_text("Let a simulated person vote").click()
    expect(desk.card.get_by_role("combobox")).to_contain_text("(simulated)")


def test_the_card_fits_a_narrow_screen(chromium, lab):
    reader = Reader(chromium, lab, width=390, height=844)
    desk = Desk(reader, "narrow")
    reader.page.keyboard.press("Control+b")  # JupyterLab's own side bar takes most of such a screen
    overflow = desk.card.evaluate("card => card.scrollWidth - card.clientWidth")
    assert overflow <= 0
    tall = [b.bounding_box()["height"] for b in desk.card.get_by_role("button").all() if b.is_visible()]
    assert min(tall) >= 44
    desk.press("A is better")
    desk.counts("1 of 4")
    reader.page.close()


def test_the_plain_twin_votes_into_the_same_store(reader):
    desk = Desk(reader, "twin", more=["card.plain()"])
    reader.page.get_by_role("button", name="A is better").last.click()
    desk.counts("1 of 4")  # on the card, which looks at the same session
    assert len(desk.votes()) == 1


def test_two_notebooks_on_one_list_count_no_question_twice(reader, chromium):
    """Each shows what it saw last; a click on a question that the other has answered moves on, and counts nothing."""
    elsewhere = Reader(chromium, reader.lab)
    desks = [Desk(reader, "both"), Desk(elsewhere, "both")]
    for _ in range(4):
        for desk in desks:
            if desk.card.get_by_role("button", name="A is better").is_visible():
                desk.press("A is better")
                expect(desk.card).not_to_have_class(re.compile("mc-sending"))
    for desk in desks:
        desk.counts("4 of 4")
    elsewhere.page.close()
    assert len({vote.question.key for vote in desks[0].votes()}) == len(desks[0].votes()) == 4


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_sixty_clicks_in_lesson_08_change_the_replies(chromium, tmp_path, theme):
    """A newcomer's whole way: open the lesson, vote sixty times, run the rest, read replies in their own taste."""
    with running_lab(tmp_path, theme) as lab:
        reader = Reader(chromium, lab)
        reader.open("08_your_taste.ipynb")
        assert reader.page.get_by_text("official Jupyter news").count() == 0
        reader.run_cells(until="asked = write_questions")
        card = reader.page.get_by_role("region", name="Your taste")
        clicks = 60 if theme == "light" else 3
        for n in range(clicks):
            replies = [card.get_by_role("group", name=f"Reply {side}").inner_text() for side in "AB"]
            better = max((0, 1), key=lambda side: replies[side].count("!"))  # somebody who loves exclamation marks
            card.get_by_role("button", name=f"{'AB'[better]} is better").click()
            expect(card).to_contain_text(f"{n + 1} of 60", timeout=15_000)
        reader.look(SCREENSHOTS, f"lesson-08-card-{theme}")
        with closing(FeedbackStore(lab.votes)) as store:
            assert len(store.votes(voter="you")) == clicks
        if theme == "dark":
            return
        reader.run_cells(until="answers = taste.answers", seconds=300)
        expect(reader.page.get_by_text("60 votes by you")).to_have_count(1)
        table = reader.page.get_by_role("table").filter(has_text="what your votes pay").first
        table.scroll_into_view_if_needed()
        reader.look(SCREENSHOTS, "lesson-08-answers")
        rows = [row.get_by_role("cell").all_inner_texts() for row in table.get_by_role("row").all()[1:9]]
        before, after = (sum(cells[i].count("!") for cells in rows) for i in range(2))
        assert after > before + 4, rows
        assert not reader.strangers and not reader.errors
        reader.page.close()
