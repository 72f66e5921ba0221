"""Answers to bradley_terry_loss, as learners write them; behind each wrong one stands what a good thought says."""

import torch
import torch.nn.functional as F


def no_minus(chosen, rejected):  # sign|minus
    return F.logsigmoid(chosen - rejected).mean()


def no_logarithm(chosen, rejected):  # log
    return -torch.sigmoid(chosen - rejected).mean()


def the_wrong_way_round(chosen, rejected):  # places|wrong way|turned|sign|swap
    return -F.logsigmoid(rejected - chosen).mean()


def summed(chosen, rejected):  # sum|mean|divide
    return -F.logsigmoid(chosen - rejected).sum()


def mean_of_the_scores_first(chosen, rejected):  # mean
    return -F.logsigmoid(chosen.mean() - rejected.mean())


def no_mean(chosen, rejected):  # mean
    return -F.logsigmoid(chosen - rejected)


def mean_before_the_logarithm(chosen, rejected):  # mean
    return -torch.sigmoid(chosen - rejected).mean().log()


def sigmoid_then_logarithm(chosen, rejected):  # logsigmoid|inf|finite|round
    return -torch.log(torch.sigmoid(chosen - rejected)).mean()


def only_the_difference(chosen, rejected):  # sigmoid|σ
    return -(chosen - rejected).mean()


def each_by_itself(chosen, rejected):  # difference
    return -(F.logsigmoid(chosen) + F.logsigmoid(-rejected)).mean()


def hinge(chosen, rejected):  # sigmoid|log|work|cut
    return (1 - (chosen - rejected)).clamp(min=0).mean()


def sigmoid_of_each(chosen, rejected):  # difference|sigmoid|each
    return -torch.log(torch.sigmoid(chosen) - torch.sigmoid(rejected)).mean()


def log_of_the_difference(chosen, rejected):  # sigmoid|logsigmoid
    return -(chosen - rejected).log().mean()


def accuracy(chosen, rejected):  # gradient|how often
    return (chosen > rejected).float().mean()


def one_minus_sigmoid(chosen, rejected):  # log
    return (1 - torch.sigmoid(chosen - rejected)).mean()


def in_bits(chosen, rejected):  # log2|bits
    return -F.logsigmoid(chosen - rejected).mean() / torch.log(torch.tensor(2.0))


def squared(chosen, rejected):  # square|log
    return ((chosen - rejected) ** 2).mean()


def logarithm_twice(chosen, rejected):  # logarithm|log
    return -torch.log(F.logsigmoid(chosen - rejected)).mean()


def plain_numbers(chosen, rejected):  # gradient|item
    return torch.tensor([-F.logsigmoid(c - r).item() for c, r in zip(chosen, rejected, strict=True)]).mean()


def sum_of_the_scores(chosen, rejected):  # \+|sign|difference|minus
    return -F.logsigmoid(chosen + rejected).mean()


def right_by_softplus(chosen, rejected):
    return F.softplus(rejected - chosen).mean()


def right_by_binary_cross_entropy(chosen, rejected):
    lead = chosen - rejected
    return F.binary_cross_entropy_with_logits(lead, torch.ones_like(lead))


def right_by_logsumexp(chosen, rejected):
    scores = torch.stack([chosen, rejected])
    return (scores.logsumexp(dim=0) - chosen).mean()


def added_scores(chosen, rejected):  # sign|difference|minus|−|added|-
    return -F.logsigmoid(chosen + rejected).mean()


def quotient(chosen, rejected):  # difference|divi|sign|-
    return -F.logsigmoid(chosen / rejected).mean()


def softmax_over_batch(chosen, rejected):  # pair|batch|softmax|sigmoid|dim
    return -torch.log_softmax(chosen - rejected, dim=0).mean()


def half_of_it(chosen, rejected):  # half|½|2
    return -F.logsigmoid(chosen - rejected).sum() / (2 * len(chosen))
