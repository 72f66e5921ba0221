"""Sampling: exact distributions, ragged prompts, ending, and what a rollout holds."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import equal, generator, talker

from minirlhf.model import GPTConfig
from minirlhf.ops import token_log_probs
from minirlhf.rollout import WRITTEN, Rollout, collect, draw, inverse_cdf_sample, sample

pytestmark = pytest.mark.usefixtures("one_thread")

EOS, PAD = 0, 5
WORDS = GPTConfig(vocab_size=5, context=16, layers=1, heads=2, channels=16, eos_id=EOS)
ENDLESS = replace(WORDS, eos_id=None)  # nothing ends a response
PROMPTS = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=6), min_size=1, max_size=9)


def exact(model, prompt, length):
    """Every response of this length and its probability, computed by reading all of them."""
    responses = torch.tensor(list(product(range(5), repeat=length)))
    tokens = torch.cat([torch.tensor(prompt).expand(len(responses), -1), responses], dim=1)
    mask = torch.zeros_like(tokens, dtype=torch.bool)
    mask[:, len(prompt) :] = True
    with torch.no_grad():
        log_probs = token_log_probs(model(tokens), tokens, mask)
    return {tuple(r.tolist()): p.item() for r, p in zip(responses, log_probs.sum(1).double().exp(), strict=True)}


def assert_drawn_from(probabilities, drawn):
    """A chi-square of what was drawn, which exceeds its mean by five deviations once in a million."""
    n = len(drawn)
    assert set(drawn) <= set(probabilities)
    cells = {key: p for key, p in probabilities.items() if n * p >= 5}
    rest = 1 - sum(cells.values())
    counts = dict.fromkeys(cells, 0)
    for key in drawn:
        if key in counts:
            counts[key] += 1
    chi_square = sum((counts[key] - n * p) ** 2 / (n * p) for key, p in cells.items())
    if rest * n >= 5:
        chi_square += (n - sum(counts.values()) - n * rest) ** 2 / (n * rest)
    freedom = len(cells) - (rest * n < 5)
    assert chi_square < freedom + 5 * (2 * freedom) ** 0.5, (chi_square, freedom)


def rows_of(samples):
    return list(zip(samples.tokens, samples.response_mask, samples.log_probs, strict=True))


@given(PROMPTS, st.integers(1, 6), st.integers(0, 99))
def test_prompts_stay_as_they_are_and_responses_end_where_they_should(prompts, new, seed):
    samples = sample(talker(1, WORDS), prompts, new, generator(seed))
    for prompt, (tokens, mask, log_probs), response in zip(prompts, rows_of(samples), samples.responses(), strict=True):
        start, end = len(prompt), len(prompt) + len(response)
        assert tokens[:start].tolist() == prompt
        assert tokens[start:end].tolist() == response
        assert mask.tolist() == [start <= t < end for t in range(len(tokens))]
        assert (tokens[end:] == PAD).all(), "nothing stands after the end"
        assert (log_probs[~mask] == 0).all() and (log_probs[mask] < 0).all()
        assert 1 <= len(response) <= new
        assert EOS not in response[:-1]
        assert response[-1] == EOS or len(response) == new


@given(PROMPTS, st.integers(1, 6))
def test_without_an_end_of_text_every_response_has_full_length(prompts, new):
    samples = sample(talker(1, ENDLESS), prompts, new, generator())
    assert [len(response) for response in samples.responses()] == [new] * len(prompts)


def test_a_batch_is_no_wider_than_its_longest_row():
    model = talker(1, WORDS)
    with torch.no_grad():
        model.trunk.final_norm.weight.zero_()
        model.trunk.final_norm.bias.copy_(1e3 * model.trunk.token_embedding.weight[EOS])
    samples = sample(model, [[1, 2], [3]], 10, generator())
    assert samples.tokens.tolist() == [[1, 2, EOS], [3, EOS, PAD]]


def test_ragged_prompts_are_answered_as_if_each_were_alone():
    model, n = talker(2, ENDLESS), 20_000
    short, long = [3], [1, 4, 2, 2]
    samples = sample(model, [short, long] * n, 2, generator()).responses()
    assert_drawn_from(exact(model, short, 2), [tuple(r) for r in samples[::2]])
    assert_drawn_from(exact(model, long, 2), [tuple(r) for r in samples[1::2]])


def test_ended_rows_leave_the_others_distribution_alone():
    model, n = talker(2, WORDS), 30_000
    samples = sample(model, [[3], [1, 4]] * n, 3, generator()).responses()
    whole = exact(model, [3], 3)
    wanted: dict = {}
    for response, p in whole.items():  # cut each response after its first end of text
        ends = response.index(EOS) + 1 if EOS in response else 3
        wanted[response[:ends]] = wanted.get(response[:ends], 0.0) + p
    assert_drawn_from(wanted, [tuple(r) for r in samples[::2]])


def test_temperature_sharpens_what_is_drawn_and_what_is_reported():
    logits, n = torch.tensor([[0.0, 1.0, 2.0, -1.0]]), 50_000
    p = logits[0].double().softmax(0)
    for temperature, wanted in ((1.0, p), (0.5, p**2 / (p**2).sum()), (2.0, p**0.5 / (p**0.5).sum())):
        drawn, log_probs = draw(logits.expand(n, -1), torch.rand(n, generator=generator()), temperature)
        assert_drawn_from(dict(enumerate(wanted.tolist())), drawn.tolist())
        equal(log_probs.double(), wanted.log()[drawn], 1e-5)


def test_what_has_no_probability_is_never_drawn():
    logits = torch.tensor([[-1e9, 0.0, -1e9, 0.0, -1e9]]).expand(50_000, -1)
    drawn, log_probs = draw(logits, torch.rand(50_000, generator=generator()))
    assert set(drawn.tolist()) == {1, 3} and log_probs.isfinite().all()


def test_the_same_generator_gives_the_same_sample():
    model = talker(1, WORDS)
    one, two = (sample(model, [[1], [2, 3]] * 4, 6, generator(7)) for _ in range(2))
    assert torch.equal(one.tokens, two.tokens) and torch.equal(one.log_probs, two.log_probs)
    assert not torch.equal(one.tokens, sample(model, [[1], [2, 3]] * 4, 6, generator(8)).tokens)


def test_prompt_and_response_must_fit_the_context():
    with pytest.raises(ValueError, match=r"at most 16.*fewer new tokens"):
        sample(talker(1, ENDLESS), [[1] * 10], 8, generator())
    assert sample(talker(1, ENDLESS), [[1] * 10], 6, generator()).tokens.shape == (1, 16)


def test_a_rollout_holds_what_the_policy_did_and_what_others_made_of_it():
    policy, reference, seen = talker(1, WORDS), talker(2, WORDS), []

    def reward(tokens, response_mask):
        seen.append((tokens, response_mask))
        return torch.arange(len(tokens)).float()

    prompts = [[1], [2, 3], [4, 4, 4]] * 10
    rollout = collect(policy, reference, reward, prompts, 4, generator(), missing_eos_score=-9.0)
    samples = sample(policy, prompts, 4, generator())
    assert torch.equal(rollout.tokens, samples.tokens) and torch.equal(rollout.log_probs, samples.log_probs)
    assert torch.equal(seen[0][0], rollout.tokens) and torch.equal(seen[0][1], rollout.response_mask)
    with torch.no_grad():
        equal(rollout.ref_log_probs, token_log_probs(reference(rollout.tokens), rollout.tokens, rollout.response_mask))

    ended = torch.tensor([response[-1] == EOS for response in samples.responses()])
    assert 0 < ended.sum() < len(prompts), "this test needs both kinds"
    assert torch.equal(rollout.ended, ended)
    assert (rollout.score[~ended] == -9.0).all(), "what never ends is not scored"
    assert torch.equal(rollout.score[ended], torch.arange(30.0)[ended])


def test_an_end_on_the_last_allowed_token_is_an_end():
    rollout = collect(
        talker(1, WORDS), talker(1, WORDS), lambda t, m: torch.ones(len(t)), [[1]] * 200, 1, generator(), -9.0
    )
    first = rollout.tokens[:, 1]
    assert torch.equal(rollout.ended, first == EOS) and 0 < rollout.ended.sum() < 200


def test_without_an_end_of_text_all_are_scored():
    rollout = collect(talker(1, ENDLESS), talker(1, WORDS), lambda t, m: torch.ones(len(t)), [[1]] * 3, 4, generator())
    assert rollout.ended.all() and rollout.score.tolist() == [1.0] * 3


# ---- one token from its probabilities

WITH_HOLES = torch.tensor([[0.0, 0.5, 0.0, 0.25, 0.0, 0.25, 0.0]])  # what is at the ends or between has none


def just_below(u):
    return torch.nextafter(torch.tensor(u), torch.tensor(0.0)).item()


@pytest.mark.parametrize(
    ("u", "token"), [(0.0, 1), (just_below(0.5), 1), (0.5, 3), (just_below(0.75), 3), (0.75, 5), (just_below(1.0), 5)]
)
def test_a_token_owns_the_numbers_from_its_beginning_up_to_the_next_ones(u, token):
    assert inverse_cdf_sample(WITH_HOLES, torch.tensor([u])).tolist() == [token]


def test_no_rounding_of_the_sum_lets_a_token_be_drawn_that_cannot_be_said():
    """Thousands of rows whose float32 sums end a hair above or below 1, each with the smallest and the largest u."""
    logits = 3 * torch.randn(4000, 50, generator=generator())
    probabilities = torch.nn.functional.pad(logits.softmax(dim=-1), (1, 1))  # the first and the last have none
    sums = probabilities.cumsum(dim=-1)[:, -1]
    assert sums.min() < just_below(1.0) and sums.max() > 1.0, "this test needs sums that are rounded both ways"
    for u, wanted in ((0.0, 1), (just_below(1.0), 50)):
        drawn = inverse_cdf_sample(probabilities, torch.full((4000,), u))
        assert (probabilities.gather(1, drawn.unsqueeze(1)) > 0).all()
        assert (drawn == wanted).float().mean() > 0.9, "and it is the nearest that can be"


@given(st.integers(0, 99))
def test_a_larger_number_never_draws_an_earlier_token(seed):
    probabilities = torch.rand(1, 9, generator=generator(seed)).expand(50, -1)
    u = torch.rand(50, generator=generator(seed + 1)).sort().values
    drawn = inverse_cdf_sample(probabilities / probabilities.sum(dim=1, keepdim=True), u)
    assert drawn.tolist() == sorted(drawn.tolist())


def test_what_is_no_number_is_drawn_as_no_number_and_stops_nothing_here():
    """A model that has come to NaN is named where its loss is looked at, and not by an index out of range."""
    drawn, log_probs = draw(torch.full((3, 4), float("nan")), torch.rand(3, generator=generator()))
    assert ((drawn >= 0) & (drawn < 4)).all() and log_probs.isnan().all()


def test_a_row_says_the_same_alone_and_in_company():
    """The random numbers belong to a row and a place: neither its neighbours nor who has left touch what it says."""
    model, prompts = talker(1, WORDS), [[1], [2, 3], [1, 2, 3], [4]] * 3
    together = sample(model, prompts, 6, generator(3))
    model.trunk.rows_at_once, read = 1, []
    model.trunk.register_forward_pre_hook(lambda _, given: read.append(len(given[0])))
    in_pieces = sample(model, prompts, 6, generator(3))
    assert max(read) == WRITTEN < len(prompts), "what is written is held in pieces too, in larger ones"
    assert torch.equal(together.tokens, in_pieces.tokens)
    equal(together.log_probs, in_pieces.log_probs, 1e-6)
    first = sample(model, prompts[:1], 6, generator(3))
    assert first.responses() == together.responses()[:1]


# ---- what is sampled, and what is said of it


@given(PROMPTS, st.integers(1, 6), st.integers(0, 99))
def test_the_log_probs_are_those_of_reading_it_all_again(prompts, new, seed):
    model = talker(1, WORDS)
    samples = sample(model, prompts, new, generator(seed))
    with torch.no_grad():
        again = token_log_probs(model(samples.tokens), samples.tokens, samples.response_mask)
    equal(samples.log_probs, again, 1e-4)


@pytest.mark.parametrize(
    ("prompts", "new", "temperature"),
    [([], 3, 1.0), ([[1], []], 3, 1.0), ([[1]], 0, 1.0), ([[1]], 3, 0.0), ([[1]], 3, -1.0), ([[1]], 3, float("nan"))],
)
def test_what_cannot_be_answered_is_refused(prompts, new, temperature):
    with pytest.raises(ValueError, match=r"at least one|must be 1 or more"):
        sample(talker(1, WORDS), prompts, new, generator(), temperature)


def test_sampling_and_collecting_leave_nothing_to_differentiate():
    policy, value = talker(1, WORDS), torch.ones((), requires_grad=True)
    samples = sample(policy, [[1], [2, 3]], 4, generator())
    rollout = collect(policy, talker(2, WORDS), lambda t, m: value * m.sum(dim=1), [[1]], 4, generator())
    for tensor in (samples.log_probs, rollout.log_probs, rollout.ref_log_probs, rollout.score):
        assert not tensor.requires_grad


def test_a_rollout_counts_its_responses_alone():
    """Worked by hand: two responses of one and two tokens, with numbers off them that would be seen in any sum."""
    mask = torch.tensor([[False, True, False, False], [False, False, True, True]])
    junk = torch.where(mask, 0.0, float("nan"))
    rollout = Rollout(
        tokens=torch.tensor([[1, EOS, PAD, PAD], [2, 3, 4, 4]]),
        response_mask=mask,
        log_probs=junk + torch.tensor([[0.0, -1.0, 0.0, 0.0], [0.0, 0.0, -2.0, -0.5]]),
        ref_log_probs=junk + torch.tensor([[0.0, -4.0, 0.0, 0.0], [0.0, 0.0, -2.5, -1.0]]),
        score=torch.tensor([5.0, 1.0]),
        ended=torch.tensor([True, False]),
    )
    assert rollout.kl.tolist() == [3.0, 1.0]
    means = {"score": 3.0, "kl": 2.0, "rlhf_reward": 2.0, "response_length": 1.5, "ended": 0.5}
    assert rollout.means(beta=0.5) == means
    second = rollout.at(torch.tensor([1]))
    assert second.tokens.tolist() == [[2, 3, 4, 4]] and second.kl.tolist() == [1.0] and second.score.tolist() == [1.0]
    turned = rollout.at(torch.tensor([1, 0]))
    assert turned.kl.tolist() == [1.0, 3.0] and turned.ended.tolist() == [False, True]
    assert turned.means(0.5) == means


def test_a_prompt_that_ends_something_ends_no_response():
    """An end of text in the prompt is part of what was asked; whether a response ended stands at its own last token."""
    policy, prompts = talker(1, WORDS), [[EOS, 1], [1, EOS], [EOS]] * 20
    rollout = collect(policy, policy, lambda t, m: torch.ones(len(t)), prompts, 2, generator(), -9.0)
    last = torch.stack([row[mask][-1] for row, mask in zip(rollout.tokens, rollout.response_mask, strict=True)])
    assert torch.equal(rollout.ended, last == EOS) and 0 < rollout.ended.sum() < 60
    assert torch.equal(rollout.score == 1.0, rollout.ended)


def test_whether_a_response_can_end_is_the_policys_to_say():
    def score(tokens, response_mask):
        return torch.ones(len(tokens))

    endless = collect(talker(1, ENDLESS), talker(1, WORDS), score, [[1]] * 60, 2, generator(), -9.0)
    assert endless.ended.all() and (endless.score == 1.0).all()
    ending = collect(talker(1, WORDS), talker(1, ENDLESS), score, [[1]] * 60, 2, generator(), -9.0)
    assert 0 < ending.ended.sum() < 60 and set(ending.score.tolist()) == {1.0, -9.0}
