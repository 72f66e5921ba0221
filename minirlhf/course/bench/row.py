"""One row of the bench's table: what was measured turn by turn, and whether the promise about it is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Row:
    """What is held to a promise (`values`) and where it came from (`ours` and `theirs`), round by round."""

    what: str
    unit: str  # of ours and theirs
    ours: Sequence[float]
    theirs: Sequence[float]  # empty where the promise is about an amount, not about a ratio
    values: Sequence[float]
    hold: float
    aim: float

    @property
    def value(self) -> float:
        return median(self.values)

    @property
    def verdict(self) -> str:
        """How far the promise is kept; more is better where the aim lies above the hold, else less is."""
        better = 1 if self.aim > self.hold else -1
        kept = [better * self.value >= better * limit for limit in (self.aim, self.hold)]
        return "aim" if kept[0] else "holds" if kept[1] else "MISSED"

    def as_json(self) -> dict[str, object]:
        """Everything, so that a later reader can judge how noisy this run was."""
        return {
            "what": self.what,
            "unit": self.unit,
            "ours": list(self.ours),
            "theirs": list(self.theirs),
            "values": list(self.values),
            "median": self.value,
            "min": min(self.values),
            "max": max(self.values),
            "hold": self.hold,
            "aim": self.aim,
            "verdict": self.verdict,
        }

    def __str__(self) -> str:
        unit = "×" if self.theirs else f" {self.unit}"
        return LINE.format(
            self.what,
            *(f"{amount(median(side))} {self.unit}" if side else "" for side in (self.ours, self.theirs)),
            f"{amount(self.value)}{unit}",
            f"{amount(min(self.values))}–{amount(max(self.values))}",
            f"{amount(self.hold)}{unit}",
            f"{amount(self.aim)}{unit}",
            self.verdict,
        )


LINE = "{:<44}{:>17}{:>17}{:>12}{:>19}{:>9}{:>9}  {}"
HEAD = LINE.format("", "ours", "theirs", "median", "min–max", "hold", "aim", "verdict")


def amount(x: float) -> str:
    """Three digits at least, and no more decimals than they need."""
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.3g}"


def quotients(numerators: Sequence[float], denominators: Sequence[float]) -> list[float]:
    """One quotient a round: what disturbed a round disturbed both of its measurements."""
    return [a / b for a, b in zip(numerators, denominators, strict=True)]
