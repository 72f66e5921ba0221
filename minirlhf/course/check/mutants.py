"""What comes out if one thing in the formula were written differently.

The package's own function is read as a tree, and changed in one place at a time: a sign, a factor left out, brackets
in another place, a square forgotten, one name for another. A change that gives the learner's numbers on every case
says where the two differ, in the words of the formula itself. Nobody has to think of the mistake beforehand.
"""

import ast
import inspect
import textwrap
import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from typing import Any

from minirlhf.course.exercises import Exercise

SHORT = 90  # characters of a formula that one still reads


@cache
def mutants(formula: Callable) -> list[tuple[str, Callable]]:
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


def of_exercise(exercise: Exercise) -> list[tuple[str, Callable]]:
    formulas = exercise.formulas or (exercise.solution,)
    return [mutant for formula in formulas for mutant in mutants(formula)]


def _made(tree: ast.Module, function: ast.FunctionDef, formula: Callable) -> Iterator[tuple[str, Callable]]:
    names = [argument.arg for argument in function.args.args]
    places = [place for place in _places(function) if isinstance(_at(function, place), ast.expr)]
    seen: set[str] = set()
    for place in places:
        node = _at(function, place)
        for how, new in _changes(node, names):
            changed = deepcopy(tree)
            made = changed.body[0]
            _put(made, place, new)
            text = ast.unparse(changed)
            if text in seen:
                continue
            seen.add(text)
            if (made_function := _compiled(changed, function.name, formula)) is not None:
                yield _words(function, made, place, how), made_function
    for i, statement in enumerate(function.body):
        if isinstance(statement, ast.Assign | ast.AugAssign) and len(function.body) > i + 1:
            changed = deepcopy(tree)
            made = changed.body[0]
            assert isinstance(made, ast.FunctionDef)
            del made.body[i]
            if (made_function := _compiled(changed, function.name, formula)) is not None:
                yield f"A step is missing: `{_cut(ast.unparse(statement))}`.", made_function


def _compiled(tree: ast.Module, name: str, formula: Callable) -> Callable | None:
    namespace = dict(getattr(formula, "__globals__", {}))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a number is called, for instance: then it cannot be the answer
            exec(compile(ast.fix_missing_locations(tree), "<changed formula>", "exec"), namespace)
    except (SyntaxError, ValueError, TypeError):
        return None
    return namespace[name]


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


def _put(node: Any, place: Place, new: ast.expr) -> None:
    *before, (field, i) = place
    holder = _at(node, tuple(before))
    if i < 0:
        setattr(holder, field, deepcopy(new))
    else:
        getattr(holder, field)[i] = deepcopy(new)


def _words(function: ast.AST, made: ast.AST, place: Place, how: str) -> str:
    """The smallest formula round the change that says something, as it is and as it comes out."""
    old, new = _at(function, place), _at(made, place)
    for shorter in range(len(place), 0, -1):
        around = _at(function, place[:shorter])
        if not isinstance(around, ast.expr):
            break
        text = ast.unparse(around)
        if len(text) > SHORT:
            break
        old, new = around, _at(made, place[:shorter])
        if isinstance(around, ast.BinOp | ast.Call | ast.Compare) and shorter < len(place):
            break
    right, wrong = _cut(ast.unparse(old)), _cut(ast.unparse(new))
    return f"{how}: your numbers come out if `{wrong}` stands where `{right}` belongs."


def _cut(text: str) -> str:
    return text if len(text) <= SHORT else text[: SHORT - 1] + "…"


def _changes(node: ast.expr, names: list[str]) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(getattr(node, "ctx", None), ast.Store):
        return
    match node:
        case ast.BinOp(left, op, right):
            yield from _of_two(left, op, right)
            yield "A sign is turned round", ast.UnaryOp(ast.USub(), node)
        case ast.UnaryOp(ast.USub(), operand):
            yield "A minus is missing", operand
        case ast.Constant(value) if isinstance(value, int | float) and not isinstance(value, bool):
            for other in dict.fromkeys((value + 1, value - 1, 0, 1, 2 * value, value / 2, -value, value**0.5)):
                if other != value and isinstance(other, int | float):
                    yield "A number is another one", ast.Constant(other)
            if value == 1.96:
                for other in (1.0, 1.64, 1.645, 1.65, 1.9, 1.960, 2.0, 2.576, 2.58, 3.0, 0.95, 0.05, 0.975):
                    yield "z is another one", ast.Constant(other)
        case ast.Name(name) if name in names:
            for other in names:
                if other != name:
                    yield "One name stands for another", ast.Name(other, ast.Load())
            yield "A square is too much", ast.BinOp(node, ast.Pow(), ast.Constant(2))
        case ast.Name():
            yield "A square is too much", ast.BinOp(node, ast.Pow(), ast.Constant(2))
            yield "A term is missing", ast.Constant(0.0)
        case ast.Call(func, arguments, keywords):
            yield from _of_a_call(node, func, arguments, keywords)
        case ast.Compare(left, [op], [right]):
            for other in (ast.Eq, ast.NotEq, ast.Gt, ast.GtE, ast.Lt, ast.LtE):
                if not isinstance(op, other):
                    yield "A comparison is another one", ast.Compare(left, [other()], [right])
        case _:
            return


