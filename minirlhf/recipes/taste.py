"""From votes to a changed model, while one watches: what somebody likes, and a policy that comes to do it.

    taste = Taste.shipped()
    reading, *updates = learn_taste(taste, store.votes(voter="you"))
    taste.answers(prompts)

Choices: the reward model is the additive one, which sixty votes are enough for, and it is fitted anew to all the
votes given. PPO goes on from where the policy stands, and its leash always ends at the reference, which never moves:
so a second round on the same Taste, with the votes of both, goes further without losing where it came from. A new
Taste starts over, which is the time machine: `learn_taste(Taste.shipped(), store.votes(first=n))`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

import torch

from minirlhf.additive import AdditiveReward, fit_additive
from minirlhf.data import Comparisons, Context, Judgements, Prompts
from minirlhf.evaluate import Judge, Replies, compare
from minirlhf.feedback.meaning import Judgement, Preference, advise, judgements, preferences
from minirlhf.feedback.store import FeedbackStore
from minirlhf.feedback.votes import Vote
from minirlhf.files.messages import counted
from minirlhf.machine.require import require_counts, require_positive, require_room
from minirlhf.model import CausalLM, ValueModel, fork
from minirlhf.ppo import PPOConfig, PPORecord, train_ppo
from minirlhf.recipes.pipeline import MAX_NEW_TOKENS, Checkpoints, load_shipped
from minirlhf.reward import normalise_on
from minirlhf.tokenizer import Tokenizer

LEAST_SPREAD = 0.25  # log-odds: two replies that are told apart 56 to 44 are hardly told apart, and stay so
FOLDS = 5


@dataclass(frozen=True)
class TasteConfig:
    """How sixty votes become a changed model in seconds."""

    updates: int = 12
    """PPO's updates."""
    batch_size: int = 96
    """Replies sampled for each update."""
    beta: float = 0.1
    """PPO's KL coefficient."""
    lr: float = 4e-4
    """PPO's learning rate; adapters want one several times higher (lesson 14)."""
    value_lr: float = 1e-3
    """The value model's; a pretrained model of which all numbers learn wants both small."""
    max_new_tokens: int = MAX_NEW_TOKENS
    """The longest reply, in tokens."""
    ridge: float = 1.0
    """How strongly word weights are held near 0."""
    count_length: bool = True
    """Whether a reply's length may be worth something too."""
    seed: int = 0
    """Of PPO, and of the replies that scores are normalised on."""

    def __post_init__(self) -> None:
        require_counts(self, "updates", "batch_size", "max_new_tokens")
        require_positive(self, "ridge")
        self.ppo()

    def ppo(self) -> PPOConfig:
        """The same settings in PPO's own words."""
        return PPOConfig(
            updates=self.updates,
            batch_size=self.batch_size,
            max_new_tokens=self.max_new_tokens,
            beta=self.beta,
            lr=self.lr,
            value_lr=self.value_lr,
            seed=self.seed,
        )


@dataclass
class Taste:
    """A policy on its way to somebody's taste, where it came from, and what their votes were taken to say."""

    policy: CausalLM
    reference: CausalLM
    prompts: Prompts  # the customers that PPO answers
    tokenizer: Tokenizer
    reward_model: AdditiveReward = field(init=False)
    value_model: ValueModel = field(init=False)

    def __post_init__(self) -> None:
        self.reward_model = AdditiveReward([], self.tokenizer)  # before any vote, no word matters
        # Kept from round to round: a fresh one would shake a policy that has gone far already.
        self.value_model = ValueModel(fork(self.policy.trunk))

    @classmethod
    def shipped(cls, shipped: Checkpoints | None = None) -> "Taste":
        """Start from the shipped SFT model."""
        shipped = shipped or load_shipped()
        return cls(deepcopy(shipped.sft), shipped.sft, shipped.prompts("train"), shipped.tokenizer)

    @property
    def models(self) -> dict[str, CausalLM]:
        """Before and after, under the names that the lessons and figures use."""
        return {"SFT": self.reference, "RLHF": self.policy}

    def judge(self, prompt: str, reply: str) -> float:
        """What the votes say that a reply is worth, in deviations of the reference's replies."""
        with torch.no_grad():
            return self.reward_model.score([reply]).item()

    def answers(
        self, prompts: Prompts, judge: Judge | None = None, seed: int = 0, max_new_tokens: int = MAX_NEW_TOKENS
    ) -> dict[str, Replies]:
        """The same customers answered before and after, scored by what the votes say or by a judge."""
        return compare(self.models, prompts, self.tokenizer, judge or self.judge, max_new_tokens, seed)


