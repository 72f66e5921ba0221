"""Hold a learner's function against the package's: `my_gae = check(my_gae)`.

Right: the learner's function comes back and drives the rest of the lesson. Anything else: the package's
comes back and the lesson goes on, with a word on which property fails, where, and which thought is missing.
Nothing a learner writes can stop the notebook.
"""

import dis
import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from textwrap import fill
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from minirlhf import RENAMED
from minirlhf.course.check.apart import Lost, apart, has_reached, more_time
from minirlhf.course.check.behaviour import Behaviour
from minirlhf.course.check.comparing import BY_HAND, UNKNOWN, Difference, difference, explain, given
from minirlhf.course.check.progress import mark_done
from minirlhf.course.check.trial import NOT_THE_LEARNERS, TOO_MANY_LINES, attempt, line_of, source_file
from minirlhf.course.check.tried import Tried
from minirlhf.course.check.undisturbed import undisturbed
from minirlhf.course.exercises import EXERCISES, Case, Exercise
from minirlhf.files.messages import counted

PATIENCE = 3.0  # seconds for all small cases together, and as much again for the large one
ALL_BUT_THE_LARGE = "right on all small cases"
FORGIVEN = (Exception,)  # whatever our search for a thought meets in a stranger's numbers, the lesson goes on
WIDTH = 100  # characters in a line
WORTH_WAITING = 20.0  # seconds that a learner's function may add to the training of a lesson


@dataclass(frozen=True)
class Verdict:
    """What a check found. `outcome` is one of: right, slow, wrong, not tried, ours."""

    exercise: str
    outcome: str
    messages: tuple[str, ...]
    mistake: str = ""  # the known mistake that explains a wrong answer
    changed: tuple[str, ...] = ()  # the inputs that the function wrote into

    def __str__(self) -> str:
        first, *others = self.messages
        return "\n".join([fill(first, WIDTH, subsequent_indent="  "), *map(_indent, others)])


def check(answer: Any) -> Any:
    """Try a function named my_… on random and on edge inputs; it comes back if it is right, else the package's."""
    exercise = find_exercise(answer, *names_in(sys._getframe(1), answer))
    if exercise is None:
        print(fill(f"· {_unknown(answer)}", WIDTH, subsequent_indent="  "))
        return answer
    answer = getattr(answer, "learners_own", answer)  # checked before: look at what is inside
    if not callable(answer):
        kind = "None" if answer is None else f"something of type {type(answer).__name__}"
        words = f"· my_{exercise.name} is {kind} and not a function. Run the cell that defines it, then this one."
        print(fill(f"{words} {_goes_on(exercise)}", WIDTH, subsequent_indent="  "))
        return exercise.solution
    verdict = examine(answer, exercise)
    print(verdict)
    if verdict.outcome in ("right", "slow"):
        print("  " + mark_done(exercise.name))
    return for_stages(answer, exercise, verdict) if verdict.outcome == "right" else exercise.solution


def names_in(frame: FrameType, answer: Any) -> Iterator[str]:
    """What whoever called us calls this answer: `my_gae = check(…)` says it, and so does `my_gae = lambda …`."""
    while frame.f_back and frame.f_code.co_filename.startswith((*NOT_THE_LEARNERS, "<@", "<jaxtyping")):
        frame = frame.f_back  # somebody's wrapper round `check`
    steps = [step for step in dis.get_instructions(frame.f_code) if step.offset > frame.f_lasti]
    following = next((step for step in steps if step.opname != "CACHE"), None)
    if following is not None and following.opname.startswith("STORE_"):
        yield str(following.argval)
    yield from (name for name, x in {**frame.f_globals, **frame.f_locals}.items() if x is answer)


def author(function: Callable) -> str:
    """Whose function this is, for a caption: "your my_gae", or "the package's gae"."""
    whose = "your" if hasattr(function, "learners_own") else "the package's"
    return f"{whose} {getattr(function, '__name__', 'function')}"


