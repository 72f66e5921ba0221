"""The exercise on agreement beyond chance: cohen_kappa."""

from math import inf, nan
from random import Random

from minirlhf.course.exercises.exercise import Case, Exercise, mistake
from minirlhf.feedback.agreement import cohen_kappa


def _kappa_cases() -> list[Case]:
    rng, words = Random(0), ("first", "second", "tie", "both bad")
    one = tuple(rng.choices(words, (5, 4, 2, 1), k=30))
    other = tuple(word if rng.random() < 0.6 else rng.choice(words) for word in one)
    opposite = tuple("second" if word == "first" else "first" for word in one)
    unseen = tuple("tie" if word == "both bad" else word for word in one)
    many = (tuple(rng.choices(words, (4, 3, 2, 1), k=400)), tuple(rng.choices(words, k=400)))
    return [
        Case("fifty proposals read by two people", "", _yes_and_no(20, 5, 10, 15)),
        Case("four kinds of answer", "Labels are any words, and any number of them.", (one, other)),
        Case("one who says yes oftener than the other", "", _yes_and_no(25, 35, 5, 35)),
        Case("two who always agree", "Full agreement is κ = 1.", (one, one)),
        Case("two who disagree on purpose", "Below chance κ is below 0.", (one, opposite)),
        Case(
            "a label that only one of them uses",
            "By chance nobody agrees on a label that the other never uses.",
            (other, unseen),
        ),
        Case(
            "one who says the same every time",
            "Who never looks agrees by chance alone: κ = 0.",
            (one, ("first",) * len(one)),
        ),
        Case("as many answers as a class gives", "It works for every size.", many, large=True),
    ]


def _yes_and_no(both: int, only_a: int, only_b: int, neither: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Two people's answers, so many of each of the four kinds."""
    yes, no = ("yes",), ("no",)
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


@mistake(
    "This is the raw agreement, and two people who never look agree too, now and then. Take off what comes about by "
    "chance: (observed - chance) / (1 - chance)."
)
def stops_at_the_raw_agreement(a, b):
    return _observed(a, b)


@mistake(
    "Here chance is 1 divided by the number of labels, as if nobody had habits. Two people who nearly always say yes "
    "agree far oftener: multiply their own shares, label by label, and add up. (This one is Bennett's S.)"
)
def takes_all_labels_for_equally_likely(a, b):
    return _kappa(_observed(a, b), 1 / len(_labels(a, b)))


@mistake(
    "Here both people share one set of habits: their answers were pooled before the shares were taken. Cohen gives "
    "each their own: share in a times share in b. (This one is Scott's π.)"
)
def pools_the_habits_of_both(a, b):
    return _kappa(_observed(a, b), _chance(a + b, a + b))


@mistake(
    "This divides by 1 - observed. What chance leaves to be won is 1 - chance, and κ is how much of that they won."
)
def divides_by_one_minus_observed(a, b):
    observed = _observed(a, b)
    return (observed - _chance(a, b)) / (1 - observed) if observed < 1 else inf


@mistake("Chance is missing above the line: what it brings about is no merit. observed - chance stands there.")
def takes_nothing_off_above_the_line(a, b):
    return _observed(a, b) / (1 - _chance(a, b))


@mistake(
    "This is how far agreement is above chance, not yet how far it could have been: divide by 1 - chance, so that full "
    "agreement is 1."
)
def forgets_to_divide(a, b):
    return _observed(a, b) - _chance(a, b)


@mistake(
    "Chance counts one label only. People can agree by chance on each of them: share in a times share in b, added up "
    "over all labels."
)
def looks_at_one_label_only(a, b):
    return _kappa(_observed(a, b), _share(a, a[0]) * _share(b, a[0]))


@mistake("Chance squares the shares of one person. The other has habits too: share in a times share in b.")
def looks_at_the_habits_of_one(a, b):
    return _kappa(_observed(a, b), _chance(a, a))


@mistake(
    "Chance was added up once for every item, so a label that stands there ten times counts ten times. Go through the "
    "labels, each once: set(a)."
)
def adds_up_chance_for_every_item(a, b):
    return _kappa(_observed(a, b), sum(_share(a, label) * _share(b, label) for label in a))


@mistake(
    "Chance is divided by the number of items once. Both factors are counts, so each needs it: divide by n squared."
)
def divides_chance_by_n_once(a, b):
    return _kappa(_observed(a, b), _chance(a, b) * len(a))


@mistake("This is disagreement, 1 - κ. κ itself is 1 where two people always agree.")
def measures_disagreement(a, b):
    return 1 - _kappa(_observed(a, b), _chance(a, b))


@mistake(
    'Chance knows two labels only, "first" and "second", as in the example. Labels may be any words: go through those '
    "that occur, set(a)."
)
def knows_the_labels_of_the_example_only(a, b):
    return _kappa(_observed(a, b), sum(_share(a, label) * _share(b, label) for label in ("first", "second")))


@mistake(
    "The two lists are compared as a whole, so they agree fully or not at all. Compare them place by place: zip(a, b)."
)
def compares_the_whole_lists(a, b):
    return _kappa(float(list(a) == list(b)), _chance(a, b))


COHEN_KAPPA = Exercise(
    cohen_kappa,
    outputs=("kappa",),
    cases=_kappa_cases,
    calls=20,
    mistakes=(
        stops_at_the_raw_agreement,
        takes_all_labels_for_equally_likely,
        pools_the_habits_of_both,
        divides_by_one_minus_observed,
        takes_nothing_off_above_the_line,
        forgets_to_divide,
        looks_at_one_label_only,
        looks_at_the_habits_of_one,
        adds_up_chance_for_every_item,
        divides_chance_by_n_once,
        measures_disagreement,
        knows_the_labels_of_the_example_only,
        compares_the_whole_lists,
    ),
)
