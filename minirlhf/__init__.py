"""minirlhf: how people tune a language model, small enough to read and quick enough to watch.

Nothing is loaded until it is used: `minirlhf.gae` fetches `minirlhf/advantages.py` when first asked for.
So `import minirlhf` costs next to nothing, and a reader of one module need not wait for all of them.
"""

from importlib import import_module

__version__ = "0.1.0"

# Every public module, and the names in it that `from minirlhf import …` finds.
# A name stands in one place only, and is never the name of a module.
PUBLIC = {
    "ops": "",
    "losses": "",
    "advantages": "",
    "tokenizer": "",
    "model": "",
    "data": "",
    "workspace": "",
    "rollout": "",
    "training": "",
    "sft": "",
    "reward": "",
    "ppo": "",
    "evaluate": "",
    "checkpoint": "",
    "plots": "",
    "lessons": "",
}

HOME_OF = {name: module for module, names in PUBLIC.items() for name in names.split()}

__all__ = sorted([*PUBLIC, *HOME_OF])


def __getattr__(name: str):
    """Fetch a public module or name at its first use."""
    if name in PUBLIC:
        return import_module(f"{__name__}.{name}")
    if name in HOME_OF:
        found = getattr(import_module(f"{__name__}.{HOME_OF[name]}"), name)
        globals()[name] = found  # the next use finds it here, without asking again
        return found
    raise AttributeError(f"minirlhf has no public name {name!r}; dir(minirlhf) lists them")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
