"""Text to ids and back: a byte-level BPE trained with `tokenizers`, so that a learner may type anything.

`vocab_size` counts the ids that a model can say. Padding is the id after them: it has a row in the model's
embedding and no logit, so it cannot be sampled, and it is never mistaken for the end of a text.
"""

from collections.abc import Iterable

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from minirlhf.files.contents import AnyPath, located
from minirlhf.files.messages import printable, shortened, shown
from minirlhf.files.parsing import read_json
from minirlhf.files.words import split_words as split_words

END_OF_TEXT = "<|endoftext|>"


class Tokenizer:
    """A trained byte-level BPE. `decode(encode(text)) == text` for every text that is valid Unicode."""

    def __init__(self, bpe: tokenizers.Tokenizer) -> None:
        self._bpe = bpe
        # Typed text is only ever text: a learner who writes "<|endoftext|>" gets its letters, not the id.
        self._bpe.encode_special_tokens = True
        end = bpe.token_to_id(END_OF_TEXT)
        if end is None:
            raise ValueError(f"This tokenizer has no {END_OF_TEXT} entry, so no text could ever end.")
        self.vocab_size = bpe.get_vocab_size()
        if sorted(bpe.get_vocab().values()) != list(range(self.vocab_size)):
            raise ValueError("This tokenizer's ids are not the numbers from 0 up, one for each entry.")
        self.eos_id = end
        self.pad_id: int = self.vocab_size

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int = 512) -> "Tokenizer":
        """Learn the merges from texts; 256 of the entries are the bytes, one is the end of text."""
        if isinstance(texts, str):  # whose letters would be taken for texts
            raise ValueError(f"This is one text ({shown(texts)}) and not many; give a list of texts to learn from.")
        bpe = tokenizers.Tokenizer(models.BPE())
        bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        bpe.decoder = decoders.ByteLevel()
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        bpe.train_from_iterator(
            texts,
            trainers.BpeTrainer(
                vocab_size=vocab_size, initial_alphabet=alphabet, special_tokens=[END_OF_TEXT], show_progress=False
            ),
        )
        return cls(bpe)

    @classmethod
    def load(cls, path: AnyPath) -> "Tokenizer":
        """Read a tokenizer that `save` wrote."""
        found = located(path)
        if not found.is_file():
            raise FileNotFoundError(f"{printable(path)}: no tokenizer here. `minirlhf checkpoints` makes it anew.")
        try:
            read_json(found)  # nothing that could hurt reaches a parser that does not expect it
            return cls(tokenizers.Tokenizer.from_file(str(found)))
        except BaseException as error:  # the library raises bare Exception, and panics that are not even that
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            what = printable(f"{path}: not a tokenizer file ({shortened(str(error), 200)})")
            raise ValueError(f"{what}. `minirlhf checkpoints` makes it anew.") from None

    def save(self, path: AnyPath) -> None:
        """Write the merges as one JSON file."""
        self._bpe.save(str(located(path)))

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without an end of text."""
        return self._bpe.encode(text, add_special_tokens=False).ids

    def encode_prompt(self, text: str) -> list[int]:
        """The ids of a text that is to be answered: of a tiny model the same. A chat model's stands in its template."""
        return self.encode(text)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of some ids; end of text and padding say nothing."""
        return self._bpe.decode([i for i in ids if i not in (self.eos_id, self.pad_id)], skip_special_tokens=False)

    def pieces(self, text: str) -> list[str]:
        """The text cut into the pieces that the model reads, for looking at."""
        return [self.decode([i]) for i in self.encode(text)]
