"""The one table of all symptoms, in the order of the stages: each module enters its own as it is imported."""

from minirlhf.course.clinic import imitating, choosing, climbing, preferring, verifying  # noqa: F401, I001  in order
from minirlhf.course.clinic.symptom import STAGES, SYMPTOMS, Run, Symptom

__all__ = ["STAGES", "SYMPTOMS", "Run", "Symptom"]
