"""Symptoms of policy gradients and PPO."""

from copy import deepcopy
from typing import Any

import torch

from minirlhf.advantages import gae, token_rewards
from minirlhf.course.clinic import tiny
from minirlhf.course.clinic.symptom import Run, symptom
from minirlhf.data import Prompts
from minirlhf.losses import Stats, clipped_policy_loss
from minirlhf.model import Cache, CausalLM, ValueModel, response_log_probs
from minirlhf.ops import Mask, PerSequence, PerToken, Scalar, Tokens, masked_mean, masked_whiten
from minirlhf.ppo import PPOConfig, adapt_beta, train_ppo
from minirlhf.rollout import collect, sample

PPO = "policy gradients and PPO"


class Cooler(CausalLM):
    """A policy that samples at a temperature of 0.6 and is read at 1: its cache is what tells the two apart."""

    def forward(self, tokens: Tokens, cache: Cache | None = None, at: Mask | None = None) -> torch.Tensor:
        logits = super().forward(tokens, cache, at)
        return logits if cache is None else logits / 0.6


@symptom(
    PPO,
    sees="The ratio is not 1 on an update's first minibatch, before any step.",
    words="ratio not 1; first ratio; val/ratio off; temperature; sampling and training disagree; vllm logprobs "
    "mismatch; "
    "importance ratio at first step; clip_ratio above 0 at the first pass",
    cause="Replies were drawn at one temperature, and their log-probabilities are taken at another.",
    sign="the first minibatch's ratio is not 1 to the fifth digit",
    present=lambda run: any(abs(ratio - 1) > 1e-3 for ratio in run["first_ratio"]),
    cure="One temperature for sampling, old, new and reference log-probabilities; no top-k, no top-p, no dropout.",
    axis="π / π_old, first minibatch",
    threads="trl#4159 trl#3500 tinker-feedback#148",
    bug=5,
)
def another_temperature(sick: bool) -> Run:
    reference = tiny.talker()
    policy = deepcopy(Cooler(reference.trunk) if sick else reference)
    return tiny.series(tiny.ppo(policy, reference), "first_ratio")


@symptom(
    PPO,
    sees="The KL is not 0 at the first update, before anything was learned.",
    words="kl not zero at start; objective/kl at step 0; nonzero kl; initial kl; reference differs; another "
    "checkpoint; "
    "dtype; half precision reference",
    cause="The reference is not the model that the policy began as: another checkpoint, precision or padding.",
    sign="a KL that is not 0 at update 1",
    present=lambda run: abs(run["kl"][0]) > 1e-3,
    cure="Copy the policy before the first step (`deepcopy`), and check that the first KL is 0 to the fifth digit.",
    axis="nats a reply",
    threads="trl#235 trl#736",
    bug=5,
)
def another_reference(sick: bool) -> Run:
    policy = tiny.talker()
    reference = tiny.talker(seed=1) if sick else deepcopy(policy)
    return tiny.series(tiny.ppo(policy, reference), "kl")


@symptom(
    PPO,
    sees="The KL stays at 0 while the policy plainly changes.",
    words="kl always 0; objective/kl zero; kl stays zero; reference updates; ref model shares weights; same model; "
    "deepcopy forgotten; leash has no effect",
    cause="The reference moves with the policy: both are one model, or the reference is copied anew each time.",
    sign="a KL of exactly 0 in every update, while the score rises",
    present=lambda run: all(abs(kl) < 1e-4 for kl in run["kl"]) and run["score"][-1] > run["score"][0],
    cure="A copy of its own for the reference, made once. Here `train_ppo` refuses models that share weights.",
    axis="nats a reply; score",
    bug=12,
)
def a_reference_that_moves(sick: bool) -> Run:
    policy = tiny.talker()
    reference, value_model = deepcopy(policy), ValueModel(deepcopy(policy.trunk))
    config = PPOConfig(updates=6, batch_size=48, epochs=3, max_new_tokens=6, lr=5e-3)
    records = []
    for record in train_ppo(policy, reference, tiny.count_ones, value_model, Prompts(tiny.PROMPTS), config):
        records.append(record)
        reference.load_state_dict(policy.state_dict() if sick else reference.state_dict())
    return tiny.series(records, "kl", "score")


