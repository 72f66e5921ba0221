"""From votes to a changed model: what is read, what moves, what must not, and three tastes from end to end."""

import json
import re
from copy import deepcopy
from dataclasses import astuple, replace
from random import Random

import pytest
import torch
from tiny import fingerprint

from minirlhf.additive import AdditiveReward
from minirlhf.course.experiments import ten_tastes as tastes
from minirlhf.course.experiments.ten_tastes import TasteRow, let_vote, taste_table, verdict
from minirlhf.data import Prompts
from minirlhf.feedback.asking import write_questions
from minirlhf.feedback.simulated import CARELESS, TEN_TASTES, simulate
from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import Better, BothBad, Question, Text, Thumb, Tie, Vote
from minirlhf.ppo import PPOConfig, PPORecord
from minirlhf.recipes.pipeline import MAX_NEW_TOKENS, normalise_on
from minirlhf.recipes.taste import LEAST_SPREAD, Reading, Taste, TasteConfig, learn_taste, weigh_votes
from minirlhf.rollout import sample

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = TasteConfig(updates=2, batch_size=16)
CHEERFUL = TEN_TASTES["cheerful"]
ASKED = "Customer: My kettle is late.\nAgent:"


@pytest.fixture(scope="module")
def untouched(shipped):
    """The shipped model as it was before anything was learned."""
    return fingerprint(shipped.sft)


@pytest.fixture(scope="module")
def votes(shipped):
    return let_vote(shipped, CHEERFUL, 60, seed=0)


def vote(answer, *replies, mode="pair", prompt=ASKED):
    return Vote(Question(mode, prompt, replies), answer, tuple(range(len(replies))), "you")


def learned(shipped, votes, config=QUICK):
    taste = Taste.shipped(shipped)
    return taste, list(learn_taste(taste, votes, config))


@pytest.fixture(scope="module")
def once(shipped, votes, untouched):
    """A taste that has learned from the votes, and the records of it: to look at, not to train on."""
    return learned(shipped, votes)


# ---- what the votes are taken to say


def test_the_first_record_is_the_reading_and_the_rest_are_updates(once):
    taste, (reading, *updates) = once
    assert isinstance(reading, Reading) and all(isinstance(record, PPORecord) for record in updates)
    assert [record.update for record in updates] == [1, 2] and reading.updates == 2
    assert dict(reading.weights) == taste.reward_model.word_weights()
    assert max(reading.weights, key=lambda word: reading.weights[word]) == "!"
    assert updates[0].kl == pytest.approx(0.0, abs=1e-4) and updates[0].first_ratio == pytest.approx(1.0, abs=1e-5)


def test_a_reading_counts_what_was_said(shipped):
    said = [
        vote(Better(0), "So kind!", "So rude."),
        vote(Better(1), "Rude.", "Kind!"),
        vote(Tie(), "Kind!", "Kind day!"),
        vote(Thumb(True), "Kind!", mode="thumbs"),
        vote(BothBad(), "Rude.", "Rude rude."),
    ]
    taste = Taste.shipped(shipped)
    reading = next(learn_taste(taste, said, QUICK))
    assert (reading.votes, reading.ties, reading.choices, reading.explained) == (5, 1, 5, 5)
    assert reading.weights["kind"] > 0 > reading.weights["rude"]
    assert all(part in str(reading) for part in ("5 votes", "5 choices", "1 tie."))
    one = replace(reading, votes=1, choices=1, ties=1, explained=1, foreseen=1)
    assert not re.search(r"\b1 \w+s\b", str(one)), str(one)
    assert any("fewer than 20" in sentence for sentence in reading.advice)
    assert all(sentence in str(reading) for sentence in reading.advice)


def test_choices_by_lot_are_explained_but_not_foreseen(shipped, votes):
    by_lot = simulate([cast.question for cast in votes], CARELESS, 0)
    torn, sure = (next(learn_taste(Taste.shipped(shipped), cast, QUICK)) for cast in (by_lot, votes))
    assert torn.explained / torn.choices > 0.85 and sure.explained / sure.choices > 0.85
    assert torn.foreseen / torn.choices < 0.7 < sure.foreseen / sure.choices


