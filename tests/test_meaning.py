"""What votes teach: every kind of answer says what it says, no more, and weak votes are called weak."""

from itertools import count
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirlhf.feedback.meaning import (
    Demonstration,
    Judgement,
    Preference,
    advise,
    demonstrations,
    judgements,
    preferences,
)
from minirlhf.feedback.simulated import PATIENT
from minirlhf.feedback.votes import Answer, Better, BothBad, Question, Ranking, Skip, Stars, Text, Thumb, Tie, Vote
from minirlhf.worlds import helpdesk

PROMPT = "Customer: My kettle is broken.\nAgent:"
WARM, SHORT, RUDE = " Hi there! We will send a new kettle.", " A new one comes.", " So what?"
numbers = count()


def vote(mode: str, replies: tuple[str, ...], answer: Answer, voter: str = "you", **asked) -> Vote:
    """A vote as the card makes them, with the replies on the screen as they are listed."""
    prompt, left = asked.pop("prompt", PROMPT), asked.pop("left", 0)
    shown = tuple(range(len(replies)))
    question = Question(mode, prompt, replies, **asked)
    return Vote(question, answer, shown if not left else shown[::-1], voter, id=f"v{next(numbers)}")


def stars(reply: str, n: int, voter: str = "you", **asked) -> Vote:
    return vote("stars", (reply,), Stars(n), voter, **asked)


