"""Wrong answers to group_advantages, as learners write them; behind each stands what a good thought speaks of."""

import torch


def own_score_counts_too(score, group_size):  # other|own|itself
    groups = score.view(-1, group_size)
    return (groups - groups.mean(dim=1, keepdim=True)).flatten()


def others_divided_by_all(score, group_size):  # group_size - 1|others|less one|n - 1|one fewer|own
    groups = score.view(-1, group_size)
    others = (groups.sum(dim=1, keepdim=True) - groups) / group_size
    return (groups - others).flatten()


def own_kept_in_the_sum(score, group_size):  # own|other|itself
    groups = score.view(-1, group_size)
    return (groups - groups.sum(dim=1, keepdim=True) / (group_size - 1)).flatten()


def batch_mean(score, group_size):  # group|batch
    others = (score.sum() - score) / (len(score) - 1)
    return score - others


def standardised(score, group_size):  # std|spread|deviation|other
    groups = score.view(-1, group_size)
    centred = groups - groups.mean(1, keepdim=True)
    return (centred / (groups.std(1, keepdim=True) + 1e-4)).flatten()


def sign_turned(score, group_size):  # sign|minus|less the score
    groups = score.view(-1, group_size)
    others = (groups.sum(1, keepdim=True) - groups) / (group_size - 1)
    return (others - groups).flatten()


def not_flattened(score, group_size):  # flatten|shape|axis|\(B,\)
    groups = score.view(-1, group_size)
    others = (groups.sum(1, keepdim=True) - groups) / (group_size - 1)
    return groups - others


def group_in_columns(score, group_size):  # view|together|row|group
    groups = score.view(group_size, -1)
    others = (groups.sum(0, keepdim=True) - groups) / (group_size - 1)
    return (groups - others).flatten()


def wrong_dim(score, group_size):  # dim|row|group|down
    groups = score.view(-1, group_size)
    others = (groups.sum(0, keepdim=True) - groups) / (group_size - 1)
    return (groups - others).flatten()


def no_keepdim(score, group_size):  # keepdim|column|shape
    groups = score.view(-1, group_size)
    others = (groups.sum(1) - groups) / (group_size - 1)
    return (groups - others).flatten()


def others_not_averaged(score, group_size):  # mean|averag|divide|group_size - 1
    groups = score.view(-1, group_size)
    return (groups - (groups.sum(1, keepdim=True) - groups)).flatten()


def mean_of_others_alone(score, group_size):  # score|minus|own|first term|missing|subtract
    groups = score.view(-1, group_size)
    return ((groups.sum(1, keepdim=True) - groups) / (group_size - 1)).flatten()


def four_written(score, group_size):  # group_size|constant|argument
    groups = score.view(-1, 4)
    others = (groups.sum(1, keepdim=True) - groups) / 3
    return (groups - others).flatten()


def precedence(score, group_size):  # bracket|group_size - 1|divide
    groups = score.view(-1, group_size)
    others = groups.sum(1, keepdim=True) - groups / (group_size - 1)
    return (groups - others).flatten()


def right_by_loop(score, group_size):
    out = []
    for start in range(0, len(score), group_size):
        group = score[start : start + group_size].tolist()
        for i, mine in enumerate(group):
            rest = group[:i] + group[i + 1 :]
            out.append(mine - sum(rest) / len(rest))
    return torch.tensor(out)


def right_by_factor(score, group_size):
    g = score.reshape(-1, group_size)
    return ((g - g.mean(-1, keepdim=True)) * group_size / (group_size - 1)).reshape(-1)


def right_by_matrix(score, group_size):
    G = group_size
    away = (torch.eye(G) * G - torch.ones(G, G)) / (G - 1)
    return (score.view(-1, G) @ away).flatten()


def right_by_repeat(score, group_size):
    total = score.view(-1, group_size).sum(1).repeat_interleave(group_size)
    return score - (total - score) / (group_size - 1)


def divided_by_std_of_others(score, group_size):  # spread|std|divi
    g = score.view(-1, group_size)
    others = (g.sum(1, keepdim=True) - g) / (group_size - 1)
    return ((g - others) / (g.std(1, keepdim=True) + 1e-6)).flatten()


def best_of_the_others(score, group_size):  # best|largest|max|mean
    g = score.view(-1, group_size)
    return (g - g.amax(1, keepdim=True)).flatten()


def last_minus_first_dim(score, group_size):  # group|mean|own|other
    g = score.view(-1, group_size)
    return (g - g.mean(0, keepdim=True)).flatten()


def one_per_group(score, group_size):  # shape|row|\(B,\)|flatten|each
    g = score.view(-1, group_size)
    return (g - (g.sum(1, keepdim=True) - g) / (group_size - 1)).sum(1)


def group_number_for_size(score, group_size):  # group_size|groups|together|rows
    n = len(score) // group_size
    g = score.view(-1, n)
    return (g - (g.sum(1, keepdim=True) - g) / max(n - 1, 1)).flatten()


def divided_by_one_more(score, group_size):  # G − 1|group_size - 1|group_size|divided
    g = score.view(-1, group_size)
    return (g - (g.sum(1, keepdim=True) - g) / (group_size + 1)).flatten()


def squared(score, group_size):  # square
    g = score.view(-1, group_size)
    return ((g - (g.sum(1, keepdim=True) - g) / (group_size - 1)) ** 2).flatten()


def times_size(score, group_size):  # group_size|divided|times
    g = score.view(-1, group_size)
    return (g * group_size - g.sum(1, keepdim=True)).flatten()


def std_no_eps_pop(score, group_size):  # spread|std|divi
    g = score.view(-1, group_size)
    c = g - g.mean(1, keepdim=True)
    return (c / (g.std(1, keepdim=True, correction=0) + 1e-8)).flatten()
