"""From votes to a changed model: what is read, what moves, what must not, and three tastes from end to end."""

import json
from dataclasses import astuple, replace
from random import Random

import pytest
import torch
from tiny import fingerprint

from minirlhf.course.experiments import ten_tastes as tastes
from minirlhf.course.experiments.ten_tastes import TasteRow, let_vote, taste_table, verdict
from minirlhf.feedback.asking import write_questions
from minirlhf.feedback.simulated import CARELESS, TEN_TASTES
from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import Better, BothBad, Question, Text, Thumb, Tie, Vote
from minirlhf.pipeline import load_shipped
from minirlhf.ppo import PPORecord
from minirlhf.taste import LEAST_SPREAD, Reading, Taste, TasteConfig, learn_taste

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = TasteConfig(updates=2, batch_size=16)
CHEERFUL = TEN_TASTES["cheerful"]
ASKED = "Customer: My kettle is late.\nAgent:"


@pytest.fixture(scope="module")
def shipped():
    return load_shipped()


@pytest.fixture(scope="module")
def votes(shipped):
    return let_vote(shipped, CHEERFUL, 60, seed=0)


def vote(answer, *replies, mode="pair", prompt=ASKED):
    return Vote(Question(mode, prompt, replies), answer, tuple(range(len(replies))), "you")


def learned(shipped, votes, config=QUICK):
    taste = Taste.shipped(shipped)
    return taste, list(learn_taste(taste, votes, config))


# ---- what the votes are taken to say


def test_the_first_record_is_the_reading_and_the_rest_are_updates(shipped, votes):
    taste, (reading, *updates) = learned(shipped, votes)
    assert isinstance(reading, Reading) and all(isinstance(record, PPORecord) for record in updates)
    assert [record.update for record in updates] == [1, 2] and reading.updates == 2
    assert dict(reading.weights) == taste.reward_model.word_weights()
    assert max(reading.weights, key=lambda word: reading.weights[word]) == "!"
    assert updates[0].kl == pytest.approx(0.0, abs=1e-4) and updates[0].first_ratio == pytest.approx(1.0, abs=1e-5)


def test_a_reading_counts_what_was_said():
    said = [
        vote(Better(0), "So kind!", "So rude."),
        vote(Better(1), "Rude.", "Kind!"),
        vote(Tie(), "Kind!", "Kind day!"),
        vote(Thumb(True), "Kind!", mode="thumbs"),
        vote(BothBad(), "Rude.", "Rude rude."),
    ]
    taste = Taste.shipped()
    reading = next(learn_taste(taste, said, QUICK))
    assert (reading.votes, reading.ties, reading.choices, reading.explained) == (5, 1, 5, 5)
    assert reading.weights["kind"] > 0 > reading.weights["rude"]
    assert "5 votes tell better from worse 5 times, and call a tie 1 times" in str(reading)
    assert any("fewer than 20" in sentence for sentence in reading.advice)
    assert all(sentence in str(reading) for sentence in reading.advice)


def test_choices_by_lot_are_explained_but_not_foreseen(shipped, votes):
    by_lot = let_vote(shipped, CARELESS, 60, seed=0)
    torn, sure = (next(learn_taste(Taste.shipped(shipped), cast, QUICK)) for cast in (by_lot, votes))
    assert torn.explained / torn.choices > 0.85 and sure.explained / sure.choices > 0.85
    assert torn.foreseen / torn.choices < 0.7 < sure.foreseen / sure.choices


def test_nobody_foresees_a_choice_from_the_same_customers_other_choice():
    asked = [vote(Better(0), "Kind!", "Rude.")] * 6  # one customer: kept back, nothing is left to learn from
    reading = next(learn_taste(Taste.shipped(), asked, QUICK))
    assert (reading.choices, reading.explained, reading.foreseen) == (6, 6, 0)


def test_scores_are_in_deviations_of_the_references_replies(shipped, votes):
    taste, _ = learned(shipped, votes)
    scores = taste.answers(shipped.prompts("train", 256))["SFT"].scores
    assert torch.tensor(scores).mean().item() == pytest.approx(0.0, abs=0.2)
    assert torch.tensor(scores).std().item() == pytest.approx(1.0, abs=0.15)
    assert taste.judge(ASKED, "Hi there! Take care!") > taste.judge(ASKED, "Bye.")


