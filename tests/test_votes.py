"""The words of votes: what fits what, what is refused and how, and that JSON keeps every answer."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirlhf.feedback.votes import (
    ANSWERS,
    MODES,
    ORIGINS,
    PURPOSES,
    Better,
    BothBad,
    Question,
    Ranking,
    Skip,
    Stars,
    Text,
    Thumb,
    Tie,
    Undo,
    Vote,
    answer_from_row,
    answer_to_row,
)

QUESTIONS = {
    "pair": Question("pair", "Where is my kettle?", ("On its way.", "No idea.")),
    "thumbs": Question("thumbs", "Where is my kettle?", ("On its way.",)),
    "stars": Question("stars", "Where is my kettle?", ("On its way.",)),
    "ranking": Question("ranking", "Where is my kettle?", ("On its way.", "No idea.", "Which kettle?")),
    "correction": Question("correction", "Where is my kettle?", ("On its way.",)),
    "demonstration": Question("demonstration", "Where is my kettle?"),
}
ONE_OF_EACH = (Better(0), Tie(), BothBad(), Thumb(True), Stars(4), Ranking((2, 0, 1)), Text("It leaves today."), Skip())

answers = st.one_of(
    st.builds(Better, st.integers(0, 1)),
    st.just(Tie()),
    st.just(BothBad()),
    st.builds(Thumb, st.booleans()),
    st.builds(Stars, st.integers(1, 5)),
    st.integers(2, 9).flatmap(lambda n: st.permutations(range(n))).map(lambda order: Ranking(tuple(order))),
    st.builds(Text, st.text(st.characters())),  # half emojis too, as browsers send them
    st.just(Skip()),
)


def vote(question, answer, **more):
    shown = more.pop("shown", tuple(range(len(question.replies))))
    return Vote(question, answer, shown, more.pop("voter", "you"), **more)


# What fits what.


def test_the_tables_leave_nothing_out():
    assert set(QUESTIONS) == set(MODES)
    assert {type(answer).__name__ for answer in ONE_OF_EACH} == set(ANSWERS)
    assert set(ANSWERS.values()) == {kind for _, kinds in MODES.values() for kind in kinds} | {Skip}


FITTING = {
    "pair": "Better Tie BothBad",
    "thumbs": "Thumb",
    "stars": "Stars",
    "ranking": "Ranking",
    "correction": "Text",
    "demonstration": "Text",
}


@pytest.mark.parametrize("answer", ONE_OF_EACH, ids=lambda answer: type(answer).__name__)
@pytest.mark.parametrize("mode", MODES)
def test_a_mode_takes_its_answers_and_skip_and_names_them_to_every_other(mode, answer):
    fitting = [*FITTING[mode].split(), "Skip"]
    if type(answer).__name__ in fitting:
        assert vote(QUESTIONS[mode], answer).answer == answer
    else:
        message = f"^{type(answer).__name__} does not answer a question of mode '{mode}'; {' or '.join(fitting)} does.$"
        with pytest.raises(ValueError, match=message):
            vote(QUESTIONS[mode], answer)


@pytest.mark.parametrize(
    ("mode", "answer", "message"),
    [
        ("pair", Better(2), "There is no reply 2; the replies are 0 to 1."),
        ("pair", Better(-1), "There is no reply -1; the replies are 0 to 1."),
        ("stars", Stars(0), "0 stars were given; 1 to 5 can be."),
        ("stars", Stars(6), "6 stars were given; 1 to 5 can be."),
        ("ranking", Ranking((0, 1)), r"A ranking names every reply once, 0 to 2; this one is \(0, 1\)."),
        ("ranking", Ranking((0, 1, 1)), "A ranking names every reply once"),
        ("ranking", Ranking((0, 1, 3)), "A ranking names every reply once"),
        ("correction", Text(" \n"), "The text is empty. Write a reply, or skip."),
        ("correction", Text("On its way."), "The reply is unchanged. Change it, or skip."),
        ("demonstration", Text(""), "The text is empty. Write a reply, or skip."),
    ],
)
def test_an_answer_out_of_range_is_refused_in_words(mode, answer, message):
    with pytest.raises(ValueError, match=message):
        vote(QUESTIONS[mode], answer)


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_takes_as_many_replies_as_it_says(mode):
    taken = []
    for n in range(12):
        try:
            taken.append(len(Question(mode, "Hello?", tuple(f"reply {i}" for i in range(n))).replies))
        except ValueError as error:
            assert f"A question of mode '{mode}' takes" in str(error)
            assert f"this has {n}" in str(error)
    assert taken == list(MODES[mode][0])


def test_a_question_is_refused_in_words():
    for fields, message in [
        ({"mode": "duel"}, "There is no mode 'duel'; there are pair, thumbs, stars, "),
        ({"models": ("base",)}, r"models must name one for each reply, or none: \('base',\)"),
        ({"checkpoints": ("a", "b", "c")}, "checkpoints must name one for each reply, or none"),
        ({"purpose": "fun"}, "There is no purpose 'fun'; there are fresh, repeat, gold"),
        ({"purpose": "gold"}, "A gold question says which reply is expected; no other question does."),
        ({"expected": 0}, "A gold question says which reply is expected; no other question does."),
        ({"purpose": "gold", "expected": 2}, "expected is 2; there are 2 replies."),
    ]:
        with pytest.raises(ValueError, match=message):
            replace(QUESTIONS["pair"], **fields)


@pytest.mark.parametrize("mode", ["thumbs", "stars", "ranking", "correction"])
def test_only_a_pair_can_be_gold(mode):
    """Where there is no better one of two, no answer could pass."""
    with pytest.raises(ValueError, match=f"A gold question is a pair.*not '{mode}'"):
        replace(QUESTIONS[mode], purpose="gold", expected=0)


def test_a_vote_is_refused_in_words():
    for fields, message in [
        ({"shown": (0,)}, r"shown must list every reply once: \(0,\)"),
        ({"shown": (1, 1)}, "shown must list every reply once"),
        ({"origin": "stolen"}, "There is no origin 'stolen'; there are human, simulated, imported"),
    ]:
        with pytest.raises(ValueError, match=message):
            vote(QUESTIONS["pair"], Tie(), **fields)


@pytest.mark.parametrize("origin", ORIGINS)
def test_every_origin_is_one(origin):
    assert vote(QUESTIONS["pair"], Tie(), origin=origin).origin == origin


# Times.


def test_a_time_says_its_zone():
    naive = datetime(2026, 3, 1, 12)
    for make in (lambda time: vote(QUESTIONS["pair"], Tie(), time=time), lambda time: Undo("0" * 32, "you", time)):
        with pytest.raises(ValueError, match="must say its time zone"):
            make(naive)
        for zone in (UTC, timezone(timedelta(hours=-11, minutes=-30))):
            assert make(naive.replace(tzinfo=zone)).time.utcoffset() == zone.utcoffset(None)


def test_now_is_when_it_happened_and_ids_differ():
    before = datetime.now(UTC)
    first, second = vote(QUESTIONS["pair"], Tie()), vote(QUESTIONS["pair"], Tie())
    undo = Undo(first.id, "you")
    assert before <= first.time <= second.time <= undo.time <= datetime.now(UTC)
    assert len({first.id, second.id, undo.id}) == 3


# pair and key.

texts = st.text(max_size=20)


@given(texts, texts, texts)
def test_a_pair_is_the_same_in_either_order_and_a_key_is_not(prompt, a, b):
    one, other = Question("pair", prompt, (a, b)), Question("pair", prompt, (b, a))
    assert one.pair == other.pair
    assert (one.key == other.key) == (a == b)


def test_a_pair_is_the_same_whoever_wrote_it_and_whenever_it_is_asked():
    asked = QUESTIONS["pair"]
    again = replace(asked, models=("base", "sft"), checkpoints=("a", "b"), round=3, purpose="repeat")
    assert asked.pair == again.pair
    assert asked.key != again.key


def test_a_key_tells_questions_apart_and_not_who_wrote_the_replies():
    asked = QUESTIONS["pair"]
    assert asked.key == replace(asked, models=("base", "sft"), checkpoints=("a", "b")).key
    others = [
        replace(asked, prompt="Where is my cup?"),
        replace(asked, replies=("On its way.", "Which one?")),
        replace(asked, round=2),
        replace(asked, purpose="repeat"),
        replace(asked, purpose="gold", expected=0),
        replace(asked, mode="ranking"),
    ]
    assert len({question.key for question in [asked, *others]}) == 1 + len(others)
    assert len({question.pair for question in [asked, *others]}) == 3  # another prompt, another reply


@given(texts, st.lists(texts, min_size=2, max_size=9))
def test_texts_do_not_run_into_one_another(prompt, replies):
    """What ends one text and begins the next is part of what is asked."""
    asked = Question("ranking", prompt, tuple(replies))
    moved = Question("ranking", prompt + replies[0], ("", *replies[1:]))
    assert (asked.key == moved.key) == (replies[0] == "")
    assert (asked.pair == moved.pair) == (replies[0] == "")


def test_keys_stay_what_they_are():
    """Stores hold them: a change would ask everybody everything again."""
    assert QUESTIONS["pair"].key == "4c5c9d7b92f07e60"
    assert QUESTIONS["pair"].pair == "2413d0739fcfcb7e"


# What is read from a vote.


@pytest.mark.parametrize("shown", [(0, 1), (1, 0)])
def test_the_left_is_where_it_stood_on_the_screen(shown):
    for winner in (0, 1):
        cast = vote(QUESTIONS["pair"], Better(winner), shown=shown)
        assert cast.chose_left == (shown[0] == winner)
    for answer in (Tie(), BothBad(), Skip()):
        assert vote(QUESTIONS["pair"], answer, shown=shown).chose_left is None


@pytest.mark.parametrize("expected", [0, 1])
def test_an_attention_check_is_passed_by_the_expected_answer_alone(expected):
    gold = replace(QUESTIONS["pair"], purpose="gold", expected=expected)
    assert vote(gold, Better(expected)).passed is True
    for answer in (Better(1 - expected), Tie(), BothBad()):
        assert vote(gold, answer).passed is False
    assert vote(gold, Skip()).passed is None


@pytest.mark.parametrize("purpose", [purpose for purpose in PURPOSES if purpose != "gold"])
def test_what_is_no_check_cannot_be_passed(purpose):
    assert vote(replace(QUESTIONS["pair"], purpose=purpose), Better(0)).passed is None


# JSON.


@given(answers)
def test_json_keeps_every_answer(answer):
    assert answer_from_row(json.loads(json.dumps(answer_to_row(answer)))) == answer


def test_json_says_what_it_is():
    assert answer_to_row(Better(0)) == {"answer": "Better", "winner": 0}
    assert answer_to_row(Skip()) == {"answer": "Skip"}


@pytest.mark.parametrize("row", [{}, {"answer": "Maybe"}, {"answer": None}, {"winner": 0}])
def test_what_is_no_answer_is_refused_in_words(row):
    with pytest.raises(ValueError, match='is no answer; "answer" must be one of Better, Tie, BothBad, Thumb'):
        answer_from_row(row)


def test_reading_a_row_leaves_it_as_it_was():
    row = answer_to_row(Ranking((1, 0)))
    before = dict(row)
    answer_from_row(row)
    assert row == before
