"""What stands before every route: who may ask from where, how much, how often, and what a browser may do with a page.

Pure ASGI, for a stream of events must not be held back. A classroom often shares one address, so nothing is counted by
address: each seat has its own allowance, and wrong codes share one, since only strangers need many of them.
"""

import asyncio
import json
from collections.abc import Mapping
from time import monotonic

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 4096  # of a body; a vote has some two hundred
SLOWEST = 20.0  # seconds in which a body has to come
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # a proxy that buffers would keep the news to itself
}


class Guard:
    """Refuses what no page of ours sends, and tells browsers to be strict with what it lets through."""

    def __init__(self, app: ASGIApp, hosts: tuple[str, ...]) -> None:
        self.app, self.hosts = app, frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def send_strict(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        headers = Headers(scope=scope)
        why, status = self.why_not(scope["method"], headers)
        if why:
            return await JSONResponse({"error": why}, status)(scope, receive, send_strict)
        body: bytes | None = b""
        if scope["method"] == "POST":
            try:
                async with asyncio.timeout(SLOWEST):
                    body = await _read(receive)
            except TimeoutError:
                slow = "This took too long to arrive, so it was not read. Send it again."
                return await JSONResponse({"error": slow}, 408)(scope, receive, send_strict)
            if body is None:
                return None
            if len(body) > MOST_BYTES:
                long = f"This is longer than {MOST_BYTES} bytes, so it was not read."
                return await JSONResponse({"error": long}, 413)(scope, receive, send_strict)

        async def receive_again() -> Message:
            nonlocal body
            if body is None:
                return await receive()
            read, body = body, None
            return {"type": "http.request", "body": read, "more_body": False}

        await self.app(scope, receive_again if scope["method"] == "POST" else receive, send_strict)

    def why_not(self, method: str, headers: Headers) -> tuple[str, int]:
        """Why a request is refused, and HTTP's number for that; ("", 200) where it is not."""
        host = headers.get("host", "")
        if self.hosts and _name(host) not in self.hosts:
            return "This address is not the classroom's. Use the one on the screen.", 400
        if method not in ("GET", "HEAD", "POST"):
            return "Only pages and answers pass here.", 405
        if method != "POST":
            return "", 200
        if headers.get("content-type", "").split(";")[0].strip() != "application/json":
            return "An answer is JSON. Load the page again.", 415
        # A page of somebody else's, open in the same browser, must not vote or teach. Every browser since 2023 says
        # where a request comes from; older ones name the page's origin.
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        foreign = site not in ("same-origin", "none") if site else bool(origin) and origin.split("://")[-1] != host
        return ("This came from another page. Use the classroom's own.", 403) if foreign else ("", 200)


class Allowance:
    """So many at once, and then so many a second, for each name."""

    def __init__(self, at_once: float, a_second: float, most_names: int = 10_000) -> None:
        self.at_once, self.a_second, self.most_names = at_once, a_second, most_names
        self.left: dict[str, tuple[float, float]] = {}

    def wait(self, name: str) -> float:
        """Take one; 0 where it was there, else how many seconds until there is one."""
        now = monotonic()
        if len(self.left) > self.most_names:  # those who have all of it again need no entry
            self.left = {
                n: (x, at) for n, (x, at) in self.left.items() if x + (now - at) * self.a_second < self.at_once
            }
        have, since = self.left.get(name, (self.at_once, now))
        have = min(self.at_once, have + (now - since) * self.a_second)
        if have < 1:
            self.left[name] = (have, now)
            return (1 - have) / self.a_second
        self.left[name] = (have - 1, now)
        return 0.0


def read_json(body: bytes) -> Mapping[str, object]:
    """A body's fields; ValueError where it is anything else than one flat object."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError("An answer is a JSON object. Load the page again.")
    return found


async def _read(receive: Receive) -> bytes | None:
    """A body, or as much of it as shows that it is too long; None where whoever sent it has gone."""
    body, more = b"", True
    while more and len(body) <= MOST_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


def _name(host: str) -> str:
    """A host's name without its port."""
    return (host.rsplit("]", 1)[0] + "]" if host.startswith("[") else host.rsplit(":", 1)[0]).lower()