def find_exercise(answer: Any, *called: str) -> Exercise | None:
    """The exercise that a function's name speaks of: my_gae is an answer to gae. `called` are further names of it."""
    for name in (_given_name(answer), *called):
        solution = name.removeprefix("my_")
        solution = RENAMED.get(solution, solution)  # a learner's own copy of a lesson may be older than the package
        if solution in EXERCISES:
            return EXERCISES[solution]
    return None


def _given_name(answer: Any) -> str:
    return str(getattr(answer, "__name__", "")) if callable(answer) else ""


def _unknown(answer: Any) -> str:
    known, name = [f"my_{exercise}" for exercise in EXERCISES], _given_name(answer)
    near = get_close_matches(name, known, n=1)
    given = f"a function named {name}" if name else f"something of type {type(answer).__name__}"
    return (
        f"check was given {given}, and finds an exercise by the name of a function. "
        + (f"Did you mean {near[0]}? " if near else "")
        + f"It knows: {', '.join(known)}. Nothing was checked."
    )


def examine(answer: Callable, exercise: Exercise) -> Verdict:
    """Try the answer on every case, and say what was found. Raises nothing, whatever the answer does."""
    if answer is exercise.solution:
        words = f"· {exercise.name} is the package's own. Run the cell that defines yours, then this one."
        return Verdict(exercise.name, "ours", (words,))
    if is_stub(answer):
        return _not_tried(answer, exercise)
    first, *_ = exercise.cases()
    if not takes(answer, first):
        names = exercise.inputs[: len(first.inputs)]
        called = f"{exercise.name}({', '.join(names)})"
        return _wrong(answer, exercise, [f"What fails: it is called as {called}, and yours cannot be."])
    file = source_file(answer)
    try:
        with undisturbed():
            found = apart(lambda: asdict(examine_here(answer, exercise)), PATIENCE + 2.0, file)
    except Lost as lost:
        if lost.reached == ALL_BUT_THE_LARGE:  # as with a backward pass through thousands of slices
            return _slow(answer, exercise, f"one batch takes it more than {PATIENCE:.0f} s")
        where = f" {line_of(lost.file, lost.line)}" if lost.line else ""
        return _wrong(answer, exercise, [f"What fails: {lost.why}{where}. {lost.remedy}"])
    return Verdict(**{**found, "messages": tuple(found["messages"]), "changed": tuple(found["changed"])})


def examine_here(answer: Callable, exercise: Exercise) -> Verdict:
    """The same in this process, for a function that is known to come back and to disturb nothing."""
    cases = [case for case in exercise.cases() if not case.optional or takes(answer, case)]
    all_tried = list(try_out(answer, exercise, cases))
    more_time(60.0)  # from here on it is ours that takes it
    return judge(answer, exercise, all_tried)


def is_stub(answer: Callable) -> bool:
    """Is there nothing in the body but `...`, `pass` or a docstring?"""
    code = getattr(answer, "__code__", None)
    if code is None:
        return False
    steps = {step.opname: step.argval for step in dis.get_instructions(code)}
    constant = steps.get("LOAD_CONST", steps.get("RETURN_CONST"))
    nothing = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}
    return steps.keys() <= nothing and constant in (None, ...)


def takes(answer: Callable, case: Case) -> bool:
    """Can the function be called with as many inputs as the case has?"""
    try:
        inspect.signature(answer).bind(*case.inputs)
    except (TypeError, ValueError):
        return False
    return True


def try_out(answer: Callable, exercise: Exercise, cases: Sequence[Case]) -> Iterator[Tried]:
    """Both functions on one case after the other, up to the first that the answer does not get through.

    An answer that is wrong on a small case is not asked about the large one.
    """
    remaining, wrong = PATIENCE, False
    for case in cases:
        if wrong and case.large:
            return
        if case.large:
            has_reached(ALL_BUT_THE_LARGE)
        ours = attempt(exercise.solution, exercise, case)
        limit = PATIENCE if case.large else remaining
        more_time(limit + 1.0)
        yours = attempt(answer, exercise, case, limit, like=ours)
        remaining = max(remaining - yours.seconds, 0.1)
        yield (tried := Tried(case, ours, yours))
        if yours.trouble or yours.untried:
            return
        wrong = wrong or difference(tried, exercise) is not None


