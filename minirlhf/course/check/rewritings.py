"""How one expression is written wrongly: a sign, a bracket, a square, a dim, one function for another."""

import ast
from collections.abc import Iterator
from copy import deepcopy
from functools import cache

MOST_OPERANDS = 6  # of a formula whose brackets are set anew in every way


def rewritings(node: ast.expr, names: list[str], given: list[str]) -> Iterator[tuple[str, ast.expr]]:
    """What may stand in place of this expression, and in words how the two differ."""
    if not isinstance(getattr(node, "ctx", None), ast.Store):
        yield from _written(node, names, given)


def wrapped(node: ast.expr, _names: list[str], given: list[str]) -> Iterator[tuple[str, ast.expr]]:
    """The same expression with one thing too many done to it."""
    if isinstance(getattr(node, "ctx", None), ast.Store) or _is_a_module(node):
        return
    if isinstance(node, ast.BinOp | ast.Call | ast.Name):
        for words, made in WRAPPED:
            yield words, made(node)
        if "mask" in given and isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
            counted = ast.BinOp(node, ast.Mult(), ast.Name("mask", ast.Load()))
            along = [ast.keyword("dim", ast.Constant(1)), ast.keyword("keepdim", ast.Constant(True))]
            row = ast.Call(ast.Attribute(counted, "sum", ast.Load()), [], along)
            yield "The whole row is added up here, where each token stands for itself", row
        for name in given if isinstance(node, ast.Name | ast.Call) else ():
            yield "A factor is too much", ast.BinOp(ast.Name(name, ast.Load()), ast.Mult(), node)


def _written(node: ast.expr, names: list[str], given: list[str]) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.BinOp(left, op, right):
            yield from _of_two(left, op, right)
            yield "A sign is turned round", ast.UnaryOp(ast.USub(), node)
            for other in bracketed(node):
                yield "Brackets stand in another place", other
        case ast.UnaryOp(ast.USub(), operand):
            yield "A minus is missing", operand
        case ast.Constant(value) if isinstance(value, int | float) and not isinstance(value, bool):
            for other in dict.fromkeys((value + 1, value - 1, 0, 1, 2 * value, value / 2, -value, value**0.5)):
                if other != value and isinstance(other, int | float):
                    yield "A number is another one", ast.Constant(other)
            if value == 1.96:
                for other in (1.0, 1.64, 1.645, 1.65, 1.9, 1.960, 2.0, 2.576, 2.58, 3.0, 0.95, 0.05, 0.975):
                    yield "z is another one", ast.Constant(other)
        case ast.Constant(bool() as value):
            yield "True and False have changed places", ast.Constant(not value)
        case ast.Name(name):
            for other in names:
                if other != name:
                    yield "One name stands for another", ast.Name(other, ast.Load())
            yield "It is turned round", ast.UnaryOp(ast.Invert(), node)
            if name not in given:
                yield "A term is missing", ast.Constant(0.0)
        case ast.Subscript(value, part):
            yield "The part is not picked out", value
            yield from _of_a_part(value, part)
        case ast.Call(func, arguments, keywords):
            yield from _of_a_call(node, func, arguments, keywords)
        case ast.Compare(left, [op], [right]):
            for other in (ast.Eq, ast.NotEq, ast.Gt, ast.GtE, ast.Lt, ast.LtE):
                if not isinstance(op, other):
                    yield "A comparison is another one", ast.Compare(left, [other()], [right])
            if isinstance(right, ast.Set) and len(right.elts) == 1:
                yield "It is asked whether one is in the other", ast.Compare(right.elts[0], [ast.In()], [left])
                yield "It is asked whether one is not in the other", ast.Compare(right.elts[0], [ast.NotIn()], [left])
        case _:
            return


