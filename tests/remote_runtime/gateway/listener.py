"""Who follows the gateway's events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from .faces import Face, connection


class Listener:
    """Reads a stream of server-sent events as an EventSource does."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def block(self) -> dict[str, str]:
        """The fields of the next event; a comment's is the empty name."""
        chunk_size = int(await self._reader.readline(), 16)
        text = (await self._reader.readexactly(chunk_size + 2)).decode().strip()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}

    async def event(self) -> tuple[str, Any]:
        while "event" not in (block := await self.block()):
            pass
        return block["event"], json.loads(block["data"])

    async def until_session(self, session_id: str, state: str) -> list[str]:
        """The states that are told of it up to `state`."""
        states: list[str] = []
        while state not in states:
            kind, session = await self.event()
            assert kind == "session"
            if session["id"] == session_id and session["state"] not in states[-1:]:
                states.append(session["state"])
        return states


@asynccontextmanager
async def listening(face: Face, query: str = "") -> AsyncIterator[Listener]:
    async with connection(face.port) as (reader, writer):
        lines = (
            f"GET /farcell/v1/events{query} HTTP/1.1",
            "Host: localhost",
            f"Authorization: Bearer {face.token}",
        )
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"200 OK" in head
        assert b"text/event-stream" in head
        listener = Listener(reader)
        assert await listener.block() == {"": "here"}
        yield listener