@symptom(
    PPO,
    sees="The KL runs away while the score rises.",
    words="kl explodes; kl grows without bound; objective/kl keeps growing; sign of kl; negative beta; kl "
    "penalty wrong "
    "sign; rlhf_reward above score",
    cause="The penalty is added where it should be taken off: the policy is paid for straying.",
    sign="what the leash costs, −β·KL, has turned into income: above 0, and growing",
    present=lambda run: run["paid for straying"][-1] > 0.1,
    cure="reward = score − β (log π − log π_ref). Check that `non_score_reward` is −β times the KL.",
    axis="score; nats a reply",
    threads="Logic-RL#58 TinyZero#72 marin#1708",
    bug=7,
)
def the_leash_pays(sick: bool) -> Run:
    def rewards(score: PerSequence, log_probs: PerToken, ref_log_probs: PerToken, mask: Mask, beta: float) -> PerToken:
        found = token_rewards(score, log_probs, ref_log_probs, mask, -beta if sick else beta)
        paid.append((found.sum(dim=1) - score).mean().item())
        return found

    paid: list[float] = []
    records = tiny.ppo(token_reward_fn=rewards, beta=0.3, updates=10)
    return tiny.series(records, "kl") | {"paid for straying": paid}


@symptom(
    PPO,
    sees="The KL that is reported is below 0, and stays there.",
    words="negative kl; kl below zero; kl divergence negative; objective/kl -5; why is kl negative; top_k "
    "top_p sampling",
    cause="The replies do not come from the policy: they were drawn from the reference, from its top k, or are old.",
    sign="a mean log-ratio below −0.1 nats, which samples of the policy itself cannot have for long",
    present=lambda run: run["log π − log π_ref"][0] < -0.1,
    cure="Average log π − log π_ref over what the policy itself drew, at temperature 1, with nothing cut off.",
    axis="nats a reply, mean of 500",
    threads="trl#235 trl#736 trl#925 trl#1005",
    bug=7,
)
def a_negative_kl(sick: bool) -> Run:
    policy, reference = tiny.talker(seed=1, size=0.3), tiny.talker(size=0.3)
    writer = reference if sick else policy
    samples = sample(writer, tiny.PROMPTS * 170, 6, tiny.generator())
    with torch.no_grad():
        one, other = (
            response_log_probs(model, samples.tokens, samples.response_mask)[0] for model in (policy, reference)
        )
    return {"log π − log π_ref": [(one - other).sum(dim=1).mean().item()]}


@symptom(
    PPO,
    sees="The leash hardly holds long replies; the KL in the log is small, and the text is far away.",
    words="kl too small; mean instead of sum; kl per token; non_score_reward does not match kl; token mean kl; "
    "objective/non_score_reward",
    cause="The penalty is a mean over tokens where a sum was meant: a reply pays for one token, however long it is.",
    sign="−β times the KL is more than twice what replies really paid",
    present=lambda run: run["paid"][0] < 0.5 * run["owed"][0],
    cure="Sum over the reply. Check at each update that `non_score_reward` is −β times `kl`.",
    axis="score",
    bug=7,
)
def a_mean_for_a_sum(sick: bool) -> Run:
    policy, reference = tiny.talker(seed=1, size=0.3), tiny.talker(size=0.3)
    rollout = collect(policy, reference, tiny.count_ones, tiny.PROMPTS * 40, 6, tiny.generator())
    beta, mask = 0.1, rollout.response_mask
    log_ratio = rollout.log_probs - rollout.ref_log_probs
    penalty = log_ratio / mask.sum(dim=1, keepdim=True) if sick else log_ratio
    paid = token_rewards(torch.zeros(len(mask)), penalty, torch.zeros_like(penalty), mask, beta)
    return {"owed": [beta * rollout.kl.mean().item()], "paid": [-paid.sum(dim=1).mean().item()]}


