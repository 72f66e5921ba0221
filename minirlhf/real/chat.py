"""The tokenizer of a pretrained model, as this package asks for one: typed text is text, a prompt stands in its chat.

What a person types is never a command: "<|im_end|>" or "<think>" in a prompt are read as letters. So prompts are not
pasted into the chat template and encoded as one: the template's own parts are, and the text between them apart.
"""

import json
from collections.abc import Iterable
from typing import Any

import tokenizers

from minirlhf.files.contents import AnyPath, located
from minirlhf.files.messages import printable
from minirlhf.tokenizer import Tokenizer

HERE = "minirlhf\ue000here"  # stands for a message where a template is looked at; nobody types it


class PretrainedTokenizer(Tokenizer):
    """A tokenizer of `transformers`: `encode` reads plain text, `encode_prompt` a text to be answered.

    `decode(encode_prompt(text))` is the text again, without what the template puts around it.
    """

    def __init__(
        self, theirs: Any, plain: tokenizers.Tokenizer, before: list[int], after: list[int], eos_id: int
    ) -> None:
        self.theirs, self._bpe, self.before, self.after, self.eos_id = theirs, plain, before, after, eos_id
        self.chat = bool(after)  # whether prompts stand in a chat template
        self.vocab_size = len(theirs)
        self.pad_id = eos_id if theirs.pad_token_id is None else theirs.pad_token_id

    def encode_prompt(self, text: str) -> list[int]:
        return [*self.before, *self.encode(text), *self.after]

    def decode(self, ids: Iterable[int]) -> str:
        ids = [int(i) for i in ids]
        n, m = len(self.before), len(self.after)
        if n + m and len(ids) >= n + m and ids[:n] == self.before and ids[len(ids) - m :] == self.after:
            ids = ids[n : len(ids) - m]
        known = [i for i in ids if i not in (self.eos_id, self.pad_id) and i < self.vocab_size]
        return self.theirs.decode(known, skip_special_tokens=False, clean_up_tokenization_spaces=False)

    def save(self, path: AnyPath) -> None:
        """Write it as `transformers` does, into the folder of this file."""
        self.theirs.save_pretrained(str(located(path).parent))


def read_tokenizer(path_or_name: str, *, chat: bool) -> PretrainedTokenizer:
    """The tokenizer of a model; in its chat template if it has one and `chat` is True."""
    from transformers import AutoTokenizer

    theirs: Any = AutoTokenizer.from_pretrained(path_or_name)
    where = printable(path_or_name)
    if not getattr(theirs, "is_fast", False):
        raise ValueError(f"{where}: its tokenizer has no tokenizer.json; convert it with transformers first.")
    if theirs.eos_token_id is None:
        raise ValueError(f"{where}: its tokenizer has no end of text (eos_token), so no reply could ever end.")
    plain = _without_marks(theirs)
    for number, mark in theirs.added_tokens_decoder.items():
        if number in plain.encode(mark.content, add_special_tokens=False).ids:
            raise ValueError(
                f"{where}: whoever types {mark.content!r} would give this model a command, since that is one of its "
                "words too. It cannot be held here."
            )
    if not (chat and theirs.chat_template):
        begins = [theirs.bos_token_id] if _begins_with_bos(theirs) else []
        return PretrainedTokenizer(theirs, plain, begins, [], theirs.eos_token_id)
    before, after, end = _around(where, theirs)
    return PretrainedTokenizer(theirs, plain, before, after, end)


def _without_marks(theirs: Any) -> tokenizers.Tokenizer:
    """The same merges, knowing no mark: neither those that are called special, nor others that stand for one entry."""
    described = json.loads(theirs.backend_tokenizer.to_str())
    described["added_tokens"], described["post_processor"] = [], None
    described["truncation"] = described["padding"] = None
    return tokenizers.Tokenizer.from_str(json.dumps(described))


def _begins_with_bos(theirs: Any) -> bool:
    """Whether a text begins with a mark of its own, as the model has learned it."""
    return theirs.bos_token_id is not None and theirs("a").input_ids[:1] == [theirs.bos_token_id]


def _around(where: str, theirs: Any) -> tuple[list[int], list[int], int]:
    """The ids before and after a prompt in the chat template, and the one that ends a reply."""
    asked = [{"role": "user", "content": HERE}]
    text = theirs.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    said = theirs.apply_chat_template([*asked, {"role": "assistant", "content": HERE}], tokenize=False)
    if text.count(HERE) != 1 or said.count(HERE) != 2:
        raise ValueError(
            f"{where}: its chat template does not say each message once, as it stands; load it with chat=False."
        )
    before, after = (theirs(part, add_special_tokens=False).input_ids for part in text.split(HERE))
    end = theirs(said.split(HERE)[2], add_special_tokens=False).input_ids[:1]
    special = set(theirs.all_special_ids) | set(theirs.added_tokens_decoder)
    return before, after, end[0] if end and end[0] in special else theirs.eos_token_id
