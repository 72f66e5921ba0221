"""Symptoms of DPO and KTO."""

from copy import deepcopy
from dataclasses import replace
from math import log
from random import Random

import torch

from minirlhf.course.clinic import tiny
from minirlhf.course.clinic.symptom import Run, symptom
from minirlhf.data import Comparisons, Ids, Judgements
from minirlhf.kto import KTOConfig, train_kto
from minirlhf.losses import PerPair, Stats, bradley_terry_loss, dpo_loss
from minirlhf.model import CausalLM, response_log_probs
from minirlhf.ops import Mask, PerToken, Scalar, masked_mean, masked_sum
from minirlhf.rollout import sample
from minirlhf.sft import SFTConfig, train_sft
from minirlhf.training import optimizer_step

DPO = "DPO and KTO"


@symptom(
    DPO,
    sees="The chosen replies get less probable, although the margin grows.",
    words="logps/chosen falls; logps/chosen decreases; chosen log probs go down; likelihood displacement; both "
    "logps drop; "
    "rewards/chosen negative; chosen probability decreases in dpo; is it learning",
    cause="Only the margin is trained. Replies share weights, so that what pushes the rejected down pulls the chosen "
    "along, and the mass goes to a third reply that points the same way.",
    sign="the chosen reply ends less probable than it began, and the loss has fallen",
    present=lambda run: run["chosen"][-1] < run["chosen"][0] and run["loss"][-1] < run["loss"][0],
    cure="Often nothing: at the exact optimum the chosen may have fallen. Look at what is said instead; if "
    "that is bad, "
    "stop earlier, raise β, or add an SFT term.",
    axis="probability; loss in nats",
    threads="eric#32 eric#36 eric#41 trl#800 LlamaFactory#6153 LlamaFactory#7643 OpenRLHF#1054",
    harmless=True,
)
def the_chosen_falls(sick: bool) -> Run:
    shared = torch.tensor([[1.0, 0.2], [1.0, 1.0], [0.0, -1.0], [-1.0, 0.0]])  # chosen, rejected, two others
    features = shared if sick else torch.eye(4)
    weights = torch.zeros(features.shape[1], requires_grad=True)
    found: dict[str, list[float]] = {"chosen": [], "rejected": [], "a third": [], "loss": []}
    for _ in range(200):
        log_p = (features @ weights).log_softmax(0)
        loss, _ = bradley_terry_loss(0.5 * (log_p[:1] + log(4)), 0.5 * (log_p[1:2] + log(4)))
        for name, value in zip(found, (*log_p[:3].exp().tolist(), loss.item()), strict=True):
            found[name].append(value)
        (gradient,) = torch.autograd.grad(loss, [weights])
        weights = (weights - gradient).detach().requires_grad_()
    return found


@symptom(
    DPO,
    sees="The chosen replies get more probable at first, and then less probable than they were.",
    words="logps/chosen rises then falls; chosen rewards go up then down; rewards/chosen turns negative later; "
    "chosen peaks early; logps/chosen turns; rises then drops",
    cause="At first both sides are told apart by what is right in the chosen. Once that is learned, what is left to "
    "gain is to push the rejected down, and what the two share goes with it.",
    sign="the chosen's log-probability peaks on the way, and ends below its start",
    present=lambda run: max(run["chosen_log_prob"]) > run["chosen_log_prob"][0] + 1 > run["chosen_log_prob"][-1] + 1,
    cure="Stop at the peak, or add a little of SFT's loss on the chosen, as the healthy run does. Read what is said.",
    axis="nats a reply",
    threads="RLHF-V#26",
)
def the_chosen_turns(sick: bool) -> Run:
    def loss(
        log_probs: PerToken, ref_log_probs: PerToken, mask: Mask, beta: float, preference: PerPair
    ) -> tuple[Scalar, Stats]:
        value, stats = dpo_loss(log_probs, ref_log_probs, mask, beta, preference)
        of_sft = 0.0 if sick else 0.3
        return value - of_sft * masked_mean(log_probs.chunk(2)[0], mask.chunk(2)[0]), stats

    return tiny.series(tiny.dpo(tiny.votes(600), steps=60, lr=1e-2, loss=loss), "chosen_log_prob")


