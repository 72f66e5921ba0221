"""Answers to last_true, as learners write them; behind each wrong one stands what a good thought speaks of."""

import torch


def _columns(mask):
    return torch.arange(mask.shape[1])


def counts_less_one(mask):  # count|prompt|begin
    return mask.sum(dim=1) - 1


def first_true(mask):  # first
    return torch.where(mask.any(dim=1), mask.int().argmax(dim=1), -1)


def zero_for_none(mask):  # none|nowhere|-1|−1|no token
    return (mask * _columns(mask)).max(dim=1).values


def last_column(mask):  # last column|padding|mask
    return torch.full((len(mask),), mask.shape[1] - 1)


def flipped_without_turning_back(mask):  # flip|turn|revers|right
    return torch.where(mask.any(dim=1), mask.flip(1).int().argmax(dim=1), -1)


def flipped_and_none_forgotten(mask):  # none|nowhere|-1|−1|no token
    return mask.shape[1] - 1 - mask.flip(1).int().argmax(dim=1)


def counted_from_one(mask):  # one
    return torch.where(mask, _columns(mask) + 1, -1).max(dim=1).values


def down_the_batch(mask):  # dim|row|shape
    return torch.where(mask, _columns(mask), -1).max(dim=0).values


def how_many(mask):  # count|how many
    return mask.sum(dim=1)


def smallest(mask):  # largest|min|max|smallest
    return torch.where(mask, _columns(mask), -1).min(dim=1).values


def added_up(mask):  # largest|sum|added
    return torch.where(mask, _columns(mask), -1).sum(dim=1)


def place_after(mask):  # one
    return torch.where(mask, _columns(mask), -1).max(dim=1).values + 1


def whole_batch(mask):  # row|number|shape
    return mask.nonzero()[-1, 1]


def places_not_numbers(mask):  # shape|axis|number
    last = torch.where(mask, _columns(mask), -1).max(dim=1, keepdim=True).values
    return mask & (_columns(mask) == last)


def argmax_of_columns(mask):  # none|nowhere|-1|−1|no token
    return (mask * _columns(mask)).argmax(dim=1)


def argmax_of_cumsum(mask):  # none|nowhere|-1|−1|no token
    return mask.cumsum(dim=1).argmax(dim=1)


def both_from_max(mask):  # values
    return torch.where(mask, _columns(mask), -1).max(dim=1)


def mask_turned_round(mask):  # False|True|wrong way|turned
    return torch.where(mask, -1, _columns(mask)).max(dim=1).values


def without_the_last_column(mask):  # last column
    mask = mask[:, :-1]
    return torch.where(mask, _columns(mask), -1).max(dim=1).values


def right_by_flipping(mask):
    width = mask.shape[1]
    return torch.where(mask.any(1), width - 1 - mask.flip(1).int().argmax(1), torch.tensor(-1))


def right_by_shifted_product(mask):
    return ((_columns(mask) + 1) * mask).amax(dim=1) - 1


def right_by_loop(mask):
    places = torch.full((mask.shape[0],), -1)
    for b, t in mask.nonzero():
        places[b] = t
    return places


def second_last(mask):  # one|before|last
    c = torch.arange(mask.shape[1])
    return torch.where(mask, c, -1).max(1).values - 1


def minus_width(mask):  # negative|-1|−1|none|end|width
    return torch.where(mask.any(1), mask.shape[1] - 1 - mask.flip(1).int().argmax(1), -mask.shape[1])


def median_place(mask):  # largest|median|middle|mean
    c = torch.arange(mask.shape[1])
    return torch.stack([c[m].median() if m.any() else torch.tensor(-1) for m in mask])


def first_gap(mask):  # False|gap|last|hole
    out = []
    for m in mask.tolist():
        place = -1
        for i, x in enumerate(m):
            if x:
                place = i
            elif place >= 0:
                break
        out.append(place)
    return torch.tensor(out)
