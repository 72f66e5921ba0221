"""Answers to predicting_positions, as learners write them; behind each wrong one stands what a good thought says."""

import torch
import torch.nn.functional as F


def to_the_right(mask):  # left|right|late|direction
    return torch.cat([torch.zeros(len(mask), 1, dtype=torch.bool), mask[:, :-1]], dim=1)


def rolled(mask):  # roll|round
    return mask.roll(-1, dims=1)


def as_it_is(mask):  # shift|place|left
    return mask


def one_column_short(mask):  # column
    return mask[:, 1:]


def true_in_the_gap(mask):  # gap|last|False
    return torch.cat([mask[:, 1:], torch.ones(len(mask), 1, dtype=torch.bool)], dim=1)


def zeros_in_front(mask):  # front|late|right|without its first column
    return torch.cat([torch.zeros(len(mask), 1, dtype=torch.bool), mask[:, 1:]], dim=1)


def last_column_again(mask):  # last|gap
    return torch.cat([mask[:, 1:], mask[:, -1:]], dim=1)


def drops_the_last(mask):  # left|place|shift|last
    return torch.cat([mask[:, :-1], torch.zeros(len(mask), 1, dtype=torch.bool)], dim=1)


def numbers(mask):  # True and False|bool
    return torch.cat([mask[:, 1:], torch.zeros(len(mask), 1)], dim=1)


def turned_round(mask):  # True and False have|turned|wrong way
    return ~mask


def up_the_batch(mask):  # row|dim|batch
    return torch.cat([mask[1:], torch.zeros(1, mask.shape[1], dtype=torch.bool)], dim=0)


def two_places(mask):  # two|place
    return F.pad(mask[:, 2:], (0, 2))


def both_places(mask):  # both|as well|asked too
    return mask | F.pad(mask[:, 1:], (0, 1))


def either_place(mask):  # both|&|and|left out
    return mask & F.pad(mask[:, 1:], (0, 1))


def first_only(mask):  # first|only
    before = F.pad(mask[:, 1:], (0, 1))
    return before & ~mask


def all_before_the_end(mask):  # before|prompt
    return F.pad(mask[:, 1:], (0, 1)).flip(1).cumsum(1).flip(1) > 0


def except_the_last(mask):  # last|place|left
    last = mask.long().cumsum(1) == mask.sum(1, keepdim=True)
    return mask & ~last


def reversed_columns(mask):  # revers|left
    return mask.flip(1)


def right_by_padding(mask):
    return F.pad(mask[:, 1:], (0, 1), value=False)


def right_in_place(mask):
    places = mask.roll(-1, 1)
    places[:, -1] = False
    return places


def right_by_loop(mask):
    places = torch.zeros_like(mask)
    for b in range(mask.shape[0]):
        for t in range(mask.shape[1] - 1):
            places[b, t] = mask[b, t + 1]
    return places


def two_gaps(mask):  # two|one|place
    return torch.cat([mask[:, 2:], torch.zeros_like(mask[:, :2])], dim=1)


def inverted_and_shifted(mask):  # turned|True|False|round|inverted
    return torch.cat([~mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)


def first_column_in_the_gap(mask):  # gap|first|roll|False|round
    return torch.cat([mask[:, 1:], mask[:, :1]], dim=1)


def only_last_of_row(mask):  # last
    m = torch.cat([mask[:, 1:], torch.zeros_like(mask[:, :1])], dim=1)
    return m & (m.flip(1).cumsum(1).flip(1) == 1)
