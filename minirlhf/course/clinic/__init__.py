"""The clinic: symptoms of sick runs, each with its cause, its cure and a run of a few seconds that has it.

    clinic()                  all symptoms, by stage
    clinic("loss is 0")       the one that these words speak of: why, a picture, what helps, where people met it
    patient(3)                a run with a planted defect, or a healthy one: name it (lesson 13)
    patient(3, "no leash")    your diagnosis

symptom.py says what a symptom is; imitating, choosing, climbing, preferring and verifying hold them, in the order of
the stages; tiny.py has the models on which they run; patients.py the ward.
"""

from minirlhf.course.clinic import imitating, choosing, climbing, preferring, verifying  # noqa: F401, I001  in order
from minirlhf.course.clinic.card import Card, Index
from minirlhf.course.clinic.search import find
from minirlhf.course.clinic.symptom import SYMPTOMS

__all__ = ["SYMPTOMS", "clinic"]


def clinic(seen: str | None = None) -> Card | Index:
    """What is wrong with a run in which this is seen? Without words, the list of all symptoms.

    Words of yours or a metric's name, TRL's too; typing errors are forgiven.
    """
    if seen is None or not seen.strip():
        return Index()
    for one in SYMPTOMS:
        if seen.strip() == one.name:
            return Card(one)
    found = find(seen)
    if not found:
        return Index(f"No symptom speaks of {seen!r}. Here are all of them; try the name of the number that looks wrong.")
    return Card(found[0], found[1:4])
