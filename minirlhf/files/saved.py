"""What a program saved and another reads: JSON of a described shape, and tensors of known names and sizes."""

from pathlib import Path
from typing import Any, TypeVar

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from minirlhf.files.contents import Unreadable
from minirlhf.files.messages import counted, printable, shown
from minirlhf.files.parsing import read_json

AGAIN = "Make the checkpoint anew, or copy it again."


class Shape(BaseModel):
    """What a file must say; what else it says is left to whoever wrote it."""

    model_config = ConfigDict(strict=True)


Described = TypeVar("Described", bound=Shape)


def read_saved(path: Path) -> Any:
    """The JSON of a file that a program wrote."""
    try:
        return read_json(path)
    except Unreadable as error:
        raise Unreadable(path, f"damaged ({error}) {AGAIN}") from None


def read_as(path: Path, found: object, shape: type[Described]) -> Described:
    """What a file says, if it has this shape."""
    try:
        return shape.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "all of it"
        raise Unreadable(path, f"{shown(where)} is not as it was saved ({first['msg']}). {AGAIN}") from None


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file."""
    if not path.is_file():
        raise FileNotFoundError(f"{printable(path)}: missing, so the checkpoint is not whole. {AGAIN}")
    try:
        return safetensors.torch.load_file(str(path))
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise Unreadable(path, f"damaged or cut short ({error}). {AGAIN}") from None


def require_fit(
    path: Path, tensors: dict[str, torch.Tensor], wanted: dict[str, tuple[int, ...]], whole: tuple[str, ...] = ()
) -> None:
    """The tensors have the names and sizes that are wanted, and fractions in them; but for those that hold bytes."""
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    odd = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if odd:
        raise Unreadable(
            path,
            f"these weights are for another model; they differ in {counted(len(odd), 'tensor')}, first in "
            f"{shown(odd[0])} (here {found.get(odd[0], 'missing')}, wanted {wanted.get(odd[0], 'nothing')}). "
            f"{AGAIN} Nothing was loaded.",
        )
    wrong = [name for name, x in tensors.items() if x.is_floating_point() == (name in whole)]
    if wrong:
        raise Unreadable(path, f"{shown(wrong[0])} holds another kind of number. {AGAIN}")


def not_saved_here(folder: Path, files: set[str]) -> list[str]:
    """What stands where a checkpoint of these files is to be written, and is none or no part of one."""
    if not folder.exists():
        return []
    if not folder.is_dir():
        return [folder.name]
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    try:
        config = read_json(folder / "config.json") if "config.json" in names else None
    except Unreadable:  # damaged, as ours may be
        config = {"format": 1}
    ours = isinstance(config, dict) and "format" in config
    return [name for name in names if not ours or name not in files]
