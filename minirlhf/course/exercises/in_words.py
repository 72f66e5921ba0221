"""The package's functions once more, as the lessons' texts and hints would have them written.

`check` changes one thing in them at a time to see whether a learner's numbers come out, and quotes the line.
"""

from math import comb, log

import torch
import torch.nn.functional as F

from minirlhf.ops import last_true, masked_mean, masked_sum


def mean_by_product(x, mask):
    return (x * mask).sum() / mask.sum().clamp(min=1)


def mean_by_picking(x, mask):
    return torch.where(mask, x, 0.0).sum() / max(mask.sum(), 1)


def surprise_of_labels(log_probs, labels):
    picked = log_probs[torch.arange(len(labels)), labels]
    return -picked.mean()


def surprise_as_quotient(log_probs, labels):
    picked = log_probs.gather(1, labels.unsqueeze(1))
    return -picked.sum() / len(labels)


def said_by_each_text(logits, tokens, mask):
    log_p = torch.log_softmax(logits[:, :-1], dim=-1)
    said = log_p.gather(2, tokens[:, 1:].unsqueeze(2)).squeeze(2)
    return torch.where(mask, F.pad(said, (1, 0)), 0.0)


def said_by_each_text_cut_late(logits, tokens, mask):
    log_p = torch.log_softmax(logits, dim=-1)
    said = log_p[:, :-1].gather(2, tokens[:, 1:].unsqueeze(2)).squeeze(2)
    return F.pad(said, (1, 0)) * mask


def first_sum_above(probabilities, u):
    sums = probabilities.cumsum(dim=1)
    above = sums > u.unsqueeze(1) * sums[:, -1:]
    return above.int().argmax(dim=1)


def first_sum_above_counted(probabilities, u):
    sums = probabilities.cumsum(dim=1)
    return (sums <= (u * sums[:, -1]).unsqueeze(1)).sum(dim=1)


def one_to_the_left(mask):
    return torch.cat([mask[:, 1:], mask[:, :1] & False], dim=1)


def surprise_of_replies(logits, tokens, mask):
    log_p = torch.log_softmax(logits[:, :-1], dim=-1)
    said = log_p.gather(2, tokens[:, 1:].unsqueeze(2)).squeeze(2)
    counted = mask[:, 1:]
    return -(said * counted).sum() / counted.sum().clamp(min=1)


def surprise_of_replies_cut_late(logits, tokens, mask):
    log_p = torch.log_softmax(logits, dim=-1)
    said = log_p[:, :-1].gather(2, tokens[:, 1:].unsqueeze(2)).squeeze(2)
    return -masked_mean(said, mask[:, 1:])


def clicks_to_replies(shown, side):
    left, right = shown[:, 0], shown[:, 1]
    chosen = torch.where(side == 1, right, left)
    rejected = torch.where(side == 1, left, right)
    preference = torch.where(side == 2, 0.5, torch.where(side == 3, 0.0, 1.0))
    return chosen, rejected, preference


def surprise_at_choices(chosen, rejected):
    return -F.logsigmoid(chosen - rejected).mean()


def largest_column(mask):
    columns = torch.arange(mask.shape[1])
    return torch.where(mask, columns, -1).amax(dim=1)


def what_turned_out_better(log_probs, advantages, mask):
    return -masked_mean(advantages * log_probs, mask)


def what_turned_out_better_summed(log_probs, advantages, mask):
    return -(advantages * log_probs * mask).sum() / mask.sum().clamp(min=1)


def pay_slip(score, log_probs, ref_log_probs, mask, beta):
    penalty = -beta * (log_probs - ref_log_probs) * mask
    at_last = torch.arange(mask.shape[1]) == last_true(mask).unsqueeze(1)
    return penalty + at_last * score.unsqueeze(1)


def pay_slip_by_difference(score, log_probs, ref_log_probs, mask, beta):
    at_last = torch.arange(mask.shape[1]) == last_true(mask).unsqueeze(1)
    return (score.unsqueeze(1) * at_last - beta * (log_probs - ref_log_probs)) * mask


def whitened(x, mask):
    mean = masked_mean(x, mask)
    variance = masked_mean((x - mean) ** 2, mask)
    return torch.where(mask, (x - mean) / sqrt(variance + 1e-8), 0.0)


def whitened_at_once(x, mask):
    centred = (x - masked_mean(x, mask)) * mask
    return centred / sqrt((centred**2).sum() / mask.sum().clamp(min=1) + 1e-8)


def whitened_mean_by_mean(x, mask):
    variance = masked_mean((x - masked_mean(x, mask)) ** 2, mask)
    return (x - masked_mean(x, mask)) / sqrt(variance + 1e-8) * mask


def sqrt(x):
    return x.sqrt()


def beta_that_follows(beta, kl, target, episodes, horizon):
    error = min(max(kl / target - 1, -0.2), 0.2)
    return beta * (1 + error * episodes / horizon)


