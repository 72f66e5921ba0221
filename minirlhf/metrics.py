"""What every number in a record means, what healthy looks like, and what TRL calls it. One table.

    tracker.log(named(record))     # the record under TRL's names, for whatever draws your curves
    print(explain("val/ratio"))    # or explain("ratio"): what is this, and should I worry?

Where a number has TRL's name but is counted otherwise, its sentence says so. TRL is 1.12.0 here, the last
with a PPOTrainer; its `policy/…` and `val/…` average over padding too, ours only over tokens that count.
"""

from dataclasses import dataclass, fields

from minirlhf.classify import ClassifierRecord
from minirlhf.ppo import PPORecord
from minirlhf.reinforce import ReinforceRecord
from minirlhf.reward import RewardRecord
from minirlhf.sft import SFTRecord

Record = PPORecord | SFTRecord | RewardRecord | ReinforceRecord | ClassifierRecord

# Two lines a number:
#     field | unit | TRL's name | the zone in which nobody need look closer
#     What it is. | what healthy looks like
SHARED = """
update
How many batches were sampled and learned from so far. | counts up
step
How many minibatches were learned from so far. | counts up
score | score | objective/scores
What the reward model or rule gave, in its own units. | rises; see whether the gold score rises with it
kl | nats a reply | objective/kl
How far the policy is from the reference: log π - log π_ref, summed over a reply. | \
exactly 0 at update 1, then rises; lastingly below -1 is a bug
non_score_reward | score | objective/non_score_reward
What the KL penalty costs: -β times the KL. | 0 at update 1, then below; smaller than what the score has gained
rlhf_reward | score | objective/rlhf_reward
What is maximised: the score minus β times the KL. | keeps rising
beta | score a nat
How strong the KL penalty is. | stays, or settles where a KL is aimed at
entropy | nats a reply | objective/entropy
How unlikely the sampled replies were: -log π, summed over a reply. | falls slowly
nll | nats a token
How unlikely the sampled tokens were, on average: an estimate of the policy's entropy. | \
falls slowly; near 0 within a few updates is collapse
response_length | tokens
How long replies are, their end-of-text counted. | stable; creeping up means that length is being paid for
ended | share of replies | | 0.9 1
How many replies came to an end of their own; times the batch size, TRL's val/num_eos_tokens. | stable, near 1
policy_loss | | loss/policy_avg
The clipped loss; advantages are whitened, so its size says nothing about quality. | near 0, slightly negative
value_loss | score² | loss/value_avg
Half the squared distance from the value model's guesses to the returns. | falls
policy_entropy | nats a token | policy/entropy_avg
How open the choice of the next token is; ln V if all were equally likely. | \
falls slowly; near 0 within a few updates is collapse
approx_kl | nats a token | policy/approxkl_avg | 0 0.02
How far the policy moved from where it sampled: half the squared log-ratio. | below 0.02; above 0.05 it moves too fast
clip_fraction | share of tokens | policy/clipfrac_avg | 0.01 0.2
Where the clip held the policy back, being the worse branch of the loss. | \
0.01 to 0.2; above 0.3 steps are too large, always 0 is a bug
outside_clip | share of tokens
Where the ratio left 1 ± clip in either direction; CleanRL's clipfrac. | somewhat above clip_fraction
ratio | | val/ratio | 0.98 1.02
π(token) / π_old(token), on average. | floats around 1; 2 or 0.1 is a bug
ratio_variance | | val/ratio_var
How much the ratio varies between tokens; TRL's varies between minibatch means, far less. | \
small; large when a few tokens run away
first_ratio | | | 0.99999 1.00001
The ratio on an update's first minibatch, before any step. | \
exactly 1; else sampling and training disagree about log π
value_clip_fraction | share of tokens | val/clipfrac_avg | 0 0.5
Where the clip held the value model back. | falls towards 0; stuck above 0.5, value_clip is too small
explained_variance | share of variance | | 0.5 1
How much of the returns the value model foresaw; OpenAI's ppo/val/var_explained. | \
climbs above 0.5; still below 0 after many updates is a bug
policy_grad_norm
The size of the policy's gradient, before clipping. | no spikes
value_grad_norm
The size of the value model's gradient, before clipping. | falls with the value loss
grad_norm
The size of the gradient, before clipping. | no spikes
lr | | lr
The learning rate. | falls in a straight line to 0
optimizer_steps
How many steps the update took. | epochs × minibatches; fewer where stop_kl ended it
tokens | tokens
How many tokens this step learned from; TRL's num_tokens adds up, prompts included. | about the same every step
margin | score | margin
How far the chosen reply stands above the rejected one. | rises
chosen_score | score
What chosen replies got; elsewhere chosen_rewards. | above the rejected; its level means nothing
rejected_score | score
What rejected replies got; elsewhere rejected_rewards. | below the chosen; its level means nothing
"""