@symptom(
    DPO,
    sees="The rewards of chosen and rejected are both negative.",
    words="rewards/chosen negative; rewards/rejected negative; all rewards negative; implicit reward below zero; "
    "rewards/margins positive but rewards negative",
    cause="Over replies of the reference the implicit reward averages −β KL(π_ref ‖ π), which is below 0 as "
    "soon as the "
    "policy has moved.",
    sign="on pairs of the reference's own replies the two rewards average below 0",
    present=lambda run: run["mean reward"][0] < 0,
    cure="Nothing is broken: look at the margin. On the policy's own replies the same average is above 0.",
    axis="nats times β",
    threads="eric#8 tiny-llm-zh#15",
    harmless=True,
)
def rewards_below_zero(sick: bool) -> Run:
    reference = tiny.talker()
    policy = deepcopy(reference)
    tiny.dpo(tiny.votes(96), policy, reference=reference, steps=15)
    writer = reference if sick else policy
    samples = sample(writer, tiny.PROMPTS * 170, 6, tiny.generator())
    with torch.no_grad():
        one, other = (
            response_log_probs(model, samples.tokens, samples.response_mask)[0] for model in (policy, reference)
        )
    return {"mean reward": [0.1 * (one - other).sum(dim=1).mean().item()]}


@symptom(
    DPO,
    sees="The loss is 0.6931 for ever, and the log-probabilities are 0.0.",
    words="dpo loss 0.6931; loss stuck at 0.693; ln 2; logps/chosen 0.0; rewards/margins 0; labels all -100; "
    "loss does not change; grad_norm 0 in dpo",
    cause="Every token of the answer is masked: nothing is compared, and nothing flows back.",
    sign="a loss of ln 2 and log-probabilities of exactly 0, step after step",
    present=lambda run: not any(run["chosen_log_prob"]) and all(abs(x - log(2)) < 1e-6 for x in run["loss"]),
    cure="Print the mask of one row over its tokens. A prompt that fills the context leaves no answer either.",
    axis="nats",
    threads="ETO#14",
)
def everything_masked(sick: bool) -> Run:
    votes = tiny.votes()
    nothing: list[Ids] = [[] for _ in range(len(votes))]
    sides = (nothing, nothing) if sick else (votes.chosen, votes.rejected)
    return tiny.series(tiny.dpo(replace(votes, chosen=sides[0], rejected=sides[1])), "loss", "chosen_log_prob")


@symptom(
    DPO,
    sees="The loss is 0.6931 for ever, and yet the rejected replies plunge.",
    words="dpo loss constant 0.6931 but model changes; reference is the policy; ref_model same as model; margins 0; "
    "shared reference; logps/rejected plunges; peft disable adapter",
    cause="The reference is the policy itself: the margin is 0 by definition, every pair keeps its full weight "
    "for ever.",
    sign="a loss of ln 2 in every step, while the rejected become less probable by nats",
    present=lambda run: (
        all(abs(x - log(2)) < 1e-5 for x in run["loss"])
        and run["rejected log-prob"][-1] < run["rejected log-prob"][0] - 1
    ),
    cure="A frozen copy, made before the first step; its log-probabilities once a pair, not once a step.",
    axis="nats",
    threads="trl#892 d3po#20",
)
def the_reference_is_the_policy(sick: bool) -> Run:
    policy, votes = tiny.talker(), tiny.votes()
    optimizer = torch.optim.Adam(policy.parameters())
    tokens, mask, preference = votes.batch(range(len(votes)), tiny.PAD)
    with torch.no_grad():
        frozen, _ = response_log_probs(policy, tokens, mask)
    found: dict[str, list[float]] = {"loss": [], "rejected log-prob": []}
    for _ in range(25):
        log_probs, _ = response_log_probs(policy, tokens, mask)
        loss, _ = dpo_loss(log_probs, log_probs.detach() if sick else frozen, mask, 0.1, preference)
        found["loss"].append(loss.item())
        found["rejected log-prob"].append(masked_sum(log_probs, mask).chunk(2)[1].mean().item())
        optimizer_step(loss, optimizer, 5e-3)
    return found