# ---- what moves, and what must not


def test_the_reference_never_moves_and_the_shipped_model_stays_as_it_is(shipped, votes):
    before = fingerprint(shipped.sft)
    taste, _ = learned(shipped, votes)
    assert taste.reference is shipped.sft and fingerprint(shipped.sft) == before != fingerprint(taste.policy)
    assert fingerprint(Taste.shipped(shipped).policy) == before


def test_the_models_are_usable_at_every_record_and_looking_changes_nothing(shipped, votes):
    quiet, records = learned(shipped, votes)
    watched, found = Taste.shipped(shipped), []
    for record in learn_taste(watched, votes, QUICK):
        found.append(record)
        torch.rand(3)
        assert len(watched.answers(shipped.prompts("held_out", 4))["RLHF"].texts) == 4
        assert all(p.grad is None for p in watched.policy.parameters())
    assert found == records and fingerprint(watched.policy) == fingerprint(quiet.policy)


def test_who_stops_early_keeps_what_was_learned_and_can_go_on(shipped, votes):
    taste = Taste.shipped(shipped)
    for record in learn_taste(taste, votes, QUICK):
        if isinstance(record, PPORecord):
            break
    stopped = fingerprint(taste.policy)
    assert stopped != fingerprint(shipped.sft)
    _, first, *_ = learn_taste(taste, votes, QUICK)
    assert first.kl > 0.01  # not back at the reference
    assert fingerprint(taste.policy) != stopped


def test_a_second_round_goes_on_and_its_leash_still_ends_at_the_reference(shipped, votes):
    taste, _ = learned(shipped, votes)
    more = [
        Vote(asked, CHEERFUL.answer(asked, Random(1)), (0, 1), "you")
        for asked in write_questions(taste.policy, taste.prompts, taste.tokenizer, 10, model="RLHF", round=2, seed=1)
    ]
    start = fingerprint(taste.policy, taste.value_model)  # who wrote, and who has learned to foresee it
    second = learn_taste(taste, [*votes, *more], QUICK)
    assert next(second).votes == 70 and fingerprint(taste.policy, taste.value_model) == start
    assert taste.value_model.head.weight.any()
    first = next(second)
    assert first.kl > 0.01 and taste.reference is shipped.sft


def test_the_seed_decides_all(shipped, votes):
    (one, records), (same, again) = (learned(shipped, votes) for _ in range(2))
    other, others = learned(shipped, votes, replace(QUICK, seed=1))
    assert records == again and fingerprint(one.policy) == fingerprint(same.policy)
    assert others[0].weights == records[0].weights and fingerprint(other.policy) != fingerprint(one.policy)


def test_a_store_is_read_as_its_standing_votes_and_the_time_machine_is_an_argument(shipped, votes, tmp_path):
    store = FeedbackStore(tmp_path / "votes.db")
    for cast in votes[:9]:
        store.append(cast)
    store.undo(votes[8])
    whole, listed = (learned(shipped, source)[1] for source in (store, store.votes()))
    assert whole == listed and whole[0].votes == 8
    then = next(learn_taste(Taste.shipped(shipped), store.votes(first=5), QUICK))
    assert then == next(learn_taste(Taste.shipped(shipped), votes[:5], QUICK)) and then.votes == 5


# ---- odd votes

NO_TASTE = {
    "no votes": lambda votes: [],
    "all ties": lambda votes: [replace(cast, answer=Tie()) for cast in votes],
    "all replies equal": lambda votes: [vote(Better(i % 2), "Hello.", "Hello.") for i in range(9)],
}


@pytest.mark.parametrize("name", NO_TASTE)
def test_where_nothing_is_preferred_nothing_moves(shipped, votes, name):
    taste, records = learned(shipped, NO_TASTE[name](votes))
    assert len(records) == 1 and records[0].updates == 0 and records[0].choices == 0
    assert fingerprint(taste.policy) == fingerprint(shipped.sft)
    assert set(taste.answers(shipped.prompts("held_out", 4))["RLHF"].scores) == {0.0}
    assert records[0].advice