# Where a stage means something else by the same name.
OWN = {
    PPORecord: "",
    SFTRecord: """
loss | nats a token | loss
How surprised the model was by the demonstrators' tokens. | \
starts at ln V if untrained, and falls; 0 means that it sees what it predicts
accuracy | share of tokens | mean_token_accuracy
How often the demonstrator's token was the model's first guess. | rises, and levels off below 1: people differ
grad_norm | | grad_norm
The size of the gradient, before clipping. | falls, without spikes
lr | | learning_rate
The learning rate. | a short rise, then a straight line to 0
""",
    RewardRecord: """
loss | nats a choice | loss
How surprised the model was by the choices people made. | \
starts at ln 2 = 0.693, and falls; 0.693 for ever is a dead head or equal pairs
accuracy | share of pairs | accuracy
How many pairs it orders as the person did; a tie counts half (in TRL, 0). | \
from ½ up to the ceiling that noise sets; near 1 is a leak
grad_norm | | grad_norm
The size of the gradient, before clipping. | no spikes
""",
    ReinforceRecord: """
policy_loss | | loss/policy_avg
Advantages times -log π; its size says nothing about quality, only its gradient is used. | anywhere near 0
""",
    ClassifierRecord: """
loss | nats
How surprised the classifier was by the right labels, on average. | \
from ln of the number of labels down; near 0 where labels are plain
accuracy | share of examples
How many of the minibatch got their label as the first guess. | rises from a guess's share
lr | | lr
The learning rate. | rises, then falls in a straight line to 0
""",
}


@dataclass(frozen=True)
class Metric:
    """One field of a record. While it stays inside its `zone`, if it has one, nobody need look closer."""

    field: str
    trl: str | None
    unit: str
    meaning: str
    healthy: str
    zone: tuple[float, float] | None = None

    def __str__(self) -> str:
        unit = f" ({self.unit})" if self.unit else ""
        return f"{self.field}{unit}: {self.meaning} Healthy: {self.healthy}."


def _read(kind: type, table: str) -> dict[str, Metric]:
    """The rows of a table that are a record's, in the record's order; of two rows for one field the later counts."""
    lines, metrics = [line for line in table.split("\n") if line], {}
    for first, second in zip(lines[::2], lines[1::2], strict=True):
        name, unit, trl, zone = [*(part.strip() for part in first.split("|")), "", "", ""][:4]
        meaning, healthy = (part.strip() for part in second.split("|"))
        low, _, high = zone.partition(" ")
        metrics[name] = Metric(name, trl or None, unit, meaning, healthy, (float(low), float(high)) if zone else None)
    return {field.name: metrics[field.name] for field in fields(kind)}


METRICS: dict[type, dict[str, Metric]] = {kind: _read(kind, SHARED + own) for kind, own in OWN.items()}


def named(record: Record, batch_size: int | None = None) -> dict[str, float]:
    """A record's numbers under TRL's names, and as `minirlhf/…` where TRL has none.

    TRL also counts: give PPO's batch size to get `episode` and `val/num_eos_tokens`.
    """
    table = METRICS[type(record)]
    numbers = {m.trl or f"minirlhf/{m.field}": float(getattr(record, m.field)) for m in table.values()}
    if isinstance(record, PPORecord) and batch_size is not None:
        numbers["episode"] = float(record.update * batch_size)
        numbers["val/num_eos_tokens"] = float(round(record.ended * batch_size))
    return numbers


def explain(name: str) -> str:
    """What a number means and what healthy looks like, by our name or TRL's; a line for each stage."""
    lines = [
        f"{kind.__name__}.{metric}"
        for kind, table in METRICS.items()
        for metric in table.values()
        if name in (metric.field, metric.trl, f"minirlhf/{metric.field}")
    ]
    if not lines:
        known = ", ".join(sorted({field for table in METRICS.values() for field in table}))
        raise ValueError(f"No record has a number {name!r}. There are {known}; TRL's names work too.")
    return "\n".join(lines)
