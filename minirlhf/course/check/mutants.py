"""What comes out if one thing in the formula were written differently.

The package's own function is read as a tree, and changed in one place at a time: a sign, a factor left out, brackets
in another place, a square forgotten, one name for another. A change that gives the learner's numbers on every case
says where the two differ, in the words of the formula itself. Nobody has to think of the mistake beforehand.
"""

import ast
import inspect
import math
import textwrap
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from minirlhf.course.check.evidence import first_place, last_place
from minirlhf.course.check.rewritings import rewritings, wrapped
from minirlhf.course.exercises import Exercise

SHORT = 90  # characters of a formula that one still reads


@dataclass(frozen=True)
class Mutant:
    """A formula changed in one place: how, what stands there now, and what stood there."""

    function: Callable
    how: str
    wrong: str = ""
    right: str = ""

    @property
    def words(self) -> str:
        if not self.wrong:
            return f"{self.how}."
        return f"{self.how}: your numbers come out if `{self.wrong}` stands where `{self.right}` belongs."


@cache
def mutants(formula: Callable) -> list[Mutant]:
    """Each changed formula, and in words what was changed."""
    formula = inspect.unwrap(formula)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(formula)))
    except (OSError, TypeError, SyntaxError):
        return []
    function = tree.body[0]
    if not isinstance(function, ast.FunctionDef):
        return []
    function.decorator_list, function.returns = [], None
    for argument in function.args.args:
        argument.annotation = None
    return list(_made(tree, function, formula))


def of_exercise(exercise: Exercise) -> list[Mutant]:
    formulas = exercise.formulas or (exercise.solution,)
    return [mutant for formula in formulas for mutant in mutants(formula)]


def _made(tree: ast.Module, function: ast.FunctionDef, formula: Callable) -> Iterator[Mutant]:
    arguments = [argument.arg for argument in function.args.args]
    assigned = (x.id for x in ast.walk(function) if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Store))
    names = list(dict.fromkeys([*arguments, *assigned]))
    seen: set[tuple[int, str]] = set()
    places = [place for place in _places(function) if isinstance(_at(function, place), ast.expr)]
    places = [place for place in places if not _in_a_text(function, place)]
    for changes in (rewritings, wrapped):  # what is simple first
        for place in places:
            node, around = _at(function, place), _around(function, place)
            statement, right = _statement(function, place), ast.unparse(_at(function, around))
            for how, new in list(changes(node, names, arguments)):
                _put(function, place, new)
                key = id(statement), ast.unparse(statement)
                if key not in seen:
                    seen.add(key)
                    if (made := _compiled(tree, function.name, formula)) is not None:
                        wrong = _cut(ast.unparse(_at(function, around)))
                        yield Mutant(made, how + _where(statement), wrong, _cut(right))
                _put(function, place, node)
        if changes is not wrapped:
            yield from _with_another_number(tree, function, formula)
            yield from _without_a_step(tree, function, formula)
            yield from _with_another_mask(tree, function, formula)


def _with_another_mask(tree: ast.Module, function: ast.FunctionDef, formula: Callable) -> Iterator[Mutant]:
    """The mask read wrongly on the way, and rightly at the end."""
    steps = [x for statement in function.body[:-1] for x in ast.walk(statement)]
    masks = [x for x in steps if isinstance(x, ast.Name) and x.id == "mask" and isinstance(x.ctx, ast.Load)]
    for how, name in (("The mask is turned round", "not_mask"), ("The mask is not used", "all_places")):
        for x in masks:
            x.id = f"{name}(mask)"  # compiled as a name of its own, so that the tree keeps its shape
        source = ast.unparse(tree)
        for x in masks:
            x.id = "mask"
        if masks and (made := _compiled(ast.parse(source), function.name, formula)) is not None:
            yield Mutant(made, f"{how} on the way, and only used as it is at the end")


def _where(statement: ast.stmt) -> str:
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return f", in `{statement.targets[0].id}`"
    return ""


OTHER_NUMBERS = (0.01, 0.05, 0.1, 0.2, 0.25, 0.3, 0.5, 1.0, 2.0, 1e-3, 1e-2, 1e-4, 1e-5, 1e-6, 1e-8)


def _with_another_number(tree: ast.Module, function: ast.FunctionDef, formula: Callable) -> Iterator[Mutant]:
    """A number of the formula, in all its places at once, as in min(max(x, -0.2), 0.2)."""
    constants = [x for x in ast.walk(function) if isinstance(x, ast.Constant) and isinstance(x.value, float)]
    for value in dict.fromkeys(x.value for x in constants if isinstance(x.value, float)):
        for other in (
            1e-4,
            1e-5,
            1e-6,
            1e-8,
            0.01,
            0.05,
            0.1,
            0.2,
            0.25,
            0.3,
            0.5,
            1.0,
            2.0,
            1e-3,
            1e-2,
            10 * value,
            100 * value,
        ):
            if other == value or not value:
                continue
            places = [x for x in constants if x.value == value]
            for x in places:
                x.value = other
            if (made := _compiled(tree, function.name, formula)) is not None:
                yield Mutant(made, "A number is another one", f"{other:g}", f"{value:g}")
            for x in places:
                x.value = value