@symptom(
    PPO,
    sees="The clip fraction is exactly 0, with several passes over each batch.",
    words="clip fraction 0; clipfrac 0; ratio always 1; policy/clipfrac_avg 0; approx_kl 0; val/ratio 1.0; clip_ratio "
    "zero; ratio is 1 for ever; nothing is clipped",
    cause="The old log-probabilities are taken anew before each step, so that the policy is compared with itself.",
    sign="ratio 1 and nothing clipped in every update, although there are several passes",
    present=lambda run: all(abs(ratio - 1) < 1e-6 for ratio in run["ratio"]) and not any(run["clip_fraction"]),
    cure="Keep the log-probabilities that the tokens were drawn with. With one pass and one minibatch a ratio "
    "of 1 is right.",
    axis="π / π_old; share of tokens",
    threads="minimind#775 trl#2769 trl#3757 trl#3120 flow_grpo#131",
    bug=10,
)
def the_old_recomputed(sick: bool) -> Run:
    def loss(
        log_probs: PerToken, old_log_probs: PerToken, advantages: PerToken, mask: Mask, clip: float
    ) -> tuple[Scalar, Stats]:
        return clipped_policy_loss(log_probs, log_probs.detach() if sick else old_log_probs, advantages, mask, clip)

    return tiny.series(tiny.ppo(policy_loss=loss, lr=2e-2), "ratio", "clip_fraction")


@symptom(
    PPO,
    sees="The ratio is 1 and nothing is clipped, with one pass over each batch.",
    words="ratio always 1; clip fraction 0; one pass; num_ppo_epochs 1; num_iterations 1; clip_ratio/region_mean 0; "
    "on-policy; is the clip working",
    cause="One pass in one minibatch is one step, taken where the replies were drawn: the ratio is 1 by definition.",
    sign="ratio 1 and nothing clipped, and there is a single optimiser step an update",
    present=lambda run: all(abs(ratio - 1) < 1e-5 for ratio in run["ratio"]) and run["optimizer_steps"][0] == 1,
    cure="Nothing is broken. From the second pass on a ratio of exactly 1 would be a bug.",
    axis="π / π_old; steps",
    threads="trl#3452 minimind#775",
    harmless=True,
)
def one_pass(sick: bool) -> Run:
    passes = 1 if sick else 3
    return tiny.series(tiny.ppo(epochs=passes, minibatches=1, lr=2e-2), "ratio", "optimizer_steps")


@symptom(
    PPO,
    sees="The clip cuts what should be pushed, and lets run what has gone too far.",
    words="clip wrong side; min max swapped; gradient after clipping; clip has opposite effect; pessimistic bound; "
    "torch.min instead of torch.max",
    cause="Minimum and maximum are exchanged: of the two losses the better was taken, not the worse.",
    sign="a token with A > 0 whose ratio is past 1 + ε still has a gradient",
    present=lambda run: run["gradient at ρ = 1.5, A > 0"][0] != 0,
    cure="The larger of the two losses (the smaller of the two objectives). Try four tokens by hand.",
    axis="gradient of the loss",
    bug=10,
)
def the_clip_on_the_wrong_side(sick: bool) -> Run:
    def push(ratio: float, advantage: float) -> float:
        log_prob = torch.tensor(ratio).log().requires_grad_()
        free, clipped = (-advantage * rho for rho in (log_prob.exp(), log_prob.exp().clamp(0.8, 1.2)))
        (torch.minimum(free, clipped) if sick else torch.maximum(free, clipped)).backward()
        return 0.0 if log_prob.grad is None else log_prob.grad.item()

    return {"gradient at ρ = 1.5, A > 0": [push(1.5, 1.0)], "gradient at ρ = 0.5, A > 0": [push(0.5, 1.0)]}


@symptom(
    PPO,
    sees="The value loss is many times too high from the first update, and replies grow.",
    words="value loss huge; loss/value_avg large; reward at every token; dense reward; replies get longer; "
    "score repeated; reward broadcast",
    cause="The score is paid at every token, so that a reply earns it as many times as it is long.",
    sign="at update 1, before anything is learned, the returns are twice the score or more",
    present=lambda run: run["return"][0] > 2 * run["score"][0],
    cure="The score once, at the last token that counts; add up a reply's rewards and compare with score − β·KL.",
    axis="score, mean over replies",
    bug=8,
)
def the_score_at_every_token(sick: bool) -> Run:
    policy = tiny.talker()
    rollout = collect(policy, deepcopy(policy), tiny.count_ones, tiny.PROMPTS * 40, 6, tiny.generator())
    score, mask = rollout.score, rollout.response_mask
    once = token_rewards(score, rollout.log_probs, rollout.ref_log_probs, mask, 0.0)
    rewards = torch.where(mask, score.unsqueeze(1), 0.0) if sick else once
    return {"score": [score.mean().item()], "return": [rewards.sum(dim=1).mean().item()]}


