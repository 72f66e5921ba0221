"""Best-of-n: no training at all. Draw n replies, keep the one that the reward model likes best.

Choices: `draw_candidates` answers one customer after another, so that a learner may stop early; of replies with equal
scores the last drawn is kept, which is fair, since the order is a draw's. Left out: sampling again until a score is
reached (rejection sampling with a bar), and training on what was kept (lesson 10 does that with `train_sft`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb, log

import torch
from jaxtyping import Float
from torch import Tensor

from minirlhf.data import Ids
from minirlhf.machine.require import require
from minirlhf.model import CausalLM
from minirlhf.ops import PerSequence, Scalar
from minirlhf.rollout import RewardFn, sample

Pool = Float[Tensor, "P N"]  # N replies to each of P prompts
AT_ONCE = 256  # replies sampled in one go: more would fill the memory with keys and values


@dataclass(frozen=True)
class Candidates:
    """Several replies to one prompt, and what the reward model gives each of them."""

    prompt: Ids
    responses: list[Ids]
    score: PerSequence

    @property
    def best(self) -> Ids:
        """The reply with the highest score; of equals the last."""
        return self.responses[int(self.score.argsort(stable=True)[-1])]


def draw_candidates(
    policy: CausalLM,
    reward_model: RewardFn,
    prompts: Sequence[Ids],
    n: int,
    max_new_tokens: int,
    generator: torch.Generator,
) -> Iterator[Candidates]:
    """Draw n replies to each prompt, and have the reward model score them; `.best` is best-of-n's answer."""
    require(n >= 1, f"Best of {n}: draw at least one reply.")
    together = max(1, AT_ONCE // n)
    for first in range(0, len(prompts), together):
        batch = prompts[first : first + together]
        repeated = [prompt for prompt in batch for _ in range(n)]
        samples = sample(policy, repeated, max_new_tokens, generator)
        responses = samples.responses()
        with torch.no_grad():
            score = reward_model(samples.tokens, samples.response_mask)
        for i, prompt in enumerate(batch):
            yield Candidates(prompt, responses[i * n : (i + 1) * n], score[i * n : (i + 1) * n])


def best_of_n_score(proxy: Pool, gold: Pool, n: int) -> Scalar:
    """What the proxy's favourite among n replies is truly worth, on average over all ways to draw n of the N.

    One pool serves every n. Of all C(N, n) subsets, the reply of rank k by the proxy is the best in C(k-1, n-1): the
    other n - 1 come from the k - 1 below it. Unbiased, unlike the best of the first n, and far less noisy. Of equal
    proxies the later stands higher. (Stiennon et al., 2020, appendix; as pass@k of Chen et al., 2021, section 2.1.)
    """
    N = proxy.shape[1]
    ways = [comb(k - 1, n - 1) / comb(N, n) for k in range(1, N + 1)]
    worst_to_best = proxy.argsort(dim=1, stable=True)
    return (gold.gather(1, worst_to_best) * torch.tensor(ways, device=gold.device)).sum(dim=1).mean()


def best_of_n_kl(n: int) -> float:
    """An upper bound on best-of-n's KL from the policy that it draws from, in nats: ln n - (n - 1) / n.

    Equal where no two replies have the same score and each is very rare; below it otherwise. (Stiennon et al., 2020,
    appendix G.3; that it is a bound: Beirami et al., 2024, theorem 1.)
    """
    return log(n) - (n - 1) / n
