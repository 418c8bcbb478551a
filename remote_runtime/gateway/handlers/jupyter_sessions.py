"""Jupyter Server's sessions API: a document's path, and the kernel that it has."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import NotRequired, TypedDict

from msgspec import Struct

from ...api import from_json
from ...errors import NoSuchOffer, NotFound
from .. import jupyter_sessions
from ..jupyter_sessions import JupyterSession
from ..live_session import LiveSession
from .kernel_models import KernelModel
from .kernels import GONE, KernelHandler, Text, start_kernel
from .operation import Operation


class NotebookModel(TypedDict):
    path: str
    name: str


class JupyterSessionModel(TypedDict):
    """`notebook` is there where `type` is ``notebook``."""

    id: str
    path: str
    name: str
    type: str
    kernel: KernelModel
    notebook: NotRequired[NotebookModel]


class KernelChoice(Struct):
    """The kernel with that id, if it runs; else a new one of that name."""

    id: Text | None = None
    name: Text | None = None


class JupyterSessionWish(Struct):
    """The body of a POST."""

    path: Text
    type: Text
    name: Text | None = None
    kernel: KernelChoice | None = None


class JupyterSessionChange(Struct):
    """The body of a PATCH."""

    path: Text | None = None
    type: Text | None = None
    name: Text | None = None
    kernel: KernelChoice | None = None


class JupyterSessionHandler(KernelHandler):
    """What answers with sessions."""

    async def sessions(self) -> list[JupyterSession]:
        """The user's, without those whose kernel is gone: these are forgotten."""
        found = await self.gateway.database.read(
            lambda connection: jupyter_sessions.read(connection, self.user.id)
        )
        gone = [session.id for session in found if session.kernel_id not in self.gateway.keeper.live]
        if gone:
            await self.gateway.database.write(lambda connection: jupyter_sessions.remove(connection, *gone))
        return [session for session in found if session.id not in gone]

    async def session(self, session_id: str) -> JupyterSession:
        """Raises `NotFound`; `Unavailable` where its kernel was withdrawn from the queue."""
        found = await self.gateway.database.read(
            lambda connection: jupyter_sessions.read(connection, self.user.id)
        )
        for session in found:
            if session.id == session_id:
                self.gateway.desk.live(self.user, session.kernel_id)
                return session
        raise NotFound(f"there is no session {session_id}")

    async def write_session(self, session: JupyterSession) -> None:
        self.write_json(await self.model(session))

    async def model(self, session: JupyterSession) -> JupyterSessionModel:
        live = self.gateway.desk.live(self.user, session.kernel_id)
        model = JupyterSessionModel(
            id=session.id,
            path=session.path,
            name=session.name,
            type=session.type,
            kernel=await self.kernel(live),
        )
        if session.type == "notebook":
            model["notebook"] = {"path": session.path, "name": session.name}
        return model

    async def kernel_of(self, choice: KernelChoice | None) -> LiveSession:
        if choice is not None and choice.id is not None and choice.id in self.gateway.keeper.live:
            return self.gateway.desk.live(self.user, choice.id)
        return await start_kernel(self.gateway, self.user, choice.name if choice else None)


class JupyterSessions(JupyterSessionHandler):
    """``GET`` and ``POST /api/sessions``."""

    @Operation("One's documents that have kernels", list[JupyterSessionModel])
    async def get(self) -> None:
        self.write_json([await self.model(session) for session in await self.sessions()])

    @Operation(
        "The session of that path",
        JupyterSessionModel,
        status=201,
        takes=JupyterSessionWish,
        refuses=(*GONE, NotFound, NoSuchOffer),
    )
    async def post(self) -> None:
        """The session of that path; a new one, with a new kernel, where there is none."""
        wish = from_json(JupyterSessionWish, self.body())
        found = next((one for one in await self.sessions() if one.path == wish.path), None)
        session = found or await self._add(wish)
        self.set_status(201)
        self.set_header("Location", f"/api/sessions/{session.id}")
        await self.write_session(session)

    async def _add(self, wish: JupyterSessionWish) -> JupyterSession:
        """Where another request for the path was quicker, its session; the kernel started here is stopped."""
        kernel_id = (await self.kernel_of(wish.kernel)).session.id
        name = wish.path if wish.name is None else wish.name
        new = JupyterSession(str(uuid.uuid4()), wish.path, name, wish.type, kernel_id)
        session = await self.gateway.database.write(
            lambda connection: jupyter_sessions.find_or_add(connection, self.user.id, new)
        )
        if session.kernel_id != kernel_id and not (wish.kernel and wish.kernel.id == kernel_id):
            await self.gateway.desk.stop(self.user, kernel_id)
        return session


class OneJupyterSession(JupyterSessionHandler):
    """``GET``, ``PATCH`` and ``DELETE /api/sessions/{id}``."""

    @Operation("One session", JupyterSessionModel, refuses=GONE)
    async def get(self, session_id: str) -> None:
        await self.write_session(await self.session(session_id))

    @Operation(
        "The session, renamed or with another kernel",
        JupyterSessionModel,
        takes=JupyterSessionChange,
        refuses=(*GONE, NotFound, NoSuchOffer),
    )
    async def patch(self, session_id: str) -> None:
        """Another kernel takes the place of the one before, which is stopped."""
        change = from_json(JupyterSessionChange, self.body())
        before = await self.session(session_id)
        texts = {name: getattr(change, name) for name in ("path", "name", "type")}
        after = replace(before, **{name: text for name, text in texts.items() if text is not None})
        if change.kernel is not None and (change.kernel.id or change.kernel.name):
            after = replace(after, kernel_id=(await self.kernel_of(change.kernel)).session.id)
        await self.gateway.database.write(lambda connection: jupyter_sessions.write(connection, after))
        if after.kernel_id != before.kernel_id:
            await self.gateway.desk.stop(self.user, before.kernel_id)
        await self.write_session(after)

    @Operation("Ends a session and its kernel", status=204, refuses=GONE)
    async def delete(self, session_id: str) -> None:
        session = await self.session(session_id)
        await self.gateway.desk.stop(self.user, session.kernel_id)
        await self.gateway.database.write(lambda connection: jupyter_sessions.remove(connection, session.id))
        self.set_status(204)
        self.finish()
