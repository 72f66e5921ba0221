"""Answers to best_of_n_kl, as learners write them; behind each wrong one stands what a good thought speaks of."""

from math import log, log2, log10


def only_the_logarithm(n):  # take off|missing
    return log(n)


def plus(n):  # sign|\+|minus
    return log(n) + (n - 1) / n


def brackets(n):  # bracket
    return log(n) - n - 1 / n


def not_divided(n):  # divi|/
    return log(n) - (n - 1)


def in_bits(n):  # log2|bits
    return log2(n) - (n - 1) / n


def one_over_n(n):  # n - 1|1|one
    return log(n) - 1 / n


def turned_round(n):  # sign|places|minus
    return (n - 1) / n - log(n)


def plus_one(n):  # n - 1|sign|\+|one
    return log(n) - (n + 1) / n


def less_one_in_the_logarithm(n):  # log|one|1
    return log(max(n - 1, 1)) - (n - 1) / n


def upside_down(n):  # head|places|division|divi|zero
    return log(n) - n / (n - 1)


def base_ten(n):  # log10|base of ten
    return log10(n) - (n - 1) / n


def whole_division(n):  # //|whole|\(n - 1\) / n
    return log(n) - (n - 1) // n


def only_the_second(n):  # term|log|missing
    return (n - 1) / n


def brackets_first(n):  # bracket
    return log(n) - n - 1


def all_divided(n):  # bracket
    return (log(n) - n - 1) / n


def all_over_n(n):  # bracket|divi
    return (log(n) - (n - 1)) / n


def rounded(n):  # round
    return round(log(n) - (n - 1) / n, 1)


def times(n):  # \*|sign|term
    return log(n) * (n - 1) / n


def logarithm_of_the_share(n):  # log
    return log(n) - log(max((n - 1) / n, 1e-9))


def right_without_a_fraction(n):
    return log(n) - 1 + 1 / n


def right_with_torch(n):
    import torch

    return torch.log(torch.tensor(float(n))) - (n - 1) / n


def n_over_n_minus_one(n):  # upside|places|head|fraction|divi|n - 1
    return log(n) - n / (n - 1) if n > 1 else 0.0


def log_of_n_minus_one_over_n(n):  # log
    return log(n) - log((n - 1) / n) if n > 1 else 0.0


def one_minus(n):  # sign|minus|term|\+
    return log(n) - 1 - 1 / n


def log_plus_one(n):  # log|\+ 1|one
    return log(n + 1) - (n - 1) / n
