"""κ and α give the numbers in print; and people are compared by what they chose, not by where it stood."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import isnan

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from minirlhf.course.check import diagnoses
from minirlhf.course.check.checking import examine
from minirlhf.course.exercises import EXERCISES
from minirlhf.feedback.agreement import (
    LEVELS,
    agreement,
    as_ratings,
    attention,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
    left_bias,
    self_agreement,
)
from minirlhf.feedback.card.session import Session
from minirlhf.feedback.pairs import BOTH_BAD, LEFT, RIGHT, TIE, chosen_and_rejected, clicks
from minirlhf.feedback.selection import at_random, gold_questions, with_gold, with_repeats
from minirlhf.feedback.simulated import CARELESS, HURRIED, PATIENT
from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import Better, BothBad, Question, Ranking, Skip, Thumb, Tie, Vote
from minirlhf.losses import bradley_terry_loss

# ---- numbers in print

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability": four observers, twelve units, votes missing.
FOUR_OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]
# Fourteen raters, ten subjects, five categories: the worked example for Fleiss (1971) in most textbooks.
FOURTEEN_RATERS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


def yes_and_no(both, only_a, only_b, neither):
    return "Y" * (both + only_a) + "N" * (only_b + neither), "Y" * both + "N" * only_a + "Y" * only_b + "N" * neither


@pytest.mark.parametrize(
    ("table", "kappa"), [((20, 5, 10, 15), 0.4), ((45, 15, 25, 15), 0.1304), ((25, 35, 5, 35), 0.2593)]
)
def test_cohens_kappa_in_print(table, kappa):
    """Fifty grant proposals; and two tables with the same raw agreement and different habits."""
    assert cohen_kappa(*yes_and_no(*table)) == pytest.approx(kappa, abs=5e-5)


def test_fleiss_kappa_in_print():
    assert fleiss_kappa(FOURTEEN_RATERS) == pytest.approx(0.210, abs=5e-4)
    assert fleiss_kappa(np.array(FOURTEEN_RATERS)) == fleiss_kappa(FOURTEEN_RATERS)


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_krippendorffs_alpha_in_print(level, alpha):
    assert krippendorff_alpha(FOUR_OBSERVERS, level) == pytest.approx(alpha, abs=5e-4)


def test_alpha_of_two_observers_in_print():
    meg, owen = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert krippendorff_alpha([meg, owen]) == pytest.approx(0.095, abs=5e-4)
    assert krippendorff_alpha(["aabbdcccedda", "babbbccceddd"]) == pytest.approx(0.692, abs=5e-4)


# ---- what must hold for any ratings

TWO_RATERS = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=2, max_size=30)
TABLES = st.integers(2, 4).flatmap(
    lambda raters: st.lists(
        st.lists(st.sampled_from([None, 1, 2, 3, 4]), min_size=raters, max_size=raters), min_size=2, max_size=15
    ).map(lambda items: [list(row) for row in zip(*items, strict=True)])
)
SAME = {"nan_ok": True, "abs": 1e-9}
EVERY_LEVEL = pytest.mark.parametrize("level", LEVELS)


def tally(ratings, labels=(1, 2, 3, 4)):
    return [[list(item).count(label) for label in labels] for item in zip(*ratings, strict=True)]


@given(TWO_RATERS, st.permutations([1, 2, 3, 4]), st.randoms(use_true_random=False))
def test_kappa_does_not_care_for_names_order_or_who_is_first(pairs, names, rng):
    a, b = zip(*pairs, strict=True)
    kappa = pytest.approx(cohen_kappa(a, b), **SAME)
    assert cohen_kappa(b, a) == kappa
    assert cohen_kappa([names[x - 1] for x in a], [names[x - 1] for x in b]) == kappa
    rng.shuffle(pairs)
    assert cohen_kappa(*zip(*pairs, strict=True)) == kappa


@EVERY_LEVEL
@given(ratings=TABLES, rng=st.randoms(use_true_random=False))
def test_alpha_does_not_care_for_the_order_of_raters_or_items(level, ratings, rng):
    alpha = pytest.approx(krippendorff_alpha(ratings, level), **SAME)
    columns = list(zip(*ratings, strict=True))
    rng.shuffle(columns)
    rows = list(zip(*columns, strict=True))
    rng.shuffle(rows)
    assert krippendorff_alpha(rows, level) == alpha


@EVERY_LEVEL
@given(ratings=TABLES, label=st.sampled_from([1, 2, 3, 4, 9]))
def test_an_item_with_one_vote_or_none_changes_alpha_nothing(level, ratings, label):
    alone = [[*row, label if i == 0 else None, None] for i, row in enumerate(ratings)]
    assert krippendorff_alpha(alone, level) == pytest.approx(krippendorff_alpha(ratings, level), **SAME)


@given(TABLES, st.permutations([1, 2, 3, 4]))
def test_each_level_minds_only_what_it_knows(ratings, names):
    """Nominal: which labels are equal. Ordinal: their order as well. Interval: how far apart, in any unit."""

    def renamed(change):
        return [[None if label is None else change(label) for label in row] for row in ratings]

    nominal, ordinal, interval = (krippendorff_alpha(ratings, level) for level in LEVELS)
    assert krippendorff_alpha(renamed(lambda x: "abcd"[names[x - 1] - 1])) == pytest.approx(nominal, **SAME)
    assert krippendorff_alpha(renamed(lambda x: 10**x), "ordinal") == pytest.approx(ordinal, **SAME)
    assert krippendorff_alpha(renamed(lambda x: 32 + 1.8 * x), "interval") == pytest.approx(interval, **SAME)


@given(TABLES)
def test_with_two_labels_every_level_is_the_same(ratings):
    two = [[None if label is None else label % 2 for label in row] for row in ratings]
    nominal, ordinal, interval = (krippendorff_alpha(two, level) for level in LEVELS)
    assert ordinal == pytest.approx(nominal, **SAME) and interval == pytest.approx(nominal, **SAME)


@given(TABLES)
def test_without_gaps_alpha_is_fleiss_kappa_corrected_for_few_ratings(ratings):
    """1 - α = (1 - κ)(n - 1)/n for n ratings in all (Krippendorff, 2004): two formulas, found apart, that agree."""
    full = [[label or 1 for label in row] for row in ratings]
    n = len(full) * len(full[0])
    kappa = fleiss_kappa(tally(full))
    assert 1 - krippendorff_alpha(full) == pytest.approx((1 - kappa) * (n - 1) / n, **SAME)


@given(TABLES)
def test_nobody_agrees_more_than_fully(ratings):
    full = [[label or 1 for label in row] for row in ratings]
    measures = [krippendorff_alpha(ratings, level) for level in LEVELS]
    measures += [cohen_kappa(full[0], full[1]), fleiss_kappa(tally(full))]
    assert all(isnan(measure) or measure <= 1 + 1e-9 for measure in measures)


def test_full_agreement_is_one():
    said = [1, 2, 3, 3, 1]
    assert cohen_kappa(said, said) == 1
    assert fleiss_kappa(tally([said] * 3)) == pytest.approx(1)
    for level in LEVELS:
        assert krippendorff_alpha([said, said, [None] * 5], level) == 1


def test_people_who_never_look_agree_by_chance_alone():
    """Whatever their habits. The spread of each measure around 0 is about 1/√items; four of those are allowed."""
    items, rng = 4000, random.Random(0)
    habits = ((1, 1, 1), (8, 1, 1), (2, 3, 5))
    said = [rng.choices((1, 2, 3), weights, k=items) for weights in habits]
    assert abs(cohen_kappa(said[0], said[1])) < 4 / items**0.5
    alike = [rng.choices((1, 2, 3), (2, 3, 5), k=items) for _ in range(3)]
    assert abs(fleiss_kappa(tally(alike))) < 4 / items**0.5
    for level in LEVELS:
        assert abs(krippendorff_alpha(alike, level)) < 4 / items**0.5


def test_habits_alone_are_worth_nothing_however_high_the_raw_agreement():
    """Nine in ten say yes, without looking: raw agreement .82, and κ near 0."""
    a, b = yes_and_no(81, 9, 9, 1)
    assert sum(x == y for x, y in zip(a, b, strict=True)) == 82
    assert cohen_kappa(a, b) == pytest.approx(0)
    assert cohen_kappa("YN" * 10, "Y" * 20) == 0


def test_where_nothing_can_be_said_nothing_is_claimed():
    assert isnan(cohen_kappa("YYYY", "YYYY")) and isnan(cohen_kappa([], []))
    assert isnan(fleiss_kappa([[3, 0], [3, 0]]))
    for nothing in ([], [[1, 2, 3]], [[1, None], [None, 2]], [[1, 1], [1, 1]]):
        assert isnan(krippendorff_alpha(nothing))


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="there are 2 and 3"):
        cohen_kappa("YN", "YNY")
    with pytest.raises(ValueError, match=r"these have 2, 3\. krippendorff_alpha takes"):
        fleiss_kappa([[1, 1], [2, 1]])
    with pytest.raises(ValueError, match="these have 1"):
        fleiss_kappa([[1, 0], [0, 1]])
    with pytest.raises(ValueError, match=r"\[3, 2\] differ"):
        krippendorff_alpha([[1, 2, 3], [1, 2]])
    with pytest.raises(ValueError, match="no level 'ratio'; there are nominal, ordinal, interval"):
        krippendorff_alpha(FOUR_OBSERVERS, "ratio")
    with pytest.raises(ValueError, match="Of 'tie' nobody can say how large it is"):
        krippendorff_alpha([["tie", "first"], ["tie", "tie"]], "ordinal")


# ---- on votes

START = datetime(2026, 1, 1, tzinfo=UTC)
QUESTIONS = [Question("pair", f"Where is kettle {i}?", (f"{i}: On its way.", f"{i}: No idea.")) for i in range(12)]
SWAPPED = {"shown": (1, 0)}


def the_other_way_round(question):
    """The same pair, listed in the other order."""
    return replace(question, replies=question.replies[::-1])


def vote(question, answer, voter="Ada", minute=0, shown=(0, 1)):
    return Vote(question, answer, shown, voter, time=START + timedelta(minutes=minute))


def test_people_who_chose_the_same_reply_agree_whatever_order_they_saw():
    """Choices half and half, each of the same text: full agreement, though Bo saw and listed all the other way."""
    votes = [vote(q, Better(i % 2)) for i, q in enumerate(QUESTIONS)]
    votes += [vote(the_other_way_round(q), Better(1 - i % 2), "Bo", **SWAPPED) for i, q in enumerate(QUESTIONS)]
    found = agreement(votes)
    assert (found.voters, found.pairs, found.raw, found.alpha, found.kappa) == (2, 12, 1.0, 1.0, 1.0)
    assert str(found) == "2 voters, 12 pairs in common: 100% alike, α 1.00, κ 1.00"


def test_people_who_clicked_the_same_place_on_swapped_replies_disagree():
    votes = [vote(q, Better(i % 2)) for i, q in enumerate(QUESTIONS)]
    votes += [vote(the_other_way_round(q), Better(i % 2), "Bo") for i, q in enumerate(QUESTIONS)]
    found = agreement(votes)
    assert found.raw == 0 and found.kappa < 0 and found.alpha < 0


def test_a_pair_is_the_same_pair_in_any_round_and_for_any_purpose():
    """Keyed by the question and not by its pair, nobody would have a pair in common, and α would say nothing."""
    votes = [vote(q, Better(i % 2)) for i, q in enumerate(QUESTIONS)]
    asked = [replace(q, round=2, models=("SFT", "PPO")) for q in QUESTIONS[:6]]
    asked += [replace(q, purpose="repeat") for q in QUESTIONS[6:]]
    votes += [vote(q, Better(i % 2), "Bo") for i, q in enumerate(asked)]
    assert {v.question.key for v in votes[:12]}.isdisjoint(v.question.key for v in votes[12:])
    assert agreement(votes).alpha == 1


def test_every_pair_is_an_item_of_its_own():
    """Lumped together under one name, as a known tool did, these votes would come out at α = 0 or below."""
    votes = [vote(q, Better(i % 2), voter) for i, q in enumerate(QUESTIONS) for voter in ("Ada", "Bo", "Cy")]
    ratings = as_ratings(votes)
    assert len(ratings.pairs) == len(set(ratings.pairs)) == 12
    assert {*ratings.rows[0]} == {"first", "second"}
    assert agreement(votes).alpha == 1


def test_good_manners_are_no_habit():
    """Polite replies begin early in the alphabet. Ordered by it, two people who like them would have α near 0."""
    asked = [
        Question("pair", f"Where is kettle {i}?", (" Dear customer, it is on its way.", " You again?"))
        for i in range(60)
    ]
    rng = random.Random(0)
    votes = [vote(q, Better(int(rng.random() < 0.05)), voter) for q in asked for voter in ("Ada", "Bo")]
    assert agreement(votes).raw > 0.85
    assert agreement(votes).alpha > 0.7 and agreement(votes).kappa > 0.7


def test_the_table_names_what_was_said_and_leaves_gaps():
    one, other, third = QUESTIONS[:3]
    votes = [
        vote(one, Better(1)),
        vote(other, Tie()),
        vote(third, Skip()),
        vote(one, Better(0), "Bo"),
        vote(third, BothBad(), "Bo"),
    ]
    ratings = as_ratings(votes)
    assert ratings.voters == ("Ada", "Bo")
    assert ratings.pairs == (one.pair, other.pair, third.pair)
    (ada, *the_rest), (bo, *others) = ratings.rows
    assert {ada, bo} == {"first", "second"}
    assert (the_rest, others) == (["tie", None], [None, "both bad"])


def test_ties_both_bad_and_choices_are_different_things_to_say():
    said = [Better(0), Better(1), Tie(), BothBad()]
    for i, mine in enumerate(said):
        for j, yours in enumerate(said):
            votes = [vote(QUESTIONS[0], mine), vote(QUESTIONS[0], yours, "Bo")]
            assert agreement(votes).raw == (i == j)


def test_the_first_answer_stands_and_attention_checks_and_other_cards_do_not_count():
    asked = QUESTIONS[0]
    votes = [
        vote(replace(asked, purpose="repeat"), Better(0), minute=5),
        vote(asked, Better(1), minute=1),
        vote(asked, Better(1), "Bo"),
        vote(Question("pair", "Help!", ("Yes.", "Go away."), purpose="gold", expected=0), Better(0)),
        vote(Question("thumbs", "Help!", ("Yes.",)), Thumb(True), shown=(0,)),
        vote(Question("ranking", "Help!", ("Yes.", "No.")), Ranking((0, 1))),
    ]
    ratings = as_ratings(votes)
    assert ratings.pairs == (asked.pair,)
    assert ratings.rows[0] == ratings.rows[1]


def test_three_voters_with_gaps():
    """Worked by hand: Cy judged two of the four pairs, so people met 8 times, and once they did not agree."""
    said = {"Ada": "0110", "Bo": "0111", "Cy": "01  "}
    votes = [
        vote(QUESTIONS[i], Better(int(c)), voter) for voter, row in said.items() for i, c in enumerate(row) if c != " "
    ]
    found = agreement(votes)
    assert (found.voters, found.pairs, found.kappa) == (3, 4, None)
    assert found.raw == 7 / 8
    assert 0 < found.alpha < 1
    assert "κ" not in str(found)


def test_voters_without_a_pair_in_common_have_nothing_to_agree_on():
    apart = agreement([vote(QUESTIONS[0], Better(0)), vote(QUESTIONS[1], Better(0), "Bo")])
    assert (apart.voters, apart.pairs) == (2, 0)
    assert isnan(apart.raw) and isnan(apart.alpha) and apart.kappa is not None and isnan(apart.kappa)
    assert str(apart) == "2 voters, no pair in common"
    assert agreement([]).voters == 0


def test_self_agreement_holds_each_answer_against_the_one_before():
    a, b, c = QUESTIONS[:3]
    votes = [
        vote(a, Better(0), minute=0),
        vote(replace(a, purpose="repeat"), Better(0), minute=9, **SWAPPED),  # as before
        vote(replace(a, round=2), Better(1), minute=20),  # another opinion
        vote(replace(the_other_way_round(a), round=3), Better(0), minute=30),  # that one again, listed otherwise
        vote(b, Tie(), minute=1),
        vote(replace(b, purpose="repeat"), Skip(), minute=8),  # says nothing
        vote(c, Better(0), minute=2),
        vote(replace(a, purpose="repeat"), Better(1), "Bo", minute=3),
    ]
    random.Random(0).shuffle(votes)
    found = self_agreement(votes, "Ada")
    assert (found.count, found.n) == (2, 3)
    assert self_agreement(votes, "Bo").n == 0
    assert str(self_agreement(votes, "Bo")) == "0 of 0"


def test_the_same_question_is_not_asked_again_by_a_double_entry():
    votes = [vote(QUESTIONS[0], Better(0)), vote(QUESTIONS[0], Better(0), minute=1)]
    assert self_agreement(votes, "Ada").n == 0


def left_votes(left, right):
    """So many choices on the left and on the right, the sides drawn both ways."""
    votes = [vote(q, Better(0)) for q in (QUESTIONS * 50)[:left]]
    votes += [vote(q, Better(0), **SWAPPED) for q in (QUESTIONS * 50)[:right]]
    return [*votes, vote(QUESTIONS[0], Tie()), vote(QUESTIONS[0], BothBad()), vote(QUESTIONS[0], Skip())]


def test_left_bias_counts_sides_and_not_replies():
    found = left_bias(left_votes(15, 5))
    assert (found.count, found.n, found.rate) == (15, 20, 0.75)
    # Wilson's interval for 15 of 20, as in print (Newcombe, 1998, gives the formula): .531 to .888.
    assert (found.low, found.high) == (pytest.approx(0.531, abs=5e-4), pytest.approx(0.888, abs=5e-4))
    assert found.excludes_half
    assert str(found) == "15 of 20 (75%) [53%, 89%]"


def test_a_bias_needs_evidence():
    assert not left_bias(left_votes(14, 6)).excludes_half
    assert left_bias(left_votes(140, 60)).excludes_half
    assert left_bias(left_votes(60, 140)).excludes_half  # a pull to the right is one too
    nothing = left_bias([])
    assert (nothing.n, nothing.low, nothing.high, nothing.excludes_half) == (0, 0.0, 1.0, False)
    assert isnan(nothing.rate)


def test_attention_is_passed_of_answered():
    checks = gold_questions(4)
    right = [Better(check.expected) for check in checks]
    votes = [vote(q, answer, **SWAPPED) for q, answer in zip(checks, (right[0], right[1], Tie(), Skip()), strict=True)]
    found = attention([*votes, vote(QUESTIONS[0], Better(0))])
    assert (found.count, found.n) == (2, 3)


@pytest.fixture(scope="module")
def three_people(tmp_path_factory):
    """What a lesson has: 150 pairs, repeats and checks among them, answered by three simulated people."""
    store = FeedbackStore(tmp_path_factory.mktemp("votes") / "votes.db")
    candidates = [replace(check, purpose="fresh", expected=None) for check in gold_questions(60, seed=1)]
    asked = with_gold(with_repeats(at_random(candidates, 60), share=0.5), gold_questions(60, seed=2), every=2)
    session = Session(asked, store)
    for person in (PATIENT, HURRIED, CARELESS):
        session.let_vote(person)
    return store.votes()


def test_a_careless_person_is_found_out_by_every_measure(three_people):
    """The careless one clicks at random: half of everything. The patient one lapses three times in 100."""
    careful, careless = PATIENT.name, CARELESS.name
    of = {name: [v for v in three_people if v.voter == name] for name in (careful, careless)}
    assert attention(of[careful]).low > 0.7 > attention(of[careless]).high
    assert self_agreement(three_people, careful).low > 0.7 > self_agreement(three_people, careless).high
    both_read = [v for v in three_people if v.voter != careless]
    one_reads = [v for v in three_people if v.voter in of]
    assert agreement(both_read).alpha > 0.6 and abs(agreement(one_reads).alpha) < 0.3
    assert agreement(both_read).pairs == 60
    for voter in of.values():
        assert not left_bias(voter).excludes_half


# ---- from clicks to choices


def test_clicks_and_their_meaning_come_out_as_the_votes_that_were_cast(three_people):
    """Through the screen and back: whatever the lot did, the chosen reply is the one that the vote names."""
    shown, side = clicks(three_people)
    chosen, rejected, preference = chosen_and_rejected(shown, side)
    assert {tuple(row) for row in shown.tolist()} == {(0, 1), (1, 0)}
    assert chosen.tolist() == [v.answer.winner for v in three_people]
    assert (chosen + rejected == 1).all() and (preference == 1).all()


def test_ties_and_both_bad_are_worth_a_half_and_nothing():
    answers = [Better(0), Better(1), Tie(), BothBad()]
    votes = [vote(QUESTIONS[0], answer, shown=shown) for shown in ((0, 1), (1, 0)) for answer in answers]
    shown, side = clicks(votes)
    assert side.tolist() == [LEFT, RIGHT, TIE, BOTH_BAD, RIGHT, LEFT, TIE, BOTH_BAD]
    chosen, rejected, preference = chosen_and_rejected(shown, side)
    assert chosen.tolist() == [0, 1, 0, 0, 0, 1, 1, 1]
    assert rejected.tolist() == [1, 0, 1, 1, 1, 0, 0, 0]
    assert preference.tolist() == [1, 1, 0.5, 0] * 2


def test_which_reply_stands_first_in_a_tie_teaches_the_same():
    shown, side = torch.tensor([[0, 1], [1, 0]]), torch.tensor([TIE, TIE])
    scores = torch.tensor([0.3, -1.2])
    chosen, rejected, preference = chosen_and_rejected(shown, side)
    one, other = (
        bradley_terry_loss(scores[chosen[i : i + 1]], scores[rejected[i : i + 1]], preference[i : i + 1])[0]
        for i in (0, 1)
    )
    assert chosen.tolist() == [0, 1] and one == other


def test_only_answered_pairs_are_clicks():
    with pytest.raises(ValueError, match="A Skip on a question of mode 'pair' is no click on a side"):
        clicks([vote(QUESTIONS[0], Skip())])
    with pytest.raises(ValueError, match="A Thumb on a question of mode 'thumbs'"):
        clicks([vote(Question("thumbs", "Help!", ("Yes.",)), Thumb(True), shown=(0,))])
    shown, side = clicks([])
    assert shown.shape == (0, 2) and side.shape == (0,)


# ---- the two exercises, as other people would write them


def test_kappa_by_count_by_numpy_by_table_and_by_torch_all_pass():
    def by_count(a, b):
        n, agreed, chance = len(a), 0, 0.0
        for i in range(n):
            if a[i] == b[i]:
                agreed += 1
        for label in set(a) | set(b):
            chance += a.count(label) / n * b.count(label) / n
        return (agreed / n - chance) / (1 - chance)

    def by_numpy(a, b):
        a, b = np.array(a), np.array(b)
        chance = sum((a == label).mean() * (b == label).mean() for label in np.union1d(a, b))
        return ((a == b).mean() - chance) / (1 - chance)

    def by_table(a, b):
        labels = sorted({*a, *b})
        table = torch.zeros(len(labels), len(labels))
        for x, y in zip(a, b, strict=True):
            table[labels.index(x), labels.index(y)] += 1 / len(a)
        chance = table.sum(0) @ table.sum(1)
        return (table.trace() - chance) / (1 - chance)

    def by_disagreement(a, b):
        """κ = 1 - observed / expected disagreement, the way α is written."""
        ours, n = [x != y for x, y in zip(a, b, strict=True)], len(a)
        expected = n * n - sum(a.count(label) * b.count(label) for label in {*a})
        return 1 - sum(ours) * n / expected

    for answer in (by_count, by_numpy, by_table, by_disagreement):
        verdict = examine(answer, replace(EXERCISES["cohen_kappa"], calls=1))
        assert verdict.outcome == "right", verdict


def test_clicks_read_row_by_row_by_gather_and_by_arithmetic_all_pass():
    def row_by_row(shown, side):
        worth = {0: 1.0, 1: 1.0, 2: 0.5, 3: 0.0}
        chosen, rejected, preference = [], [], []
        for (left, right), clicked in zip(shown.tolist(), side.tolist(), strict=True):
            chosen.append(right if clicked == 1 else left)
            rejected.append(left if clicked == 1 else right)
            preference.append(worth[clicked])
        return torch.tensor(chosen), torch.tensor(rejected), torch.tensor(preference)

    def by_gather(shown, side):
        place = (side == 1).long().unsqueeze(1)
        preference = torch.tensor([1, 1, 0.5, 0], dtype=torch.float64)[side]
        return [shown.gather(1, place).squeeze(1), shown.gather(1, 1 - place).squeeze(1), preference]

    def by_arithmetic(shown, side):
        chosen = shown[torch.arange(len(side)), (side == 1).int()]
        return chosen.int(), 1 - chosen, 1 - F.relu(side - 1) / 2

    for answer in (row_by_row, by_gather, by_arithmetic):
        verdict = examine(answer, EXERCISES["chosen_and_rejected"])
        assert verdict.outcome == "right", verdict


@pytest.mark.parametrize(
    ("outputs", "word"),
    [
        ("shown[:, 0].float(), shown[:, 1], side / 1", "its chosen holds torch.float32; an ordinary tensor of whole"),
        ("side == 0, side == 1, side / 1", "its chosen holds torch.bool; an ordinary tensor of whole numbers"),
        ("0, 1, 1.0", "its chosen is an int; a tensor is asked for"),
        ("side, side, side", "its preference holds torch.int64; an ordinary tensor of floating-point numbers"),
    ],
)
def test_what_is_no_table_of_replies_is_named(outputs, word):
    answer = eval(f"lambda shown, side: ({outputs})")
    verdict = examine(answer, EXERCISES["chosen_and_rejected"])
    assert verdict.outcome == "wrong" and word in " ".join(str(verdict).split())


def test_who_forgets_the_lot_hears_of_it_whatever_they_make_of_ties():
    def my_chosen_and_rejected(shown, side):
        chosen = side.clamp(max=1)
        return chosen, 1 - chosen, torch.tensor([1, 1, 0.5, 0])[side]

    verdict = examine(my_chosen_and_rejected, EXERCISES["chosen_and_rejected"])
    assert verdict.mistake.startswith("forgets to undo the lot")


@pytest.mark.parametrize("returned", ["'high'", "(0.4, 0.5)", "{'kappa': 0.4}"])
def test_what_is_no_number_is_named(returned):
    verdict = examine(eval(f"lambda a, b: {returned}"), EXERCISES["cohen_kappa"])
    assert verdict.outcome == "wrong" and "number" in str(verdict)


def test_a_whole_number_that_is_off_by_one_is_off(monkeypatch):
    """Positions are compared exactly, however large the numbers beside them are."""
    monkeypatch.setattr(diagnoses, "LONGEST_SEARCH", 0.1)  # it is not the thought that this is about

    def my_chosen_and_rejected(shown, side):
        chosen, rejected, preference = chosen_and_rejected(shown, side)
        return chosen + (side == TIE), rejected, preference

    verdict = examine(my_chosen_and_rejected, EXERCISES["chosen_and_rejected"])
    assert verdict.outcome == "wrong" and "chosen[0]: yours 1, ours 0" in str(verdict)