@symptom(
    PPO,
    sees="The score rises, and the value loss is several times too small.",
    words="value loss too low; value loss near zero; value head learns rewards; returns; explained variance; "
    "values stay at zero",
    cause="The value model is shown what each token earned, which is mostly 0, and not what was earned from there on.",
    sign="at a reply's first token the target is 0, where the whole score is still to come",
    present=lambda run: abs(run["target at the first token"][0]) < 0.3 * run["still to be earned"][0],
    cure="returns = advantages + values, from the same `gae`; a reply's first target is its whole reward when λ is 1.",
    axis="score",
    bug=8,
)
def rewards_for_returns(sick: bool) -> Run:
    policy = tiny.talker()
    rollout = collect(policy, deepcopy(policy), tiny.count_ones, tiny.PROMPTS * 40, 6, tiny.generator())
    mask = rollout.response_mask
    rewards = token_rewards(rollout.score, rollout.log_probs, rollout.ref_log_probs, mask, 0.0)
    _, returns = gae(rewards, torch.zeros_like(rewards), mask, 1.0, 1.0)
    targets = rewards if sick else returns
    first = mask.long().argmax(dim=1, keepdim=True)
    at_first = targets.gather(1, first).mean().item()
    return {"still to be earned": [rollout.score.mean().item()], "target at the first token": [at_first]}


@symptom(
    PPO,
    sees="After whitening, the advantages of real tokens do not average 0.",
    words="advantages not centred; whiten with padding; masked_whiten; advantage mean; normalise advantages; "
    "shift_mean; unbiased std; padding in the statistics",
    cause="The padding was counted: its zeros pull the mean, and shrink the deviation.",
    sign="a mean above 0.1 deviations over the tokens that count",
    present=lambda run: abs(run["mean"][0]) > 0.1,
    cure="Mean and deviation over the tokens that count, in the whole batch; 0 elsewhere.",
    axis="deviations, over tokens that count",
    bug=9,
)
def whitened_with_the_padding(sick: bool) -> Run:
    mask = torch.tensor([[True] * n + [False] * (12 - n) for n in (3, 5, 4, 12)])
    advantages = torch.where(mask, 3 + torch.randn(4, 12, generator=tiny.generator()), 0.0)
    counted = torch.ones_like(mask) if sick else mask
    white = masked_whiten(advantages, counted)
    return {"mean": [masked_mean(white, mask).item()], "mean square": [masked_mean(white.square(), mask).item()]}


@symptom(
    PPO,
    sees="Some replies of a batch are learned from twice in a pass, others never.",
    words="minibatch indices; num_mini_batches; batch size arithmetic; wrong number of optimizer steps; replies used "
    "twice; randperm; randint; gradient_accumulation steps off",
    cause="Minibatches are drawn with replacement, or cut with the wrong size.",
    sign="a pass reaches fewer than nine in ten of its replies",
    present=lambda run: min(run["replies seen in a pass"]) < 0.9,
    cure="One permutation a pass, cut into chunks; count optimiser steps: passes × minibatches.",
    axis="share of replies",
    bug=11,
)
def drawn_with_replacement(sick: bool) -> Run:
    chance, n, seen = tiny.generator(), 64, []
    for _ in range(4):
        order = torch.randint(n, (n,), generator=chance) if sick else torch.randperm(n, generator=chance)
        seen.append(len(order.unique()) / n)
    return {"replies seen in a pass": seen}


@symptom(
    PPO,
    sees="The score falls from the first update on.",
    words="reward goes down; score decreases; sign of the reward; loss sign; maximise minimise; training makes "
    "it worse; "
    "reward negative",
    cause="A sign is turned on the way from the reward to the loss: what was good becomes less probable.",
    sign="a score that ends clearly below where it began",
    present=lambda run: run["score"][-1] < run["score"][0] - 0.5,
    cure="Follow one reply with a high score: after one step it must have become more probable.",
    axis="score",
    bug=12,
)
def a_turned_sign(sick: bool) -> Run:
    def loss(
        log_probs: PerToken, old_log_probs: PerToken, advantages: PerToken, mask: Mask, clip: float
    ) -> tuple[Scalar, Stats]:
        return clipped_policy_loss(log_probs, old_log_probs, -advantages if sick else advantages, mask, clip)

    return tiny.series(tiny.ppo(policy_loss=loss, updates=8, batch_size=48), "score")


