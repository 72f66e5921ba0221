"""What a lesson says in words, and the band that the number behind it must keep to.

    CLAIMS = (Claim("held_out_accuracy", says="about 70 in 100", low=0.66, high=0.76),)

The words stand in the lesson's text to the letter. `minirlhf bands` measures every claim over three seeds and keeps
what it found: minirlhf/course/experiments/bands.py.
"""

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Claim:
    """`says` is what the lesson's text says; the number called `name` must lie from `low` to `high` for every seed."""

    name: str
    says: str
    low: float | int = -inf
    high: float | int = inf

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.low, self.high) == (-inf, inf):
            raise ValueError(f"Claim {self.name!r}: from {self.low} to {self.high} is no band.")

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high
