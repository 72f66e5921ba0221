"""What is asked next: reproducible, never twice, never a text against itself; and each choice does what it is for."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minirlhf.feedback.card.session import Session
from minirlhf.feedback.selection import at_random, gold_questions, most_uncertain, with_gold, with_repeats
from minirlhf.feedback.simulated import PEOPLE
from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import Question
from minirlhf.worlds import helpdesk

SEEDS = st.integers(0, 2**32 - 1)


def questions(n, **words):
    return [Question("pair", f"Where is kettle {i}?", ("On its way.", "No idea."), **words) for i in range(n)]


ASKED = questions(40)
GOLD = gold_questions(12)


def length(prompt, replies):
    """A reward model that only counts letters."""
    return [float(len(reply)) for reply in replies]


def keys(asked):
    return [question.key for question in asked]


ways = pytest.mark.parametrize(
    "choose",
    [
        lambda asked, seed: at_random(asked, 20, seed),
        lambda asked, seed: most_uncertain(asked, 20, length, seed),
        lambda asked, seed: with_repeats(asked, 0.25, seed),
        lambda asked, seed: with_gold(asked, GOLD, 5, seed),
        lambda asked, seed: with_repeats(with_gold(asked, GOLD, 5, seed), 0.25, seed),
        lambda asked, seed: with_gold(with_repeats(at_random(asked, 30, seed), 0.25, seed), GOLD, 5, seed),
        lambda asked, seed: gold_questions(20, seed),
    ],
    ids=["random", "uncertain", "repeats", "gold", "gold, then repeats", "repeats, then gold", "checks"],
)


@ways
@given(SEEDS)
def test_the_same_seed_chooses_the_same_and_no_question_stands_there_twice(choose, seed):
    chosen = choose(ASKED, seed)
    assert chosen == choose(list(ASKED), seed)
    assert len(set(keys(chosen))) == len(chosen)


@ways
def test_another_seed_chooses_otherwise(choose):
    assert len({tuple(keys(choose(ASKED, seed))) for seed in range(5)}) == 5


@ways
def test_what_is_chosen_can_be_asked(choose, tmp_path):
    chosen = choose(ASKED, 0)
    session = Session(chosen, FeedbackStore(tmp_path / "votes.db"))
    assert session.question == chosen[0] and session.view["total"] == len(chosen)


@pytest.mark.parametrize(
    "choose", [lambda asked: at_random(asked, 40), lambda asked: most_uncertain(asked, 40, length)]
)
def test_doubles_and_copies_are_never_asked(choose):
    """The same pair in either order is one pair, whoever wrote its replies; a copy of a reply is no alternative."""
    doubles = [replace(q, replies=q.replies[::-1], models=("a", "b")) for q in ASKED]
    copies = [replace(q, prompt=q.prompt + "!", replies=("No idea.", "No idea.")) for q in ASKED]
    chosen = choose([*copies, *ASKED, *doubles])
    assert {q.pair for q in chosen} == {q.pair for q in ASKED}
    assert len(chosen) == 40


def test_too_few_are_said_to_be_too_few():
    with pytest.raises(ValueError, match="41 questions wanted, and 40 of the 80 that could be taken"):
        at_random([*ASKED, *ASKED], 41)
    with pytest.raises(ValueError, match="Give more, or ask for fewer"):
        most_uncertain(ASKED, 41, length)
    with pytest.raises(ValueError, match="-1 questions wanted"):
        at_random(ASKED, -1)
    assert at_random([], 0) == []


# ---- by lot


def test_by_lot_everything_has_the_same_chance():
    """1000 draws of 10 from 40: each is drawn 250 times, give or take 13.7; five times that is allowed."""
    drawn = Counter(key for seed in range(1000) for key in keys(at_random(ASKED, 10, seed)))
    assert len(drawn) == 40 and all(abs(count - 250) < 69 for count in drawn.values())


def test_by_lot_any_kind_of_question_may_be_drawn():
    thumbs = [Question("thumbs", f"Help {i}!", ("Yes.",)) for i in range(5)]
    assert len(at_random(thumbs, 3)) == 3


# ---- where a reward model is least sure


def test_the_least_certain_come_first():
    replies = [("x" * 9, "x" * (9 + gap)) for gap in (5, 1, 3, 8, 2)]
    asked = [Question("pair", "Help!", pair) for pair in replies]
    assert [len(q.replies[1]) - 9 for q in most_uncertain(asked, 3, length)] == [1, 2, 3]


def test_only_the_distance_counts_not_who_leads():
    """σ(d) is as far from ½ as σ(-d), and 5 more on every score changes nothing."""
    asked = [Question("pair", f"{i}", ("x" * 9, "x" * n)) for i, n in enumerate((4, 6, 8, 11, 13, 15))]
    chosen = keys(most_uncertain(asked, 4, length))
    turned = most_uncertain(asked, 4, lambda prompt, replies: [5 - len(reply) for reply in replies])
    assert keys(turned) == chosen
    assert {len(q.replies[1]) for q in turned} == {6, 8, 11, 13}


def test_the_seed_decides_between_equals():
    """ASKED are all equally uncertain, so that this is a draw by lot: no place in the list is favoured."""
    drawn = Counter(keys(most_uncertain(ASKED, 1, length, seed))[0] for seed in range(400))
    assert len(drawn) > 35


def test_uncertain_pairs_are_near_a_coins_throw_for_the_person_too():
    """With the patient one's own score: what is least certain to the model is what they are most torn about."""
    rng, patient = random.Random(0), PEOPLE["patient"]
    asked = []
    for _ in range(200):
        request = helpdesk.request(rng)
        replies = tuple(helpdesk.reply(request, rng, helpdesk.DEMONSTRATOR) for _ in range(2))
        asked.append(Question("pair", request.prompt, replies))

    def score(prompt, replies):
        return [patient.score(prompt, reply) for reply in replies]

    def sureness(chosen):
        return sum(abs(patient.probability(q.prompt, *q.replies) - 0.5) for q in chosen) / len(chosen)

    assert sureness(most_uncertain(asked, 40, score)) < sureness(at_random(asked, 40)) / 2


