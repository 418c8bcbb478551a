"""Sessions as their owners see them: asked for, queued, found, stopped."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from ..api import (
    EndReason,
    Holder,
    SavedImage,
    Session,
    SessionId,
    SessionKey,
    SessionSettings,
    SessionSpec,
    SessionState,
    to_json,
)
from ..errors import (
    BadRequest,
    Conflict,
    FarcellError,
    SessionHoldsOther,
    SessionNotFound,
    TakenOver,
)
from ..scheduler import Grant
from ..wire import control
from . import records, saved_images
from .background import Background
from .database import Database
from .events import Event, EventBus
from .images import ImageDesk
from .leases import LeaseKeeper
from .live_session import LiveSession
from .places import Places
from .relay import Relay
from .users import User
from .withdrawals import Withdrawals

_log = logging.getLogger(__name__)

MAX_KEEP_S = 24 * 3600.0
TOLD_AFTER_S = 0.1
OFTEN = (SessionState.IDLE, SessionState.BUSY, SessionState.BUILDING)


class SessionDesk:
    """What the REST handlers call. Every verb checks that the session is the user's; an operator's are all."""

    def __init__(
        self,
        database: Database,
        places: Places,
        keeper: LeaseKeeper,
        images: ImageDesk,
        events: EventBus,
        background: Background,
    ) -> None:
        self._database = database
        self._places = places
        self._keeper = keeper
        self._events = events
        self._background = background
        self._images = images
        self._untold: set[LiveSession] = set()
        self.withdrawn = Withdrawals(keeper, background)

    # --- ask ---

    async def ensure(self, user: User, spec: SessionSpec, *, queue_s: float = math.inf) -> Session:
        """The session of that key, with a container or in the queue for one; asking again changes nothing.

        A new one is withdrawn when it has waited for `queue_s`.
        Raises `NoSuchOffer` where nothing could ever fulfil the request, `SessionHoldsOther` when the session runs with
        another request or image, or within other walls; who asks for none takes those that there are.
        """
        await self._places.refresh()
        live = await self._live_of(user, spec.key)
        if live is None:
            self._places.scheduler.check(spec.request, spec.walls)
            self._images.check(spec.image)
        else:
            self._check_same(live, spec)
            spec = replace(spec, walls=live.session.walls)
        session, _ = await self._database.write(
            lambda connection: records.find_or_add_session(connection, user.id, spec)
        )
        live = self._keeper.live.get(session.id)
        if live is not None and live.ending:
            await live.over.wait()
            live = self._keeper.live.get(session.id)
        if live is None:
            return await self._queue(user, replace(session, request=spec.request), queue_s)
        self._check_same(live, spec)
        live.wanted.set()
        self._set_settings(live, spec.settings)
        return live.view()

    async def _live_of(self, user: User, key: SessionKey) -> LiveSession | None:
        """The session of that key if it stays: what a spawner offers now, or not, is nothing to it."""
        found = await self._database.read(lambda connection: records.find_session(connection, user.id, key))
        live = None if found is None else self._keeper.live.get(found)
        return None if live is None or live.ending else live

    def _check_same(self, live: LiveSession, spec: SessionSpec) -> None:
        """Raises `SessionHoldsOther`."""
        session, lease = live.session, live.lease
        if session.request != spec.request:
            raise _holds_other(session, str(session.request), str(spec.request))
        walls = self._places.walls(lease, session.walls) if lease else session.walls
        if spec.walls.over(walls) != walls:
            raise _holds_other(session, str(walls) or "its spawner's own walls", str(spec.walls))
        if not spec.keeps_image and not session.image.is_same(spec.image):
            raise _holds_other(
                session, f"the image {session.image!r}", repr(replace(spec.image, python=None))
            )

    def _set_settings(self, live: LiveSession, settings: SessionSettings) -> None:
        if live.session.settings != settings:
            live.session = replace(live.session, settings=settings)
            live.relay.command(control.Settings(settings.idle_s, settings.busy_cap_s))

    async def _queue(self, user: User, session: Session, queue_s: float) -> Session:
        building = self._images.needs_build(session.image)
        state = SessionState.BUILDING if building else SessionState.QUEUED
        live = LiveSession(
            session=replace(session, state=state, holder=None, failure=None),
            owner=user.id,
            relay=Relay(session.id),
        )
        live.wanted.set()
        live.withdraw_at = time.monotonic() + queue_s
        if not building:
            self._submit(live)
        self._keeper.live[session.id] = live
        since = datetime.now(UTC)
        until = since + timedelta(seconds=queue_s) if math.isfinite(queue_s) else None

        def write(connection: Connection) -> None:
            records.set_wishes(connection, session)  # others may have asked meanwhile
            records.set_queued(connection, session.id, session.request, since, until)

        await self._database.write(write)
        if building:
            self._background.spawn(self._build_and_queue(live), f"building for session {session.id}")
        self.place()
        return live.view()

    async def _build_and_queue(self, live: LiveSession) -> None:
        spawners = await self._images.build(live)
        if spawners is None:
            return
        try:
            self._submit(live)
        except FarcellError as error:  # the offer has gone meanwhile
            await self._images.fail(live, error)
        else:
            self._places.scheduler.keep_to(live.session.id, spawners)
            self.changed(live)
            self.place()

    def _submit(self, live: LiveSession) -> None:
        session, now = live.session, time.monotonic()
        self._places.scheduler.submit(session.id, live.owner, session.request, now, session.walls)

    def place(self) -> None:
        """Starts whoever's turn it is, and tells the others their places; called when something may have changed."""
        now = time.monotonic()
        for grant in self._places.scheduler.place(now):
            live = self._keeper.live.get(grant.session_id)
            if live is not None:
                self._start(live, grant)
        for live in self._keeper.live.values():
            if live.state is SessionState.QUEUED:
                place = self._places.scheduler.queue_place(live.session.id, now)
                if place != live.queue:
                    live.queue = place
                    self.changed(live)

    def _start(self, live: LiveSession, grant: Grant) -> None:
        live.queue = None
        self._background.spawn(self._keeper.start(live, grant), f"starting session {live.session.id}")

    # --- find ---

    async def find(self, user: User, session_id: str) -> Session:
        live = self._keeper.live.get(SessionId(session_id))
        if live is not None and _may_see(user, live):
            return live.view()
        session = await self._database.read(
            lambda connection: records.read_session(connection, SessionId(session_id))
        )
        if session is None or not (session.owner == user.name or user.is_operator):
            raise SessionNotFound(f"there is no session {session_id}")
        return session

    def live(self, user: User, session_id: str) -> LiveSession:
        """The session if it is queued or has a container; raises `SessionNotFound` or `Unavailable` otherwise."""
        live = self._keeper.live.get(SessionId(session_id))
        if live is None or not _may_see(user, live):
            self.withdrawn.check(user, SessionId(session_id))
            raise SessionNotFound(f"there is no session {session_id} with a container")
        return live

    async def list(self, user: User, *, everybody: bool = False) -> list[Session]:
        """The user's own sessions, for an operator everybody's if she asks; the newest first."""
        owner = None if everybody and user.is_operator else user.id
        stored = await self._database.read(lambda connection: records.read_sessions(connection, owner))
        live = self._keeper.live
        return [live[session.id].view() if session.id in live else session for session in stored]

    # --- change ---

    async def stop(self, user: User, session_id: str) -> None:
        """Leaves the queue, or ends the lease; silent for a session that has neither."""
        await self.find(user, session_id)
        live = self._keeper.live.get(SessionId(session_id))
        if live is not None:
            await self._keeper.end(live, EndReason.STOPPED, f"stopped by {user.name}")

    def keep(self, user: User, session_id: str, seconds: float) -> None:
        if not 0 <= seconds <= MAX_KEEP_S:
            raise BadRequest(f"keep takes 0 to {MAX_KEEP_S:.0f} seconds, not {seconds:g}")
        self._command(self.live(user, session_id), control.Keep(seconds))

    def shown(self, user: User, session_id: str, position: int) -> None:
        """The session's notebook has shown its output up to that position of the journal."""
        self._keeper.shown(self.live(user, session_id), position)

    async def save_image(self, user: User, session_id: str, name: str | None) -> SavedImage:
        """Keeps its image, with what was installed by hand, for her under a name and for its next container."""
        session = await self.find(user, session_id)
        image = session.image.pip_install(*session.installed) if session.installed else session.image
        name = name or session.name
        if not saved_images.NAME.fullmatch(name):
            raise BadRequest(f"{name[:80]!r} is no name for an image: letters, digits, '.', '_' and '-'")

        def write(connection: Connection) -> SavedImage:
            records.set_image(connection, session.id, image)
            return saved_images.keep(connection, user.id, name, image)

        saved = await self._database.write(write)
        live = self._keeper.live.get(session.id)
        if live is not None:
            live.session = replace(live.session, image=image, installed=())
            self.changed(live)
        return saved

    async def hold(self, live: LiveSession, who: Holder, *, take: bool) -> None:
        """Before one of our own clients is attached; who had the session before is told.

        Raises `TakenOver` where another has it, unless it is to be taken.
        """
        held = live.session.holder
        if held is not None and held.client != who.client and not take:
            raise TakenOver(
                f"session {live.session.name} was taken over by {held.name}: "
                f"'%gpu attach {live.session.name}' takes it back",
                by=held.name,
            )
        if held == who:
            return
        live.session = replace(live.session, holder=who)
        await self._database.write(lambda connection: records.set_holder(connection, live.session.id, who))
        if held is not None and live.session.holder == who:
            _log.info("session %s: %s took over from %s", live.session.id, who.name, held.name)
            live.relay.forget_waiting()
            live.relay.hand_over(who)
        self.changed(live)

    def interrupt(self, user: User, session_id: str) -> None:
        self._command(self.live(user, session_id), control.Interrupt())

    async def restart(self, user: User, session_id: str) -> None:
        """Returns when the new kernel answers; variables are gone, files stay."""
        live = self.live(user, session_id)
        self._command(live, control.Restart())
        live.ready.clear()
        async with asyncio.timeout(self._keeper.times.start_s):
            await live.ready_or_over()
        self.live(user, session_id)

    def _command(self, live: LiveSession, order: control.Control) -> None:
        if not live.relay.command(order):
            raise Conflict(
                f"session {live.session.name} is {live.state.value}: it has no running container yet"
            )

    def changed(self, live: LiveSession) -> None:
        """Tells listeners; of one that goes on running or building only now and then: each cell and line changes it.

        After an end, someone's turn may have come.
        """
        if live.state not in OFTEN or live.told not in OFTEN:
            self._tell(live)
        elif live not in self._untold:
            self._untold.add(live)
            asyncio.get_running_loop().call_later(TOLD_AFTER_S, self._tell, live)
        if live.over.is_set() or live.state.is_over:
            self.place()

    def _tell(self, live: LiveSession) -> None:
        self._untold.discard(live)
        live.told = live.state
        if self._events.listeners:
            view = live.view()
            self._events.publish(Event("session", live.owner, {**to_json(view), **view.facts()}))


def _may_see(user: User, live: LiveSession) -> bool:
    return user.id == live.owner or user.is_operator


def _holds_other(session: Session, holds: str, asked: str) -> SessionHoldsOther:
    return SessionHoldsOther(
        f"session {session.name} runs with {holds}, not {asked}: "
        f"add -n NAME for a second session, or end this one with %gpu stop {session.name}",
        name=session.name,
        holds=holds,
    )
