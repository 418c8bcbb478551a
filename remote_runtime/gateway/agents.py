"""What agents say, and who may say it."""

from __future__ import annotations

import logging

import msgspec

from ..api import EndReason, LeaseId, SessionState
from ..errors import BadFrame, TokenUsed, Unauthorized
from ..wire import Kind, Message, Stream, control
from . import records
from .database import Database
from .leases import LeaseKeeper
from .live_session import LiveSession
from .users import hash_token

_log = logging.getLogger(__name__)

NONCE_LENGTHS = (16, 128)
MAX_ID_BYTES = 1000
"""Of a cell's id; PostgreSQL's index takes about 2,700."""
MAX_PACKAGES = 1000
LARGEST_CELL_NUMBER = (1 << 31) - 1
LARGEST = 1 << 53
"""JSON's integers are exact up to here."""


class AgentDesk:
    """Binds agents to their leases, and turns their control messages into what the keeper does."""

    def __init__(self, database: Database, keeper: LeaseKeeper) -> None:
        self._database = database
        self._keeper = keeper

    async def knows(self, lease_id: LeaseId, token: str) -> bool:
        """Whether the token is a running lease's, without binding it."""
        return await self._database.read(
            lambda connection: records.is_lease_token(connection, lease_id, hash_token(token))
        )

    async def bind(self, lease_id: LeaseId, token: str, hello: control.Hello) -> LiveSession:
        """The lease's session; only a hello that makes sense binds the token.

        Raises `BadFrame`, `Unauthorized`, or `TokenUsed` when another agent came with this token before.
        """
        _check_hello(hello)
        bound = await self._database.write(
            lambda connection: records.bind_agent(connection, lease_id, hash_token(token), hello.nonce)
        )
        live = self._keeper.find(lease_id)
        if bound is None or live is None:
            raise Unauthorized("this is not the token of a running lease")
        if not bound:
            raise TokenUsed(f"another agent holds lease {lease_id} already")
        _log.info("lease %s: its agent is here", lease_id)
        return live

    def received(self, live: LiveSession, message: Message) -> None:  # noqa: C901 (one case for each message)
        """One message of the session's agent; raises `BadFrame` for one that no agent sends."""
        if message.kind is Kind.KERNEL:
            live.relay.from_agent(message.client, message.body)
            return
        order = control.decode_from_agent(message.body)
        _check_numbers(order)
        match order:
            case control.Ready():
                self._keeper.agent_ready(live, order)
            case control.Status():
                self._status(live, order)
            case control.Usage():
                self._usage(live, order)
            case control.Cell():
                if _can_be_kept(order):
                    self._keeper.bookkeeper.cell_changed(live, order)
            case control.Bye():
                _check_bye(order)
                self._keeper.said_bye(live, order)
            case control.Installed():
                self._keeper.installed(live, _checked(order.packages))
            case control.KernelDied():
                self._keeper.kernel_died(live, order.detail)
            case control.Hello():
                raise BadFrame("a hello in the stream")

    def _status(self, live: LiveSession, status: control.Status) -> None:
        live.idle = status.idle
        state = SessionState.BUSY if status.busy else SessionState.IDLE
        if live.state in (SessionState.BUSY, SessionState.IDLE) and live.state is not state:
            live.state = state
        self._keeper.changed(live)

    def _usage(self, live: LiveSession, usage: control.Usage) -> None:
        live.usage = usage
        self._keeper.attested(live, usage.uptime_ms)
        live.relay.command(control.LeaseEnd(self._keeper.times.lease_s))


def _check_hello(hello: control.Hello) -> None:
    if not NONCE_LENGTHS[0] <= len(hello.nonce) <= NONCE_LENGTHS[1]:
        raise BadFrame(f"an agent's nonce has {NONCE_LENGTHS[0]} to {NONCE_LENGTHS[1]} characters")
    if "\0" in hello.nonce:
        raise BadFrame("an agent's nonce has no zero bytes")
    Stream("probe").resume(hello.stream)


def _check_bye(bye: control.Bye) -> None:
    if bye.reason not in {reason.value for reason in EndReason}:
        raise BadFrame(f"no lease ends for the reason {bye.reason[:40]!r}")


def _checked(packages: tuple[str, ...]) -> tuple[str, ...]:
    if len(packages) > MAX_PACKAGES or any("\0" in one or len(one) > MAX_ID_BYTES for one in packages):
        raise BadFrame(
            f"an agent tells of at most {MAX_PACKAGES} packages, each in {MAX_ID_BYTES} characters"
        )
    return packages


def _can_be_kept(cell: control.Cell) -> bool:
    """Whether a database takes the cell's record: an id is the front end's, which may be anything.

    The time of one that is not kept counts as idle; a record that PostgreSQL refuses would keep the lease's charges
    from being written with it.
    """
    texts = (cell.execute_id, cell.status or "")
    return abs(cell.number or 0) <= LARGEST_CELL_NUMBER and all(
        "\0" not in text and len(text.encode()) <= MAX_ID_BYTES for text in texts
    )


def _check_numbers(order: control.Control) -> None:
    """An agent belongs to whoever uses the container: nothing that it says may be more than the database can keep."""
    for value in msgspec.structs.astuple(order):
        if isinstance(value, int) and abs(value) > LARGEST:
            raise BadFrame(f"a number of an agent's is beyond {LARGEST}")
