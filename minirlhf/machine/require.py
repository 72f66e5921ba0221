"""What cannot work is refused before anything is learned or sampled, by the setting's own name and with the remedy."""

from typing import Any

from torch import nn

from minirlhf.data import Prompts
from minirlhf.files.messages import counted
from minirlhf.machine.shares import is_sharded


def require(condition: bool, what: str) -> None:
    """Raise a ValueError where a setting makes no sense."""
    if not condition:
        raise ValueError(what)


def require_counts(config: object, *names: str) -> None:
    """Fields that count something: whole numbers, 1 or more."""
    for name in names:
        value = getattr(config, name)
        whole = isinstance(value, int) and value >= 1
        require(whole, f"{type(config).__name__}.{name} is {value}; it must be a whole number, 1 or more.")


def require_positive(config: object, *names: str) -> None:
    """Fields that are rates and sizes: above 0, and finite."""
    for name in names:
        value = getattr(config, name)
        require(0 < value < float("inf"), f"{type(config).__name__}.{name} is {value}; it must be above 0 and finite.")


def require_between(config: object, low: float | int, high: float | int, *names: str) -> None:
    """Fields with a range, its ends included."""
    for name in names:
        value = getattr(config, name)
        require(low <= value <= high, f"{type(config).__name__}.{name} is {value}; it must be from {low} to {high}.")


def require_own_weights(**models: nn.Module) -> None:
    """Models that must not move together share no tensor, but what is frozen in both: each is a copy (`fork`)."""
    owner: dict[int, tuple[str, bool]] = {}
    for name, model in models.items():
        for parameter in model.parameters():
            # The memory, and not where in it a tensor begins: a view or a slice is moved with the whole.
            here: Any = parameter
            here = here.to_local() if is_sharded(parameter) else here
            memory, moves = here.untyped_storage().data_ptr(), parameter.requires_grad
            other, moved = owner.setdefault(memory, (name, moves))
            require(
                other == name or not (moves or moved),
                f"{name} shares its weights with {other}, and they are to learn; give it a copy (copy.deepcopy) of its "
                "own, or freeze what both share.",
            )


def require_room(prompts: Prompts, max_new_tokens: int, **models: object) -> None:
    """Every prompt and its longest reply fit what each model reads; asked before anything is sampled."""
    n, length = max(enumerate(map(len, prompts.prompts), start=1), key=lambda prompt: prompt[1], default=(0, 0))
    for name, model in models.items():
        context = getattr(getattr(getattr(model, "trunk", None), "config", None), "context", None)
        if context is not None:
            require(
                length + max_new_tokens <= context,
                f"Prompt {n} of {len(prompts)} has {counted(length, 'token')}, and with {max_new_tokens} new "
                f"(max_new_tokens) that is more than {name} reads, which is {context} (its context). Leave out prompts "
                f"above {counted(max(context - max_new_tokens, 0), 'token')}, set max_new_tokens to "
                f"{max(context - length, 0)} or less, or build the models with a longer context.",
            )
