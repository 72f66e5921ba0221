"""What is wrong with a learner's numbers, worked out and not looked up.

A candidate says what would come out if one thing were wrong: the right function on changed inputs (a mask turned
round, two arguments swapped), the right numbers changed afterwards (their sign, half of them, one place early), or
the right function asked about each row or each token alone. A candidate becomes a thought only if it gives the
learner's numbers on every case; the simplest one that does is told. It knows no exercise by name, so it serves those
to come as well.
"""

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from minirlhf.course.check.alike import all_same
from minirlhf.course.check.arguments import beforehand, input_changes
from minirlhf.course.check.behaviour import Behaviour
from minirlhf.course.check.evidence import Cases, Change, Inputs, Outputs, applied, changed_outputs
from minirlhf.course.check.factors_and_terms import apart_from_ours
from minirlhf.course.check.groups import in_groups
from minirlhf.course.check.instead import something_else
from minirlhf.course.check.means import in_parts
from minirlhf.course.check.mutants import Mutant, mutants, of_exercise
from minirlhf.course.check.scale_and_order import OUTPUT_CHANGES, afterwards
from minirlhf.course.check.tried import Tried
from minirlhf.course.exercises import Exercise

LONGEST_SEARCH = 1.0  # seconds for thoughts that are made of two


def diagnose(all_tried: Sequence[Tried], exercise: Exercise, behaviour: Behaviour) -> str:
    """The one thing, or else the two, that explain the numbers of every case; nothing where none does."""
    cases = Cases(all_tried, exercise, list(behaviour.fresh()), behaviour.unused)
    if not cases.tells:
        return ""
    tensors = any(isinstance(x, Tensor) for x in cases.first.case.inputs)
    stages = [beforehand(cases), in_parts(cases), inside(cases)]  # plain numbers fit each other's places by chance
    bools = all(x.dtype == torch.bool for x in cases.first.ours.outputs)
    for candidates in (
        something_else(cases) if bools else iter(()),
        afterwards(cases),
        in_groups(cases),
        *(stages if tensors else reversed(stages)),
        apart_from_ours(cases),
        something_else(cases),
        _two_at_once(cases),
        _all_but_one(cases),
        _on_top_of_known_mistakes(cases),
    ):
        for words in candidates:
            return words
    return ""


def inside(cases: Cases) -> Iterator[str]:
    """What comes out of the formula with one thing in it changed; where two changes give the same, both are told."""
    found: list[Mutant] = []
    for mutant in of_exercise(cases.exercise):
        if found and (mutant.right == found[0].right or mutant.how.startswith((_kind(found[0]), *FAR_FETCHED))):
            continue
        if cases.fits(_predicting(cases, mutant)):
            found.append(mutant)
        if len(found) > 1:
            break
    for first, *others in [found] if found else []:
        also = "".join(f" (They do too if `{m.wrong}` stands where `{m.right}` belongs.)" for m in others if m.wrong)
        yield first.words + also


FAR_FETCHED = ("A number", "One is", "It is", "An exp", "A logarithm", "A root", "A square is too", "A mean stands")


def _kind(mutant: Mutant) -> str:
    return mutant.how.split(",")[0]


def _predicting(cases: Cases, mutant: Mutant) -> Callable[[Tried], Outputs | None]:
    return lambda tried: cases.run(mutant.function, cases.inputs(tried))


def _all_but_one(cases: Cases) -> Iterator[str]:
    """What explains every case but an edge, which somebody may treat in a way of their own."""
    for mutant in of_exercise(cases.exercise):
        if (missed := cases.missed(_predicting(cases, mutant))) is not None:
            yield f"{mutant.words} (That explains all but {missed}.)"
    for mistake in cases.exercise.mistakes:
        if (missed := cases.missed(lambda tried, f=mistake.wrong: cases.run(f, cases.inputs(tried)))) is not None:
            yield f"{mistake.hint} (That explains all but {missed}.)"


def _on_top_of_known_mistakes(cases: Cases) -> Iterator[str]:
    """A known mistake, and one thing more in how it is written."""
    end = perf_counter() + LONGEST_SEARCH
    if not any(isinstance(x, Tensor) for x in cases.first.case.inputs):
        return  # a few plain numbers are too few for two things that are both far away
    for mistake in cases.exercise.mistakes:
        for mutant in mutants(mistake.wrong):
            if perf_counter() > end:
                return
            if cases.fits(lambda tried, f=mutant.function: cases.run(f, cases.inputs(tried))):
                more = f"{mutant.how}, as in `{mutant.wrong}`." if mutant.wrong else f"{mutant.how}."
                yield f"Two things at once. {mistake.hint} And: {more}"


def _two_at_once(cases: Cases) -> Iterator[str]:
    """A known mistake, or a change of the inputs, and one thing more. Whole numbers are too few to tell them apart."""
    if not all(x.is_floating_point() for x in cases.first.ours.outputs):
        return
    end = perf_counter() + LONGEST_SEARCH
    solution = cases.exercise.solution
    changes = list(input_changes(cases))
    wrong = list(range(len(cases.exercise.outputs)))
    halves: list[tuple[str, Callable, Change | None]] = [(m.hint, m.wrong, None) for m in cases.exercise.mistakes]
    halves += [(change.words, solution, change) for change in changes]
    formulas: list[tuple[str, Callable, Change | None]] = [
        (m.words, m.function, None) for m in of_exercise(cases.exercise)
    ]
    mine = cases.first.yours.outputs

    def run(function: Callable, tried: Tried, *befores: Change | None) -> Outputs | None:
        inputs: Inputs | None = cases.inputs(tried)
        for before in befores:
            if before is not None and inputs is not None:
                inputs = applied(before, inputs)
        return cases.run(function, inputs)

    for words, function, before in halves + formulas:
        if perf_counter() > end:
            return
        half = run(function, cases.first, before)
        if half is None or not all(map(lambda x, y: x.shape == y.shape, half, mine)):
            continue
        for after in OUTPUT_CHANGES[:20]:
            changed = changed_outputs(half, after, wrong)
            if changed is None or not all_same(mine, changed):
                continue

            def predict(tried: Tried, f: Callable = function, b: Change | None = before, a: Change = after) -> Any:
                outputs = run(f, tried, b)
                return outputs and changed_outputs(outputs, a, wrong)

            if cases.fits(predict):
                yield f"Two things at once. {words} And then: {after.words}"
    on_masks = [change for change in changes if change.mask]
    for words, function, before, seconds in [
        *((*half, changes) for half in halves),
        *((*half, on_masks) for half in formulas),
    ]:
        for second in seconds:
            if perf_counter() > end:
                return
            if second is before:
                continue
            changed = run(function, cases.first, before, second)
            if changed is None or not all_same(mine, changed):
                continue

            def both(tried: Tried, f: Callable = function, b: Change | None = before, s: Change = second) -> Any:
                return run(f, tried, b, s)

            if cases.fits(both):
                yield f"Two things at once. {words} And: {second.words}"