def judge(answer: Callable, exercise: Exercise, all_tried: Sequence[Tried]) -> Verdict:
    """What the trials say: of the cases that went wrong the one that is quickest worked by hand is shown."""
    comparable = [tried for tried in all_tried if not tried.yours.trouble and not tried.yours.untried]
    wrong = [tried for tried in comparable if difference(tried, exercise) is not None]
    if wrong:
        return _differs(answer, exercise, all_tried, comparable, wrong)
    for tried in all_tried:
        yours = tried.yours
        if yours.untried:
            return _not_tried(answer, exercise)
        if yours.timed_out and tried.case.large:
            return _slow(answer, exercise, f"one batch takes it more than {PATIENCE:.0f} s")
        if yours.trouble:
            where = f" on {tried.case.name}" if tried is not all_tried[0] else ""
            shown = "" if yours.timed_out else f"It was given:{given(tried.case, exercise)}"
            words = [f"What fails{where}: {yours.trouble}", shown, *_changed(all_tried), *_printed(all_tried)]
            return _wrong(answer, exercise, [word for word in words if word])
    return _right(answer, exercise, all_tried)


def _differs(
    answer: Callable, exercise: Exercise, all_tried: Sequence[Tried], comparable: Sequence[Tried], wrong: list[Tried]
) -> Verdict:
    gradient = _difference(wrong[0], exercise).is_gradient
    alike = [tried for tried in wrong if _difference(tried, exercise).is_gradient == gradient]
    shown = min(alike, key=lambda tried: _size(tried.case))
    found = _difference(shown, exercise)
    try:
        thought, mistake = explain(comparable, shown, found, exercise, Behaviour(answer, exercise, comparable))
    except FORGIVEN:
        thought, mistake = UNKNOWN, ""
    levels = [
        f"What fails: the {found.what}, on {shown.case.name}. {shown.case.promise}".rstrip(),
        f"Where: {found}",
        f"The thought: {thought}",
        f"{BY_HAND}{given(shown.case, exercise)}",
        *_changed(all_tried),
        *_printed(all_tried),
    ]
    if (last := all_tried[-1]).yours.trouble:
        levels.append(f"And on {last.case.name}: {last.yours.trouble}")
    return _wrong(answer, exercise, levels, mistake)


def _difference(tried: Tried, exercise: Exercise) -> Difference:
    found = difference(tried, exercise)
    assert found is not None  # only those that went wrong are asked
    return found


def _size(case: Case) -> int:
    """How many numbers a case gives: the fewer, the sooner it is worked by hand."""
    return sum(
        x.numel() if isinstance(x, Tensor) else len(x) if isinstance(x, list | tuple) else 1 for x in case.inputs
    )


def _changed(all_tried: Sequence[Tried]) -> list[str]:
    names = dict.fromkeys(name for tried in all_tried for name in tried.yours.changed)
    if not names:
        return []
    return [f"It writes into {' and '.join(names)}, which others still read: work on a copy, for instance x.clone()."]


def _right(answer: Callable, exercise: Exercise, all_tried: Sequence[Tried]) -> Verdict:
    large = all_tried[-1]
    longer = exercise.calls * (large.yours.seconds - large.ours.seconds)
    if longer > WORTH_WAITING:
        again = attempt(answer, exercise, large.case, PATIENCE)  # was the machine busy with something else?
        longer = min(longer, exercise.calls * (again.seconds - large.ours.seconds))
    if longer > WORTH_WAITING:
        return _slow(answer, exercise, f"the training that follows would take {longer:.0f} s longer")
    compared = "values and gradients" if exercise.trains else "values"
    changed = tuple(dict.fromkeys(name for tried in all_tried for name in tried.yours.changed))
    messages = [
        f"✓ {_name(answer)} is right: the package's {compared} on all {len(all_tried)} cases.",
        f"From here on the lesson uses your {_name(answer)}.",
    ]
    if changed:
        messages.append(f"It writes into {' and '.join(changed)}, which others still read, so it will be given copies.")
    return Verdict(exercise.name, "right", (*messages, *_printed(all_tried)), changed=changed)


