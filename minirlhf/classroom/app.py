"""The server's routes. It takes votes, shows what stands, and never trains; everything it knows is in the database."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
from importlib.resources import files
from io import BytesIO
from random import random
from typing import Any

import segno
import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from minirlhf.classroom import cards, paper, rooms, tokens, views
from minirlhf.classroom.desk import Desk
from minirlhf.classroom.guard import Allowance, Guard, read_json
from minirlhf.classroom.rooms import Ballot, Refused, Room
from minirlhf.feedback.identity import pseudonym
from minirlhf.feedback.store import FeedbackStore, StoreError
from minirlhf.feedback.votes import Answer, Vote, answer_from_row, vote_to_row

PAGES = {"": "phone.html", "j": "phone.html", "screen": "screen.html", "teach": "teach.html", "paper": "paper.html"}
PRIVACY = "privacy.html"
KINDS = {"js": "text/javascript", "css": "text/css"}
STATIC = (
    "room.js",
    *(f"{name}.{kind}" for name in ("phone", "screen", "teach", "paper") for kind in KINDS),
    "privacy.css",
)
CARD = ("card.js", "card.css")  # the notebook's own
ID = re.compile(r"[0-9a-f]{32}")
LOOK = 0.25  # seconds between two looks at what changed
MOST_STREAMS = 200  # open at once: a projector or two for each room; whoever comes later has to ask
CHEAP = 1.0  # seconds for which a projector's view is good enough, while votes come in
COOKIE_DAYS = 7
HOLD = 15.0  # seconds for which a phone that asks for news is kept waiting for some: asking costs the training more
TOLD_A_SECOND = 200  # phones: all of them ask for everything once there is news
MOST_HELD = 4  # questions of one seat, for tabs and reloads: nobody may take the connections of all others


class Classroom:
    """One server: a store, its desk, and what it has seen of each room."""

    def __init__(self, store: FeedbackStore, address: str, prefix: str = "") -> None:
        self.store, self.address, self.prefix, self.desk = store, address, prefix, Desk(store)
        self.strangers = Allowance(at_once=60.0, a_second=5.0)
        self.seats = Allowance(at_once=40.0, a_second=4.0)
        self.streams = 0
        self.looked: dict[str, tuple[float, Room]] = {}
        self.news: dict[str, asyncio.Task[None]] = {}  # for each room, done when there is some
        self.waiting: Counter[str] = Counter()  # how many phones wait for it
        self.held: Counter[str] = Counter()  # how many questions of each seat are
        self.asked_at = 0.0  # when somebody last wanted something, on the loop's clock
        self.asked: set[str] = set()  # for which rooms, since that was last written down
        rooms.purge(store)
        self.pages = {name: self.page(name) for name in {*PAGES.values(), PRIVACY}}
        self.static = {name: (files("minirlhf.classroom.pages") / name).read_bytes() for name in STATIC}
        self.static |= {name: (files("minirlhf.feedback.card") / name).read_bytes() for name in CARD}

    def page(self, name: str) -> str:
        """A page as it is served behind this prefix."""
        text = (files("minirlhf.classroom.pages") / name).read_text(encoding="utf-8")
        for what, value in (
            ("prefix", self.prefix),
            ("keep_days", f"{rooms.KEEP_DAYS:g}"),
            ("cookie_days", COOKIE_DAYS),
        ):
            text = text.replace(f"{{{{{what}}}}}", str(value))
        return text

    def app(self, hosts: tuple[str, ...]) -> Starlette:
        """The whole application, guarded."""
        at = f"{self.prefix}/api/{{code}}"
        routes = [
            Route(f"{self.prefix}/", self.show_page),
            Route(f"{self.prefix}/healthz", self.healthy),
            *(Route(f"{at_root}/favicon.ico", self.no_icon) for at_root in {"", self.prefix}),
            Route(f"{self.prefix}/privacy", self.show_privacy),
            Route(f"{self.prefix}/static/{{name}}", self.send_static),
            Route(f"{self.prefix}/qr/{{code}}.svg", self.send_qr),
            *(Route(f"{self.prefix}/{kind}/{{code}}", self.show_page) for kind in PAGES if kind),
            Route(f"{at}/join", self.join, methods=["POST"]),
            Route(f"{at}/me", self.me),
            Route(f"{at}/vote", self.vote, methods=["POST"]),
            Route(f"{at}/undo", self.vote, methods=["POST"]),
            Route(f"{at}/guess", self.guess, methods=["POST"]),
            Route(f"{at}/forget", self.forget, methods=["POST"]),
            Route(f"{at}/screen", self.screen),
            Route(f"{at}/screen/events", self.screen_events),
            Route(f"{at}/teach/login", self.login, methods=["POST"]),
            Route(f"{at}/teach", self.teach),
            Route(f"{at}/teach/events", self.teach_events),
            Route(f"{at}/teach/do", self.do, methods=["POST"]),
            Route(f"{at}/teach/tally", self.tally, methods=["POST"]),
            Route(f"{at}/teach/cards", self.make_cards, methods=["POST"]),
            Route(f"{at}/teach/export", self.export),
        ]
        handlers: Any = {Refused: self.refuse, StoreError: self.unkept, ValueError: self.malformed}
        guard = [Middleware(Guard, hosts=hosts), Middleware(GZipMiddleware, minimum_size=500)]
        return Starlette(routes=routes, middleware=guard, exception_handlers=handlers)

    # Pages.

    async def show_page(self, request: Request) -> Response:
        kind = request.url.path.removeprefix(self.prefix).split("/")[1]
        return Response(self.pages[PAGES[kind]], media_type="text/html")

    async def show_privacy(self, request: Request) -> Response:
        return Response(self.pages[PRIVACY], media_type="text/html")

    async def no_icon(self, request: Request) -> Response:
        return Response(status_code=204)  # every browser asks

    async def healthy(self, request: Request) -> Response:
        return JSONResponse({"ok": True, "address": self.address})

    async def send_static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in self.static:
            raise Refused("There is no such file.", 404)
        return Response(self.static[name], media_type=KINDS[name.rsplit(".")[-1]])

    async def send_qr(self, request: Request) -> Response:
        card = tokens.clean_code(request.query_params.get("card", ""))[: tokens.CODE_LENGTH]
        code = segno.make(self.join_link(request.path_params["code"]) + (f"#{card}" if card else ""), micro=False)
        drawn = BytesIO()  # a picture of its own: what is meant to stand in a page lacks what an <img> needs
        code.save(drawn, kind="svg", scale=8, border=4, light="#fff")
        return Response(drawn.getvalue(), media_type="image/svg+xml")

    def join_link(self, code: str) -> str:
        """What a phone opens."""
        return f"{self.address}{self.prefix}/j/{tokens.clean_code(code)}"

    # Phones.

    async def join(self, request: Request) -> Response:
        said, room = read_json(await request.body()), await self.room(request)
        nickname, ghost = said.get("nickname") or "", said.get("simulated") is True
        if not isinstance(nickname, str) or len(nickname) > 200:
            raise Refused("A nickname is a few letters, or none.", 400)
        if ghost:
            self.require_teacher(request, room)
        origin = "simulated" if ghost else "human"
        voter, card = self.seat(request, room), str(said.get("card") or "")
        ask = partial(cards.join, code=room.code, nickname=nickname, voter=voter, origin=origin, card=card)
        try:
            taken = await self.desk.change(ask)
        except Refused as refused:
            if card and refused.helps == "card":
                self.count_stranger()
            raise
        answer = JSONResponse(taken)
        self.set_cookie(answer, request, f"seat-{room.code}", tokens.signed(taken["voter"], room.secret))
        return answer

    async def me(self, request: Request) -> Response:
        room = await self.room(request)
        voter = self.require_seat(request, room)
        seen = request.query_params.get("seen")
        if seen == str(room.state) and "hold" in request.query_params and self.held[voter] < MOST_HELD:
            await self.wait_for_news(room, voter)
            room = await self.room(request)
        if seen == str(room.state):
            return JSONResponse({"version": str(room.state), "same": True})
        found = await self.read(partial(views.phone, code=room.code, voter=voter))
        return JSONResponse(found)

    async def vote(self, request: Request) -> Response:
        said, room = read_json(await request.body()), await self.room(request)
        voter = self.require_seat(request, room)
        if wait := self.seats.wait(voter):
            return JSONResponse({"error": "Not so fast. It is sent again by itself.", "retry_after": wait}, 429)
        question, id, ms = said.get("question"), said.get("id"), said.get("ms")
        if not isinstance(question, str) or not isinstance(id, str) or not ID.fullmatch(id):
            raise Refused("An answer names its question and has an id of its own. Load the page again.", 400)
        ms = ms if isinstance(ms, int) and 0 <= ms < 2**53 else None
        undo = request.url.path.endswith("/undo")
        says = None if undo else _read_answer(said.get("says"))
        await self.desk.cast(room.code, Ballot(voter, question, says, id, ms))
        return JSONResponse({"ok": True})

    async def guess(self, request: Request) -> Response:
        said, room = read_json(await request.body()), await self.room(request)
        voter = self.require_seat(request, room)
        if wait := self.seats.wait(voter):
            return JSONResponse({"error": "Not so fast. Try again in a moment.", "retry_after": wait}, 429)
        await self.desk.change(partial(rooms.guess, code=room.code, voter=voter, model=said.get("model")))
        return JSONResponse({"ok": True})

    async def forget(self, request: Request) -> Response:
        read_json(await request.body())
        room = await self.room(request)
        voter = self.require_seat(request, room)
        await self.desk.change(partial(rooms.forget, code=room.code, voters=[voter]))
        answer = JSONResponse({"ok": True})
        answer.delete_cookie(f"seat-{room.code}", path=self.prefix or "/")
        return answer

    # The projector and the teacher.

    async def screen(self, request: Request) -> Response:
        room = await self.room(request)
        return JSONResponse(await self.for_screen(views.screen, room.code))

    async def screen_events(self, request: Request) -> Response:
        room = await self.room(request)
        if self.streams >= MOST_STREAMS:
            raise Refused("Too many screens are open. This one asks now and then.", 503)
        return self.events(request, room.code, views.screen)

    async def login(self, request: Request) -> Response:
        said, room = read_json(await request.body()), await self.room(request)
        if not tokens.is_token(str(said.get("token")), room.teacher):
            self.count_stranger()
            raise Refused("This is not the teacher's link of this room. It was printed where the room was opened.", 403)
        answer = JSONResponse({"ok": True})
        self.set_cookie(answer, request, f"teach-{room.code}", tokens.signed(f"teacher {room.code}", room.secret))
        return answer

    async def teach(self, request: Request) -> Response:
        room = await self.room(request)
        self.require_teacher(request, room)
        return JSONResponse(await self.for_screen(views.teacher, room.code))

    async def teach_events(self, request: Request) -> Response:
        room = await self.room(request)
        self.require_teacher(request, room)
        return self.events(request, room.code, views.teacher)

    async def do(self, request: Request) -> Response:
        said, room = read_json(await request.body()), await self.room(request)
        self.require_teacher(request, room)
        await self.desk.change(partial(rooms.step, code=room.code, do=str(said.get("do")), wish=said))
        self.looked.pop(room.code, None)
        return JSONResponse({"ok": True})

    async def tally(self, request: Request) -> Response:
        said, room = read_json(await request.body()), await self.room(request)
        self.require_teacher(request, room)
        counts = said.get("counts")
        if not isinstance(counts, list):
            raise Refused("What was counted is four numbers. Load the panel again.", 400)
        count = partial(paper.count_hands, code=room.code, question=str(said.get("question")), counts=counts)
        await self.desk.change(count)
        return JSONResponse({"ok": True})

    async def make_cards(self, request: Request) -> Response:
        said, room = read_json(await request.body()), await self.room(request)
        self.require_teacher(request, room)
        n = said.get("n")
        if type(n) is not int:
            raise Refused("How many cards is a number. Load the page again.", 400)
        return JSONResponse({"cards": await self.desk.change(partial(cards.make, code=room.code, n=n))})

    async def export(self, request: Request) -> Response:
        room = await self.room(request)
        self.require_teacher(request, room)
        votes = await asyncio.to_thread(rooms.votes_of, self.store, room.code)
        named = request.query_params.get("voters") == "ids"
        rows = (vote_to_row(vote) | ({} if named else {"voter": _unnamed(vote)}) for vote in votes)
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        name = {"Content-Disposition": f'attachment; filename="votes-{room.code}.jsonl"'}
        return Response(lines, media_type="application/jsonl", headers=name)

    # What they share.

    async def room(self, request: Request) -> Room:
        """The room of the address, as it was a moment ago at most."""
        code = tokens.clean_code(request.path_params["code"])
        self.asked_at = asyncio.get_running_loop().time()
        try:
            found = await self.look(code)
        except Refused:
            self.count_stranger()
            raise
        self.asked.add(code)
        return found

    async def look(self, code: str) -> Room:
        """A room, as it was a moment ago at most."""
        now = asyncio.get_running_loop().time()
        at, found = self.looked.get(code, (-LOOK, None))
        if found is None or now - at >= LOOK:
            found = await self.read(partial(rooms.find, code=code))
            self.looked[code] = now, found
        return found

    async def wait_for_news(self, room: Room, voter: str) -> None:
        """Until the room is another one than this, or for HOLD seconds; not all phones go on at the same moment."""
        news = self.news.get(room.code)
        if news is None or news.done():
            news = self.news[room.code] = asyncio.create_task(self.watch(room))
        self.waiting[room.code] += 1
        self.held[voter] += 1
        try:
            await asyncio.wait([news], timeout=HOLD)
            await asyncio.sleep(random() * self.waiting[room.code] / TOLD_A_SECOND if news.done() else 0)
        finally:
            self.waiting[room.code] -= 1
            self.held[voter] -= 1
            if not self.held[voter]:
                del self.held[voter]

    async def watch(self, room: Room) -> None:
        """Until the room is another one, or it cannot be seen, or for HOLD seconds."""
        for _ in range(int(HOLD / LOOK)):
            await asyncio.sleep(LOOK)
            try:
                if (await self.look(room.code)).state != room.state:
                    return
            except (Refused, StoreError):  # whoever waits asks again, and is told
                return

    async def note_asked(self) -> None:
        """Write down for which rooms somebody is there."""
        codes, self.asked = self.asked, set()
        if codes:
            await self.desk.change(partial(rooms.note_asked, codes=codes))

    def count_stranger(self) -> None:
        """Somebody guesses; Refused where too many do."""
        if self.strangers.wait("codes"):
            raise Refused("Too many wrong codes were tried just now. Wait a minute.", 429)

    async def read(self, look: Callable[[sa.Connection], Any]) -> Any:
        return await asyncio.to_thread(self._read, look)

    def _read(self, look: Callable[[sa.Connection], Any]) -> Any:
        with self.store.connect("be read") as connection:
            return look(connection)

    async def for_screen(self, view: Callable[..., dict[str, Any]], code: str) -> dict[str, Any]:
        found = await self.read(partial(view, code=code))
        return found | {"join": self.join_link(code)} | self.links(view, code)

    def links(self, view: Callable[..., Any], code: str) -> dict[str, Any]:
        if view is not views.teacher:
            return {}
        screen = f"{self.address}{self.prefix}/screen/{code}"
        trouble = self.desk.trouble and _remedy(self.desk.trouble)
        return {"links": {"join": self.join_link(code), "screen": screen}, "trouble": trouble}

    def events(self, request: Request, code: str, view: Callable[..., dict[str, Any]]) -> Response:
        """A stream that says what changed, when it changes, and now and then that it is still there."""

        async def stream() -> AsyncIterator[str]:
            loop, seen, sent = asyncio.get_running_loop(), ((-1, ""), -1), 0.0
            self.streams += 1
            try:
                while not await request.is_disconnected():
                    now, room = loop.time(), await self.room(request)
                    is_now = ((room.state, self.desk.trouble), room.votes)  # what is shown at once, and what may wait
                    if is_now[0] != seen[0] or (is_now != seen and now - sent >= CHEAP):
                        found = await self.for_screen(view, code)
                        seen, sent = is_now, now
                        yield f"data: {json.dumps(found)}\n\n"
                    elif now - sent > 15:
                        sent = now
                        yield ": still here\n\n"
                    await asyncio.sleep(LOOK)
            finally:
                self.streams -= 1

        return StreamingResponse(stream(), media_type="text/event-stream")

    def seat(self, request: Request, room: Room) -> str | None:
        return tokens.unsigned(request.cookies.get(f"seat-{room.code}", ""), room.secret)

    def require_seat(self, request: Request, room: Room) -> str:
        if voter := self.seat(request, room):
            return voter
        raise Refused("You have no seat in this room yet. Join first.", 403, helps="join")

    def require_teacher(self, request: Request, room: Room) -> None:
        if tokens.unsigned(request.cookies.get(f"teach-{room.code}", ""), room.secret) != f"teacher {room.code}":
            raise Refused("Only the teacher's link opens this. It was printed where the room was opened.", 403)

    def set_cookie(self, answer: Response, request: Request, name: str, value: str) -> None:
        safe = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
        answer.set_cookie(
            name,
            value,
            max_age=COOKIE_DAYS * 24 * 3600,
            path=self.prefix or "/",
            httponly=True,
            samesite="strict",
            secure=safe,
        )

    # What went wrong, in words.

    async def refuse(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return JSONResponse({"error": str(error)} | ({error.helps: True} if error.helps else {}), error.status)

    async def unkept(self, request: Request, error: Exception) -> Response:
        who = "" if "/teach/" in request.url.path else "Tell the teacher: "
        told = f"The classroom's computer could not keep this, so it was not counted. {who}{_remedy(str(error))}"
        return JSONResponse({"error": told}, 503)

    async def malformed(self, request: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, 400)


def _read_answer(says: Any) -> Answer:
    """What a phone's button says; Refused where no button says it."""
    try:
        return answer_from_row(says)
    except (ValueError, TypeError, KeyError):
        raise Refused("This is no answer to a pair. Load the page again.", 400) from None


def _unnamed(vote: Vote) -> str:
    """What an export calls a voter: a pseudonym, or what a simulated one is called."""
    return f"{pseudonym(vote.voter)} (simulated)" if vote.origin == "simulated" else pseudonym(vote.voter)


def _remedy(told: str) -> str:
    """The end of a store's complaint, for a phone need not know where the file lies."""
    return told.split("Nothing was counted. ")[-1]
