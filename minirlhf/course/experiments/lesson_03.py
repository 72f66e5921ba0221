"""Lesson 03: imitating well, imitating wrongly in four ways, and what no amount of imitation changes.

The broken losses stand here and not in losses.py: they are for looking at.
"""

from collections.abc import Sequence
from copy import deepcopy
from functools import cache

import torch

from minirlhf.course.experiments.claims import Claim
from minirlhf.course.experiments.lesson_02 import without_the_shift
from minirlhf.data import Demonstrations, Prompts
from minirlhf.evaluate import Replies, compare, win_rate
from minirlhf.losses import Stats, sft_loss
from minirlhf.machine.pace import time_limited
from minirlhf.model import CausalLM
from minirlhf.ops import Logits, Mask, Scalar, Tokens, last_true
from minirlhf.paths import data_folder
from minirlhf.recipes.pipeline import CONTEXT, MAX_NEW_TOKENS, Checkpoints, load_shipped
from minirlhf.rollout import sample
from minirlhf.sft import SFTConfig, SFTLoss, train_sft
from minirlhf.tokenizer import Tokenizer
from minirlhf.worlds import helpdesk

SHORT, LONG, BAR = (100, 300, 2.0)  # steps of a short and of the main training; the gold score of a good demonstration


def prompt_too(logits: Logits, tokens: Tokens, mask: Mask) -> tuple[Scalar, Stats]:
    """Broken: the customer's words are imitated as well."""
    position = torch.arange(tokens.shape[1])
    return sft_loss(logits, tokens, position <= last_true(mask).unsqueeze(1))


def end_left_out(logits: Logits, tokens: Tokens, mask: Mask) -> tuple[Scalar, Stats]:
    """Broken: the end of text, each row's last token that counts, is not supervised."""
    position = torch.arange(tokens.shape[1])
    return sft_loss(logits, tokens, mask & (position != last_true(mask).unsqueeze(1)))


def divided_by_all(logits: Logits, tokens: Tokens, mask: Mask) -> tuple[Scalar, Stats]:
    """Broken: the sum is divided by B · T, prompt and padding included."""
    loss, stats = sft_loss(logits, tokens, mask)
    return loss * mask.sum() / mask.numel(), stats


BROKEN: dict[str, SFTLoss] = {
    "the prompt too": prompt_too,
    "not the end of text": end_left_out,
    "divided by B · T": divided_by_all,
    "not shifted": without_the_shift,
}


def imitate(
    base: CausalLM, demonstrations: Demonstrations, steps: int = SHORT, loss: SFTLoss = sft_loss, seed: int = 0
) -> tuple[CausalLM, float]:
    """A copy of the base model after so many steps of imitation, and the loss of its last step as it was counted."""
    policy, batch_size = deepcopy(base), min(64, len(demonstrations))
    config = SFTConfig(steps=steps, batch_size=batch_size, warmup=min(20, steps), seed=seed)
    *_, last = time_limited(train_sft(policy, demonstrations, config, loss=loss))
    return policy, last.loss


@torch.no_grad()
def held_out_loss(policy: CausalLM, held_out: Demonstrations, tokenizer: Tokenizer, loss: SFTLoss = sft_loss) -> float:
    """How surprised the policy is by demonstrations that it never saw, in nats a token."""
    tokens, mask = held_out.batch(range(len(held_out)), tokenizer.pad_id)
    return loss(policy(tokens), tokens, mask)[0].item()


def outcome(policy: CausalLM, held_out: Demonstrations, tokenizer: Tokenizer, seed: int = 0) -> dict[str, float]:
    """What can be counted on the held-out customers: surprise at the demonstrators' replies, and its own replies."""
    generator = torch.Generator().manual_seed(seed)
    samples = sample(policy, held_out.prompts, MAX_NEW_TOKENS, generator)
    replies = samples.responses()
    texts = [tokenizer.decode(ids) for ids in replies]
    prompt_texts = [tokenizer.decode(ids) for ids in held_out.prompts]
    return {
        "held-out loss (nats)": held_out_loss(policy, held_out, tokenizer),
        "ended (of 100)": 100 * sum(ids[-1] == tokenizer.eos_id for ids in replies) / len(replies),
        "tokens a reply": sum(map(len, replies)) / len(replies),
        "gold score": sum(map(helpdesk.gold, prompt_texts, texts)) / len(replies),
    }


def judged(demonstrations: Demonstrations, tokenizer: Tokenizer) -> Replies:
    """The demonstrators' own replies, as text, with the gold score of each."""
    prompt_texts = [tokenizer.decode(ids) for ids in demonstrations.prompts]
    texts = [tokenizer.decode(ids).strip() for ids in demonstrations.responses]
    return Replies(texts, list(map(helpdesk.gold, prompt_texts, texts)))


def right_remedies(prompts: Sequence[str], replies: Sequence[str]) -> float:
    """In how many of 100 replies the right remedy is offered, and no wrong one."""
    worths = [helpdesk.gold_parts(*pair)["remedy"] for pair in zip(prompts, replies, strict=True)]
    return 100 * sum(worth > 0 for worth in worths) / len(worths)


