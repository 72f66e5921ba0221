"""Other people's models and trainers beside ours: a Hugging Face model that our stages take for one of their own."""

import torch

from minirlhf.model import CausalLM
from minirlhf.real.pretrained import Pretrained, PretrainedSizes


def foreign(model, pad_id: int, eos_id: int | None = None) -> CausalLM:
    """A Hugging Face model as one of ours."""
    sizes = PretrainedSizes(model.config.vocab_size, 32, model.config.hidden_size, eos_id, pad_id, "nowhere")
    return CausalLM(Pretrained(model, sizes))


def tiny_gpt2(seed: int, vocab_size: int = 40, pad_id: int = 39, eos_id: int = 38):
    """A random GPT-2 of 16 channels without dropout, lively enough for its numbers to differ."""
    import transformers

    torch.manual_seed(seed)
    config = transformers.GPT2Config(
        vocab_size=vocab_size,
        n_positions=32,
        n_embd=16,
        n_layer=2,
        n_head=2,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=eos_id,
        eos_token_id=eos_id,
        pad_token_id=pad_id,
    )
    model = transformers.GPT2LMHeadModel(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return model.eval()


def tiny_words(pad_id: int = 39, eos_id: int = 38):
    """A tokenizer of forty words, w0 to w37, and the two that nobody says."""
    import tokenizers
    import transformers

    words = {f"w{n}": n for n in range(38)} | {"<eos>": eos_id, "<pad>": pad_id}
    bpe = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="w0"))
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<eos>", pad_token="<pad>")
