"""Recorded runs are rows of named numbers: those that match, what there is in a column, means, a line a seed."""

from collections.abc import Hashable, Mapping, Sequence
from math import nan
from statistics import fmean
from typing import Any

Row = Mapping[str, Any]
Rows = Sequence[Row]


def select(rows: Rows, **values: Hashable) -> list[Row]:
    """The rows that have these values: `select(rows, method="PPO", seed=0)`."""
    return [row for row in rows if all(row[column] == value for column, value in values.items())]


def distinct(rows: Rows, column: str) -> list[Any]:
    """The different values of a column, in the order of their first appearance."""
    return list(dict.fromkeys(row[column] for row in rows))


def mean(rows: Rows, column: str) -> float:
    """A column's mean; of no rows, not a number."""
    return fmean(row[column] for row in rows) if rows else nan


def by_seed(rows: Rows, x: str, y: str) -> list[list[tuple[float, float]]]:
    """For every seed its points (x, y), from left to right: what `draw_runs` draws."""
    return [
        sorted((float(row[x]), float(row[y])) for row in select(rows, seed=seed)) for seed in distinct(rows, "seed")
    ]
