"""Wrong answers to implicit_reward, as learners write them; behind each stands what a good thought speaks of."""

import torch

from minirlhf import masked_mean, masked_sum


def no_beta(log_probs, ref_log_probs, mask, beta):  # β|beta
    return masked_sum(log_probs - ref_log_probs, mask)


def mean_for_sum(log_probs, ref_log_probs, mask, beta):  # sum|mean
    return beta * masked_sum(log_probs - ref_log_probs, mask) / mask.sum(dim=1)


def no_reference(log_probs, ref_log_probs, mask, beta):  # ref
    return beta * masked_sum(log_probs, mask)


def swapped(log_probs, ref_log_probs, mask, beta):  # sign|minus|order|turned
    return beta * masked_sum(ref_log_probs - log_probs, mask)


def no_mask(log_probs, ref_log_probs, mask, beta):  # mask
    return beta * (log_probs - ref_log_probs).sum(dim=1)


def divided_by_beta(log_probs, ref_log_probs, mask, beta):  # β|beta|times|divided
    return masked_sum(log_probs - ref_log_probs, mask) / beta


def ratio_of_logs(log_probs, ref_log_probs, mask, beta):  # difference|minus|divided|sign
    return beta * masked_sum(log_probs / ref_log_probs, mask)


def exp_of_differences(log_probs, ref_log_probs, mask, beta):  # exp|log
    return beta * masked_sum((log_probs - ref_log_probs).exp(), mask)


def plus(log_probs, ref_log_probs, mask, beta):  # sign|minus|difference|added
    return beta * masked_sum(log_probs + ref_log_probs, mask)


def per_token(log_probs, ref_log_probs, mask, beta):  # sum|row|axis|shape
    return beta * (log_probs - ref_log_probs) * mask


def whole_batch(log_probs, ref_log_probs, mask, beta):  # row|number|shape|dim
    return beta * ((log_probs - ref_log_probs) * mask).sum()


def down_the_batch(log_probs, ref_log_probs, mask, beta):  # dim|row|column
    return beta * ((log_probs - ref_log_probs) * mask).sum(dim=0)


def shifted_mask(log_probs, ref_log_probs, mask, beta):  # place|column|shift|early|late
    return beta * masked_sum(log_probs[:, :-1] - ref_log_probs[:, :-1], mask[:, 1:])


def averaged_over_the_batch(log_probs, ref_log_probs, mask, beta):  # mean|sum|row|shape|number
    return beta * masked_mean(log_probs - ref_log_probs, mask)


def right_by_hand(log_probs, ref_log_probs, mask, beta):
    return beta * ((log_probs - ref_log_probs) * mask.float()).sum(-1)


def right_by_loop(log_probs, ref_log_probs, mask, beta):
    rewards = torch.zeros(log_probs.shape[0])
    for b in range(log_probs.shape[0]):
        for t in range(log_probs.shape[1]):
            if mask[b, t]:
                rewards[b] += beta * (log_probs[b, t] - ref_log_probs[b, t])
    return rewards


def right_two_sums(log_probs, ref_log_probs, mask, beta):
    ours, theirs = masked_sum(log_probs, mask), masked_sum(ref_log_probs, mask)
    return beta * (ours - theirs)


def right_by_einsum(log_probs, ref_log_probs, mask, beta):
    return torch.einsum("bt,bt->b", beta * (log_probs - ref_log_probs), mask.to(log_probs.dtype))


def difference_of_probabilities(log_probs, ref_log_probs, mask, beta):  # exp|logarithm|probabilit
    return beta * masked_sum(log_probs.exp() - ref_log_probs.exp(), mask)


def outside_of_the_mask(log_probs, ref_log_probs, mask, beta):  # mask
    return beta * masked_sum(log_probs - ref_log_probs, ~mask)


def beta_on_the_policy_only(log_probs, ref_log_probs, mask, beta):  # β|beta|factor|bracket
    return masked_sum(beta * log_probs - ref_log_probs, mask)


def exp_at_the_end(log_probs, ref_log_probs, mask, beta):  # exp|log
    return beta * masked_sum(log_probs - ref_log_probs, mask).exp()


def last_token_only(log_probs, ref_log_probs, mask, beta):  # last|sum
    last = mask & (mask.flip(1).cumsum(1).flip(1) == 1)
    return beta * masked_sum(log_probs - ref_log_probs, last)


def column_of_rewards(log_probs, ref_log_probs, mask, beta):  # axis|keepdim|squeeze
    return beta * ((log_probs - ref_log_probs) * mask).sum(dim=1, keepdim=True)


def mean_of_row_incl(log_probs, ref_log_probs, mask, beta):  # mean|sum|width
    return beta * ((log_probs - ref_log_probs) * mask).mean(dim=1)


def ref_not_masked(log_probs, ref_log_probs, mask, beta):  # mask
    return beta * ((log_probs * mask).sum(1) - ref_log_probs.sum(1))


def absolute_moves(log_probs, ref_log_probs, mask, beta):  # abs|sign
    return beta * ((log_probs - ref_log_probs).abs() * mask).sum(1)
