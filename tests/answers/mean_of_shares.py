"""Wrong answers to mean_of_shares, as learners write them; behind each stands what a good thought speaks of."""

import torch


def plain_mean(means, counts):  # mean of|weigh|token
    return means.mean()


def weighted_sum(means, counts):  # divide|sum
    return (means * counts).sum()


def over_shares(means, counts):  # shares|divide|token
    return (means * counts).mean()


def sum_of_means(means, counts):  # weigh|add|sum
    return sum(means)


def means_over_tokens(means, counts):  # divide|multipl|token
    return means.sum() / counts.sum()


def inverse_weights(means, counts):  # weigh|head|long
    w = 1 / counts.clamp(min=1)
    return (means * w).sum() / w.sum()


def weighted_then_mean(means, counts):  # mean|add|shares
    weights = counts / counts.sum()
    return (weights * means).mean()


def vector(means, counts):  # one number|share|shape|add
    return means * counts / counts.sum()


def without_empty(means, counts):  # weigh|token|mean of
    return means[counts > 0].mean()


def biggest(means, counts):  # largest|all
    return means[counts.argmax()]


def by_max(means, counts):  # largest|divide|max
    return (means * counts).sum() / counts.max()


def item(means, counts):  # gradient|learn
    total = sum(m.item() * c.item() for m, c in zip(means, counts, strict=True))
    return torch.tensor(total / counts.sum().item())


def softmaxed(means, counts):  # softmax|weigh
    return (torch.softmax(counts.float(), 0) * means).sum()


def counts_are_the_mean(means, counts):  # mean|divide|token|change
    return counts.float().mean() * means.mean()


def right_by_hand(means, counts):
    return (means * counts).sum() / counts.sum()


def right_as_a_product(means, counts):
    return means @ (counts / counts.sum())


def right_in_a_loop(means, counts):
    total = 0
    for mean, count in zip(means, counts, strict=True):
        total = total + mean * count
    return total / counts.sum()
