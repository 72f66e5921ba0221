"""The exercises of lesson 03, imitation and its shift by one: predicting_positions, sft_loss."""

import torch
import torch.nn.functional as F

from minirlhf.course.exercises import in_words
from minirlhf.course.exercises.exercise import Case, Exercise, on_masks
from minirlhf.course.exercises.lesson_02 import clamp_to_vocabulary, shifted, text_cases, unshifted
from minirlhf.losses import sft_loss
from minirlhf.ops import last_true, masked_mean, masked_sum, predicting_positions, token_log_probs

# ---- predicting_positions(mask)


def _mask_cases() -> list[Case]:
    return on_masks(lambda mask: (mask,))


def _behind(mask, last):
    """Everything one place to the left, and `last` in the column that this leaves empty."""
    return torch.cat([mask[:, 1:], last], dim=1)


PREDICTORS = Exercise(
    predicting_positions, outputs=("predictors",), cases=_mask_cases, calls=300, formulas=(in_words.one_to_the_left,)
)


@PREDICTORS.mistake
def looks_to_the_right(mask):
    """This is one place to the right: there the model has already read the token that it should say. What speaks about
    token t stands at t - 1."""
    return torch.cat([torch.zeros_like(mask[:, :1]), mask[:, :-1]], dim=1)


@PREDICTORS.mistake
def does_not_shift(mask):
    """This is the mask as it was: each logit is asked about the token that it has just read. Logits at t speak about
    token t + 1, so everything moves one place to the left."""
    return mask.clone()


@PREDICTORS.mistake
def shifts_twice(mask):
    """This is shifted by two. The logits that speak about a token stand right before it: one step."""
    return _behind(_behind(mask, torch.zeros_like(mask[:, :1])), torch.zeros_like(mask[:, :1]))


@PREDICTORS.mistake
def goes_round(mask):
    """What falls out on the left comes in again on the right: torch.roll goes round. The last column speaks about
    nothing in the row, so it is False."""
    return torch.roll(mask, -1, dims=1)


@PREDICTORS.mistake
def runs_from_row_to_row(mask):
    """Without dims=1, torch.roll moves through the rows as if they were one long text, so a row's last place is asked
    about the next row's first token."""
    return torch.roll(mask, -1)


@PREDICTORS.mistake
def moves_the_rows(mask):
    """The rows have moved, not the tokens: rows are dimension 0, tokens are dimension 1."""
    return torch.cat([mask[1:], torch.zeros_like(mask[:1])], dim=0)


@PREDICTORS.mistake
def asks_the_last_column(mask):
    """The last column is True everywhere. Behind a row's last token there is nothing to say, so its last column is
    False."""
    return _behind(mask, torch.ones_like(mask[:, :1]))


@PREDICTORS.mistake
def asks_the_end_of_text_as_well(mask):
    """The last token that counts is asked too. It has read the whole reply, and what it says about the padding behind
    is nobody's business: the left shift alone is enough."""
    return mask | predicting_positions(mask)


@PREDICTORS.mistake
def never_asks_for_the_first_word(mask):
    """The token right before the reply is left out, so nobody is asked for the reply's first word. That token stands in
    the prompt, and it speaks about the response."""
    return mask & predicting_positions(mask)


@PREDICTORS.mistake
def asks_for_the_prompt(mask):
    """The prompt's tokens are asked for as well. Only those count for which the mask is True; the others are read, and
    nobody asks for them."""
    position = torch.arange(mask.shape[1])
    return position < last_true(mask).unsqueeze(1)


@PREDICTORS.mistake
def turns_it_round(mask):
    """True and False have changed places. The answer is True where the model speaks about what counts."""
    return ~predicting_positions(mask)


@PREDICTORS.mistake
def repeats_the_last_column(mask):
    """The last column stands there twice. Nothing comes in from the right: what the shift leaves empty is False."""
    return _behind(mask, mask[:, -1:])


# ---- sft_loss(logits, tokens, mask)


