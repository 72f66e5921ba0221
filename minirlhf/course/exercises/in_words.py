"""The package's functions once more, as the lessons' texts and hints would have them written.

`check` changes one thing in them at a time to see whether a learner's numbers come out, and quotes the line.
"""

from math import comb, log

import torch
import torch.nn.functional as F

from minirlhf.ops import last_true, masked_mean


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
