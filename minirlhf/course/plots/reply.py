"""What one reply of a rollout was paid, token by token, and what was expected of it on the way.

    pay_slip(rollout, rewards, tokenizer, row=3)                   penalties, and the score at the end
    expectations(rollout, rewards, estimates, tokenizer, row=3)    the value before each token, and the advantage

`row` says which reply of the batch.
"""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minirlhf.course.plots.language import (
    INK,
    SMALL,
    at_least,
    colour,
    drawable,
    dress,
    headline,
    ink,
    new_figure,
    signed,
)
from minirlhf.course.plots.microscope import pieces_of
from minirlhf.course.plots.strip import visible
from minirlhf.ops import PerToken
from minirlhf.ppo import Estimate
from minirlhf.rollout import Rollout
from minirlhf.tokenizer import Tokenizer


def pay_slip(rollout: Rollout, rewards: PerToken, tokenizer: Tokenizer, row: int = 0, by: str = "") -> Figure:
    """What each token of a reply was paid: penalties along the way, the score at its end. `by`: whose rewards."""
    mask = rollout.response_mask[row]
    paid, score = rewards[row][mask].tolist(), rollout.score[row].item()
    penalties = [*paid[:-1], paid[-1] - score]
    pieces = _reply(rollout, tokenizer, row)
    figure = new_figure(max(6.5, 1.5 + 0.42 * len(paid)), 4.2)
    ax = dress(figure.add_subplot(), "", "token of the reply", "reward (units of the score)")
    ax.bar(range(len(paid)), penalties, color=colour("SFT"), width=0.7)
    base = max(penalties[-1], 0.0) if score > 0 else min(penalties[-1], 0.0)
    ax.bar(len(paid) - 1, score, bottom=base, color=colour("proxy"), width=0.7, hatch="//", edgecolor="white")
    ax.axhline(0, color=INK, linewidth=1)
    at_least(ax, min(base + score, 0) - 0.3, max(base + score, 0) + 0.25)
    ax.annotate(
        f"score {signed(score, 2)}",
        (len(paid) - 1, base + score),
        xytext=(-6, 6 if score > 0 else -6),
        textcoords="offset points",
        ha="right",
        va="bottom" if score > 0 else "top",
        fontsize=SMALL + 1,
        fontweight="bold",
        color=ink("proxy"),
    )
    ax.annotate(
        f"penalties {signed(sum(penalties), 2)} in all",
        (0.01, 0.97),
        xycoords="axes fraction",
        va="top",
        fontsize=SMALL + 1,
        fontweight="bold",
        color=ink("SFT"),
    )
    _token_axis(ax, pieces)
    total = signed(sum(paid), 2)
    headline(
        figure,
        f"Score {signed(score, 2)}, penalties {signed(sum(penalties), 2)}: this reply earns {total}"
        + (f"\n({by})" if by else ""),
    )
    return figure


def expectations(
    rollout: Rollout, rewards: PerToken, estimates: Estimate, tokenizer: Tokenizer, row: int = 0
) -> Figure:
    """What the value model expected before each token and what was still to come, and the raw advantages."""
    mask = rollout.response_mask[row]
    values, returns = estimates.values[row][mask].tolist(), estimates.returns[row][mask].tolist()
    advantages = [r - v for r, v in zip(returns, values, strict=True)]
    still = rewards[row][mask].flip(0).cumsum(0).flip(0).tolist()  # what is paid from this token on
    earned = still[0]
    figure = new_figure(max(6.5, 1.5 + 0.42 * len(values)), 5.4)
    above, below = figure.subplots(2, 1, sharex=True)
    dress(above, "Expected from here on (value before the token)", "", "score units")
    above.plot(values, color=colour("RLHF"), linewidth=2, marker="o", markersize=4)
    above.step(range(len(still)), still, where="mid", color=ink("proxy"), linewidth=1.4, linestyle=(0, (5, 3)))
    at_least(above, min(0.0, *still) - 0.2, max(0.0, *still) + 0.35)
    above.annotate(
        "dashed: what was still to be earned",
        (1, 1),
        xycoords="axes fraction",
        xytext=(-2, 4),
        ha="right",
        textcoords="offset points",
        fontsize=SMALL,
        color=ink("proxy"),
    )
    dress(below, "Better or worse than expected (advantage)", "token of the reply", "score units")
    bars = below.bar(range(len(values)), advantages, color=colour("SFT"), width=0.7)
    for bar, advantage in zip(bars, advantages, strict=True):
        if advantage < 0:
            bar.set_color(colour("RLHF"))
    below.axhline(0, color=INK, linewidth=1)
    above.tick_params(labelbottom=False)
    _token_axis(below, _reply(rollout, tokenizer, row))
    headline(figure, f"Expected {signed(values[0], 2)} before the first word, earned {signed(earned, 2)}")
    return figure


def _reply(rollout: Rollout, tokenizer: Tokenizer, row: int) -> list[str]:
    """The tokens of a reply, as labels below an axis."""
    pieces = pieces_of(rollout, tokenizer, row)
    return [drawable(visible(pieces[t])) for t in rollout.response_mask[row].nonzero().flatten().tolist()]


def _token_axis(ax: Axes, pieces: Sequence[str]) -> None:
    ax.set_xticks(range(len(pieces)), pieces, rotation=60, ha="right", rotation_mode="anchor", parse_math=False)
    ax.set_xlim(-0.7, len(pieces) - 0.3)
