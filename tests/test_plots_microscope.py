"""The microscope shows PPO's own numbers, and every line of its arithmetic can be worked out from what stands in it."""

import math
import re
from copy import deepcopy
from dataclasses import fields, replace
from itertools import product

import pytest
import torch
from readable import assert_readable
from tiny import TYPED, generator, lively, small_tokenizer, trunk

from minirlhf.advantages import gae, token_rewards
from minirlhf.course.plots import expectations, four_models, leash_plot, leash_progress, microscope, pay_slip, symptoms
from minirlhf.course.plots.lesson_07_microscope import NOTES
from minirlhf.losses import clipped_policy_loss
from minirlhf.model import CausalLM, ValueModel
from minirlhf.ops import token_log_probs
from minirlhf.ppo import PPOConfig, PPORecord, estimate, ppo_update
from minirlhf.rollout import collect
from minirlhf.training import new_state

CONFIG = PPOConfig(batch_size=8, max_new_tokens=9, beta=0.3, lam=0.9, clip=0.1, lr=3e-3, epochs=3)
TOKENIZER = small_tokenizer()
PROMPTS = [TOKENIZER.encode(text) for text in ("Customer: lamp\nAgent:", "Customer: my chairs!\nAgent:")] * 4


@pytest.fixture(scope="module")
def looked_at():
    """A rollout of a policy that has strayed, what PPO made of it, and the policy after an update on it."""
    reference = CausalLM(trunk(0, TYPED))
    policy, value_model = lively(deepcopy(reference), 1, 0.1), lively(ValueModel(trunk(1, TYPED)), 2, 0.1)

    def reward(tokens, mask):
        return (mask.sum(dim=1) % 3).float() - 1.5

    rollout = collect(policy, reference, reward, PROMPTS, 9, generator(), -2.0)
    mask = rollout.response_mask
    rewards = token_rewards(rollout.score, rollout.log_probs, rollout.ref_log_probs, mask, CONFIG.beta)
    estimates = estimate(rollout, value_model, CONFIG.beta, CONFIG)
    student = deepcopy(policy)
    ppo_update(student, value_model, rollout, estimates, CONFIG, new_state(0, policy=student, value_model=value_model))
    return rollout, rewards, estimates, policy, student


def strips(looked_at):
    rollout, rewards, estimates, _, student = looked_at
    for row in range(len(rollout.tokens)):
        yield row, microscope(rollout, rewards, estimates, student, CONFIG, TOKENIZER, row)


def number(shade, t):
    """What a strip's label says, as a number."""
    return float(shade["labels"][t].replace("−", "-").replace("+", ""))


def calculations(detail):
    """Each line's last two sides of an equation: what is to be worked out, and what it is said to be."""
    for line in detail.splitlines():
        sides = line.split(" = ")
        if len(sides) > 2:
            yield line, sides[-2], sides[-1]


def span(expression, penalty):
    """The least and the most that an expression can be, if its numbers with three decimals have been rounded."""
    plain = expression.replace("−", "-").replace("·", "*")
    shown = re.findall(r"\d+\.\d{3}(?!\d)", plain)
    pattern = re.sub(r"\d+\.\d{3}(?!\d)", "{}", plain)
    shifts = product((-0.0005, 0.0005), repeat=len(shown))
    values = [
        eval(
            pattern.format(*(f"({float(x) + d})" for x, d in zip(shown, shift, strict=True))),
            {"exp": math.exp, "max": max, "penalty": penalty},
        )
        for shift in shifts
    ]
    return min(values), max(values)


def test_every_line_can_be_worked_out_from_the_numbers_in_it(looked_at):
    worked = set()
    for _, strip in strips(looked_at):
        for detail in strip.view["details"]:
            penalty = None
            for line, expression, result in calculations(detail):
                low, high = span(expression, penalty)
                half = 0.5 * 10 ** -len(result.split(".")[1])
                said = float(result.replace("−", "-"))
                assert low - half - 1e-9 <= said <= high + half + 1e-9, line
                penalty = said if line.startswith("penalty") else penalty
                worked.add(line.split(" = ")[0])
    assert len(worked) == 9, worked


