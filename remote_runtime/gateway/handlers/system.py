"""The gateway itself: health, who one is, metrics, shutdown."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, TypedDict

from ...errors import Forbidden
from ...wire.control import WIRE_VERSION
from .base import JsonHandler
from .operation import JSON, Operation


class HealthAnswer(TypedDict):
    status: str
    farcell: str
    wire: int


class MeAnswer(TypedDict):
    name: str
    role: str
    gateway: str
    embedded: bool


class ShutdownAnswer(TypedDict):
    """How many leases were ended."""

    ended: int


class Description(JsonHandler):
    """``GET /farcell/v1/openapi.json``: for anybody, since it says what any gateway of this release can do.

    Who makes a client or sets up a proxy has no token yet.
    """

    anonymous = True

    @Operation("This description, in OpenAPI's form", dict[str, Any])
    def get(self) -> None:
        self.set_header("Content-Type", JSON)
        self.finish(self.gateway.description)


class Health(JsonHandler):
    """``GET /farcell/v1/health``: for anybody; tells nothing about users."""

    anonymous = True

    @Operation("Whether the gateway answers, and its versions", HealthAnswer)
    def get(self) -> None:
        self.write_json(HealthAnswer(status="ok", farcell=version("farcell"), wire=WIRE_VERSION))


class Me(JsonHandler):
    """``GET /farcell/v1/me``: whose token it is."""

    @Operation("Whose token it is", MeAnswer)
    def get(self) -> None:
        self.write_json(
            MeAnswer(
                name=self.user.name,
                role=self.user.role.value,
                gateway=self.gateway.id,
                embedded=self.gateway.options.embedded,
            )
        )


class Metrics(JsonHandler):
    """``GET /metrics`` in Prometheus' text format, for operators."""

    operators_only = True

    @Operation("Figures in Prometheus' text format", media="text/plain")
    async def get(self) -> None:
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.finish(await self.gateway.metrics.render())


class Shutdown(JsonHandler):
    """``POST /farcell/v1/shutdown``: an embedded gateway ends all leases, then itself."""

    operators_only = True

    @Operation("Ends an embedded gateway and all its leases", ShutdownAnswer)
    async def post(self) -> None:
        if not self.gateway.options.embedded:
            raise Forbidden("a gateway that was started by farcell serve is stopped where it was started")
        ended = await self.gateway.end_all_leases()
        self.write_json(ShutdownAnswer(ended=ended))
        self.gateway.stop()
