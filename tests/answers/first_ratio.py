"""Wrong answers to first_ratio, as learners write them; behind each stands what a good thought speaks of."""

import torch

from minirlhf import masked_mean


def no_exp(log_probs, old_log_probs, mask):  # exp
    return masked_mean(log_probs - old_log_probs, mask)


def upside_down(log_probs, old_log_probs, mask):  # order|turned|upside|sign|old
    return masked_mean((old_log_probs - log_probs).exp(), mask)


def exp_of_the_mean(log_probs, old_log_probs, mask):  # mean|order|exp
    return masked_mean(log_probs - old_log_probs, mask).exp()


def logs_divided(log_probs, old_log_probs, mask):  # difference|exp|minus|logarithms
    return masked_mean(log_probs / old_log_probs, mask)


def no_mask(log_probs, old_log_probs, mask):  # mask
    return (log_probs - old_log_probs).exp().mean()


def zeros_counted(log_probs, old_log_probs, mask):  # mask|zero|count|padding
    return ((log_probs - old_log_probs).exp() * mask).mean()


def masked_before_exp(log_probs, old_log_probs, mask):  # mask|padding|one|count|1
    return ((log_probs - old_log_probs) * mask).exp().mean()


def per_token(log_probs, old_log_probs, mask):  # one number|mean|shape|axis
    return (log_probs - old_log_probs).exp() * mask


def per_row(log_probs, old_log_probs, mask):  # one number|row|shape|axis
    ratio = (log_probs - old_log_probs).exp() * mask
    return ratio.sum(1) / mask.sum(1)


def mean_of_row_means(log_probs, old_log_probs, mask):  # row
    ratio = (log_probs - old_log_probs).exp() * mask
    return (ratio.sum(1) / mask.sum(1)).mean()


def ratio_of_means(log_probs, old_log_probs, mask):  # mean|each|token
    return masked_mean(log_probs.exp(), mask) / masked_mean(old_log_probs.exp(), mask)


def difference_of_probs(log_probs, old_log_probs, mask):  # ratio|divi|difference
    return masked_mean(log_probs.exp() - old_log_probs.exp(), mask)


def minus_one(log_probs, old_log_probs, mask):  # 1|one
    return masked_mean((log_probs - old_log_probs).exp() - 1, mask)


def sequence_ratio(log_probs, old_log_probs, mask):  # token|sum|product|each
    return ((log_probs - old_log_probs) * mask).sum(1).exp().mean()


def right_by_picking(log_probs, old_log_probs, mask):
    return torch.exp(log_probs - old_log_probs)[mask].mean()


def right_by_division(log_probs, old_log_probs, mask):
    return masked_mean(torch.exp(log_probs) / torch.exp(old_log_probs), mask)


def right_by_loop(log_probs, old_log_probs, mask):
    total, n = 0.0, 0
    for row in range(mask.shape[0]):
        for t in range(mask.shape[1]):
            if mask[row, t]:
                total += (log_probs[row, t] - old_log_probs[row, t]).exp().item()
                n += 1
    return total / n


def right_by_einsum(log_probs, old_log_probs, mask):
    m = mask.float()
    ratio = (log_probs - old_log_probs).masked_fill(~mask, 0).exp()
    return torch.einsum("bt,bt->", ratio, m) / m.sum()


def absolute(log_probs, old_log_probs, mask):  # abs|sign
    return masked_mean((log_probs - old_log_probs).abs().exp(), mask)


def sum_not_mean(log_probs, old_log_probs, mask):  # mean|divided|added up|sum
    return ((log_probs - old_log_probs).exp() * mask).sum()


def exp_of_new_only(log_probs, old_log_probs, mask):  # old|exp
    return masked_mean(log_probs.exp() - old_log_probs, mask)


def quotient_without_old(log_probs, old_log_probs, mask):  # old
    return masked_mean(log_probs.exp(), mask)


def clipped(log_probs, old_log_probs, mask):  # clip|held|cut
    return masked_mean((log_probs - old_log_probs).exp().clamp(0.8, 1.2), mask)


def difference_of_exps(log_probs, old_log_probs, mask):  # exp|differ|ratio|divide
    return masked_mean(torch.exp(log_probs) - torch.exp(old_log_probs), mask) + 1


def median(log_probs, old_log_probs, mask):  # median
    return (log_probs - old_log_probs).exp()[mask].median()


def squared(log_probs, old_log_probs, mask):  # square|twice
    return masked_mean((2 * (log_probs - old_log_probs)).exp(), mask)


def summed(log_probs, old_log_probs, mask):  # sign|minus|−|difference|-
    return masked_mean((log_probs + old_log_probs).exp(), mask)