def _slow(answer: Callable, exercise: Exercise, why: str) -> Verdict:
    praise = f"✓ {_name(answer)} is right, and that is the hard part. It is slow to train with: {why}."
    return Verdict(exercise.name, "slow", (praise, _goes_on(exercise)))


def _wrong(answer: Callable, exercise: Exercise, words: Sequence[str], mistake: str = "") -> Verdict:
    return Verdict(
        exercise.name, "wrong", (f"✗ {_name(answer)} is not right yet.", *words, _goes_on(exercise)), mistake
    )


def _not_tried(answer: Callable, exercise: Exercise) -> Verdict:
    return Verdict(exercise.name, "not tried", (f"· {_name(answer)}: not tried yet. {_goes_on(exercise)}",))


def _goes_on(exercise: Exercise) -> str:
    return f"The lesson goes on with the package's {exercise.name}; show({exercise.name}) shows it."


def _printed(all_tried: Sequence[Tried]) -> list[str]:
    """The first lines of what the function printed, on the first case where it did."""
    for tried in all_tried:
        if lines := tried.yours.printed.strip().splitlines():
            count = max(tried.yours.lines_printed, len(lines))
            more = f" (and {counted(count - 3, 'line')} more)" if count > 3 else ""
            if count > TOO_MANY_LINES:
                more += " So many lines take most of its time, and would fill the notebook in training: print less."
            return ["It printed: " + " | ".join(line[:80] for line in lines[:3]) + more]
    return []


def _indent(message: str) -> str:
    words, *strips = message.split("\n")  # numbers in columns stay as they are
    return "\n".join([fill(words, WIDTH, initial_indent="  ", subsequent_indent="    "), *strips])


def _name(answer: Callable) -> str:
    return getattr(answer, "__name__", "your function")


def for_stages(answer: Callable, exercise: Exercise, verdict: Verdict) -> Callable:
    """The learner's function as a stage calls it: the package's stats behind the loss, copies where needed."""
    package = inspect.signature(exercise.solution)
    most_inputs = max(exercise.cases(), key=lambda case: len(case.inputs))
    adapted = answer if takes(answer, most_inputs) or exercise.adapt is None else exercise.adapt(answer)

    def theirs(*args: Any, **kwargs: Any) -> Any:
        bound = package.bind(*args, **kwargs).args
        tamed = exercise.tame(*bound) if exercise.tame else bound
        copies = (x.clone() if isinstance(x, Tensor) else copy(x) for x in tamed)
        result = adapted(*(copies if verdict.changed else tamed))
        if not exercise.stats:
            return _as_ours(result, kinds, bound)
        with torch.no_grad():
            stats = exercise.solution(*bound)[1]
        loss = result[0] if isinstance(result, tuple | list) else result
        return (loss.reshape(()) if isinstance(loss, Tensor) else loss), stats

    kinds = exercise.solution(*exercise.cases()[0].inputs)
    functools.update_wrapper(theirs, answer)
    if find_exercise(answer) is not exercise:  # a lambda, a partial: call it what the lesson calls it
        theirs.__name__ = f"my_{exercise.name}"
    vars(theirs)["learners_own"] = answer  # what a caption and a second check look for
    return theirs


def _as_ours(result: Any, like: Any, inputs: Sequence[Any]) -> Any:
    """The same numbers in what the package's function would have put them: a number, a truth, a tensor, several."""
    if isinstance(like, tuple):
        return tuple(_as_ours(x, y, inputs) for x, y in zip(result, like, strict=True))
    if isinstance(like, Tensor):
        made = result if isinstance(result, Tensor) else torch.as_tensor(result)
        made = made.reshape(()) if like.dim() == 0 else made
        return made if made.dtype == like.dtype or made.dtype == torch.float64 else made.to(like.dtype)
    return type(like)(result) if isinstance(like, float | bool) else result
