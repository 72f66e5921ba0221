"""The first exercises of lesson 06, policy gradients: policy_gradient_loss, clipped_policy_loss."""

import torch

from minirlhf.course.exercises import in_words
from minirlhf.course.exercises.exercise import RAGGED, Case, Exercise, normal, on_masks
from minirlhf.losses import clipped_policy_loss, policy_gradient_loss
from minirlhf.ops import masked_mean, masked_sum, masked_whiten

# ---- policy_gradient_loss(log_probs, advantages, mask)


def _cases() -> list[Case]:
    log_probs, advantages, mask = _inputs(RAGGED)
    return on_masks(
        _inputs,
        Case(
            "replies that were all as good as expected",
            "Where every advantage is 0, so are the loss and its gradient.",
            (log_probs, 0.0 * advantages, mask),
        ),
        Case(
            "replies that were all better than expected",
            "Equal advantages push every token alike.",
            (log_probs, 0.0 * advantages + 2.0, mask),
        ),
    )


def _inputs(mask):
    return -normal(1, *mask.shape).abs() - 0.5, normal(2, *mask.shape), mask


POLICY_GRADIENT_LOSS = Exercise(
    policy_gradient_loss,
    outputs=("loss",),
    cases=_cases,
    trains=("log_probs", "advantages"),
    stats=True,
    calls=200,
    formulas=(in_words.what_turned_out_better, in_words.what_turned_out_better_summed),
)


@POLICY_GRADIENT_LOSS.mistake
def makes_good_replies_rarer(log_probs, advantages, mask):
    """The minus is missing. Training goes down a loss, so what is to become more probable needs a minus before it; this
    one makes good replies rarer."""
    return masked_mean(advantages.detach() * log_probs, mask)


@POLICY_GRADIENT_LOSS.mistake
def weighs_the_probability(log_probs, advantages, mask):
    """This weighs the probability itself, exp(log π). It is the gradient of log π that belongs here: it divides by how
    often a reply is tried, so that rare replies are not forgotten for being rare."""
    return -masked_mean(advantages.detach() * log_probs.exp(), mask)


@POLICY_GRADIENT_LOSS.mistake
def averages_over_every_place(log_probs, advantages, mask):
    """The mean runs over every place, prompt and padding included. Average where the mask is True."""
    return -(advantages.detach() * log_probs).mean()


@POLICY_GRADIENT_LOSS.mistake
def divides_by_every_place(log_probs, advantages, mask):
    """The sum is right, and it is divided by all places of the batch, prompt and padding included. Divide by how many
    tokens count."""
    return -masked_sum(advantages.detach() * log_probs, mask).sum() / mask.numel()


@POLICY_GRADIENT_LOSS.mistake
def adds_up_each_reply(log_probs, advantages, mask):
    """This adds up each reply and averages over the replies, so that a long one pushes harder. Here it is the mean over
    all tokens that count."""
    return -masked_sum(advantages.detach() * log_probs, mask).mean()


@POLICY_GRADIENT_LOSS.mistake
def averages_each_reply_first(log_probs, advantages, mask):
    """This is the mean of the rows' means. Every token weighs the same: sum over the batch, divide once."""
    per_reply = masked_sum(advantages.detach() * log_probs, mask) / mask.sum(dim=1).clamp(min=1)
    return -per_reply.mean()


@POLICY_GRADIENT_LOSS.mistake
def averages_before_multiplying(log_probs, advantages, mask):
    """Advantages and log-probabilities are averaged apart and multiplied afterwards. Then no token knows its own
    advantage: multiply token by token, and average last."""
    return -masked_mean(advantages.detach(), mask) * masked_mean(log_probs, mask)


@POLICY_GRADIENT_LOSS.mistake
def trains_the_advantages(log_probs, advantages, mask):
    """The value is right, and a gradient flows through the advantages too. They are numbers that were earned, not
    something to be trained: advantages.detach()."""
    return -masked_mean(advantages * log_probs, mask)


@POLICY_GRADIENT_LOSS.mistake
def forgets_the_advantages(log_probs, advantages, mask):
    """There is no advantage here: this makes whatever was said more probable, good or bad. It is the loss of supervised
    fine-tuning on one's own replies."""
    return -masked_mean(log_probs, mask)


@POLICY_GRADIENT_LOSS.mistake
def learns_from_the_good_alone(log_probs, advantages, mask):
    """Only what turned out better counts here. What turned out worse has to become less probable: leave the sign of the
    advantage as it is."""
    return -masked_mean(advantages.detach().clamp(min=0.0) * log_probs, mask)


