"""Wrong answers to dead_groups, as learners write them; behind each stands what a good thought speaks of."""

from math import comb


def all_right_only(p, group_size):  # wrong
    return p**group_size


def all_wrong_only(p, group_size):  # right
    return (1 - p) ** group_size


def live_ones(p, group_size):  # 1 −|1 -|agree|opposite|rest|minus
    return 1 - p**group_size - (1 - p) ** group_size


def product_for_sum(p, group_size):  # add|sum|\+|product|times
    return p**group_size * (1 - p) ** group_size


def one_minus_the_power(p, group_size):  # \(1 − p\)|\(1 - p\)|bracket|power
    return p**group_size + (1 - p**group_size)


def times_for_power(p, group_size):  # power|\*\*|times
    return p * group_size + (1 - p) * group_size


def one_fewer(p, group_size):  # group_size|one|first reply|G−1
    return p ** (group_size - 1) + (1 - p) ** (group_size - 1)


def precedence(p, group_size):  # bracket|\(1 − p\)|\(1 - p\)
    return p**group_size + 1 - p**group_size


def twice_all_right(p, group_size):  # wrong|1 − p|1 - p
    return 2 * p**group_size


def power_two(p, group_size):  # group_size|constant|argument
    return p**2 + (1 - p) ** 2


def minus_between(p, group_size):  # sign|\+|add|minus
    return p**group_size - (1 - p) ** group_size


def both_at_once(p, group_size):  # twice|add|independent|product|\+|both
    right, wrong = p**group_size, (1 - p) ** group_size
    return right + wrong - right * wrong


def half_right(p, group_size):  # agree|binomial|all|half|comb
    k = group_size // 2
    return comb(group_size, k) * p**k * (1 - p) ** (group_size - k)


def averaged(p, group_size):  # half|twice|add|sum|mean
    return (p**group_size + (1 - p) ** group_size) / 2


def right_by_loop(p, group_size):
    all_right = all_wrong = 1
    for _ in range(group_size):
        all_right *= p
        all_wrong *= 1 - p
    return all_right + all_wrong


def right_with_pow(p, group_size):
    return pow(p, group_size) + pow(1 - p, group_size)


def right_by_the_rest(p, group_size):
    G = group_size
    return 1 - sum(comb(G, k) * p**k * (1 - p) ** (G - k) for k in range(1, G))


def right_with_names(prob, G):
    q = 1 - prob
    return prob**G + q**G


def neither(p, group_size):  # 1 −|minus|teach|not|living|rest
    return 1 - (p**group_size + (1 - p) ** group_size)


def share_times_share(p, group_size):  # power|\*\*|all
    return p * (1 - p) * group_size


def exponent_swapped(p, group_size):  # power|changed places|exponent|\*\*
    return group_size**p + group_size ** (1 - p)


def g_minus_p(p, group_size):  # 1 - p|1 − p|number|term
    return p**group_size + (group_size - p) ** group_size


def weighted(p, group_size):  # factor|p \*|weigh|one more|power
    return p * p**group_size + (1 - p) * (1 - p) ** group_size


def at_least_one_right(p, group_size):  # all|wrong|at least|right|minus
    return 1 - (1 - p) ** group_size


def one_more(p, group_size):  # one|group_size
    return p ** (group_size + 1) + (1 - p) ** (group_size + 1)


def max_of_both(p, group_size):  # larger|max|add|sum
    return max(p**group_size, (1 - p) ** group_size)


def divided_by_p(p, group_size):  # power|divi|\*\*
    return p / group_size + (1 - p) / group_size
