"""What many tests share: models small enough to enumerate, the reference values, and exact comparison."""

import hashlib
import json
import math
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TypeVar

import pytest
import torch
from torch import nn

from minirlhf import checkpoint, training
from minirlhf.data import Prompts
from minirlhf.model import GPT, CausalLM, GPTConfig
from minirlhf.tokenizer import Tokenizer
from minirlhf.training import TrainState

V = 11
M = TypeVar("M", bound=nn.Module)
SIZES = GPTConfig(vocab_size=V, context=16, layers=2, heads=2, channels=16)
EQUATIONS = json.loads((Path(__file__).parent / "equations.json").read_text("utf-8"))
TYPED = GPTConfig(vocab_size=300, context=32, layers=1, heads=2, channels=16)
PARAMETERS, EXPECTED = EQUATIONS["parameters"], EQUATIONS["expected"]

TEXTS = [
    "Customer: my blue lamp came broken\nAgent: I am sorry! We will send a new lamp.",
    "Customer: where is my order of two chairs?\nAgent: Thank you for waiting. It comes tomorrow :)",
    "Customer: I was charged twice\nAgent: We refund the second payment today.",
]


def equation(*names: str, of: dict = EQUATIONS) -> tuple[torch.Tensor, ...]:
    """Reference values as tensors: booleans for masks, whole numbers for tokens, float64 for the rest."""
    found = (torch.tensor(of[name], dtype=torch.float64) for name in names)
    wanted = {"mask": torch.bool, "response_mask": torch.bool, "tokens": torch.long, "labels": torch.long}
    return tuple(tensor.to(wanted.get(name, tensor.dtype)) for name, tensor in zip(names, found, strict=True))


def trunk(seed: int = 0, config: GPTConfig = SIZES) -> GPT:
    torch.manual_seed(seed)
    return GPT(config)