def test_nobody_foresees_a_choice_from_the_same_customers_other_choice(shipped):
    asked = [vote(Better(0), "Kind!", "Rude.")] * 6  # one customer: kept back, nothing is left to learn from
    reading = next(learn_taste(Taste.shipped(shipped), asked, QUICK))
    assert (reading.choices, reading.explained, reading.foreseen) == (6, 6, 0)


def test_scores_are_in_deviations_of_the_references_replies(shipped, once):
    taste, _ = once
    scores = taste.answers(shipped.prompts("train", 256))["SFT"].scores
    assert torch.tensor(scores).mean().item() == pytest.approx(0.0, abs=0.2)
    assert torch.tensor(scores).std().item() == pytest.approx(1.0, abs=0.15)
    assert taste.judge(ASKED, "Hi there! Take care!") > taste.judge(ASKED, "Bye.")


# ---- what moves, and what must not


def test_the_reference_never_moves_and_the_shipped_model_stays_as_it_is(shipped, once, untouched):
    taste, _ = once
    assert taste.reference is shipped.sft and fingerprint(shipped.sft) == untouched != fingerprint(taste.policy)
    assert fingerprint(Taste.shipped(shipped).policy) == untouched


def test_the_models_are_usable_at_every_record_and_looking_changes_nothing(shipped, votes, once):
    quiet, records = once
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
    again = learn_taste(taste, votes, QUICK)
    assert isinstance(next(again), Reading) and next(again).kl > 0.01  # not back at the reference
    assert fingerprint(taste.policy) != stopped


def test_a_second_round_goes_on_and_its_leash_still_ends_at_the_reference(shipped, votes, once):
    taste = deepcopy(once[0], {id(shipped.sft): shipped.sft})  # the reference is the shipped model itself
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


def test_length_and_rate_are_settings_of_ppo_and_of_the_questions(shipped, votes):
    """A model that people use wants other ones than the tiny one."""
    config = replace(QUICK, max_new_tokens=6, lr=1e-5)
    _, (_, *updates) = learned(shipped, votes, config)
    assert all(record.response_length <= 6 for record in updates) and updates[0].lr == 1e-5
    asked = write_questions(shipped.sft, shipped.prompts("train"), shipped.tokenizer, 5, max_new_tokens=4)
    assert max(len(shipped.tokenizer.encode(reply)) for question in asked for reply in question.replies) <= 4


def test_the_seed_decides_all(shipped, votes, once):
    (one, records), (same, again) = once, learned(shipped, votes)
    other, others = learned(shipped, votes, replace(QUICK, seed=1))
    assert records == again and fingerprint(one.policy) == fingerprint(same.policy)
    assert others[0].weights == records[0].weights and fingerprint(other.policy) != fingerprint(one.policy)


def test_a_store_is_read_as_its_standing_votes_and_the_time_machine_is_an_argument(shipped, votes, tmp_path):
    store = FeedbackStore(tmp_path / "votes.db")
    for cast in votes[:9]:
        store.append(cast)
    store.undo(votes[8])
    once = replace(QUICK, updates=1)
    whole, listed = (learned(shipped, source, once)[1] for source in (store, store.votes()))
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


def test_words_have_no_context_so_a_vote_may_be_as_long_as_it_likes(shipped):
    long = vote(Text("so kind " * 80), " Bye.", mode="correction", prompt=f"Customer: {'late ' * 80}\nAgent:")
    taste = Taste.shipped(shipped)
    reading = next(learn_taste(taste, [long], QUICK))
    assert (reading.choices, reading.explained) == (1, 1)
    assert taste.judge(ASKED, " so kind") > taste.judge(ASKED, " Bye.")


def test_customers_that_leave_no_room_for_a_reply_are_refused_before_anything_moves(shipped, votes):
    taste = Taste.shipped(shipped)
    taste.prompts = Prompts([*taste.prompts.prompts[:9], [1] * 25])  # 24 tokens and a reply of 40 just fit
    with pytest.raises(ValueError, match=r"Prompt 10 of 10 has 25 tokens.*above 24 tokens"):
        next(learn_taste(taste, votes, QUICK))
    assert fingerprint(taste.policy) == fingerprint(shipped.sft)
    taste.prompts = Prompts([[1] * 24] * 10)
    assert isinstance(next(learn_taste(taste, votes, QUICK)), Reading)


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
    rows = list(taste_table(shipped, people, seeds=(0,), customers=100, config=TasteConfig(updates=8, batch_size=48)))
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


