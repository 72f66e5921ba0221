"""One reply of one rollout as a strip of tokens, with the whole of PPO's arithmetic for the one that you choose.

    microscope(rollout, rewards, estimates, policy, config, tokenizer, row=3)

Every number comes from the real models through the package's own functions; `row` says which reply of the batch.
"""

from dataclasses import dataclass
from math import exp

import torch

from minirlhf.advantages import gae
from minirlhf.course.plots import style
from minirlhf.course.plots.strip import TokenStrip
from minirlhf.losses import clipped_policy_loss
from minirlhf.model import CausalLM, response_log_probs
from minirlhf.ops import PerToken, masked_mean
from minirlhf.ppo import Estimate, PPOConfig
from minirlhf.rollout import Rollout
from minirlhf.tokenizer import Tokenizer

UNSPOKEN = "Part of what the customer wrote. The policy did not choose it: it pays nothing and earns nothing."
NOTES = {
    "log-ratio": "log π − log π_ref when it was sampled, in nats; the reply's KL is their sum",
    "penalty": "−β · log-ratio: what leaving the reference costs, in units of the score",
    "reward": "the penalty, and at the last token the score as well",
    "value": "V: what the value model expected from here on, before this token was said",
    "TD error": "δ = r + γ·V_next − V: how far this one token turned expectations",
    "advantage": "A = δ + γλ·A_next: better than expected (+) or worse (−), in units of the score",
    "whitened": "the advantage on a scale where the batch has mean 0 and standard deviation 1",
    "ratio − 1": "ρ − 1, ρ = π now / π when sampled: how much more probable this token has become",
    "clipped": "where ρ left the clip's range as far as the advantage asks for: no more push",
    "loss": "the larger of −Â·ρ and −Â·clip(ρ); the policy loss is the mean of these over the batch",
}


@dataclass(frozen=True)
class Account:
    """All that PPO computes for one token, and its arithmetic in words; `score` is None before the last one."""

    log_prob: float  # when it was sampled
    ref_log_prob: float
    log_prob_now: float
    score: float | None
    reward: float
    value: float
    next_value: float
    advantage: float
    next_advantage: float
    mean: float  # of all advantages in the batch
    std: float
    whitened: float
    ratio: float
    clipped: bool
    loss: float
    count: int  # tokens that count in the batch

    def shades(self, config: PPOConfig) -> dict[str, float | bool]:
        """Its number for each name in NOTES; what is only rounding (float32, 1e-6) is 0."""
        numbers = (
            self.log_ratio,
            -config.beta * self.log_ratio,
            self.reward,
            self.value,
            self.delta(config.gamma),
            self.advantage,
            self.whitened,
            self.ratio - 1,
            self.clipped,
            self.loss,
        )
        rounded = (x if isinstance(x, bool) else round(x, 5) + 0.0 for x in numbers)
        return dict(zip(NOTES, rounded, strict=True))

    @property
    def log_ratio(self) -> float:
        return self.log_prob - self.ref_log_prob

    def delta(self, gamma: float | int) -> float:
        return self.reward + gamma * self.next_value - self.value

    def arithmetic(self, config: PPOConfig) -> str:
        """A line a step; each can be computed from the numbers in it, up to their last digit."""
        a, low, high = self, 1 - config.clip, 1 + config.clip
        penalty, delta = -config.beta * a.log_ratio, a.delta(config.gamma)
        # Before the last token the reward is the penalty, and there is nothing to add up.
        paid = "penalty" if a.score is None else f"penalty + score = {_out(penalty)} + {_in(a.score)}"
        later, better = f"{config.gamma:g} · {_in(a.next_value)}", f"{config.lam:g} · {_in(a.next_advantage)}"
        minus, near = _out(-a.whitened), min(max(a.ratio, low), high)
        before, ref, now = (exp(x) for x in (a.log_prob, a.ref_log_prob, a.log_prob_now))
        lines = (
            f"probability: {before:.3f} when sampled, {ref:.3f} for the reference, {now:.3f} for the policy now",
            f"log-ratio = log π − log π_ref = {_out(a.log_prob)} − {_in(a.ref_log_prob)} = {_out(a.log_ratio)}",
            f"penalty = −β · log-ratio = −{config.beta:g} · {_in(a.log_ratio)} = {_out(penalty)}",
            f"reward r = {paid} = {_out(a.reward)}",
            f"TD error δ = r + γ · V_next − V = {_out(a.reward)} + {later} − {_in(a.value)} = {_out(delta)}",
            f"advantage A = δ + γ · λ · A_next = {_out(delta)} + {config.gamma:g} · {better} = {_out(a.advantage)}",
            f"whitened Â = (A − mean) / std = ({_out(a.advantage)} − {_in(a.mean)}) / {_out(a.std)}"
            f" = {_out(a.whitened)}",
            f"ratio ρ = exp(log π_now − log π) = exp({_out(a.log_prob_now)} − {_in(a.log_prob)}) = {_out(a.ratio)}",
            f"loss = max(−Â · ρ, −Â · clip(ρ, {low:g}, {high:g}))"
            f" = max({minus} · {_out(a.ratio)}, {minus} · {_out(near)}) = {_out(a.loss)}",
            f"its part of the policy loss = loss / tokens in the batch = {_out(a.loss)} / {a.count}"
            f" = {f'{a.loss / a.count:.6f}'.replace('-', '−')}",
            "clipped: ρ is past the clip on the side that Â asks for, so this token's own push has ended"
            if a.clipped
            else f"not clipped: the loss pushes this token {'up' if a.whitened > 0 else 'down'}",
        )
        return "\n".join(lines)


