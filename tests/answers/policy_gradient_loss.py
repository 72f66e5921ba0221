"""Answers to policy_gradient_loss, as learners write them; behind each wrong one stands what a good thought says."""

import torch

from minirlhf import masked_mean


def no_detach(log_probs, advantages, mask):  # detach|gradient
    return -masked_mean(advantages * log_probs, mask)


def no_minus(log_probs, advantages, mask):  # sign|minus
    return masked_mean(advantages.detach() * log_probs, mask)


def no_mask(log_probs, advantages, mask):  # mask
    return -(advantages.detach() * log_probs).mean()


def zeros_counted(log_probs, advantages, mask):  # divide|zeros|count|places
    return -(advantages.detach() * log_probs * mask).mean()


def total(log_probs, advantages, mask):  # sum|divide|mean
    return -(advantages.detach() * log_probs * mask).sum()


def row_sums(log_probs, advantages, mask):  # row|sum|mean
    return -(advantages.detach() * log_probs * mask).sum(dim=1).mean()


def row_means(log_probs, advantages, mask):  # row
    return -((advantages.detach() * log_probs * mask).sum(1) / mask.sum(1).clamp(min=1)).mean()


def detaches_the_policy(log_probs, advantages, mask):  # log_probs|gradient
    return -masked_mean(advantages * log_probs.detach(), mask)


def means_multiplied(log_probs, advantages, mask):  # mean|averaged apart
    return -masked_mean(advantages.detach(), mask) * masked_mean(log_probs, mask)


def probabilities(log_probs, advantages, mask):  # exp|logarithm
    return -masked_mean(advantages.detach() * log_probs.exp(), mask)


def no_advantages(log_probs, advantages, mask):  # advantage
    return -masked_mean(log_probs, mask)


def everything_detached(log_probs, advantages, mask):  # gradient
    return -masked_mean((advantages * log_probs).detach(), mask)


def added(log_probs, advantages, mask):  # \+|product|times|sum|sign
    return -masked_mean(advantages.detach() + log_probs, mask)


def whitened(log_probs, advantages, mask):  # whiten|mean
    seen = advantages.detach()[mask]
    return -masked_mean((advantages.detach() - seen.mean()) / (seen.std(correction=0) + 1e-8) * log_probs, mask)


def wrong_mask(log_probs, advantages, mask):  # mask|True
    return -masked_mean(advantages.detach() * log_probs, ~mask)


def logarithm_again(log_probs, advantages, mask):  # logarithm
    return -masked_mean(advantages.detach() * log_probs.log(), mask)


def positive_only(log_probs, advantages, mask):  # cut|0|sign
    return -masked_mean(advantages.detach().clamp(min=0) * log_probs, mask)


def with_no_grad(log_probs, advantages, mask):  # gradient
    with torch.no_grad():
        return -masked_mean(advantages * log_probs, mask)


def squared_advantages(log_probs, advantages, mask):  # square
    return -masked_mean(advantages.detach() ** 2 * log_probs, mask)


def right_by_indexing(log_probs, advantages, mask):
    return -(advantages.detach()[mask] * log_probs[mask]).mean()


def right_by_sums(log_probs, advantages, mask):
    with torch.no_grad():
        weights = torch.where(mask, advantages, 0.0) / mask.sum()
    return -(weights * torch.where(mask, log_probs, 0.0)).sum()


def right_with_stats(log_probs, advantages, mask):
    loss = -masked_mean(log_probs * advantages.detach(), mask)
    return loss, {"loss": loss.item()}


def minus_twice(log_probs, advantages, mask):  # twice
    return -2 * masked_mean(log_probs * advantages.detach(), mask)


def exp_of_advantage(log_probs, advantages, mask):  # exp
    return -masked_mean(log_probs * advantages.detach().exp(), mask)


def mean_advantage_removed(log_probs, advantages, mask):  # mean|off|centre
    a = advantages.detach()
    return -masked_mean(log_probs * (a - masked_mean(a, mask)), mask)


def divided_by_prob(log_probs, advantages, mask):  # divi|product|times|sign
    return -masked_mean(advantages.detach() / log_probs, mask)
