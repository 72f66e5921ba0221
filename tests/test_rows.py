"""Files as rows, each with its place: whoever reads them, a file says the same, and a bad row is one row."""

import gzip
import json
from datetime import datetime
from io import BytesIO

import pytest
from tiny import small_tokenizer

from minirlhf.data import Comparisons
from minirlhf.feedback.formats import import_votes
from minirlhf.files.contents import Unreadable
from minirlhf.files.messages import LISTED, counted, listed
from minirlhf.files.parsing import DEEPEST, depth, parse_json
from minirlhf.files.rows import read_rows

COLUMNS = ("prompt", "chosen", "rejected")
GOOD = {"prompt": "Customer: Hi\nAgent:", "chosen": " a", "rejected": " b"}
LINE = json.dumps(GOOD)
TABLE = "prompt,chosen,rejected\nHi, a, b\n"


def read(folder, content, columns=COLUMNS, name="theirs"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_rows(path, columns)


def bad(rows):
    return [row.place for row in rows if row.problem]


# ---- one mechanism, whoever reads

WHOLE = {
    "nothing": ("", "on a line of its own"),
    "blank": (" \n\n", "on a line of its own"),
    "no row": ("[]", "on a line of its own"),
    "only names": ("prompt,chosen,rejected\n", "fill in"),
    "a name twice": ("prompt,chosen,chosen\na,b,c\n", "rename"),
    "zip": (b"PK\x03\x04 theirs.jsonl", "unpack"),
    "an empty zip": (b"PK\x05\x06" + bytes(18), "unpack"),
    "Excel": (b"PK\x03\x04 xl/workbook.xml", "CSV"),
    "LibreOffice": (b"PK\x03\x04" + bytes(26) + b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "CSV"),
    "old Excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "CSV"),
    "tar": (b"theirs.jsonl".ljust(257, b"\x00") + b"ustar" + bytes(99), "unpack"),
    "7-Zip": (b"7z\xbc\xaf\x27\x1c" + bytes(99), "unpack"),
    "Zstandard": (b"\x28\xb5\x2f\xfd" + bytes(99), "unpack"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
    "web page": (b"\xef\xbb\xbf\n<!DOCTYPE html>\n<html>", "download"),
    "a server's refusal": (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "download"),
    "SQLite": (b"SQLite format 3\x00" + bytes(99), "FeedbackStore"),
    "Arrow": (b"ARROW1\x00\x00" + bytes(99), "to_json"),
    "Arrow, streamed": (b"\xff\xff\xff\xff\x10\x00\x00\x00" + bytes(99), "to_json"),
    "pickle": (b"\x80\x04\x95" + bytes(99), "JSON lines"),
    "PDF": (b"%PDF-1.7\n", "JSON lines"),
    "UTF-16": (LINE.encode("utf-16"), "UTF-8"),
    "UTF-16 without a mark": (LINE.encode("utf-16-le"), "UTF-8"),
    "half a gzip": (gzip.compress(LINE.encode() * 99)[:-20], "copy it again"),
    "half a Parquet": (b"PAR1 and no more", "anew"),
    "pandas' columns": (json.dumps({name: {"0": "a", "1": "b"} for name in COLUMNS}), "records"),
    "pandas' index": (json.dumps({"0": GOOD, "1": GOOD}), "records"),
    "pandas' split": (json.dumps({"columns": ["prompt"], "index": [0], "data": [["a"]]}), "records"),
    "pandas' values": (json.dumps([["a", "b"], ["c", "d"]]), "records"),
    "lists": (json.dumps({name: ["a", "b"] for name in COLUMNS}, indent=1), "records"),
    "prose": ("Dear diary,\ntoday I voted.\n", "Dear diary.*on a line of its own"),
    "a broken list": (f"[\n{LINE},\n{{no}}\n]", "line 3: .*fix"),
    "objects one below another": (json.dumps(GOOD, indent=1) * 2, "line 5: .*a line of its own"),
    "deep": ("[" * 100_000, "line 1: .*fix"),
    "deep objects": ('{"prompt": ' * 100_000, "line 1: .*fix"),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_file_that_holds_no_rows_is_refused_alike_by_all_who_read(kind, tmp_path):
    content, remedy = WHOLE[kind]
    with pytest.raises(Unreadable, match=remedy) as refused:
        read(tmp_path, content)
    told = str(refused.value)
    assert told.startswith(str(tmp_path / "theirs")) and "\n" not in told and len(told) < 400
    for reader, end in (
        (lambda path: Comparisons.load(path, small_tokenizer(), 64), "loaded"),
        (import_votes, "imported"),
        (lambda path: import_votes(path, on_bad_rows="skip"), "imported"),
    ):
        with pytest.raises(ValueError) as again:
            reader(tmp_path / "theirs")
        assert str(again.value) == f"{told} Nothing was {end}."


ROWS = {
    "no JSON": ("{no}", "fix or drop"),
    "Python's quotes": ("{'prompt': 'a'}", "json.dumps"),
    "Python's list": ("[{'prompt': 'a'}]", "json.dumps"),
    "two on a line": (LINE + LINE, "line of its own"),
    "a list": ("[1]", "must be a JSON object"),
    "a number": ("3", "must be a JSON object"),
    "a name twice": ('{"prompt": "a", "prompt": "b"}', "'prompt' stands twice"),
    "thousands of digits": ('{"prompt": ' + "9" * 5000 + "}", "5,000 digits"),
    "deep": ('{"prompt": ' * (DEEPEST + 1) + "1" + "}" * (DEEPEST + 1), "nested too deeply"),
    "Latin-1": (LINE.replace("Hi", "Grüß").encode("latin-1"), "UTF-8"),
    "half a character, as bytes": (LINE.encode().replace(b"Hi", b"\xed\xa0\xbd"), "UTF-8"),
}


@pytest.mark.parametrize("kind", ROWS)
def test_a_bad_line_is_one_row_wherever_it_stands(kind, tmp_path):
    line, says = ROWS[kind]
    line = line if isinstance(line, bytes) else line.encode()
    good = LINE.encode()
    for lines in ([line, good, good], [good, line, good], [good, good, line]):
        rows = read(tmp_path, b"\n".join(lines))
        assert bad(rows) == [f"line {lines.index(line) + 1}"] and len(rows) == 3
        (problem,) = (row.problem for row in rows if row.problem)
        assert says in problem and "\n" not in problem
        found = import_votes(tmp_path / "theirs", on_bad_rows="skip")
        assert [each.place for each in found.left_out] == bad(rows) and len(found.votes) == 2
        with pytest.raises(ValueError, match=f"{bad(rows)[0]}: "):
            Comparisons.load(tmp_path / "theirs", small_tokenizer(), 64)


def test_where_no_row_can_be_read_the_first_is_named_and_not_the_columns(tmp_path):
    for content in ('"a"\n"b"', TABLE.replace("Hi", "Grüß").encode("latin-1"), "[3, 4]"):
        (first, *_) = (row.place for row in read(tmp_path, content))
        for on_bad_rows in ("refuse", "skip"):
            with pytest.raises(ValueError, match=f"theirs, {first}: .*(fix|save)"):
                import_votes(tmp_path / "theirs", on_bad_rows=on_bad_rows)


def test_a_bad_record_of_a_table_is_one_row(tmp_path):
    for between in ",;\t":
        sound = f"prompt{between}chosen{between}rejected\nHi{between} a{between} b\n".encode()
        rows = read(
            tmp_path, sound + b"a\n" + f"\xe4{between} a{between} b\n".encode("latin-1") + sound.split(b"\n")[1]
        )
        assert bad(rows) == ["line 3", "line 4"] and [row.number for row in rows] == [2, 3, 4, 5]


def test_a_value_that_python_cannot_hold_is_one_row_of_a_parquet_file(tmp_path):
    import pyarrow
    from pyarrow import parquet

    times = pyarrow.array([0, 10**12, 0], pyarrow.timestamp("s"))
    table = pyarrow.table({**{name: pyarrow.array(["a", "b", "c"]) for name in COLUMNS}, "time": times})
    buffer = BytesIO()
    parquet.write_table(table, buffer)
    rows = read(tmp_path, buffer.getvalue())
    assert bad(rows) == ["row 2"] and rows[2].values["time"] == datetime(1970, 1, 1)


# ---- how deep


def test_there_is_one_depth_and_it_is_where_it_says():
    for opens, closes in ("[]", ("{" + '"a":', "}")):
        text = opens * DEEPEST + "1" + closes * DEEPEST
        assert depth(text) in (0, DEEPEST) and parse_json(text, "x")
        with pytest.raises(Unreadable, match="x, line 1: nested too deeply; fix"):
            parse_json(f"[{text}]", "x")
    assert parse_json(json.dumps("[" * 5000), "x") == "[" * 5000, "brackets in a text open nothing"


# ---- what a table says, JSON would say


def test_labels_numbers_and_messages_are_what_json_has(tmp_path):
    (row,) = read(tmp_path, 'prompt,label,preference,score_chosen,n\n"[{""role"": ""user""}]",True,0.5,,7\n')
    assert row.values == {
        "prompt": [{"role": "user"}],
        "label": True,
        "preference": 0.5,
        "score_chosen": None,
        "n": "7",
    }
    (row,) = read(tmp_path, "prompt,id\na,\"[{'role': 'user'}]\"\n")
    assert not row.problem and row.values["id"].startswith("["), "of other columns nobody asks for messages"
    (row,) = read(tmp_path, "id,prompt\na,\"[{'role': 'user'}]\"\n")
    assert "Python prints" in row.problem


@pytest.mark.parametrize(
    "content",
    [
        TABLE,
        "\ufeff" + TABLE,
        "\ufeff\ufeff" + TABLE,
        TABLE.replace("\n", "\r\n"),
        TABLE.replace("\n", "\r"),
        "\n\n" + TABLE,
        "sep=,\n" + TABLE,
        TABLE.replace(",", ";"),
        "sep=;\r\n" + TABLE.replace(",", ";"),
        TABLE.replace(",", "\t"),
        '"prompt","chosen","rejected"\n"Hi"," a"," b"\n',
    ],
)
def test_a_table_is_known_by_the_names_on_top(content, tmp_path):
    (row,) = read(tmp_path, content)
    assert row.values == {"prompt": "Hi", "chosen": " a", "rejected": " b"}
    assert row.unit == "line" and 2 <= row.number <= 4


def test_a_table_of_other_names_needs_the_ending(tmp_path):
    (row,) = read(tmp_path, "question;answer\nHi;a\n", name="theirs.csv")
    assert row.values == {"question": "Hi", "answer": "a"}
    (row,) = read(tmp_path, gzip.compress(b"body\nHi\n"), name="theirs.csv.gz")
    assert row.values == {"body": "Hi"}
    with pytest.raises(Unreadable, match="begins with 'question;answer'"):
        read(tmp_path, "question;answer\nHi;a\n")
    rows = read(tmp_path, f"prompt: x\n{LINE}\n", name="lines.csv")
    assert bad(rows) == ["line 1"], "lines of JSON are no table, whatever they are called"


# ---- words


def test_one_is_one_and_many_are_many():
    assert counted(1, "row") == "1 row"
    assert [counted(n, "row") for n in (0, 2, 2304)] == ["0 rows", "2 rows", "2,304 rows"]


def test_names_fit_a_message_and_those_left_out_are_counted():
    assert listed([]) == "nothing" and listed(["a", "b"]) == "a, b"
    said = listed(f"column {n}" for n in range(999))
    assert len(said) < LISTED + 30 and said.startswith("column 0, column 1")
    assert said.endswith(f"and {999 - said.count('column'):,} more")
    assert listed(["\ud83d", "a\nb", "x" * 999]).encode().count(b"\n") == 0
