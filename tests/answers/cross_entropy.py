"""Answers to cross_entropy, as learners write them; behind each wrong one stands what a good thought speaks of."""

import torch
import torch.nn.functional as F


def _picked(log_probs, labels):
    return log_probs[torch.arange(len(labels)), labels]


def no_minus(log_probs, labels):  # sign|minus
    return _picked(log_probs, labels).mean()


def total(log_probs, labels):  # sum|mean|divide
    return -_picked(log_probs, labels).sum()


def every_column(log_probs, labels):  # label|pick|column
    return -log_probs.mean()


def each_row_with_every_label(log_probs, labels):  # own|arange|each row|every
    return -log_probs[:, labels].mean()


def no_mean(log_probs, labels):  # mean
    return -_picked(log_probs, labels)


def another_logarithm(log_probs, labels):  # logarithm
    return -_picked(log_probs, labels).log().mean()


def probabilities(log_probs, labels):  # exp|probabilit|logarithm
    return -_picked(log_probs, labels).exp().mean()


def one_hot_over_all(log_probs, labels):  # column|places|divide
    return -(F.one_hot(labels, log_probs.shape[1]) * log_probs).mean()


def largest(log_probs, labels):  # label|largest|likeliest
    return -log_probs.max(dim=1).values.mean()


def divided_by_columns(log_probs, labels):  # column|len|row
    return -_picked(log_probs, labels).sum() / log_probs.shape[1]


def three_rows(log_probs, labels):  # row|three|index|only
    return -log_probs[[0, 1, 2], labels[:3]].mean()


def first_label(log_probs, labels):  # label|row|own
    return -log_probs[:, labels[0]].mean()


def one_column_early(log_probs, labels):  # one
    return -_picked(log_probs, labels - 1).mean()


def as_numbers(log_probs, labels):  # gradient|item
    return torch.tensor(-sum(log_probs[i, labels[i]].item() for i in range(len(labels))) / len(labels))


def one_minus_p(log_probs, labels):  # -log p|logarithm
    return (1 - _picked(log_probs, labels).exp()).mean()


def mean_probability_first(log_probs, labels):  # mean
    return -_picked(log_probs, labels).exp().mean().log()


def returns_inside_the_loop(log_probs, labels):  # first|loop
    loss = 0.0
    for row, label in zip(log_probs, labels, strict=True):
        loss -= row[label]
        return loss / len(labels)


def last_axis_mean(log_probs, labels):  # mean|number
    return -log_probs.gather(1, labels.unsqueeze(1)).mean(dim=1)


def right_by_nll(log_probs, labels):
    return F.nll_loss(log_probs, labels)


def right_by_gather(log_probs, labels):
    return log_probs.gather(1, labels[:, None]).squeeze(1).neg().mean()


def right_by_loop(log_probs, labels):
    total = 0
    for i, label in enumerate(labels.tolist()):
        total = total - log_probs[i][label]
    return total / len(labels)


def log_again(log_probs, labels):  # log
    return -log_probs.exp().log2()[torch.arange(len(labels)), labels].mean()


def softmaxed_again(log_probs, labels):  # softmax|once more|exp
    return -torch.softmax(log_probs, 1)[torch.arange(len(labels)), labels].mean()


def entropy_itself(log_probs, labels):  # label
    return -(log_probs.exp() * log_probs).sum(1).mean()


def less_one_example(log_probs, labels):  # one less|n - 1|divided
    return -log_probs[torch.arange(len(labels)), labels].sum() / (len(labels) - 1)
