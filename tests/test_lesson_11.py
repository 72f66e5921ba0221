"""Lesson 11: one optimum for DPO and PPO, votes that train a policy directly, and figures that say what is in them."""

from dataclasses import replace

import pytest
import torch
from matplotlib.figure import Figure
from readable import assert_readable
from tiny import fingerprint

from minirlhf import plots
from minirlhf.bandit import exact_optimum
from minirlhf.course.experiments.lesson_11 import (
    BETA,
    REFERENCE,
    REPLIES,
    REWARDS,
    chances_of_choices,
    chosen_and_rejected,
    distance,
    mean_for_sum,
    moved_replies,
    sixty_votes,
    turned,
    walk_by_reward,
    walk_by_votes,
    without_reference,
)
from minirlhf.dpo import DPORecord
from minirlhf.feedback.meaning import preferences
from minirlhf.feedback.simulated import CHEERFUL
from minirlhf.feedback.votes import Better, BothBad, Question, Skip, Thumb, Tie, Vote
from minirlhf.kto import KTORecord
from minirlhf.losses import dpo_loss
from minirlhf.recipes.direct import DirectConfig, DirectReading, implied_weights, learn_directly
from minirlhf.recipes.taste import Taste, TasteConfig, weigh_votes

pytestmark = pytest.mark.usefixtures("one_thread")

ASKED = "Customer: My kettle is late.\nAgent:"
QUICK = DirectConfig(steps=2)
GOAL = exact_optimum(REFERENCE, REWARDS, BETA)


def vote(answer, *replies, mode="pair", prompt=ASKED):
    return Vote(Question(mode, prompt, replies), answer, tuple(range(len(replies))), "you")


def choice(n):
    return vote(Better(0), f" Yes {n}.", f" No {n}.", prompt=f"Customer: My lamp {n} is late.\nAgent:")


def learned(shipped, votes, config=QUICK, **more):
    taste = Taste.shipped(shipped)
    return taste, list(learn_directly(taste, votes, config, **more))


# ---- three replies


def test_nobody_does_better_on_this_leash_than_the_exact_optimum():
    def worth(probs):
        return (probs @ REWARDS - BETA * (probs * (probs / REFERENCE).log()).sum()).item()

    others = torch.distributions.Dirichlet(torch.ones(3)).sample((500,))
    assert GOAL.sum().item() == pytest.approx(1.0, abs=1e-6)
    assert max(worth(probs) for probs in others) < worth(GOAL)
    assert worth(GOAL) == pytest.approx(BETA * (REFERENCE @ (REWARDS / BETA).exp()).log().item(), abs=1e-5)  # β log Z


def test_both_walks_begin_at_the_reference_and_end_at_the_optimum():
    for walk in (list(walk_by_votes()), list(walk_by_reward(seed=1))):
        torch.testing.assert_close(walk[0], REFERENCE)
        assert distance(walk[-1], GOAL) < 0.05 < distance(walk[0], GOAL)