def _of_two(left: ast.expr, op: ast.operator, right: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    word = "A term" if isinstance(op, ast.Add | ast.Sub) else "A factor"
    if isinstance(op, ast.Div):
        word = "A division"
    if isinstance(op, ast.Pow):
        yield "A square is missing", left
        yield "A square is taken for a double", ast.BinOp(ast.Constant(2), ast.Mult(), left)
        return
    if isinstance(op, ast.Mult) and ast.unparse(left) == ast.unparse(right):
        word = "A square"
    yield f"{word} is missing", left
    yield f"{word} is missing", right
    if isinstance(op, ast.Sub):
        yield "A term is missing", ast.UnaryOp(ast.USub(), right)
    for other in (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv):
        if not isinstance(op, other):
            yield "A sign of the formula is another one", ast.BinOp(left, other(), right)
    if isinstance(op, ast.Sub | ast.Div):
        yield "Two things have changed places", ast.BinOp(right, op, left)
    if isinstance(op, ast.Mult | ast.Div) and isinstance(left, ast.BinOp):  # (a - b) / c as a - b / c
        yield "Brackets are missing", ast.BinOp(left.left, left.op, ast.BinOp(left.right, op, right))
    if isinstance(op, ast.Mult | ast.Div | ast.Sub) and isinstance(right, ast.BinOp):  # a / (b * c) as a / b * c
        yield "Brackets are missing", ast.BinOp(ast.BinOp(left, op, right.left), right.op, right.right)
        if isinstance(left, ast.BinOp) and isinstance(op, ast.Div | ast.Mult):
            inner = ast.BinOp(left.left, left.op, ast.BinOp(left.right, op, right.left))
            yield "Brackets are missing", ast.BinOp(inner, right.op, right.right)
    if isinstance(op, ast.Mult):
        yield "A product is taken for a power", ast.BinOp(left, ast.Pow(), right)


CALLED = {
    "maximum": ("minimum",),
    "max": ("min",),
    "min": ("max",),
    "masked_mean": ("masked_sum",),
    "square": ("abs",),
    "sum": ("mean", "max"),
    "mean": ("sum",),
    "log": ("log2", "log10"),
    "sqrt": ("square",),
}


def _of_a_call(
    node: ast.Call, func: ast.expr, arguments: list[ast.expr], keywords: list[ast.keyword]
) -> Iterator[tuple[str, ast.expr]]:
    name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
    module = isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id in ("torch", "F")
    if isinstance(func, ast.Attribute) and not module:
        yield f"{name} is missing", func.value
        if name == "square":
            yield "A square is missing", func.value
            yield "The absolute value is taken for the square", _method(func.value, "abs")
        if name == "clamp" and len(arguments) == 2:
            nothing = ast.Constant(None)
            yield "Only one side is held", ast.Call(func, [nothing, arguments[1]], [])
            yield "Only one side is held", ast.Call(func, [arguments[0], nothing], [])
            low, high = arguments
            if isinstance(low, ast.BinOp) and isinstance(high, ast.BinOp):
                minus = ast.UnaryOp(ast.USub(), low.right)
                yield "The 1 is missing on both sides", ast.Call(func, [minus, high.right], [])
            if isinstance(low, ast.UnaryOp):
                one = ast.Constant(1)
                round_one = [ast.BinOp(one, ast.Sub(), high), ast.BinOp(one, ast.Add(), high)]
                yield "It is held round 1", ast.Call(func, list(round_one), [])
    elif len(arguments) == 1:
        yield f"{name} is missing", arguments[0]
    if name == "where" and len(arguments) == 3:
        yield "The condition is not used", arguments[1]
        yield "The condition is not used", arguments[2]
        yield "The two sides have changed places", ast.Call(func, [arguments[0], arguments[2], arguments[1]], [])
    if len(arguments) == 2 and name in ("maximum", "minimum", "max", "min"):
        yield "Only one of the two is used", arguments[0]
        yield "Only one of the two is used", arguments[1]
        both = ast.BinOp(arguments[0], ast.Add(), arguments[1])
        yield "The two are added up, where the larger is asked for", both
        yield "The two are averaged", ast.BinOp(both, ast.Div(), ast.Constant(2))
        yield (
            "The smaller is taken for the larger, or the other way round",
            ast.Call(
                _renamed(func, "minimum" if name == "maximum" else "min" if name == "max" else "max"), arguments, []
            ),
        )
    for other in CALLED.get(name, ()):
        yield f"{other} is taken for {name}", ast.Call(_renamed(func, other), arguments, keywords)


def _method(x: ast.expr, name: str) -> ast.Call:
    return ast.Call(ast.Attribute(x, name, ast.Load()), [], [])


def _renamed(func: ast.expr, name: str) -> ast.expr:
    return (
        ast.Attribute(func.value, name, ast.Load()) if isinstance(func, ast.Attribute) else ast.Name(name, ast.Load())
    )
