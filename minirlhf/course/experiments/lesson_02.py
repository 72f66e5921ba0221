"""What lesson 02 claims, measured: how a tiny language model learns to speak, and what a forgotten shift looks like."""

from dataclasses import replace
from itertools import islice
from math import log
from random import Random

import torch
import torch.nn.functional as F

from minirlhf.course.experiments.claims import Claim
from minirlhf.data import Demonstrations
from minirlhf.losses import Stats, sft_loss
from minirlhf.model import GPT, CausalLM
from minirlhf.ops import Logits, Mask, Scalar, Tokens, token_log_probs
from minirlhf.paths import data_folder
from minirlhf.recipes.pipeline import CONTEXT, load_shipped
from minirlhf.rollout import sample
from minirlhf.sft import SFTConfig, SFTLoss, SFTRecord, train_sft
from minirlhf.tokenizer import Tokenizer
from minirlhf.worlds.helpdesk import ITEMS

CLAIMS = (
    Claim("start_above_ln_v", says="a tenth of a nat", low=-0.1, high=0.1),
    Claim("steps_to_beat_counting", says="Within 20 steps it beats the counting model", high=20),
    Claim("loss_at_the_end", says="about 0.8 nats", low=0.74, high=0.9),
    Claim("shuffled_above_entropy", says="falls to the middle line and stays there", low=-0.08, high=0.08),
    Claim("cheat_at_the_end", says="The best loss of this lesson", high=0.1),
    Claim("cheat_starts_below_ln_v", says="it did not start at ln 512", low=0.4),
    Claim("cheat_worse_than_guessing", says="it is worse than guessing", low=0.5),
    Claim("different_pieces_of_the_cheat", says="says a piece or two for ever", high=3),
    Claim("first_mention", says="a surprise of about 3 nats", low=2.5, high=3.5),
    Claim("second_mention_is_less", says="The second *kettle* surprises less", low=0.5),
)
LESSON, BROKEN = SFTConfig(steps=200, lr=4e-3), SFTConfig(steps=60, lr=4e-3)


def measure(seed: int) -> dict[str, float]:
    """The lesson's three trainings with this seed, and what its strip says of twenty kettles, sofas, ….

    Of the shuffled training the first 100 steps are made at the same learning rate: it stands still long before.
    """
    shipped = load_shipped()
    tokenizer = shipped.tokenizer
    texts = Demonstrations.load_texts(data_folder() / "base.jsonl", tokenizer, CONTEXT)
    pieces = [piece for text in texts.responses for piece in text]
    shares = torch.tensor(pieces).bincount() / len(pieces)
    entropy = torch.special.entr(shares).sum().item()

    _, learned = train(shipped.base, texts, LESSON, seed)
    _, counted = train(shipped.base, shuffle(texts, seed), LESSON, seed, steps=100)
    cheat, cheated = train(shipped.base, texts, BROKEN, seed, without_the_shift)
    with torch.no_grad():
        tokens, mask = texts.batch(range(500), tokenizer.pad_id)
        honest = sft_loss(cheat(tokens), tokens, mask)[0].item()
    first, second = mentions(shipped.base, tokenizer)
    return {
        "start_above_ln_v": learned[0].loss - log(tokenizer.vocab_size),
        "steps_to_beat_counting": next(record.step for record in learned if record.loss < entropy),
        "loss_at_the_end": mean_loss(learned),
        "shuffled_above_entropy": mean_loss(counted) - entropy,
        "cheat_at_the_end": mean_loss(cheated),
        "cheat_starts_below_ln_v": log(tokenizer.vocab_size) - cheated[0].loss,
        "cheat_worse_than_guessing": honest - log(tokenizer.vocab_size),
        "different_pieces_of_the_cheat": different_pieces(cheat, tokenizer, seed),
        "first_mention": first,
        "second_mention_is_less": first - second,
    }


def train(
    like: CausalLM,
    texts: Demonstrations,
    config: SFTConfig,
    seed: int,
    loss: SFTLoss = sft_loss,
    steps: int | None = None,
) -> tuple[CausalLM, list[SFTRecord]]:
    """A fresh model of the same shape, trained; with `steps`, stopped after so many of the config's."""
    torch.manual_seed(seed)
    model = CausalLM(GPT(like.trunk.config))
    return model, list(islice(train_sft(model, texts, replace(config, seed=seed), loss=loss), steps))


def shuffle(texts: Demonstrations, seed: int) -> Demonstrations:
    """The control: all pieces into one bag, and dealt out again to texts as long as they were."""
    bag = [piece for text in texts.responses for piece in text]
    Random(seed).shuffle(bag)
    deal = iter(bag)
    return Demonstrations(texts.prompts, [[next(deal) for _ in text] for text in texts.responses])


def without_the_shift(logits: Logits, tokens: Tokens, mask: Mask) -> tuple[Scalar, Stats]:
    """Broken: asks the logits at t about the token at t, which they have read."""
    return F.cross_entropy(logits[mask], tokens[mask]), sft_loss(logits, tokens, mask)[1]


def mean_loss(records: list[SFTRecord], last: int = 10) -> float:
    """The mean of the last steps, whose batches differ."""
    return sum(record.loss for record in records[-last:]) / last


def different_pieces(model: CausalLM, tokenizer: Tokenizer, seed: int, replies: int = 20) -> float:
    """How many different pieces stand in what the model says after "Customer:", the mean over some replies."""
    generator = torch.Generator().manual_seed(seed)
    samples = sample(model, [tokenizer.encode("Customer:")] * replies, 30, generator)
    return sum(len(set(response)) for response in samples.responses()) / replies


@torch.no_grad()
def mentions(model: CausalLM, tokenizer: Tokenizer) -> tuple[float, float]:
    """How much an item's name surprises at its first and at its second mention, the mean over the shop's items."""
    surprises = []
    for item in ITEMS:
        ids = tokenizer.encode(f"Customer: My {item} smells of fish.\nAgent: We will wash your {item} today!")
        places = [t for t, i in enumerate(ids) if i == tokenizer.encode(f" {item}")[0]]
        tokens = torch.tensor([ids])
        mask = torch.ones_like(tokens, dtype=torch.bool)
        mask[:, 0] = False
        log_probs = token_log_probs(model(tokens), tokens, mask)[0]
        surprises.append([-log_probs[t].item() for t in places])
    first, second = (sum(column) / len(surprises) for column in zip(*surprises, strict=True))
    return first, second