def test_a_tokens_numbers_are_handed_on_to_its_neighbours(looked_at):
    """V_next and A_next of one token are V and A of the token after it, and nothing comes after the last."""
    for row, strip in strips(looked_at):
        told = [detail for detail in strip.view["details"] if "TD error" in detail]
        assert len(told) == int(looked_at[0].response_mask[row].sum())
        value = [re.search(r"V = .* − (\S+) = \S+\n", detail).group(1).strip("()") for detail in told]
        after = [re.search(r"V = .* \+ 1 · (\S+) − ", detail).group(1).strip("()") for detail in told]
        assert after == [*value[1:], "0.000"]
        advantage = [re.search(r"A_next = .* = (\S+)\n", detail).group(1) for detail in told]
        passed_on = [re.search(r"0\.9 · (\S+) = \S+\n", detail).group(1).strip("()") for detail in told]
        assert passed_on == [*advantage[1:], "0.000"]


def test_the_shares_of_all_tokens_add_up_to_the_policy_loss(looked_at):
    rollout, _, estimates, _, student = looked_at
    mask = rollout.response_mask
    with torch.no_grad():
        now = token_log_probs(student(rollout.tokens), rollout.tokens, mask)
    loss, stats = clipped_policy_loss(now, rollout.log_probs, estimates.advantages, mask, CONFIG.clip)
    shares, clipped = 0.0, 0
    for _, strip in strips(looked_at):
        shares += sum(
            float(re.search(r"batch = .* = (\S+)", detail).group(1).replace("−", "-"))
            for detail in strip.view["details"]
            if "batch = " in detail
        )
        clipped += sum(detail.splitlines()[-1].startswith("clipped") for detail in strip.view["details"])
    assert shares == pytest.approx(loss.item(), abs=1e-6 * int(mask.sum()))
    assert 0 < clipped == round(stats["clip_fraction"] * int(mask.sum()))


def test_before_an_update_nothing_has_moved_and_a_copy_pays_nothing(looked_at):
    rollout, rewards, estimates, policy, _ = looked_at
    strip = microscope(rollout, rewards, estimates, policy, CONFIG, TOKENIZER, row=2)
    shades = {shade["name"]: shade for shade in strip.view["shades"]}
    assert list(shades) == list(NOTES)
    spoken = rollout.response_mask[2].nonzero().flatten().tolist()
    assert all(number(shades["ratio − 1"], t) == 0 for t in spoken)
    copy = replace(rollout, ref_log_probs=rollout.log_probs)
    mask = rollout.response_mask
    rewards = token_rewards(copy.score, copy.log_probs, copy.ref_log_probs, mask, CONFIG.beta)
    _, returns = gae(rewards, estimates.values, mask, CONFIG.gamma, CONFIG.lam)
    strip = microscope(copy, rewards, estimates._replace(returns=returns), policy, CONFIG, TOKENIZER, row=2)
    shades = {shade["name"]: shade for shade in strip.view["shades"]}
    for name in ("log-ratio", "penalty"):
        assert all(number(shades[name], t) == 0 for t in spoken)
    assert [number(shades["reward"], t) for t in spoken[:-1]] == [0] * (len(spoken) - 1)
    assert number(shades["reward"], spoken[-1]) == pytest.approx(copy.score[2].item(), abs=0.01)


def test_the_prompt_does_not_count(looked_at):
    _, strip = next(strips(looked_at))
    prompt = len(PROMPTS[0])
    assert all(tone is None for shade in strip.view["shades"] for tone in shade["tones"][:prompt])
    assert all("did not choose" in detail for detail in strip.view["details"][:prompt])
    assert not any("did not choose" in detail for detail in strip.view["details"][prompt:])


def test_numbers_of_another_batch_are_refused(looked_at):
    rollout, rewards, estimates, policy, _ = looked_at
    for wrong in (
        (rollout, rewards + rollout.response_mask.float(), estimates, policy, CONFIG),
        (rollout, rewards, estimates, policy, replace(CONFIG, beta=0.4)),
        (rollout, rewards, estimates, policy, replace(CONFIG, lam=0.5)),
    ):
        with pytest.raises(ValueError, match="do not belong to this rollout"):
            microscope(*wrong, TOKENIZER)


# ---- the other figures of the lesson


