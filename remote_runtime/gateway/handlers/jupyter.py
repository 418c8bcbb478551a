"""What stock Jupyter clients ask beside kernels: which server this is, who one is, and what there is not."""

from __future__ import annotations

from typing import Any

from ...api import SessionState
from ...errors import NotFound
from ..users import User
from .base import JsonHandler
from .kernel_models import timestamp

JUPYTER_VERSION = "2.17.0"
"""The release of Jupyter Server whose REST API this is."""


class ApiVersion(JsonHandler):
    """``GET /api``."""

    anonymous = True

    def get(self) -> None:
        self.write_json({"version": JUPYTER_VERSION})


class ApiStatus(JsonHandler):
    """``GET /api/status``: the user's own kernels and their connections."""

    def get(self) -> None:
        live = [one for one in self.gateway.keeper.live.values() if one.owner == self.user.id]
        used_at = max((one.relay.used_at for one in live), default=self.gateway.started_at)
        self.write_json(
            {
                "started": timestamp(self.gateway.started_at),
                "last_activity": timestamp(used_at),
                "kernels": sum(one.state is not SessionState.STOPPING for one in live),
                "connections": sum(one.connections for one in live),
            }
        )


class ApiMe(JsonHandler):
    """``GET /api/me``: the identity, in Jupyter's shape."""

    def get(self) -> None:
        self.write_json({"identity": _identity(self.user), "permissions": {}})


class NotServed(JsonHandler):
    """Files and terminals: a gateway has kernels alone, and says so to who looks for more."""

    async def check(self) -> None:
        await super().check()
        raise NotFound("this gateway has kernels, and neither files nor terminals")


def _identity(user: User) -> dict[str, Any]:
    return {
        "username": user.name,
        "name": user.name,
        "display_name": user.name,
        "initials": user.name[:2].upper(),
        "avatar_url": None,
        "color": None,
    }