def test_only_pairs_are_more_or_less_certain():
    with pytest.raises(ValueError, match="mode 'ranking' is among these"):
        most_uncertain([Question("ranking", "Help!", ("a", "b", "c"))], 1, length)


# ---- asked again


@given(SEEDS, st.integers(0, 10), st.integers(1, 20))
def test_repeats_come_late_enough_and_are_the_same_question(seed, tenths, gap):
    share = min(tenths / 10, (41 - gap) / 40)
    mixed = with_repeats(ASKED, share, seed, gap)
    assert [q for q in mixed if q.purpose == "fresh"] == ASKED
    repeats = [(place, q) for place, q in enumerate(mixed) if q.purpose == "repeat"]
    assert len(repeats) == round(share * 40)
    for place, repeat in repeats:
        first = replace(repeat, purpose="fresh")  # replies in the same order: the sides are drawn anew
        assert place - mixed.index(first) >= gap


def test_repeats_are_spread_over_the_list():
    places = [
        place for seed in range(50) for place, q in enumerate(with_repeats(ASKED, 0.25, seed)) if q.purpose == "repeat"
    ]
    assert min(places) < 15 and max(places) == 49
    assert len(set(places)) > 25


def test_neither_checks_nor_repeats_are_asked_again():
    twice = with_repeats(with_gold(with_repeats(ASKED, 0.25), GOLD, 5), 0.25, seed=1)
    asked = Counter((q.pair, q.purpose) for q in twice)
    assert max(asked.values()) == 1
    assert all(q.pair in {a.pair for a in ASKED} for q in twice if q.purpose == "repeat")


def test_repeats_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="10 places later or more: 40 of 40 questions; and 31"):
        with_repeats(ASKED, 1.0)
    with pytest.raises(ValueError, match=r"another gap \(1 or more\)"):
        with_repeats(ASKED, 0.1, gap=0)
    with pytest.raises(ValueError, match="and 0 can be"):
        with_repeats(ASKED[:5], 0.5)
    assert with_repeats(ASKED, 0.0) == ASKED and with_repeats([], 0.5) == []


