"""Texts as the stages read them: demonstrations, comparisons, prompts.

Files are JSONL in the column names that TRL made common. An error names the file, the line and the remedy, and
nothing is half loaded. Texts are read as they stand, or put in a frame that says what stands around them:

    Demonstrations.load(path, tokenizer, context=64, frame="Customer: {prompt}\\nAgent: {reply}")

A context of None is no limit: the additive reward model has none.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from minirlhf.files.columns import require_different
from minirlhf.files.contents import AnyPath
from minirlhf.files.framing import note_missing_frame, put_in_frame
from minirlhf.files.messages import half_of_a_character, shown
from minirlhf.jsonl import read_jsonl as read_jsonl
from minirlhf.jsonl import read_rows
from minirlhf.ops import Mask, Tokens
from minirlhf.tokenizer import Tokenizer

Ids = list[int]
Context = int | None  # how many tokens the model reads; None where there is no limit
Device = torch.device | None  # where tensors are made; None is the CPU


@dataclass(frozen=True)
class Prompts:
    """What the policy is asked to answer, as token ids."""

    prompts: Sequence[Ids]

    def __len__(self) -> int:
        return len(self.prompts)

    def draw(self, n: int, generator: torch.Generator) -> list[Ids]:
        """n prompts at random; the same one may come twice."""
        return [self.prompts[i] for i in torch.randint(len(self), (n,), generator=generator).tolist()]

    @classmethod
    def load(cls, path: AnyPath, tokenizer: Tokenizer, context: Context, *, frame: str | None = None) -> "Prompts":
        """Read rows of `prompt`."""
        rows = _read_framed(path, ("prompt",), tokenizer, frame)
        return cls([_encode(where, row, ("prompt",), tokenizer, context)[0] for where, row in rows])


@dataclass(frozen=True)
class Demonstrations:
    """Prompts and the responses to imitate, end of text included."""

    prompts: Sequence[Ids]
    responses: Sequence[Ids]

    def __len__(self) -> int:
        return len(self.prompts)

    def batch(self, rows: Sequence[int], pad_id: int, device: Device = None) -> tuple[Tokens, Mask]:
        """These rows as (tokens, response_mask)."""
        return collate([self.prompts[i] for i in rows], [self.responses[i] for i in rows], pad_id, device)

    def at(self, rows: Sequence[int]) -> "Demonstrations":
        """These rows, in this order; a row may come twice."""
        return Demonstrations([self.prompts[i] for i in rows], [self.responses[i] for i in rows])

    @classmethod
    def load(
        cls, path: AnyPath, tokenizer: Tokenizer, context: Context, *, frame: str | None = None
    ) -> "Demonstrations":
        """Read rows of `prompt` and `completion`."""
        columns = ("prompt", "completion")
        rows = _read_framed(path, columns, tokenizer, frame)
        pairs = [_encode(where, row, columns, tokenizer, context) for where, row in rows]
        return cls([prompt for prompt, _ in pairs], [response for _, response in pairs])

    @classmethod
    def load_texts(cls, path: AnyPath, tokenizer: Tokenizer, context: Context) -> "Demonstrations":
        """Read rows of `text`, to learn the whole of it: nothing predicts a first token, so that is the prompt."""
        rows = read_rows(path, ("text",))
        texts = [_encode(where, row, ("text",), tokenizer, context)[0] for where, row in rows]
        return cls([ids[:1] for ids in texts], [[*ids[1:], tokenizer.eos_id] for ids in texts])


@dataclass(frozen=True)
class Comparisons:
    """Two responses to one prompt, the chosen and the rejected; `preference` is 1 for a choice and ½ for a tie."""

    prompts: Sequence[Ids]
    chosen: Sequence[Ids]
    rejected: Sequence[Ids]
    preference: Sequence[float]

    def __len__(self) -> int:
        return len(self.prompts)

    def batch(self, rows: Sequence[int], pad_id: int, device: Device = None) -> tuple[Tokens, Mask, torch.Tensor]:
        """These rows as (tokens, response_mask, preference): the chosen in the first half, the rejected below."""
        prompts = [self.prompts[i] for i in rows]
        responses = [self.chosen[i] for i in rows] + [self.rejected[i] for i in rows]
        tokens, mask = collate(prompts + prompts, responses, pad_id, device)
        return tokens, mask, torch.tensor([self.preference[i] for i in rows], device=device)

    def at(self, rows: Sequence[int]) -> "Comparisons":
        """These rows, in this order; a row may come twice."""
        prompts, chosen, rejected = ([column[i] for i in rows] for column in (self.prompts, self.chosen, self.rejected))
        return Comparisons(prompts, chosen, rejected, [self.preference[i] for i in rows])

    def take(self, n: int) -> "Comparisons":
        """The first n comparisons."""
        return self.at(range(len(self))[:n])

    def swapped(self, where: Sequence[bool]) -> "Comparisons":
        """The same pairs, chosen and rejected exchanged where `where` is True: a mistake, or a coin for a voter."""
        pairs = [
            (rejected, chosen) if swap else (chosen, rejected)
            for chosen, rejected, swap in zip(self.chosen, self.rejected, where, strict=True)
        ]
        return Comparisons(self.prompts, [a for a, _ in pairs], [b for _, b in pairs], self.preference)

    @classmethod
    def load(cls, path: AnyPath, tokenizer: Tokenizer, context: Context, *, frame: str | None = None) -> "Comparisons":
        """Read rows of `prompt`, `chosen`, `rejected`, and `preference` where it is not 1."""
        rows = _read_framed(path, ("prompt", "chosen", "rejected"), tokenizer, frame)
        return cls._encoded(rows, tokenizer, context)

    @classmethod
    def of(cls, choices: Iterable[Any], tokenizer: Tokenizer, context: Context) -> "Comparisons":
        """Encode objects with the same fields, such as the `Preference`s that `preferences(votes)` found."""
        return cls._encoded(((_vote_on(choice.prompt), vars(choice)) for choice in choices), tokenizer, context)

    @classmethod
    def _encoded(cls, rows: Iterable[tuple[str, dict]], tokenizer: Tokenizer, context: Context) -> "Comparisons":
        """Encode rows, each with the name under which an error reports it."""
        prompts, chosen, rejected, preference = [], [], [], []
        for where, row in rows:
            try:
                require_different(row["chosen"], row["rejected"])
            except ValueError as error:
                raise ValueError(f"{where}: {error} Nothing was loaded.") from None
            ids = _encode(where, row, ("prompt", "chosen", "rejected"), tokenizer, context)
            for into, found in zip((prompts, chosen, rejected), ids, strict=True):
                into.append(found)
            preference.append(_preference(where, row.get("preference")))
        return cls(prompts, chosen, rejected, preference)


@dataclass(frozen=True)
class Judgements:
    """Single responses, and of each whether it will do: a thumb up is True."""

    prompts: Sequence[Ids]
    responses: Sequence[Ids]
    labels: Sequence[bool]

    def __len__(self) -> int:
        return len(self.prompts)

    @classmethod
    def of(cls, judged: Iterable[Any], tokenizer: Tokenizer, context: Context) -> "Judgements":
        """Encode objects with `prompt`, `completion` and `label`, such as `judgements(votes)` found."""
        judged, columns = list(judged), ("prompt", "completion")
        pairs = [_encode(_vote_on(one.prompt), vars(one), columns, tokenizer, context) for one in judged]
        return cls([prompt for prompt, _ in pairs], [ids for _, ids in pairs], [one.label for one in judged])


def collate(
    prompts: Sequence[Ids], responses: Sequence[Ids], pad_id: int, device: Device = None
) -> tuple[Tokens, Mask]:
    """Rows of prompt + response as one (B, T) tensor, padded on the right, and the response_mask; on the CPU unless
    another device is named."""
    width = max(len(p) + len(r) for p, r in zip(prompts, responses, strict=True))
    tokens = torch.tensor(
        [[*p, *r, *[pad_id] * (width - len(p) - len(r))] for p, r in zip(prompts, responses, strict=True)],
        device=device,
    )
    start = torch.tensor([len(p) for p in prompts], device=device).unsqueeze(1)
    end = start + torch.tensor([len(r) for r in responses], device=device).unsqueeze(1)
    position = torch.arange(width, device=device)
    return tokens, (start <= position) & (position < end)


def epochs(n: int, batch_size: int, seed: int) -> Iterator[list[int]]:
    """Endless minibatches of row numbers, each row once an epoch, in an order that only the seed decides.

    To go on from step k, skip k of them: the order has no state to save. The last batch of an epoch is dropped when
    it is smaller than the others, unless it is the only one.
    """
    generator = torch.Generator().manual_seed(seed)
    while True:
        order = torch.randperm(n, generator=generator).tolist()
        for start in range(0, max(n - batch_size, 0) + 1, batch_size):
            yield order[start : start + batch_size]


def _vote_on(prompt: str) -> str:
    """How an error names a vote: a person knows it by what the customer wrote."""
    return f"The vote on {shown(prompt)}"


def _preference(where: str, given: Any) -> float:
    """How clearly the chosen one won: 1 where nothing is said, ½ for a tie."""
    if given is None or given == "":
        return 1.0
    try:
        found = float(given)  # a CSV has only texts
    except (TypeError, ValueError, OverflowError):
        found = -1.0
    if not 0 <= found <= 1:
        raise ValueError(
            f"{where}: 'preference' is {shown(given)}; it is 1 for a choice and 0.5 for a tie; fix it or leave it out. "
            "Nothing was loaded."
        )
    return found


def _read_framed(
    path: AnyPath, columns: tuple[str, ...], tokenizer: Tokenizer, frame: str | None
) -> list[tuple[str, dict]]:
    """A file's rows of a prompt and replies, in their frame; without one as they stand, with a note if need be."""
    rows = read_rows(path, columns)
    if frame is not None:
        return put_in_frame(rows, columns[1:], frame)
    note_missing_frame(path, rows, columns[1:], tokenizer)
    return rows


def _encode(where: str, row: dict, columns: tuple[str, ...], tokenizer: Tokenizer, context: Context) -> list[Ids]:
    """The ids of a row's columns: a text to read, then responses to it, which end with the end of text."""
    if broken := next((name for name in columns if half_of_a_character(row[name])), None):
        raise ValueError(
            f"{where}: {broken} holds half of a character ({shown(row[broken])}); fix or drop it. Nothing was loaded."
        )
    read = (tokenizer.encode_prompt if columns[0] == "prompt" else tokenizer.encode)(row[columns[0]])
    responses = [tokenizer.encode(row[column]) for column in columns[1:]]
    for response in responses:
        response.append(tokenizer.eos_id)
    lengths = {f"{columns[0]} + {name}": len(read) + len(r) for name, r in zip(columns[1:], responses, strict=True)}
    for what, length in (lengths or {columns[0]: len(read) + 1}).items():  # a token must still fit behind a text
        if context is not None and length > context:
            raise ValueError(
                f"{where}: {what} is {length} tokens long, the model reads {context}; "
                "shorten the text or use a model with a longer context. Nothing was loaded."
            )
    return [read, *responses]
