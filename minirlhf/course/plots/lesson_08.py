"""Your own taste: sixty votes of yours beside those of recorded voters."""

from math import isnan

from matplotlib.figure import Figure

from minirlhf.course.plots import style
from minirlhf.course.plots.rows import Row, Rows, distinct, mean, select

VOTERS = {  # column: the question that it answers, its unit, whose colour
    "foreseen": ("Did they\nvote steadily?", "choices foreseen\n(% of theirs)", "proxy"),
    "pleased": ("Do they like\nwhat they got?", "new reply preferred\n(% of pairs)", "RLHF"),
    "gold": ("Does it\nstill help?", "gold score, after − before\n(points)", "gold"),
}


def voters_compared(rows: Rows, yours: Row) -> Figure:
    """The results of sixty votes: recorded voters, a dot a seed and a line for their mean; a ring is the run made here.

    Rows hold `taste`, `foreseen` and `pleased` (shares) and `gold` (points gained); so does `yours`, where a nan is
    what nobody has said yet: there is no ring then.
    """
    voters = {name: select(rows, taste=name) for name in distinct(rows, "taste")}
    names = sorted(sorted(voters), key=lambda name: -mean(voters[name], "pleased"))
    figure = style.new_figure(8.0, 2.2 + 0.36 * (len(names) + 1))
    panels = figure.subplots(1, len(VOTERS), sharey=True)
    for ax, (column, (title, unit, tone)) in zip(panels, VOTERS.items(), strict=True):
        style.dress(ax, title, unit, "", grid="x")
        scale = 1 if column == "gold" else 100
        look = {"s": 30, "color": style.colour(tone), "edgecolor": style.ink(tone), "linewidth": 0.8, "zorder": 3}
        for height, name in enumerate(names, start=1):
            dots = [scale * row[column] for row in voters[name]]
            ax.scatter(dots, [height] * len(dots), **look)
            middle = scale * mean(voters[name], column)
            ax.plot([middle], [height], marker="|", markersize=13, markeredgewidth=2, color=style.INK, zorder=2)
        if isnan(yours[column]):
            style.note(ax, "not judged yet", (0.5, 0), of="row", color=style.PALE, ha="center")
        else:
            style.ring(ax, scale * yours[column], 0, 1.8)
        ax.axvline(0 if column == "gold" else 50, color=style.PALE, linewidth=1.2, linestyle=style.DASHED, zorder=1)
    style.name_rows(panels[0], [yours["taste"], *names], "voter")
    panels[0].get_yticklabels()[0].set_fontweight("bold")
    seeds = len(distinct(rows, "seed"))
    dots = f"recorded, simulated voters, {seeds} seeds: a dot each, | the mean"
    style.caption(figure, f"{dots}; ring: made here; dashed: a coin, no change")
    liked = sum(mean(mine, "pleased") > 0.5 for mine in voters.values())
    poorer = sum(mean(mine, "gold") < 0 for mine in voters.values())
    title = f"Voters who prefer their new model: {liked} of {len(names)}; models that help less: {poorer}"
    return style.headline(figure, title)
