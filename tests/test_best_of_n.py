"""Best-of-n keeps what the proxy likes best, and is measured over every choice of n at once."""

from copy import deepcopy
from itertools import combinations, product
from math import comb, log

import pytest
import torch
from tiny import generator

from minirlhf.best_of_n import Candidates, best_of_n_kl, best_of_n_score, draw_candidates
from minirlhf.model import GPT, CausalLM, GPTConfig


@pytest.fixture(scope="module")
def policy():
    torch.manual_seed(3)
    return CausalLM(GPT(GPTConfig(12, 16, layers=1, heads=2, channels=16)))


def every_subset(proxy, gold, n):
    """By brute force: all n-subsets of each row, the favourite of each, its gold score."""
    rows = []
    for p, g in zip(proxy.tolist(), gold.tolist(), strict=True):
        kept = [max(chosen, key=lambda i: (p[i], i)) for chosen in combinations(range(len(p)), n)]
        rows.append(sum(g[i] for i in kept) / len(kept))
    return sum(rows) / len(rows)


@pytest.mark.parametrize("n", range(1, 8))
def test_the_score_is_the_mean_over_all_subsets(n):
    proxy, gold = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(n))
    assert best_of_n_score(proxy, gold, n).item() == pytest.approx(every_subset(proxy, gold, n), abs=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_of_equal_proxies_the_later_is_kept(n):
    proxy = torch.tensor([[1.0, 0.0, 1.0, 0.0, 1.0]])
    gold = torch.tensor([[1.0, 2.0, 4.0, 8.0, 16.0]])
    assert best_of_n_score(proxy, gold, n).item() == pytest.approx(every_subset(proxy, gold, n), abs=1e-6)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_it_is_unbiased_for_draws_from_a_distribution(n):
    """Over all pools of four draws from three kinds of reply, its mean is best-of-n's exact expectation."""
    chances, proxies, golds = (0.5, 0.3, 0.2), (0.0, 1.0, 2.0), (1.0, 3.0, -2.0)
    expected = mean = 0.0
    below = 0.0
    for chance, gold in zip(chances, golds, strict=True):
        expected += ((below + chance) ** n - below**n) * gold  # this kind is the best of n
        below += chance
    for pool in product(range(3), repeat=4):
        chance = torch.tensor([chances[i] for i in pool]).prod().item()
        proxy, gold = torch.tensor([[proxies[i] for i in pool]]), torch.tensor([[golds[i] for i in pool]])
        mean += chance * best_of_n_score(proxy, gold, n).item()
    assert mean == pytest.approx(expected, abs=1e-5)


def test_one_is_any_reply_and_all_is_the_favourite():
    proxy, gold = torch.randn(2, 5, 9, generator=torch.Generator().manual_seed(0))
    assert best_of_n_score(proxy, gold, 1).item() == pytest.approx(gold.mean().item(), abs=1e-6)
    favourites = gold[torch.arange(5), proxy.argmax(dim=1)].mean().item()
    assert best_of_n_score(proxy, gold, 9).item() == pytest.approx(favourites, abs=1e-6)


def test_more_replies_never_please_the_proxy_less():
    proxy = torch.randn(4, 16, generator=torch.Generator().manual_seed(1))
    scores = [best_of_n_score(proxy, proxy, n).item() for n in range(1, 17)]
    assert scores == sorted(scores)


def exact_kl_of_best_of_n(chances, n):
    """KL(best-of-n ‖ where it draws), replies listed from the worst to the best."""
    below = total = 0.0
    for chance in chances:
        kept = (below + chance) ** n - below**n
        total += kept * log(kept / chance)
        below += chance
    return total


@pytest.mark.parametrize("n", [2, 3, 8, 50])
def test_the_kl_is_a_bound_and_exact_where_every_reply_is_rare(n):
    for chances in ((0.5, 0.5), (0.9, 0.05, 0.05), (0.05, 0.05, 0.9), (0.25,) * 4):
        assert exact_kl_of_best_of_n(chances, n) < best_of_n_kl(n)
    assert exact_kl_of_best_of_n([1e-5] * 100_000, n) == pytest.approx(best_of_n_kl(n), abs=1e-3)


def test_choosing_among_one_moves_nowhere():
    assert best_of_n_kl(1) == 0
    assert best_of_n_kl(2) == pytest.approx(0.1931, abs=1e-4)  # ln 2 - ½


def test_candidates_are_whole_and_the_best_is_the_proxys_favourite(policy):
    prompts = [[1, 2, 3], [4], [5, 6]]

    def many_ones(tokens, response_mask):
        return ((tokens == 1) & response_mask).sum(dim=1).float()

    rows = list(draw_candidates(policy, many_ones, prompts, 5, 6, torch.Generator().manual_seed(0)))
    assert [row.prompt for row in rows] == prompts
    for row in rows:
        counts = [ids.count(1) for ids in row.responses]
        assert row.score.tolist() == counts and len(counts) == 5
        assert row.best.count(1) == max(counts)
        assert all(len(ids) == 6 for ids in row.responses)


def test_the_reward_model_is_asked_as_everywhere(policy):
    seen = []

    def reward(tokens, response_mask):
        seen.append((tokens.shape, response_mask.shape))
        return torch.zeros(len(tokens))

    same = deepcopy(policy)
    *_, last = draw_candidates(policy, reward, [[1]] * 3, 2, 4, torch.Generator().manual_seed(0))
    assert all(tokens == mask and tokens[0] % 2 == 0 for tokens, mask in seen)
    assert last.best == last.responses[-1]  # equals: the last
    for one, other in zip(policy.parameters(), same.parameters(), strict=True):
        assert torch.equal(one, other)


def test_nothing_is_chosen_among_none(policy):
    with pytest.raises(ValueError, match="at least one"):
        next(draw_candidates(policy, lambda t, m: t[:, 0].float(), [[1]], 0, 4, torch.Generator()))


def test_the_shares_of_the_ranks_add_up_to_one():
    for n in (1, 3, 8):
        ones = torch.ones(1, 8)
        assert best_of_n_score(torch.arange(8.0)[None], ones, n).item() == pytest.approx(1.0)
        top = torch.eye(8)[-1:]
        assert best_of_n_score(torch.arange(8.0)[None], top, n).item() == pytest.approx(n / 8)
        assert comb(7, n - 1) / comb(8, n) == pytest.approx(n / 8)


@pytest.mark.parametrize(("prompts", "n"), [(3, 300), (5, 100), (300, 2), (2, 256), (257, 1)])
def test_replies_are_sampled_as_many_at_once_as_memory_allows_and_nobody_is_forgotten(policy, prompts, n):
    asked, seen = [[1 + i % 11, i % 7, i % 5] for i in range(prompts)], []

    def first_word(tokens, response_mask):
        seen.append(len(tokens))
        return (tokens * response_mask).sum(dim=1).float()

    rows = list(draw_candidates(policy, first_word, asked, n, 1, torch.Generator().manual_seed(0)))
    assert [row.prompt for row in rows] == asked
    assert all(len(row.responses) == len(row.score) == n for row in rows)
    assert all(row.score.tolist() == [float(ids[0]) for ids in row.responses] for row in rows)
    assert sum(seen) == prompts * n and max(seen) <= max(256, n)
    assert len(seen) == -(-prompts // max(256 // n, 1)), "and no fewer at once than may be"


def test_nobody_is_given_anothers_replies(policy):
    """An echo says a prompt's last word again and again, so whose reply it is can be read from it."""
    echo = deepcopy(policy)
    with torch.no_grad():
        for name, weight in echo.named_parameters():
            if "norm" not in name:
                weight.zero_()
        echo.trunk.token_embedding.weight.copy_(1e3 * torch.eye(13, 16))
    asked = [[5, 1], [2], [1, 7], [9]] * 30
    rows = list(draw_candidates(echo, lambda t, m: t[:, 0].float(), asked, 5, 3, generator()))
    assert [row.responses for row in rows] == [[[prompt[-1]] * 3] * 5 for prompt in asked]
    assert [row.score.tolist() for row in rows] == [[float(prompt[0])] * 5 for prompt in asked]


def test_candidates_carry_no_gradient_and_the_generator_decides(policy):
    worth = torch.ones((), requires_grad=True)

    def scored(tokens, response_mask):
        return worth * tokens[:, -1]

    one, same, other = (next(draw_candidates(policy, scored, [[1, 2]], 8, 4, generator(seed))) for seed in (0, 0, 1))
    assert not one.score.requires_grad
    assert one.responses == same.responses != other.responses
    assert all(len(ids) == 4 for ids in one.responses)
    longer = next(draw_candidates(policy, scored, [[1, 2]], 8, 9, generator()))
    assert all(len(ids) == 9 for ids in longer.responses)


def test_the_best_is_the_highest_and_of_equals_the_last():
    said = [[1], [2], [3], [4]]
    assert Candidates([9], said, torch.tensor([0.0, 3.0, 1.0, 2.0])).best == [2]
    assert Candidates([9], said, torch.tensor([5.0, 3.0, 5.0, 2.0])).best == [3]
    assert Candidates([9], said, torch.tensor([-1.0, -1.0, -1.0, -2.0])).best == [3]