def test_at_the_optimum_of_an_enumerable_problem_the_chosen_has_fallen():
    """27 sequences of three tokens, each with a random reward, an even reference, labels of Bradley and Terry."""
    rewards = torch.randn(27, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    even = torch.full((27,), 1 / 27, dtype=torch.float64)
    optimum = exact_optimum(even, rewards, 0.5)
    moved, shares = (optimum / even).log(), chances_of_choices(even, rewards)
    chosen, rejected = shares.sum(dim=1) @ moved, shares.sum(dim=0) @ moved
    assert rejected < chosen < 0
    # What both lose on average is the KL the other way round: a policy is further than its reference from each reply.
    assert (chosen + rejected).item() / 2 == pytest.approx((even @ (optimum / even).log()).item(), abs=1e-9)
    assert shares.sum().item() == pytest.approx(1.0)


def test_the_best_reply_alone_gains_where_the_leash_is_long():
    probs = exact_optimum(REFERENCE, REWARDS, 0.1)
    assert [probs[i] > REFERENCE[i] for i in range(3)] == [False, False, True]
    assert chosen_and_rejected(REFERENCE) == pytest.approx((0.0, 0.0), abs=1e-6)


# ---- votes that train a policy


def test_a_reading_comes_first_and_counts_what_can_be_learned_from(shipped):
    cast = [choice(1), vote(Tie(), " Yes.", " Well."), vote(Skip(), " Yes.", " No."), choice(2)]
    _, (reading, *steps) = learned(shipped, cast)
    assert isinstance(reading, DirectReading) and all(isinstance(record, DPORecord) for record in steps)
    assert (reading.votes, reading.choices, reading.ties, reading.ups, reading.downs) == (4, 2, 1, 0, 0)
    assert [record.step for record in steps] == [1, 2] and reading.dpo_steps == 2
    assert steps[0].loss == pytest.approx(torch.tensor(2.0).log().item(), abs=1e-5)


def test_pairs_train_by_dpo_and_thumbs_after_them_by_kto(shipped):
    thumbs = [vote(Thumb(up), f" So it is {up}.", mode="thumbs") for up in (True, False)]
    _, (reading, *steps) = learned(shipped, [*thumbs, choice(1)])
    assert [type(record) for record in steps] == [DPORecord, DPORecord, KTORecord, KTORecord]
    assert (reading.ups, reading.downs, reading.kto_steps) == (1, 1, 2)


@pytest.mark.parametrize(
    "cast",
    [
        [],
        [vote(Tie(), " Yes.", " Well.")],
        [vote(Skip(), " Yes.", " No.")],
        [vote(BothBad(), " Yes.", " No.")],
        [vote(Thumb(True), " Yes.", mode="thumbs")],
    ],
)
def test_votes_that_prefer_nothing_move_nothing(shipped, cast):
    taste, (reading, *steps) = learned(shipped, cast)
    assert not steps and (reading.dpo_steps, reading.kto_steps) == (0, 0) and reading.advice
    assert fingerprint(taste.policy) == fingerprint(shipped.sft)


def test_only_the_policy_moves_and_the_seed_decides_how(shipped):
    before, cast = fingerprint(shipped.sft), [choice(n) for n in range(3)]
    one, records = learned(shipped, cast)
    same, again = learned(shipped, cast)
    assert records == again and fingerprint(one.policy) == fingerprint(same.policy) != before
    assert fingerprint(one.reference) == before == fingerprint(shipped.sft)
    assert not one.reward_model.words and not any(p.any() for p in one.value_model.head.parameters())


def test_what_is_kept_back_is_kept_back_by_customer(shipped):
    cast = [*(choice(n) for n in range(6)), choice(2)]
    _, (reading, *steps) = learned(shipped, cast, replace(QUICK, keep_every=3))
    assert (reading.choices, reading.kept_back) == (4, 3)
    assert all(record.held_out_loss is not None for record in steps)
    _, (alone, *_) = learned(shipped, cast[:1], replace(QUICK, keep_every=3))
    assert (alone.choices, alone.kept_back) == (1, 0)


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"beta": 0.0}, {"lr": -1.0}, {"keep_every": 1}, {"keep_every": -2}, {"patience": 3}]
)
def test_settings_that_cannot_work_are_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DirectConfig(**wrong)


def test_the_broken_losses_are_broken_and_the_turned_votes_turned(shipped):
    log_probs, ref = (-torch.rand(4, 6, generator=torch.Generator().manual_seed(n)) for n in (0, 1))
    mask = torch.tensor([[True] * 6, [True] * 2 + [False] * 4] * 2)
    healthy = dpo_loss(log_probs, ref, mask, 0.5)[0]
    for broken in (without_reference, mean_for_sum):
        assert not torch.isclose(broken(log_probs, ref, mask, 0.5)[0], healthy)
    one, tie = choice(1), vote(Tie(), "a", "b")
    assert turned(turned(one)) == one != turned(one) and turned(tie) == tie


