"""Wrong answers to dpo_loss, as learners write them; behind each stands what a good thought speaks of."""

import torch
import torch.nn.functional as F

from minirlhf import bradley_terry_loss, masked_mean, masked_sum


def _halves(log_probs, ref_log_probs, mask, beta):
    return (beta * masked_sum(log_probs - ref_log_probs, mask)).chunk(2)


def no_reference(log_probs, ref_log_probs, mask, beta):  # ref
    chosen, rejected = (beta * masked_sum(log_probs, mask)).chunk(2)
    return -F.logsigmoid(chosen - rejected).mean()


def pair_swapped(log_probs, ref_log_probs, mask, beta):  # sign|swap|order|rejected|turned
    chosen, rejected = _halves(log_probs, ref_log_probs, mask, beta)
    return -F.logsigmoid(rejected - chosen).mean()


def mean_over_tokens(log_probs, ref_log_probs, mask, beta):  # mean|sum|length
    each = masked_sum(log_probs - ref_log_probs, mask) / mask.sum(1)
    chosen, rejected = (beta * each).chunk(2)
    return -F.logsigmoid(chosen - rejected).mean()


def no_beta(log_probs, ref_log_probs, mask, beta):  # β|beta
    chosen, rejected = masked_sum(log_probs - ref_log_probs, mask).chunk(2)
    return -F.logsigmoid(chosen - rejected).mean()


def without_the_minus(log_probs, ref_log_probs, mask, beta):  # minus|sign
    chosen, rejected = _halves(log_probs, ref_log_probs, mask, beta)
    return F.logsigmoid(chosen - rejected).mean()


def every_other_row(log_probs, ref_log_probs, mask, beta):  # half|halves|chunk|rows|pair
    rewards = beta * masked_sum(log_probs - ref_log_probs, mask)
    return bradley_terry_loss(rewards[0::2], rewards[1::2])[0]


def sigmoid_without_log(log_probs, ref_log_probs, mask, beta):  # log
    chosen, rejected = _halves(log_probs, ref_log_probs, mask, beta)
    return -torch.sigmoid(chosen - rejected).mean()


def sum_for_mean(log_probs, ref_log_probs, mask, beta):  # mean|times|sum|averag
    chosen, rejected = _halves(log_probs, ref_log_probs, mask, beta)
    return -F.logsigmoid(chosen - rejected).sum()


def per_pair(log_probs, ref_log_probs, mask, beta):  # mean|one number|shape|axis
    chosen, rejected = _halves(log_probs, ref_log_probs, mask, beta)
    return -F.logsigmoid(chosen - rejected)


def margin_only(log_probs, ref_log_probs, mask, beta):  # sigmoid|σ|log
    chosen, rejected = _halves(log_probs, ref_log_probs, mask, beta)
    return -(chosen - rejected).mean()


def mask_forgotten(log_probs, ref_log_probs, mask, beta):  # mask
    chosen, rejected = (beta * (log_probs - ref_log_probs).sum(1)).chunk(2)
    return -F.logsigmoid(chosen - rejected).mean()


def beta_outside(log_probs, ref_log_probs, mask, beta):  # β|beta
    chosen, rejected = masked_sum(log_probs - ref_log_probs, mask).chunk(2)
    return beta * -F.logsigmoid(chosen - rejected).mean()


def reference_only_of_the_chosen(log_probs, ref_log_probs, mask, beta):  # ref|rejected
    ours = masked_sum(log_probs, mask).chunk(2)
    theirs = masked_sum(ref_log_probs, mask).chunk(2)
    return bradley_terry_loss(beta * (ours[0] - theirs[0]), beta * ours[1])[0]


def chunked_along_tokens(log_probs, ref_log_probs, mask, beta):  # dim|rows|half|halves|column|chunk
    chosen, rejected = (beta * (log_probs - ref_log_probs) * mask).chunk(2, dim=1)
    return bradley_terry_loss(chosen.sum(1), rejected.sum(1))[0]


def mean_of_the_masked(log_probs, ref_log_probs, mask, beta):  # mean|sum|row
    upper, lower = mask.chunk(2)
    diff = log_probs - ref_log_probs
    chosen, rejected = diff.chunk(2)
    return -F.logsigmoid(beta * (masked_mean(chosen, upper) - masked_mean(rejected, lower)))


