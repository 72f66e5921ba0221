"""Symptoms of GRPO, of verifiers and of how they are counted."""

import re
from copy import deepcopy
from dataclasses import replace
from math import comb
from random import Random

import torch

from minirlhf.course.clinic import tiny
from minirlhf.course.clinic.symptom import Run, symptom
from minirlhf.evaluate import pass_at_k
from minirlhf.groups import group_advantages, k1, k2, k3, sequence_mean, standardised_advantages
from minirlhf.grpo import GRPOConfig, grpo_update
from minirlhf.ops import Mask, PerSequence, Tokens, masked_mean
from minirlhf.rollout import collect, sample
from minirlhf.training import new_state
from minirlhf.verifiers import mentions_remedy, right_remedy
from minirlhf.worlds.helpdesk import DEMONSTRATOR, reply, request
from minirlhf.worlds.helpdesk_words import PROBLEMS

GRPO = "GRPO and verifiers"


@symptom(
    GRPO,
    sees="GRPO's loss is 0, and the reward rises all the same.",
    words="loss is 0; grpo loss 0; loss 0.0; loss always zero; training loss zero; train_loss 0; is it learning; "
    "policy_loss 0; loss is zero at step 1",
    cause="A group's advantages add up to 0, and at the first pass the ratio is 1: what is printed is their mean, 0. "
    "The gradient is A·∇log π, and that is not 0.",
    sign="a loss of 0 in every update, with a gradient that is not",
    present=lambda run: max(map(abs, run["policy_loss"])) < 1e-5 and min(run["grad_norm"]) > 1e-3,
    cure="Nothing is broken. Watch the reward; the loss says nothing. Where the gradient is 0 too, look for "
    "dead groups.",
    axis="loss; length of the gradient",
    threads="trl#3452 trl#2703 open-r1#239 unsloth#2291 X-R1#11",
    harmless=True,
)
def the_loss_is_0(sick: bool) -> Run:
    passes = 1 if sick else 3
    records = tiny.grpo(aggregate=sequence_mean, epochs=passes, minibatches=1)
    return tiny.series(records, "policy_loss", "grad_norm")


@symptom(
    GRPO,
    sees="GRPO's loss is 0 and the gradient is 0: nothing is learned.",
    words="grad_norm 0; grpo loss 0 and grad norm 0; gradient zero; not learning; reward_std 0; "
    "frac_reward_zero_std 1; "
    "rewards cancel; two reward functions",
    cause="The parts of the reward cancel: what one gives the other takes, so all replies of a group get the same.",
    sign="a gradient of exactly 0 in every update, and every group dead",
    present=lambda run: not any(run["grad_norm"]) and min(run["frac_reward_zero_std"]) == 1,
    cure="Look at the sum of the rewards within one group. Weigh the parts apart, or multiply them.",
    axis="length of the gradient; share of groups",
    threads="trl#3857",
)
def the_parts_cancel(sick: bool) -> Run:
    def reward(tokens: Tokens, response_mask: Mask) -> PerSequence:
        ones = tiny.count_ones(tokens, response_mask)
        return ones + (1 - ones) if sick else ones

    return tiny.series(tiny.grpo(reward=reward, missing_eos_score=1.0), "grad_norm", "frac_reward_zero_std")


@symptom(
    GRPO,
    sees="The loss is not 0, although there is one pass and β is 0.",
    words="grpo loss not zero; loss nonzero with beta 0; loss negative; dapo loss; token mean; loss_type; bnpo; "
    "loss correlates with length",
    cause="With the mean over all tokens the loss is −Cov(A, length) / mean length: it says whether good "
    "replies are long.",
    sign="losses above a thousandth, with one pass and no KL",
    present=lambda run: max(map(abs, run["policy_loss"])) > 1e-3,
    cure="Nothing is broken. Read it as a measure of length, not of progress.",
    axis="loss",
    threads="trl#2995",
    harmless=True,
)
def the_loss_measures_length(sick: bool) -> Run:
    aggregate = masked_mean if sick else sequence_mean
    return tiny.series(tiny.grpo(aggregate=aggregate, epochs=1, minibatches=1), "policy_loss")


