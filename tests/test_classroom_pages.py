"""The classroom's three pages in a real browser, on a real server: what a voter, a room and a teacher see and do."""

import gzip
import os
import re
from contextlib import contextmanager
from importlib.resources import files

import pytest
from axe_playwright_python.sync_playwright import Axe
from lab import OWN
from playwright.sync_api import expect
from room import HOSTILE, OpenRoom, ballot, serving, two_models
from room import asked as hats

from minirlhf.classroom import rooms, schools
from minirlhf.classroom.learning import APART, CURVES
from minirlhf.feedback.votes import Better, BothBad, Question, Skip, Tie, sides

pytestmark = pytest.mark.browser

SCREENSHOTS = os.environ.get("SCREENSHOTS")  # a folder, for people who want to look
PHONE, PROJECTOR, DESK = (360, 740), (1280, 720), (1100, 800)
PAGES = {"j": PHONE, "screen": PROJECTOR, "teach": PHONE}
SHEET = (680, 960)  # pixels between the margins of a page
RTL = "مرحبا بالعالم " * 40
LONG = "W" * 500
MOST_KB = 40  # of the phone's page, as it is sent
LAST_ROW = 28  # pixels at 1280 × 720: what can be read there
CODE = 90

# What does not fit: sideways, and on a projector at all; each with what it is.
OUTSIDE = """() => [...document.querySelectorAll('body *')].filter((each) => {
    const box = each.getBoundingClientRect();
    return box.width && (box.right > innerWidth + 1 || box.left < -1) && !each.closest('.unseen, .minirlhf-card-news');
}).map((each) => each.outerHTML.slice(0, 80))"""
SCROLLS = """() => {
    const page = document.scrollingElement;
    return [page.scrollWidth - innerWidth, page.scrollHeight - innerHeight];
}"""
LETTERS = """() => [...document.querySelectorAll('body *')].filter((each) => each.getClientRects().length
        && [...each.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()))
    .map((each) => parseFloat(getComputedStyle(each).fontSize) * (each.ownerSVGElement?.getScreenCTM().a ?? 1))"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for every room of this file: where its votes are, and its address."""
    where = tmp_path_factory.mktemp("classroom") / "votes.db"
    with serving(where) as (_, address):
        yield where, address


@pytest.fixture
def room(server):
    """A room whose first round is open, with six pairs, one of which wants to be markup."""
    return OpenRoom(server[0])


class Visitors:
    """Everybody who looks at the pages of a test, each with a browser of their own."""

    def __init__(self, chromium, address):
        self.chromium, self.address = chromium, address
        self.contexts, self.wrong = [], []

    def context(self, size=PHONE, dark=False):
        touch = {"has_touch": True, "is_mobile": True} if size == PHONE else {}
        context = self.chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light", **touch
        )
        context.on("request", lambda request: None if OWN.match(request.url) else self.wrong.append(request.url))
        context.on("weberror", lambda error: self.wrong.append(str(error.error)))
        context.on("dialog", lambda dialog: (self.wrong.append(dialog.message), dialog.dismiss()))
        context.on("console", lambda said: self.wrong.append(said.text) if "Security Policy" in said.text else None)
        self.contexts.append(context)
        return context

    def visit(self, kind, room, size=None, dark=False, context=None):
        page = (context or self.context(size or PAGES[kind], dark)).new_page()
        page.goto(f"{self.address}/{kind}/{room.code}" + (f"#{room.token}" if kind == "teach" else ""))
        return page

    def phone(self, room, nickname="", **more):
        """A phone that has joined, and sees what is asked."""
        page = self.visit("j", room, **more)
        page.get_by_label("A name you make up").fill(nickname)
        page.get_by_role("button", name="Join").click()
        expect(page.get_by_role("button", name="Join")).to_be_hidden()
        return page


@pytest.fixture
def visitors(chromium, server):
    """Browsers in which at the end no script has failed, and from which nothing went elsewhere."""
    visitors = Visitors(chromium, server[1])
    yield visitors
    for context in visitors.contexts:
        context.close()
    assert not visitors.wrong


def press(page, *names):
    for name in names:
        page.get_by_role("button", name=name, exact=True).click()


@contextmanager
def sent(page, *paths):
    """Wait until what is done here has reached the server: a vote, an undo, ..."""
    arrived = []
    page.on("response", lambda response: arrived.append(response.url.rsplit("/")[-1]) if response.ok else None)
    yield
    for path in paths:
        while path not in arrived:
            page.wait_for_event("response")
        arrived.remove(path)


def asked(page):
    """What a phone asks: the customer's words, and the replies from the top."""
    card = page.locator(".minirlhf-card")
    return card.locator(".mc-prompt .mc-text").inner_text(), card.locator(".mc-reply .mc-text").all_inner_texts()


def counts(page, text):
    expect(page.locator(".minirlhf-card .mc-top")).to_contain_text(text)


def somebodys(room):
    """A vote of somebody who sits there without a phone."""
    return ballot(room.sit(), room.questions[0])


def learned(room, voter=""):
    """As the learner leaves a room that has trained: what is revealed one by one, the words, a receipt."""
    answers = [
        {"prompt": HOSTILE, "before": LONG, "after": RTL},
        {"prompt": "My hat?", "before": "No.", "after": "Yes."},
    ]
    weights = [[word, 1.5 - i / 2] for i, word in enumerate(["please", "<b>!", "we", LONG, "no", "(ten more words)"])]
    records = [{"score": i / 10, "kl": i / 50} for i in range(12)]
    result = {"answers": answers, "weights": weights, "receipts": {voter: [6, 2, 5]}}
    done = {"status": "done", "total": 12, "records": records, "words": "It has learned.", "result": result}
    room.change(rooms.update_job, round=1, **done)
    room.change(rooms.change, phase="trained")


def phases(room):
    """Bring a room through all it can be, one after the other."""
    yield "voting"
    for do in ("pause", "resume", "close", "train"):
        room.do(do)
        yield do
    records = [{"score": 0.1, "kl": 0.01}, {"score": None, "kl": float(2)}]
    room.change(rooms.update_job, round=1, status="running", total=40, records=records, words=HOSTILE)
    yield "running"
    learned(room)
    yield "trained"
    for _ in range(3):
        room.do("reveal")
        yield "reveal"
    room.do("end")
    yield "over"


STRANGE = ((HOSTILE, LONG, RTL), ("My hat?", "No.", "line\n" * 30))
STRANGE_WORDS = (LONG, "(ten more words)", "<b>!", "please", ".", "no", "مرحبا", "sorry")


