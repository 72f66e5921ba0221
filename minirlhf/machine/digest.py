"""A digest of named tensors, which tells one set of weights from another."""

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor


def tensor_digest(named: Iterable[tuple[str, Tensor]]) -> bytes:
    """SHA-256 of every name and number, bit for bit, in their order; of any dtype, wherever it lies."""
    digest = hashlib.sha256()
    for name, tensor in named:
        digest.update(name.encode() + tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.digest()
