"""Odd and damaged files of texts and checkpoints: each is read, or refused with file and remedy; none ends the process.

500 of them, made from seeds; MINIRLHF_STRANGERS=10000 asks for more. They are read in a process of their own, so that
a signal is a failed test and not a vanished one.
"""

import csv
import gzip
import io
import json
import os
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path
from random import Random

import torch
from safetensors.torch import load_file, save_file
from tiny import TYPED, lively, small_tokenizer, trunk

from minirlhf.additive import AdditiveReward
from minirlhf.checkpoint import load, load_state, save
from minirlhf.data import Comparisons, Demonstrations, Prompts
from minirlhf.model import CausalLM, RewardModel
from minirlhf.tokenizer import Tokenizer
from minirlhf.training import new_state, optimizer_step

MANY = int(os.environ.get("MINIRLHF_STRANGERS", "500"))
LONGEST = 900  # characters of a message, its path among them
REMEDIES = """fix drop save unpack run write copy make keep rename need put shorten use update name export cut open give
    start anew fill download leave""".split()  # noqa: SIM905 - words are easier to read
LOADERS = {
    Prompts.load: ["prompt"],
    Demonstrations.load_texts: ["text"],
    Demonstrations.load: ["prompt", "completion"],
    Comparisons.load: ["prompt", "chosen", "rejected"],
}
MARKS = ['"', "{", "}", "[", "]", ",", ":", "\\", "\n", "\r", "NaN", "1e999", "null", "\x00"]
OTHER_FILES = [
    "<!DOCTYPE html><html>",
    "version https://git-lfs.github.com/spec/v1\noid sha256:1",
    "hello\n",
    "3",
    "null",
]
TEXTS = [
    "where is it?",
    " so kind",
    " no",
    "हिन्दी",
    "我们会换",
    "it’s",
    "a\u2028b",
    '"',
    "\\",
    "2024-01-31",
    "😀",
    "a\tb",
    "x,y;z",
]


# ---- files of texts


def odd_value(rng: Random):
    """Something that no column should hold, or a text that is rare."""
    return rng.choice(
        [
            None,
            True,
            0,
            -1,
            1e308,
            10 ** rng.choice([3, 400]),
            [],
            {},
            [[[]]],
            {"a": {"b": [1]}},
            "",
            " ",
            "\ud83d",
            "\udc00 half",
            "so " * 99,
            "\x00",
            "2024-01-31T10:00:00Z",
            "0001-01-01",
            "9999-99-99",
            "\ufeff",
            "<|endoftext|>",
            0.5,
            float("nan"),
            float("inf"),
            [{"role": "user", "content": "hi"}],
        ]
    )


def rows_of(rng: Random, columns):
    rows = [
        {name: rng.choice(TEXTS) + (str(n) if name == "chosen" else "") for name in columns}
        for n in range(rng.randint(1, 4))
    ]
    for row in rows:
        while rng.random() < 0.4:
            row[rng.choice([*columns, "preference", "id", "\ud83d", "score"])] = odd_value(rng)
        while rng.random() < 0.1:
            row.pop(rng.choice(list(row)), None)
            if not row:
                break
    return rows


