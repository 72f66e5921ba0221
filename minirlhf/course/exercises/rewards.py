"""The exercise on what each token earns: token_rewards."""

import torch

from minirlhf.advantages import token_rewards
from minirlhf.course.exercises.exercise import RAGGED, Case, Exercise, mistake, normal, on_masks
from minirlhf.ops import last_true, masked_sum


def _reward_cases() -> list[Case]:
    return on_masks(_scored, Case("β = 0", "Without a penalty only the score is left.", _scored(RAGGED, beta=0.0)))


def _scored(mask, beta=0.3):
    return 3 * normal(1, len(mask)), normal(2, *mask.shape), normal(3, *mask.shape), mask, beta


def _penalty(log_probs, ref_log_probs, mask, beta):
    return torch.where(mask, -beta * (log_probs - ref_log_probs), 0.0)


def _is_last(mask):
    return torch.arange(mask.shape[1]) == last_true(mask).unsqueeze(1)


@mistake("Here every token earns the whole score. It is paid once, at the last token that counts.")
def pays_the_score_at_every_token(score, log_probs, ref_log_probs, mask, beta):
    return torch.where(mask, _penalty(log_probs, ref_log_probs, mask, beta) + score.unsqueeze(1), 0.0)


@mistake(
    "Here the first token of the response earns the score. Nobody can judge a reply before it is finished: "
    "pay at the last token that counts."
)
def pays_the_score_at_the_first_token(score, log_probs, ref_log_probs, mask, beta):
    is_first = mask & (mask.cumsum(dim=1) == 1)
    return _penalty(log_probs, ref_log_probs, mask, beta) + torch.where(is_first, score.unsqueeze(1), 0.0)


@mistake(
    "Here the score stands in the last column, which is padding in all but the longest rows. Find each "
    "row's last True: last_true(mask)."
)
def pays_the_score_in_the_last_column(score, log_probs, ref_log_probs, mask, beta):
    rewards = _penalty(log_probs, ref_log_probs, mask, beta)
    rewards[:, -1] += score
    return rewards


@mistake("Right, but for a row with no token: its last index is -1, which Python reads as the last column.")
def pays_a_row_with_no_token(score, log_probs, ref_log_probs, mask, beta):
    rewards = _penalty(log_probs, ref_log_probs, mask, beta)
    rewards[torch.arange(len(mask)), last_true(mask)] += score
    return rewards


@mistake(
    "The penalty has the wrong sign: leaving the reference is paid for. It is -β (log π - log π_ref), where "
    "the policy comes first."
)
def pays_for_leaving_the_reference(score, log_probs, ref_log_probs, mask, beta):
    return token_rewards(score, log_probs, ref_log_probs, mask, -beta)


@mistake("The penalty is not multiplied by β, so it is always at full strength.")
def forgets_beta(score, log_probs, ref_log_probs, mask, beta):
    return token_rewards(score, log_probs, ref_log_probs, mask, 1.0)


@mistake(
    "Here the last token pays the penalty of the whole response. Each token pays its own, where it stands: "
    "then credit and blame reach the token that earned them."
)
def charges_the_last_token_for_all(score, log_probs, ref_log_probs, mask, beta):
    total = score + masked_sum(_penalty(log_probs, ref_log_probs, mask, beta), mask)
    return torch.where(_is_last(mask), total.unsqueeze(1), 0.0)


@mistake("The last token earns the score and pays no penalty. Add the score there, do not put it in its place.")
def replaces_the_last_penalty(score, log_probs, ref_log_probs, mask, beta):
    return torch.where(_is_last(mask), score.unsqueeze(1), _penalty(log_probs, ref_log_probs, mask, beta))


@mistake("The score is missing: this is the penalty alone, and the best policy would be the reference.")
def forgets_the_score(score, log_probs, ref_log_probs, mask, beta):
    return _penalty(log_probs, ref_log_probs, mask, beta)


@mistake("Prompt and padding pay a penalty too. The policy did not choose those tokens: 0 where the mask is False.")
def charges_the_prompt(score, log_probs, ref_log_probs, mask, beta):
    return -beta * (log_probs - ref_log_probs) + torch.where(_is_last(mask), score.unsqueeze(1), 0.0)


@mistake(
    "Here each token pays for the ratio π / π_ref, so even a token that has not moved pays β. The penalty is on its "
    "logarithm, log π - log π_ref, which is 0 there."
)
def charges_the_ratio(score, log_probs, ref_log_probs, mask, beta):
    penalty = torch.where(mask, -beta * (log_probs - ref_log_probs).exp(), 0.0)
    return penalty + torch.where(_is_last(mask), score.unsqueeze(1), 0.0)


TOKEN_REWARDS = Exercise(
    token_rewards,
    outputs=("rewards",),
    cases=_reward_cases,
    calls=30,
    mistakes=(
        pays_the_score_at_every_token,
        pays_the_score_at_the_first_token,
        pays_the_score_in_the_last_column,
        pays_a_row_with_no_token,
        pays_for_leaving_the_reference,
        forgets_beta,
        charges_the_last_token_for_all,
        replaces_the_last_penalty,
        forgets_the_score,
        charges_the_prompt,
        charges_the_ratio,
    ),
)