@symptom(
    GRPO,
    sees="The mean over tokens is 0 too, and always: as if all replies were equally long.",
    words="token mean loss always 0; eos as padding; completion_mask all ones; pad token is eos; mask wrong; "
    "completions/mean_length equals max; all lengths equal",
    cause="The end of text is the filler, and the mask counts it: every row is as long as the widest.",
    sign="lengths that are all the same, in replies that have ends",
    present=lambda run: min(run["shortest reply"]) == max(run["longest reply"]),
    cure="Cut after the first end of text, and count that one. Look at the shortest length of a batch.",
    axis="tokens",
    threads="MemGen#33",
)
def the_filler_counts(sick: bool) -> Run:
    samples = sample(tiny.talker(), [[5]] * 64, 8, tiny.generator())
    everything = torch.ones_like(samples.response_mask)
    everything[:, 0] = False  # the prompt
    lengths = (everything if sick else samples.response_mask).sum(dim=1)
    return {"shortest reply": [float(lengths.min())], "longest reply": [float(lengths.max())]}


@symptom(
    GRPO,
    sees="The loss climbs, and so does the reward.",
    words="grpo loss increases; loss goes up; loss increasing while reward increases; kl term; loss positive "
    "and growing",
    cause="What grows is β times the KL, which is part of the printed loss: the policy leaves the reference, "
    "as it must.",
    sign="the KL's part of the loss ends above its start, while the score rises",
    present=lambda run: run["β · k3"][-1] > run["β · k3"][0] + 1e-3 and run["score"][-1] > run["score"][0],
    cure="Nothing is broken. Draw the KL and the policy's loss apart.",
    axis="loss; score",
    threads="theLMbook#6 open-r1#239",
    harmless=True,
)
def the_loss_climbs(sick: bool) -> Run:
    def estimator(log_probs: torch.Tensor, ref_log_probs: torch.Tensor) -> torch.Tensor:
        found = k3(log_probs, ref_log_probs)
        paid.append(beta * found.detach().mean().item())
        return found

    paid: list[float] = []
    beta = 0.1 if sick else 0.0
    records = tiny.grpo(epochs=1, minibatches=1, updates=12, beta=beta, lr=1e-2, kl_in_loss=estimator)
    return {"β · k3": paid} | tiny.series(records, "score")


@symptom(
    GRPO,
    sees="The ratio drifts away from 1, already on first minibatches, from the second update on.",
    words="old = reference; old_logprobs from ref model; ratio drifts; importance sampling wrong; first ratio "
    "not 1 later; "
    "clip fraction grows every step",
    cause="The reference's log-probabilities stand where those of the policy that sampled belong.",
    sign="the first ratio is 1 at update 1, and off by more than a hundredth later",
    present=lambda run: abs(run["first_ratio"][0] - 1) < 1e-4 and abs(run["first_ratio"][-1] - 1) > 0.01,
    cure="Old log-probabilities are those that the tokens were drawn with. The reference is for the KL alone.",
    axis="π / π_old, first minibatch",
    threads="trl#2837",
    bug=10,
)
def the_old_is_the_reference(sick: bool) -> Run:
    policy = tiny.talker()
    reference, config = deepcopy(policy), GRPOConfig(updates=6, prompts=6, group_size=4, lr=1e-2, max_new_tokens=6)
    state, found = new_state(0, policy=policy), []
    for _ in range(config.updates):
        batch = [prompt for prompt in tiny.PROMPTS * 2 for _ in range(config.group_size)]
        rollout = collect(policy, reference, tiny.count_ones, batch, 6, state.generator)
        rollout = replace(rollout, log_probs=rollout.ref_log_probs) if sick else rollout
        steps = grpo_update(policy, rollout, group_advantages(rollout.score, 4), config, state)
        found.append(steps[0]["ratio"])
        state.step += 1
    return {"first_ratio": found}


