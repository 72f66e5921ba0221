"""Answers to sft_loss, as learners write them; behind each wrong one stands what a good thought speaks of."""

import torch
import torch.nn.functional as F

from minirlhf import predicting_positions


def _surprises(logits, tokens, mask):
    """What each supervised token costs, and 0 elsewhere: (B, T - 1)."""
    tokens = torch.where(mask, tokens, 0)
    return F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none") * mask[:, 1:]


def no_shift(logits, tokens, mask):  # shift|t \+ 1
    return F.cross_entropy(logits[mask], tokens[mask])


def everything(logits, tokens, mask):  # mask|supervised|count
    tokens = tokens.clamp(0, logits.shape[2] - 1)
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


def no_minus(logits, tokens, mask):  # sign|minus
    log_p = logits[predicting_positions(mask)].log_softmax(-1)
    said = tokens[:, 1:][mask[:, 1:]]
    return log_p[torch.arange(len(said)), said].mean()


def total(logits, tokens, mask):  # sum|mean|divide
    return F.cross_entropy(logits[predicting_positions(mask)], tokens[:, 1:][mask[:, 1:]], reduction="sum")


def row_means(logits, tokens, mask):  # row
    losses = _surprises(logits, tokens, mask)
    return (losses.sum(1) / mask.sum(1).clamp(min=1)).mean()


def tokens_at_the_places(logits, tokens, mask):  # token|shift|place
    places = predicting_positions(mask)
    return F.cross_entropy(logits[places], tokens[places])


def all_in_the_denominator(logits, tokens, mask):  # divide|count|places
    losses = _surprises(logits, tokens, mask)
    return losses.sum() / losses.numel()


def zeros_counted(logits, tokens, mask):  # divide|count|zeros|places
    return _surprises(logits, tokens, mask).mean()


def mask_not_shifted(logits, tokens, mask):  # mask
    tokens = tokens.clamp(0, logits.shape[2] - 1)
    losses = F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
    return losses[mask[:, :-1]].mean()


def softmax_first(logits, tokens, mask):  # softmax|twice
    return F.cross_entropy(logits[predicting_positions(mask)].softmax(-1), tokens[:, 1:][mask[:, 1:]])


def probabilities(logits, tokens, mask):  # logarithm|log_softmax
    p = logits[predicting_positions(mask)].softmax(-1)
    said = tokens[:, 1:][mask[:, 1:]]
    return -p[torch.arange(len(said)), said].mean()


def perplexity(logits, tokens, mask):  # exp
    return F.cross_entropy(logits[predicting_positions(mask)], tokens[:, 1:][mask[:, 1:]]).exp()


def logits_after(logits, tokens, mask):  # shift|t \+ 1
    return F.cross_entropy(logits[:, 1:][mask[:, 1:]], tokens[:, 1:][mask[:, 1:]])


def divided_by_rows(logits, tokens, mask):  # row|divide|len
    return _surprises(logits, tokens, mask).sum() / len(mask)


def unmasked_ones(logits, tokens, mask):  # mask|True
    tokens = tokens.clamp(0, logits.shape[2] - 1)
    losses = F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")
    return losses[~mask[:, 1:]].mean()


def no_gradient(logits, tokens, mask):  # gradient
    with torch.no_grad():
        return F.cross_entropy(logits[predicting_positions(mask)], tokens[:, 1:][mask[:, 1:]])


def likeliest(logits, tokens, mask):  # token|likeliest|largest
    rows = logits[predicting_positions(mask)]
    return F.cross_entropy(rows, rows.argmax(dim=-1))


def raw_logits(logits, tokens, mask):  # softmax
    rows = logits[predicting_positions(mask)]
    return -rows.gather(1, tokens[:, 1:][mask[:, 1:]].unsqueeze(1)).mean()


def not_averaged(logits, tokens, mask):  # mean
    return F.cross_entropy(logits[predicting_positions(mask)], tokens[:, 1:][mask[:, 1:]], reduction="none")


def right_by_product(logits, tokens, mask):
    return _surprises(logits, tokens, mask).sum() / mask.sum()


def right_by_ignoring(logits, tokens, mask):
    labels = tokens.masked_fill(~mask, -100)[:, 1:]
    return F.cross_entropy(logits[:, :-1].reshape(-1, logits.size(-1)), labels.reshape(-1))


def right_by_loop(logits, tokens, mask):
    losses = []
    for b, t in mask.nonzero().tolist():
        losses.append(logits[b, t - 1].logsumexp(0) - logits[b, t - 1, tokens[b, t]])
    return torch.stack(losses).mean()


def in_bits(logits, tokens, mask):  # bits|log
    return F.cross_entropy(logits[:, :-1][mask[:, 1:]], tokens[:, 1:][mask[:, 1:]]) / 0.6931471805599453


def first_token_dropped(logits, tokens, mask):  # first
    m = mask & (mask.cumsum(1) > 1)
    return F.cross_entropy(logits[:, :-1][m[:, 1:]], tokens[:, 1:][m[:, 1:]])


def prompt_too(logits, tokens, mask):  # prompt|mask|before
    m = mask.flip(1).cumsum(1).flip(1) > 0
    return F.cross_entropy(logits[:, :-1][m[:, 1:]], tokens[:, 1:][m[:, 1:]])


def two_to_the_left(logits, tokens, mask):  # one|two|shift|place|early|late
    return F.cross_entropy(logits[:, :-2][mask[:, 2:]], tokens[:, 2:][mask[:, 2:]])
