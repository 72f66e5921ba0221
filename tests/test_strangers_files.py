"""Whatever a file or a store holds, it is read, or refused in words: where, why, and what to do. Never anything else.

MINIRLHF_STRANGE_FILES=10000 makes so many odd files instead of a few hundred; each follows from its number alone.
"""

import gzip
import json
import os
import re
import sqlite3
import warnings
from contextlib import closing
from io import BytesIO
from random import Random

import datasets
import pytest

from minirlhf.feedback.formats import export, import_votes, read_votes
from minirlhf.feedback.store import FeedbackStore, StoreError
from minirlhf.feedback.votes import Better, Question, Ranking, Stars, Text, Undo, Vote, vote_to_row

FILES = int(os.environ.get("MINIRLHF_STRANGE_FILES", 500))
BATCHES = 10

LONG = "x" * 5000  # of which no message may show more than sixty
PLACE = re.compile(r"(line|item|row)s? \d+")
REMEDY = re.compile(
    r"(?i)\b(fix|drop|save|fill|rename|unpack|download|write|name|give|keep|swap|update|quote|split|take)\b|\bis it"
)


def said(role, content):
    return {"role": role, "content": content}


def own(n):
    asked = [
        (Question("pair", f"Customer: {n}\nAgent:", (" yes", " no"), ("a", "b")), Better(n % 2)),
        (Question("ranking", f"Customer: {n}\nAgent:", (" a", " b", " c")), Ranking((2, 0, 1))),
        (Question("stars", f"Customer: {n}\nAgent:", (" a",)), Stars(4)),
        (Question("demonstration", f"Customer: {n}\nAgent:"), Text(" so 👍")),
    ]
    question, answer = asked[n % 4]
    return vote_to_row(Vote(question, answer, tuple(range(len(question.replies))), "Ann", id=f"vote {n}"))


def task(n):
    selected = {"type": "pairwise", "value": {"selected": "left"}}
    annotation = {"result": [selected], "lead_time": 1.5, "created_at": "2026-03-09T22:16:08Z", "completed_by": 7}
    return {"data": {"prompt": f"Hi {n}", "answer1": "a", "answer2": "b"}, "annotations": [annotation]}


def record(n):
    value = [{"rank": 1, "value": "a"}, {"rank": 2, "value": "b"}]
    return {"prompt": f"Hi {n}", "a": "x", "b": "y", "best": [{"user_id": "1", "value": value, "status": "submitted"}]}


def talk(n):
    return {
        "prompt": [said("system", "Be kind."), said("user", f"Hi {n}")],
        "chosen": [said("assistant", "Yes.")],
        "rejected": [said("assistant", "No.")],
    }


def dialogue(n):
    before = [said("user", f"Hi {n}")]
    answers = {"chosen": [*before, said("assistant", "Yes.")], "rejected": [*before, said("assistant", "No.")]}
    return {"prompt": f"Hi {n}", "score_chosen": 5.0, "score_rejected": 1.0, **answers}


FORMS = [
    lambda n: {"prompt": f"Customer: {n}\nAgent:", "chosen": " a", "rejected": " b", "preference": 1.0},
    lambda n: {"prompt": f"Customer: {n}\nAgent:", "completion": " a", "label": True},
    lambda n: {"prompt": f"Customer: {n}\nAgent:", "completion": " a"},
    lambda n: {"chosen": f"\n\nHuman: {n}\n\nAssistant: a", "rejected": f"\n\nHuman: {n}\n\nAssistant: b"},
    talk,
    dialogue,
    task,
    record,
    own,
]
STRANGE = [
    *(None, True, False, 0, 1, -1, 0.5, 0.7, 1e308, -1e400, float("nan"), 2**63, 10**40, 10**400),
    *("", " ", "\n", "a", LONG, "\ud83d", "👍\ud83d", "\x00", "left", "assistant", "tool", "0001-01-01T00:00:00+14:00"),
    *("9999-12-31T23:59:59-14:00", "2026-01-01", "{", "=1+1", "NaN", "\u2028", "\nCustomer: x\nAgent: y"),
    *([], {}, [[]], [{}], {"a": None}, [said("user", LONG)], ["a", "a"], [0, 0], {"answer": "Best"}, {LONG: LONG}),
    *({"answer": "Text", "text": "\ud83d"}, {"answer": "Better", "winner": 10**30}, {"\ud83d": 1}),
]
BITS = [
    *(b"[" * 100_000, b'{"a":' * 100_000, b"9" * 6000, b'"prompt": "twice", ', b"\xff\xfe", b"\x00", b"\xef\xbb\xbf"),
    *(b"\r", b"\n", b"\r\n", b'"', b"\\", b"\\ud83d", b"\xed\xa0\x80", b"\xe4", b"NaN", b"Infinity", b"-", b"1e999"),
    *(b"{", b"}", b"]", b",", b"\t", b";", b"//", b"PAR1", b"\x1f\x8b", b"<html>", b"\xe2\x80\xa8"),
]


