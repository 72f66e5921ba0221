"""Answers to chosen_and_rejected, as learners write them; behind each wrong one stands what a good thought says."""

import torch


def _pairs(shown, side):
    left, right = shown.unbind(1)
    return torch.where(side == 1, right, left), torch.where(side == 1, left, right)


def _preference(side, tie=0.5, bad=0.0):
    return torch.where(side == 2, tie, torch.where(side == 3, bad, 1.0))


def side_is_the_reply(shown, side):  # shown|stood|screen
    return (side == 1).long(), (side != 1).long(), _preference(side)


def chosen_and_rejected_swapped(shown, side):  # places|order|other way|turned
    chosen, rejected = _pairs(shown, side)
    return rejected, chosen, _preference(side)


def preference_always_one(shown, side):  # preference|tie
    return *_pairs(shown, side), torch.ones(len(side))


def bad_is_a_tie(shown, side):  # bad|½|3
    return *_pairs(shown, side), torch.where(side >= 2, 0.5, 1.0)


def tie_is_zero(shown, side):  # tie|½|2
    return *_pairs(shown, side), (side < 2).float()


def tie_and_bad_swapped(shown, side):  # tie|bad|preference
    return *_pairs(shown, side), _preference(side, tie=0.0, bad=0.5)


def left_always(shown, side):  # side|right
    return shown[:, 0], shown[:, 1], _preference(side)


def anything_else_is_the_right(shown, side):  # neither|left|tie
    left, right = shown.unbind(1)
    return torch.where(side == 0, left, right), torch.where(side == 0, right, left), _preference(side)


def left_and_right_mistaken(shown, side):  # left|right|turned|places
    left, right = shown.unbind(1)
    return torch.where(side == 0, right, left), torch.where(side == 0, left, right), _preference(side)


def preference_in_front(shown, side):  # order|places
    return _preference(side), *_pairs(shown, side)


def preference_of_the_left(shown, side):  # preference|left|right|choice
    return *_pairs(shown, side), torch.where(side == 0, 1.0, torch.where(side == 1, 0.0, _preference(side)))


def rejected_not_turned(shown, side):  # in `rejected`
    return _pairs(shown, side)[0], shown[:, 1], _preference(side)


def chosen_twice(shown, side):  # in `rejected`
    chosen, _ = _pairs(shown, side)
    return chosen, chosen, _preference(side)


def every_row_with_every_side(shown, side):  # shape|row|axis
    side = side.clamp(max=1)
    return shown[:, side], shown[:, 1 - side], _preference(side)


def whole_preference(shown, side):  # floating|½|whole
    return *_pairs(shown, side), torch.where(side < 2, 1, 0)


def bad_is_minus_one(shown, side):  # bad|0|preference
    return *_pairs(shown, side), _preference(side, bad=-1.0)


def ties_left_out(shown, side):  # shape|left out|all
    kept = side < 2
    return *(x[kept] for x in _pairs(shown, side)), _preference(side)[kept]


def two_only(shown, side):  # preference|3 tensors|asked for
    return _pairs(shown, side)


def gathers_the_side(shown, side):  # neither|left|tie
    at = side.clamp(max=1).unsqueeze(1)
    return shown.gather(1, at).squeeze(1), shown.gather(1, 1 - at).squeeze(1), _preference(side)


def right_by_index(shown, side):
    at, rows = (side == 1).long(), torch.arange(len(side))
    return shown[rows, at], shown[rows, 1 - at], (side < 2) + 0.5 * (side == 2)


def right_by_table(shown, side):
    return *_pairs(shown, side), torch.tensor([1.0, 1.0, 0.5, 0.0])[side]


def right_by_loop(shown, side):
    chosen, rejected, preference = [], [], []
    for (left, right), clicked in zip(shown.tolist(), side.tolist(), strict=True):
        chosen.append(right if clicked == 1 else left)
        rejected.append(left if clicked == 1 else right)
        preference.append({0: 1.0, 1: 1.0, 2: 0.5, 3: 0.0}[clicked])
    return chosen, rejected, preference


def both_bad_half(shown, side):  # tie|both bad|3|half|½|preference
    c = torch.where(side == 1, shown[:, 1], shown[:, 0])
    r = torch.where(side == 1, shown[:, 0], shown[:, 1])
    return c, r, torch.where(side >= 2, 0.5, 1.0)


def tie_right(shown, side):  # tie|left|neither
    c = torch.where(side >= 1, shown[:, 1], shown[:, 0])
    r = torch.where(side >= 1, shown[:, 0], shown[:, 1])
    p = torch.where(side == 2, 0.5, torch.where(side == 3, 0.0, 1.0))
    return c, r, p


def by_size(shown, side):  # side|larger|largest|smaller|max
    p = torch.where(side == 2, 0.5, torch.where(side == 3, 0.0, 1.0))
    return shown.max(1).values, shown.min(1).values, p


def preference_is_side(shown, side):  # preference|side
    c = torch.where(side == 1, shown[:, 1], shown[:, 0])
    r = torch.where(side == 1, shown[:, 0], shown[:, 1])
    return c, r, side.float()