@symptom(
    DPO,
    sees="The loss is not 0.6931 at the first step.",
    words="dpo initial loss not ln 2; loss not 0.693 at step 0; rewards nonzero at start; rewards ±10 at the "
    "beginning; "
    "wrong reference; reference is base; dropout in dpo; dtype mismatch",
    cause="Policy and reference are not the same at the start: the base model in place of the SFT model, another "
    "precision, dropout.",
    sign="a first loss that is not ln 2 to the third digit",
    present=lambda run: abs(run["loss"][0] - log(2)) > 1e-3,
    cure="The reference is a copy of what the policy is at step 0, read in the same precision, without dropout.",
    axis="nats a choice",
    threads="trl#1236 eric#34 trl#744",
)
def dpo_with_another_reference(sick: bool) -> Run:
    policy = tiny.talker(size=0.2)
    reference = tiny.talker(seed=1, size=0.2) if sick else deepcopy(policy)
    return tiny.series(tiny.dpo(policy=policy, reference=reference), "loss")


@symptom(
    DPO,
    sees="The loss starts at 0.6931 and not at 0, although policy and reference are equal.",
    words="should the dpo loss be 0 at start; why 0.693; loss 0.6931 at step 0; policy equals reference; "
    "initial dpo loss; ln 2 at start",
    cause="−log σ(0) = ln 2: a margin of 0 is a coin, and a coin costs one bit, 0.693 nats.",
    sign="a first loss of ln 2, to the fifth digit",
    present=lambda run: abs(run["loss"][0] - log(2)) < 1e-5,
    cure="Nothing is broken. It is the first thing to check: anything else at step 0 is a bug.",
    axis="nats a choice",
    threads="eric#46 DiffusionDPO#7",
    harmless=True,
)
def a_coin_costs_ln_2(sick: bool) -> Run:
    policy = tiny.talker()
    before = deepcopy(policy)
    tiny.dpo(policy=policy, steps=8)
    start = deepcopy(before) if sick else policy  # the other run is asked after eight steps
    return tiny.series(tiny.dpo(policy=start, reference=before, steps=5, lr=1e-3), "loss")


@symptom(
    DPO,
    sees="The accuracy is either 0 or 1, never between.",
    words="rewards/accuracies only 0 or 1; accuracy jumps between 0 and 1; binary accuracy; batch size 1; "
    "per_device_train_batch_size 1",
    cause="There is one pair in a batch, and a share of one is 0 or 1.",
    sign="no step with an accuracy between 0 and 1",
    present=lambda run: not any(0 < accuracy < 1 for accuracy in run["accuracy"][1:]),
    cure="Nothing is broken: average over steps, or log over a larger batch.",
    axis="share of pairs",
    threads="trl#2371 LlamaFactory#6728",
    harmless=True,
)
def one_pair_a_batch(sick: bool) -> Run:
    coin, votes = Random(0), tiny.votes()
    noisy = votes.swapped([coin.random() < 0.3 for _ in range(len(votes))])
    return tiny.series(tiny.dpo(noisy, batch_size=1 if sick else 24, lr=1e-3), "accuracy")


@symptom(
    DPO,
    sees="Training accuracy 1, loss near 0, and the held-out loss climbs above 0.693.",
    words="dpo overfits; accuracy 1 loss 0 no improvement; eval_loss rises; eval_rewards/accuracies low; too "
    "many epochs; "
    "few preference pairs; dpo no better than sft",
    cause="A few noisy pairs, many passes: without noise DPO has no minimum, so it goes on for ever.",
    sign="a held-out loss that ends above ln 2, while the training loss is below 0.3",
    present=lambda run: run["held_out_loss"][-1] > log(2) and run["loss"][-1] < 0.3,
    cure="Stop where the held-out loss turns (`patience`); about ten steps for sixty votes; label smoothing.",
    axis="nats a choice",
    threads="OPA-DPO#10 LlamaFactory#5321",
)
def too_many_passes(sick: bool) -> Run:
    coin, votes, fresh = Random(0), tiny.votes(12 if sick else 400), tiny.votes(200, seed=1)
    noisy, held_out = (some.swapped([coin.random() < 0.25 for _ in range(len(some))]) for some in (votes, fresh))
    records = tiny.dpo(noisy, steps=40, batch_size=min(100, len(votes)), lr=2e-2, held_out=held_out)
    return tiny.series(records, "loss", "held_out_loss")