@POLICY_GRADIENT_LOSS.mistake
def whitens_inside(log_probs, advantages, mask):
    """These advantages are whitened inside the loss. It takes them as they are; whitening, if any, is done before."""
    return -masked_mean(masked_whiten(advantages.detach(), mask) * log_probs, mask)


# ---- clipped_policy_loss(log_probs, old_log_probs, advantages, mask, clip)


def _policy_cases() -> list[Case]:
    return on_masks(
        _moved,
        Case("nothing has moved yet", "Where ρ is 1 the loss is minus the mean advantage.", _moved(RAGGED, step=0.0)),
        Case(
            "steps far outside the range",
            "Once ρ has left the range the way A asks for, its gradient is 0; the other way it is not.",
            _moved(RAGGED, step=2.0),
        ),
        Case("a wide range", "ε is what `clip` says, whatever is usual.", _moved(RAGGED, step=0.8, clip=0.5)),
    )


def _moved(mask, step=0.4, clip=None):
    """The policy has moved by so much; every width of mask has a range of its own, so that no ε can be guessed."""
    old = normal(1, *mask.shape) - 3
    clip = CLIPS.get(mask.shape[1], 0.2) if clip is None else clip
    return old + step * normal(2, *mask.shape), old, normal(3, *mask.shape), mask, clip


CLIPS = {8: 0.2, 7: 0.1, 6: 0.3, 5: 0.15}


def _halves(log_probs, old_log_probs, advantages, clip):
    """The free and the clipped half of the loss, per token."""
    ratio = (log_probs - old_log_probs).exp()
    return -advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)


def _in_words(log_probs, old_log_probs, advantages, mask, clip):
    ratio = (log_probs - old_log_probs).exp()
    free, clipped = -advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)
    return masked_mean(torch.maximum(free, clipped), mask)


CLIPPED_POLICY_LOSS = Exercise(
    clipped_policy_loss,
    outputs=("loss",),
    cases=_policy_cases,
    trains=("log_probs",),
    stats=True,
    calls=240,
    formulas=(_in_words,),
)


@CLIPPED_POLICY_LOSS.mistake
def takes_the_smaller_loss(log_probs, old_log_probs, advantages, mask, clip):
    """This takes the smaller of the two losses where the larger belongs. The paper's min is for something to be made
    large; with the minus it becomes torch.maximum. As it is, nothing holds a large step back."""
    return masked_mean(torch.minimum(*_halves(log_probs, old_log_probs, advantages, clip)), mask)


@CLIPPED_POLICY_LOSS.mistake
def uses_only_the_clipped_half(log_probs, old_log_probs, advantages, mask, clip):
    """Only the clipped half is used. A token that moved the wrong way, out of the range, then has no gradient to bring
    it back. Take the larger of the free and the clipped loss."""
    return masked_mean(_halves(log_probs, old_log_probs, advantages, clip)[1], mask)


@CLIPPED_POLICY_LOSS.mistake
def forgets_the_clip(log_probs, old_log_probs, advantages, mask, clip):
    """There is no clip here: this is -A·ρ alone, and nothing stops a large step."""
    return masked_mean(_halves(log_probs, old_log_probs, advantages, clip)[0], mask)


@CLIPPED_POLICY_LOSS.mistake
def makes_good_tokens_less_probable(log_probs, old_log_probs, advantages, mask, clip):
    """The minus is missing. Going down this loss makes good tokens less probable."""
    return -clipped_policy_loss(log_probs, old_log_probs, advantages, mask, clip)[0]


@CLIPPED_POLICY_LOSS.mistake
def turns_the_ratio_upside_down(log_probs, old_log_probs, advantages, mask, clip):
    """The ratio is upside down. ρ = π / π_old: the new log-probability minus the old one, then exp."""
    return masked_mean(torch.maximum(*_halves(old_log_probs, log_probs, advantages, clip)), mask)


@CLIPPED_POLICY_LOSS.mistake
def divides_the_logarithms(log_probs, old_log_probs, advantages, mask, clip):
    """The logarithms were divided. The ratio of two probabilities is the exp of the difference of their logarithms:
    exp(log π now - log π then)."""
    ratio = torch.where(mask, log_probs / old_log_probs, 1.0)
    free, clipped = -advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)
    return masked_mean(torch.maximum(free, clipped), mask)


@CLIPPED_POLICY_LOSS.mistake
def takes_the_larger_ratio(log_probs, old_log_probs, advantages, mask, clip):
    """The larger of the two ratios is taken where the larger of the two losses belongs. With a negative advantage they
    are in the other order: multiply first, then compare."""
    ratio = torch.where(mask, log_probs - old_log_probs, 0.0).exp()
    return masked_mean(-advantages * torch.maximum(ratio, ratio.clamp(1 - clip, 1 + clip)), mask)


