"""Models that people use, under the same functions: a trunk from `transformers`, LoRA, and checkpoints others open.

    from minirlhf.real import load_pretrained, with_lora

    base, tokenizer = load_pretrained("HuggingFaceTB/SmolLM2-135M-Instruct")     # or a folder
    taste = Taste(with_lora(base), base, prompts, tokenizer)

It needs `transformers`, which comes with the extra `minirlhf[real]`; nothing else in this package does.
"""

from minirlhf.real.adapters import load_adapter, save_adapter
from minirlhf.real.checkpoints import load, save
from minirlhf.real.export import export_gpt2, export_merged
from minirlhf.real.lora import LoRA, adapted_share, lora_linear, merged, with_lora
from minirlhf.real.pretrained import Pretrained, load_pretrained

__all__ = [
    "LoRA",
    "Pretrained",
    "adapted_share",
    "export_gpt2",
    "export_merged",
    "load",
    "load_adapter",
    "load_pretrained",
    "lora_linear",
    "merged",
    "save",
    "save_adapter",
    "with_lora",
]
