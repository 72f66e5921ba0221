"""Wrong answers to pass_at_k, as learners write them; behind each stands what a good thought speaks of."""

from math import comb


def all_miss(n, right, k):  # 1 −|1 -|miss|minus
    return comb(n - right, k) / comb(n, k)


def the_naive_power(n, right, k):  # different|replac|again|power|unbiased|twice
    return 1 - (1 - right / n) ** k


def choices_of_right(n, right, k):  # wrong|miss|1 −|1 -|all
    return comb(right, k) / comb(n, k)


def hits_in_place_of_misses(n, right, k):  # n − c|n - right|wrong|miss
    return 1 - comb(right, k) / comb(n, k)


def share_right(n, right, k):  # k
    return right / n


def k_times_the_share(n, right, k):  # k|times|more than 1|above 1|add
    return k * right / n


def cut_at_one(n, right, k):  # k|times|add|miss
    return min(1.0, k * right / n)


def arguments_of_comb_turned(n, right, k):  # order|comb|turned|swap|argument
    return 1 - comb(k, n - right) / comb(k, n) if comb(k, n) else 1 - comb(k, n - right)


def integer_division(n, right, k):  # //|whole|round|division
    return 1 - comb(n - right, k) // comb(n, k)


def exactly_one_right(n, right, k):  # at least|exactly|more than one|miss
    return right * comb(n - right, k - 1) / comb(n, k)


def divided_by_the_wrong_ones(n, right, k):  # comb\(n, k\)|n over k|denominator|divided
    return 1 - comb(n - right, k) / comb(n - right, right) if right <= n - right else 1.0


def k_and_right_swapped(n, right, k):  # k|right|swap|order|exchang
    return 1 - comb(n - k, right) / comb(n, right) * right / k


def subtracts_k(n, right, k):  # n − c|n - right|right
    return 1 - comb(n - k, k) / comb(n, k)


def not_divided(n, right, k):  # divid|comb\(n, k\)
    return 1 - comb(n - right, k)


def right_by_product(n, right, k):
    if n - right < k:
        return 1.0
    miss = 1.0
    for i in range(k):
        miss *= (n - right - i) / (n - i)
    return 1 - miss


def right_by_counting(n, right, k):
    return (comb(n, k) - comb(n - right, k)) / comb(n, k)


def right_by_exact_hits(n, right, k):
    return sum(comb(right, j) * comb(n - right, k - j) for j in range(1, k + 1)) / comb(n, k)


def right_as_humaneval(n, c, k):
    import numpy as np

    if n - c < k:
        return 1.0
    return 1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1))


def from_one_less(n, right, k):  # one|n|less
    return 1 - comb(n - 1 - right, k) / comb(n - 1, k) if n - 1 >= k else 1.0


def hits_for_tries(n, right, k):  # right|k|choose|comb
    return 1 - comb(n - right, k) / comb(n, right) if comb(n, right) else 0.0


def power_without_one_minus(n, right, k):  # miss|1 −|1 -|power|put
    return (right / n) ** k


def miss_with_putting_back(n, right, k):  # 1 −|from 1|put|back|miss
    return ((n - right) / n) ** k


def minus_one_sign(n, right, k):  # sign|turned|1 −|minus
    return comb(n - right, k) / comb(n, k) - 1


def one_try_too_many(n, right, k):  # k|one more|one
    return 1 - comb(n - right, k + 1) / comb(n, k + 1) if k < n else 1.0


def plus(n, right, k):  # sign|minus
    return 1 + comb(n - right, k) / comb(n, k)


def upside_down(n, right, k):  # head|places|upside|divi
    return 1 - comb(n, k) / comb(n - right, k) if comb(n - right, k) else 1.0


def wrong_and_all_k(n, right, k):  # k|n - k|number|comb
    return 1 - comb(n - right, n - k) / comb(n, n - k)