def lively(model: M, seed: int = 0, size: float = 0.3) -> M:
    """The same model with every weight moved at random, so that all of them matter: a fresh one is almost uniform."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(size * torch.randn(parameter.shape, generator=generator))
    return model


def talker(seed: int = 0, config: GPTConfig = SIZES) -> CausalLM:
    """A language model with opinions."""
    return lively(CausalLM(trunk(seed, config)), seed)


def fingerprint(*models: nn.Module) -> str:
    """Equal only for models whose every number is the same, bit for bit."""
    digest = hashlib.sha256()
    for model in models:
        for tensor in model.state_dict().values():
            digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def equal(found, wanted, tolerance: float = 1e-9) -> None:
    torch.testing.assert_close(found, wanted, rtol=0.0, atol=tolerance)


@cache
def small_tokenizer() -> Tokenizer:
    """300 entries, learned from three lines; `TYPED` is the size of a model that speaks them."""
    return Tokenizer.train(TEXTS, vocab_size=300)


@dataclass
class Run:
    """One stage on one small problem: the models that it trains, and how to start or continue it."""

    models: dict[str, nn.Module]
    train: Callable[[TrainState | None], Iterator]


# ---- a problem for the stages that sample

EOS = 0
PROMPTS = Prompts([[5], [6, 7], [8, 9, 10]])
SMALL = GPTConfig(vocab_size=12, context=16, layers=1, heads=1, channels=16, eos_id=EOS)


def count(token):
    """A reward that counts one token in the response."""
    return lambda tokens, response_mask: ((tokens == token) & response_mask).sum(dim=1).float()


def sampling_run(stage: Callable, config, policy=None, reward=None, eos_id=EOS, sizes=TYPED, **hearts) -> Run:
    """A stage that samples and is scored (REINFORCE, GRPO), from a fresh policy or to continue one."""
    reference = CausalLM(trunk(0, replace(sizes, eos_id=eos_id)))
    policy = policy or deepcopy(reference)
    return Run(
        {"policy": policy},
        lambda state: stage(policy, reference, reward or count(1), PROMPTS, config, state=state, **hearts),
    )


# ---- what every stage of training promises

Make = Callable[..., Run]  # called with the models by name to continue from, or without for fresh ones


def check_that_peeking_changes_nothing(make: Make, peek: Callable[[Run], object]) -> None:
    """Sampling and evaluating between two steps changes neither a record nor a bit of a weight."""
    quiet, watched = make(), make()
    records, watched_records = list(quiet.train(None)), []
    for record in watched.train(None):
        watched_records.append(record)
        torch.rand(3)
        peek(watched)
    assert watched_records == records
    assert fingerprint(*watched.models.values()) == fingerprint(*quiet.models.values())


def check_that_breaking_leaves_a_prefix(make: Make, k: int) -> None:
    """Who breaks after k records holds the very models that a whole run has after k, and no gradient pending."""
    whole, broken = make(), make()
    after = [fingerprint(*whole.models.values()) for _ in whole.train(None)]
    assert len(set(after)) == len(after) > k, "every step must change something for this test to mean anything"
    for n, _ in enumerate(broken.train(None), start=1):
        assert all(p.grad is None for model in broken.models.values() for p in model.parameters())
        if n == k:
            break
    assert fingerprint(*broken.models.values()) == after[k - 1]


def check_that_resuming_is_exact(make: Make, k: int, folder: Path, seed: int) -> TrainState:
    """A run that was saved after k records and read from disk goes on bit for bit like one that never stopped."""
    whole, first = make(), make()
    records = list(whole.train(None))
    state = training.new_state(seed, **first.models)
    found = list(islice(first.train(state), k))
    for name, model in first.models.items():
        checkpoint.save(folder / name, model, small_tokenizer(), state)
    loaded = {name: checkpoint.load(folder / name)[0] for name in first.models}
    second = make(**loaded)
    resumed = checkpoint.load_state(folder / next(iter(loaded)), **second.models)
    assert resumed.step == k
    found += list(second.train(resumed))
    assert found == records
    assert fingerprint(*second.models.values()) == fingerprint(*whole.models.values())
    return resumed


def check_that_ctrl_c_anywhere_leaves_usable_models(make: Make, seed: int, moments: int = 20) -> None:
    """Press Ctrl-C at lines spread over the whole of step 2: no gradient is left, there is a word, one can go on."""
    length, _ = _lines_of_step_2(make, seed, stop_at=None)
    assert length > moments
    for moment in range(moments):
        _, interrupted = _lines_of_step_2(make, seed, stop_at=1 + moment * (length - 1) // (moments - 1))
        run, state, stopped = interrupted
        assert stopped is not None and any("To go on" in note for note in stopped.__notes__)
        for model in run.models.values():
            assert all(p.grad is None and p.isfinite().all() for p in model.parameters())
        records = list(run.train(state))
        values = [value for record in records for value in asdict(record).values() if value is not None]
        assert values and all(map(math.isfinite, values))


def _lines_of_step_2(make: Make, seed: int, stop_at: int | None):
    """Run two steps; the package's lines run by the second are counted, and Ctrl-C comes before one of them."""
    run, lines, stopped = make(), 0, None
    state = training.new_state(seed, **run.models)
    steps = run.train(state)
    next(steps)
    package, before = str(Path(training.__file__).parent), sys.gettrace()

    def trace(frame, event, _):
        nonlocal lines
        if not frame.f_code.co_filename.startswith(package):
            return None
        if event == "line":
            lines += 1
            if lines == stop_at:
                raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        next(steps)
    except KeyboardInterrupt as stop:
        stopped = stop
    finally:
        sys.settrace(before)
    return lines, (run, state, stopped)


def check_that_gradients_are_held_to_their_norm(make: Make, config) -> None:
    """Adam moves a weight by its gradient over that gradient's own size plus 1e-5: held far below, it hardly moves."""

    def moved(max_grad_norm: float) -> list[float]:
        return _moved_by_one_step(make(config=replace(config, max_grad_norm=max_grad_norm)))

    for free, held in zip(moved(1.0), moved(1e-9), strict=True):
        assert 0 < held < 0.01 * free


def check_that_the_first_step_is_as_large_as_its_rate(make: Make, config, *rates: float) -> None:
    """Adam's first step is its learning rate, whatever the gradient; `rates` are those of the models, one for each."""
    assert _moved_by_one_step(make(config=config)) == [pytest.approx(rate, rel=0.05) for rate in rates]


def check_that_the_seed_decides(make: Make, config) -> None:
    """One seed gives one run, and another one another, from the same models and the same data."""
    runs = [make(config=replace(config, seed=seed)) for seed in (0, 0, 1)]
    one, same, other = ([asdict(record) for record in run.train(None)] for run in runs)
    assert one == same != other
    one, same, other = (fingerprint(*run.models.values()) for run in runs)
    assert one == same != other


def _moved_by_one_step(run: Run) -> list[float]:
    """How far the weight of each model went that went farthest."""
    before = {name: [p.detach().clone() for p in model.parameters()] for name, model in run.models.items()}
    next(run.train(None))
    return [
        max((p.detach() - old).abs().max().item() for p, old in zip(model.parameters(), before[name], strict=True))
        for name, model in run.models.items()
    ]
