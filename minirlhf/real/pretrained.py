"""A causal language model of `transformers` as a trunk: Llama, Qwen2, Qwen3, SmolLM, GPT-2 and what is built like them.

Choices: no attention mask and no positions, since both follow from the cache and rows are padded on the right; all
dropout is off, because PPO compares probabilities that were computed twice; logits are float32 also where weights are
bfloat16, whose 8 bits are too few to draw from. A model is tried when it is loaded: one that this cannot hold is named.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from minirlhf.files.contents import AnyPath, located
from minirlhf.files.messages import printable, shown
from minirlhf.machine.digest import tensor_digest
from minirlhf.model import CausalLM, Hidden, Trunk
from minirlhf.ops import Mask, Tokens
from minirlhf.real.adapters import base_tensors
from minirlhf.real.chat import PretrainedTokenizer, read_tokenizer

LAYERS = {"full_attention", "sliding_attention"}
FIRST_MAJOR = 5  # of transformers: before it a mask could not say which logits are wanted
CLOSE = {torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float64: 1e-6}  # logits computed in two ways


@dataclass(frozen=True)
class PretrainedSizes:
    """What this package asks of a trunk's config."""

    vocab_size: int
    context: int
    channels: int
    eos_id: int | None
    pad_id: int
    base: str  # the folder or name that it was loaded from


class KeysAndValues:
    """The cache of `transformers`, with `keep`."""

    def __init__(self, layers: Any) -> None:
        self.layers, self.length = layers, 0

    def keep(self, rows: Tensor) -> None:
        """Drop all rows of the batch but these."""
        self.layers.batch_select_indices(rows)


class Pretrained(Trunk):
    """A language model of `transformers` without its last layer, which `unembed` is."""

    config: PretrainedSizes

    def __init__(self, lm: Any, config: PretrainedSizes) -> None:
        super().__init__()
        self.lm, self.config = lm, config
        self.as_loaded = fingerprint(self)  # tells a checkpoint whether the base has to go with it

    def forward(self, tokens: Tokens, cache: KeysAndValues | None = None, at: Mask | None = None) -> Hidden:
        read = 0 if cache is None else cache.length
        if read + tokens.shape[1] > self.config.context:
            raise ValueError(
                f"A row has {read + tokens.shape[1]} tokens, this model reads at most {self.config.context} (its "
                "context). Shorten the text, or ask for fewer new tokens."
            )
        kept = {"use_cache": False} if cache is None else {"use_cache": True, "past_key_values": cache.layers}
        hidden = self.lm.base_model(input_ids=tokens, **kept).last_hidden_state
        if cache is not None:
            cache.length += tokens.shape[1]
        return hidden if at is None else hidden[at]

    def cache(self) -> KeysAndValues:
        from transformers import DynamicCache

        return KeysAndValues(DynamicCache(config=self.lm.config))

    def unembed(self, hidden: Hidden) -> Tensor:
        logits = self.lm.get_output_embeddings()(hidden)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))


def load_pretrained(
    path_or_name: AnyPath,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
    rows_at_once: int | None = None,
    context: int | None = None,
    chat: bool = True,
) -> tuple[CausalLM, PretrainedTokenizer]:
    """Open a causal language model in the format of `transformers`: a folder, or a name on the hub.

    `device`: a GPU where there is one, unless told otherwise. `rows_at_once`: see Trunk. `context`: fewer tokens than
    it could read. `chat`: prompts are put in the model's chat template, if it has one. All its numbers can be trained;
    `with_lora` freezes them. Raises ValueError with the reason for a model that this package cannot hold.
    """
    transformers = _transformers()
    folder = located(path_or_name)
    given = str(folder.resolve()) if folder.is_dir() else str(path_or_name)
    _require_model(given)
    try:
        config = transformers.AutoConfig.from_pretrained(given)
        _require_attention(given, config)
        with no_bar() if folder.is_dir() else nullcontext():
            lm, told = transformers.AutoModelForCausalLM.from_pretrained(
                given, config=config, dtype=dtype, output_loading_info=True
            )
    except (OSError, KeyError) as error:
        raise ValueError(f"{printable(given)}: no language model could be opened there ({_first(error)}).") from None
    if lost := sorted(told["missing_keys"]) or sorted(map(str, told["mismatched_keys"])):
        raise ValueError(f"{printable(given)}: its weights are not whole; {shown(lost[0])} is missing. Fetch it again.")
    without_dropout(lm)
    tokenizer = read_tokenizer(given, chat=chat)
    rows = lm.get_output_embeddings().weight.shape[0]
    if tokenizer.vocab_size > rows:
        raise ValueError(
            f"{printable(given)}: its tokenizer has {tokenizer.vocab_size} entries and the model {rows} rows for them; "
            "they do not belong together."
        )
    reads = getattr(lm.config, "max_position_embeddings", None) or 2**20
    width = lm.get_output_embeddings().weight.shape[1]
    sizes = PretrainedSizes(rows, min(reads, context or reads), width, tokenizer.eos_id, tokenizer.pad_id, given)
    trunk = Pretrained(lm.to(device or ("cuda" if torch.cuda.is_available() else "cpu")), sizes)
    trunk.rows_at_once = rows_at_once
    policy = CausalLM(trunk)
    _require_equal(given, policy)
    return policy, tokenizer