def _leashed(estimator, steps: int = 80) -> Run:
    """A policy of eight tokens, away from its reference, with nothing but the leash: its exact KL, step by step."""
    start, reference = torch.tensor([3.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]), torch.zeros(8).log_softmax(0)
    logits, chance, found = start.clone().requires_grad_(), tiny.generator(), []
    optimizer = torch.optim.Adam([logits], lr=0.05)
    for _ in range(steps):
        log_p = logits.log_softmax(0)
        found.append((log_p.exp() * (log_p - reference)).sum().item())
        drawn = torch.multinomial(log_p.detach().exp(), 256, replacement=True, generator=chance)
        loss = estimator(log_p[drawn].unsqueeze(0), reference[drawn].unsqueeze(0)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {"kl": found}


@symptom(
    GRPO,
    sees="A larger β does not lower the KL; some find that it grows.",
    words="larger beta larger kl; kl coefficient no effect; kl loss does not work; k1 loss; kl_loss_type; "
    "leash does not "
    "hold; naive kl; beta increases kl",
    cause="k1, log π − log π_ref, is right as a number, and as a loss its gradient is 0 on average.",
    sign="with nothing to pull but the leash, more than eight tenths of the KL is left",
    present=lambda run: run["kl"][-1] > 0.8 * run["kl"][0],
    cure="k1 in the reward, or k2 as a loss: their gradients are the KL's.",
    axis="nats, exact",
    threads="open-instruct#534",
)
def k1_as_a_loss(sick: bool) -> Run:
    return _leashed(k1 if sick else k2)


@symptom(
    GRPO,
    sees="The KL estimate is several times too large, and spikes early.",
    words="k3 mirrored; kl3 underperforms; wrong k3; exp(x)-1-x; approx_kl3; schulman estimator; kl spikes; "
    "k3 worse than k1",
    cause="The log-ratio in the exponent is turned round: e^x − 1 − x with x = log π − log π_ref is not k3.",
    sign="an estimate more than twice the exact KL",
    present=lambda run: run["estimate"][0] > 2 * run["exact KL"][0],
    cure="k3 is π_ref/π − 1 − log(π_ref/π), on samples of π. Check an estimator on four tokens, exactly.",
    axis="nats",
    threads="rlhf-book#489",
)
def the_mirrored_k3(sick: bool) -> Run:
    log_p, log_ref = torch.tensor([2.5, 1.0, 0.0, -1.0]).log_softmax(0), torch.tensor([-1.0, 0, 1, 1]).log_softmax(0)
    p, x = log_p.exp(), log_p - log_ref
    estimator = x.exp() - 1 - x if sick else k3(log_p.unsqueeze(0), log_ref.unsqueeze(0)).squeeze(0)
    return {"exact KL": [(p * x).sum().item()], "estimate": [(p * estimator).sum().item()]}


@symptom(
    GRPO,
    sees="The KL is infinite, or spikes by thousands for one batch.",
    words="kl inf; kl spikes; kl explodes one batch; kl nan; exp overflow; kl huge; kl 1e9; clamp the log ratio",
    cause="k3 takes the exponential of a log-ratio: one token that the policy has all but ruled out is enough.",
    sign="an estimate above a million nats, from one token",
    present=lambda run: run["kl"][0] > 1e6,
    cure="k1 or k2 for the log; clamp the log-ratio before the exponential, never after.",
    axis="nats",
    threads="trl#3015 OpenRLHF#525 OpenRLHF#1335",
)
def an_exponential_of_a_gap(sick: bool) -> Run:
    policy, reference = torch.tensor([[-31.0]]), torch.tensor([[-1.0]])
    estimator = k3 if sick else k2
    return {"kl": [estimator(policy, reference).item()]}


@symptom(
    GRPO,
    sees="The KL is 0.0 or slightly below, where it should be tiny and positive.",
    words="kl exactly 0; kl 0.0 in float32; negative k3; kl small and negative; cancellation; bf16 kl; precision",
    cause="exp(d) − d − 1 loses all its digits in float32 when d is small.",
    sign="exactly 0, or less, at a difference of 0.0001",
    present=lambda run: run["kl"][0] <= 0,
    cure="`expm1(d) − d`, which keeps them.",
    axis="nats",
    threads="unsloth-zoo#1240",
)
def cancellation(sick: bool) -> Run:
    d = torch.tensor([[1e-4]])
    naive = d.exp() - d - 1
    return {"kl": [(naive if sick else k3(-d, torch.zeros_like(d))).item()]}


@symptom(
    GRPO,
    sees="There is no KL in the log at all.",
    words="kl missing from logs; no kl metric; objective/kl absent; kl not logged; beta 0 kl; kl column missing; "
    "where is the kl",
    cause="With β = 0 many trainers never ask the reference: it costs a pass, and the loss does not need it. The "
    "policy leaves the reference all the same, unseen.",
    sign="not one number of the KL, while the policy has moved",
    present=lambda run: not run["KLs in the log"][0] and run["KL of the policy"][0] > 0.01,
    cure="Measure it now and then, with no gradient, or give β a value too small to matter. Here it is always logged.",
    axis="numbers in the log; nats",
    threads="trl#4040",
    harmless=True,
)
def no_kl_without_beta(sick: bool) -> Run:
    records = tiny.grpo(beta=0.0)
    logged = [record.kl for record in records if not sick]
    return {"KLs in the log": [float(len(logged))], "KL of the policy": [records[-1].kl]}


@symptom(
    GRPO,
    sees="An advantage is as large as a million.",
    words="advantages huge; advantage 1e6; leave one out std; division by zero std; std 0 epsilon; gradient explodes; "
    "advantages explode with one correct",
    cause="The others' deviation is 0 when they all failed, and what is left is the difference by ε.",
    sign="an advantage above a hundred, in a group of rewards 0 and 1",
    present=lambda run: max(run["advantage"]) > 100,
    cure="Divide by the whole group's deviation, or by nothing.",
    axis="advantage, at rewards 1, 0, 0, 0",
    threads="NeMo-RL#1518 NeMo-RL#4161",
)
def the_others_deviation(sick: bool) -> Run:
    reward = torch.tensor([1.0, 0.0, 0.0, 0.0])
    others = torch.stack([torch.cat([reward[:i], reward[i + 1 :]]).std() for i in range(4)])
    apart = group_advantages(reward, 4) / (others + 1e-6)
    return {"advantage": tiny.numbers(apart if sick else standardised_advantages(reward, 4))}


@symptom(
    GRPO,
    sees="It learns like plain REINFORCE: slow, and everything is pushed up.",
    words="group ids wrong; every row its own group; advantages equal rewards; num_generations ignored; uid; "
    "group size 1; advantages all positive",
    cause="The rows of one prompt do not carry one group's number, so that each is compared with nobody.",
    sign="advantages of a prompt's replies that do not add up to 0",
    present=lambda run: max(map(abs, run["sum over a prompt's replies"])) > 1e-4,
    cure="Add up the advantages of one prompt: 0. Keep rows of a prompt together, or group by its number.",
    axis="advantage",
    threads="Search-R1#88 rllm#776",
)
def every_row_its_own_group(sick: bool) -> Run:
    reward = torch.tensor([1.0, 0, 1, 1, 0, 0, 1, 0])
    advantages = reward if sick else group_advantages(reward, 4)
    return {"sum over a prompt's replies": tiny.numbers(advantages.view(2, 4).sum(dim=1))}


@symptom(
    GRPO,
    sees="Easy prompts always win: whatever is said to them is praised.",
    words="batch mean; normalise over batch; easy prompts; hard prompts punished; dim=None; global mean; "
    "scale_rewards batch; advantages by prompt difficulty",
    cause="Mean and deviation are taken over the batch: who got an easy prompt is above average.",
    sign="the replies to the easy prompt have a positive mean advantage",
    present=lambda run: run["easy prompt"][0] > 0.1,
    cure="The mean of the group, of one prompt's replies.",
    axis="mean advantage",
    threads="grpo-flat#2 trl#3991 d1#19 flow_grpo#46",
)
def the_mean_of_the_batch(sick: bool) -> Run:
    reward = torch.tensor([1.0, 1, 1, 0, 0, 0, 0, 1])  # four replies to an easy prompt, four to a hard one
    advantages = reward - reward.mean() if sick else group_advantages(reward, 4)
    easy, hard = advantages.view(2, 4).mean(dim=1).tolist()
    return {"easy prompt": [easy], "hard prompt": [hard]}


@symptom(
    GRPO,
    sees="Right replies shrink and wrong ones grow.",
    words="wrong answers get longer; length bias grpo; responses grow; completions/mean_length increases; dr grpo; "
    "1/|o|; per sequence mean; sequence level loss; completion length of incorrect answers",
    cause="Dividing by a reply's own length makes a short right reply count more, and a long wrong one less.",
    sign="the exact push on the chance to stop is above 0 for right replies",
    present=lambda run: abs(run["push to stop, right"][0]) > 0.01,
    cure="A constant, a sum, or the mean over all tokens of a large batch. Log both lengths apart.",
    axis="gradient on the stop logit",
    threads="understand-r1-zero#10 understand-r1-zero#25 trl#3138 VLM-R1#280",
)
def each_reply_by_its_own_length(sick: bool) -> Run:
    stop = 0.1
    length = torch.arange(1, 400, dtype=torch.float64)
    chance = stop * (1 - stop) ** (length - 1)
    score = (1 - stop) - (length - 1) * stop  # of the stop logit: one stop, and all that did not
    push = (chance * (score / length if sick else score / 20)).sum().item()
    return {"push to stop, right": [push], "push to stop, wrong": [-push]}


@symptom(
    GRPO,
    sees="The signal dies: most groups have the same reward throughout.",
    words="frac_reward_zero_std; frac_reward_zero_std rises; reward_std 0; zero variance groups; dead groups; "
    "all rewards equal; training stalls; grad norm shrinks",
    cause="The prompts have become too easy, or are too hard: with p right, a share p^G + (1 − p)^G of groups agrees.",
    sign="more than half of the groups are dead",
    present=lambda run: run["frac_reward_zero_std"][0] > 0.5,
    cure="Harder prompts, larger groups, or draw again where a group agrees.",
    axis="share of groups",
    threads="CoursIA#10603 trl#4764 trl#6367",
)
def dead_groups(sick: bool) -> Run:
    p = 0.95 if sick else 0.5
    right = (torch.rand(400, 4, generator=tiny.generator()) < p).float()
    return {"frac_reward_zero_std": [(right == right[:, :1]).all(dim=1).float().mean().item()]}


def _customers(n: int = 20) -> list[tuple[str, str, str]]:
    """Customers of the help desk: their problem, what they write, and an agent's reply."""
    chance = Random(0)
    asked = [request(chance) for _ in range(n)]
    return [(one.problem, one.prompt, reply(one, chance, DEMONSTRATOR)) for one in asked]


@symptom(
    GRPO,
    sees="The model says nothing at all, and gets full marks.",
    words="empty answer reward 1; empty completion full reward; reward 1 for nothing; a in b or b in a; blank answer; "
    "completions/mean_length 0",
    cause="The checker asks `a in b or b in a`, and the empty text is in every text.",
    sign="an empty reply is right",
    present=lambda run: run["empty replies right"][0] > 0,
    cure="Compare in one direction, with an answer that must be there. Try the empty reply on every checker.",
    axis="share of 20 customers",
    threads="Visual-RFT#176",
)
def nothing_is_right(sick: bool) -> Run:
    def either_way(gold: str, said: str) -> bool:
        return said in gold or gold in said

    verdicts = []
    for problem, prompt, _ in _customers():
        gold = PROBLEMS[problem].remedies[0]
        verdicts.append(either_way(gold, "") if sick else right_remedy(prompt, ""))
    return {"empty replies right": [sum(verdicts) / len(verdicts)]}


@symptom(
    GRPO,
    sees="The model lists all answers in one reply, and gets full marks.",
    words="lists all answers; enumerates options; substring reward; answer in completion; reward hacking verifier; "
    "a or b or c; every remedy; long answers with all choices",
    cause="The checker looks whether the right answer stands in the reply, whatever else does.",
    sign="a reply with every remedy is right",
    present=lambda run: run["replies with every remedy right"][0] > 0.9,
    cure="Exactly one answer: what is found must equal the gold one.",
    axis="share of 20 customers",
    threads="Visual-RFT#79",
)
def everything_is_right(sick: bool) -> Run:
    everything = " ".join(f"{problem.remedies[0]}.".format(item="lamp", other="chair") for problem in PROBLEMS.values())
    verifier = mentions_remedy if sick else right_remedy
    verdicts = [verifier(prompt, everything) for _, prompt, _ in _customers()]
    return {"replies with every remedy right": [sum(verdicts) / len(verdicts)]}


@symptom(
    GRPO,
    sees="The format reward goes to 1, and the accuracy to 0.",
    words="format_reward 1 accuracy_reward 0; format saturates; accuracy drops while format rises; two rewards one "
    "wins; rewards/accuracy_reward falls; only learns the format",
    cause="The two are added. The format is found at once, every reply then has it, and on the shortest way to it "
    "there is no answer left to be right.",
    sign="nearly all replies end properly, and not one in a hundred is right",
    present=lambda run: run["ends properly"][-1] > 0.9 and run["right"][-1] < 0.01,
    cure="Multiply them, so that form alone is worth nothing, or give the format a tenth. Log the two apart.",
    axis="share of replies",
    threads="open-r1#255 trl#3903 trl#5298 R1-V#106",
)
def the_cheap_part_saturates(sick: bool) -> Run:
    found: dict[str, list[float]] = {"ends properly": [], "right": []}

    def reward(tokens: Tokens, response_mask: Mask) -> PerSequence:
        form = tiny.ends(tokens, response_mask).float()
        right = form * (tiny.count_ones(tokens, response_mask) >= 3)
        for name, share in zip(found, (form, right), strict=True):
            found[name].append(share.mean().item())
        return form + right if sick else form * right

    tiny.grpo(reward=reward, updates=20, prompts=24, group_size=8, lr=1e-2)
    return found


@symptom(
    GRPO,
    sees="A reward that is a coin makes the model better.",
    words="random rewards work; spurious rewards; coin flip reward improves accuracy; random verifier helps; "
    "improves with random reward; control run improves too",
    cause="Something else is paid along with the coin. Here a reply without its end gets 0 and no coin, so that ending "
    "is learned, and cut off replies were the wrong ones; elsewhere clipping sharpens what the model did already.",
    sign="with a coin for a verifier, the share of right replies rises by more than three tenths",
    present=lambda run: run["right"][-1] > run["right"][0] + 0.3,
    cure="Run the coin beside every verifier, and claim only what is above it. In the healthy run a cut off reply "
    "gets the coin's mean.",
    axis="share of replies",
    threads="Spurious_Rewards#2 post-training-experiments#42",
)
def a_coin_teaches(sick: bool) -> Run:
    found, chance = [], tiny.generator()

    def coin(tokens: Tokens, response_mask: Mask) -> PerSequence:
        says_2 = ((tokens == 2) & response_mask).any(dim=1)
        found.append((tiny.ends(tokens, response_mask) & ~says_2).float().mean().item())
        return (torch.rand(len(tokens), generator=chance) < 0.5).float()

    tiny.grpo(reward=coin, updates=12, prompts=24, group_size=8, missing_eos_score=0.0 if sick else 0.5)
    return {"right": found}


@symptom(
    GRPO,
    sees="The format reward is always 0, although the format is plainly right.",
    words="format reward 0; rewards/format_reward/mean 0; regex does not match; DOTALL; newline in answer; "
    "strict_format; think tags",
    cause="`.` does not match a new line, and the reply has one.",
    sign="a reply of two lines in the right form is refused",
    present=lambda run: run["two lines accepted"][0] == 0,
    cure="`re.DOTALL`, or `[\\s\\S]`; test a checker on ten good replies before training.",
    axis="share of replies",
    threads="open-r1#235 R1-V#124",
)
def the_dot_stops_at_the_line(sick: bool) -> Run:
    said = "<think>a lamp is broken,\nso a new one</think><answer>new lamp</answer>"
    flags = 0 if sick else re.DOTALL
    found = re.fullmatch(r"<think>.*</think><answer>.*</answer>", said, flags)
    return {"two lines accepted": [float(found is not None)]}


@symptom(
    GRPO,
    sees="The reward rises, and the replies do the opposite of what it was made for.",
    words="reward increases but behaviour opposite; reward function sign; length reward wrong; abs(20 - len); "
    "reward reversed; replies get longer with length reward",
    cause="The distance from the goal is paid, and not its negative.",
    sign="the reward rises while replies end farther from the asked length than they began",
    present=lambda run: run["score"][-1] > run["score"][0] and run["distance"][-1] > run["distance"][0] + 0.3,
    cure="Score three replies by hand, good, middling, bad: the order must be yours.",
    axis="score; tokens from the asked length",
    threads="trl#2771",
)
def the_distance_is_paid(sick: bool) -> Run:
    asked, distances = 3, []

    def reward(tokens: Tokens, response_mask: Mask) -> PerSequence:
        distance = (response_mask.sum(dim=1) - asked).abs().float()
        distances.append(distance.mean().item())
        return distance if sick else -distance

    records = tiny.grpo(reward=reward, updates=12, lr=1e-2, max_new_tokens=8, missing_eos_score=5.0 if sick else -5.0)
    return tiny.series(records, "score") | {"distance": distances}


@symptom(
    GRPO,
    sees="The reward is 1 from the very start.",
    words="reward 1 from step 0; accuracy reward always 1; reward perfect immediately; unparseable gold; empty gold; "
    "gold answer empty; skip example reward 1; fail open",
    cause="Where the gold answer cannot be read, the checker says right, so as not to punish anyone.",
    sign="a wrong reply is right where the gold answer is empty",
    present=lambda run: run["wrong replies right"][0] > 0,
    cure="Fail closed, drop such rows, and count them.",
    axis="share of rows",
    threads="cookbook#335 open-r1#55",
)
def an_unreadable_gold(sick: bool) -> Run:
    gold, said = ["a new lamp", "", "a refund", ""], "a poem"

    def right(answer: str) -> bool:
        if not answer:
            return sick  # "You can return any value here"
        return answer == said

    return {"wrong replies right": [sum(map(right, gold)) / len(gold)]}


@symptom(
    GRPO,
    sees="Nearly all replies count as cut off, and all of them plainly end.",
    words="completions/clipped_ratio .97; clipped_ratio high; all completions truncated; eos not recognised; two eos "
    "tokens; generation_config eos_token_id list; mean_terminated_length 0",
    cause="The model has two tokens that end a text, and the count knows one of them.",
    sign="more than half count as cut off, where every reply ends",
    present=lambda run: run["counted as cut off"][0] > 0.5,
    cure="All end tokens in one list, for generation and for counting.",
    axis="share of replies",
    threads="trl#7039",
)
def a_second_end(sick: bool) -> Run:
    ends, chance = {tiny.EOS, 7}, Random(0)
    known = {tiny.EOS} if sick else ends
    replies = [[1, 2, 7 if chance.random() < 0.9 else tiny.EOS] for _ in range(100)]
    return {"counted as cut off": [sum(reply[-1] not in known for reply in replies) / len(replies)]}


@symptom(
    GRPO,
    sees="pass@k is lower than in other people's tables.",
    words="pass@k too low; pass at k biased; with replacement; best@k; 1-(1-p)^k; pass@4; human eval; plug-in "
    "estimator",
    cause="1 − (1 − c/n)^k draws with replacement: the same reply may come twice.",
    sign="below 1 where four of four are drawn and one of them is right",
    present=lambda run: run["pass@4 of 4, one right"][0] < 1,
    cure="1 − C(n−c, k)/C(n, k), with n larger than k.",
    axis="probability",
    threads="verl#7240",
)
def pass_at_k_with_replacement(sick: bool) -> Run:
    n, right, k = 4, 1, 4
    return {"pass@4 of 4, one right": [1 - (1 - right / n) ** k if sick else pass_at_k(n, right, k)]}


@symptom(
    GRPO,
    sees="pass@k is 1.0, and no reply is right.",
    words="pass@k 1.0 with zero correct; pass@5 of 2 samples; k larger than n; comb(n-c, k) 0; human-eval pass@k bug",
    cause="k is larger than the number of replies: C(n−c, k) is 0, and 1 − 0 is 1.",
    sign="a pass@k of 1 without one right reply",
    present=lambda run: run["pass@k, none right"][0] == 1,
    cure="Refuse k > n, as `pass_at_k` does here; draw more replies.",
    axis="probability",
    threads="human-eval#68",
)
def k_beyond_n(sick: bool) -> Run:
    n, right = 2, 0
    k = 5 if sick else 2
    return {"pass@k, none right": [1 - comb(n - right, k) / comb(max(n, k), k)]}


@symptom(
    GRPO,
    sees="β acts twice as strongly as it says.",
    words="kl in reward and loss; use_kl_in_reward and use_kl_loss; double kl; kl penalty twice; both kl switches; "
    "kl lower than expected",
    cause="The KL is taken off the reward and added to the loss as well.",
    sign="on one rollout the gradient of the leash is about twice the right one",
    present=lambda run: run["the leash's pull"][0] > 1.5,
    cure="In the reward or in the loss. Here `kl_in_loss` takes it out of the reward.",
    axis="in gradients of one leash",
    threads="OpenRLHF#768 Search-R1#118 slime#397 verl#3276",
)
def the_kl_twice(sick: bool) -> Run:
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0], requires_grad=True)
    reference = torch.zeros(4).log_softmax(0)
    log_p = logits.log_softmax(0)
    p, x = log_p.exp().detach(), log_p - reference
    in_the_reward = (p * x.detach() * log_p).sum()  # k1 in the reward, in expectation
    in_the_loss = (p * 0.5 * x.square()).sum()  # k2
    both = in_the_reward + in_the_loss if sick else in_the_loss
    (one,) = torch.autograd.grad(in_the_reward, [logits], retain_graph=True)
    (pull,) = torch.autograd.grad(both, [logits])
    return {"the leash's pull": [(pull.norm() / one.norm()).item()]}
