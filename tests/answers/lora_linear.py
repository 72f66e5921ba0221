"""Wrong answers to lora_linear, as learners write them; behind each stands what a good thought speaks of."""

import torch
import torch.nn.functional as F


def no_scale(x, weight, down, up, scale):  # scale
    return x @ weight.T + x @ down.T @ up.T


def scale_over_all(x, weight, down, up, scale):  # scale|whole
    return scale * (x @ (weight + up @ down).T)


def adapter_alone(x, weight, down, up, scale):  # alone|weight|added|beside
    return scale * (x @ down.T) @ up.T


def minus(x, weight, down, up, scale):  # subtract|sign|added|minus
    return x @ weight.T - scale * (x @ down.T) @ up.T


def base_alone(x, weight, down, up, scale):  # adapter|down|not change
    return F.linear(x, weight)


def scale_at_the_weight(x, weight, down, up, scale):  # scale
    return x @ (scale * weight + up @ down).T


def divided(x, weight, down, up, scale):  # scale|divi
    return F.linear(x, weight) + F.linear(F.linear(x, down), up) / scale


def twice(x, weight, down, up, scale):  # scale|twice
    down, up = scale * down, scale * up
    return F.linear(x, weight) + F.linear(F.linear(x, down), up)


def over_the_rank(x, weight, down, up, scale):  # rank|scale
    r = down.shape[0]
    return F.linear(x, weight) + (scale / r) * F.linear(F.linear(x, down), up)


def times_the_rank(x, weight, down, up, scale):  # rank|scale|times
    return F.linear(x, weight) + scale * down.shape[0] * F.linear(F.linear(x, down), up)


def relu_between(x, weight, down, up, scale):  # relu|between|linear|product
    hidden = torch.relu(x @ down.T)
    return x @ weight.T + scale * hidden @ up.T


def no_grad(x, weight, down, up, scale):  # gradient|learn
    with torch.no_grad():
        moved = scale * F.linear(F.linear(x, down), up)
    return F.linear(x, weight) + moved


def scale_added(x, weight, down, up, scale):  # scale|multipl
    return x @ weight.T + scale + x @ down.T @ up.T


def mean_of_both(x, weight, down, up, scale):  # half|averag|added
    return torch.stack([F.linear(x, weight), scale * F.linear(F.linear(x, down), up)]).mean(dim=0)


def merged_data(x, weight, down, up, scale):  # gradient|learn
    return F.linear(x, weight + scale * up.data @ down.data)


def right_merged(x, weight, down, up, scale):
    return F.linear(x, weight + scale * up @ down)


def right_in_two_lines(x, weight, down, up, scale):
    narrow = x @ down.T
    return x @ weight.T + scale * (narrow @ up.T)


def right_by_einsum(x, weight, down, up, scale):
    return torch.einsum("...i,oi->...o", x, weight) + scale * torch.einsum("...i,ri,or->...o", x, down, up)
