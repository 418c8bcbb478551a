"""Jupyter Server's kernels API: kernel specs, kernels, channels. A kernel is a session, under the session's id."""

from __future__ import annotations

import asyncio
import logging
import uuid
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ...api import Offer, Request, Session, SessionKey, SessionSpec, SessionState
from ...errors import BadFrame, BadRequest, FarcellError, NotFound
from ...wire import messages
from ..live_session import LiveSession
from ..relay import Relay
from .base import JsonHandler
from .sockets import SocketHandler

_log = logging.getLogger(__name__)

SUBPROTOCOL = "v1.kernel.websocket.jupyter.org"
OWN_SUBPROTOCOL = "farcell.client.v1"
MAX_MESSAGE_BYTES = 256 << 20
"""The largest kernel message that a client may send; what is announced larger is refused before it is read."""
MAX_BEHIND_BYTES = 64 << 20
"""A client that reads so much slower than its kernel writes is cut off."""

_STATES = {SessionState.IDLE: "idle", SessionState.BUSY: "busy"}


class ApiVersion(JsonHandler):
    """``GET /api``."""

    anonymous = True

    def get(self) -> None:
        self.write_json({"version": "2.17.0"})


class KernelSpecs(JsonHandler):
    """``GET /api/kernelspecs``: one for each offer."""

    async def get(self) -> None:
        offers = await self.gateway.places.offers()
        specs = {spec["name"]: spec for spec in map(_kernel_spec, offers)}
        default = next(iter(specs), "")
        self.write_json({"default": default, "kernelspecs": specs})


class KernelSpec(JsonHandler):
    """``GET /api/kernelspecs/{name}``."""

    async def get(self, name: str) -> None:
        for spec in map(_kernel_spec, await self.gateway.places.offers()):
            if spec["name"] == name:
                self.write_json(spec)
                return
        raise NotFound(f"there is no kernel spec {name!r}")


class Kernels(JsonHandler):
    """``GET`` and ``POST /api/kernels``."""

    async def get(self) -> None:
        sessions = await self.gateway.desk.list(self.user)
        live = self.gateway.keeper.live
        self.write_json([_kernel(session, live[session.id]) for session in sessions if session.id in live])

    async def post(self) -> None:
        """A new session each time, as stock clients expect; it belongs to the kernel id, not to a notebook."""
        model = self.body() if self.has_body() else {}
        if not isinstance(model, dict):
            raise BadRequest('the body is a JSON object such as {"name": "farcell-h100"}')
        request = await self._request_of(model.get("name"))
        key = SessionKey("jupyter", f"kernel-{uuid.uuid4()}", request.default_name, ephemeral=True)
        session = await self.gateway.desk.ensure(self.user, SessionSpec(key, request))
        self.set_status(201)
        self.set_header("Location", f"/api/kernels/{session.id}")
        self.write_json(_kernel(session, self.gateway.keeper.live.get(session.id)))

    async def _request_of(self, name: Any) -> Request:
        offers = await self.gateway.places.offers()
        names = {_spec_name(offer): offer for offer in offers}
        if name is None and names:
            name = next(iter(names))
        if not isinstance(name, str) or name not in names:
            raise NotFound(f"there is no kernel spec {name!r}; there are: {', '.join(names) or 'none'}")
        return Request.parse(names[name].name, self.gateway.places.table)


class Kernel(JsonHandler):
    """``GET`` and ``DELETE /api/kernels/{id}``."""

    def get(self, session_id: str) -> None:
        live = self.gateway.desk.live(self.user, session_id)
        self.write_json(_kernel(live.view(), live))

    async def delete(self, session_id: str) -> None:
        self.gateway.desk.live(self.user, session_id)
        await self.gateway.desk.stop(self.user, session_id)
        self.set_status(204)
        self.finish()