def pairs(n: int, seed: int = 0, **asked) -> list[Vote]:
    """Choices between ordinary replies by the simulated patient one, from both sides of the screen."""
    rng, found = Random(seed), []
    while len(found) < n:
        request = helpdesk.request(rng)
        replies = (helpdesk.reply(request, rng, helpdesk.BASE), helpdesk.reply(request, rng, helpdesk.DEMONSTRATOR))
        if replies[0] != replies[1]:
            answer = PATIENT.answer(Question("pair", request.prompt, replies), rng)
            found.append(vote("pair", replies, answer, prompt=request.prompt, left=len(found) // 2 % 2, **asked))
    return found


def said(preference: Preference) -> tuple:
    return preference.chosen, preference.rejected, preference.preference, preference.margin


# ---- one kind of answer at a time


@pytest.mark.parametrize("left", [0, 1])
def test_a_choice_is_one_preference_wherever_the_reply_stood(left):
    cast = vote("pair", (SHORT, WARM), Better(1), left=left)
    assert preferences([cast]) == [Preference(PROMPT, WARM, SHORT, 1.0, 0.0, (cast.id,))]
    assert judgements([cast]) == demonstrations([cast]) == []


def test_a_tie_says_half_and_half():
    cast = vote("pair", (SHORT, WARM), Tie())
    assert [said(found) for found in preferences([cast])] == [(SHORT, WARM, 0.5, 0.0)]
    assert judgements([cast]) == []


def test_both_bad_is_two_noes_and_no_preference():
    cast = vote("pair", (SHORT, WARM), BothBad())
    assert preferences([cast]) == []
    assert judgements([cast]) == [Judgement(PROMPT, reply, False, (cast.id,)) for reply in (SHORT, WARM)]


@pytest.mark.parametrize("up", [True, False])
def test_a_thumb_is_a_judgement(up):
    cast = vote("thumbs", (WARM,), Thumb(up))
    assert judgements([cast]) == [Judgement(PROMPT, WARM, up, (cast.id,))]
    assert preferences([cast]) == []


def test_a_correction_is_a_preference_and_a_demonstration():
    cast = vote("correction", (RUDE,), Text(WARM))
    assert preferences([cast]) == [Preference(PROMPT, WARM, RUDE, votes=(cast.id,))]
    assert demonstrations([cast]) == [Demonstration(PROMPT, WARM, (cast.id,))]


def test_a_demonstration_is_only_to_be_imitated():
    cast = vote("demonstration", (), Text(WARM))
    assert demonstrations([cast]) == [Demonstration(PROMPT, WARM, (cast.id,))]
    assert preferences([cast]) == judgements([cast]) == []


@given(st.permutations(range(5)))
def test_a_ranking_is_every_pair_in_it_and_can_be_put_together_again(order):
    replies = tuple(f" reply {n}" for n in range(5))
    found = preferences([vote("ranking", replies, Ranking(tuple(order)))])
    assert len(found) == 5 * 4 // 2
    wins = {reply: sum(preference.chosen == reply for preference in found) for reply in replies}
    assert [replies[place] for place in order] == sorted(replies, key=lambda reply: -wins[reply])


@pytest.mark.parametrize(
    "mode, replies", [("pair", (SHORT, WARM)), ("thumbs", (WARM,)), ("stars", (WARM,)), ("demonstration", ())]
)
def test_a_skip_says_nothing(mode, replies):
    cast = [vote(mode, replies, Skip())]
    assert preferences(cast) == judgements(cast) == demonstrations(cast) == []


# ---- stars


def test_stars_for_one_prompt_are_compared_and_the_gap_is_the_margin():
    cast = [stars(RUDE, 1), stars(SHORT, 4), stars(WARM, 4)]
    assert [said(found) for found in preferences(cast)] == [
        (SHORT, RUDE, 1.0, 3.0),
        (WARM, RUDE, 1.0, 3.0),
        (SHORT, WARM, 0.5, 0.0),
    ]
    assert preferences(cast)[0].votes == (cast[0].id, cast[1].id)
    assert judgements(cast) == []  # said once, not twice
    assert [found.label for found in judgements(cast, every_star=True)] == [False, True, True]


@pytest.mark.parametrize("n, label", [(1, [False]), (2, [False]), (3, []), (4, [True]), (5, [True])])
def test_stars_that_stand_alone_are_judgements(n, label):
    cast = [stars(WARM, n)]
    assert [found.label for found in judgements(cast)] == label
    assert preferences(cast) == []


def test_stars_are_compared_within_one_person_and_one_prompt_only():
    elsewhere = "Customer: Where is my lamp?\nAgent:"
    cast = [stars(RUDE, 1), stars(WARM, 5, "another"), stars(SHORT, 5, prompt=elsewhere)]
    assert preferences(cast) == []
    assert [found.label for found in judgements(cast)] == [False, True, True]


def test_stars_given_twice_to_one_reply_compare_nothing():
    cast = [stars(WARM, 5), stars(WARM, 4, purpose="repeat")]
    assert preferences(cast) == []
    assert len(judgements(cast)) == 2


# ---- what holds for all of them


def test_attention_checks_teach_nothing_and_repeats_count():
    checks = [
        vote("pair", (WARM, RUDE), answer, purpose="gold", expected=0)
        for answer in (Better(0), Better(1), Tie(), BothBad())
    ]
    assert preferences(checks) == judgements(checks) == demonstrations(checks) == []
    again = [vote("pair", (WARM, RUDE), Better(0), purpose=purpose) for purpose in ("fresh", "repeat")]
    assert len(preferences(again)) == 2


def test_two_equal_replies_are_never_chosen_and_rejected():
    cast = [
        vote("pair", (WARM, WARM), Better(0)),
        vote("pair", (WARM, WARM), Tie()),
        vote("ranking", (WARM, RUDE, WARM), Ranking((0, 1, 2))),
    ]
    assert [said(found)[:2] for found in preferences(cast)] == [(WARM, RUDE), (RUDE, WARM)]


@pytest.mark.parametrize("prompt", [PROMPT, "\n\nHuman: My kettle is broken.\n\nAssistant:"])
def test_a_typed_text_begins_like_a_reply(prompt):
    """Nobody types the space after "Agent:"; a reward model must not learn to see who typed."""
    typed = WARM.strip() + "\n"
    cast = vote("correction", (RUDE,), Text(typed), prompt=prompt)
    assert preferences([cast])[0].chosen == demonstrations([cast])[0].completion == WARM
    assert (
        preferences([vote("correction", (RUDE,), Text(RUDE.strip()), prompt=prompt)]) == []
    )  # only the space was changed
    elsewhere = vote("demonstration", (), Text("time."), prompt="Once upon a ")
    assert demonstrations([elsewhere])[0].completion == "time."


def everything() -> list[Vote]:
    return [
        *pairs(6),
        vote("pair", (SHORT, WARM), Tie()),
        vote("pair", (SHORT, RUDE), BothBad()),
        *(stars(reply, n) for reply, n in ((RUDE, 1), (SHORT, 3), (WARM, 5))),
        vote("ranking", (WARM, SHORT, RUDE), Ranking((0, 1, 2))),
        vote("correction", (RUDE,), Text(WARM)),
        vote("thumbs", (WARM,), Thumb(True)),
        vote("demonstration", (), Text(SHORT)),
        vote("pair", (SHORT, WARM), Skip()),
    ]


def test_later_votes_only_add():
    """So the time machine may cut anywhere: what was learned by then is a beginning of what is learned now."""
    cast = everything()
    for k in range(len(cast)):
        assert preferences(cast)[: len(preferences(cast[:k]))] == preferences(cast[:k])
        assert demonstrations(cast)[: len(demonstrations(cast[:k]))] == demonstrations(cast[:k])


def test_everything_learned_names_the_votes_that_say_so():
    cast = everything()
    by_id = {vote.id: vote for vote in cast}
    for found in (*preferences(cast), *judgements(cast), *demonstrations(cast)):
        assert found.votes
        for source in found.votes:
            assert by_id[source].question.prompt == found.prompt


def test_votes_of_many_people_are_the_sum_of_what_each_says():
    cast = everything()
    other = [Vote(v.question, v.answer, v.shown, "another", id=f"another {v.id}") for v in cast]
    assert len(preferences(cast + other)) == 2 * len(preferences(cast))
    assert len(judgements(cast + other)) == 2 * len(judgements(cast))


# ---- what the votes can carry


def only(cast: list[Vote]) -> str:
    (sentence,) = advise(cast)
    assert sentence.endswith(".") and ": " in sentence  # what it means, and what to do
    assert "  " not in sentence
    return sentence


def test_good_votes_need_no_advice():
    assert advise(pairs(40)) == []
    thumbs = [vote("thumbs", (f" reply {n}",), Thumb(n % 2 == 0)) for n in range(30)]
    assert advise(thumbs) == []


def test_no_votes_and_only_skips():
    assert "no votes" in only([])
    assert "skipped (2 votes)" in only([vote("pair", (WARM, RUDE), Skip()) for _ in range(2)])
    assert "skipped (1 vote)" in only([vote("pair", (WARM, RUDE), Skip())])


def test_only_ties():
    assert "Every pair is a tie (12 pairs)" in only([vote("pair", (WARM, f" {n}"), Tie()) for n in range(12)])
    assert "tie" in only([stars(WARM, 4), stars(SHORT, 4)])


@pytest.mark.parametrize("up, word", [(True, "yes"), (False, "no")])
def test_judgements_of_one_kind(up, word):
    cast = [vote("thumbs", (f" reply {n}",), Thumb(up)) for n in range(30)]
    assert f"Every judgement is a {word} (30 judgements)" in only(cast)
    assert advise([*cast, vote("thumbs", (" other",), Thumb(not up))]) == []


def test_only_both_bad():
    assert "Every judgement is a no (40 judgements)" in only(
        [vote("pair", (f" a {n}", f" b {n}"), BothBad()) for n in range(20)]
    )


def test_only_texts_and_only_attention_checks():
    assert "enough for SFT" in only([vote("demonstration", (), Text(f"text {n}")) for n in range(30)])
    assert "No vote here" in only([vote("pair", (WARM, RUDE), Better(0), purpose="gold", expected=0)])
    assert "No vote here" in only([stars(WARM, 3)])


def test_few_choices():
    assert "fewer than 20 choices and judgements (19 so far)" in only(pairs(19))
    assert advise(pairs(20)) == []
    # Ties are no choices, whatever their number.
    ties = [vote("pair", (WARM, f" {n}"), Tie()) for n in range(40)]
    assert "(7 so far)" in only(pairs(7) + ties)


@pytest.mark.parametrize("side, left", [("left", 0), ("right", 1)])
def test_always_the_same_side(side, left):
    cast = pairs(30)
    cast = [Vote(v.question, v.answer, (v.answer.winner, 1 - v.answer.winner)[:: 1 - 2 * left], "you") for v in cast]
    assert f"Every choice fell on the {side} reply (30 choices)" in only(cast)
    assert advise([*cast, *pairs(30, seed=1)]) == []


def test_the_only_voter_contradicts_themselves():
    first = pairs(30)
    repeats = [
        Vote(Question("pair", v.question.prompt, v.question.replies[::-1], purpose="repeat"), v.answer, (0, 1), "you")
        for v in first[:6]
    ]  # the replies have changed places, and the same place was chosen: the other reply
    assert "in 6 of 6 repeats" in only(first + repeats)
    steady = [Vote(r.question, Better(1 - r.answer.winner), r.shown[::-1], "you") for r in repeats]
    assert advise(first + steady) == []
    assert "in 3 of 6 repeats" in only(first + repeats[:3] + steady[3:])
    assert advise(first + repeats[:2] + steady[2:]) == []
    assert advise(first + repeats + [vote("thumbs", (WARM,), Thumb(True), "another")]) == []


def test_length_explains_everything():
    def by_length(longer: bool) -> list[Vote]:
        return [
            Vote(
                v.question,
                Better(max((0, 1), key=lambda i, v=v: (len(v.question.replies[i]), i)) ^ (not longer)),
                v.shown,
                "you",
            )
            for v in pairs(60)
            if len(set(map(len, v.question.replies))) == 2
        ]

    assert "The longer reply won every time" in only(by_length(True))
    assert "The shorter reply won every time" in only(by_length(False))
    assert advise(by_length(True) + by_length(False)[:1]) == []


@pytest.mark.parametrize(
    "winner, sentence", [(0, "the chosen reply says 'sorry'"), (1, "the rejected reply says 'sorry'")]
)
def test_one_word_explains_everything(winner, sentence):
    cast = []
    for v in pairs(24):
        a, b = (reply.replace("orry", "ad") for reply in v.question.replies)
        cast.append(vote("pair", (f"{a} Sorry.", b), Better(winner), left=len(cast) % 2))
    assert sentence in next(found for found in advise(cast) if "one word" in found)
    assert not any("one word" in found for found in advise(cast + pairs(1)))


def test_exclamation_marks_are_words_here():
    cast = [
        vote("pair", (f" reply {n}!", f" reply {n}" + " and more" * (n % 2)), Better(0), left=n // 2 % 2)
        for n in range(30)
    ]
    assert "'!'" in only(cast)


@given(st.lists(st.sampled_from(everything()), max_size=8))
def test_advice_is_always_whole_sentences(cast):
    for sentence in advise(cast):
        assert sentence.endswith(".") and sentence[0].isupper()


def test_a_pair_of_replies_is_learned_however_it_was_asked():
    """A ranking of two, two stars and a choice say the same thing."""
    asked = [
        [vote("pair", (WARM, RUDE), Better(0))],
        [vote("ranking", (WARM, RUDE), Ranking((0, 1)))],
        [stars(WARM, 2), stars(RUDE, 1)],
        [vote("correction", (RUDE,), Text(WARM))],
    ]
    found = {(p.chosen, p.rejected, p.preference) for cast in asked for p in preferences(cast)}
    assert found == {(WARM, RUDE, 1.0)}


# ---- from how many votes on something is said


def kettles(n: int, replies, left=0) -> list[Vote]:
    """The first of two replies chosen n times, on one side of the screen or, with None, on both in turn."""
    return [vote("pair", replies(i), Better(0), left=i // 2 % 2 if left is None else left) for i in range(n)]


@pytest.mark.parametrize(
    ("replies", "left", "sentence"),
    [
        (lambda i: (f" reply {i} {'and more' * (i % 2)}", f" other {i} more"), 0, "fell on the left"),
        (lambda i: (f" a{i} and more", f" b{i}"), None, "The longer reply won every time"),
        (lambda i: (f" sorry {'x' * (i % 2)}", f" a{i} b"), None, "one word"),
    ],
    ids=["side", "length", "word"],
)
def test_what_eight_choices_have_in_common_is_said_and_seven_may_be_luck(replies, left, sentence):
    for n in (7, 8):
        assert any(sentence in found for found in advise(kettles(n, replies, left))) == (n == 8)


def test_a_single_pair_of_equal_length_shows_that_it_is_not_length_alone():
    longer = kettles(10, lambda i: (f" a{i} and more", f" b{i}"), None)
    assert any("The longer reply" in sentence for sentence in advise(longer))
    assert not any("reply won" in sentence for sentence in advise([*longer, *kettles(1, lambda i: (" ab", " cd"))]))


@pytest.mark.parametrize("n", [2, 3])
def test_three_answers_taken_back_are_said_and_two_may_be_luck(n):
    first = pairs(30)
    again = [
        Vote(
            Question("pair", v.question.prompt, v.question.replies, purpose="repeat"),
            Better(1 - v.answer.winner),
            (0, 1),
            "you",
        )
        for v in first[:n]
    ]
    assert any("Asked again" in sentence for sentence in advise(first + again)) == (n == 3)
