"""The exercises of lesson 02, how probable a text is and how one is drawn: token_log_probs, inverse_cdf_sample."""

import torch
import torch.nn.functional as F

from minirlhf.course.exercises import in_words
from minirlhf.course.exercises.exercise import MASKS, RAGGED, Case, Exercise, normal, on_masks
from minirlhf.ops import token_log_probs
from minirlhf.rollout import inverse_cdf_sample

# ---- token_log_probs(logits, tokens, mask)


def text_cases() -> list[Case]:
    logits, tokens, mask = _text(RAGGED)
    sure = Case("a model that is very sure", "Large logits must not overflow.", (60 * logits, tokens, mask))
    return on_masks(_text, sure, masks=MASKS)


def _text(mask):
    (B, T), vocab_size = mask.shape, 512 if len(mask) > 3 else 5
    tokens = torch.randint(vocab_size, (B, T), generator=torch.Generator().manual_seed(3))
    return normal(4, B, T, vocab_size), tokens, mask


def clamp_to_vocabulary(logits, tokens, mask):
    """Padding has an id of its own and no logit: who looks up every token first would find nothing there."""
    return logits, tokens.clamp(max=logits.shape[-1] - 1), mask


def shifted(logits, tokens):
    """The log-probability of every token but the first, stored where the token stands."""
    everything_but_the_first = torch.ones_like(tokens, dtype=torch.bool).index_fill(1, torch.tensor(0), False)
    return token_log_probs(logits, tokens, everything_but_the_first)


def _later(x):
    """Everything one place further to the right."""
    return torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], dim=1)


def unshifted(logits, tokens):
    """What logits[:, t] say about tokens[:, t]."""
    return torch.log_softmax(logits, dim=-1).gather(2, tokens.unsqueeze(2)).squeeze(2)


TOKEN_LOG_PROBS = Exercise(
    token_log_probs,
    outputs=("log_probs",),
    cases=text_cases,
    trains=("logits",),
    tame=clamp_to_vocabulary,
    calls=300,
    formulas=(in_words.said_by_each_text, in_words.said_by_each_text_cut_late),
)


@TOKEN_LOG_PROBS.mistake
def forgets_the_shift(logits, tokens, mask):
    """Here logits[:, t] are asked about tokens[:, t], which the model has already read. They speak about the next
    token, t + 1: shift one of the two."""
    return torch.where(mask, unshifted(logits, tokens), 0.0)


@TOKEN_LOG_PROBS.mistake
def shifts_twice(logits, tokens, mask):
    """This is shifted by two. logits[:, t] speak about tokens[:, t + 1]: one step is enough."""
    return torch.where(mask, unshifted(_later(_later(logits)), tokens), 0.0)


@TOKEN_LOG_PROBS.mistake
def stores_one_place_early(logits, tokens, mask):
    """The right numbers, each stored one place too early. What is about token t stands at t, so the column for the
    first token, which nothing predicts, goes in front."""
    early = torch.cat([shifted(logits, tokens)[:, 1:], torch.zeros_like(logits[:, :1, 0])], dim=1)
    return torch.where(mask, early, 0.0)


@TOKEN_LOG_PROBS.mistake
def forgets_the_mask(logits, tokens, mask):
    """This is what comes out when prompt and padding are not masked. Where the mask is False the answer is 0, whatever
    the model says there."""
    return shifted(logits, tokens)


@TOKEN_LOG_PROBS.mistake
def forgets_the_logarithm(logits, tokens, mask):
    """These are probabilities. Their logarithm is asked for: log_softmax where you have softmax."""
    return torch.where(mask, shifted(logits, tokens).exp(), 0.0)


@TOKEN_LOG_PROBS.mistake
def forgets_to_normalise(logits, tokens, mask):
    """These are the logits themselves. They become log-probabilities when each vector is normalised: log_softmax."""
    return torch.where(mask, _later(logits).gather(2, tokens.unsqueeze(2)).squeeze(2), 0.0)


@TOKEN_LOG_PROBS.mistake
def asks_about_the_likeliest_token(logits, tokens, mask):
    """This is the log-probability of the likeliest token. Ask about the token that stands there: gather with tokens."""
    return torch.where(mask, torch.log_softmax(_later(logits), dim=-1).amax(dim=-1), 0.0)


@TOKEN_LOG_PROBS.mistake
def turns_the_sign_round(logits, tokens, mask):
    """The sign is turned round. A log-probability is 0 or below; cross_entropy gives its negative."""
    return -token_log_probs(logits, tokens, mask)


@TOKEN_LOG_PROBS.mistake
def takes_the_logarithm_of_zero(logits, tokens, mask):
    """The softmax has rounded to 0, and its logarithm is minus infinity. log_softmax does both at once and never leaves
    the range of a float."""
    probabilities = torch.softmax(_later(logits), dim=-1).gather(2, tokens.unsqueeze(2)).squeeze(2)
    return torch.where(mask, probabilities.log(), 0.0)


@TOKEN_LOG_PROBS.mistake
def asks_those_who_have_read_it(logits, tokens, mask):
    """The shift goes the wrong way: logits at t + 1 are asked about the token at t, which they have read long ago.
    Logits at t speak about token t + 1: logits[:, :-1] and tokens[:, 1:]."""
    log_probs = unshifted(logits[:, 1:], tokens[:, :-1])
    return torch.where(mask, F.pad(log_probs, (1, 0)), 0.0)


# ---- inverse_cdf_sample(probabilities, u)


