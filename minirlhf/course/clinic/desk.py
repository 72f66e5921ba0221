"""Where one asks: `clinic` and `patient`. What is asked for is fetched then, so nobody waits for eighty runs."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minirlhf.course.clinic.card import Card, Index
    from minirlhf.course.clinic.patients import Answer, Chart, Round


def clinic(seen: str | None = None) -> "Card | Index":
    """What is wrong with a run in which this is seen? Without words, the list of all symptoms.

    Words of yours or a metric's name, TRL's too; typing errors are forgiven.
    """
    from minirlhf.course.clinic.card import answer

    return answer(seen)


def patient(number: int | None = None, diagnosis: str | None = None, *, seed: int = 0) -> "Chart | Answer | Round":
    """A patient's chart; with a diagnosis, what speaks for or against it; without a number, the round so far.

    `seed`: 0, 1 or 2: the same defects in other runs, for whoever has seen these.
    """
    from minirlhf.course.clinic.patients import visit

    return visit(number, diagnosis, seed)