def through_schools(room, texts=STRANGE, words=STRANGE_WORDS):
    """Bring a room whose first round has two schools through all it can be."""
    yield "waiting"
    for do in ("kind", "open"):
        room.do(do, kind="schools")
        yield do
    room.cast(*[ballot(room.sit(), room.questions[0]) for _ in range(4)])
    for do in ("pause", "resume", "close", "train"):
        room.do(do)
        yield do
    records = [{"first": n / 10, "second": n / 50} for n in range(9)] + [{"second": 0.3}]
    room.change(rooms.update_job, round=1, status="running", total=12, records=records, words="Two models learn.")
    yield "running"
    answers = [{"prompt": prompt, "first": first, "second": second} for prompt, first, second in texts]
    weights = [[word, 1.25 - i / 3] for i, word in enumerate(words)]
    two_models(room, answers=answers, weights=[weights, weights])
    yield "trained"
    for n in range(4):
        room.do("reveal")
        yield f"reveal {n + 1}"


def through_values(room):
    """Bring a room whose first round is about values through all it can be."""
    room.do("kind", kind="values")
    room.do("open")
    yield "voting"
    with room.store.connect() as connection:
        written = [rooms.question_of(row) for row in rooms.asked_in(connection, room.code, 1)]
    for n in range(5):
        voter = room.sit()
        room.cast(*[ballot(voter, each, [Better(n % 2), Tie(), BothBad()][i % 3]) for i, each in enumerate(written)])
    for do in ("pause", "resume", "close"):
        room.do(do)
        yield do
    for n in range(len(written) + 1):
        room.do("reveal")
        if n in (0, 1, len(written) - 1, len(written)):
            yield f"reveal {n + 1}"


THROUGH = [through_schools, through_values]


def settled(page, room):
    """Wait until a page shows what the room is now; a phone that wakes asks at once."""
    state = room.change(rooms.find).state
    page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(page.locator("body")).to_have_attribute("data-version", re.compile(rf"^{state}(\.|$)"))
    if SCREENSHOTS:
        page.screenshot(path=f"{SCREENSHOTS}/{page.url.split('/')[3]}-{state}.png")


# What is cut off although it is no text that shortens itself: whole elements beyond the frame that holds them.
CUT_OFF = """() => [...document.querySelectorAll('#stage li, #stage p, #stage h2')].filter((each) => {
    const box = each.getBoundingClientRect(), frame = (each.closest('.side') ?? document.body).getBoundingClientRect();
    return box.height && (box.bottom > frame.bottom + 1 || box.top < frame.top - 1);
}).map((each) => each.outerHTML.slice(0, 80))"""

# Every text of which a part cannot be seen: beyond the window, or beyond what cuts it off. (Letters are a little taller
# than their lines, and a blank at a line's end hangs, so a third of one may stick out.)
CUT_SHORT = """() => {
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text; (text = texts.nextNode()); ) {
        if (!text.textContent.trim() || !text.parentElement.getClientRects().length) continue;
        const range = document.createRange();
        range.selectNodeContents(text);
        const boxes = [...range.getClientRects()];
        for (let frame = text.parentElement; frame; frame = frame.parentElement) {
            if (frame !== document.body && getComputedStyle(frame).overflowY === 'visible') continue;
            const { left, top, right, bottom } = frame.getBoundingClientRect();
            const beyond = (box) => Math.max(left - box.left, top - box.top, box.right - right, box.bottom - bottom);
            if (boxes.some((box) => beyond(box) > box.height / 3)) {
                found.push(`${frame.className || frame.tagName}: ${text.textContent}`);
                break;
            }
        }
    }
    return found;
}"""

# A voter.


def test_a_phone_comes_in_by_the_link_and_its_vote_means_what_stood_there(visitors, room):
    phone = visitors.phone(room, "Owl")
    _, replies = asked(phone)
    with sent(phone, "vote"):
        press(phone, "B is better")
    (vote,) = room.votes()
    assert vote.question.replies[vote.answer.winner].strip() == replies[1]
    assert vote.response_ms is not None
    counts(phone, "1 of 6")
    assert [member["nickname"] for member in room.change(rooms.members_of)] == ["Owl"]


def test_a_code_can_be_typed_as_people_type(visitors, room):
    phone = visitors.context().new_page()
    phone.goto(f"{visitors.address}/")
    code = phone.get_by_label("The code on the screen")
    code.fill("no such room")
    press(phone, "Join")
    expect(phone.get_by_role("alert")).to_contain_text("code")
    code.fill(f"{room.code[:4]} {room.code[4:]}".lower())
    press(phone, "Join")
    counts(phone, "0 of 6")
    phone.reload()
    counts(phone, "0 of 6")


def test_every_button_is_a_vote_and_each_one_has_a_place_for_a_thumb(visitors, room):
    phone = visitors.phone(room)
    names = ("A is better", "B is better", "Tie", "Both bad", "Skip", "Undo")
    for name in names:
        box = phone.get_by_role("button", name=name, exact=True).bounding_box()
        assert box["height"] >= 48 and box["y"] > PHONE[1] / 2 and box["y"] + box["height"] <= PHONE[1]
    with sent(phone, *["vote"] * 4):
        press(phone, "Tie", "Both bad", "Skip", "A is better")
    assert [type(vote.answer) for vote in room.votes()] == [Tie, BothBad, Skip, Better]


def test_undo_takes_back_the_last_and_asks_it_again(visitors, room):
    phone = visitors.phone(room)
    with sent(phone, "vote"):
        press(phone, "Tie")
    second = asked(phone)
    with sent(phone, "vote", "undo"):
        press(phone, "Both bad", "Undo")
    assert asked(phone) == second
    assert [vote.answer for vote in room.votes()] == [Tie()]
    with sent(phone, "vote"):
        press(phone, "Skip")
    assert [vote.answer for vote in room.votes()] == [Tie(), Skip()]


def test_without_a_network_one_goes_on_and_nothing_is_lost(visitors, room):
    context = visitors.context()
    phone = visitors.phone(room, context=context)
    context.set_offline(True)
    seen = [asked(phone)]
    for name in ("A is better", "Tie", "Undo", "Both bad"):
        press(phone, name)
        seen.append(asked(phone))
    assert seen[3] == seen[1] and seen[4] == seen[2]
    counts(phone, "2 of 6")
    expect(phone.locator("#waiting")).to_contain_text("wait")
    assert not room.votes()
    with sent(phone, "vote", "vote", "undo", "vote"):
        context.set_offline(False)
    assert [type(vote.answer) for vote in room.votes()] == [Better, BothBad]
    expect(phone.locator("#waiting")).to_be_hidden()


def test_a_reload_keeps_the_place_and_what_waits(visitors, room):
    phone = visitors.phone(room)
    phone.route("**/vote", lambda route: route.abort())
    press(phone, "A is better", "Tie")
    here = asked(phone)
    phone.reload()
    counts(phone, "2 of 6")
    assert asked(phone) == here
    with sent(phone, "vote", "vote"):
        phone.unroute("**/vote")
    assert [type(vote.answer) for vote in room.votes()] == [Better, Tie]