# ---- attention checks


@given(SEEDS, st.integers(4, 15))
def test_there_is_a_check_among_every_so_many(seed, every):
    mixed = with_gold(ASKED, GOLD, every, seed)
    assert [q for q in mixed if q.purpose == "fresh"] == ASKED
    seen, checks = 0, []
    for question in mixed:
        if question.purpose == "gold":
            checks.append(seen)  # how many questions stand before it
        seen += question.purpose == "fresh"
    assert len(checks) == 40 // every
    assert all(block * every <= seen <= (block + 1) * every for block, seen in enumerate(checks))


def test_a_check_cannot_be_foreseen():
    places = {
        next(i for i, q in enumerate(with_gold(ASKED, GOLD, 10, s)) if q.expected is not None) for s in range(200)
    }
    assert places == set(range(11))


def test_a_check_on_a_pair_that_is_asked_anyway_is_left_out():
    known = [replace(check, purpose="fresh", expected=None) for check in GOLD[:6]]
    mixed = with_gold([*known, *ASKED], GOLD, 8)
    assert max(Counter(q.pair for q in mixed).values()) == 1


def test_checks_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="20 attention checks wanted, and 12 of the 12"):
        with_gold(ASKED, GOLD, 2)
    with pytest.raises(ValueError, match="one here is 'fresh'"):
        with_gold(ASKED, questions(50)[40:], 10)
    with pytest.raises(ValueError, match=r"every is 0; .* is every=10"):
        with_gold(ASKED, GOLD, 0)


def test_one_reply_of_a_check_is_plainly_better():
    """By half the gold score's scale, with the right remedy against none, in a kind tone against a rude one."""
    for check in gold_questions(200):
        good, bad = check.replies[check.expected], check.replies[1 - check.expected]
        parts, others = (helpdesk.gold_parts(check.prompt, reply) for reply in (good, bad))
        lead = helpdesk.gold(check.prompt, good) - helpdesk.gold(check.prompt, bad)
        assert lead >= (helpdesk.GOLD_HIGH - helpdesk.GOLD_LOW) / 2
        assert parts["remedy"] > 0 and others["remedy"] == 0
        assert parts["tone"] > 0 > others["tone"]


def test_whoever_reads_passes_whatever_their_taste():
    checks = gold_questions(200)
    for name, person in PEOPLE.items():
        passing = [person.probability(q.prompt, q.replies[q.expected], q.replies[1 - q.expected]) for q in checks]
        if name == "careless":
            assert set(passing) == {0.5}
        else:
            assert min(passing) > 0.8 and sum(passing) / len(passing) > 0.9


def test_the_better_reply_of_a_check_stands_in_either_place():
    expected = Counter(check.expected for check in gold_questions(100))
    assert min(expected[0], expected[1]) > 30
    assert not any(check.models for check in GOLD)  # nothing to reveal, so nothing gives it away


def test_checks_are_as_many_as_asked_for():
    assert len({check.pair for check in gold_questions(100)}) == 100
    assert gold_questions(0) == []


def test_when_something_is_asked_again_and_what_cannot_be_foreseen():
    """Any early question may come again, and any number of places later from the gap on."""
    which, later = Counter(), Counter()
    for seed in range(150):
        mixed = with_repeats(ASKED, 0.25, seed)
        for place, repeat in enumerate(mixed):
            if repeat.purpose == "repeat":
                first = mixed.index(replace(repeat, purpose="fresh"))
                which[ASKED.index(mixed[first])] += 1
                later[place - first] += 1
    assert set(which) == set(range(31)), "the last nine have no place ten later"
    assert max(which.values()) < 3 * min(which.values())
    assert min(later) == 10 and len(later) > 30 and later.most_common(1)[0][1] < 0.2 * later.total()


@pytest.mark.parametrize(("share", "repeats"), [(0.185, 7), (0.19, 8), (0.01, 0), (0.02, 1)])
def test_a_share_is_rounded_to_the_nearest_number_of_questions(share, repeats):
    assert len(with_repeats(ASKED, share)) == 40 + repeats
