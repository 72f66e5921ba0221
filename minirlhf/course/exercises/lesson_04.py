"""The exercises of lesson 04, what a click means and who agrees: chosen_and_rejected, cohen_kappa."""

from math import inf, nan
from random import Random

import torch

from minirlhf.course.exercises import in_words
from minirlhf.course.exercises.exercise import Case, Exercise
from minirlhf.feedback.agreement import cohen_kappa
from minirlhf.feedback.pairs import BOTH_BAD, LEFT, RIGHT, TIE, chosen_and_rejected

# ---- chosen_and_rejected(shown, side)


def _click_cases() -> list[Case]:
    in_order, swapped = torch.tensor([0, 1]), torch.tensor([1, 0])
    generator = torch.Generator().manual_seed(0)
    by_lot = torch.rand(1000, 2, generator=generator).argsort(dim=1)
    return [
        Case(
            "choices between replies in either order",
            "Left and right are places; who stood there is in `shown`.",
            (torch.stack([in_order, swapped] * 2), torch.tensor([LEFT, LEFT, RIGHT, RIGHT])),
        ),
        Case(
            "replies shown in their own order",
            "With nothing swapped, left is reply 0 and right is reply 1.",
            (torch.stack([in_order] * 3), torch.tensor([LEFT, RIGHT, RIGHT])),
        ),
        Case(
            "replies shown the other way round",
            "Whoever clicked left here chose reply 1, which stood there.",
            (torch.stack([swapped] * 3), torch.tensor([RIGHT, LEFT, RIGHT])),
        ),
        Case("a single vote", "A table may have one row.", (swapped.unsqueeze(0), torch.tensor([RIGHT]))),
        Case(
            "ties",
            "A tie is half a win each, preference ½; the left reply stands first.",
            (torch.stack([in_order, swapped]), torch.tensor([TIE, TIE])),
        ),
        Case(
            "both bad",
            "Both bad says nothing about which is better: preference 0; the left reply stands first.",
            (torch.stack([swapped, in_order]), torch.tensor([BOTH_BAD, BOTH_BAD])),
        ),
        Case(
            "as many votes as a class casts",
            "It works for every size.",
            (by_lot, torch.randint(4, (1000,), generator=generator)),
            large=True,
        ),
    ]


def _worth(side, tie=0.5, both_bad=0.0):
    """The preference of each row, with one's own opinion on ties and on both bad."""
    of_side = torch.tensor([1.0, 1.0, tie, both_bad])
    return of_side[side]


CHOSEN_AND_REJECTED = Exercise(
    chosen_and_rejected,
    outputs=("chosen", "rejected", "preference"),
    cases=_click_cases,
    calls=10,
    formulas=(in_words.clicks_to_replies,),
)


@CHOSEN_AND_REJECTED.mistake
def forgets_to_undo_the_lot(shown, side):
    """These are sides of the screen, not replies. The lot had put some replies the other way round: look up in `shown`
    who stood on that side."""
    chosen = (side == RIGHT).long()
    return chosen, 1 - chosen, _worth(side)


@CHOSEN_AND_REJECTED.mistake
def forgets_to_undo_the_lot_and_puts_the_right_first_where_neither_won(shown, side):
    """A side of the screen is no reply: some pairs were shown the other way round, and `shown` says which reply stood
    on a side. (Where neither won, the reply on the left is to come first.)"""
    chosen = side.clamp(max=RIGHT)
    return chosen, 1 - chosen, _worth(side)


@CHOSEN_AND_REJECTED.mistake
def undoes_the_lot_for_the_chosen_only(shown, side):
    """The chosen one is right; the rejected one is still a side of the screen, so that some replies lose against
    themselves. Both have to be looked up in `shown`."""
    chosen, _, preference = chosen_and_rejected(shown, side)
    return chosen, (side != RIGHT).long(), preference


@CHOSEN_AND_REJECTED.mistake
def swaps_chosen_and_rejected(shown, side):
    """Chosen and rejected have changed places: a model would learn to like what people rejected."""
    chosen, rejected, preference = chosen_and_rejected(shown, side)
    return rejected, chosen, preference


@CHOSEN_AND_REJECTED.mistake
def never_looks_at_the_click(shown, side):
    """Left is taken for the choice, whatever was clicked. `side` says which it was: 0 is left, 1 is right."""
    return shown[:, 0], shown[:, 1], _worth(side)


