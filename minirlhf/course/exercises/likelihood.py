"""Exercises on how probable a text is: token_log_probs, sft_loss."""

import torch
import torch.nn.functional as F

from minirlhf.course.exercises.exercise import RAGGED, Case, Exercise, mistake, normal, on_masks
from minirlhf.losses import sft_loss
from minirlhf.ops import last_true, masked_mean, masked_sum, predicting_positions, token_log_probs

# ---- token_log_probs(logits, tokens, mask)


def _text_cases() -> list[Case]:
    logits, tokens, mask = _text(RAGGED)
    sure = Case("a model that is very sure", "Large logits must not overflow.", (60 * logits, tokens, mask))
    return on_masks(_text, sure)


def _text(mask):
    (B, T), vocab_size = mask.shape, 512 if len(mask) > 3 else 12
    tokens = torch.randint(vocab_size, (B, T), generator=torch.Generator().manual_seed(3))
    return normal(4, B, T, vocab_size), tokens, mask


def only_what_can_be_said(logits, tokens, mask):
    """Padding has an id of its own and no logit: who looks up every token first would find nothing there."""
    return logits, tokens.clamp(max=logits.shape[-1] - 1), mask


def _of(logits, tokens):
    """The log-probability of every token but the first, stored where the token stands."""
    everything_but_the_first = torch.ones_like(tokens, dtype=torch.bool).index_fill(1, torch.tensor(0), False)
    return token_log_probs(logits, tokens, everything_but_the_first)


def _later(x):
    """Everything one place further to the right."""
    return torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], dim=1)


def _unshifted(logits, tokens):
    """What logits[:, t] say about tokens[:, t]."""
    return torch.log_softmax(logits, dim=-1).gather(2, tokens.unsqueeze(2)).squeeze(2)


@mistake(
    "Here logits[:, t] are asked about tokens[:, t], which the model has already read. They speak about the "
    "next token, t + 1: shift one of the two."
)
def forgets_the_shift(logits, tokens, mask):
    return torch.where(mask, _unshifted(logits, tokens), 0.0)


@mistake("This is shifted by two. logits[:, t] speak about tokens[:, t + 1]: one step is enough.")
def shifts_twice(logits, tokens, mask):
    return torch.where(mask, _unshifted(_later(_later(logits)), tokens), 0.0)


@mistake(
    "The right numbers, each stored one place too early. What is about token t stands at t, so the column "
    "for the first token, which nothing predicts, goes in front."
)
def stores_one_place_early(logits, tokens, mask):
    early = torch.cat([_of(logits, tokens)[:, 1:], torch.zeros_like(logits[:, :1, 0])], dim=1)
    return torch.where(mask, early, 0.0)


@mistake(
    "This is what comes out when prompt and padding are not masked. Where the mask is False the answer is "
    "0, whatever the model says there."
)
def forgets_the_mask(logits, tokens, mask):
    return _of(logits, tokens)


@mistake("These are probabilities. Their logarithm is asked for: log_softmax where you have softmax.")
def forgets_the_logarithm(logits, tokens, mask):
    return torch.where(mask, _of(logits, tokens).exp(), 0.0)


@mistake("These are the logits themselves. They become log-probabilities when each vector is normalised: log_softmax.")
def forgets_to_normalise(logits, tokens, mask):
    return torch.where(mask, _later(logits).gather(2, tokens.unsqueeze(2)).squeeze(2), 0.0)


@mistake(
    "This is the log-probability of the likeliest token. Ask about the token that stands there: gather with tokens."
)
def asks_about_the_likeliest_token(logits, tokens, mask):
    return torch.where(mask, torch.log_softmax(_later(logits), dim=-1).amax(dim=-1), 0.0)


@mistake("The sign is turned round. A log-probability is 0 or below; cross_entropy gives its negative.")
def turns_the_sign_round(logits, tokens, mask):
    return -token_log_probs(logits, tokens, mask)


@mistake(
    "The softmax has rounded to 0, and its logarithm is minus infinity. log_softmax does both at once and "
    "never leaves the range of a float."
)
def takes_the_logarithm_of_zero(logits, tokens, mask):
    probabilities = torch.softmax(_later(logits), dim=-1).gather(2, tokens.unsqueeze(2)).squeeze(2)
    return torch.where(mask, probabilities.log(), 0.0)


@mistake(
    "The shift goes the wrong way: logits at t + 1 are asked about the token at t, which they have read long ago. "
    "Logits at t speak about token t + 1: logits[:, :-1] and tokens[:, 1:]."
)
def asks_those_who_have_read_it(logits, tokens, mask):
    said = torch.log_softmax(logits[:, 1:], dim=-1).gather(2, tokens[:, :-1].unsqueeze(2)).squeeze(2)
    return torch.where(mask, F.pad(said, (1, 0)), 0.0)


