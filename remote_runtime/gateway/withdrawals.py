"""Requests of stock clients that waited too long for a container, and what is told to who asks for them later.

A stock client gives a kernel up that does not start; a machine that came after that would be nobody's.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from ..api import EndReason, QueuePlace, SessionId, SessionState, UserId
from ..errors import Unavailable
from .background import Background
from .leases import LeaseKeeper
from .live_session import LiveSession
from .users import User

REMEMBERED = 1024
"""How many are remembered; of older ones there is no such session, as after a restart of the gateway."""


@dataclass(frozen=True, slots=True)
class _Withdrawn:
    owner: UserId
    request: str
    place: QueuePlace | None

    def error(self) -> Unavailable:
        place = self.place.place if self.place else None
        reason = self.place.reason if self.place else "no device was free"
        where = f" at place {place}" if place else ""
        return Unavailable(
            f"no {self.request} came free in time: the request waited in the queue{where} ({reason}) "
            "and was withdrawn; start the kernel again to queue anew",
            place=place,
            reason=reason,
        )


class Withdrawals:
    """Withdraws, and remembers who was withdrawn lately."""

    def __init__(self, keeper: LeaseKeeper, background: Background) -> None:
        self._keeper = keeper
        self._background = background
        self._withdrawn: OrderedDict[SessionId, _Withdrawn] = OrderedDict()

    def withdraw_overdue(self, now: float) -> None:
        """Takes out of the queue who has waited too long; called every second or so."""
        for live in list(self._keeper.live.values()):
            if live.state is SessionState.QUEUED and not live.ending and now > live.withdraw_at:
                detail = self._remember(live)
                ending = self._keeper.end(live, EndReason.EXPIRED, detail)
                self._background.spawn(ending, f"withdrawing session {live.session.id}")

    def _remember(self, live: LiveSession) -> str:
        """The place that it had; returns the sentence that tells of it."""
        one = _Withdrawn(live.owner, str(live.session.request), live.queue)
        self._withdrawn[live.session.id] = one
        while len(self._withdrawn) > REMEMBERED:
            self._withdrawn.popitem(last=False)
        return one.error().message

    def check(self, user: User, session_id: SessionId) -> None:
        """Raises `Unavailable`, with place and reason, for one that was withdrawn."""
        one = self._withdrawn.get(session_id)
        if one is not None and _may_see(user, one):
            raise one.error()

    def forget(self, user: User, session_id: SessionId) -> bool:
        """Whether it had been withdrawn."""
        one = self._withdrawn.get(session_id)
        if one is None or not _may_see(user, one):
            return False
        del self._withdrawn[session_id]
        return True


def _may_see(user: User, one: _Withdrawn) -> bool:
    return user.id == one.owner or user.is_operator
