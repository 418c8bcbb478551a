"""The gateway itself: health, who one is, metrics, shutdown."""

from __future__ import annotations

from importlib.metadata import version

from ...errors import Forbidden
from ...wire.control import WIRE_VERSION
from .base import JsonHandler


class Health(JsonHandler):
    """``GET /farcell/v1/health``: for anybody; tells nothing about users."""

    anonymous = True

    def get(self) -> None:
        self.write_json({"status": "ok", "farcell": version("farcell"), "wire": WIRE_VERSION})


class Me(JsonHandler):
    """``GET /farcell/v1/me``: whose token it is."""

    def get(self) -> None:
        self.write_json(
            {
                "name": self.user.name,
                "role": self.user.role.value,
                "gateway": self.gateway.id,
                "embedded": self.gateway.options.embedded,
            }
        )


class Metrics(JsonHandler):
    """``GET /metrics`` in Prometheus' text format, for operators."""

    operators_only = True

    async def get(self) -> None:
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.finish(await self.gateway.metrics.render())


class Shutdown(JsonHandler):
    """``POST /farcell/v1/shutdown``: an embedded gateway ends all leases, then itself."""

    operators_only = True

    async def post(self) -> None:
        if not self.gateway.options.embedded:
            raise Forbidden("a gateway that was started by farcell serve is stopped where it was started")
        ended = await self.gateway.end_all_leases()
        self.write_json({"ended": ended})
        self.gateway.stop()