class KernelAction(JsonHandler):
    """``POST /api/kernels/{id}/interrupt`` and ``/restart``."""

    async def post(self, session_id: str, action: str) -> None:
        if action == "interrupt":
            self.gateway.desk.interrupt(self.user, session_id)
            self.set_status(204)
            self.finish()
            return
        await self.gateway.desk.restart(self.user, session_id)
        live = self.gateway.desk.live(self.user, session_id)
        self.write_json(_kernel(live.view(), live))


class Channels(SocketHandler):
    """``GET /api/kernels/{id}/channels``: kernel messages in the v1 layout, relayed without being decoded.

    Our own clients ask for ``farcell.client.v1``: what they get is numbered, and what they miss, because the connection
    broke or they read too slowly, they read in the session's journal.
    """

    subprotocols = (OWN_SUBPROTOCOL, SUBPROTOCOL)
    _relay: Relay | None = None
    _number = 0
    _behind_bytes = 0

    async def check(self) -> None:
        user = await self.authenticate()
        self._live = self.gateway.desk.live(user, self.path_args[0])

    @property
    def own(self) -> bool:
        return self.selected_subprotocol == OWN_SUBPROTOCOL

    def opened(self) -> None:
        self._relay = self._live.relay
        self._number = self._relay.attach(self)

    async def on_message(self, message: str | bytes) -> None:
        """Tornado reads the next message when this returns: a client that is ahead of its agent waits."""
        if self._relay is None:
            return
        try:
            if isinstance(message, str):
                raise BadFrame("a text message; kernel messages are binary in this subprotocol")
            channel = messages.check(message)
            await self._relay.room(channel)
            self._relay.from_client(self._number, channel, message)
        except FarcellError as error:
            _log.info("session %s: closed client %d: %s", self._live.session.id, self._number, error)
            self.refuse(1007, error)

    def on_close(self) -> None:
        super().on_close()
        if self._relay is not None:
            self._relay.detach(self._number, self)

    # --- what the relay calls ---

    def deliver(self, data: bytes) -> None:
        written = self.write_frame(data)
        if written is None:
            return
        written.add_done_callback(partial(self._written, len(data)))
        self._behind_bytes += len(data)
        if self._behind_bytes > MAX_BEHIND_BYTES:
            self.close(1013, "the client reads too slowly")

    def end(self, code: int, reason: str) -> None:
        if not self.own:
            self.deliver(_dead(reason))
        self.close(code, reason[:120])

    def _written(self, size: int, _written: asyncio.Future[None]) -> None:
        self._behind_bytes -= size


def _dead(detail: str) -> bytes:
    """The message by which Jupyter Server tells that a kernel is gone for good."""
    header = {
        "msg_id": str(uuid.uuid4()),
        "msg_type": "status",
        "session": "farcell",
        "username": "farcell",
        "date": datetime.now(UTC).isoformat(),
        "version": "5.3",
    }
    content = {"execution_state": "dead", "farcell": {"detail": detail}}
    return messages.pack(messages.encode("iopub", header, content=content))


def _spec_name(offer: Offer) -> str:
    simulated = "-simulated" if offer.simulated else ""
    return f"farcell-{offer.name.lower()}{simulated}"


def _kernel_spec(offer: Offer) -> dict[str, Any]:
    return {
        "name": _spec_name(offer),
        "spec": {
            "argv": [],
            "display_name": f"Farcell ({offer.label})",
            "language": "python",
            "interrupt_mode": "message",
            "env": {},
            "metadata": {"farcell": {"offer": offer.name, "simulated": offer.simulated}},
        },
        "resources": {},
    }


def _kernel(session: Session, live: LiveSession | None) -> dict[str, Any]:
    return {
        "id": session.id,
        "name": f"farcell-{session.request}".lower(),
        "last_activity": datetime.now(UTC).isoformat(),
        "execution_state": _STATES.get(session.state, "starting"),
        "connections": live.relay.clients if live else 0,
    }