@symptom(
    PPO,
    sees="Many replies are empty for the log, and the score hardly moves.",
    words="pad token sampled; empty responses; padding in vocabulary; response length 0; pad_token_id generated; "
    "masked out responses; clipfrac nan",
    cause="The filler can be sampled, and what looks like padding is masked.",
    sign="drawn tokens that are the filler's id, so that the mask throws them away",
    present=lambda run: run["fillers among drawn tokens"][0] > 0,
    cure="A filler that has no logit; mask by position, not by what a token is.",
    axis="share of drawn tokens",
    bug=3,
)
def the_filler_can_be_sampled(sick: bool) -> Run:
    policy = tiny.talker()
    filler = tiny.V - 1 if sick else policy.trunk.config.pad_id
    samples = sample(policy, tiny.PROMPTS * 40, 8, tiny.generator())
    drawn = samples.tokens[samples.response_mask]
    return {"fillers among drawn tokens": [(drawn == filler).float().mean().item()]}


@symptom(
    PPO,
    sees="The entropy is near 0 after a few updates, and everybody gets the same answer.",
    words="entropy collapse; policy/entropy_avg 0; mode collapse; same answer for every prompt; no diversity; "
    "one answer for everybody; replies identical",
    cause="No leash, and steps that are too large: the first thing that paid is all that is left.",
    sign="an entropy below 0.3 nats a token",
    present=lambda run: run["policy_entropy"][-1] < 0.3,
    cure="A leash (β), a lower rate, fewer passes. Count how many different replies there are.",
    axis="nats a token",
)
def collapse(sick: bool) -> Run:
    settings: dict[str, Any] = {"beta": 0.0, "lr": 5e-2} if sick else {"beta": 0.5, "lr": 5e-3}
    return tiny.series(tiny.ppo(updates=24, batch_size=96, **settings), "policy_entropy")


@symptom(
    PPO,
    sees="The approximate KL is far above 0.05 within one update, and a third of all tokens is clipped.",
    words="approxkl high; policy/approxkl_avg large; clip fraction high; clipfrac 0.5; learning rate too high; "
    "unstable ppo; policy moves too fast; too many epochs",
    cause="The steps are too large for one batch: rate, or passes.",
    sign="more than 0.05 nats a token from the policy that wrote the batch",
    present=lambda run: max(run["approx_kl"]) > 0.05,
    cure="A third of the rate, fewer passes, or `stop_kl`, which ends an update's passes early.",
    axis="nats a token; share of tokens",
)
def steps_too_large(sick: bool) -> Run:
    records = tiny.ppo(lr=5e-2 if sick else 3e-3, batch_size=48)
    return tiny.series(records, "approx_kl", "clip_fraction")


@symptom(
    PPO,
    sees="The explained variance stays at 0 or below: the value model foresees nothing.",
    words="explained variance negative; vf_explained_var; value model does not learn; critic; value loss flat; "
    "var_explained 0",
    cause="The value model hardly learns: its rate is too low, its head is dead, or its clip too tight for the scores.",
    sign="an explained variance still below 0.1 at the end",
    present=lambda run: run["explained_variance"][-1] < 0.1,
    cure="A higher rate for the value model than for the policy; start it from the reward model; normalise scores.",
    axis="share of variance",
)
def the_value_model_sleeps(sick: bool) -> Run:
    def known_from_the_prompt(tokens: Tokens, response_mask: Mask) -> PerSequence:
        return 3.0 * (tokens[:, 0] == 5).float() + tiny.count_ones(tokens, response_mask)

    settings: dict[str, Any] = {"reward": known_from_the_prompt, "missing_eos_score": 0.0, "value_clip": 5.0}
    records = tiny.ppo(updates=10, batch_size=48, lr=1e-3, value_lr=1e-7 if sick else 2e-2, **settings)
    return tiny.series(records, "explained_variance")