def _pick_cases() -> list[Case]:
    by_hand = torch.tensor([[0.5, 0.25, 0.125, 0.125], [0.125, 0.25, 0.5, 0.125], [0.25, 0.25, 0.25, 0.25]])
    return [
        Case("three rows of four tokens", "Each row has its own u.", (by_hand, torch.tensor([0.7, 0.2, 0.9]))),
        Case(
            "u exactly where a token's stretch ends",
            "It has to pass u: where it is only equal, the next token is meant.",
            (by_hand, torch.tensor([0.5, 0.375, 0.75])),
        ),
        Case(
            "u = 0 and tokens without any probability",
            "What has probability 0 is never picked.",
            (torch.tensor([[0.0, 0.5, 0.5, 0.0], [0.0, 0.0, 0.25, 0.75]]), torch.zeros(2)),
        ),
        Case("a single row", "A batch may have one row.", (_rows(11, 1, 12), torch.tensor([0.618]))),
        Case("seven rows", "", (_rows(12, 7, 12), _uniform(13, 7))),
        Case(
            "running sums that rounding left a little below 1",
            "There is a token for every u below 1.",
            (torch.tensor([[0.25, 0.5, 0.2499]] * 2), torch.tensor([0.99995, 0.3])),
        ),
        Case(
            "a batch as large as in training",
            "It works for every size.",
            (_rows(14, 300, 512), _uniform(15, 300)),
            large=True,
        ),
    ]


def _rows(seed, rows, vocab_size):
    return torch.softmax(2 * normal(seed, rows, vocab_size), dim=-1)


def _uniform(seed, rows):
    return torch.rand(rows, generator=torch.Generator().manual_seed(seed))


def _passed(sums, u):
    """The first place at which each row's sums pass its u, and the first place of all where none does."""
    return (sums > u.unsqueeze(1)).long().argmax(dim=1)


PICK = Exercise(
    inverse_cdf_sample,
    outputs=("picked",),
    cases=_pick_cases,
    calls=300,
    formulas=(in_words.first_sum_above, in_words.first_sum_above_counted),
)


@PICK.mistake
def takes_the_likeliest_token(probabilities, u):
    """This is always the likeliest token (argmax), whatever u says. That is called greedy: it would say the same every
    time. u decides, and a likely token owns more of the numbers that u may be."""
    return probabilities.argmax(dim=1)


@PICK.mistake
def stops_where_the_sum_is_equal(probabilities, u):
    """Here a sum that is equal to u counts as having passed it (>= where > belongs). At u = 0 that picks a token whose
    probability is 0."""
    return (probabilities.cumsum(dim=1) >= u.unsqueeze(1)).long().argmax(dim=1)


@PICK.mistake
def goes_one_too_far(probabilities, u):
    """This is one place too late. The token whose own probability carries the sum past u is the one; do not add 1 to
    its place."""
    return (inverse_cdf_sample(probabilities, u) + 1).clamp(max=probabilities.shape[1] - 1)


@PICK.mistake
def stops_one_too_early(probabilities, u):
    """This is the last token at which the sum has not passed u yet. The one after it carries the sum past u, and is the
    one to pick."""
    return (inverse_cdf_sample(probabilities, u) - 1).clamp(min=0)


@PICK.mistake
def forgets_to_add_up(probabilities, u):
    """Each probability is compared with u on its own, and nothing is added up. Compare the running sum:
    probabilities.cumsum(dim=1)."""
    return _passed(probabilities, u)


@PICK.mistake
def adds_up_down_the_batch(probabilities, u):
    """Here the sum runs down the batch, from one row to the next. Each row is a distribution of its own: add along the
    vocabulary, dim=1."""
    return _passed(probabilities.cumsum(dim=0), u)


@PICK.mistake
def adds_up_from_the_end(probabilities, u):
    """The sum runs from the last token to the first. Token 0 owns the numbers just above 0: start there."""
    sums = probabilities.flip(1).cumsum(dim=1)
    return probabilities.shape[1] - 1 - _passed(sums, u)


@PICK.mistake
def uses_u_as_a_place(probabilities, u):
    """u is used as a place among the tokens, so each is as likely as any other, and the model is not listened to. Lay
    the probabilities end to end and see into which one u falls."""
    return (u * probabilities.shape[1]).long()


@PICK.mistake
def uses_one_u_for_all_rows(probabilities, u):
    """The first row's u decides for all rows. Each row has its own: u.unsqueeze(1) is a column of them."""
    return inverse_cdf_sample(probabilities, u[:1].expand(len(u)))


@PICK.mistake
def returns_the_rank(probabilities, u):
    """The tokens were sorted first, and what comes back is the place in the sorted row. The sampler needs the token's
    id; here there is no need to sort."""
    return inverse_cdf_sample(probabilities.sort(dim=1, descending=True).values, u)


@PICK.mistake
def trusts_that_the_sum_is_one(probabilities, u):
    """The running sum is rounded and may stop a hair below 1. A u above it then finds no token, and argmax says 0,
    which may be anything. Multiply u by the last sum first: sums[:, -1]."""
    return _passed(probabilities.cumsum(dim=1), u)


@PICK.mistake
def falls_off_the_end(probabilities, u):
    """The running sum is rounded and may stop a hair below 1. A u above it counts every token as not yet passed, and
    the answer lies one behind the last token. Multiply u by the last sum first: sums[:, -1]."""
    return (probabilities.cumsum(dim=1) <= u.unsqueeze(1)).sum(dim=1)


@PICK.mistake
def looks_for_a_sum_below_u(probabilities, u):
    """This finds the first token at which the sum is still *below* u. Asked for is the first at which it is greater."""
    return (probabilities.cumsum(dim=1) < u.unsqueeze(1)).int().argmax(dim=1)
