"""A case on which both functions were tried."""

from dataclasses import dataclass

from minirlhf.course.check.trial import Trial
from minirlhf.course.exercises import Case


@dataclass(frozen=True)
class Tried:
    """A case, what the package's function made of it, and what the learner's did."""

    case: Case
    ours: Trial
    yours: Trial
