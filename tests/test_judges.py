"""Judges are programs: they vote under their own names, their habits show, and swapping cures the seat."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from random import Random
from socket import create_server
from threading import Event, Thread

import pytest

from minirlhf.feedback.agreement import agreement, left_bias
from minirlhf.feedback.identity import own_voter
from minirlhf.feedback.judges import LINES, BothOrders, Judge, ServedJudge, line
from minirlhf.feedback.meaning import preferences
from minirlhf.feedback.simulated import PATIENT, simulate
from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import Better, Question, Skip, Stars, Thumb, Tie
from minirlhf.worlds import helpdesk

NAME = "three lines (a program)"
RUBRIC = {"names the right remedy": 2.0, "says sorry": 1.0, "is short": 0.5}
PROMPT = "Customer: My kettle is broken.\nAgent:"
SORRY, CURT = " I am so sorry! We will send a new kettle.", " No."


def pairs(n=40, seed=0):
    rng, questions = Random(seed), []
    while len(questions) < n:
        asked = helpdesk.request(rng)
        replies = tuple(helpdesk.reply(asked, rng, helpdesk.DEMONSTRATOR) for _ in range(2))
        if replies[0] != replies[1]:
            questions.append(Question("pair", asked.prompt, replies))
    return questions


# ---- the rubric


@pytest.mark.parametrize("text", LINES)
def test_every_line_reads_every_reply_and_stays_bounded(text):
    for question in pairs(20):
        for reply in (*question.replies, ""):
            assert -1 <= line(text)(question.prompt, reply) <= 1
            assert line(f"not {text}")(question.prompt, reply) == -line(text)(question.prompt, reply)


def test_lines_mean_what_they_say():
    assert line("says sorry")(PROMPT, SORRY) > line("says sorry")(PROMPT, CURT)
    assert line("names the right remedy")(PROMPT, SORRY) == 1
    assert line("names the right remedy")(PROMPT, " We will wash your kettle.") == 0
    assert line("names a remedy")(PROMPT, " We will wash your kettle.") == 1
    assert line('says "kettle"')(PROMPT, SORRY) == 1 and line('says "kettle"')(PROMPT, CURT) == 0


def test_a_line_that_it_cannot_read_is_told_with_the_nearest_that_it_can():
    with pytest.raises(ValueError, match="says sorry"):
        Judge(NAME, {"say sorry": 1.0})


@pytest.mark.parametrize("name", ["Ada", "the patient one (simulated)", ""])
def test_a_judge_is_named_as_a_program(name):
    with pytest.raises(ValueError, match="program"):
        Judge(name, RUBRIC)
    with pytest.raises(ValueError, match="program"):
        ServedJudge(name, "http://localhost/v1", "m", "r")


def test_an_empty_rubric_is_refused():
    with pytest.raises(ValueError, match="rubric"):
        Judge(NAME, {})


# ---- its votes


def test_its_votes_stand_in_the_store_under_its_name_and_never_as_a_persons(tmp_path):
    store, questions = FeedbackStore(tmp_path / "votes.sqlite"), pairs(12)
    store.extend(simulate(questions, Judge(NAME, RUBRIC)))
    store.extend(simulate(questions, PATIENT))
    votes = store.votes(NAME)
    assert len(votes) == 12 and {vote.origin for vote in votes} == {"simulated"}
    assert not store.votes("you") and not store.votes(own_voter())
    assert agreement(store.votes()).voters == 2
    assert preferences(votes)  # and what a reward model learns from, like anybody's


def test_without_habits_the_order_changes_nothing():
    judge = Judge(NAME, RUBRIC)
    for question in pairs():
        a, b = question.replies
        assert judge.prefers_left(question.prompt, a, b) == 1 - judge.prefers_left(question.prompt, b, a)
    assert simulate(pairs(), judge, seed=0) != [] and not left_bias(simulate(pairs(), judge)).excludes_half


def test_a_seat_is_seen_in_the_votes_and_cured_by_swapping():
    seated, questions = Judge(NAME, RUBRIC, seat=1.0), pairs(60)
    assert left_bias(simulate(questions, seated)).excludes_half
    cured = simulate(questions, BothOrders(seated))
    assert not left_bias(cured).excludes_half
    fair = simulate(questions, Judge(NAME, RUBRIC))
    for mended, right in zip(cured, fair, strict=True):  # what it says twice is what it says without a seat
        assert isinstance(mended.answer, Tie) or mended.answer == right.answer


def test_a_judge_that_only_looks_at_seats_says_nothing_once_it_is_asked_in_both_orders():
    first = BothOrders(Judge(NAME, {"says sorry": 0.0}, seat=1.0))
    assert {type(vote.answer) for vote in simulate(pairs(20), first)} == {Tie}


def test_a_judge_of_length_prefers_the_longer_in_any_order():
    wordy = BothOrders(Judge(NAME, {"says sorry": 0.0}, length=1.0))
    long, short = " We will send a new kettle today. Take care.", " No new kettle."
    assert wordy.prefers_left(PROMPT, long, short) == 1 and wordy.prefers_left(PROMPT, short, long) == 0


def test_yes_is_said_more_often_by_a_judge_that_likes_to():
    thumbs = [Question("thumbs", question.prompt, question.replies[:1]) for question in pairs()]
    ups = [
        sum(vote.answer == Thumb(True) for vote in simulate(thumbs, Judge(NAME, RUBRIC, yes=yes, bar=1.0)))
        for yes in (0.0, 2.0)
    ]
    assert ups[1] > ups[0]


def test_what_it_cannot_judge_it_skips():
    rng = Random(0)
    assert Judge(NAME, RUBRIC).answer(Question("demonstration", PROMPT), rng) == Skip()
    assert BothOrders(Judge(NAME, RUBRIC)).answer(Question("thumbs", PROMPT, (SORRY,)), rng) == Skip()


# ---- a model behind an address


@contextmanager
def served(says, status=200) -> Iterator[tuple[str, list]]:
    """A server on this machine that speaks OpenAI's protocol; `says` makes its answer from what it was asked."""
    asked: list[tuple[str, dict, dict]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, body, dict(self.headers)))
            content = says(json.loads(body["messages"][1]["content"]))
            sent = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, format, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def completion(text):
    return {"choices": [{"message": {"content": text}}]}


