"""Wrong answers to clipped_policy_loss, as learners write them; behind each stands what a good thought speaks of."""

import torch

from minirlhf import masked_mean


def minimum(log_probs, old_log_probs, advantages, mask, clip):  # maximum|smaller
    r = (log_probs - old_log_probs).exp()
    return masked_mean(torch.minimum(-advantages * r, -advantages * r.clamp(1 - clip, 1 + clip)), mask)


def no_minus(log_probs, old_log_probs, advantages, mask, clip):  # minus|sign
    r = (log_probs - old_log_probs).exp()
    return masked_mean(torch.minimum(advantages * r, advantages * r.clamp(1 - clip, 1 + clip)), mask)


def no_minus_and_maximum(log_probs, old_log_probs, advantages, mask, clip):  # minus|sign
    r = (log_probs - old_log_probs).exp()
    return masked_mean(torch.maximum(advantages * r, advantages * r.clamp(1 - clip, 1 + clip)), mask)


def minus_outside_maximum(log_probs, old_log_probs, advantages, mask, clip):  # smaller|maximum
    r = (log_probs - old_log_probs).exp()
    return -masked_mean(torch.maximum(advantages * r, advantages * r.clamp(1 - clip, 1 + clip)), mask)


def no_exp(log_probs, old_log_probs, advantages, mask, clip):  # exp
    r = log_probs - old_log_probs
    return masked_mean(torch.maximum(-advantages * r, -advantages * r.clamp(1 - clip, 1 + clip)), mask)


def quotient(log_probs, old_log_probs, advantages, mask, clip):  # logarithm|divided
    r = log_probs / old_log_probs
    return masked_mean(torch.maximum(-advantages * r, -advantages * r.clamp(1 - clip, 1 + clip)), mask)


def exp_of_quotient(log_probs, old_log_probs, advantages, mask, clip):  # divided|difference|- old
    r = (log_probs / old_log_probs).exp()
    return masked_mean(torch.maximum(-advantages * r, -advantages * r.clamp(1 - clip, 1 + clip)), mask)


def upside_down(log_probs, old_log_probs, advantages, mask, clip):  # upside|places
    r = (old_log_probs - log_probs).exp()
    return masked_mean(torch.maximum(-advantages * r, -advantages * r.clamp(1 - clip, 1 + clip)), mask)


def constant_clip(log_probs, old_log_probs, advantages, mask, clip):  # clip
    r = (log_probs - old_log_probs).exp()
    return masked_mean(torch.maximum(-advantages * r, -advantages * r.clamp(0.8, 1.2)), mask)


def plain_mean(log_probs, old_log_probs, advantages, mask, clip):  # mask
    r = (log_probs - old_log_probs).exp()
    return torch.maximum(-advantages * r, -advantages * r.clamp(1 - clip, 1 + clip)).mean()


def clipped_only(log_probs, old_log_probs, advantages, mask, clip):  # clipped half
    r = (log_probs - old_log_probs).exp()
    return -masked_mean(advantages * r.clamp(1 - clip, 1 + clip), mask)


def unclipped(log_probs, old_log_probs, advantages, mask, clip):  # clip
    r = (log_probs - old_log_probs).exp()
    return -masked_mean(advantages * r, mask)


def clamps_around_zero(log_probs, old_log_probs, advantages, mask, clip):  # 1
    r = (log_probs - old_log_probs).exp()
    return masked_mean(torch.maximum(-advantages * r, -advantages * r.clamp(-clip, clip)), mask)


def clamps_log(log_probs, old_log_probs, advantages, mask, clip):  # exp first|log-ratio
    d = log_probs - old_log_probs
    return masked_mean(torch.maximum(-advantages * d.exp(), -advantages * d.clamp(-clip, clip).exp()), mask)


def clamps_advantage(log_probs, old_log_probs, advantages, mask, clip):  # advantage|product
    r = (log_probs - old_log_probs).exp()
    return masked_mean(torch.maximum(-advantages * r, (-advantages * r).clamp(1 - clip, 1 + clip)), mask)