@CHOSEN_AND_REJECTED.mistake
def takes_a_tie_for_a_win(shown, side):
    """A tie counts here as a whole win for the left reply, though nobody chose it: every left reply would look a little
    better than it is. A tie is half a win each: ½."""
    chosen, rejected, _ = chosen_and_rejected(shown, side)
    return chosen, rejected, _worth(side, tie=1.0)


@CHOSEN_AND_REJECTED.mistake
def drops_ties(shown, side):
    """Ties are dropped here like losses: preference 0. A tie says something, that the two are about equally good: ½."""
    chosen, rejected, _ = chosen_and_rejected(shown, side)
    return chosen, rejected, _worth(side, tie=0.0)


@CHOSEN_AND_REJECTED.mistake
def takes_both_bad_for_a_tie(shown, side):
    """Both bad is taken for a tie. Equally bad and equally good would look the same, and a model would learn that the
    two are worth the same, which nobody said: preference 0."""
    chosen, rejected, _ = chosen_and_rejected(shown, side)
    return chosen, rejected, _worth(side, both_bad=0.5)


@CHOSEN_AND_REJECTED.mistake
def takes_both_bad_for_a_win(shown, side):
    """Both bad is taken for a win of the left reply, which nobody wanted. Its preference is 0."""
    chosen, rejected, _ = chosen_and_rejected(shown, side)
    return chosen, rejected, _worth(side, both_bad=1.0)


@CHOSEN_AND_REJECTED.mistake
def takes_everything_for_a_win(shown, side):
    """Every row counts as a whole win here, also where nobody won. A tie is half a win each, ½; both bad is none, 0."""
    chosen, rejected, _ = chosen_and_rejected(shown, side)
    return chosen, rejected, _worth(side, tie=1.0, both_bad=1.0)


@CHOSEN_AND_REJECTED.mistake
def mixes_up_tie_and_both_bad(shown, side):
    """Tie and both bad have changed places: 2 is a tie, worth ½, and 3 is both bad, worth 0."""
    chosen, rejected, _ = chosen_and_rejected(shown, side)
    return chosen, rejected, _worth(side, tie=0.0, both_bad=0.5)


@CHOSEN_AND_REJECTED.mistake
def puts_the_right_one_first_where_neither_won(shown, side):
    """This would train the same model. Where neither won, either reply may stand first; so that two tables can be
    compared, the left one does: ask whether `side` is 1, and not whether it is 0."""
    left, right = shown.unbind(dim=1)
    return torch.where(side == LEFT, left, right), torch.where(side == LEFT, right, left), _worth(side)


@CHOSEN_AND_REJECTED.mistake
def takes_the_preference_for_a_side(shown, side):
    """Chosen and rejected are right, and the preference says once more which side was clicked. It says how far `chosen`
    won: 1 for a choice, left or right, ½ for a tie, 0 where both are bad."""
    chosen, rejected, _ = chosen_and_rejected(shown, side)
    return chosen, rejected, torch.tensor([1.0, 0.0, 0.5, 0.0])[side]


# ---- cohen_kappa(a, b)


def _kappa_cases() -> list[Case]:
    rng, words = Random(0), ("first", "second", "tie", "both bad")
    one = rng.choices(words, (5, 4, 2, 1), k=14)
    other = [word if rng.random() < 0.6 else rng.choice(words) for word in one]
    opposite = ["second" if word == "first" else "first" for word in one]
    unseen = ["tie" if word == "both bad" else word for word in one]
    many = (rng.choices(words, (4, 3, 2, 1), k=400), rng.choices(words, k=400))
    by_hand = (["first", "first", "second", "second", "second"], ["first", "second", "second", "second", "first"])
    return [
        Case("five pairs, judged by two people", "", by_hand),
        Case("fifty proposals read by two people", "", _yes_and_no(20, 5, 10, 15)),
        Case("four kinds of answer", "Labels are any words, and any number of them.", (one, other)),
        Case("one who says yes oftener than the other", "", _yes_and_no(5, 7, 1, 7)),
        Case("two who always agree", "Full agreement is κ = 1.", (one, list(one))),
        Case("two who disagree on purpose", "Below chance κ is below 0.", (one, opposite)),
        Case(
            "a label that only one of them uses",
            "By chance nobody agrees on a label that the other never uses.",
            (["yes", "no", "yes", "maybe"], ["yes", "no", "no", "yes"]),
        ),
        Case("a label that only the other uses", "The same the other way round.", (unseen, other)),
        Case(
            "one who says the same every time",
            "Who never looks agrees by chance alone: κ = 0.",
            (one, ["first"] * len(one)),
        ),
        Case("as many answers as a class gives", "It works for every size.", many, large=True),
    ]