def places(value, path=()):
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inside for place in places(item, (*path, key)))]


def changed(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], new)
    return copy


def odd_rows(rng):
    """Rows of one format, some with something strange in them, some twice, some of another format."""
    form = rng.choice(FORMS)
    rows = [form(n) for n in range(rng.randint(1, 4))]
    for _ in range(rng.choice([0, 1, 1, 2])):
        at = rng.randrange(len(rows))
        match rng.randrange(6):
            case 0:
                rows.append(rows[at])
            case 1:
                rows.append(rng.choice(FORMS)(9))
            case 2 if isinstance(rows[at], dict) and rows[at]:
                rows[at] = {name: value for name, value in rows[at].items() if name != rng.choice(list(rows[at]))}
            case _:
                rows[at] = changed(rows[at], rng.choice(places(rows[at])), rng.choice(STRANGE))
    return rows


def as_table(rows, between):
    import csv
    from io import StringIO

    names = list(dict.fromkeys(name for row in rows if isinstance(row, dict) for name in row))
    table = StringIO()
    writer = csv.writer(table, delimiter=between)
    writer.writerow(names)
    for row in rows:
        if isinstance(row, dict):
            cells = [row.get(name) for name in names]
            writer.writerow([json.dumps(cell) if isinstance(cell, list | dict) else cell for cell in cells])
    return table.getvalue().encode(errors="replace")


def as_file(rng, rows):
    """The rows in one of the containers that people keep them in."""
    lines = "\n".join(json.dumps(row, ensure_ascii=rng.random() < 0.7) for row in rows).encode(errors="surrogatepass")
    match rng.randrange(12):
        case 0:
            return json.dumps(rows).encode()
        case 1:
            return json.dumps(rows, indent=2).encode()
        case 2:
            return json.dumps({"data": rows}, indent=1).encode()
        case 3:
            return json.dumps({str(n): row for n, row in enumerate(rows)}).encode()
        case 4 | 5:
            return as_table(rows, rng.choice(",;\t"))
        case 6:
            buffer = BytesIO()
            try:
                datasets.Dataset.from_list(rows).to_parquet(buffer)
            except Exception:  # no table can hold it
                return lines
            return buffer.getvalue()
        case 7:
            return gzip.compress(lines)
    return lines


def damaged(rng, content):
    """Bytes lost, doubled, exchanged or put in, as editors, mails and disks do."""
    for _ in range(rng.choice([0, 0, 1, 1, 3])):
        at = rng.randrange(len(content) + 1)
        match rng.randrange(5):
            case 0:
                content = content[:at]
            case 1:
                content = content[:at] + content[at + rng.randrange(20) :]
            case 2:
                content = content[:at] + rng.randbytes(rng.randrange(1, 9)) + content[at:]
            case _:
                content = content[:at] + rng.choice(BITS) + content[at:]
    return content


