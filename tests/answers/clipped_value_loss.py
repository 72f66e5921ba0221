"""Wrong answers to clipped_value_loss, as learners write them; behind each stands what a good thought speaks of."""

import torch

from minirlhf import masked_mean


def no_half(values, old_values, returns, mask, clip):  # half|½|twice
    near = old_values + (values - old_values).clamp(-clip, clip)
    return masked_mean(torch.maximum((values - returns) ** 2, (near - returns) ** 2), mask)


def smaller(values, old_values, returns, mask, clip):  # smaller|larger
    near = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * masked_mean(torch.minimum((values - returns) ** 2, (near - returns) ** 2), mask)


def clipped_only(values, old_values, returns, mask, clip):  # clipped error
    near = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * masked_mean((near - returns) ** 2, mask)


def unclipped(values, old_values, returns, mask, clip):  # no clip|clip
    return 0.5 * masked_mean((values - returns) ** 2, mask)


def absolute(values, old_values, returns, mask, clip):  # square
    near = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * masked_mean(torch.maximum((values - returns).abs(), (near - returns).abs()), mask)


def plain_mean(values, old_values, returns, mask, clip):  # mask
    near = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * torch.maximum((values - returns) ** 2, (near - returns) ** 2).mean()


def forgets_old(values, old_values, returns, mask, clip):  # old
    near = (values - old_values).clamp(-clip, clip)
    return 0.5 * masked_mean(torch.maximum((values - returns) ** 2, (near - returns) ** 2), mask)


def like_a_ratio(values, old_values, returns, mask, clip):  # share|distance
    near = old_values * (values / old_values).clamp(1 - clip, 1 + clip)
    return 0.5 * masked_mean(torch.maximum((values - returns) ** 2, (near - returns) ** 2), mask)


def clamps_value(values, old_values, returns, mask, clip):  # itself
    near = values.clamp(-clip, clip)
    return 0.5 * masked_mean(torch.maximum((values - returns) ** 2, (near - returns) ** 2), mask)


def clamps_value_round_one(values, old_values, returns, mask, clip):  # old|1
    near = values.clamp(1 - clip, 1 + clip)
    return 0.5 * masked_mean(torch.maximum((values - returns) ** 2, (near - returns) ** 2), mask)


def around_returns(values, old_values, returns, mask, clip):  # near
    near = returns + (values - returns).clamp(-clip, clip)
    return 0.5 * masked_mean(torch.maximum((values - returns) ** 2, (near - returns) ** 2), mask)


def around_values(values, old_values, returns, mask, clip):  # places|old
    near = values + (old_values - values).clamp(-clip, clip)
    return 0.5 * masked_mean(torch.maximum((values - returns) ** 2, (near - returns) ** 2), mask)


def constant_clip(values, old_values, returns, mask, clip):  # clip
    near = old_values + (values - old_values).clamp(-0.2, 0.2)
    return 0.5 * masked_mean(torch.maximum((values - returns) ** 2, (near - returns) ** 2), mask)


def row_means(values, old_values, returns, mask, clip):  # row
    near = old_values + (values - old_values).clamp(-clip, clip)
    x = torch.maximum((values - returns) ** 2, (near - returns) ** 2)
    return 0.5 * ((x * mask).sum(1) / mask.sum(1).clamp(min=1)).mean()


def total(values, old_values, returns, mask, clip):  # sum|divide
    near = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * (torch.maximum((values - returns) ** 2, (near - returns) ** 2) * mask).sum()


def larger_of_means(values, old_values, returns, mask, clip):  # mean
    near = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * torch.maximum(masked_mean((values - returns) ** 2, mask), masked_mean((near - returns) ** 2, mask))


def square_of_larger(values, old_values, returns, mask, clip):  # square
    near = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * masked_mean(torch.maximum(values - returns, near - returns) ** 2, mask)


def square_of_mean(values, old_values, returns, mask, clip):  # square|mean
    near = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * masked_mean(torch.maximum((values - returns).abs(), (near - returns).abs()), mask) ** 2


def minus(values, old_values, returns, mask, clip):  # sign
    near = old_values + (values - old_values).clamp(-clip, clip)
    return -0.5 * masked_mean(torch.maximum((values - returns) ** 2, (near - returns) ** 2), mask)


def one_sided(values, old_values, returns, mask, clip):  # side|below
    near = old_values + (values - old_values).clamp(max=clip)
    return 0.5 * masked_mean(torch.maximum((values - returns) ** 2, (near - returns) ** 2), mask)


def old_free(values, old_values, returns, mask, clip):  # old
    near = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * masked_mean(torch.maximum((old_values - returns) ** 2, (near - returns) ** 2), mask)


def clipped_error(values, old_values, returns, mask, clip):  # error
    e = values - returns
    return 0.5 * masked_mean(torch.maximum(e**2, e.clamp(-clip, clip) ** 2), mask)


def both_added(values, old_values, returns, mask, clip):  # added|larger
    near = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * masked_mean((values - returns) ** 2 + (near - returns) ** 2, mask)


def quarter(values, old_values, returns, mask, clip):  # half|½|twice|factor
    held = old_values + (values - old_values).clamp(-clip, clip)
    return 0.25 * masked_mean(torch.maximum((values - returns) ** 2, (held - returns) ** 2), mask)


def held_from_returns_to_old(values, old_values, returns, mask, clip):  # sign|old|turned|places|minus
    held = old_values - (values - old_values).clamp(-clip, clip)
    return 0.5 * masked_mean(torch.maximum((values - returns) ** 2, (held - returns) ** 2), mask)


def error_against_old(values, old_values, returns, mask, clip):  # returns|old
    held = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * masked_mean(torch.maximum((values - returns) ** 2, (held - old_values) ** 2), mask)


def root_of_it(values, old_values, returns, mask, clip):  # root
    held = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * masked_mean(torch.maximum((values - returns) ** 2, (held - returns) ** 2), mask).sqrt()
