"""The clinic: symptoms of sick runs, each with its cause, its cure and a run of a few seconds that has it.

    clinic()                  all symptoms, by stage
    clinic("loss is 0")       the one that these words speak of: why, a picture, what helps, where people met it
    patient(3)                a run with a planted defect, or a healthy one: name it (lesson 13)
    patient(3, "no leash")    your diagnosis

symptom.py says what a symptom is; imitating, choosing, climbing, preferring and verifying hold them, in the order of
the stages, and table.py all of them; tiny.py has the models on which they run; patients.py the ward. What is asked for
is fetched then, so that an exercise need not wait for eighty runs to be read.
"""

from typing import TYPE_CHECKING

from minirlhf.course.clinic.signs import first_ratio, frac_reward_zero_std

if TYPE_CHECKING:
    from minirlhf.course.clinic.card import Card, Index
    from minirlhf.course.clinic.patients import Answer, Chart, Round

__all__ = ["clinic", "first_ratio", "frac_reward_zero_std", "patient"]


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
