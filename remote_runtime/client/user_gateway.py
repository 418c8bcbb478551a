"""The user's gateway, wherever it is now: every question to it, as a coroutine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar
from urllib.parse import quote, urlencode

from tornado.websocket import WebSocketClientConnection

from ..api import Bill, Holder, LeaseId, Offer, SavedImage, Session, SessionSpec, from_json, to_json
from ..errors import GatewayUnreachable, ImageFilesMissing, Unauthorized
from ..journal import Record
from .archives import opened_archive
from .gateway_client import GatewayClient
from .locate import connect
from .logs import ALL_SOURCES, LogPart, LogWish
from .streams import RecordParser

SUBPROTOCOL = "farcell.client.v1"
JOURNAL_BYTES = 4 << 20
"""So much of a journal is read at a time, or one record."""
AWAY_S, AGAIN_S = 60.0, 0.5
"""How long a gateway may be away before a new cell is given up, and how often it is looked for."""
P = ParamSpec("P")
T = TypeVar("T")


class UserGateway:
    """On one event loop. A gateway that went away is looked for again, and started if it is embedded.

    `me` is who holds the sessions that are connected to.
    """

    def __init__(self, me: Holder) -> None:
        self.me = me
        self._gateway: GatewayClient | None = None
        self._finding = asyncio.Lock()
        self._reached = False

    async def get(self, path: str) -> Any:
        return await self._ask(lambda gateway: gateway.get_json(path))

    async def post(self, path: str, body: Any) -> Any:
        return await self._ask(lambda gateway: gateway.post_json(path, body))

    async def delete(self, path: str) -> Any:
        return await self._ask(lambda gateway: gateway.delete_json(path))

    async def _ask(self, question: Callable[[GatewayClient], Awaitable[T]], *, start: bool = True) -> T:
        """Once more, with a newly found gateway, when the known one is gone: restarted, it has another token."""
        gateway = await self.gateway(start=start)
        try:
            answer = await question(gateway)
        except (GatewayUnreachable, Unauthorized):
            answer = await question(await self._find_again(gateway, start=start))
        self._reached = True
        return answer

    async def patiently(self, ask: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Asks again for a while, where a gateway that has answered before is away: it may be restarting."""
        given_up_at = time.monotonic() + AWAY_S
        while True:
            try:
                return await ask(*args, **kwargs)
            except GatewayUnreachable:
                if not self._reached or time.monotonic() > given_up_at:
                    raise
            await asyncio.sleep(AGAIN_S)

    async def gateway(self, *, start: bool = True) -> GatewayClient:
        async with self._finding:
            if self._gateway is None:
                self._gateway = await connect(start=start)
            return self._gateway

    async def _find_again(self, lost: GatewayClient, *, start: bool = True) -> GatewayClient:
        if self._gateway is lost:
            lost.close()
            self._gateway = None
        return await self.gateway(start=start)

    async def offers(self) -> list[Offer]:
        return [from_json(Offer, value) for value in (await self.get("/farcell/v1/offers"))["offers"]]

    async def sessions(self) -> list[Session]:
        return [from_json(Session, value) for value in (await self.get("/farcell/v1/sessions"))["sessions"]]

    async def session(self, session_id: str, *, start: bool = True) -> Session:
        """With `start` false, an embedded gateway is not started for the question."""
        path = f"/farcell/v1/sessions/{quote(session_id)}"
        return from_json(Session, await self._ask(lambda gateway: gateway.get_json(path), start=start))

    async def connect(self, session_id: str, *, take: bool) -> WebSocketClientConnection:
        """A WebSocket to a session's kernel; raises `TakenOver` where another has it, unless it is to `take` it."""
        who = {"client": self.me.client, "name": self.me.name} | ({"take": "1"} if take else {})
        path = f"/api/kernels/{quote(session_id)}/channels?{urlencode(who)}"
        return await self._ask(lambda gateway: gateway.websocket(path, SUBPROTOCOL))

    async def journal(self, session_id: str, lease_id: LeaseId, after: int) -> list[Record]:
        """The next records in a lease's journal behind that position, about `JOURNAL_BYTES`; none at its end."""
        path = f"/farcell/v1/sessions/{quote(session_id)}/journal?lease={lease_id}&after={after}&limit={JOURNAL_BYTES}"
        parser, gateway = RecordParser(), await self.gateway()
        try:
            await gateway.stream(path, parser.feed)
        except (GatewayUnreachable, Unauthorized):
            gateway = await self._find_again(gateway)
            if not parser.records:
                await gateway.stream(path, (parser := RecordParser()).feed)
        return parser.records

    async def bill(self) -> Bill:
        return from_json(Bill, await self.get("/farcell/v1/bill"))

    async def log(self, session_id: str, wish: LogWish = ALL_SOURCES) -> LogPart:
        answer = await self.get(f"/farcell/v1/sessions/{quote(session_id)}/logs?{urlencode(wish.query())}")
        return LogPart(str(answer["log"]), str(answer["cursor"]), bool(answer["over"]))

    async def stop(self, session_id: str) -> Session:
        return from_json(Session, await self.delete(f"/farcell/v1/sessions/{quote(session_id)}"))

    async def stop_all(self, chosen: Callable[[Session], bool]) -> None:
        """Ends the chosen ones of the sessions that live, all at once. No gateway is started for that."""
        if self._gateway is None:
            self._gateway = await connect(start=False)
        answer = await self._gateway.get_json("/farcell/v1/sessions")
        sessions = [from_json(Session, value) for value in answer["sessions"]]
        ended = [
            self._gateway.delete_json(f"/farcell/v1/sessions/{quote(session.id)}")
            for session in sessions
            if not session.state.is_over and chosen(session)
        ]
        await asyncio.gather(*ended)

    async def keep(self, session_id: str, seconds: float) -> Session:
        path = f"/farcell/v1/sessions/{quote(session_id)}/keep"
        return from_json(Session, await self.post(path, {"seconds": seconds}))

    async def interrupt(self, session_id: str) -> None:
        await self.post(f"/api/kernels/{quote(session_id)}/interrupt", {})

    async def restart(self, session_id: str) -> None:
        await self.post(f"/api/kernels/{quote(session_id)}/restart", {})

    async def shown(self, session_id: str, position: int) -> None:
        """The session's notebook has shown its output up to that position of the lease's journal."""
        await self.post(f"/farcell/v1/sessions/{quote(session_id)}/shown", {"position": position})

    async def ensure(self, spec: SessionSpec) -> Session:
        """The session, started where it was not; what its image copies is sent where the gateway lacks it."""
        path, body = "/farcell/v1/sessions", to_json(spec)

        def ask() -> Awaitable[Any]:
            return self._ask(lambda gateway: gateway.post_json(path, body, repeatable=True))

        try:
            answer = await ask()
        except ImageFilesMissing as missing:
            for sha256 in missing.details.get("sha256", ()):
                await self._send_archive(str(sha256))
            answer = await ask()
        return from_json(Session, answer)

    async def _send_archive(self, sha256: str) -> None:
        file = await asyncio.to_thread(opened_archive, sha256)
        with file:
            path = f"/farcell/v1/image-files/{sha256}"
            await self._ask(lambda gateway: gateway.put_file(path, file))

    async def images(self) -> list[SavedImage]:
        return [from_json(SavedImage, value) for value in (await self.get("/farcell/v1/images"))["images"]]

    async def save_image(self, session_id: str, name: str | None) -> SavedImage:
        """The session's image, with what was installed in it by hand, under that name or the session's."""
        path = f"/farcell/v1/sessions/{quote(session_id)}/image"
        return from_json(SavedImage, await self.post(path, {"name": name}))

    async def events(self, received: Callable[[bytes], None], quiet_s: float) -> None:
        """Follows the gateway's events until they break off, or nothing comes for so long.

        Does nothing where no gateway has been asked yet: it is not for this to start one.
        """
        if self._gateway is not None:
            await self._gateway.stream("/farcell/v1/events", received, quiet_s)

    def close(self) -> None:
        if self._gateway is not None:
            self._gateway.close()
            self._gateway = None