@pytest.mark.parametrize("answer", ["none", "a login page", "503"])
def test_what_was_not_acknowledged_is_sent_again_and_counts_once(visitors, room, answer):
    phone, tries = visitors.phone(room), []

    def swallow(route):
        tries.append(route.request.post_data_json["id"])
        if len(tries) > 2:
            return route.continue_()
        route.fetch()  # it arrives, and nobody is told
        if answer == "none":
            return route.abort()
        if answer == "503":
            return route.fulfill(status=503, json={"error": "The disk is full: nothing was counted; try again."})
        return route.fulfill(status=200, content_type="text/html", body="<h1>Welcome to the guests' network</h1>")

    phone.route("**/vote", swallow)
    press(phone, "Tie")
    counts(phone, "1 of 6")
    expect(phone.locator("#waiting")).to_contain_text("wait")
    expect(phone.locator("#waiting")).to_be_hidden()
    assert len(tries) == 3 and len(set(tries)) == 1
    assert len(room.votes()) == 1


def test_two_tabs_of_one_phone_are_one_voter(visitors, room):
    context = visitors.context()
    first = visitors.phone(room, context=context)
    second = visitors.visit("j", room, context=context)
    counts(second, "0 of 6")
    for page in (first, second):
        page.route("**/vote", lambda route: route.abort())
    press(first, "Tie")
    counts(second, "1 of 6")
    press(second, "Both bad")
    counts(first, "2 of 6")
    for page in (first, second):
        page.unroute("**/vote")
    for page in (first, second):
        expect(page.locator("#waiting")).to_be_hidden()
        counts(page, "2 of 6")
    assert [vote.answer for vote in room.votes()] == [Tie(), BothBad()]
    assert len(room.change(rooms.members_of)) == 1


def test_in_a_pause_votes_wait_and_after_it_they_count(visitors, room):
    context = visitors.context()
    phone = visitors.phone(room, context=context)
    context.set_offline(True)
    press(phone, "Tie")
    room.do("pause")
    context.set_offline(False)
    expect(phone.locator("#message")).to_contain_text("pause")
    expect(phone.locator("#waiting")).to_contain_text("1 vote waits")
    assert not room.votes()
    with sent(phone, "vote"):
        room.do("resume")
    assert len(room.votes()) == 1
    counts(phone, "1 of 6")


def test_what_comes_after_the_close_is_dropped_with_a_word(visitors, room):
    context = visitors.context()
    phone = visitors.phone(room, context=context)
    with sent(phone, "vote"):
        press(phone, "Tie")
    context.set_offline(True)
    press(phone, "Both bad")
    room.do("close")
    context.set_offline(False)
    message = phone.locator("#message")
    expect(message).to_contain_text("not counted")
    expect(message).to_contain_text("1 of 6")
    assert [vote.answer for vote in room.votes()] == [Tie()]


def test_a_question_that_is_hidden_meanwhile_is_asked_no_more(visitors, room):
    phone = visitors.phone(room)
    prompt, _ = asked(phone)
    (shown,) = [each for each in room.questions if prompt in each.prompt]
    room.do("hide", question=shown.key)
    press(phone, "Tie")
    counts(phone, "0 of 5")
    assert not room.votes()
    assert asked(phone)[0] != prompt


def test_a_phone_sees_what_the_room_does_and_what_became_of_its_votes(visitors, room):
    phone = visitors.phone(room)
    with sent(phone, "vote"):
        press(phone, "Tie")
    room.do("close")
    room.do("train")
    (member,) = room.change(rooms.members_of)
    learned(room, member["voter"])
    message, sentence = phone.locator("#message"), phone.locator("#sentence")
    for shown in ("before and after", "before and after", "words"):
        room.do("reveal")
        expect(sentence).to_contain_text(shown)
        expect(message).to_contain_text("screen")
        expect(message).to_contain_text("6 choices in round 1")
    again = Question("pair", "Customer: Again?\nAgent:", (" Yes.", " No."), round=2)
    room.change(rooms.write_down, round=2, written=[again])
    room.do("next")
    counts(phone, "0 of 1")
    room.do("pause")
    expect(message).to_contain_text("pause")
    expect(message).not_to_contain_text("choices")


def test_votes_are_deleted_when_asked_twice(visitors, room):
    phone = visitors.phone(room)
    with sent(phone, "vote"):
        press(phone, "Tie")
    phone.get_by_text("About you").click()
    press(phone, "Delete my votes", "No, keep them", "Delete my votes")
    assert len(room.votes()) == 1
    held = phone.evaluate("Object.keys(localStorage)")
    assert held and all(name.startswith("minirlhf ") for name in held)
    assert [cookie["name"] for cookie in phone.context.cookies()] == [f"seat-{room.code}"]
    press(phone, "Yes, delete them")
    expect(phone.get_by_role("button", name="Join")).to_be_visible()
    assert not phone.evaluate("localStorage.length") and not phone.context.cookies()
    expect(phone.get_by_role("alert")).to_contain_text("deleted")
    assert not room.votes() and not room.change(rooms.members_of)
    press(phone, "Join")
    counts(phone, "0 of 6")


@pytest.mark.parametrize("votes", [True, False], ids=["votes on", "only looks"])
def test_whoever_is_removed_is_told(visitors, room, votes):
    phone = visitors.phone(room)
    (member,) = room.change(rooms.members_of)
    room.do("remove", voter=member["voter"])
    if votes:
        press(phone, "Tie")
    expect(phone.locator("#sentence")).to_contain_text("teacher")
    expect(phone.get_by_role("button", name="Join")).to_be_hidden()
    expect(phone.locator("#voting")).to_be_hidden()
    phone.reload()
    expect(phone.locator("#sentence")).to_contain_text("teacher")
    assert not room.votes()


def test_what_is_kept_can_be_read_before_joining_and_prints_on_one_page(visitors, room):
    phone = visitors.visit("j", room)
    with phone.context.expect_page() as opened:
        phone.get_by_role("link", name="What is kept").click()
    page = opened.value
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate(OUTSIDE) == [] and not Axe().run(page).response["violations"]
    for paper in ("A4", "Letter"):
        assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format=paper))) == 1


def test_a_phone_loads_little():
    pages, card = files("minirlhf.classroom.pages"), files("minirlhf.feedback.card")
    names = ["phone.html", "phone.js", "phone.css", "room.js"]
    sizes = [len(gzip.compress((pages / name).read_bytes(), 9)) for name in names]
    sizes += [len(gzip.compress((card / name).read_bytes(), 9)) for name in ("card.js", "card.css")]
    assert sum(sizes) <= MOST_KB * 1000