def test_words_are_read_out_of_a_policy_that_says_them_more_often(shipped):
    votes = sixty_votes(shipped, CHEERFUL, 0, n=12)
    taste = Taste.shipped(shipped)
    taste.reward_model, _ = weigh_votes(votes, shipped.tokenizer, None, TasteConfig())
    none = implied_weights(taste, shipped.sft, 0.1, replies=32)
    assert max(map(abs, none.values())) < 1e-4 and none.keys() == taste.reward_model.word_weights().keys()


# ---- figures


@pytest.fixture(scope="module")
def run(shipped):
    votes = sixty_votes(shipped, CHEERFUL, 0, n=12)
    taste, (reading, *steps) = learned(shipped, votes, replace(QUICK, keep_every=4))
    return taste, reading, steps, preferences(votes)[0]


def test_where_the_mass_went_names_both_replies_and_what_was_drawn(shipped, run):
    taste, _, _, pair = run
    rows = moved_replies(shipped.sft, taste.policy, shipped.tokenizer, pair, draws=8)
    assert [row["kind"] for row in rows].count("chosen") == [row["kind"] for row in rows].count("rejected") == 1
    assert all(0 <= row[when] <= 1 for row in rows for when in ("before", "after"))
    changes = [abs(row["after"] - row["before"]) for row in rows]
    assert changes == sorted(changes, reverse=True)
    figure = plots.mass_moved(rows, pair.prompt)
    assert {"chosen", "rejected"} <= {label.get_text().split("← ")[-1] for label in figure.axes[0].get_yticklabels()}


def figures(run):
    _, reading, steps, _ = run
    recorded = [
        {"voter": voter, "seed": seed, "step": step, "loss": 0.6, "held_out_loss": 0.7 - 0.01 * step * (4 - step)}
        for voter in ("one (simulated)", "two (simulated)")
        for seed in (0, 1)
        for step in (1, 2, 3)
    ]
    chart = {name: {"kl": 1.0, "liked": 0.5} for name in ("healthy", "pair swapped")}
    thumbs = [KTORecord(step, 0.5, 0.5, 0.1, -0.1, 0.2, 1.0, 1e-4) for step in (1, 2)]
    return {
        "optimum": plots.optimum_bars(REPLIES, REFERENCE, GOAL, REWARDS, BETA),
        "walks": plots.two_walks(REPLIES, GOAL, {"DPO": [REFERENCE, GOAL], "REINFORCE, with the leash": [REFERENCE]}),
        "fall": plots.chosen_may_fall([(0.0, 0.0), (0.1, -1.0)], (-0.9, -3.2)),
        "nothing yet": plots.direct_progress([reading]),
        "one step": plots.direct_progress([reading, steps[0]]),
        "steps": plots.direct_progress([reading, *steps]),
        "thumbs": plots.direct_progress([reading, *steps, *thumbs]),
        "turn": plots.held_out_turn(recorded, steps),
        "turn, recorded only": plots.held_out_turn(recorded),
        "bars": plots.implied_bars({"!": 1.0, "bye": -0.5}, {"!": 0.1, "bye": 0.02}),
        "broken": plots.broken_runs(dict.fromkeys(chart, steps), chart),
    }


def test_a_stranger_can_read_every_figure(run):
    for name, figure in figures(run).items():
        assert isinstance(figure, Figure) and figure.get_suptitle(), name
        assert_readable(figure)
        lowest = [ax for ax in figure.axes if ax.get_subplotspec().is_last_row()]
        first = [ax for ax in figure.axes if ax.get_subplotspec().is_first_col()]
        assert all(ax.get_xlabel() for ax in lowest) and all(ax.get_ylabel() for ax in first), name


def test_headlines_say_what_is_in_the_figure(run):
    said = {name: figure.get_suptitle() for name, figure in figures(run).items()}
    assert "fallen" in said["fall"] and "1 of the 2" in said["bars"] and "step 2" in said["turn"]
    assert "step 1 of 2" in said["one step"] and "KTO, step 2 of 2" in said["thumbs"]
