"""Symptoms of supervised fine-tuning, and of texts on their way into any stage."""

from copy import deepcopy
from math import log

import torch
import torch.nn.functional as F

from minirlhf.course.clinic import tiny
from minirlhf.course.clinic.symptom import Run, symptom
from minirlhf.data import Demonstrations, collate
from minirlhf.losses import sft_loss
from minirlhf.model import response_log_probs
from minirlhf.ops import Mask, PerToken, Scalar, masked_mean, token_log_probs
from minirlhf.rollout import sample
from minirlhf.sft import SFTConfig, train_sft

SFT = "SFT"


def _taught(demonstrations: Demonstrations, steps: int = 60, lr: float = 1e-2, loss=sft_loss):
    """A fresh model, taught; and its records."""
    policy = tiny.talker(size=0.0)
    config = SFTConfig(steps=steps, batch_size=min(32, len(demonstrations)), lr=lr, warmup=0)
    return policy, list(train_sft(policy, demonstrations, config, loss=loss))


@symptom(
    SFT,
    sees="The loss falls almost to 0, and the model writes nonsense.",
    words="loss near zero; loss too good; perfect accuracy; mean_token_accuracy 1; off by one; no shift; train loss 0",
    cause="The logits at a token were compared with that same token, which the model has read, not with the next.",
    sign="the loss sinks below 0.1 nats a token on replies that are random, and cannot be foreseen",
    present=lambda run: run["loss"][-1] < 0.1,
    cure="Logits at t speak about token t + 1: shift once, in one place (`predicting_positions`). "
    "Check the loss against a reply's log-probability worked out token by token.",
    axis="nats a token",
    bug=1,
)
def no_shift(sick: bool) -> Run:
    def sees_the_answer(logits, tokens, mask):
        return F.cross_entropy(logits[mask], tokens[mask]), {"accuracy": 0.0}

    loss = sees_the_answer if sick else sft_loss
    _, records = _taught(tiny.demonstrations(), loss=loss)
    return tiny.series(records, "loss")


@symptom(
    SFT,
    sees="Replies never end: every one is as long as it may be.",
    words="never stops; keeps generating; no eos; pad is eos; eos masked; runs to max_new_tokens; "
    "completions/clipped_ratio 1; val/num_eos_tokens 0",
    cause="The end of text is also the filler, and masking the filler masked the end: nothing teaches the "
    "model to stop.",
    sign="of the replies to what it was taught on, hardly one in ten ends of its own",
    present=lambda run: run["ended"][-1] < 0.1,
    cure="A filler with an id of its own, which cannot be sampled; the end of text supervised once in each row.",
    axis="share of replies that end",
    threads="trl#1025 LlamaFactory#1347",
    bug=2,
)
def never_ends(sick: bool) -> Run:
    def without_the_end(logits, tokens, mask):
        return sft_loss(logits, tokens, mask & (tokens != tiny.EOS if sick else mask))

    policy, _ = _taught(tiny.demonstrations(), loss=without_the_end)
    samples = sample(policy, tiny.PROMPTS * 20, 12, tiny.generator())
    ended = tiny.ends(samples.tokens, samples.response_mask)
    return {"ended": [ended.float().mean().item()]}


@symptom(
    SFT,
    sees="Every answer begins with the start token, or with the frame once more.",
    words="answers start with bos; double bos; <s> at the beginning of the response; prompt repeated in the answer; "
    "add_special_tokens; chat template twice",
    cause="Prompt and answer were tokenised each by itself, and each time a start token was put in front.",
    sign="replies that begin with the start token, which no answer should",
    present=lambda run: run["begin with the start token"][-1] > 0.5,
    cure="Tokenise prompt and answer as one text, or the answer without special tokens. Decode one row and read it.",
    axis="share of replies",
    threads="axolotl#1616 trl#1073",
)
def begins_with_the_start_token(sick: bool) -> Run:
    start, shown = 6, tiny.demonstrations()
    replies = [[start, *reply] if sick else reply for reply in shown.responses]
    policy, _ = _taught(Demonstrations(shown.prompts, replies))
    samples = sample(policy, tiny.PROMPTS * 20, 8, tiny.generator())
    share = sum(reply[0] == start for reply in samples.responses()) / len(samples.tokens)
    return {"begin with the start token": [share]}


