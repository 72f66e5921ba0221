"""The exercises of lesson 09, optimising a proxy with care: best_of_n_kl, best_of_n_score, pessimistic."""

from math import comb, log, log2, log10, sqrt

import torch

from minirlhf.best_of_n import best_of_n_kl, best_of_n_score
from minirlhf.course.exercises import in_words
from minirlhf.course.exercises.exercise import Case, Exercise, normal
from minirlhf.ensemble import pessimistic

# ---- best_of_n_kl(n)


def _kl_cases() -> list[Case]:
    return [
        Case("the better of two", "", (2,)),
        Case("the best of four", "", (4,)),
        Case("the only one of one", "Best of 1 chooses nothing, so it moves nowhere: 0.", (1,)),
        Case("the best of three", "", (3,)),
        Case("the best of sixteen", "", (16,)),
        Case("the best of a thousand", "It works for every n.", (1000,), large=True),
    ]


BEST_OF_N_KL = Exercise(
    best_of_n_kl,
    outputs=("KL",),
    cases=_kl_cases,
    calls=20,
    formulas=(in_words.kl_of_best_of_n, in_words.kl_of_best_of_n_in_parts),
)


@BEST_OF_N_KL.mistake
def stops_at_the_logarithm(n):
    """This is ln n alone: what it would cost to draw a reply that is the best of n for certain. Best-of-n is not that
    sure of any reply: take off (n - 1) / n."""
    return log(n)


@BEST_OF_N_KL.mistake
def adds_the_second_part(n):
    """The second part is taken off, not added: ln n minus (n - 1) / n."""
    return log(n) + (n - 1) / n


@BEST_OF_N_KL.mistake
def counts_in_bits(n):
    """This is in bits. Nats are counted with the natural logarithm: log, without a base."""
    return log2(n) - (n - 1) / n


@BEST_OF_N_KL.mistake
def takes_the_logarithm_to_ten(n):
    """This logarithm is to the base of ten. Nats are counted with the natural one: log."""
    return log10(n) - (n - 1) / n


@BEST_OF_N_KL.mistake
def turns_the_fraction_over(n):
    """The fraction stands on its head. It is (n - 1) / n, which is 0 at n = 1 and never reaches 1."""
    return log(n) - n / (n - 1) if n > 1 else 0.0


@BEST_OF_N_KL.mistake
def takes_the_root_already(n):
    """This is √KL, the distance on the figure's axis. The function gives the KL itself, in nats."""
    return sqrt(log(n) - (n - 1) / n)


@BEST_OF_N_KL.mistake
def takes_one_over_n_away(n):
    """At n = 1 this is -1, and no KL is negative. The second part is 1 - 1 / n, the same as (n - 1) / n."""
    return log(n) - 1 / n


@BEST_OF_N_KL.mistake
def leaves_out_the_brackets(n):
    """Brackets are missing: `- n - 1 / n` takes off n, and then 1 / n. Write (n - 1) / n."""
    return log(n) - n - 1 / n


# ---- best_of_n_score(proxy, gold, n)


def _score_cases() -> list[Case]:
    proxy, truth = normal(11, 3, 6), normal(12, 3, 6)
    flat = torch.full((2, 5), 0.5)
    return [
        Case("three prompts with six replies each, n = 2", "", (proxy, truth, 2)),
        Case("the same pool, n = 4", "One pool serves every n.", (proxy, truth, 4)),
        Case("n = 1", "Best of 1 is any reply: the pool's mean.", (proxy, truth, 1)),
        Case("n as large as the pool", "One subset is left, so it is each prompt's favourite.", (proxy, truth, 6)),
        Case("a gold score that is the proxy", "", (proxy, proxy, 3)),
        Case(
            "replies with equal proxies",
            "Of equal proxies the later reply stands higher.",
            (torch.tensor([[0.5, 2.0, 0.5, 2.0], [1.0, 1.0, 1.0, 1.0]]), normal(16, 2, 4), 2),
        ),
        Case("all replies worth the same", "A mean of equals is their value.", (normal(13, 2, 5), flat, 3)),
        Case(
            "a pool as large as in the lesson",
            "It works for every size.",
            (normal(14, 100, 64), normal(15, 100, 64), 16),
            large=True,
        ),
    ]


