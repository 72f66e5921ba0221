"""What is in a file: unpacked where it was packed, and called by its name where it holds no rows of text."""

import bz2
import gzip
import lzma
import os
import re
import zlib
from pathlib import Path

from minirlhf.files.messages import printable, shown

AnyPath = str | os.PathLike[str]
LARGEST = 2**30  # bytes, unpacked: a file of a few kilobytes can unpack to more than the memory holds
PACKED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
UNDECODED = re.compile("[\udc80-\udcff]")  # what `decoded` leaves of bytes that are not UTF-8
NOT_UTF8 = "not UTF-8; save the file as UTF-8 (Excel calls that 'CSV UTF-8')."

# How a file begins that holds no rows, what it is, and what turns it into rows.
FOREIGN = (
    (rb"version https://git-lfs", "only a pointer, because Git LFS keeps the file elsewhere", "run `git lfs pull`"),
    (
        rb"\s*<(?i:!doctype|!--|html|head|body|div|script)",
        "a web page",
        "download the file itself (“raw” on most pages)",
    ),
    (rb"\s*<\?xml", "XML, as of a web page", "download the file itself, or write its rows as JSON lines"),
    (rb"PK\x03\x04(?s:.*?)xl/", "an Excel workbook", "save it in Excel as 'CSV UTF-8'"),
    (rb"PK\x03\x04(?s:.{26})mimetype.*opendocument", "a workbook or document", "save its table as CSV in UTF-8"),
    (rb"PK\x03\x04|PK\x05\x06", "a zip archive", "unpack it and name the file inside"),
    (rb"\xd0\xcf\x11\xe0", "an old Excel workbook", "save it in Excel as 'CSV UTF-8'"),
    (rb"7z\xbc\xaf|Rar!|\(\xb5/\xfd", "packed in a way that Python cannot read", "unpack it, or pack it with gzip"),
    (
        rb"SQLite format 3",
        "a database, perhaps of votes",
        "open it with FeedbackStore(path) and write its votes with `export`",
    ),
    (
        rb"ARROW1|FEA1|\xff\xff\xff\xff",
        "an Arrow file",
        "write it as JSON lines: datasets.Dataset.from_file(path).to_json('rows.jsonl')",
    ),
    (rb"\x80[\x02-\x05]", "a pickle, which may run code", "write its rows as JSON lines where it was made"),
    (rb"%PDF", "a PDF", "write its texts as JSON lines: one object a row"),
    (rb"\xff\xfe|\xfe\xff", "UTF-16", "save the file as UTF-8"),
    (rb"(?s:.{257})ustar", "a tar archive", "unpack it and name the file inside"),
    (rb"(?!PAR1)(?s:.{0,99}?)\x00", "not text, or UTF-16", "save it as text in UTF-8, or name the file with the texts"),
)


class Unreadable(ValueError):
    """What keeps a file from becoming rows: which, where in it, why, and what to do. Readers add what was not done."""

    def __init__(self, path: object, problem: str, place: str = "") -> None:
        super().__init__(printable(f"{path}{', ' if place else ''}{place}: {problem}"))
        self.problem = printable(problem)


def located(path: AnyPath) -> Path:
    """A path as everywhere in Python, text or Path, and `~` is the home folder."""
    return Path(os.path.expanduser(path))


def read_bytes(path: Path) -> bytes:
    """All that is in a file, unpacked if gzip, bzip2 or xz packed it, whatever its name ends with."""
    try:
        with path.open("rb") as file:
            begins = file.read(8)
    except FileNotFoundError:
        raise FileNotFoundError(printable(f"{path}: no such file; is its name right?")) from None
    except IsADirectoryError:
        raise Unreadable(path, "this is a folder; name one of the files in it.") from None
    except (OSError, ValueError) as error:
        raise Unreadable(path, f"cannot be read ({shown(str(error))}); is it yours, is its name right?") from None
    unpack = next((opened for mark, opened in PACKED.items() if begins.startswith(mark)), open)
    try:
        with unpack(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        packed = "" if unpack is open else "packed, and "
        raise Unreadable(path, f"{packed}damaged or cut short ({error}); download or copy it again.") from None
    if len(content) > LARGEST:
        raise Unreadable(path, f"holds more than {LARGEST / 1e9:.1f} GB; split it into several files.")
    return content


def decoded(path: Path, content: bytes) -> str:
    """A file's text, in which UNDECODED finds what is not UTF-8. A mark that Windows puts first says nothing."""
    for begins, what, remedy in FOREIGN:
        if re.match(rb"(?:\xef\xbb\xbf)?(?:" + begins + rb")", content):
            raise Unreadable(path, f"this is {what}; {remedy}.")
    return content.decode("utf-8", "surrogateescape").lstrip("\ufeff")


def read_text(path: Path) -> str:
    """The text of a file that is packed or not; an Unreadable says what else it is."""
    text = decoded(path, read_bytes(path))
    if found := UNDECODED.search(text):
        raise Unreadable(path, NOT_UTF8, f"line {text.count(chr(10), 0, found.start()) + 1}")
    return text
