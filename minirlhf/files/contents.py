"""What is in a file: unpacked where it was packed, and called by its name where it holds no rows of text."""

import bz2
import gzip
import lzma
import os
import re
import zlib
from pathlib import Path

from minirlhf.files.messages import printable

AnyPath = str | os.PathLike[str]
LARGEST = 2**30  # bytes, unpacked: a file of a few kilobytes can unpack to more than the memory holds
PACKED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}

# How a file begins that holds no rows, what it is, and what turns it into rows.
FOREIGN = (
    (rb"version https://git-lfs", "only a pointer, because Git LFS keeps the file elsewhere", "run `git lfs pull`"),
    (rb"\s*<(?i:!doctype|html|head|body)", "a web page", "open it and download the file itself (often called 'raw')"),
    (rb"\s*<\?xml", "XML", "write it as JSON lines: one object a row"),
    (rb"PK\x03\x04(?s:.*)xl/", "an Excel workbook", "save it in Excel as 'CSV UTF-8'"),
    (rb"PK\x03\x04", "a zip archive", "unpack it and name the file inside"),
    (rb"\xd0\xcf\x11\xe0", "an old Excel workbook", "save it in Excel as 'CSV UTF-8'"),
    (rb"7z\xbc\xaf|Rar!|\(\xb5/\xfd", "packed in a way that Python cannot read", "unpack it, or pack it with gzip"),
    (rb"SQLite format 3", "a database, perhaps of votes", "export from it first: `minirlhf.export`"),
    (rb"ARROW1|\xff\xff\xff\xff", "an Arrow file", "write its data set with to_json()"),
    (rb"%PDF", "a PDF", "write its texts as JSON lines: one object a row"),
    (rb"\xff\xfe|\xfe\xff", "UTF-16", "save the file as UTF-8"),
    (rb"(?s:.{257})ustar", "a tar archive", "unpack it and name the file inside"),
    (rb"(?s:.{0,99}?)\x00", "not text, or UTF-16", "save it as text in UTF-8, or name the file with the texts"),
)


class Unreadable(ValueError):
    """A file that cannot become rows: which, where in it, and what to do. Readers add what was not done."""


def located(path: AnyPath) -> Path:
    """A path as everywhere in Python, text or Path, and `~` is the home folder."""
    return Path(os.path.expanduser(path))


def read_bytes(path: Path) -> bytes:
    """All that is in a file, unpacked if gzip, bzip2 or xz packed it, whatever its name ends with."""
    with path.open("rb") as file:
        begins = file.read(8)
    unpack = next((opened for mark, opened in PACKED.items() if begins.startswith(mark)), open)
    try:
        with unpack(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise Unreadable(f"{printable(path)}: packed, and damaged or cut short ({error}); copy it again.") from None
    if len(content) > LARGEST:
        raise Unreadable(f"{printable(path)}: holds more than {LARGEST / 1e9:.1f} GB; cut it into several files.")
    return content


def decoded(path: Path, content: bytes) -> str:
    """A file's text. Windows likes to begin one with a mark, which says nothing."""
    for begins, what, remedy in FOREIGN:
        if re.match(rb"(?:\xef\xbb\xbf)?(?:" + begins + rb")", content):
            raise Unreadable(f"{printable(path)}: this is {what}; {remedy}.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Unreadable(f"{printable(path)}, line {line}: not UTF-8; save the file as UTF-8.") from None


def read_text(path: Path) -> str:
    """The text of a file that is packed or not; an Unreadable says what else it is."""
    return decoded(path, read_bytes(path))