def _weighted(order_by, values, ways):
    """The mean over prompts of the replies' values, in rising order of one score, times how often each is taken."""
    return (values.gather(1, order_by.argsort(dim=1)) * torch.tensor(ways)).sum(dim=1).mean()


def _ways(N, n):
    return [comb(k - 1, n - 1) / comb(N, n) for k in range(1, N + 1)]


BEST_OF_N_SCORE = Exercise(
    best_of_n_score,
    outputs=("score",),
    cases=_score_cases,
    calls=20,
    formulas=(in_words.mean_over_subsets, in_words.mean_over_subsets_counted_from_zero),
)


@BEST_OF_N_SCORE.mistake
def puts_the_earlier_of_equals_higher(proxy, gold, n):
    """Of replies that score the same here the earlier one stands higher. The later one should: sort from the worst up
    with stable=True, which leaves equals as they stood."""
    return best_of_n_score(proxy.flip(1), gold.flip(1), n)


@BEST_OF_N_SCORE.mistake
def uses_only_the_first_n(proxy, gold, n):
    """This takes the best of the first n replies and leaves the rest of the pool unused. It is right on average and
    very noisy. Go through all n-subsets at once: the reply of rank k is the best in C(k-1, n-1) of C(N, n)."""
    best = proxy[:, :n].argmax(dim=1, keepdim=True)
    return gold.gather(1, best).mean()


@BEST_OF_N_SCORE.mistake
def lets_the_gold_score_choose(proxy, gold, n):
    """Here the gold score chooses. Best-of-n only sees the proxy: sort by the proxy, then look what gold says of its
    choice. Nobody has the gold score while choosing."""
    return _weighted(gold, gold, _ways(gold.shape[1], n))


@BEST_OF_N_SCORE.mistake
def returns_the_proxys_own_score(proxy, gold, n):
    """This is what the proxy thinks of its own choice. Put the gold scores into the order of the proxy."""
    return _weighted(proxy, proxy, _ways(proxy.shape[1], n))


@BEST_OF_N_SCORE.mistake
def takes_the_best_of_the_whole_pool(proxy, gold, n):
    """This always takes the favourite of the whole pool, which is best-of-N. With n of N drawn, the favourite is often
    not among them: weigh rank k by C(k-1, n-1) / C(N, n)."""
    return gold.gather(1, proxy.argsort(dim=1, stable=True)[:, -1:]).mean()


@BEST_OF_N_SCORE.mistake
def draws_with_replacement(proxy, gold, n):
    """Here a reply can be drawn twice: (k/N)^n - ((k-1)/N)^n is for drawing with replacement. The n replies are
    different ones: C(k-1, n-1) / C(N, n)."""
    N = proxy.shape[1]
    return _weighted(proxy, gold, [(k / N) ** n - ((k - 1) / N) ** n for k in range(1, N + 1)])


@BEST_OF_N_SCORE.mistake
def keeps_the_worst(proxy, gold, n):
    """The order is the wrong way round: this is the worst of n. Rank 1 is the reply with the lowest proxy."""
    return _weighted(-proxy, gold, _ways(proxy.shape[1], n))


@BEST_OF_N_SCORE.mistake
def counts_subsets_without_the_best(proxy, gold, n):
    """C(k, n) counts the subsets of the first k replies, with or without the k-th. It is to be the best, so it is one
    of the n, and only n - 1 come from the k - 1 below: C(k-1, n-1)."""
    N = proxy.shape[1]
    return _weighted(proxy, gold, [comb(k, n) / comb(N, n) for k in range(1, N + 1)])


@BEST_OF_N_SCORE.mistake
def averages_the_top_n(proxy, gold, n):
    """This is the mean of the n best of the pool. Best-of-n keeps one reply: the best of n drawn by chance."""
    top = proxy.topk(n, dim=1).indices
    return gold.gather(1, top).mean()