def _of_two(left: ast.expr, op: ast.operator, right: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    word = "A term" if isinstance(op, ast.Add | ast.Sub) else "A factor"
    if isinstance(op, ast.Div):
        word = "A division"
    if isinstance(op, ast.Pow) and not isinstance(right, ast.Constant):
        yield "A power is missing", left
        yield "A product is taken for a power", ast.BinOp(left, ast.Mult(), right)
        yield "The two of a power have changed places", ast.BinOp(right, op, left)
        if isinstance(left, ast.BinOp):
            yield "Brackets are missing", ast.BinOp(left.left, left.op, ast.BinOp(left.right, op, right))
        return
    if isinstance(op, ast.Pow):
        yield "A square is missing", left
        yield "A square is taken for a double", ast.BinOp(ast.Constant(2), ast.Mult(), left)
        return
    if isinstance(op, ast.Mult) and ast.unparse(left) == ast.unparse(right):
        word = "A square"
    yield f"{word} is missing", left
    yield f"{word} is missing", right
    if isinstance(op, ast.Add):
        yield "The larger of the two is taken, where they are added", _called("max", left, right)
        yield "The smaller of the two is taken, where they are added", _called("min", left, right)
    if isinstance(op, ast.Sub):
        yield "A term is missing", ast.UnaryOp(ast.USub(), right)
        if not isinstance(left, ast.Constant) and not isinstance(right, ast.Constant):
            for name in ("exp", "log", "abs", "square"):
                each = f"{name} is taken of each before one is taken off the other"
                yield each, ast.BinOp(_called(name, left), op, _called(name, right))
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
    if isinstance(op, ast.Add | ast.Sub) and isinstance(right, ast.BinOp) and isinstance(right.op, ast.Mult | ast.Div):
        factor, rest = right.left, right.right
        if isinstance(right.op, ast.Mult):
            yield "The factor stands with the other term", ast.BinOp(ast.BinOp(factor, right.op, left), op, rest)
            yield "The factor is taken of both terms", ast.BinOp(factor, right.op, ast.BinOp(left, op, rest))
        yield "The factor stands with the other term", ast.BinOp(ast.BinOp(left, right.op, rest), op, factor)
    if isinstance(op, ast.Mult):
        yield "A product is taken for a power", ast.BinOp(left, ast.Pow(), right)


CALLED = {
    "maximum": ("minimum",),
    "max": ("min",),
    "min": ("max",),
    "amax": ("amin", "sum"),
    "masked_mean": ("masked_sum",),
    "square": ("abs",),
    "all": ("any",),
    "any": ("all",),
    "sum": ("mean", "amax", "amin", "median", "prod"),
    "mean": ("sum", "median", "amax", "amin", "std"),
    "std": ("var",),
    "var": ("std",),
    "log": ("log2", "log10", "log1p"),
    "exp": ("expm1", "sigmoid"),
    "sqrt": ("square", "log"),
    "argmax": ("argmin",),
    "cumsum": ("cumprod",),
    "softmax": ("log_softmax", "sigmoid"),
    "log_softmax": ("softmax",),
    "logsigmoid": ("sigmoid", "tanh", "softplus"),
    "sigmoid": ("tanh", "softmax"),
}


def _called(name: str, *inside: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), [*inside], [])


WRAPPED = (
    ("The sign is lost", lambda x: _called("abs", x)),
    ("An exp is too much", lambda x: _called("exp", x)),
    ("A logarithm is too much", lambda x: _called("log", x)),
    ("A root is too much", lambda x: _called("sqrt", x)),
    ("A square is too much", lambda x: ast.BinOp(x, ast.Pow(), ast.Constant(2))),
    ("It is cut off at 0", lambda x: _called("max", x, ast.Constant(0))),
    ("It is cut off at 0", lambda x: _called("min", x, ast.Constant(0))),
    ("It is cut off at 1", lambda x: _called("min", x, ast.Constant(1))),
    ("It is rounded", lambda x: _called("round", x)),
    ("It is one minus that", lambda x: ast.BinOp(ast.Constant(1), ast.Sub(), x)),
    ("One is taken off", lambda x: ast.BinOp(x, ast.Sub(), ast.Constant(1))),
    ("One is added", lambda x: ast.BinOp(x, ast.Add(), ast.Constant(1))),
    ("It is doubled", lambda x: ast.BinOp(ast.Constant(2), ast.Mult(), x)),
    ("It is halved", lambda x: ast.BinOp(x, ast.Div(), ast.Constant(2))),
    ("A mean stands for every one", lambda x: _method(x, "mean")),
    ("It is added up along the row", lambda x: _method(x, "cumsum", ast.Constant(1))),
)


class _Unsquared(ast.NodeTransformer):
    """Each square becomes a distance."""

    def __init__(self) -> None:
        self.found = 0

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant) and node.right.value == 2:
            self.found += 1
            return _called("abs", node.left)
        return node


def _without_squares(x: ast.expr) -> ast.expr | None:
    change = _Unsquared()
    made = change.visit(deepcopy(x))
    return made if change.found == 1 else None


