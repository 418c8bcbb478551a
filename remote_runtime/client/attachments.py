"""The sessions that a client is attached to: found or started, opened, taken over, kept open."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..api import Holder, Session, SessionKey, SessionSpec
from ..errors import SessionNotFound
from ..wire.messages import KernelMessage
from .absence import tell_missed
from .cell import RunningCell
from .channels import Channels
from .endings import lease_ended, started_anew, taken_over
from .user_gateway import UserGateway

Stray = Callable[[SessionKey, KernelMessage, dict[str, Any], dict[str, Any]], None]
"""As the inbox's, with the session that it came from."""


@dataclass(slots=True)
class _Attached:
    channels: Channels
    reading: asyncio.Task[None]


class Attachments:
    """One for each key of a session; with `stays` the way is kept open between cells too."""

    def __init__(self, gateway: UserGateway, stray: Stray, *, stays: bool) -> None:
        self._gateway = gateway
        self._stray = stray
        self._stays = stays
        self._attached: dict[SessionKey, _Attached] = {}
        self._opening: dict[SessionKey, asyncio.Lock] = {}

    def channels(self, key: SessionKey) -> Channels | None:
        """The newest, also when they are of no use any more."""
        attached = self._attached.get(key)
        return attached.channels if attached else None

    def session(self, key: SessionKey) -> Session | None:
        """The session if a kernel of its can be asked now, without starting anything."""
        channels = self.channels(key)
        if channels is None or channels.closed.is_set() or not channels.position:
            return None
        return None if channels.session.state.is_over else channels.session

    def noted(self, session: Session) -> bool:
        """Keeps what the gateway told of a session; False for one that this is not attached to."""
        channels = self.channels(session.key)
        if channels is None or channels.session.id != session.id:
            return False
        channels.session = session
        return True

    async def attach(
        self, cell: RunningCell, spec: SessionSpec, *, take: bool
    ) -> tuple[Channels, str | None]:
        """The session's open channels; opened, and the session started, where they are not; and why it starts anew.

        The first time, and where another client had it, `cell` first shows what the session's cells did meanwhile.
        Raises `TakenOver` where another client has it and it is not to `take` it back.
        """
        async with self._opening.setdefault(spec.key, asyncio.Lock()):
            before = self.channels(spec.key)
            if before is not None and before.serve(spec):
                return before, None
            if before is not None and await self._is_elsewhere(before.session, take=take):
                before = None
            session = await self._gateway.patiently(self._ensure, spec)
            anew = started_anew(session)
            missed = await tell_missed(self._gateway, cell, session) if before is None else None
            channels = await self._gateway.patiently(self._open, session, take=take or before is None)
            if missed is not None and not session.state.is_on_the_way:
                channels.go_on_after(missed)
            if before is not None:
                if channels.lease_id is not None and channels.lease_id == before.lease_id:
                    channels.go_on_from(before)
                before.close()
            self._attached[spec.key] = _Attached(channels, asyncio.create_task(channels.read()))
            return channels, anew

    def other_holder(self, session: Session) -> Holder | None:
        """Nobody holds a session that has no container."""
        mine = session.holder is None or session.holder.client == self._gateway.me.client
        return None if mine or session.state.is_over else session.holder

    async def close(self) -> None:
        for attached in self._attached.values():
            attached.channels.close()
            attached.reading.cancel()
        await asyncio.gather(
            *(attached.reading for attached in self._attached.values()), return_exceptions=True
        )
        self._attached.clear()

    async def _is_elsewhere(self, session: Session, *, take: bool) -> bool:
        """Whether another client has taken over what was attached to; raises `TakenOver` unless it is to `take` it."""
        try:
            session = await self._gateway.patiently(self._gateway.session, session.id)
        except SessionNotFound:
            return False
        holder = self.other_holder(session)
        if holder is not None and not take:
            raise taken_over(session, holder.name)
        return holder is not None

    async def _ensure(self, spec: SessionSpec) -> Session:
        """The session, started where it was not; on the user's own machine, with the Python that runs here."""
        image = spec.image
        if not (image.python or image.base) and (await self._gateway.gateway()).address.local:
            spec = replace(spec, image=replace(image, python=sys.executable))
        return await self._gateway.ensure(spec)

    async def _open(self, session: Session, *, take: bool) -> Channels:
        """Raises why the session is gone if it was faster to fail than this is to connect."""
        try:
            stray = partial(self._stray, session.key)
            return await Channels.open(session, self._gateway, stray, stays=self._stays, take=take)
        except SessionNotFound:
            raise lease_ended(await self._gateway.session(session.id), begun=False) from None