TOKEN_LOG_PROBS = Exercise(
    token_log_probs,
    outputs=("log_probs",),
    cases=_text_cases,
    trains=("logits",),
    tame=only_what_can_be_said,
    calls=300,
    mistakes=(
        forgets_the_shift,
        shifts_twice,
        stores_one_place_early,
        forgets_the_mask,
        forgets_the_logarithm,
        forgets_to_normalise,
        asks_about_the_likeliest_token,
        turns_the_sign_round,
        takes_the_logarithm_of_zero,
        asks_those_who_have_read_it,
    ),
)

# ---- sft_loss(logits, tokens, mask)


@mistake(
    "This is what comes out when the prompt is not masked: the model is also taught to write the customer's "
    "part. Average where the mask is True."
)
def supervises_the_prompt(logits, tokens, mask):
    position = torch.arange(tokens.shape[1])
    return -masked_mean(_of(logits, tokens), (position > 0) & (position <= last_true(mask).unsqueeze(1)))


@mistake(
    "This is the mean over every token, prompt and padding included. Only the response is to be imitated: "
    "average where the mask is True."
)
def supervises_everything(logits, tokens, mask):
    return -_of(logits, tokens)[:, 1:].mean()


@mistake(
    "This is what comes out when the sum is divided by B · T. Divide by the tokens that count, or a batch "
    "with much padding will teach less than one with little."
)
def divides_by_batch_times_length(logits, tokens, mask):
    return -token_log_probs(logits, tokens, mask).mean()


@mistake(
    "This is the mean of the rows' means, where a word in a short reply weighs more than one in a long "
    "reply. Sum over the whole batch first, and divide once."
)
def averages_row_by_row(logits, tokens, mask):
    row_sums = masked_sum(token_log_probs(logits, tokens, mask), mask)
    return -(row_sums / mask.sum(dim=1).clamp(min=1)).mean()


@mistake("This is the sum. Divided by the number of tokens that count, it does not depend on the size of the batch.")
def adds_up_and_stops(logits, tokens, mask):
    return -token_log_probs(logits, tokens, mask).sum()


@mistake(
    "Here logits[:, t] are asked about tokens[:, t], which the model has already read. Trained so, it "
    "learns to repeat what it sees. Logits at t speak about token t + 1."
)
def asks_about_the_token_just_read(logits, tokens, mask):
    return -masked_mean(_unshifted(logits, tokens), mask)


@mistake(
    "Logits and tokens are shifted, and the mask stayed behind: the end of each prompt is supervised and "
    "the end of each response is not. The mask goes with the tokens: mask[:, 1:]."
)
def leaves_the_mask_behind(logits, tokens, mask):
    return -masked_mean(_of(logits, tokens)[:, 1:], mask[:, :-1])


@mistake("The minus is missing. Going down this loss makes good answers less probable.")
def forgets_the_minus(logits, tokens, mask):
    return masked_mean(token_log_probs(logits, tokens, mask), mask)


@mistake(
    "A softmax was taken before the cross-entropy, which takes one itself. Twice squeezed, all logits look nearly "
    "alike: give it the logits as they are."
)
def takes_the_softmax_twice(logits, tokens, mask):
    return F.cross_entropy(logits.softmax(dim=-1)[predicting_positions(mask)], tokens[mask])


@mistake(
    "The sum over the response is right, and is divided by B · (T - 1), padding and prompt included. Divide by the "
    "tokens that count: mask.sum()."
)
def divides_by_all_that_is_predicted(logits, tokens, mask):
    return -token_log_probs(logits, tokens, mask)[:, 1:].mean()


@mistake(
    "The logits are taken where they should be, and so are the tokens: each is asked about the token that stands at "
    "its own place. What it has to say is one place to the right: tokens[:, 1:][mask[:, 1:]]."
)
def takes_the_tokens_of_the_same_places(logits, tokens, mask):
    places = predicting_positions(mask)
    return F.cross_entropy(logits[places], tokens[places])


@mistake(
    "Every token is supervised, prompt and padding too, and each logit is asked about the token that it has just read. "
    "Shift by one, and average where the mask is True."
)
def asks_everything_about_what_it_has_read(logits, tokens, mask):
    return -_unshifted(logits, tokens).mean()


SFT_LOSS = Exercise(
    sft_loss,
    outputs=("loss",),
    cases=_text_cases,
    trains=("logits",),
    tame=only_what_can_be_said,
    stats=True,
    calls=300,
    mistakes=(
        supervises_the_prompt,
        supervises_everything,
        divides_by_batch_times_length,
        averages_row_by_row,
        adds_up_and_stops,
        asks_about_the_token_just_read,
        leaves_the_mask_behind,
        forgets_the_minus,
        takes_the_softmax_twice,
        divides_by_all_that_is_predicted,
        takes_the_tokens_of_the_same_places,
        asks_everything_about_what_it_has_read,
    ),
)