def _is_a_module(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("torch", "F", "math")


def bracketed(node: ast.expr) -> list[ast.expr]:
    """The same numbers and signs in the same order, with brackets set in every way that there is."""
    operands: list[ast.expr] = []
    operators: list[ast.operator] = []

    def read(x: ast.expr) -> None:
        if isinstance(x, ast.BinOp) and not isinstance(x.op, ast.Pow):
            read(x.left)
            operators.append(x.op)
            read(x.right)
        else:
            operands.append(x)

    read(node)
    if not 2 < len(operands) <= MOST_OPERANDS:
        return []

    @cache
    def between(first: int, last: int) -> list[ast.expr]:
        if first == last:
            return [operands[first]]
        return [
            ast.BinOp(left, operators[at], right)
            for at in range(first, last)
            for left in between(first, at)
            for right in between(at + 1, last)
        ]

    return between(0, len(operands) - 1)


def _of_a_part(value: ast.expr, part: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """x[:, 1:] as x[:, :-1], and the other way round."""
    parts = part.elts if isinstance(part, ast.Tuple) else [part]
    if len(parts) == 2 and isinstance(parts[0], ast.Slice) and parts[0].lower is None and parts[0].upper is None:
        yield "A row is picked out, and not a column", ast.Subscript(value, parts[1], ast.Load())
    for i, one in enumerate(parts):
        if not isinstance(one, ast.Slice) or (one.lower is None and one.upper is None):
            continue
        minus_one, plus_one = ast.UnaryOp(ast.USub(), ast.Constant(1)), ast.Constant(1)
        for other in (ast.Slice(None, minus_one), ast.Slice(plus_one, None)):
            if ast.dump(other) != ast.dump(one):
                places = [*parts[:i], other, *parts[i + 1 :]]
                index = ast.Tuple(places, ast.Load()) if isinstance(part, ast.Tuple) else places[0]
                yield "Another part is picked out", ast.Subscript(value, index, ast.Load())


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
        if name in ("view", "reshape") and len(arguments) == 2:
            turned = ast.Call(func, arguments[::-1], [])
            yield f"The two numbers of {name} have changed places, which deals the rows otherwise", turned
            rows = _method(turned, "t")
            yield "The rows are dealt out in turn: the first of each group, then the second of each", rows
        if name == "chunk" and len(arguments) == 1 and not keywords:
            for dim in (1, -1):
                along = [ast.keyword("dim", ast.Constant(dim))]
                yield "It is parted along the other axis, dim 1", ast.Call(func, arguments, along)
        if name == "clamp" and len(arguments) == 2:
            nothing = ast.Constant(None)
            yield "Only one side is held", ast.Call(func, [nothing, arguments[1]], [])
            yield "Only one side is held", ast.Call(func, [arguments[0], nothing], [])
            low, high = arguments
            if isinstance(low, ast.BinOp) and isinstance(high, ast.BinOp):
                minus = ast.UnaryOp(ast.USub(), low.right)
                yield "The 1 is missing on both sides", ast.Call(func, [minus, high.right], [])
                one, by = ast.Constant(1), low.right
                for ends in (
                    [low, one],
                    [one, high],
                    [by, ast.BinOp(one, ast.Div(), by)],
                    [ast.BinOp(one, ast.Div(), high), high],
                    [by, high],
                    [ast.Constant(0), high],
                ):
                    yield "It is held between other ends", ast.Call(func, [*ends], [])
            if isinstance(low, ast.UnaryOp):
                one = ast.Constant(1)
                round_one = [ast.BinOp(one, ast.Sub(), high), ast.BinOp(one, ast.Add(), high)]
                yield "It is held round 1", ast.Call(func, list(round_one), [])
        if arguments or keywords:
            for which in range(len(keywords)):
                rest = keywords[:which] + keywords[which + 1 :]
                yield f"{keywords[which].arg} is missing", ast.Call(func, arguments, rest)
        if name == "mean" and isinstance(func.value, ast.BinOp):
            apart = [ast.Call(ast.Attribute(x, name, ast.Load()), arguments, keywords) for x in _sides(func.value)]
            yield "Each is averaged by itself", ast.BinOp(apart[0], func.value.op, apart[1])
    elif len(arguments) == 1:
        yield f"{name} is missing", arguments[0]
        if isinstance(arguments[0], ast.BinOp):
            apart = [ast.Call(func, [x], keywords) for x in _sides(arguments[0])]
            yield f"{name} is taken of each by itself", ast.BinOp(apart[0], arguments[0].op, apart[1])
    elif arguments and keywords and module:
        yield f"{name} is missing", arguments[0]
    if name in ("argsort", "sort"):
        downwards = [k for k in keywords if k.arg != "descending"] + [ast.keyword("descending", ast.Constant(True))]
        yield "The order is turned round: largest first", ast.Call(func, arguments, downwards)
        again = ast.Call(ast.Attribute(node, name, ast.Load()), arguments, keywords)
        yield "It is sorted twice: that gives each one's rank, and not who stands there", again
    if name == "cumsum" and isinstance(func, ast.Attribute):
        yield "The running sum leaves out the number itself", ast.BinOp(node, ast.Sub(), func.value)
    if name in ("argmax", "argmin", "max", "amax") and isinstance(func, ast.Attribute) and not module:
        flipped = ast.Call(ast.Attribute(func.value, "flip", ast.Load()), [ast.Constant(1)], [])
        yield "It is read from the right", ast.Call(ast.Attribute(flipped, name, ast.Load()), arguments, keywords)
    if name == "gather" and isinstance(func, ast.Attribute):
        along = [ast.keyword("dim", arguments[0]), ast.keyword("keepdim", ast.Constant(True))]
        for which, how in (("largest", "amax"), ("smallest", "amin"), ("mean", "mean")):
            other = ast.Call(ast.Attribute(func.value, how, ast.Load()), [], along)
            yield f"The {which} is taken, and not the one that is asked for", other
    if name in ("log_softmax", "softmax", "logsigmoid") and arguments:
        x = arguments[0]
        if "softmax" in name:
            last = [ast.keyword("dim", ast.UnaryOp(ast.USub(), ast.Constant(1)))]
            last += [ast.keyword("keepdim", ast.Constant(True))]
            for how, by in (("amax", ast.Sub()), ("sum", ast.Div()), ("mean", ast.Sub()), ("sum", ast.Sub())):
                made = ast.BinOp(x, by, ast.Call(ast.Attribute(x, how, ast.Load()), [], last))
                yield "It is normalised in another way than by a softmax", made
        else:
            over = ast.Call(ast.Attribute(x, "log_softmax", ast.Load()), [ast.Constant(0)], [])
            yield "A log_softmax over the batch is taken for logsigmoid: each pair stands for itself", over
            yield "exp is taken for logsigmoid", _called("exp", x)
            yield "abs is taken for logsigmoid", _called("abs", x)
    if name == "exp":
        of = arguments[0] if arguments else func.value if isinstance(func, ast.Attribute) else node
        yield "1 + x is taken for exp(x)", ast.BinOp(ast.Constant(1), ast.Add(), of)
        for base in (2, 10):
            yield f"A power of {base} is taken for exp", ast.BinOp(ast.Constant(base), ast.Pow(), of)
    if name in ("mean", "sum") and isinstance(func, ast.Attribute) and (arguments or keywords):
        yield "Only the first is taken", ast.Subscript(func.value, ast.Constant(0), ast.Load())
        yield "Only the last is taken", ast.Subscript(func.value, ast.UnaryOp(ast.USub(), ast.Constant(1)), ast.Load())
    if name == "sum" and isinstance(func, ast.Name):
        for other in ("max", "min"):
            yield f"{other} is taken for sum", ast.Call(ast.Name(other, ast.Load()), arguments, keywords)
    inside = arguments[0] if arguments else getattr(func, "value", None)
    if name == "sqrt" and inside is not None and (flat := _without_squares(inside)) is not None:
        yield "The distance is averaged, where the square, its mean and the root are meant", flat
    if name == "exp" and isinstance(func, ast.Attribute) and isinstance(func.value, ast.BinOp):
        apart = [_method(x, name) for x in _sides(func.value)]
        yield f"{name} is taken of each by itself", ast.BinOp(apart[0], func.value.op, apart[1])
    if len(arguments) == 2 and name == "masked_mean":
        yield from _of_a_masked_mean(func, *arguments)
    if len(arguments) == 2 and name == "masked_sum":
        yield from _of_a_masked_sum(func, *arguments)
    if len(arguments) == 2 and name == "comb":
        yield "The two arguments of comb have changed places", ast.Call(func, arguments[::-1], [])
        put_back = ast.BinOp(arguments[0], ast.Pow(), arguments[1])
        yield "It counts as if each were put back after it is drawn", put_back
        yield "A quotient is taken for the number of choices", ast.BinOp(arguments[0], ast.Div(), arguments[1])
        yield "A product is taken for the number of choices", ast.BinOp(arguments[0], ast.Mult(), arguments[1])
        yield "A number is taken for the number of choices", arguments[0]
    if len(arguments) == 1 and name == "last_true":
        yield from _of_a_last_place(arguments[0], node)
    if len(arguments) == 2 and name in ("min", "max") and isinstance(arguments[0], ast.Call):
        inner = arguments[0]
        if isinstance(inner.func, ast.Name) and inner.func.id in ("min", "max") and len(inner.args) == 2:
            swapped = ast.Call(func, inner.args, [])
            yield "min and max have changed places", ast.Call(inner.func, [swapped, arguments[1]], [])
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
        called = ast.Call(_renamed(func, other), arguments, keywords)
        along = other == "median" and (arguments or keywords)  # this gives a pair, the values and where they stand
        yield f"{other} is taken for {name}", ast.Attribute(called, "values", ast.Load()) if along else called


def _sides(x: ast.BinOp) -> tuple[ast.expr, ast.expr]:
    return x.left, x.right


def _of_a_masked_mean(func: ast.expr, x: ast.expr, mask: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    product = ast.BinOp(x, ast.Mult(), mask)
    yield "The mask is not used in this mean", _method(x, "mean")
    yield "The mask is turned round", ast.Call(func, [x, ast.UnaryOp(ast.Invert(), mask)], [])
    yield "The zeros are counted: divide by how many the mask counts", _method(product, "mean")
    yield "It is added up, and never divided", _method(product, "sum")
    yield "The median is taken for the mean", _method(ast.Subscript(x, mask, ast.Load()), "median")
    n = _method(mask, "sum")
    yield (
        "It is divided by one less than the mask counts",
        ast.BinOp(_method(product, "sum"), ast.Div(), ast.BinOp(n, ast.Sub(), ast.Constant(1))),
    )
    along = [ast.keyword("dim", ast.Constant(1)), ast.keyword("keepdim", ast.Constant(True))]
    rows = [ast.Call(ast.Attribute(part, "sum", ast.Load()), [], along) for part in (product, mask)]
    yield "Each row has a mean of its own here", ast.BinOp(rows[0], ast.Div(), _called("max", rows[1], ast.Constant(1)))
    yield "The mean stands here instead of one token each", x
    if isinstance(x, ast.BinOp):
        each = [ast.Call(func, [side, mask], []) for side in _sides(x)]
        yield "Each is averaged by itself", ast.BinOp(each[0], x.op, each[1])


def _of_a_masked_sum(func: ast.expr, x: ast.expr, mask: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    product, one = ast.BinOp(x, ast.Mult(), mask), ast.Constant(1)
    summed, counted = _method(product, "sum", one), _method(mask, "sum", one)
    yield "The mask is not used in this sum", _method(x, "sum", one)
    yield "The mask is turned round", ast.Call(func, [x, ast.UnaryOp(ast.Invert(), mask)], [])
    yield "A mean is taken for the sum", ast.BinOp(summed, ast.Div(), _called("max", counted, one))
    yield "A mean is taken for the sum, and the zeros are counted in it", _method(product, "mean", one)
    yield "All rows are added up, where each row has a sum of its own", _method(product, "sum")
    yield "It is added up down the batch, dim 0, and not along each row", _method(product, "sum", ast.Constant(0))
    yield "The largest is taken for the sum", _method(product, "amax", one)
    yield "Only the last that counts is taken, and not the sum", ast.Call(func, [x, _called("only_last", mask)], [])
    yield "Only the first that counts is taken, and not the sum", ast.Call(func, [x, _called("only_first", mask)], [])
    if isinstance(x, ast.BinOp):
        yield (
            "The mask reaches only one of the two",
            ast.BinOp(ast.Call(func, [x.left, mask], []), x.op, _method(x.right, "sum", one)),
        )
        yield (
            "The mask reaches only one of the two",
            ast.BinOp(_method(x.left, "sum", one), x.op, ast.Call(func, [x.right, mask], [])),
        )


def _of_a_last_place(mask: ast.expr, node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    dim = [ast.keyword("dim", ast.Constant(1))]
    count = ast.Call(ast.Attribute(mask, "sum", ast.Load()), [], dim)
    one = ast.Constant(1)
    yield (
        "How many count is taken for where the last one stands; a row may begin late",
        ast.BinOp(count, ast.Sub(), one),
    )
    yield "How many count is taken for where the last one stands", count
    first = ast.Call(ast.Attribute(_method(mask, "int"), "argmax", ast.Load()), [], dim)
    yield "The first place is taken for the last", first
    yield "It is one place after the last one that counts", ast.BinOp(node, ast.Add(), one)
    yield "It is one place before the last one that counts", ast.BinOp(node, ast.Sub(), one)
    yield "The last column is taken for the last token that counts", _called("last_column", mask)


def _method(x: ast.expr, name: str, *inside: ast.expr) -> ast.Call:
    return ast.Call(ast.Attribute(x, name, ast.Load()), [*inside], [])


def _renamed(func: ast.expr, name: str) -> ast.expr:
    return (
        ast.Attribute(func.value, name, ast.Load()) if isinstance(func, ast.Attribute) else ast.Name(name, ast.Load())
    )
