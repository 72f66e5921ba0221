"""Put back what a learner's function may have changed for everybody: seeds, settings, folders, patched functions."""

import builtins
import math
import os
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import ModuleType

import numpy as np
import torch

from minirlhf import losses, ops

PATCHABLE: tuple[ModuleType | type, ...] = (builtins, math, torch, torch.nn.functional, torch.Tensor, ops, losses)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Whatever is changed inside is as it was afterwards."""
    numbers, more_numbers, tensors = random.getstate(), np.random.get_state(), torch.get_rng_state()
    dtype, threads, gradients = torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()
    depth, folder, outputs = sys.getrecursionlimit(), os.getcwd(), (sys.stdout, sys.stderr)
    names = [(holder, dict(vars(holder))) for holder in PATCHABLE]
    surroundings, printing = dict(os.environ), np.get_printoptions()
    strict = torch.are_deterministic_algorithms_enabled()
    try:
        with warnings.catch_warnings():
            yield
    finally:
        for holder, before in names:
            _put_back(holder, before)
        random.setstate(numbers)
        np.random.set_state(more_numbers)
        torch.set_rng_state(tensors)
        torch.set_default_dtype(dtype)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.set_grad_enabled(gradients)
        torch.use_deterministic_algorithms(strict)
        np.set_printoptions(**printing)
        sys.setrecursionlimit(depth)
        sys.stdout, sys.stderr = outputs
        if os.environ != surroundings:
            os.environ.clear()
            os.environ.update(surroundings)
        with suppress(OSError):
            os.chdir(folder)


def _put_back(holder: ModuleType | type, before: dict[str, object]) -> None:
    now = vars(holder)
    for name in [name for name, x in now.items() if name not in before or before[name] is not x]:
        with suppress(AttributeError, TypeError):
            if name in before:
                setattr(holder, name, before[name])
            elif isinstance(holder, type) or not isinstance(now[name], ModuleType):
                delattr(holder, name)
    for name in before.keys() - now.keys():
        with suppress(AttributeError, TypeError):
            setattr(holder, name, before[name])