def fingerprint(trunk: Pretrained) -> str:
    """Sixteen characters that tell one base from another, whatever adapter is in it."""
    return tensor_digest(sorted(base_tensors(trunk), key=lambda named: named[0])).hex()[:16]


def without_dropout(lm: nn.Module) -> None:
    """Turn off all dropout for good: `eval` alone would not outlast somebody's `train`."""
    for name, value in vars(lm.config).items():
        if isinstance(value, float) and ("dropout" in name or name.endswith("pdrop")):
            setattr(lm.config, name, 0.0)
    for module in lm.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name, value in list(vars(module).items()):
            if isinstance(value, float) and "dropout" in name:
                setattr(module, name, 0.0)
    lm.eval()


def _transformers() -> Any:
    try:
        import transformers
    except ImportError:
        raise ModuleNotFoundError(
            "A pretrained model needs the package transformers, and it is not installed. "
            "In the environment of these lessons: pip install 'minirlhf[real]'"
        ) from None
    if int(transformers.__version__.split(".")[0]) < FIRST_MAJOR:
        raise ImportError(f"transformers is {transformers.__version__}; {FIRST_MAJOR}.0 or newer is needed: update it.")
    return transformers


@contextmanager
def no_bar() -> Iterator[None]:
    """No bar for what takes a second."""
    from transformers.utils import logging

    before = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if before:
            logging.enable_progress_bar()


def _require_model(given: str) -> None:
    """A folder has to hold a model; what looks like one and is not there is no name on the hub either."""
    folder = Path(given).expanduser()
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{printable(given)}: no model here (config.json is missing).")
    if not folder.exists() and (folder.is_absolute() or given.startswith((".", "~")) or given.count("/") > 1):
        raise FileNotFoundError(
            f"{printable(given)}: no such folder. (A checkpoint's base has moved? Say where: base=…)"
        )


def _require_attention(given: str, config: Any) -> None:
    """Rows leave a batch while it is sampled, which only a memory of keys and values bears."""
    layers = set(getattr(config, "layer_types", None) or ()) - LAYERS
    if layers:
        raise ValueError(
            f"{printable(given)}: this model ({config.model_type}) has layers of {', '.join(sorted(layers))}, whose "
            "memory rows cannot leave one by one. Take one with full or sliding attention, such as Llama or Qwen2."
        )
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    kind = rope.get("rope_type", "default")
    if kind in ("dynamic", "longrope"):
        raise ValueError(
            f"{printable(given)}: its positions ({kind}) change with the length of a row, so a row would not say the "
            "same alone and in company. Take a model with fixed positions."
        )


@torch.no_grad()
def _require_equal(given: str, policy: CausalLM) -> None:
    """The logits are the model's own, and what stands to the right of a token, or was read before, changes nothing."""
    trunk = policy.trunk
    tokens = torch.arange(8, device=trunk.device).view(1, 8) % trunk.config.vocab_size
    cache = trunk.cache()
    own = trunk.get_submodule("lm")(input_ids=tokens, use_cache=False).logits.float()
    close = CLOSE.get(next(trunk.parameters()).dtype, 0.1) * max(1.0, own.abs().max().item())
    policy(tokens[:, :4], cache)
    for what, found, wanted in (
        ("does more to its logits than its last layer", policy(tokens), own),
        ("looks at what stands to the right of a token", policy(tokens[:, :4]), own[:, :4]),
        ("does not go on from what it has read", policy(tokens[:, 4:], cache), own[:, 4:]),
    ):
        if not (found - wanted).abs().max() <= close:
            kind = type(trunk.get_submodule("lm")).__name__
            raise ValueError(f"{printable(given)}: this model ({kind}) {what}, and cannot be held here.")


def _first(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200]
