"""What every number in a record means, what healthy looks like, and what TRL calls it. One table.

    tracker.log(named(record))     # the record under TRL's names, for whatever draws your curves
    print(explain("val/ratio"))    # or explain("ratio"): what is this, and should I worry?

The words stand in tables.py, a table for each stage.
"""

from dataclasses import dataclass, fields

from minirlhf.metrics.tables import OWN, SHARED, Record
from minirlhf.ppo import PPORecord


@dataclass(frozen=True)
class Metric:
    """One field of a record. While it stays inside its `zone`, if it has one, nobody need look closer."""

    field: str
    trl: str | None
    unit: str
    meaning: str
    healthy: str
    zone: tuple[float, float] | None = None

    def __str__(self) -> str:
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.field}{unit}: {self.meaning} Healthy: {self.healthy}."


def _read(kind: type, table: str) -> dict[str, Metric]:
    """The rows of a table that are a record's, in the record's order; of two rows for one field the later counts."""
    lines, metrics = [line for line in table.split("\n") if line], {}
    for first, second in zip(lines[::2], lines[1::2], strict=True):
        name, unit, trl, zone = [*(part.strip() for part in first.split("|")), "", "", ""][:4]
        meaning, healthy = (part.strip() for part in second.split("|"))
        low, _, high = zone.partition(" ")
        metrics[name] = Metric(name, trl or None, unit, meaning, healthy, (float(low), float(high)) if zone else None)
    return {field.name: metrics[field.name] for field in fields(kind)}


METRICS: dict[type, dict[str, Metric]] = {kind: _read(kind, SHARED + own) for kind, own in OWN.items()}


def named(record: Record, batch_size: int | None = None) -> dict[str, float]:
    """A record's numbers under TRL's names, and as `minirlhf/…` where TRL has none.

    TRL also counts: give PPO's batch size to get `episode` and `val/num_eos_tokens`.
    """
    table = METRICS[type(record)]
    found = {m.trl or f"minirlhf/{m.field}": getattr(record, m.field) for m in table.values()}
    numbers = {name: float(value) for name, value in found.items() if value is not None}  # nothing was held out
    if isinstance(record, PPORecord) and batch_size is not None:
        numbers["episode"] = float(record.update * batch_size)
        numbers["val/num_eos_tokens"] = float(round(record.ended * batch_size))
    return numbers


def explain(name: str) -> str:
    """What a number means and what healthy looks like, by our name or TRL's; a line for each stage."""
    lines = [
        f"{kind.__name__}.{metric}"
        for kind, table in METRICS.items()
        for metric in table.values()
        if name in (metric.field, metric.trl, f"minirlhf/{metric.field}")
    ]
    if not lines:
        known = ", ".join(sorted({field for table in METRICS.values() for field in table}))
        raise ValueError(f"No record has a number {name!r}. There are {known}; TRL's names work too.")
    return "\n".join(lines)
