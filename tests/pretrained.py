"""Tiny random models in the format of `transformers`, written to a folder and opened again as a learner would."""

from functools import cache
from pathlib import Path
from typing import Any

import tokenizers
import torch

from minirlhf.real import load_pretrained

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WORDS = "the lamp came broken we will send a new one today sorry thank you where is my order"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
LARGER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def write_tokenizer(folder: Path, chat: bool = True) -> int:
    """A byte-level BPE with three special marks and one, <think>, that is none; returns how many entries it has."""
    from transformers import PreTrainedTokenizerFast

    bpe = tokenizers.Tokenizer(tokenizers.models.BPE())
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = tokenizers.decoders.ByteLevel()
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=290, initial_alphabet=alphabet, show_progress=False)
    bpe.train_from_iterator([WORDS] * 4, trainer)
    theirs = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=SPECIAL[0], pad_token=SPECIAL[0])
    theirs.add_special_tokens({"additional_special_tokens": SPECIAL[1:]})
    theirs.add_tokens(["<think>"])
    if chat:
        theirs.chat_template = CHATML
    theirs.save_pretrained(str(folder))
    return len(theirs)


def write_model(folder: Path, kind: str = "llama", chat: bool = True, seed: int = 0, **more: Any) -> Path:
    """A random model of this kind, lively enough for its numbers to differ, with its tokenizer."""
    import transformers

    vocab_size = write_tokenizer(folder, chat) + 3  # more rows than entries, as Qwen2.5 has
    ends = {"bos_token_id": None, "eos_token_id": 290, "pad_token_id": None}
    sizes: dict[str, Any] = {**LARGER, "num_key_value_heads": 2, "max_position_embeddings": 256}
    config: Any = {
        "llama": lambda: transformers.LlamaConfig(vocab_size=vocab_size, **sizes, **ends, **more),
        "qwen2": lambda: transformers.Qwen2Config(vocab_size=vocab_size, **sizes, **ends, **more),
        "qwen3": lambda: transformers.Qwen3Config(vocab_size=vocab_size, head_dim=8, **sizes, **ends, **more),
        "gpt2": lambda: transformers.GPT2Config(
            vocab_size=vocab_size, n_positions=256, n_embd=32, n_layer=2, n_head=4, **ends, **more
        ),
    }[kind]()
    torch.manual_seed(seed)
    lm: Any = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in lm.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    lm.save_pretrained(str(folder))
    return folder


@cache
def written(root: Path, kind: str) -> Path:
    """One folder for each kind, written once."""
    folder = root / kind
    folder.mkdir()
    return write_model(folder, kind)


def opened(folder: Path, **how: Any):
    return load_pretrained(folder, **how)