# The room and its teacher.


def test_the_screen_follows_the_room(visitors, room):
    screen, phones = visitors.visit("screen", room), [visitors.phone(room) for _ in range(3)]
    expect(screen.locator("#joined")).to_have_text("3")
    code = screen.locator("#code")
    expect(code).to_have_text(room.code)
    assert screen.locator("#qr").evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 0
    for phone in phones:
        with sent(phone, *["vote"] * 6):
            press(phone, *["A is better"] * 6)
    expect(screen.locator("#voted")).to_have_text("3")
    expect(screen.locator(".pairs li")).to_have_count(3)
    assert sum(int(n) for n in re.findall(r"\d+", screen.locator(".split").first.inner_text())) == 3
    room.do("lock")
    expect(code).to_be_hidden()
    before = screen.evaluate("getComputedStyle(document.body).backgroundColor")
    screen.keyboard.press("d")
    assert screen.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_the_screen_draws_two_models_side_by_side_on_one_scale(visitors, server):
    room = OpenRoom(server[0], opens=False)
    for _, phase in zip(range(7), through_schools(room), strict=False):
        assert phase
    records = [{name: step / 10 * (i + 1) for i, name in enumerate(APART)} for step in range(5)]
    room.change(rooms.update_job, round=1, status="running", total=5, records=records)
    drawn = visitors.visit("screen", room).locator("figure")
    expect(drawn).to_have_count(2)
    for i, last in enumerate(["0.4", "0.8"]):
        expect(drawn.nth(i).locator("polyline")).to_have_attribute("points", re.compile(r"^(\S+ ){4}\S+$"))
        expect(drawn.nth(i).locator("figcaption")).to_contain_text([f"Model {i + 1} {last}"])
    scales = [drawn.nth(i).locator("text").all_inner_texts() for i in range(2)]
    assert scales[0] == scales[1]


def test_the_screen_says_when_a_pair_gets_its_bar(visitors, room):
    screen, voters = visitors.visit("screen", room), [room.sit() for _ in range(3)]
    for voter in voters[:2]:
        room.cast(*[ballot(voter, question) for question in room.questions])
    expect(screen.locator("#voted")).to_have_text("2")
    expect(screen.locator(".hint")).to_contain_text("3 people")
    expect(screen.locator(".pairs li")).to_have_count(0)
    room.cast(ballot(voters[2], room.questions[0]))
    expect(screen.locator(".pairs li")).to_have_count(1)
    expect(screen.locator(".hint")).to_be_hidden()


@pytest.mark.parametrize("method", ["PPO", "DPO"])
def test_the_screen_draws_what_each_method_reports(visitors, room, method):
    """The names in a record are the learner's own; a name that the page does not know would draw nothing."""
    room.cast(somebodys(room))
    room.do("train", method=method)
    names = CURVES[method]
    records = [{name: step / 10 + i for i, name in enumerate(names)} for step in range(5)]
    room.change(rooms.update_job, round=1, status="running", total=5, records=records)
    drawn = visitors.visit("screen", room).locator("figure")
    expect(drawn).to_have_count(2)
    for i in range(2):
        expect(drawn.nth(i).locator("polyline")).to_have_attribute("points", re.compile(r"^(\S+ ){4}\S+$"))
        expect(drawn.nth(i).locator("figcaption")).to_contain_text(["0.4", "1.4"][i])


def test_what_was_revealed_can_be_looked_at_again(visitors, room):
    room.cast(somebodys(room))
    room.do("close")
    room.do("train")
    learned(room)
    for _ in range(3):
        room.do("reveal")
    screen = visitors.visit("screen", room)
    expect(screen.locator(".words li")).to_have_count(6)
    screen.keyboard.press("ArrowLeft")
    expect(screen.locator(".side.after")).to_contain_text("Yes.")
    screen.keyboard.press("PageUp")
    expect(screen.locator(".side.before")).to_contain_text("WWW")
    screen.keyboard.press("PageDown")
    expect(screen.locator(".side.after")).to_contain_text("Yes.")


def test_the_panel_goes_back_to_an_earlier_pair_and_the_screen_follows(visitors, room):
    """By the keyboard: whoever goes back and back stays on the button, and never presses what comes next."""
    room.cast(somebodys(room))
    room.do("close")
    room.do("train")
    learned(room)
    panel, screen = visitors.visit("teach", room), visitors.visit("screen", room)
    following, back = panel.locator("#next"), panel.get_by_role("button", name=re.compile("^Back"))
    skip = panel.get_by_role("button", name=re.compile("^Skip .* round 2"))
    for name in ("Show the first pair", "Show pair 2 of 2", "Show what we paid for"):
        expect(skip).to_be_visible()
        press(panel, name)
    expect(following).to_have_text("Open round 2")
    expect(skip).to_have_count(0)  # one button for it
    expect(screen.locator(".words li")).to_have_count(6)
    for text, step in (("pair 2", "2 of 2"), ("pair 1", "1 of 2")):
        expect(back).to_contain_text(text)
        back.press("Enter")
        expect(screen.locator("#step")).to_contain_text(step)
        expect(back).to_be_focused()
    expect(back).to_have_attribute("aria-disabled", "true")
    back.press("Enter")
    expect(following).to_have_text("Show pair 2 of 2")
    press(panel, "Show pair 2 of 2")
    expect(screen.locator("#step")).to_contain_text("2 of 2")
    assert not Axe().run(panel).response["violations"]


def test_a_notice_stays_as_long_as_what_it_tells_of(visitors, room):
    panel = visitors.visit("teach", room)
    notice, following = panel.get_by_role("status"), panel.locator("#next")
    room.cast(somebodys(room))
    press(panel, "Lock the door")
    expect(notice).to_contain_text("locked")
    room.do("close")
    expect(following).to_contain_text("Train")
    expect(notice).to_be_empty()
    press(panel, "Train now with PPO")
    expect(notice).to_contain_text("learn")
    expect(following).to_contain_text("Learning")
    room.change(rooms.change, phase="training")  # another snapshot of the same
    settled(panel, room)
    expect(notice).to_contain_text("learn")
    learned(room)
    expect(following).to_contain_text("Show")
    expect(notice).to_be_empty()
    press(panel, "Unlock the door")
    expect(notice).to_contain_text("open")
    panel.get_by_role("button", name="End the room").click()  # a press that asks first tells nothing yet
    expect(notice).to_be_empty()


def test_a_pause_is_ended_by_one_button(visitors, room):
    panel = visitors.visit("teach", room)
    press(panel, "Pause")
    goes_on = panel.get_by_role("button", name=re.compile("Go on"))
    expect(goes_on).to_have_count(1)
    expect(goes_on).to_be_focused()
    goes_on.click()
    expect(panel.get_by_role("button", name="Pause")).to_be_visible()


