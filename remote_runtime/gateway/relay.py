"""Between the clients of one session and its agent: kernel messages pass as they came, numbered by client."""

from __future__ import annotations

import logging
import time
from collections import deque
from itertools import count
from typing import Protocol

from ..api import Holder, SessionId
from ..errors import TooLarge
from ..wire import Kind, Message, Priority, control, numbered
from ..wire.numbered import BROADCAST, OWN_CLIENTS, TAKEN_OVER
from .agent_link import AgentLink

_log = logging.getLogger(__name__)

WAITING_BYTES = 64 << 20
"""What clients may send before there is an agent."""
MESSAGE_BYTES = 256
"""What a message costs beside its bytes, so that a million empty ones are bounded too."""

_URGENT_CHANNELS = frozenset({"control", "stdin"})


class Client(Protocol):
    """A connection of a notebook: gets kernel messages, and is told when the lease is over.

    Stock clients get them in the v1 layout; our own, for which `own` is true, as they came: numbered.
    """

    @property
    def own(self) -> bool: ...

    @property
    def holder(self) -> Holder | None: ...

    def deliver(self, data: bytes) -> None: ...

    def end(self, code: int, reason: str) -> None: ...


class Relay:
    """One session's. Clients may come before the agent does: what they send waits for it, bounded."""

    def __init__(self, session_id: SessionId) -> None:
        self._session_id = session_id
        self._clients: dict[int, Client] = {}
        self._own: set[Client] = set()
        self._numbers = count(OWN_CLIENTS + 1)
        self._link: AgentLink | None = None
        self._waiting: deque[Message] = deque()
        self._waiting_bytes = 0
        self._over = False
        self.relayed = 0
        """Kernel messages passed on, both ways."""
        self.used_at = time.time()
        """When the newest of them was; seconds since the epoch."""

    @property
    def over(self) -> bool:
        return self._over

    @property
    def clients(self) -> int:
        return len(self._clients) + len(self._own)

    def attach(self, client: Client) -> int:
        """Gives the client its number: our own share one; of others none is used twice."""
        if client.own:
            self._own.add(client)
            return OWN_CLIENTS
        number = next(self._numbers)
        self._clients[number] = client
        self._send(_control(control.Attach(number)))
        return number

    def detach(self, number: int, client: Client) -> None:
        self._own.discard(client)
        if self._clients.pop(number, None) is not None:
            self._send(_control(control.Detach(number)))

    def hand_over(self, to: Holder) -> None:
        """Our own clients that are another are told."""
        for client in [one for one in self._own if one.holder is not None and one.holder.client != to.client]:
            self._own.discard(client)
            client.end(TAKEN_OVER, to.name)

    async def room(self, channel: str) -> None:
        """Waits while the agent is behind; to be awaited before each `from_client`."""
        if self._link is not None:
            await self._link.room(_priority(channel))

    def from_client(self, number: int, channel: str, data: bytes) -> None:
        """Passes on a message that has been checked; raises `TooLarge` when too much waits for the agent."""
        self._count()
        self._send(Message(Kind.KERNEL, number, data, _priority(channel)))

    def from_agent(self, number: int, data: bytes) -> None:
        """Passes on a numbered message; raises `BadFrame` for one that is not."""
        self._count()
        if number in (BROADCAST, OWN_CLIENTS):
            for client in list(self._own):
                client.deliver(data)
        stock = self._clients.values() if number == BROADCAST else filter(None, [self._clients.get(number)])
        if clients := list(stock):
            message = bytes(numbered.unpack(data).message)
            for client in clients:
                client.deliver(message)

    def command(self, order: control.Control) -> bool:
        """Sends the agent an order ahead of other messages; False when there is no agent."""
        if self._link is None:
            return False
        self._link.send(_control(order))
        return True

    def connect(self, link: AgentLink, *, fresh: bool) -> None:
        """An agent is there; a fresh one is told of the clients, and gets what waited."""
        self._link = link
        if not fresh:
            return
        for number in self._clients:
            link.send(_control(control.Attach(number)))
        while self._waiting:
            link.send(self._waiting.popleft())
        self._waiting_bytes = 0

    def end(self, code: int, reason: str) -> None:
        """The lease is over: every client is told, and what waited is forgotten."""
        self._over = True
        if self._link is not None:
            self._link.close()
        self._link = None
        self._waiting.clear()
        clients = [*self._clients.values(), *self._own]
        self._clients.clear()
        self._own.clear()
        for client in clients:
            client.end(code, reason)

    def forget_waiting(self) -> None:
        """What our own clients have sent and no agent has got yet will not be sent."""
        self._waiting = deque(message for message in self._waiting if message.client != OWN_CLIENTS)
        self._waiting_bytes = sum(len(message.body) + MESSAGE_BYTES for message in self._waiting)

    def _count(self) -> None:
        self.relayed += 1
        self.used_at = time.time()

    def _send(self, message: Message) -> None:
        if self._link is not None:
            self._link.send(message)
        elif message.kind is Kind.KERNEL and not self._over:
            self._wait(message)

    def _wait(self, message: Message) -> None:
        size = len(message.body) + MESSAGE_BYTES
        if self._waiting_bytes + size > WAITING_BYTES:
            raise TooLarge(
                f"more than {WAITING_BYTES >> 20} MiB wait for the container of session {self._session_id}"
            )
        self._waiting_bytes += size
        self._waiting.append(message)


def _priority(channel: str) -> Priority:
    return Priority.HIGH if channel in _URGENT_CHANNELS else Priority.NORMAL


def _control(order: control.Control) -> Message:
    return Message(Kind.CONTROL, BROADCAST, control.encode(order), Priority.HIGH)
