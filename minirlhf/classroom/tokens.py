"""Codes, tokens and cookies: what lets somebody in, as whom, and that nobody can make one up."""

import hmac
import secrets
from hashlib import sha256

LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ"  # none that is read for another, or for a number
CODE_LENGTH = 8  # 22^8: some fifty thousand million


def new_code() -> str:
    """A room's code, to be typed from a screen."""
    return "".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH))


def clean_code(typed: str) -> str:
    """A code as it was meant: small letters, blanks and dashes do not matter."""
    return "".join(letter for letter in typed.upper() if letter.isalpha())


def new_token() -> str:
    """A secret of 256 bits that a link can carry."""
    return secrets.token_urlsafe(32)


def new_voter() -> str:
    """An identity as identity.py's: random, no name, and unlike everybody else's."""
    return f"person-{secrets.token_hex(16)}"


def digest(token: str) -> str:
    """What is kept of a token: enough to know it again, and too little to say it."""
    return sha256(token.encode()).hexdigest()


def is_token(token: str, kept: str) -> bool:
    """Whether this is the token whose digest was kept; takes as long for a near miss as for nonsense."""
    return hmac.compare_digest(digest(token), kept)


def signed(value: str, secret: str) -> str:
    """A value for a cookie, which comes back unchanged or not at all."""
    return f"{value}.{_signature(value, secret)}"


def unsigned(cookie: str, secret: str) -> str | None:
    """The value that `signed` signed; None for anything else."""
    value, _, signature = cookie.rpartition(".")
    return value if hmac.compare_digest(signature.encode(), _signature(value, secret).encode()) else None


def _signature(value: str, secret: str) -> str:
    return hmac.new(secret.encode(), value.encode(), sha256).hexdigest()