def test_few_choices_are_said_beside_the_button_that_trains(visitors, room):
    room.cast(somebodys(room))
    panel = visitors.visit("teach", room)
    few = panel.locator("#few")
    expect(panel.locator("#next")).to_contain_text("Close")
    expect(few).to_be_hidden()
    room.do("close")
    expect(few).to_contain_text("1 choice ")
    assert not Axe().run(panel).response["violations"]
    press(panel, "Train now with PPO")
    expect(few).to_be_hidden()


def test_no_row_moves_under_a_finger_when_somebody_comes_or_answers(visitors, room):
    voters = [room.sit(name) for name in ("Kim", "", "Kim", "")]
    panel = visitors.visit("teach", room)
    rows = panel.locator("#members li")
    expect(rows).to_have_count(4)
    named = ["Remove: Kim", "Remove: Voter 2", "Remove: Kim (2)", "Remove: Voter 4"]

    def places():
        return [panel.get_by_role("button", name=name, exact=True).bounding_box() for name in named]

    before = places()
    assert [box["y"] for box in before] == sorted(box["y"] for box in before)
    room.cast(ballot(voters[2], room.questions[0]))
    room.sit("Kim")
    expect(rows).to_have_count(5)
    expect(rows.nth(0)).to_contain_text("no answer yet")
    expect(rows.nth(2)).not_to_contain_text("no answer")
    assert [box["y"] - before[0]["y"] for box in before] == [box["y"] - places()[0]["y"] for box in places()]
    press(panel, "Remove: Kim (2)")
    expect(panel.get_by_role("group", name=re.compile(r"Kim \(2\)"))).to_be_visible()
    press(panel, "Yes, remove")
    expect(rows).to_have_count(4)
    assert not room.votes()
    assert panel.get_by_role("button", name="Remove: Kim (3)", exact=True).is_visible()


def test_the_teachers_key_is_used_once_and_seen_nowhere(visitors, room):
    panel = visitors.visit("teach", room)
    expect(panel.locator("#next")).to_be_visible()
    assert room.token not in panel.url and room.token not in panel.content()
    panel.reload()
    expect(panel.locator("#next")).to_be_visible()
    stranger = visitors.context().new_page()
    stranger.goto(f"{visitors.address}/teach/{room.code}#{'x' * 43}")
    expect(stranger.get_by_role("alert").first).to_contain_text("link")
    expect(stranger.locator("#next")).to_be_hidden()


def test_the_panel_leads_a_room_by_the_keyboard_alone(visitors, room):
    phone = visitors.phone(room, "Owl")
    with sent(phone, "vote"):
        press(phone, "Tie")
    panel = visitors.visit("teach", room, size=DESK)
    keys, following = panel.keyboard, panel.locator("#next")
    expect(following).to_contain_text("Close")

    def go(name, key="Tab"):
        """Go to a control as somebody without a mouse does, and see that it can be seen."""
        for _ in range(60):
            at = panel.evaluate("document.activeElement.ariaLabel || document.activeElement.textContent")
            if re.match(name, at):
                return
            keys.press(key)
        raise AssertionError(f"nobody comes to {name!r} by {key}")

    go("Pause")
    keys.press("Enter")
    expect(panel.get_by_role("status")).to_contain_text("Paused")
    go("Go on", "Shift+Tab")
    keys.press("Enter")
    expect(following).to_contain_text("Close")
    go("Close", "Shift+Tab")
    keys.press("Enter")
    expect(following).to_contain_text("Train")
    keys.press("Shift+Tab")
    keys.press("ArrowDown")
    expect(following).to_contain_text("DPO")
    go("Train")
    keys.press("Enter")
    expect(following).to_contain_text("Learning")
    with room.store.connect() as connection:
        job = rooms.latest_job(connection, rooms.find(connection, room.code))
    assert job is not None and job["method"] == "DPO"
    assert panel.evaluate("document.activeElement.id") == "next", "whoever presses the keys stays where they were"

    go("Hide")
    keys.press("Enter")
    expect(panel.locator("#questions button").first).to_have_accessible_name(re.compile("Ask again"))
    go("Remove: Owl")
    keys.press("Enter")
    keys.press("Escape")
    keys.press("Enter")
    keys.press("Tab")
    keys.press("Enter")
    expect(panel.locator("#members li")).to_have_count(0)
    assert not room.votes()


def test_hands_on_paper_are_typed_in_by_the_keyboard(visitors, room):
    panel = visitors.visit("teach", room)
    panel.get_by_text("Type in what was counted").click()
    panel.get_by_role("spinbutton").first.focus()
    for typed in ("12", "9", "", "1"):
        panel.keyboard.type(typed)
        panel.keyboard.press("Tab")
    panel.keyboard.press("Enter")
    expect(panel.get_by_role("status")).to_contain_text("22 hands")
    assert panel.evaluate("document.activeElement.closest('li').dataset.id") == room.questions[1].key
    panel.keyboard.type("3")
    room.cast(ballot(room.sit(), room.questions[0], Tie()))  # a phone that came in after all: a new snapshot comes
    expect(panel.locator("#questions li").first).to_contain_text("A 12 · B 9 · tie 1")
    expect(panel.locator("#members li")).to_have_count(1)
    first, second = panel.locator("#tallies li").nth(0), panel.locator("#tallies li").nth(1)
    assert [each.input_value() for each in first.get_by_role("spinbutton").all()] == ["12", "9", "0", "1"]
    assert second.get_by_role("spinbutton").first.input_value() == "3", "what is being typed stays"
    first.get_by_role("spinbutton").first.fill("120")
    panel.keyboard.press("Enter")
    expect(panel.get_by_role("alert")).to_contain_text("seats")
    first.get_by_role("spinbutton").first.fill("11")
    panel.keyboard.press("Enter")
    expect(first).to_contain_text("21 hands")
    assert len(room.votes()) == 22
    press(panel, panel.locator("#next").inner_text(), "Train now with PPO")
    expect(panel.locator("#next")).to_contain_text("Learning")
    expect(panel.locator("#counting")).to_be_hidden()


def test_hands_are_counted_after_the_close_and_the_panel_says_when_they_are_not(visitors, server):
    room = OpenRoom(server[0], opens=False)
    panel = visitors.visit("teach", room)
    why, type_in = panel.locator("#no-hands"), panel.get_by_text("Type in what was counted")
    expect(why).to_contain_text("open")
    expect(type_in).to_be_hidden()
    room.do("open")
    room.do("close")
    type_in.click()
    panel.get_by_role("spinbutton").first.fill("7")
    panel.keyboard.press("Enter")
    expect(panel.get_by_role("status")).to_contain_text("7 hands")
    expect(why).to_be_hidden()
    expect(panel.locator("#few")).to_contain_text("7 choices")
    press(panel, "Train now with PPO")
    expect(why).to_contain_text("next")
    expect(type_in).to_be_hidden()
    assert len(room.votes()) == 7