def require_words(error, path):
    """Where, why, what to do; on any screen; and no more of a text than a line of it."""
    told = str(error)
    told.encode()
    assert told.startswith(str(path)), told
    assert REMEDY.search(told.removeprefix(str(path))), told
    assert "x" * 61 not in told, told
    assert len(told) < 6000, told


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("batch", range(BATCHES))
def test_any_file_is_read_or_refused_in_words(batch, tmp_path):
    datasets.disable_progress_bars()
    store = FeedbackStore(tmp_path / "votes.db")
    outcomes = {"read": 0, "refused": 0, "in part": 0}
    for number in range(batch, FILES, BATCHES):
        rng = Random(number)
        path = tmp_path / rng.choice(["rows.jsonl", "rows.json", "rows.csv", "rows.parquet", "rows"])
        path.write_bytes(damaged(rng, as_file(rng, odd_rows(rng))))
        try:
            votes = read_votes(path)
        except ValueError as error:
            require_words(error, path)
            try:
                found = import_votes(path, on_bad_rows="skip")
            except ValueError as again:
                require_words(again, path)
                outcomes["refused"] += 1
                continue
            assert found.left_out and all(PLACE.fullmatch(each.place) and each.reason for each in found.left_out)
            assert PLACE.search(str(error)), error
            str(found).encode()
            votes = found.votes
            outcomes["in part"] += 1
        else:
            outcomes["read"] += 1
        assert votes and all(isinstance(vote, Vote) for vote in votes)
        if number % 3 == 0:  # whatever was read can be kept, read again, and written
            new = store.extend(votes)
            assert 0 <= new <= len(votes)
            export(votes, tmp_path / "files", conversational=number % 2 == 0, overwrite=True)
            assert read_votes(tmp_path / "files" / "votes.jsonl") == votes
    assert min(outcomes.values()) > 0, outcomes
    assert len(store.events()) >= 1


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The bytes of a store with a dozen votes and an undo."""
    path = tmp_path_factory.mktemp("sound") / "votes.db"
    with closing(FeedbackStore(path)) as store:
        votes = [Vote(Question("pair", f"Hi {n}", ("a", "b")), Better(0), (0, 1), "Ann") for n in range(12)]
        store.extend([*votes, Undo(votes[0].id, "Ann")])
    return path.read_bytes()


COLUMNS = ["id", "event", "undoes", "time", "voter", "origin", "question", "pair", "mode", "prompt", "replies"]
COLUMNS += ["models", "checkpoints", "round", "purpose", "expected", "shown", "choice", "response_ms"]


def odd_store(rng, path, sound):
    """A store in which somebody has changed a cell, or whose file was damaged."""
    path.write_bytes(sound)
    if rng.random() < 0.7:
        new = rng.choice([*STRANGE, b"\xff\xfe", "[" * 100_000, "null", "[1, 2]", '{"answer": "Ranking"}', '"a"'])
        if isinstance(new, list | dict):
            new = json.dumps(new)
        if isinstance(new, str):
            new = new.encode(errors="surrogatepass")
        if isinstance(new, int) and abs(new) >= 2**63:
            new = str(new)
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("PRAGMA foreign_keys=OFF")
            cast = "CAST(? AS TEXT)" if isinstance(new, bytes) and rng.random() < 0.8 else "?"
            column, where = rng.choice(COLUMNS), rng.randint(1, 13)
            try:
                connection.execute(f"UPDATE events SET {column} = {cast} WHERE rowid = {where}", [new])
            except sqlite3.Error:
                return
    else:
        path.write_bytes(damaged(rng, sound) or b"x")


@pytest.mark.parametrize("batch", range(2))
def test_any_store_is_read_or_refused_in_words(batch, sound, tmp_path):
    target = FeedbackStore(tmp_path / "target.db")
    for number in range(batch, FILES // 5, 2):
        rng = Random(number)
        path = tmp_path / f"{number}.db"
        odd_store(rng, path, sound)
        try:
            with closing(FeedbackStore(path)) as store:
                for vote in store.votes():
                    assert isinstance(vote.question.prompt, str)
                store.append(Vote(Question("pair", "Hi", ("a", "b")), Better(0), (0, 1), "Ann"))
            target.merge(path)
        except (StoreError, ValueError) as error:
            require_words(error, path)
        path.unlink(missing_ok=True)


def test_a_warning_tells_what_was_left_out(tmp_path):
    path = tmp_path / "rows.jsonl"
    good = {"prompt": "Hi", "chosen": " a", "rejected": " b"}
    path.write_text("\n".join(map(json.dumps, [good, good | {"chosen": " b"}, good | {"prompt": ""}])), "utf-8")
    with pytest.warns(UserWarning, match=r"line 2: .*same[\s\S]*line 3: .*empty"):
        assert len(read_votes(path, on_bad_rows="skip")) == 1
    path.write_text(json.dumps(good), "utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(read_votes(path, on_bad_rows="skip")) == 1
