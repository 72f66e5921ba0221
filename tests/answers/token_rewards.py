"""Answers to token_rewards, as learners write them; behind each wrong one stands what a good thought speaks of."""

import torch

from minirlhf import last_true


def _penalty(log_probs, ref_log_probs, mask, beta):
    return torch.where(mask, -beta * (log_probs - ref_log_probs), 0.0)


def _last(mask):
    return torch.arange(mask.shape[1]) == last_true(mask).unsqueeze(1)


def penalty_as_a_bonus(score, log_probs, ref_log_probs, mask, beta):  # sign|minus|places
    return -_penalty(log_probs, ref_log_probs, mask, beta) + _last(mask) * score.unsqueeze(1)


def no_score(score, log_probs, ref_log_probs, mask, beta):  # score
    return _penalty(log_probs, ref_log_probs, mask, beta)


def score_everywhere(score, log_probs, ref_log_probs, mask, beta):  # last|score
    return _penalty(log_probs, ref_log_probs, mask, beta) + mask * score.unsqueeze(1)


def score_in_the_last_column(score, log_probs, ref_log_probs, mask, beta):  # last|column|padding
    rewards = _penalty(log_probs, ref_log_probs, mask, beta)
    rewards[:, -1] += score
    return rewards


def penalty_not_masked(score, log_probs, ref_log_probs, mask, beta):  # mask|0 has to stand
    return -beta * (log_probs - ref_log_probs) + _last(mask) * score.unsqueeze(1)


def no_beta(score, log_probs, ref_log_probs, mask, beta):  # β
    return _penalty(log_probs, ref_log_probs, mask, 1.0) + _last(mask) * score.unsqueeze(1)


def score_instead_of_the_penalty(score, log_probs, ref_log_probs, mask, beta):  # penalty|last|added
    return torch.where(_last(mask), score.unsqueeze(1), _penalty(log_probs, ref_log_probs, mask, beta))


def empty_rows_paid(score, log_probs, ref_log_probs, mask, beta):  # no token|-1|−1|nowhere|empty
    rewards = _penalty(log_probs, ref_log_probs, mask, beta)
    rewards[torch.arange(len(score)), last_true(mask)] += score
    return rewards


def counted_place(score, log_probs, ref_log_probs, mask, beta):  # last|count|prompt
    last = torch.arange(mask.shape[1]) == (mask.sum(1) - 1).unsqueeze(1)
    return _penalty(log_probs, ref_log_probs, mask, beta) + last * score.unsqueeze(1)


def score_at_the_first(score, log_probs, ref_log_probs, mask, beta):  # first|last
    first = mask & (mask.cumsum(1) == 1)
    return _penalty(log_probs, ref_log_probs, mask, beta) + first * score.unsqueeze(1)


def reference_forgotten(score, log_probs, ref_log_probs, mask, beta):  # ref
    return torch.where(mask, -beta * log_probs, 0.0) + _last(mask) * score.unsqueeze(1)


def ratio_of_probabilities(score, log_probs, ref_log_probs, mask, beta):  # exp|ratio
    penalty = torch.where(mask, -beta * (log_probs - ref_log_probs).exp(), 0.0)
    return penalty + _last(mask) * score.unsqueeze(1)


def divided_logarithms(score, log_probs, ref_log_probs, mask, beta):  # divi|difference|/
    return torch.where(mask, -beta * (log_probs / ref_log_probs), 0.0) + _last(mask) * score.unsqueeze(1)


def paid_at_the_end(score, log_probs, ref_log_probs, mask, beta):  # each|last|token|sum
    whole = score + _penalty(log_probs, ref_log_probs, mask, beta).sum(1)
    return _last(mask) * whole.unsqueeze(1)


def no_penalty(score, log_probs, ref_log_probs, mask, beta):  # penalty|beta
    return _last(mask) * score.unsqueeze(1)


def score_times_beta(score, log_probs, ref_log_probs, mask, beta):  # score|beta
    return torch.where(mask, beta * (_last(mask) * score.unsqueeze(1) - (log_probs - ref_log_probs)), 0.0)


def shared_score(score, log_probs, ref_log_probs, mask, beta):  # score|last|share
    share = mask * (score / mask.sum(1).clamp(min=1)).unsqueeze(1)
    return _penalty(log_probs, ref_log_probs, mask, beta) + share


def no_column(score, log_probs, ref_log_probs, mask, beta):  # unsqueeze|column|size
    return _penalty(log_probs, ref_log_probs, mask, beta) + _last(mask) * score


def absolute(score, log_probs, ref_log_probs, mask, beta):  # abs|sign
    return torch.where(mask, -beta * (log_probs - ref_log_probs).abs(), 0.0) + _last(mask) * score.unsqueeze(1)


def one_after_the_last(score, log_probs, ref_log_probs, mask, beta):  # last|one
    after = torch.arange(mask.shape[1]) == (last_true(mask) + 1).unsqueeze(1)
    return _penalty(log_probs, ref_log_probs, mask, beta) + after * score.unsqueeze(1)


def right_by_loop(score, log_probs, ref_log_probs, mask, beta):
    rewards = torch.zeros_like(log_probs)
    for b in range(len(score)):
        places = mask[b].nonzero().flatten().tolist()
        for t in places:
            rewards[b, t] = beta * (ref_log_probs[b, t] - log_probs[b, t])
        if places:
            rewards[b, places[-1]] += score[b]
    return rewards


def right_by_adding(score, log_probs, ref_log_probs, mask, beta):
    rewards = (-beta * (log_probs - ref_log_probs)).masked_fill(~mask, 0)
    last = last_true(mask)
    rows = torch.arange(len(score))[last >= 0]
    rewards[rows, last[rows]] += score[rows]
    return rewards


def _at(mask):
    return torch.arange(mask.shape[1]) == last_true(mask).unsqueeze(1)


def score_minus(score, log_probs, ref_log_probs, mask, beta):  # sign|minus|score|added
    return -beta * (log_probs - ref_log_probs) * mask - _at(mask) * score.unsqueeze(1)


def penalty_without_last(score, log_probs, ref_log_probs, mask, beta):  # last|penalty|added|instead
    return torch.where(_at(mask), score.unsqueeze(1), -beta * (log_probs - ref_log_probs) * mask)


def penalty_squared(score, log_probs, ref_log_probs, mask, beta):  # square
    return -beta * (log_probs - ref_log_probs) ** 2 * mask + _at(mask) * score.unsqueeze(1)


def beta_on_policy_only(score, log_probs, ref_log_probs, mask, beta):  # β|beta|bracket|factor
    return -(beta * log_probs - ref_log_probs) * mask + _at(mask) * score.unsqueeze(1)