@pytest.mark.parametrize("layout", ["sheet", "cards"])
def test_the_pairs_can_be_printed(visitors, server, layout):
    texts = [HOSTILE, RTL, LONG, "A hat. " * 80]
    questions = [
        Question("pair", f"Customer: {prompt}\nAgent:", (f" {prompt} yes", f" {prompt} no")) for prompt in texts
    ]
    room = OpenRoom(server[0], questions=[*hats(2), *questions])
    room.do("hide", question=questions[0].key)
    context = visitors.context(size=DESK)
    visitors.visit("teach", room, context=context).locator("#next").wait_for()
    page = visitors.visit("paper", room, context=context)
    expect(page.locator("#pairs li")).to_have_count(5)
    if layout == "cards":
        page.get_by_text("Cards to hold up").click()
    numbers = [text.rstrip(".") for text in page.locator(".number").all_inner_texts()]
    assert numbers == ["1", "2", "4", "5", "6"]  # the panel's, where one of them is hidden
    assert not Axe().run(page).response["violations"]
    page.set_viewport_size({"width": SHEET[0], "height": SHEET[1]})
    page.emulate_media(media="print")
    expect(page.locator("#how")).to_be_hidden()
    assert page.evaluate(OUTSIDE) == []
    tall = [pair.bounding_box()["height"] for pair in page.locator("#pairs li").all()]
    assert max(tall) <= SHEET[1], "a pair fits a page"
    least = page.locator("#pairs li").first.evaluate("(pair) => parseFloat(getComputedStyle(pair).fontSize)")
    assert least >= (44 if layout == "cards" else 16)
    if SCREENSHOTS:
        page.screenshot(path=f"{SCREENSHOTS}/paper-{layout}.png", full_page=True)
    assert page.get_by_text("both bad", exact=True).first.is_visible() == (layout == "sheet")


def test_a_seat_card_is_printed_and_lets_one_phone_in(visitors, room):
    context = visitors.context(size=DESK)
    panel = visitors.visit("teach", room, context=context)
    expect(panel.locator("#next")).to_be_visible()
    page = visitors.visit("paper", room, context=context)
    page.get_by_text("Seat cards").click()
    page.get_by_label("How many cards").fill("2")
    press(page, "Make new cards")
    expect(page.locator("#seats li")).to_have_count(2)
    expect(page.get_by_role("button", name="Print")).to_be_visible()
    assert page.locator("#seats img").first.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 0
    assert not Axe().run(page).response["violations"]
    if SCREENSHOTS:
        page.screenshot(path=f"{SCREENSHOTS}/paper-seats.png", full_page=True)
    first, second = [text.replace(" ", "") for text in page.locator("#seats b").all_inner_texts()]
    expect(panel.locator("#seats")).to_contain_text("0 of 2")
    scans = [visitors.context().new_page() for _ in range(2)]
    for phone in scans:
        phone.goto(f"{visitors.address}/j/{room.code}#{first}")
        press(phone, "Join")
    counts(scans[0], "0 of 6")
    assert first not in scans[0].url
    expect(scans[1].get_by_role("alert")).to_contain_text("card")
    scans[1].get_by_label("letters on your seat card").fill(f" {second[:4].lower()} {second[4:]}")
    assert not Axe().run(scans[1]).response["violations"]
    press(scans[1], "Join")
    counts(scans[1], "0 of 6")
    press(page, "Let everybody in without a card")
    expect(page.get_by_role("status")).to_contain_text("Everybody")
    visitors.phone(room)


def test_the_sheet_is_the_teachers(visitors, room):
    page = visitors.visit("paper", room, size=PHONE)
    expect(page.get_by_role("alert")).to_contain_text("panel")
    expect(page.locator("#pairs li")).to_have_count(0)


def test_erasing_asks_twice(visitors, room):
    room.cast(somebodys(room))
    panel = visitors.visit("teach", room)
    press(panel, "Erase every vote", "No", "Erase every vote", "Yes, erase")
    assert len(room.votes()) == 1
    press(panel, "Yes, erase everything")
    expect(panel.locator("#phase")).to_contain_text("Over")
    assert not room.votes()


def test_when_all_is_erased_each_page_says_so_and_a_phone_keeps_nothing(visitors, room):
    context = visitors.context()
    phone, screen = visitors.phone(room, context=context), visitors.visit("screen", room)
    panel = visitors.visit("teach", room)
    with sent(phone, "vote"):
        press(phone, "Tie")
    context.set_offline(True)
    press(phone, "Tie")  # and this one waits on the phone
    expect(panel.locator("#phase")).to_contain_text("1 voted")
    room.do("erase")
    context.set_offline(False)
    for page, told in ((phone, "#sentence"), (screen, "main"), (panel, "#seats")):
        expect(page.locator(told)).to_contain_text("erased")
    expect(phone.get_by_role("button", name="Join")).to_be_hidden()
    expect(phone.get_by_text("About you")).to_be_hidden()
    expect(screen.locator("main")).not_to_contain_text("on your phone")
    assert not phone.evaluate("localStorage.length")
    phone.reload()
    expect(phone.locator("#sentence")).to_contain_text("erased")
    late = visitors.visit("j", room)
    press(late, "Join")
    expect(late.get_by_role("alert")).to_contain_text("erased")
    for page in (phone, screen, panel, late):
        assert not Axe().run(page).response["violations"]


def test_an_export_names_nobody(visitors, room):
    vote = somebodys(room)
    room.cast(vote)
    panel = visitors.visit("teach", room, size=DESK)
    with panel.expect_download() as download:
        panel.get_by_text("Export").click()
    text = download.value.path().read_text(encoding="utf-8")
    assert len(text.splitlines()) == 1 and vote.voter not in text


def test_an_export_with_ids_asks_first(visitors, room):
    vote = somebodys(room)
    room.cast(vote)
    panel = visitors.visit("teach", room, size=DESK)
    press(panel, "The same, with voters' ids", "No", "The same, with voters' ids")
    with panel.expect_download() as download:
        press(panel, "Yes, with ids")
    assert vote.voter in download.value.path().read_text(encoding="utf-8")


