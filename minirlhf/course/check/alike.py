"""When two tensors count as the same numbers."""

from collections.abc import Sequence

import torch
from torch import Tensor


def same(yours: Tensor, ours: Tensor) -> bool:
    return yours.shape == ours.shape and bool(close(yours, ours).all())


def all_same(yours: Sequence[Tensor], ours: Sequence[Tensor]) -> bool:
    return len(yours) == len(ours) and all(map(same, yours, ours))


def close(yours: Tensor, ours: Tensor) -> Tensor:
    """Equal up to the rounding of float32: four digits of each number, and five of the largest."""
    if not ours.is_floating_point():
        return yours.to(ours) == ours
    finite = ours[torch.isfinite(ours)].abs()
    largest = max(1.0, finite.max().item()) if finite.numel() else 1.0
    return torch.isclose(yours.to(ours), ours, rtol=1e-4, atol=1e-5 * largest, equal_nan=True)
