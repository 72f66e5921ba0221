"""How sure a count makes us: Wilson's interval. Apart from evaluate.py, so that counting votes needs no torch."""

from math import sqrt


def wilson_interval(wins: float | int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval for a share of n; a tie is half a win.

    (p + z²/2n ± z √(p(1 - p)/n + z²/4n²)) / (1 + z²/n), z = 1.96 for 95 % (Wilson, 1927). Unlike p ± z √(p(1 - p)/n)
    it never leaves 0 to 1, and twenty wins of twenty do not make it certain.
    """
    z, rate = 1.96, wins / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(centre - half, 0.0), min(centre + half, 1.0)