@symptom(
    PPO,
    sees="Learning is noisy: one update up, the next one down.",
    words="noisy gradient; high variance; no baseline; reinforce unstable; reward jumps; advantage always positive",
    cause="No baseline: every reply is praised, the worse ones a little less, and luck decides.",
    sign="single gradients stray from their mean more than three times as far as with a baseline",
    present=lambda run: run["spread of the gradient"][0] > 3,
    cure="Take off what was to be expected: the others' mean, or a value model.",
    axis="in gradients of the baseline's spread",
)
def no_baseline(sick: bool) -> Run:
    logits = torch.zeros(4)
    reward, chance = torch.tensor([10.0, 10.5, 11.0, 11.5]), tiny.generator()
    drawn = torch.multinomial(logits.softmax(0), 4000, replacement=True, generator=chance)
    scores = torch.nn.functional.one_hot(drawn, 4).float() - logits.softmax(0)
    centred = (reward[drawn] - reward.mean()).unsqueeze(1) * scores
    gradients = reward[drawn].unsqueeze(1) * scores if sick else centred
    return {"spread of the gradient": [(gradients.std(dim=0).norm() / centred.std(dim=0).norm()).item()]}


@symptom(
    PPO,
    sees="Replies grow until they reach the limit, and hardly any ends.",
    words="response length grows; length explosion; replies hit max_new_tokens; completions/mean_length; never eos; "
    "missing_eos_penalty; truncated replies",
    cause="Length is paid for, and a reply that is cut off loses nothing.",
    sign="fewer than four in ten replies come to an end of their own",
    present=lambda run: run["ended"][-1] < 0.4,
    cure="A low score for a reply without an end (`missing_eos_score`); look at what the reward pays for.",
    axis="share of replies that end",
)
def length_is_paid(sick: bool) -> Run:
    def a_point_a_token(tokens: Tokens, response_mask: Mask) -> PerSequence:
        return response_mask.sum(dim=1).float()

    missing = 8.0 if sick else -2.0
    records = tiny.ppo(reward=a_point_a_token, missing_eos_score=missing, updates=12, batch_size=48, max_new_tokens=8)
    return tiny.series(records, "ended")


@symptom(
    PPO,
    sees="The proxy climbs, the truth falls.",
    words="reward hacking; overoptimization; goodhart; reward up quality down; gold score; proxy reward; "
    "win rate drops while reward rises",
    cause="The reward model is right only near the reference, and the policy has left it.",
    sign="the proxy ends at its highest, the truth clearly below where it has been",
    present=lambda run: run["proxy"][-1] > run["proxy"][0] + 0.5 and run["truth"][-1] < max(run["truth"]) - 0.3,
    cure="A larger β, an earlier stop, fresh votes. Judge by something that was not optimised.",
    axis="score",
)
def over_optimised(sick: bool) -> Run:
    truth: list[float] = []

    def proxy(tokens: Tokens, response_mask: Mask) -> PerSequence:
        ones = tiny.count_ones(tokens, response_mask)
        truth.append(torch.where(ones > 2, 4 - ones, ones).mean().item())  # more than two are too many
        return ones

    records = tiny.ppo(reward=proxy, beta=0.0 if sick else 1.0, updates=16, batch_size=144, max_new_tokens=8, lr=1e-2)
    return {"proxy": [record.score for record in records], "truth": truth}


@symptom(
    PPO,
    sees="The adaptive β sinks to nothing, although the KL is above its target.",
    words="adaptive kl; kl_coef goes to 0; target_kl; kl controller; beta decreases; objective/kl_coef",
    cause="The controller is given nats a token, and the target is in nats a reply.",
    sign="β falls while the KL of a reply is above its target",
    present=lambda run: run["β"][-1] < run["β"][0],
    cure="One unit for both: nats summed over a reply, here as in the paper.",
    axis="β, while replies are 9 nats away and 6 are allowed",
)
def another_unit(sick: bool) -> Run:
    beta, kl, length = [0.1], 9.0, 20
    for _ in range(20):
        measured = kl / length if sick else kl
        beta.append(adapt_beta(beta[-1], measured, 6.0, 64, 400))
    return {"β": beta}
