"""The ward of lesson 13: recorded runs with a planted defect, or none. You name it; a wrong guess gets a test.

    patient(3)                       what was logged, and ten replies
    patient(3, "nothing is wrong")   your diagnosis, in your words or as the list has it
    patient()                        the list of diagnoses, and how you are doing

What is planted in whom stands in experiments/lesson_13.py, which also records the runs: `minirlhf sweeps ward`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from html import escape
from math import log
from textwrap import fill
from typing import Any

from matplotlib.figure import Figure

from minirlhf.course.clinic.search import likeness, words_of
from minirlhf.course.plots import style
from minirlhf.course.plots.table import message, plain
from minirlhf.course.recorded import read_recorded

RECORDED = "ward"
INLINE = "background:#f3f3f3;color:#222"  # a dark theme would put dark code on our white card
Log = Mapping[str, Sequence[float]]  # a field over the run

PANELS: dict[str, tuple[tuple[str, str], ...]] = {  # field: what the axis says
    "PPO": (
        ("score", "score"),
        ("kl", "KL (nats a reply)"),
        ("first_ratio", "ratio, first minibatch"),
        ("clip_fraction", "clipped (share of tokens)"),
        ("value_loss", "value loss (score²)"),
        ("response_length", "length (tokens)"),
    ),
    "GRPO": (
        ("score", "score"),
        ("kl", "KL (nats a reply)"),
        ("policy_loss", "loss"),
        ("grad_norm", "length of the gradient"),
        ("frac_reward_zero_std", "dead groups (share)"),
        ("response_length", "length (tokens)"),
    ),
    "DPO": (
        ("loss", "loss (nats a choice)"),
        ("held_out_loss", "held-out loss (nats)"),
        ("accuracy", "accuracy (share of pairs)"),
        ("margin", "margin (nats times β)"),
        ("chosen_log_prob", "log π, chosen (nats)"),
        ("rejected_log_prob", "log π, rejected (nats)"),
    ),
}
ROOM = {"policy_loss": 0.05, "kl": 1.0, "first_ratio": 0.02, "clip_fraction": 0.1, "frac_reward_zero_std": 0.2}


@dataclass(frozen=True)
class Diagnosis:
    """What a run may have: its name, further words for it, where to look, and whether a chart shows it there."""

    name: str
    words: str
    look: str  # the test: what one would see if it were this
    read: Callable[["Chart"], str]  # what this chart shows at that place
    present: Callable[["Chart"], bool]


@dataclass(frozen=True, repr=False)
class Chart:
    """One patient: what is said of the run, what was logged, and ten replies with the gold score of each."""

    number: int
    method: str
    told: str
    gold: tuple[float, float]  # of a hundred replies: before training, after
    log: Log
    replies: Sequence[tuple[str, str, float]]
    healthy: Log  # another run of this method, without a defect

    @property
    def title(self) -> str:
        return f"Patient {self.number}: {self.method}"

    @property
    def caption(self) -> str:
        before, after = (style.signed(score, 2) for score in self.gold)
        return f"{self.told}. Gold score of 100 replies to strangers: {before} before, {after} after."

    def figure(self) -> Figure:
        """Six numbers over the run; dashed, a healthy run of the same method."""
        figure = style.new_figure(8.0, 6.6)
        for ax, (field, label) in zip(figure.subplots(3, 2).flat, PANELS[self.method], strict=True):
            style.dress(ax, "", "update" if self.method != "DPO" else "step", label)
            for run, tone, dashes in ((self.healthy, style.PALE, "--"), (self.log, style.colour("RLHF"), "-")):
                ys = run[field]
                ax.plot(range(1, len(ys) + 1), ys, color=tone, linestyle=dashes, linewidth=2)
            if field in ROOM:
                middle = 1.0 if field == "first_ratio" else 0.0
                style.at_least(
                    ax, middle - (ROOM[field] if field in ("policy_loss", "first_ratio") else 0), middle + ROOM[field]
                )
            style.whole_numbers(ax)
        style.caption(figure, "recorded. solid: the patient; dashed: a healthy run of the same method, another seed")
        return style.headline(figure, self.title)

    @property
    def alt(self) -> str:
        ends = "; ".join(f"{label} {self.log[f][0]:.3g} to {self.log[f][-1]:.3g}" for f, label in PANELS[self.method])
        return f"{self.title}. {ends}."

    def __str__(self) -> str:
        lines = [self.title, self.caption, ""]
        for field, label in PANELS[self.method]:
            ys = self.log[field]
            shown = ys if len(ys) <= 8 else [ys[round(i * (len(ys) - 1) / 7)] for i in range(8)]
            lines.append(f"{label:>28}  " + "  ".join(f"{y:.3g}" for y in shown))
        lines += ["", *(f"  {gold:+.1f}  {plain(said)}" for _, said, gold in self.replies)]
        return "\n".join([*lines, "", f'Your diagnosis: patient({self.number}, "…"); patient() lists them.'])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        picture = style.picture(style.drawn(self.figure(), bbox_inches="tight"), self.alt)
        cell = "text-align:left;padding:3px 8px;vertical-align:top;background:#fff"
        rows = "".join(
            f'<tr><td style="{cell};color:#555">{escape(message(asked))}</td><td style="{cell}">'
            f'{escape(plain(said))}</td><td style="{cell};color:{style.ink("gold")}">{style.signed(gold)}</td></tr>'
            for asked, said, gold in self.replies
        )
        head = "".join(f'<th scope="col" style="{cell}">{name}</th>' for name in ("customer", "reply", "gold"))
        box = f"background:#fff;color:{style.INK};padding:12px 16px;max-width:820px;overflow-x:auto"
        return (
            f'<div style="{box}">{picture}'
            f'<p style="margin:8px 0">{escape(self.caption)}</p><table style="color:{style.INK};font-size:13px">'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            f'<p>Your diagnosis: <code style="{INLINE}">patient({self.number}, "…")</code>; '
            f'<code style="{INLINE}">patient()</code> lists them.</p></div>'
        )


def _moves(chart: Chart, field: str) -> str:
    return f"{chart.log[field][0]:.3g} at first, {chart.log[field][-1]:.3g} at the end"


def _rows(chart: Chart, field: str) -> list[float]:
    return list(chart.log.get(field, ()))


def _several_steps(chart: Chart) -> bool:
    return max(_rows(chart, "optimizer_steps"), default=1) > 1


DIAGNOSES: dict[str, Diagnosis] = {
    "healthy": Diagnosis(
        "nothing is wrong",
        "healthy; fine; all well; no defect; a good run; as it should be",
        "Were it healthy, no other test would find anything, and the gold score would have risen",
        lambda chart: f"gold {chart.gold[0]:.2f} before, {chart.gold[1]:.2f} after",
        lambda chart: not any(each.present(chart) for key, each in DIAGNOSES.items() if key != "healthy"),
    ),
    "anew": Diagnosis(
        "the old log-probabilities are taken anew before each step",
        "old recomputed; ratio always 1; nothing is clipped; compares with itself; clip fraction 0; detach",
        "Were it that, nothing at all would be clipped in any update although each makes several steps: look at the "
        "clipped share",
        lambda chart: (
            f"at most {max(_rows(chart, 'clip_fraction'), default=0):.3g} of all tokens clipped, "
            + ("several steps an update" if _several_steps(chart) else "and there is one step an update")
        ),
        lambda chart: _several_steps(chart) and not any(_rows(chart, "clip_fraction")),
    ),
    "sign": Diagnosis(
        "the sign of the KL penalty is turned",
        "kl sign; paid for straying; negative beta; leash pays; kl runs away; no leash",
        "Were it that, straying would pay, and the KL would run to tens of nats: look at its last updates",
        lambda chart: "KL " + _moves(chart, "kl") if "kl" in chart.log else "this method has no KL in a reward",
        lambda chart: chart.method == "PPO" and _rows(chart, "kl")[-1] > 25,
    ),
    "temperature": Diagnosis(
        "replies are sampled at another temperature than they are learned at",
        "temperature; sampling mismatch; first ratio not 1; top-k; dropout; log-probs disagree",
        "Were it that, the ratio of the first minibatch, before any step, would not be 1: look there",
        lambda chart: (
            f"it is between {min(_rows(chart, 'first_ratio')):.3f} and {max(_rows(chart, 'first_ratio')):.3f}"
            if "first_ratio" in chart.log
            else "this method samples nothing"
        ),
        lambda chart: any(abs(ratio - 1) > 1e-3 for ratio in _rows(chart, "first_ratio")),
    ),
    "returns": Diagnosis(
        "the value model is shown rewards in place of returns",
        "value loss too small; value model; rewards for returns; critic; explained variance; learns nothing",
        "Were it that, the value loss would be several times too small at the first update, when all have seen alike "
        "replies: compare it with the dashed line there",
        lambda chart: (
            f"{chart.log['value_loss'][0]:.3f}, beside {chart.healthy['value_loss'][0]:.3f}"
            if "value_loss" in chart.log
            else "this method has no value model"
        ),
        lambda chart: "value_loss" in chart.log and chart.log["value_loss"][0] < 0.4 * chart.healthy["value_loss"][0],
    ),
    "swapped": Diagnosis(
        "chosen and rejected are swapped",
        "pair swapped; labels flipped; columns exchanged; learns the opposite; inverted votes",
        "Were it that, training would look well and replies would get worse by the rule that people follow: "
        "compare the "
        "gold score before and after, and the held-out loss",
        lambda chart: (
            f"gold {chart.gold[0]:.2f} before, {chart.gold[1]:.2f} after; "
            f"held-out loss {chart.log['held_out_loss'][-1]:.3f}"
            if chart.method == "DPO"
            else "there are no pairs here"
        ),
        lambda chart: (
            chart.method == "DPO" and chart.gold[1] < chart.gold[0] - 0.2 and _rows(chart, "held_out_loss")[-1] < log(2)
        ),
    ),
    "itself": Diagnosis(
        "the reference is the policy itself",
        "reference is the policy; shared reference; loss stuck at 0.693; ln 2 for ever; margin 0; ref model same",
        "Were it that, the loss would be ln 2 in every step and the margin 0, while log-probabilities move",
        lambda chart: (
            f"loss {_moves(chart, 'loss')}; margin {_moves(chart, 'margin')}"
            if chart.method == "DPO"
            else "the KL would be 0 throughout: " + _moves(chart, "kl")
        ),
        lambda chart: chart.method == "DPO" and all(abs(x - log(2)) < 1e-5 for x in _rows(chart, "loss")),
    ),
    "passes": Diagnosis(
        "too many passes over too few votes",
        "overfitting; few votes; learned by heart; too many steps; over-trained; learning rate too high; memorised",
        "Were it that, the training loss would be near 0 and the held-out loss above ln 2: look at both",
        lambda chart: (
            f"{chart.log['loss'][-1]:.3f} in training, {chart.log['held_out_loss'][-1]:.3f} held out"
            if chart.method == "DPO"
            else "there are no held-out votes here"
        ),
        lambda chart: chart.method == "DPO" and _rows(chart, "held_out_loss")[-1] > log(2) + 0.05,
    ),
    "unread": Diagnosis(
        "the verifier says right to everything",
        "reward 1 from the start; unparseable gold; verifier broken; all groups dead; no signal; fail open; constant "
        "reward; zero gradient; nothing is learned",
        "Were it that, the score would be 1 from the first update on, every group dead and the gradient 0",
        lambda chart: (
            f"score {_moves(chart, 'score')}; gradient {_moves(chart, 'grad_norm')}"
            if chart.method == "GRPO"
            else "there is no verifier here"
        ),
        lambda chart: chart.method == "GRPO" and min(_rows(chart, "frac_reward_zero_std")) == 1,
    ),
    "literal": Diagnosis(
        "the reward is taken literally: it is paid for something else than help",
        "reward hacking; hacked; cheated; over-optimised; goodhart; literal reward; wrong reward; full stops; gamed",
        "Were it that, the score would climb while the gold score falls: read the replies, and compare gold before and "
        "after",
        lambda chart: (
            f"gold {chart.gold[0]:.2f} before, {chart.gold[1]:.2f} after"
            + (f"; score {_moves(chart, 'score')}" if "score" in chart.log else "; and this method has no reward")
        ),
        lambda chart: (
            chart.method == "GRPO"
            and chart.gold[1] < chart.gold[0] - 0.2
            and _rows(chart, "score")[-1] > _rows(chart, "score")[0] + 1
        ),
    ),
    "score": Diagnosis(
        "the score is paid at every token",
        "value loss huge; reward at every token; dense; paid many times; length is paid",
        "Were it that, the value loss would be a hundred times too high from the first update on",
        lambda chart: (
            f"{chart.log['value_loss'][0]:.3f}, beside {chart.healthy['value_loss'][0]:.3f}"
            if "value_loss" in chart.log
            else "this method has no value model"
        ),
        lambda chart: "value_loss" in chart.log and chart.log["value_loss"][0] > 10 * chart.healthy["value_loss"][0],
    ),
}


@dataclass(frozen=True, repr=False)
class Answer:
    """What is said to a diagnosis: right, or a test that speaks against it."""

    right: bool
    says: str

    def __str__(self) -> str:
        return fill(("✓ " if self.right else "✗ ") + self.says, 100, subsequent_indent="  ")

    __repr__ = __str__


@dataclass(frozen=True, repr=False)
class Round:
    """The diagnoses that there are, and how far the round has come."""

    guesses: Mapping[int, Sequence[bool]]
    patients: Sequence[int]

    @cached_property
    def score(self) -> tuple[int, int, int]:
        """How many were named at the first guess, how many in all, how many there are."""
        at_once = sum(bool(tries) and tries[0] for tries in self.guesses.values())
        return at_once, sum(any(tries) for tries in self.guesses.values()), len(self.patients)

    def __str__(self) -> str:
        marks = []
        for number in self.patients:
            tries = self.guesses.get(number, [])
            mark = f"✓ after {len(tries)}" if any(tries) else f"{len(tries)} tried" if tries else "·"
            marks.append(f"{number}: {mark}")
        at_once, named, n = self.score
        names = [f"  {each.name}" for each in DIAGNOSES.values()]
        return "\n".join(
            [
                f"{n} patients: patient(1) to patient({n}). Each has one of these, and several may have the same:",
                *names,
                "",
                fill("   ".join(marks), 100),
                f"Named: {named} of {n}, {at_once} of them at the first guess.",
            ]
        )

    __repr__ = __str__


_GUESSES: dict[tuple[int, int], list[bool]] = {}  # (seed, patient) -> was each guess right; for this session


def visit(number: int | None, diagnosis: str | None, seed: int) -> Chart | Answer | Round:
    """What `patient` answers."""
    everybody = ward(seed)
    if number is None:
        guesses = {n: tries for (s, n), tries in _GUESSES.items() if s == seed}
        return Round(guesses, list(everybody))
    if number not in everybody:
        raise ValueError(f"There is no patient {number}; there are {', '.join(map(str, everybody))}.")
    chart = everybody[number]
    if diagnosis is None:
        return chart
    meant = diagnosis_meant(diagnosis)
    if meant is None:
        names = "; ".join(each.name for each in DIAGNOSES.values())
        return Answer(False, f"{diagnosis!r} names no diagnosis of the list, so it did not count. There are: {names}.")
    truth = planted(number)
    right, tries = meant == truth, _GUESSES.setdefault((seed, number), [])
    if not any(tries):
        tries.append(right)
    found = DIAGNOSES[truth]
    if right:
        seen = found.read(chart)
        return Answer(True, f"Patient {number}: {found.name}. {found.look}. Here: {seen}.")
    return Answer(False, f"Not {DIAGNOSES[meant].name!r}. {telling_test(chart, meant, truth)}")


def telling_test(chart: Chart, meant: str, truth: str) -> str:
    """The test that tells what was meant from what it is, without saying what it is."""
    wrong, right = DIAGNOSES[meant], DIAGNOSES[truth]
    if meant == "healthy":
        return f"One test finds something. {_as_a_test(right.look)}. Here: {right.read(chart)}."
    return f"{wrong.look}. Here: {wrong.read(chart)}."


def _as_a_test(look: str) -> str:
    """`Were it that, X: look there` as what to look at, so that nothing is named."""
    place = look.rsplit(": ", 1)
    return place[1][0].upper() + place[1][1:] if len(place) == 2 else "Look: " + look.split(", ", 1)[1]


def diagnosis_meant(said: str) -> str | None:
    """The diagnosis that these words are nearest to; None where they say nothing."""
    asked = words_of(said)
    scores = {}
    for key, each in DIAGNOSES.items():
        ways = [frozenset(words_of(way)) for way in (key, each.name, *each.words.split(";"))]
        everything = frozenset().union(*ways)
        near = [likeness(word, everything) for word in asked]
        found = frozenset(word for alike, word in near if alike)
        whole = max((len(found & way) / len(found | way) for way in ways if way), default=0.0) if found else 0.0
        scores[key] = sum(alike for alike, _ in near) / max(len(asked), 1) + 2 * whole
    best = max(scores, key=lambda key: scores[key])
    return best if scores[best] > 0.8 else None


def planted(number: int) -> str:
    """What a patient has: a key of DIAGNOSES."""
    from minirlhf.course.experiments.lesson_13 import WARD  # asked for late, so that the ward opens quickly

    return WARD[number].diagnosis


@cache
def ward(seed: int) -> dict[int, Chart]:
    """All patients of this seed, by number; each beside a healthy run of its method with another seed."""
    rows = read_recorded(RECORDED)
    seeds = sorted({row["seed"] for row in rows})
    if seed not in seeds:
        raise ValueError(f"No ward was recorded with seed {seed}; there are {', '.join(map(str, seeds))}.")
    heads = {(row["patient"], row["seed"]): row for row in rows if "method" in row}
    other = seeds[(seeds.index(seed) + 1) % len(seeds)]
    charts = {}
    for (number, of), head in heads.items():
        if of == seed:
            twin = next(n for n, s in heads if planted(n) == "healthy" and heads[n, s]["method"] == head["method"])
            replies = [(row["asked"], row["said"], row["gold"]) for row in _of(rows, number, seed, "said")]
            gold = (head["gold_before"], head["gold_after"])
            logs = (_log(rows, number, seed), _log(rows, twin, other))
            charts[number] = Chart(number, head["method"], head["told"], gold, logs[0], replies, logs[1])
    return charts


def _of(rows: Sequence[Mapping[str, Any]], number: int, seed: int, column: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["patient"] == number and row["seed"] == seed and column in row]


def _log(rows: Sequence[Mapping[str, Any]], number: int, seed: int) -> dict[str, list[float]]:
    steps = sorted(_of(rows, number, seed, "step"), key=lambda row: row["step"])
    fields = [name for name in steps[0] if name not in ("patient", "seed", "step")]
    return {field: [step[field] for step in steps] for field in fields}