def test_the_model_learns_again_without_what_somebody_deleted(visitors, room):
    stays, leaves = somebodys(room), somebodys(room)
    room.cast(stays, leaves)
    room.do("train")
    learned(room)
    result = {"answers": [], "weights": [], "receipts": {}, "learned_from": {stays.voter: 1, leaves.voter: 1}}
    room.change(rooms.finish_job, round=1, result=result)
    panel = visitors.visit("teach", room)
    again = panel.get_by_role("button", name="Learn again without them")
    expect(panel.locator("#next")).to_contain_text("Show")
    expect(again).to_be_hidden()
    room.change(rooms.forget, voters=[leaves.voter])
    expect(panel.locator("#gone")).to_contain_text("1 vote")
    assert not Axe().run(panel).response["violations"]
    again.click()
    expect(panel.locator("#next")).to_contain_text("Learning")
    expect(panel.locator("#gone")).to_be_hidden()


def test_a_refusal_is_read_out_and_stays(visitors, room):
    panel = visitors.visit("teach", room)
    expect(panel.locator("#next")).to_contain_text("Close")
    press(panel, panel.locator("#next").inner_text())
    expect(panel.locator("#next")).to_contain_text("Train")
    press(panel, "Train now with PPO")  # and nobody has voted
    expect(panel.get_by_role("alert")).to_contain_text("voted")


# What strangers write, on every page and in every state.


@pytest.mark.parametrize("kind", PAGES)
def test_whatever_people_write_is_text_and_fits(visitors, server, kind):
    texts = [HOSTILE, RTL, LONG, "<script>alert(1)</script>", "{{prefix}}", "line\nafter line\n" * 30]
    questions = [
        Question("pair", f"Customer: {prompt}\nAgent:", (f" {one}", f" {other} "))
        for prompt, one, other in zip(texts, texts[1:] + texts[:1], texts[2:] + texts[:2], strict=True)
    ]
    room = OpenRoom(server[0], questions=questions)
    for name in ("<img src=x onerror=alert(1)>", "\u202eowl", "مرحبا", LONG[:24], "  "):
        visitors.phone(room, name).context.close()
    for i in range(3):
        voter, says = room.sit(LONG), [Better(0), Better(1), Tie()][i]
        room.cast(*[ballot(voter, question, says) for question in questions])
    page = visitors.phone(room) if kind == "j" else visitors.visit(kind, room)
    for phase in phases(room):
        settled(page, room)
        assert page.locator("img:not(#qr), script:not([src])").count() == 0
        assert page.evaluate(OUTSIDE) == [], phase
        sideways, down = page.evaluate(SCROLLS)
        assert sideways <= 0 and (kind != "screen" or down <= 0), phase
        if kind == "screen":
            assert min(page.evaluate(LETTERS)) >= LAST_ROW, phase
            if page.locator("#code").is_visible():
                assert page.locator("#code").evaluate("(code) => parseFloat(getComputedStyle(code).fontSize)") >= CODE


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("kind", PAGES)
def test_nobody_is_shut_out(visitors, room, kind, dark):
    axe = Axe()
    page = visitors.visit(kind, room, dark=dark)

    def check():
        found = axe.run(page)
        assert not found.response["violations"], found.generate_report()

    if kind == "j":
        expect(page.get_by_role("button", name="Join")).to_be_visible()
        check()
        press(page, "Join")
        counts(page, "0 of 6")
        page.get_by_text("About you").click()
        press(page, "Delete my votes")
        check()
        page.get_by_text("About you").click()
    room.cast(somebodys(room))
    for _ in phases(room):
        settled(page, room)
        check()


@pytest.mark.parametrize("through", THROUGH)
@pytest.mark.parametrize("kind", PAGES)
def test_a_round_of_any_kind_fits_and_can_be_read_from_the_last_row(visitors, server, kind, through):
    room = OpenRoom(server[0], opens=False)
    page = visitors.phone(room, LONG[:24]) if kind == "j" else visitors.visit(kind, room)
    for phase in through(room):
        settled(page, room)
        assert page.locator("img:not(#qr), script:not([src])").count() == 0
        assert page.evaluate(OUTSIDE) == [], phase
        sideways, down = page.evaluate(SCROLLS)
        assert sideways <= 0 and (kind != "screen" or down <= 0), phase
        if kind == "screen":
            assert min(page.evaluate(LETTERS)) >= LAST_ROW, phase
            assert page.evaluate(CUT_OFF) == [], phase


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("through", THROUGH)
@pytest.mark.parametrize("kind", PAGES)
def test_a_round_of_any_kind_shuts_nobody_out(visitors, server, kind, through, dark):
    room, axe = OpenRoom(server[0], opens=False), Axe()
    page = visitors.phone(room, dark=dark) if kind == "j" else visitors.visit(kind, room, dark=dark)
    for phase in through(room):
        settled(page, room)
        found = axe.run(page)
        assert not found.response["violations"], (phase, found.generate_report())


ASKS = "My new lamp came broken, and it is a gift. Please help."
WORDS = ["(ten more words)", "appointment", "trouble", "please", "!", "sorry"]
TITLE = "Which reply would you rather get?"  # the notebook's own
SAYS = (  # as long as any reply that a model of this course gives
    "Oh no, we are so sorry to hear that your new lamp came broken! Take a picture of it for us, please, and a new "
    "one will be on its way to you today. You can keep the old one or put it in the bin.",
    "Hello there! We are sorry for the trouble with your new lamp, thank you for telling us. Please turn it off and "
    "on, look at the plug, and if it is still dead then we will send somebody who can repair it.",
)
WARNED = (
    "5 votes: 4 choices, 1 tie. The words explain 4 of the choices, and would have foreseen 0.\nThere are fewer than "
    "20 choices and judgements (4 so far), so what a reward model learns from them is mostly luck: vote some more "
    "before you trust it.\nEvery choice fell on the left reply (8 choices), so the side may have been chosen and not "
    "the text: ask again with the sides drawn by lot."
)


def long_questions():
    prompts = [f"Customer: {i} {ASKS}\nAgent:" for i in range(6)]
    return [Question("pair", prompt, tuple(f" {text}" for text in SAYS)) for prompt in prompts]


def through_long_replies(room, method):
    """Bring a room through an ordinary round in which everything is as long as it comes."""
    room.do("open")
    yield "voting, and nobody has"
    for i in range(5):
        voter, says = room.sit(), [Better(0), Better(1), Tie(), BothBad()][i % 4]
        room.cast(*[ballot(voter, question, says) for question in room.questions])
    room.change(rooms.change)
    yield "voting"
    for do in ("pause", "resume", "close", "train"):
        room.do(do, method=method)
        yield do
    names = CURVES[method]
    records = [dict.fromkeys(names, n - 23.45) for n in range(40)]
    room.change(rooms.update_job, round=1, status="running", total=40, records=records, words=WARNED)
    yield "running"
    answers = [{"prompt": ASKS, "before": one, "after": other} for one, other in (SAYS, SAYS[::-1])]
    weights = [[word, 1.5 - i / 4] for i, word in enumerate(WORDS * 2)]
    result = {"answers": answers, "weights": weights, "receipts": {}}
    room.change(rooms.update_job, round=1, status="done", result=result)
    room.change(rooms.change, phase="trained")
    yield "trained"
    for n in range(3):
        room.do("reveal")
        yield f"reveal {n + 1}"
    room.do("end")
    yield "over"


