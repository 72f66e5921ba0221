"""Answers to masked_whiten, as learners write them; behind each wrong one stands what a good thought speaks of."""

import torch

from minirlhf import masked_mean


def less_one(x, mask):  # n - 1|less one
    seen = x[mask]
    return (x - seen.mean()) / seen.std() * mask


def no_mask(x, mask):  # mask
    return (x - x.mean()) / (x.var(correction=0) + 1e-8).sqrt() * mask


def row_by_row(x, mask):  # row|batch
    n = mask.sum(1, keepdim=True).clamp(min=1)
    d = (x - (x * mask).sum(1, keepdim=True) / n) * mask
    return d / (d.square().sum(1, keepdim=True) / n + 1e-8).sqrt()


def variance_for_deviation(x, mask):  # root|sqrt|rsqrt
    d = x - masked_mean(x, mask)
    return d / (masked_mean(d.square(), mask) + 1e-8) * mask


def not_masked_at_the_end(x, mask):  # 0 has to stand|mask
    d = x - masked_mean(x, mask)
    return d / (masked_mean(d.square(), mask) + 1e-8).sqrt()


def only_shifted(x, mask):  # divi|deviation|scale|missing
    return (x - masked_mean(x, mask)) * mask


def only_scaled(x, mask):  # mean
    d = x - masked_mean(x, mask)
    return x / (masked_mean(d.square(), mask) + 1e-8).sqrt() * mask


def zeros_counted(x, mask):  # zero|mask|count
    seen = x * mask
    return (seen - seen.mean()) / (seen.var(correction=0) + 1e-8).sqrt() * mask


def mean_not_taken_off_below(x, mask):  # mean
    return (x - masked_mean(x, mask)) / (masked_mean(x.square(), mask) + 1e-8).sqrt() * mask


def nothing_under_the_root(x, mask):  # 1e-0?8|0/0
    seen = x[mask]
    return torch.where(mask, (x - seen.mean()) / seen.std(correction=0), 0.0)


def multiplied(x, mask):  # divi|times|/|rsqrt|missing
    d = x - masked_mean(x, mask)
    return d * (masked_mean(d.square(), mask) + 1e-8).sqrt() * mask


def absolute_deviation(x, mask):  # square|abs
    d = x - masked_mean(x, mask)
    return d / (masked_mean(d.abs(), mask) + 1e-8) * mask


def column_by_column(x, mask):  # column
    n = mask.sum(0).clamp(min=1)
    d = (x - (x * mask).sum(0) / n) * mask
    return d / (d.square().sum(0) / n + 1e-8).sqrt()


def plus_the_mean(x, mask):  # mean|sign|\+
    centre = masked_mean(x, mask)
    return (x + centre) / (masked_mean((x - centre).square(), mask) + 1e-8).sqrt() * mask


def spread_of_everything(x, mask):  # mask
    return (x - masked_mean(x, mask)) / (x.var(correction=0) + 1e-8).sqrt() * mask


def mean_of_everything(x, mask):  # mask
    d = x - x.mean()
    return d / (masked_mean(d.square(), mask) + 1e-8).sqrt() * mask


def between_zero_and_one(x, mask):  # work|deviation
    seen = x[mask]
    return (x - seen.min()) / (seen.max() - seen.min() + 1e-8) * mask


def wrong_mask(x, mask):  # mask|True
    d = x - masked_mean(x, ~mask)
    return d / (masked_mean(d.square(), ~mask) + 1e-8).sqrt() * mask


def large_epsilon(x, mask):  # 1e-8|1e-08
    d = x - masked_mean(x, mask)
    return d / (masked_mean(d.square(), mask) + 1e-2).sqrt() * mask


def sum_of_squares(x, mask):  # mean|divi|sum|root
    d = (x - masked_mean(x, mask)) * mask
    return d / (d.square().sum() + 1e-8).sqrt()


def right_by_indexing(x, mask):
    result = torch.zeros_like(x)
    seen = x[mask]
    result[mask] = (seen - seen.mean()) / torch.sqrt(seen.var(correction=0) + 1e-8)
    return result


def right_by_sums(x, mask):
    n = mask.sum()
    centre = torch.where(mask, x, 0).sum() / n
    d = torch.where(mask, x - centre, 0)
    return d * ((d**2).sum() / n + 1e-8) ** -0.5


def right_by_std_mean(x, mask):
    spread, centre = torch.std_mean(x[mask], correction=0)
    return ((x - centre) / (spread**2 + 1e-8).sqrt()).masked_fill(~mask, 0)


def third_power(x, mask):  # sqrt|root|standard|deviation
    c = x - masked_mean(x, mask)
    return c / (masked_mean(c**2, mask) + 1e-8) ** 2 * mask


def epsilon_outside(x, mask):  # 1e-8|root|under
    c = x - masked_mean(x, mask)
    return c / (masked_mean(c**2, mask).sqrt() + 1e-2) * mask


def mean_plus(x, mask):  # sign|added|minus|−|-
    m = masked_mean(x, mask)
    c = x + m
    return c / (masked_mean((x - m) ** 2, mask) + 1e-8).sqrt() * mask


def shifts_after_scaling(x, mask):  # mean|order|before|bracket|shift|divi
    m = masked_mean(x, mask)
    s = (masked_mean((x - m) ** 2, mask) + 1e-8).sqrt()
    return (x / s - m) * mask