def kl_of_best_of_n(n):
    return log(n) - (n - 1) / n


def kl_of_best_of_n_in_parts(n):
    return log(n) - 1 + 1 / n


def mean_over_subsets(proxy, gold, n):
    N = proxy.shape[1]
    shares = torch.tensor([comb(k - 1, n - 1) / comb(N, n) for k in range(1, N + 1)])
    order = proxy.argsort(dim=1, stable=True)
    return (gold.gather(1, order) * shares).sum(dim=1).mean()


def mean_over_subsets_counted_from_zero(proxy, gold, n):
    N = proxy.shape[1]
    shares = torch.tensor([comb(k, n - 1) for k in range(N)]) / comb(N, n)
    order = proxy.argsort(dim=1, stable=True)
    return (gold.gather(1, order) * shares).sum() / len(gold)


def mean_less_deviation(scores, caution):
    return scores.mean(dim=0) - caution * scores.std(dim=0, correction=0)


def mean_less_deviation_by_squares(scores, caution):
    mean = scores.mean(dim=0)
    return mean - caution * sqrt(((scores - mean) ** 2).mean(dim=0))


def best_on_a_leash(ref_probs, rewards, beta):
    weights = ref_probs * (rewards / beta).exp()
    return weights / weights.sum()


def best_on_a_leash_by_softmax(ref_probs, rewards, beta):
    return (ref_probs.log() + rewards / beta).softmax(dim=0)


def how_much_likelier(log_probs, ref_log_probs, mask, beta):
    return beta * masked_sum(log_probs - ref_log_probs, mask)


def how_much_likelier_by_product(log_probs, ref_log_probs, mask, beta):
    gained = (log_probs - ref_log_probs) * mask
    return beta * gained.sum(dim=1)


def surprise_at_pairs(log_probs, ref_log_probs, mask, beta):
    reward = beta * masked_sum(log_probs - ref_log_probs, mask)
    chosen, rejected = reward.chunk(2)
    return -F.logsigmoid(chosen - rejected).mean()


def surprise_at_pairs_parted_first(log_probs, ref_log_probs, mask, beta):
    gained = (log_probs - ref_log_probs) * mask
    chosen, rejected = gained.chunk(2)
    return -F.logsigmoid(beta * (chosen.sum(dim=1) - rejected.sum(dim=1))).mean()


def surprise_at_pairs_of_four(log_probs, ref_log_probs, mask, beta):
    chosen, rejected = masked_sum(log_probs, mask).chunk(2)
    ref_chosen, ref_rejected = masked_sum(ref_log_probs, mask).chunk(2)
    return -F.logsigmoid(beta * ((chosen - ref_chosen) - (rejected - ref_rejected))).mean()


def score_less_the_others(score, group_size):
    groups = score.view(-1, group_size)
    others = (groups.sum(dim=1, keepdim=True) - groups) / (group_size - 1)
    return (groups - others).flatten()


def score_less_the_mean_scaled(score, group_size):
    groups = score.view(-1, group_size)
    centred = groups - groups.mean(dim=1, keepdim=True)
    return (centred * group_size / (group_size - 1)).flatten()


def all_right_or_all_wrong(p, group_size):
    return p**group_size + (1 - p) ** group_size


def chance_that_not_all_miss(n, right, k):
    return 1 - comb(n - right, k) / comb(n, k)


def mean_of_ratios(log_probs, old_log_probs, mask):
    return masked_mean((log_probs - old_log_probs).exp(), mask)


def mean_of_ratios_by_sums(log_probs, old_log_probs, mask):
    ratio = (log_probs - old_log_probs).exp()
    return (ratio * mask).sum() / mask.sum()


def mean_of_quotients(log_probs, old_log_probs, mask):
    return masked_mean(log_probs.exp() / old_log_probs.exp(), mask)


def share_of_equal_groups(score, group_size):
    groups = score.view(-1, group_size)
    return (groups == groups[:, :1]).all(dim=1).float().mean()


def share_of_groups_without_spread(score, group_size):
    groups = score.view(-1, group_size)
    return (groups.amax(dim=1) == groups.amin(dim=1)).float().mean()


def share_of_groups_at_their_mean(score, group_size):
    groups = score.view(-1, group_size)
    return (groups.std(dim=1, correction=0) == 0).float().mean()


def layer_and_scaled_product(x, weight, down, up, scale):
    return x @ weight.T + scale * (x @ down.T @ up.T)


def layer_of_the_moved_weight(x, weight, down, up, scale):
    return x @ (weight + scale * (up @ down)).T


def sum_over_all_tokens(means, counts):
    return (means * counts).sum() / counts.sum()


def weighted_by_tokens(means, counts):
    weights = counts / counts.sum()
    return (weights * means).sum()
