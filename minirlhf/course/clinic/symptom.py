"""What a symptom is: what you see, why, how to bring it about here, how to tell it from health, and what helps.

A symptom's `run` is one function of `sick`: both runs are the same but for the lines in which that word stands, and
those are what `line` shows. So the text cannot promise another bug than the one that is run.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Run = Mapping[str, Sequence[float | int]]  # what was measured, by name: one number, or one a step

STAGES = ("SFT", "votes and reward models", "policy gradients and PPO", "DPO and KTO", "GRPO and verifiers")


@dataclass(frozen=True)
class Symptom:
    """One row of the table. `present` is the signature in code: True on the sick run, False on the healthy one."""

    stage: str  # one of STAGES
    sees: str  # what you see, in a sentence
    words: str  # further ways to say it, with TRL's names, apart by semicolons
    cause: str  # why
    sign: str  # the signature in words: what tells it from a healthy run
    present: Callable[[Run], bool]
    cure: str  # what to do about it
    axis: str  # what the numbers are, with their unit
    run: Callable[[bool], Run]  # True: the sick run; False: the healthy one
    threads: tuple[str, ...] = ()  # where people met it: repository#number
    harmless: bool = False  # whether nothing is wrong: it frightens people and is as it should be
    bug: int | None = None  # its number among the twelve commonest

    @property
    def name(self) -> str:
        """A short name to call it by."""
        return self.run.__name__.replace("_", " ")

    @property
    def line(self) -> str:
        """The line that makes the run sick, from the function that runs."""
        source = inspect.getsource(self.run)
        body = source[source.index("\ndef ") :].splitlines()[2:]
        return "\n".join(text.strip() for text in body if "sick" in text)

    @property
    def call(self) -> str:
        """The line that brings it about here."""
        return f'clinic("{self.name}").runs()'

    def runs(self) -> tuple[Run, Run]:
        """The sick run and the healthy one, made anew."""
        return self.run(True), self.run(False)


SYMPTOMS: list[Symptom] = []


def symptom(
    stage: str,
    *,
    sees: str,
    words: str,
    cause: str,
    sign: str,
    present: Callable[[Run], bool],
    cure: str,
    axis: str,
    threads: str = "",
    harmless: bool = False,
    bug: int | None = None,
) -> Callable[[Callable[[bool], Run]], Callable[[bool], Run]]:
    """Enter a function of `sick` into the table, under its own name."""
    if stage not in STAGES:
        raise ValueError(f"There is no stage {stage!r}; there are {', '.join(STAGES)}.")

    def enter(run: Callable[[bool], Run]) -> Callable[[bool], Run]:
        if list(inspect.signature(run).parameters) != ["sick"]:
            raise ValueError(f"{run.__name__} takes one argument, `sick`.")
        met = tuple(threads.split())
        SYMPTOMS.append(
            Symptom(stage, sees, words, cause, sign, present, cure, axis, run, met, harmless=harmless, bug=bug)
        )
        return run

    return enter