def row_means(log_probs, old_log_probs, advantages, mask, clip):  # row
    r = (log_probs - old_log_probs).exp()
    x = torch.maximum(-advantages * r, -advantages * r.clamp(1 - clip, 1 + clip))
    return ((x * mask).sum(1) / mask.sum(1).clamp(min=1)).mean()


def sum_over_mask(log_probs, old_log_probs, advantages, mask, clip):  # sum|divide
    r = (log_probs - old_log_probs).exp()
    return (torch.maximum(-advantages * r, -advantages * r.clamp(1 - clip, 1 + clip)) * mask).sum()


def larger_of_means(log_probs, old_log_probs, advantages, mask, clip):  # mean
    r = (log_probs - old_log_probs).exp()
    return torch.maximum(
        masked_mean(-advantages * r, mask), masked_mean(-advantages * r.clamp(1 - clip, 1 + clip), mask)
    )


def larger_ratio(log_probs, old_log_probs, advantages, mask, clip):  # ratio
    r = (log_probs - old_log_probs).exp()
    return -masked_mean(advantages * torch.maximum(r, r.clamp(1 - clip, 1 + clip)), mask)


def smaller_ratio(log_probs, old_log_probs, advantages, mask, clip):  # ratio
    r = (log_probs - old_log_probs).exp()
    return -masked_mean(advantages * torch.minimum(r, r.clamp(1 - clip, 1 + clip)), mask)


def no_ratio(log_probs, old_log_probs, advantages, mask, clip):  # old|ratio
    return -masked_mean(advantages * log_probs, mask)


def only_new(log_probs, old_log_probs, advantages, mask, clip):  # old
    r = log_probs.exp()
    return masked_mean(torch.maximum(-advantages * r, -advantages * r.clamp(1 - clip, 1 + clip)), mask)


def one_sided(log_probs, old_log_probs, advantages, mask, clip):  # below|side
    r = (log_probs - old_log_probs).exp()
    return masked_mean(torch.maximum(-advantages * r, -advantages * r.clamp(max=1 + clip)), mask)


def exp_each(log_probs, old_log_probs, advantages, mask, clip):  # exp
    r = log_probs.exp() - old_log_probs.exp()
    return masked_mean(torch.maximum(-advantages * r, -advantages * r.clamp(1 - clip, 1 + clip)), mask)


def forgets_advantage_in_clipped(log_probs, old_log_probs, advantages, mask, clip):  # advantage
    r = (log_probs - old_log_probs).exp()
    return masked_mean(torch.maximum(-advantages * r, -r.clamp(1 - clip, 1 + clip)), mask)


def plus_of_both(log_probs, old_log_probs, advantages, mask, clip):  # larger|added
    r = (log_probs - old_log_probs).exp()
    return masked_mean(-advantages * r + -advantages * r.clamp(1 - clip, 1 + clip), mask)


def detached(log_probs, old_log_probs, advantages, mask, clip):  # gradient
    r = (log_probs - old_log_probs).exp().detach()
    return masked_mean(torch.maximum(-advantages * r, -advantages * r.clamp(1 - clip, 1 + clip)), mask)


def sum_of_logs(log_probs, old_log_probs, advantages, mask, clip):  # \+|sign|difference|minus|-
    r = (log_probs + old_log_probs).exp()
    return masked_mean(torch.maximum(-advantages * r, -advantages * r.clamp(1 - clip, 1 + clip)), mask)


def absolute_advantage(log_probs, old_log_probs, advantages, mask, clip):  # abs|sign
    a, r = advantages.abs(), (log_probs - old_log_probs).exp()
    return masked_mean(torch.maximum(-a * r, -a * r.clamp(1 - clip, 1 + clip)), mask)


def sequence_level(log_probs, old_log_probs, advantages, mask, clip):  # token|sum|row|sequence
    r = ((log_probs - old_log_probs) * mask).sum(1, keepdim=True).exp()
    return masked_mean(torch.maximum(-advantages * r, -advantages * r.clamp(1 - clip, 1 + clip)), mask)


def only_upper(log_probs, old_log_probs, advantages, mask, clip):  # one side|lower|below|side|min
    r = (log_probs - old_log_probs).exp()
    return masked_mean(torch.maximum(-advantages * r, -advantages * r.clamp(max=1 + clip)), mask)
