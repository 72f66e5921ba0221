"""Answers to best_of_n_score, as learners write them; behind each wrong one stands what a good thought speaks of."""

from itertools import combinations
from math import comb

import torch


def _shares(total, n):
    return torch.tensor([comb(k - 1, n - 1) / comb(total, n) for k in range(1, total + 1)])


def _in_order(proxy, gold):
    return gold.gather(1, proxy.argsort(dim=1, stable=True))


def _averaged(proxy, gold, shares):
    return (_in_order(proxy, gold) * shares).sum(dim=1).mean()


def ranks_from_zero(proxy, gold, n):  # rank|one|k - 1|1
    N = proxy.shape[1]
    shares = torch.tensor([comb(k, n - 1) / comb(N, n) for k in range(N)]).roll(-1)
    return _averaged(proxy, gold, shares)


def best_first(proxy, gold, n):  # order|worst|revers|descend|flip
    order = proxy.argsort(dim=1, descending=True, stable=True)
    return (gold.gather(1, order) * _shares(proxy.shape[1], n)).sum(dim=1).mean()


def ordered_by_gold(proxy, gold, n):  # proxy
    return (gold.sort(dim=1).values * _shares(gold.shape[1], n)).sum(dim=1).mean()


def not_ordered(proxy, gold, n):  # order|sort|`proxy` is not used
    return (gold * _shares(gold.shape[1], n)).sum(dim=1).mean()


def proxy_itself(proxy, gold, n):  # gold
    return (proxy.sort(dim=1).values * _shares(gold.shape[1], n)).sum(dim=1).mean()


def not_divided(proxy, gold, n):  # divi|comb
    N = proxy.shape[1]
    shares = torch.tensor([float(comb(k - 1, n - 1)) for k in range(1, N + 1)])
    return _averaged(proxy, gold, shares)


def sum_over_rows(proxy, gold, n):  # sum|mean|row
    return (_in_order(proxy, gold) * _shares(proxy.shape[1], n)).sum()


def mean_over_all(proxy, gold, n):  # column|divi|mean|sum
    return (_in_order(proxy, gold) * _shares(proxy.shape[1], n)).mean()


def one_number_for_each_row(proxy, gold, n):  # mean|number
    return (_in_order(proxy, gold) * _shares(proxy.shape[1], n)).sum(dim=1)


def n_below(proxy, gold, n):  # n - 1|one|1
    N = proxy.shape[1]
    return _averaged(proxy, gold, torch.tensor([comb(k - 1, n) / comb(N, n) for k in range(1, N + 1)]))


def the_first_n(proxy, gold, n):  # first
    best = proxy[:, :n].argmax(dim=1, keepdim=True)
    return gold.gather(1, best).mean()


def best_of_all(proxy, gold, n):  # n
    return gold.gather(1, proxy.argmax(dim=1, keepdim=True)).mean()


def gold_best_of_n(proxy, gold, n):  # proxy
    subsets = [gold[:, list(s)].max(dim=1).values for s in combinations(range(gold.shape[1]), n)]
    return torch.stack(subsets).mean()


def mean_of_gold(proxy, gold, n):  # n|mean
    return gold.mean()


def with_putting_back(proxy, gold, n):  # power|again|back|twice|work|=
    k = torch.arange(1, proxy.shape[1] + 1) / proxy.shape[1]
    return _averaged(proxy, gold, k**n - (k - 1 / proxy.shape[1]) ** n)


def down_the_batch(proxy, gold, n):  # dim|`proxy` is not used
    order = proxy.argsort(dim=0, stable=True)
    return (gold.gather(0, order) * _shares(proxy.shape[1], n)).sum(dim=1).mean()


def k_for_k_less_one(proxy, gold, n):  # k - 1|1|one
    N = proxy.shape[1]
    return _averaged(proxy, gold, torch.tensor([comb(k, n) / comb(N, n) for k in range(1, N + 1)]))


def places_for_ranks(proxy, gold, n):  # argsort|order|rank|gather
    order = proxy.argsort(dim=1, stable=True).argsort(dim=1, stable=True)
    return (gold.gather(1, order) * _shares(proxy.shape[1], n)).sum(dim=1).mean()


def earlier_of_equals(proxy, gold, n):  # tie|equal|later|stable
    order = proxy.flip(1).argsort(dim=1, stable=True)
    return (gold.flip(1).gather(1, order) * _shares(proxy.shape[1], n)).sum(dim=1).mean()


def right_by_all_subsets(proxy, gold, n):
    N, total, count = proxy.shape[1], 0.0, 0
    if comb(N, n) > 3000:  # too many to go through
        return _averaged(proxy, gold, _shares(N, n))
    for subset in combinations(range(N), n):
        for p, g in zip(proxy, gold, strict=True):
            total, count = total + g[max(subset, key=lambda i: (p[i].item(), i))], count + 1
    return total / count


def right_by_product(proxy, gold, n):
    return (_in_order(proxy, gold).mean(0) @ _shares(proxy.shape[1], n)).squeeze()


def right_by_loop(proxy, gold, n):
    total = 0.0
    for p, g in zip(proxy.tolist(), gold.tolist(), strict=True):
        ordered = [g[i] for i in sorted(range(len(p)), key=lambda i: p[i])]
        total += sum(comb(k, n - 1) * x for k, x in enumerate(ordered)) / comb(len(p), n)
    return torch.tensor(total / len(proxy))


def comb_k_n(proxy, gold, n):  # n - 1|k - 1|comb|one
    N = proxy.shape[1]
    order = proxy.argsort(dim=1, stable=True)
    g = gold.gather(1, order)
    return sum(comb(k, n) / comb(N, n) * g[:, k - 1] for k in range(1, N + 1)).mean()


def comb_of_rest(proxy, gold, n):  # order|above|below|largest|reverse|turned|flip
    N = proxy.shape[1]
    g = gold.gather(1, proxy.argsort(dim=1, stable=True))
    return sum(comb(N - k, n - 1) / comb(N, n) * g[:, k - 1] for k in range(1, N + 1)).mean()


def gold_sorted(proxy, gold, n):  # gold|sorted|proxy|order
    N = proxy.shape[1]
    g = gold.sort(dim=1).values
    return sum(comb(k - 1, n - 1) / comb(N, n) * g[:, k - 1] for k in range(1, N + 1)).mean()


def skips_the_last(proxy, gold, n):  # last|one|column
    N = proxy.shape[1]
    g = gold.gather(1, proxy.argsort(dim=1, stable=True))
    return sum(comb(k - 1, n - 1) / comb(N, n) * g[:, k - 1] for k in range(1, N)).mean()
