"""The far sessions of a run: ended with it, and what they cost."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from contextlib import closing
from urllib.parse import quote

from ..api import Bill, BillLine, Session, format_dollars, from_json
from ..client import connect
from ..errors import GatewayNotRunning


async def settle(run: str) -> list[BillLine]:
    """Ends what still runs for the run, though its kernel should have done so, and returns its lines of the bill."""
    try:
        gateway = await connect(start=False)
    except GatewayNotRunning:
        return []
    with closing(gateway):
        listed = (await gateway.get_json("/farcell/v1/sessions"))["sessions"]
        sessions = [from_json(Session, value) for value in listed]
        await asyncio.gather(
            *(
                gateway.delete_json(f"/farcell/v1/sessions/{quote(session.id)}")
                for session in sessions
                if session.key.path == run and not session.state.is_over
            )
        )
        bill = from_json(Bill, await gateway.get_json("/farcell/v1/bill"))
    return [line for line in bill.lines if line.path == run]


def cost_lines(lines: Iterable[BillLine]) -> list[str]:
    """One for each kind of device, whose name says when it is simulated: ``$0.0123 on H100, of which $0.0022 idle``."""
    by_device: defaultdict[str, list[BillLine]] = defaultdict(list)
    for line in lines:
        by_device[line.label].append(line)
    return [
        f"{format_dollars(sum(one.cost_nanos for one in of_device))} on {label}, of which "
        f"{format_dollars(sum(one.cost_nanos for one in of_device if one.is_idle))} idle"
        for label, of_device in by_device.items()
    ]
