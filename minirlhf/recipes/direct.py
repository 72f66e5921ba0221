"""From votes to a changed model with nothing in between: no reward model, no value model, no sampling.

    taste = Taste.shipped()
    reading, *steps = learn_directly(taste, store.votes(voter="you"))

The same votes could go through `learn_taste`. Choices: pairs train by DPO and thumbs by KTO, pairs first where there
are both; thumbs that all point one way tell nothing from nothing and are left out, as ties alone are. All votes are in
every step as far as a batch holds them, and the steps are few: sixty votes bear about ten of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from minirlhf.data import Comparisons, Judgements
from minirlhf.dpo import DPOConfig, DPORecord, train_dpo
from minirlhf.feedback.meaning import Preference, advise, judgements, preferences
from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import Vote
from minirlhf.kto import KTOConfig, KTORecord, train_kto
from minirlhf.losses import DPOLoss, dpo_loss, implicit_reward
from minirlhf.machine.require import require
from minirlhf.model import CausalLM, response_log_probs
from minirlhf.ops import PerSequence
from minirlhf.recipes.pipeline import MAX_NEW_TOKENS
from minirlhf.recipes.taste import Taste
from minirlhf.rollout import Samples, sample

WARMUP = 5  # steps


@dataclass(frozen=True)
class DirectConfig:
    """How votes become a changed model in a few steps."""

    steps: int = 12
    """Of DPO where there are choices, and as many of KTO where there are thumbs."""
    batch_size: int = 64
    """Pairs or thumbs in a step; fewer votes than that are all in every step."""
    beta: float = 0.1
    """How dear it is to leave the reference."""
    lr: float = 3e-4
    """The learning rate, after five steps of warm-up."""
    keep_every: int = 0
    """The choices about one customer in so many are kept back, to watch the loss on them; 0 keeps none."""
    patience: int | None = None
    """Steps without a better loss on what was kept back after which the best policy comes back; None runs on."""
    seed: int = 0
    """Of the order in which votes are learned from."""

    def __post_init__(self) -> None:
        require(
            isinstance(self.keep_every, int) and (self.keep_every == 0 or self.keep_every > 1),
            f"DirectConfig.keep_every is {self.keep_every!r}; give 0 to keep nothing back, or 2 and more: with 5, "
            "the choices about every fifth customer.",
        )
        require(
            self.patience is None or self.keep_every > 0,
            f"DirectConfig.patience is {self.patience}: it watches choices that are kept back, so give keep_every too.",
        )
        self.dpo()
        self.kto()

    def dpo(self) -> DPOConfig:
        """The same settings in DPO's own words."""
        return DPOConfig(**self._shared(), patience=self.patience)

    def kto(self) -> KTOConfig:
        """The same settings in KTO's own words."""
        return KTOConfig(**self._shared())

    def _shared(self) -> dict[str, Any]:
        chosen = {name: getattr(self, name) for name in ("steps", "batch_size", "lr", "beta", "seed")}
        return chosen | {"warmup": min(WARMUP, self.steps)}


@dataclass(frozen=True)
class DirectReading:
    """What the votes give a policy to learn from, before anything is trained on it."""

    votes: int
    """All votes, skips included."""
    choices: int
    """Pairs with a winner that are learned from."""
    ties: int
    """Pairs of which neither reply was better; they hold the two together."""
    kept_back: int
    """Choices that nothing is learned from."""
    ups: int
    """Single replies that will do."""
    downs: int
    """Single replies that will not."""
    dpo_steps: int
    """How many records of DPO will follow, at most."""
    kto_steps: int
    """How many records of KTO will follow."""
    advice: tuple[str, ...]
    """What these votes cannot carry, a sentence each."""

    def __str__(self) -> str:
        thumbs = f" There are {self.ups} thumbs up and {self.downs} down." if self.ups or self.downs else ""
        left = " They all point one way, so they are left out." if thumbs and not self.kto_steps else ""
        kept = f" {self.kept_back} more choices are kept back." if self.kept_back else ""
        pairs = f"{self.votes} votes: {self.choices} choices to learn from, {self.ties} ties."
        return "\n".join([pairs + kept + thumbs + left, *self.advice])


