"""Where a cold start's time went, read from what a lease leaves: its times, and its lines in the two logs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from farcell.remote_runtime import config
from farcell.remote_runtime.api import Lease
from farcell.remote_runtime.client.blocking import Client
from farcell.remote_runtime.client.logs import LogWish

Step = tuple[str, float]
"""What happened, and when by the wall clock."""

_LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,]\d{3}Z?) \w+ (\S+): (.*)")
_PARTICULAR = re.compile(r"[0-9a-f]{8,}[0-9a-f-]*|/\S+|\b\d+\b|\blease \S+")


def steps_of(client: Client, session_id: str) -> list[Step]:
    """All that is known of the session's lease, in no order."""
    session = client.session(session_id)
    assert session.lease is not None
    log = client.log(session_id, LogWish(source="agent")).text.splitlines()
    return [*_times(session.lease), *_read(_gateway_lines(session.lease)), *_read(log)]


def _times(lease: Lease) -> Iterator[Step]:
    yield "gateway: the lease is made", lease.created_at.timestamp()
    if lease.ready_at is not None:
        yield "gateway: the kernel is ready, billing begins", lease.ready_at.timestamp()


def _gateway_lines(lease: Lease) -> list[str]:
    """Of an embedded gateway, or of one that is served from the same folder."""
    paths = (config.data_dir() / name for name in ("gateway.log", "serve.log"))
    found = [path.read_text("utf-8", "replace") for path in paths if path.exists()]
    return "".join(found).splitlines()


def _read(lines: list[str]) -> Iterator[Step]:
    """Log lines without what is particular to one lease, so that those of many can be compared."""
    for line in lines:
        if found := _LINE.match(line):
            at, who, said = found.groups()
            message = _PARTICULAR.sub("…", said).strip(" …:")
            yield f"{who.rpartition('.')[2]}: {message}", _seconds(at)


def _seconds(at: str) -> float:
    """The gateway tells local time, a lease's log UTC."""
    return datetime.fromisoformat(at.replace(",", ".")).astimezone().timestamp()