def _yes_and_no(both: int, only_a: int, only_b: int, neither: int) -> tuple[list[str], list[str]]:
    """Two people's answers, so many of each of the four kinds."""
    yes, no = ["yes"], ["no"]
    a = yes * both + yes * only_a + no * only_b + no * neither
    return a, yes * both + no * only_a + yes * only_b + no * neither


def _observed(a, b):
    return sum(x == y for x, y in zip(a, b, strict=True)) / len(a)


def _share(answers, label):
    return answers.count(label) / len(answers)


def _labels(a, b):
    return sorted({*a, *b})


def _chance(a, b):
    return sum(_share(a, label) * _share(b, label) for label in _labels(a, b))


def _kappa(observed, chance):
    return (observed - chance) / (1 - chance) if chance != 1 else nan


def _in_words(a, b):
    n = len(a)
    observed = sum(x == y for x, y in zip(a, b, strict=True)) / n
    chance = sum(a.count(label) / n * (b.count(label) / n) for label in set(a))
    return (observed - chance) / (1 - chance)


def _in_words_of_counts(a, b):
    n = len(a)
    observed = sum(x == y for x, y in zip(a, b, strict=True)) / n
    chance = sum(a.count(label) * b.count(label) for label in set(a)) / n**2
    return (observed - chance) / (1 - chance)


COHEN_KAPPA = Exercise(
    cohen_kappa, outputs=("kappa",), cases=_kappa_cases, calls=20, formulas=(_in_words, _in_words_of_counts)
)


@COHEN_KAPPA.mistake
def stops_at_the_raw_agreement(a, b):
    """This is the raw agreement, and two people who never look agree too, now and then. Take off what comes about by
    chance: (observed - chance) / (1 - chance)."""
    return _observed(a, b)


@COHEN_KAPPA.mistake
def takes_all_labels_for_equally_likely(a, b):
    """Here chance is 1 divided by the number of labels, as if nobody had habits. Two people who nearly always say yes
    agree far oftener: multiply their own shares, label by label, and add up. (This one is Bennett's S.)"""
    return _kappa(_observed(a, b), 1 / len(_labels(a, b)))


@COHEN_KAPPA.mistake
def pools_the_habits_of_both(a, b):
    """Here both people share one set of habits: their answers were pooled before the shares were taken. Cohen gives
    each their own: share in a times share in b. (This one is Scott's π.)"""
    return _kappa(_observed(a, b), _chance(a + b, a + b))


@COHEN_KAPPA.mistake
def divides_by_one_minus_observed(a, b):
    """This divides by 1 - observed. What chance leaves to be won is 1 - chance, and κ is how much of that they won."""
    observed = _observed(a, b)
    return (observed - _chance(a, b)) / (1 - observed) if observed < 1 else inf


@COHEN_KAPPA.mistake
def takes_nothing_off_above_the_line(a, b):
    """Chance is missing above the line: what it brings about is no merit. observed - chance stands there."""
    return _observed(a, b) / (1 - _chance(a, b))


@COHEN_KAPPA.mistake
def forgets_to_divide(a, b):
    """This is how far agreement is above chance, not yet how far it could have been: divide by 1 - chance, so that full
    agreement is 1."""
    return _observed(a, b) - _chance(a, b)


@COHEN_KAPPA.mistake
def looks_at_one_label_only(a, b):
    """Chance counts one label only. People can agree by chance on each of them: share in a times share in b, added up
    over all labels."""
    return _kappa(_observed(a, b), _share(a, a[0]) * _share(b, a[0]))


@COHEN_KAPPA.mistake
def looks_at_the_habits_of_one(a, b):
    """Chance squares the shares of one person. The other has habits too: share in a times share in b."""
    return _kappa(_observed(a, b), _chance(a, a))