DirectRecord = DirectReading | DPORecord | KTORecord


def learn_directly(
    taste: Taste, votes: FeedbackStore | Iterable[Vote], config: DirectConfig | None = None, *, loss: DPOLoss = dpo_loss
) -> Iterator[DirectRecord]:
    """Let the votes train the policy itself: a DirectReading, then a record a step, of DPO and after it of KTO.

    A store is read whole, as in `learn_taste`. The taste's policy moves and its reference does not; its reward model
    and its value model are not asked. To call again with the same Taste is to go on.
    """
    config = config or DirectConfig()
    votes = votes.votes() if isinstance(votes, FeedbackStore) else list(votes)
    learned, kept = keep_back(preferences(votes), config.keep_every)
    choices, judged = sum(one.preference != 0.5 for one in learned), judgements(votes)
    ups = sum(one.label for one in judged)
    reading = DirectReading(
        votes=len(votes),
        choices=choices,
        ties=len(learned) - choices,
        kept_back=len(kept),
        ups=ups,
        downs=len(judged) - ups,
        dpo_steps=config.steps if choices else 0,  # ties alone would only stir
        kto_steps=config.steps if 0 < ups < len(judged) else 0,
        advice=tuple(advise(votes)),
    )
    yield reading
    if reading.dpo_steps:
        context = taste.policy.trunk.config.context
        pairs, held_out = (Comparisons.of(some, taste.tokenizer, context) for some in (learned, kept))
        yield from train_dpo(
            taste.policy, taste.reference, pairs, config.dpo(), held_out=held_out if kept else None, loss=loss
        )
    if reading.kto_steps:
        thumbs = Judgements.of(judged, taste.tokenizer, taste.policy.trunk.config.context)
        yield from train_kto(taste.policy, taste.reference, thumbs, config.kto())


def keep_back(pairs: Sequence[Preference], every: int) -> tuple[list[Preference], list[Preference]]:
    """What to learn from, and the clear choices about every so-manieth customer, which nothing is learned from."""
    customers = list(dict.fromkeys(one.prompt for one in pairs))
    apart = set(customers[every - 1 :: every]) if every else set()
    learned = [one for one in pairs if one.prompt not in apart]
    return learned, [one for one in pairs if one.prompt in apart and one.preference != 0.5]


@torch.no_grad()
def implicit_rewards(policy: CausalLM, reference: CausalLM, samples: Samples, beta: float) -> PerSequence:
    """What the policy, read as a reward model, gives each of these replies."""
    mask = samples.response_mask
    log_probs, ref = (response_log_probs(model, samples.tokens, mask)[0] for model in (policy, reference))
    return implicit_reward(log_probs, ref, mask, beta)


def implied_weights(
    taste: Taste, policy: CausalLM, beta: float, replies: int = 512, ridge: float = 2.0, seed: int = 0
) -> dict[str, float]:
    """What the policy's implicit reward pays for each word that the taste's reward model knows, highest first.

    The weights that come nearest to the implicit rewards of replies drawn from the reference, by least squares with a
    ridge. A reward that no sum over words can say, such as whether a remedy fits, is lost here.
    """
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(taste.prompts), (replies,), generator=generator).tolist()
    prompts = [taste.prompts.prompts[i] for i in drawn]
    samples = sample(taste.reference, prompts, MAX_NEW_TOKENS, generator)
    features = taste.reward_model.features([taste.tokenizer.decode(ids) for ids in samples.responses()])
    rewards = implicit_rewards(policy, taste.reference, samples, beta).to(features.device)
    features, rewards = features - features.mean(dim=0), rewards - rewards.mean()
    square = features.T @ features + ridge * torch.eye(features.shape[1], device=features.device)
    return taste.reward_model.by_word(torch.linalg.solve(square, features.T @ rewards))
