"""What every number in a record means, what healthy looks like, and what TRL calls it. One table.

    tracker.log(named(record))     # the record under TRL's names, for whatever draws your curves
    print(explain("val/ratio"))    # or explain("ratio"): what is this, and should I worry?

Where a number has TRL's name but is counted otherwise, its sentence says so. TRL is 1.12.0 here, the last
with a PPOTrainer; its `policy/…` and `val/…` average over padding too, ours only over tokens that count.
"""

from dataclasses import dataclass

from minirlhf.classify import ClassifierRecord
from minirlhf.ppo import PPORecord
from minirlhf.reinforce import ReinforceRecord
from minirlhf.reward import RewardRecord
from minirlhf.sft import SFTRecord

Record = PPORecord | SFTRecord | RewardRecord | ReinforceRecord | ClassifierRecord


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


_PPO = (
    Metric("update", None, "", "How many batches were sampled and learned from so far.", "counts up"),
    Metric(
        "score",
        "objective/scores",
        "score",
        "What the reward model gave, in its own units.",
        "rises; see whether the gold score rises with it",
    ),
    Metric(
        "kl",
        "objective/kl",
        "nats a reply",
        "How far the policy is from the reference: log π - log π_ref, summed over a reply.",
        "exactly 0 at update 1, then rises; lastingly below -1 is a bug",
    ),
    Metric(
        "non_score_reward",
        "objective/non_score_reward",
        "score",
        "What the leash costs: -β times the KL.",
        "0 at update 1, then below; smaller than what the score has gained",
    ),
    Metric(
        "rlhf_reward",
        "objective/rlhf_reward",
        "score",
        "What PPO maximises: the score minus β times the KL.",
        "keeps rising",
    ),
    Metric("beta", None, "score a nat", "How strong the leash is.", "stays, or settles where a KL is aimed at"),
    Metric(
        "entropy",
        "objective/entropy",
        "nats a reply",
        "How unlikely the sampled replies were: -log π, summed over a reply.",
        "falls slowly",
    ),
    Metric(
        "response_length",
        None,
        "tokens",
        "How long replies are, their end-of-text counted.",
        "stable; creeping up means that length is being paid for",
    ),
    Metric(
        "ended",
        None,
        "share of replies",
        "How many replies came to an end of their own; times the batch size, TRL's val/num_eos_tokens.",
        "stable, near 1",
        (0.9, 1.0),
    ),
    Metric(
        "policy_loss",
        "loss/policy_avg",
        "",
        "The clipped loss; advantages are whitened, so its size says nothing about quality.",
        "near 0, slightly negative",
    ),
    Metric(
        "value_loss",
        "loss/value_avg",
        "score²",
        "Half the squared distance from the value model's guesses to the returns.",
        "falls",
    ),
    Metric(
        "policy_entropy",
        "policy/entropy_avg",
        "nats a token",
        "How open the choice of the next token is; ln V if all were equally likely.",
        "falls slowly; near 0 within a few updates is collapse",
    ),
    Metric(
        "approx_kl",
        "policy/approxkl_avg",
        "nats a token",
        "How far the policy moved from where it sampled: half the squared log-ratio.",
        "below 0.02; above 0.05 it moves too fast",
        (0.0, 0.02),
    ),
    Metric(
        "clip_fraction",
        "policy/clipfrac_avg",
        "share of tokens",
        "Where the clip held the policy back, being the worse branch of the loss.",
        "0.01 to 0.2; above 0.3 steps are too large, always 0 is a bug",
        (0.01, 0.2),
    ),
    Metric(
        "outside_clip",
        None,
        "share of tokens",
        "Where the ratio left 1 ± clip in either direction; CleanRL's clipfrac.",
        "somewhat above clip_fraction",
    ),
    Metric(
        "ratio",
        "val/ratio",
        "",
        "π(token) / π_old(token), on average.",
        "floats around 1; 2 or 0.1 is a bug",
        (0.98, 1.02),
    ),
    Metric(
        "ratio_variance",
        "val/ratio_var",
        "",
        "How much the ratio varies between tokens; TRL's varies between minibatch means, far less.",
        "small; large when a few tokens run away",
    ),
    Metric(
        "first_ratio",
        None,
        "",
        "The ratio on an update's first minibatch, before any step.",
        "exactly 1; else sampling and training disagree about log π",
        (0.99999, 1.00001),
    ),
    Metric(
        "value_clip_fraction",
        "val/clipfrac_avg",
        "share of tokens",
        "Where the clip held the value model back.",
        "falls towards 0; stuck above 0.5, value_clip is too small",
        (0.0, 0.5),
    ),
    Metric(
        "explained_variance",
        None,
        "share of variance",
        "How much of the returns the value model foresaw; OpenAI's ppo/val/var_explained.",
        "climbs above 0.5; still below 0 after many updates is a bug",
        (0.5, 1.0),
    ),
    Metric("policy_grad_norm", None, "", "The size of the policy's gradient, before clipping.", "no spikes"),
    Metric(
        "value_grad_norm",
        None,
        "",
        "The size of the value model's gradient, before clipping.",
        "falls with the value loss",
    ),
    Metric("lr", "lr", "", "The policy's learning rate.", "falls in a straight line to 0"),
    Metric(
        "optimizer_steps",
        None,
        "",
        "How many steps the update took.",
        "epochs × minibatches; fewer where stop_kl ended it",
    ),
)
_SFT = (
    Metric("step", None, "", "How many minibatches were learned from so far.", "counts up"),
    Metric(
        "loss",
        "loss",
        "nats a token",
        "How surprised the model was by the demonstrators' tokens.",
        "starts at ln V if untrained, and falls; 0 means that it sees what it predicts",
    ),
    Metric(
        "accuracy",
        "mean_token_accuracy",
        "share of tokens",
        "How often the demonstrator's token was the model's first guess.",
        "rises, and levels off below 1: people differ",
    ),
    Metric(
        "tokens",
        None,
        "tokens",
        "How many tokens this step learned from; TRL's num_tokens adds up, prompts included.",
        "about the same every step",
    ),
    Metric("grad_norm", "grad_norm", "", "The size of the gradient, before clipping.", "falls, without spikes"),
    Metric("lr", "learning_rate", "", "The learning rate.", "a short rise, then a straight line to 0"),
)
_REWARD = (
    Metric("step", None, "", "How many minibatches were learned from so far.", "counts up"),
    Metric(
        "loss",
        "loss",
        "nats a choice",
        "How surprised the model was by the choices people made.",
        "starts at ln 2 = 0.693, and falls; 0.693 for ever is a dead head or equal pairs",
    ),
    Metric(
        "accuracy",
        "accuracy",
        "share of pairs",
        "How many pairs it orders as the person did; a tie counts half (in TRL, 0).",
        "from ½ up to the ceiling that noise sets; near 1 is a leak",
    ),
    Metric("margin", "margin", "score", "How far the chosen reply stands above the rejected one.", "rises"),
    Metric(
        "chosen_score",
        None,
        "score",
        "What chosen replies got; elsewhere chosen_rewards.",
        "above the rejected; its level means nothing",
    ),
    Metric(
        "rejected_score",
        None,
        "score",
        "What rejected replies got; elsewhere rejected_rewards.",
        "below the chosen; its level means nothing",
    ),
    Metric("grad_norm", "grad_norm", "", "The size of the gradient, before clipping.", "no spikes"),
)