@symptom(
    DPO,
    sees="After DPO replies never end, or repeat themselves.",
    words="dpo repeats; dpo never stops; endless generation after dpo; gibberish after dpo; repetition; eos "
    "probability "
    "falls; degenerate output",
    cause="Rate and passes are too large for β: the mass leaves the pairs, and the end of text falls with the "
    "rejected.",
    sign="fewer than eight in ten replies still come to an end",
    present=lambda run: run["ended"][-1] < 0.8,
    cure="A third of the rate, a larger β, fewer steps; or an SFT term on the chosen. Read twenty replies.",
    axis="share of replies that end: before, after",
    threads="eric#35 trl#1025 trl#2382 LlamaFactory#1347 LlamaFactory#7734 MAPO#3",
)
def the_mass_runs_away(sick: bool) -> Run:
    reference = _taught_to_end()
    policy = deepcopy(reference)
    settings = {"steps": 60, "lr": 3e-2, "beta": 0.05} if sick else {"steps": 10, "lr": 1e-3, "beta": 0.3}
    tiny.dpo(tiny.votes(24, better=lambda ids: float(len(ids))), policy, reference=reference, **settings)
    return {"ended": [_ended(reference), _ended(policy)]}


def _taught_to_end() -> CausalLM:
    """A model that has learned to answer in two to six tokens and an end."""
    policy = tiny.talker(size=0.0)
    list(train_sft(policy, tiny.demonstrations(), SFTConfig(steps=60, batch_size=32, lr=1e-2, warmup=0)))
    return policy


def _ended(policy: CausalLM) -> float:
    samples = sample(policy, tiny.PROMPTS * 40, 12, tiny.generator())
    return tiny.ends(samples.tokens, samples.response_mask).float().mean().item()


def _mean_length(policy: CausalLM) -> float:
    return sample(policy, tiny.PROMPTS * 80, 16, tiny.generator()).response_mask.sum(dim=1).float().mean().item()


@symptom(
    DPO,
    sees="Replies get longer and longer with DPO.",
    words="dpo length bias; verbose after dpo; responses grow; length explosion dpo; longer answers; "
    "completions longer; "
    "simpo; length normalisation",
    cause="In the pairs the longer reply won more often, and a sum over more tokens can move further.",
    sign="replies end at least one token longer than they were",
    present=lambda run: run["length"][1] > run["length"][0] + 1,
    cure="Balance lengths in the pairs, or divide by length and raise β (SimPO). Look at length against win rate.",
    axis="tokens a reply: before, after",
    threads="eric#35 eric#40 SimPO#20",
)
def longer_wins(sick: bool) -> Run:
    reference = _taught_to_end()
    policy = deepcopy(reference)
    votes = tiny.votes(96, better=(lambda ids: float(len(ids))) if sick else None)
    tiny.dpo(votes, policy, reference=reference, steps=15)
    return {"length": [_mean_length(reference), _mean_length(policy)]}


@symptom(
    DPO,
    sees="DPO with averages in place of sums hardly moves.",
    words="average log prob; average_log_prob True; dpo mean logps; length normalised dpo; margins tiny; dpo slow; "
    "mean instead of sum; ipo averages",
    cause="A reply's mean log-ratio is smaller than its sum by its length, so that the same β means ten times "
    "the leash.",
    sign="after twenty steps the margin is below 0.25, where sums are far beyond",
    present=lambda run: run["margin"][-1] < 0.25,
    cure="Sums, as in the paper; or, with averages, β times the usual length.",
    axis="nats times β",
    threads="eric#48 trl#789 OpenRLHF#701",
)
def averages_for_sums(sick: bool) -> Run:
    def loss(
        log_probs: PerToken, ref_log_probs: PerToken, mask: Mask, beta: float, preference: PerPair
    ) -> tuple[Scalar, Stats]:
        length = mask.sum(dim=1, keepdim=True).clamp(min=1) if sick else 1
        return dpo_loss(log_probs / length, ref_log_probs / length, mask, beta, preference)

    return tiny.series(tiny.dpo(loss=loss, lr=2e-3), "margin")


@symptom(
    DPO,
    sees="Loss and accuracy look perfect, and the model does the opposite of what people chose.",
    words="chosen and rejected swapped in dpo; dpo reversed; model gets worse; opposite behaviour; labels inverted; "
    "prefers rejected",
    cause="The pair is swapped. The loss cannot know: it starts at ln 2, falls, and reports an accuracy of 1.",
    sign="the reply that people chose is less often said than before",
    present=lambda run: run["share of 1s"][1] < run["share of 1s"][0],
    cure="Read three pairs as the loss gets them. Judge by replies, never by the training's own accuracy.",
    axis="share of tokens: before, after",
)
def the_pair_is_swapped(sick: bool) -> Run:
    reference = tiny.talker()
    policy, votes = deepcopy(reference), tiny.votes(96)
    tiny.dpo(votes.swapped([sick] * len(votes)), policy, reference=reference)
    return {"share of 1s": [_share_of_ones(reference), _share_of_ones(policy)]}


