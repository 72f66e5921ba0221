"""Do sixty votes change a model as the voter likes? Ten simulated tastes, three seeds.

    python -m minirlhf.course.experiments.ten_tastes

Each simulated person votes on pairs of the SFT model's replies, one click in ten at random; the model learns from
these votes alone, and then answers held-out customers, and the person's own rule judges. The person who loves few
words stands there twice: without the length as a feature, only the words of long replies can say "short".
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import sqrt
from pathlib import Path
from statistics import mean, stdev
from time import perf_counter

import tyro
from tqdm.auto import tqdm

from minirlhf.evaluate import win_rate
from minirlhf.feedback.asking import write_questions
from minirlhf.feedback.simulated import TEN_TASTES, Person, simulate
from minirlhf.feedback.votes import Vote
from minirlhf.machine.runtime import pin_threads
from minirlhf.paths import REPOSITORY
from minirlhf.ppo import PPORecord
from minirlhf.recipes.pipeline import Checkpoints, load_shipped
from minirlhf.recipes.taste import Reading, Taste, TasteConfig, learn_taste
from minirlhf.worlds import helpdesk

LINE = "{:<22}{:>5}{:>9}{:>9}{:>16}{:>12}{:>7}{:>12}{:>15}{:>9}  {}"
HEAD = LINE.format(
    "taste", "seed", "before", "after", "change (95 %)", "deviations", "KL", "foreseen", "gold", "seconds", ""
)


@dataclass(frozen=True)
class TasteRow:
    """One person and one seed: what the person's own rule gives the replies before and after."""

    taste: str
    seed: int
    before: float
    after: float
    half: float  # the change lies within this of the one measured, 95 times in 100
    spread: float  # the deviation of the replies before
    pleased: float  # the share of customers whose new reply the rule prefers, ties half
    kl: float
    choices: int
    foreseen: int
    gold_before: float  # what it did to the help itself
    gold_after: float
    seconds: float  # from the votes to the changed model

    @property
    def change(self) -> float:
        return self.after - self.before

    @property
    def clear(self) -> bool:
        """Whether it rose for sure, and far enough to be seen: by a deviation of the replies before, or more."""
        return self.change > self.half and self.change >= self.spread

    def __str__(self) -> str:
        return LINE.format(
            self.taste,
            self.seed,
            f"{self.before:+.2f}",
            f"{self.after:+.2f}",
            f"{self.change:+.2f} ± {self.half:.2f}",
            f"{self.change / self.spread:+.1f}",
            f"{self.kl:.1f}",
            f"{self.foreseen} of {self.choices}",
            f"{self.gold_before:+.2f} → {self.gold_after:+.2f}",
            f"{self.seconds:.1f}",
            "clear" if self.clear else "-",
        )


def taste_table(
    shipped: Checkpoints,
    people: Mapping[str, Person] = TEN_TASTES,
    seeds: Sequence[int] = (0, 1, 2),
    votes: int = 60,
    customers: int = 200,
    config: TasteConfig | None = None,
) -> Iterator[TasteRow]:
    """A row for every person and seed, as they come."""
    config = config or TasteConfig()
    runs = [(name, seed, config) for name in people for seed in seeds]
    if "short" in people:
        blind = replace(config, count_length=False)
        runs += [("short", seed, blind) for seed in seeds]
    for name, seed, settings in tqdm(runs, desc="tastes", leave=False):
        row = measure_taste(shipped, name, people[name], seed, votes, customers, replace(settings, seed=seed))
        yield row if settings.count_length else replace(row, taste=f"{name}, length blind")


def measure_taste(
    shipped: Checkpoints, name: str, person: Person, seed: int, votes: int, customers: int, config: TasteConfig
) -> TasteRow:
    """One simulated person votes, the model learns, and the same person's rule judges it on held-out customers."""
    choices, taste = let_vote(shipped, person, votes, seed), Taste.shipped(shipped)
    start = perf_counter()  # only now: casting the votes is the learner's own time
    records = list(learn_taste(taste, choices, config))
    seconds = perf_counter() - start
    reading = next(record for record in records if isinstance(record, Reading))
    kl = next((record.kl for record in reversed(records) if isinstance(record, PPORecord)), 0.0)
    prompts = shipped.prompts("held_out", customers)
    replies = taste.answers(prompts, person.score, seed)
    before, after = (replies[model].scores for model in ("SFT", "RLHF"))
    gains = [b - a for a, b in zip(before, after, strict=True)]
    prompt_texts = [shipped.tokenizer.decode(ids) for ids in prompts.prompts]
    gold = {model: mean(map(helpdesk.gold, prompt_texts, column.texts)) for model, column in replies.items()}
    return TasteRow(
        name,
        seed,
        mean(before),
        mean(after),
        1.96 * stdev(gains) / sqrt(len(gains)),
        stdev(before),
        win_rate(after, before).rate,
        kl,
        reading.choices,
        reading.foreseen,
        gold["SFT"],
        gold["RLHF"],
        seconds,
    )


def let_vote(shipped: Checkpoints, person: Person, n: int, seed: int) -> list[Vote]:
    """A simulated person's votes on n pairs of the SFT model's replies."""
    questions = write_questions(shipped.sft, shipped.prompts("train"), shipped.tokenizer, n, seed=seed)
    return simulate(questions, person, seed)


def verdict(rows: Sequence[TasteRow]) -> str:
    """How many tastes were taken up, which takes every seed."""
    names = sorted({row.taste for row in rows if "," not in row.taste})
    taken_up = {name: all(row.clear for row in rows if row.taste == name) for name in names}
    missed = ", ".join(name for name, clear in taken_up.items() if not clear) or "none"
    return f"{sum(taken_up.values())} of {len(taken_up)} tastes rise clearly on every seed; not so: {missed}."


def main(out: Path = REPOSITORY / "runs" / "tastes.json", seeds: int = 3, votes: int = 60, coin: float = 0.2) -> None:
    """Measure what sixty votes of ten simulated people do to the shipped SFT model.

    Args:
        out: where to write every row
        seeds: how often to repeat everything
        votes: how many votes each person casts
        coin: the share of clicks that a coin decides; half of these fall on the wrong side
    """
    pin_threads()
    rows: list[TasteRow] = []
    tqdm.write(HEAD)
    people = {name: replace(person, lapse=coin) for name, person in TEN_TASTES.items()}
    for row in taste_table(load_shipped(), people, range(seeds), votes):
        tqdm.write(str(row))
        rows.append(row)
        write(rows, out)  # at once: a run that is stopped leaves what it has measured
    print(f"{verdict(rows)}\nEvery row is in {out}")


def write(rows: Sequence[TasteRow], out: Path) -> None:
    """All rows so far, as JSON."""
    out.parent.mkdir(parents=True, exist_ok=True)
    described = [asdict(row) | {"change": row.change, "clear": row.clear} for row in rows]
    out.write_text(json.dumps({"rows": described}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    tyro.cli(main)