def _without_a_step(tree: ast.Module, function: ast.FunctionDef, formula: Callable) -> Iterator[Mutant]:
    bodies = [x.body for x in ast.walk(function) if isinstance(x, ast.FunctionDef | ast.For | ast.If)]
    for body in bodies:
        for i, statement in enumerate(list(body)):
            if isinstance(statement, ast.Assign | ast.AugAssign) and len(body) > 1:
                body.pop(i)
                if (made := _compiled(tree, function.name, formula)) is not None:
                    yield Mutant(made, f"A step is missing: `{_cut(ast.unparse(statement))}`")
                body.insert(i, statement)


def _compiled(tree: ast.Module, name: str, formula: Callable) -> Callable | None:
    namespace = {**BESIDE, **getattr(formula, "__globals__", {}), "max": larger, "min": smaller, "round": rounded}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a number is called, for instance: then it cannot be the answer
            exec(compile(ast.fix_missing_locations(tree), "<changed formula>", "exec"), namespace)
    except (SyntaxError, ValueError, TypeError):
        return None
    return namespace[name]


def either(of_tensors: Callable, of_numbers: Callable) -> Callable:
    """One name for both: `exp(x)` reads well whatever x is."""
    return lambda x, *more: of_tensors(x, *more) if isinstance(x, Tensor) else of_numbers(x, *more)


larger = either(lambda x, y: x.clamp(min=y) if not isinstance(y, Tensor) else torch.maximum(x, y), max)
smaller = either(lambda x, y: x.clamp(max=y) if not isinstance(y, Tensor) else torch.minimum(x, y), min)
rounded = either(torch.round, round)
BESIDE = {
    "exp": either(torch.exp, math.exp),
    "log": either(torch.log, math.log),
    "log2": math.log2,
    "log10": math.log10,
    "log1p": math.log1p,
    "sqrt": either(torch.sqrt, math.sqrt),
    "square": lambda x: x * x,
    "median": torch.median,
    "softplus": torch.nn.functional.softplus,
    "not_mask": lambda mask: ~mask,
    "all_places": torch.ones_like,
    "only_first": first_place,
    "only_last": last_place,
    "last_column": lambda mask: torch.full((len(mask),), mask.shape[1] - 1),
}

Place = tuple[tuple[str, int], ...]


def _places(node: ast.AST, before: Place = ()) -> Iterator[Place]:
    for field, value in ast.iter_fields(node):
        if field in ("args", "keywords") and isinstance(node, ast.FunctionDef):
            continue
        children = value if isinstance(value, list) else [value]
        for i, child in enumerate(children):
            if isinstance(child, ast.AST):
                place = (*before, (field, i if isinstance(value, list) else -1))
                yield place
                yield from _places(child, place)


def _at(node: Any, place: Place) -> Any:
    for field, i in place:
        node = getattr(node, field)
        node = node if i < 0 else node[i]
    return node


def _put(node: Any, place: Place, new: ast.AST) -> None:
    *before, (field, i) = place
    holder = _at(node, tuple(before))
    if i < 0:
        setattr(holder, field, new)
    else:
        getattr(holder, field)[i] = new


def _statement(function: ast.AST, place: Place) -> ast.stmt:
    """The smallest statement in which a place stands."""
    for shorter in range(len(place), 0, -1):
        if isinstance(around := _at(function, place[:shorter]), ast.stmt):
            return around
    raise LookupError(f"no statement holds {place}")


def _in_a_text(function: ast.AST, place: Place) -> bool:
    """Is it a docstring, or what an error would say?"""
    return any(isinstance(_at(function, place[:n]), ast.Raise | ast.JoinedStr) for n in range(1, len(place))) or (
        isinstance(constant := _at(function, place), ast.Constant) and isinstance(constant.value, str)
    )


def _around(function: ast.AST, place: Place) -> Place:
    """The smallest formula round a place that says something."""
    chosen = place
    for shorter in range(len(place), 0, -1):
        around = _at(function, place[:shorter])
        if isinstance(around, ast.keyword | ast.Slice | ast.Tuple):
            continue
        if not isinstance(around, ast.expr) or len(ast.unparse(around)) > SHORT:
            break
        chosen = place[:shorter]
        if isinstance(around, ast.BinOp | ast.Call | ast.Compare | ast.Subscript) and shorter < len(place):
            break
    return chosen


def _cut(text: str) -> str:
    return text if len(text) <= SHORT else text[: SHORT - 1] + "…"