def test_a_served_judge_votes_like_any_other_and_shows_its_key_to_nobody_else():
    with served(lambda q: completion("A" if len(q["A"]) > len(q["B"]) else " b.")) as (url, asked):
        judge = ServedJudge("the longer one (a program)", url, "small", "Prefer the longer.", key="hidden")
        votes = simulate(pairs(6), BothOrders(judge))
    for vote in votes:
        lengths = [len(reply) for reply in vote.question.replies]
        assert vote.answer == (Better(lengths.index(max(lengths))) if lengths[0] != lengths[1] else Tie())
    assert len(asked) == 12 and {path for path, *_ in asked} == {"/v1/chat/completions"}
    _, body, headers = asked[0]
    assert body["model"] == "small" and "Prefer the longer." in body["messages"][0]["content"]
    assert headers["Authorization"] == "Bearer hidden" and "hidden" not in repr(judge)


@pytest.mark.parametrize("says", ["", "Both are fine, but A", "C", "I cannot say"])
def test_what_is_no_verdict_is_no_vote(says):
    with served(lambda q: completion(says)) as (url, _):
        judge = ServedJudge("one that rambles (a program)", url, "m", "r")
        assert judge.prefers_left(PROMPT, SORRY, CURT) is None
        assert BothOrders(judge).answer(pairs(1)[0], Random(0)) == Skip()


def test_a_tie_is_a_tie():
    with served(lambda q: completion("Tie.")) as (url, _):
        judge = ServedJudge("one that ties (a program)", url, "m", "r")
        assert judge.answer(pairs(1)[0], Random(0)) == Tie()


@pytest.mark.parametrize(
    ("says", "status", "told"),
    [(b"<html>", 200, "chat completion"), ({"error": 1}, 200, "chat completion"), ({}, 401, "401")],
)
def test_an_address_that_answers_otherwise_is_named_with_what_to_look_at(says, status, told):
    with served(lambda q: says, status) as (url, _):
        judge = ServedJudge("a wrong address (a program)", url, "m", "r", key="hidden")
        with pytest.raises(ConnectionError, match=told) as caught:
            judge.prefers_left(PROMPT, SORRY, CURT)
    assert url in str(caught.value) and "hidden" not in str(caught.value)


def test_an_address_where_nobody_listens_is_named():
    with served(lambda q: completion("A")) as (url, _):
        pass
    with pytest.raises(ConnectionError, match="running"):
        ServedJudge("nobody (a program)", url, "m", "r").prefers_left(PROMPT, SORRY, CURT)
    with pytest.raises(ValueError, match="http"):
        ServedJudge("nobody (a program)", "localhost:8000", "m", "r")


@pytest.mark.parametrize(("says", "verdict"), [("**A**", 1.0), ("Answer: B.", 0.0), ("__tie__", 0.5), ("(b)", 0.0)])
def test_a_verdict_in_other_dress_is_the_same_verdict(says, verdict):
    with served(lambda q: completion(says)) as (url, _):
        assert ServedJudge("dressed (a program)", f"{url}/", "m", "r").prefers_left(PROMPT, SORRY, CURT) == verdict


