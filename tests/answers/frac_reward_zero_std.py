"""Wrong answers to frac_reward_zero_std, as learners write them; behind each stands what a good thought speaks of."""

import torch


def live_groups(score, group_size):  # 1 −|1 -|opposite|not|minus|rest|turned
    groups = score.view(-1, group_size)
    return (groups != groups[:, :1]).any(dim=1).float().mean()


def how_many(score, group_size):  # share|mean|how many|number of|divided|times
    groups = score.view(-1, group_size)
    return (groups == groups[:, :1]).all(dim=1).sum()


def equal_scores_not_groups(score, group_size):  # all|group
    groups = score.view(-1, group_size)
    return (groups == groups[:, :1]).float().mean()


def any_for_all(score, group_size):  # all
    groups = score.view(-1, group_size)
    return (groups == groups[:, :1]).any(dim=1).float().mean()


def groups_in_columns(score, group_size):  # view|together|row|group
    groups = score.view(group_size, -1)
    return (groups == groups[:1]).all(dim=0).float().mean()


def all_wrong_only(score, group_size):  # all right|equal|zero|0|other
    return (score.view(-1, group_size) == 0).all(dim=1).float().mean()


def all_right_only(score, group_size):  # all wrong|equal|one|1
    return (score.view(-1, group_size) == 1).all(dim=1).float().mean()


def zero_or_one(score, group_size):  # 0|1|equal|any|other scores|number
    groups = score.view(-1, group_size)
    return ((groups == 0).all(1) | (groups == 1).all(1)).float().mean()


def first_and_last(score, group_size):  # all|between|middle|every
    groups = score.view(-1, group_size)
    return (groups[:, 0] == groups[:, -1]).float().mean()


def share_of_batch(score, group_size):  # groups|group_size|B|replies
    groups = score.view(-1, group_size)
    return (groups == groups[:, :1]).all(dim=1).sum() / len(score)


def truth_per_group(score, group_size):  # mean|share|number|shape|axis
    groups = score.view(-1, group_size)
    return (groups == groups[:, :1]).all(dim=1)


def wrong_dim(score, group_size):  # dim|row|down
    groups = score.view(-1, group_size)
    return (groups == groups[:, :1]).all(dim=0).float().mean()


def mean_of_stds(score, group_size):  # count|share|== 0|mean
    return score.view(-1, group_size).std(dim=1).mean()


def group_of_four(score, group_size):  # group_size|constant|argument
    groups = score.view(-1, 4)
    return (groups == groups[:, :1]).all(dim=1).float().mean()


def right_by_range(score, group_size):
    groups = score.view(-1, group_size)
    return (groups.max(1).values == groups.min(1).values).float().mean()


def right_by_std(score, group_size):
    return (score.view(-1, group_size).std(1, correction=0) == 0).float().mean()


def right_by_loop(score, group_size):
    values = score.tolist()
    groups = [values[i : i + group_size] for i in range(0, len(values), group_size)]
    return sum(len(set(group)) == 1 for group in groups) / len(groups)


def right_by_unfold(score, group_size):
    windows = score.unfold(0, group_size, group_size)
    return torch.stack([torch.all(w == w[0]) for w in windows]).double().mean()


def std_of_all(score, group_size):  # batch|group
    return (score.std() == 0).float()


def not_equal_all(score, group_size):  # differ|all|not|turned|any|comparison
    g = score.view(-1, group_size)
    return (g != g[:, :1]).all(dim=1).float().mean()


def equal_to_mean(score, group_size):  # all|each|replies|share|repl
    g = score.view(-1, group_size)
    return (g == g.mean(1, keepdim=True)).float().mean()


def first_two(score, group_size):  # all|two|another
    g = score.view(-1, group_size)
    return (g[:, 0] == g[:, 1]).float().mean()


def tolerance(score, group_size):  # near|equal|tolerance|small
    g = score.view(-1, group_size)
    return (g.std(1) < 0.05).float().mean()


def sum_is_zero_or_full(score, group_size):  # 0|1|sum|equal
    s = score.view(-1, group_size).sum(1)
    return ((s == 0) | (s == group_size)).float().mean()


def std_is_one(score, group_size):  # number|0|== 1
    return (score.view(-1, group_size).std(1) == 1).float().mean()


def mean_zero(score, group_size):  # mean|sum|spread|equal|std
    return (score.view(-1, group_size).mean(1) == 0).float().mean()


def all_groups_alike(score, group_size):  # group|batch|dim
    g = score.view(-1, group_size)
    return (g == g[:1]).all(dim=1).float().mean()
