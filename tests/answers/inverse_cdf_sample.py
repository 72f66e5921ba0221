"""Answers to inverse_cdf_sample, as learners write them; behind each wrong one stands what a good thought speaks of."""

import torch


def _reached(probabilities, u):
    sums = probabilities.cumsum(dim=1)
    return sums, u.unsqueeze(1) * sums[:, -1:]


def greater_or_equal(probabilities, u):  # greater|>=|equal
    sums, u = _reached(probabilities, u)
    return (sums >= u).int().argmax(dim=1)


def likeliest(probabilities, u):  # likeliest|u
    return probabilities.argmax(dim=1)


def no_running_sum(probabilities, u):  # running|cumsum|sum
    return (probabilities > u.unsqueeze(1)).int().argmax(dim=1)


def last_sum_forgotten(probabilities, u):  # last sum|round
    return (probabilities.cumsum(dim=1) > u.unsqueeze(1)).int().argmax(dim=1)


def less_than(probabilities, u):  # less|<|greater|compar
    sums, u = _reached(probabilities, u)
    return (sums < u).int().argmax(dim=1)


def down_the_batch(probabilities, u):  # dim
    sums = probabilities.cumsum(dim=0)
    return (sums > (u.unsqueeze(1) * sums[:, -1:])).int().argmax(dim=1)


def counts_the_greater(probabilities, u):  # count|comparison
    sums, u = _reached(probabilities, u)
    return (sums > u).sum(dim=1)


def one_too_far(probabilities, u):  # one
    sums, u = _reached(probabilities, u)
    return (sums <= u).sum(dim=1) + 1


def no_unsqueeze(probabilities, u):  # unsqueeze|column|size|broadcast
    sums = probabilities.cumsum(dim=1)
    return (sums > u * sums[:, -1]).int().argmax(dim=1)


def first_u_for_all(probabilities, u):  # first
    sums = probabilities.cumsum(dim=1)
    return (sums > u[0] * sums[:, -1:]).int().argmax(dim=1)


def sums_begin_at_zero(probabilities, u):  # before|itself|one
    sums = probabilities.cumsum(dim=1) - probabilities
    return (sums > u.unsqueeze(1)).int().argmax(dim=1)


def last_true_place(probabilities, u):  # first|last|`probabilities` is not used
    sums, u = _reached(probabilities, u)
    return sums.shape[1] - 1 - (sums > u).flip(1).int().argmax(dim=1)


def nearest(probabilities, u):  # greater|near
    sums, u = _reached(probabilities, u)
    return (sums - u).abs().argmin(dim=1)


def sorted_first(probabilities, u):  # sort
    sums, u = _reached(probabilities.sort(dim=1, descending=True).values, u)
    return (sums > u).int().argmax(dim=1)


def gives_the_sum(probabilities, u):  # whole numbers|place
    sums, u = _reached(probabilities, u)
    return sums.gather(1, (sums > u).int().argmax(dim=1, keepdim=True)).squeeze(1)


def draws_for_itself(probabilities, u):  # u
    torch.manual_seed(0)
    return torch.multinomial(probabilities, 1).squeeze(1)


def one_minus_u(probabilities, u):  # 1 -|one minus|reverse|end
    sums, u = _reached(probabilities, 1 - u)
    return (sums > u).int().argmax(dim=1)


def softmax_first(probabilities, u):  # softmax|exp
    sums, u = _reached(probabilities.softmax(dim=1), u)
    return (sums > u).int().argmax(dim=1)


def one_row(probabilities, u):  # row|first
    sums, u = _reached(probabilities, u)
    return (sums > u).int()[0].argmax().expand(len(u))


def right_by_search(probabilities, u):
    sums = probabilities.cumsum(dim=1)
    return torch.searchsorted(sums, (u * sums[:, -1])[:, None], right=True).squeeze(1)


def right_by_counting(probabilities, u):
    sums = probabilities.cumsum(1)
    return (sums <= (u * sums[:, -1])[:, None]).sum(1)


def right_by_loop(probabilities, u):
    picked = []
    for row, number in zip(probabilities, u, strict=True):
        sums = row.cumsum(0)
        for place in range(len(row)):
            if sums[place] > number * sums[-1]:
                picked.append(place)
                break
    return torch.tensor(picked)


def divided_by_last(probabilities, u):  # divi|last|multipl
    s = probabilities.cumsum(1)
    return (s > (u / s[:, -1]).unsqueeze(1)).int().argmax(1)


def one_before(probabilities, u):  # one
    s = probabilities.cumsum(1)
    return (s > (u * s[:, -1]).unsqueeze(1)).int().argmax(1) - 1


def reversed_sums(probabilities, u):  # right|revers|end|flip|order|from
    s = probabilities.flip(1).cumsum(1)
    return (s > (u * s[:, -1]).unsqueeze(1)).int().argmax(1)


def product_running(probabilities, u):  # product|sum|cumprod
    s = probabilities.cumprod(1)
    return (s > u.unsqueeze(1)).int().argmax(1)