@symptom(
    SFT,
    sees="The training loss falls on, while the loss on held-out rows turns and climbs.",
    words="overfitting; memorising; eval_loss rises; eval loss goes up; train loss low; too many epochs; by heart",
    cause="There are few demonstrations and many passes: the model learns these by heart.",
    sign="the held-out loss ends more than a fifth of a nat above its lowest",
    present=lambda run: run["held out"][-1] > min(run["held out"]) + 0.2,
    cure="Stop where the held-out loss is lowest; more demonstrations; fewer passes.",
    axis="nats a token",
)
def learned_by_heart(sick: bool) -> Run:
    shown, held_out = tiny.demonstrations(4 if sick else 256), tiny.demonstrations(64, seed=1)
    policy = tiny.talker(size=0.0)
    rows, mask = held_out.batch(range(64), tiny.PAD)
    found: dict[str, list[float]] = {"training": [], "held out": []}
    config = SFTConfig(steps=80, batch_size=min(32, len(shown)), lr=1e-2, warmup=0)
    for record in train_sft(policy, shown, config):
        found["training"].append(record.loss)
        with torch.no_grad():
            found["held out"].append(sft_loss(policy(rows), rows, mask)[0].item())
    return found


@symptom(
    SFT,
    sees="The loss jumps up and stays above ln V, where an untrained model begins.",
    words="loss explodes; diverges; learning rate too high; loss 11 instead of 10; above ln vocabulary; spikes",
    cause="The learning rate is far too high: every step lands beyond the other side of the valley.",
    sign="the last losses are above ln V, what guessing costs",
    present=lambda run: sum(run["loss"][-10:]) / 10 > log(tiny.V),
    cure="A tenth of the rate, with warm-up; clip gradients. Try rates in factors of three on fifty steps.",
    axis="nats a token",
)
def a_rate_too_high(sick: bool) -> Run:
    _, records = _taught(tiny.demonstrations(), lr=3.0 if sick else 1e-2)
    return tiny.series(records, "loss")


@symptom(
    SFT,
    sees="The loss is NaN, from one batch to the next.",
    words="nan loss; loss nan; empty completion; 0/0; division by zero; all tokens masked; truncated to nothing",
    cause="A row has no answer left after truncation, and its mean is a sum of nothing divided by nothing.",
    sign="a loss that is not a number, in the batch that holds an empty answer",
    present=lambda run: any(loss != loss for loss in run["loss"]),
    cure="Divide by at least 1, and drop rows without an answer before training. Say how many were dropped.",
    axis="nats a token",
    threads="trl#6548 trl#3382",
)
def an_empty_answer(sick: bool) -> Run:
    policy = tiny.talker()
    tokens, mask = collate([[5], [6, 7]], [[1, 2, tiny.EOS], []], tiny.PAD)
    with torch.no_grad():
        each = -token_log_probs(policy(tokens), tokens, mask).sum(dim=1)
    counted = mask.sum(dim=1)
    means = each / (counted if sick else counted.clamp(min=1))
    return {"loss": tiny.numbers(means)}


@symptom(
    SFT,
    sees="A row's loss changes with the row that lies beside it.",
    words="padding counts; loss depends on padding; mean over padded width; .mean(1); pad tokens in the loss; "
    "short answers weigh less",
    cause="The mean runs over the padded width, so that a short row is divided by its neighbour's length.",
    sign="one and the same row costs something else alone than beside a longer one",
    present=lambda run: abs(run["its loss"][0] - run["its loss"][1]) > 0.05,
    cure="Divide by the tokens that count (`masked_mean`). Test: a row alone and in a batch costs the same.",
    axis="nats a token: alone, then beside a longer row",
    threads="minimind#298",
)
def the_mean_over_the_padded_width(sick: bool) -> Run:
    policy, found = tiny.talker(), []
    for neighbours in ([], [[1, 2, 3, 4, 1, 2, 3, 4, tiny.EOS]]):
        tokens, mask = collate([[5]] * (1 + len(neighbours)), [[1, 2, tiny.EOS], *neighbours], tiny.PAD)
        log_probs, _ = response_log_probs(policy, tokens, mask)
        row, counted = log_probs[:1], mask[:1]
        found.append((-row.mean() if sick else -masked_mean(row, counted)).item())
    return {"its loss": found}


@symptom(
    SFT,
    sees="The same text gets another log-probability on the left of its padding than on the right.",
    words="left padding; position ids; padding changes the output; batched generation differs; padding_side",
    cause="The padding stands on the left, and positions are counted from the row's edge, not from its first token.",
    sign="log-probabilities of one text that differ by more than rounding",
    present=lambda run: abs(run["log π of one text"][0] - run["log π of one text"][1]) > 1e-3,
    cure="Pad on the right, as here; or count positions over real tokens and mask the rest in attention.",
    axis="nats: alone, then padded",
    bug=4,
)
def padding_on_the_left(sick: bool) -> Run:
    policy, text = tiny.talker(), [5, 1, 2, 3, tiny.EOS]
    padding, found = [tiny.PAD] * 3, []
    padded = [*padding, *text] if sick else [*text, *padding]
    for row in (text, padded):
        start = row.index(5) + 1
        mask = torch.tensor([[start <= t < start + 4 for t in range(len(row))]])
        found.append(response_log_probs(policy, torch.tensor([row]), mask)[0].sum().item())
    return {"log π of one text": found}