def _share_of_ones(policy: CausalLM) -> float:
    samples = sample(policy, tiny.PROMPTS * 80, 6, tiny.generator())
    return (samples.tokens[samples.response_mask] == 1).float().mean().item()


@symptom(
    DPO,
    sees="The first loss is about 1 and lengths decide: the reference is missing from the margin.",
    words="reference free; no reference in dpo; reference_free; ref_logps forgotten; dpo starts at 1; margins large at "
    "step 0; rewards equal logps",
    cause="β log π alone: probable replies start as winners, and short ones are probable.",
    sign="before any step the rewards of chosen and rejected are several units below 0",
    present=lambda run: run["chosen reward at step 0"][0] < -0.1,
    cure="Take the reference's log-probabilities off. At step 0 both rewards are 0.",
    axis="nats times β",
)
def no_reference(sick: bool) -> Run:
    policy, votes = tiny.talker(), tiny.votes()
    tokens, mask, _ = votes.batch(range(len(votes)), tiny.PAD)
    with torch.no_grad():
        log_probs, _ = response_log_probs(policy, tokens, mask)
    reward = 0.1 * masked_sum(log_probs - (0.0 if sick else log_probs), mask)
    return {"chosen reward at step 0": [reward.chunk(2)[0].mean().item()]}


@symptom(
    DPO,
    sees="KTO's KL is 0 in every step.",
    words="kto kl 0; kto kl always zero; kl estimate clamped; mismatched pairs; kto kl jumpy; kto batch size 1; "
    "kto reference point",
    cause="It is estimated from other prompts' replies, which are the reference's: that average is −KL(π_ref ‖ π), and "
    "the clamp makes 0 of it.",
    sign="0 at every step, while the policy moves",
    present=lambda run: not any(run["KL for the loss"]),
    cure="Nothing to worry about alone; a small vocabulary can be summed over exactly, as here. Batches above 1.",
    axis="nats a reply",
    threads="trl#1911 trl#1380",
)
def ktos_distance_is_zero(sick: bool) -> Run:
    reference = tiny.talker()
    policy = deepcopy(reference)
    replies = sample(reference, tiny.PROMPTS * 16, 6, tiny.generator()).responses()
    judged = Judgements(tiny.PROMPTS * 16, replies, [reply.count(1) > 0 for reply in replies])
    other = replies[1:] + replies[:1]  # each prompt with another one's reply
    tokens, mask, _ = Comparisons(judged.prompts, other, other, [1.0] * 48).batch(range(48), tiny.PAD)
    found: list[float] = []
    for record in train_kto(policy, reference, judged, KTOConfig(steps=15, batch_size=48, lr=1e-2, warmup=0)):
        with torch.no_grad():
            one, other_one = (response_log_probs(model, tokens, mask)[0] for model in (policy, reference))
        mismatched = max((one - other_one).sum(dim=1).mean().item(), 0.0)
        found.append(mismatched if sick else record.kl)
    return {"KL for the loss": found[1:]}


@symptom(
    DPO,
    sees="β does not do what it says: halving it changes nothing at the start.",
    words="beta has no effect in dpo; beta outside; beta times logsigmoid; dpo loss 0.0693; beta as a factor; "
    "loss starts "
    "at beta times ln 2",
    cause="β stands outside: β · log σ(h). Then it is a factor on the loss, and no leash.",
    sign="a first loss of β ln 2, 0.0693 at β = 0.1, in place of ln 2",
    present=lambda run: abs(run["loss"][0] - 0.1 * log(2)) < 1e-4,
    cure="β inside: −log σ(β h). Its first loss is ln 2 for every β.",
    axis="nats a choice",
)
def beta_outside(sick: bool) -> Run:
    def loss(
        log_probs: PerToken, ref_log_probs: PerToken, mask: Mask, beta: float, preference: PerPair
    ) -> tuple[Scalar, Stats]:
        value, stats = dpo_loss(log_probs, ref_log_probs, mask, 1.0 if sick else beta, preference)
        return (beta * value if sick else value), stats

    return tiny.series(tiny.dpo(loss=loss), "loss")