@BEST_OF_N_SCORE.mistake
def mixes_the_prompts(proxy, gold, n):
    """All prompts' replies were thrown into one pool. Each prompt has its own: sort along dim=1."""
    return _weighted(proxy.reshape(1, -1), gold.reshape(1, -1), _ways(proxy.numel(), n))


@BEST_OF_N_SCORE.mistake
def takes_the_rank_one_too_high(proxy, gold, n):
    """Ranks are one too high: n - 1 are chosen here from k replies, the k-th among them. They come from the k - 1 below
    it: C(k-1, n-1), for k from 1 to N."""
    N = proxy.shape[1]
    return _weighted(proxy, gold, [comb(k, n - 1) / comb(N, n) for k in range(1, N + 1)])


@BEST_OF_N_SCORE.mistake
def averages_over_the_replies_too(proxy, gold, n):
    """The weights of a row add up to 1 already, so a row's score is their weighted sum. The mean is over the rows
    alone."""
    return _weighted(proxy, gold, _ways(gold.shape[1], n)) / gold.shape[1]


# ---- pessimistic(scores, caution)


def _pessimistic_cases() -> list[Case]:
    agreed = normal(21, 1, 6).expand(4, 6).clone()
    return [
        Case("four members, six replies", "", (1 + normal(22, 4, 6), 1.0)),
        Case("more caution", "Twice the caution takes twice as much away.", (normal(23, 5, 3), 2.0)),
        Case("no caution", "Without caution it is the mean.", (normal(24, 4, 6), 0.0)),
        Case("members who agree", "What all say is not doubted.", (agreed, 1.0)),
        Case("one member alone", "Nobody disagrees with it: its own score.", (normal(25, 1, 4), 0.5)),
        Case("as many as in training", "It works for every size.", (normal(26, 8, 128), 0.5), large=True),
    ]


PESSIMISTIC = Exercise(
    pessimistic,
    outputs=("scores",),
    cases=_pessimistic_cases,
    calls=200,
    formulas=(in_words.mean_less_deviation, in_words.mean_less_deviation_by_squares),
)


@PESSIMISTIC.mistake
def never_doubts(scores, caution):
    """This is the mean: nobody's doubt counts. Take off caution times the deviation of the members."""
    return scores.mean(dim=0)


@PESSIMISTIC.mistake
def adds_the_deviation(scores, caution):
    """The deviation is added, so replies that the members quarrel about are sought. That is for exploring; against
    hacking it is taken off."""
    return scores.mean(dim=0) + caution * scores.std(dim=0, correction=0)


@PESSIMISTIC.mistake
def divides_by_one_less(scores, caution):
    """This divides by K - 1, as torch.std does unless told otherwise, and one member alone gives 0/0. These members are
    all there are: correction=0."""
    return scores.mean(dim=0) - caution * scores.std(dim=0) if len(scores) > 1 else scores[0] * torch.nan


@PESSIMISTIC.mistake
def takes_off_the_variance(scores, caution):
    """This takes off the variance. Its root, the standard deviation, is in the units of the score."""
    return scores.mean(dim=0) - caution * scores.var(dim=0, correction=0)


@PESSIMISTIC.mistake
def one_deviation_for_all(scores, caution):
    """Here one deviation is taken over members and replies together, so every reply loses the same and nothing is
    doubted more than anything else. Take it along dim=0, reply by reply."""
    return scores.mean(dim=0) - caution * scores.std(correction=0)


@PESSIMISTIC.mistake
def believes_the_strictest(scores, caution):
    """This is the lowest score of any member, another way to be careful (Coste et al. call it worst-case). Here it is
    the mean, less caution times the deviation."""
    return scores.min(dim=0).values


@PESSIMISTIC.mistake
def takes_off_the_standard_error(scores, caution):
    """The deviation was divided by √K. That is how well the mean is known; here we ask how far the members are
    apart."""
    return scores.mean(dim=0) - caution * scores.std(dim=0, correction=0) / sqrt(len(scores))


@PESSIMISTIC.mistake
def leaves_the_caution_out(scores, caution):
    """The caution is never used: this is right only where it is 1. Multiply the deviation by it."""
    return scores.mean(dim=0) - scores.std(dim=0, correction=0)
