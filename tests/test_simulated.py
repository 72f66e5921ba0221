"""Simulated people are coherent, noisy as published, and of different minds."""

from dataclasses import replace
from math import inf
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minirlhf.feedback.simulated import (
    CARELESS,
    CHEERFUL,
    FORMAL,
    GOLD_PARTS,
    HURRIED,
    PATIENT,
    PEOPLE,
    TASTES,
    TEN_TASTES,
    vote,
)
from minirlhf.feedback.votes import Better, Question, Thumb, Tie
from minirlhf.worlds import helpdesk

PROMPT = "Customer: My kettle is broken.\nAgent:"
WARM = " Hi there! I am so sorry! We will send a new kettle today! Take care :)"
STIFF = " Good day. We are sorry. We will send a new kettle today. Yours, the shop."
SHORT = " We will send a new kettle."
WRONG = " Hi there! I am so sorry! We will paint your kettle today! Take care :)"


@pytest.fixture(scope="module")
def pairs():
    rng = Random(0)
    asked = [helpdesk.request(rng) for _ in range(300)]
    return [
        (a.prompt, helpdesk.reply(a, rng, helpdesk.DEMONSTRATOR), helpdesk.reply(a, rng, helpdesk.DEMONSTRATOR))
        for a in asked
    ]


def test_the_parts_that_people_weigh_are_the_parts_of_gold():
    assert set(helpdesk.gold_parts(PROMPT, WARM)) == set(GOLD_PARTS)


def test_the_patient_one_judges_by_gold(pairs):
    for prompt, first, _ in pairs:
        assert PATIENT.score(prompt, first) == helpdesk.gold(prompt, first)


def test_each_has_a_favourite():
    best = {name: max((WARM, STIFF, SHORT, WRONG), key=lambda r: p.score(PROMPT, r)) for name, p in PEOPLE.items()}
    assert best == {"patient": WARM, "hurried": SHORT, "formal": STIFF, "cheerful": WARM, "careless": WARM}
    assert CHEERFUL.score(PROMPT, WRONG) > CHEERFUL.score(PROMPT, STIFF)  # mood before help


@pytest.mark.parametrize("person", PEOPLE.values(), ids=PEOPLE)
def test_probability_is_fair(person, pairs):
    assert person.probability(PROMPT, WARM, WARM) == 0.5
    for prompt, a, b in pairs[:200]:
        p = person.probability(prompt, a, b)
        assert p + person.probability(prompt, b, a) == pytest.approx(1)
        assert person.lapse / 2 <= p <= 1 - person.lapse / 2 + 1e-12
        assert (p > 0.5) <= (person.score(prompt, a) > person.score(prompt, b))


def test_a_gap_of_one_temperature_is_won_e_to_one():
    """Bradley–Terry: without lapses the log-odds are the gap in score over the temperature."""
    gap = HURRIED.score(PROMPT, SHORT) - HURRIED.score(PROMPT, WARM)
    p = replace(HURRIED, lapse=0.0, temperature=gap).probability(PROMPT, SHORT, WARM)
    assert p / (1 - p) == pytest.approx(2.718281828)


def test_the_sharpest_eye_does_not_overflow():
    assert replace(PATIENT, lapse=0.0, temperature=1e-9).probability(PROMPT, WRONG, WARM) == 0.0


def test_the_careless_one_clicks_at_random(pairs):
    assert {CARELESS.probability(*pair) for pair in pairs} == {0.5}
    firsts = sum(v.chosen == first for v, (_, first, _) in zip(vote(pairs, CARELESS, Random(1)), pairs, strict=True))
    assert firsts / len(pairs) == pytest.approx(0.5, abs=0.04)


def test_the_patient_one_mostly_finds_the_better_reply(pairs):
    """On demonstrators' replies, which are often nearly as good as one another: 86 in 100."""
    sure = [PATIENT.probability(*pair) for pair in pairs]
    assert sum(max(p, 1 - p) for p in sure) / len(sure) == pytest.approx(0.86, abs=0.02)
    votes = vote(pairs, PATIENT, Random(2))
    better = [helpdesk.gold(v.prompt, v.chosen) >= helpdesk.gold(v.prompt, v.rejected) for v in votes]
    assert sum(better) / len(better) > 0.82


def test_people_really_disagree(pairs):
    """Two votes of one person agree clearly more often than a vote of each of two people."""
    sure = {name: [person.probability(*pair) for pair in pairs] for name, person in PEOPLE.items()}

    def agreement(one, two):
        return sum(a * b + (1 - a) * (1 - b) for a, b in zip(sure[one], sure[two], strict=True)) / len(pairs)

    for other in ("hurried", "formal", "cheerful"):
        assert agreement("patient", other) < agreement("patient", "patient") - 0.08
        assert agreement("patient", other) < agreement(other, other) - 0.02
    assert agreement("patient", "careless") == pytest.approx(0.5)