SFT_LOSS = Exercise(
    sft_loss,
    outputs=("loss",),
    cases=text_cases,
    trains=("logits",),
    tame=clamp_to_vocabulary,
    stats=True,
    calls=300,
    formulas=(in_words.surprise_of_replies, in_words.surprise_of_replies_cut_late),
)


@SFT_LOSS.mistake
def supervises_the_prompt(logits, tokens, mask):
    """This is what comes out when the prompt is not masked: the model is also taught to write the customer's part.
    Average where the mask is True."""
    position = torch.arange(tokens.shape[1])
    return -masked_mean(shifted(logits, tokens), (position > 0) & (position <= last_true(mask).unsqueeze(1)))


@SFT_LOSS.mistake
def supervises_everything(logits, tokens, mask):
    """This is the mean over every token, prompt and padding included. Only the response is to be imitated: average
    where the mask is True."""
    return -shifted(logits, tokens)[:, 1:].mean()


@SFT_LOSS.mistake
def divides_by_batch_times_length(logits, tokens, mask):
    """This is what comes out when the sum is divided by B · T. Divide by the tokens that count, or a batch with much
    padding will teach less than one with little."""
    return -token_log_probs(logits, tokens, mask).mean()


@SFT_LOSS.mistake
def averages_row_by_row(logits, tokens, mask):
    """This is the mean of the rows' means, where a word in a short reply weighs more than one in a long reply. Sum over
    the whole batch first, and divide once."""
    row_sums = masked_sum(token_log_probs(logits, tokens, mask), mask)
    return -(row_sums / mask.sum(dim=1).clamp(min=1)).mean()


@SFT_LOSS.mistake
def adds_up_and_stops(logits, tokens, mask):
    """This is the sum. Divided by the number of tokens that count, it does not depend on the size of the batch."""
    return -token_log_probs(logits, tokens, mask).sum()


@SFT_LOSS.mistake
def asks_about_the_token_just_read(logits, tokens, mask):
    """Here logits[:, t] are asked about tokens[:, t], which the model has already read. Trained so, it learns to repeat
    what it sees. Logits at t speak about token t + 1."""
    return -masked_mean(unshifted(logits, tokens), mask)


@SFT_LOSS.mistake
def leaves_the_mask_behind(logits, tokens, mask):
    """Logits and tokens are shifted, and the mask stayed behind: the end of each prompt is supervised and the end of
    each response is not. The mask goes with the tokens: mask[:, 1:]."""
    return -masked_mean(shifted(logits, tokens)[:, 1:], mask[:, :-1])


@SFT_LOSS.mistake
def forgets_the_minus(logits, tokens, mask):
    """The minus is missing. Going down this loss makes good answers less probable."""
    return masked_mean(token_log_probs(logits, tokens, mask), mask)


@SFT_LOSS.mistake
def takes_the_softmax_twice(logits, tokens, mask):
    """A softmax was taken before the cross-entropy, which takes one itself. Twice squeezed, all logits look nearly
    alike: give it the logits as they are."""
    return F.cross_entropy(logits.softmax(dim=-1)[predicting_positions(mask)], tokens[mask])


@SFT_LOSS.mistake
def divides_by_all_that_is_predicted(logits, tokens, mask):
    """The sum over the response is right, and is divided by B · (T - 1), padding and prompt included. Divide by the
    tokens that count: mask.sum()."""
    return -token_log_probs(logits, tokens, mask)[:, 1:].mean()


@SFT_LOSS.mistake
def takes_the_tokens_of_the_same_places(logits, tokens, mask):
    """The logits are taken where they should be, and so are the tokens: each is asked about the token that stands at
    its own place. What it has to say is one place to the right: tokens[:, 1:][mask[:, 1:]]."""
    places = predicting_positions(mask)
    return F.cross_entropy(logits[places], tokens[places])


@SFT_LOSS.mistake
def asks_everything_about_what_it_has_read(logits, tokens, mask):
    """Every token is supervised, prompt and padding too, and each logit is asked about the token that it has just read.
    Shift by one, and average where the mask is True."""
    return -unshifted(logits, tokens).mean()
