"""Types are checked while tests run: shapes where a function names some, plain types where it does not, and once.

`--jaxtyping-packages` (pyproject.toml) puts `jaxtyping.jaxtyped` on every function of the package. That binds the
arguments of each call to their names and checks them twice, also where no shape is named, which is nearly everywhere:
up to half of the time that a test took. What is checked here is the same.
"""

import inspect
from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import jaxtyping
from beartype import beartype

with_shapes = jaxtyping.jaxtyped


def checked(made: Any = None, *, typechecker: Callable) -> Any:
    """A function, or a class, that is held to its annotations."""
    if made is None:
        return lambda made: checked(made, typechecker=typechecker)
    if not inspect.isfunction(made) or inspect.isgeneratorfunction(made):
        return with_shapes(made, typechecker=typechecker)
    hints = {name: _resolved(hint, made) for name, hint in made.__annotations__.items()}
    if not hints:
        return made
    written, made.__annotations__ = made.__annotations__, hints
    held = beartype(made)
    held.__annotations__ = made.__annotations__ = written
    return with_shapes(held, typechecker=None) if any(map(_names_a_shape, hints.values())) else held


def _resolved(hint: Any, made: Callable) -> Any:
    """What a hint stands for; anything, where it is a text and names a class that is only being made."""

    def holder() -> None: ...

    holder.__annotations__ = {"hint": hint}
    try:
        return get_type_hints(holder, made.__globals__, include_extras=True)["hint"]
    except Exception:
        return Any


def _names_a_shape(hint: Any) -> bool:
    if isinstance(hint, list | tuple):  # the arguments of a Callable
        return any(map(_names_a_shape, hint))
    if inspect.isclass(hint) and issubclass(hint, jaxtyping.AbstractArray):
        return True
    return _names_a_shape(get_args(hint))
