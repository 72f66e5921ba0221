"""Who votes: an identity that is made once per learner, needs no account, and is not a name.

It lies in the learner's own data folder, so it outlives kernels, the lessons and their reinstallation, and a store
that many use keeps them apart. The file is a list that only grows: a secret first, then who sat down, the last one
being who sits there now. The card calls them "you"; so did the votes of earlier versions, and `YOU` still means them.
"""

import os
import re
from hashlib import sha256
from hmac import new as hmac
from pathlib import Path
from tempfile import NamedTemporaryFile
from uuid import uuid4
from warnings import warn

from minirlhf.paths import VOTER_ELSEWHERE, voter_file

YOU = "you"
IDENTITY = re.compile(r"person-[0-9a-f]{32}")
LINE = re.compile(r"(secret|person)-[0-9a-f]{32}")
_unkept: dict[Path, list[str]] = {}  # where no file can be written: as long as Python runs


def own_voter() -> str:
    """The identity of whoever sits at this computer; made when it is first asked for."""
    return _lines()[-1]


def people() -> tuple[str, ...]:
    """Everybody who has sat down here, the first one first."""
    return tuple(dict.fromkeys(line for line in _lines() if IDENTITY.fullmatch(line)))


def sit_down(voter: str | None = None) -> str:
    """From now on a new person votes here, or again one of `people()`; returns their identity."""
    lines, path = _lines(), voter_file()
    voter = voter or _new("person")
    if voter not in lines and not IDENTITY.fullmatch(voter):
        raise ValueError(f"{voter!r} is nobody's identity. Call sit_down() for a new person, or name one of people().")
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{voter}\n")
    except OSError as error:
        _unkept[path] = [*lines, voter]
        _warn(path, error)
    return voter


def identity_of(mark: str) -> str:
    """An identity for somebody of whom nothing is known but this mark: the same mark, the same person."""
    return f"person-{sha256(f'minirlhf somebody {mark}'.encode()).hexdigest()[:32]}"


def pseudonym(voter: str) -> str:
    """What an anonymous file calls somebody: always the same, another for everybody else, and no way back.

    An identity is random, so its digest says nothing. A name could be guessed from a list of the class, so names are
    digested with this computer's secret.
    """
    voter = own_voter() if voter == YOU else voter
    known = IDENTITY.fullmatch(voter)
    key = b"minirlhf pseudonym" if known else _lines()[0].encode()
    return f"p-{hmac(key, voter.encode('utf-8', 'surrogatepass'), 'sha256').hexdigest()[:10]}"


def called(voter: str) -> str:
    """What to call somebody on the screen: you, a pseudonym, or the name that they gave themselves."""
    if voter in (YOU, own_voter()):
        return YOU
    return pseudonym(voter) if IDENTITY.fullmatch(voter) else voter


def _lines() -> list[str]:
    """What the file says: a secret, then an identity or more."""
    path = voter_file()
    if path in _unkept:
        return _unkept[path]
    try:
        lines = _read(path)
        if not lines:
            _make(path)
            lines = _read(path)
        return lines
    except OSError as error:
        _unkept[path] = [_new("secret"), _new("person")]
        _warn(path, error)
        return _unkept[path]


def _read(path: Path) -> list[str]:
    """The file's lines; none where there is no file yet, or an empty one."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder; {VOTER_ELSEWHERE} names a file, which is made where there is none.")
    try:
        lines = path.read_bytes().decode("utf-8", "replace").split()
    except FileNotFoundError:
        return []
    if lines and not (lines[0].startswith("secret-") and len(lines) > 1 and all(map(LINE.fullmatch, lines))):
        raise ValueError(
            f"{path} holds something other than who votes here, and was left as it is. Move it away, or name another "
            f"file in {VOTER_ELSEWHERE}."
        )
    return lines


def _make(path: Path) -> None:
    """A secret and a first person. Two notebooks may do so in one instant: the file is whole, and the first one's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False, encoding="utf-8") as file:
        file.write(f"{_new('secret')}\n{_new('person')}\n")
    try:
        if path.is_file() and not path.stat().st_size:
            os.replace(file.name, path)  # an empty one: a disk was full
        else:
            os.link(file.name, path)
    except FileExistsError:
        pass
    except OSError:  # a disk without hard links
        os.replace(file.name, path)
    finally:
        Path(file.name).unlink(missing_ok=True)


def _new(kind: str) -> str:
    return f"{kind}-{uuid4().hex}"


def _warn(path: Path, error: OSError) -> None:
    warn(
        f"{path} cannot be written ({error.strerror or error}), so who votes here is somebody new whenever Python "
        f"starts again. Name a file that can be written in {VOTER_ELSEWHERE}.",
        stacklevel=4,
    )