@pytest.mark.parametrize(
    "says",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"null",
        b"7" * 5000,
        [],
        {"choices": []},
        {"choices": [{"message": None}]},
        completion(7),
        completion(["A"]),
        completion([{"type": "text", "text": "A"}]),
        completion({"A": 1}),
    ],
)
def test_whatever_is_sent_instead_of_a_text_is_one_error_with_the_address(says):
    with served(lambda q: says) as (url, _), pytest.raises(ConnectionError) as caught:
        ServedJudge("odd (a program)", url, "m", "r").prefers_left(PROMPT, SORRY, CURT)
    assert url in str(caught.value) and "/v1?" in str(caught.value)


@contextmanager
def raw(*sent, then_wait=False) -> Iterator[str]:
    """A socket on this machine that answers one request with these bytes, and may keep the line open."""
    done = Event()

    def answer():
        line, _ = listener.accept()
        with line:
            line.recv(65_536)
            while sent:
                try:
                    for some in sent:
                        line.sendall(some)
                        done.wait(0.02 if then_wait else 0)
                except OSError:  # it has hung up
                    return
                if not then_wait or done.is_set():
                    return
            done.wait(10)

    with create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=answer, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize(
    ("sent", "then_wait"),
    [
        ([b"no http at all\r\n\r\n"], False),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}"], False),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"], False),
        ([b"HTTP/1.1 200 OK\r\n\r\n"] + [b" "] * 40, True),  # in drops, each before the socket's patience ends
        ([], True),  # nothing at all
    ],
)
def test_a_server_that_breaks_off_or_never_ends_is_given_up(sent, then_wait):
    with raw(*sent, then_wait=then_wait) as url, pytest.raises(ConnectionError) as caught:
        ServedJudge("slow (a program)", url, "m", "r", seconds=0.2).prefers_left(PROMPT, SORRY, CURT)
    assert url in str(caught.value) and "?" in str(caught.value)


def written(kind, **given):
    """What somebody gets who writes this where no types are checked, as in a notebook."""
    made = object.__new__(kind)
    for name, value in given.items():
        object.__setattr__(made, name, value)
    made.__post_init__()
    return made


@pytest.mark.parametrize(
    "wrong",
    [
        *(
            {"url": url}
            for url in ("http://", "http://a b/v1", "http://h:port/v1", "http://[::1", "http://h:0", "http://é")
        ),
        *({"key": key} for key in ("hidden\n", "hid den", "hiddén")),
        *({"seconds": seconds} for seconds in (0, -1, float("nan"), float("inf"), None, "30", 1e12)),
    ],
)
def test_what_cannot_be_asked_is_refused_where_it_is_written_and_the_key_stays_hidden(wrong):
    with pytest.raises(ValueError, match=r"odd \(a program\)") as caught:
        sound = {"name": "odd (a program)", "url": "http://localhost/v1", "key": "", "seconds": 30.0}
        written(ServedJudge, **sound | wrong)
    assert "hid" not in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "2", None, True, [1.0]])
@pytest.mark.parametrize("place", ["weight", "seat", "length", "yes", "bar"])
def test_a_weight_or_dial_that_is_no_number_is_named(place, value):
    rubric, dials = ({"says sorry": value}, {}) if place == "weight" else ({"says sorry": 1.0}, {place: value})
    with pytest.raises(ValueError, match=place) as caught:
        written(Judge, name=NAME, rubric=rubric, **{"seat": 0.0, "length": 0.0, "yes": 0.0, "bar": 0.0} | dials)
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    "rubric", [["says sorry"], "says sorry", None, {3: 1.0}, {None: 1.0}, {"": 1.0}, {"not ": 1.0}]
)
def test_what_is_no_rubric_is_told_what_one_looks_like(rubric):
    with pytest.raises(ValueError, match="says sorry"):
        written(Judge, name=NAME, rubric=rubric, seat=0.0, length=0.0, yes=0.0, bar=0.0)


def test_stars_and_thumbs_stand_around_the_bar():
    """At the bar it is the middle star and no thumb up; far from it the scale ends; a point is a star."""

    def said(mode, bar):
        judge = Judge(NAME, {'says "kettle"': 1.0}, bar=bar)
        return judge.answer(Question(mode, PROMPT, (SORRY,)), Random(0))

    assert [said("stars", bar) for bar in (9.0, 2.0, 1.0, 0.0, -9.0)] == [Stars(n) for n in (1, 2, 3, 4, 5)]
    assert [said("thumbs", bar) for bar in (2.0, 1.0, 0.0)] == [Thumb(False), Thumb(False), Thumb(True)]


def test_weights_decide_and_what_is_quoted_is_read_in_any_case():
    first, second = " KETTLE.", " sorry."
    for heavy, light, wanted in ((2.0, 1.0, 1.0), (1.0, 2.0, 0.0), (1.0, 1.0, 0.5)):
        judge = Judge(NAME, {'says "Kettle"': heavy, 'says "Sorry"': light})
        assert judge.prefers_left(PROMPT, first, second) == wanted
