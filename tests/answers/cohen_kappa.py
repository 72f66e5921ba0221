"""Wrong answers to cohen_kappa, as learners write them; behind each stands what a good thought speaks of."""

from collections import Counter


def raw(a, b):  # raw
    return sum(x == y for x, y in zip(a, b, strict=True)) / len(a)


def uniform(a, b):  # likely|habits
    o = sum(x == y for x, y in zip(a, b, strict=True)) / len(a)
    e = 1 / len(set(a) | set(b))
    return (o - e) / (1 - e)


def half(a, b):  # ½|two|habits|0.5
    o = sum(x == y for x, y in zip(a, b, strict=True)) / len(a)
    return (o - 0.5) / (1 - 0.5)


def scott(a, b):  # pooled|own
    o = sum(x == y for x, y in zip(a, b, strict=True)) / len(a)
    both = list(a) + list(b)
    e = sum((both.count(c) / len(both)) ** 2 for c in set(both))
    return (o - e) / (1 - e) if e < 1 else 1.0


def per_item(a, b):  # every item|once
    n = len(a)
    o = sum(x == y for x, y in zip(a, b, strict=True)) / n
    e = sum(a.count(c) / n * b.count(c) / n for c in a)
    return (o - e) / (1 - e)


def only_one_label(a, b):  # label
    n = len(a)
    o = sum(x == y for x, y in zip(a, b, strict=True)) / n
    e = a.count("first") / n * b.count("first") / n
    return (o - e) / (1 - e)


def only_yes_no(a, b):  # label
    n = len(a)
    o = sum(x == y for x, y in zip(a, b, strict=True)) / n
    pa, pb = a.count("first") / n, b.count("first") / n
    e = pa * pb + (1 - pa) * (1 - pb)
    return (o - e) / (1 - e)


def binary_of_first_seen(a, b):  # label
    n = len(a)
    o = sum(x == y for x, y in zip(a, b, strict=True)) / n
    pa, pb = a.count(a[0]) / n, b.count(a[0]) / n
    e = pa * pb + (1 - pa) * (1 - pb)
    return (o - e) / (1 - e)


def divided_by_observed(a, b):  # 1 - observed|chance
    n = len(a)
    o = sum(x == y for x, y in zip(a, b, strict=True)) / n
    e = sum(a.count(c) / n * b.count(c) / n for c in set(a))
    return (o - e) / (1 - o) if o < 1 else 1.0


def not_divided(a, b):  # divide
    n = len(a)
    o = sum(x == y for x, y in zip(a, b, strict=True)) / n
    return o - sum(a.count(c) / n * b.count(c) / n for c in set(a))


def divided_by_n(a, b):  # n squared|once
    n = len(a)
    o = sum(x == y for x, y in zip(a, b, strict=True)) / n
    e = sum(a.count(c) * b.count(c) for c in set(a)) / n
    return (o - e) / (1 - e)


def sum_of_shares(a, b):  # times|multipl
    n = len(a)
    o = sum(x == y for x, y in zip(a, b, strict=True)) / n
    e = sum((a.count(c) / n + b.count(c) / n) / 2 for c in set(a))
    return (o - e) / (1 - e) if e != 1 else 0.0


def observed_count(a, b):  # divi|count|share
    n = len(a)
    o = sum(x == y for x, y in zip(a, b, strict=True))
    e = sum(a.count(c) / n * b.count(c) / n for c in set(a))
    return (o - e) / (1 - e)


def counts_both(a, b):  # divide|count
    n = len(a)
    o = sum(x == y for x, y in zip(a, b, strict=True))
    e = sum(a.count(c) * b.count(c) for c in set(a)) / n
    return (o - e) / (1 - e)


def squares_of_a(a, b):  # one person|other
    n = len(a)
    o = sum(x == y for x, y in zip(a, b, strict=True)) / n
    e = sum((a.count(c) / n) ** 2 for c in set(a))
    return (o - e) / (1 - e)


def squares_of_b(a, b):  # one person|other
    n = len(a)
    o = sum(x == y for x, y in zip(a, b, strict=True)) / n
    e = sum((b.count(c) / n) ** 2 for c in set(b))
    return (o - e) / (1 - e) if e < 1 else 0.0