def as_file(rng: Random, rows):
    """The rows in one of the ways in which people write them."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = {name: {str(n): row.get(name) for n, row in enumerate(rows)} for name in names}
    way = rng.choice(
        ["lines"] * 6 + ["list", "pretty", "data", "pretty data", "csv", "columns", "split", "index", "values"]
    )
    escaped = rng.random() < 0.5 or any("\ud83d" in name for name in names)

    def dump(value, indent=None):
        return json.dumps(value, ensure_ascii=True if escaped else "\ud83d" in repr(value), indent=indent)

    if way == "lines":
        return "".join(dump(row) + rng.choice(["\n", "\n", "\r\n", "\n\n"]) for row in rows)
    if way == "csv":
        out = io.StringIO()
        writer = csv.writer(out, delimiter=rng.choice(",;\t"))
        writer.writerows([names, *([row.get(name) for name in names] for row in rows)])
        return out.getvalue()
    if way in ("columns", "split", "index", "values"):
        values = [[row.get(name) for name in names] for row in rows]
        split = {"columns": names, "index": list(range(len(rows))), "data": values}
        return dump(
            {"columns": table, "split": split, "index": {str(n): row for n, row in enumerate(rows)}, "values": values}[
                way
            ]
        )
    return dump(
        {rng.choice(["data", "rows", "foo"]): rows} if "data" in way else rows, indent=1 if "pretty" in way else None
    )


def with_oddities(rng: Random, text: str) -> str:
    """What a text editor, a script or a person with bad intentions may do to it."""
    at = rng.randrange(len(text) + 1)
    deep = rng.choice([5, 99, 101, 1000, 100_000, 1_000_000])
    return rng.choice(
        [
            text,
            text,
            text[:at],
            text[at:],
            text[:at] + rng.choice(MARKS) + text[at:],
            text.replace("{", '{"prompt": "twice", "prompt": "twice", ', rng.choice([0, 1])),
            text.replace(":", ": " + "9" * rng.choice([10, 5000]) + ', "more":', 1),
            text.replace(": ", ': -1e999, "more": ', 1),
            rng.choice("[{") * deep,
            '{"prompt": ' * deep,
            text + "[" * deep + "]" * deep,
            text.replace(": ", ": " + "[" * deep + "]" * deep + ', "more": ', 1),
            text + '{"prompt": "' + "x" * rng.choice([100, 200_000]) + '"}',
            rng.choice([*OTHER_FILES, "", "\n"]),
        ]
    )


def as_bytes(rng: Random, text: str) -> bytes:
    content = text.encode(rng.choice(["utf-8"] * 8 + ["utf-8-sig", "utf-16", "utf-16-le"]), "surrogatepass")
    if rng.random() < 0.1:
        content = text.encode("latin-1", "replace")
    for _ in range(rng.choice([0, 0, 0, 1, 3])):  # a bit turned over somewhere
        if content:
            at = rng.randrange(len(content))
            content = content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]
    if rng.random() < 0.15:
        content = gzip.compress(content)
        content = content[: rng.choice([len(content), len(content), rng.randrange(len(content))])]
    if rng.random() < 0.03:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(rng.choice(["xl/workbook.xml", "a.jsonl"]), content)
        content = packed.getvalue()
    return content


def try_texts(rng: Random, folder: Path) -> None:
    load, columns = rng.choice(list(LOADERS.items()))
    path = folder / f"strange{rng.choice(['.jsonl', '.json', '.csv', '.jsonl.gz', '.txt', ''])}"
    text = as_file(rng, rows_of(rng, columns))
    path.write_bytes(as_bytes(rng, with_oddities(rng, text)))
    if rng.random() < 0.02:
        path = folder / "nowhere.jsonl"
    frame = {"frame": "Customer: {prompt}\nAgent: {reply}"} if columns != ["text"] and rng.random() < 0.2 else {}
    load(rng.choice([path, str(path)]), small_tokenizer(), 64, **frame)


# ---- checkpoints


def write_checkpoints(folder: Path) -> None:
    policy = lively(CausalLM(trunk(1, TYPED)))
    state = new_state(3, policy=policy)
    state.numbers["beta"] = 0.1
    optimizer_step(policy(torch.tensor([[1, 2, 3]])).square().mean(), state.optimizers["policy"], 1e-3)
    save(folder / "policy", policy, small_tokenizer(), state)
    save(folder / "reward", lively(RewardModel(trunk(1, TYPED))), small_tokenizer())
    save(folder / "words", AdditiveReward(["so", "kind", "我"], small_tokenizer()), small_tokenizer())


def change_json(rng: Random, value):
    """The same JSON with one thing in it otherwise."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        name = rng.choice(list(value))
        what = rng.random()
        if what < 0.2:
            return {other: x for other, x in value.items() if other != name}
        if what < 0.3:
            return value | {rng.choice(["colour", "format", "\ud83d"]): odd_value(rng)}
        return value | {name: change_json(rng, value[name])}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], change_json(rng, value[at]), *value[at + 1 :]]
    if isinstance(value, int) and rng.random() < 0.6:
        return rng.choice([0, -1, 1, value + 1, 2 * value, 10**6, 10**12, 2**63, 10**30, True, 1.5])
    return odd_value(rng)