ODD = {
    "one vote": lambda votes: [vote(Better(0), "Hello!", "Bye.")],
    "one word": lambda votes: [vote(Better(0), "Hello!", "Hello")] * 9,
    "perfectly separable": lambda votes: [vote(Better(i % 2), *["Yes!", "No."][:: 1 - 2 * (i % 2)]) for i in range(60)],
    "only both bad": lambda votes: [replace(cast, answer=BothBad()) for cast in votes],
    "a correction": lambda votes: [vote(Text("Good day to you!"), " Bye.", mode="correction")],
}


@pytest.mark.parametrize("name", ODD)
def test_odd_votes_train_and_every_number_is_finite(shipped, votes, name):
    taste, (reading, *updates) = learned(shipped, ODD[name](votes))
    assert len(updates) == reading.updates == 2
    assert all(torch.tensor(astuple(record)).isfinite().all() for record in updates)
    assert all(parameter.isfinite().all() for parameter in taste.policy.parameters())


def test_who_likes_everything_is_not_blown_up_to_a_taste(shipped, votes):
    everything = [vote(Thumb(True), cast.question.replies[0], mode="thumbs") for cast in votes]
    taste, _ = learned(shipped, everything)
    assert taste.reward_model.std.item() == LEAST_SPREAD
    scores = torch.tensor(taste.answers(shipped.prompts("train", 256))["SFT"].scores)
    assert scores.std().item() < 0.3


def test_a_text_that_is_too_long_names_its_vote(shipped):
    long = vote(Text("so " * 80), " Bye.", mode="correction")
    with pytest.raises(ValueError, match=r"The vote on 'Customer: My kettle is late.*chosen is \d+ tokens long"):
        next(learn_taste(Taste.shipped(shipped), [long], QUICK))


@pytest.mark.parametrize(
    ("name", "value"),
    [("updates", 0), ("batch_size", 0), ("batch_size", 7), ("ridge", 0.0), ("beta", -0.1), ("beta", float("nan"))],
)
def test_a_setting_out_of_range_fails_where_it_is_written(name, value):
    with pytest.raises(ValueError, match=rf"Config\.{name}"):
        TasteConfig(**{name: value})


# ---- from end to end


@pytest.mark.slow
def test_three_tastes_on_one_seed_are_taken_up(shipped, tmp_path):
    people = {name: TEN_TASTES[name] for name in ("cheerful", "hello", "short")}
    rows = list(taste_table(shipped, people, seeds=(0,), customers=100, config=TasteConfig(updates=8)))
    assert [row.taste for row in rows] == ["cheerful", "hello", "short", "short, length blind"]
    for row in rows[:3]:
        assert row.clear, row
        assert row.change - row.half > 0.3 and 1 < row.kl < 20
    assert "3 of 3 tastes rise clearly" in verdict(rows)
    tastes.write(rows, tmp_path / "new" / "tastes.json")
    written = json.loads((tmp_path / "new" / "tastes.json").read_text())
    assert [row["clear"] for row in written["rows"]] == [row.clear for row in rows]


def test_a_rise_is_clear_when_it_is_sure_and_large():
    row = TasteRow("soon", 0, 0.4, 0.9, 0.1, 0.45, 0.8, 5.0, 50, 40, 1.5, 1.4, 9.0)
    assert row.clear and str(row).endswith("clear")
    assert not replace(row, half=0.6).clear  # perhaps by luck
    assert not replace(row, spread=0.6).clear  # hardly to be seen
    assert verdict([row, replace(row, seed=1, after=0.3)]).startswith("0 of 1 tastes")
    assert "not so: soon" in verdict([row, replace(row, seed=1, after=0.3)])


def test_the_simulated_votes_are_called_simulated_and_are_the_seeds(shipped):
    one, same, other = (let_vote(shipped, CHEERFUL, 8, seed) for seed in (0, 0, 1))
    assert {cast.origin for cast in one} == {"simulated"} and {cast.voter for cast in one} == {CHEERFUL.name}
    assert [(v.question, v.answer) for v in one] == [(v.question, v.answer) for v in same]
    assert [v.question for v in one] != [v.question for v in other]