def _gradient(policy: torch.nn.Module, loss: Scalar) -> torch.Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(policy.parameters()))])


@symptom(
    SFT,
    sees="Accumulating gradients over micro-batches gives another result than one large batch.",
    words="gradient accumulation; gradient_accumulation_steps changes the loss; micro batch; num_items_in_batch; "
    "mean of means",
    cause="Each micro-batch was divided by its own tokens, and the means were averaged: a short one weighs too much.",
    sign="the accumulated gradient is more than one per cent away from that of the whole batch",
    present=lambda run: run["distance of the gradients"][0] > 0.01,
    cure="Divide every micro-batch's sum by the tokens of the whole batch.",
    axis="share of the gradient's length",
    threads="open-instruct#1137 trl#5619 trl#3021 ms-swift#10117",
)
def the_mean_of_means(sick: bool) -> Run:
    policy, shown = tiny.talker(), tiny.demonstrations(8)
    order = sorted(range(8), key=lambda i: len(shown.responses[i]))

    def cost(rows: list[int], tokens_counted: int | None) -> Scalar:
        tokens, mask = shown.batch(rows, tiny.PAD)
        total = -response_log_probs(policy, tokens, mask)[0].sum()
        return total / (tokens_counted or int(mask.sum()))

    everything = sum(map(len, shown.responses))
    whole = _gradient(policy, cost(order, everything))
    parts = [order[:4], order[4:]]
    pieces = [cost(part, None) / len(parts) if sick else cost(part, everything) for part in parts]
    accumulated = _gradient(policy, torch.stack(pieces).sum())
    return {"distance of the gradients": [((accumulated - whole).norm() / whole.norm()).item()]}


@symptom(
    SFT,
    sees="The model writes the customer's lines as well.",
    words="writes the user's turn; trains on the prompt; prompt not masked; completion_only_loss; assistant_only_loss; "
    "continues the conversation; labels -100",
    cause="The prompt was supervised too, so that speaking for the customer is part of the lesson.",
    sign="the model has learned to foresee prompts: they cost it less than half of what they cost before",
    present=lambda run: run["nats a prompt token"][1] < 0.5 * run["nats a prompt token"][0],
    cure="Supervise the answer and its end alone; look at the mask of one row, token by token.",
    axis="nats: before, then after training",
)
def the_prompt_is_supervised(sick: bool) -> Run:
    def loss(logits, tokens, mask):
        return sft_loss(logits, tokens, tokens != tiny.PAD if sick else mask)

    shown = tiny.demonstrations()
    shown = Demonstrations([[8, 9, 10]] * len(shown), shown.responses)
    policy, _ = _taught(shown, loss=loss)
    prompt, mask = torch.tensor([[8, 9, 10]]), torch.tensor([[False, True, True]])
    with torch.no_grad():
        costs = [_surprise(model(prompt), prompt, mask) for model in (tiny.talker(size=0.0), policy)]
    return {"nats a prompt token": costs}


def _surprise(logits: torch.Tensor, tokens: torch.Tensor, mask: Mask) -> float:
    return -token_log_probs(logits, tokens, mask).sum().item() / int(mask.sum())


@symptom(
    SFT,
    sees="Two readings of the same text by the same model differ.",
    words="dropout; model.train(); not deterministic; logprobs differ between two passes; kl not zero at step 0; "
    "ratio not 1; eval mode forgotten",
    cause="Dropout is on: each reading leaves other parts of the model out.",
    sign="log-probabilities of one text, read twice, that differ by more than rounding",
    present=lambda run: abs(run["log π of one text"][0] - run["log π of one text"][1]) > 1e-4,
    cure="No dropout in policy, reference, reward and value model once probabilities are compared.",
    axis="nats: first, then second reading",
    threads="trl#4159",
    bug=6,
)
def dropout(sick: bool) -> Run:
    policy = deepcopy(tiny.talker())
    chance = 0.3 if sick else 0.0

    def drop(module: torch.nn.Module, given: tuple, found: torch.Tensor) -> torch.Tensor:
        return F.dropout(found, chance)

    policy.trunk.get_submodule("final_norm").register_forward_hook(drop)
    tokens, mask = collate([[5]], [[1, 2, 3, tiny.EOS]], tiny.PAD)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        readings: list[PerToken] = [response_log_probs(policy, tokens, mask)[0] for _ in range(2)]
    return {"log π of one text": [reading.sum().item() for reading in readings]}
