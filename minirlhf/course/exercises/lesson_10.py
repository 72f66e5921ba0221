"""The exercise of lesson 10, how sure a count can be: wilson_interval."""

from math import sqrt

from minirlhf.course.exercises.exercise import Case, Exercise
from minirlhf.evaluate import wilson_interval


def _interval_cases() -> list[Case]:
    return [
        Case("12 wins of 20", "", (12.0, 20)),
        Case("78 wins of 100", "", (78.0, 100)),
        Case("20 wins of 20", "Twenty of twenty are not for ever: it goes on below 1, and never above.", (20.0, 20)),
        Case("no win in 8", "It never goes below 0.", (0.0, 8)),
        Case("three and a half wins of 7", "", (3.5, 7)),
        Case("a tie in one comparison", "A tie is half a win.", (0.5, 1)),
        Case("as many comparisons as a benchmark has", "It works for every size.", (2601.5, 5000), large=True),
    ]


def _wilson(rate, n, z=1.96):
    """The interval before it is cut to 0 to 1."""
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return centre - half, centre + half


def _in_words(wins, n):
    p, z = wins / n, 1.96
    below = 1 + z**2 / n
    middle = (p + z**2 / (2 * n)) / below
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / below
    return max(0.0, middle - half), min(1.0, middle + half)


def _in_words_twice_divided(wins, n):
    p, z = wins / n, 1.96
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


WILSON_INTERVAL = Exercise(
    wilson_interval,
    outputs=("low", "high"),
    cases=_interval_cases,
    calls=20,
    formulas=(_in_words, _in_words_twice_divided),
    bounds=(0.0, 1.0),
)


@WILSON_INTERVAL.mistake
def takes_walds_interval(wins, n):
    """This is p ± 1.96 √(p (1 - p) / n), the interval of most textbooks (Wald's). Near 0 and 1 it is far too sure:
    twenty wins of twenty would be certainty. Wilson's adds z²/2n to the middle and z²/4n² under the root, and divides
    by 1 + z²/n."""
    rate = wins / n
    half = 1.96 * sqrt(rate * (1 - rate) / n)
    return rate - half, rate + half


@WILSON_INTERVAL.mistake
def leaves_the_middle_where_it_was(wins, n):
    """The half-width is Wilson's, and the middle is still p. Wilson's interval is pulled towards a half, the more the
    fewer comparisons there are: its middle is (p + z²/2n) / (1 + z²/n)."""
    low, high = _wilson(wins / n, n)
    return wins / n - (high - low) / 2, wins / n + (high - low) / 2


@WILSON_INTERVAL.mistake
def forgets_the_root(wins, n):
    """The root is missing: this is a variance. Its root is a deviation, which has the unit of the share."""
    z, rate = 1.96, wins / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z * (rate * (1 - rate) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return centre - half, centre + half


@WILSON_INTERVAL.mistake
def goes_one_deviation_to_each_side(wins, n):
    """This is one standard error to each side, which holds the true share 68 times in 100. For 95, z is 1.96."""
    return _wilson(wins / n, n, z=1.0)


@WILSON_INTERVAL.mistake
def forgets_to_divide_by_n(wins, n):
    """This is the interval of a single comparison: n is missing under the root, so more votes make it no surer."""
    low, high = _wilson(wins / n, 1)
    return low, high


@WILSON_INTERVAL.mistake
def counts_instead_of_sharing(wins, n):
    """The wins were taken for the share. Divide them by n first: p = wins / n."""
    z = 1.96
    half = z * sqrt(abs(wins * (1 - wins)) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    centre = (wins + z * z / (2 * n)) / (1 + z * z / n)
    return centre - half, centre + half


@WILSON_INTERVAL.mistake
def returns_middle_and_half_width(wins, n):
    """This is the middle and the half-width. Asked for are the two ends: middle minus, and middle plus."""
    low, high = _wilson(wins / n, n)
    return (low + high) / 2, (high - low) / 2


@WILSON_INTERVAL.mistake
def forgets_the_last_division(wins, n):
    """The division by 1 + z²/n is missing at the end; without it the interval reaches beyond 0 and 1."""
    low, high = _wilson(wins / n, n)
    return low * (1 + 1.96**2 / n), high * (1 + 1.96**2 / n)


@WILSON_INTERVAL.mistake
def divides_the_middle_alone(wins, n):
    """The middle is right. What reaches to each side has to be divided by the same 1 + z²/n."""
    z, rate = 1.96, wins / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return centre - half, centre + half


@WILSON_INTERVAL.mistake
def closes_the_root_too_early(wins, n):
    """The root ends too early: z²/(4n²) belongs under it, together with p (1 - p)/n."""
    z, rate = 1.96, wins / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z * (sqrt(rate * (1 - rate) / n) + z * z / (4 * n * n)) / (1 + z * z / n)
    return centre - half, centre + half


@WILSON_INTERVAL.mistake
def leaves_out_the_brackets(wins, n):
    """`z * z / 2 * n` divides by 2 and then multiplies by n. Put 2 * n in brackets, and 4 * n * n too."""
    z, rate = 1.96, wins / n
    centre = (rate + z * z / 2 * n) / (1 + z * z / n)
    half = z * sqrt(rate * (1 - rate) / n + z * z / 4 * n * n) / (1 + z * z / n)
    return centre - half, centre + half