def test_the_simulated_votes_are_called_simulated_and_are_the_seeds(shipped, votes):
    one, other = (let_vote(shipped, CHEERFUL, 8, seed) for seed in (0, 1))
    same = simulate([cast.question for cast in votes[:8]], CHEERFUL, 0)  # the first of those that were asked before
    assert {cast.origin for cast in one} == {"simulated"} and {cast.voter for cast in one} == {CHEERFUL.name}
    assert [(v.question, v.answer) for v in one] == [(v.question, v.answer) for v in same]
    assert [v.question for v in one] != [v.question for v in other]


# ---- how well the votes are read, without any training

WORDS = [f"{a}{b}" for a in ("ba", "de", "ko", "lu", "mi") for b in ("ra", "so", "ti", "ven")]


def weighed(shipped, votes, **settings):
    config = replace(QUICK, **settings)
    return weigh_votes(votes, shipped.tokenizer, shipped.sft.trunk.config.context, config)


def of_customer(n, answer, *replies, mode="pair"):
    return vote(answer, *replies, mode=mode, prompt=f"Customer: My kettle {n} is late.\nAgent:")


def test_what_only_one_customer_was_told_cannot_be_foreseen_and_what_all_were_told_can(shipped):
    """Of ten customers, each kept back once: own words are explained and never foreseen, a common one always is."""
    own = [of_customer(n, Better(0), f"{WORDS[2 * n]}.", f"{WORDS[2 * n + 1]}.") for n in range(10)]
    _, reading = weighed(shipped, own)
    assert (reading.choices, reading.explained, reading.foreseen) == (10, 10, 0)
    common = [of_customer(n, Better(n % 2), *["Kind.", "Rude."][:: 1 - 2 * (n % 2)]) for n in range(10)]
    _, reading = weighed(shipped, common)
    assert (reading.choices, reading.explained, reading.foreseen) == (10, 10, 10)


def test_what_was_said_of_a_customer_twice_is_kept_back_together(shipped):
    twice = [of_customer(n, Better(0), f"{WORDS[2 * n]}.", f"{WORDS[2 * n + 1]}.") for n in range(7)] * 2
    _, reading = weighed(shipped, twice)
    assert (reading.choices, reading.explained, reading.foreseen) == (14, 14, 0)


def test_of_two_who_disagree_about_everything_nothing_is_foreseen_the_right_way(shipped):
    """Half of the customers like what the other half dislikes: the weights cancel, and a tie explains no choice."""
    torn = [of_customer(n, Better(n % 2), "Kind.", "Rude.") for n in range(20)]
    _, reading = weighed(shipped, torn)
    assert reading.explained <= 10 and reading.foreseen <= 10


def test_thumbs_are_explained_by_where_the_threshold_lies_and_not_by_0(shipped):
    """Every reply has the word that is liked, once or thrice: it takes more than one to be enough."""
    judged = [
        of_customer(n, Thumb(n % 2 == 0), "Kind. Kind. Kind." if n % 2 == 0 else "Kind.", mode="thumbs")
        for n in range(40)
    ]
    reward_model, reading = weighed(shipped, judged, ridge=0.05, count_length=False)
    assert reward_model.threshold > 0.1 and reward_model.word_weights()["kind"] > 0
    assert (reading.choices, reading.explained, reading.foreseen) == (40, 40, 40)
    (few, enough) = reward_model.score(["Kind.", "Kind. Kind. Kind."]).tolist()
    assert 0 < few < reward_model.threshold.item() < enough


def test_the_ridge_and_the_length_are_those_that_were_asked_for(shipped, votes):
    sizes = [weighed(shipped, votes, ridge=ridge)[0].weights.norm().item() for ridge in (0.1, 1.0, 10.0)]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > 2 * sizes[2]
    with_length, without = (weighed(shipped, votes, count_length=c)[0].weights[-1].item() for c in (True, False))
    assert with_length != 0 and without == 0