def rude(replies: Sequence[str]) -> float:
    """In how many of 100 replies something rude is said."""
    return 100 * sum("rude" in helpdesk.tones_in(reply) for reply in replies) / len(replies)


# ---- what the text claims

CLAIMS = (
    Claim("loss_gain", says="about a tenth of a nat", low=0.08, high=0.12),
    Claim("win_rate", says="about 85 in 100 customers", low=0.8, high=0.9),
    Claim("ended_without_end", says="about three in ten replies run until they are cut", low=62, high=78),
    Claim("prompt_costs", says="in most runs by a tenth to a quarter of a gold point", low=0.0, high=0.33),
    Claim("remedy_difference", says="about as many come out", low=-7, high=7),
    Claim("rude_out", says="a few in a hundred come out", low=1, high=8),
    Claim("few_rise", says="the held-out loss rises far above where it began", low=0.5),
    Claim("few_worth", says="twenty demonstrations are worth about as much as none", low=-0.2, high=0.2),
    Claim("best_gain", says="about 0.8 points", low=0.65, high=1.0),
)


@cache
def _opened() -> tuple[Checkpoints, Demonstrations, Demonstrations]:
    shipped = load_shipped()
    files = (data_folder() / f"demonstrations_{split}.jsonl" for split in ("train", "held_out"))
    train, held_out = (Demonstrations.load(path, shipped.tokenizer, CONTEXT) for path in files)
    return shipped, train, held_out


def measure(seed: int) -> dict[str, float]:
    """The lesson's trainings with another order of the demonstrations, and other replies."""
    shipped, demonstrations, held_out = _opened()
    tokenizer, customers = shipped.tokenizer, Prompts(held_out.prompts)
    own = judged(demonstrations, tokenizer)
    sft, _ = imitate(shipped.base, demonstrations, LONG, seed=seed)
    models = {"base": shipped.base, "SFT": sft}
    replies = compare(models, customers, tokenizer, helpdesk.gold, MAX_NEW_TOKENS, seed)
    prompt_texts, written = [tokenizer.decode(ids) for ids in held_out.prompts], judged(held_out, tokenizer).texts
    endless, _ = imitate(shipped.base, demonstrations, loss=end_left_out, seed=seed)
    distracted, _ = imitate(shipped.base, demonstrations, loss=prompt_too, seed=seed)
    few, _ = imitate(shipped.base, demonstrations.at(range(20)), seed=seed)
    every, _ = imitate(shipped.base, demonstrations, seed=seed)
    good = [row for row, score in enumerate(own.scores) if score >= BAR]
    best, _ = imitate(shipped.base, demonstrations.at(good), seed=seed)
    before, after, memorised = (held_out_loss(m, held_out, tokenizer) for m in (shipped.base, sft, few))
    gold = {m: outcome(m, held_out, tokenizer, seed)["gold score"] for m in (every, best, few, distracted)}
    return {
        "loss_gain": before - after,
        "win_rate": win_rate(replies["SFT"].scores, replies["base"].scores).rate,
        "ended_without_end": outcome(endless, held_out, tokenizer, seed)["ended (of 100)"],
        "prompt_costs": gold[every] - gold[distracted],
        "remedy_difference": right_remedies(prompt_texts, replies["SFT"].texts) - right_remedies(prompt_texts, written),
        "rude_out": rude(replies["SFT"].texts),
        "few_rise": memorised - before,
        "few_worth": gold[few] - replies["base"].mean,
        "best_gain": gold[best] - gold[every],
    }


def sft_steps(seeds: Sequence[int]) -> list[dict[str, float | int]]:
    """Replies during 600 steps of imitation, over seeds; the row of steps 0 counts the demonstrators' own."""
    shipped, demonstrations, held_out = _opened()
    tokenizer, customers = shipped.tokenizer, Prompts(held_out.prompts)
    prompt_texts, answered = ([tokenizer.decode(ids) for ids in d.prompts] for d in (held_out, demonstrations))
    rows = [{"steps": 0, "seed": 0} | _counted(answered, judged(demonstrations, tokenizer))]
    for seed in seeds:
        policy = deepcopy(shipped.base)
        for record in train_sft(policy, demonstrations, SFTConfig(steps=600, seed=seed)):
            if record.step in (10, 30, 100, 300, 600):
                replies = compare({"SFT": policy}, customers, tokenizer, helpdesk.gold, MAX_NEW_TOKENS, seed)["SFT"]
                held = {"loss": record.loss, "held_out": held_out_loss(policy, held_out, tokenizer)}
                rows.append({"steps": record.step, "seed": seed} | held | _counted(prompt_texts, replies))
    return rows


def _counted(prompts: Sequence[str], replies: Replies) -> dict[str, float]:
    return {"gold": replies.mean, "right_remedy": right_remedies(prompts, replies.texts), "rude": rude(replies.texts)}


SWEEPS = {"sft_steps": sft_steps}
