"""The exercise on raising the probability of what turned out better than expected: policy_gradient_loss."""

from minirlhf.course.exercises.exercise import RAGGED, Case, Exercise, mistake, normal, on_masks
from minirlhf.losses import policy_gradient_loss
from minirlhf.ops import masked_mean, masked_sum, masked_whiten


def _cases() -> list[Case]:
    log_probs, advantages, mask = _said(RAGGED)
    return on_masks(
        _said,
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


def _said(mask):
    return -normal(1, *mask.shape).abs() - 0.5, normal(2, *mask.shape), mask


@mistake(
    "The minus is missing. Training goes down a loss, so what is to become more probable needs a minus before it; "
    "this one makes good replies rarer."
)
def makes_good_replies_rarer(log_probs, advantages, mask):
    return masked_mean(advantages.detach() * log_probs, mask)


@mistake(
    "This weighs the probability itself, exp(log π). It is the gradient of log π that belongs here: it divides by "
    "how often a reply is tried, so that rare replies are not forgotten for being rare."
)
def weighs_the_probability(log_probs, advantages, mask):
    return -masked_mean(advantages.detach() * log_probs.exp(), mask)


@mistake("The mean runs over every place, prompt and padding included. Average where the mask is True.")
def averages_over_every_place(log_probs, advantages, mask):
    return -(advantages.detach() * log_probs).mean()


@mistake(
    "The sum is right, and it is divided by all places of the batch, prompt and padding included. Divide by how many "
    "tokens count."
)
def divides_by_every_place(log_probs, advantages, mask):
    return -masked_sum(advantages.detach() * log_probs, mask).sum() / mask.numel()


@mistake(
    "This adds up each reply and averages over the replies, so that a long one pushes harder. Here it is the mean over "
    "all tokens that count."
)
def adds_up_each_reply(log_probs, advantages, mask):
    return -masked_sum(advantages.detach() * log_probs, mask).mean()


@mistake("This is the mean of the rows' means. Every token weighs the same: sum over the batch, divide once.")
def averages_each_reply_first(log_probs, advantages, mask):
    per_reply = masked_sum(advantages.detach() * log_probs, mask) / mask.sum(dim=1).clamp(min=1)
    return -per_reply.mean()


@mistake(
    "Advantages and log-probabilities are averaged apart and multiplied afterwards. Then no token knows its own "
    "advantage: multiply token by token, and average last."
)
def averages_before_multiplying(log_probs, advantages, mask):
    return -masked_mean(advantages.detach(), mask) * masked_mean(log_probs, mask)


@mistake(
    "The value is right, and a gradient flows through the advantages too. They are numbers that were earned, not "
    "something to be trained: advantages.detach()."
)
def trains_the_advantages(log_probs, advantages, mask):
    return -masked_mean(advantages * log_probs, mask)


@mistake(
    "There is no advantage here: this makes whatever was said more probable, good or bad. It is the loss of "
    "supervised fine-tuning on one's own replies."
)
def forgets_the_advantages(log_probs, advantages, mask):
    return -masked_mean(log_probs, mask)


@mistake(
    "Only what turned out better counts here. What turned out worse has to become less probable: leave the sign of the "
    "advantage as it is."
)
def learns_from_the_good_alone(log_probs, advantages, mask):
    return -masked_mean(advantages.detach().clamp(min=0.0) * log_probs, mask)


@mistake("These advantages are whitened inside the loss. It takes them as they are; whitening, if any, is done before.")
def whitens_inside(log_probs, advantages, mask):
    return -masked_mean(masked_whiten(advantages.detach(), mask) * log_probs, mask)


POLICY_GRADIENT_LOSS = Exercise(
    policy_gradient_loss,
    outputs=("loss",),
    cases=_cases,
    trains=("log_probs", "advantages"),
    stats=True,
    calls=200,
    mistakes=(
        makes_good_replies_rarer,
        weighs_the_probability,
        averages_over_every_place,
        divides_by_every_place,
        adds_up_each_reply,
        averages_each_reply_first,
        averages_before_multiplying,
        trains_the_advantages,
        forgets_the_advantages,
        learns_from_the_good_alone,
        whitens_inside,
    ),
)