def swapped_subtraction(a, b):  # sign|minus|places
    n = len(a)
    o = sum(x == y for x, y in zip(a, b, strict=True)) / n
    e = sum(a.count(c) / n * b.count(c) / n for c in set(a))
    return (e - o) / (1 - e)


def disagreement(a, b):  # disagree|one minus|!=
    n = len(a)
    o = sum(x != y for x, y in zip(a, b, strict=True)) / n
    e = sum(a.count(c) / n * b.count(c) / n for c in set(a))
    return (o - e) / (1 - e)


def nothing_above(a, b):  # above
    n = len(a)
    o = sum(x == y for x, y in zip(a, b, strict=True)) / n
    e = sum(a.count(c) / n * b.count(c) / n for c in set(a))
    return o / (1 - e)


def divided_by_chance(a, b):  # chance|divide
    n = len(a)
    o = sum(x == y for x, y in zip(a, b, strict=True)) / n
    e = sum(a.count(c) / n * b.count(c) / n for c in set(a))
    return (o - e) / e


def integer_division(a, b):  # //|whole
    n = len(a)
    o = sum(x == y for x, y in zip(a, b, strict=True)) // n
    e = sum(a.count(c) / n * b.count(c) / n for c in set(a))
    return (o - e) / (1 - e)


def brackets(a, b):  # bracket
    n = len(a)
    o = sum(x == y for x, y in zip(a, b, strict=True)) / n
    e = sum(a.count(c) / n * b.count(c) / n for c in set(a))
    return o - e / 1 - e


def brackets_below(a, b):  # bracket
    n = len(a)
    o = sum(x == y for x, y in zip(a, b, strict=True)) / n
    e = sum(a.count(c) / n * b.count(c) / n for c in set(a))
    return o - e / (1 - e)


def common_labels_counted_twice(a, b):  # twice|once
    n = len(a)
    o = sum(x == y for x, y in zip(a, b, strict=True)) / n
    e = sum(a.count(c) / n * b.count(c) / n for c in list(set(a)) + list(set(b)))
    return (o - e) / (1 - e)


def clipped_at_zero(a, b):  # below 0|cut
    n = len(a)
    o = sum(x == y for x, y in zip(a, b, strict=True)) / n
    e = sum(a.count(c) / n * b.count(c) / n for c in set(a))
    return max(0.0, (o - e) / (1 - e))


def whole_lists(a, b):  # place by place|whole
    n = len(a)
    o = 1.0 if a == b else 0.0
    e = sum(a.count(c) / n * b.count(c) / n for c in set(a))
    return (o - e) / (1 - e)


def set_overlap(a, b):  # place by place|order|set
    n = len(a)
    o = len(set(a) & set(b)) / len(set(a) | set(b))
    e = sum(a.count(c) / n * b.count(c) / n for c in set(a))
    return (o - e) / (1 - e)


def example_labels(a, b):  # label
    n = len(a)
    o = sum(x == y for x, y in zip(a, b, strict=True)) / n
    e = sum(a.count(c) / n * b.count(c) / n for c in ["first", "second"])
    return (o - e) / (1 - e)


def max_chance(a, b):  # habit|chance|most|largest|expected|each
    p = sum(x == y for x, y in zip(a, b, strict=True)) / len(a)
    e = max(Counter(a).values()) / len(a) * max(Counter(b).values()) / len(b)
    return (p - e) / (1 - e)


def root_of_chance(a, b):  # root|chance|habit|square
    n = len(a)
    p = sum(x == y for x, y in zip(a, b, strict=True)) / n
    e = sum(Counter(a)[k] * Counter(b)[k] for k in set(a)) / n**2
    return (p - e**0.5) / (1 - e**0.5)


def divided_by_labels(a, b):  # labels|number|divi|sum|mean
    n = len(a)
    p = sum(x == y for x, y in zip(a, b, strict=True)) / n
    e = sum(Counter(a)[k] * Counter(b)[k] for k in set(a)) / n**2 / len(set(a))
    return (p - e) / (1 - e)


def one_minus_observed_over_expected(a, b):  # 1 -|1 −|disagree|minus|divi
    n = len(a)
    p = sum(x == y for x, y in zip(a, b, strict=True)) / n
    e = sum(Counter(a)[k] * Counter(b)[k] for k in set(a)) / n**2
    return 1 - p / e if e else 1.0