@CLIPPED_POLICY_LOSS.mistake
def forgets_the_exponential(log_probs, old_log_probs, advantages, mask, clip):
    """This uses the difference of log-probabilities as it is. The ratio is its exp, and stands around 1, not 0."""
    ratio = log_probs - old_log_probs
    return masked_mean(torch.maximum(-advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)), mask)


@CLIPPED_POLICY_LOSS.mistake
def clamps_before_the_exponential(log_probs, old_log_probs, advantages, mask, clip):
    """Here the log-ratio is clamped to ±ε. Take the exp first, then clamp ρ to 1 - ε … 1 + ε."""
    log_ratio = log_probs - old_log_probs
    free, clipped = -advantages * log_ratio.exp(), -advantages * log_ratio.clamp(-clip, clip).exp()
    return masked_mean(torch.maximum(free, clipped), mask)


@CLIPPED_POLICY_LOSS.mistake
def averages_over_everything(log_probs, old_log_probs, advantages, mask, clip):
    """This is the mean over every token: prompt and padding pull at the policy too. Average where the mask is True."""
    return torch.maximum(*_halves(log_probs, old_log_probs, advantages, clip)).mean()


@CLIPPED_POLICY_LOSS.mistake
def averages_row_by_row(log_probs, old_log_probs, advantages, mask, clip):
    """This is the mean of the rows' means. Here every token weighs the same: sum over the batch, divide once."""
    per_token = torch.maximum(*_halves(log_probs, old_log_probs, advantages, clip))
    return (masked_sum(per_token, mask) / mask.sum(dim=1).clamp(min=1)).mean()


@CLIPPED_POLICY_LOSS.mistake
def takes_the_smaller_ratio(log_probs, old_log_probs, advantages, mask, clip):
    """The smaller of the two ratios is taken, for every token alike. With a negative advantage the order turns round:
    multiply each by -A first, then take the larger of the two losses."""
    ratio = torch.where(mask, log_probs - old_log_probs, 0.0).exp()
    return masked_mean(-advantages * torch.minimum(ratio, ratio.clamp(1 - clip, 1 + clip)), mask)


@CLIPPED_POLICY_LOSS.mistake
def has_no_ratio(log_probs, old_log_probs, advantages, mask, clip):
    """The old policy is not asked: this is -A · log π, REINFORCE's loss. The ratio ρ = exp(log π now - log π then)
    belongs here, clipped and not."""
    return -masked_mean(advantages * log_probs, mask)


@CLIPPED_POLICY_LOSS.mistake
def subtracts_probabilities(log_probs, old_log_probs, advantages, mask, clip):
    """Two probabilities are subtracted. Their ratio is asked for: exp of the difference of the logarithms."""
    ratio = log_probs.exp() - old_log_probs.exp()
    return masked_mean(torch.maximum(-advantages * ratio, -advantages * ratio.clamp(1 - clip, 1 + clip)), mask)


@CLIPPED_POLICY_LOSS.mistake
def clamps_the_product(log_probs, old_log_probs, advantages, mask, clip):
    """The product -A·ρ is clamped to 1 - ε … 1 + ε. The clip holds the ratio alone; the advantage is multiplied on
    afterwards."""
    free = _halves(log_probs, old_log_probs, advantages, clip)[0]
    return masked_mean(torch.maximum(free, free.clamp(1 - clip, 1 + clip)), mask)


@CLIPPED_POLICY_LOSS.mistake
def clips_without_the_advantage(log_probs, old_log_probs, advantages, mask, clip):
    """The clipped half has lost its advantage: both halves are -A times a ratio."""
    ratio = (log_probs - old_log_probs).exp()
    return masked_mean(torch.maximum(-advantages * ratio, -ratio.clamp(1 - clip, 1 + clip)), mask)


@CLIPPED_POLICY_LOSS.mistake
def takes_the_larger_of_two_means(log_probs, old_log_probs, advantages, mask, clip):
    """This takes the larger of two means. Take the larger loss token by token, and the mean last."""
    free, clipped = (masked_mean(x, mask) for x in _halves(log_probs, old_log_probs, advantages, clip))
    return torch.maximum(free, clipped)


@CLIPPED_POLICY_LOSS.mistake
def lacks_the_minus_and_keeps_the_larger(log_probs, old_log_probs, advantages, mask, clip):
    """The minus is missing before both halves: A·ρ and not -A·ρ, with the larger of the two taken. Going down this loss
    makes good tokens less probable."""
    free, clipped = _halves(log_probs, old_log_probs, advantages, clip)
    return masked_mean(torch.maximum(-free, -clipped), mask)