def overflows_far_away(log_probs, ref_log_probs, mask, beta):  # finite|logsigmoid
    pairs = log_probs.shape[0] // 2
    total = 0.0
    for i in range(pairs):
        h = []
        for row in (i, i + pairs):
            keep = mask[row]
            h.append(beta * (log_probs[row][keep].sum() - ref_log_probs[row][keep].sum()))
        total = total + torch.log(1 + torch.exp(h[1] - h[0]))
    return total / pairs


def right_with_the_pair_it_gives(log_probs, ref_log_probs, mask, beta):
    chosen, rejected = (beta * masked_sum(log_probs - ref_log_probs, mask)).chunk(2)
    return bradley_terry_loss(chosen, rejected)


def right_by_softplus(log_probs, ref_log_probs, mask, beta):
    n = len(log_probs) // 2
    logratio = ((log_probs - ref_log_probs) * mask).sum(dim=-1)
    return F.softplus(beta * (logratio[n:] - logratio[:n])).mean()


def right_as_in_the_paper(log_probs, ref_log_probs, mask, beta):
    def sums(x):
        return (x * mask).sum(1).view(2, -1)

    pi_w, pi_l = sums(log_probs)
    ref_w, ref_l = sums(ref_log_probs)
    logits = (pi_w - pi_l) - (ref_w - ref_l)
    return -F.logsigmoid(beta * logits).mean()


def right_by_loop(log_probs, ref_log_probs, mask, beta):
    pairs = log_probs.shape[0] // 2
    total = 0.0
    for i in range(pairs):
        h = []
        for row in (i, i + pairs):
            keep = mask[row]
            h.append(beta * (log_probs[row][keep].sum() - ref_log_probs[row][keep].sum()))
        total = total + F.softplus(h[1] - h[0])
    return total / pairs


def lower_half_first(log_probs, ref_log_probs, mask, beta):  # swap|changed places|upper|sign|order
    rejected, chosen = (beta * masked_sum(log_probs - ref_log_probs, mask)).chunk(2)
    return bradley_terry_loss(chosen, rejected)[0]


def mean_of_the_margins(log_probs, ref_log_probs, mask, beta):  # averag|mean|pair by pair
    chosen, rejected = (beta * masked_sum(log_probs - ref_log_probs, mask)).chunk(2)
    return -F.logsigmoid((chosen - rejected).mean())


def reference_added(log_probs, ref_log_probs, mask, beta):  # added|ref|sign
    chosen, rejected = (beta * masked_sum(log_probs + ref_log_probs, mask)).chunk(2)
    return bradley_terry_loss(chosen, rejected)[0]


def ratio_of_rewards(log_probs, ref_log_probs, mask, beta):  # divid|difference|sign|−|-
    chosen, rejected = (beta * masked_sum(log_probs - ref_log_probs, mask)).chunk(2)
    return -F.logsigmoid(chosen / rejected).mean()


def squared_margin(log_probs, ref_log_probs, mask, beta):  # logsigmoid|sigmoid|square
    chosen, rejected = (beta * masked_sum(log_probs - ref_log_probs, mask)).chunk(2)
    return ((chosen - rejected) - 1).square().mean()


def beta_divided(log_probs, ref_log_probs, mask, beta):  # β|beta
    chosen, rejected = (masked_sum(log_probs - ref_log_probs, mask) / beta).chunk(2)
    return bradley_terry_loss(chosen, rejected)[0]


def both_terms(log_probs, ref_log_probs, mask, beta):  # each|alone|subtract|itself
    c, r = (beta * masked_sum(log_probs - ref_log_probs, mask)).chunk(2)
    return -F.logsigmoid(c).mean() - F.logsigmoid(-r).mean()


def chosen_only(log_probs, ref_log_probs, mask, beta):  # rejected|term|chosen
    c, _ = (beta * masked_sum(log_probs - ref_log_probs, mask)).chunk(2)
    return -F.logsigmoid(c).mean()


def divided_by_rows(log_probs, ref_log_probs, mask, beta):  # half|divided|rows|pairs|½
    c, r = (beta * masked_sum(log_probs - ref_log_probs, mask)).chunk(2)
    return -F.logsigmoid(c - r).sum() / len(log_probs)
