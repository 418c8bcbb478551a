"""What a client that comes later reads of a session, over REST."""

from __future__ import annotations

import asyncio
from contextlib import closing

from scripted_cell import Told

from farcell.remote_runtime.api import Session
from farcell.remote_runtime.client.locate import connect
from farcell.remote_runtime.client.output import read_output
from farcell.remote_runtime.client.streams import RecordParser
from farcell.remote_runtime.journal import Record, replay
from farcell.remote_runtime.wire.messages import decode, header_of, unpack
from farcell.remote_runtime.wire.numbered import OWN_CLIENTS


async def _read(session: Session) -> list[Record]:
    parser = RecordParser()
    with closing(await connect()) as gateway:
        await gateway.stream(
            f"/farcell/v1/sessions/{session.id}/journal?lease={session.lease_id}", parser.feed
        )
    return parser.records


def told_by_journal(session: Session, execute_id: str) -> Told:
    """All that a cell of the session's newest lease showed."""
    told = Told()
    for found in replay(asyncio.run(_read(session)), 0, {OWN_CLIENTS}):
        message = unpack(found.message)
        kind = str(header_of(message)["msg_type"])
        mine = decode(message.parent_header).get("msg_id") == execute_id
        if mine and message.channel == "iopub" and kind not in ("status", "execute_input"):
            told.hear(read_output(message, kind))
    return told
