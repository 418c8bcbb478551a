"""Jupyter Server's kernels API: kernel specs and kernels. A kernel is a session, under the session's id."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from ...api import Request, SessionId, SessionKey, SessionSpec, from_json
from ...errors import Conflict, NoSuchOffer, NotFound, SessionNotFound, Unavailable
from ..live_session import LiveSession
from ..users import User
from . import kernel_models
from .base import JsonHandler
from .kernel_models import KernelModel, KernelSpecModel, KernelSpecsModel
from .operation import Operation

if TYPE_CHECKING:
    from ..application import Gateway


GONE = (SessionNotFound, Unavailable)
Text = Annotated[str, Meta(max_length=1024, pattern=r"^[^\x00]*$")]


class KernelWish(Struct):
    """The body of a POST: without a name, a kernel of the default spec is meant."""

    name: Text | None = None


async def start_kernel(gateway: Gateway, user: User, spec_name: str | None) -> LiveSession:
    """A new session each time, as stock clients expect; it belongs to the kernel id, not to a notebook.

    Waits for no container, and is withdrawn when it waits too long. Raises `NotFound` for no such spec.
    """
    request = await _request_of(gateway, spec_name)
    key = SessionKey("jupyter", f"kernel-{uuid.uuid4()}", request.default_name, ephemeral=True)
    queue_s = gateway.options.stock_queue_s
    session = await gateway.desk.ensure(user, SessionSpec(key, request), queue_s=queue_s)
    return gateway.desk.live(user, session.id)


async def _request_of(gateway: Gateway, name: str | None) -> Request:
    offers = await gateway.places.offers()
    names = {kernel_models.spec_name(offer.name, simulated=offer.simulated): offer for offer in offers}
    if name is None and names:
        name = next(iter(names))
    if name is None or name not in names:
        raise NotFound(f"there is no kernel spec {name!r}; there are: {', '.join(names) or 'none'}")
    return Request.parse(names[name].name, gateway.places.table)


class KernelSpecs(JsonHandler):
    """``GET /api/kernelspecs``: one for each offer."""

    @Operation("One kernel spec for each offer", KernelSpecsModel)
    async def get(self) -> None:
        self.write_json(kernel_models.kernel_specs(await self.gateway.places.offers()))


class KernelSpec(JsonHandler):
    """``GET /api/kernelspecs/{name}``."""

    @Operation("One kernel spec", KernelSpecModel)
    async def get(self, name: str) -> None:
        specs = kernel_models.kernel_specs(await self.gateway.places.offers())["kernelspecs"]
        if name not in specs:
            raise NotFound(f"there is no kernel spec {name!r}")
        self.write_json(specs[name])


class KernelHandler(JsonHandler):
    """What answers with kernels."""

    async def kernel(self, live: LiveSession) -> KernelModel:
        return kernel_models.kernel(live, await self.gateway.places.offers())


class Kernels(KernelHandler):
    """``GET`` and ``POST /api/kernels``."""

    @Operation("One's kernels", list[KernelModel])
    async def get(self) -> None:
        live = self.gateway.keeper.live.values()
        self.write_json([await self.kernel(one) for one in live if one.owner == self.user.id])

    @Operation(
        "A new kernel, whose container may have to be waited for",
        KernelModel,
        status=201,
        takes=KernelWish,
        needs_body=False,
        refuses=(NotFound, NoSuchOffer),
    )
    async def post(self) -> None:
        wish = from_json(KernelWish, self.body() if self.has_body() else {})
        live = await start_kernel(self.gateway, self.user, wish.name)
        self.set_status(201)
        self.set_header("Location", f"/api/kernels/{live.session.id}")
        self.write_json(await self.kernel(live))


class Kernel(KernelHandler):
    """``GET`` and ``DELETE /api/kernels/{id}``."""

    @Operation("One kernel", KernelModel, refuses=GONE)
    async def get(self, session_id: str) -> None:
        self.write_json(await self.kernel(self.gateway.desk.live(self.user, session_id)))

    @Operation("Ends a kernel", status=204, refuses=GONE)
    async def delete(self, session_id: str) -> None:
        """Also of one that was withdrawn from the queue: its client need not know."""
        if not self.gateway.desk.withdrawn.forget(self.user, SessionId(session_id)):
            self.gateway.desk.live(self.user, session_id)
            await self.gateway.desk.stop(self.user, session_id)
        self.set_status(204)
        self.finish()


class InterruptKernel(KernelHandler):
    """``POST /api/kernels/{id}/interrupt``."""

    @Operation("Interrupts what the kernel runs", status=204, refuses=(*GONE, Conflict))
    async def post(self, session_id: str) -> None:
        self.gateway.desk.interrupt(self.user, session_id)
        self.set_status(204)
        self.finish()


class RestartKernel(KernelHandler):
    """``POST /api/kernels/{id}/restart``."""

    @Operation("The kernel, once it has started anew", KernelModel, refuses=(*GONE, Conflict))
    async def post(self, session_id: str) -> None:
        await self.gateway.desk.restart(self.user, session_id)
        self.write_json(await self.kernel(self.gateway.desk.live(self.user, session_id)))
