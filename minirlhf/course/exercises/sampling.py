"""Exercises on drawing what is said: pick."""

import torch

from minirlhf.course.exercises.exercise import Case, Exercise, mistake, normal
from minirlhf.rollout import inverse_cdf_sample

# ---- pick(probabilities, u)


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


@mistake(
    "This is always the likeliest token (argmax), whatever u says. That is called greedy: it would say the same "
    "every time. u decides, and a likely token owns more of the numbers that u may be."
)
def takes_the_likeliest_token(probabilities, u):
    return probabilities.argmax(dim=1)


@mistake(
    "Here a sum that is equal to u counts as having passed it (>= where > belongs). At u = 0 that picks a token "
    "whose probability is 0."
)
def stops_where_the_sum_is_equal(probabilities, u):
    return (probabilities.cumsum(dim=1) >= u.unsqueeze(1)).long().argmax(dim=1)


@mistake(
    "This is one place too late. The token whose own probability carries the sum past u is the one; do not add 1 to "
    "its place."
)
def goes_one_too_far(probabilities, u):
    return (inverse_cdf_sample(probabilities, u) + 1).clamp(max=probabilities.shape[1] - 1)


@mistake(
    "This is the last token at which the sum has not passed u yet. The one after it carries the sum past u, and is "
    "the one to pick."
)
def stops_one_too_early(probabilities, u):
    return (inverse_cdf_sample(probabilities, u) - 1).clamp(min=0)


@mistake(
    "Each probability is compared with u on its own, and nothing is added up. Compare the running sum: "
    "probabilities.cumsum(dim=1)."
)
def forgets_to_add_up(probabilities, u):
    return _passed(probabilities, u)


@mistake(
    "Here the sum runs down the batch, from one row to the next. Each row is a distribution of its own: add along "
    "the vocabulary, dim=1."
)
def adds_up_down_the_batch(probabilities, u):
    return _passed(probabilities.cumsum(dim=0), u)


@mistake("The sum runs from the last token to the first. Token 0 owns the numbers just above 0: start there.")
def adds_up_from_the_end(probabilities, u):
    sums = probabilities.flip(1).cumsum(dim=1)
    return probabilities.shape[1] - 1 - _passed(sums, u)


@mistake(
    "u is used as a place among the tokens, so each is as likely as any other, and the model is not listened to. "
    "Lay the probabilities end to end and see into which one u falls."
)
def uses_u_as_a_place(probabilities, u):
    return (u * probabilities.shape[1]).long()


@mistake("The first row's u decides for all rows. Each row has its own: u.unsqueeze(1) is a column of them.")
def uses_one_u_for_all_rows(probabilities, u):
    return inverse_cdf_sample(probabilities, u[:1].expand(len(u)))


@mistake(
    "The tokens were sorted first, and what comes back is the place in the sorted row. The sampler needs the token's "
    "id; here there is no need to sort."
)
def returns_the_rank(probabilities, u):
    return inverse_cdf_sample(probabilities.sort(dim=1, descending=True).values, u)


@mistake(
    "The running sum is rounded and may stop a hair below 1. A u above it then finds no token, and argmax says 0, "
    "which may be anything. Multiply u by the last sum first: sums[:, -1]."
)
def trusts_that_the_sum_is_one(probabilities, u):
    return _passed(probabilities.cumsum(dim=1), u)


@mistake(
    "The running sum is rounded and may stop a hair below 1. A u above it counts every token as not yet passed, and "
    "the answer lies one behind the last token. Multiply u by the last sum first: sums[:, -1]."
)
def falls_off_the_end(probabilities, u):
    return (probabilities.cumsum(dim=1) <= u.unsqueeze(1)).sum(dim=1)


@mistake(
    "This finds the first token at which the sum is still *below* u. Asked for is the first at which it is greater."
)
def looks_for_a_sum_below_u(probabilities, u):
    return (probabilities.cumsum(dim=1) < u.unsqueeze(1)).int().argmax(dim=1)


PICK = Exercise(
    inverse_cdf_sample,
    outputs=("picked",),
    cases=_pick_cases,
    calls=300,
    mistakes=(
        takes_the_likeliest_token,
        stops_where_the_sum_is_equal,
        goes_one_too_far,
        stops_one_too_early,
        forgets_to_add_up,
        adds_up_down_the_batch,
        adds_up_from_the_end,
        uses_u_as_a_place,
        uses_one_u_for_all_rows,
        returns_the_rank,
        trusts_that_the_sum_is_one,
        falls_off_the_end,
        looks_for_a_sum_below_u,
    ),
)
