"""Answers to token_log_probs, as learners write them; behind each wrong one stands what a good thought speaks of."""

import torch
import torch.nn.functional as F


def _said(log_p, tokens):
    return log_p.gather(2, tokens.unsqueeze(2)).squeeze(2)


def _shifted(log_p, tokens):
    return F.pad(_said(log_p[:, :-1], tokens[:, 1:]), (1, 0))


def no_shift(logits, tokens, mask):  # shift|place|before
    return _said(torch.log_softmax(logits, dim=-1), tokens) * mask


def no_log_softmax(logits, tokens, mask):  # log_softmax|softmax
    return _shifted(logits, tokens) * mask


def plain_softmax(logits, tokens, mask):  # logarithm|log
    return _shifted(logits.softmax(-1), tokens) * mask


def no_mask(logits, tokens, mask):  # mask
    return _shifted(torch.log_softmax(logits, dim=-1), tokens)


def shifted_the_other_way(logits, tokens, mask):  # direction|way|shift|late|early|before
    log_p = torch.log_softmax(logits, dim=-1)
    return F.pad(_said(log_p[:, 1:], tokens[:, :-1]), (1, 0)) * mask


def zeros_at_the_end(logits, tokens, mask):  # front|early|end|left
    log_p = torch.log_softmax(logits, dim=-1)
    return F.pad(_said(log_p[:, :-1], tokens[:, 1:]), (0, 1)) * mask


def wrong_dim(logits, tokens, mask):  # dim
    return _shifted(torch.log_softmax(logits, dim=1), tokens) * mask


def one_column_short(logits, tokens, mask):  # column
    log_p = torch.log_softmax(logits, dim=-1)
    return _said(log_p[:, :-1], tokens[:, 1:]) * mask[:, 1:]


def likeliest_token(logits, tokens, mask):  # likeliest|largest|tokens
    best = torch.log_softmax(logits, dim=-1)[:, :-1].max(dim=-1).values
    return F.pad(best, (1, 0)) * mask


def surprise(logits, tokens, mask):  # sign
    return -_shifted(torch.log_softmax(logits, dim=-1), tokens) * mask


def minus_infinity_off_the_mask(logits, tokens, mask):  # 0 has to stand|False|0
    return _shifted(torch.log_softmax(logits, dim=-1), tokens).masked_fill(~mask, float("-inf"))


def mask_one_early(logits, tokens, mask):  # mask
    moved = F.pad(mask[:, 1:], (0, 1))
    return _shifted(torch.log_softmax(logits, dim=-1), tokens) * moved


def tokens_not_shifted(logits, tokens, mask):  # token|shift|place
    log_p = torch.log_softmax(logits, dim=-1)
    return F.pad(_said(log_p[:, :-1], tokens[:, :-1]), (1, 0)) * mask


def logits_not_shifted(logits, tokens, mask):  # logits|shift|place
    log_p = torch.log_softmax(logits, dim=-1)
    return F.pad(_said(log_p[:, 1:], tokens[:, 1:]), (1, 0)) * mask


def wrong_mask(logits, tokens, mask):  # True|mask
    return _shifted(torch.log_softmax(logits, dim=-1), tokens) * ~mask


def softmax_of_log_softmax(logits, tokens, mask):  # softmax|twice|logarithm|exp
    return _shifted(torch.softmax(torch.log_softmax(logits, dim=-1), dim=-1), tokens) * mask


def summed(logits, tokens, mask):  # axis|added
    return (_shifted(torch.log_softmax(logits, dim=-1), tokens) * mask).sum(1)


def no_gradient(logits, tokens, mask):  # gradient|no_grad
    with torch.no_grad():
        return _shifted(torch.log_softmax(logits, dim=-1), tokens) * mask


def right_by_rolling(logits, tokens, mask):
    log_p = logits.log_softmax(-1).roll(1, 1)
    return torch.where(mask, log_p.gather(2, tokens[:, :, None])[..., 0], 0.0)


def right_by_cross_entropy(logits, tokens, mask):
    loss = F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
    return torch.cat([torch.zeros(len(tokens), 1), -loss], dim=1) * mask


def right_by_logsumexp(logits, tokens, mask):
    result = torch.zeros(tokens.shape)
    for t in range(1, tokens.shape[1]):
        before = logits[:, t - 1]
        said = before[torch.arange(len(tokens)), tokens[:, t]] - before.logsumexp(dim=1)
        result[:, t] = torch.where(mask[:, t], said, torch.zeros(()))
    return result


def log2_of_it(logits, tokens, mask):  # bits|log2|log
    p = torch.log_softmax(logits[:, :-1], -1).gather(2, tokens[:, 1:].unsqueeze(2)).squeeze(2)
    return F.pad(p, (1, 0)) * mask / 0.6931471805599453


def mask_inverted(logits, tokens, mask):  # mask|turned|round
    p = torch.log_softmax(logits[:, :-1], -1).gather(2, tokens[:, 1:].unsqueeze(2)).squeeze(2)
    return F.pad(p, (1, 0)) * ~mask


def ones_off_the_mask(logits, tokens, mask):  # 0|mask
    p = torch.log_softmax(logits[:, :-1], -1).gather(2, tokens[:, 1:].unsqueeze(2)).squeeze(2)
    return torch.where(mask, F.pad(p, (1, 0)), 1.0)


def running_sum(logits, tokens, mask):  # sum|cumsum|added up
    p = torch.log_softmax(logits[:, :-1], -1).gather(2, tokens[:, 1:].unsqueeze(2)).squeeze(2)
    return (F.pad(p, (1, 0)) * mask).cumsum(1) * mask