@COHEN_KAPPA.mistake
def adds_up_chance_for_every_item(a, b):
    """Chance was added up once for every item, so a label that stands there ten times counts ten times. Go through the
    labels, each once: set(a)."""
    return _kappa(_observed(a, b), sum(_share(a, label) * _share(b, label) for label in a))


@COHEN_KAPPA.mistake
def divides_chance_by_n_once(a, b):
    """Chance is divided by the number of items once. Both factors are counts, so each needs it: divide by n squared."""
    return _kappa(_observed(a, b), _chance(a, b) * len(a))


@COHEN_KAPPA.mistake
def measures_disagreement(a, b):
    """This is disagreement, 1 - κ. κ itself is 1 where two people always agree."""
    return 1 - _kappa(_observed(a, b), _chance(a, b))


@COHEN_KAPPA.mistake
def knows_the_labels_of_the_example_only(a, b):
    """Chance knows two labels only, "first" and "second", as in the example. Labels may be any words: go through those
    that occur, set(a)."""
    return _kappa(_observed(a, b), sum(_share(a, label) * _share(b, label) for label in ("first", "second")))


@COHEN_KAPPA.mistake
def compares_the_whole_lists(a, b):
    """The two lists are compared as a whole, so they agree fully or not at all. Compare them place by place: zip(a,
    b)."""
    return _kappa(float(list(a) == list(b)), _chance(a, b))


@COHEN_KAPPA.mistake
def takes_a_half_for_chance(a, b):
    """Chance is ½ here, as if everybody had two labels and used them equally. It comes from their habits: share in a
    times share in b, label by label, added up."""
    return _kappa(_observed(a, b), 0.5)


@COHEN_KAPPA.mistake
def knows_two_labels_alone(a, b):
    """Chance knows one label and "all others", so p and 1 - p for each person. With more than two labels that is not
    enough: share in a times share in b for every label, added up."""
    p, q = _share(a, a[0]), _share(b, a[0])
    return _kappa(_observed(a, b), p * q + (1 - p) * (1 - q))


@COHEN_KAPPA.mistake
def takes_the_first_label_of_the_example(a, b):
    """Chance counts the label "first" alone. Labels may be any words: go through those that occur, set(a), and add
    up."""
    return _kappa(_observed(a, b), _share(a, "first") * _share(b, "first"))


@COHEN_KAPPA.mistake
def knows_first_and_all_else(a, b):
    """Chance knows "first" and everything else, p and 1 - p. Labels may be any words and any number of them: one term
    for each label that occurs, set(a)."""
    p, q = _share(a, "first"), _share(b, "first")
    return _kappa(_observed(a, b), p * q + (1 - p) * (1 - q))


@COHEN_KAPPA.mistake
def looks_at_the_habits_of_the_other(a, b):
    """Chance squares the shares of one person, b. The other has habits too: share in a times share in b."""
    return _kappa(_observed(a, b), _chance(b, b))


@COHEN_KAPPA.mistake
def adds_the_shares(a, b):
    """Shares are added, or averaged, where they should be multiplied: both say "yes" by chance as often as one share
    times the other. Added up over all labels, averages always give 1."""
    chance = sum((_share(a, label) + _share(b, label)) / 2 for label in set(a))
    return (_observed(a, b) - chance) / (1 - chance) if abs(1 - chance) > 1e-9 else 0.0


@COHEN_KAPPA.mistake
def counts_common_labels_twice(a, b):
    """A label that both use is counted twice in chance: once for a and once for b. Go through the labels once:
    set(a)."""
    return _kappa(_observed(a, b), sum(_share(a, label) * _share(b, label) for label in [*set(a), *set(b)]))


@COHEN_KAPPA.mistake
def compares_the_sets_of_labels(a, b):
    """Observed compares which labels occur, as sets, and loses the places. Compare place by place: zip(a, b)."""
    return _kappa(len({*a} & {*b}) / len({*a, *b}), _chance(a, b))


@COHEN_KAPPA.mistake
def counts_where_shares_belong(a, b):
    """Counts stand where shares belong: divide the number of agreements by n, and the products of counts by n
    squared."""
    n = len(a)
    return _kappa(_observed(a, b) * n, _chance(a, b) * n)


@COHEN_KAPPA.mistake
def averages_over_the_labels(a, b):
    """Chance is averaged over the labels; it is their sum, since only one of them can happen at a time."""
    return _kappa(_observed(a, b), _chance(a, b) / len(_labels(a, b)))
