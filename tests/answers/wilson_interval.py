"""Wrong answers to wilson_interval, as learners write them; behind each stands what a good thought speaks of."""

from math import sqrt


def wald(wins, n):  # Wald|textbook
    p = wins / n
    half = 1.96 * sqrt(p * (1 - p) / n)
    return p - half, p + half


def wald_cut(wins, n):  # Wald|textbook
    p = wins / n
    half = 1.96 * sqrt(p * (1 - p) / n)
    return max(0.0, p - half), min(1.0, p + half)


def no_last_division(wins, n):  # division
    p, z = wins / n, 1.96
    middle = p + z**2 / (2 * n)
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return max(0, middle - half), min(1, middle + half)


def divides_middle_only(wins, n):  # divi
    p, z = wins / n, 1.96
    d = 1 + z**2 / n
    middle = (p + z**2 / (2 * n)) / d
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return max(0, middle - half), min(1, middle + half)


def divides_half_only(wins, n):  # divi
    p, z = wins / n, 1.96
    d = 1 + z**2 / n
    middle = p + z**2 / (2 * n)
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / d
    return max(0, middle - half), min(1, middle + half)


def forgets_z_before_root(wins, n):  # z
    p, z = wins / n, 1.96
    d = 1 + z**2 / n
    middle = (p + z**2 / (2 * n)) / d
    half = sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / d
    return max(0, middle - half), min(1, middle + half)


def brackets(wins, n):  # bracket
    p, z = wins / n, 1.96
    d = 1 + z**2 / n
    middle = (p + z**2 / 2 * n) / d
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / d
    return max(0, middle - half), min(1, middle + half)


def brackets_under_root(wins, n):  # bracket
    p, z = wins / n, 1.96
    d = 1 + z**2 / n
    middle = (p + z**2 / (2 * n)) / d
    half = z * sqrt(p * (1 - p) / n + z**2 / 4 * n**2) / d
    return max(0, middle - half), min(1, middle + half)


def n_not_squared(wins, n):  # squar
    p, z = wins / n, 1.96
    d = 1 + z**2 / n
    middle = (p + z**2 / (2 * n)) / d
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n)) / d
    return max(0, middle - half), min(1, middle + half)


def z_one_sided(wins, n):  # 1.645|1.96
    p, z = wins / n, 1.645
    d = 1 + z**2 / n
    middle = (p + z**2 / (2 * n)) / d
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / d
    return max(0, middle - half), min(1, middle + half)


def z_two(wins, n):  # 1.96
    p, z = wins / n, 2.0
    d = 1 + z**2 / n
    middle = (p + z**2 / (2 * n)) / d
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / d
    return max(0, middle - half), min(1, middle + half)


def high_low(wins, n):  # order
    p, z = wins / n, 1.96
    d = 1 + z**2 / n
    middle = (p + z**2 / (2 * n)) / d
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / d
    return min(1, middle + half), max(0, middle - half)


def middle_and_half(wins, n):  # middle
    p, z = wins / n, 1.96
    d = 1 + z**2 / n
    middle = (p + z**2 / (2 * n)) / d
    return middle, z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / d


def wins_not_share(wins, n):  # share|Divide
    p, z = wins, 1.96
    d = 1 + z**2 / n
    middle = (p + z**2 / (2 * n)) / d
    half = z * sqrt(abs(p * (1 - p)) / n + z**2 / (4 * n**2)) / d
    return max(0, middle - half), min(1, middle + half)


def middle_is_p(wins, n):  # middle
    p, z = wins / n, 1.96
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return max(0, p - half), min(1, p + half)


def no_z2_under_root(wins, n):  # under|term
    p, z = wins / n, 1.96
    d = 1 + z**2 / n
    middle = (p + z**2 / (2 * n)) / d
    half = z * sqrt(p * (1 - p) / n) / d
    return max(0, middle - half), min(1, middle + half)


def z_not_squared_below(wins, n):  # squar
    p, z = wins / n, 1.96
    d = 1 + z / n
    middle = (p + z**2 / (2 * n)) / d
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / d
    return max(0, middle - half), min(1, middle + half)


def z_in_middle_not_squared(wins, n):  # squar
    p, z = wins / n, 1.96
    d = 1 + z**2 / n
    middle = (p + z / (2 * n)) / d
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / d
    return max(0, middle - half), min(1, middle + half)


def in_percent(wins, n):  # 100
    p, z = wins / n, 1.96
    d = 1 + z**2 / n
    middle = (p + z**2 / (2 * n)) / d
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / d
    return 100 * max(0, middle - half), 100 * min(1, middle + half)


def no_root(wins, n):  # root
    p, z = wins / n, 1.96
    d = 1 + z**2 / n
    middle = (p + z**2 / (2 * n)) / d
    half = z * (p * (1 - p) / n + z**2 / (4 * n**2)) / d
    return max(0, middle - half), min(1, middle + half)


def root_ends_early(wins, n):  # root
    p, z = wins / n, 1.96
    d = 1 + z**2 / n
    middle = (p + z**2 / (2 * n)) / d
    half = z * (sqrt(p * (1 - p) / n) + z**2 / (4 * n**2)) / d
    return max(0, middle - half), min(1, middle + half)


def integer_share(wins, n):  # whole|//|round
    p, z = wins // n, 1.96
    d = 1 + z**2 / n
    middle = (p + z**2 / (2 * n)) / d
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / d
    return max(0, middle - half), min(1, middle + half)


def minus_in_middle(wins, n):  # minus|sign|subtract
    p, z = wins / n, 1.96
    d = 1 + z**2 / n
    middle = (p - z**2 / (2 * n)) / d
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / d
    return max(0, middle - half), min(1, middle + half)


def n_minus_one(wins, n):  # n - 1|n|one
    p, z = wins / n, 1.96
    half = z * sqrt(p * (1 - p) / max(n - 1, 1) + z**2 / (4 * n**2))
    return max(0, (p + z**2 / (2 * n) - half) / (1 + z**2 / n)), min(1, (p + z**2 / (2 * n) + half) / (1 + z**2 / n))


def p_squared(wins, n):  # p|1 - p|square
    p, z = wins / n, 1.96
    half = z * sqrt(p**2 / n + z**2 / (4 * n**2))
    return max(0, (p + z**2 / (2 * n) - half) / (1 + z**2 / n)), min(1, (p + z**2 / (2 * n) + half) / (1 + z**2 / n))


def same_end_twice(wins, n):  # low|high|both|same|end|sign
    p, z = wins / n, 1.96
    half = z * sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    high = min(1, (p + z**2 / (2 * n) + half) / (1 + z**2 / n))
    return high, high


def two_n_squared(wins, n):  # 4|2|number
    p, z = wins / n, 1.96
    half = z * sqrt(p * (1 - p) / n + z**2 / (2 * n**2))
    return max(0, (p + z**2 / (2 * n) - half) / (1 + z**2 / n)), min(1, (p + z**2 / (2 * n) + half) / (1 + z**2 / n))