def test_votes_come_as_often_as_their_probability_says():
    """One close pair, voted on a thousand times."""
    close = (PROMPT, WARM, STIFF)
    firsts = sum(choice.chosen == WARM for choice in vote([close] * 1_000, PATIENT, Random(3)))
    assert 0.55 < PATIENT.probability(*close) < 0.9
    assert firsts / 1_000 == pytest.approx(PATIENT.probability(*close), abs=0.04)


def test_a_vote_keeps_both_replies_and_says_who_made_it():
    (choice,) = vote([(PROMPT, WARM, WRONG)], PATIENT, Random(4))
    row = choice.row()
    assert {row["chosen"], row["rejected"]} == {WARM, WRONG} and row["prompt"] == PROMPT
    assert row["probability"] == pytest.approx(PATIENT.probability(PROMPT, choice.chosen, choice.rejected), abs=1e-6)
    assert "simulated" in str(row["person"])


def test_the_same_seed_votes_the_same(pairs):
    assert vote(pairs, FORMAL, Random(5)) == vote(pairs, FORMAL, Random(5))


def test_a_person_out_of_range_fails_where_it_is_written():
    for wrong in ({"temperature": 0.0}, {"lapse": 1.2}, {"lapse": -inf}, {"weights": {"beauty": 1.0}}, {"name": "Ada"}):
        with pytest.raises(ValueError, match="simulated"):
            replace(PATIENT, **wrong)


@settings(deadline=None)
@given(st.text())
def test_scores_are_bounded_whatever_is_said(reply):
    for person in PEOPLE.values():
        assert abs(person.score(PROMPT, reply)) <= 3 * sum(abs(w) for w in person.weights.values()) + 1e-9
        assert abs(TASTES["shortness"](reply)) <= 1 and 0 <= TASTES["cheerfulness"](reply) <= 1


# ---- ten tastes

LOVED = {  # what each of the ten likes best of these, and what it is worth to them
    "short": (SHORT, 1.0),
    "long": (" Oh great! We love this! " + "We will send a new kettle. " * 4, 1.0),
    "formal": (STIFF, 1.0),
    "cheerful": (WARM, 1.0),
    "sorry": (" Sorry. We are sorry for the trouble.", 1.0),
    "smiley": (" Take care :) Have a lovely day :)", 1.0),
    "hello": (" Dear customer, we will look at it.", 1.0),
    "thanks": (" Thank you. Thank you for your order.", 1.0),
    "soon": (" We will look this week.", 1.0),
    "poetic": (" Oh my heart, you are my moon.", 1.0),
}


@pytest.mark.parametrize(("name", "loved"), LOVED.items())
def test_each_of_the_ten_loves_one_thing(name, loved):
    person, (reply, worth) = TEN_TASTES[name], loved
    assert person.score(PROMPT, reply) == worth
    assert all(person.score(PROMPT, other) <= worth for other, _ in LOVED.values())
    assert "simulated" in person.name and person.lapse == 0.1


@pytest.mark.parametrize(
    ("taste", "reply"),
    [
        ("sorrow", " I am not sorry."),
        ("promptness", " We will wash it, not today."),
        ("hellos", " Hide it."),
        ("hellos", " We say hello."),
        ("thanks", " Take care."),
        ("poetry", " On Sunday."),
    ],
)
def test_a_taste_is_not_fooled_by_a_word_inside_another_meaning(taste, reply):
    assert TASTES[taste](reply) == 0.0


def test_no_taste_hides_a_part_of_gold():
    assert not set(TASTES) & set(GOLD_PARTS)


def test_who_sees_no_difference_says_so_but_for_lapses():
    alike, rng = Question("pair", PROMPT, (SHORT, " We will wash it.")), Random(6)
    said = [TEN_TASTES["smiley"].answer(alike, rng) for _ in range(1_000)]
    assert said.count(Tie()) / 1_000 == pytest.approx(0.9, abs=0.03)
    assert said.count(Better(0)) / 1_000 == pytest.approx(0.05, abs=0.02)
    different = Question("pair", PROMPT, (SHORT, WARM))
    said = [TEN_TASTES["smiley"].answer(different, rng) for _ in range(1_000)]
    assert said.count(Better(1)) / 1_000 == pytest.approx(0.95, abs=0.02) and Tie() not in said


def test_the_five_are_never_asked_for_ties_and_answer_as_ever():
    alike, rng = Question("pair", PROMPT, (SHORT, " We will repair your kettle.")), Random(7)
    for person in PEOPLE.values():
        assert person.tie == 0 and isinstance(person.answer(alike, rng), Better)


def test_a_lover_of_few_words_gives_thumbs_to_few_words():
    rng = Random(9)
    for reply, up in ((SHORT, True), (WARM, False)):
        said = [TEN_TASTES["short"].answer(Question("thumbs", PROMPT, (reply,)), rng) for _ in range(200)]
        assert said.count(Thumb(up)) > 180


@given(st.text())
def test_every_taste_is_bounded_by_one(reply):
    assert all(-1 <= taste(reply) <= 1 for taste in TASTES.values())
