"""Answers to pessimistic, as learners write them; behind each wrong one stands what a good thought speaks of."""

import torch


def hopeful(scores, caution):  # sign|added
    return scores.mean(dim=0) + caution * scores.std(dim=0, correction=0)


def less_one(scores, caution):  # correction|n - 1|less one|K
    return scores.mean(dim=0) - caution * scores.std(dim=0)


def along_the_replies(scores, caution):  # dim|shape|column|row
    return scores.mean(dim=1) - caution * scores.std(dim=1, correction=0)


def variance(scores, caution):  # root|variance|square|var
    return scores.mean(dim=0) - caution * scores.var(dim=0, correction=0)


def no_caution(scores, caution):  # caution
    return scores.mean(dim=0) - scores.std(dim=0, correction=0)


def only_the_mean(scores, caution):  # caution|deviation|term|0
    return scores.mean(dim=0)


def smallest(scores, caution):  # mean|smallest|caution|=
    return scores.min(dim=0).values


def one_spread_for_all(scores, caution):  # dim|each|reply|column
    return scores.mean(dim=0) - caution * scores.std(correction=0)


def standard_error(scores, caution):  # root|√
    return scores.mean(dim=0) - caution * scores.std(dim=0, correction=0) / len(scores) ** 0.5


def caution_taken_off(scores, caution):  # std|deviation|missing
    return scores.mean(dim=0) - caution


def caution_on_the_mean(scores, caution):  # caution|bracket|places
    return caution * scores.mean(dim=0) - scores.std(dim=0, correction=0)


def brackets(scores, caution):  # bracket|caution
    return (scores.mean(dim=0) - caution) * scores.std(dim=0, correction=0)


def added_up(scores, caution):  # sum|mean|divi
    return scores.sum(dim=0) - caution * scores.std(dim=0, correction=0)


def median(scores, caution):  # median|mean
    return scores.median(dim=0).values - caution * scores.std(dim=0, correction=0)


def spread_alone(scores, caution):  # mean|missing|term
    return -caution * scores.std(dim=0, correction=0)


def absolute_deviation(scores, caution):  # square|abs
    centre = scores.mean(dim=0)
    return centre - caution * (scores - centre).abs().mean(dim=0)


def not_centred(scores, caution):  # mean
    return scores.mean(dim=0) - caution * scores.square().mean(dim=0).sqrt()


def one_number(scores, caution):  # number|dim|averaged
    return scores.mean() - caution * scores.std(correction=0)


def member_by_member(scores, caution):  # axis|mean|shape
    return scores - caution * scores.std(dim=0, correction=0)


def right_by_squares(scores, caution):
    centre = scores.mean(0)
    return centre - caution * ((scores - centre) ** 2).mean(0).sqrt()


def right_with_numpy(scores, caution):
    numbers = scores.numpy()
    return numbers.mean(axis=0) - caution * numbers.std(axis=0)


def right_by_loop(scores, caution):
    result = []
    for b in range(scores.shape[1]):
        column = [scores[k, b].item() for k in range(scores.shape[0])]
        centre = sum(column) / len(column)
        result.append(centre - caution * (sum((x - centre) ** 2 for x in column) / len(column)) ** 0.5)
    return torch.tensor(result)


def plus_half(scores, caution):  # half|factor|caution|½
    return scores.mean(0) - caution * scores.std(0, correction=0) / 2


def caution_squared(scores, caution):  # square|caution
    return scores.mean(0) - caution**2 * scores.std(0, correction=0)


def mean_less_range(scores, caution):  # range|deviation|std|largest|spread|smallest
    return scores.mean(0) - caution * (scores.amax(0) - scores.amin(0))


def sum_for_mean(scores, caution):  # mean|sum
    return scores.sum(0) - caution * scores.std(0, correction=0)
