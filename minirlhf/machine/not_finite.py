"""A number that is none: the run stops before the model changes, and the batch is kept for a look."""

import os
import tempfile
from pathlib import Path

import safetensors.torch
from torch import Tensor

from minirlhf.machine.shares import process


class NotFiniteError(FloatingPointError):
    """A loss or its gradient became NaN or infinite; the model that it belongs to is as it was before this step."""

    def __init__(self, loss: float, norm: float, path: Path) -> None:
        super().__init__(
            f"The loss is {loss} and its gradient's norm {norm}, so training stopped before taking that step. "
            f"The batch is in {path}. Look there for extreme values; a lower learning rate is the usual remedy."
        )


def save_batch(batch: dict[str, Tensor]) -> Path:
    """Save a batch for inspection: under runs/, or in a temporary folder if that cannot be written.

    Of several processes the first one saves it, for all have the same.
    """
    folder = Path("runs/not_finite")
    if process() != 0:
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    with tempfile.NamedTemporaryFile(
        prefix="batch-", suffix=".safetensors", dir=folder if writable else None, delete=False
    ) as file:
        path = Path(file.name)
    safetensors.torch.save_file({name: tensor.detach().contiguous() for name, tensor in batch.items()}, path)
    return path
