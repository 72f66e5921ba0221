"""Judges are programs: they vote under their own names, their habits show, and swapping cures the seat."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from random import Random
from threading import Thread

import pytest

from minirlhf.feedback.agreement import agreement, left_bias
from minirlhf.feedback.identity import own_voter
from minirlhf.feedback.judges import LINES, BothOrders, Judge, ServedJudge, line
from minirlhf.feedback.meaning import preferences
from minirlhf.feedback.simulated import PATIENT, simulate
from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import Better, Question, Skip, Thumb, Tie
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
