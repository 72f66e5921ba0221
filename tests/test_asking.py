"""Questions about models' own replies, and the blind test's count."""

from dataclasses import replace
from itertools import islice

import pytest
import torch

from minirlhf.checkpoint import fingerprint
from minirlhf.feedback import asking
from minirlhf.feedback.asking import REPLIES, blind_test, drafts, preferred, write_questions
from minirlhf.feedback.votes import MODES, Better, BothBad, Question, Skip, Thumb, Tie, Vote
from minirlhf.worlds import helpdesk


@pytest.fixture
def few_at_once(monkeypatch):
    """Who asks seven questions need not have five hundred customers answered."""
    monkeypatch.setattr(asking, "AT_ONCE", 64)


@pytest.fixture(scope="module")
def customers(shipped):
    return shipped.prompts("train", first=200)


@pytest.mark.usefixtures("few_at_once")
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_has_questions_to_ask(mode, shipped, customers):
    asked = write_questions(shipped.sft, customers, shipped.tokenizer, 7, mode)
    assert len({question.key for question in asked}) == 7
    for question in asked:
        assert question.mode == mode and len(set(question.replies)) == REPLIES[mode]
        assert question.models == ("SFT",) * REPLIES[mode]
        assert question.checkpoints == (fingerprint(shipped.sft),) * REPLIES[mode]
        helpdesk.read(question.prompt)  # a customer of this world, and not half of one


@pytest.mark.usefixtures("few_at_once")
def test_the_same_seed_asks_the_same_and_another_something_else(shipped, customers):
    """Whatever stands in the global generator, which is left alone."""
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = write_questions(shipped.sft, customers, shipped.tokenizer, 5, seed=1)
    assert torch.equal(torch.rand(3), expected)
    again, other = (write_questions(shipped.sft, customers, shipped.tokenizer, 5, seed=seed) for seed in (1, 2))
    assert first == again
    assert not {question.key for question in first} & {question.key for question in other}


def test_a_blind_test_pairs_two_models_on_the_same_customer(shipped, customers):
    asked = blind_test({"before": shipped.sft, "after": shipped.rlhf}, customers, shipped.tokenizer, 20)
    assert len(asked) == 20
    assert all(question.models == ("before", "after") for question in asked)
    scores = [[helpdesk.gold(q.prompt, reply) for reply in q.replies] for q in asked]
    assert sum(after for _, after in scores) > sum(before for before, _ in scores)


def test_replies_that_are_the_same_are_not_asked_about(shipped, customers):
    for _, replies in islice(drafts([shipped.rlhf] * 3, customers, shipped.tokenizer, 0), 300):
        assert len(set(replies)) == 3


def test_a_fingerprint_tells_weights_apart(shipped):
    marks = {fingerprint(model) for model in shipped.models.values()}
    assert len(marks) == 3
    assert fingerprint(shipped.sft) in marks


QUESTION = Question("pair", "Hi", ("a", "b"), ("before", "after"))


def cast(answer, question=QUESTION):
    return Vote(question, answer, tuple(range(len(question.replies))), "you")


def test_preferred_counts_ties_and_two_bad_replies_half():
    votes = [cast(Better(1))] * 3 + [cast(Better(0)), cast(Tie()), cast(BothBad())]
    after, before = preferred(votes, "after"), preferred(votes, "before")
    assert (after.wins, after.ties, after.losses) == (3, 2, 1)
    assert after.rate == pytest.approx(4 / 6)
    assert after.rate + before.rate == pytest.approx(1)


def test_preferred_looks_only_at_judged_pairs_of_two_models():
    same = replace(QUESTION, models=("after", "after"))
    thumb = cast(Thumb(True), Question("thumbs", "Hi", ("a",), ("after",)))
    votes = [cast(Better(1)), cast(Skip()), cast(Better(0), same), thumb]
    assert preferred(votes, "after").wins == 1
    assert preferred(votes, "after").losses == 0
    with pytest.raises(ValueError, match="at least one pair"):
        preferred([cast(Skip())], "after")