@dataclass(frozen=True)
class Reading:
    """What the votes were taken to say, before anything is trained on it.

    A careless voter's choices are explained as well as anybody's, but not foreseen.
    """

    votes: int
    """All votes, skips included."""
    ties: int
    """Pairs of which neither reply was better."""
    choices: int
    """Clear choices and judgements."""
    explained: int
    """How many of the choices the weights explain."""
    foreseen: int
    """How many are explained by weights that were fitted without them."""
    weights: Mapping[str, float]
    """What each word is worth, highest first."""
    advice: tuple[str, ...]
    """What these votes cannot carry, a sentence each."""
    updates: int
    """How many records of PPO will follow."""

    def __str__(self) -> str:
        return "\n".join(
            [
                f"{counted(self.votes, 'vote')}: {counted(self.choices, 'choice')}, {counted(self.ties, 'tie')}. The "
                f"words explain {self.explained} of the choices, and would have foreseen {self.foreseen}.",
                *self.advice,
            ]
        )


TasteRecord = Reading | PPORecord
Statement = Preference | Judgement  # what a vote says of one reply or of two


def learn_taste(
    taste: Taste, votes: FeedbackStore | Iterable[Vote], config: TasteConfig | None = None
) -> Iterator[TasteRecord]:
    """Read the votes, then let PPO move the policy to what they like: a Reading, then a record an update.

    A store is read whole: every voter's standing votes, simulated people's among them; `store.votes(voter="you")`
    are one person's. Whoever stops early keeps what was learned; to call again with the same Taste is to go on.
    """
    config = config or TasteConfig()
    votes = votes.votes() if isinstance(votes, FeedbackStore) else list(votes)
    policy, reference, value_model = taste.policy, taste.reference, taste.value_model
    longest = config.max_new_tokens
    require_room(taste.prompts, longest, policy=policy, reference=reference, value_model=value_model)
    taste.reward_model, reading = weigh_votes(votes, taste.tokenizer, None, config)
    normalise_on(taste.reward_model, taste.reference, taste.prompts, config.seed, replies=256, max_new_tokens=longest)
    taste.reward_model.std.clamp_(min=LEAST_SPREAD)  # a faint liking stays faint
    yield reading
    if not reading.updates:
        return
    yield from train_ppo(policy, reference, taste.reward_model, value_model, taste.prompts, config.ppo())


def weigh_votes(
    votes: Sequence[Vote], tokenizer: Tokenizer, context: Context, config: TasteConfig
) -> tuple[AdditiveReward, Reading]:
    """The reward model that explains the votes best, and how well it does."""
    statements = [*preferences(votes), *judgements(votes)]
    reward_model, clear = fit(statements, tokenizer, context, config), [one for one in statements if not _is_tie(one)]
    return reward_model, Reading(
        votes=len(votes),
        ties=len(statements) - len(clear),
        choices=len(clear),
        explained=sum(_explains(reward_model, one) for one in clear),
        foreseen=cross_validate(statements, tokenizer, context, config),
        weights=reward_model.word_weights(),
        advice=tuple(advise(votes)),
        # Where nothing is worth more than anything else there is nowhere to go, and PPO would only stir.
        updates=config.updates if reward_model.weights.any() else 0,
    )


def fit(statements: Sequence[Statement], tokenizer: Tokenizer, context: Context, config: TasteConfig) -> AdditiveReward:
    """The additive reward model of these preferences and judgements."""
    return fit_additive(
        Comparisons.of([one for one in statements if isinstance(one, Preference)], tokenizer, context),
        tokenizer,
        judgements=Judgements.of([one for one in statements if isinstance(one, Judgement)], tokenizer, context),
        ridge=config.ridge,
        count_length=config.count_length,
    )


def cross_validate(statements: Sequence[Statement], tokenizer: Tokenizer, context: Context, config: TasteConfig) -> int:
    """How many of the clear ones are explained by weights that were fitted without them, in FOLDS folds.

    Folds of customers: two statements about one customer must not foresee one another.
    """
    foreseen, customers = 0, list(dict.fromkeys(one.prompt for one in statements))
    for fold in range(FOLDS):
        held_out = set(customers[fold::FOLDS])
        others = fit([one for one in statements if one.prompt not in held_out], tokenizer, context, config)
        foreseen += sum(_explains(others, one) for one in statements if one.prompt in held_out and not _is_tie(one))
    return foreseen


def _is_tie(statement: Statement) -> bool:
    return isinstance(statement, Preference) and statement.preference == 0.5


@torch.no_grad()
def _explains(reward_model: AdditiveReward, statement: Statement) -> bool:
    """Whether a reward model that is not normalised yet orders the replies, or judges the reply, in the same way."""
    if isinstance(statement, Judgement):
        return bool(reward_model.score([statement.completion]) > reward_model.threshold) == statement.label
    chosen, rejected = reward_model.score([statement.chosen, statement.rejected]).tolist()
    return chosen > rejected