@pytest.mark.parametrize("size", [PROJECTOR, (1920, 1080)], ids=str)
@pytest.mark.parametrize("method", ["PPO", "DPO", "schools", "values"])
def test_everything_on_the_projector_is_whole(visitors, server, method, size):
    room = OpenRoom(server[0], questions=long_questions(), opens=False, title=TITLE)
    screen = visitors.visit("screen", room, size=size)
    states = {
        "schools": lambda: through_schools(room, [(ASKS, *SAYS), (ASKS, *SAYS[::-1])], WORDS),
        "values": lambda: through_values(room),
    }.get(method, lambda: through_long_replies(room, method))()
    for state in states:
        settled(screen, room)
        assert screen.evaluate(CUT_SHORT) == [], state
        assert min(screen.evaluate(LETTERS)) >= LAST_ROW * size[1] / PROJECTOR[1] - 0.01, state


def test_two_schools_go_from_the_panel_to_the_phones_and_to_the_screen(visitors, server):
    """The teacher chooses, each phone learns one rule and no screen does, and at the end everybody does."""
    room = OpenRoom(server[0], opens=False)
    panel, screen = visitors.visit("teach", room), visitors.visit("screen", room)
    phones = [visitors.phone(room) for _ in range(2)]
    press(panel, "Two schools")
    expect(panel.get_by_role("button", name="Two schools")).to_have_attribute("aria-pressed", "true")
    expect(phones[0].locator("#rule")).to_be_hidden()
    press(panel, "Open the vote")
    rules = []
    for phone in phones:
        expect(phone.locator("#rule-text")).to_have_text(re.compile("Vote"))
        rules.append(phone.locator("#rule-text").inner_text())
        with sent(phone, "vote"):
            press(phone, "A is better")
        phone.reload()
        expect(phone.locator("#rule-text")).to_have_text(rules[-1])
    assert set(rules) == {rule.says for rule in schools.RULES[rule_pair(rules)]}
    expect(screen.locator("#voted")).to_have_text("2")
    press(panel, "Close the vote (2 of 2 have voted)")
    expect(panel.get_by_label("DPO")).to_be_checked()
    press(panel, "Train now with DPO")
    expect(panel.locator("#next")).to_contain_text("Learning")
    two_models(room)
    for name in ("Show the first pair", "Show pair 2 of 2", "Ask the room which is whose"):
        assert not any(rule in page.content() for rule in rules for page in (panel, screen))
        press(panel, name)
    expect(screen.locator(".asking li")).to_have_count(2)
    with sent(phones[0], "guess", "guess"):
        press(phones[0], "Model 2", "Model 1")
    with sent(phones[1], "guess"):
        press(phones[1], "Model 1")
    phones[1].reload()
    expect(phones[1].get_by_role("button", name="Model 1")).to_have_attribute("aria-pressed", "true")
    expect(screen.locator(".progress")).to_contain_text("2 people")
    press(panel, "Show whose they are")
    expect(screen.locator(".side")).to_have_count(2)
    expect(screen.locator("#step")).to_contain_text("1 of 2")  # they are in two schools, and said the same
    expect(phones[0].locator("#guess")).to_be_hidden()
    assert sorted(screen.locator(".side .rule").all_inner_texts()) == sorted(rules)
    for phone, rule in zip(phones, rules, strict=True):
        number = int(re.search(r"was model ([12])", phone.locator("#receipt", has_text="was model").inner_text())[1])
        assert screen.locator(".side").nth(number - 1).locator(".rule").inner_text() == rule
    screen.keyboard.press("ArrowLeft")
    expect(screen.locator(".asking li")).to_have_count(2)
    panel.get_by_role("button", name="Values", exact=True).press("Enter")
    expect(panel.locator("#phase")).to_contain_text("round 2, about values")
    expect(panel.locator("#next")).to_be_focused()
    for phone in phones:
        expect(phone.locator("#rule")).to_be_hidden()
        counts(phone, "0 of 12")


def rule_pair(rules):
    """The name of the opposed rules of which one of these is."""
    return next(name for name, pair in schools.RULES.items() if rules[0] in {rule.says for rule in pair})


def test_the_bars_of_a_trade_off_grow_from_the_middle_as_far_as_was_voted(visitors, server):
    room = OpenRoom(server[0], opens=False)
    room.do("kind", kind="values")
    room.do("open")
    with room.store.connect() as connection:
        question = rooms.question_of(rooms.asked_in(connection, room.code, 1)[0])
    for says in [0, 0, 0, 0, 0, 1, Tie(), Tie()]:
        voter = room.sit()
        says = Better(sides(voter, question).index(says)) if isinstance(says, int) else says
        room.cast(ballot(voter, question, says))
    panel, screen = visitors.visit("teach", room), visitors.visit("screen", room)
    press(panel, "Close the vote (8 of 8 have voted)", "Show the first trade-off")
    expect(screen.locator(".split .number")).to_have_text(["5", "1"])
    boxes = {name: screen.locator(f".diverging .{name}").bounding_box() for name in ("first", "tie", "second")}
    middle, whole = (screen.locator(".diverging").bounding_box()[key] for key in ("x", "width"))
    width = {name: 2 * box["width"] / whole * 8 for name, box in boxes.items()}
    assert [round(width[name]) for name in ("first", "tie", "second")] == [5, 2, 1]
    assert abs(boxes["tie"]["x"] + boxes["tie"]["width"] / 2 - middle - whole / 2) < 2
    assert boxes["first"]["x"] < boxes["tie"]["x"] < boxes["second"]["x"]
    expect(panel.locator("#next")).to_contain_text("2 of 12")
    press(panel, "Skip the rest, open round 2")
    expect(panel.locator("#phase")).to_contain_text("round 2")


def test_behind_a_prefix_all_is_found(chromium, tmp_path):
    room = OpenRoom(tmp_path / "votes.db")
    with serving(tmp_path / "votes.db", prefix="/services/vote") as (_, address):
        visitors = Visitors(chromium, address)
        phone = visitors.phone(room)
        with sent(phone, "vote"):
            press(phone, "Tie")
        screen, panel = visitors.visit("screen", room), visitors.visit("teach", room)
        expect(screen.locator("#voted")).to_have_text("1")
        assert screen.locator("#qr").evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 0
        expect(panel.locator("#members li")).to_have_count(1)
        for context in visitors.contexts:
            context.close()
    assert not visitors.wrong
    assert len(room.votes()) == 1