def change_tensors(rng: Random, path: Path) -> None:
    tensors = load_file(path)
    name = rng.choice(sorted(tensors))
    x = tensors.pop(name)
    others = [
        None,
        x.unsqueeze(0),
        x.flatten(),
        x.to(torch.int64),
        x.to(torch.complex64),
        x.bool(),
        x.half(),
        x[:0] if x.dim() else x,
    ]
    if (other := rng.choice(others)) is not None:
        renamed = rng.choice([name, name, name + "/more", "policy/x/exp_avg", "policy/999/step", "a/b", ""])
        tensors[renamed] = other.clone().contiguous()
    save_file(tensors, path)


def try_checkpoint(rng: Random, folder: Path, good: Path) -> None:
    kind = rng.choice(["policy", "policy", "reward", "words"])
    place = folder / "strange_checkpoint"
    place.mkdir(exist_ok=True)
    files = {path.name: path.read_bytes() for path in (good / kind).iterdir()}
    for old in place.iterdir():
        old.unlink()
    for name, content in files.items():
        (place / name).write_bytes(content)
    path = place / rng.choice(sorted(files))
    content, way = files[path.name], rng.random()
    if way < 0.5 and path.suffix == ".json":
        changed = change_json(rng, json.loads(content))
        path.write_text(json.dumps(changed), "utf-8")
    elif way < 0.5:
        change_tensors(rng, path)
    elif path.suffix == ".json" and way < 0.7:
        path.write_bytes(as_bytes(rng, with_oddities(rng, content.decode())))
    elif way < 0.75:
        path.unlink()
    else:
        at = rng.randrange(len(content))
        path.write_bytes(
            rng.choice([content[:at], content[at:], content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]])
        )
    if path.name == "tokenizer.json" and rng.random() < 0.5:
        Tokenizer.load(path).decode([1, 2, 3])
    model, _ = load(place)
    if kind == "policy":
        load_state(rng.choice([place, str(place)]), policy=model)


# ---- what may come of it


def outcome(error: BaseException | None) -> str | None:
    """What is wrong with how a file was refused; None if nothing is."""
    if error is None:
        return None
    said = str(error)
    if not isinstance(error, ValueError | FileNotFoundError) or isinstance(error, UnicodeError):
        return f"{type(error).__name__}: {said}"
    faults = {
        "names no file": "strange" not in said and "nowhere" not in said,
        "says not what to do": not any(word in said.lower() for word in REMEDIES),
        "cannot be printed": said != said.encode("utf-8", "replace").decode(),
        "is long": len(said) > LONGEST,
    }
    return next((f"{fault}: {said[:300]!r}" for fault, found in faults.items() if found), None)


def read_strangers(first: int, last: int, folder: Path) -> None:
    """Make and read the files of these seeds; print what went wrong."""
    warnings.simplefilter("ignore")
    write_checkpoints(folder / "good")
    for seed in range(first, last):
        print(seed, end=" ", file=sys.stderr, flush=True)  # so that a signal has a seed
        rng, error = Random(seed), None
        try:
            if seed % 3:
                try_texts(rng, folder)
            else:
                try_checkpoint(rng, folder, folder / "good")
        except BaseException as found:
            error = found
        if wrong := outcome(error):
            print(f"seed {seed}: {wrong}".encode("utf-8", "backslashreplace").decode())


def test_whatever_is_in_a_file_it_is_read_or_refused_with_file_and_remedy(tmp_path):
    command = [sys.executable, __file__, "0", str(MANY), str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent)
    assert found.returncode == 0, f"ended by {found.returncode} at seed {found.stderr[-2000:]}"
    assert not found.stdout, found.stdout[:3000]


if __name__ == "__main__":
    read_strangers(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
