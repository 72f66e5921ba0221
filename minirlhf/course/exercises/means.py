"""Exercises on means over what counts: masked_mean, masked_whiten."""

import torch

from minirlhf.course.exercises.exercise import RAGGED, Case, Exercise, mistake, normal, on_masks, rows
from minirlhf.ops import masked_mean, masked_sum, masked_whiten

# ---- masked_mean(x, mask)


def _mean_cases() -> list[Case]:
    return on_masks(lambda mask: (normal(1, *mask.shape), mask), _far_off_the_mask())


def _far_off_the_mask() -> Case:
    far = torch.where(RAGGED, normal(2, *RAGGED.shape), 10_000.0)
    return Case("large numbers where the mask is False", "What does not count can be anything.", (far, RAGGED))


@mistake(
    "This is what comes out when the sum is divided by all tokens. Divide by how many the mask counts: mask.sum()."
)
def divides_by_all_tokens(x, mask):
    return torch.where(mask, x, 0.0).mean()


@mistake(
    "This is the mean of the rows' means, where a token of a short row weighs more than one of a long row. "
    "Sum over the whole batch first, and divide once."
)
def mean_of_the_rows_means(x, mask):
    return (masked_sum(x, mask) / mask.sum(dim=1).clamp(min=1)).mean()


@mistake("This is the mean of everything: the mask is never used. It is True where a token counts.")
def ignores_the_mask(x, mask):
    return x.mean()


@mistake("This is the sum. A mean divides it by how many tokens count: mask.sum().")
def forgets_to_divide(x, mask):
    return torch.where(mask, x, 0.0).sum()


@mistake("This is the mean of the tokens that do not count. A mask is True where a token counts.")
def reads_the_mask_the_wrong_way_round(x, mask):
    return torch.where(mask, 0.0, x).sum() / (~mask).sum().clamp(min=1)


@mistake("All tokens are added up, and only the number to divide by knows the mask. The sum needs it too.")
def adds_padding_to_the_sum(x, mask):
    return x.sum() / mask.sum()


MASKED_MEAN = Exercise(
    masked_mean,
    outputs=("mean",),
    cases=_mean_cases,
    trains=("x",),
    mistakes=(
        divides_by_all_tokens,
        mean_of_the_rows_means,
        ignores_the_mask,
        forgets_to_divide,
        reads_the_mask_the_wrong_way_round,
        adds_padding_to_the_sum,
    ),
)

# ---- masked_whiten(x, mask)


def _whiten_cases() -> list[Case]:
    alone = (normal(9, 2, 5), rows(5, (3, 4), (0, 0)))
    return on_masks(
        lambda mask: (1 + 2 * normal(7, *mask.shape), mask),
        _far_off_the_mask(),
        Case("a single token in the whole batch", "One token alone becomes 0, not 0/0.", alone),
    )


def _centred(x, mask):
    return torch.where(mask, x - masked_mean(x, mask), 0.0)


def _variance(x, mask):
    return masked_mean(_centred(x, mask).square(), mask)


@mistake("Mean and variance are taken over everything, padding included. Use only what counts: masked_mean.")
def whitens_over_everything(x, mask):
    centred = x - x.mean()
    return torch.where(mask, centred * torch.rsqrt(centred.square().mean() + 1e-8), 0.0)


@mistake("Only the spread is scaled. The mean has to go as well, or every token seems better than expected.")
def keeps_the_mean(x, mask):
    return torch.where(mask, x * torch.rsqrt(_variance(x, mask) + 1e-8), 0.0)


@mistake("The mean is added back at the end. Some code does that to rewards; advantages must have mean 0.")
def adds_the_mean_back(x, mask):
    return torch.where(mask, masked_whiten(x, mask) + masked_mean(x, mask), 0.0)


@mistake("This divides by the variance. Divide by its square root, the standard deviation.")
def divides_by_the_variance(x, mask):
    return _centred(x, mask) / (_variance(x, mask) + 1e-8)


@mistake("The mean is gone and the spread is as it was. Divide by the standard deviation.")
def only_centres(x, mask):
    return _centred(x, mask)


@mistake("Each row is whitened by itself, so a good reply looks no better than a poor one. Take the whole batch.")
def whitens_each_row(x, mask):
    return torch.cat([masked_whiten(row, counts) for row, counts in zip(x.split(1), mask.split(1), strict=True)])


@mistake("This divides by n - 1, as torch.std does unless told otherwise. With one token that is 0/0: divide by n.")
def divides_by_n_minus_one(x, mask):
    n = mask.sum()
    return masked_whiten(x, mask) * ((n - 1) / n).sqrt() / (n > 1)


@mistake("Prompt and padding are shifted and scaled too. Where the mask is False the answer is 0.")
def leaves_numbers_in_the_padding(x, mask):
    return (x - masked_mean(x, mask)) * torch.rsqrt(_variance(x, mask) + 1e-8)


@mistake(
    "The mask is never used. Mean and variance belong to the tokens that count, masked_mean(x, mask), and where the "
    "mask is False the answer is 0. (And torch.var divides by n - 1, here it is n.)"
)
def never_looks_at_the_mask(x, mask):
    return (x - x.mean()) / torch.sqrt(x.var() + 1e-8)


@mistake(
    "The tokens that do not count are set to 0 and then counted all the same, in the mean and in the variance. Divide "
    "by how many the mask counts: masked_mean."
)
def counts_the_zeros(x, mask):
    centred = x * mask - (x * mask).mean()
    return torch.where(mask, centred * torch.rsqrt(centred.square().mean() + 1e-8), 0.0)


MASKED_WHITEN = Exercise(
    masked_whiten,
    outputs=("whitened",),
    cases=_whiten_cases,
    calls=30,
    mistakes=(
        whitens_over_everything,
        keeps_the_mean,
        adds_the_mean_back,
        divides_by_the_variance,
        only_centres,
        whitens_each_row,
        divides_by_n_minus_one,
        leaves_numbers_in_the_padding,
        never_looks_at_the_mask,
        counts_the_zeros,
    ),
)
