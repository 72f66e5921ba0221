"""Wrong answers to masked_mean, as learners write them; behind each stands what a good thought speaks of."""

import torch


def row_means(x, mask):  # row
    return ((x * mask).sum(dim=1) / mask.sum(dim=1)).mean()


def all_places(x, mask):  # all tokens|places|mask
    return (x * mask.float()).sum() / x.numel()


def along_one_dim(x, mask):  # shape
    return (x * mask).sum(dim=1) / mask.sum(dim=1)


def sum_only(x, mask):  # sum
    return (x * mask).sum()


def no_mask(x, mask):  # mask
    return x.mean()


def inverted(x, mask):  # True
    return x[~mask].mean()


def columns(x, mask):  # column
    m = mask.float()
    return ((x * m).sum(0) / m.sum(0).clamp(min=1)).mean()


def first_row(x, mask):  # row
    return x[0][mask[0]].mean()


def skips_first_column(x, mask):  # first column
    return x[:, 1:][mask[:, 1:]].mean()


def plus_one(x, mask):  # one more
    return (x * mask).sum() / (mask.sum() + 1)


def negative(x, mask):  # sign
    return -x[mask].mean()


def median(x, mask):  # median|work
    return x[mask].median()


def minus_one(x, mask):  # less one
    return x[mask].sum() / (mask.sum() - 1)


def half(x, mask):  # half
    return 0.5 * x[mask].mean()


def item(x, mask):  # item|gradient
    return torch.tensor(x[mask].mean().item())


def root_count(x, mask):  # root
    return (x * mask).sum() / mask.sum() ** 0.5


def squared_mean(x, mask):  # square
    return (x * mask).pow(2).sum() / mask.sum()


def largest(x, mask):  # largest|max
    return x[mask].max()


def divided_by_rows(x, mask):  # row|divided
    return (x * mask).sum() / len(x)