@torch.no_grad()
def microscope(
    rollout: Rollout,
    rewards: PerToken,
    estimates: Estimate,
    policy: CausalLM,
    config: PPOConfig,
    tokenizer: Tokenizer,
    row: int = 0,
    title: str = "",
) -> TokenStrip:
    """One reply under the microscope: all that PPO computes for each of its tokens, with their ratios under `policy`.

    `rewards` and `estimates` are this rollout's, made with the β, γ and λ of `config`; ValueError for others. Drawn
    before and after `ppo_update`, it shows what the update changed.
    """
    _require_own(rollout, rewards, estimates, config)
    accounts = _accounts(rollout, rewards, estimates, policy, config, row)
    length = max(accounts) + 1
    shades: dict[str, list[float | bool | None]] = {name: [None] * length for name in NOTES}
    details = [UNSPOKEN] * length
    for number, (t, account) in enumerate(accounts.items(), start=1):
        details[t] = f"the reply's token {number} of {len(accounts)}\n{account.arithmetic(config)}"
        for name, shade in account.shades(config).items():
            shades[name][t] = shade
    score = rollout.score[row].item()
    return TokenStrip(
        pieces_of(rollout, tokenizer, row)[:length],
        shades,
        details,
        title or f"Reply {row} of {len(rollout.tokens)}, score {style.signed(score, 2)}",
        NOTES,
    )


def _accounts(
    rollout: Rollout, rewards: PerToken, estimates: Estimate, policy: CausalLM, config: PPOConfig, row: int
) -> dict[int, Account]:
    """The account of each token of a reply, by its place in the row."""
    mask, raw = rollout.response_mask, estimates.returns - estimates.values
    mean = masked_mean(raw, mask)
    std = (masked_mean((raw - mean).square(), mask) + 1e-8).sqrt()
    here = slice(row, row + 1)
    tokens, old = rollout.tokens[here], rollout.log_probs[here]
    now, _ = response_log_probs(policy, tokens, mask[here])
    places = mask[row].nonzero().flatten().tolist()
    accounts = {}
    for t in places:
        last = t == places[-1]
        alone = torch.zeros_like(mask[here])
        alone[0, t] = True  # the package's loss, of a batch in which no other token counts
        loss, stats = clipped_policy_loss(now, old, estimates.advantages[here], alone, config.clip)
        accounts[t] = Account(
            log_prob=old[0, t].item(),
            ref_log_prob=rollout.ref_log_probs[row, t].item(),
            log_prob_now=now[0, t].item(),
            score=rollout.score[row].item() if last else None,
            reward=rewards[row, t].item(),
            value=estimates.values[row, t].item(),
            next_value=0.0 if last else estimates.values[row, t + 1].item(),
            advantage=raw[row, t].item(),
            next_advantage=0.0 if last else raw[row, t + 1].item(),
            mean=mean.item(),
            std=std.item(),
            whitened=estimates.advantages[row, t].item(),
            ratio=stats["ratio"],
            clipped=stats["clip_fraction"] == 1,
            loss=loss.item(),
            count=int(mask.sum()),
        )
    return accounts


def _out(x: float) -> str:
    """Three decimals, a minus as wide as a plus, and no minus before a zero."""
    return f"{x:.3f}".replace("-0.000", "0.000").replace("-", "−")


def _in(x: float) -> str:
    """The same inside a sum: a negative number in brackets."""
    return f"({_out(x)})" if _out(x).startswith("−") else _out(x)


def _require_own(rollout: Rollout, rewards: PerToken, estimates: Estimate, config: PPOConfig) -> None:
    """Numbers of another batch, or of another β, would be explained wrongly."""
    mask = rollout.response_mask
    penalty = -config.beta * (rollout.log_probs - rollout.ref_log_probs)
    earned = torch.where(mask, rewards - penalty, 0.0).sum(dim=1)
    _, returns = gae(rewards, estimates.values, mask, config.gamma, config.lam)
    if not (torch.allclose(earned, rollout.score, atol=1e-3) and torch.allclose(returns, estimates.returns, atol=1e-3)):
        raise ValueError(
            "microscope: these rewards and estimates do not belong to this rollout and config. Make them in this "
            "order: collect, token_rewards with config.beta, gae with config.gamma and config.lam."
        )


def pieces_of(rollout: Rollout, tokenizer: Tokenizer, row: int) -> list[str]:
    """Each token of a row as text; the end-of-text by its name."""
    return [
        style.END if i == tokenizer.eos_id else tokenizer.decode([i]) if i < tokenizer.vocab_size else ""
        for i in rollout.tokens[row].tolist()
    ]
