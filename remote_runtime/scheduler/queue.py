"""The queue: whose turn comes when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from ..api import Request, SessionId, Walls
from .matching import NO_WALLS, needed


@dataclass(frozen=True, slots=True)
class Waiting:
    """A session that waits. Turns order the queue; `arrival` counts submissions and breaks ties: the queue gives both.

    Who is `absent` keeps the place, and is passed over. `spawners` are those that can start it, None where any can.
    """

    session_id: SessionId
    owner: str
    request: Request
    walls: Walls = NO_WALLS
    absent: bool = False
    spawners: frozenset[str] | None = None
    turn: float = 0.0
    arrival: int = 0

    @property
    def count(self) -> int:
        """The most that it may come to hold."""
        return max(map(needed, self.request.choices))


@dataclass(slots=True)
class Queue:
    """Sessions by their turn, which is fixed when a session joins.

    ::

        turn = time of joining + fair_share_s * (what its owner holds and waits for then)

    but never before a turn that its owner already waits for. So whoever has nothing passes those who have
    much; an owner's own sessions keep their order; and nobody starves, because only those can pass a session
    who join within a known time after it.
    """

    fair_share_s: float
    _waiting: dict[SessionId, Waiting] = field(default_factory=dict)
    _arrivals: int = 0

    def join(self, newcomer: Waiting, held: int, now: float) -> None:
        """`held` is what the owner's leases hold; a session that already waits keeps its turn and request."""
        if newcomer.session_id in self._waiting:
            return
        own = [waiting for waiting in self._waiting.values() if waiting.owner == newcomer.owner]
        load = held + sum(waiting.count for waiting in own)
        turn = max([now + self.fair_share_s * load, *(waiting.turn for waiting in own)])
        self._arrivals += 1
        self._waiting[newcomer.session_id] = replace(newcomer, turn=turn, arrival=self._arrivals)

    def leave(self, session_id: SessionId) -> None:
        """Silent when it does not wait."""
        self._waiting.pop(session_id, None)

    def come(self, session_id: SessionId) -> None:
        """Is absent no more; silent when it does not wait."""
        if session_id in self._waiting:
            self._waiting[session_id] = replace(self._waiting[session_id], absent=False)

    def keep_to(self, session_id: SessionId, spawners: frozenset[str]) -> None:
        """Silent when it does not wait."""
        if session_id in self._waiting:
            self._waiting[session_id] = replace(self._waiting[session_id], spawners=spawners)

    def line(self) -> list[Waiting]:
        """All that wait, next first."""
        return sorted(self._waiting.values(), key=lambda waiting: (waiting.turn, waiting.arrival))

    def __contains__(self, session_id: SessionId) -> bool:
        return session_id in self._waiting


def before(line: Iterable[Waiting], session_id: SessionId) -> list[Waiting]:
    """Those of a line that come before a session that stands in it."""
    ahead: list[Waiting] = []
    for waiting in line:
        if waiting.session_id == session_id:
            break
        ahead.append(waiting)
    return ahead