_REINFORCE = (
    Metric("update", None, "", "How many batches were sampled and learned from so far.", "counts up"),
    Metric(
        "score",
        "objective/scores",
        "score",
        "What the reward model or rule gave, in its own units.",
        "rises, unsteadily",
    ),
    Metric(
        "kl",
        "objective/kl",
        "nats a reply",
        "How far the policy is from the reference: log π - log π_ref, summed over a reply.",
        "exactly 0 at update 1, then rises; lastingly below -1 is a bug",
    ),
    Metric(
        "rlhf_reward",
        "objective/rlhf_reward",
        "score",
        "What is maximised: the score minus β times the KL.",
        "keeps rising",
    ),
    Metric(
        "nll",
        None,
        "nats a token",
        "How unlikely the sampled tokens were, on average: an estimate of the policy's entropy.",
        "falls slowly; near 0 within a few updates is collapse",
    ),
    Metric(
        "response_length",
        None,
        "tokens",
        "How long replies are, their end-of-text counted.",
        "stable; creeping up means that length is being paid for",
    ),
    Metric(
        "ended", None, "share of replies", "How many replies came to an end of their own.", "stable, near 1", (0.9, 1.0)
    ),
    Metric(
        "policy_loss",
        "loss/policy_avg",
        "",
        "Advantages times surprises; its size says nothing about quality, only its gradient is used.",
        "anywhere near 0",
    ),
    Metric("grad_norm", None, "", "The size of the gradient, before clipping.", "no spikes"),
    Metric("lr", "lr", "", "The learning rate.", "falls in a straight line to 0"),
)

_CLASSIFIER = (
    Metric("step", None, "", "How many minibatches were learned from so far.", "counts up"),
    Metric(
        "loss",
        None,
        "nats",
        "How surprised the classifier was by the right labels, on average.",
        "from ln of the number of labels down; near 0 where labels are plain",
    ),
    Metric(
        "accuracy",
        None,
        "share of examples",
        "How many of the minibatch got their label as the first guess.",
        "rises from a guess's share",
    ),
    Metric("grad_norm", None, "", "The size of the gradient, before clipping.", "no spikes"),
    Metric("lr", "lr", "", "The learning rate.", "rises, then falls in a straight line to 0"),
)

METRICS: dict[type, dict[str, Metric]] = {
    kind: {metric.field: metric for metric in metrics}
    for kind, metrics in {
        PPORecord: _PPO,
        SFTRecord: _SFT,
        RewardRecord: _REWARD,
        ReinforceRecord: _REINFORCE,
        ClassifierRecord: _CLASSIFIER,
    }.items()
}


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