def test_ties_are_counted_apart_and_explained_by_nobody(shipped):
    said = [
        of_customer(1, Better(0), "Kind.", "Rude."),
        of_customer(2, Tie(), "Kind.", "Kind day."),
        of_customer(3, Tie(), "Rude.", "Kind."),
    ]
    _, reading = weighed(shipped, said)
    assert (reading.votes, reading.ties, reading.choices, reading.explained) == (3, 2, 1, 1)


def test_the_settings_are_ppos_own():
    config = TasteConfig(updates=3, batch_size=10, beta=0.3, seed=5)
    assert config.ppo() == PPOConfig(updates=3, batch_size=10, beta=0.3, seed=5, max_new_tokens=MAX_NEW_TOKENS)


def first_record(taste, votes, config):
    next(learn_taste(taste, votes, config))
    return taste.reward_model.mean.item(), taste.reward_model.std.item()


def test_scores_are_scaled_on_the_references_replies_however_far_the_policy_has_gone(shipped, votes):
    taste = Taste.shipped(shipped)
    here = first_record(taste, votes, QUICK)
    with torch.no_grad():
        for weight in taste.policy.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)))
    assert first_record(taste, votes, QUICK) == here
    assert first_record(taste, votes, replace(QUICK, seed=1)) != here, "other replies of the reference"


def test_answers_are_the_seeds_and_any_judge_may_read_them(shipped):
    taste, few = Taste.shipped(shipped), shipped.prompts("held_out", 3)
    seen = []

    def judge(prompt, reply):
        seen.append(reply)
        return float(len(reply))

    found = taste.answers(few, judge)
    assert [len(text) for text in found["SFT"].texts] == found["SFT"].scores and len(seen) == 6
    assert taste.answers(few) != found and taste.answers(few)["SFT"].texts == found["SFT"].texts
    assert taste.answers(few, seed=1)["SFT"].texts != found["SFT"].texts


def test_before_and_after_are_called_by_their_names(shipped, once):
    taste, _ = once
    assert taste.models["SFT"] is taste.reference is shipped.sft and taste.models["RLHF"] is taste.policy
    assert taste.prompts == shipped.prompts("train"), "the customers that are held out are for measuring"


@pytest.mark.parametrize("replies", [2, 5, 40])
def test_normalising_reads_as_many_replies_of_the_reference_as_asked(shipped, replies):
    """Scores of mean 0 and deviation 1 on the replies that anybody can sample again."""
    reward_model = AdditiveReward([], shipped.tokenizer)  # only the length counts
    with torch.no_grad():
        reward_model.weights.fill_(1.0)
    prompts = shipped.prompts("held_out")
    normalise_on(reward_model, shipped.sft, prompts, seed=3, replies=replies)
    again = sample(shipped.sft, prompts.prompts[:replies], MAX_NEW_TOKENS, torch.Generator().manual_seed(3))
    with torch.no_grad():
        scores = reward_model(again.tokens, again.response_mask)
    assert scores.mean().item() == pytest.approx(0.0, abs=1e-4) and scores.std().item() == pytest.approx(1.0, abs=1e-4)
    assert len(scores) == replies


@pytest.mark.parametrize("space", ["", " "])
def test_a_taste_is_foreseen_in_a_script_without_spaces_as_well_as_with_them(shipped, space):
    """Whoever likes 谢 likes it wherever it stands: twenty customers, each answered once with it and once without."""
    rng, characters = Random(0), "我们会换您的灯今天明天请等一下再看对不起"
    said = []
    for n in range(20):
        dull = [rng.choice(characters) for _ in range(8)]
        kind = [*(rng.choice(characters) for _ in range(8))]
        kind.insert(rng.randrange(9), "谢")
        said.append(of_customer(n, Better(n % 2), *[space.join(text) for text in (kind, dull)][:: 1 - 2 * (n % 2)]))
    _, reading = weighed(shipped, said, count_length=False)
    assert max(reading.weights, key=lambda word: reading.weights[word]) == "谢"
    assert reading.choices == 20 and reading.foreseen >= 18