def records(updates, **shift):
    blank = PPORecord(**{field.name: field.type(0) for field in fields(PPORecord)})
    return [
        replace(blank, update=u, score=0.1 * u, kl=0.5 * u, value_loss=0.2 / u, ended=1.0, beta=0.5 / u, **shift)
        for u in range(1, updates + 1)
    ]


ROWS = [
    {"beta": beta, "seed": seed, "score": 1 - beta, "gold": 2 - beta, "kl": 1 / (beta + 0.1)}
    for beta in (0.0, 0.2, 0.5)
    for seed in (0, 1)
]
LIVE = {"beta": 0.1, "score": 0.7, "gold": 1.5, "kl": 4.5}
FIGURES = {
    "pay slip": lambda r: pay_slip(r[0], r[1], TOKENIZER, 2, "your my_token_rewards"),
    "expectations": lambda r: expectations(r[0], r[1], r[2], TOKENIZER, 2),
    "four models": lambda _: four_models(),
    "symptoms": lambda _: symptoms({"healthy": records(8), "A": records(8, clip_fraction=0.1), "B": records(3)}, 8),
    "symptoms, begun": lambda _: symptoms({"healthy": records(1), "A": [], "B": []}, 8),
    "leash": lambda _: leash_plot(ROWS, LIVE, start=1.2),
    "leash, no run": lambda _: leash_plot(ROWS),
    "adaptive": lambda _: leash_progress(records(5), 2.0, "your my_adapt_beta", 12),
    "adaptive, one update": lambda _: leash_progress(records(1), 2.0),
}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.filterwarnings("error")
def test_every_figure_is_drawn_and_its_axes_can_be_read(name, looked_at):
    figure = FIGURES[name](looked_at)
    assert_readable(figure)
    if name == "four models":
        return
    assert figure.get_suptitle()
    assert any(ax.get_xlabel() for ax in figure.axes) and any(ax.get_ylabel() for ax in figure.axes)


def test_the_pay_slip_shows_what_was_paid(looked_at):
    rollout, rewards, *_ = looked_at
    mask = rollout.response_mask[2]
    ax = pay_slip(rollout, rewards, TOKENIZER, 2).axes[0]
    *penalties, score = ax.patches
    assert score.get_height() == pytest.approx(rollout.score[2].item())
    heights = [bar.get_height() for bar in penalties]
    assert heights[:-1] == pytest.approx(rewards[2][mask][:-1].tolist())
    assert sum(heights) + score.get_height() == pytest.approx(rewards[2][mask].sum().item(), abs=1e-5)


def test_expectations_show_values_and_advantages(looked_at):
    rollout, rewards, estimates, *_ = looked_at
    mask = rollout.response_mask[2]
    above, below = expectations(rollout, rewards, estimates, TOKENIZER, 2).axes
    assert list(above.lines[0].get_ydata()) == pytest.approx(estimates.values[2][mask].tolist())
    heights = [bar.get_height() for bar in below.patches]
    assert heights == pytest.approx((estimates.returns - estimates.values)[2][mask].tolist(), abs=1e-5)


def test_symptoms_stand_beside_the_healthy_run():
    figure = symptoms({"healthy": records(4), "A": records(4, clip_fraction=0.1), "B": records(4)}, 8)
    assert [ax.get_title(loc="left") for ax in figure.axes[:2]] == ["A", "B"]
    clipped = figure.axes[4]
    healthy, sick = (list(line.get_ydata()) for line in clipped.lines)
    assert healthy == [0.0] * 4 and sick == [0.1] * 4
    assert clipped.lines[0].get_linestyle() == "--" != clipped.lines[1].get_linestyle()


def test_the_leash_says_recorded_and_stars_the_live_run():
    figure = leash_plot(ROWS, LIVE)
    assert "recorded, 2 seeds" in figure.get_suptitle() and "your run" in figure.get_suptitle()
    assert "highest at β = 0 " in figure.get_suptitle()
    worth, distance = figure.axes
    assert [tick.get_text() for tick in worth.get_xticklabels()] == ["0", "0.1", "0.2", "0.5"]
    stars = [line for ax in (worth, distance) for line in ax.lines if line.get_marker() == "*"]
    assert sorted(float(star.get_ydata()[0]) for star in stars) == [0.7, 1.5, 4.5]
    assert "your run" not in leash_plot(ROWS).get_suptitle()
